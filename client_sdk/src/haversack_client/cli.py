"""`haversack-device`: sync, look at and follow a device's database from a terminal.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused (token or permission), 4 no server answered, 5 rows disagree,
6 usable but the view kept moving, so sync again.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Cursor
from types import FrameType
from typing import Annotated

import typer

from haversack_client import Device, _outbox_commands, _terminal
from haversack_client._connections import STATEMENT_ERRORS, Connection
from haversack_client._live import Live
from haversack_client._options import (
    App,
    CaFile,
    Database,
    Endpoint,
    Exit,
    Json,
    KeyFile,
    TokenFile,
    TokenText,
    connected,
    failures,
    read_key,
)
from haversack_client._reader import open_read_only, read_status

__all__ = ["Exit", "app"]

app = typer.Typer(
    help="A local SQLite copy of what its user may carry, always exact.\n\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused (token or permission), 4 no server answered, "
    "5 rows disagree, 6 usable but the view kept moving.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def sync(
    *,
    db: Database,
    endpoint: Endpoint,
    token: TokenText = None,
    token_file: TokenFile = None,
    app: App = "",
    ca_file: CaFile = None,
    key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """Make the database equal to the user's view, then stop.

    Example: haversack-device sync --db crm.sqlite3 --endpoint localhost:7443 --token-file token.txt
    """
    with (
        failures(json),
        connected(db, endpoint, token, token_file, app=app, ca_file=ca_file, key_file=key_file) as device,
    ):
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
    key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """Say what the database holds and where it stands. Needs no network.

    Example: haversack-device status --db crm.sqlite3 --verify
    """
    with failures(json):
        found = read_status(db, read_key(key_file), verify=verify)
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
    key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """Run SQL on the database, read-only. Needs no network.

    Example: haversack-device query --db crm.sqlite3 "SELECT name FROM account ORDER BY name LIMIT 10"
    """
    with failures(json):
        connection = open_read_only(db, read_key(key_file))
        try:
            cursor = _ask(connection, sql)
            if json:
                _terminal.print_json_rows(cursor)
            else:
                _terminal.print_rows(cursor)
        finally:
            connection.close()


def _ask(connection: Connection, sql: str) -> Cursor:
    try:
        return connection.execute(sql)
    except STATEMENT_ERRORS as error:
        raise typer.BadParameter(f"{error}; give one statement that reads") from error


@app.command()
def watch(
    *,
    db: Database,
    endpoint: Endpoint,
    token: TokenText = None,
    token_file: TokenFile = None,
    app: App = "",
    ca_file: CaFile = None,
    key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """Follow the user's view and upload what is written, until Ctrl-C: a dashboard on a terminal, else lines.

    Example: haversack-device watch --db crm.sqlite3 --endpoint localhost:7443 --json
    """
    with (
        failures(json),
        connected(db, endpoint, token, token_file, app=app, ca_file=ca_file, key_file=key_file) as device,
    ):
        try:
            if not json and sys.stdout.isatty():
                _watch_dashboard(device)
            else:
                _watch_lines(device, json=json)
        except KeyboardInterrupt:
            return


def _watch_lines(device: Device, *, json: bool) -> None:
    show = _terminal.print_event_json if json else _terminal.print_event
    with device.live() as live, _ended_by_interrupt(live):
        for event in live:
            show(event)


def _watch_dashboard(device: Device) -> None:
    from haversack_client._dashboard import Dashboard

    with Dashboard(device) as dashboard, device.live() as live, _ended_by_interrupt(live):
        for event in live:
            dashboard.take(event)


@contextmanager
def _ended_by_interrupt(live: Live) -> Iterator[None]:
    """Has Ctrl-C end the stream, and not whatever is done at that moment; a second one does that."""

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        live.end()

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


for command in _outbox_commands.COMMANDS:
    app.command()(command)
