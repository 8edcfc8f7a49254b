"""Texts of the statements about one row; their parameters are texts, whatever the columns are."""

from __future__ import annotations

from collections.abc import Collection

from psycopg import sql

from haversack_server.connectors.postgres._plan import Entity
from haversack_server.errors import Refusal, SourceRefused

_UNLIKE_THEIR_TEXT = ("bpchar", "bool", "inet", "char")
"""Types whose cast to text is not what they are written as, and so not what replication sends."""

_CAST = sql.SQL("{0}::text AS {0}")
_FORMATTED = sql.SQL("CASE WHEN {0} IS NOT NULL THEN format('%%s', {0}) END AS {0}")


def select(entity: Entity) -> sql.Composed:
    """Returns the statement that reads a row; its parameters are those of `key`."""
    return sql.SQL("SELECT {} FROM {} WHERE {}").format(_texts(entity), table_of(entity), is_row(entity))


def insert(entity: Entity, columns: Collection[str]) -> sql.Composed:
    """Returns the statement that makes a row; its parameters are values of these columns."""
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        table_of(entity),
        sql.SQL(", ").join(map(column_of, columns)),
        sql.SQL(", ").join(_value(entity, name) for name in columns),
    )


def update(entity: Entity, columns: Collection[str]) -> sql.Composed:
    """Returns the statement that changes a row; its parameters are values of these columns, then those of `key`."""
    settings = (sql.SQL("{} = {}").format(column_of(name), _value(entity, name)) for name in columns)
    return sql.SQL("UPDATE {} SET {} WHERE {}").format(table_of(entity), sql.SQL(", ").join(settings), is_row(entity))


def delete(entity: Entity) -> sql.Composed:
    """Returns the statement that deletes a row and tells it as it was; its parameters are those of `key`."""
    return sql.SQL("DELETE FROM {} WHERE {} RETURNING {}").format(table_of(entity), is_row(entity), _texts(entity))


def is_row(entity: Entity) -> sql.Composed:
    """Returns the condition that a row has an id; its parameters are those of `key`."""
    parts = (sql.SQL("{} = {}").format(column_of(name), _value(entity, name)) for name in entity.mapping.key)
    return sql.SQL(" AND ").join(parts)


def key(entity: Entity, row: str) -> list[str]:
    """Returns the texts of the key that an id is made of; raises SourceRefused if it is none."""
    columns = entity.mapping.key
    if len(columns) == 1:
        return [row]
    parts = [part.replace("%7E", "~").replace("%25", "%") for part in row.split("~")]
    if len(parts) != len(columns):
        raise SourceRefused(
            Refusal.INVALID, f"{row!r} is no id of {entity.name}: it has {', '.join(columns)} between ~"
        )
    return parts


def table_of(entity: Entity) -> sql.Identifier:
    """Returns the name of an entity's table."""
    assert entity.table is not None
    return sql.Identifier(_escaped(entity.table.schema), _escaped(entity.table.name))


def column_of(name: str) -> sql.Identifier:
    """Returns the name of a column."""
    return sql.Identifier(_escaped(name))


def _texts(entity: Entity) -> sql.Composed:
    """Returns the columns that are mapped, as texts: of others our role, or the user's, may have no right to know."""
    assert entity.table is not None
    mapping = entity.mapping
    named = [*mapping.key, mapping.version, mapping.deleted]
    named += [it.column.name for it in entity.attributes.values() if it.column]
    columns = [entity.table.columns[name] for name in dict.fromkeys(named) if name]
    return sql.SQL(", ").join(
        (_FORMATTED if it.type in _UNLIKE_THEIR_TEXT else _CAST).format(column_of(it.name)) for it in columns
    )


def _value(entity: Entity, column: str) -> sql.Composed:
    """Returns a parameter as a value of a column's type, which nothing is cut off from."""
    assert entity.table is not None
    unbounded = sql.SQL(_escaped(entity.table.columns[column].unbounded))
    return sql.SQL("CAST(%s::text AS {})").format(unbounded)


def _escaped(name: str) -> str:
    """Returns a name for a statement with parameters, which all of them have: a percent sign begins one."""
    return name.replace("%", "%%")
