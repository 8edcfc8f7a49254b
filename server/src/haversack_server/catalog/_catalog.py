"""Opening the catalog: an engine of this process's own, migrated to the newest schema."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from importlib import resources
from typing import Any, Protocol, Self
from weakref import WeakValueDictionary

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, event, literal, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from haversack_server.errors import CatalogFailed

SQLITE_BUSY_MILLISECONDS = 30_000


class Watcher(Protocol):
    """Whoever looks at a call's transactions as they begin and before they commit; what it writes commits with them."""

    async def began(self, connection: AsyncConnection) -> None:
        """A transaction has begun."""

    async def ends(self, connection: AsyncConnection) -> None:
        """A transaction is about to commit. What this raises rolls it back."""


_watcher: ContextVar[list[Watcher]] = ContextVar("catalog_watcher")


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Lets a watcher see the transactions of this task, and of those that it starts, while the block runs."""
    seen = [watcher]  # emptied at the end: a task that outlives the block has a copy of the context
    token = _watcher.set(seen)
    try:
        yield
    finally:
        seen.clear()
        _watcher.reset(token)


class Catalog:
    """The control plane's database. Belongs to the process and the event loop that opened it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    async def open(cls, url: str) -> Self:
        """Opens the catalog at an SQLAlchemy URL with an async driver, and migrates it.

        Raises CatalogFailed if there is none, or if a newer version has migrated it.
        """
        try:
            engine = create_async_engine(url)
            if engine.dialect.name == "sqlite":
                _try_file(engine.url.database)
                _prepare_sqlite(engine)
            async with engine.begin() as connection:
                await connection.run_sync(migrate)
        except (SQLAlchemyError, CommandError, ModuleNotFoundError, sqlite3.Error) as error:
            cause = getattr(error, "orig", error)
            raise CatalogFailed(f"the catalog could not be opened: {cause}; check HAVERSACK_DATABASE") from error
        return cls(engine)

    async def close(self) -> None:
        """Closes every connection."""
        await self._engine.dispose()

    async def touch(self) -> None:
        """Shows that the database answers, though somebody may be writing; raises SQLAlchemyError if it does not."""
        async with self._engine.connect() as connection:
            await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(select(literal(1)))

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Opens a transaction; it commits when the block ends, and rolls back if the block raises."""
        async with self._engine.begin() as connection:
            watchers = tuple(_watcher.get(()))
            for watcher in watchers:
                await watcher.began(connection)
            yield connection
            for watcher in watchers:
                await watcher.ends(connection)

    @asynccontextmanager
    async def exclusive(self, organization: str) -> AsyncIterator[None]:
        """Keeps other changes of an organization waiting, over several transactions.

        Within this process. Between processes the organization's row lock and the primary keys keep order.
        """
        lock = self._locks.setdefault(organization, asyncio.Lock())
        async with lock:
            yield


def migrate(connection: Connection, revision: str = "head") -> None:
    """Brings the catalog's schema to a revision, inside the connection's transaction."""
    config = _migrations()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def newest_schema() -> str:
    """Returns the revision that `migrate` brings a catalog to."""
    return str(ScriptDirectory.from_config(_migrations()).get_current_head())


def _migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("haversack_server.catalog") / "migrations"))
    return config


def _try_file(database: str | None) -> None:
    """Opens a file and closes it: where that fails, aiosqlite would leave a thread that outlives the event loop."""
    if database:
        sqlite3.connect(database).close()


def _prepare_sqlite(engine: AsyncEngine) -> None:
    """Makes SQLite's transactions what they are elsewhere: real, serial, with foreign keys."""

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin by itself: we do, below
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_MILLISECONDS}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _began(connection: Connection) -> None:
        # A transaction that reads, decides and writes must hold the write lock from its beginning.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
