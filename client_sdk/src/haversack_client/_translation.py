"""How a write travels, and what becomes of the outbox when the model that it was written against changes.

A write that the server may have keeps its bytes, because the server's ledger knows them by their number; its answer
comes as for any other. Only what is shown of it here becomes the new type's; what cannot is kept, and not shown. The
rest is made anew where its meaning survives, and is refused with a reason where it does not: no value that a user wrote
is dropped in silence.

A change of the staging database, a new epoch, leaves every byte as it is: a write says which history its LSN counts in.
"""

from collections.abc import Mapping
from dataclasses import replace

from haversack.sync.v1 import position_pb2, upload_pb2

from haversack_client._installs import Installs
from haversack_client._model import CarriedModel, Column, Table
from haversack_client._outbox import Entry, Outbox, State
from haversack_client._rows import SqlValue
from haversack_client._values import RowEncoder, id_bytes, stored


def mutation(
    table: Table,
    encoder: RowEncoder,
    entry: Entry,
    model_version: int,
    seen: position_pb2.Position | None,
    *,
    installs: Installs,
) -> bytes:
    """An entry as it travels; `seen` is where the device had come when it was written.

    Of what it depends on, what a former install has sent is left out: the server has taken it, or this is held here.
    """
    by_name = {column.name: column.number for column in table.columns}
    return upload_pb2.Mutation(
        number=entry.number,
        entity=entry.entity,
        id=id_bytes(entry.id),
        kind=int(entry.kind),  # type: ignore[arg-type]
        values=encoder.encode(table, entry.new),
        changed=sorted(by_name[name] for name in entry.new),
        old_values=encoder.encode(table, entry.old),
        base_lsn=entry.base_lsn,
        written_at_us=entry.written_at_us,
        depends_on=installs.own(entry.depends_on),
        model_version=model_version,
        seen=seen,
    ).SerializeToString(deterministic=True)


def translate(outbox: Outbox, before: CarriedModel, after: CarriedModel) -> list[Entry]:
    """A new model begins: what was not sent yet is written in it, or refused. Returns what was refused."""
    encoder = RowEncoder(after)
    changed = list[Entry]()
    for entry in outbox.all():
        old, new = before.tables.get(entry.entity), after.tables.get(entry.entity)
        if entry.sent or entry.state is not State.WAITING:
            if old and new and any(_column(old, name) != _column(new, name) for name in entry.new):
                outbox.replace(_retyped(new, entry))
            continue
        changed.append(entry)
        if new is None:
            name = old.name if old else f"entity {entry.entity}"
            outbox.replace(
                _refused(entry, "ENTITY_UNKNOWN", f"{name} is not on this device any more; discard the write")
            )
        elif old is None or any(_column(old, name) != _column(new, name) for name in entry.new):
            _translate(outbox, entry, new, encoder, after.version)
    now = [outbox.get(entry.number) for entry in changed]
    return [entry for entry in now if entry and entry.state is State.REFUSED]


def fits(table: Table, name: str, value: SqlValue) -> bool:
    """Whether a column can hold a value that was written, maybe when it had another type."""
    attribute = table.attributes.get(name)
    if attribute is None or value is None:
        return True
    try:
        return type(stored(attribute.type, value)) is type(value)
    except ValueError:
        return False


def _retyped(table: Table, entry: Entry) -> Entry:
    """An entry with values in the columns' types where they can be; else they stay as they were written."""
    new = {name: _stored_or_same(table, name, value) for name, value in entry.new.items()}
    old = {name: _stored_or_same(table, name, value) for name, value in entry.old.items()}
    return replace(entry, new=new, old=old)


def _stored_or_same(table: Table, name: str, value: SqlValue) -> SqlValue:
    try:
        return _stored(table, name, value)
    except ValueError:
        return value


def _translate(outbox: Outbox, entry: Entry, table: Table, encoder: RowEncoder, version: int) -> None:
    gone = [name for name in entry.new if _column(table, name) is None]
    if gone:
        text = f"{table.name} has no {', '.join(gone)} any more; edit the write, or discard it"
        outbox.replace(_refused(entry, "ATTRIBUTE_UNKNOWN", text, gone))
        return
    try:
        changed = replace(entry, new=_converted(table, entry.new), old=_converted_or_null(table, entry.old))
    except _NotConvertibleError as error:
        text = f"{error.column} of {table.name} has another type now, and {error}; edit the write, or discard it"
        outbox.replace(_refused(entry, "VALUE_INVALID", text, [error.column]))
        return
    seen = upload_pb2.Mutation.FromString(outbox.mutation(entry.number)).seen
    outbox.replace(changed, mutation(table, encoder, changed, version, seen, installs=outbox.installs()))


class _NotConvertibleError(ValueError):
    def __init__(self, column: str, problem: ValueError) -> None:
        super().__init__(str(problem))
        self.column = column


def _converted(table: Table, row: Mapping[str, SqlValue]) -> dict[str, SqlValue]:
    found: dict[str, SqlValue] = {}
    for name, value in row.items():
        try:
            found[name] = _stored(table, name, value)
        except ValueError as error:
            raise _NotConvertibleError(name, error) from error
    return found


def _converted_or_null(table: Table, row: Mapping[str, SqlValue]) -> dict[str, SqlValue]:
    """What a field was before, where that can still be said."""
    found: dict[str, SqlValue] = {}
    for name, value in row.items():
        try:
            found[name] = _stored(table, name, value)
        except ValueError:
            found[name] = None
    return found


def _stored(table: Table, name: str, value: SqlValue) -> SqlValue:
    """A value in the attribute's type, as it is or, where that does not fit, as the text of it."""
    attribute = table.attributes.get(name)
    if attribute is None or value is None:
        return value
    try:
        return stored(attribute.type, value)
    except ValueError:
        if isinstance(value, str):
            return stored(attribute.type, _number(value))
        return stored(attribute.type, str(value))


def _number(text: str) -> int:
    return int(text)


def _column(table: Table, name: str) -> Column | None:
    return next((column for column in table.columns if column.name == name), None)


def _refused(entry: Entry, reason: str, message: str, fields: list[str] | None = None) -> Entry:
    return replace(entry, state=State.REFUSED, reason=reason, message=message, fields=tuple(fields or ()))
