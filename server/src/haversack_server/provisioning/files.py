"""The files of staging databases: their names, and deleting them.

`staging-3-2.sqlite3` is the database that an organization's third operation made, by the second worker that had it. No
two workers ever write to one name, so a worker that lost an operation without noticing spoils nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from haversack_server.errors import StagingFailed

_NAME = re.compile(r"staging-(\d+)-(\d+)\.sqlite3")


@dataclass(frozen=True, order=True)
class StagingFile:
    """A staging database by the operation that made it and the fence under which it did."""

    operation: int
    fence: int

    @property
    def name(self) -> str:
        """Its name in the organization's folder."""
        return f"staging-{self.operation}-{self.fence}.sqlite3"

    def delete(self, folder: Path) -> None:
        """Deletes it with everything that belongs to it: its log, and what a creation left that did not get further."""
        for path in folder.glob(f"{self.name}*"):
            path.unlink(missing_ok=True)


def delete_before(folder: Path, limit: StagingFile) -> None:
    """Deletes every staging database in a folder that is older than `limit`; raises StagingFailed."""
    try:
        for file in staging_files(folder):
            if file < limit:
                file.delete(folder)
    except OSError as error:
        raise StagingFailed(
            f"a staging database in {folder} cannot be deleted: {error}; mend that, then retry"
        ) from error


def newest(folder: Path) -> Path:
    """Returns the newest staging database of an organization's folder; raises FileNotFoundError if there is none."""
    files = staging_files(folder)
    if not files:
        raise FileNotFoundError(f"{folder} has no staging database; provision the organization first")
    return folder / max(files).name


def staging_files(folder: Path) -> set[StagingFile]:
    """Returns the staging databases that there is any file of."""
    found = set()
    for path in folder.glob("staging-*.sqlite3*"):
        if match := _NAME.match(path.name):
            found.add(StagingFile(int(match[1]), int(match[2])))
    return found
