"""Devices' changes, made at an OData service: conditionally, once, in the service's own words when they are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haversack_server.errors import Refusal, SourceNotReady, SourceRefused, SourceThrottled, SourceUnavailable
from server.odata_fixture import ANNOTATION, OdataFixture, serving
from server.odata_model import shop
from server.odata_world import OdataWorld, account, guid

ONE = guid(1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[OdataWorld]:
    with serving(OdataFixture()) as fixture:
        fixture.put("accounts", account(1, "one", description="old"))
        with OdataWorld(fixture, tmp_path) as world:
            world.describe()
            yield world


def row(world: OdataWorld, number: int = 1) -> dict[str, Any]:
    return world.fixture.rows("accounts")[guid(number)]


def etag(world: OdataWorld) -> str:
    return f'W/"{row(world)["@version"]}"'


def refusal(world: OdataWorld, *args: Any, **kwargs: Any) -> tuple[Refusal, str]:
    with pytest.raises(SourceRefused) as raised:
        world.write(*args, **kwargs)
    return raised.value.outcome, str(raised.value)


def test_update_changes_what_it_names_and_returns_the_row(world: OdataWorld) -> None:
    values = {"name": "new", "revenue": "12.50", "ownerid": guid(901), "ownerid_type": "systemuser"}
    written = world.write("update", "account", ONE, values=values, etag=etag(world))
    assert (row(world)["name"], row(world)["revenue"], row(world)["description"]) == ("new", 12.5, "old")
    assert row(world)["_ownerid_value"] == guid(901)
    assert written.etag == etag(world)
    assert written.row is not None
    told = json.loads(written.row)
    assert (told["name"], told["ownerid"], told["ownerid_type"]) == ("new", guid(901), "systemuser")


def test_the_row_that_is_returned_can_be_ingested(world: OdataWorld) -> None:
    written = world.write("update", "account", ONE, values={"name": "new"}, etag=etag(world))
    assert written.row is not None
    ingest = world.staging.ingest(
        world.model.SerializeToString(), "account", format="json-lines", action="upsert", atomic=True, file_name="row"
    )
    ingest.feed(written.row)
    report = json.loads(ingest.finish())
    assert (report["inserted"], report["errors"]) == (1, [])


def test_decimals_keep_every_digit(world: OdataWorld) -> None:
    world.write("update", "account", ONE, values={"revenue": "12345678901234567.89"}, etag=etag(world))
    assert b'"revenue":12345678901234567.89' in world.fixture.asked_for("accounts(", "PATCH")[-1].body


def test_creation_by_the_devices_id_is_idempotent(world: OdataWorld) -> None:
    values = {"name": "two", "primarycontactid": guid(50)}
    world.write("create", "account", guid(2), values=values)
    assert row(world, 2)["_primarycontactid_value"] == guid(50)
    written = world.write("create", "account", guid(2), values=values)
    assert written.etag is not None
    assert refusal(world, "create", "account", guid(2), values={"name": "another"})[0] is Refusal.CONFLICT
    assert row(world, 2)["name"] == "two"


def test_deletion(world: OdataWorld) -> None:
    assert world.write("delete", "account", ONE, etag=etag(world)).row is None
    assert world.fixture.rows("accounts") == {}
    assert world.write("delete", "account", ONE, etag='W/"1"').row is None


def test_conflict_comes_back_in_the_services_words(world: OdataWorld) -> None:
    seen = etag(world)
    world.fixture.put("accounts", {"accountid": ONE, "name": "theirs"})
    outcome, words = refusal(
        world, "update", "account", ONE, values={"name": "ours"}, old_values={"name": "one"}, etag=seen
    )
    assert outcome is Refusal.CONFLICT
    assert "RowVersion" in words
    assert refusal(world, "delete", "account", ONE, etag=seen)[0] is Refusal.CONFLICT
    assert row(world)["name"] == "theirs"


def test_another_column_is_no_conflict(world: OdataWorld) -> None:
    seen = etag(world)
    world.fixture.put("accounts", {"accountid": ONE, "description": "theirs"})
    world.write("update", "account", ONE, values={"name": "ours"}, old_values={"name": "one"}, etag=seen)
    assert (row(world)["name"], row(world)["description"]) == ("ours", "theirs")


def test_where_the_client_wins_no_version_is_presupposed(world: OdataWorld) -> None:
    world.fixture.put("accounts", {"accountid": ONE, "name": "theirs"})
    world.write("update", "account", ONE, values={"name": "ours"}, etag='W/"1"', detect_conflicts=False)
    assert row(world)["name"] == "ours"
    assert world.fixture.asked_for("accounts(", "PATCH")[-1].headers["If-Match"] == "*"


def test_an_unknown_version_is_judged_by_the_values(world: OdataWorld) -> None:
    old = {"name": "one"}
    assert world.write("update", "account", ONE, values={"name": "ours"}, old_values=old).etag == etag(world)
    assert refusal(world, "update", "account", ONE, values={"name": "x"}, old_values=old)[0] is Refusal.CONFLICT


def test_a_row_that_is_gone(world: OdataWorld) -> None:
    outcome, words = refusal(world, "update", "account", guid(9), values={"name": "x"}, etag='W/"1"')
    assert outcome is Refusal.NOT_FOUND
    assert "Does Not Exist" in words


@pytest.mark.parametrize(
    ("status", "outcome"), [(403, Refusal.FORBIDDEN), (400, Refusal.INVALID), (405, Refusal.INVALID)]
)
def test_refusals_have_the_services_words(world: OdataWorld, status: int, outcome: Refusal) -> None:
    world.fixture.fail(method="PATCH", status=status, message="Principal user is missing prvWriteAccount privilege")
    told = refusal(world, "update", "account", ONE, values={"name": "x"}, etag=etag(world))
    assert told == (outcome, "Principal user is missing prvWriteAccount privilege")
    assert row(world)["name"] == "one"


@pytest.mark.parametrize("kind", ["create", "update", "delete"])
def test_an_entity_set_that_is_gone_keeps_the_write_waiting(world: OdataWorld, kind: str) -> None:
    row = guid(9 if kind == "create" else 1)
    values = {} if kind == "delete" else {"name": "later"}
    table = world.fixture.tables.pop("accounts")
    with pytest.raises(SourceNotReady, match="the write waits"):
        world.write(kind, "account", row, values=values, detect_conflicts=False)
    world.fixture.tables["accounts"] = table
    world.write(kind, "account", row, values=values, detect_conflicts=False)
    assert (row in world.fixture.rows("accounts")) == (kind != "delete")


@pytest.mark.parametrize("status", [302, 402, 451])
def test_what_is_between_us_and_the_service_does_not_refuse_writes(world: OdataWorld, status: int) -> None:
    world.fixture.fail(match="accounts", status=status)
    with pytest.raises(SourceNotReady, match=str(status)):
        world.write("update", "account", guid(1), values={"name": "later"}, detect_conflicts=False)


def test_rules_of_the_service(world: OdataWorld) -> None:
    outcome, words = refusal(world, "update", "account", ONE, values={"name": "x" * 161}, etag=etag(world))
    assert outcome is Refusal.INVALID
    assert "exceeded" in words


@pytest.mark.parametrize("kind", ["create", "update", "delete"])
def test_an_answer_that_is_lost_is_looked_up(world: OdataWorld, kind: str) -> None:
    world.fixture.fail(method="DELETE" if kind == "delete" else "PATCH", lose=True)
    key = guid(2) if kind == "create" else ONE
    written = world.write(kind, "account", key, values={"name": "once"} if kind != "delete" else {}, etag=etag(world))
    assert len([it for it in world.fixture.asked if it.method in ("PATCH", "DELETE")]) == 1
    if kind == "delete":
        assert ONE not in world.fixture.rows("accounts")
    else:
        assert world.fixture.rows("accounts")[key]["name"] == "once"
        assert written.row is not None


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_write_that_was_not_made_is_tried_again_later(world: OdataWorld, status: int) -> None:
    world.fixture.fail(method="PATCH", status=status)
    seen = etag(world)
    with pytest.raises(SourceUnavailable):
        world.write("update", "account", ONE, values={"name": "x"}, etag=seen)
    assert etag(world) == seen
    world.write("update", "account", ONE, values={"name": "x"}, etag=seen)
    assert row(world)["name"] == "x"


def test_a_write_that_was_made_and_is_tried_again_is_made_once(world: OdataWorld) -> None:
    """The answer is lost, and so is the look at what became of it: the next attempt finds it done."""
    seen = etag(world)
    world.fixture.fail(method="PATCH", lose=True)
    world.fixture.fail(match="accounts(", method="GET", status=502, times=4)
    with pytest.raises(SourceUnavailable):
        world.write("update", "account", ONE, values={"name": "x"}, etag=seen)
    made = etag(world)
    written = world.write("update", "account", ONE, values={"name": "x"}, etag=seen)
    assert written.etag == made == etag(world)


def test_throttling_says_when(world: OdataWorld) -> None:
    world.fixture.fail(method="PATCH", status=429, headers={"Retry-After": "35"})
    with pytest.raises(SourceThrottled) as raised:
        world.write("update", "account", ONE, values={"name": "x"}, etag=etag(world))
    assert raised.value.retry_seconds == 35


@pytest.mark.parametrize("header", ["MSCRMCallerID", "CallerObjectId"])
def test_writes_are_made_for_their_users(tmp_path: Path, header: str) -> None:
    with serving(OdataFixture()) as fixture:
        fixture.put("accounts", account(1))
        fixture.put("systemusers", {"systemuserid": guid(900), "azureactivedirectoryobjectid": guid(77)})
        with OdataWorld(fixture, tmp_path, impersonate=True, caller_header=header) as world:
            world.write("update", "account", ONE, values={"name": "x"}, detect_conflicts=False, user=guid(900))
            asked = fixture.asked_for("accounts(", "PATCH")[-1]
            assert asked.headers[header] == (guid(900) if header == "MSCRMCallerID" else guid(77))


def test_lookups_are_bound_and_unbound(world: OdataWorld) -> None:
    world.fixture.put("contacts", {"contactid": guid(50), "fullname": "x"})
    values = {"parentcustomerid": ONE, "parentcustomerid_type": "account"}
    world.write("update", "contact", guid(50), values=values, detect_conflicts=False)
    contact = world.fixture.rows("contacts")[guid(50)]
    assert (contact["_parentcustomerid_value"], contact[f"_parentcustomerid_value@{ANNOTATION}"]) == (ONE, "account")
    values = {"parentcustomerid": None, "parentcustomerid_type": None}  # type: ignore[dict-item]
    world.write("update", "contact", guid(50), values=values, detect_conflicts=False)
    assert world.fixture.rows("contacts")[guid(50)]["_parentcustomerid_value"] is None


def test_plain_services(tmp_path: Path) -> None:
    with serving(OdataFixture("Shop", shop())) as fixture, OdataWorld(fixture, tmp_path) as world:
        world.describe()
        made = world.write("create", "product", "7", values={"name": "Pen", "price": "1.5", "categorycode": "it's"})
        assert fixture.rows("Products")["7"]["CategoryCode"] == "it's"
        assert made.row is not None
        assert json.loads(made.row) == {"id": "7", "name": "Pen", "price": 1.5, "categorycode": "it's"} | {
            "modifiedat": fixture.rows("Products")["7"]["ModifiedAt"]
        }
        world.write("update", "product", "7", values={"price": "2"}, etag=made.etag)
        assert fixture.rows("Products")["7"]["Price"] == 2
        world.write("create", "category", "it's", values={"title": "x"})
        world.write("delete", "category", "it's", detect_conflicts=False)
        assert fixture.rows("Categories") == {}
