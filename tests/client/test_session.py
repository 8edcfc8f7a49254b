"""The device's protocol, event by event, over a real database and without a network."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from client.wire import (
    ACCOUNT,
    CONTACT,
    EPOCH,
    Attribute,
    Entity,
    batch,
    checkpoint,
    inventory_required,
    model,
    plan,
    removals,
    with_cookie,
)
from haversack.sync.v1 import sync_pb2
from haversack_client import DigestMismatchError, ProtocolError, Stage
from haversack_client._digest import membership_sum
from haversack_client._held import EntityState
from haversack_client._session import BLOCKS_MAX, INVENTORY_ROUNDS_MAX, Flow, Session, Step
from haversack_client._stage import Planned
from haversack_client._store import Store
from pyroaring import BitMap

MODEL = sync_pb2.SyncEvent(model=model(CONTACT, ACCOUNT))


class Device:
    """A session and its database."""

    def __init__(self, path: Path, mode: sync_pb2.SyncMode = sync_pb2.SYNC_MODE_ONCE) -> None:
        self.store = Store(path)
        self.store.begin_session()
        self.session = Session(self.store, mode)

    def take(self, *events: sync_pb2.SyncEvent) -> Step:
        """Applies events; returns what the last one meant."""
        for event in events:
            step = self.session.receive(event)
            self.store.commit(step.operations)
            self.session.committed(step)
        return step

    def versions(self, entity: Entity) -> EntityState:
        return self.store.entities()[entity.number]


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path / "device.sqlite3")
    with closing(made.store):
        yield made


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path / "live.sqlite3", sync_pb2.SYNC_MODE_LIVE)
    with closing(made.store):
        yield made


def test_the_first_request_says_that_there_is_nothing(device: Device) -> None:
    request = device.session.request()
    assert len(request.install_id) == 16
    assert (request.cookie, request.mode) == (b"", sync_pb2.SYNC_MODE_ONCE)
    assert list(request.accept) == [sync_pb2.COMPRESSION_ZSTD]
    assert (len(request.holdings), len(request.inventories), len(request.mismatches)) == (0, 0, 0)
    assert 0 < len(request.client.encode()) <= 128


def test_a_first_sync(device: Device) -> None:
    assert device.take(MODEL).stage is Stage.SCHEMA_READY
    planned = device.take(plan({CONTACT: 1, ACCOUNT: 2}))
    assert planned.planned == (Planned("contact", 1, 100), Planned("account", 2, 200))
    assert planned.stage is Stage.SCHEMA_READY
    contacts = device.take(with_cookie(batch(CONTACT, {4: 40}), b"one"))
    assert (contacts.entity, contacts.rows, contacts.stage) == ("contact", 1, Stage.MANDATORY_READY)
    assert contacts.flow is Flow.CONTINUE
    assert device.take(with_cookie(batch(ACCOUNT, {1: 10, 65_536: 20}), b"two")).stage is Stage.DOWNLOADING
    end = device.take(with_cookie(checkpoint({CONTACT: {4: 40}, ACCOUNT: {1: 10, 65_536: 20}}), b"three"))
    assert (end.flow, end.stage, end.checkpoint and end.checkpoint.lsn) == (Flow.COMPLETE, Stage.READY, 100)

    request = device.session.request()
    assert request.cookie == b"three"
    assert list(request.holdings) == [
        sync_pb2.EntityBlocks(
            entity=ACCOUNT.number,
            blocks=[
                sync_pb2.BlockDigest(block=0, count=1, membership=membership_sum(ACCOUNT.number, [1])),
                sync_pb2.BlockDigest(block=1, count=1, membership=membership_sum(ACCOUNT.number, [65_536])),
            ],
        ),
        sync_pb2.EntityBlocks(
            entity=CONTACT.number,
            blocks=[sync_pb2.BlockDigest(block=0, count=1, membership=membership_sum(CONTACT.number, [4]))],
        ),
    ]


def test_an_event_without_a_cookie_keeps_the_one_there_is(device: Device) -> None:
    device.take(with_cookie(MODEL, b"one"), plan({ACCOUNT: 1}), sync_pb2.SyncEvent(heartbeat=sync_pb2.Heartbeat()))
    assert device.session.request().cookie == b"one"


def test_an_event_is_nothing_until_it_is_committed(device: Device) -> None:
    device.session.receive(MODEL)
    with pytest.raises(ProtocolError, match="does not carry"):
        device.session.receive(batch(ACCOUNT, {1: 10}))


def test_a_live_stream_goes_on_after_a_checkpoint(live: Device) -> None:
    assert live.take(MODEL, plan(), checkpoint({CONTACT: {}, ACCOUNT: {}})).flow is Flow.CONTINUE
    assert live.take(plan({ACCOUNT: 1}), batch(ACCOUNT, {1: 10})).stage is Stage.DOWNLOADING
    assert live.take(checkpoint({CONTACT: {}, ACCOUNT: {1: 10}})).stage is Stage.READY
    assert live.take(sync_pb2.SyncEvent(heartbeat=sync_pb2.Heartbeat(lsn=100))).stage is Stage.READY
    live.take(removals(ACCOUNT, BitMap([1]).serialize()))
    assert live.take(checkpoint({CONTACT: {}, ACCOUNT: {}})).checkpoint


def test_mandatory_entities_count_as_complete_when_others_come(device: Device) -> None:
    device.take(MODEL, plan({CONTACT: 5, ACCOUNT: 1}))
    assert device.take(batch(CONTACT, {1: 10})).stage is Stage.SCHEMA_READY
    assert device.take(batch(ACCOUNT, {1: 10})).stage is Stage.MANDATORY_READY
    assert device.take(batch(ACCOUNT, {2: 10})).stage is Stage.DOWNLOADING


def test_a_restarted_session_goes_on_where_the_database_is(device: Device) -> None:
    device.take(MODEL, plan({ACCOUNT: 2}), with_cookie(batch(ACCOUNT, {1: 10}), b"one"))
    again = Session(device.store, sync_pb2.SYNC_MODE_ONCE)
    assert again.request() == device.session.request()
    step = again.receive(batch(ACCOUNT, {2: 20}))
    device.store.commit(step.operations)
    assert device.versions(ACCOUNT).count == 2


def test_another_epoch_deletes_all_rows_and_the_same_keeps_them(device: Device) -> None:
    device.take(MODEL, plan({ACCOUNT: 1}), batch(ACCOUNT, {1: 10}), plan({ACCOUNT: 1}, epoch=EPOCH))
    assert device.versions(ACCOUNT).count == 1
    step = device.take(plan({ACCOUNT: 1}, epoch=b"another"))
    assert device.versions(ACCOUNT).count == 0
    assert device.store.facts().epoch == b"another"
    assert step.stage < Stage.READY


def test_a_plan_counts_removals_of_entities_that_were_dropped(device: Device) -> None:
    gone = sync_pb2.EntityPlan(entity=99, removals=5)
    step = device.take(MODEL, sync_pb2.SyncEvent(plan=sync_pb2.Plan(epoch=EPOCH, entities=[gone])))
    assert step.planned == ()
    device.take(removals(Entity(99, "gone", ()), None))


def test_inventories_are_answered_once(device: Device) -> None:
    device.take(MODEL, plan({ACCOUNT: 3}), batch(ACCOUNT, {1: 10, 5: 20, 65_536: 30}))
    step = device.take(with_cookie(inventory_required((ACCOUNT.number, 0), (ACCOUNT.number, 7)), b""))
    assert step.flow is Flow.CALL_AGAIN
    first, second = device.session.request().inventories
    assert (first.entity, first.block, list(BitMap.deserialize(first.ordinals))) == (ACCOUNT.number, 0, [1, 5])
    assert (second.block, list(BitMap.deserialize(second.ordinals))) == (7, [])
    device.take(batch(ACCOUNT, {6: 40}))
    assert not device.session.request().inventories


def test_a_server_that_only_asks_is_refused(device: Device) -> None:
    device.take(MODEL)
    for _ in range(INVENTORY_ROUNDS_MAX):
        device.take(inventory_required((ACCOUNT.number, 0)))
    with pytest.raises(ProtocolError, match="asked for inventories"):
        device.take(inventory_required((ACCOUNT.number, 0)))


WRONG = checkpoint({CONTACT: {}, ACCOUNT: {1: 11}})
RIGHT = checkpoint({CONTACT: {}, ACCOUNT: {1: 10}})


def mismatches(device: Device) -> list[tuple[int, int]]:
    return [(it.entity, it.attempt) for it in device.session.request().mismatches]


def test_the_ladder_of_a_digest_that_disagrees(device: Device) -> None:
    device.take(MODEL, plan({ACCOUNT: 1}), batch(ACCOUNT, {1: 10}))
    step = device.take(with_cookie(WRONG, b"at the checkpoint"))
    assert (step.flow, step.checkpoint) == (Flow.CALL_AGAIN, None)
    assert mismatches(device) == [(ACCOUNT.number, 1)]
    assert device.session.request().cookie == b"at the checkpoint"
    assert device.versions(ACCOUNT).count == 1

    device.take(with_cookie(plan({ACCOUNT: 1}), b"anew"))
    assert mismatches(device) == [], "the cookie knows"
    assert device.take(batch(ACCOUNT, {1: 10}), WRONG).flow is Flow.CALL_AGAIN
    assert mismatches(device) == [(ACCOUNT.number, 2)]
    assert device.versions(ACCOUNT) == EntityState(0, 0)
    assert not device.session.request().holdings

    device.take(plan({ACCOUNT: 1}), batch(ACCOUNT, {1: 10}))
    with pytest.raises(DigestMismatchError, match="account") as caught:
        device.take(WRONG)
    assert caught.value.entities == ("account",)


@pytest.mark.parametrize("climbed", [1, 2])
def test_a_checkpoint_that_agrees_ends_the_ladder(live: Device, climbed: int) -> None:
    live.take(MODEL, plan({ACCOUNT: 1}), batch(ACCOUNT, {1: 10}))
    for _ in range(climbed):
        live.take(WRONG, batch(ACCOUNT, {1: 10}))
    assert live.take(RIGHT).checkpoint
    assert mismatches(live) == []
    live.take(WRONG)
    assert mismatches(live) == [(ACCOUNT.number, 1)]


def test_mismatches_are_told_until_a_cookie_knows_them(device: Device) -> None:
    device.take(MODEL, plan({ACCOUNT: 1}), batch(ACCOUNT, {1: 10}), WRONG)
    device.take(sync_pb2.SyncEvent(heartbeat=sync_pb2.Heartbeat()))
    assert mismatches(device) == [(ACCOUNT.number, 1)], "a call that was cut before it did anything"


@pytest.mark.parametrize(
    "stated",
    [
        pytest.param({CONTACT: {}}, id="an entity left out"),
        pytest.param({ACCOUNT: {1: 10}, Entity(99, "other", ()): {1: 10}}, id="an entity that is not carried"),
        pytest.param({CONTACT: {}, ACCOUNT: {}}, id="fewer rows"),
        pytest.param({CONTACT: {}, ACCOUNT: {1: 10, 2: 20}}, id="more rows"),
        pytest.param({CONTACT: {}, ACCOUNT: {2: 10}}, id="another row"),
        pytest.param({CONTACT: {}, ACCOUNT: {1: 11}}, id="another version"),
    ],
)
def test_digests_that_disagree(device: Device, stated: dict[Entity, dict[int, int]]) -> None:
    device.take(MODEL, plan({ACCOUNT: 1}), batch(ACCOUNT, {1: 10}))
    assert device.take(checkpoint(stated)).flow is Flow.CALL_AGAIN


def test_an_entity_without_rows_need_not_be_stated(device: Device) -> None:
    device.take(MODEL, plan({ACCOUNT: 1}), batch(ACCOUNT, {1: 10}))
    assert device.take(checkpoint({ACCOUNT: {1: 10}, Entity(99, "other", ()): {}})).checkpoint


def test_a_pass_that_gives_up(device: Device) -> None:
    device.take(MODEL, plan({ACCOUNT: 1}), batch(ACCOUNT, {1: 10}))
    step = device.take(with_cookie(sync_pb2.SyncEvent(pass_complete=sync_pb2.PassComplete(floor=9)), b"later"))
    assert (step.flow, step.checkpoint) == (Flow.INCOMPLETE, None)
    assert device.session.request().cookie == b"later"


def test_rows_go_before_a_denial(device: Device) -> None:
    device.take(MODEL, plan({ACCOUNT: 1}), batch(ACCOUNT, {1: 10}), checkpoint({CONTACT: {}, ACCOUNT: {1: 10}}))
    device.take(plan(), removals(ACCOUNT, None))
    assert device.versions(ACCOUNT).count == 0


def test_a_new_model_in_the_middle(device: Device) -> None:
    device.take(MODEL, plan({ACCOUNT: 1}), batch(ACCOUNT, {1: 10}))
    wider = Entity(ACCOUNT.number, "account", (*ACCOUNT.attributes, Attribute(8, "extra", 1)))
    step = device.take(sync_pb2.SyncEvent(model=model(wider, version=2)))
    assert step.stage is Stage.SCHEMA_READY
    device.take(plan({wider: 1}), batch(wider, {1: 12}), checkpoint({wider: {1: 12}}))
    assert device.store.model is not None
    assert device.store.model.version == 2


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(sync_pb2.SyncEvent(), id="an event of a later version"),
        pytest.param(plan(epoch=b""), id="no epoch"),
        pytest.param(plan(epoch=bytes(65)), id="a long epoch"),
        pytest.param(plan({Entity(99, "other", ()): 1}), id="a plan for an unknown entity"),
        pytest.param(removals(ACCOUNT, b"no bitmap"), id="removals that are no bitmap"),
        pytest.param(inventory_required(), id="no blocks"),
        pytest.param(inventory_required(*[(7, block) for block in range(BLOCKS_MAX + 1)]), id="too many blocks"),
    ],
)
def test_events_that_break_the_contract_change_nothing(device: Device, event: sync_pb2.SyncEvent) -> None:
    device.take(MODEL, plan({ACCOUNT: 1}), with_cookie(batch(ACCOUNT, {1: 10}), b"one"))
    before = device.session.request()
    with pytest.raises(ProtocolError):
        device.take(event)
    assert device.session.request() == before


def test_rows_before_any_model(device: Device) -> None:
    with pytest.raises(ProtocolError, match="does not carry"):
        device.take(batch(ACCOUNT, {1: 10}))
