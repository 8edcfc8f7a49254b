"""The writer's transactions: one for each statement, or one for all that a batch writes.

A batch belongs to the thread, and to the task in it, that began it. Another thread waits for its end. Another task of
the same thread cannot: while it waited, the batch's own could not run. It is refused by name.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from haversack_client._connections import Connection, reads_only, store_errors
from haversack_client._errors import BatchOpenError, StoreError
from haversack_client._turn import Turn


class _Owner:
    """Who began a batch."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._task = _current_task()

    @property
    def is_here(self) -> bool:
        """Whether this is the thread and the task that began it; one that it started is another."""
        return self._thread == threading.get_ident() and self._task is _current_task()


_open: ContextVar[tuple[_Owner, ...]] = ContextVar("haversack_batches", default=())
"""Batches that were begun in this context, of any device."""


class Batches:
    """Transactions over one connection. Any thread may call any method."""

    def __init__(
        self,
        connection: Connection,
        path: Path,
        turn: Turn,
        *,
        on_begun: Callable[[], None],
        on_written: Callable[[], None],
    ) -> None:
        """Takes what it needs.

        Args:
            connection: In autocommit mode.
            path: The file, for messages.
            turn: Taken for the length of every transaction.
            on_begun: Called at the beginning of each, within it.
            on_written: Called after each in which something was written, in its thread.
        """
        self._connection = connection
        self._path = path
        self._turn = turn
        self._on_begun = on_begun
        self._on_written = on_written
        self._owner: _Owner | None = None
        self._wrote = False

    @property
    def is_mine(self) -> bool:
        """Whether the caller is within a batch."""
        owner = self._owner
        return owner is not None and owner in _open.get() and owner.is_here

    def mark_written(self) -> None:
        """Something was written in the transaction that is open."""
        self._wrote = True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction for all writes within the block; nothing of it is left if the block raises.

        Blocks may lie in each other: an inner one that raises takes only itself back. Where the database has taken all
        back by itself, as it does when the disk is full, every write that follows raises StoreError, and so does the
        end. Raises BatchOpenError in another task than the one whose batch is open in this thread.
        """
        if self.is_mine:
            with self._savepoint():
                yield
            return
        self._refuse_within_another()
        with self._turn:
            self._refuse_within_another()
            with self._transaction():
                yield
            wrote = self._wrote
        if wrote:
            self._on_written()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The connection of the caller's batch, for statements that only read."""
        self._require_transaction()
        with reads_only(self._connection):
            yield self._connection

    def _refuse_within_another(self) -> None:
        owner = self._owner
        if owner is None:
            return
        if owner in _open.get() or self._turn.is_mine:
            raise BatchOpenError("a batch of writes is open in another task or thread that this one belongs to; end it")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        begun_before = _open.get()
        self._owner, self._wrote = _Owner(), False
        _open.set((*begun_before, self._owner))
        try:
            with store_errors(self._path):
                self._connection.execute("BEGIN IMMEDIATE")
                self._on_begun()
            yield
            self._require_transaction()
            with store_errors(self._path):
                self._connection.execute("COMMIT")
        finally:
            self._owner = None
            _open.set(begun_before)
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        self._require_transaction()
        with store_errors(self._path):
            self._connection.execute("SAVEPOINT block")
        try:
            yield
            self._require_transaction()
        except BaseException:
            if self._connection.in_transaction:
                with store_errors(self._path):
                    self._connection.execute("ROLLBACK TO block")
                    self._connection.execute("RELEASE block")
            raise
        with store_errors(self._path):
            self._connection.execute("RELEASE block")

    def _require_transaction(self) -> None:
        """Without this, what follows a failure that took all back would be committed alone."""
        if not self._connection.in_transaction:
            raise StoreError(
                f"{self._path}: the batch was taken back when the database could not be written; make space, and write"
                " all of it again"
            )


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # No loop runs in this thread.
        return None
