"""A device that follows its view: one thread applies what comes, the application reads what changed."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import TypeAlias

from haversack_client._backoff import Waiting
from haversack_client._callbacks import tell
from haversack_client._errors import RemoteError
from haversack_client._held import Checkpoint
from haversack_client._monitor import Monitor
from haversack_client._pending import Answered, PendingWrite
from haversack_client._synchronizer import Applied, Connecting, Happening, ModelWaiting, Synchronizer
from haversack_client._uploader import InstallBegun, Uploaded, Uploader, UploadHappening, UploadThread

EVENTS_MAX = 1024
"""Events kept for an application that does not read; older ones are dropped and counted."""


LOOK_SECONDS = 10.0
"""How often a live stream looks, at most, whether another process has written."""


class Connection(Enum):
    """Where the connection stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    """The connection came or went. `error` says why it is waiting; a new call begins after `delay_seconds`."""

    connection: Connection
    error: RemoteError | None = None
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RowsChanged:
    """Rows of an entity are in the database, or gone from it. They are readable already."""

    entity: str
    written: int
    removed: int


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """Tables or columns came or went."""


@dataclass(frozen=True, slots=True)
class UserChanged:
    """The user has other rights, teams or settings: `Device.user`. Tables and rows are as they were."""


@dataclass(frozen=True, slots=True)
class CheckpointReached:
    """The device equals its view."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class ModelChangeWaiting:
    """The tables are to change, and the application said: later. `Device.accept_model_change` lets them."""


@dataclass(frozen=True, slots=True)
class WritesAnswered:
    """The server has answered writes.

    Attributes:
        applied: How many it took.
        refused: Those that it refused.
        overruled: Those that it took but for their `fields`, where other people's values stay (the policy of merging).
            An application that knows better writes these again.
        queued: How many are at the server and wait for the organization's source; another event tells their end.
    """

    applied: int
    refused: tuple[PendingWrite, ...]
    overruled: tuple[PendingWrite, ...] = ()
    queued: int = 0


@dataclass(frozen=True, slots=True)
class UploadFailed:
    """Writes could not be uploaded. They are tried again after `delay_seconds`, or, if None, with the next write."""

    error: Exception
    delay_seconds: float | None


@dataclass(frozen=True, slots=True)
class EventsDropped:
    """This many events were dropped here, because nobody read them in time. The database is as it should be."""

    count: int


LiveEvent: TypeAlias = (
    ConnectionChanged
    | RowsChanged
    | ModelChanged
    | ModelChangeWaiting
    | UserChanged
    | CheckpointReached
    | WritesAnswered
    | UploadFailed
    | EventsDropped
)


class _Events:
    """A bounded queue between two threads. The writer never waits: a device that stopped to sync would be worse off."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: deque[LiveEvent] = deque()
        self._dropped = 0
        self._ended = False
        self._changed = threading.Condition()

    def put(self, event: LiveEvent) -> None:
        with self._changed:
            if len(self._queue) >= self._limit:
                self._queue.popleft()
                self._dropped += 1
            self._queue.append(event)
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def get(self) -> LiveEvent | None:
        """The next event; waits for one. None when no more will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._ended)
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                return EventsDropped(dropped)
            return self._queue.popleft() if self._queue else None


class Live:
    """A running live stream. Iterate it for events; `stop` it, or use it as a context manager.

    The thread goes on until it is stopped or meets what does not pass by itself (a denied user, an expired token, a
    broken database): then iteration raises that error, once every event before it is read.
    """

    def __init__(
        self,
        synchronizer: Synchronizer,
        uploader: Uploader,
        monitor: Monitor,
        on_end: Callable[[], None],
        *,
        resolve: Callable[[], object],
        events_max: int = EVENTS_MAX,
        on_error: Callable[[Exception], Exception] = lambda error: error,
        refresh: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Starts the threads.

        Args:
            synchronizer: Follows the view.
            uploader: Sends what is written.
            monitor: Is told of everything.
            on_end: Called when the stream has ended.
            resolve: Has conflicts decided; called in the thread that uploads.
            events_max: How many events wait for a reader.
            on_error: Does what an error that ends the stream demands; returns what the reader is told.
            refresh: Says how the device is, if that has changed; returns in how many seconds to call again.
        """
        self._on_error = on_error
        self._refresh = refresh
        self._synchronizer = synchronizer
        self._uploader = uploader
        self._monitor = monitor
        self._uploads: UploadThread | None = None
        self._resolve = resolve
        self._on_end = on_end
        self._events = _Events(events_max)
        self._error: Exception | None = None
        self._connected = False
        self._look_at = 0.0
        self._thread = threading.Thread(target=self._run, name="haversack-live", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[LiveEvent]:
        """Yields events as they come, until the stream ends; raises what ended it, unless that was `stop`."""
        while (event := self._events.get()) is not None:
            yield event
        if self._error:
            raise self._error

    def __enter__(self) -> "Live":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the thread still follows the view."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Ends the stream soon, and iteration with it; returns at once, so that a signal's handler may call it."""
        self._synchronizer.stop()

    def stop(self) -> None:
        """Ends the stream and waits for its thread, unless that calls. Whatever is applied stays applied."""
        self.end()
        # Its own threads call the application, which may want to stop: one that waited there would wait for itself.
        is_own = threading.current_thread() is self._thread or (self._uploads is not None and self._uploads.is_current)
        if not is_own:
            self._thread.join()

    def upload_now(self) -> None:
        """Uploads what waits; returns at once."""
        if self._uploads:
            self._uploads.wake()

    def _run(self) -> None:
        # Whatever fails, the device is free for another sync afterwards, and the reader is told.
        with ExitStack() as ending:
            for end in (self._events.end, self._on_end, self._monitor.end, self._stop_uploads):
                ending.callback(tell, end)
            try:
                self._follow()
            except Exception as error:  # A bug must reach the reader too; nobody looks into this thread.
                self._stop_uploads()
                self._error = error  # What it demands may fail, too.
                tell(self._obey, error)

    def _follow(self) -> None:
        self._monitor.begin(follows=True)
        self._uploads = UploadThread(
            self._uploader, self._resolve, self._tell_upload, self._tell_upload_error, self._refresh
        )
        with closing(self._synchronizer.run()) as happenings:
            for happening in happenings:
                self._monitor.take(happening)
                self._tell(happening)

    def _stop_uploads(self) -> None:
        if self._uploads:
            self._uploads.stop()

    def _obey(self, error: Exception) -> None:
        try:
            self._error = self._on_error(error)
        finally:
            self._monitor.fail(self._error or error)

    def _tell_upload(self, happening: UploadHappening) -> None:
        self._monitor.take_upload(happening)
        match happening:
            case Waiting(error, delay_seconds):
                self._events.put(UploadFailed(error, delay_seconds))
            case Uploaded(answered):
                if isinstance(happening, InstallBegun):
                    self._synchronizer.call_again()
                self._tell_answered(answered)

    def _tell_answered(self, answered: Answered) -> None:
        if answered.applied or answered.queued or answered.refused:
            self._events.put(
                WritesAnswered(answered.applied, answered.refused, answered.overruled, queued=answered.queued)
            )

    def _tell_upload_error(self, error: Exception) -> None:
        self._monitor.fail_upload(error)
        self._events.put(UploadFailed(error, None))

    def _tell(self, happening: Happening) -> None:
        match happening:
            case ModelWaiting():
                self._events.put(ModelChangeWaiting())
            case Connecting():
                self._connected = False
                self._events.put(ConnectionChanged(Connection.CONNECTING))
            case Waiting(error, delay_seconds):
                self._events.put(ConnectionChanged(Connection.WAITING, error, delay_seconds))
            case Applied():
                self._tell_applied(happening)
                self._look_for_writes()

    def _look_for_writes(self) -> None:
        """Uploads what another process has written. Even when nothing changes, heartbeats come."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            if self._monitor.look():
                self.upload_now()

    def _tell_applied(self, applied: Applied) -> None:
        if not self._connected:
            self._connected = True
            if self._uploads:
                self._uploads.hurry()
            self._events.put(ConnectionChanged(Connection.CONNECTED))
        if applied.answered:
            self._tell_answered(applied.answered)
        if applied.answered or applied.epoch_began:
            self.upload_now()  # Of what the server has lost, if anything.
        if applied.model_changed:
            self._events.put(ModelChanged())
        if applied.user_changed:
            self._events.put(UserChanged())
        for entity, changes in applied.changes.items():
            if changes.written or changes.removed:
                self._events.put(RowsChanged(entity, changes.written, changes.removed))
        if applied.step.checkpoint:
            self.upload_now()  # What gave way can be decided on now; it also says how the device is.
            self._events.put(CheckpointReached(applied.step.checkpoint))
