"""Backups and restores that are killed, and a server whose disk is lost: what was acknowledged is there again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
from e2e.conftest import GLOBAL, READ, ROLE, UNIT, USER, table
from e2e.processes import SCRIPTS, STEP_SECONDS_MAX, ServerProcess
from haversack.model.v1 import model_pb2
from haversack_client import Backoff, Device
from haversack_server.demo.organization import Organization

NAME = "backups"
CREATE, WRITE = 1, 3

ROWS = 600
"""What a device makes before the backup, and again after it."""

DELAYS_SECONDS = (0.0, 0.05, 0.2)
"""How long after the beginning of its work a command is killed."""


def fill(organization: Organization) -> None:
    """Gives an organization a user who may read, create and change contacts."""
    organization.create()
    organization.ingest("businessunit", table([["businessunitid", "name"], [UNIT, "Unit"]]))
    organization.ingest("systemuser", table([["systemuserid", "fullname", "businessunitid"], [USER, "Tester", UNIT]]))
    organization.ingest("role", table([["roleid", "name", "businessunitid"], [ROLE, "Writer", UNIT]]))
    assignments = [["systemuserroleid", "systemuserid", "roleid"], [str(uuid.uuid4()), USER, ROLE]]
    organization.ingest("systemuserroles", table(assignments))
    rights = [("mobileofflineprofile", READ), *(("contact", right) for right in (CREATE, READ, WRITE))]
    grants = [[str(uuid.uuid4()), ROLE, entity, str(right), str(GLOBAL)] for entity, right in rights]
    header = ["roleprivilegeid", "roleid", "entityname", "accessright", "depth"]
    organization.ingest("roleprivileges", table([header, *grants]))
    organization.enable("contact")
    item = model_pb2.ProfileItem(entity="contact", criteria=model_pb2.RECORD_CRITERIA_ALL)
    organization.publish(model_pb2.Profile(name="all", users=[USER], items=[item]))


def command(*words: str | Path) -> subprocess.Popen[bytes]:
    """Starts a command of the server's."""
    return subprocess.Popen([SCRIPTS / "haversack", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def carry_out(*words: str | Path) -> None:
    """Carries a command out."""
    process = command(*words)
    _, errors = process.communicate(timeout=STEP_SECONDS_MAX)
    assert process.returncode == 0, errors


def kill(process: subprocess.Popen[bytes], has_begun: Callable[[], bool], delay: float) -> None:
    """Kills a command soon after its work has begun."""
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while not has_begun() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=STEP_SECONDS_MAX)


def write(device: Device, number: int) -> list[str]:
    """Makes rows and changes every third, and has the server take all that."""
    with device.batch():
        made = [device.create("contact", {"lastname": f"Made {number + at}"}) for at in range(ROWS)]
    with device.batch():
        for row in made[::3]:
            device.update("contact", row, {"firstname": "Changed"})
    device.sync()
    assert device.outbox() == []
    return made


def test_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    server, place = ServerProcess(tmp_path / "data"), tmp_path / "backup"
    server.start()
    try:
        with grpc.insecure_channel(server.admin) as channel:
            fill(server.organization(channel, NAME))
        token = server.device_token(NAME, USER)
        with Device.open(tmp_path / "device.db", server.sync, token, backoff=Backoff(0.01, 0.05)) as device:
            device.sync()
            made = write(device, 0)
            for delay in DELAYS_SECONDS:
                process = command("backup", place, "--data", server.data)
                kill(process, (tmp_path / f".{place.name}.unfinished").exists, delay)
                if place.exists():  # it was quicker than the kill
                    carry_out("backup", "verify", place)
                    shutil.rmtree(place)
            carry_out("backup", place, "--data", server.data)
            carry_out("backup", "verify", place)
            assert not list(tmp_path.glob(".*.unfinished")), "what a killed one has left is gone"
            made += write(device, ROWS)
            server.kill()
            shutil.rmtree(server.data)
            for delay in DELAYS_SECONDS:
                restore_and_kill(place, server.data, delay)
            carry_out("restore", place, "--data", server.data)
            server.start()
            device.sync()
            assert (device.outbox(), device.status(verify=True).verified) == ([], True)
            assert device.query("SELECT count(*) FROM contact")[0][0] == len(made)
        with grpc.insecure_channel(server.admin) as channel:
            check(server.organization(channel, NAME), tmp_path / "other.db", server, made)
    finally:
        server.kill()


def restore_and_kill(place: Path, data: Path, delay: float) -> None:
    """Kills a restore; unless it was quicker, no server starts on what it has left."""
    marker = data / ".restoring"
    kill(command("restore", place, "--data", data), marker.exists, delay)
    if marker.exists():
        refused = command("serve", "--dev", "--data", data, "--admin", "127.0.0.1:0", "--sync", "127.0.0.1:0")
        _, errors = refused.communicate(timeout=STEP_SECONDS_MAX)
        assert refused.returncode == 1
        assert b"restored into" in errors
    else:
        shutil.rmtree(data)


def check(organization: Organization, path: Path, server: ServerProcess, made: list[str]) -> None:
    """Every row is there once, as it was written last: in the record database, and on another device."""
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while {it.entity: it.rows for it in organization.get().records}.get("contact") != len(made):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with Device.open(path, server.sync, server.device_token(NAME, USER)) as other:
        other.sync()
        rows = other.query("SELECT contactid, lastname, firstname FROM contact")
    held = {row["contactid"]: (row["lastname"], row["firstname"]) for row in rows}
    wanted = {row: (f"Made {number}", None if number % ROWS % 3 else "Changed") for number, row in enumerate(made)}
    assert Counter(row["contactid"] for row in rows).most_common(1)[0][1] == 1
    assert held == wanted
