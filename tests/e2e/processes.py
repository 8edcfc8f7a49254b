"""Real processes for fault tests: a server that can be killed and started again, and a device's command line."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from haversack_server.demo.organization import Organization
from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION, SYNC_AUDIENCE, DevelopmentIssuer

SCRIPTS = Path(sys.executable).parent
STEP_SECONDS_MAX = 120


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class ServerProcess:
    """`haversack serve` on a data folder and two ports that stay the same over restarts."""

    data: Path
    database: str = ""
    admin: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    sync: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Starts the server and waits until it has said that it serves."""
        command: list[str | Path] = [
            SCRIPTS / "haversack",
            "serve",
            "--dev",
            "--metrics",
            "off",
            "--data",
            self.data,
            "--admin",
            self.admin,
            "--sync",
            self.sync,
        ]
        environment = {**os.environ, "HAVERSACK_DATABASE": self.database}
        self.process = subprocess.Popen([*command, "--json"], env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        while self.process.stdout.readline() not in ("}\n", ""):
            pass
        assert self.process.poll() is None, "the server did not start"

    def kill(self) -> None:
        """Kills the server as a power cut would."""
        process = self.process
        assert process is not None
        assert process.stdout is not None
        process.send_signal(signal.SIGKILL)
        process.wait(STEP_SECONDS_MAX)
        process.stdout.close()

    def resident_bytes(self) -> int:
        """Memory that the server holds."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")

    def organization(self, channel: grpc.Channel, name: str) -> Organization:
        """An organization on this server, called by its administrator."""
        token = self._token("tester", ANY_ORGANIZATION, ADMIN_AUDIENCE)
        return Organization(channel, token, name)

    def device_token(self, organization: str, user: str) -> str:
        """A token for a user's device."""
        return self._token(user, organization, SYNC_AUDIENCE)

    def _token(self, user: str, organization: str, audience: str) -> str:
        issuer = DevelopmentIssuer.open(self.data)
        return issuer.token(user=user, organization=organization, audience=audience, hours=1)


@dataclass(frozen=True)
class DeviceProcess:
    """`haversack-device` on a database."""

    database: Path
    endpoint: str
    token: str

    def start_sync(self) -> subprocess.Popen[str]:
        """Starts `sync`; the caller waits for it, or kills it."""
        command: list[str | Path] = [SCRIPTS / "haversack-device", "sync", "--db", self.database]
        command += ["--endpoint", self.endpoint, "--json"]
        environment = {**os.environ, "HAVERSACK_TOKEN": self.token}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def sync(self) -> dict[str, Any]:
        """Syncs to the end; returns what the command printed."""
        process = self.start_sync()
        out, errors = process.communicate(timeout=STEP_SECONDS_MAX)
        assert process.returncode == 0, errors
        result: dict[str, Any] = json.loads(out)
        return result
