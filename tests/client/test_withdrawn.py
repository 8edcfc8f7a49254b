"""What a user gives up on a device, or writes anew, is given up on the server: nobody brings it back."""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from client.memory_server import MemoryServer, Refusal
from client.test_wipe import wiped
from client.test_writes import FORBIDDEN, NORTH, QUICK, SITE, VISIT
from haversack.sync.v1 import upload_pb2
from haversack_client import Device, DeviceWipedError, RemoteError, UnavailableError
from haversack_client import _outbox as outbox
from haversack_client._outbox import KEPT_DAYS_MAX, Outbox


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North", budget="5")
    return server


@pytest.fixture
def device(server: MemoryServer, tmp_path: Path) -> Iterator[Device]:
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        yield device


def refuse_next(server: MemoryServer, device: Device) -> None:
    """What waits is refused, and nothing after it."""
    server.judge = lambda _: FORBIDDEN
    device.sync()
    server.judge = lambda _: None


def withdrawn(server: MemoryServer) -> list[int]:
    return [number for _, number in server.withdrawn]


def install(server: MemoryServer) -> bytes:
    return server.uploads[0].install_id


def untold(device: Device) -> list[int]:
    with closing(device.connection()) as connection:
        return list(Outbox(connection).withdrawn().withdrawn)


def name(server: MemoryServer) -> object:
    return server.rows[SITE.number][NORTH.bytes].fields[2]


def test_what_is_written_anew_is_withdrawn_with_what_replaces_it(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "first"})
    refuse_next(server, device)
    assert device.edit(1, {"name": "second"}) == 2
    device.sync()
    call = server.uploads[-1]
    assert (list(call.withdrawn), len(call.mutations), withdrawn(server)) == ([1], 1, [1])
    assert not server.retry(install(server), 1)
    assert name(server) == "second"
    count = len(server.uploads)
    device.sync()
    assert (untold(device), len(server.uploads)) == ([], count), "it is said once"


def test_what_is_given_up_is_withdrawn_by_a_call_of_its_own(server: MemoryServer, device: Device) -> None:
    for text in ("first", "second"):
        device.update("site", NORTH, {"name": text})
    refuse_next(server, device)
    server.down = True
    device.discard(1)
    with pytest.raises(UnavailableError):
        device.upload()
    assert (untold(device), device.outbox()[0].number) == ([1], 2)
    server.down, server.lose_answers = False, 1
    device.upload()
    assert withdrawn(server) == [1], "and it is said again after a call whose answer was lost"
    assert [list(it.withdrawn) for it in server.uploads[-2:]] == [[1], [1]]
    assert all(not it.mutations for it in server.uploads[-2:])
    assert untold(device) == []


def test_a_retry_that_has_nothing_left_to_change_withdraws(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "mine"})
    refuse_next(server, device)
    server.put(SITE, NORTH.bytes, name="mine")
    device.sync()
    assert device.retry(1) is None
    device.upload()
    assert withdrawn(server) == [1]


def test_what_was_blocked_is_withdrawn_when_it_is_edited(server: MemoryServer, device: Device) -> None:
    """An administrator who has the creation judged again does not have the old words of its update judged, too."""
    with device.batch():
        site = device.create("site", {"name": "South"})
        device.update("site", site, {"name": "old"})
    server.judge = lambda mutation: FORBIDDEN if mutation.number == 1 else None
    device.sync()
    assert [write.state for write in device.outbox()] == ["refused", "held"]
    assert device.edit(2, {"name": "new"}) == 3
    device.upload()
    assert (withdrawn(server), list(server.uploads[-1].mutations)) == ([2], []), (
        "its replacement waits for the creation"
    )
    server.judge = lambda _: None
    assert server.retry(install(server), 1)
    assert not server.retry(install(server), 2)
    device.sync()
    device.sync()
    assert [row["name"] for row in device.query("SELECT name FROM site WHERE siteid = ?", (site,))] == ["new"]
    assert [number for _, number in server.applied] == [1, 3]


def test_with_a_creation_goes_what_depends_on_it(server: MemoryServer, device: Device) -> None:
    with device.batch():
        site = device.create("site", {"name": "South"})
        device.update("site", site, {"budget": "3"})
        device.create("visit", {"topic": "roof", "siteid": site})
    server.judge = lambda mutation: FORBIDDEN if mutation.number == 1 else None
    device.sync()
    device.discard(1)
    device.upload()
    assert withdrawn(server) == [1, 2], "the visit is its user's to decide on"
    [visit] = device.refused()
    device.discard(visit.number)
    device.upload()
    assert withdrawn(server) == [1, 2, 3]


def test_what_an_administrator_had_judged_again_before_stays_taken(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "first"})
    refuse_next(server, device)
    assert server.retry(install(server), 1)
    device.edit(1, {"name": "second"})
    result = device.sync()
    assert (result.applied, withdrawn(server), name(server)) == (1, [], "second")
    assert (device.outbox(), device.status(verify=True).verified) == ([], True)


def test_what_no_server_has_is_not_withdrawn(server: MemoryServer, device: Device) -> None:
    """Neither what was never sent, nor what a server could not read."""
    server.judge = lambda mutation: FORBIDDEN if mutation.number == 1 else None
    site = device.create("site", {"name": "South"})
    device.sync()
    device.update("site", site, {"name": "never sent"})
    with device._writer.writing():
        device._writer._connection.execute("UPDATE _haversack_outbox SET sent = 0")
    device.discard(1)
    assert (device.outbox(), untold(device)) == ([], [])


def test_a_server_that_was_put_back_is_told_again(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "first"})
    refuse_next(server, device)
    backup = server.back_up()
    device.discard(1)
    device.sync()
    assert (withdrawn(server), untold(device)) == ([1], [])
    server.restore(backup)
    assert withdrawn(server) == []
    device.sync()
    assert (withdrawn(server), untold(device)) == ([1], [])
    assert name(server) == "North"


def test_numbers_are_kept_for_a_while(device: Device) -> None:
    a_day_us = 24 * 3600 * 1_000_000
    begun_us = time.time_ns() // 1_000
    with device._writer.writing():
        entries = Outbox(device._writer._connection)
        insert = "INSERT INTO _haversack_withdrawn (number) VALUES (?)"
        device._writer._connection.executemany(insert, [(1,), (2,)])
        entries.told([1], now_us=begun_us)
        for day in range(1, KEPT_DAYS_MAX + 1):
            entries.told([], now_us=begun_us + day * a_day_us)
        entries.told([2], now_us=begun_us + (KEPT_DAYS_MAX + 1) * a_day_us)
        entries.doubt()
        assert entries.withdrawn().withdrawn == [2]


def test_a_copy_of_the_device_from_before_says_nothing_of_it(
    server: MemoryServer, device: Device, tmp_path: Path
) -> None:
    """It has the write as refused, and its user decides once more; the server's word stays."""
    device.update("site", NORTH, {"name": "first"})
    refuse_next(server, device)
    device.close()
    shutil.copy(device._path, tmp_path / "copy.sqlite3")
    with Device(device._path, server, backoff=QUICK) as original:
        original.discard(1)
        original.sync()
    with Device(tmp_path / "copy.sqlite3", server, backoff=QUICK) as copy:
        copy.sync()
        assert [write.number for write in copy.refused()] == [1]
        copy.retry(1)
        copy.sync()
        assert (withdrawn(server), name(server), copy.outbox()) == ([1], "first", [])


def test_many_go_before_the_writes(server: MemoryServer, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "WITHDRAWN_MAX", 2)
    for at in range(5):
        device.create("site", {"name": f"site {at}"})
    refuse_next(server, device)
    server.uploads.clear()
    for number in range(1, 6):
        device.retry(number)
    device.upload()
    assert [(list(it.withdrawn), len(it.mutations)) for it in server.uploads] == [([1, 2], 0), ([3, 4], 0), ([5], 5)]


def test_a_write_that_cannot_be_read_keeps_nothing_from_being_withdrawn(server: MemoryServer, device: Device) -> None:
    device.create("site", {"name": "South"})
    refuse_next(server, device)
    device.discard(1)
    device.create("site", {"name": "East"})
    upload = server.upload

    def poisoned(request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        if request.mutations:
            details = {"index": "0"}
            raise RemoteError("what is that?", code="INVALID_ARGUMENT", reason="REQUEST_INVALID", details=details)
        return upload(request)

    server.upload = poisoned  # type: ignore[method-assign]
    device.sync()
    assert (withdrawn(server), [it.reason for it in device.refused()]) == ([1], ["REQUEST_INVALID"])


def test_a_device_that_is_wiped_says_it_first(server: MemoryServer, device: Device) -> None:
    refusal = Refusal(upload_pb2.MUTATION_OUTCOME_INVALID)
    device.update("site", NORTH, {"name": "given up"})
    server.judge = lambda _: refusal
    device.sync()
    device.discard(1)
    device.update("site", NORTH, {"name": "offered"})
    orders = [wiped(offers=True)]
    upload = server.upload

    def ordered(request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        if orders:
            raise orders.pop()
        return upload(request)

    server.upload = ordered  # type: ignore[method-assign]
    with pytest.raises(DeviceWipedError):
        device.upload()
    assert [(list(it.withdrawn), len(it.mutations)) for it in server.uploads[-2:]] == [([1], 0), ([], 1)]
    assert untold(device) == []
