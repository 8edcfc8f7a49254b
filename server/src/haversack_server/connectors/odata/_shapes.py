"""How the rows of an entity look on the wire: the one place where logical names and the service's own meet.

Dataverse's `_x_value` is the lookup `x`. Other services' names become logical ones by writing them in lower case, so
that the core finds a name again without a table. What has no place in a row is left out, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from haversack_server.connectors.odata._csdl import Csdl, EntitySet, EntityType, Navigation, Property
from haversack_server.metadata import DIRECTORY_ENTITIES, name_fault, standard_key

DATAVERSE_NAMESPACE = "Microsoft.Dynamics.CRM"

NOT_MAPPED_MAX = 10_000
"""Reasons that are kept of one document."""

PLAIN_KEYS = {"Edm.Guid", "Edm.String", "Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Byte", "Edm.SByte"}
"""Types that a key may have."""

KINDS = {
    "Edm.String": "String",
    "Edm.Int16": "Integer",
    "Edm.Int32": "Integer",
    "Edm.Byte": "Integer",
    "Edm.SByte": "Integer",
    "Edm.Int64": "BigInt",
    "Edm.Boolean": "Boolean",
    "Edm.Double": "Double",
    "Edm.Single": "Double",
    "Edm.Decimal": "Decimal",
    "Edm.DateTimeOffset": "DateTime",
    "Edm.Date": "DateTime",
    "Edm.Guid": "Uniqueidentifier",
    "Edm.TimeOfDay": "String",
    "Edm.Duration": "String",
}
"""Attribute types of primitive types. Times of day and durations keep the text that they are written as."""

_PRINCIPALS = {f"{DATAVERSE_NAMESPACE}.principal", f"{DATAVERSE_NAMESPACE}.owner"}
"""What an owner is by its type: a user or a team."""

_LOOKUP = re.compile(r"_(?P<name>.+)_value")

_REASONS = {
    "Edm.Binary": "it is binary, and rows carry no files",
    "Edm.Stream": "it is a stream, and rows carry no files",
    "Edm.Untyped": "its type is not stated",
    "Edm.PrimitiveType": "its type is not stated",
    "Edm.ComplexType": "its type is not stated",
}


@dataclass(frozen=True)
class Target:
    """An entity that a lookup can point at, and the navigation property by which a write says so."""

    entity: str
    navigation: str
    key: str


@dataclass(frozen=True)
class Column:
    """An attribute on the wire.

    Attributes:
        name: Logical name.
        wire: The property's name.
        type: Its type there; the underlying one of a type definition.
        kind: The attribute type, as metadata documents name it.
        max_length: Characters; 0: not stated.
        nullable: Whether it may be null.
        targets: Of a lookup, by the logical names of the entities.
    """

    name: str
    wire: str
    type: str
    kind: str
    max_length: int = 0
    nullable: bool = True
    targets: tuple[Target, ...] = ()

    @property
    def is_shadow(self) -> bool:
        """Whether it is `_x_value`: it is read, and written by its navigation property."""
        return _LOOKUP.fullmatch(self.wire) is not None


@dataclass(frozen=True)
class Shape:
    """An entity on the wire.

    Attributes:
        entity: Logical name.
        set_name: Its set, in addresses.
        type: Its type.
        key: The column of its key.
        columns: By logical name; the key is among them.
        is_dataverse: Whether it is an entity of Dataverse.
    """

    entity: str
    set_name: str
    type: EntityType
    key: Column
    columns: Mapping[str, Column]
    is_dataverse: bool

    def literal(self, id_: str) -> str:
        """An id of a row as addresses and filters have it."""
        return literal(self.key.type, id_)


@dataclass(frozen=True)
class NotMapped:
    """Something of the service that no row can carry: what, and why."""

    subject: str
    why: str


@dataclass
class Shapes:
    """Every entity of a service that rows can be taken of, by logical name, and what is left out."""

    by_entity: dict[str, Shape] = field(default_factory=dict)
    not_mapped: list[NotMapped] = field(default_factory=list)

    def leave_out(self, subject: str, why: str) -> None:
        """Notes what cannot be mapped."""
        if len(self.not_mapped) < NOT_MAPPED_MAX:
            self.not_mapped.append(NotMapped(subject, why))


def read_shapes(csdl: Csdl) -> Shapes:
    """Finds the entities of a document."""
    shapes = Shapes()
    chosen = _chosen_sets(csdl, shapes)
    entities = {it.type.name: name for name, it in chosen.items()}
    for name, entity_set in chosen.items():
        shape = _shape(csdl, name, entity_set, entities, shapes)
        if shape is not None:
            shapes.by_entity[name] = shape
    with_rows = {it.type.name for it in chosen.values()}
    for type_ in csdl.types.values():
        if type_.name not in with_rows and not type_.abstract and type_.key:
            shapes.leave_out(type_.name, "no entity set has its rows")
    return shapes


def literal(type_: str, value: str) -> str:
    """A value as addresses and filters have it (OData ABNF, primitiveLiteral)."""
    if type_ == "Edm.String":
        return "'" + value.replace("'", "''") + "'"
    return value


def _chosen_sets(csdl: Csdl, shapes: Shapes) -> dict[str, EntitySet]:
    """One set for each entity, by logical name."""
    chosen: dict[str, EntitySet] = {}
    for it in csdl.sets:
        name = it.type.short_name.lower()
        if name in chosen:
            name = it.name.lower()
        if name in chosen:
            shapes.leave_out(it.name, f"{name!r} cannot be the logical name of one more entity")
        elif fault := name_fault(name):
            shapes.leave_out(it.name, f"{name!r} cannot be a logical name: {fault}")
        else:
            chosen[name] = it
    return chosen


def _shape(csdl: Csdl, entity: str, entity_set: EntitySet, entities: Mapping[str, str], shapes: Shapes) -> Shape | None:
    type_ = entity_set.type
    key = _key(csdl, type_)
    if isinstance(key, str):
        shapes.leave_out(entity_set.name, key)
        return None
    if type_.is_media:
        shapes.leave_out(f"{entity}.$value", "it is a stream, and rows carry no files")
    is_dataverse = type_.name.startswith(f"{DATAVERSE_NAMESPACE}.")
    if not is_dataverse and entity in DIRECTORY_ENTITIES and _logical(key.name) != standard_key(entity):
        why = f"its name is that of a part of the directory, whose key is {standard_key(entity)} and not {key.name}"
        shapes.leave_out(entity_set.name, why)
        return None
    lookups = _lookups(csdl, type_, entities)
    columns: dict[str, Column] = {}
    for it in type_.properties.values():
        targets = lookups.pop(it.name, ())
        column = _column(csdl, it, targets, it.name == key.name)
        if isinstance(column, str):
            shapes.leave_out(f"{entity}.{it.name}", column)
        elif column.name in columns:
            shapes.leave_out(f"{entity}.{it.name}", f"another property becomes {column.name} too")
        else:
            columns[column.name] = column
    for navigation in _without_property(type_):
        why = "it is a link without a property that has the other row's key"
        shapes.leave_out(f"{entity}.{navigation.name}", why)
    return Shape(entity, entity_set.name, type_, columns[_logical(key.name)], columns, is_dataverse)


def _key(csdl: Csdl, type_: EntityType) -> Property | str:
    """The key's property, or why there is none."""
    if not type_.key:
        return "its rows have no key"
    if len(type_.key) > 1:
        return f"its key has {len(type_.key)} parts ({', '.join(type_.key)}), and rows are told apart by one"
    key = type_.properties.get(type_.key[0])
    if key is None:
        return f"its key {type_.key[0]} lies in a complex property"
    underlying = csdl.definitions.get(key.type, key.type)
    if fault := name_fault(_logical(key.name)):
        return f"its key {key.name!r} cannot have a logical name: {fault}"
    if underlying not in PLAIN_KEYS:
        return f"its key {key.name} is of type {key.type}; ids are GUIDs, texts or whole numbers"
    return key


def _column(csdl: Csdl, it: Property, targets: tuple[Target, ...], is_key: bool) -> Column | str:
    """A property as a column, or why it is none."""
    if it.many:
        return "it is a collection, and an attribute has one value"
    type_ = csdl.definitions.get(it.type, it.type)
    kind = "String" if type_ in csdl.enums else KINDS.get(type_)
    if kind is None:
        return _REASONS.get(type_) or (
            f"it is of type {type_}, which no attribute has" if type_.startswith("Edm.") else "it is a complex value"
        )
    name = _logical(it.name)
    if fault := name_fault(name):
        return f"{it.name!r} cannot be a logical name: {fault}"
    if is_key:
        # Whole numbers are ids too: as text, like every id that is no GUID.
        kind = "Uniqueidentifier" if type_ == "Edm.Guid" else "String"
    elif targets:
        kind = "Lookup"
    return Column(name, it.name, type_, kind, it.max_length, it.nullable, targets)


def _logical(wire: str) -> str:
    """The logical name of a property."""
    lookup = _LOOKUP.fullmatch(wire)
    return (lookup["name"] if lookup else wire).lower()


def _lookups(csdl: Csdl, type_: EntityType, entities: Mapping[str, str]) -> dict[str, tuple[Target, ...]]:
    """The entities that each property with another row's key can point at."""
    found: dict[str, list[Target]] = {}
    for navigation in type_.navigations.values():
        if navigation.many or len(navigation.constraints) != 1:
            continue
        (here, there), *_ = navigation.constraints
        for target in _concrete(csdl, navigation.type, entities):
            found.setdefault(here, []).append(Target(target, navigation.name, there))
    lookups = {name: tuple({it.entity: it for it in targets}.values()) for name, targets in found.items()}
    # Which of several entities is meant is told beside `_x_value` alone; any other property is an id of somebody.
    return {name: targets for name, targets in lookups.items() if len(targets) == 1 or _LOOKUP.fullmatch(name)}


def _concrete(csdl: Csdl, name: str, entities: Mapping[str, str]) -> Iterable[str]:
    """The entities whose rows a link to a type can lead to: of an abstract one, what is derived from it."""
    if name in _PRINCIPALS:
        return [entity for entity in ("systemuser", "team") if entity in entities.values()]
    if name in entities:
        return [entities[name]]
    return [entity for type_, entity in entities.items() if name in csdl.types[type_].bases]


def _without_property(type_: EntityType) -> list[Navigation]:
    single = [it for it in type_.navigations.values() if not it.many]
    return [it for it in single if not any(here in type_.properties for here, _ in it.constraints)]
