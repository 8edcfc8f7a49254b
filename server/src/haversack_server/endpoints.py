"""Where a running server listens, left in its data folder for the command line on the same machine."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "endpoints.json"


@dataclass(frozen=True)
class Endpoints:
    """Addresses of a server, "host:port" each."""

    admin: str
    sync: str

    def write(self, data: Path) -> None:
        """Leaves them in a data folder, whole or not at all."""
        scratch = data / f"{FILE_NAME}.{os.getpid()}"
        scratch.write_text(json.dumps(asdict(self)))
        scratch.replace(data / FILE_NAME)

    @classmethod
    def read(cls, data: Path) -> Endpoints | None:
        """Returns what the server of a data folder has left; None if it does not run."""
        try:
            return cls(**json.loads((data / FILE_NAME).read_text()))
        except FileNotFoundError:
            return None

    def remove(self, data: Path) -> None:
        """Takes them back, unless another server of the data folder has left its own since."""
        if Endpoints.read(data) == self:
            (data / FILE_NAME).unlink(missing_ok=True)
