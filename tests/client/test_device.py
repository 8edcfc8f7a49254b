"""A device over a real socket: syncs, goes on after cuts, never fetches again what it has."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from client.scripted_server import Action, Fail, Hang, Script, ScriptedServer
from client.wire import ACCOUNT, CONTACT, batch, checkpoint, inventory_required, model, plan, removals, with_cookie
from haversack.sync.v1 import sync_pb2
from haversack_client import (
    AuthenticationError,
    Backoff,
    Checkpoint,
    Device,
    DigestMismatchError,
    FencedError,
    PermissionDeniedError,
    Progress,
    ProtocolError,
    RemoteError,
    Stage,
    StoreError,
    SyncRunningError,
    UnavailableError,
)
from haversack_client._synchronizer import RETRIES_MAX

Code = grpc.StatusCode
QUICK = Backoff(initial_seconds=0.001, max_seconds=0.01)
BATCH_ROWS = 50
BATCHES = 6
ROWS = {ordinal: 1000 + ordinal for ordinal in range(BATCH_ROWS * BATCHES)}


def first_sync() -> list[sync_pb2.SyncEvent]:
    """A whole first sync, each event with the cookie that leads to the next."""
    parts = [dict(list(ROWS.items())[start : start + BATCH_ROWS]) for start in range(0, len(ROWS), BATCH_ROWS)]
    events = [
        sync_pb2.SyncEvent(model=model(CONTACT, ACCOUNT)),
        plan({ACCOUNT: len(ROWS)}),
        *(batch(ACCOUNT, part, zstd=True) for part in parts),
        checkpoint({CONTACT: {}, ACCOUNT: ROWS}),
    ]
    return [with_cookie(event, str(index + 1).encode()) for index, event in enumerate(events)]


def resuming(cut: Callable[[int], Sequence[Action]] = lambda _: ()) -> Script:
    """Goes on from the request's cookie. `cut` may put something before the event of an index."""

    def script(request: sync_pb2.SyncRequest) -> Iterator[Action]:
        for index, event in enumerate(first_sync()):
            if index >= int(request.cookie or b"0"):
                yield from cut(index)
                yield event

    return script


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "device.sqlite3"


def open_device(path: Path, server: ScriptedServer, **options: Any) -> Device:
    return Device.open(path, server.endpoint, options.pop("token", "secret"), backoff=QUICK, **options)


def test_sync_query_and_status(path: Path) -> None:
    seen: list[Progress] = []
    with ScriptedServer([resuming()]) as server, open_device(path, server) as device:
        result = device.sync(seen.append)
        assert device.query("SELECT count(*) AS n, max(name) AS name FROM account")[0]["n"] == len(ROWS)
        status = device.status(verify=True)
    assert result.complete
    assert result.checkpoint == status.checkpoint == Checkpoint(100, 1, 1_700_000_000_000_000)
    assert (result.rows, result.removals, result.passes, result.retries) == (len(ROWS), 0, 1, 0)
    assert result.bytes == sum(event.ByteSize() for event in first_sync())
    assert [(entity.name, entity.rows) for entity in result.entities] == [("account", len(ROWS))]
    assert 0 < result.entities[0].seconds <= result.seconds
    assert (status.stage, status.verified, status.model_version) == (Stage.READY, True, 1)
    assert [(entity.name, entity.rows, entity.mandatory) for entity in status.entities] == [
        ("contact", 0, True),
        ("account", len(ROWS), False),
    ]
    assert (seen[-1].stage, seen[-1].fraction, seen[-1].rows_done) == (Stage.READY, 1.0, len(ROWS))
    assert [progress.fraction for progress in seen] == sorted(progress.fraction for progress in seen)
    assert {progress.stage for progress in seen} >= {Stage.SCHEMA_READY, Stage.MANDATORY_READY, Stage.DOWNLOADING}


def test_cut_everywhere_and_nothing_is_sent_twice(path: Path) -> None:
    cuts = set(range(len(first_sync())))

    def cut(index: int) -> Sequence[Action]:
        if index not in cuts:
            return ()
        cuts.remove(index)
        return (Fail(Code.UNAVAILABLE, "SERVER_STOPPING"),)

    with ScriptedServer([resuming(cut)]) as server, open_device(path, server) as device:
        result = device.sync()
        assert device.status(verify=True).verified
        assert [int(request.cookie or b"0") for request in server.requests] == [0, *range(len(first_sync()))]
    assert result.complete
    assert result.retries == len(first_sync())
    assert result.bytes == sum(event.ByteSize() for event in first_sync())


def test_retries_are_bounded(path: Path) -> None:
    with ScriptedServer([[Fail(Code.UNAVAILABLE, "SERVER_BEHIND")]]) as server, open_device(path, server) as device:
        with pytest.raises(UnavailableError) as caught:
            device.sync()
        assert caught.value.reason == "SERVER_BEHIND"
        assert len(server.requests) == 1 + RETRIES_MAX


def test_heartbeats_are_no_progress(path: Path) -> None:
    script: list[Action] = [sync_pb2.SyncEvent(heartbeat=sync_pb2.Heartbeat()), Fail(Code.UNAVAILABLE)]
    with ScriptedServer([script]) as server, open_device(path, server) as device:
        with pytest.raises(UnavailableError):
            device.sync()
        assert len(server.requests) == 1 + RETRIES_MAX


def test_the_wait_that_a_server_asks_for_is_kept(path: Path) -> None:
    waits: list[float] = []

    class Watched(Backoff):
        def delay_seconds(self, failures: int, wished: float | None) -> float:
            waits.append(super().delay_seconds(failures, wished))
            return 0.0

    scripts: list[Script] = [[Fail(Code.UNAVAILABLE, "SERVER_BEHIND", 0.75)], [Fail(Code.UNAVAILABLE)], resuming()]
    backoff = Watched(initial_seconds=2.0, max_seconds=60.0, jitter=lambda: 0.5)
    with ScriptedServer(scripts) as server, Device.open(path, server.endpoint, "t", backoff=backoff) as device:
        assert device.sync().retries == 2
    assert waits == [0.75 * 1.25, 4.0 * 0.75]


@pytest.mark.parametrize(
    ("failures", "wished", "jitter", "expected"),
    [
        (1, None, 0.0, 0.5),
        (2, None, 0.0, 1.0),
        (4, None, 1.0, 2.0),
        (50, None, 0.0, 8.0),
        (1, 2.0, 0.0, 2.0),
        (9, 2.0, 1.0, 3.0),
        (1, 999.0, 0.0, 8.0),
    ],
)
def test_backoff(failures: int, wished: float | None, jitter: float, expected: float) -> None:
    backoff = Backoff(initial_seconds=0.5, max_seconds=8.0, jitter=lambda: jitter)
    assert backoff.delay_seconds(failures, wished) == expected


def test_a_stream_that_ends_too_early_is_called_again(path: Path) -> None:
    with ScriptedServer([first_sync()[:4], resuming()]) as server, open_device(path, server) as device:
        assert device.sync().complete
        assert server.requests[1].cookie == b"4"


def test_inventories_on_the_next_call(path: Path) -> None:
    asks: list[Action] = [inventory_required((ACCOUNT.number, 0))]
    with ScriptedServer([first_sync(), asks, first_sync()[-1:]]) as server, open_device(path, server) as device:
        device.sync()
        device.sync()
        assert [(it.entity, it.block) for it in server.requests[2].inventories] == [(ACCOUNT.number, 0)]


def test_the_ladder_over_calls(path: Path) -> None:
    events = first_sync()
    wrong = with_cookie(checkpoint({CONTACT: {}, ACCOUNT: ROWS | {0: 9}}), b"8")
    with ScriptedServer([[*events[:-1], wrong]]) as server, open_device(path, server) as device:
        with pytest.raises(DigestMismatchError):
            device.sync()
        ladder = [[(it.entity, it.attempt) for it in request.mismatches] for request in server.requests]
        assert ladder == [[], [(ACCOUNT.number, 1)], [(ACCOUNT.number, 2)]]
        assert device.status().checkpoint is None


def test_a_denial_comes_after_the_removals(path: Path) -> None:
    denial: list[Action] = [removals(ACCOUNT, None), Fail(Code.PERMISSION_DENIED, "USER_DISABLED")]
    with ScriptedServer([resuming(), denial]) as server, open_device(path, server) as device:
        device.sync()
        with pytest.raises(PermissionDeniedError) as caught:
            device.sync()
        assert caught.value.reason == "USER_DISABLED"
        assert device.status().rows == 0
        assert len(server.requests) == 2


def test_a_disabled_user_leaves_no_trace(path: Path) -> None:
    """Even if the server should not get to send removals."""
    scripts: list[Script] = [resuming(), [Fail(Code.PERMISSION_DENIED, "USER_DISABLED")], first_sync()[1:]]
    with ScriptedServer(scripts) as server, open_device(path, server) as device:
        device.sync()
        assert b"v1299" in path.read_bytes() + path.with_name(f"{path.name}-wal").read_bytes()
        with pytest.raises(PermissionDeniedError):
            device.sync()
        assert device.status(verify=True).rows == 0
        assert b"v1299" not in path.read_bytes() + path.with_name(f"{path.name}-wal").read_bytes()
        assert device.sync().rows == len(ROWS)


def test_a_denial_of_another_kind_erases_nothing_by_itself(path: Path) -> None:
    scripts: list[Script] = [resuming(), [Fail(Code.PERMISSION_DENIED, "TOKEN_NOT_ALLOWED")]]
    with ScriptedServer(scripts) as server, open_device(path, server) as device:
        device.sync()
        with pytest.raises(PermissionDeniedError):
            device.sync()
        assert device.status().rows == len(ROWS)


def test_an_expired_token_is_renewed(path: Path) -> None:
    """However many calls failed for other reasons before."""
    tokens = iter(["old", "old", "new"])
    away: list[Action] = [Fail(Code.UNAVAILABLE, "SERVER_STOPPING")]
    scripts: list[Script] = [away, [Fail(Code.UNAUTHENTICATED, "TOKEN_EXPIRED")], resuming()]
    with ScriptedServer(scripts) as server, open_device(path, server, token=lambda: next(tokens)) as device:
        assert device.sync().complete
        assert server.tokens == ["Bearer old", "Bearer old", "Bearer new"]


@pytest.mark.parametrize("token", ["fixed", lambda: "same"])
def test_an_expired_token_that_stays_so_is_an_error(path: Path, token: object) -> None:
    expired: list[Action] = [Fail(Code.UNAUTHENTICATED, "TOKEN_EXPIRED")]
    with ScriptedServer([expired]) as server, open_device(path, server, token=token) as device:
        with pytest.raises(AuthenticationError):
            device.sync()
        assert len(server.requests) == (2 if callable(token) else 1)


def test_a_cookie_that_the_server_refuses_is_forgotten_once(path: Path) -> None:
    refusal: list[Action] = [Fail(Code.INVALID_ARGUMENT, "COOKIE_INVALID")]
    with ScriptedServer([first_sync(), refusal, first_sync(), refusal]) as server, open_device(path, server) as device:
        device.sync()
        assert device.sync().complete
        assert [request.cookie for request in server.requests] == [b"", str(len(first_sync())).encode(), b""]
        with pytest.raises(RemoteError, match="COOKIE_INVALID"):
            device.sync()


def test_a_broken_contract_is_not_retried(path: Path) -> None:
    with ScriptedServer([[sync_pb2.SyncEvent()]]) as server, open_device(path, server) as device:
        with pytest.raises(ProtocolError):
            device.sync()
        assert len(server.requests) == 1


def test_a_view_that_keeps_moving(path: Path) -> None:
    end = with_cookie(sync_pb2.SyncEvent(pass_complete=sync_pb2.PassComplete(floor=7)), b"9")
    with ScriptedServer([[*first_sync()[:-1], end]]) as server, open_device(path, server) as device:
        result = device.sync()
        assert (result.complete, result.checkpoint, result.rows) == (False, None, len(ROWS))


def test_a_callback_that_raises_ends_the_sync_and_keeps_what_is_there(path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.rows_done:
            raise KeyboardInterrupt

    with ScriptedServer([resuming()]) as server, open_device(path, server) as device:
        with pytest.raises(KeyboardInterrupt):
            device.sync(stop)
        assert device.status().rows == BATCH_ROWS
        assert device.sync().rows == len(ROWS) - BATCH_ROWS


def test_one_sync_at_a_time(path: Path) -> None:
    with ScriptedServer([[Hang()]]) as server, open_device(path, server) as device:
        with device.live(), pytest.raises(SyncRunningError):
            device.sync()
        with device.live():
            pass


def test_a_device_is_not_closed_under_a_sync(path: Path) -> None:
    with ScriptedServer([resuming()]) as server:
        device = open_device(path, server)

        def close(_: Progress) -> None:
            with pytest.raises(SyncRunningError):
                device.close()

        assert device.sync(close).complete
        device.close()
        device.close()
        with pytest.raises(StoreError, match="closed"):
            device.sync()


def test_another_process_takes_over(path: Path) -> None:
    waiting, taken = threading.Event(), threading.Event()

    def script(request: sync_pb2.SyncRequest) -> Iterator[Action]:
        yield first_sync()[0]
        waiting.set()
        taken.wait(10)
        yield from first_sync()[1:]

    with ScriptedServer([script, resuming()]) as server, open_device(path, server) as device:
        failures: list[BaseException] = []

        def run() -> None:
            try:
                device.sync()
            except FencedError as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert waiting.wait(10)
        with open_device(path, server) as other:
            assert other.sync().complete
        taken.set()
        thread.join(10)
        assert len(failures) == 1
        assert device.status(verify=True).verified


def test_reading_goes_on_while_rows_come(path: Path) -> None:
    counts: list[int] = []
    with ScriptedServer([resuming()]) as server, open_device(path, server) as device:

        def count(progress: Progress) -> None:
            if progress.rows_done:
                counts.append(device.query("SELECT count(*) FROM account")[0][0])

        device.sync(count)
    assert counts == [*range(BATCH_ROWS, len(ROWS) + 1, BATCH_ROWS), len(ROWS)]


def test_queries_read_only(path: Path) -> None:
    with ScriptedServer([resuming()]) as server, open_device(path, server) as device:
        device.sync()
        assert device.query("SELECT name FROM account WHERE _ordinal = :n", {"n": 3})[0]["name"] == "v1003"
        for statement in ("DELETE FROM account", "CREATE TABLE mine (x)", "SELECT nothing FROM account"):
            with pytest.raises(sqlite3.OperationalError):
                device.query(statement)


def test_status_of_what_is_no_device(tmp_path: Path) -> None:
    from haversack_client._reader import read_status

    with pytest.raises(StoreError):
        read_status(tmp_path / "nothing.sqlite3", verify=False)


def test_an_endpoint_that_is_none_makes_no_file(path: Path) -> None:
    with pytest.raises(ValueError, match="no endpoint"):
        Device.open(path, "ftp://host", "token")
    assert not path.exists()
