"""A solution read from its documents. What is not read is noted; what is wrong is refused, and says where it is."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence

from haversack_server.errors import SolutionInvalid
from haversack_server.solutions._form import FormAssociation, FormItem, FormProfile, Header, Solution
from haversack_server.solutions._write import ENTITY_COMPONENT, PROFILE_COMPONENT
from haversack_server.solutions._xml import Element, read_xml
from haversack_server.solutions._zip import CUSTOMIZATIONS, SOLUTION, read_archive

ROOT = "ImportExportXml"
NAMED_MAX = 5
"""How many names a note lists; the others are counted."""

PROFILES_MAX = 500
ITEMS_MAX = 1_000
"""How many items a profile may have; its draft may not have more either."""
FILTERS_MAX = 5_000
"""How many filters the profiles may have together: each is compiled, to see whether it can be."""

_PROFILES = "MobileOfflineProfiles"
_METADATA = ("Entities", "EntityRelationships", "optionsets")
_ENTITY_PARTS = ("Name", "EntityInfo")
_BOOLEANS = {"": False, "0": False, "1": True, "false": False, "true": True}
_CRITERIA = {"0": 0, "1": 1, "2": 2, "3": 3}

_PROFILE_PARTS = frozenset(
    {"MobileOfflineProfileItems", "MobileOfflineProfileId", "Name", "Description", "IntroducedVersion"}
)
_ITEM_PARTS = frozenset(
    {
        "MobileOfflineProfileItemAssociations",
        "MobileOfflineProfileItemId",
        "RegardingObjectId",
        "Name",
        "RecordDistributionCriteria",
        "RecordsOwnedByMe",
        "RecordsOwnedByMyTeam",
        "RecordsOwnedByMyBusinessUnit",
        "ProfileItemEntityFilter",
        "EntitySchemaName",
        "IntroducedVersion",
    }
)
_ASSOCIATION_PARTS = frozenset(
    {
        "MobileOfflineProfileItemAssociationId",
        "MobileOfflineProfileItemId",
        "Name",
        "RelationshipDisplayName",
        "ProfileItemAssociationEntityFilter",
        "IntroducedVersion",
    }
)


def read_solution(content: bytes, *, with_metadata: bool = True) -> Solution:
    """Reads a solution's zip, its entities only on request; raises SolutionInvalid."""
    archive = read_archive(content)
    manifest = _manifest(read_xml(SOLUTION, archive.solution))
    customizations = read_xml(CUSTOMIZATIONS, archive.customizations, _whole if with_metadata else _profiles_alone)
    _check_root(CUSTOMIZATIONS, customizations)
    notes = [*_of_files(archive.others), *_of_manifest(manifest), *_of_sections(customizations)]
    profiles = tuple(_profile(it, notes) for it in customizations.under(_PROFILES, "MobileOfflineProfile"))
    _check_counts(profiles)
    notes += _of_roots(manifest, profiles)
    publisher = manifest.child("Publisher") or Element("Publisher")
    return Solution(
        header=Header(
            unique_name=manifest.value("UniqueName"),
            version=manifest.value("Version"),
            publisher=publisher.value("UniqueName"),
            prefix=publisher.value("CustomizationPrefix"),
        ),
        profiles=profiles,
        entities=tuple(customizations.under("Entities", "Entity")),
        relationships=tuple(customizations.under("EntityRelationships", "EntityRelationship")),
        option_sets=tuple(customizations.under("optionsets", "optionset")),
        notes=tuple(notes),
    )


def listed(names: Sequence[str]) -> str:
    """Joins names for a note: the first few, and how many there are besides."""
    shown = ", ".join(name[:200] for name in names[:NAMED_MAX])
    return shown if len(names) <= NAMED_MAX else f"{shown} and {len(names) - NAMED_MAX:,} more"


def _check_counts(profiles: Sequence[FormProfile]) -> None:
    if len(profiles) > PROFILES_MAX:
        raise SolutionInvalid(f"there are {len(profiles):,} profiles; at most {PROFILES_MAX:,} are read at once")
    for it in profiles:
        if len(it.items) > ITEMS_MAX:
            raise SolutionInvalid(
                f"profile {it.name[:200]} has {len(it.items):,} items; at most {ITEMS_MAX:,} are read"
            )
    items = [item for profile in profiles for item in profile.items]
    texts = [item.filter for item in items] + [it.filter for item in items for it in item.associations]
    filters = sum(bool(text) for text in texts)
    if filters > FILTERS_MAX:
        raise SolutionInvalid(f"there are {filters:,} filters; at most {FILTERS_MAX:,} are read at once")


def _whole(path: tuple[str, ...]) -> bool:
    """Leaves out what nobody reads: other sections, and forms, views and ribbons of entities."""
    match path:
        case (_, section):
            return section == _PROFILES or section in _METADATA
        case (_, "Entities", _, part):
            return part in _ENTITY_PARTS
        case _:
            return True


def _profiles_alone(path: tuple[str, ...]) -> bool:
    """Leaves out entities too."""
    return len(path) != len((ROOT, _PROFILES)) or path[-1] == _PROFILES


def _check_root(name: str, root: Element) -> None:
    if root.tag != ROOT:
        raise SolutionInvalid(f"{name} begins with {root.tag[:100]!r}; a solution's begins with {ROOT}")


def _manifest(root: Element) -> Element:
    _check_root(SOLUTION, root)
    manifest = root.child("SolutionManifest")
    if manifest is None or not manifest.value("UniqueName"):
        raise SolutionInvalid(f"{SOLUTION} has no SolutionManifest with a UniqueName")
    return manifest


def _of_files(others: Sequence[str]) -> Iterator[str]:
    if others:
        yield f"files that are not read: {listed(others)}"


def _of_manifest(manifest: Element) -> Iterator[str]:
    if manifest.value("Managed") not in ("", "0"):
        yield "the solution is managed; what it brings can be edited here all the same"
    needed = manifest.child("MissingDependencies")
    if needed and needed.is_filled:
        yield "what the solution depends on elsewhere is not looked at"
    kinds = Counter(it.attributes.get("type", "?") for it in manifest.under("RootComponents", "RootComponent"))
    for kind, count in kinds.items():
        if kind not in (PROFILE_COMPONENT, ENTITY_COMPONENT):
            yield f"{count:,} components of type {kind[:20]} are not carried"


def _of_sections(customizations: Element) -> Iterator[str]:
    left_out = [it.tag for it in customizations.children if it.left_out and it.is_filled and it.tag != "Languages"]
    sections = [tag for tag in left_out if tag not in _METADATA]
    if len(sections) < len(left_out):
        yield "the metadata of entities in it is not read; import with metadata to take it in"
    if sections:
        yield f"sections of {CUSTOMIZATIONS} that are not carried: {listed(sections)}"
    parts = {
        part.tag
        for entity in customizations.under("Entities", "Entity")
        for part in entity.children
        if part.left_out and part.is_filled
    }
    if parts:
        yield f"parts of entities that are not carried: {listed(sorted(parts))}"


def _of_roots(manifest: Element, profiles: Sequence[FormProfile]) -> Iterator[str]:
    named = {
        it.attributes.get("id", "").strip("{}").lower()
        for it in manifest.under("RootComponents", "RootComponent")
        if it.attributes.get("type") == PROFILE_COMPONENT
    }
    missing = sorted(named - {it.id for it in profiles})
    if missing:
        yield f"{SOLUTION} names profiles that {CUSTOMIZATIONS} does not have: {listed(missing)}"


def _profile(source: Element, notes: list[str]) -> FormProfile:
    name = _name(source)
    place = f"profile {name}"
    if not name:
        raise SolutionInvalid(f"{CUSTOMIZATIONS} has a profile without a name")
    notes += _unread(source, _PROFILE_PARTS, place)
    items = source.under("MobileOfflineProfileItems", "MobileOfflineProfileItem")
    return FormProfile(
        id=_guid(source, "MobileOfflineProfileId", place),
        name=name,
        items=tuple(_item(it, place, notes) for it in items),
        description=source.value("Description"),
    )


def _item(source: Element, profile: str, notes: list[str]) -> FormItem:
    name = _name(source)
    entity = source.value("EntitySchemaName").strip()
    place = f"{profile}, item {entity or name}"
    if not entity:
        raise SolutionInvalid(f"{place} has no EntitySchemaName")
    criteria = source.value("RecordDistributionCriteria").strip()
    if criteria not in _CRITERIA:
        raise SolutionInvalid(f"{place} has RecordDistributionCriteria {criteria[:20]!r}; it must be 0, 1, 2 or 3")
    notes += _unread(source, _ITEM_PARTS, place)
    associations = source.under("MobileOfflineProfileItemAssociations", "MobileOfflineProfileItemAssociation")
    return FormItem(
        id=_guid(source, "MobileOfflineProfileItemId", place),
        name=name,
        entity=entity,
        criteria=_CRITERIA[criteria],
        owned_by_me=_boolean(source, "RecordsOwnedByMe", place),
        owned_by_my_teams=_boolean(source, "RecordsOwnedByMyTeam", place),
        owned_by_my_business_unit=_boolean(source, "RecordsOwnedByMyBusinessUnit", place),
        filter=_filter(source, "ProfileItemEntityFilter", place),
        associations=tuple(_association(it, place, notes) for it in associations),
    )


def _association(source: Element, item: str, notes: list[str]) -> FormAssociation:
    name = _name(source)
    relationship = source.value("RelationshipDisplayName").strip() or name
    place = f"{item}, association {relationship}"
    if not relationship:
        raise SolutionInvalid(f"{place} has no RelationshipDisplayName")
    notes += _unread(source, _ASSOCIATION_PARTS, place)
    return FormAssociation(
        id=_guid(source, "MobileOfflineProfileItemAssociationId", place),
        name=name,
        relationship=relationship,
        filter=_filter(source, "ProfileItemAssociationEntityFilter", place),
    )


def _unread(source: Element, known: frozenset[str], place: str) -> Iterator[str]:
    """Yields what an element holds that is not read, and what it holds twice."""
    counts = Counter(it.tag for it in source.children)
    unknown = [it.tag for it in source.children if it.tag not in known and it.is_filled]
    if unknown:
        yield f"{place}: elements that are not read: {listed(list(dict.fromkeys(unknown)))}"
    twice = [tag for tag, count in counts.items() if tag in known and count > 1]
    if twice:
        yield f"{place}: only the first is read of: {listed(twice)}"


def _name(source: Element) -> str:
    return source.value("Name") or source.attributes.get("Name", "")


def _guid(source: Element, tag: str, place: str) -> str:
    written = source.attributes.get(tag) or source.value(tag)
    try:
        return str(uuid.UUID(written.strip()))
    except ValueError as error:
        raise SolutionInvalid(f"{place} has {tag} {written[:50]!r}; it must be a GUID") from error


def _boolean(source: Element, tag: str, place: str) -> bool:
    written = source.value(tag).strip().lower()
    if written not in _BOOLEANS:
        raise SolutionInvalid(f"{place} has {tag} {written[:20]!r}; it must be 0 or 1")
    return _BOOLEANS[written]


def _filter(source: Element, tag: str, place: str) -> str:
    found = source.child(tag)
    if found is not None and found.children:
        raise SolutionInvalid(f"{place}: {tag} must hold FetchXML as escaped text, not as elements")
    return found.text if found is not None else ""
