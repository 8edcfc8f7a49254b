"""From the form's profile to a draft: what the organization does not know is left out and named.

Leaving something out only narrows what devices carry; what would widen it (an item without its filter) is never done.
"""

from __future__ import annotations

from collections.abc import Callable

from haversack.model.v1 import model_pb2

from haversack_server.publishing import Metadata, other_end
from haversack_server.solutions._export import CRITERIA
from haversack_server.solutions._form import FormAssociation, FormItem, FormProfile
from haversack_server.solutions._wrapping import unwrapped

Refusal = Callable[[str, str], str | None]
"""Says why a filter (second) on an entity (first) cannot be compiled; None if it can."""

_CRITERIA = {number: criteria for criteria, number in CRITERIA.items()}
_ALL = model_pb2.RECORD_CRITERIA_ALL
_CUSTOM = model_pb2.RECORD_CRITERIA_CUSTOM
_TO_MANY = model_pb2.ASSOCIATION_DIRECTION_TO_MANY


class DraftReader:
    """Reads profiles of the form against one organization's metadata; collects notes."""

    def __init__(self, metadata: Metadata, why_refused: Refusal) -> None:
        self._metadata = metadata
        self._why_refused = why_refused
        self._entities = _entities_by_any_name(metadata)
        self._relationships = {name.lower(): name for name in metadata.relationships}
        self.notes: list[str] = []

    def draft(self, profile: FormProfile, before: model_pb2.Profile | None) -> model_pb2.Profile:
        """Returns a profile's draft; what the form has no place for is kept from the draft that it replaces."""
        draft = model_pb2.Profile(name=profile.name, description=profile.description)
        read = [(it, self._item(it, profile.name)) for it in profile.items]
        carried = {item.entity for _, item in read if item is not None}
        for source, item in read:
            if item is not None:
                place = f"{profile.name}: item {item.entity}"
                for it in source.associations:
                    self._associate(it, item, carried, place)
                draft.items.append(item)
        if before is not None:
            _keep(draft, before)
            self.notes.append(
                f"{draft.name}: users, teams, priorities, columns, `mandatory`, sync intervals and directions are kept "
                "from the draft that is replaced"
            )
        self._note_directions(draft, before or model_pb2.Profile())
        return draft

    def _item(self, source: FormItem, profile: str) -> model_pb2.ProfileItem | None:
        place = f"{profile}: item {source.entity[:200]}"
        entity = self._entities.get(source.entity.lower())
        if entity is None:
            self._leave_out(place, "the metadata has no such entity")
            return None
        item = model_pb2.ProfileItem(
            entity=entity,
            criteria=_CRITERIA[source.criteria],
            owned_by_me=source.owned_by_me,
            owned_by_my_teams=source.owned_by_my_teams,
            owned_by_my_business_unit=source.owned_by_my_business_unit,
        )
        if not source.filter.strip():
            if item.criteria == _CUSTOM:
                self._leave_out(place, "it takes the rows of a custom filter, and has none; write one here")
                return None
            return item
        if item.criteria == _ALL:
            self.notes.append(f"{place}: its filter is left out, since it takes all rows")
            return item
        item.filter.fetch_xml = unwrapped(source.filter, entity)
        refused = self._why_refused(entity, item.filter.fetch_xml)
        if refused:
            self._leave_out(place, f"its filter cannot be used: {refused}")
            return None
        return item

    def _associate(self, source: FormAssociation, item: model_pb2.ProfileItem, carried: set[str], place: str) -> None:
        """Adds an association to its item, if both ends are there."""
        place = f"{place}, association {source.relationship[:200]}"
        name = self._relationships.get(source.relationship.lower())
        association = model_pb2.Association(relationship=name or source.relationship)
        other = other_end(association, item.entity, self._metadata)
        if other is None:
            self._leave_out(place, "the entity has no such relationship with another one that is known")
            return
        if other not in carried:
            self._leave_out(place, f"it pulls rows of {other}, for which there is no item")
            return
        if any(it.relationship == name for it in item.associations):
            self._leave_out(place, "the item has one with this relationship already")
            return
        if source.filter.strip():
            association.filter.fetch_xml = unwrapped(source.filter, other)
            refused = self._why_refused(other, association.filter.fetch_xml)
            if refused:
                self._leave_out(place, f"its filter cannot be used: {refused}")
                return
        if self._needs_direction(association):
            association.direction = _TO_MANY
        item.associations.append(association)

    def _note_directions(self, draft: model_pb2.Profile, before: model_pb2.Profile) -> None:
        for item in draft.items:
            for it in item.associations:
                if self._needs_direction(it) and not _direction(before, item.entity, it):
                    self.notes.append(
                        f"{draft.name}: item {item.entity}, association {it.relationship}: the form has no direction, "
                        "so it is TO_MANY; see whether that is meant"
                    )

    def _needs_direction(self, association: model_pb2.Association) -> bool:
        relationship = self._metadata.relationships[association.relationship]
        link = relationship.one_to_many
        return relationship.HasField("one_to_many") and link.referenced_entity == link.referencing_entity

    def _leave_out(self, place: str, why: str) -> None:
        self.notes.append(f"{place} is left out: {why}")


def _keep(draft: model_pb2.Profile, before: model_pb2.Profile) -> None:
    """Gives a draft what the form has no place for."""
    draft.users.extend(before.users)
    draft.teams.extend(before.teams)
    draft.description = draft.description or before.description
    draft.priority = before.priority
    known = {it.entity: it for it in before.items}
    for item in draft.items:
        old = known.get(item.entity)
        if old is None:
            continue
        item.columns.extend(old.columns)
        item.mandatory = old.mandatory
        item.priority = old.priority
        item.sync_interval_minutes = old.sync_interval_minutes
        for association in item.associations:
            association.direction = _direction(before, item.entity, association) or association.direction


def _direction(
    before: model_pb2.Profile, entity: str, association: model_pb2.Association
) -> model_pb2.AssociationDirection:
    """Returns which way a draft follows a relationship; unspecified if it does not say, or follows it both ways."""
    found = [
        it.direction
        for item in before.items
        for it in item.associations
        if item.entity == entity and it.relationship == association.relationship
    ]
    return found[0] if len(found) == 1 else model_pb2.ASSOCIATION_DIRECTION_UNSPECIFIED


def _entities_by_any_name(metadata: Metadata) -> dict[str, str]:
    """Returns logical names by schema name and by logical name, in lower case; a logical name wins."""
    named = {it.metadata.schema_name.lower(): name for name, it in metadata.entities.items()}
    return named | {name.lower(): name for name in metadata.entities}
