"""What two models differ in, for people and for devices. Pure: models in, sentences and messages out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from haversack.admin.v1 import entities_pb2
from haversack.model.v1 import model_pb2

_Named = TypeVar("_Named")

NAMES_MAX = 20
"""How many names one sentence lists."""


def changes(before: model_pb2.Model | None, after: model_pb2.Model) -> Iterator[str]:
    """Yields a sentence for everything that publishing `after` changes; `before` is what is published, if anything."""
    if before is None:
        yield "nothing is published yet: everything is new"
        return
    if before.settings != after.settings:
        yield f"settings: {', '.join(_differing_fields(before.settings, after.settings))}"
    yield from _of_entities(_by_logical_name(before), _by_logical_name(after))
    yield from _of_names("relationships", _relationships(before), _relationships(after))
    yield from _of_names("applications", {it.name: it for it in before.apps}, {it.name: it for it in after.apps})
    carried = {it.name: {item.entity for item in it.items} for it in before.profiles}
    for profile in after.profiles:
        now = {item.entity for item in profile.items}
        gone, back = carried.get(profile.name, now) - now, now - carried.get(profile.name, now)
        if gone:
            yield f"profile {profile.name} no longer carries {_listed(gone)}"
        if back:
            yield f"profile {profile.name} carries {_listed(back)}"


def metadata_effects(before: model_pb2.Model | None, after: model_pb2.Model) -> list[entities_pb2.MetadataEffect]:
    """Returns what devices are to download or drop of what they know of entities, by logical name."""
    old = _carried_columns(before or model_pb2.Model())
    new = _carried_columns(after)
    found: dict[str, entities_pb2.MetadataEffect] = {}
    for key in sorted(old.keys() | new.keys()):
        profile, entity = key
        columns, changed = old.get(key, {}), new.get(key, {})
        if columns == changed:
            continue
        effect = found.setdefault(entity, entities_pb2.MetadataEffect(entity=entity))
        effect.profiles.append(profile)
        both = columns.keys() & changed.keys()
        for listed, names in (
            (effect.columns_added, changed.keys() - columns.keys()),
            (effect.columns_changed, {it for it in both if columns[it] != changed[it]}),
            (effect.columns_removed, columns.keys() - changed.keys()),
        ):
            listed.extend(sorted(set(names) - set(listed)))
    return [found[entity] for entity in sorted(found)]


def _of_entities(before: Mapping[str, model_pb2.Entity], after: Mapping[str, model_pb2.Entity]) -> Iterator[str]:
    new = after.keys() - before.keys()
    if new:
        yield f"new entities: {_listed(new)}"
    enabled = {name for name, it in after.items() if it.offline and not (name in before and before[name].offline)}
    if enabled:
        yield f"enabled for offline use: {_listed(enabled)}"
    disabled = {name for name, it in after.items() if not it.offline and name in before and before[name].offline}
    if disabled:
        yield f"disabled: {_listed(disabled)}"
    for name in sorted(before.keys() & after.keys()):
        yield from (f"{name}: {it}" for it in _of_entity(before[name], after[name]))


def _of_entity(before: model_pb2.Entity, after: model_pb2.Entity) -> Iterator[str]:
    attributes = ({it.logical_name: it for it in before.attributes}, {it.logical_name: it for it in after.attributes})
    yield from _of_names("attributes", *attributes)
    if before.offline and after.offline and before.organization_filter != after.organization_filter:
        yield "organization filter" if after.HasField("organization_filter") else "its organization filter is lifted"
    if _bare(before) != _bare(after):
        yield "names, keys or ownership"


def _of_names(what: str, before: Mapping[str, _Named], after: Mapping[str, _Named]) -> Iterator[str]:
    changed = {name for name in before.keys() & after.keys() if before[name] != after[name]}
    for how, names in (
        ("new", after.keys() - before.keys()),
        ("changed", changed),
        ("gone", before.keys() - after.keys()),
    ):
        if names:
            yield f"{how} {what}: {_listed(names)}"


def _carried_columns(model: model_pb2.Model) -> dict[tuple[str, str], dict[str, model_pb2.Attribute]]:
    """Returns the attributes that devices have, by profile and entity."""
    entities = _by_logical_name(model)
    found: dict[tuple[str, str], dict[str, model_pb2.Attribute]] = {}
    for profile in model.profiles:
        for item in profile.items:
            entity = entities[item.entity]
            carried = {*item.columns, entity.primary_id_attribute} if item.columns else None
            found[profile.name, item.entity] = {
                it.logical_name: it for it in entity.attributes if carried is None or it.logical_name in carried
            }
    return found


def _bare(entity: model_pb2.Entity) -> model_pb2.Entity:
    bare = model_pb2.Entity()
    bare.CopyFrom(entity)
    for field in ("attributes", "organization_filter", "offline"):
        bare.ClearField(field)
    return bare


def _by_logical_name(model: model_pb2.Model) -> dict[str, model_pb2.Entity]:
    return {it.logical_name: it for it in model.entities}


def _relationships(model: model_pb2.Model) -> dict[str, model_pb2.Relationship]:
    return {it.schema_name: it for it in model.relationships}


def _differing_fields(before: model_pb2.Settings, after: model_pb2.Settings) -> list[str]:
    names = [it.name for it in model_pb2.Settings.DESCRIPTOR.fields]
    return [it for it in names if getattr(before, it) != getattr(after, it)]


def _listed(names: set[str]) -> str:
    shown = sorted(names)[:NAMES_MAX]
    return ", ".join(shown) + (f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else "")
