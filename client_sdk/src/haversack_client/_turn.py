"""Whose turn it is to write, among the connections of one process.

SQLite lets a connection that finds the file locked try again now and then. Beside a busy download that starves a
user's write; a lock that is waited for does not.
"""

import threading
from types import TracebackType


class Turn:
    """A lock that its thread may take again."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owner: int | None = None
        self._depth = 0

    @property
    def is_mine(self) -> bool:
        """Whether this thread has it."""
        return self._owner == threading.get_ident()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._owner = threading.get_ident()
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
        self._lock.release()
