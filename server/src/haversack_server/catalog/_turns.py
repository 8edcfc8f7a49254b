"""Turns: one change of an organization at a time, over several transactions, in this process and among all.

A turn must end with the process that has it, however that ends. So it is not a row with a lease, which would have to
expire first, but a lock that the system gives back: on PostgreSQL an advisory lock of a session of its own, beside a
SQLite file a lock on another file. Within a process waiters queue in order, so that each process has one at the door.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import psycopg
import structlog

from haversack_server.errors import CatalogUnavailable, OrganizationBusy

TURN_SECONDS_MAX = 60.0
"""How long a change waits for those before it."""

LOCK_FILES = 64
"""How many files stand for all organizations; two that share one wait for each other now and then."""

FILE_POLL_SECONDS = 0.02
"""How often a file that another process has locked is tried again."""

SESSIONS_MAX = 16
"""How many organizations one process can change at once on PostgreSQL: each turn has a connection."""

_log = structlog.get_logger()


class Turns(ABC):
    """Gives turns."""

    def __init__(self) -> None:
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, organization: str) -> AsyncIterator[None]:
        """Keeps other changes of an organization waiting; raises OrganizationBusy if its own turn does not come."""
        queue = self._queues.setdefault(organization, asyncio.Lock())
        deadline = asyncio.get_running_loop().time() + TURN_SECONDS_MAX
        try:
            async with asyncio.timeout_at(deadline):
                await queue.acquire()
        except TimeoutError:
            raise _busy(organization) from None
        try:
            async with self._among_processes(organization, deadline):
                yield
        finally:
            queue.release()

    @abstractmethod
    def _among_processes(self, organization: str, deadline: float) -> AbstractAsyncContextManager[None]:
        """Keeps other processes out too; raises OrganizationBusy at the loop's time `deadline`."""


class LocalTurns(Turns):
    """Turns of a catalog that no other process can open."""

    @asynccontextmanager
    async def _among_processes(self, organization: str, deadline: float) -> AsyncIterator[None]:
        yield


class FileTurns(Turns):
    """Turns by locks on files in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    @asynccontextmanager
    async def _among_processes(self, organization: str, deadline: float) -> AsyncIterator[None]:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._folder / f"{_number(organization) % LOCK_FILES:02}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not _locked(descriptor):
                if asyncio.get_running_loop().time() > deadline:
                    raise _busy(organization)
                await asyncio.sleep(FILE_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)


class PostgresqlTurns(Turns):
    """Turns by advisory locks."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        """Takes psycopg's arguments for a connection."""
        super().__init__()
        self._arguments = arguments
        self._sessions = asyncio.Semaphore(SESSIONS_MAX)

    @asynccontextmanager
    async def _among_processes(self, organization: str, deadline: float) -> AsyncIterator[None]:
        async with _until(deadline, organization):
            await self._sessions.acquire()
        try:
            session = await self._session(organization, deadline)
            try:
                yield
            finally:
                if session.closed:
                    _log.warning("turn lost: its session ended before the change", organization=organization)
                # This gives the lock back, whatever has happened in the session.
                await session.close()
        finally:
            self._sessions.release()

    async def _session(self, organization: str, deadline: float) -> psycopg.AsyncConnection[Any]:
        """Returns a connection that has the organization's lock."""
        try:
            session = await psycopg.AsyncConnection.connect(autocommit=True, **self._arguments)
            try:
                async with _until(deadline, organization):
                    await session.execute("SELECT pg_advisory_lock(%s)", (_number(organization),))
            except BaseException:
                await session.close()
                raise
        except psycopg.Error as error:
            raise CatalogUnavailable(
                f"the catalog's database gave no turn for organization {organization}; nothing has happened: try again"
            ) from error
        return session


@asynccontextmanager
async def _until(deadline: float, organization: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        raise _busy(organization) from None


def _busy(organization: str) -> OrganizationBusy:
    return OrganizationBusy(
        f"other changes of organization {organization} have taken more than {TURN_SECONDS_MAX:.0f} seconds; "
        "try again when they are done"
    )


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _number(organization: str) -> int:
    """A number of 64 bits for an organization's name, the same in every process."""
    digest = hashlib.blake2b(organization.encode(), digest_size=8, person=b"haversack-turn").digest()
    return int.from_bytes(digest, signed=True)
