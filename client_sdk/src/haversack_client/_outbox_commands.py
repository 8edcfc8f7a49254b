"""Commands of `haversack-device` that write, and that mend what was refused. They need no network."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from haversack.model.v1 import model_pb2

from haversack_client import Caller, Device, OutboxError, PendingWrite, WriteRefusedError, _terminal
from haversack_client._fetch import DOCUMENT_BYTES_MAX
from haversack_client._model import CarriedModel
from haversack_client._options import Database, Exit, Json, KeyFile, failures, offline, read_key, read_text
from haversack_client._reader import read_facts
from haversack_client._values import BIGINT_MAX

Entity = Annotated[str, typer.Argument(help="Logical name of the entity, as in account.")]
RowId = Annotated[str, typer.Argument(metavar="ID", help="The row's id.")]
Values = Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="Columns; nothing behind = means NULL.")]


def create(db: Database, entity: Entity, values: Values, *, key_file: KeyFile = None, json: Json = False) -> None:
    """Make a row; it waits in the outbox for the next sync.

    Example: haversack-device create --db crm.sqlite3 account name="Contoso Ltd" revenue=12.50
    """
    with failures(json), offline(db, read_key(key_file)) as device:
        _terminal.print_text(device.create(entity, typed(device, entity, values)), "id", as_json=json)


def update(
    db: Database, entity: Entity, row: RowId, values: Values, *, key_file: KeyFile = None, json: Json = False
) -> None:
    """Change columns of a row.

    Example: haversack-device update --db crm.sqlite3 account 0f8fad5b-d9cb-469f-a165-70867728950e revenue=13
    """
    with failures(json), offline(db, read_key(key_file)) as device:
        device.update(entity, row, typed(device, entity, values))
        _terminal.print_text(row, "id", as_json=json)


def delete(db: Database, entity: Entity, row: RowId, *, key_file: KeyFile = None, json: Json = False) -> None:
    """Delete a row.

    Example: haversack-device delete --db crm.sqlite3 account 0f8fad5b-d9cb-469f-a165-70867728950e
    """
    with failures(json), offline(db, read_key(key_file)) as device:
        device.delete(entity, row)
        _terminal.print_text(row, "id", as_json=json)


def fetch(
    db: Database,
    query: Annotated[str, typer.Argument(help="A <fetch>, or the name of a file with one behind @.")],
    user: Annotated[str | None, typer.Option("--user", help="Id of the user who asks; else the device's.")] = None,
    *,
    key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """Answer a FetchXML query from the rows that are here.

    Example: haversack-device fetch --db crm.sqlite3 "<fetch top='5'><entity name='account'/></fetch>"
    """
    with failures(json), offline(db, read_key(key_file)) as device:
        rows = device.fetch(_document(query), Caller(user_id=user) if user else None)
        _terminal.print_found(rows, as_json=json)


def outbox(
    db: Database,
    refused: Annotated[bool, typer.Option("--refused", help="Only what was refused.")] = False,
    *,
    key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """List the writes that wait for the server, and those that it refused.

    Example: haversack-device outbox --db crm.sqlite3 --refused
    """
    with failures(json), offline(db, read_key(key_file)) as device:
        writes = device.refused() if refused else device.outbox()
        _terminal.print_writes(writes, as_json=json)


def retry(
    db: Database,
    number: Annotated[
        int | None, typer.Argument(min=1, max=BIGINT_MAX, help="Number of the write, as `outbox` says.")
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE...]", help="Values to set instead; NAME= leaves a column out that is gone."
        ),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every refused write, in order.")] = False,
    key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """Write a refused write again, with other values if some are given, or all of them.

    Example: haversack-device retry --db crm.sqlite3 7 name="Contoso"
    """
    _require_either(number is not None, every)
    with failures(json), offline(db, read_key(key_file)) as device:
        if number is None:
            _retry_all(device, json=json)
            return
        write = _write(device, number)
        again = device.edit(number, typed(device, write.entity, values or []) if write else {})
        _terminal.print_text("nothing is left to change" if again is None else str(again), "number", as_json=json)


def discard(
    db: Database,
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="NUMBER...", min=1, max=BIGINT_MAX, help="As `outbox` says.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every refused write.")] = False,
    key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """Give refused writes up; the rows are the server's. If one of them cannot be given up, none is.

    Example: haversack-device discard --db crm.sqlite3 7 8
    """
    _require_either(bool(numbers), every)
    with failures(json), offline(db, read_key(key_file)) as device:
        with device.batch():
            gone = _discard_all(device) if every else _discard(device, numbers or [])
        _terminal.print_text(" ".join(map(str, gone)), "discarded", as_json=json)


def _require_either(is_named: bool, every: bool) -> None:
    if is_named == every:
        raise typer.BadParameter("name a write by its number, or give --all")


def _retry_all(device: Device, *, json: bool) -> None:
    """Writes again what can be; says of the rest why not."""
    refused = device.refused()
    failed = list[WriteRefusedError]()
    with device.batch():
        for write in refused:
            try:
                device.retry(write.number)
            except OutboxError:
                continue  # It depended on another, and was written again behind that.
            except WriteRefusedError as error:
                failed.append(error)
    _terminal.print_text(f"{len(refused) - len(failed)} of {len(refused)}", "written_again", as_json=json)
    for why in failed:
        _terminal.print_failure(why, as_json=json)
    if failed:
        raise typer.Exit(Exit.FAILED)


def _discard(device: Device, numbers: list[int]) -> list[int]:
    for number in numbers:
        device.discard(number)
    return numbers


def _discard_all(device: Device) -> list[int]:
    """Until nothing is refused: what depended on a discarded write is refused from then on."""
    gone = list[int]()
    while refused := device.refused():
        for write in refused:
            with suppress(OutboxError):  # It went with the creation of its row.
                device.discard(write.number)
                gone.append(write.number)
    return gone


COMMANDS: tuple[Callable[..., None], ...] = (create, update, delete, fetch, outbox, retry, discard)


def typed(device: Device, entity: str, pairs: list[str]) -> dict[str, object]:
    """Values as their columns' types want them, from what was typed."""
    with device.connection() as connection:
        serialized = read_facts(connection).model
    connection.close()
    table = CarriedModel.parse(serialized).table(entity) if serialized else None
    found: dict[str, object] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"{pair!r} is no NAME=VALUE")
        attribute = table.attributes.get(name) if table else None
        found[name] = None if not text else _typed(attribute.type if attribute else 0, name, text)
    return found


WHOLE = frozenset(
    {
        model_pb2.ATTRIBUTE_TYPE_INTEGER,
        model_pb2.ATTRIBUTE_TYPE_BIGINT,
        model_pb2.ATTRIBUTE_TYPE_PICKLIST,
        model_pb2.ATTRIBUTE_TYPE_STATE,
        model_pb2.ATTRIBUTE_TYPE_STATUS,
    }
)


def _typed(kind: int, name: str, text: str) -> object:
    try:
        if kind in WHOLE:
            return int(text)
        if kind == model_pb2.ATTRIBUTE_TYPE_DOUBLE:
            return float(text)
    except ValueError as error:
        raise WriteRefusedError("VALUE_INVALID", f"{name} must be a number, not {text!r}", [name]) from error
    if kind == model_pb2.ATTRIBUTE_TYPE_BOOLEAN and text.lower() in ("true", "false", "0", "1"):
        return text.lower() in ("true", "1")
    return text


def _write(device: Device, number: int) -> PendingWrite | None:
    return next((write for write in device.outbox() if write.number == number), None)


def _document(query: str) -> str:
    if not query.startswith("@"):
        return query
    try:
        return read_text(Path(query[1:]), DOCUMENT_BYTES_MAX)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
