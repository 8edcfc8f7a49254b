"""Numbers: given once, never reused.

A row is a protobuf message whose field numbers are its attributes' numbers, and rows outlive every import. So an
attribute keeps its number for as long as it is listed, a removed attribute's number is never given again (not even to
an attribute that comes back under the same name: rows may still hold the old one's values), and what a number means
cannot change.
"""

from __future__ import annotations

from dataclasses import dataclass

from haversack.model.v1 import model_pb2

from haversack_server.errors import MetadataIncompatible, MetadataInvalid

ATTRIBUTE_NUMBER_MAX = 18_999
"""Protobuf keeps 19,000 to 19,999 for itself; below that there is room enough."""


@dataclass(frozen=True)
class Merged:
    """An entity with all its numbers.

    Attributes:
        entity: The entity, attributes in order of number.
        last_number: The highest number that was ever given to a field of it.
        notes: What the administrator should know, one sentence each.
    """

    entity: model_pb2.Entity
    last_number: int
    notes: tuple[str, ...] = ()


def merge_entity(new: model_pb2.Entity, old: Merged | None, *, number: int) -> Merged:
    """Merges a document's entity with what the organization has under its name.

    `number` is the entity's number, which the caller gives to an entity that is new. Raises MetadataIncompatible if an
    attribute's type or the primary id would change, and MetadataInvalid if numbers run out.
    """
    merged = model_pb2.Entity()
    merged.CopyFrom(new)
    merged.number = number
    numbers = _Numbers(old.last_number if old else 0)
    before = {attribute.logical_name: attribute for attribute in old.entity.attributes} if old else {}
    if old and old.entity.primary_id_attribute != new.primary_id_attribute:
        raise MetadataIncompatible(
            f"{new.logical_name}: the primary id is {old.entity.primary_id_attribute} and rows are stored under it; "
            f"it cannot become {new.primary_id_attribute}"
        )
    notes = []
    for attribute in sorted(merged.attributes, key=lambda it: it.logical_name != new.primary_id_attribute):
        notes += _give_numbers(new.logical_name, attribute, before.get(attribute.logical_name), numbers)
    merged.attributes.sort(key=lambda it: it.number)
    if numbers.last > ATTRIBUTE_NUMBER_MAX:
        raise MetadataInvalid(
            f"{new.logical_name}: more than {ATTRIBUTE_NUMBER_MAX:,} field numbers would be given; list less"
        )
    return Merged(merged, numbers.last, tuple(notes))


class _Numbers:
    """Draws numbers."""

    def __init__(self, last: int) -> None:
        self.last = last

    def draw(self) -> int:
        self.last += 1
        return self.last


def _give_numbers(
    entity: str, attribute: model_pb2.Attribute, before: model_pb2.Attribute | None, numbers: _Numbers
) -> list[str]:
    """Sets the numbers of one attribute: those it had, else new ones. Returns notes."""
    name = f"{entity}.{attribute.logical_name}"
    if before and before.type != attribute.type:
        raise MetadataIncompatible(
            f"{name} is {_type_name(before)} and rows are stored so; it cannot become {_type_name(attribute)}: "
            "add a new attribute instead"
        )
    notes = []
    if before:
        _keep_targets(attribute, before)
        if len(attribute.targets) > 1 and not before.entity_field_number:
            notes.append(f"{name} can now point at several entities; ingest its rows again, so that they say which")
    attribute.number = before.number if before else numbers.draw()
    if len(attribute.targets) > 1:
        known = before.entity_field_number if before else 0
        attribute.entity_field_number = known or numbers.draw()
    return notes


def _keep_targets(attribute: model_pb2.Attribute, before: model_pb2.Attribute) -> None:
    """Keeps the targets that were known, in their order: rows that point at them may be stored."""
    targets = list(dict.fromkeys([*before.targets, *attribute.targets]))
    del attribute.targets[:]
    attribute.targets.extend(targets)


def _type_name(attribute: model_pb2.Attribute) -> str:
    return model_pb2.AttributeType.Name(attribute.type).removeprefix("ATTRIBUTE_TYPE_")
