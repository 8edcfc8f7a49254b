"""Users, units, teams, roles, shares and settings of Dataverse, as Haversack keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haversack_server.connectors.odata._derived import privilege_of
from haversack_server.replication import Verdict
from server.odata_fixture import OdataFixture, serving
from server.odata_model import shop
from server.odata_world import OdataWorld, account, guid

ROLE, USER = guid(100), guid(900)
READ, WRITE, TASKS = guid(201), guid(202), guid(203)


@pytest.fixture
def fixture() -> Iterator[OdataFixture]:
    with serving(OdataFixture()) as started:
        started.put("roles", {"roleid": ROLE, "name": "Salesperson"})
        started.put("systemusers", {"systemuserid": USER, "fullname": "Ada", "isdisabled": False})
        for number, (privilege, name, depth) in enumerate(
            [(READ, "prvReadAccount", 8), (WRITE, "prvWriteAccount", 1), (TASKS, "prvReadActivity", 4)]
        ):
            started.put("privileges", {"privilegeid": privilege, "name": name, "accessright": 1})
            granted = {"roleid": ROLE, "privilegeid": privilege, "privilegedepthmask": depth}
            started.put("roleprivilegescollection", {"roleprivilegeid": guid(300 + number), **granted})
        yield started


@pytest.fixture
def world(fixture: OdataFixture, tmp_path: Path) -> Iterator[OdataWorld]:
    with OdataWorld(fixture, tmp_path) as world:
        world.describe()
        yield world


def granted(world: OdataWorld) -> set[tuple[Any, ...]]:
    return set(world.rows("roleprivileges", "roleid", "entityname", "accessright", "depth").values())


def wait(world: OdataWorld) -> None:
    """Makes the time for the next look come."""
    world.source._made_at.clear()


def test_what_roles_grant_is_said_by_entity_and_right(world: OdataWorld) -> None:
    world.catch_up("roleprivileges")
    assert granted(world) == {(ROLE, "account", 2, 8), (ROLE, "account", 3, 1)}
    head = world.head()
    wait(world)
    assert world.catch_up("roleprivileges").read == 0
    assert world.head() == head
    world.fixture.put("roleprivilegescollection", {"roleprivilegeid": guid(301), "privilegedepthmask": 2})
    world.fixture.delete("roleprivilegescollection", guid(300))
    wait(world)
    counts = world.catch_up("roleprivileges")
    assert (counts.updated, counts.deleted) == (1, 1)
    assert granted(world) == {(ROLE, "account", 3, 2)}


def test_definitions_say_what_privileges_are_about(fixture: OdataFixture, tmp_path: Path) -> None:
    def definition(name: str, *privileges: tuple[str, str]) -> dict[str, Any]:
        told = [{"PrivilegeId": it.upper(), "PrivilegeType": type_, "Name": "prvX"} for it, type_ in privileges]
        return {"LogicalName": name, "ChangeTrackingEnabled": True, "Privileges": told, "Attributes": []}

    fixture.definitions = {
        "account": definition("account", (READ, "Read")),
        "contact": definition("contact", (TASKS, "Read"), (WRITE, "AppendTo")),
    }
    with OdataWorld(fixture, tmp_path) as world:
        world.describe()
        world.catch_up("roleprivileges")
        assert granted(world) == {(ROLE, "account", 2, 8), (ROLE, "contact", 2, 4), (ROLE, "contact", 8, 1)}


def test_where_the_table_cannot_be_read_each_role_is_asked(world: OdataWorld) -> None:
    world.fixture.fail(match="roleprivilegescollection", status=403, times=100)
    world.fixture.role_privileges[ROLE] = [
        {"Depth": "Global", "PrivilegeId": READ, "BusinessUnitId": guid(5)},
        {"Depth": "Deep", "PrivilegeId": WRITE, "BusinessUnitId": guid(5)},
        {"Depth": "Unknown", "PrivilegeId": TASKS, "BusinessUnitId": guid(5)},
    ]
    world.catch_up("roleprivileges")
    assert granted(world) == {(ROLE, "account", 2, 8), (ROLE, "account", 3, 4)}


def test_names_of_privileges(world: OdataWorld) -> None:
    entities = list(world.model.entities)
    assert privilege_of("prvAppendToAccount", entities) == [("account", 8)]
    assert privilege_of("prvAppendAccount", entities) == [("account", 7)]
    assert privilege_of("prvReadUser", entities) == []
    assert privilege_of("prvActOnBehalfOfAnotherUser", entities) == []
    assert privilege_of("nonsense", entities) == []


def test_time_zones_become_iana_names(world: OdataWorld) -> None:
    zones = [(4, "Pacific Standard Time"), (110, "W. Europe Standard Time"), (999, "Nowhere Standard Time")]
    for code, name in zones:
        row = {"timezonedefinitionid": guid(400 + code), "timezonecode": code, "standardname": name}
        world.fixture.put("timezonedefinitions", row)
    world.fixture.put("usersettingscollection", {"systemuserid": USER, "timezonecode": 110, "uilanguageid": 1031})
    world.fixture.put("usersettingscollection", {"systemuserid": guid(901), "timezonecode": 999})
    world.catch_up("usersettings")
    assert world.rows("usersettings", "timezonename", "uilanguageid") == {
        USER: ("Europe/Berlin", 1031),
        guid(901): (None, None),
    }


def test_the_rest_comes_as_it_is(world: OdataWorld) -> None:
    world.fixture.put("systemuserrolescollection", {"systemuserroleid": guid(1), "systemuserid": USER, "roleid": ROLE})
    world.fixture.put("teammemberships", {"teammembershipid": guid(2), "systemuserid": USER, "teamid": guid(3)})
    share = {"principalid": USER, "principaltypecode": "systemuser", "objectid": guid(7), "objecttypecode": "account"}
    world.fixture.put("principalobjectaccessset", {"principalobjectaccessid": guid(4), **share, "accessrightsmask": 1})
    for entity in ("systemuser", "role", "systemuserroles", "teammembership", "principalobjectaccess"):
        world.catch_up(entity)
    assert world.rows("systemuser", "fullname", "isdisabled") == {USER: ("Ada", False)}
    assert world.rows("systemuserroles", "systemuserid", "roleid") == {guid(1): (USER, ROLE)}
    assert world.rows("teammembership", "systemuserid", "teamid") == {guid(2): (USER, guid(3))}
    shares = world.rows("principalobjectaccess", "principalid", "objectid", "objecttypecode", "accessrightsmask")
    assert shares == {guid(4): (USER, guid(7), "account", 1)}


def findings(world: OdataWorld) -> dict[tuple[str, str], str]:
    checked = world.run(world.source.check())
    return {(it.subject, it.verdict.name): f"{it.what} {it.remedy}" for it in checked.findings}


def test_check_says_what_will_work(world: OdataWorld) -> None:
    world.fixture.put("accounts", account(1))
    world.fixture.tables["contacts"].served.tracked = False
    before = {name: table.log[:] for name, table in world.fixture.tables.items()}
    found = findings(world)
    assert "Dataverse" in found["service", "OK"]
    assert "EntityDefinitions" in found["metadata", "WARNING"]
    assert "If-Match is honoured" in found["account", "OK"]
    assert "watermark" in found["contact", "WARNING"]
    assert {name: table.log for name, table in world.fixture.tables.items()} == before


def test_a_check_leaves_nothing_where_versions_are_not_heeded(world: OdataWorld) -> None:
    world.fixture.put("accounts", account(1))
    world.fixture.heeds_versions = False
    assert "If-Match is not honoured" in findings(world)["account", "WARNING"]
    assert list(world.fixture.tables["accounts"].rows) == [guid(1)]


def test_check_says_what_will_not(fixture: OdataFixture, tmp_path: Path) -> None:
    fixture.put("accounts", account(1))
    fixture.fail(match="contacts", status=403, times=100, message="missing prvReadContact")
    fixture.fail(match="WhoAmI", status=403, times=100, message="missing prvActOnBehalfOfAnotherUser")
    with OdataWorld(fixture, tmp_path, impersonate=True) as world:
        found = findings(world)
        assert "missing prvReadContact" in found["contact", "FAILURE"]
        assert "prvActOnBehalfOfAnotherUser" in found["impersonation", "FAILURE"]
    fixture.fail(match="$metadata", status=404, times=100)
    with OdataWorld(fixture, tmp_path) as world:
        assert list(findings(world)) == [("service", "FAILURE")]
    fixture.faults.clear()
    fixture.signs_in = True
    with OdataWorld(fixture, tmp_path, auth="none") as world:
        world.source._service.client._credentials = type("No", (), {"token": _no_token})()
        assert "sign-in" in findings(world)["service", "FAILURE"]


async def _no_token(*_: object, refused: str = "") -> str:
    return "expired"


def test_check_of_a_plain_service(tmp_path: Path) -> None:
    with serving(OdataFixture("Shop", shop())) as fixture, OdataWorld(fixture, tmp_path) as world:
        fixture.put("Notes", {"Id": "x", "Text": "one"})
        found = findings(world)
        assert "OData v4" in found["service", "OK"]
        assert "no versions" in found["note", "WARNING"]
        assert found["Lines", "WARNING"]
        assert all(Verdict[verdict] is not Verdict.FAILURE for _, verdict in found)
