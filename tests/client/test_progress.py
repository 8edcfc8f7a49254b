"""Progress never goes back, never passes the end, and its guesses are plain division."""

from dataclasses import replace
from pathlib import Path

import pytest
from haversack.sync.v1 import sync_pb2
from haversack_client import Checkpoint, Progress, Stage
from haversack_client._progress import ProgressMeter
from haversack_client._session import Flow, Session, Step
from haversack_client._stage import Planned
from haversack_client._store import Store
from hypothesis import given, settings
from hypothesis import strategies as st


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def step() -> Step:
    """A step that means nothing."""
    store = Store(Path(":memory:"))
    idle = Session(store, sync_pb2.SYNC_MODE_ONCE).receive(sync_pb2.SyncEvent(heartbeat=sync_pb2.Heartbeat()))
    store.close()
    return idle


def planned(step: Step, **rows: int) -> Step:
    return replace(step, planned=tuple(Planned(name, count, 100 * count) for name, count in rows.items()))


def received(step: Step, entity: str, rows: int) -> Step:
    return replace(step, entity=entity, rows=rows, planned_bytes=100 * rows, stage=Stage.DOWNLOADING)


def test_counts_percent_and_time_left(step: Step) -> None:
    clock = Clock()
    meter = ProgressMeter(clock)
    assert meter.take(step) == Progress(Stage.REGISTERED, "", 0, 0, 0, 0, 0.0, None)
    assert meter.take(planned(step, account=30, contact=10)).rows_total == 40
    clock.now = 2.0
    progress = meter.take(received(step, "account", 10))
    assert (progress.rows_done, progress.rows_total) == (10, 40)
    assert (progress.bytes_done, progress.bytes_total) == (1000, 4000)
    assert (progress.fraction, progress.seconds_left) == (0.25, 6.0)
    meter.take(received(step, "account", 20))
    last = meter.take(received(step, "contact", 10))
    assert (last.stage, last.fraction, last.seconds_left) == (Stage.VERIFYING, 1.0, 0.0)
    end = meter.take(replace(step, stage=Stage.READY, checkpoint=Checkpoint(1, 1, 1), flow=Flow.COMPLETE))
    assert (end.stage, end.fraction) == (Stage.READY, 1.0)


def test_no_guess_before_there_is_something_to_go_by(step: Step) -> None:
    clock = Clock()
    meter = ProgressMeter(clock)
    meter.take(planned(step, account=30))
    clock.now = 0.1
    assert meter.take(received(step, "account", 10)).seconds_left is None
    clock.now = 1.0
    assert meter.take(step).seconds_left == 2.0


def test_a_plan_after_a_reconnect_goes_on_from_what_is_done(step: Step) -> None:
    meter = ProgressMeter(Clock())
    meter.take(planned(step, account=40))
    meter.take(received(step, "account", 30))
    again = meter.take(planned(step, account=10))
    assert (again.rows_done, again.rows_total, again.fraction) == (30, 40, 0.75)


def test_rows_that_left_the_view_do_not_keep_the_end_away(step: Step) -> None:
    meter = ProgressMeter(Clock())
    meter.take(planned(step, account=40))
    meter.take(received(step, "account", 30))
    end = meter.take(replace(step, checkpoint=Checkpoint(1, 1, 1)))
    assert (end.rows_done, end.rows_total, end.fraction, end.seconds_left) == (30, 30, 1.0, 0.0)


STEPS = st.lists(
    st.one_of(
        st.dictionaries(st.sampled_from(["account", "contact"]), st.integers(0, 50)),
        st.tuples(st.sampled_from(["account", "contact", "lead"]), st.integers(1, 50)),
    )
)


@settings(deadline=None)
@given(steps=STEPS)
def test_never_back_and_never_beyond(step: Step, steps: list[dict[str, int] | tuple[str, int]]) -> None:
    meter, before = ProgressMeter(Clock()), 0.0
    for it in steps:
        progress = meter.take(planned(step, **it) if isinstance(it, dict) else received(step, *it))
        assert before <= progress.fraction <= 1.0
        assert progress.rows_done <= progress.rows_total
        assert progress.bytes_done <= progress.bytes_total
        before = progress.fraction
