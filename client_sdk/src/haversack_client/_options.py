"""What the commands of `haversack-device` share: their options, the device they open, their exit statuses."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from haversack_client import (
    AuthenticationError,
    Device,
    DigestMismatchError,
    HaversackError,
    PermissionDeniedError,
    TokenError,
    UnavailableError,
    UserChangedError,
    _terminal,
)
from haversack_client._connections import DATABASE_ERRORS, Key
from haversack_client._transport import Token

SECRET_BYTES_MAX = 1 << 16
"""Of a file with a token or a key. Servers take headers of much less."""


class Exit(IntEnum):
    """How a command ended."""

    FAILED = 1
    REFUSED = 3
    UNAVAILABLE = 4
    DISAGREES = 5
    INCOMPLETE = 6


Database = Annotated[Path, typer.Option("--db", envvar="HAVERSACK_DB", help="The device's SQLite file.")]
Endpoint = Annotated[
    str,
    typer.Option(
        "--endpoint",
        envvar="HAVERSACK_ENDPOINT",
        help="https://host:port, http://host:port, or host:port (plain on loopback, else encrypted).",
    ),
]
TokenText = Annotated[str | None, typer.Option("--token", envvar="HAVERSACK_TOKEN", help="Bearer token.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="File with the bearer token; read anew for every call.")
]
App = Annotated[
    str,
    typer.Option(
        "--app", envvar="HAVERSACK_APP", help="Application of this device; else any profile that has the user."
    ),
]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", help="PEM file of the authorities to trust; else the system's.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", envvar="HAVERSACK_KEY_FILE", help="File with the key of an encrypted database."),
]


@contextmanager
def connected(
    db: Path,
    endpoint: str,
    token: str | None,
    token_file: Path | None,
    *,
    app: str = "",
    ca_file: Path | None = None,
    key_file: Path | None = None,
) -> Iterator[Device]:
    """A device with a server."""
    for name, given in (("--endpoint", endpoint), ("--app", app)):
        if not _is_text(given):
            raise typer.BadParameter(f"{name} has characters in it that are not UTF-8; write it anew")
    try:
        token_given = _token(token, token_file)
        device = Device.open(db, endpoint, token_given, app=app, ca_file=ca_file, key=read_key(key_file))
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    with device:
        yield device


def _is_text(given: str) -> bool:
    """Whether what was typed has a form in UTF-8; other bytes of a command line come as halves of characters."""
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def _token(token: str | None, token_file: Path | None) -> Token:
    """The file wins over the environment, since naming it takes intent. It is read once now, to say what is wrong."""
    if token_file:
        read = _file_reader(token_file)
        read()
        return read
    if not token or not token.strip():
        raise typer.BadParameter("give --token or --token-file, or set HAVERSACK_TOKEN")
    return _checked(token.strip(), "the token")


def _file_reader(path: Path) -> Callable[[], str]:
    def read() -> str:
        try:
            return _checked(read_text(path, SECRET_BYTES_MAX).strip(), str(path))
        except (OSError, ValueError) as error:
            raise TokenError(str(error)) from error

    return read


def _checked(token: str, origin: str) -> str:
    """A token, if calls can carry it. Raises ValueError."""
    if not token:
        raise ValueError(f"{origin} is empty; put the token in it, and nothing else")
    if not token.isascii() or not token.isprintable() or len(token) > SECRET_BYTES_MAX:
        raise ValueError(f"{origin} is no bearer token: it is one line of at most {SECRET_BYTES_MAX} ASCII characters")
    return token


@contextmanager
def offline(db: Path, key: Key | None) -> Iterator[Device]:
    """A device without a server."""
    with Device.offline(db, key=key) as device:
        yield device


@contextmanager
def failures(json: bool) -> Iterator[None]:
    """Turns what can go wrong into a message and an exit status."""
    try:
        yield
    except HaversackError as error:
        _fail(error, json=json)
    except DATABASE_ERRORS as error:
        _fail(error, json=json)


def _fail(error: Exception, *, json: bool) -> NoReturn:
    _terminal.print_failure(error, as_json=json)
    match error:
        case AuthenticationError() | PermissionDeniedError() | UserChangedError():
            raise typer.Exit(Exit.REFUSED) from error
        case UnavailableError():
            raise typer.Exit(Exit.UNAVAILABLE) from error
        case DigestMismatchError():
            raise typer.Exit(Exit.DISAGREES) from error
        case _:
            raise typer.Exit(Exit.FAILED) from error


def read_key(path: Path | None) -> Key | None:
    """The key in a file, if one is named."""
    if path is None:
        return None
    try:
        return read_text(path, SECRET_BYTES_MAX).strip()
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error


def read_text(path: Path, bytes_max: int) -> str:
    """What is in a file. Raises OSError, and ValueError if it is no UTF-8 text of at most so many bytes."""
    with path.open("rb") as file:
        raw = file.read(bytes_max + 1)
    if len(raw) > bytes_max:
        raise ValueError(f"{path} has more than {bytes_max} bytes; name another file")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text; name another file, or save it as UTF-8") from error
