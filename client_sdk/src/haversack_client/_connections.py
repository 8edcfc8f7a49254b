"""Connections to a device's file: plain SQLite, or SQLCipher where the file is encrypted.

The rest of the package says `Connection`, and catches `DATABASE_ERRORS`; which library it is, is decided here alone.
SQLCipher comes with `haversack-client[encrypted]`.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from haversack_client._errors import KeyWrongError, StoreError

if TYPE_CHECKING:
    Connection: TypeAlias = sqlite3.Connection
    Cursor: TypeAlias = sqlite3.Cursor
else:
    Connection = sqlite3.Connection
    Cursor = sqlite3.Cursor

try:
    from sqlcipher3 import dbapi2 as sqlcipher  # type: ignore[import-not-found, import-untyped, unused-ignore]
except ImportError:
    sqlcipher = None

CURSOR_METHODS = ("execute", "executemany", "executescript", "fetchone", "fetchmany", "fetchall", "__next__")
CONNECTION_METHODS = ("commit", "rollback", "create_function", "create_collation", "backup", "__exit__")
"""What can raise errors of SQLite. A connection's own `execute` is its cursor's."""

KEY_LENGTH_MIN = 8
"""A shorter key is a mistake: whoever has the file tries those in minutes."""

BUSY_TIMEOUT_SECONDS = 30.0
"""How long to wait for another writer before the database counts as locked."""

IN_MEMORY = Path(":memory:")
"""SQLite's name for a database without a file: one connection sees it, and it is gone with that."""

DATABASE_ERRORS: tuple[type[Exception], ...] = (sqlite3.Error, *((sqlcipher.Error,) if sqlcipher else ()))
"""What a connection raises, whichever library it is of."""

STATEMENT_ERRORS: tuple[type[Exception], ...] = (ValueError, sqlite3.Warning)
"""What it raises beside them of a text that is no statement: two at once, or one with a zero or half a character."""

REFUSED_BY_SQLITE = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE)
"""Codes of errors of a statement that is wrong, or beyond a limit of SQLite's. Other codes are the file's."""

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
            uri,
            uri=True,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=sqlite3.Connection if key is None else _encrypted_connection(),
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


@cache
def _encrypted_connection() -> type[Any]:
    """A connection of SQLCipher that raises the errors of `sqlite3`: applications know those, and catch them."""
    own_cursor = _raising_sqlite_errors(sqlcipher.Cursor, CURSOR_METHODS)

    def cursor(self: Any, factory: Any = own_cursor) -> Any:
        return sqlcipher.Connection.cursor(self, factory)

    named = _raising_sqlite_errors(sqlcipher.Connection, CONNECTION_METHODS)
    return type("EncryptedConnection", (named,), {"cursor": cursor})


def _raising_sqlite_errors(base: type[Any], names: Iterable[str]) -> type[Any]:
    def renamed(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*arguments: Any, **options: Any) -> Any:
            try:
                return method(*arguments, **options)
            except (sqlcipher.Error, sqlcipher.Warning) as error:
                raise _as_sqlite_error(error) from error

        return call

    return type(base.__name__, (base,), {name: renamed(getattr(base, name)) for name in names})


def _as_sqlite_error(error: Exception) -> Exception:
    """The error of `sqlite3` that has the same name. What it only warned of once, two statements, is an error now."""
    name = type(error).__name__
    found: Exception = getattr(sqlite3, "ProgrammingError" if name == "Warning" else name)(*error.args)
    for detail in ("sqlite_errorcode", "sqlite_errorname"):
        if hasattr(error, detail):
            setattr(found, detail, getattr(error, detail))
    return found


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
