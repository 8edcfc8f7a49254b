"""Read-only connections that are kept for the next reader: to open an encrypted database takes a third of a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from haversack_client._connections import Connection, Key
from haversack_client._reader import open_read_only

IDLE_MAX = 4
"""Connections that are kept while nobody reads."""


class Readers:
    """Lends connections of one database. Any thread may call any method."""

    def __init__(self, path: Path, key: Key | None = None) -> None:
        self._path = path
        self._key = key
        self._idle: list[Connection] = []
        self._lock = Lock()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lends a connection for the length of the block. A transaction that is left open is rolled back."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or open_read_only(self._path, self._key)
        try:
            yield connection
        finally:
            if connection.in_transaction:
                connection.rollback()
            with self._lock:
                keep = len(self._idle) < IDLE_MAX
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    def close(self) -> None:
        """Closes those that nobody has."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
