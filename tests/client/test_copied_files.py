"""A device's file that is put back from a copy: numbers come again with other bytes, and nothing is lost or doubled."""

import random
import shutil
from contextlib import closing, suppress
from pathlib import Path
from uuid import UUID

import pytest
from client.memory_server import MemoryServer, MemoryStream, Refusal
from client.test_following import LiveServer
from client.test_writes import FORBIDDEN, NORTH, QUICK, SITE, VISIT
from client.wire import Entity
from haversack.sync.v1 import sync_pb2, upload_pb2
from haversack_client import CheckpointReached, Device, RemoteError, UnavailableError, WriteRefusedError

STEPS = 30


class File:
    """A device's file, with copies of it that can be put back."""

    def __init__(self, path: Path, server: MemoryServer) -> None:
        self.path = path
        self.server = server
        self.device = Device(path, server, backoff=QUICK)

    def copy(self) -> Path:
        """Keeps the file as it is."""
        self.device.close()
        kept = self.path.with_suffix(".copy")
        shutil.copy(self.path, kept)
        self.device = Device(self.path, self.server, backoff=QUICK)
        return kept

    def put_back(self) -> None:
        """The file is what it was when it was copied."""
        self.device.close()
        for leftover in self.path.parent.glob(f"{self.path.name}-*"):
            leftover.unlink()
        shutil.copy(self.path.with_suffix(".copy"), self.path)
        self.device = Device(self.path, self.server, backoff=QUICK)


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    return server


def names(server: MemoryServer) -> list[str]:
    return sorted(row[2] for row in server.visible(SITE).values())


def test_writes_of_a_copy_are_not_taken_for_those_that_had_their_numbers(server: MemoryServer, tmp_path: Path) -> None:
    file = File(tmp_path / "d.sqlite3", server)
    file.device.sync()
    file.device.create("site", {"name": "before"})
    file.device.sync()
    file.copy()
    first = file.device.status().install_id
    for at in range(3):
        file.device.create("site", {"name": f"lost {at}"})
    file.device.sync()
    file.put_back()
    made = file.device.create("site", {"name": "new 0"})
    file.device.create("visit", {"topic": "roof", "siteid": made})
    file.device.update("site", NORTH, {"budget": "5"})
    result = file.device.sync()
    assert (result.applied, result.refused, file.device.outbox()) == (3, 0, [])
    assert names(server) == ["North", "before", "lost 0", "lost 1", "lost 2", "new 0"]
    assert file.device.status().install_id != first
    assert file.device.status(verify=True).verified
    assert file.device.sync().applied == 0
    file.device.close()


def test_what_was_under_way_when_the_copy_was_made_is_taken_once(server: MemoryServer, tmp_path: Path) -> None:
    file = File(tmp_path / "d.sqlite3", server)
    file.device.sync()
    made = file.device.create("site", {"name": "in doubt"})
    file.device.update("site", made, {"budget": "1"})
    server.lose_answers = 6
    with pytest.raises(UnavailableError):
        file.device.sync()
    server.lose_answers = 0
    file.copy()
    file.device.create("site", {"name": "lost"})
    file.device.sync()
    file.put_back()
    file.device.update("site", made, {"kind": 2})
    file.device.create("visit", {"topic": "roof", "siteid": made})
    result = file.device.sync()
    assert (result.applied, result.refused, file.device.outbox()) == (4, 0, [])
    assert names(server) == ["North", "in doubt", "lost"]
    assert len(server.applied) == len(set(server.applied)) == 5
    assert file.device.query("SELECT budget, kind FROM site WHERE siteid = ?", (made,))[0][:] == ("1", 2)
    file.device.close()


def test_answers_of_the_old_numbers_are_not_the_new_writes(tmp_path: Path) -> None:
    """A stream tells of a number that means another write by now."""
    server = LiveServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    file = File(tmp_path / "d.sqlite3", server)
    file.device.sync()
    file.copy()
    file.device.update("site", NORTH, {"budget": "1"})
    file.device.sync()
    file.put_back()
    file.device.update("site", NORTH, {"kind": 2})
    file.device._writer.sendable(0, 500, 1 << 20)  # It is under way.
    answer = upload_pb2.MutationAnswer(number=1, outcome=upload_pb2.MUTATION_OUTCOME_APPLIED, lsn=1)
    old = file.device.status().install_id
    assert file.device._writer.take(sync_pb2.Answers(answers=[answer], unknown=[1]), old).applied == 0
    file.device.sync()
    assert file.device.outbox() == []
    assert server.visible(SITE)[NORTH.bytes][4] == 2
    [moved] = file.device._store._connection.execute("SELECT number FROM _haversack_outbox").fetchall()
    later = upload_pb2.MutationAnswer(number=moved[0], outcome=upload_pb2.MUTATION_OUTCOME_FORBIDDEN)
    assert file.device._writer.take(sync_pb2.Answers(answers=[later]), old).refused == ()
    file.device.close()


def test_a_live_stream_goes_on_as_the_new_install(tmp_path: Path) -> None:
    server = LiveServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    file = File(tmp_path / "d.sqlite3", server)
    file.device.sync()
    file.copy()
    file.device.update("site", NORTH, {"budget": "1"})
    file.device.sync()
    file.put_back()
    installs: list[bytes] = []
    open_stream = server.open

    def noted(request: sync_pb2.SyncRequest) -> MemoryStream:
        installs.append(request.install_id)
        return open_stream(request)

    server.open = noted  # type: ignore[method-assign]
    with file.device.live() as live:
        events = iter(live)
        next(it for it in events if isinstance(it, CheckpointReached))
        file.device.update("site", NORTH, {"kind": 2})
        while len(set(installs)) < 2 or file.device.outbox():
            next(events)
    assert server.visible(SITE)[NORTH.bytes][4] == 2
    assert installs[-1] == file.device.status().install_id
    file.device.close()


def test_a_queued_write_of_the_old_install_hears_its_last_word(server: MemoryServer, tmp_path: Path) -> None:
    file = File(tmp_path / "d.sqlite3", server)
    file.device.sync()
    file.device.update("site", NORTH, {"budget": "1"})
    queued = Refusal(upload_pb2.MUTATION_OUTCOME_QUEUED)
    server.judge = lambda _: queued
    assert file.device.sync().queued == 1
    file.copy()
    install = file.device.status().install_id
    server.judge = lambda _: None
    file.device.update("site", NORTH, {"kind": 1})
    file.device.sync()
    file.put_back()
    made = file.device.create("site", {"name": "new"})
    result = file.device.sync()
    assert (result.applied, result.queued) == (1, 0)
    assert [it.state for it in file.device.outbox()] == ["queued"]
    _, answer = server.ledger[install, 1]
    answer.outcome, answer.lsn = upload_pb2.MUTATION_OUTCOME_APPLIED, server.head
    assert file.device.sync().applied == 1
    assert file.device.outbox() == []
    assert UUID(made).bytes in server.visible(SITE)
    file.device.close()


def test_a_server_that_reuses_every_number_is_not_asked_for_ever(server: MemoryServer, tmp_path: Path) -> None:
    def reused(request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        if request.known_only:
            return upload_pb2.UploadResponse(epoch=server.epoch)
        number = str(upload_pb2.Mutation.FromString(request.mutations[0]).number)
        raise RemoteError("reused", code="ABORTED", reason="NUMBER_REUSED", details={"mutation": number})

    with closing(Device(tmp_path / "d.sqlite3", server, backoff=QUICK)) as device:
        device.sync()
        device.update("site", NORTH, {"kind": 2})
        server.upload = reused  # type: ignore[method-assign]
        with pytest.raises(RemoteError, match="reused"):
            device.sync()
        [write] = device.outbox()
        assert (write.state, write.values) == ("waiting", {"kind": 2})


class Model:
    """What a file has been told to write, and what its copy had been told."""

    def __init__(self, draw: random.Random, folder: Path) -> None:
        self.draw = draw
        self.server = MemoryServer((SITE, VISIT), judge=lambda _: FORBIDDEN if draw.random() < 0.1 else None)
        self.server.put(SITE, NORTH.bytes, name="North")
        self.file = File(folder / "d.sqlite3", self.server)
        self.file.device.sync()
        self.made: dict[str, Entity] = {}
        self.copy()

    def create(self) -> None:
        self.made[self.file.device.create("site", {"name": f"s{len(self.made)}"})] = SITE

    def visit(self) -> None:
        target = self.draw.choice([row[0] for row in self.file.device.query("SELECT siteid FROM site ORDER BY name")])
        self.made[self.file.device.create("visit", {"topic": "v", "siteid": target})] = VISIT

    def sync(self) -> None:
        self.server.lose_answers = self.draw.choice([0, 0, 1, 7])
        with suppress(UnavailableError):
            self.file.device.sync()
        self.server.lose_answers = 0

    def copy(self) -> None:
        self.file.copy()
        self.kept = dict(self.made)

    def put_back(self) -> None:
        self.file.put_back()
        self.made = dict(self.kept)

    def mend(self) -> None:
        """Writes again what was refused."""
        self.server.judge = lambda _: None
        self.file.device.sync()
        while refused := self.file.device.refused():
            try:
                self.file.device.retry(refused[0].number)
            except WriteRefusedError:
                # A copy that was put back twice had a write which nobody had yet: it came by two ways.
                assert UUID(refused[0].id).bytes in self.server.visible(self.made[refused[0].id])
                self.file.device.discard(refused[0].number)
            self.file.device.sync()


def test_no_write_is_lost_or_doubled_whatever_is_put_back(seed: int, tmp_path: Path) -> None:
    model = Model(random.Random(seed), tmp_path)
    steps = [model.create, model.create, model.visit, model.visit, model.sync, model.sync, model.copy, model.put_back]
    for _ in range(STEPS):
        model.draw.choice(steps)()
    model.mend()
    server = model.server
    assert model.file.device.outbox() == []
    for row_id, entity in model.made.items():
        assert UUID(row_id).bytes in server.visible(entity), f"a {entity.name} is lost"
    taken = [upload_pb2.Mutation.FromString(server.ledger[it][0]).id for it in server.applied]
    assert len(taken) == len(set(taken)), "a write was taken twice"
    model.file.device.close()
