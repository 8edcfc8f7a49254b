"""The golden session scripts, which the server's reconcile machine passes too: same requests, same rows, same end."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from client.wire import Attribute, Entity, batch, model
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import sync_pb2, upload_pb2
from haversack_client import DigestMismatchError
from haversack_client._held import EntityState
from haversack_client._operations import KeepCookie, PutRows
from haversack_client._pending import read_writes
from haversack_client._reader import open_read_only, read_status
from haversack_client._rows import RowDecoder
from haversack_client._session import Flow, Session
from haversack_client._store import Store
from haversack_client._writer import Writer
from pyroaring import BitMap

SCRIPTS = sorted((Path(__file__).parents[1] / "golden" / "sessions").glob("*.json"))
MODES = {"ONCE": sync_pb2.SYNC_MODE_ONCE, "LIVE": sync_pb2.SYNC_MODE_LIVE}
Json = Mapping[str, Any]


def entity_of(stated: Json) -> Entity:
    attributes = tuple(
        Attribute(it["number"], it["logical_name"], model_pb2.AttributeType.Value(f"ATTRIBUTE_TYPE_{it['type']}"))
        for it in stated["attributes"]
    )
    assert attributes[0].name == stated["primary_id_attribute"]
    return Entity(stated["entity"], stated["logical_name"], attributes, stated["mandatory"])


def sent(entity: Entity, values: Json) -> dict[str, object]:
    """A row's values as its message has them."""
    ids = {it.name for it in entity.attributes if it.type == model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER}
    return {name: uuid.UUID(value).bytes if name in ids else value for name, value in values.items()}


def stored(entity: Entity, values: Json) -> dict[str, object]:
    """A row's values as SQL has them."""
    days = {it.name for it in entity.attributes if it.type == model_pb2.ATTRIBUTE_TYPE_DATE_ONLY}
    texts = {name: (date(1970, 1, 1) + timedelta(values[name])).isoformat() for name in days & values.keys()}
    return dict.fromkeys(it.name for it in entity.attributes) | dict(values) | texts


def answer_of(stated: Json) -> upload_pb2.MutationAnswer:
    """An answer to a write."""
    return upload_pb2.MutationAnswer(
        number=stated["number"],
        outcome=f"MUTATION_OUTCOME_{stated['outcome']}",
        lsn=stated.get("lsn", 0),
        reason=f"ERROR_REASON_{stated.get('reason', 'UNSPECIFIED')}",
        message=stated.get("message", ""),
    )


class Player:
    """Plays a script: hands a device the server's events, and compares all that the device says and holds."""

    def __init__(self, path: Path, *, restarts: bool) -> None:
        self.path = path
        self.restarts = restarts
        self.store = Store(path)
        self.writer = Writer(path)
        self.store.begin_session()
        self.models: dict[str, tuple[Json, int]] = {}
        self.revision = 0
        self.entities: dict[int, Entity] = {}
        self.number = 0
        self.session: Session | None = None
        self.flow = Flow.COMPLETE

    def play(self, script: Sequence[Json]) -> None:
        following: list[Json] = [*script[1:], {}]
        for step, after in zip(script, following, strict=True):
            ((kind, content),) = step.items()
            if kind == "events":
                self.events(content, hopeless=after.get("hopeless"))
            else:
                getattr(self, kind)(content)

    def world(self, world: Json) -> None:
        self.revision = world.get("revision", self.revision)
        if "model" in world:
            self.models[world["model"]["version"]] = (world["model"], self.revision)

    def connect(self, stated: Json) -> None:
        mode = MODES[stated["mode"]]
        if self.session is None:
            self.session = Session(self.store, mode)
        else:
            assert self.flow is Flow.CALL_AGAIN, "the script calls again where the device would go on"
        request = self.session.request()
        assert request.mode == mode
        assert int(request.cookie or b"0") == stated["cookie"]
        assert list(map(holding, request.holdings)) == stated["holdings"]
        assert list(map(inventory, request.inventories)) == stated["inventories"]
        assert list(request.unanswered) == stated.get("unanswered", [])
        assert [{"entity": it.entity, "attempt": it.attempt} for it in request.mismatches] == stated["mismatches"]
        self.flow = Flow.CONTINUE

    def events(self, events: Sequence[Json], *, hopeless: Json | None) -> None:
        for position, stated in enumerate(events):
            assert self.flow is Flow.CONTINUE, "the device would read no more of this stream"
            event = self.event(stated)
            if hopeless and position == len(events) - 1:
                with pytest.raises(DigestMismatchError) as caught:
                    self.take(event)
                assert caught.value.entities == (self.entities[hopeless["entity"]].name,)
            else:
                self.take(event)

    def take(self, event: sync_pb2.SyncEvent) -> None:
        assert self.session is not None
        step = self.session.receive(event)
        self.store.commit(step.operations)
        self.session.committed(step)
        if step.answers is not None:
            self.writer.take(step.answers, self.store.install_id())
        self.flow = step.flow

    def event(self, stated: Json) -> sync_pb2.SyncEvent:
        """Makes an event. All but the request for inventories carry a cookie that is the event's number."""
        ((kind, content),) = stated.items()
        self.number += 1
        event: sync_pb2.SyncEvent = getattr(self, f"make_{kind}")(content)
        if kind not in ("inventory_required", "answers"):
            event.cookie = str(self.number).encode()
        return event

    def make_model(self, content: Json) -> sync_pb2.SyncEvent:
        stated, revision = self.models[content["version"]]
        entities = [entity_of(it) for it in stated["entities"]]
        self.entities = {entity.number: entity for entity in entities}
        return sync_pb2.SyncEvent(model=model(*entities, version=int(content["version"]), revision=revision))

    def make_plan(self, content: Json) -> sync_pb2.SyncEvent:
        entities = [sync_pb2.EntityPlan(**it) for it in content["entities"]]
        return sync_pb2.SyncEvent(plan=sync_pb2.Plan(epoch=bytes.fromhex(content["epoch"]), entities=entities))

    def make_removals(self, content: Json) -> sync_pb2.SyncEvent:
        ordinals = b"" if content["all"] else BitMap(content["ordinals"]).serialize()
        removals = sync_pb2.Removals(entity=content["entity"], ordinals=ordinals, all=content["all"])
        return sync_pb2.SyncEvent(removals=removals)

    def make_rows(self, content: Json) -> sync_pb2.SyncEvent:
        entity = self.entities[content["entity"]]
        versions = {it["ordinal"]: it["lsn"] for it in content["rows"]}
        event = batch(entity, versions, [sent(entity, it["values"]) for it in content["rows"]])
        event.rows.planned_bytes = content["planned_bytes"]
        return event

    def make_checkpoint(self, content: Json) -> sync_pb2.SyncEvent:
        digests = [
            sync_pb2.EntityDigest(entity=it["entity"], count=it["count"], digest=int(it["digest"]))
            for it in content["digests"]
        ]
        return sync_pb2.SyncEvent(checkpoint=sync_pb2.Checkpoint(**{**content, "digests": digests}))

    def make_answers(self, content: Json) -> sync_pb2.SyncEvent:
        answers = [answer_of(it) for it in content["answers"]]
        return sync_pb2.SyncEvent(answers=sync_pb2.Answers(answers=answers, unknown=content["unknown"]))

    def make_pass_complete(self, content: Json) -> sync_pb2.SyncEvent:
        return sync_pb2.SyncEvent(pass_complete=sync_pb2.PassComplete(**content))

    def make_inventory_required(self, content: Json) -> sync_pb2.SyncEvent:
        blocks = [sync_pb2.BlockRef(**it) for it in content["blocks"]]
        return sync_pb2.SyncEvent(inventory_required=sync_pb2.InventoryRequired(blocks=blocks))

    def end(self, _: Json) -> None:
        assert self.flow in (Flow.COMPLETE, Flow.INCOMPLETE)
        self.session = None

    def idle(self, _: Json) -> None:
        assert self.flow is Flow.CONTINUE

    def cut(self, _: Json) -> None:
        """The network goes, or the whole process; either way the device is where its last transaction was."""
        self.flow = Flow.CALL_AGAIN
        if self.restarts:
            self.session = None

    def denied(self, _: Json) -> None:
        assert self.flow is Flow.CONTINUE
        self.session = None

    def hopeless(self, _: Json) -> None:
        """Checked where it was raised."""

    def write(self, stated: Json) -> None:
        self.writer.update(stated["entity"], stated["id"], stated["values"])

    def answered(self, stated: Json) -> None:
        """The device has uploaded what waits, and this is what it was told."""
        sent = self.writer.sendable(0, 500, 1 << 20)
        assert [it.number for it in sent.writes] == [it["number"] for it in stated["answers"]]
        self.writer.answer([answer_of(it) for it in stated["answers"]])

    def outbox(self, stated: Sequence[str]) -> None:
        with closing(open_read_only(self.path)) as connection:
            assert [it.state for it in read_writes(connection)] == stated

    def shown(self, stated: Json) -> None:
        ((entity, column),) = [(stated["entity"], name) for name in stated if name != "entity"]
        with closing(open_read_only(self.path)) as connection:
            rows = connection.execute(f'SELECT "{column}" FROM "{entity}" ORDER BY _ordinal')
            assert [value for (value,) in map(tuple, rows)] == stated[column]

    def lose_cookie(self, _: Json) -> None:
        self.store.commit([KeepCookie(b"")])

    def damage(self, fault: Json) -> None:
        """A row is there in a version that it should not have."""
        entity = self.entities[fault["entity"]]
        assert self.store.model is not None
        rows = batch(entity, {fault["ordinal"]: fault["lsn"]}).rows
        self.store.commit([PutRows(entity.number, RowDecoder(self.store.model).decode(rows))])

    def device(self, stated: Json) -> None:
        expected = {it["entity"]: EntityState(len(it["rows"]), int(it["digest"])) for it in stated["entities"]}
        assert self.store.entities() == expected
        with closing(open_read_only(self.path)) as connection:
            for it in stated["entities"]:
                entity = self.entities[it["entity"]]
                rows = connection.execute(f'SELECT * FROM "{entity.name}" ORDER BY _ordinal')
                assert [dict(row) for row in rows] == [
                    {"_ordinal": row["ordinal"], "_lsn": row["lsn"]} | stored(entity, row["values"])
                    for row in it["rows"]
                ]
        assert read_status(self.path, verify=True).verified is True


def holding(held: sync_pb2.EntityBlocks) -> Json:
    blocks = [{"block": it.block, "count": it.count, "membership": str(it.membership)} for it in held.blocks]
    return {"entity": held.entity, "blocks": blocks}


def inventory(answer: sync_pb2.Inventory) -> Json:
    return {"entity": answer.entity, "block": answer.block, "ordinals": list(BitMap.deserialize(answer.ordinals))}


@pytest.fixture
def player(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Player]:
    made = Player(tmp_path / "device.sqlite3", restarts=request.param)
    with closing(made.store):
        yield made


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 10


@pytest.mark.parametrize("player", [False, True], ids=["same process", "restarted"], indirect=True)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_golden_session(player: Player, script: Path) -> None:
    player.play(json.loads(script.read_text())["script"])
