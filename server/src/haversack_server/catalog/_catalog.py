"""Opening the catalog: an engine of this process's own, migrated to the newest schema."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from contextvars import ContextVar
from importlib import resources
from pathlib import Path
from typing import Any, Protocol, Self

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, literal, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from haversack_server.catalog import _database, copies
from haversack_server.catalog._bells import CHANNEL, Bell, Bells, follow_postgresql
from haversack_server.catalog._turns import FileTurns, LocalTurns, PostgresqlTurns, Turns
from haversack_server.catalog.leases import database_clock
from haversack_server.errors import BackupVersion, CatalogFailed, CatalogUnavailable

CONNECT_RETRY_SECONDS = (0.1, 0.4, 1.5)
"""The pauses between attempts to begin a transaction while the database cannot be reached."""

MIGRATION_LOCK = 0x4841_5645_5253_4143
"""The advisory lock that lets one server at a time migrate a PostgreSQL database."""

_log = structlog.get_logger()


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
        self._reading = _database.reading(engine)
        self._bells = Bells()
        self._turns = _turns(engine)
        self._following: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str) -> Self:
        """Opens the catalog at a URL, and migrates it. Others may do so at the same time: they wait for each other.

        Raises CatalogFailed if there is none, if it is too old a PostgreSQL, or if a newer version has migrated it.
        """
        read = _database.read_url(url)
        with _opening(read):
            engine = _database.open_engine(read)
            try:
                async with engine.begin() as connection:
                    await connection.run_sync(_database.refuse_old)
                    await connection.run_sync(migrate)
            except BaseException:
                await engine.dispose()
                raise
        return cls(engine)

    @classmethod
    async def attach(cls, url: str) -> Self:
        """Opens the catalog at a URL as it is, beside a server perhaps; raises CatalogFailed or BackupVersion."""
        read = _database.read_url(url)
        if read.get_backend_name() == "sqlite" and not Path(read.database or "").is_file():
            raise CatalogFailed(f"there is no catalog at {read.database}; name the server's data folder with --data")
        with _opening(read):
            engine = _database.open_engine(read)
            try:
                async with engine.connect() as connection:
                    found = await copies.schema(connection)
            except BaseException:
                await engine.dispose()
                raise
        if found != newest_schema():
            await engine.dispose()
            raise BackupVersion(
                f"the catalog has schema {found or 'none'}, and this version's is {newest_schema()}; use the version"
                " of Haversack that serves it"
            )
        return cls(engine)

    async def close(self) -> None:
        """Closes every connection."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        await self._engine.dispose()

    async def touch(self) -> None:
        """Shows that the database answers, though somebody may be writing; raises SQLAlchemyError if it does not."""
        async with self._engine.connect() as connection:
            await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(select(literal(1)))

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Opens a transaction; it commits when the block ends, and rolls back if the block raises.

        Raises CatalogUnavailable if the database does not answer, before or within the block.
        """
        async with self._transaction(self._engine) as connection:
            watchers = tuple(_watcher.get(()))
            for watcher in watchers:
                await watcher.began(connection)
            yield connection
            for watcher in watchers:
                await watcher.ends(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Opens a transaction that only reads: all that it reads is of one moment, and it keeps nobody waiting."""
        async with self._transaction(self._reading) as connection:
            yield connection

    def exclusive(self, organization: str) -> AbstractAsyncContextManager[None]:
        """Keeps other changes of an organization waiting, over several transactions and among all processes.

        Raises OrganizationBusy if those before take too long, and CatalogUnavailable. Must not be nested.
        """
        return self._turns.take(organization)

    async def now_us(self, connection: AsyncConnection) -> int:
        """Returns the time by the clock that all processes share, in microseconds since the Unix epoch.

        It is the database's; SQLite has none but this machine's.
        """
        return await database_clock(connection)

    async def notify(self, name: str) -> None:
        """Rings the bells of a name, in every process on PostgreSQL, in this one on SQLite. To be called after commit.

        What it is about has been done, so that a database which does not answer is logged and no failure.
        """
        self._bells.ring(name)
        if self._engine.dialect.name != "postgresql":
            return
        try:
            async with self.begin() as connection:
                await connection.execute(text("SELECT pg_notify(:channel, :name)"), {"channel": CHANNEL, "name": name})
        except CatalogUnavailable as error:
            _log.warning("bell not rung", bell=name, cause=str(error))

    def listen(self, name: str) -> AbstractContextManager[Bell]:
        """Hears the bells of a name while the block runs; see `Bell` for what one promises."""
        if self._following is None and self._engine.dialect.name == "postgresql":
            self._following = asyncio.create_task(follow_postgresql(self._bells, _psycopg_arguments(self._engine)))
        return self._bells.hang(name)

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            connection = await _connected(engine)
            try:
                async with connection.begin():
                    yield connection
            finally:
                await asyncio.shield(connection.close())
        except SQLAlchemyError as error:
            named = _database.unavailable(error, engine.url)
            if named is None:
                raise
            raise named from error


def migrate(connection: Connection, revision: str = "head") -> None:
    """Brings the catalog's schema to a revision, inside the connection's transaction."""
    if connection.dialect.name == "postgresql":
        # Another server may be migrating: SQLite's write lock keeps it out by itself.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    config = _migrations()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def newest_schema() -> str:
    """Returns the revision that `migrate` brings a catalog to."""
    return str(ScriptDirectory.from_config(_migrations()).get_current_head())


def knows_schema(revision: str) -> bool:
    """Whether this version has a way from a schema to its own."""
    return any(it.revision == revision for it in ScriptDirectory.from_config(_migrations()).walk_revisions())


def _migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("haversack_server.catalog") / "migrations"))
    return config


async def _connected(engine: AsyncEngine) -> AsyncConnection:
    """Takes a connection; while the database cannot be reached, tries again: nothing has happened yet."""
    for seconds in CONNECT_RETRY_SECONDS:
        try:
            return await engine.connect().start()
        except SQLAlchemyError as error:
            if not _database.is_unreachable(error):
                raise
        await asyncio.sleep(seconds)
    return await engine.connect().start()


def _turns(engine: AsyncEngine) -> Turns:
    if engine.dialect.name == "postgresql":
        return PostgresqlTurns(_psycopg_arguments(engine))
    if engine.url.database in (None, "", ":memory:"):
        return LocalTurns()
    return FileTurns(Path(f"{engine.url.database}-turns"))


def _psycopg_arguments(engine: AsyncEngine) -> dict[str, Any]:
    """Returns the arguments of a connection outside the pool; it may wait for long, and is told when to stop."""
    _, arguments = engine.dialect.create_connect_args(engine.url)
    limits = _database.postgresql_options(engine.url, statement_milliseconds_max=0, lock_milliseconds_max=0)
    return {**arguments, **limits}


@contextmanager
def _opening(url: URL) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, CommandError, ModuleNotFoundError, sqlite3.Error) as error:
        cause = _database.without_password(error, url)
        raise CatalogFailed(f"the catalog could not be opened: {cause}; check HAVERSACK_DATABASE") from error
