"""Conflicts that the application decides, where the organization merges.

The server takes such a write but for the fields that somebody else changed as well, and names these. An application
that has registered a resolver is asked about them once the row here is the server's; what it answers is a new write,
made on the row as it is then. A conflict is kept in the database from the answer until that write, which is one
transaction with its end: a device that dies in between asks again, and what was decided is written once.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from haversack_client._connections import Connection
from haversack_client._outbox import State
from haversack_client._rows import SqlValue

ROUNDS_MAX = 3
"""How often a sync uploads what a resolver decided, and asks about what came of it, before it leaves the rest."""


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A column that two sides changed.

    Attributes:
        base: What this device saw when it wrote.
        mine: What was written here.
        theirs: What the server has.
    """

    base: SqlValue
    mine: SqlValue
    theirs: SqlValue


@dataclass(frozen=True, slots=True)
class Conflict:
    """A write that was taken, but for these columns.

    Attributes:
        number: Number of the write.
        entity: Logical name.
        id: The row's id.
        fields: What is in conflict, by column.
        row: The row as it is shown, by column.
    """

    number: int
    entity: str
    id: str
    fields: Mapping[str, FieldConflict]
    row: Mapping[str, SqlValue]


OnConflict: TypeAlias = Callable[[Conflict], Mapping[str, object]]
"""Decides: returns the values to write. A column that is left out keeps the server's value.

It may be asked again about the same conflict if the row moves meanwhile, or if the device is closed before its answer
is kept. It is called outside of transactions, and may take its time. What it raises ends the sync, or beside a live
stream is an `UploadFailed`; the conflict stays, and comes again with the next sync or checkpoint.
"""


@dataclass(frozen=True, slots=True)
class Overruled:
    """What is kept of a conflict: which write, of which row, and the columns that gave way."""

    number: int
    entity: int
    id: str
    base: Mapping[str, SqlValue]
    mine: Mapping[str, SqlValue]


class Conflicts:
    """The conflicts that wait for the application, within its caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, conflict: Overruled) -> None:
        """Keeps one."""
        texts = [json.dumps(values, ensure_ascii=False) for values in (conflict.base, conflict.mine)]
        self._connection.execute(
            "INSERT OR REPLACE INTO _haversack_conflict VALUES (?, ?, ?, ?, ?)",
            (conflict.number, conflict.entity, conflict.id, *texts),
        )

    def ready(self) -> list[Overruled]:
        """Those whose rows are the server's: the device has come to the answer. In the order of the writes."""
        query = (
            "SELECT number, entity, id, base, mine FROM _haversack_conflict"
            " WHERE number NOT IN (SELECT number FROM _haversack_outbox WHERE state < ?) ORDER BY number"
        )
        return [
            Overruled(number, entity, row_id, json.loads(base), json.loads(mine))
            for number, entity, row_id, base, mine in self._connection.execute(query, (int(State.KEPT),))
        ]

    def remove(self, numbers: Iterable[int]) -> None:
        """Forgets conflicts: they are decided, or there is nothing left to decide."""
        self._connection.executemany("DELETE FROM _haversack_conflict WHERE number = ?", [(it,) for it in numbers])
