"""The machine of provisioning, walked at random with workers that die anywhere, faults, stops, retries and races."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from haversack_server.errors import TransitionIllegal
from haversack_server.provisioning.machine import (
    REQUESTS,
    SETUP,
    STEPS,
    TEARDOWN,
    TRANSITIONS,
    Event,
    State,
    Step,
    legal,
)
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from server.provisioning_world import Fate, World
from server.running import LoopThread

WORKING = frozenset(STEPS)
ENDS = {
    State.PROVISIONING: {State.PROVISIONED, State.PROVISIONING_FAILED},
    State.STOPPING: {State.NOT_PROVISIONED, State.PROVISIONING_FAILED},
    State.DEPROVISIONING: {State.NOT_PROVISIONED, State.DEPROVISIONING_FAILED},
}
LOOKS_MAX = 60
MOMENTS = st.sampled_from(["before", "after"])
working = precondition(lambda self: self.state in WORKING)
EXAMPLES = {"sqlite": 8, "postgresql": 4}


@pytest.fixture
def world(loop: LoopThread, tmp_path: Path, catalog_url: str) -> Iterator[World]:
    made = World(loop, tmp_path / "data", catalog_url)
    yield made
    made.close()


class Walk(RuleBasedStateMachine):
    """One organization's way through the machine; `state` is where the model says that it must be."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.name = world.organization()
        self.state = State.NOT_PROVISIONED
        self.obstacle = world.folder(self.name) / "staging-0-0.sqlite3"
        self.epochs: set[bytes] = set()

    def teardown(self) -> None:
        """Leaves nothing to do: the workers of the next walk would take it, and meet their fate at its steps."""
        if self.obstacle.exists():
            self.obstacle.rmdir()
        self.world.time.let_leases_end()
        self.world.work()
        assert self._standing() not in WORKING

    @precondition(lambda self: bool(legal(self.state)))
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        """An administrator asks for something that is legal."""
        event = data.draw(st.sampled_from(legal(self.state)))
        self.world.loop.run(self._asked(event))
        self.state = TRANSITIONS[self.state, event]

    @rule(event=st.sampled_from(REQUESTS))
    def ask_for_what_is_illegal(self, event: Event) -> None:
        """An administrator asks for something that is not, and is told what would be."""
        if event in legal(self.state):
            return
        with pytest.raises(TransitionIllegal) as refusal:
            self.world.loop.run(self._asked(event))
        assert self.state in str(refusal.value)
        assert all(f"({it})" in str(refusal.value) for it in legal(self.state))

    def _asked(self, event: Event) -> Coroutine[Any, Any, None]:
        requests = self.world.requests
        asking = {
            Event.START: requests.start,
            Event.STOP: requests.stop,
            Event.RETRY: requests.retry,
            Event.DEPROVISION: requests.deprovision,
        }
        return asking[event](self.name, who="tester")

    @rule(region=st.sampled_from(["north", "south", ""]))
    def move(self, region: str) -> None:
        """Only an organization that has nothing anywhere can be moved."""
        moving = self.world.requests.move(self.name, region)
        if self.state is State.NOT_PROVISIONED:
            self.world.loop.run(moving)
            return
        with pytest.raises(TransitionIllegal, match="de-provision, move, provision"):
            self.world.loop.run(moving)

    @working
    @rule()
    def work(self) -> None:
        """A worker does what there is to do, once the lease of one that died is over."""
        self.world.time.let_leases_end()
        self.world.work()
        self.state = self._end()

    @rule()
    def look_too_early(self) -> None:
        """Until its lease ends, nobody takes over what a dead worker had: only what nobody has is taken."""
        operation = self.world.operation(self.name)
        is_free = operation is not None and self.world.time.is_lease_over(operation.heartbeat_at_us)
        self.world.work()
        if is_free and self.state in WORKING:
            self.state = self._end()

    @working
    @rule(looks=st.integers(min_value=1, max_value=LOOKS_MAX))
    def die_in_a_transaction(self, looks: int) -> None:
        """A worker takes over and dies: what it was about to write is lost, what it had written is not."""
        self.world.time.let_leases_end()
        self.world.work(Fate(looks=looks))
        self._see_after_death()

    @working
    @rule(data=st.data(), when=MOMENTS)
    def die_around_a_step(self, data: st.DataObject, when: str) -> None:
        """A worker dies when it has done a step and nobody knows, or when it was about to."""
        self.world.time.let_leases_end()
        self.world.work(Fate(moment=(when, data.draw(st.sampled_from(STEPS[self.state])))))
        self._see_after_death()

    @working
    @rule(data=st.data(), when=MOMENTS)
    def stop_in_the_middle(self, data: st.DataObject, when: str) -> None:
        """An administrator asks for a stop while a worker is at a step."""
        self.world.time.let_leases_end()
        fate = Fate(moment=(when, data.draw(st.sampled_from(STEPS[self.state]))), dies=False)
        self.world.loop.run(self._stopped(fate))
        self.state = self._end()

    async def _stopped(self, fate: Fate) -> None:
        worker = self.world.worker(fate)
        await worker.look()
        finishing = asyncio.create_task(worker.finish())
        if await fate.stands_still(finishing) and self.state is State.PROVISIONING:
            await self._asked(Event.STOP)
            self.state = State.STOPPING
        fate.resume.set()
        await finishing

    @working
    @rule(data=st.data(), when=MOMENTS)
    def come_back_from_the_dead(self, data: st.DataObject, when: str) -> None:
        """A worker stands still for longer than its lease, and goes on while another one is at that step or later."""
        self.world.time.let_leases_end()
        steps = STEPS[self.state]
        first = data.draw(st.sampled_from(steps))
        second = data.draw(st.sampled_from(steps[steps.index(first) :]))
        fates = Fate(moment=(when, first), dies=False), Fate(moment=("after", second), dies=False)
        self.world.loop.run(self._outrun(*fates))
        self.state = self._end()

    async def _outrun(self, late: Fate, next_: Fate) -> None:
        first, second = self.world.worker(late), self.world.worker(next_)
        await first.look()
        losing = asyncio.create_task(first.finish())
        try:
            if await late.stands_still(losing):
                self.world.time.let_leases_end()
                await second.look()
                winning = asyncio.create_task(second.finish())
                if await next_.stands_still(winning):
                    before = await self.world.written(self.name)
                    late.resume.set()
                    await losing
                    assert await self.world.written(self.name) == before, "who has lost the lease writes nothing"
                next_.resume.set()
                await winning
        finally:
            late.resume.set()
            next_.resume.set()
            await losing

    @working
    @rule(data=st.data(), when=MOMENTS)
    def hand_over(self, data: st.DataObject, when: str) -> None:
        """A worker is told to stop in the middle: the next one goes on at once, and waits for no lease."""
        self.world.time.let_leases_end()
        fate = Fate(moment=(when, data.draw(st.sampled_from(STEPS[self.state]))), dies=False)
        self.world.loop.run(self._handed_over(fate))
        self.state = self._end()

    async def _handed_over(self, fate: Fate) -> None:
        first, second = self.world.worker(fate), self.world.worker()
        await first.look()
        finishing = asyncio.create_task(first.finish())
        if await fate.stands_still(finishing):
            stopping = asyncio.create_task(first.stop())
            await asyncio.sleep(0)
            fate.resume.set()
            await stopping
        await finishing
        await second.look()
        await second.finish()

    @working
    @rule()
    def race(self) -> None:
        """Two workers look at once: one of them gets it."""

        async def run() -> None:
            first, second = self.world.worker(), self.world.worker()
            await asyncio.gather(first.look(), second.look())
            await asyncio.gather(first.finish(), second.finish())

        self.world.time.let_leases_end()
        self.world.loop.run(run())
        self.state = self._end()

    @precondition(lambda self: not self.obstacle.exists())
    @rule()
    def obstruct(self) -> None:
        """Something is in the way that no worker can delete: both creating and deleting will fail."""
        self.obstacle.mkdir()

    @precondition(lambda self: self.obstacle.exists())
    @rule()
    def clear(self) -> None:
        """It is mended."""
        self.obstacle.rmdir()

    @invariant()
    def is_where_the_model_says(self) -> None:
        standing = self.world.standing(self.name)
        assert State(standing.state) is self.state
        assert (standing.staging_path is None) == (standing.epoch is None)

    @invariant()
    def nothing_is_left_where_nothing_should_be(self) -> None:
        if self.state is not State.NOT_PROVISIONED:
            return
        assert {(it.operation, it.fence) for it in self.world.files(self.name)} <= {(0, 0)}
        assert self.world.work_items(self.name) == 0
        assert not self.world.serves(self.name)
        operation = self.world.operation(self.name)
        assert operation is None or operation.state in ("DONE", "STOPPED")

    @invariant()
    def what_is_provisioned_is_served_whole(self) -> None:
        if self.state is not State.PROVISIONED:
            return
        standing, operation = self.world.standing(self.name), self.world.operation(self.name)
        assert standing.staging_path is not None
        assert operation is not None
        assert operation.state == "DONE"
        assert self.world.serves(self.name)
        assert self.world.work_items(self.name) == 1
        assert (self.world.data / standing.staging_path).exists()
        epochs = self.epochs | {standing.epoch or b""}
        assert len(epochs) <= operation.number, "each provisioning has an epoch of its own"
        self.epochs = epochs

    @invariant()
    def a_failure_has_its_reason(self) -> None:
        operation = self.world.operation(self.name)
        if self.state in (State.PROVISIONING_FAILED, State.DEPROVISIONING_FAILED):
            assert operation is not None
            assert operation.failure is not None
            assert operation.failure.reason == "STAGING_FAILED"
            assert operation.failure.step in (Step.CREATE_STAGING, Step.DELETE_STAGING)
        else:
            assert operation is None or operation.failure is None

    def _end(self) -> State:
        """Where work must have ended by now: anything in the way makes it fail, and nothing else does."""
        after = self._standing()
        assert after in ENDS[self.state]
        if not self.obstacle.exists():
            assert after in (State.PROVISIONED, State.NOT_PROVISIONED)
        return after

    def _see_after_death(self) -> None:
        """A dead worker left the organization where it was, or it had come to the end before its hour."""
        after = self._standing()
        if after is not self.state:
            self.state = self._end()

    def _standing(self) -> State:
        return State(self.world.standing(self.name).state)


def test_the_machine_holds_whatever_happens(world: World, catalog_url: str) -> None:
    run_state_machine_as_test(
        lambda: Walk(world),  # type: ignore[arg-type]
        settings=settings(
            max_examples=EXAMPLES[catalog_url.partition(":")[0]],
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_every_state_and_event_has_its_place() -> None:
    for (state, event), target in TRANSITIONS.items():
        assert (event in (Event.SUCCEED, Event.FAIL)) == (state in WORKING and event not in REQUESTS)
        assert target is not state
    assert set(TRANSITIONS.values()) == set(State)
    assert not set(SETUP) & set(TEARDOWN)
    assert set(SETUP) | set(TEARDOWN) == set(Step)
