"""From an OData service to a device and back: a whole server, its source set by a call, a device that also writes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from haversack.admin.v1 import admin_pb2, source_pb2
from haversack.model.v1 import model_pb2
from haversack_client import Backoff, Device
from server.odata_fixture import SECRET, OdataFixture, serving
from server.odata_world import account, guid
from server.running import Admin, RunningServer
from server.test_cli import Line
from server.test_profiles import publish, save
from server.test_uploads import eventually, names

USER, ROLE, UNIT = guid(900), guid(100), guid(50)
RIGHTS = ("ReadAccount", "CreateAccount", "WriteAccount", "DeleteAccount", "ReadMobileOfflineProfile")


@pytest.fixture
def fixture() -> Iterator[OdataFixture]:
    with serving(OdataFixture()) as started:
        started.signs_in = True
        started.put("businessunits", {"businessunitid": UNIT, "name": "All"})
        user = {"systemuserid": USER, "domainname": "ada", "isdisabled": False, "_businessunitid_value": UNIT}
        started.put("systemusers", user)
        started.put("roles", {"roleid": ROLE, "name": "Salesperson", "_businessunitid_value": UNIT})
        started.put("systemuserrolescollection", {"systemuserroleid": guid(1), "systemuserid": USER, "roleid": ROLE})
        for number, name in enumerate(RIGHTS, 200):
            started.put("privileges", {"privilegeid": guid(number), "name": f"prv{name}"})
            granted = {"roleid": ROLE, "privilegeid": guid(number), "privilegedepthmask": 8}
            started.put("roleprivilegescollection", {"roleprivilegeid": guid(number + 100), **granted})
        for number in range(1, 6):
            started.put("accounts", account(number))
        yield started


@dataclass(frozen=True)
class Connected:
    """An organization whose source is the service."""

    server: RunningServer
    admin: Admin
    name: str
    folder: Path

    def device(self) -> Device:
        token = self.server.device_token(self.name, USER)
        address = self.server.settings.sync_listen
        return Device.open(self.folder / "ada.db", address, token, backoff=Backoff(0.01, 0.1))


@pytest.fixture
def connected(server: RunningServer, admin: Admin, fixture: OdataFixture, tmp_path: Path) -> Connected:
    name = f"org-{uuid.uuid4().hex[:12]}"
    admin.call("organizations", "CreateOrganization", admin_pb2.CreateOrganizationRequest(name=name))
    settings = {"url": fixture.url, "auth": "client-credentials", "client_id": "tests", "interval_seconds": 1}
    settings["token_url"] = fixture.url.partition("/api/")[0] + "/token"
    request = source_pb2.SetSourceRequest(
        organization=name, kind="odata", settings_json=json.dumps(settings), secrets={"client_secret": SECRET}
    )
    admin.call("sources", "SetSource", request)
    admin.call("sources", "ImportSourceMetadata", source_pb2.ImportSourceMetadataRequest(organization=name))
    admin.provision(name)
    admin.enable(name, "account")
    draft = model_pb2.Profile(name="field", users=[USER])
    draft.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL)
    save(admin, name, draft)
    publish(admin, name)
    return Connected(server, admin, name, tmp_path)


def test_rows_come_changes_follow_and_writes_arrive(connected: Connected, fixture: OdataFixture) -> None:
    with connected.device() as device:
        device.sync()
        assert names(device) == {guid(it): f"account {it}" for it in range(1, 6)}
        fixture.put("accounts", account(2, "changed at the source"))
        fixture.delete("accounts", guid(3))
        eventually(lambda: device.sync() is not None and names(device).get(guid(2)) == "changed at the source")
        eventually(lambda: device.sync() is not None and guid(3) not in names(device))
        made = device.create("account", {"name": "made in the field"})
        device.update("account", guid(1), {"name": "changed in the field"})
        device.delete("account", guid(5))
        device.sync()
        eventually(lambda: made in fixture.rows("accounts"))
        eventually(lambda: fixture.rows("accounts")[guid(1)]["name"] == "changed in the field")
        eventually(lambda: guid(5) not in fixture.rows("accounts"))
        eventually(lambda: device.sync() is not None and device.outbox() == [])
        assert names(device) == {key: row["name"] for key, row in fixture.rows("accounts").items()}


def test_what_the_source_refuses_comes_back_in_its_own_words(connected: Connected, fixture: OdataFixture) -> None:
    with connected.device() as device:
        device.sync()
        fixture.fail(method="PATCH", status=403, message="Principal user is missing prvWriteAccount privilege")
        device.update("account", guid(1), {"name": "x"})
        eventually(lambda: device.sync() is not None and bool(device.refused()))
        [refusal] = device.refused()
        assert "missing prvWriteAccount" in refusal.message
        assert names(device)[guid(1)] == "account 1"


def test_rows_that_cannot_be_taken_are_shown_with_why(connected: Connected, fixture: OdataFixture) -> None:
    fixture.put("accounts", account(9, modifiedon="1066-10-14T00:00:00Z"))
    request = source_pb2.GetSourceStatusRequest(organization=connected.name)

    def left_out() -> list[source_pb2.LeftOut]:
        answer = connected.admin.call("sources", "GetSourceStatus", request)
        return next(list(it.left_out) for it in answer.status.entities if it.entity == "account")

    eventually(lambda: bool(left_out()))
    assert "1066-10-14" in left_out()[0].why
    shown = Line(connected.server.settings.data).run("source", "status", connected.name).stdout
    assert "left out" in shown
    assert "1066-10-14" in shown
