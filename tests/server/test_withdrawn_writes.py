"""What a user has given up or written anew on a device, an administrator does not bring back: end to end."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from haversack.admin.v1 import sync_errors_pb2
from haversack_client import Device
from server.refusals import refused
from server.running import RunningServer
from server.test_cli import Line
from server.test_uploads import ACCOUNTS, ADA, DELETE, GLOBAL, OPEN, RETRIED, ROLE, WRITE, Field, new_field, privilege

WITHDRAWN = sync_errors_pb2.SYNC_ERROR_STATE_WITHDRAWN


@pytest.fixture
def field(server: RunningServer, tmp_path: Path) -> Field:
    return new_field(server, tmp_path)


def give_back(field: Field, right: int) -> None:
    """Everybody has a privilege on accounts again."""
    rows = f"roleprivilegeid,roleid,entityname,accessright,depth\n{privilege(right)},{ROLE},account,{right},{GLOBAL}\n"
    field.admin.ingest(field.name, "roleprivileges", rows.encode())


def retry(field: Field, number: int) -> None:
    request = sync_errors_pb2.RetrySyncErrorRequest(organization=field.name, number=number)
    field.admin.call("sync_errors", "RetrySyncError", request)


def phone(device: Device, account: str) -> str | None:
    [[found]] = device.query("SELECT telephone1 FROM account WHERE accountid = ?", (account,))
    return None if found is None else str(found)


@pytest.mark.parametrize("policy", ["CLIENT_WINS", "SERVER_WINS"])
def test_newer_words_stay(field: Field, policy: str) -> None:
    field.set_policy(policy)
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        field.revoke(WRITE)
        for account in ACCOUNTS[:2]:
            ada.update("account", account, {"telephone1": "111"})
        assert ada.sync().refused == 2
        give_back(field, WRITE)
        ada.sync()
        first, second = ada.refused()
        ada.edit(first.number, {"telephone1": "222"})
        ada.discard(second.number)
        assert ada.sync().applied == 1
        assert (field.errors(OPEN), len(field.errors(WITHDRAWN))) == ([], 2)
        for error in field.errors(WITHDRAWN):
            with refused(grpc.StatusCode.FAILED_PRECONDITION, "WRITE_WITHDRAWN"):
                retry(field, error.number)
            again = sync_errors_pb2.DiscardSyncErrorRequest(organization=field.name, number=error.number)
            with refused(grpc.StatusCode.FAILED_PRECONDITION, "WRITE_WITHDRAWN"):
                field.admin.call("sync_errors", "DiscardSyncError", again)
        ada.sync()
        assert [phone(ada, account) for account in ACCOUNTS[:2]] == ["222", None]


def test_a_deletion_that_was_given_up_deletes_nothing(field: Field) -> None:
    line = Line(field.server.settings.data)
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        field.revoke(DELETE)
        ada.delete("account", ACCOUNTS[0])
        ada.sync()
        [write] = ada.refused()
        ada.discard(write.number)
        ada.update("account", ACCOUNTS[0], {"name": "we need it"})
        ada.sync()
        give_back(field, DELETE)
        [error] = line.json("sync-error", "list", "--org", field.name, "--state", "withdrawn")["errors"]
        failed = line.run("sync-error", "retry", str(error["number"]), "--org", field.name, expect=1)
        assert "written it anew" in " ".join(failed.stderr.split())
        assert "withdrawn" in line.run("sync-error", "show", str(error["number"]), "--org", field.name).stdout
        ada.sync()
        [[name]] = ada.query("SELECT name FROM account WHERE accountid = ?", (ACCOUNTS[0],))
        assert name == "we need it"


def test_what_an_administrator_had_judged_again_before_is_in_the_data(field: Field) -> None:
    """The device gives it up too late, and has what the administrator has made of it."""
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        field.revoke(WRITE)
        ada.update("account", ACCOUNTS[0], {"telephone1": "111"})
        ada.sync()
        give_back(field, WRITE)
        retry(field, field.errors()[0].number)
        ada.discard(ada.refused()[0].number)
        ada.sync()
        assert (len(field.errors(RETRIED)), field.errors(WITHDRAWN)) == (1, [])
        assert (phone(ada, ACCOUNTS[0]), ada.outbox(), ada.status(verify=True).verified) == ("111", [], True)


def test_it_outlives_a_staging_database(field: Field) -> None:
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        field.revoke(WRITE)
        for account in ACCOUNTS[:2]:
            ada.update("account", account, {"telephone1": "111"})
        ada.sync()
        give_back(field, WRITE)
        ada.sync()
        one, other = ada.refused()
        ada.discard(one.number)
        ada.sync()
        field.deprovision()
        ada.discard(other.number)
        field.admin.provision(field.name)
        assert [len(field.errors(state)) for state in (OPEN, WITHDRAWN)] == [1, 1]
        ada.sync()
        assert [len(field.errors(state)) for state in (OPEN, WITHDRAWN)] == [0, 2]
        assert [phone(ada, account) for account in ACCOUNTS[:2]] == [None, None]
