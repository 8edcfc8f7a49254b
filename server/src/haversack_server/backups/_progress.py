"""How far a backup is, for whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """What is being done, and how far it is in bytes; `bytes_total` is an estimate, and never below `bytes_done`."""

    what: str
    bytes_done: int
    bytes_total: int


Report = Callable[[Progress], object]


class Meter:
    """Adds up what several files come to."""

    def __init__(self, report: Report, bytes_total: int) -> None:
        self._report = report
        self._total = bytes_total
        self._settled = 0

    def tell(self, what: str, bytes_done: int = 0) -> None:
        """Says how far the file under way is."""
        done = self._settled + bytes_done
        self._report(Progress(what, done, max(done, self._total)))

    def settle(self, what: str, size: int) -> None:
        """Counts a file as done."""
        self._settled += size
        self.tell(what)
