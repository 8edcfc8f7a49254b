"""The catalog's rows as lines of JSON, from which either kind of database can be filled.

One line names a table and its columns, and each line after it is a row of that table, an array; bytes are objects with
their base64. Tables come in an order in which their rows can be inserted, and the last line has the numbers that tables
count up to, so that none is given again. Which tables there are is not written here: all of them travel.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any, BinaryIO

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Table,
    and_,
    func,
    insert,
    inspect,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog._tables import metadata
from haversack_server.errors import BackupInvalid

ROWS_AT_ONCE = 500
VERSION_TABLE = "alembic_version"
EVERY_ORGANIZATION = ""
"""What stands for all organizations where a row names one."""


async def schema(connection: AsyncConnection) -> str:
    """Returns the revision of a catalog's schema; empty if the database has no table at all."""
    names = await connection.run_sync(lambda it: inspect(it).get_table_names())
    if VERSION_TABLE not in names:
        return "?" if names else ""
    return str((await connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))).scalar())


async def write(connection: AsyncConnection, out: BinaryIO, organizations: Collection[str] | None) -> dict[str, int]:
    """Writes every row that the transaction sees, or those of some organizations; returns counts by table."""
    counts = {}
    for table in metadata.sorted_tables:
        _line(out, {"table": table.name, "columns": [column.name for column in table.columns]})
        query = select(table).order_by(*table.primary_key.columns)
        condition = None if organizations is None else _belongs(table, organizations)
        counts[table.name] = 0
        async for row in await connection.stream(query if condition is None else query.where(condition)):
            _line(out, [_plain(value) for value in row])
            counts[table.name] += 1
    _line(out, {"numbers": {table.name: await _number(connection, table) for table in _counting(metadata)}})
    return counts


def read(connection: Connection, lines: Iterable[bytes]) -> dict[str, int]:
    """Fills a catalog of the schema that the lines were written under; what its migrations put in goes.

    Returns counts by table. Raises BackupInvalid if the lines are none, or end too soon.
    """
    tables = MetaData()
    tables.reflect(connection)
    for table in reversed(tables.sorted_tables):
        if table.name != VERSION_TABLE:
            connection.execute(table.delete())
    counts: dict[str, int] = {}
    for content in _parts(lines):
        if "numbers" in content:
            for name, number in content["numbers"].items():
                _count_up_to(connection, tables.tables[name], number)
            return counts
        table = tables.tables[content["table"]]
        if content["rows"]:
            connection.execute(insert(table), content["rows"])
        counts[table.name] = counts.get(table.name, 0) + len(content["rows"])
    raise BackupInvalid("the catalog of the backup ends too soon; use another backup")


def _parts(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yields rows of one table as objects, some at a time, and the numbers at the end."""
    table, columns, rows = "", list[str](), list[dict[str, Any]]()
    try:
        for line in lines:
            content = json.loads(line)
            if isinstance(content, list):
                rows.append(dict(zip(columns, map(_value, content), strict=True)))
            if rows and (len(rows) == ROWS_AT_ONCE or isinstance(content, dict)):
                yield {"table": table, "rows": rows}
                rows = []
            if isinstance(content, dict) and "table" in content:
                table, columns = content["table"], content["columns"]
                yield {"table": table, "rows": []}
            elif isinstance(content, dict):
                yield content
    except (ValueError, KeyError, TypeError) as error:
        raise BackupInvalid(f"the catalog of the backup cannot be read: {error}; use another backup") from error


def _belongs(table: Table, organizations: Collection[str]) -> ColumnElement[bool] | None:
    """What is true of the rows that belong to some organizations, by themselves or through rows that they point at."""
    if table.name == "organization":
        return table.c.name.in_(organizations)
    if "organization" in table.c:
        named = table.c.organization.in_(organizations)
        for_all = table.c.organization == EVERY_ORGANIZATION
        return or_(named, for_all) if table.name == "access_grant" else named
    conditions = []
    for key in table.foreign_key_constraints:
        condition = _belongs(key.referred_table, organizations)
        if condition is not None and len(key.elements) == 1:
            (element,) = key.elements
            conditions.append(element.parent.in_(select(element.column).where(condition)))
    return and_(*conditions) if conditions else None


def _counting(tables: MetaData) -> list[Table]:
    return [table for table in tables.sorted_tables if _counter(table) is not None]


def _counter(table: Table) -> Column[Any] | None:
    """The column whose values the database counts up by itself, if there is one."""
    keys = list(table.primary_key.columns)
    is_counted = len(keys) == 1 and isinstance(keys[0].type, Integer) and keys[0].autoincrement in (True, "auto")
    return keys[0] if is_counted and not keys[0].foreign_keys else None


async def _number(connection: AsyncConnection, table: Table) -> int:
    """The highest number that a table has given out, of rows that are gone too where the database knows."""
    counter = _counter(table)
    assert counter is not None
    highest = (await connection.execute(select(func.max(counter)))).scalar() or 0
    if connection.dialect.name == "postgresql":
        sequence = (await connection.execute(_sequence(table, counter))).scalar()
        # A sequence that has given nothing out yet says 1 too.
        given = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"
        found = (await connection.execute(text(given))).scalar() if sequence else 0
    elif await connection.run_sync(lambda it: inspect(it).has_table("sqlite_sequence")):
        query = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        found = (await connection.execute(query, {"name": table.name})).scalar()
    else:
        found = 0
    return max(highest, int(found or 0))


def _count_up_to(connection: Connection, table: Table, number: int) -> None:
    if not number:
        return
    if connection.dialect.name == "postgresql":
        (column,) = table.primary_key.columns
        if sequence := connection.execute(_sequence(table, column)).scalar():
            connection.execute(
                text("SELECT setval(CAST(:name AS regclass), :number)"), {"name": sequence, "number": number}
            )
    elif inspect(connection).has_table("sqlite_sequence"):
        values = {"name": table.name, "number": number}
        if not connection.execute(text("UPDATE sqlite_sequence SET seq = :number WHERE name = :name"), values).rowcount:
            kept = text("SELECT 1 FROM sqlite_schema WHERE name = :name AND sql LIKE '%AUTOINCREMENT%'")
            if connection.execute(kept, {"name": table.name}).scalar():
                connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), values)


def _sequence(table: Table, column: Column[Any]) -> Any:
    return select(func.pg_get_serial_sequence(table.name, column.name))


def _line(out: BinaryIO, content: object) -> None:
    out.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def _plain(value: object) -> object:
    if isinstance(value, bytes | memoryview):
        return {"base64": base64.b64encode(value).decode()}
    assert value is None or isinstance(value, bool | int | float | str), f"a column of type {type(value).__name__}"
    return value


def _value(plain: Any) -> object:
    return base64.b64decode(plain["base64"], validate=True) if isinstance(plain, dict) else plain
