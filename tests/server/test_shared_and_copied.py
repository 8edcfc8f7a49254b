"""Files that are not what their device thinks: another user signs in with one, or one is put back from a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import grpc
import pytest
from haversack.sync.v1 import upload_pb2
from haversack_client import Backoff, Device, OverallState, RemoteError, UnavailableError, UserChangedError
from haversack_client._transport import GrpcTransport
from server.running import RunningServer
from server.test_uploads import ACCOUNTS, ADA, BOB, Field, names, new_field


@pytest.fixture
def field(server: RunningServer, tmp_path: Path) -> Field:
    return new_field(server, tmp_path)


def row(device: Device, row_id: str) -> tuple[object, ...]:
    [found] = device.query("SELECT name, createdby, ownerid FROM account WHERE accountid = ?", (row_id,))
    return tuple(found)


def test_the_next_user_does_not_upload_what_the_first_has_written(field: Field) -> None:
    with field.device(ADA, "tablet.db") as ada:
        ada.sync()
        made = ada.create("account", {"name": "Ada's"})
        ada.update("account", ACCOUNTS[0], {"name": "Ada's too"})
        assert ada.status().user_id == ADA
    with field.device(BOB, "tablet.db") as bob:
        before = bob.query("SELECT * FROM account ORDER BY accountid"), bob.outbox(), bob.status()
        with pytest.raises(UserChangedError, match=f"user {ADA}'s, of whom 2 writes .* user {BOB}'s") as caught:
            bob.sync()
        assert (caught.value.reason, caught.value.code) == ("USER_CHANGED", "FAILED_PRECONDITION")
        assert bob.activity.state is OverallState.ERROR
        with pytest.raises(UserChangedError, match="another user's than the token's; sign in as that user"):
            bob.upload()
        live = bob.live()
        with pytest.raises(UserChangedError):
            list(live)
        assert bob.activity.state is OverallState.ERROR
        assert (bob.query("SELECT * FROM account ORDER BY accountid"), bob.outbox(), bob.status()) == before
    with field.device(ADA, "tablet.db") as ada:
        result = ada.sync()
        assert (result.applied, result.rows, ada.outbox()) == (2, 2, []), "what she had was not sent again"
        assert row(ada, made) == ("Ada's", ADA, ADA)
    assert field.errors() == []


def test_a_device_that_is_kept_in_sync_says_that_it_is_not_this_users(field: Field) -> None:
    with field.device(ADA, "tablet.db") as ada:
        ada.sync()
        ada.update("account", ACCOUNTS[0], {"name": "Ada's"})
    with field.device(BOB, "tablet.db") as bob:
        activities = bob.activities()
        with bob.keep_synced() as keeper:
            keeper.sync_now()
            shown = next(it for it in activities if it.state is OverallState.ERROR)
        activities.close()
        assert ADA in shown.error or "another user's" in shown.error
        assert [it.state for it in bob.outbox()] == ["waiting"]


def test_a_tablet_without_open_writes_goes_over_to_the_next_user(field: Field) -> None:
    with field.device(ADA, "tablet.db") as ada:
        ada.sync()
        ada.update("account", ACCOUNTS[0], {"name": "Ada's"})
        ada.sync()
    with field.device(BOB, "tablet.db") as bob:
        bob.sync()
        assert (bob.status().user_id, bob.status(verify=True).verified) == (BOB, True)
        kept = bob._store._connection.execute("SELECT count(*) FROM _haversack_outbox").fetchone()
        assert kept == (0,), "what is kept of Ada's writes would be sent as his after a restore"
        made = bob.create("account", {"name": "Bob's"})
        assert bob.sync().applied == 1
        assert row(bob, made) == ("Bob's", BOB, BOB)
        bob.update("account", made, {"name": "given up"})
    with field.device(ADA, "tablet.db") as ada:
        with pytest.raises(UserChangedError):
            ada.sync()
        ada.wipe()
        ada.sync()
        assert (names(ada)[made], ada.status().user_id, ada.outbox()) == ("Bob's", ADA, [])


def test_a_file_put_back_from_a_copy_loses_no_write(field: Field) -> None:
    path = field.folder / "ada.db"
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        under_way = ada.create("account", {"name": "under way"})
        upload = ada._transport.upload

        def unheard(request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
            upload(request)
            raise UnavailableError("the answer was lost", code="UNAVAILABLE")

        ada._transport.upload = unheard  # type: ignore[method-assign]
        with pytest.raises(UnavailableError):
            ada.sync()
    shutil.copy(path, field.folder / "copy.db")
    with field.device(ADA, "ada.db") as ada:
        lost = [ada.create("account", {"name": f"first week {at}"}) for at in range(3)]
        ada.sync()
    shutil.copy(field.folder / "copy.db", path)
    with field.device(ADA, "ada.db") as ada:
        before = ada.status().install_id
        ada.update("account", under_way, {"telephone1": "1"})
        made = [ada.create("account", {"name": f"second week {at}"}) for at in range(3)]
        ada.update("account", made[0], {"telephone1": "2"})
        result = ada.sync()
        assert (result.applied, result.refused, ada.outbox()) == (6, 0, [])
        assert {*lost, *made, under_way} <= names(ada).keys()
        assert names(ada)[made[0]] == "second week 0"
        assert ada.status().install_id != before
        assert ada.sync().applied == 0
    assert field.errors() == []


def test_a_call_that_is_not_right_refuses_no_write(field: Field) -> None:
    with field.device(ADA, "ada.db") as ada:
        ada.sync()
        ada.update("account", ACCOUNTS[0], {"name": "Mine"})
    token, endpoint = field.server.device_token(field.name, ADA), field.server.settings.sync_listen
    with Device.open(field.folder / "ada.db", endpoint, token, app="x" * 129, backoff=Backoff(0.01, 0.1)) as ada:
        with pytest.raises(RemoteError, match="app is longer than 128 bytes"):
            ada.sync()
        assert [it.state for it in ada.outbox()] == ["waiting"]
    with field.device(ADA, "ada.db") as ada:
        assert ada.sync().applied == 1


def test_a_refused_call_names_the_mutation_to_blame(field: Field) -> None:
    token, endpoint = field.server.device_token(field.name, ADA), field.server.settings.sync_listen
    good = upload_pb2.Mutation(number=1, kind=upload_pb2.MUTATION_KIND_DELETE, id=b"x" * 16).SerializeToString()
    nameless = upload_pb2.Mutation(number=7, id=b"x" * 16).SerializeToString()
    for bad, details in ((nameless, {"mutation": "7"}), (b"\xff", {"index": "1"})):
        request = upload_pb2.UploadRequest(install_id=b"i" * 16, mutations=[good, bad])
        with pytest.raises(RemoteError) as caught:
            GrpcTransport(endpoint, token).upload(request)
        assert (caught.value.reason, caught.value.details) == ("REQUEST_INVALID", details)
        assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT.name
    request = upload_pb2.UploadRequest(install_id=b"i" * 16, mutations=[good], user=b"short")
    with pytest.raises(RemoteError) as caught:
        GrpcTransport(endpoint, token).upload(request)
    assert (caught.value.reason, caught.value.details) == ("REQUEST_INVALID", {})
    assert field.errors() == [], "nothing of these calls was recorded"
