"""From a draft to the form's profile, and what of the draft the form has no place for. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator

from haversack.model.v1 import model_pb2

from haversack_server.publishing import Metadata, other_end
from haversack_server.solutions._form import FormAssociation, FormItem, FormProfile
from haversack_server.solutions._types import form_name
from haversack_server.solutions._wrapping import wrapped

CRITERIA = {
    model_pb2.RECORD_CRITERIA_RELATED_ONLY: 0,
    model_pb2.RECORD_CRITERIA_ALL: 1,
    model_pb2.RECORD_CRITERIA_OTHER: 2,
    model_pb2.RECORD_CRITERIA_CUSTOM: 3,
}
"""RecordDistributionCriteria."""

_NAMESPACE = uuid.UUID("5f0dd3f4-1c3f-5a52-9a5e-0d6f6d1ef5a7")
"""GUIDs are made of names in this namespace, so that every export of a profile has the same ones."""

_ITEM_EXTRAS = {
    "columns": "the choice of columns",
    "mandatory": "`mandatory`",
    "priority": "the priority",
    "sync_interval_minutes": "the sync interval",
}


def form_profile(draft: model_pb2.Profile, metadata: Metadata) -> tuple[FormProfile, list[str]]:
    """Returns a draft in the form, and a sentence for everything that is not in it."""
    profile_id = _guid(metadata.organization, draft.name)
    items = tuple(_item(it, draft, metadata) for it in draft.items)
    lost = [f"{draft.name}: {it}" for it in _notes(draft, metadata)]
    return FormProfile(profile_id, draft.name, items, draft.description), lost


def travelling(item: model_pb2.ProfileItem) -> list[model_pb2.Association]:
    """Returns the associations that are exported: one of each relationship, since the form has no direction."""
    first: dict[str, model_pb2.Association] = {}
    for it in item.associations:
        known = first.setdefault(it.relationship, it)
        if it.direction == model_pb2.ASSOCIATION_DIRECTION_TO_MANY and known is not it:
            first[it.relationship] = it
    return [it for it in item.associations if first[it.relationship] is it]


def _item(item: model_pb2.ProfileItem, draft: model_pb2.Profile, metadata: Metadata) -> FormItem:
    stored = metadata.entities.get(item.entity)
    names = stored.metadata if stored else model_pb2.Entity(logical_name=item.entity)
    return FormItem(
        id=_guid(metadata.organization, draft.name, item.entity),
        name=names.display_name or item.entity,
        entity=form_name(names),
        criteria=CRITERIA[item.criteria],
        owned_by_me=item.owned_by_me,
        owned_by_my_teams=item.owned_by_my_teams,
        owned_by_my_business_unit=item.owned_by_my_business_unit,
        filter=wrapped(item.filter.fetch_xml, item.entity),
        associations=tuple(_association(it, item, draft, metadata) for it in travelling(item)),
    )


def _association(
    association: model_pb2.Association, item: model_pb2.ProfileItem, draft: model_pb2.Profile, metadata: Metadata
) -> FormAssociation:
    other = other_end(association, item.entity, metadata)
    return FormAssociation(
        id=_guid(metadata.organization, draft.name, item.entity, association.relationship),
        name=association.relationship,
        relationship=association.relationship,
        filter=wrapped(association.filter.fetch_xml, other) if other else association.filter.fetch_xml,
    )


def _guid(*names: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "\n".join(names)))


def _notes(draft: model_pb2.Profile, metadata: Metadata) -> Iterator[str]:
    if draft.users:
        yield f"its {len(draft.users):,} users are not carried; say anew who follows it"
    if draft.teams:
        yield f"its {len(draft.teams):,} teams are not carried; say anew which follow it"
    if draft.priority:
        yield f"its priority {draft.priority} is not carried"
    for field, words in _ITEM_EXTRAS.items():
        having = [it.entity for it in draft.items if getattr(it, field)]
        if having:
            yield f"{words} is not carried of {_joined(having)}"
    for item in draft.items:
        yield from (f"item {item.entity}: {it}" for it in _of_directions(item, metadata))


def _of_directions(item: model_pb2.ProfileItem, metadata: Metadata) -> Iterator[str]:
    exported = travelling(item)
    for it in item.associations:
        name = f"association {it.relationship}"
        if not any(it is other for other in exported):
            yield f"{name} is carried once, so the other direction is not"
        elif other_end(it, item.entity, metadata) == item.entity:
            yield f"the direction of {name}, which links the entity with itself, is not carried; TO_MANY will be read"
        elif it.direction:
            yield f"the direction of {name} is not carried; it follows from the relationship"


def _joined(names: Iterable[str]) -> str:
    return ", ".join(names)
