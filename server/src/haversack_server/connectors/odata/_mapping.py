"""The mapping file of an OData service: which entities are taken, and what their columns do not say by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from haversack_server.connectors._mapping_files import composed, constructed
from haversack_server.connectors.odata._shapes import Shapes
from haversack_server.errors import MappingInvalid

_OWNERSHIPS = {
    "user": "UserOwned",
    "business-unit": "BusinessOwned",
    "organization": "OrganizationOwned",
    "none": "None",
}

_KEYS = {"take", "name", "modified_on", "ownership", "leave_out"}


@dataclass(frozen=True)
class MappedEntity:
    """What the mapping says of an entity.

    Attributes:
        take: Whether it is taken.
        name: Logical name of the column that names rows for people; "": by its looks.
        modified_on: Logical name of the column that says when a row was last changed; "": by its name.
        ownership: As metadata documents name it; "": by its columns.
        leave_out: Logical names of columns that are not taken.
    """

    take: bool = True
    name: str = ""
    modified_on: str = ""
    ownership: str = ""
    leave_out: frozenset[str] = frozenset()


@dataclass(frozen=True)
class OdataMapping:
    """A mapping. Entities that it does not name are taken if `others` says so."""

    entities: Mapping[str, MappedEntity] = field(default_factory=dict)
    others: bool = True

    def of(self, entity: str) -> MappedEntity:
        """What it says of an entity."""
        return self.entities.get(entity, MappedEntity(take=self.others))


def read_mapping(text: str) -> OdataMapping:
    """Reads a mapping file; an empty one takes everything as it looks. Raises MappingInvalid, which says where."""
    source = constructed(composed(text))
    if source is None:
        return OdataMapping()
    if not isinstance(source, dict) or not set(source) <= {"entities", "others"}:
        raise MappingInvalid("a mapping has `entities`, by logical name, and `others`: whether the rest is taken too")
    entities = source.get("entities")
    entities = {} if entities is None else entities
    others = source.get("others", False)
    if not isinstance(entities, dict) or not isinstance(others, bool):
        raise MappingInvalid("`entities` lists entities by logical name, and `others` is true or false")
    return OdataMapping(
        {str(name): _entity(str(name), {} if it is None else it) for name, it in entities.items()}, others
    )


def _entity(name: str, source: Any) -> MappedEntity:
    if not isinstance(source, dict):
        raise MappingInvalid(f"entities.{name} must be settings, each `name: value`: {', '.join(sorted(_KEYS))}")
    unknown = set(source) - _KEYS
    if unknown:
        raise MappingInvalid(
            f"entities.{name} has no setting {sorted(map(str, unknown))[0]!r}; there are {', '.join(sorted(_KEYS))}"
        )
    ownership = source.get("ownership")
    if ownership is not None and (not isinstance(ownership, str) or ownership not in _OWNERSHIPS):
        raise MappingInvalid(f"entities.{name}.ownership is {ownership!r}; it is one of {', '.join(_OWNERSHIPS)}")
    take, leave_out = source.get("take", True), source.get("leave_out") or []
    if not isinstance(take, bool) or not isinstance(leave_out, list):
        raise MappingInvalid(f"entities.{name}: `take` is true or false, and `leave_out` lists columns")
    names = {key: source.get(key) or "" for key in ("name", "modified_on")}
    wrong = next((key for key, value in names.items() if not isinstance(value, str)), None)
    if wrong:
        raise MappingInvalid(f"entities.{name}.{wrong} must be the logical name of a column")
    return MappedEntity(
        take=take,
        ownership=_OWNERSHIPS[ownership] if ownership is not None else "",
        leave_out=frozenset(str(it) for it in leave_out),
        **names,
    )


def check_mapping(mapping: OdataMapping, shapes: Shapes) -> None:
    """Finds names that the service does not have; raises MappingInvalid."""
    wrong = []
    for name, it in mapping.entities.items():
        shape = shapes.by_entity.get(name)
        if shape is None:
            wrong.append(f"entities.{name}: the service has no such entity")
            continue
        columns = [*sorted(it.leave_out), it.name, it.modified_on]
        wrong += [
            f"entities.{name}: there is no column {column}"
            for column in columns
            if column and column not in shape.columns
        ]
    if wrong:
        raise MappingInvalid("; ".join(wrong[:20]))


def write_mapping(shapes: Shapes, documents: Mapping[str, Mapping[str, Any]], mapping: OdataMapping) -> str:
    """Writes a mapping file of what the service has, with what the mapping in force says."""
    lines = [
        "# Which entities of the service are taken, by logical name. Take out what no device needs.",
        "# name: column that names a row for people",
        "# modified_on: column that says when a row was last changed, where the service does not track changes",
        "# ownership: user, business-unit, organization or none",
        "# leave_out: columns that are not taken",
        "others: false  # whether entities that are not named here are taken",
        "entities:",
    ]
    by_document = {value: key for key, value in _OWNERSHIPS.items()} | {"TeamOwned": "user"}
    for name, document in sorted(documents.items()):
        said = mapping.of(name)
        if name not in shapes.by_entity:
            continue
        lines += [
            f"  {name}:",
            f"    take: {'true' if said.take else 'false'}",
            f"    ownership: {by_document[document['OwnershipType']]}",
        ]
        if document.get("PrimaryNameAttribute"):
            lines.append(f"    name: {document['PrimaryNameAttribute']}")
        if said.modified_on:
            lines.append(f"    modified_on: {said.modified_on}")
        if said.leave_out:
            lines.append(f"    leave_out: [{', '.join(sorted(said.leave_out))}]")
    return "\n".join(lines) + "\n"
