"""What a profile must be, and what in it looks like a mistake. Pure: metadata in, sentences out.

Sources: filters.md sections 6 and 11 in words of the rules, DESIGN section 5. Each rule yields one sentence per breach,
that names the item and says what would be right; every rule is asked, so that one answer lists every breach.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from haversack.model.v1 import model_pb2

from haversack_server.publishing._metadata import Metadata

PROFILE_NAME_LENGTH_MAX = 255
ITEMS_MAX = 1_000
USERS_MAX = 100_000
TEAMS_MAX = 1_000
DESCRIPTION_LENGTH_MAX = 2_000
ASSOCIATIONS_MAX = 200
SYNC_INTERVAL_MINUTES_MIN = 5
SYNC_INTERVAL_MINUTES_MAX = 1_440

_Value = TypeVar("_Value")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_CRITERIA = {
    model_pb2.OWNERSHIP_USER: (
        model_pb2.RECORD_CRITERIA_RELATED_ONLY,
        model_pb2.RECORD_CRITERIA_ALL,
        model_pb2.RECORD_CRITERIA_OTHER,
        model_pb2.RECORD_CRITERIA_CUSTOM,
    ),
    model_pb2.OWNERSHIP_BUSINESS: (
        model_pb2.RECORD_CRITERIA_RELATED_ONLY,
        model_pb2.RECORD_CRITERIA_ALL,
        model_pb2.RECORD_CRITERIA_OTHER,
        model_pb2.RECORD_CRITERIA_CUSTOM,
    ),
    model_pb2.OWNERSHIP_ORGANIZATION: (
        model_pb2.RECORD_CRITERIA_RELATED_ONLY,
        model_pb2.RECORD_CRITERIA_ALL,
        model_pb2.RECORD_CRITERIA_CUSTOM,
    ),
    model_pb2.OWNERSHIP_NONE: (model_pb2.RECORD_CRITERIA_RELATED_ONLY,),
}
"""Which criteria fit which owner: an entity that nobody owns has no rows for their own sake."""

_TO_MANY = model_pb2.ASSOCIATION_DIRECTION_TO_MANY
_TO_ONE = model_pb2.ASSOCIATION_DIRECTION_TO_ONE
_UNSPECIFIED = model_pb2.ASSOCIATION_DIRECTION_UNSPECIFIED


def breaches(profile: model_pb2.Profile, metadata: Metadata) -> Iterator[str]:
    """Yields a sentence for every rule that the profile breaks, filters' text left aside."""
    yield from _of_profile(profile)
    carried = {item.entity for item in profile.items}
    for item in profile.items:
        stored = metadata.entities.get(item.entity)
        if stored is None:
            yield f"item {item.entity}: the metadata has no such entity; import it first"
            continue
        if not stored.offline:
            yield f"item {item.entity}: the entity is not enabled for offline use; enable it first"
        for sentence in _of_item(item, stored.metadata, metadata, carried):
            yield f"item {item.entity}: {sentence}"


def other_end(association: model_pb2.Association, entity: str, metadata: Metadata) -> str | None:
    """Returns the entity whose rows an association of an item of `entity` pulls; None if it cannot be followed."""
    relationship = metadata.relationships.get(association.relationship)
    if relationship is None:
        return None
    if relationship.HasField("many_to_many"):
        ends = (relationship.many_to_many.entity1, relationship.many_to_many.entity2)
    else:
        ends = (relationship.one_to_many.referenced_entity, relationship.one_to_many.referencing_entity)
    if entity not in ends:
        return None
    return ends[1] if ends[0] == entity else ends[0]


def _of_profile(profile: model_pb2.Profile) -> Iterator[str]:
    if not profile.name.strip() or len(profile.name) > PROFILE_NAME_LENGTH_MAX or not profile.name.isprintable():
        yield f"the name must be 1 to {PROFILE_NAME_LENGTH_MAX} printable characters"
    if len(profile.items) > ITEMS_MAX:
        yield f"there are {len(profile.items):,} items; at most {ITEMS_MAX:,} are allowed"
    for entity in _repeated(item.entity for item in profile.items):
        yield f"there are several items for {entity}; an entity has one item"
    if len(profile.users) > USERS_MAX:
        yield f"there are {len(profile.users):,} users; at most {USERS_MAX:,} are allowed"
    if len(profile.teams) > TEAMS_MAX:
        yield f"there are {len(profile.teams):,} teams; at most {TEAMS_MAX:,} are allowed"
    if len(profile.description) > DESCRIPTION_LENGTH_MAX:
        length = len(profile.description)
        yield f"the description has {length:,} characters; at most {DESCRIPTION_LENGTH_MAX:,} are allowed"
    yield from _of_members("user", "systemuserid", profile.users)
    yield from _of_members("team", "teamid", profile.teams)


def _of_members(what: str, attribute: str, members: Sequence[str]) -> Iterator[str]:
    for member in members:
        if not _UUID.fullmatch(member):
            yield f"{what} {member!r} is not a {attribute} as canonical UUID text (lower case, with hyphens)"
    for member in _repeated(members):
        yield f"{what} {member} is there twice"


def _of_item(
    item: model_pb2.ProfileItem, entity: model_pb2.Entity, metadata: Metadata, carried: set[str]
) -> Iterator[str]:
    yield from _of_criteria(item, entity)
    yield from _of_columns(item, entity)
    minutes = item.sync_interval_minutes
    if minutes and not SYNC_INTERVAL_MINUTES_MIN <= minutes <= SYNC_INTERVAL_MINUTES_MAX:
        yield (
            f"the sync interval is {minutes} minutes; it must be {SYNC_INTERVAL_MINUTES_MIN} to "
            f"{SYNC_INTERVAL_MINUTES_MAX:,}, or 0 for the default"
        )
    if len(item.associations) > ASSOCIATIONS_MAX:
        yield f"there are {len(item.associations)} associations; at most {ASSOCIATIONS_MAX} are allowed"
    for name, _ in _repeated((it.relationship, it.direction) for it in item.associations):
        yield f"association {name} is there twice; join their filters in one"
    for association in item.associations:
        yield from _of_association(association, item, metadata, carried)


def _of_criteria(item: model_pb2.ProfileItem, entity: model_pb2.Entity) -> Iterator[str]:
    allowed = _CRITERIA.get(entity.ownership, ())
    ownership = _short(model_pb2.Ownership.Name(entity.ownership))
    if item.criteria not in allowed:
        names = ", ".join(_short(model_pb2.RecordCriteria.Name(it)) for it in allowed)
        yield f"these criteria do not fit an entity of ownership {ownership}; it takes {names}"
    if item.criteria == model_pb2.RECORD_CRITERIA_OTHER:
        yield from _of_owners(item, entity)
    has_filter = item.HasField("filter")
    if item.criteria == model_pb2.RECORD_CRITERIA_CUSTOM and not has_filter:
        yield "CUSTOM needs a filter"
    if item.criteria == model_pb2.RECORD_CRITERIA_ALL and has_filter:
        yield "ALL takes no filter; choose CUSTOM to have only the rows that it matches"
    if entity.ownership == model_pb2.OWNERSHIP_NONE and has_filter:
        yield "an entity that nobody owns takes no filter: its rows come with the rows they belong to"


def _of_owners(item: model_pb2.ProfileItem, entity: model_pb2.Entity) -> Iterator[str]:
    if not (item.owned_by_me or item.owned_by_my_teams or item.owned_by_my_business_unit):
        yield "OTHER needs at least one of owned_by_me, owned_by_my_teams and owned_by_my_business_unit"
    if entity.ownership == model_pb2.OWNERSHIP_BUSINESS and (item.owned_by_me or item.owned_by_my_teams):
        yield "business units own its rows, so OTHER takes owned_by_my_business_unit alone"


def _of_columns(item: model_pb2.ProfileItem, entity: model_pb2.Entity) -> Iterator[str]:
    known = {attribute.logical_name for attribute in entity.attributes}
    for name in item.columns:
        if name not in known:
            yield f"column {name} is not an attribute of the entity"
    for name in _repeated(item.columns):
        yield f"column {name} is there twice"


def _of_association(
    association: model_pb2.Association, item: model_pb2.ProfileItem, metadata: Metadata, carried: set[str]
) -> Iterator[str]:
    name = f"association {association.relationship}"
    other = other_end(association, item.entity, metadata)
    if other is None:
        yield f"{name} is not a relationship of the entity with another one that is known"
        return
    if other not in carried:
        yield f"{name} pulls rows of {other}, for which the profile has no item; add one with RELATED_ONLY"
    relationship = metadata.relationships[association.relationship]
    if association.direction not in model_pb2.AssociationDirection.values():
        yield f"{name} has an unknown direction"
    elif relationship.HasField("one_to_many"):
        yield from (f"{name} {sentence}" for sentence in _of_direction(association, item, relationship.one_to_many))


def _of_direction(
    association: model_pb2.Association, item: model_pb2.ProfileItem, link: model_pb2.OneToMany
) -> Iterator[str]:
    if link.referenced_entity == link.referencing_entity:
        if association.direction == _UNSPECIFIED:
            yield "links the entity with itself, so it needs a direction: TO_MANY or TO_ONE"
        return
    natural = _TO_MANY if item.entity == link.referenced_entity else _TO_ONE
    if association.direction not in (_UNSPECIFIED, natural):
        name = _short(model_pb2.AssociationDirection.Name(natural))
        yield f"can only be followed {name} from here; leave its direction out"


def _repeated(values: Iterable[_Value]) -> list[_Value]:
    return [value for value, count in Counter(values).items() if count > 1]


def _short(enum_name: str) -> str:
    """Returns the part of an enum value's name that people say: RECORD_CRITERIA_RELATED_ONLY is RELATED_ONLY."""
    for prefix in ("OWNERSHIP_", "RECORD_CRITERIA_", "ASSOCIATION_DIRECTION_"):
        enum_name = enum_name.removeprefix(prefix)
    return enum_name
