"""Numbers of attributes: given once, never reused, whatever the imports say."""

from __future__ import annotations

import random

import pytest
from haversack.model.v1 import model_pb2
from haversack_server.errors import MetadataIncompatible
from haversack_server.metadata import Merged, merge_entity

STRING = model_pb2.ATTRIBUTE_TYPE_STRING
INTEGER = model_pb2.ATTRIBUTE_TYPE_INTEGER


def entity(*names: str, **targets: list[str]) -> model_pb2.Entity:
    """An entity with these text attributes and these lookups, without numbers."""
    made = model_pb2.Entity(logical_name="thing", primary_id_attribute="thingid")
    made.attributes.add(logical_name="thingid", type=model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER)
    for name in names:
        made.attributes.add(logical_name=name, type=STRING)
    for name, listed in targets.items():
        made.attributes.add(logical_name=name, type=model_pb2.ATTRIBUTE_TYPE_LOOKUP, targets=listed)
    return made


def numbers(merged: Merged) -> dict[str, int]:
    """Every field number by the field's name."""
    fields = {it.logical_name: it.number for it in merged.entity.attributes}
    companions = {f"{it.logical_name}_entity": it.entity_field_number for it in merged.entity.attributes}
    return fields | {name: number for name, number in companions.items() if number}


def test_the_primary_id_is_first_and_lookups_with_several_targets_take_two() -> None:
    merged = merge_entity(entity("b", "a", owner=["systemuser", "team"], parent=["thing"]), None, number=7)
    assert merged.entity.number == 7
    assert numbers(merged) == {"thingid": 1, "b": 2, "a": 3, "owner": 4, "owner_entity": 5, "parent": 6}
    assert merged.last_number == 6


def test_the_same_again_is_the_same() -> None:
    first = merge_entity(entity("a", "b", owner=["x", "y"]), None, number=1)
    again = merge_entity(entity("b", "a", owner=["x", "y"]), first, number=1)
    assert again.entity == first.entity
    assert again.last_number == first.last_number


def test_a_removed_attributes_number_is_never_given_again() -> None:
    first = merge_entity(entity("a", "b", "c"), None, number=1)
    without = merge_entity(entity("a", "b"), first, number=1)
    more = merge_entity(entity("a", "b", "d"), without, number=1)
    back = merge_entity(entity("a", "b", "c", "d"), more, number=1)
    assert numbers(first)["c"] == 4
    assert numbers(more)["d"] == 5
    assert numbers(back) == {"thingid": 1, "a": 2, "b": 3, "d": 5, "c": 6}


def test_no_number_ever_means_two_things(seed: int) -> None:
    chance = random.Random(seed)
    pool = [f"attribute{index}" for index in range(12)]
    meaning: dict[int, tuple[str, int]] = {}
    merged: Merged | None = None
    lives: dict[str, int] = {}
    for _ in range(30):
        chosen = chance.sample(pool, chance.randint(0, len(pool)))
        lookups = {name: chance.sample(["x", "y", "z"], chance.randint(1, 3)) for name in ("parent", "about")}
        merged = merge_entity(entity(*chosen, **lookups), merged, number=1)
        for name in pool:
            if name not in chosen:
                lives[name] = lives.get(name, 0) + 1
        for name, number in numbers(merged).items():
            life = lives.get(name, 0)
            known = meaning.setdefault(number, (name, life))
            assert known[0] == name, f"seed {seed}: {number} meant {known[0]} and now {name}"
        assert sorted(numbers(merged).values())[-1] <= merged.last_number
        assert [it.number for it in merged.entity.attributes] == sorted(it.number for it in merged.entity.attributes)


def test_a_lookup_keeps_its_targets_and_is_noted_when_it_gets_a_second_one() -> None:
    first = merge_entity(entity(parent=["account"]), None, number=1)
    assert numbers(first) == {"thingid": 1, "parent": 2}
    wider = merge_entity(entity(parent=["contact"]), first, number=1)
    assert numbers(wider) == {"thingid": 1, "parent": 2, "parent_entity": 3}
    assert list(wider.entity.attributes[1].targets) == ["account", "contact"]
    assert "thing.parent" in wider.notes[0]
    again = merge_entity(entity(parent=["account"]), wider, number=1)
    assert again.entity == wider.entity
    assert again.notes == ()


def test_a_changed_type_is_refused() -> None:
    first = merge_entity(entity("a"), None, number=1)
    changed = entity("a")
    changed.attributes[1].type = INTEGER
    with pytest.raises(MetadataIncompatible, match=r"thing\.a is STRING .* cannot become INTEGER"):
        merge_entity(changed, first, number=1)


def test_another_primary_id_is_refused() -> None:
    first = merge_entity(entity("a"), None, number=1)
    changed = entity("a")
    changed.primary_id_attribute = "a"
    with pytest.raises(MetadataIncompatible, match="primary id"):
        merge_entity(changed, first, number=1)
