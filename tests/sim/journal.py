"""What a device process meant to write, what it has written, and what of that a server has taken.

Every line is on disk before the process goes on. So whenever it is killed, the journal says what must be in the data
(`done`), what may be (`meant` and not `done`: it was killed within the call), and what can never be lost (`taken`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

Values: TypeAlias = tuple[str, str]
"""Last name and first name of a contact."""

GONE = None
"""A contact that is not there."""


class Journal:
    """The journal of one device, as its process writes it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

    def note(self, **line: object) -> None:
        """Puts a line on disk."""
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


@dataclass
class Account:
    """What a journal says of the data.

    Attributes:
        meant: Writes that were begun.
        done: Writes whose calls have returned.
        taken: The last write of which the process knew that it, and all before it, were in the data.
        rows: By contact, what it may look like now.
    """

    meant: int = 0
    done: int = 0
    taken: int = 0
    rows: dict[str, set[Values | None]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, before: Mapping[str, Values] | None = None) -> Account:
        """Reads a journal; a line that the process was killed in is none. `before` is what the source has made."""
        account, lines = cls(rows={row: {values} for row, values in (before or {}).items()}), list(_lines(path))
        done = {line["done"] for line in lines if "done" in line}
        for line in lines:
            if "taken" in line:
                account.taken = line["taken"]
            elif "meant" in line:
                account._take(line, line["meant"] in done)
        return account

    def _take(self, line: dict[str, Any], is_done: bool) -> None:
        self.meant += 1
        self.done += is_done
        after: Values | None = tuple(line["values"]) if line["values"] else GONE
        before = self.rows.get(line["id"], {GONE})
        self.rows[line["id"]] = {after} if is_done else before | {after}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_bytes().split(b"\n")[:-1]:
            # The line after one that was cut off by a kill begins in its middle.
            start = line.rfind(b'{"')
            try:
                yield json.loads(line[start:])
            except ValueError:
                continue
