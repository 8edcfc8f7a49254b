"""The overlay: what was written here, laid over the server's rows, so that apps read one table and see both.

An entity's table always shows the merged rows. `_haversack_base` keeps, for each row with writes over it, what the
server's version is. Every change of what lies beneath, or of the outbox, goes the same way, within one transaction:

1. **lift** the writes off the rows in question: their tables are now what the server says, and only that;
2. change the server's rows, or the outbox;
3. **lay** what is in the outbox now over the rows as they are now.

So digests and blocks are only ever those of the server's rows, and "re-apply when the row changes underneath" needs no
code of its own. What is shown:

- Writes that are not in the data yet, and those that are while the device has not come to their LSN.
- Not a refused write: the row is the server's. A refused *creation* is shown as long as the server has no such row,
  because the user's work is nowhere else.
- An update of a row that the server has taken away shows nothing: the user may no longer see it. The write stays.

Rows that only exist here have a negative `_ordinal`, that of their creation's number, and `_lsn` 0.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from haversack_client import _tables as sql
from haversack_client._connections import Connection
from haversack_client._model import Table
from haversack_client._outbox import Entry, Kind, Outbox, State
from haversack_client._rows import SqlValue
from haversack_client._translation import fits

Row = dict[str, SqlValue]
"""Values by column, `_ordinal` and `_lsn` left out."""


@dataclass(frozen=True, slots=True)
class Base:
    """The server's version of a row; `ordinal` is None if the server has none."""

    ordinal: int | None
    lsn: int
    row: Row


NO_ROW = Base(None, 0, {})


def merged(base: Base, entries: Sequence[Entry]) -> tuple[Row | None, int | None]:
    """What a row looks like under its writes: its values or None, and the number of its creation if it is only here."""
    row = dict(base.row) if base.ordinal is not None else None
    made_by = None
    for entry in entries:
        match entry.kind:
            case Kind.CREATE if entry.state is not State.REFUSED or base.ordinal is None:
                if row is None:
                    made_by = entry.number
                row = (row or {}) | dict(entry.new)
            case Kind.UPDATE if row is not None and entry.state is not State.REFUSED:
                row |= entry.new
            case Kind.DELETE if entry.state is not State.REFUSED:
                row = None
    return row, made_by


class Overlay:
    """The writes over one database's rows, within its caller's transaction."""

    def __init__(self, connection: Connection, tables: Mapping[int, Table]) -> None:
        self._connection = connection
        self._tables = tables
        self._outbox = Outbox(connection)

    def use(self, tables: Mapping[int, Table]) -> None:
        """From here on the tables are these."""
        self._tables = tables

    def is_empty(self) -> bool:
        """Whether nothing lies over any row: then tables are the server's as they are."""
        return self._connection.execute("SELECT 1 FROM _haversack_base LIMIT 1").fetchone() is None

    def rows_over(self, entity: int | None = None) -> set[tuple[int, str]]:
        """Rows that writes lie over, as (entity, id); of one entity, or all."""
        clause, parameters = ("", ()) if entity is None else (" WHERE entity = ?", (entity,))
        return set(self._connection.execute(f"SELECT entity, id FROM _haversack_base{clause}", parameters).fetchall())

    def rows_over_ordinals(self, entity: int, ordinals: Iterable[int]) -> set[tuple[int, str]]:
        """Rows of the server that writes lie over, by ordinal."""
        query = (
            "SELECT entity, id FROM _haversack_base WHERE entity = ? AND ordinal IN (SELECT value FROM json_each(?))"
        )
        return set(self._connection.execute(query, (entity, json.dumps(list(ordinals)))).fetchall())

    def rows_over_ids(self, entity: int, ids: Iterable[str]) -> set[tuple[int, str]]:
        """Rows that writes lie over, by id."""
        query = "SELECT entity, id FROM _haversack_base WHERE entity = ? AND id IN (SELECT value FROM json_each(?))"
        return set(self._connection.execute(query, (entity, json.dumps(list(ids)))).fetchall())

    @contextmanager
    def lifted(self, rows: Iterable[tuple[int, str]]) -> Iterator[None]:
        """Takes the writes off some rows for the length of the block, then lays over them what the outbox has then."""
        rows = set(rows)
        for entity, row_id in rows:
            self._lift(entity, row_id)
        yield
        for entity, row_id in rows:
            self._lay(entity, row_id)

    def base(self, entity: int, row_id: str) -> Base:
        """The server's version of a row."""
        found = self._record(entity, row_id)
        return found[0] if found else self._read(self._tables[entity], row_id)

    def shown(self, entity: int, row_id: str) -> Row | None:
        """The row as it is shown, writes and all."""
        table = self._tables[entity]
        found = self._select(table, row_id)
        return None if found is None else _values(table, found)

    def _lift(self, entity: int, row_id: str) -> None:
        found = self._record(entity, row_id)
        if found is None:
            return
        base, shown = found
        self._connection.execute("DELETE FROM _haversack_base WHERE entity = ? AND id = ?", (entity, row_id))
        table = self._tables.get(entity)
        if table is None:
            return
        if shown is not None:
            self._connection.execute(f"DELETE FROM {sql.quoted(table.name)} WHERE _ordinal = ?", (shown,))
        if base.ordinal is not None:
            self._insert(table, base.ordinal, base.lsn, base.row)

    def _lay(self, entity: int, row_id: str) -> None:
        table = self._tables.get(entity)
        entries = self._outbox.of_row(entity, row_id)
        if table is None or not entries:
            return
        entries = [_fitting(table, entry) for entry in entries]
        base = self._read(table, row_id)
        row, made_by = merged(base, entries)
        if base.ordinal is not None:
            self._connection.execute(f"DELETE FROM {sql.quoted(table.name)} WHERE _ordinal = ?", (base.ordinal,))
        shown = None
        if row is not None:
            shown = base.ordinal if base.ordinal is not None else -(made_by or 0)
            self._insert(table, shown, base.lsn, row | {table.primary_id: row_id})
        self._connection.execute(
            "INSERT INTO _haversack_base VALUES (?, ?, ?, ?, ?, ?)",
            (entity, row_id, base.ordinal, base.lsn, shown, json.dumps(base.row, ensure_ascii=False)),
        )

    def _record(self, entity: int, row_id: str) -> tuple[Base, int | None] | None:
        query = 'SELECT ordinal, lsn, shown, "row" FROM _haversack_base WHERE entity = ? AND id = ?'
        found = self._connection.execute(query, (entity, row_id)).fetchone()
        return None if found is None else (Base(found[0], found[1], json.loads(found[3])), found[2])

    def _read(self, table: Table, row_id: str) -> Base:
        """A row as it lies in its table, where nothing lies over it."""
        found = self._select(table, row_id)
        if found is None:
            return NO_ROW
        ordinal, lsn, *_ = found
        assert isinstance(ordinal, int)
        assert isinstance(lsn, int)
        return Base(ordinal, lsn, _values(table, found))

    def _select(self, table: Table, row_id: str) -> tuple[SqlValue, ...] | None:
        names = ", ".join(sql.quoted(column.name) for column in table.columns)
        query = f"SELECT _ordinal, _lsn, {names} FROM {sql.quoted(table.name)} WHERE {sql.quoted(table.primary_id)} = ?"
        found: tuple[SqlValue, ...] | None = self._connection.execute(query, (row_id,)).fetchone()
        return found

    def _insert(self, table: Table, ordinal: int, lsn: int, row: Mapping[str, SqlValue]) -> None:
        known = [column.name for column in table.columns if row.get(column.name) is not None]
        names = ", ".join(["_ordinal", "_lsn", *map(sql.quoted, known)])
        statement = f"INSERT INTO {sql.quoted(table.name)} ({names}) VALUES ({', '.join('?' * (len(known) + 2))})"
        self._connection.execute(statement, (ordinal, lsn, *(row[name] for name in known)))


def _fitting(table: Table, entry: Entry) -> Entry:
    """An entry without values of a type that its column had once: who reads the table counts on the type it has."""
    unfit = {name for name, value in entry.new.items() if not fits(table, name, value)}
    return replace(entry, new={name: entry.new[name] for name in entry.new.keys() - unfit}) if unfit else entry


def _values(table: Table, found: Sequence[SqlValue]) -> Row:
    return {column.name: value for column, value in zip(table.columns, found[2:], strict=True)}
