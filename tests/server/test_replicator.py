"""Replicators that die, stop, lose their items and meet bugs: what they had is done again, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from haversack_server.catalog import work_items
from haversack_server.catalog.leases import LEASE_SECONDS
from haversack_server.catalog.work_items import WORK_BELL, Counts, WorkItem
from haversack_server.errors import EntityUnknown, SourceThrottled
from haversack_server.replication import Feed, Limits, Replicator, Source, Standing, Taken
from server.running import STEP_SECONDS_MAX
from server.test_work_items import INTERVAL_SECONDS, Queue, queue
from server.test_work_machine import Rows

__all__ = ["queue"]

ROWS = 40
NAME = "acme"


@dataclass
class Gate:
    """Holds a feed up in the middle: commits so many times, then waits to be opened."""

    commits: int
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class RowsFeed:
    """Rows of the test's databases."""

    rows: Rows
    gate: Gate | None
    live: bool = False
    standing: Standing = field(default_factory=lambda: Standing("rows"))

    async def close(self) -> None:
        """Holds nothing."""

    async def take(self, rows_max: int) -> Taken:
        if self.gate is not None:
            if self.gate.commits == 0:
                self.gate.reached.set()
                await self.gate.opened.wait()
            self.gate.commits -= 1
        counts, left = self.rows.take(rows_max)
        self.standing = Standing("rows", f"LSN {self.rows.staging.head()}")
        if self.live and left == 0:
            await asyncio.sleep(0.01)  # as long as a live feed waits for the next change
        return Taken(counts, left, self.rows.staging.head())


@dataclass
class RowsSource:
    """A source of the kind that the queue's items name, and all that is known of organizations."""

    rows: Rows
    gate: Gate | None = None
    failure: Exception | None = None
    kind: str = "native"
    is_current: bool = True
    is_live: bool = False

    @property
    def source(self) -> Source:
        return cast(Source, self)

    @asynccontextmanager
    async def lend(self, organization: str, *, entity: str | None = None) -> AsyncIterator[RowsSource]:
        yield self

    def kind_of(self, entity: str) -> str:
        return self.kind

    async def open(self, entity: str) -> Feed:
        if self.failure is not None:
            raise self.failure
        return RowsFeed(self.rows, self.gate, self.is_live)

    async def resync(self, entity: str) -> None:
        self.rows.staging.replicate_anew(INTERVAL_SECONDS)


@dataclass
class Site:
    """A queue with one item, and rows that it is about."""

    queue: Queue
    rows: Rows
    workers: list[Replicator] = field(default_factory=list)

    def worker(self, source: RowsSource, *, heartbeat_seconds: float = 3_600, commits_max: int = 64) -> Replicator:
        """Starts a replicator that works on one item at a time and commits five rows at once."""
        limits = Limits(
            items_max=1,
            commits_max=commits_max,
            rows_max=5,
            poll_seconds=0.01,
            heartbeat_seconds=heartbeat_seconds,
            report_seconds=0.01,
            stop_seconds=1,
        )

        async def start() -> Replicator:
            made = Replicator(self.queue.catalog, source, leases=self.queue.leases, limits=limits)
            made.start()
            self.workers.append(made)
            return made

        return self.queue.loop.run(start())

    def gate(self, commits: int) -> Gate:
        """Makes a gate on the workers' loop."""

        async def make() -> Gate:
            return Gate(commits)

        return self.queue.loop.run(make())

    def wait(self, event: asyncio.Event) -> None:
        """Waits for an event on the workers' loop."""
        self.queue.loop.run(asyncio.wait_for(event.wait(), STEP_SECONDS_MAX))

    def open(self, gate: Gate) -> None:
        """Opens a gate."""

        async def act() -> None:
            gate.opened.set()

        self.queue.loop.run(act())

    def until(self, condition: Callable[[WorkItem], bool]) -> WorkItem:
        """Looks at the item until it is as it must become."""

        async def look() -> WorkItem:
            async with asyncio.timeout(STEP_SECONDS_MAX):
                while True:
                    async with self.queue.catalog.snapshot() as connection:
                        [item], _ = await work_items.listed(connection, [], offset=0, count=1)
                    if condition(item):
                        return item
                    await asyncio.sleep(0)

        return self.queue.loop.run(look())

    def stop(self, *workers: Replicator) -> None:
        """Stops workers."""
        for worker in workers:
            self.queue.loop.run(worker.stop())

    def check(self) -> None:
        """Staging is equal to the source, and no row was written twice."""
        assert self.rows.staging.statistics() == self.rows.record.statistics()
        assert self.rows.staging.head() == ROWS


@pytest.fixture
def site(queue: Queue, tmp_path: Path) -> Iterator[Site]:
    queue.organization(NAME, 1)
    rows = Rows(tmp_path / NAME)
    rows.write("id,value\n" + "".join(f"row{number},{number}\n" for number in range(ROWS)), "upsert")
    made = Site(queue, rows)
    yield made
    made.stop(*made.workers)
    rows.close()


def test_a_worker_catches_up_and_says_what_it_did(site: Site) -> None:
    site.worker(RowsSource(site.rows))
    item = site.until(lambda it: it.total_runs == 1)
    assert (item.last, item.attempt, item.worker) == (Counts(read=ROWS, inserted=ROWS), 0, "")
    site.check()


def test_what_a_worker_that_vanished_had_begun_is_done_once(site: Site) -> None:
    """The first worker hangs in the middle and says nothing more; it wakes when the second one has done its work."""
    gate = site.gate(commits=3)
    hung = site.worker(RowsSource(site.rows, gate))
    site.wait(gate.reached)
    assert site.rows.staging.head() == 15
    second = site.worker(RowsSource(site.rows))
    site.queue.clock.go_on(LEASE_SECONDS - 1)
    assert site.until(lambda it: True).attempt == 1, "the lease has not ended"
    site.queue.clock.go_on(1)
    done = site.until(lambda it: it.total_runs == 1)
    assert done.last == Counts(read=ROWS - 15, inserted=ROWS - 15)
    site.check()
    site.open(gate)
    site.stop(hung, second)
    assert site.until(lambda it: True) == done, "who lost the item writes nothing"
    site.check()


def test_a_worker_that_hears_of_its_loss_ends(site: Site) -> None:
    gate = site.gate(commits=1)
    first = site.worker(RowsSource(site.rows, gate), heartbeat_seconds=0.01)
    site.wait(gate.reached)
    site.queue.act(lambda it: work_items.delete_all(it, NAME))
    site.stop(first)
    assert site.rows.staging.head() == 5
    assert site.queue.items() == []


def test_a_heartbeat_keeps_an_item(site: Site) -> None:
    gate = site.gate(commits=1)
    site.worker(RowsSource(site.rows, gate), heartbeat_seconds=0.01)
    site.wait(gate.reached)
    site.worker(RowsSource(site.rows))
    for _ in range(3):
        before = site.queue.clock.now_us
        site.queue.clock.go_on(LEASE_SECONDS / 2)
        site.until(lambda it, before=before: it.lease_until_us > before + LEASE_SECONDS * 1_000_000)  # type: ignore[misc]
    assert site.until(lambda it: True).attempt == 1
    site.open(gate)
    assert site.until(lambda it: it.total_runs == 1).last.read == ROWS


def test_a_worker_that_is_stopped_gives_its_item_back(site: Site) -> None:
    gate = site.gate(commits=2)
    worker = site.worker(RowsSource(site.rows, gate))
    site.wait(gate.reached)

    async def stop() -> None:
        stopping = asyncio.create_task(worker.stop())
        await asyncio.sleep(0)
        gate.opened.set()
        await stopping

    site.queue.loop.run(stop())
    item = site.until(lambda it: True)
    assert (item.worker, item.attempt, item.total_runs, item.total.inserted) == ("", 0, 0, 15)
    site.worker(RowsSource(site.rows))
    site.until(lambda it: it.total_runs == 1)
    site.check()


def test_a_long_run_is_cut_and_goes_on(site: Site) -> None:
    site.worker(RowsSource(site.rows), commits_max=2)
    item = site.until(lambda it: it.total.read == ROWS)
    assert item.total_runs == 4
    site.check()


def test_a_live_feed_is_kept_and_says_how_it_goes(site: Site) -> None:
    worker = site.worker(RowsSource(site.rows, is_live=True))
    item = site.until(lambda it: it.total.inserted == ROWS)
    assert (item.total_runs, item.worker != "", item.attempt) == (0, True, 1)
    site.rows.write("id,value\nrow1,77\n", "upsert")
    item = site.until(lambda it: it.total.updated == 1)
    assert item.standing is not None
    assert (item.standing["mode"], item.standing["position"]) == ("rows", f"LSN {ROWS + 1}")
    assert item.total.read == ROWS + 1, "what was told is not told again"
    site.stop(worker)
    given_back = site.until(lambda it: it.worker == "")
    assert (given_back.attempt, given_back.total.read) == (0, ROWS + 1)


def test_a_feed_that_is_kept_makes_room_for_other_items(site: Site) -> None:
    site.queue.organization("beside", 1)
    site.worker(RowsSource(site.rows, is_live=True))

    async def both() -> set[str]:
        async with asyncio.timeout(STEP_SECONDS_MAX):
            while True:
                async with site.queue.catalog.snapshot() as connection:
                    items, _ = await work_items.listed(connection, [], offset=0, count=2)
                if all(it.worker for it in items):
                    return {it.organization for it in items}
                await asyncio.sleep(0)

    assert site.queue.loop.run(both()) == {NAME, "beside"}


def test_a_source_that_has_changed_ends_a_run_within_a_commit(site: Site) -> None:
    source = RowsSource(site.rows, is_live=True)
    site.worker(source)
    site.until(lambda it: it.total.inserted == ROWS)
    source.is_current = False
    source.is_live = False
    item = site.until(lambda it: it.total_runs > 0)
    assert item.error == ""


def test_a_source_that_asks_to_be_left_alone_is(site: Site) -> None:
    site.queue.organization("beside", 1)
    source = RowsSource(site.rows, failure=SourceThrottled("wait", retry_seconds=3_600))
    site.worker(source)
    failed = site.until(lambda it: it.total_failures == 1)
    assert failed.next_run_at_us >= site.queue.clock.now_us + 3_600 * 1_000_000
    assert (failed.is_dead, failed.error_reason) == (False, "SOURCE_UNAVAILABLE")
    site.queue.clock.go_on(3_600)
    source.failure = None
    site.until(lambda it: it.total_runs == 1)
    site.check()


def test_what_is_to_be_read_in_full_is_told_to_the_source_once(site: Site) -> None:
    worker = site.worker(RowsSource(site.rows))
    site.until(lambda it: it.total_runs == 1)
    site.stop(worker)
    site.queue.act(
        lambda it: work_items.ask_resync(
            it, NAME, "entity001", source="native", scope="entity", now_us=site.queue.clock.now_us
        )
    )
    assert site.until(lambda _: True).resync == ("entity001",)
    site.worker(RowsSource(site.rows))
    done = site.until(lambda it: it.total.unchanged == ROWS)
    assert site.until(lambda it: it.total_runs == 2).resync == ()
    assert done.total.inserted == ROWS
    site.check()


@pytest.mark.parametrize(
    ("failure", "reason"), [(EntityUnknown("there is none; import it"), "ENTITY_UNKNOWN"), (KeyError("x"), "INTERNAL")]
)
def test_failures_and_bugs_are_kept_with_the_item(site: Site, failure: Exception, reason: str) -> None:
    source = RowsSource(site.rows, failure=failure)
    site.worker(source)
    failed = site.until(lambda it: it.total_failures == 1)
    assert (failed.error_reason, failed.attempt, failed.worker) == (reason, 1, "")
    source.failure = None
    site.queue.clock.go_on(10)
    assert site.until(lambda it: it.total_runs == 1).error == ""


def test_a_source_that_this_server_does_not_know_is_a_failure(site: Site) -> None:
    site.worker(RowsSource(site.rows, kind="another"))
    assert "'native'" in site.until(lambda it: it.total_failures == 1).error


def test_a_bell_wakes_a_worker_that_would_sleep_for_long(site: Site) -> None:
    [claimed] = site.queue.claim()
    site.queue.complete(claimed)

    async def start() -> Replicator:
        limits = Limits(poll_seconds=3_600)
        made = Replicator(site.queue.catalog, RowsSource(site.rows), leases=site.queue.leases, limits=limits)
        made.start()
        site.workers.append(made)
        return made

    site.queue.loop.run(start())
    site.until(lambda it: True)
    site.queue.clock.go_on(1)
    now_us = site.queue.clock.now_us
    site.queue.act(lambda it: work_items.make_due(it, NAME, claimed.item.number, now_us=now_us))
    site.queue.loop.run(site.queue.catalog.notify(WORK_BELL))
    site.until(lambda it: it.total_runs == 2)
