"""A mapping joined with the tables that it names: what every attribute is, where it comes from and where it points."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from haversack_server.breaches import sentences
from haversack_server.connectors.postgres._catalog import Column, Table
from haversack_server.connectors.postgres._directory import UNIT, with_directory
from haversack_server.connectors.postgres._mapping import AttributeMapping, EntityMapping
from haversack_server.connectors.postgres._mapping import Mapping as MappingFile
from haversack_server.connectors.postgres._naming import sanitized
from haversack_server.connectors.postgres._types import LOOKUPS, suitable, usual, why_not
from haversack_server.errors import MappingInvalid
from haversack_server.metadata import DIRECTORY_ENTITIES, standard_documents

KEY_SUFFIX = "_key"
"""Behind an entity's name: the attribute with the id of rows whose key has several columns."""


OWNING_UNIT = "owningbusinessunit"
"""The unit of a row that has an owner: of a least directory the only one; otherwise NULL if it is not mapped."""

_OWNED = ("user", "business_unit")


@dataclass(frozen=True)
class Attribute:
    """An attribute, settled.

    Attributes:
        name: Logical name.
        type: Its type in a mapping file.
        column: Its column; None if it is the id, or the same in every row, be it NULL.
        value: The value of every row.
        targets: The entities that a lookup points at; what the column holds are ids of the first.
        choices: The numbers that stand for the column's texts.
        display_name: What people read.
        missing: Why it has no column though the mapping names one; empty if that is not so.
    """

    name: str
    type: str
    column: Column | None = None
    value: str | None = None
    targets: tuple[str, ...] = ()
    choices: Mapping[str, int] | None = None
    display_name: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Entity:
    """An entity, settled.

    Attributes:
        mapping: What the file says of it.
        table: Its table; None if its rows are in the file.
        primary_id: The attribute with the id.
        has_uuids: Whether ids are UUIDs.
        attributes: By name, the id among them.
        standard: The standard document that it extends, if it is of the directory.
    """

    mapping: EntityMapping
    table: Table | None
    primary_id: str
    has_uuids: bool
    attributes: Mapping[str, Attribute]
    standard: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Logical name."""
        return self.mapping.name

    def of_column(self, column: str) -> Attribute | None:
        """Returns the first attribute of a column."""
        return next((it for it in self.attributes.values() if it.column and it.column.name == column), None)


@dataclass(frozen=True)
class Plan:
    """All entities of a mapping, settled.

    Attributes:
        entities: By logical name.
        file: The mapping.
        unfit: Entities of the mapping that the tables do not have, by logical name, and why.
    """

    entities: Mapping[str, Entity]
    file: MappingFile
    unfit: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_gaps(self) -> bool:
        """Whether the mapping names something that the tables do not have."""
        attributes = (attribute for entity in self.entities.values() for attribute in entity.attributes.values())
        return bool(self.unfit) or any(it.missing for it in attributes)


def settle(file: MappingFile, tables: Mapping[str, Table]) -> Plan:
    """Joins a mapping with the tables; raises MappingInvalid, which lists breaches by line."""
    settler = _Settler(with_directory(file), tables, unit=UNIT if file.directory else None)
    entities = {name: settler.entity(it) for name, it in settler.mappings.items()}
    if settler.breaches:
        raise MappingInvalid(sentences(dict.fromkeys(settler.breaches)))
    return Plan(entities, file)


def settle_what_fits(file: MappingFile, tables: Mapping[str, Table]) -> Plan:
    """Joins a mapping with tables that have changed since it was set; says of each breach what it concerns alone."""
    settler = _Settler(with_directory(file), tables, unit=UNIT if file.directory else None, is_lenient=True)
    entities: dict[str, Entity] = {}
    unfit: dict[str, str] = {}
    for name, mapping in settler.mappings.items():
        entity, breaches = settler.entity(mapping), settler.taken_breaches()
        if breaches:
            unfit[name] = breaches
        else:
            entities[name] = entity
    return Plan(entities, file, unfit)


def for_core(plan: Plan) -> list[dict[str, Any]]:
    """Returns the entities as the core's feed is told of them."""
    return [_for_core(entity) for entity in plan.entities.values()]


def _for_core(entity: Entity) -> dict[str, Any]:
    if entity.table is None:
        return {"entity": entity.name, "rows": list(entity.mapping.rows)}
    mapping, table = entity.mapping, entity.table
    place: dict[str, Any] = {"schema": table.schema, "name": table.name, "key": list(mapping.key)}
    attributes = [
        {
            "attribute": it.name,
            "column": it.column.name if it.column else _missing(entity, it),
            "value": it.value,
            "target": it.targets[0] if it.targets else None,
            "choices": dict(it.choices or {}),
        }
        for it in entity.attributes.values()
        if it.name == entity.primary_id or it.column or it.value is not None or _missing(entity, it)
    ]
    place |= {"deleted": mapping.deleted, "version": mapping.version}
    return {"entity": entity.name, "table": place, "attributes": attributes}


def _missing(entity: Entity, attribute: Attribute) -> str | None:
    """Returns the column that the table does not have, or not as it should be: the feed sees when it has."""
    return entity.mapping.attributes[attribute.name].column if attribute.missing else None


class _Settler:
    def __init__(
        self,
        mappings: dict[str, EntityMapping],
        tables: Mapping[str, Table],
        *,
        unit: str | None,
        is_lenient: bool = False,
    ) -> None:
        self.mappings = mappings
        self._unit = unit
        self._is_lenient = is_lenient
        self.breaches: list[str] = []
        self._tables = tables
        self._standard = {
            name: json.loads(content) for name, content in standard_documents() if name in DIRECTORY_ENTITIES
        }

    def taken_breaches(self) -> str:
        """Returns the breaches since the last call as sentences, and forgets them."""
        breaches, self.breaches = self.breaches, []
        return sentences(dict.fromkeys(breaches))

    def entity(self, mapping: EntityMapping) -> Entity:
        standard = self._standard.get(mapping.name)
        table = self._table(mapping)
        key = [column for name in mapping.key if (column := self._column(mapping.line, table, name))]
        for name in filter(None, (mapping.deleted, mapping.version)):
            self._column(mapping.line, table, name)
        has_uuids = len(key) == 1 and key[0].type == "uuid" if table else True
        attributes = {it.name: it for it in self._attributes(mapping, table, standard)}
        if mapping.ownership in _OWNED and not standard:
            unit = Attribute(OWNING_UNIT, "lookup", value=self._unit, targets=("businessunit",))
            attributes.setdefault(OWNING_UNIT, unit)
        primary_id, own = self._primary_id(mapping, standard, key, attributes, has_uuids=has_uuids)
        attributes = {primary_id: own} | {name: it for name, it in attributes.items() if name != primary_id}
        if mapping.primary_name and mapping.primary_name not in attributes:
            self._breach(mapping.line, f"{mapping.name} has no attribute {mapping.primary_name!r} to be its name")
        return Entity(mapping, table, primary_id, has_uuids, attributes, standard)

    def _primary_id(
        self,
        mapping: EntityMapping,
        standard: Mapping[str, Any] | None,
        key: list[Column],
        attributes: Mapping[str, Attribute],
        *,
        has_uuids: bool,
    ) -> tuple[str, Attribute]:
        kind = "id" if has_uuids else "text"
        if standard:
            name = str(standard["PrimaryIdAttribute"])
            return name, Attribute(name, kind)
        if len(key) != 1:
            name = mapping.name + KEY_SUFFIX
            return name, Attribute(name, kind)
        named = [it for it in attributes.values() if it.column == key[0] and it.type not in LOOKUPS]
        name = named[0].name if named else sanitized(key[0].name)
        display = named[0].display_name if named else ""
        return name, Attribute(name, kind, display_name=display)

    def _table(self, mapping: EntityMapping) -> Table | None:
        if mapping.table is None:
            return None
        table = self._tables.get(mapping.table)
        if table is None:
            self._breach(mapping.line, f"there is no table {mapping.table}{_nearest(mapping.table, self._tables)}")
        elif not table.readable:
            self._breach(mapping.line, f"{mapping.table} may not be read; run: GRANT SELECT ON {table.quoted} TO ...")
        return table

    def _column(self, line: int, table: Table | None, name: str) -> Column | None:
        if table is None:
            return None
        column = table.columns.get(name)
        if column is None:
            self._breach(line, f"{table.full_name} has no column {name!r}{_nearest(name, table.columns)}")
        return column

    def _attributes(
        self, mapping: EntityMapping, table: Table | None, standard: Mapping[str, Any] | None
    ) -> Iterable[Attribute]:
        known = {it["LogicalName"]: it for it in standard["Attributes"]} if standard else {}
        for it in mapping.attributes.values():
            before = len(self.breaches)
            attribute = self._attribute(mapping, it, table, known.get(it.name))
            if self._is_lenient and len(self.breaches) > before:
                missing = sentences(self.breaches[before:])
                del self.breaches[before:]
                yield Attribute(it.name, it.type or "text", missing=missing)
            elif attribute:
                yield attribute

    def _attribute(
        self, mapping: EntityMapping, it: AttributeMapping, table: Table | None, known: Mapping[str, Any] | None
    ) -> Attribute | None:
        column = self._column(it.line, table, it.column) if it.column else None
        if it.column and column is None:
            return None
        targets = self._targets(it, column, table)
        kind = self._type(it, column, is_lookup=bool(targets))
        if known:
            targets = targets or tuple(known.get("Targets") or ())
        elif kind in LOOKUPS and not targets:
            self._breach(it.line, f"{mapping.name}.{it.name}: say which entity the lookup points at, as target")
        choices = it.choices
        if column and kind in ("choice", "choices") and not choices:
            choices = {label: number for number, label in enumerate(column.labels, 1)}
        return Attribute(it.name, kind, column, it.value, targets, choices, it.display_name)

    def _type(self, it: AttributeMapping, column: Column | None, *, is_lookup: bool) -> str:
        if column is None:
            return it.type or ("lookup" if is_lookup else "text")
        possible = suitable(column)
        if not possible:
            self._breach(it.line, f"{it.name}: column {column.name} {why_not(column)}")
        elif it.type and it.type not in possible:
            self._breach(
                it.line, f"{it.name}: a column of type {column.declared} can be {', '.join(possible)}, not {it.type}"
            )
        return it.type or ("lookup" if is_lookup and "lookup" in possible else usual(column) or "text")

    def _targets(self, it: AttributeMapping, column: Column | None, table: Table | None) -> tuple[str, ...]:
        """Returns what a lookup points at: what the file says, or else the entity of the table of the foreign key."""
        if it.target:
            if it.target not in self.mappings and it.target not in self._standard:
                self._breach(it.line, f"there is no entity {it.target!r}{_nearest(it.target, self.mappings)}")
            return (it.target,)
        if it.type and it.type not in LOOKUPS:
            return ()
        found = self._pointed_at(column, table)
        if it.type == "owner":
            others = ("team",) if found != "team" else ("systemuser",)
            return (found if found in ("systemuser", "team") else "systemuser", *others)
        return (found,) if found else ()

    def _pointed_at(self, column: Column | None, table: Table | None) -> str:
        for key in table.foreign_keys if table and column else ():
            if column and key.columns == (column.name,):
                entities = [
                    it for it in self.mappings.values() if it.table == key.target and it.key == key.target_columns
                ]
                entities.sort(key=lambda it: it.name not in ("systemuser", "team", "businessunit"))
                return entities[0].name if entities else ""
        return ""

    def _breach(self, line: int, what: str) -> None:
        self.breaches.append(f"line {line}: {what}")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=2)
    return f"; did you mean {' or '.join(near)}?" if near else ""
