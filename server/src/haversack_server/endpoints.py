"""Where a running server listens, left in its data folder for the command line on the same machine."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

FILE_NAME = "endpoints.json"

_ANY_HOST = ("0.0.0.0", "[::]", "::", "")


@dataclass(frozen=True)
class Endpoints:
    """Addresses of a server, "host:port" each.

    Attributes:
        admin: The admin endpoint.
        sync: The sync endpoint.
        tls: Whether both speak TLS.
        ca_file: PEM of the authority that their certificate is from; empty if the system knows it.
        development: Whether tokens of the development issuer are believed.
        metrics: Metrics and health over HTTP; empty if there are none.
    """

    admin: str
    sync: str
    tls: bool = False
    ca_file: str = ""
    development: bool = False
    metrics: str = ""

    def write(self, data: Path) -> None:
        """Leaves them in a data folder, whole or not at all."""
        scratch = data / f"{FILE_NAME}.{os.getpid()}"
        scratch.write_text(json.dumps(asdict(self)))
        scratch.replace(data / FILE_NAME)

    @classmethod
    def read(cls, data: Path) -> Endpoints | None:
        """Returns what the server of a data folder has left; None if it does not run."""
        try:
            left = json.loads((data / FILE_NAME).read_text())
        except FileNotFoundError:
            return None
        return cls(**{it.name: left[it.name] for it in fields(cls) if it.name in left})

    def remove(self, data: Path) -> None:
        """Takes them back, unless another server of the data folder has left its own since."""
        if Endpoints.read(data) == self:
            (data / FILE_NAME).unlink(missing_ok=True)


def reachable(listen: str) -> str:
    """Returns where this machine reaches what listens at "host:port": a server on every address is at localhost too."""
    host, _, port = listen.rpartition(":")
    return f"localhost:{port}" if host in _ANY_HOST else listen
