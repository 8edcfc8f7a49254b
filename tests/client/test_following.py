"""A device that is left alone: live beside writes, kept in sync now and then, through losses, and what it says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from queue import Queue

import pytest
from client.memory_server import MERGE, MemoryServer, MemoryStream
from client.test_writes import FORBIDDEN, NORTH, QUICK, SITE, VISIT, name
from client.wire import Attribute, Entity, batch, checkpoint, with_cookie
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2, upload_pb2
from haversack_client import (
    Activity,
    AuthenticationError,
    Backoff,
    CheckpointReached,
    Device,
    ModelAnswer,
    ModelChange,
    ModelChangeWaiting,
    OverallState,
    ProtocolError,
    Stage,
    UnavailableError,
    UploadFailed,
    WriteRefusedError,
    WritesAnswered,
)
from haversack_client._model_change import ASK_AGAIN_SECONDS, ModelGate
from haversack_client._transport import Received

WAIT_SECONDS = 20.0
"""A test that waits longer has failed."""


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North", kind=1)
    return server


@pytest.fixture
def device(tmp_path: Path, server: MemoryServer) -> Iterator[Device]:
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        yield device


def wait_for(device: Device, wanted: Callable[[Activity], bool]) -> Activity:
    """The first activity that is as wanted."""
    found = Queue[Activity]()
    end = device.on_activity(found.put)
    activity = device.activity
    while not wanted(activity):
        activity = found.get(timeout=WAIT_SECONDS)
    end()
    return activity


class LiveServer(MemoryServer):
    """Streams that go on: after an upload the row comes, and a checkpoint."""

    def open(self, request: sync_pb2.SyncRequest) -> MemoryStream:
        stream = super().open(request)
        if request.mode == sync_pb2.SYNC_MODE_LIVE:
            return LiveStream(stream.events, None, stream.streamed, self)
        return stream


class LiveStream(MemoryStream):
    """One that waits for changes."""

    def __init__(
        self, events: Iterator[sync_pb2.SyncEvent], cut: None, streamed: list[sync_pb2.SyncEvent], server: MemoryServer
    ) -> None:
        super().__init__(events, cut, streamed)
        self.server = server
        self.ended = threading.Event()

    def __iter__(self) -> Iterator[Received]:
        yield from super().__iter__()
        seen = self.server.head
        while not self.ended.wait(0.005):
            if self.server.head == seen:
                yield received(sync_pb2.SyncEvent(heartbeat=sync_pb2.Heartbeat(lsn=seen)))
                continue
            rows = {row_id: row for row_id, row in self.server.rows[SITE.number].items() if row.alive}
            names = {attribute.number: attribute.name for attribute in SITE.attributes}
            for row in [row for row in rows.values() if row.lsn > seen]:
                fields = {names[number]: value for number, value in row.fields.items()}
                yield received(batch(SITE, {row.ordinal: row.lsn}, [fields]))
            seen = max(row.lsn for row in rows.values())
            held = {SITE: {row.ordinal: row.lsn for row in rows.values()}, VISIT: {}}
            yield received(with_cookie(checkpoint(held, lsn=seen), b"%s/%d/%d" % (self.server.epoch, 1, seen)))

    def cancel(self) -> None:
        self.ended.set()


def received(event: sync_pb2.SyncEvent) -> Received:
    return Received(event, event.ByteSize())


def test_live_uploads_at_once_and_comes_to_the_answer(tmp_path: Path) -> None:
    server = LiveServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device, device.live() as live:
        events = iter(live)
        assert any(isinstance(event, CheckpointReached) for event in events)
        device.update("site", NORTH, {"name": "Mine"})
        assert next(event for event in events if isinstance(event, WritesAnswered)) == WritesAnswered(1, ())
        wait_for(device, lambda it: it.state is OverallState.CONNECTED and not device.outbox())
        assert name(device) == "Mine"
        server.judge = lambda _: FORBIDDEN
        device.update("site", NORTH, {"name": "again"})
        answered = next(event for event in events if isinstance(event, WritesAnswered))
        assert [write.reason for write in answered.refused] == ["TOKEN_NOT_ALLOWED"]
        assert wait_for(device, lambda it: it.refused == 1).state is OverallState.WARNING
        assert name(device) == "Mine"


def test_live_goes_on_without_a_network(tmp_path: Path) -> None:
    server = LiveServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        server.down = True
        with device.live() as live:
            device.update("site", NORTH, {"name": "Mine"})
            activity = wait_for(device, lambda it: it.error != "" and it.waiting == 1)
            assert activity.state is OverallState.NOT_CONNECTED
            assert any(isinstance(event, UploadFailed) for event in live)
            server.down = False
            wait_for(device, lambda it: it.state is OverallState.CONNECTED and not it.waiting)
        assert len(server.applied) == 1


def test_a_kept_device_syncs_uploads_and_survives_losses(device: Device, server: MemoryServer) -> None:
    server.down = True
    with device.keep_synced() as keeper:
        assert wait_for(device, lambda it: it.error != "").state is OverallState.NOT_CONNECTED
        server.down = False
        wait_for(device, lambda it: it.stage is Stage.READY and not it.error)
        device.update("site", NORTH, {"name": "Mine"})
        wait_for(device, lambda it: it.waiting == 0 and len(server.applied) == 1)
        server.put(SITE, NORTH.bytes, kind=2)
        checkpoints = device.status().checkpoint
        keeper.sync_now()
        wait_for(device, lambda _: device.status().checkpoint != checkpoints)
    assert not keeper.running


def test_a_kept_device_is_closed_while_it_waits_for_a_network(tmp_path: Path, server: MemoryServer) -> None:
    server.down = True
    patient = Backoff(initial_seconds=3600, max_seconds=3600)
    with Device(tmp_path / "device.sqlite3", server, backoff=patient) as device:
        keeper = device.keep_synced()
        assert wait_for(device, lambda it: it.retry_seconds is not None).error
    assert not keeper.running


@pytest.mark.parametrize("way", ["live", "keep_synced"])
def test_what_another_process_writes_is_uploaded(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haversack_client._live.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("haversack_client._keeper.LOOK_SECONDS", 0.01)
    server = LiveServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    path, taken = tmp_path / "device.sqlite3", threading.Event()
    server.judge = lambda _: taken.set()
    with Device(path, server, backoff=QUICK) as device:
        device.sync()
        with getattr(device, way)():
            with Device.offline(path) as other:
                other.update("site", NORTH, {"name": "Theirs"})
            assert taken.wait(WAIT_SECONDS)


def test_stages_come_in_order_and_progress_never_goes_back(tmp_path: Path) -> None:
    first = Entity(9, "kind", (Attribute(1, "kindid", model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER),), mandatory=True)
    server = MemoryServer((first, SITE))
    for at in range(20):
        server.put(first, at.to_bytes(16, "big"))
        server.put(SITE, at.to_bytes(16, "big"), name=str(at))
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        seen = [device.activity]
        end = device.on_activity(seen.append)
        device.sync()
        end()
        stages = [stage for stage, _ in sorted({it.stage: at for at, it in reversed(list(enumerate(seen)))}.items())]
        assert stages == [1, 3, 4, 5, 6, 7]
        reached = {it.stage: at for at, it in reversed(list(enumerate(seen)))}
        assert reached[Stage.MANDATORY_READY] < reached[Stage.VERIFYING]
        syncing = [it for it in seen if it.rows_total]
        assert all(before.fraction <= after.fraction <= 1 for before, after in pairwise(syncing))
        assert OverallState.SYNCING in {it.state for it in seen}
        status = device.status()
        assert [it.stage for it in status.stages] == list(Stage)
        assert all(before.at_us <= after.at_us for before, after in pairwise(status.stages))
        assert all(it.received_bytes and it.synced_at_us for it in status.entities)
        device.create("site", {"name": "x"})
        assert [(it.name, it.waiting) for it in device.status().entities] == [("kind", 0), ("site", 1)]


def test_what_does_not_pass_is_an_error_until_the_next_call(device: Device, server: MemoryServer) -> None:
    device.sync()
    opened = server.open

    def broken(request: sync_pb2.SyncRequest) -> MemoryStream:
        raise ProtocolError("nonsense")

    server.open = broken  # type: ignore[method-assign]
    with pytest.raises(ProtocolError):
        device.sync()
    assert (device.activity.state, device.activity.error) == (OverallState.ERROR, "nonsense")
    server.open = opened  # type: ignore[method-assign]
    device.sync()
    assert (device.activity.state, device.activity.error) == (OverallState.NOT_CONNECTED, "")


EXPIRED = AuthenticationError("the token has expired", code="UNAUTHENTICATED", reason="TOKEN_EXPIRED")


class RefusingServer(LiveServer):
    """It may refuse uploads."""

    refusal: Exception | None = None

    def upload(self, request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        if self.refusal:
            raise self.refusal
        return super().upload(request)


def test_an_upload_that_is_refused_is_an_error_until_one_is_not(tmp_path: Path) -> None:
    server = RefusingServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        server.refusal = EXPIRED
        with device.keep_synced() as keeper:
            device.update("site", NORTH, {"name": "Mine"})
            activity = wait_for(device, lambda it: it.error != "")
            assert (activity.state, activity.error, activity.waiting) == (OverallState.ERROR, str(EXPIRED), 1)
            assert wait_for(device, lambda it: it.retry_seconds is not None).state is OverallState.ERROR
            server.refusal = None
            keeper.upload_now()
            activity = wait_for(device, lambda it: not it.waiting and it.state is not OverallState.ERROR)
            assert activity.error == ""
        server.refusal = EXPIRED
        device.update("site", NORTH, {"name": "again"})
        with pytest.raises(AuthenticationError):
            device.upload()
        assert (device.activity.state, device.activity.error) == (OverallState.ERROR, str(EXPIRED))


def test_an_upload_that_is_refused_beside_a_stream_stays_an_error(tmp_path: Path) -> None:
    server = RefusingServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device, device.live() as live:
        events = iter(live)
        assert any(isinstance(event, CheckpointReached) for event in events)
        server.refusal = EXPIRED
        device.update("site", NORTH, {"name": "Mine"})
        assert any(isinstance(event, UploadFailed) for event in events)
        server.put(SITE, NORTH.bytes, kind=2)
        assert any(isinstance(event, CheckpointReached) for event in events), "rows come all the same"
        assert (device.activity.state, device.activity.error) == (OverallState.ERROR, str(EXPIRED))
        server.refusal = None
        device.update("site", NORTH, {"name": "again"})
        wait_for(device, lambda it: it.state is OverallState.CONNECTED and not it.error)


def test_progress_goes_on_when_a_sync_has_more_to_do(tmp_path: Path, server: MemoryServer) -> None:
    server.policy = MERGE
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK, on_conflict=lambda _: {"name": "Both"}) as device:
        device.sync()
        device.update("site", NORTH, {"name": "Mine"})
        server.put(SITE, NORTH.bytes, name="Theirs")
        seen, told = list[float](), list[float]()
        device.on_activity(lambda activity: told.append(activity.fraction))
        device.sync(lambda progress: seen.append(progress.fraction))
        assert seen.count(1.0) > 1, "it came to its view twice"
        assert seen == sorted(seen)
        assert told == sorted(told)


def test_activities_can_be_iterated(device: Device) -> None:
    activities = device.activities()
    device.sync()
    threading.Timer(0.01, activities.close).start()
    seen = list(activities)
    assert seen[0].stage is Stage.REGISTERED
    assert seen[-1].stage is Stage.READY


def test_activities_end_with_their_device(tmp_path: Path, server: MemoryServer) -> None:
    device = Device(tmp_path / "device.sqlite3", server, backoff=QUICK)
    seen, ended = list[Activity](), threading.Event()

    def read() -> None:
        seen.extend(device.activities())
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    device.sync()
    device.close()
    assert ended.wait(WAIT_SECONDS)
    assert list(device.activities()) == [device.activity], "of one that is closed there is what was last"


def test_the_application_may_change_its_directory(
    tmp_path: Path, server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Device(Path("device.sqlite3"), server, backoff=QUICK) as device:
        device.sync()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert device.status().rows == 1
        with device._readers.reading():
            assert device.query("SELECT name FROM site")[0]["name"] == "North"
        device.update("site", NORTH, {"name": "Mine"})
        assert device.sync().applied == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


WIDER = Entity(
    3,
    "site",
    (
        *(attribute for attribute in SITE.attributes if attribute.name not in ("budget", "kind", "tags")),
        Attribute(4, "kind", model_pb2.ATTRIBUTE_TYPE_STRING),
        Attribute(10, "phone", model_pb2.ATTRIBUTE_TYPE_STRING),
    ),
)


def change_model(server: MemoryServer) -> None:
    """`budget` and `tags` go, `kind` becomes text, `phone` comes, and so does an entity; another goes."""
    server.entities = (WIDER, Entity(6, "price", (Attribute(1, "priceid", model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER),)))
    server.version = 2
    for row in server.rows[SITE.number].values():
        row.fields = {number: str(value) if number == 4 else value for number, value in row.fields.items()}


def test_the_application_says_when_tables_change(tmp_path: Path, server: MemoryServer) -> None:
    asked: list[ModelChange] = []
    answers = [ModelAnswer.LATER, ModelAnswer.NOW]

    def ask(change: ModelChange) -> ModelAnswer:
        asked.append(change)
        return answers[len(asked) - 1]

    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK, on_model_change=ask) as device:
        device.sync()
        assert asked == []
        change_model(server)
        device.update("site", NORTH, {"name": "Mine"})
        result = device.sync()
        assert (result.model_waiting, result.complete, result.applied) == (True, False, 1)
        assert device.activity.state is OverallState.WARNING
        device.update("site", NORTH, {"kind": 2})
        device.update("site", NORTH, {"budget": "7"})
        visit = device.create("visit", {"topic": "look"})
        change = asked[0]
        assert (change.added, change.removed) == (("price",), ("visit",))
        assert change.changed["site"].added == ("phone",)
        assert (set(change.changed["site"].removed), change.changed["site"].changed) == ({"budget", "tags"}, ("kind",))
        assert device.outbox()[-1].id == visit
        device._uploader = lambda **_: Nothing()  # type: ignore[method-assign, assignment]
        assert device.sync().complete
        assert [(it.number, it.state, it.reason, it.values) for it in device.outbox()] == [
            (2, "waiting", "", {"kind": "2"}),
            (3, "refused", "ATTRIBUTE_UNKNOWN", {"budget": "7"}),
            (4, "refused", "ENTITY_UNKNOWN", {"topic": "look"}),
        ]
        assert dict(device.query("SELECT name, kind, phone FROM site")[0]) == {
            "name": "Mine",
            "kind": "2",
            "phone": None,
        }
        del device._uploader
        device.sync()
        assert server.rows[SITE.number][NORTH.bytes].fields[4] == "2"
        for mend in (device.retry, lambda number: device.edit(number, {"phone": "1"})):
            with pytest.raises(WriteRefusedError, match="no budget on this device any more") as caught:
                mend(3)
            assert (caught.value.reason, caught.value.fields) == ("ATTRIBUTE_UNKNOWN", ("budget",))
        number = device.edit(3, {"phone": "1", "budget": None})
        assert [it.values for it in device.outbox() if it.number == number] == [{"phone": "1"}]
        assert device.status(verify=True).verified


def test_what_may_be_sent_is_shown_in_the_new_type_and_sent_as_it_was(tmp_path: Path, server: MemoryServer) -> None:
    """An attempt without a network leaves writes that the server may have, for all that the device knows."""
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        device.update("site", NORTH, {"kind": 2, "name": "Mine"})
        server.down = True
        with pytest.raises(UnavailableError):
            device.sync()
        server.down = False
        retyped = {"kind": model_pb2.ATTRIBUTE_TYPE_STRING, "name": model_pb2.ATTRIBUTE_TYPE_INTEGER}
        attributes = [replace(it, type=retyped.get(it.name, it.type), options=()) for it in SITE.attributes]
        site = replace(SITE, attributes=tuple(attributes))
        server.entities, server.version = (site, *server.entities[1:]), 2
        server.rows[SITE.number][NORTH.bytes].fields |= {2: 7, 4: "1"}
        device._uploader = lambda **_: Nothing()  # type: ignore[method-assign, assignment]
        device.sync()
        (write,) = device.outbox()
        assert write.values == {"kind": "2", "name": "Mine"}, "nothing that was written is lost"
        row = device.query("SELECT typeof(name), name, kind FROM site")[0]
        assert tuple(row) == ("integer", 7, "2"), "a table's column is of its type"
        with closing(device.connection()) as connection:
            (sent,) = connection.execute("SELECT mutation FROM _haversack_outbox").fetchone()
        assert upload_pb2.Mutation.FromString(sent).model_version == 1


def test_other_rights_neither_ask_the_application_nor_take_stages_back(tmp_path: Path, server: MemoryServer) -> None:
    def ask(change: ModelChange) -> ModelAnswer:
        raise AssertionError(f"asked about {change}")

    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK, on_model_change=ask) as device:
        device.sync()
        before = device.status()
        server.entities = tuple(replace(entity, rights=()) for entity in server.entities)
        server.version = 2
        stages: list[Stage] = []
        device.on_activity(lambda activity: stages.append(activity.stage))
        assert device.sync().complete
        assert Stage.SCHEMA_READY not in stages
        assert device.status().stage is before.stage
        with pytest.raises(WriteRefusedError):
            device.update("site", NORTH, {"name": "Mine"})


class Nothing:
    """Uploads nothing."""

    def drain(self) -> Iterator[None]:
        yield from ()


def test_a_crash_while_tables_change_leaves_the_old_ones(
    tmp_path: Path, server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "device.sqlite3"
    with Device(path, server, backoff=QUICK) as device:
        device.sync()
        device._uploader = lambda **_: Nothing()  # type: ignore[method-assign, assignment]
        device.update("site", NORTH, {"kind": 2})
        change_model(server)

        def crash(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("haversack_client._translation.translate", crash)
        with pytest.raises(KeyboardInterrupt):
            device.sync()
        monkeypatch.undo()
    with Device(path, server, backoff=QUICK) as device:
        assert device.query("SELECT kind, budget FROM site")[0]["kind"] == 2
        assert [it.values for it in device.outbox()] == [{"kind": 2}]
        assert device.status(verify=True).verified
        device.sync()
        assert device.query("SELECT phone FROM site")[0]["phone"] is None


def test_a_kept_device_does_not_press_its_application(tmp_path: Path, server: MemoryServer) -> None:
    asked = list[int]()

    def ask(change: ModelChange) -> ModelAnswer:
        asked.append(change.version)
        return ModelAnswer.LATER

    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK, on_model_change=ask) as device:
        device.sync()
        change_model(server)
        for _ in range(3):
            assert device._sync_kept(), "that the application does not want it now is no failure"
        assert asked == [2]
        server.version = 3
        assert device._sync_kept()
        assert asked == [2, 3], "another model is another question"
        device.sync()
        assert asked == [2, 3, 3], "an application that syncs is asked"
        with device.keep_synced():
            device.accept_model_change()
            wait_for(device, lambda it: it.stage is Stage.READY and not it.model_waiting)
            wait_for(device, lambda _: device.status().model_version == 3)
        assert asked == [2, 3, 3]


def test_an_application_that_said_later_is_asked_again_much_later(tmp_path: Path, server: MemoryServer) -> None:
    now, answers = [0.0], [ModelAnswer.LATER, ModelAnswer.LATER, ModelAnswer.NOW]
    gate = ModelGate(lambda _: answers.pop(0), clock=lambda: now[0])
    with Device(tmp_path / "device.sqlite3", server, backoff=QUICK) as device:
        device.sync()
        before = device._store.model
        change_model(server)
        device.sync()
        after = device._store.model
    assert after
    for now[0], left in ((0.0, 2), (ASK_AGAIN_SECONDS - 1, 2), (ASK_AGAIN_SECONDS + 1, 1), (ASK_AGAIN_SECONDS + 2, 1)):
        assert not gate.lets_in(before, after, asks_again=False)
        assert len(answers) == left
    assert gate.lets_in(before, after)


def test_live_waits_for_the_application(tmp_path: Path) -> None:
    server = LiveServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    path = tmp_path / "device.sqlite3"
    with Device(path, server, backoff=QUICK, on_model_change=lambda _: ModelAnswer.LATER) as device:
        device.sync()
        server.entities, server.version = (SITE, replace(VISIT, attributes=VISIT.attributes[:-1])), 2
        with device.live() as live:
            events = iter(live)
            assert any(isinstance(event, ModelChangeWaiting) for event in events)
            device.update("site", NORTH, {"name": "Mine"})
            assert any(isinstance(event, WritesAnswered) for event in events), "what is written is uploaded meanwhile"
            device.accept_model_change()
            assert any(isinstance(event, CheckpointReached) for event in events)
        assert device.status().model_version == 2
