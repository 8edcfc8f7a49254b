"""What a PostgreSQL database says of its tables: columns, keys, types, comments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

_TABLES = """
    SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name,
        obj_description(c.oid, 'pg_class') AS comment,
        c.relreplident::text AS identity, c.relrowsecurity AS row_security, c.relforcerowsecurity AS forced,
        pg_get_userbyid(c.relowner) = current_user AS owned,
        has_table_privilege(c.oid, 'SELECT') AS readable, has_table_privilege(c.oid, 'DELETE') AS deletable,
        ARRAY(SELECT DISTINCT s.oid::regclass::text FROM pg_attrdef d
            JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                AND p.refclassid = 'pg_class'::regclass
            JOIN pg_class s ON s.oid = p.refobjid
            WHERE d.adrelid = c.oid AND CASE s.relkind
                WHEN 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE, UPDATE') ELSE false END) AS sequences,
        ARRAY(SELECT a.attname::text FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(num, at)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num
            WHERE i.indrelid = c.oid AND i.indisreplident ORDER BY k.at) AS identity_columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'haversack') AND n.nspname NOT LIKE 'pg_toast%'
    ORDER BY 2, 3
"""

_COLUMNS = """
    SELECT a.attrelid::int8 AS oid, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS declared,
        format_type(b.oid, -1) AS unbounded,
        b.typname::text AS type, b.typtype::text AS type_kind,
        e.typname::text AS element, e.typtype::text AS element_kind,
        CASE WHEN b.typname IN ('varchar', 'bpchar')
            THEN greatest(coalesce(nullif(t.typtypmod, -1), a.atttypmod) - 4, 0)
            ELSE 0 END AS length,
        a.attnotnull OR t.typnotnull AS required,
        a.atthasdef OR a.attidentity <> '' AS has_default,
        has_column_privilege(a.attrelid, a.attnum, 'INSERT') AS insertable,
        has_column_privilege(a.attrelid, a.attnum, 'UPDATE') AS updatable,
        a.attgenerated <> '' AS computed, a.attidentity = 'a' AS generated,
        col_description(a.attrelid, a.attnum) AS comment,
        ARRAY(SELECT l.enumlabel::text FROM pg_enum l
            WHERE l.enumtypid IN (b.oid, e.oid) ORDER BY l.enumsortorder) AS labels
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        JOIN pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
        LEFT JOIN pg_type e ON e.oid = nullif(b.typelem, 0) AND b.typcategory = 'A'
    WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum
"""

_CONSTRAINTS = """
    SELECT c.conrelid::int8 AS oid, c.contype::text AS kind, c.confrelid::int8 AS target,
        pg_get_constraintdef(c.oid) AS definition,
        ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k(num, at)
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num ORDER BY k.at) AS columns,
        ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k(num, at)
            JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num ORDER BY k.at) AS target_columns
    FROM pg_constraint c WHERE c.conrelid = ANY(%s) AND c.contype IN ('p', 'f', 'c') ORDER BY c.conname
"""

_QUOTED = re.compile(r"'((?:[^']|'')*)'::(?:text|character varying|bpchar)")

_BARE = r'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)'
_LISTED = rf"{_QUOTED.pattern}(?:, {_QUOTED.pattern})*"
_PLAIN_CHECK = re.compile(
    rf"CHECK \(\((?:{_BARE}|\({_BARE}\)::text) = ANY \((?:ARRAY\[{_LISTED}\]|\(ARRAY\[{_LISTED}\]\)::text\[\])\)\)\)"
)
"""A column that is one of some texts, as `pg_get_constraintdef` writes it: a text, or a varchar that is read as one."""

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_CHECKED_TYPES = ("text", "varchar", "bpchar")


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: Its name.
        declared: Its type, as it was declared.
        unbounded: The type underneath without length and precision: what a cast to these would cut off in silence, the
            assignment to the column refuses.
        type: The name of the type underneath, as in pg_type; of arrays that of their elements.
        is_enum: Whether that is an enum.
        is_array: Whether values are arrays of it.
        length: Longest text in characters; 0 if there is no bound.
        insertable: Whether our role may set it in new rows.
        updatable: Whether our role may change it.
        required: Whether it is never NULL.
        has_default: Whether the database has a value where none is given.
        generated: Whether only the database sets it.
        computed: Whether it is worked out from other columns, which replication does not send.
        comment: What somebody wrote about it.
        labels: The texts that it may have, of an enum or of a plain CHECK; empty if any.
    """

    name: str
    declared: str
    unbounded: str
    type: str
    is_enum: bool
    is_array: bool
    length: int
    insertable: bool
    updatable: bool
    required: bool
    has_default: bool
    generated: bool
    computed: bool
    comment: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class ForeignKey:
    """Columns that name a row of another table."""

    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        schema: Its schema.
        name: Its name.
        comment: What somebody wrote about it.
        identity: REPLICA IDENTITY: d(efault), f(ull), i(ndex) or n(othing).
        identity_columns: Those of the index, where that is the identity.
        row_security: Whether policies decide which rows our role sees.
        owned: Whether our role owns it.
        readable: Whether our role may read it.
        deletable: Whether our role may delete rows.
        sequences: Those that its defaults draw from and our role may not use.
        columns: Columns by name, in order.
        key: Columns of the primary key.
        foreign_keys: Foreign keys.
    """

    schema: str
    name: str
    comment: str
    identity: str
    identity_columns: tuple[str, ...]
    row_security: bool
    owned: bool
    readable: bool
    deletable: bool
    sequences: tuple[str, ...]
    columns: dict[str, Column]
    key: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...] = field(default=())

    @property
    def full_name(self) -> str:
        """Schema and name."""
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """The same as SQL has it; a word of SQL needs no quotes behind a schema."""
        parts = (self.schema, self.name)
        return ".".join(it if _PLAIN.fullmatch(it) else '"' + it.replace('"', '""') + '"' for it in parts)


async def read_tables(connection: AsyncConnection[Any]) -> dict[str, Table]:
    """Reads all tables that are not the system's, by their full names."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        tables = await (await cursor.execute(_TABLES)).fetchall()
        oids = [table["oid"] for table in tables]
        columns = _by_table(await (await cursor.execute(_COLUMNS, (oids,))).fetchall())
        constraints = _by_table(await (await cursor.execute(_CONSTRAINTS, (oids,))).fetchall())
    names = {table["oid"]: f"{table['schema']}.{table['name']}" for table in tables}
    read = [_table(it, columns.get(it["oid"], []), constraints.get(it["oid"], []), names) for it in tables]
    return {table.full_name: table for table in read}


def _by_table(rows: Iterable[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["oid"], []).append(row)
    return found


def _table(
    table: dict[str, Any], columns: list[dict[str, Any]], constraints: list[dict[str, Any]], names: dict[int, str]
) -> Table:
    checked = {it["columns"][0]: _labels(it["definition"]) for it in constraints if _is_plain_check(it)}
    keys = [tuple(it["columns"]) for it in constraints if it["kind"] == "p"]
    foreign = [it for it in constraints if it["kind"] == "f" and it["target"] in names]
    return Table(
        schema=table["schema"],
        name=table["name"],
        comment=table["comment"] or "",
        identity=table["identity"],
        identity_columns=tuple(table["identity_columns"]),
        row_security=table["row_security"] and (table["forced"] or not table["owned"]),
        owned=table["owned"],
        readable=table["readable"],
        deletable=table["deletable"],
        sequences=tuple(table["sequences"]),
        columns={it["name"]: _column(it, checked.get(it["name"], ())) for it in columns},
        key=keys[0] if keys else (),
        foreign_keys=tuple(
            ForeignKey(tuple(it["columns"]), names[it["target"]], tuple(it["target_columns"])) for it in foreign
        ),
    )


def _column(row: dict[str, Any], checked: tuple[str, ...]) -> Column:
    is_array = row["element"] is not None
    labels = tuple(row["labels"]) or (checked if row["type"] in _CHECKED_TYPES else ())
    return Column(
        name=row["name"],
        declared=row["declared"],
        unbounded=row["unbounded"],
        type=row["element"] if is_array else row["type"],
        is_enum=(row["element_kind"] if is_array else row["type_kind"]) == "e",
        is_array=is_array,
        length=row["length"],
        insertable=row["insertable"],
        updatable=row["updatable"],
        required=row["required"],
        has_default=row["has_default"],
        generated=row["generated"] or row["computed"],
        computed=row["computed"],
        comment=row["comment"] or "",
        labels=labels,
    )


def _is_plain_check(constraint: dict[str, Any]) -> bool:
    """Whether a CHECK says no more than that a column has one of some texts: `status IN ('open', 'closed')`.

    What is made of the column first (`lower(status)`) has those texts, and not the column.
    """
    return constraint["kind"] == "c" and bool(_PLAIN_CHECK.fullmatch(constraint["definition"]))


def _labels(definition: str) -> tuple[str, ...]:
    return tuple(label.replace("''", "'") for label in _QUOTED.findall(definition))
