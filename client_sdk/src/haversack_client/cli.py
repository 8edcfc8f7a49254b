"""`haversack-device`: sync, look at and follow a device's database from a terminal.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused (token or permission), 4 no server answered, 5 rows disagree,
6 usable but the view kept moving, so sync again.
"""

import sqlite3
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
    UnavailableError,
    _terminal,
)
from haversack_client._reader import open_read_only, read_status
from haversack_client._transport import Token


class Exit(IntEnum):
    """How a command ended."""

    FAILED = 1
    REFUSED = 3
    UNAVAILABLE = 4
    DISAGREES = 5
    INCOMPLETE = 6


app = typer.Typer(
    help="A local SQLite copy of what its user may carry, always exact.\n\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused (token or permission), 4 no server answered, "
    "5 rows disagree, 6 usable but the view kept moving.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

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


@app.command()
def sync(
    *,
    db: Database,
    endpoint: Endpoint,
    token: TokenText = None,
    token_file: TokenFile = None,
    app: App = "",
    ca_file: CaFile = None,
    json: Json = False,
) -> None:
    """Make the database equal to the user's view, then stop.

    Example: haversack-device sync --db crm.sqlite3 --endpoint localhost:7443 --token-file token.txt
    """
    with _failures(json), _device(db, endpoint, _token(token, token_file), app, ca_file) as device:
        if json:
            result = device.sync()
            _terminal.print_json(result)
        else:
            with _terminal.progress_bar() as show:
                result = device.sync(show)
            _terminal.print_result(result)
    if not result.complete:
        raise typer.Exit(Exit.INCOMPLETE)


@app.command()
def status(
    *,
    db: Database,
    verify: Annotated[bool, typer.Option("--verify", help="Make every digest anew from the rows.")] = False,
    json: Json = False,
) -> None:
    """Say what the database holds and where it stands. Needs no network.

    Example: haversack-device status --db crm.sqlite3 --verify
    """
    with _failures(json):
        found = read_status(db, verify=verify)
        if json:
            _terminal.print_json(found)
        else:
            _terminal.print_status(found)
    if found.verified is False:
        raise typer.Exit(Exit.DISAGREES)


@app.command()
def query(
    db: Database,
    sql: Annotated[str, typer.Argument(help="One statement that reads.")],
    json: Json = False,
) -> None:
    """Run SQL on the database, read-only. Needs no network.

    Example: haversack-device query --db crm.sqlite3 "SELECT name FROM account ORDER BY name LIMIT 10"
    """
    with _failures(json):
        connection = open_read_only(db)
        try:
            cursor = connection.execute(sql)
            if json:
                _terminal.print_json_rows(cursor)
            else:
                _terminal.print_rows(cursor)
        finally:
            connection.close()


@app.command()
def watch(
    *,
    db: Database,
    endpoint: Endpoint,
    token: TokenText = None,
    token_file: TokenFile = None,
    app: App = "",
    ca_file: CaFile = None,
    json: Json = False,
) -> None:
    """Follow the user's view and print what changes, one line each, until Ctrl-C.

    Example: haversack-device watch --db crm.sqlite3 --endpoint localhost:7443 --json
    """
    show = _terminal.print_event_json if json else _terminal.print_event
    with _failures(json), _device(db, endpoint, _token(token, token_file), app, ca_file) as device:
        try:
            with device.live() as live:
                for event in live:
                    show(event)
        except KeyboardInterrupt:
            return


@contextmanager
def _device(db: Path, endpoint: str, token: Token, app: str, ca_file: Path | None) -> Iterator[Device]:
    try:
        device = Device.open(db, endpoint, token, app=app, ca_file=ca_file)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    with device:
        yield device


def _token(token: str | None, token_file: Path | None) -> Token:
    """The file wins over the environment, since naming it takes intent."""
    if token_file:
        return _file_reader(token_file)
    if token:
        return token
    raise typer.BadParameter("give --token or --token-file, or set HAVERSACK_TOKEN")


def _file_reader(path: Path) -> Callable[[], str]:
    return lambda: path.read_text().strip()


@contextmanager
def _failures(json: bool) -> Iterator[None]:
    """Turns what can go wrong into a message and an exit status."""
    try:
        yield
    except (HaversackError, sqlite3.Error) as error:
        _fail(error, json=json)


def _fail(error: Exception, *, json: bool) -> NoReturn:
    _terminal.print_failure(error, as_json=json)
    match error:
        case AuthenticationError() | PermissionDeniedError():
            raise typer.Exit(Exit.REFUSED) from error
        case UnavailableError():
            raise typer.Exit(Exit.UNAVAILABLE) from error
        case DigestMismatchError():
            raise typer.Exit(Exit.DISAGREES) from error
        case _:
            raise typer.Exit(Exit.FAILED) from error
