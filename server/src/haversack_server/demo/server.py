"""The demo's server: a process of its own, over TLS, that can be killed as a power cut would, and started again."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import grpc

from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION, SYNC_AUDIENCE, DevelopmentIssuer
from haversack_server.security import make_development_ca
from haversack_server.settings import ENVIRONMENT_PREFIX

ANY_PORT = "127.0.0.1:0"
TOKEN_HOURS = 1.0
READY_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 30.0


class DemoServer:
    """`haversack serve` on a data folder; its addresses stay the same over restarts.

    Attributes:
        data: The data folder.
        ca_file: PEM of the authority that its certificate is from.
        admin: "host:port" of the admin endpoint, once it has served.
        sync: "host:port" of the sync endpoint, likewise.
    """

    def __init__(self, folder: Path) -> None:
        self.data = folder / "server"
        authority = make_development_ca(self.data / "tls", ["localhost", "127.0.0.1"], datetime.now(UTC))
        self.ca_file = authority.ca_file
        self.admin = self.sync = ANY_PORT
        self._log = folder / "server.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)},
            "HAVERSACK_TLS__CERTIFICATE_FILE": str(authority.certificate_file.absolute()),
            "HAVERSACK_TLS__KEY_FILE": str(authority.key_file.absolute()),
            "HAVERSACK_TLS__CA_FILE": str(authority.ca_file.absolute()),
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def start(self) -> None:
        """Starts it, and waits until it serves; raises RuntimeError, with what it logged, if it does not."""
        command = [sys.executable, "-m", "haversack_server", "serve", "--dev", "--json", "--data", str(self.data)]
        command += ["--admin", self.admin, "--sync", self.sync, "--metrics", "off"]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        with self._process.stdout as out:
            said = "".join(_announcement(out))
        if not said.strip():
            raise RuntimeError(f"the server did not start: {self._log.read_text()}")
        places = json.loads(said)
        self.admin, self.sync = places["admin"], places["sync"]
        credentials = grpc.ssl_channel_credentials(self.ca_file.read_bytes())
        self._channel = grpc.secure_channel(self.admin, credentials)
        grpc.channel_ready_future(self._channel).result(READY_SECONDS_MAX)

    def kill(self) -> None:
        """Ends it at once, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._channel.close()

    @property
    def channel(self) -> grpc.Channel:
        """The way to its admin endpoint, until it is killed."""
        return self._channel

    def admin_token(self) -> str:
        """A token of an administrator of every organization."""
        return self._token("demo", ANY_ORGANIZATION, ADMIN_AUDIENCE)

    def device_token(self, organization: str, user: str) -> str:
        """A token of a user's device."""
        return self._token(user, organization, SYNC_AUDIENCE)

    def _token(self, user: str, organization: str, audience: str) -> str:
        issuer = DevelopmentIssuer.open(self.data)
        return issuer.token(user=user, organization=organization, audience=audience, hours=TOKEN_HOURS)


def _announcement(out: Iterable[str]) -> Iterator[str]:
    """Yields the lines of the JSON object that a server prints when it serves; nothing if it ends before."""
    for line in out:
        yield line
        if line == "}\n":
            return
