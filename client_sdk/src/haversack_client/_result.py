"""What a sync came to: rows, bytes and seconds, as a whole and by entity."""

from dataclasses import dataclass, field

from haversack_client._backoff import Waiting
from haversack_client._held import Checkpoint
from haversack_client._pending import Answered, PendingWrite
from haversack_client._progress import Clock
from haversack_client._session import Flow
from haversack_client._synchronizer import Applied, Happening, ModelWaiting
from haversack_client._uploader import Uploaded, UploadHappening


@dataclass(frozen=True, slots=True)
class EntityResult:
    """What a sync did to one entity.

    Attributes:
        name: Logical name.
        rows: Rows written.
        removals: Rows removed.
        bytes: Bytes received for it, as messages.
        seconds: Time that its events took, from the end of the event before.
    """

    name: str
    rows: int
    removals: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync did.

    Attributes:
        checkpoint: The moment at which the device equalled its view; None if the view kept moving (see `complete`).
        complete: Whether a checkpoint was reached. If not, the device is usable, and the next sync goes on from here.
        rows: Rows written.
        removals: Rows removed.
        bytes: Bytes received, as messages.
        seconds: From the first call to the end.
        passes: Plans received: how often the server compared and found work.
        retries: Calls that failed and were made again.
        entities: By entity, in the order in which they first moved; those without change are left out.
        applied: Writes of this device that the server took.
        queued: Those that are at the server now, and wait for the organization's source.
        refused: Those that it refused; `Device.refused` has them with their reasons.
        overruled: Writes that it took but for their `fields`, where other people's values stay (the policy of merging).
        model_waiting: Whether the application said "later" to a new model; then nothing was brought up to date.
    """

    checkpoint: Checkpoint | None
    complete: bool
    rows: int
    removals: int
    bytes: int
    seconds: float
    passes: int
    retries: int
    entities: tuple[EntityResult, ...]
    applied: int = 0
    queued: int = 0
    refused: int = 0
    overruled: tuple[PendingWrite, ...] = ()
    model_waiting: bool = False


@dataclass(slots=True)
class _EntityCount:
    rows: int = 0
    removals: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Tally:
    """Adds up what happens during a sync."""

    clock: Clock
    _started: float = 0.0
    _latest: float = 0.0
    _bytes: int = 0
    _passes: int = 0
    _retries: int = 0
    _checkpoint: Checkpoint | None = None
    _complete: bool = False
    _applied: int = 0
    _queued: int = 0
    _refused: int = 0
    _overruled: tuple[PendingWrite, ...] = ()
    _model_waiting: bool = False
    _entities: dict[str, _EntityCount] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._started = self._latest = self.clock()

    def take_upload(self, happening: UploadHappening) -> None:
        """Counts what happened to the outbox."""
        match happening:
            case Waiting():
                self._retries += 1
            case Uploaded(answered):
                self._take_answered(answered)

    def _take_answered(self, answered: Answered) -> None:
        self._applied += answered.applied
        self._queued += answered.queued
        self._refused += len(answered.refused)
        self._overruled += answered.overruled

    def take(self, happening: Happening) -> None:
        """Counts one happening."""
        now = self.clock()
        seconds, self._latest = now - self._latest, now
        match happening:
            case Waiting():
                self._retries += 1
            case ModelWaiting():
                self._model_waiting = True
            case Applied():
                self._take_applied(happening, seconds)

    def _take_applied(self, applied: Applied, seconds: float) -> None:
        step = applied.step
        self._bytes += applied.received_bytes
        self._passes += step.planned is not None
        self._complete = step.flow is Flow.COMPLETE
        if applied.answered:
            self._take_answered(applied.answered)
        if step.checkpoint:
            self._checkpoint = step.checkpoint
        for name, changes in applied.changes.items():
            count = self._entities.setdefault(name, _EntityCount())
            count.rows += changes.written
            count.removals += changes.removed
            count.bytes += applied.received_bytes
            count.seconds += seconds

    def result(self) -> SyncResult:
        """Returns the sums so far."""
        entities = tuple(
            EntityResult(name, count.rows, count.removals, count.bytes, count.seconds)
            for name, count in self._entities.items()
            if count.rows or count.removals
        )
        return SyncResult(
            checkpoint=self._checkpoint,
            complete=self._complete,
            rows=sum(entity.rows for entity in entities),
            removals=sum(entity.removals for entity in entities),
            bytes=self._bytes,
            seconds=self.clock() - self._started,
            passes=self._passes,
            retries=self._retries,
            entities=entities,
            applied=self._applied,
            queued=self._queued,
            refused=self._refused,
            overruled=self._overruled,
            model_waiting=self._model_waiting,
        )
