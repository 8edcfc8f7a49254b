"""Engines on the catalog's database: its URL, its driver, and the limits that each back end works under.

**Isolation.** SQLite's transactions are serial: `Catalog.begin` takes the write lock at once. On PostgreSQL they are
READ COMMITTED, since a block cannot be run again after a serialization failure (it may have written to staging) and
since queues need `SKIP LOCKED`, which stricter levels refuse on rows that have changed. So what reads, decides and
writes does it in `Catalog.exclusive`, or on rows that it locks (`with_for_update`), or in one conditional statement
(`UPDATE ... WHERE fence = ...`). Several reads that must agree with each other go through `Catalog.snapshot`:
REPEATABLE READ and read-only.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from haversack_server.errors import CatalogFailed, CatalogUnavailable

SQLITE_BUSY_MILLISECONDS = 30_000
"""How long a transaction waits for SQLite's write lock."""

PREPARE_ATTEMPTS_MAX = 100
PREPARE_RETRY_SECONDS = 0.02
"""How often a SQLite file that another process is making too is tried."""

POSTGRESQL_VERSION_MIN = 15

CONNECTIONS_KEPT = 5
CONNECTIONS_MAX = 20
"""Connections of one process for transactions; turns and the listener have their own beside them."""

CONNECTION_WAIT_SECONDS_MAX = 30
"""How long a transaction waits for one of the process's connections."""

CONNECTION_AGE_SECONDS_MAX = 1_800
CONNECT_SECONDS_MAX = 10
STATEMENT_MILLISECONDS_MAX = 60_000
ROW_LOCK_MILLISECONDS_MAX = 30_000
IDLE_IN_TRANSACTION_MILLISECONDS_MAX = 300_000
"""A transaction compiles models between its statements; one that is idle for longer was forgotten, and holds locks."""

SNAPSHOT_OPTION = "haversack_snapshot"
"""The execution option that tells SQLite's transactions which only read from those that may write."""

_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}

_UNREACHABLE = ("08", "53300", "57P")
"""SQLSTATEs of a database that is away: connections, too many of them, shutdown and crash."""

_TOO_LATE = {"40001", "40P01", "55P03", "57014"}
"""SQLSTATEs of statements that gave way to others: serialization, deadlock, lock timeout, statement timeout."""


def read_url(text: str) -> URL:
    """Reads a catalog's URL and puts the right driver in; raises CatalogFailed."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The cause would repeat the text, and a password may be in it.
        raise CatalogFailed(
            "HAVERSACK_DATABASE is no URL; write postgresql://user:password@host/database, or leave it empty"
        ) from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise CatalogFailed(f"no catalog can be kept in {url.drivername}; use postgresql:// or sqlite:///")
    return url.set(drivername=driver)


def open_engine(url: URL) -> AsyncEngine:
    """Makes the engine for transactions; nothing is connected yet, but SQLite's file is made."""
    if url.get_backend_name() == "postgresql":
        return create_async_engine(
            url,
            connect_args=postgresql_options(url),
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            max_overflow=CONNECTIONS_MAX - CONNECTIONS_KEPT,
            pool_pre_ping=True,
            pool_recycle=CONNECTION_AGE_SECONDS_MAX,
            pool_size=CONNECTIONS_KEPT,
            pool_timeout=CONNECTION_WAIT_SECONDS_MAX,
        )
    _prepare_file(url.database)
    engine = create_async_engine(url, hide_parameters=True)
    _prepare_sqlite(engine)
    return engine


def reading(engine: AsyncEngine) -> AsyncEngine:
    """Returns an engine on the same connections whose transactions only read, and read one state."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine.execution_options(**{SNAPSHOT_OPTION: True})


def postgresql_options(
    url: URL,
    *,
    statement_milliseconds_max: int = STATEMENT_MILLISECONDS_MAX,
    lock_milliseconds_max: int = ROW_LOCK_MILLISECONDS_MAX,
) -> dict[str, Any]:
    """Returns psycopg's arguments for a connection that neither hangs nor keeps others waiting for ever.

    A limit of 0 is none: for connections whose waiting is bounded on this side. Options in the URL, such as
    `?options=-csearch_path%3Dhaversack`, are kept, and win.
    """
    settings = {
        "timezone": "UTC",
        "statement_timeout": statement_milliseconds_max,
        "lock_timeout": lock_milliseconds_max,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_MILLISECONDS_MAX,
        "idle_session_timeout": 0,
    }
    return {
        "application_name": "haversack",
        "connect_timeout": CONNECT_SECONDS_MAX,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "options": " ".join([*(f"-c {name}={value}" for name, value in settings.items()), *_own_options(url)]),
    }


def refuse_old(connection: Connection) -> None:
    """Raises CatalogFailed if PostgreSQL is older than this version of Haversack knows."""
    version = connection.dialect.server_version_info or ()
    if connection.dialect.name == "postgresql" and version < (POSTGRESQL_VERSION_MIN,):
        raise CatalogFailed(
            f"the catalog's PostgreSQL is version {'.'.join(map(str, version))}; "
            f"upgrade it to {POSTGRESQL_VERSION_MIN} or newer"
        )


def is_unreachable(error: Exception) -> bool:
    """Tells whether an error means that there is no connection, so that nothing of the statement happened or will."""
    if not isinstance(error, DBAPIError) or isinstance(error.orig, sqlite3.Error):
        return False
    state = getattr(error.orig, "sqlstate", None)
    lost = error.connection_invalidated or (state is None and type(error.orig).__name__ == "OperationalError")
    return lost or str(state).startswith(_UNREACHABLE)


def unavailable(error: Exception, url: URL) -> CatalogUnavailable | None:
    """Returns what a database's failure to answer is called; None if the failure is of another kind."""
    if isinstance(error, PoolTimeout):
        return CatalogUnavailable(
            f"all {CONNECTIONS_MAX} connections to the catalog's database are in use; try again later"
        )
    if is_unreachable(error):
        return CatalogUnavailable(
            f"the catalog's database cannot be reached ({without_password(error, url)}); whether the change that was "
            f"under way has been kept is not known: look, and repeat it if it has not"
        )
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _TOO_LATE:
        return CatalogUnavailable(
            f"the catalog's database gave up a statement ({without_password(error, url)}); try again"
        )
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
        return CatalogUnavailable("another change keeps the catalog's file locked; try again")
    return None


def without_password(error: Exception, url: URL) -> str:
    """Returns the database's own words about a failure, in one line, its password blotted out."""
    words = " ".join(str(getattr(error, "orig", None) or error).split())
    for secret in _secrets(url):
        words = words.replace(secret, "***")
    return words


def _own_options(url: URL) -> list[str]:
    options = url.query.get("options", ())
    return [options] if isinstance(options, str) else list(options)


def _secrets(url: URL) -> set[str]:
    password = str(url.password or "")
    asked = str(url.query.get("password", ""))
    return {it for secret in (password, asked) if secret for it in (secret, quote(secret, safe=""))}


def _prepare_file(database: str | None) -> None:
    """Opens a file and gives it a write-ahead log, once for all connections.

    Where it cannot be opened, aiosqlite would leave a thread that outlives the event loop. And where another process
    prepares it at the same time, SQLite does not wait by itself, since both would have to give way.
    """
    if not database:
        return
    with closing(sqlite3.connect(database)) as connection:
        for _ in range(PREPARE_ATTEMPTS_MAX - 1):
            with suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA journal_mode = WAL")
                return
            time.sleep(PREPARE_RETRY_SECONDS)
        connection.execute("PRAGMA journal_mode = WAL")


def _prepare_sqlite(engine: AsyncEngine) -> None:
    """Makes SQLite's transactions what they are elsewhere: real, serial, with foreign keys."""

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin by itself: we do, below
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_MILLISECONDS}")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _began(connection: Connection) -> None:
        # A transaction that reads, decides and writes must hold the write lock from its beginning.
        only_reads = connection.get_execution_options().get(SNAPSHOT_OPTION, False)
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")
