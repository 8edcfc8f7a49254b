"""A server that was put back from a backup: what it lost of a device's writes, the device brings it again."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from client.memory_server import MERGE, SERVER_WINS, MemoryServer, Refusal
from client.test_upgrades import drop_dependencies
from client.test_writes import NORTH, QUICK, SITE
from haversack.sync.v1 import upload_pb2
from haversack_client import Device, OutboxError
from haversack_client._outbox import KEPT_DAYS_MAX, KEPT_ENTRIES_MAX, Entry, Kind, Outbox, State

A_DAY_US = 24 * 3600 * 1_000_000


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer((SITE,))
    server.put(SITE, NORTH.bytes, name="North", budget="1")
    return server


@pytest.fixture
def device(server: MemoryServer, tmp_path: Path) -> Iterator[Device]:
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        yield device


def names(device: Device) -> list[str]:
    return [row["name"] for row in device.query("SELECT name FROM site ORDER BY name")]


def states(device: Device) -> list[int]:
    with closing(device.connection()) as connection:
        return [state for (state,) in connection.execute("SELECT state FROM _haversack_outbox ORDER BY number")]


def test_what_the_server_took_and_lost_comes_back_in_one_sync(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "before"})
    device.sync()
    backup = server.back_up()
    south = device.create("site", {"name": "South", "budget": "2"})
    device.update("site", south, {"budget": "3"})
    device.sync()
    device.update("site", NORTH, {"name": "after"})
    device.upload()
    assert (device.outbox()[0].state, states(device)) == ("applied", [State.KEPT] * 3 + [State.APPLIED])
    sent = [raw for request in server.uploads for raw in request.mutations]
    server.restore(backup)
    result = device.sync()
    assert (names(device), device.outbox(), device.status(verify=True).verified) == (["South", "after"], [], True)
    assert result.applied == 1, "what was kept has been told of before"
    assert [number for _, number in server.applied] == [1, 2, 3, 4]
    again = [raw for request in server.uploads for raw in request.mutations][len(sent) :]
    assert set(again) == set(sent), "under their numbers, byte by byte"
    assert states(device) == [State.KEPT] * 4
    device.sync()
    assert len(server.applied) == 4


def test_a_server_that_lost_nothing_answers_from_its_ledger(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "mine"})
    device.sync()
    server.put(SITE, NORTH.bytes, name="theirs")
    server.start_epoch()
    device.sync()
    assert (names(device), states(device), len(server.applied)) == (["theirs"], [State.KEPT], 1)


def test_what_was_taken_and_lost_before_the_device_saw_it_is_sent_again(server: MemoryServer, device: Device) -> None:
    """A file that was put back by hand, and nobody who can prove it."""
    backup, epoch = server.back_up(), server.epoch
    device.update("site", NORTH, {"name": "mine"})
    device.upload()
    server.restore(backup)
    server.epoch = epoch
    assert (device._store.unanswered(), [it.state for it in device.outbox()]) == ([1], ["applied"])
    device.sync()
    assert (names(device), states(device), len(server.applied)) == (["mine"], [State.KEPT], 1)


def test_what_is_kept_out_of_sight_is_not_retried_or_discarded(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "mine"})
    device.sync()
    for attempt in (device.retry, device.discard):
        with pytest.raises(OutboxError, match="in the data already"):
            attempt(1)


def test_what_cannot_be_taken_again_is_shown_as_refused(server: MemoryServer, device: Device) -> None:
    server.policy = SERVER_WINS
    backup = server.back_up()
    device.update("site", NORTH, {"name": "mine"})
    south = device.create("site", {"name": "South", "budget": "2"})
    device.sync()
    server.restore(backup)
    server.put(SITE, NORTH.bytes, name="theirs")
    forbidden = Refusal(upload_pb2.MUTATION_OUTCOME_FORBIDDEN)
    server.judge = lambda mutation: forbidden if mutation.kind == upload_pb2.MUTATION_KIND_CREATE else None
    device.sync()
    assert [(it.number, it.id, it.reason) for it in device.refused()] == [
        (1, str(NORTH), "WRITE_CONFLICT"),
        (2, south, "WRITE_FORBIDDEN"),
    ]
    assert names(device) == ["South", "theirs"], "a creation is nowhere else"
    server.judge = lambda _: None
    device.retry(2)
    device.edit(1, {"name": "ours"})
    device.sync()
    assert (names(device), device.outbox()) == (["South", "ours"], [])


def test_an_answer_of_an_epoch_that_the_device_has_not_come_to_waits_for_it(
    server: MemoryServer, device: Device
) -> None:
    server.start_epoch()
    device.update("site", NORTH, {"name": "mine"})
    device.upload()
    assert [it.state for it in device.outbox()] == ["waiting"], "its LSN means nothing here"
    device.sync()
    assert (names(device), device.outbox(), len(server.applied)) == (["mine"], [], 1)


def test_a_live_stream_brings_back_what_was_lost(server: MemoryServer, device: Device) -> None:
    backup = server.back_up()
    device.update("site", NORTH, {"name": "mine"})
    device.sync()
    server.restore(backup)
    with device.live() as live:
        for _ in live:
            if server.applied and names(device) == ["mine"]:
                break
    assert len(server.applied) == 1


def test_what_was_kept_for_long_goes_and_what_is_kept_is_bounded(server: MemoryServer, device: Device) -> None:
    with closing(sqlite3.connect(device._path)) as connection:
        outbox = Outbox(connection)

        begun_us = time.time_ns() // 1_000

        def keep(number: int, day: int) -> None:
            entry = Entry(number, SITE.number, str(NORTH), Kind.UPDATE, {}, {})
            outbox.add(entry, b"")
            outbox.keep([entry], now_us=begun_us + day * A_DAY_US)

        for number in (1, 2, 3):
            keep(number, number)
        for day in (500, 4, 5000, 5000, 5):  # A jump counts as a day, and back as none.
            outbox.keep([], now_us=begun_us + day * A_DAY_US)
        for day in range(6, KEPT_DAYS_MAX + 2):
            outbox.keep([], now_us=begun_us + day * A_DAY_US)
        assert [outbox.get(number) is None for number in (1, 2, 3)] == [False, False, False]
        keep(4, KEPT_DAYS_MAX + 2)
        assert [outbox.get(number) is None for number in (1, 2, 3, 4)] == [True, False, False, False]
        for number in range(5, KEPT_ENTRIES_MAX + 10):
            outbox.add(Entry(number, SITE.number, str(NORTH), Kind.UPDATE, {}, {}), b"")
        kept = [Entry(number, SITE.number, "", Kind.UPDATE, {}, {}) for number in range(5, KEPT_ENTRIES_MAX + 10)]
        outbox.keep(kept, now_us=begun_us + (KEPT_DAYS_MAX + 2) * A_DAY_US)
        assert len(outbox.in_state(State.KEPT)) == KEPT_ENTRIES_MAX
        assert outbox.get(KEPT_ENTRIES_MAX + 9) is not None
        assert (outbox.all(), outbox.count()) == ([], 0)


def test_wiping_leaves_nothing_of_what_was_kept(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "mine"})
    device.sync()
    device.wipe()
    assert states(device) == []


def test_a_file_from_before_writes_were_kept_is_upgraded(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "mine"})
    device.close()
    with closing(sqlite3.connect(device._path)) as connection:
        drop_dependencies(connection)
        connection.execute("DROP TABLE _haversack_withdrawn")
        connection.execute("DROP INDEX _haversack_outbox_state")
        connection.execute("ALTER TABLE _haversack_outbox DROP COLUMN settled_at_us")
        connection.execute("ALTER TABLE _haversack_outbox DROP COLUMN first_hash")
        connection.execute("PRAGMA user_version = 3")
        connection.commit()
    with Device(device._path, server, backoff=QUICK) as again:
        again.sync()
        assert (names(again), states(again)) == (["mine"], [State.KEPT])


def kept_bytes(device: Device) -> list[bytes]:
    with closing(device.connection()) as connection:
        return [bytes(raw) for (raw,) in connection.execute("SELECT mutation FROM _haversack_outbox ORDER BY number")]


def test_old_values_of_a_row_go_when_it_leaves_the_device(server: MemoryServer, device: Device) -> None:
    backup = server.back_up()
    device.update("site", NORTH, {"name": "mine"})
    device.sync()
    first = kept_bytes(device)
    assert b"North" in first[0]
    server.show(SITE, NORTH.bytes, visible=False)
    device.sync()
    assert b"North" not in kept_bytes(device)[0]
    assert b"mine" in kept_bytes(device)[0]
    server.start_epoch()
    device.sync()
    assert (states(device), len(server.applied)) == ([State.KEPT], 1), "the ledger knows it by its hash"
    server.restore(backup)
    device.sync()
    assert (names(device), len(server.applied)) == (["mine"], 1)


def test_old_values_stay_with_what_was_deleted_here(server: MemoryServer, device: Device) -> None:
    device.update("site", NORTH, {"name": "mine"})
    device.delete("site", NORTH)
    device.sync()
    assert all(b"North" in raw or b"mine" in raw for raw in kept_bytes(device))
    assert [it.state for it in device.outbox()] == []


def test_what_gives_way_when_it_is_sent_again_is_told(server: MemoryServer, device: Device) -> None:
    server.policy = MERGE
    backup = server.back_up()
    device.update("site", NORTH, {"name": "mine", "budget": "7"})
    device.sync()
    server.restore(backup)
    server.put(SITE, NORTH.bytes, name="theirs")
    result = device.sync()
    assert [(it.number, it.fields) for it in result.overruled] == [(1, ("name",))]
    server.start_epoch()
    assert device.sync().overruled == (), "once"


def test_what_a_source_is_asked_for_is_not_shown(server: MemoryServer, device: Device) -> None:
    backup = server.back_up()
    device.update("site", NORTH, {"name": "mine"})
    device.sync()
    server.restore(backup)
    server.judge = lambda _: Refusal(upload_pb2.MUTATION_OUTCOME_QUEUED)
    device.sync()
    request = server.uploads[-1]
    assert (list(request.sent_before), list(request.taken_before)) == ([1], [1])
    assert (states(device), device.outbox(), names(device)) == ([State.ASKED], [], ["North"])
    server.judge = lambda _: None
    install, number = request.install_id, 1
    raw, answer = server.ledger[install, number]
    answer = upload_pb2.MutationAnswer(number=1, outcome=upload_pb2.MUTATION_OUTCOME_APPLIED, lsn=server.head)
    server.ledger[install, number] = (raw, answer)
    device.sync()
    assert states(device) == [State.KEPT]


@pytest.mark.parametrize("outcome", [upload_pb2.MUTATION_OUTCOME_APPLIED, upload_pb2.MUTATION_OUTCOME_INVALID])
def test_what_was_blocked_follows_what_it_depends_on(server: MemoryServer, device: Device, outcome: int) -> None:
    """An administrator has had the creation judged again, and what it had blocked with it."""
    server.judge = lambda mutation: Refusal(upload_pb2.MUTATION_OUTCOME_FORBIDDEN) if mutation.number == 1 else None
    south = device.create("site", {"name": "South", "budget": "2"})
    device.update("site", south, {"budget": "3"})
    device.sync()
    assert states(device) == [State.REFUSED, State.HELD]
    install = server.uploads[-1].install_id
    for number, judged in ((1, upload_pb2.MUTATION_OUTCOME_APPLIED), (2, outcome)):
        raw, _ = server.ledger[install, number]
        answer = upload_pb2.MutationAnswer(number=number, outcome=judged, lsn=server.head)  # type: ignore[arg-type]
        server.ledger[install, number] = (raw, answer)
    device.sync()
    assert states(device)[1] == (State.KEPT if outcome == upload_pb2.MUTATION_OUTCOME_APPLIED else State.REFUSED)
