"""Which types of PostgreSQL can be which types of attributes."""

from __future__ import annotations

from types import MappingProxyType

from haversack_server.connectors.postgres._catalog import Column

ATTRIBUTE_TYPES = MappingProxyType(
    {
        "text": "String",
        "memo": "Memo",
        "integer": "Integer",
        "bigint": "BigInt",
        "decimal": "Decimal",
        "money": "Money",
        "double": "Double",
        "boolean": "Boolean",
        "choice": "Picklist",
        "choices": "MultiSelectPicklist",
        "datetime": "DateTime",
        "local_datetime": "DateTime",
        "date": "DateTime",
        "id": "Uniqueidentifier",
        "lookup": "Lookup",
        "owner": "Owner",
        "customer": "Customer",
    }
)
"""The types of a mapping file, and those of metadata that they become."""

DATETIME_BEHAVIORS = MappingProxyType(
    {"datetime": "UserLocal", "local_datetime": "TimeZoneIndependent", "date": "DateOnly"}
)

LOOKUPS = frozenset({"lookup", "owner", "customer"})

_WHOLE = ("integer", "bigint", "decimal", "money", "double", "choice", "text", *LOOKUPS)
_WRITTEN = ("text", "memo")
_TEXT = (*_WRITTEN, "choice", *LOOKUPS)

_SUITABLE = {
    "bool": ("boolean",),
    "int2": _WHOLE,
    "int4": _WHOLE,
    "int8": ("bigint", *(it for it in _WHOLE if it != "bigint")),
    "oid": ("bigint", "text"),
    "float4": ("double", "text"),
    "float8": ("double", "text"),
    "numeric": ("decimal", "money", "double", "text"),
    "text": _TEXT,
    "varchar": _TEXT,
    "bpchar": _TEXT,
    "citext": _TEXT,
    "name": _TEXT,
    "char": _TEXT,
    "uuid": ("id", *LOOKUPS, "text"),
    "date": ("date", "datetime", "local_datetime", "text"),
    "timestamp": ("local_datetime", "datetime", "text"),
    "timestamptz": ("datetime", "local_datetime", "text"),
    "time": _WRITTEN,
    "timetz": _WRITTEN,
    "interval": _WRITTEN,
    "json": ("memo", "text"),
    "jsonb": ("memo", "text"),
    "xml": ("memo", "text"),
    "inet": _WRITTEN,
    "cidr": _WRITTEN,
    "macaddr": _WRITTEN,
    "macaddr8": _WRITTEN,
}

_ARRAYS = {"int2": ("choices",), "int4": ("choices",), "text": ("choices",), "varchar": ("choices",)}


def suitable(column: Column) -> tuple[str, ...]:
    """Returns the types that an attribute of this column can have, the usual one first; empty if none."""
    if column.computed:
        return ()
    if column.is_enum:
        return ("choices",) if column.is_array else ("choice", "text")
    if column.is_array:
        return _ARRAYS.get(column.type, ())
    found = _SUITABLE.get(column.type, ())
    return ("choice", *(it for it in found if it != "choice")) if column.labels and "choice" in found else found


def usual(column: Column) -> str | None:
    """Returns the type that a column has in a drafted mapping; None if it is left out."""
    types = suitable(column)
    if not types or (column.is_array and not column.labels):
        return None
    return types[0]


def why_not(column: Column) -> str:
    """Says why a column is left out of a draft."""
    if column.computed:
        return "is computed, and PostgreSQL does not replicate that; have a trigger keep it in an ordinary column"
    if column.is_array and suitable(column):
        return f"is a list of type {column.declared}; map it as `choices`, with the numbers that stand for its values"
    return f"is of type {column.declared}, which no attribute can have; have a trigger keep its text in another column"
