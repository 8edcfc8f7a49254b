"""How far a sync has come: counts, percent, and an honest guess of the time left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from haversack_client._session import Flow, Step
from haversack_client._stage import Planned, Stage

Clock = Callable[[], float]
"""Returns seconds that never go back, as `time.monotonic` does."""

ESTIMATE_AFTER_SECONDS = 0.25
"""Before this much of a download has passed, its speed is noise and no time left is given."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync has come, over all of its passes and reconnects.

    Attributes:
        stage: Where the device stands.
        entity: Logical name of the entity that just moved; empty if none did.
        rows_done: Rows received.
        rows_total: Rows received and still planned; never less than `rows_done`.
        bytes_done: Stored bytes of those rows, as the plan counts them.
        bytes_total: Bytes of `rows_total`; never less than `bytes_done`.
        fraction: Part of the work that is done, 0.0 to 1.0; never goes back within a sync.
        seconds_left: Estimate; None while there is nothing to go by.
    """

    stage: Stage
    entity: str
    rows_done: int
    rows_total: int
    bytes_done: int
    bytes_total: int
    fraction: float
    seconds_left: float | None


@dataclass(slots=True)
class _Remaining:
    rows: int
    bytes: int


@dataclass(slots=True)
class ProgressMeter:
    """Counts rows and bytes against the plan. A new plan adds to what is done, so percent never starts over."""

    clock: Clock
    _left: dict[str, _Remaining] = field(default_factory=dict)
    _rows_done: int = 0
    _bytes_done: int = 0
    _fraction: float = 0.0
    _started: float | None = None

    def take(self, step: Step) -> Progress:
        """Counts a step that is applied, and returns how far things are now."""
        if step.planned is not None:
            self._plan(step.planned)
        if step.rows:
            self._receive(step)
        if step.checkpoint or step.flow is Flow.INCOMPLETE:
            self._left = {}  # Rows may have left the view since they were planned.
        rows_left = sum(left.rows for left in self._left.values())
        bytes_left = sum(left.bytes for left in self._left.values())
        bytes_total = self._bytes_done + bytes_left
        if bytes_total:
            self._fraction = max(self._fraction, self._bytes_done / bytes_total)
        if step.checkpoint:
            self._fraction = 1.0
        is_last = step.rows and not rows_left and step.stage is Stage.DOWNLOADING
        return Progress(
            stage=Stage.VERIFYING if is_last else step.stage,
            entity=step.entity,
            rows_done=self._rows_done,
            rows_total=self._rows_done + rows_left,
            bytes_done=self._bytes_done,
            bytes_total=bytes_total,
            fraction=self._fraction,
            seconds_left=self._seconds_left(bytes_left),
        )

    def _plan(self, entities: Sequence[Planned]) -> None:
        """What is left to do now; it replaces what was left of an earlier plan."""
        self._left = {planned.entity: _Remaining(planned.rows, planned.bytes) for planned in entities}
        if self._started is None:
            self._started = self.clock()

    def _receive(self, step: Step) -> None:
        """A batch. One that the plan did not foresee counts on both sides."""
        self._rows_done += step.rows
        self._bytes_done += step.planned_bytes
        if left := self._left.get(step.entity):
            left.rows = max(0, left.rows - step.rows)
            left.bytes = max(0, left.bytes - step.planned_bytes)

    def _seconds_left(self, bytes_left: int) -> float | None:
        if not bytes_left:
            return 0.0 if self._started is not None else None
        elapsed = 0.0 if self._started is None else self.clock() - self._started
        if elapsed < ESTIMATE_AFTER_SECONDS or not self._bytes_done:
            return None
        return bytes_left * elapsed / self._bytes_done
