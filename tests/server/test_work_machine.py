"""Two workers, an administrator and a clock on one queue, in every order that hypothesis finds.

The model knows who may write. Rows are real: a record database that changes, and a staging database that must end equal
to it, each version of a row having drawn one LSN there, whoever died when.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from haversack.model.v1 import model_pb2
from haversack_server._core import Staging
from haversack_server.catalog import Catalog, work_items
from haversack_server.catalog.leases import LEASE_SECONDS, LeaseLost
from haversack_server.catalog.work_items import ATTEMPTS_MAX, BACKOFF_SECONDS_MAX, Claimed, Counts
from haversack_server.errors import TransitionIllegal, WorkItemNotDead
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from server.running import LoopThread
from server.test_work_items import INTERVAL_SECONDS, LEASE_US, Clock, Queue

WORKERS = st.sampled_from(["one", "two"])
ORGANIZATIONS = ("acme", "bolt")
MODEL = model_pb2.Model(
    entities=[
        model_pb2.Entity(
            number=INTERVAL_SECONDS,
            logical_name="entity001",
            primary_id_attribute="id",
            ownership=model_pb2.OWNERSHIP_ORGANIZATION,
            attributes=[
                model_pb2.Attribute(number=1, logical_name="id", type=model_pb2.ATTRIBUTE_TYPE_STRING),
                model_pb2.Attribute(number=2, logical_name="value", type=model_pb2.ATTRIBUTE_TYPE_INTEGER),
            ],
        )
    ]
).SerializeToString()


class Rows:
    """The databases of one organization with one entity."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.record = Staging.create(str(folder / "record"))
        self.staging = Staging.create(str(folder / "staging"))

    def write(self, content: str, action: str) -> None:
        """Changes the record database."""
        ingest = self.record.ingest(MODEL, "entity001", format="csv", action=action, atomic=False, file_name="rows")
        ingest.feed(content.encode())
        assert json.loads(ingest.finish())["rejected"] == 0

    def take(self, rows_max: int) -> tuple[Counts, int]:
        """One commit of replication."""
        done = json.loads(self.staging.replicate(self.record, INTERVAL_SECONDS, rows_max=rows_max))
        counts = Counts(done["read"], done["inserted"], done["updated"], done["deleted"], done["unchanged"])
        return counts, done["left"]

    def close(self) -> None:
        """Closes both."""
        self.record.close()
        self.staging.close()


class WorkMachine(RuleBasedStateMachine):
    """Walks the queue."""

    loop: LoopThread

    @initialize()
    def begin(self) -> None:
        """Two organizations with one entity each."""
        self.folder = tempfile.TemporaryDirectory()
        root = Path(self.folder.name)
        catalog = self.loop.run(Catalog.open(f"sqlite:///{root / 'catalog.sqlite3'}"))
        self.queue = Queue(self.loop, catalog, Clock())
        self.rows = {name: Rows(root / name) for name in ORGANIZATIONS}
        for name in ORGANIZATIONS:
            self.queue.organization(name, 1)
        self.held: list[Claimed] = []
        """What workers believe to have."""
        self.fences: dict[int, int] = {}
        """The highest fence of each item: only who holds it may write."""
        self.until_us: dict[int, int] = {}
        """When the lease of each item ends that somebody has."""

    def teardown(self) -> None:
        """Everybody dies; whoever comes then catches up, and writes nothing twice."""
        if not hasattr(self, "queue"):
            return
        self.held.clear()
        for name in ORGANIZATIONS:
            self.queue.clock.go_on(LEASE_SECONDS + BACKOFF_SECONDS_MAX + INTERVAL_SECONDS)
            self.catch_up(name)
        self.loop.run(self.queue.catalog.close())
        for rows in self.rows.values():
            rows.close()
        self.folder.cleanup()

    def catch_up(self, name: str) -> None:
        """Drains an organization and compares."""
        rows = self.rows[name]
        while rows.take(3)[1]:
            pass
        assert rows.staging.statistics() == rows.record.statistics()
        assert rows.staging.head() <= rows.record.head(), "a version came twice"
        assert rows.take(3) == (Counts(), 0)

    @rule(name=st.sampled_from(ORGANIZATIONS), keys=st.sets(st.integers(0, 9), min_size=1), value=st.integers(0, 3))
    def change(self, name: str, keys: set[int], value: int) -> None:
        """Rows of the source get a value."""
        lines = "".join(f"row{key},{value}\n" for key in sorted(keys))
        self.rows[name].write(f"id,value\n{lines}", "upsert")

    @rule(name=st.sampled_from(ORGANIZATIONS), key=st.integers(0, 9))
    def remove(self, name: str, key: int) -> None:
        """A row of the source goes."""
        self.rows[name].write(f"id\nrow{key}\n", "delete")

    @rule(worker=WORKERS, limit=st.integers(1, 2))
    def claim(self, worker: str, limit: int) -> None:
        """A worker claims."""
        for claimed in self.queue.claim(limit, owner=worker):
            number = claimed.item.number
            assert claimed.lease.fence > self.fences.get(number, 0)
            assert self.until_us.get(number, 0) <= self.queue.clock.now_us, "somebody has it"
            self.fences[number] = claimed.lease.fence
            self.until_us[number] = self.queue.clock.now_us + LEASE_US
            self.held.append(claimed)

    def may_write(self, claimed: Claimed) -> bool:
        """Whether nobody has claimed the item since."""
        return self.fences[claimed.item.number] == claimed.lease.fence

    @precondition(lambda self: self.held)
    @rule(data=st.data(), rows_max=st.integers(1, 6))
    def take(self, data: st.DataObject, rows_max: int) -> None:
        """A worker commits, whether or not it still has the item: it cannot know."""
        claimed = data.draw(st.sampled_from(self.held))
        self.rows[claimed.item.organization].take(rows_max)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(["complete", "again", "fail", "heartbeat", "crash"]))
    def end(self, data: st.DataObject, how: str) -> None:
        """A worker gives an item back, says that it is alive, or dies."""
        claimed = data.draw(st.sampled_from(self.held))
        if how != "heartbeat":
            self.held.remove(claimed)
        if how == "crash":
            return
        if self.may_write(claimed):
            self.write(claimed, how)
        else:
            with pytest.raises(LeaseLost):
                self.write(claimed, how)

    def write(self, claimed: Claimed, how: str) -> None:
        """What a worker writes."""
        if how == "fail":
            assert self.queue.fail(claimed) == (claimed.lease.attempt >= ATTEMPTS_MAX)
        elif how == "heartbeat":
            self.queue.act(lambda it: self.queue.leases.heartbeat(it, claimed.lease))
        else:
            self.queue.complete(claimed, Counts(read=1), again=how == "again")
        given_back = 0 if how != "heartbeat" else self.queue.clock.now_us + LEASE_US
        self.until_us[claimed.item.number] = given_back

    @rule(seconds=st.sampled_from([1, 3, LEASE_SECONDS, INTERVAL_SECONDS, BACKOFF_SECONDS_MAX]))
    def wait(self, seconds: float) -> None:
        """Time goes on."""
        self.queue.clock.go_on(seconds)

    @rule(data=st.data(), how=st.sampled_from(["retry", "run"]))
    def administer(self, data: st.DataObject, how: str) -> None:
        """An administrator makes an item due."""
        item = data.draw(st.sampled_from(self.queue.items()))
        now_us = self.queue.clock.now_us
        change = work_items.retry if how == "retry" else work_items.make_due
        refusal = WorkItemNotDead if how == "retry" else TransitionIllegal
        if item.is_dead == (how == "retry"):
            changed = self.queue.act(lambda it: change(it, item.organization, item.number, now_us=now_us))
            assert (changed.is_dead, changed.next_run_at_us) == (False, now_us)
        else:
            with pytest.raises(refusal):
                self.queue.act(lambda it: change(it, item.organization, item.number, now_us=now_us))

    @invariant()
    def nobody_has_what_is_dead(self) -> None:
        """What the queue shows is what the model knows."""
        if not hasattr(self, "queue"):
            return
        for item in self.queue.items():
            assert not (item.is_dead and item.worker)
            assert item.attempt <= ATTEMPTS_MAX + 1
            holders = [it for it in self.held if it.item.number == item.number and self.may_write(it)]
            assert len(holders) <= 1


def test_two_workers_race(loop: LoopThread) -> None:
    WorkMachine.loop = loop
    case = WorkMachine.TestCase
    case.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
    case().runTest()
