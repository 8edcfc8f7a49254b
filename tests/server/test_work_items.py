"""The queue of replication: who gets what in which turn, what becomes of failures, and what no one may write."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest
from haversack.model.v1 import model_pb2
from haversack_server.catalog import Catalog, entities, organizations, sources, work_items
from haversack_server.catalog._work_tables import work_item
from haversack_server.catalog.entities import StoredEntity
from haversack_server.catalog.leases import LEASE_SECONDS, LeaseLost
from haversack_server.catalog.sources import StoredSource
from haversack_server.catalog.work_items import (
    ATTEMPTS_MAX,
    BACKOFF_SECONDS_MAX,
    BACKOFF_SECONDS_MIN,
    Claimed,
    Counts,
    WorkItem,
    backoff_seconds,
)
from haversack_server.errors import (
    SourceUnavailable,
    StagingFailed,
    TransitionIllegal,
    WorkItemNotDead,
    WorkItemUnknown,
)
from server.running import LoopThread
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

BEGINNING_US = 1_000_000_000
INTERVAL_SECONDS = 60
LEASE_US = LEASE_SECONDS * 1_000_000

_Result = TypeVar("_Result")


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now_us = BEGINNING_US

    async def __call__(self, connection: AsyncConnection) -> int:
        return self.now_us

    def go_on(self, seconds: float) -> None:
        """Moves on."""
        self.now_us += int(seconds * 1_000_000)


@dataclass
class Queue:
    """The queue with a clock of the test's, called synchronously; each call is a transaction."""

    loop: LoopThread
    catalog: Catalog
    clock: Clock

    def __post_init__(self) -> None:
        self.leases = work_items.leases(self.clock)

    def act(self, work: Callable[[AsyncConnection], Coroutine[Any, Any, _Result]]) -> _Result:
        """Does something in a transaction."""

        async def transaction() -> _Result:
            async with self.catalog.begin() as connection:
                return await work(connection)

        return self.loop.run(transaction())

    def organization(self, name: str, count: int) -> None:
        """Makes an organization with entities and their items, due now."""

        async def make(connection: AsyncConnection) -> None:
            new = organizations.Organization(name, model_pb2.Settings(), f"{name}.sqlite3", count)
            await organizations.add(connection, new, at_us=1)
            for number in range(1, count + 1):
                entity = model_pb2.Entity(number=number * INTERVAL_SECONDS, logical_name=f"entity{number:03}")
                await entities.put(connection, name, StoredEntity(entity, 1))

        self.act(make)
        assert self.ensure(name) == count

    def ensure(self, name: str) -> int:
        """Makes missing items."""
        return self.act(
            lambda connection: work_items.ensure(
                connection, name, source="native", interval_seconds=INTERVAL_SECONDS, due_at_us=self.clock.now_us
            )
        )

    def claim(self, limit: int = 1, owner: str = "worker") -> list[Claimed]:
        """Claims items."""
        return self.act(lambda connection: work_items.claim(connection, self.leases, owner=owner, limit=limit))

    def complete(self, claimed: Claimed, counts: Counts | None = None, *, again: bool = False) -> None:
        """Gives an item back."""
        self.act(lambda it: work_items.complete(it, self.leases, claimed, counts or Counts(), again=again))

    def fail(self, claimed: Claimed, jitter: float = 0.0) -> bool:
        """Gives an item back that failed."""
        error = StagingFailed("the disk is full; make room")
        return self.act(
            lambda it: work_items.fail(it, self.leases, claimed, Counts(read=1), error, jitter=lambda: jitter)
        )

    def items(self) -> list[WorkItem]:
        """All items."""
        return self.act(lambda it: work_items.listed(it, [], offset=0, count=1_000))[0]

    def sql(self, statement: str) -> None:
        """Does what no function of the catalog does."""

        async def execute(connection: AsyncConnection) -> None:
            await connection.execute(text(statement))

        self.act(execute)


@pytest.fixture
def queue(catalog_url: str, loop: LoopThread) -> Iterator[Queue]:
    catalog = loop.run(Catalog.open(catalog_url))
    yield Queue(loop, catalog, Clock())
    loop.run(catalog.close())


def names(claimed: list[Claimed]) -> list[str]:
    return [f"{it.item.organization}/{it.item.entity[-1]}" for it in claimed]


def test_every_entity_has_one_item_and_they_are_spread_over_an_interval(queue: Queue) -> None:
    queue.organization("acme", 3)
    assert queue.ensure("acme") == 0

    async def add(connection: AsyncConnection) -> None:
        await entities.put(connection, "acme", StoredEntity(model_pb2.Entity(number=67, logical_name="late"), 1))

    queue.act(add)
    assert queue.ensure("acme") == 1
    late = queue.items()[-1]
    assert (late.entity, late.next_run_at_us) == ("late", BEGINNING_US + 7_000_000)


def test_an_item_recurs_after_its_interval(queue: Queue) -> None:
    queue.organization("acme", 1)
    [claimed] = queue.claim(5)
    queue.clock.go_on(2)
    counts = Counts(read=4, inserted=3, unchanged=1, bytes=30)
    queue.complete(claimed, counts)
    [item] = queue.items()
    assert item.next_run_at_us == queue.clock.now_us + INTERVAL_SECONDS * 1_000_000
    assert (item.last_started_at_us, item.last_ended_at_us) == (BEGINNING_US, BEGINNING_US + 2_000_000)
    assert (item.attempt, item.worker, item.total_runs, item.last) == (0, "", 1, counts)
    assert queue.claim() == []
    queue.clock.go_on(INTERVAL_SECONDS)
    [again] = queue.claim()
    queue.complete(again, Counts(read=1, updated=1, bytes=5))
    [item] = queue.items()
    assert item.total == Counts(read=5, inserted=3, updated=1, unchanged=1, bytes=35)
    assert item.last == Counts(read=1, updated=1, bytes=5)


def test_it_is_known_when_the_next_item_becomes_due(queue: Queue) -> None:
    def wait() -> float | None:
        return queue.act(lambda it: work_items.next_due_seconds(it, queue.leases))

    assert wait() is None
    queue.organization("acme", 1)
    queue.complete(queue.claim()[0])
    assert wait() == INTERVAL_SECONDS
    queue.clock.go_on(INTERVAL_SECONDS - 0.25)
    assert wait() == 0.25
    queue.clock.go_on(0.25)
    [claimed] = queue.claim()
    assert wait() is None
    queue.complete(claimed)
    assert wait() == INTERVAL_SECONDS


def test_organizations_take_turns_however_much_each_has_to_do(queue: Queue) -> None:
    queue.organization("big", 20)
    queue.clock.go_on(1)
    queue.organization("mid", 4)
    queue.organization("new", 2)
    queue.clock.go_on(1)
    assert names(queue.claim(6)) == ["big/1", "mid/1", "new/1", "big/2", "mid/2", "new/2"]
    assert names(queue.claim(3)) == ["big/3", "mid/3", "big/4"]


def test_one_worker_serves_organizations_in_turn(queue: Queue) -> None:
    """With one item at a time, the oldest backlog must not go first for ever."""
    queue.organization("big", 20)
    queue.clock.go_on(1)
    queue.organization("new", 3)
    served = []
    for _ in range(6):
        queue.clock.go_on(1)
        [claimed] = queue.claim()
        served.append(claimed.item.organization)
        queue.complete(claimed)
    assert served.count("new") == 3
    assert served[:2] == ["big", "new"]


def test_failures_wait_longer_each_time_and_end_in_death(queue: Queue) -> None:
    queue.organization("acme", 1)
    waits = []
    for attempt in range(1, ATTEMPTS_MAX + 1):
        [claimed] = queue.claim()
        assert claimed.lease.attempt == attempt
        assert queue.fail(claimed) == (attempt == ATTEMPTS_MAX)
        [item] = queue.items()
        waits.append((item.next_run_at_us - queue.clock.now_us) / 1_000_000)
        queue.clock.go_on(waits[-1])
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256]
    [item] = queue.items()
    assert (item.is_dead, item.total_failures, item.total.read) == (True, ATTEMPTS_MAX, ATTEMPTS_MAX)
    assert (item.error, item.error_reason) == ("the disk is full; make room", "STAGING_FAILED")
    queue.clock.go_on(1_000_000)
    assert queue.claim() == []


def test_waits_are_bounded_and_shortened_at_random() -> None:
    assert [backoff_seconds(attempt, 0.0) for attempt in (1, 60)] == [BACKOFF_SECONDS_MIN, BACKOFF_SECONDS_MAX]
    assert backoff_seconds(60, 1.0) == BACKOFF_SECONDS_MAX / 2


def test_success_forgets_failures(queue: Queue) -> None:
    queue.organization("acme", 1)
    [claimed] = queue.claim()
    queue.fail(claimed)
    queue.clock.go_on(BACKOFF_SECONDS_MAX)
    [claimed] = queue.claim()
    queue.complete(claimed)
    [item] = queue.items()
    assert (item.attempt, item.error, item.error_reason, item.total_failures) == (0, "", "", 1)


def test_a_dead_item_is_retried_and_a_living_one_is_not(queue: Queue) -> None:
    queue.organization("acme", 1)
    [item] = queue.items()

    def retry(organization: str = "acme") -> WorkItem:
        now_us = queue.clock.now_us
        return queue.act(lambda it: work_items.retry(it, organization, item.number, now_us=now_us))

    with pytest.raises(WorkItemNotDead, match="work run"):
        retry()
    for _ in range(ATTEMPTS_MAX):
        [claimed] = queue.claim()
        queue.fail(claimed)
        queue.clock.go_on(BACKOFF_SECONDS_MAX)
    with pytest.raises(TransitionIllegal, match="the disk is full"):
        queue.act(lambda it: work_items.make_due(it, "acme", item.number, now_us=1))
    with pytest.raises(WorkItemUnknown):
        retry("other")
    revived = retry()
    assert (revived.is_dead, revived.attempt, revived.next_run_at_us) == (False, 0, queue.clock.now_us)
    assert len(queue.claim()) == 1


def test_an_item_made_due_while_it_runs_is_run_again(queue: Queue) -> None:
    queue.organization("acme", 1)
    [claimed] = queue.claim()
    queue.clock.go_on(1)
    now_us = queue.clock.now_us
    queue.act(lambda it: work_items.make_due(it, "acme", claimed.item.number, now_us=now_us))
    assert queue.claim() == [], "one worker has it"
    queue.clock.go_on(1)
    queue.complete(claimed)
    assert len(queue.claim()) == 1


def test_a_run_with_more_to_do_goes_to_the_end_of_the_queue(queue: Queue) -> None:
    queue.organization("acme", 2)
    [first] = queue.claim()
    queue.clock.go_on(1)
    queue.complete(first, again=True)
    assert [names(queue.claim()), names(queue.claim())] == [["acme/2"], ["acme/1"]]


def test_whoever_lost_an_item_writes_nothing(queue: Queue) -> None:
    queue.organization("acme", 1)
    [dead] = queue.claim(owner="dead")
    assert queue.claim(owner="living") == []
    queue.clock.go_on(LEASE_SECONDS)
    [living] = queue.claim(owner="living")
    assert (living.lease.fence, living.lease.attempt) == (dead.lease.fence + 1, 2)
    before = queue.items()
    for write in (lambda: queue.complete(dead, Counts(read=9)), lambda: queue.fail(dead)):
        with pytest.raises(LeaseLost):
            write()
    with pytest.raises(LeaseLost):
        queue.act(lambda it: work_items.release(it, queue.leases, dead, Counts()))
    assert queue.items() == before
    queue.complete(living)


def test_an_item_whose_workers_all_die_is_given_up(queue: Queue) -> None:
    queue.organization("acme", 1)
    for _ in range(ATTEMPTS_MAX):
        assert len(queue.claim()) == 1
        queue.clock.go_on(LEASE_SECONDS)
    assert queue.claim() == []
    [item] = queue.items()
    assert (item.is_dead, item.attempt) == (True, ATTEMPTS_MAX)
    assert "died" in item.error


def test_a_stopped_worker_gives_its_item_back_at_once(queue: Queue) -> None:
    queue.organization("acme", 1)
    [claimed] = queue.claim()
    queue.act(lambda it: work_items.release(it, queue.leases, claimed, Counts(read=5)))
    [item] = queue.items()
    assert (item.attempt, item.total.read) == (0, 5)
    assert len(queue.claim()) == 1


def test_numbers_never_come_back(queue: Queue) -> None:
    queue.organization("acme", 1)
    [claimed] = queue.claim()
    assert queue.act(lambda it: work_items.delete_all(it, "acme")) == 1
    queue.ensure("acme")
    assert queue.items()[0].number > claimed.item.number
    with pytest.raises(LeaseLost):
        queue.complete(claimed)


@pytest.mark.parametrize(
    "change",
    [
        "SET state = 'ASLEEP'",
        "SET state = 'DEAD', lease_owner = 'somebody'",
        "SET interval_seconds = 0",
        "SET entity = 'nothing'",
        "SET entity = 'entity002' WHERE entity = 'entity001'",
    ],
)
def test_the_schema_itself_refuses_what_makes_no_sense(queue: Queue, change: str) -> None:
    queue.organization("acme", 2)
    with pytest.raises(IntegrityError):
        queue.sql(f"UPDATE work_item {change}")


def test_an_organization_has_one_item_for_all_of_its_entities(queue: Queue) -> None:
    queue.organization("acme", 1)

    async def ensure(connection: AsyncConnection) -> int:
        return await work_items.ensure_one(
            connection, "acme", source="outside", interval_seconds=5, due_at_us=queue.clock.now_us
        )

    assert [queue.act(ensure), queue.act(ensure)] == [1, 0]
    whole = next(it for it in queue.items() if it.source == "outside")
    assert (whole.entity, whole.standing, whole.resync) == ("", None, ())
    copy = "INSERT INTO work_item ({0}) SELECT {0} FROM work_item WHERE source = 'outside'"
    columns = [it.name for it in work_item.columns if it.name != "id"]
    with pytest.raises(IntegrityError):
        queue.sql(copy.format(", ".join(columns)))


def test_a_slow_organization_holds_no_other_up(queue: Queue) -> None:
    queue.organization("slow", 9)
    assert len(queue.claim(limit=20)) == work_items.ORGANIZATION_ITEMS_MAX
    queue.organization("quick", 2)
    assert {it.item.organization for it in queue.claim(limit=20)} == {"quick"}


def test_one_item_at_a_time_finds_out_whether_a_source_is_back(queue: Queue) -> None:
    queue.organization("acme", 9)
    [first] = queue.claim()
    queue.act(lambda it: work_items.fail(it, queue.leases, first, Counts(), SourceUnavailable("nobody answers")))
    [second] = queue.claim(limit=20)
    assert queue.claim(limit=20) == []
    queue.complete(second)
    queue.clock.go_on(BACKOFF_SECONDS_MAX)
    back = next(it for it in _one_by_one(queue) if it.item.number == first.item.number)
    queue.complete(back)
    queue.clock.go_on(INTERVAL_SECONDS)
    assert len(queue.claim(limit=20)) == work_items.ORGANIZATION_ITEMS_MAX


def _one_by_one(queue: Queue) -> Iterator[Claimed]:
    """Claims an item, which is the only one to be had, and gives it back when the next is asked for."""
    while True:
        [claimed] = queue.claim(limit=20)
        yield claimed
        queue.complete(claimed)


def test_an_outage_never_gives_an_item_up(queue: Queue) -> None:
    queue.organization("acme", 1)
    outage = SourceUnavailable("nobody answers")

    def given_up(claimed: Claimed) -> bool:
        return queue.act(lambda it: work_items.fail(it, queue.leases, claimed, Counts(), outage))

    for _ in range(3 * ATTEMPTS_MAX):
        assert not any(given_up(it) for it in queue.claim())
        queue.clock.go_on(BACKOFF_SECONDS_MAX)
    for attempt in range(1, ATTEMPTS_MAX):
        [claimed] = queue.claim()
        assert not queue.fail(claimed), "what fails behind an outage has its attempts before it"
        assert queue.items()[0].attempt == attempt
        queue.clock.go_on(BACKOFF_SECONDS_MAX)
    [claimed] = queue.claim()
    queue.complete(claimed)
    assert queue.items()[0].attempt == 0


def test_a_run_that_has_lasted_for_long_is_a_first_attempt_again(queue: Queue) -> None:
    queue.organization("acme", 1)

    def report(claimed: Claimed) -> None:
        queue.act(lambda it: work_items.report(it, queue.leases, claimed, Counts(read=1), {"mode": "stream"}))

    for _ in range(2 * ATTEMPTS_MAX):
        [claimed] = queue.claim()
        queue.clock.go_on(BACKOFF_SECONDS_MAX)
        report(claimed)
        assert queue.items()[0].attempt == 1
        assert not queue.fail(claimed)
        queue.clock.go_on(BACKOFF_SECONDS_MIN)


def test_items_of_a_paused_source_wait(queue: Queue) -> None:
    queue.organization("acme", 1)
    stored = StoredSource("acme", "outside", "entity", 5, {}, b"", "", True, 1, 1)
    queue.act(lambda it: sources.put(it, stored))
    queue.act(lambda it: work_items.ensure(it, "acme", source="outside", interval_seconds=5, due_at_us=0))
    assert [it.item.source for it in queue.claim()] == ["native"], "what Haversack keeps itself goes on"
    queue.act(lambda it: sources.put(it, replace(stored, is_paused=False)))
    assert [it.item.source for it in queue.claim()] == ["outside"]
