"""The outbox as applications see it."""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from haversack_client._connections import Connection
from haversack_client._outbox import Entry, Outbox, State
from haversack_client._rows import SqlValue


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A write that is not in the server's rows yet, or was refused.

    Attributes:
        number: Its position in the outbox.
        entity: Logical name; "" if the device does not carry the entity any more.
        id: The row's id.
        kind: "create", "update" or "delete".
        values: What it sets, by column.
        old_values: What that was before.
        state: "waiting", "held" (it depends on one that was refused), "queued" (the server has it, its source not yet),
            "applied" (the server has it, the device has not come to it) or "refused".
        depends_on: Numbers of writes that must be taken first.
        reason: Why it was refused: name of an ErrorReason, else "".
        message: The same for people, with what to do next.
        fields: Columns in conflict, or not valid.
        written_at_us: When it was written, microseconds since the Unix epoch.
    """

    number: int
    entity: str
    id: str
    kind: str
    values: Mapping[str, SqlValue]
    old_values: Mapping[str, SqlValue]
    state: str
    depends_on: tuple[int, ...]
    reason: str
    message: str
    fields: tuple[str, ...]
    written_at_us: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What the server made of some writes.

    Attributes:
        applied: How many are in the data.
        queued: How many wait for the organization's source.
        held: How many depend on one that was refused.
        refused: Those that were refused.
        overruled: Those that were taken, but for `fields`, where the server's values stay: the policy of merging.
        again: How many the server has lost, so that they are to be sent again.
    """

    applied: int = 0
    queued: int = 0
    held: int = 0
    refused: tuple[PendingWrite, ...] = ()
    overruled: tuple[PendingWrite, ...] = ()
    again: int = 0


def pending(entry: Entry, entity: str, held: Container[int] = ()) -> PendingWrite:
    """An entry as applications see it; `entity` is its table's name, `held` are numbers of what depends on refusals."""
    state = State.HELD if entry.number in held else entry.state
    return PendingWrite(
        number=entry.number,
        entity=entity,
        id=entry.id,
        kind=entry.kind.name.lower(),
        values=entry.new,
        old_values=entry.old,
        state=state.name.lower(),
        depends_on=entry.depends_on,
        reason=entry.reason,
        message=entry.message,
        fields=entry.fields,
        written_at_us=entry.written_at_us,
    )


def read_writes(connection: Connection, *states: State) -> list[PendingWrite]:
    """Writes in the outbox, in order, as of one moment; only those in some states, if any are named.

    Within a transaction that is open already, what it has done is seen.
    """
    if not connection.in_transaction:
        connection.execute("BEGIN")
    outbox = Outbox(connection)
    names = dict(connection.execute('SELECT entity, "table" FROM _haversack_entity').fetchall())
    held = outbox.held()
    entries = outbox.in_state(*states) if states else outbox.all()
    return [pending(entry, names.get(entry.entity, ""), held) for entry in entries]
