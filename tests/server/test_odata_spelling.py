"""Services that keep UUIDs as texts, in capitals or not: the same rows here, and their own spelling there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from haversack_server.errors import Refusal, SourceRefused
from server.odata_fixture import OdataFixture, serving
from server.odata_model import shop
from server.odata_world import OdataWorld
from server.test_odata_feed import age

LOWER = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
UPPER = LOWER.upper()


@pytest.fixture(params=[LOWER, UPPER], ids=["lower", "upper"])
def key(request: pytest.FixtureRequest) -> str:
    """How the service spells the key; a device has it in lower case."""
    return str(request.param)


@pytest.fixture
def world(tmp_path: Path, key: str) -> Iterator[OdataWorld]:
    with serving(OdataFixture("Shop", shop())) as fixture, OdataWorld(fixture, tmp_path) as world:
        fixture.put("Categories", {"Code": key, "Title": "old"})
        world.describe()
        world.catch_up("category")
        yield world


def test_changes_are_made_to_the_row(world: OdataWorld, key: str) -> None:
    written = world.write("update", "category", LOWER, values={"title": "new"}, old_values={"title": "old"})
    assert written.row is not None
    assert world.fixture.rows("Categories")[key]["Title"] == "new"
    world.write("delete", "category", LOWER, detect_conflicts=False)
    assert world.fixture.rows("Categories") == {}


def test_a_row_is_not_made_twice(world: OdataWorld, key: str) -> None:
    with pytest.raises(SourceRefused) as refused:
        world.write("create", "category", LOWER, values={"title": "another"})
    assert refused.value.outcome is Refusal.CONFLICT
    assert list(world.fixture.rows("Categories")) == [key]


def test_lookups_have_the_key_as_the_service_spells_it(world: OdataWorld, key: str) -> None:
    world.write("create", "product", "7", values={"name": "Pen", "categorycode": LOWER})
    assert world.fixture.rows("Products")["7"]["CategoryCode"] == key
    saw = {"name": "Pen", "categorycode": LOWER}
    world.write("update", "product", "7", values={"name": "Pencil"}, old_values=saw)
    assert world.fixture.rows("Products")["7"]["Name"] == "Pencil"


def test_changes_are_found_by_versions(world: OdataWorld, key: str) -> None:
    world.fixture.put("Categories", {"Code": key, "Title": "changed"})
    age(world, "category")
    world.catch_up("category")
    assert list(world.rows("category", "title").values()) == [("changed",)]
