"""What `haversack-device` prints: results on standard output, progress and failures on standard error."""

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from haversack_client._errors import FetchError, RemoteError, WriteRefusedError
from haversack_client._held import Checkpoint
from haversack_client._live import (
    CheckpointReached,
    ConnectionChanged,
    EventsDropped,
    LiveEvent,
    ModelChanged,
    ModelChangeWaiting,
    RowsChanged,
    UploadFailed,
    UserChanged,
    WritesAnswered,
)
from haversack_client._pending import PendingWrite
from haversack_client._progress import Progress
from haversack_client._reader import Status
from haversack_client._result import SyncResult
from haversack_client._stage import Stage

if TYPE_CHECKING:
    from rich.table import Table

ROWS_SHOWN_MAX = 1000
"""Rows of a query that are drawn as a table; a terminal is no place for more. JSON has all."""

STAGE_TEXTS = {
    Stage.REGISTERED: "registered",
    Stage.MODEL_RESOLVED: "model resolved",
    Stage.SCHEMA_READY: "local schema ready",
    Stage.MANDATORY_READY: "mandatory entities ready",
    Stage.DOWNLOADING: "downloading",
    Stage.VERIFYING: "verifying",
    Stage.READY: "ready",
}


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """Shows a bar on standard error; yields what moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[detail]}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("connecting", total=1.0, detail="")

        def show(progress: Progress) -> None:
            description = progress.entity or STAGE_TEXTS[progress.stage]
            bar.update(task, completed=progress.fraction, description=description, detail=_detail(progress))

        yield show


def _detail(progress: Progress) -> str:
    rows = f"{progress.rows_done:,} of {progress.rows_total:,} rows"
    if progress.seconds_left is None:
        return rows
    return f"{rows}, {progress.seconds_left:.0f} s left"


def print_result(result: SyncResult) -> None:
    """Draws what a sync did, entity by entity."""
    table = _table("entity", "rows", "removed", "bytes", "seconds")
    for entity in result.entities:
        table.add_row(
            entity.name, f"{entity.rows:,}", f"{entity.removals:,}", f"{entity.bytes:,}", f"{entity.seconds:.2f}"
        )
    totals = (f"{result.rows:,}", f"{result.removals:,}", f"{result.bytes:,}", f"{result.seconds:.2f}")
    table.add_section()
    table.add_row("all", *totals)
    _console_print(table)
    if result.applied or result.refused:
        print(f"{result.applied:,} writes were taken, {result.refused:,} refused.")
    if result.queued:
        print(f"{result.queued:,} writes are at the server, waiting for the source.")
    if result.checkpoint:
        print(_checkpoint_text(result.checkpoint))
    elif result.model_waiting:
        print("A new model waits for the application; until then the device works on the old one.")
    else:
        print("The view kept moving. The device is usable; sync again to catch up.")


def print_status(status: Status) -> None:
    """Draws where a device stands."""
    table = _table("entity", "rows", "bytes", "last sync", "waiting", "queued", "refused", "mandatory", "verified")
    marks = {None: "", True: "yes", False: "NO"}
    for entity in status.entities:
        table.add_row(
            entity.name,
            f"{entity.rows:,}",
            f"{entity.received_bytes:,}",
            _moment(entity.synced_at_us) if entity.synced_at_us else "never",
            f"{entity.waiting:,}",
            f"{entity.queued:,}",
            f"{entity.refused:,}",
            "yes" if entity.mandatory else "",
            marks[entity.verified],
        )
    _console_print(table)
    print(f"install id   {status.install_id.hex()}")
    print(f"user         {status.user_id or 'unknown yet'}")
    print(f"stage        {int(status.stage)} of {len(Stage)}, {STAGE_TEXTS[status.stage]}")
    print(f"model        {'none' if status.model_version is None else f'{status.model_version:016x}'}")
    print(f"database     {status.database_bytes:,} bytes, {status.rows:,} rows")
    print(_checkpoint_text(status.checkpoint) if status.checkpoint else "No checkpoint yet.")
    for reached in status.stages:
        print(f"             {int(reached.stage)} {STAGE_TEXTS[reached.stage]}: {_moment(reached.at_us)}")
    if status.wiped:
        print(f"wiped        {_moment(status.wiped.at_us)}: {status.wiped.message}")
    if status.queued:
        print(f"{status.queued:,} writes are at the server, waiting for the source.")
    if status.refused:
        print(f"{status.refused:,} writes were refused: `haversack-device outbox --refused` says why.")
    if status.verified is False:
        print("Rows were changed behind the device's back. Delete the file and sync again.")


def print_text(text: str, name: str, *, as_json: bool) -> None:
    """Prints one fact: bare, or as JSON under its name."""
    print(json.dumps({name: text}) if as_json else text)


def print_writes(writes: Sequence[PendingWrite], *, as_json: bool) -> None:
    """Prints an outbox: a table, or one JSON object a line."""
    from rich.text import Text

    if as_json:
        for write in writes:
            print(json.dumps(asdict(write), ensure_ascii=False))
        return
    table = _table("number", "state", "what", "entity", "id", "values", "reason", numbers=False)
    for write in writes:
        values = ", ".join(f"{name}={value}" for name, value in write.values.items())
        reason = f"{write.reason}: {write.message}" if write.reason else ""
        cells = (str(write.number), write.state, write.kind, write.entity, write.id, values, reason)
        table.add_row(*map(Text, cells))
    _console_print(table)
    print(f"{len(writes):,} writes")


def print_found(rows: Sequence[sqlite3.Row], *, as_json: bool) -> None:
    """Prints the rows of a query in FetchXML."""
    from rich.text import Text

    if as_json:
        for row in rows:
            print(json.dumps(dict(row), ensure_ascii=False, default=_plain))
        return
    table = _table(*(rows[0].keys() if rows else ()), numbers=False)
    for row in rows[:ROWS_SHOWN_MAX]:
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    _console_print(table)
    print(f"{len(rows):,} rows" if len(rows) <= ROWS_SHOWN_MAX else f"{len(rows):,} rows; add top, or --json for all.")


def print_rows(cursor: sqlite3.Cursor) -> None:
    """Draws the rows of a query."""
    from rich.text import Text

    table = _table(*(column[0] for column in cursor.description or ()), numbers=False)
    for row in cursor.fetchmany(ROWS_SHOWN_MAX):
        # Text, not str: data must not be taken for markup, nor reach the terminal with control codes in it.
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    _console_print(table)
    if cursor.fetchone() is not None:
        print(f"Only the first {ROWS_SHOWN_MAX:,} rows are shown; add LIMIT, or --json for all.")


def print_json_rows(cursor: sqlite3.Cursor) -> None:
    """Prints the rows of a query, one JSON object a line."""
    names = [column[0] for column in cursor.description or ()]
    for row in cursor:
        print(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=_plain))


def print_json(result: SyncResult | Status) -> None:
    """Prints a result as one JSON object."""
    document = asdict(result)
    if isinstance(result, Status):
        document |= {"rows": result.rows, "waiting": result.waiting, "queued": result.queued, "refused": result.refused}
        document |= {"verified": result.verified}
    print(json.dumps(document, default=_plain))


def print_event(event: LiveEvent) -> None:
    """Prints an event of a live stream as a line for people."""
    print(f"{datetime.now(UTC):%H:%M:%S} {event_text(event)}", flush=True)


def print_event_json(event: LiveEvent) -> None:
    """Prints an event of a live stream as a line of JSON."""
    fields = {name: getattr(event, name) for name in event.__dataclass_fields__}
    print(json.dumps({"event": type(event).__name__} | fields, default=_plain), flush=True)


def print_failure(error: Exception, *, as_json: bool) -> None:
    """Prints why a command failed."""
    text = json.dumps({"error": _failure(error)}) if as_json else f"error: {error}"
    print(text, file=sys.stderr)


def _failure(error: Exception) -> dict[str, str]:
    document = {"kind": type(error).__name__, "message": str(error)}
    if isinstance(error, RemoteError):
        document |= {"code": error.code, "reason": error.reason}
    if isinstance(error, WriteRefusedError | FetchError):
        document |= {"reason": error.reason}
    return document


def event_text(event: LiveEvent) -> str:
    """An event as a line for people, without its time."""
    match event:
        case ConnectionChanged(connection, error, delay_seconds):
            return f"{connection.value} {delay_seconds:.1f} s: {error}" if error else connection.value
        case RowsChanged(entity, written, removed):
            return f"{entity}: {written:,} written, {removed:,} removed"
        case ModelChanged():
            return "tables changed"
        case CheckpointReached(checkpoint):
            return _checkpoint_text(checkpoint)
        case UserChanged():
            return "the user's rights, teams or settings changed"
        case ModelChangeWaiting():
            return "a new model waits for the application"
        case WritesAnswered(applied, refused, _, queued):
            return _answers_text(applied, refused, queued)
        case UploadFailed(error, delay_seconds):
            return _upload_text(error, delay_seconds)
        case EventsDropped(count):
            return f"{count:,} events were not read in time"


def _answers_text(applied: int, refused: Sequence[PendingWrite], queued: int) -> str:
    why = "".join(f"; {write.number} {write.reason}: {write.message}" for write in refused)
    waiting = f"{queued:,} at the server, waiting for the source, " if queued else ""
    return f"{applied:,} writes taken, {waiting}{len(refused):,} refused{why}"


def _upload_text(error: Exception, delay_seconds: float | None) -> str:
    if delay_seconds is None:
        return f"upload failed: {error}"
    return f"upload again in {delay_seconds:.1f} s: {error}"


def _checkpoint_text(checkpoint: Checkpoint) -> str:
    instant = datetime.fromtimestamp(checkpoint.instant_us / 1e6, UTC)
    moment = instant.isoformat(" ", "seconds")
    return f"checkpoint at LSN {checkpoint.lsn:,}, revision {checkpoint.revision:,}, {moment}"


def _moment(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(" ", "seconds")


def _table(*headers: str, numbers: bool = True) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    for position, header in enumerate(headers):
        table.add_column(Text(header), justify="right" if numbers and position else "left", overflow="fold")
    return table


def _console_print(table: "Table") -> None:
    from rich.console import Console

    Console().print(table)


def _plain(value: Any) -> object:
    """What JSON knows in place of what it does not."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Exception):
        return _failure(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
