"""One server and several devices, all of them processes, killed at any moment: nothing is lost, nothing is doubled.

The source changes rows while devices write. When everybody has been killed often enough and come to rest, the server's
database, the devices' databases and the journals that the devices' processes have kept say the same.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from e2e.conftest import USER, table
from e2e.processes import STEP_SECONDS_MAX, ServerProcess
from haversack.sync.v1 import upload_pb2
from haversack_client import Device
from haversack_server.demo.organization import Organization
from sim.journal import GONE, Account, Values
from sim.organization import fill

NAME = "killed"
DEVICES = 3
SOURCE_ROWS = 15
"""Rows of the source that each device changes a field of, while the source changes another."""

SERVER_SHARE = 0.3
"""How many of the kills hit the server."""

PAUSE_SECONDS_MAX = 1.0
"""Longest that everybody lives between two kills."""


@dataclass
class Source:
    """The organization's source: it makes rows for every device and goes on changing them."""

    organization: Organization
    rows: dict[str, Values] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)

    def make(self, device: str) -> None:
        """Makes the rows of a device."""
        made = {str(uuid.uuid4()): (f"{device}-source-{number}", "v0") for number in range(SOURCE_ROWS)}
        lines = [[row, last, first, "new"] for row, (last, first) in made.items()]
        self.organization.ingest("contact", table([["contactid", "lastname", "firstname", "jobtitle"], *lines]))
        self.rows |= made
        self.jobs |= dict.fromkeys(made, "new")

    def change(self, note: str, draw: random.Random) -> None:
        """Changes a field of some rows. A server that dies meanwhile may have done it: it is done again."""
        chosen = draw.sample(sorted(self.jobs), 5)
        self.organization.patch("contact", table([["contactid", "jobtitle"], *([row, note] for row in chosen)]))
        self.jobs |= dict.fromkeys(chosen, note)


@dataclass
class Devices:
    """The devices' processes."""

    folder: Path
    endpoint: str
    token: str
    names: list[str] = field(default_factory=lambda: [f"d{number}" for number in range(DEVICES)])
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        """Starts a device's process."""
        tests = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, (tests, os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "HAVERSACK_TOKEN": self.token, "PYTHONPATH": path}
        command = [sys.executable, "-m", "sim.device_process", str(self.folder), name, self.endpoint, *options]
        self.running[name] = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        return self.running[name]

    def kill(self, name: str) -> None:
        """Kills a device's process. It must have been alive: nothing but a kill ends it."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate(timeout=STEP_SECONDS_MAX)
        assert process.returncode == -signal.SIGKILL, errors.decode()

    def finish(self) -> None:
        """Lets every device bring what it has written to the server."""
        processes = [self.start(name, "--finish") for name in self.names]
        for process in processes:
            _, errors = process.communicate(timeout=STEP_SECONDS_MAX)
            assert process.returncode == 0, errors.decode()
        self.running.clear()

    def close(self) -> None:
        """Kills whoever is left."""
        for name in list(self.running):
            process = self.running.pop(name)
            process.kill()
            process.communicate(timeout=STEP_SECONDS_MAX)


def test_nothing_is_lost_or_doubled_whoever_is_killed(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    seed = pytestconfig.getoption("--simulation-seed") or random.randrange(1 << 32)
    print(f"--simulation-seed {seed} draws the same kills")
    draw = random.Random(seed)
    server = ServerProcess(tmp_path / "data")
    with ExitStack() as ending:
        ending.callback(server.kill)
        server.start()
        channel = ending.enter_context(grpc.insecure_channel(server.admin))
        source = Source(server.organization(channel, NAME))
        fill(source.organization)
        devices = Devices(tmp_path, server.sync, server.device_token(NAME, USER))
        ending.callback(devices.close)
        for name in devices.names:
            source.make(name)
            devices.start(name)
        for number in range(pytestconfig.getoption("--simulation-kills")):
            source.change(f"changed {number}", draw)
            time.sleep(draw.random() * PAUSE_SECONDS_MAX)
            kill_somebody(server, devices, draw)
        for name in devices.names:
            devices.kill(name)
        source.change("changed at last", draw)
        devices.finish()
        wait_written_back(server.data)
        check_devices(devices, server, source)
    check_ledger(server.data, devices)


def kill_somebody(server: ServerProcess, devices: Devices, draw: random.Random) -> None:
    """Kills the server or a device, and starts it again."""
    if draw.random() < SERVER_SHARE:
        server.kill()
        server.start()
    else:
        name = draw.choice(devices.names)
        devices.kill(name)
        devices.start(name)


def check_devices(devices: Devices, server: ServerProcess, source: Source) -> None:
    """A new device has what journals and source say; every other device has the same."""
    with Device.open(devices.folder / "fresh.db", server.sync, devices.token) as fresh:
        fresh.sync()
        data = contacts(fresh)
    jobs = {row: job for row, (*_, job) in data.items()}
    assert {row: jobs[row] for row in source.jobs} == source.jobs
    known: set[str] = set()
    for name in devices.names:
        own = {row: values for row, values in source.rows.items() if values[0].startswith(f"{name}-")}
        account = Account.read(devices.folder / f"{name}.journal", own)
        assert account.done > 0, f"{name} has written nothing"
        for row, may_be in account.rows.items():
            assert (data[row][:2] if row in data else GONE) in may_be, f"{name} wrote {may_be} to {row}"
        known |= account.rows.keys()
    assert data.keys() <= known, "somebody made a row twice"
    for name in devices.names:
        with Device.open(devices.folder / f"{name}.db", server.sync, devices.token) as device:
            device.sync()
            assert device.status(verify=True).checkpoint is not None
            assert device.outbox() == []
            assert contacts(device) == data


def wait_written_back(data: Path) -> None:
    """Waits until the record database has everything that devices have written."""
    deadline = time.monotonic() + STEP_SECONDS_MAX
    with closing(sqlite3.connect(staging_of(data))) as staging:
        while staging.execute("SELECT 1 FROM mutations WHERE effect IS NOT NULL LIMIT 1").fetchone():
            assert time.monotonic() < deadline, "what devices have written does not come to the record database"
            time.sleep(0.05)


def staging_of(data: Path) -> Path:
    """The organization's staging database, which the server's process has open, and this one has not."""
    (path,) = data.glob("organizations/*/staging-*.sqlite3")
    return path


def contacts(device: Device) -> dict[str, tuple[str, str, str | None]]:
    """Every contact of a device: last name, first name, job."""
    rows = device.query("SELECT contactid, lastname, firstname, jobtitle FROM contact")
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def check_ledger(data: Path, devices: Devices) -> None:
    """The server, which is no more, has judged every write that was done, and none twice."""
    with closing(sqlite3.connect(staging_of(data))) as staging:
        query = "SELECT install, number, outcome FROM mutations"
        judged = staging.execute(query).fetchall()
        assert {outcome for *_, outcome in judged} == {upload_pb2.MUTATION_OUTCOME_APPLIED}
        assert len({(install, number) for install, number, _ in judged}) == len(judged)
    for name in devices.names:
        account = Account.read(devices.folder / f"{name}.journal")
        with closing(sqlite3.connect(devices.folder / f"{name}.db")) as device:
            (install,) = device.execute("SELECT value FROM _haversack_meta WHERE key = 'install_id'").fetchone()
        count = sum(1 for other, *_ in judged if other == install)
        assert account.taken <= account.meant
        assert account.done <= count <= account.meant, f"{name}: {account.done}, {count}, {account.meant}"
