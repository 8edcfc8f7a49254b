"""Entities without change tracking, whose rows or clocks say what cannot be true."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from haversack_server.connectors.odata._position import read_position
from server.odata_fixture import OdataFixture, serving
from server.odata_world import OdataWorld, account, guid
from server.test_odata_feed import names, reconcile_now, served, untrack

FUTURE = "2099-01-01T00:00:00Z"
FUTURE_US = 4_070_908_800_000_000


@pytest.fixture(params=[True, False], ids=["versions", "no versions"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OdataWorld]:
    with serving(OdataFixture()) as fixture, OdataWorld(fixture, tmp_path) as world:
        for number in range(1, 8):
            fixture.put("accounts", account(number))
        fixture.tables["accounts"].served.versioned = request.param
        world.describe()
        untrack(world)
        world.catch_up("account")
        fixture.clock_ahead = timedelta(minutes=10)
        assert world.standing("account").mode == "watermark"
        yield world


def looks(world: OdataWorld) -> int:
    """How many pages a look asks for that finds nothing new."""
    world.catch_up("account")
    before = len(world.fixture.asked_for("accounts?"))
    world.catch_up("account")
    return len(world.fixture.asked_for("accounts?")) - before


def test_a_row_dated_in_the_future_hides_no_other_change(world: OdataWorld) -> None:
    world.fixture.put("accounts", account(2, "ahead of its time", modifiedon=FUTURE))
    world.catch_up("account")
    world.fixture.put("accounts", account(3, "changed afterwards"))
    world.fixture.put("accounts", account(8, "new afterwards"))
    world.catch_up("account")
    assert names(world) == served(world)
    world.fixture.put("accounts", account(2, "changed in the future", modifiedon=FUTURE))
    world.catch_up("account")
    assert names(world) == served(world)
    head = world.head()
    assert world.catch_up("account").updated == 0
    assert world.head() == head


def test_many_rows_dated_in_the_future_are_read_at_the_slower_beat(world: OdataWorld) -> None:
    for number in range(10, 40):
        world.fixture.put("accounts", account(number, modifiedon=FUTURE))
    world.catch_up("account")
    assert names(world) == served(world)
    assert world.standing("account").mode == "watermark; rows dated in the future every 60 min"
    world.fixture.put("accounts", account(4, "changed afterwards"))
    assert looks(world) == 1
    assert names(world)[guid(4)] == "changed afterwards"
    world.fixture.put("accounts", account(12, "another one", modifiedon=FUTURE))
    world.catch_up("account")
    assert names(world)[guid(12)] == "account 12"
    reconcile_now(world)
    world.catch_up("account")
    assert names(world) == served(world)


def test_a_watermark_from_the_future_is_read_anew(world: OdataWorld) -> None:
    number = world.entity("account").number
    position = read_position(world.staging.position(number))
    assert position is not None
    world.staging.set_position(number, position.but(watermark_us=FUTURE_US).to_bytes())
    world.fixture.put("accounts", account(3, "unseen until then"))
    world.catch_up("account")
    assert names(world) == served(world)
    world.fixture.put("accounts", account(3, "and seen from then on"))
    world.catch_up("account")
    assert names(world) == served(world)


def test_a_clock_that_is_put_back_loses_no_change(world: OdataWorld) -> None:
    world.fixture.clock_ahead = timedelta(hours=2)
    world.fixture.put("accounts", account(3, "by the wrong clock"))
    world.catch_up("account")
    world.fixture.clock_ahead = timedelta()
    world.fixture.put("accounts", account(4, "by the right one"))
    world.catch_up("account")
    assert names(world) == served(world)
