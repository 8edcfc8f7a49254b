"""What a device is doing, told to whoever wants to know: one state for the whole, progress, and what waits.

Loops tell the monitor what happens; it tells listeners whenever what they see has changed. Network loss is a state
here, not an exception.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from haversack_client._backoff import Waiting
from haversack_client._callbacks import tell
from haversack_client._connections import Connection
from haversack_client._errors import QueueFullError
from haversack_client._outbox import State
from haversack_client._progress import Clock, Progress, ProgressMeter
from haversack_client._readers import Readers
from haversack_client._stage import Stage
from haversack_client._synchronizer import Applied, Connecting, Happening, ModelWaiting
from haversack_client._uploader import Uploaded, UploadHappening

ACTIVITIES_MAX = 256
"""Activities kept for an iterator that nobody reads; older ones are dropped: the newest says how things are."""


class OverallState(Enum):
    """One word for how a device is. The first that fits, from the top."""

    ERROR = "error"
    """The last call was refused: `Activity.error` says why. It does not pass by itself."""
    WARNING = "warning"
    """Writes were refused, or a new model waits for the application."""
    SYNCING = "syncing"
    """Rows are on their way."""
    NOT_CONNECTED = "not connected"
    """No stream is open: none was asked for, or there is no network. Everything can be read and written."""
    PENDING_UPLOAD = "pending upload"
    """Connected, and writes wait for their answers."""
    CONNECTED = "connected"
    """Connected, equal to the view, and nothing waits."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What a device is doing at a moment.

    Attributes:
        state: One word for all.
        connected: Whether a stream is open.
        stage: The stage that is reported, 1 to 7.
        entity: Logical name of the entity that moved last; empty outside of a download.
        fraction: Part of the download that is done, 0.0 to 1.0; never goes back within one.
        seconds_left: Estimate; None while there is nothing to go by.
        rows_done: Rows received in this download.
        rows_total: Rows received and planned in it.
        waiting: Writes that wait for the server.
        queued: Writes that are at the server, and wait for the organization's source.
        refused: Writes that were refused.
        model_waiting: Whether a new model waits for the application.
        error: What the last failure said; empty if there was none since.
        retry_seconds: How long until the next call; None if none is planned.
    """

    state: OverallState = OverallState.NOT_CONNECTED
    connected: bool = False
    stage: Stage = Stage.REGISTERED
    entity: str = ""
    fraction: float = 0.0
    seconds_left: float | None = None
    rows_done: int = 0
    rows_total: int = 0
    waiting: int = 0
    queued: int = 0
    refused: int = 0
    model_waiting: bool = False
    error: str = ""
    retry_seconds: float | None = None


class Monitor:
    """Watches one device. Any thread may call any method."""

    def __init__(
        self, readers: Readers, clock: Clock, *, on_outcome: Callable[[Exception | None], object] = lambda _: None
    ) -> None:
        """Begins. `on_outcome` is told of every failure that does not pass, and (None) of every checkpoint."""
        self._readers = readers
        self._clock = clock
        self._on_outcome = on_outcome
        self._lock = threading.RLock()
        self._last_number = 0
        self._meter = ProgressMeter(clock)
        self._failed = False
        self._busy = False
        self._follows = False
        # Until something is uploaded these stay, whatever a stream brings meanwhile.
        self._upload_error = ""
        self._upload_failed = False
        self._listeners: list[tuple[Callable[[Activity], object], Callable[[], object]]] = []
        self._is_closed = False
        with readers.reading() as connection:
            (stage,) = connection.execute(
                "SELECT coalesce((SELECT value FROM _haversack_meta WHERE key = 'stage'), 1)"
            ).fetchone()
            waiting, queued, refused = count_writes(connection)
            self._last_number = read_last_number(connection)
        self._activity = _named(
            Activity(stage=Stage(stage), waiting=waiting, queued=queued, refused=refused), failed=False, busy=False
        )

    @property
    def activity(self) -> Activity:
        """What the device is doing now."""
        return self._activity

    def listen(
        self, listener: Callable[[Activity], object], *, on_close: Callable[[], object] = lambda: None
    ) -> Callable[[], None]:
        """Calls `listener` with every change, in the thread where it happens. Returns what ends that.

        What it raises is logged. `on_close` is called when no more will come, for the device was closed.
        """
        entry = (listener, on_close)
        with self._lock:
            is_closed = self._is_closed
            if not is_closed:
                self._listeners.append(entry)
        if is_closed:
            on_close()

        def end() -> None:
            with self._lock:
                if entry in self._listeners:
                    self._listeners.remove(entry)

        return end

    def close(self) -> None:
        """The device is closed: nothing more is told."""
        with self._lock:
            self._is_closed = True
            listeners, self._listeners = self._listeners, []
        for _, on_close in listeners:
            on_close()

    def begin(self, *, follows: bool = False) -> None:
        """A sync begins: its progress starts at nothing. One that `follows` goes on after a checkpoint."""
        with self._lock:
            self._meter = ProgressMeter(self._clock)
            self._follows, self._busy = follows, True
        self.begin_upload(fraction=0.0, seconds_left=None, rows_done=0, rows_total=0, model_waiting=False)

    def begin_upload(self, **changes: object) -> None:
        """An upload begins: what went wrong before is over."""
        with self._lock:
            self._failed, self._upload_failed, self._upload_error = False, False, ""
        self._change(error="", **changes)

    def take(self, happening: Happening) -> Progress | None:
        """A stream says what happens. Returns how far the download is, after an event."""
        match happening:
            case Connecting():
                self._busy = True
                self._change(connected=False, retry_seconds=None)
            case Waiting(error, delay_seconds):
                self._change(connected=False, error=str(error), retry_seconds=delay_seconds)
            case ModelWaiting():
                self._busy = False
                self._change(connected=False, model_waiting=True)
            case Applied():
                return self._applied(happening)
        return None

    def take_upload(self, happening: UploadHappening) -> None:
        """An upload says what happens."""
        match happening:
            case Waiting(error, delay_seconds):
                if isinstance(error, QueueFullError):
                    self._upload_error = str(error)
                self._change(error=str(error), retry_seconds=delay_seconds)
            case Uploaded():
                self._forget_upload_error()
                self.count()

    def fail(self, error: Exception) -> None:
        """A loop ended with an error that does not pass by itself."""
        self._failed = True
        self._on_outcome(error)
        self._change(error=_text(error))

    def fail_upload(self, error: Exception) -> None:
        """An upload beside a stream ended with an error that does not pass by itself; the stream goes on."""
        self._upload_failed, self._upload_error = True, _text(error)
        self._on_outcome(error)
        self._change(error=self._upload_error)

    def lose(self, error: Exception) -> None:
        """A loop ended because no server could be reached, or none serves the organization now."""
        self._change(error=str(error), connected=False)

    def wait(self, seconds: float | None) -> None:
        """The next call comes after so long; None: none is planned."""
        self._change(retry_seconds=seconds)

    def end(self) -> None:
        """A stream has ended."""
        self._busy = False
        self.count(connected=False, retry_seconds=None)

    def count(self, **changes: object) -> None:
        """The outbox may have changed."""
        with self._readers.reading() as connection:
            counts = count_writes(connection)
        self._take_counts(counts, changes)

    def _take_counts(self, counts: tuple[int, int, int], changes: dict[str, object]) -> None:
        waiting, queued, refused = counts
        if not waiting:
            self._forget_upload_error()
            if "error" in changes:
                changes["error"] = self._upload_error
        self._change(waiting=waiting, queued=queued, refused=refused, **changes)

    def look(self) -> bool:
        """Counts, and returns whether anything was written since the last look: another process may do so, too."""
        with self._readers.reading() as connection:
            number, counts = read_last_number(connection), count_writes(connection)
        self._take_counts(counts, {})
        with self._lock:
            known, self._last_number = self._last_number, number
        return number != known

    def _forget_upload_error(self) -> None:
        """Something was uploaded, or nothing is left to be."""
        if self._upload_error or self._upload_failed:
            self._upload_error, self._upload_failed = "", False
            self._change(error="")

    def _applied(self, applied: Applied) -> Progress:
        progress = self._meter.take(applied.step)
        if applied.step.checkpoint:
            self._on_outcome(None)
            self._busy = False
            if self._follows:
                self._meter = ProgressMeter(self._clock)  # What comes after a checkpoint is another download.
        elif applied.step.planned is not None or applied.step.rows:
            self._busy = True
        self._failed = False
        changes: dict[str, object] = {
            "connected": True,
            "stage": progress.stage,
            "entity": progress.entity,
            "fraction": progress.fraction,
            "seconds_left": progress.seconds_left,
            "rows_done": progress.rows_done,
            "rows_total": progress.rows_total,
            "error": self._upload_error,
            "retry_seconds": None,
            "model_waiting": False,
        }
        if applied.step.checkpoint or applied.answered:
            self.count(**changes)
        else:
            self._change(**changes)
        return progress

    def _change(self, **changes: object) -> None:
        with self._lock:
            before = self._activity
            changed = replace(before, **changes)  # type: ignore[arg-type]
            self._activity = _named(changed, failed=self._failed or self._upload_failed, busy=self._busy)
            listeners = list(self._listeners) if self._activity != before else []
            activity = self._activity
        for listener, _ in listeners:
            tell(listener, activity)


class Activities:
    """Changes of what a device is doing, to be read by one thread: the newest first of all, then each as it comes."""

    def __init__(self, monitor: Monitor) -> None:
        self._waiting: deque[Activity] = deque([monitor.activity], maxlen=ACTIVITIES_MAX)
        self._changed = threading.Condition()
        self._ended = False
        self._end_listening: Callable[[], None] = lambda: None
        self._end_listening = monitor.listen(self._put, on_close=self.close)

    def __iter__(self) -> Iterator[Activity]:
        """Yields activities until `close`, or until the device is closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                activity = self._waiting.popleft()
            yield activity

    def close(self) -> None:
        """Ends the iteration; any thread may call it."""
        self._end_listening()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, activity: Activity) -> None:
        with self._changed:
            self._waiting.append(activity)
            self._changed.notify_all()


def count_writes(connection: Connection) -> tuple[int, int, int]:
    """How many writes wait for the server, how many wait there for the source, and how many were refused."""
    counts = dict(
        tuple(row) for row in connection.execute("SELECT state, count(*) FROM _haversack_outbox GROUP BY state")
    )
    waiting = sum(counts.get(int(state), 0) for state in (State.WAITING, State.HELD))
    return waiting, counts.get(int(State.QUEUED), 0), counts.get(int(State.REFUSED), 0)


def read_last_number(connection: Connection) -> int:
    """The number of the last write, whatever has become of it; 0 before the first."""
    found = connection.execute("SELECT value FROM _haversack_meta WHERE key = 'last_number'").fetchone()
    return int(found[0]) if found else 0


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


def _named(activity: Activity, *, failed: bool, busy: bool) -> Activity:
    if failed:
        state = OverallState.ERROR
    elif activity.refused or activity.model_waiting:
        state = OverallState.WARNING
    elif busy and activity.connected:
        state = OverallState.SYNCING
    elif not activity.connected:
        state = OverallState.NOT_CONNECTED
    elif activity.waiting:
        state = OverallState.PENDING_UPLOAD
    else:
        state = OverallState.CONNECTED
    return replace(activity, state=state)
