"""A live stream: its events, its reconnects, its end."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from client.scripted_server import Action, Fail, Hang, Script, ScriptedServer
from client.wire import ACCOUNT, CONTACT, batch, checkpoint, model, plan, removals, with_cookie
from haversack.sync.v1 import sync_pb2
from haversack_client import (
    Backoff,
    Checkpoint,
    CheckpointReached,
    Connection,
    ConnectionChanged,
    Device,
    EventsDropped,
    Live,
    LiveEvent,
    ModelChanged,
    NotProvisionedError,
    PermissionDeniedError,
    RowsChanged,
    TokenError,
)
from haversack_client._live import _Events
from haversack_client._synchronizer import RETRIES_MAX
from pyroaring import BitMap

Code = grpc.StatusCode
QUICK = Backoff(initial_seconds=0.001, max_seconds=0.01)
MODEL = with_cookie(sync_pb2.SyncEvent(model=model(CONTACT, ACCOUNT)), b"1")
EMPTY = {CONTACT: dict[int, int](), ACCOUNT: dict[int, int]()}
REACHED = CheckpointReached(Checkpoint(100, 1, 1_700_000_000_000_000))


def open_device(tmp_path: Path, server: ScriptedServer) -> Device:
    return Device.open(tmp_path / "device.sqlite3", server.endpoint, "secret", backoff=QUICK)


def until(live: Live, last: LiveEvent) -> list[LiveEvent]:
    """The events up to the first one like `last`."""
    seen: list[LiveEvent] = []
    for event in live:
        seen.append(event)
        if event == last:
            return seen
    raise AssertionError(f"ended before {last}: {seen}")


def test_what_an_application_sees(tmp_path: Path) -> None:
    script: list[Action] = [
        MODEL,
        plan({ACCOUNT: 2}),
        batch(ACCOUNT, {1: 10, 2: 20}),
        checkpoint(EMPTY | {ACCOUNT: {1: 10, 2: 20}}),
        sync_pb2.SyncEvent(heartbeat=sync_pb2.Heartbeat()),
        removals(ACCOUNT, BitMap([2, 3]).serialize()),
        removals(ACCOUNT, BitMap([5]).serialize()),
        checkpoint(EMPTY | {ACCOUNT: {1: 10}}, lsn=101),
        Hang(),
    ]
    with ScriptedServer([script]) as server, open_device(tmp_path, server) as device:
        with device.live() as live:
            last = CheckpointReached(Checkpoint(101, 1, 1_700_000_000_000_000))
            assert until(live, last) == [
                ConnectionChanged(Connection.CONNECTING),
                ConnectionChanged(Connection.CONNECTED),
                ModelChanged(),
                RowsChanged("account", written=2, removed=0),
                REACHED,
                RowsChanged("account", written=0, removed=1),
                last,
            ]
            assert server.requests[0].mode == sync_pb2.SYNC_MODE_LIVE
            assert live.running
        assert not live.running
        assert list(live) == []
        assert device.status().rows == 1


def test_it_comes_back_for_ever(tmp_path: Path) -> None:
    cuts: list[Script] = [[Fail(Code.UNAVAILABLE, "SERVER_STOPPING")]] * (RETRIES_MAX + 3)
    scripts: list[Script] = [[MODEL, Fail(Code.INTERNAL)], *cuts, [checkpoint(EMPTY), Hang()]]
    with ScriptedServer(scripts) as server, open_device(tmp_path, server) as device, device.live() as live:
        seen = until(live, REACHED)
        waits = [event for event in seen if isinstance(event, ConnectionChanged) and event.error]
        assert len(waits) == len(cuts) + 1
        assert all(event.connection is Connection.WAITING for event in waits)
        assert seen[-2] == ConnectionChanged(Connection.CONNECTED)


def test_a_token_that_cannot_be_had_now_is_asked_for_again(tmp_path: Path) -> None:
    lost = [ConnectionError("cannot reach login.example.com")] * (2 * RETRIES_MAX)

    def token() -> str:
        if lost:
            raise lost.pop()
        return "fresh"

    path = tmp_path / "device.sqlite3"
    with (
        ScriptedServer([[MODEL, checkpoint(EMPTY), Hang()]]) as server,
        Device.open(path, server.endpoint, token, backoff=QUICK) as device,
        device.live() as live,
    ):
        waits = [it for it in until(live, REACHED) if isinstance(it, ConnectionChanged) and it.error]
        assert len(waits) > RETRIES_MAX, "a report may have asked, too"
        assert "login.example.com" in str(waits[0].error)
        assert set(server.tokens) == {"Bearer fresh"}


def test_a_user_who_must_sign_in_again_ends_it(tmp_path: Path) -> None:
    def token() -> str:
        raise TokenError("sign in again")

    with (
        Device.open(tmp_path / "device.sqlite3", "127.0.0.1:1", token, backoff=QUICK) as device,
        pytest.raises(TokenError),
    ):
        list(device.live())


def test_what_does_not_pass_ends_it(tmp_path: Path) -> None:
    script: list[Action] = [MODEL, Fail(Code.PERMISSION_DENIED, "PROFILE_MISSING")]
    with ScriptedServer([script]) as server, open_device(tmp_path, server) as device:
        live = device.live()
        seen: list[LiveEvent] = []
        with pytest.raises(PermissionDeniedError):
            seen.extend(live)
        with pytest.raises(PermissionDeniedError):
            list(live)
        live.stop()
        assert not live.running
        with device.live():
            pass


def test_an_organization_out_of_service_is_waited_for(tmp_path: Path) -> None:
    out_of_service: Script = [Fail(Code.FAILED_PRECONDITION, "ORGANIZATION_NOT_PROVISIONED")]
    scripts: list[Script] = [*[out_of_service] * (RETRIES_MAX + 2), [MODEL, checkpoint(EMPTY), Hang()]]
    with ScriptedServer(scripts) as server, open_device(tmp_path, server) as device, device.live() as live:
        waits = [it for it in until(live, REACHED) if isinstance(it, ConnectionChanged) and it.error]
        assert len(waits) == RETRIES_MAX + 2
        assert {type(it.error) for it in waits} == {NotProvisionedError}


def test_whatever_ends_the_thread_reaches_the_reader(tmp_path: Path) -> None:
    broken = Backoff(jitter=lambda: 1 / 0)
    with (
        ScriptedServer([[Fail(Code.UNAVAILABLE)]]) as server,
        Device.open(tmp_path / "device.sqlite3", server.endpoint, "secret", backoff=broken) as device,
        pytest.raises(ZeroDivisionError),
    ):
        list(device.live())


def test_a_digest_that_disagrees_calls_again(tmp_path: Path) -> None:
    wrong = checkpoint(EMPTY | {ACCOUNT: {1: 10}})
    scripts: list[Script] = [[MODEL, wrong, Hang()], [batch(ACCOUNT, {1: 10}), wrong, Hang()]]
    with ScriptedServer(scripts) as server, open_device(tmp_path, server) as device, device.live() as live:
        until(live, REACHED)
        assert [len(request.mismatches) for request in server.requests] == [0, 1]


@pytest.mark.parametrize("script", [[Hang()], [Fail(Code.UNAVAILABLE, "SERVER_BEHIND", 0.9)]])
def test_stop_is_prompt_while_waiting(tmp_path: Path, script: list[Action]) -> None:
    slow = Backoff(initial_seconds=60.0, max_seconds=60.0)
    with ScriptedServer([script]) as server:
        device = Device.open(tmp_path / "device.sqlite3", server.endpoint, "secret", backoff=slow)
        live = device.live()
        while not server.requests:
            time.sleep(0.001)
        began = time.monotonic()
        device.close()
        assert time.monotonic() - began < 5
        assert not live.running


def test_stop_at_any_moment(tmp_path: Path) -> None:
    def script(request: sync_pb2.SyncRequest) -> Iterator[Action]:
        yield MODEL
        yield plan({ACCOUNT: 1000})
        for ordinal in range(1000):
            yield batch(ACCOUNT, {ordinal: 1 + ordinal})
        yield Hang()

    with ScriptedServer([script]) as server, open_device(tmp_path, server) as device:
        for attempt in range(20):
            live = device.live()
            time.sleep(attempt * 0.003)
            live.stop()
            assert device.status(verify=True).verified is not False


def test_a_reader_that_sleeps_loses_the_oldest_and_is_told() -> None:
    events = _Events(3)
    for lsn in range(10):
        events.put(CheckpointReached(Checkpoint(lsn, 1, 1)))
    events.end()
    seen = []
    while (event := events.get()) is not None:
        seen.append(event)
    assert seen == [EventsDropped(7), *(CheckpointReached(Checkpoint(lsn, 1, 1)) for lsn in (7, 8, 9))]


def test_readers_wait_for_events() -> None:
    events = _Events(3)
    threading.Timer(0.05, events.put, [ModelChanged()]).start()
    assert events.get() == ModelChanged()
    threading.Timer(0.05, events.end).start()
    assert events.get() is None
