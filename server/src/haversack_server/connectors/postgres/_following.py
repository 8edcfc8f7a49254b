"""Finds out whether the mapped tables can be followed: what the publication sends, and what tells rows apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from haversack_server.breaches import sentences
from haversack_server.connectors.postgres._plan import Entity, Plan
from haversack_server.errors import MappingInvalid
from haversack_server.replication import Finding, Verdict

_PUBLICATION = """
    SELECT p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AS whole, p.pubviaroot AS via_root,
        pg_get_userbyid(p.pubowner) = current_user AS owned
    FROM pg_publication p WHERE p.pubname = %s
"""

_PUBLISHED = """
    SELECT schemaname || '.' || tablename AS name, coalesce(attnames::text[], '{}') AS columns,
        rowfilter IS NOT NULL AS filtered
    FROM pg_publication_tables WHERE pubname = %s
"""

_TABLES = """
    SELECT n.nspname || '.' || c.relname AS name, c.relkind = 'p' AS partitioned,
        ARRAY(SELECT heir.inhrelid::regclass::text FROM pg_inherits AS heir
            WHERE heir.inhparent = c.oid AND c.relkind = 'r' ORDER BY 1) AS heirs,
        (SELECT jsonb_agg(DISTINCT CASE WHEN part.relreplident = 'f' THEN NULL ELSE to_jsonb(ARRAY(
                SELECT a.attname::text FROM pg_index AS i
                JOIN pg_attribute AS a ON a.attrelid = part.oid
                    AND a.attnum = ANY((i.indkey::int2[])[:i.indnkeyatts - 1])
                WHERE i.indrelid = part.oid AND i.indimmediate AND i.indisvalid
                    AND CASE part.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END)) END)
            FROM pg_class AS part WHERE part.relkind = 'r'
                AND (part.oid = c.oid OR part.oid IN (SELECT relid FROM pg_partition_tree(c.oid)))) AS identities
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = ANY(%s) AND c.relkind IN ('r', 'p')
"""


@dataclass(frozen=True)
class Followed:
    """A table, as far as following it goes.

    Attributes:
        partitioned: Whether its rows are in partitions.
        heirs: Tables that inherit from it: their rows are read with its own, and their changes are not told as its.
        identities: The columns by which a change tells the row, of the table or of each partition; None if by all.
            An index that is DEFERRABLE tells nothing.
    """

    partitioned: bool
    heirs: tuple[str, ...]
    identities: tuple[frozenset[str] | None, ...]

    def tells(self, key: Iterable[str]) -> bool:
        """Whether changes tell these columns."""
        wanted = frozenset(key)
        return all(it is None or wanted <= it for it in self.identities)


@dataclass(frozen=True)
class Publication:
    """A publication.

    Attributes:
        whole: Whether it sends every kind of change.
        via_root: Whether changes of partitions are sent as those of the table that they are of.
        owned: Whether our role owns it.
        columns: What is published of each table, by full name.
        filtered: Tables of which not all rows are published.
    """

    whole: bool
    via_root: bool
    owned: bool
    columns: Mapping[str, frozenset[str]]
    filtered: frozenset[str]


async def read_followed(connection: AsyncConnection[Any], names: Iterable[str]) -> dict[str, Followed]:
    """Reads what following needs to know of tables, by their full names."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        rows = await (await cursor.execute(_TABLES, (list(names),))).fetchall()
    return {row["name"]: _followed(row) for row in rows}


def _followed(row: Mapping[str, Any]) -> Followed:
    identities = [None if it is None else frozenset(it) for it in row["identities"] or ()]
    return Followed(row["partitioned"], tuple(row["heirs"]), tuple(identities))


async def read_publication(connection: AsyncConnection[Any], name: str) -> Publication | None:
    """Reads a publication; None if there is none."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        found = await (await cursor.execute(_PUBLICATION, (name,))).fetchone()
        tables = await (await cursor.execute(_PUBLISHED, (name,))).fetchall()
    if found is None:
        return None
    filtered = frozenset(it["name"] for it in tables if it["filtered"])
    return Publication(**found, columns={it["name"]: frozenset(it["columns"]) for it in tables}, filtered=filtered)


def refuse_inherited(plan: Plan, followed: Mapping[str, Followed]) -> None:
    """Raises MappingInvalid if other tables inherit from a mapped one: it lists them by line."""
    breaches = []
    for entity in plan.entities.values():
        found = followed.get(entity.table.full_name) if entity.table else None
        if entity.table and found and found.heirs:
            name = entity.table.full_name
            hint = f"map another table for {entity.name}, or make them partitions of it"
            what = f"{_list(found.heirs)} inherit from {name}, and changes of their rows are not told as its; {hint}"
            breaches.append(f"line {entity.mapping.line}: {what}")
    if breaches:
        raise MappingInvalid(sentences(breaches))


def on_publication(
    publication: Publication | None, plan: Plan, followed: Mapping[str, Followed], name: str, *, may_create: bool
) -> Iterator[Finding]:
    """Yields what there is to say of a publication; `name` is its name."""
    tables = {entity.table.full_name: entity.table for entity in plan.entities.values() if entity.table}
    if publication is None:
        quoted = _list(table.quoted for table in tables.values())
        command = f"CREATE PUBLICATION {name} FOR TABLE {quoted} WITH (publish_via_partition_root = true)"
        if may_create and all(table.owned for table in tables.values()):
            yield Finding("publication", Verdict.OK, f"{name} will be made with the first snapshot")
        else:
            yield _failed(f"{name} is not there and we may not make it", command)
        return
    partitioned = {it for it in tables if followed[it].partitioned}
    if partitioned and not publication.via_root:
        what = f"{name} tells changes of {_list(partitioned)} as those of their partitions"
        yield _failed(what, f"ALTER PUBLICATION {name} SET (publish_via_partition_root = true)")
        return
    missing = tables.keys() - publication.columns.keys()
    if missing:
        command = f"ALTER PUBLICATION {name} ADD TABLE {_list(tables[it].quoted for it in missing)}"
        verdict = Verdict.OK if publication.owned else Verdict.FAILURE
        yield Finding("publication", verdict, f"{name} lacks {_list(missing)}", f"run: {command}")
    else:
        yield Finding("publication", Verdict.OK, f"{name} has every mapped table")
    if not publication.whole:
        command = f"ALTER PUBLICATION {name} SET (publish = 'insert, update, delete, truncate')"
        yield _failed(f"{name} does not publish every kind of change", command)
    filtered = publication.filtered & tables.keys()
    if filtered:
        what = f"{name} filters rows of {_list(filtered)}; the snapshot does not, so both disagree"
        yield Finding("publication", Verdict.WARNING, what, "publish these tables whole, and filter in Haversack")
    yield from _columns(publication, plan, name)


def _columns(publication: Publication, plan: Plan, name: str) -> Iterator[Finding]:
    for entity in plan.entities.values():
        table = entity.table.full_name if entity.table else ""
        lacking = _mapped_columns(entity) - publication.columns[table] if table in publication.columns else ()
        if lacking:
            what = f"{name} leaves out columns of {table} that are mapped: {_list(lacking)}"
            quoted = entity.table.quoted if entity.table else ""
            again = f"ALTER PUBLICATION {name} DROP TABLE {quoted}; ALTER PUBLICATION {name} ADD TABLE {quoted}"
            yield _failed(what, again)


def _mapped_columns(entity: Entity) -> frozenset[str]:
    attributes = frozenset(it.column.name for it in entity.attributes.values() if it.column)
    mapping = entity.mapping
    return attributes.union(mapping.key, filter(None, (mapping.deleted, mapping.version)))


def on_identity(entity: Entity, followed: Mapping[str, Followed]) -> Iterator[Finding]:
    """Yields what stands against following an entity's table; nothing if nothing does."""
    if entity.table is None:
        return
    name, found = entity.table.full_name, followed[entity.table.full_name]
    if not found.tells(entity.mapping.key):
        what = (
            f"REPLICA IDENTITY of {name} does not tell {_list(entity.mapping.key)}: rows that change could not be told"
            " apart, and without any identity PostgreSQL would refuse updates and deletions of the published table"
        )
        # What is said besides is a comment of SQL, so that all of it can be run.
        partitions = "the same for each partition; " if found.partitioned else ""
        remedy = f"run: ALTER TABLE {entity.table.quoted} REPLICA IDENTITY FULL; -- {partitions}"
        key = "or give it a PRIMARY KEY of these columns that is not DEFERRABLE"
        yield Finding(entity.name, Verdict.FAILURE, what, remedy + key)


def _failed(what: str, command: str) -> Finding:
    return Finding("publication", Verdict.FAILURE, what, f"have its owner run: {command}")


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
