"""How a worker's death is known at once on its own machine: the system unlocks the file that it had locked.

Elsewhere, or where the file is out of sight, a dead worker's leases end when their time is over.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

FOLDER = "workers"
"""Where the files are, in the data folder; each has the name of its worker."""


class Lifeline:
    """A file that is locked for as long as the process lives that holds it."""

    def __init__(self, data: Path, owner: str) -> None:
        self._path = _path(data, owner)
        self._held: IO[bytes] | None = None

    def hold(self) -> None:
        """Locks it. Nobody else has its name."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held = self._path.open("wb")
        fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def let_go(self) -> None:
        """Takes it away: this worker has nothing any more."""
        if self._held is not None:
            self._path.unlink(missing_ok=True)
            self._held.close()
            self._held = None


def is_cut(data: Path, owner: str) -> bool:
    """Whether a worker is known to be dead, of which the file is then taken away too."""
    path = _path(data, owner)
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except (FileNotFoundError, BlockingIOError):
        return False
    return True


def _path(data: Path, owner: str) -> Path:
    return data / FOLDER / owner.replace(os.sep, "_")
