"""An OData service without users or roles: Haversack keeps the directory itself, beside rows that are the service's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from haversack.admin.v1 import admin_pb2, provisioning_pb2, source_pb2
from haversack.model.v1 import model_pb2
from haversack_client import Backoff, Device
from haversack_server.metadata import KEEPABLE_ENTITIES
from server.odata_world import guid
from server.odatapy_service import odatapy
from server.refusals import reason_of
from server.running import Admin, RunningServer
from server.test_cli import Line
from server.test_profiles import publish, save
from server.test_uploads import eventually

USER = guid(900)
DOCUMENT = b"""<?xml version="1.0" encoding="UTF-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">
  <edmx:DataServices>
    <Schema Namespace="Plain" xmlns="http://docs.oasis-open.org/odata/ns/edm">
      <EntityType Name="Visit">
        <Key><PropertyRef Name="VisitId"/></Key>
        <Property Name="VisitId" Type="Edm.Guid" Nullable="false"/>
        <Property Name="Name" Type="Edm.String" MaxLength="100"/>
      </EntityType>
      <EntityType Name="Role">
        <Key><PropertyRef Name="Code"/></Key>
        <Property Name="Code" Type="Edm.String" Nullable="false"/>
      </EntityType>
      <EntityContainer Name="Container">
        <EntitySet Name="Visits" EntityType="Plain.Visit"/>
        <EntitySet Name="Roles" EntityType="Plain.Role"/>
      </EntityContainer>
    </Schema>
  </edmx:DataServices>
</edmx:Edmx>
"""


@dataclass(frozen=True)
class Plain:
    """An organization whose source is such a service, with a user whom an administrator has made here."""

    server: RunningServer
    admin: Admin
    line: Line
    name: str
    folder: Path
    http: httpx.Client

    def device(self, file: str = "ada.db") -> Device:
        token = self.server.device_token(self.name, USER)
        address = self.server.settings.sync_listen
        return Device.open(self.folder / file, address, token, backoff=Backoff(0.01, 0.1))

    def put(self, number: int, name: str) -> None:
        self.http.post("Visits", json={"VisitId": guid(number), "Name": name}).raise_for_status()

    def there(self) -> dict[str, Any]:
        """Names of the visits as the service has them."""
        rows = self.http.get("Visits").raise_for_status().json()["value"]
        return {it["VisitId"]: it["Name"] for it in rows}

    def status(self) -> source_pb2.SourceStatus:
        request = source_pb2.GetSourceStatusRequest(organization=self.name)
        answer: source_pb2.GetSourceStatusResponse = self.admin.call("sources", "GetSourceStatus", request)
        return answer.status

    def user(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.line.json("user", "show", USER, "--org", self.name)
        found: dict[str, Any] = shown["user"]
        return found


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with odatapy(DOCUMENT) as address:
        yield address


@pytest.fixture
def plain(server: RunningServer, admin: Admin, service: str, tmp_path: Path) -> Iterator[Plain]:
    name = admin.organization(standard=False)
    settings = json.dumps({"url": service, "interval_seconds": 1})
    request = source_pb2.SetSourceRequest(organization=name, kind="odata", settings_json=settings)
    admin.call("sources", "SetSource", request)
    with httpx.Client(base_url=service, headers={"If-Match": "*"}) as http:
        made = Plain(server, admin, Line(server.settings.data), name, tmp_path, http)
        for number in range(1, 4):
            made.put(number, f"visit {number}")
        yield made
        for row in made.there():
            http.delete(f"Visits({row})").raise_for_status()


def people(plain: Plain) -> None:
    """Makes a unit, a role and a user by commands, before anything is provisioned."""
    org = ("--org", plain.name)
    plain.line.run("unit", "add", "Acme", *org)
    plain.line.run("role", "add", "Fitter", *org)
    plain.line.run("role", "grant", "Fitter", "visit", "all", "--depth", "organization", *org)
    plain.line.run("role", "grant", "Fitter", "mobileofflineprofile", "read", "--depth", "organization", *org)
    plain.line.run("role", "grant", "Fitter", "systemuser", "read,write", "--depth", "organization", *org)
    plain.line.run("user", "add", "ada@acme.example", "Ada", "--role", "Fitter", "--id", USER, *org)


def provisioned(plain: Plain) -> None:
    """Provisions, and publishes a profile with visits and users."""
    plain.admin.provision(plain.name)
    plain.admin.enable(plain.name, "visit", "systemuser")
    draft = model_pb2.Profile(name="field", users=[USER])
    draft.items.add(entity="visit", criteria=model_pb2.RECORD_CRITERIA_ALL)
    draft.items.add(entity="systemuser", criteria=model_pb2.RECORD_CRITERIA_ALL)
    save(plain.admin, plain.name, draft)
    publish(plain.admin, plain.name)


def imported(plain: Plain) -> source_pb2.ImportSourceMetadataResponse:
    request = source_pb2.ImportSourceMetadataRequest(organization=plain.name)
    answer: source_pb2.ImportSourceMetadataResponse = plain.admin.call("sources", "ImportSourceMetadata", request)
    return answer


def visits(device: Device) -> dict[str, Any]:
    return {it["visitid"]: it["name"] for it in device.query("SELECT visitid, name FROM visit")}


def titles(device: Device) -> list[Any]:
    return [it["jobtitle"] for it in device.query("SELECT jobtitle FROM systemuser")]


def mode(plain: Plain, entity: str) -> str:
    return next(it.mode for it in plain.status().entities if it.entity == entity)


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(grpc.RpcError) as error:
        call(*arguments)
    return reason_of(error.value)


def test_people_are_made_here_and_rows_come_from_the_service_and_go_back(plain: Plain) -> None:
    early = plain.line.refusal("unit", "add", "Acme", "--org", plain.name)
    assert early["reason"] == "DIRECTORY_READ_ONLY"
    assert "source import" in early["message"]
    answer = imported(plain)
    assert list(answer.kept) == sorted(KEEPABLE_ENTITIES)
    assert [it.subject for it in answer.unmapped] == ["Roles"], "a role there is none that grants anything here"
    people(plain)
    provisioned(plain)
    with plain.device() as device:
        device.sync()
        assert visits(device) == plain.there()
        device.create("visit", {"name": "made in the field"})
        device.update("visit", guid(1), {"name": "changed in the field"})
        device.delete("visit", guid(2))
        device.update("systemuser", USER, {"jobtitle": "Chief"})
        eventually(lambda: device.sync() is not None and device.outbox() == [])
        assert sorted(plain.there().values()) == ["changed in the field", "made in the field", "visit 3"]
        assert visits(device) == plain.there()
        eventually(lambda: plain.user()["job_title"] == "Chief")
        plain.line.run("role", "grant", "Fitter", "visit", "read", "--depth", "none", "--org", plain.name)
        eventually(lambda: device.sync() is not None and visits(device) == {})


def test_what_is_kept_here_lives_as_without_a_source_and_the_rest_stays_the_source_s(plain: Plain) -> None:
    imported(plain)
    people(plain)
    provisioned(plain)
    admin, name = plain.admin, plain.name
    assert refused(admin.ingest, name, "visit", b"visitid,name\n") == "SOURCE_OWNS_ROWS"
    title = f'{{"systemuserid":"{USER}","jobtitle":"Fitter"}}\n'.encode()
    admin.ingest(
        name,
        "systemuser",
        title,
        format_=admin_pb2.INGEST_FORMAT_JSON_LINES,
        action=admin_pb2.INGEST_ACTION_PATCH,
    )
    status = plain.status()
    assert (list(status.kept), list(status.brought)) == (sorted(KEEPABLE_ENTITIES), [])
    eventually(lambda: mode(plain, "visit") == "delta links")
    assert "directory kept by Haversack: businessunit" in plain.line.run("source", "status", name).stdout
    assert "Haversack: the source brings none" in plain.line.run("source", "check", name).stdout
    plain.line.run("source", "pause", name)
    plain.line.run("user", "set", USER, "--title", "Chief", "--org", name)
    with plain.device() as device:
        device.sync()
        assert titles(device) == ["Chief"]
        plain.line.run("source", "resume", name)
        plain.line.run("source", "resync", name, "systemuser")
        eventually(lambda: mode(plain, "systemuser") == "record database")
        device.update("systemuser", USER, {"jobtitle": "Retired"})
        device.sync()
    request = provisioning_pb2.StartDeprovisioningRequest(organization=name)
    admin.call("provisioning", "StartDeprovisioning", request)
    assert admin.settled(name).state == provisioning_pb2.PROVISIONING_STATE_NOT_PROVISIONED
    assert plain.user()["job_title"] == "Retired"
    admin.provision(name)
    with plain.device("new.db") as device:
        device.sync()
        assert titles(device) == ["Retired"]
        assert visits(device) == plain.there()
