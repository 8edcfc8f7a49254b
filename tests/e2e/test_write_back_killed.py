"""A server killed again and again while it writes to a source: each write is taken once, each device hears of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from e2e.processes import STEP_SECONDS_MAX, free_port
from haversack.model.v1 import model_pb2
from haversack_client import Backoff, Device, UnavailableError
from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION, SYNC_AUDIENCE, DevelopmentIssuer
from haversack_server.settings import Mode, ServerSettings
from server.running import Admin
from server.system_of_record import SystemOfRecord
from server.test_profiles import publish, save
from server.test_write_back import ADA, fill, names, set_source

SCRIPT = Path(__file__).parents[1] / "server" / "record_process.py"
WRITES = 30
DELAYS_SECONDS = (0.1, 0.4, 0.8)
"""How long after the source answers again the server is killed."""


@dataclass
class RecordServer:
    """A server with sources of kind "record" that can be killed and started again on its ports."""

    data: Path
    admin: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    sync: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Starts it and waits until it serves."""
        command = [sys.executable, str(SCRIPT), str(self.data), self.admin, self.sync]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "serving\n"

    def kill(self) -> None:
        """Kills it as a power cut would."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait(STEP_SECONDS_MAX)
        self.process.stdin.close()
        self.process.stdout.close()

    def token(self, user: str, organization: str, audience: str) -> str:
        """A token for a user of this server."""
        issuer = DevelopmentIssuer.open(self.data)
        return issuer.token(user=user, organization=organization, audience=audience, hours=1)


def test_every_write_is_taken_once(tmp_path: Path) -> None:
    system = SystemOfRecord(tmp_path / "system.sqlite3")
    listening = system.start()
    fill(system)
    server = RecordServer(tmp_path / "data")
    server.data.mkdir()
    server.start()
    try:
        name = organization(server, system)
        token = server.token(ADA, name, SYNC_AUDIENCE)
        with Device.open(tmp_path / "ada.db", server.sync, token, backoff=Backoff(0.01, 0.2)) as ada:
            ada.sync()
            for delay in DELAYS_SECONDS:
                system.takes_writes = False
                made = [ada.create("account", {"name": f"Made {number}"}) for number in range(WRITES // 3)]
                for row in made:
                    ada.update("account", row, {"telephone1": str(uuid.uuid4())})
                assert ada.sync().queued == 2 * len(made)
                system.takes_writes = True
                time.sleep(delay)
                server.kill()
                server.start()
            until_taken(ada)
            assert len(system.keys) == len(set(system.keys)) == 2 * WRITES
            assert names(ada) == {row_id: row["name"] for row_id, row in system.rows("account").items()}
    finally:
        server.kill()
        listening.shutdown()
        listening.server_close()


def organization(server: RecordServer, system: SystemOfRecord) -> str:
    """An organization of the system's rows; Ada has them all."""
    settings = ServerSettings(mode=Mode.DEVELOPMENT, data=server.data)
    with grpc.insecure_channel(server.admin) as channel:
        admin = Admin(channel, server.token("tester", ANY_ORGANIZATION, ADMIN_AUDIENCE))
        name = admin.organization(provisioned=False)
        asyncio.run(set_source(settings, name, system))
        admin.provision(name)
        admin.enable(name, "account")
        draft = model_pb2.Profile(name="field", users=[ADA])
        draft.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL)
        save(admin, name, draft)
        publish(admin, name)
    return name


def until_taken(device: Device) -> None:
    """Syncs until nothing waits."""
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while device.outbox():
        assert time.monotonic() < deadline, [write.state for write in device.outbox()]
        try:
            device.sync()
        except UnavailableError:
            continue
        time.sleep(0.1)
