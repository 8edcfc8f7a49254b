"""Connections to a device's file: plain SQLite, or SQLCipher where the file is encrypted.

The rest of the package says `Connection`, and catches `DATABASE_ERRORS`; which library it is, is decided here alone.
SQLCipher comes with `haversack-client[encrypted]`.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from haversack_client._errors import KeyWrongError, StoreError

if TYPE_CHECKING:
    Connection: TypeAlias = sqlite3.Connection
else:
    Connection = sqlite3.Connection

try:
    from sqlcipher3 import dbapi2 as sqlcipher  # type: ignore[import-not-found, import-untyped, unused-ignore]
except ImportError:
    sqlcipher = None

KEY_LENGTH_MIN = 8
"""A shorter key is a mistake: whoever has the file tries those in minutes."""

BUSY_TIMEOUT_SECONDS = 30.0
"""How long to wait for another writer before the database counts as locked."""

IN_MEMORY = Path(":memory:")
"""SQLite's name for a database without a file: one connection sees it, and it is gone with that."""

DATABASE_ERRORS: tuple[type[Exception], ...] = (sqlite3.Error, *((sqlcipher.Error,) if sqlcipher else ()))
"""What a connection raises, whichever library it is of."""

STATEMENT_ERRORS: tuple[type[Exception], ...] = (
    ValueError,
    sqlite3.Warning,
    *((sqlcipher.Warning,) if sqlcipher else ()),
)
"""What it raises beside them of a text that is no statement: two at once, or one with a zero or half a character."""

NOT_A_DATABASE = "file is not a database"
"""What both libraries say of a file that they cannot decrypt, and of one that is none."""

Key: TypeAlias = str | Callable[[], str]
"""The key of an encrypted database, or what gives it: asked once for every connection, so let it remember."""


def connect(path: Path, key: Key | None = None, *, read_only: bool = False) -> Connection:
    """Opens a connection in autocommit mode, which any thread may use.

    Raises:
        StoreError: The file cannot be opened, or is encrypted and SQLCipher is not installed.
        KeyWrongError: The key is not the file's.
    """
    database: Any = sqlite3 if key is None else _required_sqlcipher()
    with store_errors(path):
        uri = str(path) if path == IN_MEMORY else f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection: Connection = database.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            if key is not None:
                connection.execute(f"PRAGMA key = {quoted_key(key)}")
            _require_readable(connection, path, encrypted=key is not None)
        except BaseException:
            connection.close()
            raise
    if read_only:
        connection.row_factory = database.Row
    return connection


def _required_sqlcipher() -> Any:
    if sqlcipher is None:
        raise StoreError("a key needs SQLCipher; install haversack-client[encrypted]")
    return sqlcipher


def quoted_key(key: Key) -> str:
    """A key as SQL. Raises KeyWrongError if it cannot be one."""
    text = key() if callable(key) else key
    if len(text) < KEY_LENGTH_MIN:
        raise KeyWrongError(f"the key has fewer than {KEY_LENGTH_MIN} characters; give a longer one")
    if "\0" in text:
        raise KeyWrongError("the key contains a zero character, which SQLCipher would cut it at; give another one")
    return "'" + text.replace("'", "''") + "'"


def _require_readable(connection: Connection, path: Path, *, encrypted: bool) -> None:
    """Reads the first page, which only the right key decrypts."""
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except DATABASE_ERRORS as error:
        if NOT_A_DATABASE not in str(error):
            raise
        hint = (
            "the key is wrong"
            if encrypted
            else "it is not a database, or encrypted; give its key, or name another file"
        )
        raise KeyWrongError(f"{path} cannot be read: {hint}") from error


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Names what the database raises."""
    try:
        yield
    except DATABASE_ERRORS as error:
        raise StoreError(f"{path}: {error}; is the path right, and is there space on the disk?") from error


@contextmanager
def reads_only(connection: Connection) -> Iterator[None]:
    """Lets a connection that writes read alone for the length of the block, as a reader's own does.

    Rows are `Row`. Whatever would write, or end the transaction, is refused by SQLite.
    """
    database: Any = sqlite3 if isinstance(connection, sqlite3.Connection) else sqlcipher

    def authorize(action: int, name: str | None, *_: str | None) -> int:
        tells = action == sqlite3.SQLITE_PRAGMA and name in _TELLING_PRAGMAS
        return sqlite3.SQLITE_OK if tells or action in _READING else sqlite3.SQLITE_DENY

    before = connection.row_factory
    connection.row_factory = database.Row
    connection.set_authorizer(authorize)
    try:
        yield
    finally:
        connection.set_authorizer(None)
        connection.row_factory = before


_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_TELLING_PRAGMAS = frozenset({"table_info", "table_xinfo", "table_list", "index_list", "index_info", "data_version"})
