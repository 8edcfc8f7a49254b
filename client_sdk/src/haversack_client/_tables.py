"""The database's tables as SQL: the device's own, and one per entity, made and changed as models come.

| table | what it holds |
| --- | --- |
| `_haversack_meta` | install id, epoch, cookie, model, checkpoint, stage: one row per fact |
| `_haversack_entity` | one row per entity: its table, how many rows, their digest |
| `_haversack_block` | one row per block with rows: how many, the sum of their membership hashes |
| `_haversack_outbox` | one row per write that waits, was refused, or is kept: see `_outbox` |
| `_haversack_dependency` | which writes depend on which: made from the outbox by triggers |
| `_haversack_withdrawn` | one row per number of a write that its user has given up, and whether the server knows |
| `_haversack_conflict` | one row per write with fields that gave way, until the application decides: see `_conflicts` |
| `_haversack_base` | the server's version of each row that such writes lie over: see `_overlay` |
| `<logical name>` | an entity's rows: `_ordinal`, `_lsn`, then one column per carried attribute |

Digests are 64-bit words; SQLite's integers are signed, so they are stored as the signed number of the same bits.

An entity's table has one index beside its key: unique, on the primary id, because that is how rows are found and
joined everywhere. Lookups have none. Which of a table's dozen lookups an application walks, only the application
knows, and each index on random ids costs more to maintain than all the rest of a row.
"""

from collections.abc import Iterable, Mapping, Sequence

from haversack_client._connections import Connection
from haversack_client._model import CarriedModel, Table

APPLICATION_ID = 0x48565359
"""Marks a SQLite file as a device's: "HVSY"."""

FORMAT_VERSION = 7
"""Version of the device's own tables, in `PRAGMA user_version`. A file of an earlier one is brought up to it."""

BOOKKEEPING_OF_WRITES = (
    "CREATE TABLE _haversack_outbox (number INTEGER PRIMARY KEY, entity INTEGER NOT NULL,"
    " id TEXT NOT NULL, kind INTEGER NOT NULL, new TEXT NOT NULL, old TEXT NOT NULL, state INTEGER NOT NULL,"
    " sent INTEGER NOT NULL, depends_on TEXT NOT NULL, base_lsn INTEGER NOT NULL, written_at_us INTEGER NOT NULL,"
    " lsn INTEGER NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL, fields TEXT NOT NULL, mutation BLOB NOT NULL)",
    "CREATE INDEX _haversack_outbox_row ON _haversack_outbox (entity, id)",
    "CREATE TABLE _haversack_base (entity INTEGER NOT NULL, id TEXT NOT NULL, ordinal INTEGER, lsn INTEGER NOT NULL,"
    ' shown INTEGER, "row" TEXT NOT NULL, PRIMARY KEY (entity, id)) WITHOUT ROWID',
    "CREATE INDEX _haversack_base_ordinal ON _haversack_base (entity, ordinal)",
    "ALTER TABLE _haversack_entity ADD COLUMN received_bytes INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE _haversack_entity ADD COLUMN synced_at_us INTEGER NOT NULL DEFAULT 0",
)

BOOKKEEPING = (
    "CREATE TABLE _haversack_meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE _haversack_entity"
    ' (entity INTEGER PRIMARY KEY, "table" TEXT NOT NULL UNIQUE, count INTEGER NOT NULL, digest INTEGER NOT NULL)',
    "CREATE TABLE _haversack_block (entity INTEGER NOT NULL, block INTEGER NOT NULL, count INTEGER NOT NULL,"
    " membership INTEGER NOT NULL, PRIMARY KEY (entity, block)) WITHOUT ROWID",
)

BOOKKEEPING_OF_CONFLICTS = (
    "CREATE TABLE _haversack_conflict (number INTEGER PRIMARY KEY, entity INTEGER NOT NULL, id TEXT NOT NULL,"
    " base TEXT NOT NULL, mine TEXT NOT NULL)",
)

BOOKKEEPING_OF_KEPT_WRITES = (
    "ALTER TABLE _haversack_outbox ADD COLUMN settled_at_us INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX _haversack_outbox_state ON _haversack_outbox (state, settled_at_us)",
)

BOOKKEEPING_OF_FORGOTTEN_VALUES = ("ALTER TABLE _haversack_outbox ADD COLUMN first_hash BLOB NOT NULL DEFAULT x''",)

BOOKKEEPING_OF_WITHDRAWN_WRITES = (
    "CREATE TABLE _haversack_withdrawn (number INTEGER PRIMARY KEY, told_at_us INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX _haversack_withdrawn_untold ON _haversack_withdrawn (number) WHERE told_at_us = 0",
)

BOOKKEEPING_OF_DEPENDENCIES = (
    "CREATE TABLE _haversack_dependency (needs INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (needs, number))"
    " WITHOUT ROWID",
    "CREATE INDEX _haversack_dependency_number ON _haversack_dependency (number)",
    "INSERT OR IGNORE INTO _haversack_dependency"
    " SELECT value, number FROM _haversack_outbox, json_each(_haversack_outbox.depends_on)",
    "CREATE TRIGGER _haversack_outbox_added AFTER INSERT ON _haversack_outbox BEGIN"
    " INSERT OR IGNORE INTO _haversack_dependency SELECT value, new.number FROM json_each(new.depends_on); END",
    "CREATE TRIGGER _haversack_outbox_changed AFTER UPDATE OF number, depends_on ON _haversack_outbox"
    " WHEN old.number <> new.number OR old.depends_on <> new.depends_on BEGIN"
    " DELETE FROM _haversack_dependency WHERE number = old.number;"
    " INSERT OR IGNORE INTO _haversack_dependency SELECT value, new.number FROM json_each(new.depends_on); END",
    "CREATE TRIGGER _haversack_outbox_removed AFTER DELETE ON _haversack_outbox BEGIN"
    " DELETE FROM _haversack_dependency WHERE number = old.number; END",
)
"""An index of `_haversack_outbox.depends_on`, which SQLite itself keeps in step."""

UPGRADES = {
    1: BOOKKEEPING_OF_WRITES,
    2: BOOKKEEPING_OF_CONFLICTS,
    3: BOOKKEEPING_OF_KEPT_WRITES,
    4: BOOKKEEPING_OF_FORGOTTEN_VALUES,
    5: BOOKKEEPING_OF_WITHDRAWN_WRITES,
    6: BOOKKEEPING_OF_DEPENDENCIES,
}
"""What a file of a version lacks for the next one: in 1 devices did not write, in 2 nobody decided on conflicts, in 3
what the server took was forgotten, in 4 it was kept with what rows had been before, in 5 the server was not told what
was given up, in 6 nobody could tell what depends on a write without reading all of them."""


def quoted(name: str) -> str:
    """A name as an SQL identifier, so that `order` and `group` can be names too."""
    return '"' + name.replace('"', '""') + '"'


def signed(word: int) -> int:
    """The signed 64-bit number with the bits of `word`."""
    return word - (1 << 64) if word >> 63 else word


def unsigned(number: int) -> int:
    """The 64-bit word with the bits of a signed number."""
    return number & ((1 << 64) - 1)


def create_bookkeeping(connection: Connection) -> None:
    """Makes an empty file a device's."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    for statement in BOOKKEEPING:
        connection.execute(statement)
    upgrade(connection, 1)


def upgrade(connection: Connection, version: int) -> None:
    """Gives a device's file of an earlier version what it lacks, within the caller's transaction."""
    for each in range(version, FORMAT_VERSION):
        for statement in UPGRADES[each]:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")


def upsert(table: Table, columns: Sequence[str]) -> str:
    """The statement that puts one row, all of it: columns that are not among `columns` become NULL.

    A row keeps its id for ever, so its index entry is never touched again.
    """
    names = ["_ordinal", "_lsn", *columns]
    every = ["_lsn", *(column.name for column in table.columns)]
    changing = [quoted(name) for name in every if name != table.primary_id]
    return (
        f"INSERT INTO {quoted(table.name)} ({', '.join(map(quoted, names))}) VALUES ({', '.join('?' * len(names))})"
        f" ON CONFLICT (_ordinal) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in changing)}"
    )


def id_index(table: Table) -> str:
    """Name of the index on a table's primary id."""
    return f"_haversack_id_{table.name}"


def create_id_index(connection: Connection, table: Table) -> None:
    """Indexes a table's ids, unless that is done."""
    connection.execute(
        f"CREATE UNIQUE INDEX IF NOT EXISTS {quoted(id_index(table))}"
        f" ON {quoted(table.name)} ({quoted(table.primary_id)})"
    )


def drop_id_index(connection: Connection, table: Table) -> None:
    """Takes the index of a table's ids away, if there is one."""
    connection.execute(f"DROP INDEX IF EXISTS {quoted(id_index(table))}")


def migrate(connection: Connection, old: CarriedModel | None, new: CarriedModel) -> None:
    """Makes the tables of `old` those of `new`, within the caller's transaction.

    A table that stays keeps its rows. New columns are NULL until the server sends the rows again, which it does
    because the entity's fingerprint changed; columns that are gone, or changed their meaning, lose their values.
    """
    before = old.tables if old else {}
    staying = {entity for entity, table in new.tables.items() if entity in before and _stays(before[entity], table)}
    _drop(connection, (table for entity, table in before.items() if entity not in staying))
    for entity, table in new.tables.items():
        if entity in staying:
            _alter(connection, before[entity], table)
        else:
            _create(connection, table)


def forget_rows(connection: Connection, tables: Iterable[Table]) -> None:
    """Drops the tables of entities, and empties the device's own of what is about rows."""
    _drop(connection, tables)
    for table in ("_haversack_base", "_haversack_block", "_haversack_conflict", "_haversack_entity"):
        connection.execute(f"DELETE FROM {table}")


def _stays(before: Table, after: Table) -> bool:
    """Whether the rows of a table are worth keeping: it is the same entity, and rows are found by the same id."""
    return before.name == after.name and _column_of_id(before) == _column_of_id(after)


def _column_of_id(table: Table) -> object:
    return next(column for column in table.columns if column.name == table.primary_id)


def _drop(connection: Connection, tables: Iterable[Table]) -> None:
    for table in tables:
        connection.execute(f"DROP TABLE {quoted(table.name)}")
        connection.execute("DELETE FROM _haversack_block WHERE entity = ?", (table.entity,))
        connection.execute("DELETE FROM _haversack_entity WHERE entity = ?", (table.entity,))


def _create(connection: Connection, table: Table) -> None:
    columns = [f"{quoted(column.name)} {column.kind.sql_type}" for column in table.columns]
    own = ["_ordinal INTEGER PRIMARY KEY", "_lsn INTEGER NOT NULL"]
    connection.execute(f"CREATE TABLE {quoted(table.name)} ({', '.join([*own, *columns])})")
    connection.execute(
        'INSERT INTO _haversack_entity (entity, "table", count, digest) VALUES (?, ?, 0, 0)', (table.entity, table.name)
    )


def _alter(connection: Connection, before: Table, after: Table) -> None:
    had: Mapping[str, object] = {column.name: column for column in before.columns}
    has: Mapping[str, object] = {column.name: column for column in after.columns}
    name = quoted(after.name)
    for column in before.columns:
        if has.get(column.name) != column:
            connection.execute(f"ALTER TABLE {name} DROP COLUMN {quoted(column.name)}")
    for column in after.columns:
        if had.get(column.name) != column:
            connection.execute(f"ALTER TABLE {name} ADD COLUMN {quoted(column.name)} {column.kind.sql_type}")
