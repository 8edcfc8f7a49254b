"""What devices write, from end to end: real devices and a real server over sockets, down to the record database."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from haversack.admin.v1 import admin_pb2, entities_pb2, provisioning_pb2, sync_errors_pb2
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import upload_pb2
from haversack_client import Backoff, Device, NotProvisionedError, WriteRefusedError
from haversack_client._conflicts import OnConflict
from haversack_server._core import Staging
from server.refusals import refused
from server.running import STEP_SECONDS_MAX, Admin, RunningServer
from server.test_cli import Line
from server.test_profiles import publish, save

ADA, BOB, UNIT, ROLE = (str(uuid.UUID(int=number)) for number in (101, 102, 103, 104))
CREATE, READ, WRITE, DELETE, GLOBAL = 1, 2, 3, 4, 8
RIGHTS = {CREATE: "account", READ: "account", WRITE: "account", DELETE: "account"}
POLICIES = ("CLIENT_WINS", "SERVER_WINS", "MERGE")
ACCOUNTS = [str(uuid.UUID(int=number)) for number in (1, 2, 3)]
OPEN, RETRIED, DISCARDED = (
    sync_errors_pb2.SYNC_ERROR_STATE_OPEN,
    sync_errors_pb2.SYNC_ERROR_STATE_RETRIED,
    sync_errors_pb2.SYNC_ERROR_STATE_DISCARDED,
)


@dataclass(frozen=True)
class Field:
    """An organization with two users who may do everything with accounts, and carry all of them."""

    server: RunningServer
    admin: Admin
    name: str
    folder: Path

    def device(self, user: str, file: str, on_conflict: OnConflict | None = None) -> Device:
        """Opens a device of a user's."""
        token = self.server.device_token(self.name, user)
        endpoint, backoff = self.server.settings.sync_listen, Backoff(0.01, 0.1)
        return Device.open(self.folder / file, endpoint, token, backoff=backoff, on_conflict=on_conflict)

    def recorded(self) -> dict[str, str]:
        """Names of the accounts in the record database."""
        request = entities_pb2.GetEntityRequest(organization=self.name, entity="account")
        model = model_pb2.Model(entities=[self.admin.call("entities", "GetEntity", request).entity])
        database = Staging.open(str(self.server.settings.data / "organizations" / self.name / "native.sqlite3"))
        try:
            names = ["accountid", "name"]
            _, _, lines = database.rows(model.SerializeToString(), "account", attributes=names, rows_max=1_000)
        finally:
            database.close()
        return {it["accountid"]: it.get("name", "") for it in map(json.loads, lines.splitlines())}

    def errors(self, state: sync_errors_pb2.SyncErrorState = OPEN) -> list[sync_errors_pb2.SyncError]:
        """The log of sync errors."""
        request = sync_errors_pb2.ListSyncErrorsRequest(organization=self.name, state=state)
        return list(self.admin.call("sync_errors", "ListSyncErrors", request).errors)

    def set_policy(self, policy: str) -> None:
        """Chooses what happens to conflicts, and publishes."""
        settings = model_pb2.Settings(conflict_policy=f"CONFLICT_POLICY_{policy}")
        request = admin_pb2.SetSettingsRequest(organization=self.name, settings=settings)
        self.admin.call("organizations", "SetSettings", request)
        publish(self.admin, self.name)

    def revoke(self, right: int) -> None:
        """Takes a privilege on accounts from everybody."""
        header = "roleprivilegeid\n"
        row = f"{privilege(right)}\n"
        action = admin_pb2.INGEST_ACTION_DELETE
        self.admin.ingest(self.name, "roleprivileges", (header + row).encode(), action=action)

    def deprovision(self) -> None:
        """Takes the staging database away."""
        request = provisioning_pb2.StartDeprovisioningRequest(organization=self.name)
        self.admin.call("provisioning", "StartDeprovisioning", request)
        state = self.admin.settled(self.name).state
        assert state == provisioning_pb2.PROVISIONING_STATE_NOT_PROVISIONED


def privilege(right: int) -> str:
    return str(uuid.UUID(int=1_000 + right))


def eventually(wanted: Callable[[], bool]) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def field(server: RunningServer, tmp_path: Path) -> Field:
    return new_field(server, tmp_path)


def new_field(server: RunningServer, folder: Path) -> Field:
    """Makes an organization with three accounts, and publishes them."""
    admin = server.admin()
    name = admin.organization()
    grants = [(privilege(right), ROLE, entity, right, GLOBAL) for right, entity in RIGHTS.items()]
    grants.append((privilege(99), ROLE, "mobileofflineprofile", READ, GLOBAL))
    tables: dict[str, list[tuple[Any, ...]]] = {
        "businessunit": [("businessunitid", "name"), (UNIT, "All")],
        "role": [("roleid", "name", "businessunitid"), (ROLE, "Writer", UNIT)],
        "systemuser": [("systemuserid", "businessunitid", "isdisabled"), (ADA, UNIT, 0), (BOB, UNIT, 0)],
        "systemuserroles": [("systemuserroleid", "systemuserid", "roleid"), (ADA, ADA, ROLE), (BOB, BOB, ROLE)],
        "roleprivileges": [("roleprivilegeid", "roleid", "entityname", "accessright", "depth"), *grants],
        "account": [("accountid", "name", "ownerid", "ownerid_type")]
        + [(it, f"Account {it[-1]}", ADA, "systemuser") for it in ACCOUNTS],
    }
    for entity, rows in tables.items():
        report = admin.ingest(name, entity, "".join(",".join(map(str, row)) + "\n" for row in rows).encode())
        assert not report.rejected, (entity, report.errors)
    admin.enable(name, "account")
    draft = model_pb2.Profile(name="field", users=[ADA, BOB])
    draft.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL)
    save(admin, name, draft)
    publish(admin, name)
    return Field(server, admin, name, folder)


def names(device: Device) -> dict[str, str]:
    """Names of the accounts that a device shows."""
    return {row["accountid"]: row["name"] for row in device.query("SELECT accountid, name FROM account")}


def test_what_is_written_offline_reaches_the_record_and_other_devices(field: Field) -> None:
    with field.device(ADA, "ada.db") as ada, field.device(BOB, "bob.db") as bob:
        ada.sync()
        bob.sync()
        made = ada.create("account", {"name": "Made"})
        ada.update("account", ACCOUNTS[0], {"name": "Changed"})
        ada.delete("account", ACCOUNTS[1])
        wanted = {made: "Made", ACCOUNTS[0]: "Changed", ACCOUNTS[2]: "Account 3"}
        assert names(ada) == wanted
        assert (ada.sync().applied, ada.outbox()) == (3, [])
        bob.sync()
        assert names(ada) == names(bob) == wanted
        eventually(lambda: field.recorded() == wanted)
        assert field.errors() == []


def test_a_lost_privilege_refuses_what_waits_until_it_comes_back(field: Field) -> None:
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        ada.update("account", ACCOUNTS[0], {"name": "Mine"})
        field.revoke(WRITE)
        assert ada.sync().refused == 1
        [refusal] = ada.refused()
        assert refusal.reason == "WRITE_FORBIDDEN"
        assert names(ada)[ACCOUNTS[0]] == "Account 1"
        with pytest.raises(WriteRefusedError):
            ada.update("account", ACCOUNTS[2], {"name": "Mine too"})
        [error] = field.errors()
        assert (error.entity, error.row, error.user) == ("account", ACCOUNTS[0], ADA)
        assert json.loads(error.values_json) == {"name": "Mine"}
        grant = (
            f"roleprivilegeid,roleid,entityname,accessright,depth\n{privilege(WRITE)},{ROLE},account,{WRITE},{GLOBAL}\n"
        )
        field.admin.ingest(field.name, "roleprivileges", grant.encode())
        ada.sync()
        ada.retry(refusal.number)
        assert ada.sync().applied == 1
        assert names(ada)[ACCOUNTS[0]] == "Mine"


def test_a_device_asks_as_its_user_and_follows_what_becomes_of_that_user(field: Field) -> None:
    mine = "<condition attribute='ownerid' operator='{}'/>"
    xml = f"<fetch><entity name='account'><filter>{mine}</filter></entity></fetch>"
    with field.device(ADA, "ada.db") as ada, field.device(BOB, "bob.db") as bob:
        received = [ada.sync().rows, bob.sync().rows]
        assert [len(device.fetch(xml.format("eq-userid"))) for device in (ada, bob)] == [received[0], 0]
        assert len(bob.fetch(xml.format("ne-userid"))) == received[1]
        assert bob.user is not None
        assert (bob.user.id, bob.user.name, bob.user.business_unit_id, bob.user.team_ids) == (BOB, BOB, UNIT, ())
        settings = f"systemuserid,timezonename,uilanguageid\n{BOB},Europe/Copenhagen,1030\n"
        report = field.admin.ingest(field.name, "usersettings", settings.encode())
        assert not report.rejected, report.errors
        assert bob.sync().rows == 0, "nothing is fetched again"
        assert (bob.user.time_zone, bob.user.language) == ("Europe/Copenhagen", 1030)


@pytest.mark.parametrize("policy", POLICIES)
def test_two_who_change_one_attribute_end_equal_under_every_policy(field: Field, policy: str) -> None:
    field.set_policy(policy)
    with field.device(ADA, "ada.db") as ada, field.device(BOB, "bob.db") as bob:
        ada.sync()
        bob.sync()
        ada.update("account", ACCOUNTS[0], {"name": "Ada's", "telephone1": "1"})
        bob.update("account", ACCOUNTS[0], {"name": "Bob's"})
        bob.sync()
        result = ada.sync()
        bob.sync()
        row = "SELECT name, telephone1 FROM account WHERE accountid = ?"
        [held] = [tuple(it) for it in ada.query(row, [ACCOUNTS[0]])]
        assert [held] == [tuple(it) for it in bob.query(row, [ACCOUNTS[0]])]
        expected = {"CLIENT_WINS": ("Ada's", "1"), "SERVER_WINS": ("Bob's", None), "MERGE": ("Bob's", "1")}
        assert held == expected[policy]
        assert result.refused == (policy == "SERVER_WINS")
        eventually(lambda: field.recorded()[ACCOUNTS[0]] == held[0])


def test_administrators_retry_and_discard_what_was_refused(field: Field, tmp_path: Path) -> None:
    line = Line(field.server.settings.data)
    line.run("org", "set", field.name, "--conflict-policy", "server-wins")
    assert "server-wins" in line.run("org", "show", field.name).stdout
    publish(field.admin, field.name)
    with field.device(ADA, "ada.db") as ada, field.device(BOB, "bob.db") as bob:
        ada.sync()
        bob.sync()
        for account in ACCOUNTS[:2]:
            bob.update("account", account, {"name": "Bob's"})
            ada.update("account", account, {"name": "Ada's"})
        bob.sync()
        assert ada.sync().refused == 2
        first, second = field.errors()
        assert list(first.attributes) == ["name"]
        listed = line.json("sync-error", "list", "--org", field.name)["errors"]
        assert [it["row"] for it in listed] == ACCOUNTS[:2]
        line.run("sync-error", "retry", str(first.number), "--org", field.name, expect=1)
        assert [it.number for it in field.errors()] == [first.number, second.number], "the conflict is still there"
        forced = line.json("sync-error", "retry", str(first.number), "--org", field.name, "--force")
        assert forced["error"]["state"] == "SYNC_ERROR_STATE_RETRIED"
        line.run("sync-error", "discard", str(second.number), "--org", field.name)
        assert "Ada's" in line.run("sync-error", "show", str(second.number), "--org", field.name).stdout
        assert field.errors() == []
        assert [it.row for it in field.errors(RETRIED)] == ACCOUNTS[:1]
        assert [it.row for it in field.errors(DISCARDED)] == ACCOUNTS[1:2]
        again = sync_errors_pb2.DiscardSyncErrorRequest(organization=field.name, number=second.number)
        with refused(grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID"):
            field.admin.call("sync_errors", "DiscardSyncError", again)
        bob.sync()
        assert (names(bob)[ACCOUNTS[0]], names(bob)[ACCOUNTS[1]]) == ("Ada's", "Bob's")
        eventually(lambda: field.recorded()[ACCOUNTS[0]] == "Ada's")


def test_outbox_and_ledger_outlive_a_staging_database(field: Field) -> None:
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        made = ada.create("account", {"name": "Before"})
        sent: list[upload_pb2.UploadRequest] = []
        upload = ada._transport.upload

        def noted(request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
            sent.append(request)
            return upload(request)

        ada._transport.upload = noted  # type: ignore[method-assign]
        ada.sync()
        field.deprovision()
        assert field.recorded()[made] == "Before"
        ada.update("account", made, {"name": "Between"})
        with pytest.raises(NotProvisionedError):
            ada.sync()
        assert len(ada.outbox()) == 1
        field.admin.ingest(field.name, "account", f"accountid,name\n{ACCOUNTS[0]},Ingested\n".encode())
        field.admin.provision(field.name)
        [answer] = upload(sent[0]).answers
        assert answer.outcome == upload_pb2.MUTATION_OUTCOME_APPLIED, answer.message
        assert ada.sync().applied == 1
        # The answer came before the new epoch was known, in which its LSN means nothing: the write is sent once more.
        ada.sync()
        assert names(ada) == names(ada) | {made: "Between", ACCOUNTS[0]: "Ingested"}
        assert ada.outbox() == []
        eventually(lambda: field.recorded()[made] == "Between")
