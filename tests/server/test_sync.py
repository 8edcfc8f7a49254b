"""What administrators do reaches devices: the sync endpoint beside the admin endpoint, spoken to by plain stubs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from haversack.admin.v1 import provisioning_pb2
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2, sync_pb2_grpc
from haversack_client import Device, NotProvisionedError
from server.refusals import refused
from server.running import STEP_SECONDS_MAX, Admin, RunningServer
from server.test_profiles import publish, save

CODE = grpc.StatusCode
USER, UNIT, ROLE = (str(uuid.UUID(int=number)) for number in (101, 102, 103))
READ, GLOBAL = 2, 8


@dataclass(frozen=True)
class Field:
    """An organization with one user who may read every account, and a published profile for that user."""

    server: RunningServer
    admin: Admin
    name: str
    channel: grpc.Channel

    def accounts(self, *numbers: int) -> None:
        """Ingests accounts."""
        rows = "".join(f"{uuid.UUID(int=number)},Account {number}\n" for number in numbers)
        report = self.admin.ingest(self.name, "account", f"accountid,name\n{rows}".encode())
        assert report.rejected == 0, report.errors

    def publish(self, *columns: str) -> int:
        """Publishes the profile with these columns; returns the organization's revision."""
        draft = model_pb2.Profile(name="field", users=[USER])
        draft.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL, columns=columns)
        save(self.admin, self.name, draft)
        return publish(self.admin, self.name).revision

    def sync(self, mode: sync_pb2.SyncMode, *, user: str = USER, token: str | None = None) -> Any:
        """Opens a stream as a new device."""
        stub = sync_pb2_grpc.SyncServiceStub(self.channel)
        metadata = (("authorization", f"Bearer {token or self.server.device_token(self.name, user)}"),)
        request = sync_pb2.SyncRequest(install_id=uuid.uuid4().bytes, mode=mode)
        return stub.Sync(request, metadata=metadata, timeout=STEP_SECONDS_MAX)


def until_checkpoint(stream: Iterator[sync_pb2.SyncEvent]) -> list[sync_pb2.SyncEvent]:
    """Returns the events up to the next checkpoint."""
    events = []
    for event in stream:
        events.append(event)
        if event.HasField("checkpoint"):
            return events
    raise AssertionError(f"the stream ended without a checkpoint, after {events}")


def rows(events: list[sync_pb2.SyncEvent]) -> int:
    return sum(len(event.rows.ordinal_deltas) for event in events)


@pytest.fixture
def field(server: RunningServer, admin: Admin) -> Iterator[Field]:
    name = admin.organization()
    privileges = "roleprivilegeid,roleid,entityname,accessright,depth\n" + "".join(
        f"{uuid.uuid4()},{ROLE},{entity},{READ},{GLOBAL}\n" for entity in ("account", "mobileofflineprofile")
    )
    tables = {
        "businessunit": f"businessunitid,name\n{UNIT},All\n",
        "systemuser": f"systemuserid,businessunitid,isdisabled\n{USER},{UNIT},0\n",
        "role": f"roleid,name,businessunitid\n{ROLE},Reader,{UNIT}\n",
        "systemuserroles": f"systemuserroleid,systemuserid,roleid\n{USER},{USER},{ROLE}\n",
        "roleprivileges": privileges,
    }
    for entity, content in tables.items():
        report = admin.ingest(name, entity, content.encode())
        assert report.inserted == content.count("\n") - 1, (entity, report.errors)
    admin.enable(name, "account")
    with grpc.insecure_channel(server.settings.sync_listen) as channel:
        made = Field(server, admin, name, channel)
        made.accounts(1, 2, 3)
        made.publish()
        yield made


def test_a_device_gets_what_the_profile_says(field: Field) -> None:
    events = until_checkpoint(field.sync(sync_pb2.SYNC_MODE_ONCE))
    [model] = [it.model for it in events if it.HasField("model")]
    assert [it.logical_name for it in model.entities] == ["account"]
    assert rows(events) == 3
    checkpoint = events[-1].checkpoint
    assert checkpoint.revision == 1
    assert [it.count for it in checkpoint.digests] == [3]


def test_an_ingest_and_a_publish_reach_a_live_device_at_once(field: Field) -> None:
    stream = field.sync(sync_pb2.SYNC_MODE_LIVE)
    assert rows(until_checkpoint(stream)) == 3
    field.accounts(3, 4)
    assert rows(until_checkpoint(stream)) == 1
    revision = field.publish("name")
    events = until_checkpoint(stream)
    [model] = [it.model for it in events if it.HasField("model")]
    assert {it.logical_name for it in model.entities[0].attributes} == {"accountid", "name"}
    assert events[-1].checkpoint.revision == revision == 2
    stream.cancel()


def test_an_organization_filter_counts_from_the_next_publish_on(field: Field) -> None:
    stream = field.sync(sync_pb2.SYNC_MODE_LIVE)
    until_checkpoint(stream)
    first = '<filter><condition attribute="name" operator="eq" value="Account 1"/></filter>'
    field.admin.enable(field.name, "account", organization_filter=first)
    field.publish()
    events = until_checkpoint(stream)
    assert [it.count for it in events[-1].checkpoint.digests] == [1]
    stream.cancel()


def test_a_device_needs_a_token_for_its_own_organization(field: Field) -> None:
    with refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID"):
        list(field.sync(sync_pb2.SYNC_MODE_ONCE, token=field.server.admin_token(field.name)))
    with refused(CODE.NOT_FOUND, "ORGANIZATION_UNKNOWN"):
        list(field.sync(sync_pb2.SYNC_MODE_ONCE, token=field.server.device_token("nobody", USER)))
    with refused(CODE.PERMISSION_DENIED, "USER_UNKNOWN"):
        list(field.sync(sync_pb2.SYNC_MODE_ONCE, user=str(uuid.uuid4())))


def test_devices_of_an_organization_out_of_service_wait_with_what_they_have(field: Field, tmp_path: Path) -> None:
    token = field.server.device_token(field.name, USER)
    stream = field.sync(sync_pb2.SYNC_MODE_LIVE)
    until_checkpoint(stream)
    with Device.open(tmp_path / "device.db", field.server.settings.sync_listen, token) as device:
        assert device.sync().rows == 3
        asked = provisioning_pb2.StartDeprovisioningRequest(organization=field.name)
        field.admin.call("provisioning", "StartDeprovisioning", asked)
        with refused(CODE.FAILED_PRECONDITION, "ORGANIZATION_NOT_PROVISIONED"):
            until_checkpoint(stream)
        field.admin.settled(field.name)
        with pytest.raises(NotProvisionedError):
            device.sync()
        field.accounts(4)
        [(held,)] = device.query("SELECT count(*) FROM account")
        assert held == 3, "what is on a device stays there"
        field.admin.provision(field.name)
        device.sync()
        [(held,)] = device.query("SELECT count(*) FROM account")
        assert held == 4


def test_an_organization_without_a_publish_says_so(field: Field) -> None:
    name = field.admin.organization()
    with refused(CODE.FAILED_PRECONDITION, "NOTHING_PUBLISHED"):
        list(field.sync(sync_pb2.SYNC_MODE_ONCE, token=field.server.device_token(name, USER)))
