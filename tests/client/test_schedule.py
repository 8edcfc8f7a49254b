"""When a device that is kept in sync does sync: by each entity's own interval, over restarts, and after failures."""

import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue

import pytest
from client.memory_server import MemoryServer
from client.test_following import wait_for
from client.test_writes import NORTH, QUICK, SITE, VISIT
from client.wire import Entity
from haversack_client import Backoff, Device, Keeper, PermissionDeniedError, UnavailableError
from haversack_client._keeper import Work
from haversack_client._schedule import Due, read_due
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


class Kept:
    """A keeper over work that is scripted: each sync takes what it does from a list."""

    def __init__(self, *syncs: bool | Exception, remaining: float = 0.0) -> None:
        self.syncs = list(syncs)
        self.remaining = remaining
        self.asked = threading.Semaphore(0)
        self.calls = Queue[str]()

    def sync(self) -> bool:
        self.calls.put("sync")
        what = self.syncs.pop(0) if self.syncs else True
        if isinstance(what, Exception):
            raise what
        return what

    def due(self, _: float) -> Due:
        self.asked.release()
        remaining, self.remaining = self.remaining, 3600 if self.remaining else 0
        return Due(3600, remaining)

    def keeper(self, jitter: Callable[[], float] = lambda: 0.0) -> Keeper:
        upload = lambda: self.calls.put("upload")  # noqa: E731 (a line)
        work = Work(self.sync, upload, lambda: None, self.due, jitter)
        return Keeper(work, Backoff(initial_seconds=0.0001, max_seconds=0.001))

    def next(self) -> str:
        return self.calls.get(timeout=WAIT_SECONDS)


def test_losses_are_tried_again_and_refusals_wait_for_the_interval() -> None:
    lost = UnavailableError("nobody answers", code="UNAVAILABLE")
    refused = PermissionDeniedError("no", code="PERMISSION_DENIED")
    kept = Kept(lost, lost, False, refused, RuntimeError("the application's"))
    with kept.keeper() as keeper:
        assert [kept.next() for _ in range(4)] == ["sync"] * 4
        keeper.upload_now()
        assert kept.next() == "upload", "after a refusal an hour is waited, but for what is wanted"
        for _ in range(2):
            keeper.sync_now()
            assert kept.next() == "sync", "whatever the first has raised"
    with pytest.raises(Empty):
        kept.calls.get_nowait()


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
