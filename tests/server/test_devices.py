"""Devices as administrators see them, and every order that they can give: real devices and servers over sockets."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from haversack.admin.v1 import admin_pb2, devices_pb2, provisioning_pb2, security_pb2, sync_errors_pb2
from haversack.error.v1 import error_pb2
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import report_pb2, report_pb2_grpc
from haversack_client import Backoff, Device, DeviceBlockedError, DeviceWipedError, PermissionDeniedError
from server.crew import ACCOUNTS, ADA, BOB, GLOBAL, ROLE, Crew, csv, item
from server.crew import uuid as numbered
from server.refusals import refused
from server.running import STEP_SECONDS_MAX, Admin, RunningServer
from server.test_cli import Line

CREATE, WRITE = 1, 3
ADMITTED, BLOCKED, WIPE_PENDING, WIPED = (
    devices_pb2.DEVICE_STANDING_ADMITTED,
    devices_pb2.DEVICE_STANDING_BLOCKED,
    devices_pb2.DEVICE_STANDING_WIPE_PENDING,
    devices_pb2.DEVICE_STANDING_WIPED,
)
LIVE_SECONDS_MAX = 5.0
"""A stream hears of an order within a second; the rest is for a machine that is busy."""


@dataclass(frozen=True)
class Fleet:
    """An organization whose Ada and Bob carry all accounts and may write them."""

    crew: Crew
    folder: Path

    @classmethod
    def made(cls, server: RunningServer, admin: Admin, folder: Path) -> Fleet:
        crew = Crew.made(server, admin)
        rights = [(numbered(9, right), ROLE, "account", right, GLOBAL) for right in (CREATE, WRITE)]
        crew.ingest("roleprivileges", csv("roleprivilegeid,roleid,entityname,accessright,depth", *rights))
        crew.publish("field", item("account"), users=[ADA, BOB])
        return cls(crew, folder)

    @property
    def name(self) -> str:
        return self.crew.name

    def open(self, user: str, file: str, server: RunningServer | None = None, **more: Any) -> Device:
        """Opens a user's device."""
        server = server or self.crew.server
        token = server.device_token(self.name, user)
        return Device.open(self.folder / file, server.settings.sync_listen, token, backoff=Backoff(0.01, 0.1), **more)

    def call(self, method: str, **fields: Any) -> Any:
        """Calls a method of DeviceService."""
        request = getattr(devices_pb2, f"{method}Request")(organization=self.name, **fields)
        return self.crew.admin.call("devices", method, request)

    def known(self, device: Device, user: str = "") -> devices_pb2.Device:
        """What is known of a device, once it is known."""
        install = str(uuid.UUID(bytes=device.status().install_id))
        found: list[devices_pb2.Device] = []

        def is_known() -> bool:
            found[:] = [it for it in self.call("ListDevices").devices if it.install == install]
            return bool(found) and (not user or any(it.user == user for it in found))

        eventually(is_known)
        return next(it for it in found if user in {"", it.user})

    def order(self, method: str, device: Device, **more: Any) -> devices_pb2.Device:
        """Gives a device an order."""
        [ordered] = self.call(method, install=self.known(device).install, **more).devices
        assert isinstance(ordered, devices_pb2.Device)
        return ordered

    def set_wipe_policy(self, policy: model_pb2.WipePolicy) -> None:
        settings = model_pb2.Settings(wipe_policy=policy)
        request = admin_pb2.SetSettingsRequest(organization=self.name, settings=settings)
        self.crew.admin.call("organizations", "SetSettings", request)

    def sync_errors(self) -> list[sync_errors_pb2.SyncError]:
        request = sync_errors_pb2.ListSyncErrorsRequest(organization=self.name)
        return list(self.crew.admin.call("sync_errors", "ListSyncErrors", request).errors)


def eventually(wanted: Callable[[], bool], seconds: float = STEP_SECONDS_MAX) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def names(device: Device) -> list[str]:
    return [row["name"] for row in device.query("SELECT name FROM account ORDER BY name")]


@contextmanager
def impossible() -> Iterator[None]:
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "DEVICE_ORDER_IMPOSSIBLE"):
        yield


@pytest.fixture
def fleet(server: RunningServer, admin: Admin, tmp_path: Path) -> Fleet:
    return Fleet.made(server, admin, tmp_path)


def test_administrators_see_how_devices_are(fleet: Fleet) -> None:
    with fleet.open(ADA, "ada.db", app_version="3.1") as ada, fleet.open(BOB, "bob.db") as bob:
        ada.sync()
        ada.sync()
        known = fleet.known(ada)
        eventually(lambda: fleet.known(ada).report.stage == 7)
        known = fleet.known(ada)
        assert (known.user, known.user_name, known.standing, known.full_syncs) == (ADA, ADA, ADMITTED, 1)
        assert known.client.startswith("haversack-client-python/")
        assert (known.report.rows, known.report.app_version, known.report.pending) == (len(ACCOUNTS), "3.1", 0)
        assert known.report.bytes > 0
        assert known.checkpoint_lsn > 0
        assert 0 < known.first_seen_us <= known.checkpoint_at_us <= known.last_seen_us
        bob.sync()
        first = fleet.known(bob)
        for fields in ({"user": ADA}, {"stage": 7}, {"not_seen_since_us": first.last_seen_us}):
            assert [it.user for it in fleet.call("ListDevices", **fields).devices] == [ADA], fields
        for fields in ({"with_error": True}, {"app": "visits"}, {"standing": BLOCKED}, {"user": str(uuid.uuid4())}):
            assert not fleet.call("ListDevices", **fields).devices, fields
        page = fleet.call("ListDevices", count=1)
        assert [it.user for it in page.devices] == [BOB], "who called last comes first"
        page = fleet.call("ListDevices", count=1, page_token=page.next_page_token)
        assert [it.user for it in page.devices] == [ADA]
        assert not fleet.call("ListDevices", count=1, page_token=page.next_page_token).devices
        for fields in ({"count": 1_001}, {"page_token": "there"}, {"user": "ada"}, {"standing": 9}):
            with refused(grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID"):
                fleet.call("ListDevices", **fields)
        with refused(grpc.StatusCode.NOT_FOUND, "DEVICE_UNKNOWN"):
            fleet.call("GetDevice", install=str(uuid.uuid4()))


def test_a_live_device_tells_what_has_changed(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haversack_client._report.INTERVAL_SECONDS", 0.1)
    with fleet.open(ADA, "ada.db") as ada, ada.live():
        eventually(lambda: fleet.known(ada).report.stage == 7)
        ada.create("account", {"name": "New"})
        eventually(lambda: fleet.known(ada).report.rows == len(ACCOUNTS) + 1)


def test_an_unbounded_report_is_refused(fleet: Fleet) -> None:
    settings = fleet.crew.server.settings
    metadata = (("authorization", f"Bearer {fleet.crew.server.device_token(fleet.name, ADA)}"),)
    with grpc.insecure_channel(settings.sync_listen) as channel:
        stub = report_pb2_grpc.ReportServiceStub(channel)
        for report in (report_pb2.DeviceReport(error_message="x" * 501), report_pb2.DeviceReport(stage=8)):
            request = report_pb2.ReportRequest(install_id=bytes(16), report=report)
            with refused(grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID"):
                stub.Report(request, metadata=metadata, timeout=STEP_SECONDS_MAX)


def test_a_blocked_device_keeps_what_it_has_and_nothing_moves(fleet: Fleet) -> None:
    with fleet.open(ADA, "ada.db") as ada:
        with ada.live() as live:
            assert fleet.order("BlockDevice", ada, reason="left on a train").standing == BLOCKED
            with pytest.raises(DeviceBlockedError, match="left on a train"):
                list(live)
        ada.update("account", ACCOUNTS[0], {"name": "Mine"})
        for attempt in (ada.sync, ada.upload):
            with pytest.raises(DeviceBlockedError):
                attempt()
        assert names(ada)[-1] == "Mine"
        fleet.order("BlockDevice", ada, reason="other words")
        with impossible():
            fleet.order("CancelWipe", ada)
        with impossible():
            fleet.order("ForgetDevice", ada)
        assert fleet.order("UnblockDevice", ada).standing == ADMITTED
        with impossible():
            fleet.order("UnblockDevice", ada)
        assert ada.sync().applied == 1


@pytest.mark.parametrize("key", [None, "correct horse battery staple"], ids=["plain", "encrypted"])
@pytest.mark.parametrize("policy", ["OFFER_OUTBOX", "DISCARD_OUTBOX"])
def test_a_wiped_device_is_empty_and_stays_refused(fleet: Fleet, policy: str, key: str | None) -> None:
    fleet.set_wipe_policy(model_pb2.WipePolicy.Value(f"WIPE_POLICY_{policy}"))
    offers = policy == "OFFER_OUTBOX"
    with fleet.open(ADA, "ada.db", key=key) as ada:
        ada.sync()
        made = ada.create("account", {"name": "Only here"})
        ordered = fleet.order("WipeDevice", ada, reason="stolen")
        assert (ordered.standing, ordered.offers_outbox, ordered.reason) == (WIPE_PENDING, offers, "stolen")
        with pytest.raises(DeviceWipedError, match="stolen"):
            ada.sync()
        assert (ada.outbox(), ada.status().entities, ada.wiped is not None) == ([], (), True)
        known = fleet.known(ada)
        assert (known.standing, known.wiped_at_us > 0) == (WIPED, True)
        for order in ("CancelWipe", "WipeDevice", "BlockDevice", "ForceFullCheck", "UnblockDevice"):
            with impossible():
                fleet.order(order, ada)
    errors = fleet.sync_errors()
    assert [(it.row, it.reason) for it in errors] == [(made, error_pb2.ERROR_REASON_DEVICE_WIPED)] * offers
    if offers:
        request = sync_errors_pb2.RetrySyncErrorRequest(organization=fleet.name, number=errors[0].number)
        retried = fleet.crew.admin.call("sync_errors", "RetrySyncError", request).error
        assert retried.state == sync_errors_pb2.SYNC_ERROR_STATE_RETRIED
    with fleet.open(ADA, "new.db") as anew:
        anew.sync()
        assert len(names(anew)) == len(ACCOUNTS) + offers


def test_a_live_device_is_wiped_at_once_and_its_outbox_is_offered(fleet: Fleet) -> None:
    with fleet.open(ADA, "ada.db") as ada:
        ada.sync()
        fleet.order("BlockDevice", ada)
        ada.update("account", ACCOUNTS[0], {"name": "Mine"})
        with pytest.raises(DeviceBlockedError):
            ada.upload()
        fleet.order("UnblockDevice", ada)
        with ada.live() as live:
            fleet.order("WipeDevice", ada)
            with pytest.raises(DeviceWipedError):
                list(live)
        assert ada.outbox() == []
        eventually(lambda: fleet.known(ada).standing == WIPED)


def test_a_wipe_that_is_taken_back_leaves_the_block_that_was_there(fleet: Fleet) -> None:
    with fleet.open(ADA, "ada.db") as ada:
        ada.sync()
        fleet.order("BlockDevice", ada, reason="first")
        fleet.order("WipeDevice", ada)
        with impossible():
            fleet.order("BlockDevice", ada)
        cancelled = fleet.order("CancelWipe", ada)
        assert (cancelled.standing, cancelled.reason) == (BLOCKED, "first")
        fleet.order("UnblockDevice", ada)
        ada.sync()
        fleet.order("ForgetDevice", ada)
        assert not fleet.call("ListDevices").devices
        ada.sync()
        assert fleet.known(ada).full_syncs == 0, "it went on where it was"


def test_a_full_check_mends_what_is_wrong_and_sends_nothing_else(fleet: Fleet) -> None:
    with fleet.open(ADA, "ada.db") as ada:
        ada.sync()
        ada._store._connection.execute("DELETE FROM account WHERE name = 'Account 1'")
        ada.sync()
        assert len(names(ada)) == len(ACCOUNTS) - 1, "no digest tells of a row that is lost behind the library's back"
        ordered = fleet.order("ForceFullCheck", ada)
        assert ordered.checked_at_us < ordered.check_ordered_at_us
        result = ada.sync()
        assert (len(names(ada)), result.rows) == (len(ACCOUNTS), 1)
        known = fleet.known(ada)
        assert known.checked_at_us >= known.check_ordered_at_us
        assert ada.sync().rows == 0
        with ada.live() as live:
            first = next(it for it in live if type(it).__name__ == "CheckpointReached")
            fleet.order("ForceFullCheck", ada)
            assert next(it for it in live if type(it).__name__ == "CheckpointReached") == first
        known = fleet.known(ada)
        assert known.checked_at_us >= known.check_ordered_at_us > ordered.check_ordered_at_us


def test_an_install_id_in_other_hands_is_another_device(fleet: Fleet) -> None:
    with fleet.open(ADA, "ada.db") as ada, fleet.open(BOB, "bob.db") as bob:
        ada.sync()
        bob.sync()
        stolen = ada.status().install_id
        bob._store._connection.execute("UPDATE _haversack_meta SET value = ? WHERE key = 'install_id'", [stolen])
        bob.sync()
        fleet.known(ada, BOB)
        install = str(uuid.UUID(bytes=stolen))
        assert {it.user for it in fleet.call("GetDevice", install=install).devices} == {ADA, BOB}
        [blocked] = fleet.call("BlockDevice", install=install, user=BOB).devices
        assert blocked.user == BOB
        ada.sync()
        with pytest.raises(DeviceBlockedError):
            bob.sync()
        assert len(fleet.call("WipeDevice", install=install).devices) == 2, "an order is for all users of the install"


def test_orders_outlive_the_staging_database(fleet: Fleet) -> None:
    admin, organization = fleet.crew.admin, fleet.name
    with fleet.open(ADA, "ada.db") as ada, fleet.open(BOB, "bob.db") as bob:
        ada.sync()
        bob.sync()
        fleet.order("WipeDevice", ada, reason="stolen")
        fleet.order("BlockDevice", bob)
        install = fleet.known(ada).install
        request = provisioning_pb2.StartDeprovisioningRequest(organization=organization)
        admin.call("provisioning", "StartDeprovisioning", request)
        admin.settled(organization)
        with refused(grpc.StatusCode.FAILED_PRECONDITION, "ORGANIZATION_NOT_PROVISIONED"):
            fleet.call("GetDevice", install=install)
        admin.provision(organization)
        assert fleet.known(ada).standing == WIPE_PENDING
        assert fleet.known(bob).checkpoint_lsn == 0
        with pytest.raises(DeviceBlockedError):
            bob.sync()
        with pytest.raises(DeviceWipedError, match="stolen"):
            ada.sync()


def test_orders_reach_other_servers_and_outlive_them(
    start_server: Callable[[Path], RunningServer], tmp_path: Path
) -> None:
    """Two servers on one folder are to each other what two processes are: each has a handle of its own."""
    one, two = start_server(tmp_path / "data"), start_server(tmp_path / "data")
    fleet = Fleet.made(one, one.admin(), tmp_path)
    with fleet.open(ADA, "ada.db", two) as ada:
        with ada.live() as live:
            began = time.monotonic()
            fleet.order("BlockDevice", ada, reason="from afar")
            with pytest.raises(DeviceBlockedError, match="from afar"):
                list(live)
            assert time.monotonic() - began < LIVE_SECONDS_MAX
        fleet.order("UnblockDevice", ada)
        with ada.live() as live:
            fleet.order("WipeDevice", ada)
            with pytest.raises(DeviceWipedError):
                list(live)
    three = start_server(tmp_path / "data")
    metadata = (("authorization", f"Bearer {three.device_token(fleet.name, ADA)}"),)
    with fleet.open(ADA, "ada.db", three) as ada, grpc.insecure_channel(three.settings.sync_listen) as channel:
        request = report_pb2.ReportRequest(install_id=ada.status().install_id)
        with refused(grpc.StatusCode.PERMISSION_DENIED, "DEVICE_WIPED"):
            report_pb2_grpc.ReportServiceStub(channel).Report(request, metadata=metadata, timeout=STEP_SECONDS_MAX)
        with pytest.raises(PermissionDeniedError):
            ada.sync()


def test_the_command_line_and_the_audit_log(fleet: Fleet, server: RunningServer) -> None:
    line = Line(server.settings.data)
    organization = ("--org", fleet.name)
    line.run("org", "set", fleet.name, "--wipe-policy", "discard-outbox")
    assert "discard-outbox" in line.run("org", "show", fleet.name).stdout
    with fleet.open(ADA, "ada.db") as ada:
        ada.sync()
        install = fleet.known(ada).install
        assert [it["install"] for it in line.json("device", "list", *organization, "--user", ADA)["devices"]] == [
            install
        ]
        assert install in line.run("device", "list", *organization, "--standing", "admitted").stdout
        assert line.json("device", "list", *organization, "--unseen", "7d")["devices"] == []
        line.run("device", "check", install, *organization)
        assert "check pending" in line.run("device", "show", install, *organization).stdout
        blocked = line.run("device", "block", install, *organization, "--reason", "left on a train")
        assert "left on a train" in blocked.stdout
        line.run("device", "unblock", install, *organization, "--user", ADA)
        line.run("device", "wipe", install, *organization, "--json", expect=2)
        wiped = line.json("device", "wipe", install, *organization, "--reason", "stolen", "--yes")
        assert [it["standing"] for it in wiped["devices"]] == ["DEVICE_STANDING_WIPE_PENDING"]
        assert not wiped["devices"][0]["offers_outbox"]
        line.run("device", "cancel-wipe", install, *organization)
        line.run("device", "forget", install, *organization)
        line.run("device", "show", install, *organization, expect=1)
    request = security_pb2.QueryAuditRequest(organization=fleet.name)
    entries = fleet.crew.admin.call("audit", "QueryAudit", request).entries
    told = [it.rpc.rpartition(".")[2] for it in entries if f"device {install}" in it.target]
    orders = ["ForceFullCheck", "BlockDevice", "UnblockDevice", "WipeDevice", "CancelWipe", "ForgetDevice"]
    assert told == orders[::-1]
