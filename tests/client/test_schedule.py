"""When a device that is kept in sync does sync: by each entity's own interval, over restarts, and after failures."""

import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from queue import Empty, Queue
from typing import NoReturn

import pytest
from client.memory_server import MemoryServer, MemoryStream
from client.test_following import wait_for
from client.test_writes import NORTH, QUICK, SITE, VISIT
from client.wire import Entity
from haversack.sync.v1 import sync_pb2, upload_pb2
from haversack_client import (
    Backoff,
    Device,
    DeviceBlockedError,
    Keeper,
    NotProvisionedError,
    OverallState,
    PermissionDeniedError,
    QueueFullError,
    StoreError,
    UnavailableError,
)
from haversack_client._keeper import REFUSED_SECONDS, Work
from haversack_client._schedule import Due, read_due
from haversack_client._uploader import RETRIES_MAX
from hypothesis import given
from hypothesis import strategies as st

OFTEN = Entity(3, "site", SITE.attributes, sync_interval_minutes=5)
SELDOM = Entity(4, "visit", VISIT.attributes, sync_interval_minutes=60)
MINUTE_US = 60_000_000
WAIT_SECONDS = 20.0


def due(device: Device, later_minutes: float = 0, cut: float = 0.0) -> Due:
    """What is due so much after the last sync."""
    synced = max((it.synced_at_us or 0 for it in device.status().entities), default=0)
    with device.connection() as connection:
        connection.row_factory = None
        found = read_due(connection, synced + int(later_minutes * MINUTE_US), cut=cut)
    connection.close()
    return found


def test_the_first_entity_that_is_due_takes_the_others_along(tmp_path: Path) -> None:
    path = tmp_path / "device.sqlite3"
    with Device(path, MemoryServer((SELDOM, OFTEN)), backoff=QUICK) as device:
        assert due(device) == Due(600, 0), "a device without a model is due"
        device.sync()
        assert [due(device, at).remaining_seconds for at in (0, 2, 5, 90)] == [300, 180, 0, 0]
    with Device.offline(path) as device:
        assert due(device, 2, cut=0.1) == Due(300, 150), "times are kept, and intervals can be cut"
        assert due(device, -90).remaining_seconds == 300, "a clock that was set back makes nothing wait for longer"


def test_without_intervals_it_is_ten_minutes(tmp_path: Path) -> None:
    with Device(tmp_path / "device.sqlite3", MemoryServer((SITE, VISIT)), backoff=QUICK) as device:
        device.sync()
        assert due(device, 4) == Due(600, 360)


def test_a_kept_device_that_was_closed_syncs_only_if_something_is_due(tmp_path: Path) -> None:
    path, server = tmp_path / "device.sqlite3", MemoryServer((OFTEN, SELDOM))
    server.put(OFTEN, NORTH.bytes, name="North")
    with Device(path, server, backoff=QUICK) as device:
        device.sync()
        device.update("site", NORTH, {"name": "Mine"})
        server.streamed.clear()
    with Device(path, server, backoff=QUICK) as device:
        answered = threading.Event()
        device.on_activity(lambda activity: answered.set() if not activity.waiting else None)
        with device.keep_synced() as keeper:
            assert answered.wait(WAIT_SECONDS), "what waits is uploaded at once"
            assert not server.streamed, "but nothing is due"
            keeper.sync_now()
            wait_for(device, lambda _: not device.outbox())
        assert server.streamed


LOST = UnavailableError("nobody answers", code="UNAVAILABLE")
AWAY = NotProvisionedError("out of service", code="FAILED_PRECONDITION", reason="ORGANIZATION_NOT_PROVISIONED")
REFUSED = PermissionDeniedError("no", code="PERMISSION_DENIED")


INTERVAL_SECONDS = 3600.0


class Kept:
    """A keeper over work that is scripted: each sync and each upload takes what it does from a list."""

    def __init__(
        self, *syncs: bool | Exception, uploads: Sequence[Exception] = (), remaining: float | Exception = 0.0
    ) -> None:
        self.syncs = list(syncs)
        self.uploads = list(uploads)
        self.remaining = remaining
        self.asked = threading.Semaphore(0)
        self.calls = Queue[str]()

    def sync(self) -> bool:
        self.calls.put("sync")
        what = self.syncs.pop(0) if self.syncs else True
        if isinstance(what, Exception):
            raise what
        return what

    def upload(self) -> None:
        self.calls.put("upload")
        if self.uploads:
            raise self.uploads.pop(0)

    def due(self, _: float) -> Due:
        self.asked.release()
        if isinstance(self.remaining, Exception):
            error, self.remaining = self.remaining, 0.0
            raise error
        remaining, self.remaining = self.remaining, INTERVAL_SECONDS if self.remaining else 0
        return Due(INTERVAL_SECONDS, remaining)

    def keeper(self, *, waits: Callable[[float | None], object] = lambda _: None) -> Keeper:
        work = Work(self.sync, self.upload, lambda: None, self.due, lambda: 0.0, waits=waits)
        return Keeper(work, Backoff(initial_seconds=0.0001, max_seconds=0.001))

    def next(self) -> str:
        return self.calls.get(timeout=WAIT_SECONDS)


def test_losses_are_tried_again_and_refusals_wait_for_the_interval() -> None:
    kept = Kept(LOST, AWAY, False, REFUSED, RuntimeError("the application's"))
    with kept.keeper() as keeper:
        assert [kept.next() for _ in range(4)] == ["sync"] * 4
        keeper.upload_now()
        assert kept.next() == "upload", "after a refusal it waits for long, but for what is wanted"
        for _ in range(2):
            keeper.sync_now()
            assert kept.next() == "sync", "whatever the first has raised"
    with pytest.raises(Empty):
        kept.calls.get_nowait()


def test_what_was_wished_for_is_wished_for_until_it_is_done() -> None:
    kept = Kept(LOST, AWAY, False, uploads=[LOST, AWAY] * 4, remaining=3600.0)
    with kept.keeper() as keeper:
        assert [kept.next() for _ in range(9)] == ["upload"] * 9
        keeper.sync_now()
        assert [kept.next() for _ in range(4)] == ["sync"] * 4
        keeper.upload_now()
        assert kept.next() == "upload", "and no longer than that"
    assert kept.calls.empty()


def test_what_was_refused_is_asked_for_again_much_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haversack_client._keeper.REFUSED_SECONDS", 0.01)
    kept = Kept(REFUSED, uploads=[REFUSED], remaining=3600.0)
    with kept.keeper() as keeper:
        assert [kept.next() for _ in range(2)] == ["upload"] * 2
        keeper.sync_now()
        assert [kept.next() for _ in range(2)] == ["sync"] * 2


def test_a_blocked_device_waits_for_its_interval() -> None:
    blocked, waits = (
        DeviceBlockedError("lost", code="PERMISSION_DENIED", reason="DEVICE_BLOCKED"),
        Queue[float | None](),
    )
    kept = Kept(blocked, RuntimeError("the application's"))
    with kept.keeper(waits=waits.put) as keeper:
        assert waits.get(timeout=WAIT_SECONDS) == INTERVAL_SECONDS
        keeper.sync_now()
        assert waits.get(timeout=WAIT_SECONDS) == REFUSED_SECONDS


def test_a_full_queue_at_the_server_needs_no_second_download() -> None:
    full = QueueFullError("full", code="RESOURCE_EXHAUSTED", reason="WRITE_QUEUE_FULL", retry_delay_seconds=0.001)
    kept = Kept(full, uploads=[full])
    with kept.keeper():
        assert [kept.next() for _ in range(3)] == ["sync", "upload", "upload"]
    assert kept.calls.empty()


def test_a_database_that_cannot_be_read_for_once_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept(remaining=StoreError("locked"))
    with kept.keeper():
        assert [kept.next() for _ in range(2)] == ["upload", "sync"]
    assert "when a sync is due" in caplog.text


def test_an_outage_of_any_length_leaves_nothing_behind(tmp_path: Path) -> None:
    server = CountingServer((OFTEN, SELDOM))
    server.put(OFTEN, NORTH.bytes, name="North")
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        with device.keep_synced() as keeper:
            server.down = True
            device.update("site", NORTH, {"name": "Mine"})
            server.wait(calls=3 * RETRIES_MAX)
            assert device.activity.waiting == 1
            server.down = False
            wait_for(device, lambda it: not it.waiting)
            server.down = True
            keeper.sync_now()
            server.wait(calls=3 * RETRIES_MAX)
            server.put(OFTEN, NORTH.bytes, kind=2)
            server.down = False
            wait_for(device, lambda _: device.query("SELECT kind FROM site")[0]["kind"] == 2)


class CountingServer(MemoryServer):
    """It can be waited for calls that nobody answers."""

    def wait(self, calls: int) -> None:
        for _ in range(calls):
            assert self.unanswered.acquire(timeout=WAIT_SECONDS)

    def open(self, request: sync_pb2.SyncRequest) -> MemoryStream:
        if self.down:
            self.unanswered.release()
        return super().open(request)

    def upload(self, request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        if self.down:
            self.unanswered.release()
        return super().upload(request)

    @cached_property
    def unanswered(self) -> threading.Semaphore:
        return threading.Semaphore(0)


def test_an_organization_out_of_service_is_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = MemoryServer((OFTEN, SELDOM))
    server.put(OFTEN, NORTH.bytes, name="North")

    def away(_: object) -> NoReturn:
        raise AWAY

    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        monkeypatch.setattr(server, "upload", away)
        monkeypatch.setattr(server, "open", away)
        with device.keep_synced() as keeper:
            keeper.sync_now()
            activity = wait_for(device, lambda it: it.error != "")
            assert (activity.state, activity.error) == (OverallState.NOT_CONNECTED, str(AWAY))
            device.update("site", NORTH, {"name": "Mine"})
            monkeypatch.undo()
            wait_for(device, lambda it: not it.waiting and not it.error)
        assert len(server.applied) == 1


def test_a_sync_by_the_application_counts() -> None:
    kept = Kept(remaining=0.01)
    with kept.keeper() as keeper:
        assert kept.next() == "upload", "what waited when it was begun"
        for _ in range(2):  # At the beginning; and when it is due, it finds that somebody has synced.
            assert kept.asked.acquire(timeout=WAIT_SECONDS)
        keeper.upload_now()
        assert kept.next() == "upload"


@given(jitter=st.floats(0, 1), minutes=st.integers(5, 1440), passed=st.floats(0, 2000))
def test_an_interval_is_cut_by_a_tenth_at_most(jitter: float, minutes: int, passed: float) -> None:
    from haversack_client._keeper import JITTER
    from haversack_client._schedule import _remaining

    whole = _remaining(60.0 * minutes, MINUTE_US, MINUTE_US + int(passed * MINUTE_US))
    cut = _remaining(60.0 * minutes * (1 - jitter * JITTER), MINUTE_US, MINUTE_US + int(passed * MINUTE_US))
    assert 0 <= cut <= whole <= cut + 6.0 * minutes + 1e-6


class SilentServer(MemoryServer):
    """It takes calls, and answers none."""

    def upload(self, request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        self.called.set()
        assert self.left.wait(WAIT_SECONDS), "nobody hung up"
        raise UnavailableError("this device has hung up", code="CANCELLED")

    def hang_up(self) -> None:
        self.left.set()

    @cached_property
    def called(self) -> threading.Event:
        return threading.Event()

    @cached_property
    def left(self) -> threading.Event:
        return threading.Event()


def test_closing_does_not_wait_for_a_server_that_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haversack_client._keeper.ANSWER_SECONDS_MAX", 0.01)
    server = SilentServer((OFTEN, SELDOM))
    server.put(OFTEN, NORTH.bytes, name="North")
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        device.update("site", NORTH, {"name": "Mine"})
        keeper = device.keep_synced()
        assert server.called.wait(WAIT_SECONDS)
    assert server.left.is_set()
    assert not keeper.running
