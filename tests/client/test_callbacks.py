"""What an application raises when it is told something is its own: the device goes on, and the log has it."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from client.test_following import EXPIRED, WAIT_SECONDS, LiveServer, RefusingServer, wait_for
from client.test_wipe import WipingServer
from client.test_writes import NORTH, QUICK, SITE, VISIT
from haversack_client import (
    CheckpointReached,
    Device,
    DeviceWipedError,
    ModelAnswer,
    ModelChangeWaiting,
    OverallState,
    StoreError,
    WritesAnswered,
)

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


def mistaken(*_: object) -> ModelAnswer:
    raise RuntimeError("the application's mistake")


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    server = LiveServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        yield device


def test_a_listener_that_raises_stops_neither_writes_nor_syncs(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    device.on_activity(mistaken)
    told = list[int]()
    device.on_activity(lambda activity: told.append(activity.waiting))
    device.sync()
    device.update("site", NORTH, {"name": "Mine"})
    assert told[-1] == 1, "others are told nevertheless"
    with device.live() as live:
        events = iter(live)
        assert any(isinstance(event, WritesAnswered) for event in events)
        assert any(isinstance(event, CheckpointReached) for event in events)
    device.sync()
    assert "the application's mistake" in caplog.text


def test_a_live_stream_that_cannot_begin_tells_and_leaves_the_device_free(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise StoreError("locked")

    monkeypatch.setattr(device._monitor, "begin", locked)
    monkeypatch.setattr(device._monitor, "end", locked)
    with pytest.raises(StoreError):
        list(device.live())
    monkeypatch.undo()
    assert device.sync().complete


def test_what_cannot_be_counted_is_written_nevertheless(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    device.sync()
    monkeypatch.setattr("haversack_client._monitor.count_writes", mistaken)
    device.update("site", NORTH, {"name": "Mine"})
    monkeypatch.undo()
    device.sync()
    assert device.outbox() == []


def test_an_application_that_raises_when_it_is_asked_keeps_its_tables(tmp_path: Path) -> None:
    server = LiveServer((SITE, VISIT))
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK, on_model_change=mistaken) as device:
        device.sync()
        server.entities, server.version = (SITE, replace(VISIT, attributes=VISIT.attributes[:-1])), 2
        assert device.sync().model_waiting
        with device.live() as live:
            assert any(isinstance(event, ModelChangeWaiting) for event in live)
            device.accept_model_change()
            wait_for(device, lambda activity: not activity.model_waiting)


def test_a_device_is_wiped_whatever_the_application_makes_of_it(tmp_path: Path) -> None:
    server = WipingServer((SITE, VISIT))
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK, on_wiped=mistaken) as device:
        device.sync()
        server.offers = False
        with pytest.raises(DeviceWipedError):
            device.sync()
        assert device.wiped


def test_a_listener_may_stop_the_stream_that_tells_it(tmp_path: Path) -> None:
    server = RefusingServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    device = Device(tmp_path / "device.sqlite3", server, backoff=QUICK)
    device.sync()
    live, ended = device.live(), threading.Event()

    def read() -> None:
        list(live)
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    device.on_activity(lambda activity: live.stop() if activity.state is OverallState.ERROR else None)
    server.refusal = EXPIRED
    device.update("site", NORTH, {"name": "Mine"})
    assert ended.wait(WAIT_SECONDS), "it is the thread that uploads which tells"
    device.close()


def test_progress_is_asked_for_by_a_call_and_ends_it(device: Device) -> None:
    with pytest.raises(RuntimeError, match="mistake"):
        device.sync(mistaken)
    assert device.sync().complete
