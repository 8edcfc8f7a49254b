"""Entities of OData services, followed: over real sockets, into real staging databases."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from haversack.model.v1 import filter_pb2
from haversack_server import _core
from haversack_server.connectors.odata import _http
from haversack_server.connectors.odata._auth import credentials
from haversack_server.connectors.odata._http import Client
from haversack_server.connectors.odata._position import read_position
from haversack_server.connectors.odata._settings import read_settings
from haversack_server.errors import SourceAnswerInvalid, SourceInvalid, SourceThrottled, SourceUnavailable
from server.odata_fixture import OdataFixture, serving
from server.odata_model import shop
from server.odata_world import OdataWorld, account, guid

ROW_BYTES_MAX = 8 << 20
"""The core's limit for one row."""


@pytest.fixture
def fixture() -> Iterator[OdataFixture]:
    with serving(OdataFixture()) as started:
        yield started


@pytest.fixture
def world(fixture: OdataFixture, tmp_path: Path) -> Iterator[OdataWorld]:
    for number in range(1, 8):
        fixture.put("accounts", account(number))
    with OdataWorld(fixture, tmp_path) as world:
        world.describe()
        yield world


def names(world: OdataWorld) -> dict[str, Any]:
    return {key: values[0] for key, values in world.rows("account", "name").items()}


def served(world: OdataWorld) -> dict[str, Any]:
    return {key: row["name"] for key, row in world.fixture.rows("accounts").items()}


def untrack(world: OdataWorld) -> None:
    world.fixture.tables["accounts"].served.tracked = False


def test_snapshot_then_changes_then_deletions(world: OdataWorld) -> None:
    assert world.catch_up("account").inserted == 7
    assert names(world) == served(world)
    world.fixture.put("accounts", account(3, "changed"))
    world.fixture.put("accounts", account(8))
    world.fixture.delete("accounts", guid(1))
    counts = world.catch_up("account")
    assert (counts.inserted, counts.updated, counts.deleted) == (1, 1, 1)
    assert names(world) == served(world)
    head = world.head()
    assert world.catch_up("account").read == 0
    assert world.head() == head
    assert world.standing("account").mode == "delta links"
    assert world.standing("account").lag_seconds == 0.0


def test_values_come_through(world: OdataWorld) -> None:
    world.fixture.put("accounts", account(1, revenue=12.5, description="long\ntext", _primarycontactid_value=guid(50)))
    world.catch_up("account")
    row = world.rows("account", "revenue", "description", "primarycontactid", "ownerid")[guid(1)]
    assert row == ("12.5", "long\ntext", guid(50), guid(900))


def test_changes_while_pages_come_are_not_lost(world: OdataWorld) -> None:
    world.take("account")
    world.fixture.put("accounts", account(1, "changed behind the first page"))
    world.fixture.delete("accounts", guid(2))
    world.catch_up("account")
    assert names(world) == served(world)


def test_lost_token_is_followed_by_a_full_read_that_tells_devices_only_what_differs(world: OdataWorld) -> None:
    world.catch_up("account")
    world.fixture.put("accounts", account(3, "changed"))
    world.fixture.delete("accounts", guid(1))
    world.fixture.expire_changes()
    head = world.head()
    counts = world.catch_up("account")
    assert (counts.updated, counts.deleted, counts.unchanged) == (1, 1, 5)
    assert world.head() == head + 2
    assert names(world) == served(world)
    world.fixture.put("accounts", account(4, "and on it goes"))
    assert world.catch_up("account").updated == 1


def test_changes_that_page(world: OdataWorld) -> None:
    world.catch_up("account")
    for number in range(1, 8):
        world.fixture.put("accounts", account(number, "again"))
    world.fixture.delete("accounts", guid(7))
    world.take("account")
    world.fixture.put("accounts", account(2, "while changes page"))
    world.catch_up("account")
    assert names(world) == served(world)


@pytest.mark.parametrize("length", [1, 2, 3, 7])
@pytest.mark.parametrize("reading", ["everything", "changes", "keys"])
def test_links_that_go_round_are_not_followed_for_ever(world: OdataWorld, reading: str, length: int) -> None:
    if reading == "keys":
        untrack(world)
    if reading != "everything":
        world.catch_up("account")
        for number in range(1, 8):
            world.fixture.put("accounts", account(number, "again"))
        if reading == "keys":
            reconcile_now(world)
    world.fixture.circle = length
    before = len(world.fixture.asked)
    with pytest.raises(SourceAnswerInvalid, match="go round"):
        world.catch_up("account")
    assert len(world.fixture.asked) - before < 10 * length + 10
    world.fixture.circle = 0
    world.run(world.source.resync(world.staging, world.model.SerializeToString(), "account"))
    world.catch_up("account")
    assert names(world) == served(world)


def test_links_of_the_directory_may_not_go_round_either(world: OdataWorld) -> None:
    world.fixture.circle = 2
    with pytest.raises(SourceAnswerInvalid, match="go round"):
        world.take("roleprivileges")


@pytest.mark.parametrize("absolute", [True, False])
def test_links_of_either_form(world: OdataWorld, absolute: bool) -> None:
    world.fixture.absolute_links = absolute
    world.catch_up("account")
    world.fixture.put("accounts", account(9))
    world.catch_up("account")
    assert names(world) == served(world)


def test_rows_that_come_twice_are_one(world: OdataWorld) -> None:
    world.fixture.repeats_rows = True
    counts = world.catch_up("account")
    assert counts.inserted == 7
    assert counts.unchanged > 0


@pytest.mark.parametrize("fault", ["cut", "damage", "lose"])
def test_damaged_pages_are_asked_for_again(world: OdataWorld, fault: str) -> None:
    world.fixture.fail(match="accounts", times=2, **{fault: True})
    world.catch_up("account")
    assert names(world) == served(world)


def test_a_service_that_stays_away_is_tried_later(world: OdataWorld) -> None:
    world.fixture.fail(match="accounts", times=100, status=502)
    with pytest.raises(SourceUnavailable, match="502"):
        world.take("account")
    assert len(world.waits.seconds) == 3
    world.fixture.faults.clear()
    world.fixture.fail(match="accounts", times=100, damage=True)
    with pytest.raises(SourceAnswerInvalid):
        world.take("account")
    world.fixture.faults.clear()
    world.catch_up("account")
    assert names(world) == served(world)


def test_short_throttling_is_waited_for_and_long_one_is_handed_on(world: OdataWorld) -> None:
    world.fixture.fail(match="accounts", status=429, headers={"Retry-After": "2"})
    world.fixture.fail(match="accounts", status=503, headers={"Retry-After": "1"})
    world.catch_up("account")
    assert world.waits.seconds == [2.0, 1.0]
    world.fixture.fail(match="accounts", status=429, headers={"Retry-After": "35"})
    with pytest.raises(SourceThrottled) as raised:
        world.catch_up("account")
    assert raised.value.retry_seconds == 35.0
    assert names(world) == served(world)


@pytest.mark.parametrize("tells_time", [True, False])
def test_a_date_to_come_back_at_is_read_by_the_service_s_clock_or_else_by_ours(
    world: OdataWorld, tells_time: bool
) -> None:
    world.fixture.clock_ahead = timedelta(hours=3)
    world.fixture.tells_time = tells_time
    apart = world.fixture.clock_ahead if tells_time else timedelta()
    retry_at = datetime.now(UTC) + apart + timedelta(minutes=10)
    headers = {"Retry-After": format_datetime(retry_at, usegmt=True)}
    world.fixture.fail(match="accounts", status=429, headers=headers)
    with pytest.raises(SourceThrottled) as raised:
        world.take("account")
    assert raised.value.retry_seconds == pytest.approx(600, abs=60)


def test_access_tokens_end_and_are_fetched_again(fixture: OdataFixture, tmp_path: Path) -> None:
    fixture.signs_in = True
    fixture.put("accounts", account(1))
    with OdataWorld(fixture, tmp_path) as world:
        world.describe()
        world.catch_up("account")
        tokens = len(fixture.asked_for("/token", "POST"))
        assert tokens == 1
        fixture.expire_tokens()
        fixture.put("accounts", account(1, "changed"))
        assert world.catch_up("account").updated == 1
        assert len(fixture.asked_for("/token", "POST")) == 2
        fixture.fail(match="accounts", times=10, status=401)
        with pytest.raises(SourceInvalid, match="sign-in"):
            world.catch_up("account")


def test_links_that_leave_the_service_are_not_followed(world: OdataWorld) -> None:
    world.catch_up("account")
    client = world.source._service.client
    assert client.resolve("accounts?x=1").startswith(world.fixture.url)
    assert client.resolve(world.fixture.url.replace("http:", "HTTP:") + "accounts")
    for link in (
        "http://127.0.0.1:1/api/data/v9.2/accounts",
        "https://example.com/",
        "//example.com/api/data/v9.2/",
        "/other",
        "../../other",
        "%2e%2e/%2e%2e/other",
        "file:///etc/passwd",
        "http://user@127.0.0.1/api/data/v9.2/",
        "http://[",
    ):
        with pytest.raises(SourceAnswerInvalid):
            client.resolve(link)


@pytest.mark.parametrize(
    ("url", "links"),
    [
        ("https://acme.example.com/api/", ["https://acme.example.com:443/api/x", "https://ACME.example.com/api/x"]),
        ("https://acme.example.com:443/api/", ["https://acme.example.com/api/x"]),
        ("http://127.0.0.1/api/", ["http://127.0.0.1:80/api/x"]),
    ],
)
def test_a_port_that_need_not_be_told_may_be(url: str, links: list[str]) -> None:
    settings = read_settings({"url": url})
    client = Client(settings, credentials(settings, {}))
    assert [client.resolve(it) for it in links] == links
    for port in (80, 443, 8443):
        other = f"{settings.origin.removesuffix(':443')}:{port}/api/x"
        if other not in links and other not in f"{url}x":
            with pytest.raises(SourceAnswerInvalid):
                client.resolve(other)


def test_bad_rows_are_left_out_and_told_and_stop_nothing(world: OdataWorld) -> None:
    world.fixture.put("accounts", account(3, "x" * ROW_BYTES_MAX))
    feed = world.feed("account")
    world.run(feed.take(16_384))
    [left_out] = feed.standing.left_out
    assert (left_out.entity, left_out.count) == ("account", 1)
    assert "too large" in left_out.why
    world.catch_up("account")
    assert set(names(world)) == set(served(world)) - {guid(3)}
    world.fixture.put("accounts", account(3, "mended"))
    world.catch_up("account")
    assert names(world) == served(world)


def test_a_value_that_no_device_can_hold_is_left_out_of_its_row_and_told(world: OdataWorld) -> None:
    world.catch_up("account")
    world.fixture.put("accounts", account(3, "changed", modifiedon="0001-01-01T00:00:00Z"))
    world.catch_up("account")
    assert names(world) == served(world)
    [left_out] = world.standing("account").left_out
    assert (left_out.entity, left_out.count) == ("account", 1)
    assert "0001-01-01" in left_out.why
    assert "the value is left out" in left_out.why


def test_a_row_that_goes_bad_stays_as_it_was(world: OdataWorld) -> None:
    world.catch_up("account")
    world.fixture.put("accounts", account(3, "x" * ROW_BYTES_MAX))
    world.fixture.expire_changes()
    world.catch_up("account")
    assert names(world)[guid(3)] == "account 3"


def test_without_tracking_a_watermark_is_followed_and_keys_are_compared(world: OdataWorld) -> None:
    untrack(world)
    world.catch_up("account")
    assert world.standing("account").mode == "watermark"
    world.fixture.put("accounts", account(3, "changed"))
    world.fixture.put("accounts", account(8))
    head = world.head()
    world.catch_up("account")
    assert world.head() == head + 2
    assert names(world) == served(world)
    # Deletions, and changes that move no clock, are found at a slower beat.
    world.fixture.delete("accounts", guid(1))
    world.fixture.put("accounts", account(2, "sly"), modified=False)
    world.fixture.tables["accounts"].rows[guid(2)]["modifiedon"] = "2001-01-01T00:00:00Z"
    world.catch_up("account")
    assert guid(1) in names(world)
    reconcile_now(world)
    world.catch_up("account")
    assert names(world) == served(world)
    assert world.fixture.asked_for("$select=accountid&"[:-1])


def reconcile_now(world: OdataWorld) -> None:
    """Makes the time for a comparison come."""
    number = world.entity("account").number
    kept = world.staging.position(number)
    assert kept is not None
    position = read_position(kept)
    assert position is not None
    world.staging.set_position(number, position.but(read_at_us=0).to_bytes())


def test_rows_that_were_not_read_are_found_by_their_versions(fixture: OdataFixture, tmp_path: Path) -> None:
    with serving(OdataFixture("Shop", shop())) as plain:
        plain.put("Categories", {"Code": "it's", "Title": "one"})
        plain.put("Categories", {"Code": "b", "Title": "two"})
        with OdataWorld(plain, tmp_path) as world:
            world.describe()
            world.catch_up("category")
            assert world.rows("category", "title") == {"it's": ("one",), "b": ("two",)}
            plain.put("Categories", {"Code": "it's", "Title": "changed"})
            plain.delete("Categories", "b")
            age(world, "category")
            world.catch_up("category")
            assert world.rows("category", "title") == {"it's": ("changed",)}
            assert world.standing("category").mode == "row versions"
            plain.put("Notes", {"Id": "x", "Text": "one"})
            world.catch_up("note")
            assert world.standing("note").mode == "full reads"
            plain.put("Notes", {"Id": "y", "Text": "two"})
            plain.delete("Notes", "x")
            age(world, "note")
            world.catch_up("note")
            assert world.rows("note", "text") == {"y": ("two",)}


def age(world: OdataWorld, entity: str) -> None:
    """Makes what was read be of long ago."""
    number = world.entity(entity).number
    position = read_position(world.staging.position(number))
    assert position is not None
    world.staging.set_position(number, position.but(read_at_us=0, kept_at_us=0).to_bytes())


def test_plain_services_have_other_keys_and_names(tmp_path: Path) -> None:
    with serving(OdataFixture("Shop", shop())) as plain:
        plain.put("Categories", {"Code": "A", "Title": "first"})
        plain.put("Products", {"ID": 5, "Name": "Pen", "Price": 1.25, "CategoryCode": "A", "Since": "1970-01-03"})
        with OdataWorld(plain, tmp_path) as world:
            left_out = world.describe()
            assert "product.Photo" in left_out
            assert "product.Tags" in left_out
            assert "Lines" in left_out
            world.catch_up("product")
            world.catch_up("category")
            row = world.rows("product", "name", "price", "categorycode", "since")
            assert row == {"5": ("Pen", "1.25", "A", 2)}
            assert world.standing("product").mode == "watermark"
            plain.put("Products", {"ID": 5, "Name": "Pencil"})
            world.catch_up("product")
            assert world.rows("product", "name") == {"5": ("Pencil",)}


def test_columns_that_disappear_are_done_without(world: OdataWorld) -> None:
    world.catch_up("account")
    del world.fixture.tables["accounts"].served.properties["description"]
    world.source._service._read_at -= 60
    world.fixture.put("accounts", account(3, "changed"))
    world.catch_up("account")
    assert names(world) == served(world)


def test_columns_that_appear_are_read_of_all_rows(world: OdataWorld) -> None:
    properties = world.fixture.tables["accounts"].served.properties
    gone = properties.pop("description")
    world.fixture.put("accounts", account(3, description="was there all along"))
    world.source._service._read_at = 0
    world.run(world.source._service.shapes(doubted=True))
    world.catch_up("account")
    assert world.rows("account", "description")[guid(3)] == (None,)
    properties["description"] = gone
    world.source._service._read_at -= 3600
    world.catch_up("account")
    assert world.rows("account", "description")[guid(3)] == ("was there all along",)


def test_organization_filters_are_pushed_down_where_changes_are_not_tracked(world: OdataWorld) -> None:
    untrack(world)
    entity = world.entity("account")
    fetch_xml = b'<filter><condition attribute="statecode" operator="eq" value="0"/></filter>'
    compiled = _core.compile_filter(world.model.SerializeToString(), "account", fetch_xml)
    entity.organization_filter.compiled.CopyFrom(filter_pb2.FilterNode.FromString(compiled))
    world.fixture.put("accounts", account(3, statecode=1, modifiedon="2001-01-01T00:00:00Z"))
    world.catch_up("account")
    assert set(names(world)) == set(served(world)) - {guid(3)}
    # A row that leaves the filter comes, since it changed; the engine leaves it out, and so does the next comparison.
    world.fixture.put("accounts", account(4, statecode=1))
    world.catch_up("account")
    assert world.rows("account", "statecode")[guid(4)] == (1,)
    # Another filter means other rows.
    entity.organization_filter.Clear()
    world.catch_up("account")
    assert names(world) == served(world)


def test_an_older_page_does_not_undo_a_write(world: OdataWorld) -> None:
    world.catch_up("account")
    feed = world.feed("account")
    world.fixture.put("accounts", account(3, "the version of the feed"))
    body = b'{"value":[{"@odata.etag":"W/\\"99999\\"","accountid":"%s","name":"written"}]}' % guid(3).encode()
    page = _core.OdataPage.read(world.staging, world.model.SerializeToString(), "account", body)
    number = world.entity("account").number
    kept = world.staging.position(number)
    page.take(world.staging, before=kept, after=kept)
    world.run(feed.take(100))
    assert names(world)[guid(3)] == "written"


def test_two_that_read_at_once_repeat_nothing(world: OdataWorld) -> None:
    one, other = world.feed("account"), world.feed("account")

    async def both() -> None:
        for _ in range(20):
            taken = await asyncio.gather(one.take(16_384), other.take(16_384))
            if all(it.left == 0 for it in taken):
                return
        raise AssertionError("it does not come to an end")

    world.run(both())
    assert world.head() == 7
    assert names(world) == served(world)


@pytest.mark.parametrize("chance_seed", range(6))
@pytest.mark.parametrize("tracked", [True, False])
def test_whatever_happens_staging_ends_with_what_the_service_has(
    fixture: OdataFixture, tmp_path: Path, chance_seed: int, tracked: bool
) -> None:
    """Changes, faults, lost tokens and restarts in any order: at rest both sides have the same."""
    chance = random.Random(chance_seed)
    with OdataWorld(fixture, tmp_path, page_size=chance.choice([1, 2, 5])) as world:
        world.describe()
        if not tracked:
            untrack(world)
        for _ in range(60):
            step = chance.randrange(10)
            number = chance.randrange(1, 12)
            if step < 4:
                fixture.put("accounts", account(number, f"{chance.random()}"))
            elif step == 4 and guid(number) in fixture.rows("accounts"):
                fixture.delete("accounts", guid(number))
            elif step == 5:
                fixture.fail(match="accounts", **{chance.choice(["cut", "damage", "lose"]): True})
            elif step == 6:
                fixture.fail(match="accounts", status=chance.choice([500, 502, 429]), headers={"Retry-After": "0"})
            elif step == 7 and tracked:
                fixture.expire_changes()
            else:
                with suppress(SourceUnavailable):
                    world.take("account")
        fixture.faults.clear()
        world.catch_up("account")
        if not tracked:
            age(world, "account")
            world.catch_up("account")
        assert names(world) == served(world)


def test_a_service_that_is_silent_is_asked_once_a_run(
    world: OdataWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_http, "CONNECT_SECONDS_MAX", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        url = "http://{}:{}/api/".format(*full.getsockname())
        with OdataWorld(OdataFixture(), tmp_path, url=url) as silent:
            silent.model = world.model
            with pytest.raises(SourceUnavailable, match="does not answer"):
                silent.catch_up("account")
            assert silent.waits.seconds == []
