"""A device that syncs by itself now and then: at the intervals of its profile, when told to, and after writes."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import TracebackType

from haversack_client._backoff import Backoff
from haversack_client._errors import (
    DeviceBlockedError,
    NotProvisionedError,
    QueueFullError,
    SyncRunningError,
    UnavailableError,
)
from haversack_client._progress import Clock
from haversack_client._schedule import Due

JITTER = 0.1
"""By which part of itself an interval may be shortened: devices that were started together do not sync together."""

REFUSED_SECONDS = 600.0
"""When a call is made again that was refused: somebody may have mended it by then, at the server or in the app."""

ANSWER_SECONDS_MAX = 2.0
"""How long a thread that is to end waits for the answer to the call that it is making."""

LOOK_SECONDS = 30.0
"""How often an idle keeper looks whether another process has written."""

STOP_POLL_SECONDS = 0.2
"""How often it is told then to give its calls up: one may begin just when it is stopped."""

_PASSING = (UnavailableError, NotProvisionedError, SyncRunningError)
"""What passes by itself: no network, an organization out of service, another sync of this device."""

_NOW, _NEVER = float("-inf"), float("inf")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """What a keeper does.

    Attributes:
        sync: Makes the device equal to its view, uploads first; returns whether it is, or will be once the application
            wants it to. A view may move too fast.
        upload: Takes the outbox to the server.
        interrupt: Ends what is being done, soon.
        due: How long the device may go without a sync, if its intervals are cut by a part.
        jitter: As that of `Backoff`.
        hang_up: Gives up the calls that `interrupt` lets end.
        has_written: Whether anything was written since it was asked last, by whichever process.
        waits: Is told in how many seconds the next attempt comes, after one that failed; None if none is planned.
    """

    sync: Callable[[], bool]
    upload: Callable[[], object]
    interrupt: Callable[[], object]
    due: Callable[[float], Due]
    jitter: Callable[[], float]
    hang_up: Callable[[], object] = lambda: None
    has_written: Callable[[], bool] = lambda: False
    waits: Callable[[float | None], object] = lambda _: None


class _Task(Enum):
    """What is to be done next."""

    LOOK = "find out when a sync is due"
    LOOK_FOR_WRITES = "find out whether another process has written"
    UPLOAD = "upload"
    SYNC_DUE = "sync, because an entity is due"
    SYNC_NOW = "sync, because somebody wants it"


_LOOKS = (_Task.LOOK, _Task.LOOK_FOR_WRITES)
"""Tasks that call nobody, and that nobody wishes for."""


class Keeper:
    """Keeps a device in sync in a thread of its own, until it is stopped. Failures are states: `Device.activity`.

    What was asked for is asked for until it is done. After a failure that passes by itself it is tried again as the
    backoff says; after any other once `REFUSED_SECONDS` have passed, or with the next wish.
    """

    def __init__(self, work: Work, backoff: Backoff, *, clock: Clock = time.monotonic) -> None:
        self._work = work
        self._clock = clock
        self._backoff = backoff
        self._changed = threading.Condition()
        self._stopped = False
        # When to do what, by the clock.
        self._sync_at, self._upload_at, self._due_at = _NEVER, _NOW, _NOW
        self._is_due = False
        self._was_refused = False
        self._failures = 0
        self._interval_seconds = REFUSED_SECONDS
        self._cut = work.jitter() * JITTER
        self._thread = threading.Thread(target=self._run, name="haversack-keeper", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Keeper":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the thread goes on."""
        return self._thread.is_alive()

    def sync_now(self) -> None:
        """Syncs without waiting for the interval, or for the next attempt; returns at once."""
        with self._changed:
            self._sync_at = _NOW
            self._changed.notify_all()

    def upload_now(self) -> None:
        """Uploads what waits; returns at once. A server that could not be reached just now is not called sooner."""
        with self._changed:
            if self._upload_at == _NEVER or self._was_refused:
                self._upload_at = _NOW
            self._changed.notify_all()

    def stop(self) -> None:
        """Ends the thread and waits for it; a call that has no answer soon is given up.

        What a sync has applied stays applied.
        """
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._work.interrupt()
        if threading.current_thread() is self._thread:
            return
        answer_by = self._clock() + ANSWER_SECONDS_MAX
        while self._thread.is_alive():
            self._thread.join(STOP_POLL_SECONDS)
            self._work.interrupt()  # A sync goes from one loop to the next; whichever runs is told.
            if self._clock() >= answer_by:
                self._work.hang_up()

    def _run(self) -> None:
        while task := self._next():
            try:
                is_done = self._do(task)
            except Exception as error:  # What the application raises when it is asked, say: nobody looks in here.
                self._fail(task, error)
            else:
                self._settle(task, is_done=is_done)
        self._work.waits(None)

    def _next(self) -> _Task | None:
        """Waits for something to do, at the latest until a sync is due; None if nothing more is."""
        with self._changed:
            while not self._stopped:
                now = self._clock()
                first_at = min(self._sync_at, self._due_at, self._upload_at)
                if first_at <= now:
                    return self._taken(now)
                seconds = min(first_at - now, LOOK_SECONDS)
                if not self._changed.wait(seconds) and seconds == LOOK_SECONDS:
                    return _Task.LOOK_FOR_WRITES
            return None  # Whatever begins from here on is interrupted by `stop`, or was never begun.

    def _taken(self, now: float) -> _Task:
        """Decides what to do. Wishes that it fulfils are forgotten; those that come meanwhile are wishes anew."""
        if self._sync_at <= now:
            task = _Task.SYNC_NOW
        elif self._due_at <= now:
            task = _Task.SYNC_DUE if self._is_due else _Task.LOOK
        else:
            task = _Task.UPLOAD
        if task is not _Task.LOOK:
            self._upload_at = _NEVER  # A sync uploads, too.
        if task is _Task.SYNC_NOW:
            self._sync_at = _NEVER
        self._is_due = False
        return task

    def _do(self, task: _Task) -> bool:
        """Does something. Returns whether it is done."""
        match task:
            case _Task.LOOK:
                due = self._work.due(self._cut)
                # The application may have synced meanwhile, or just before it was closed.
                self._interval_seconds, self._is_due = due.interval_seconds, due.remaining_seconds <= 0
                self._due_at = _NOW if self._is_due else self._clock() + due.remaining_seconds
                return True
            case _Task.LOOK_FOR_WRITES:
                if self._work.has_written():
                    self.upload_now()
                return True
            case _Task.UPLOAD:
                self._work.upload()
                return True
        try:
            is_done = self._work.sync()
        except QueueFullError:
            self._wait_for_interval()  # Rows are up to date; what waits is only to be uploaded.
            raise
        if is_done:
            self._wait_for_interval()
        return is_done

    def _wait_for_interval(self) -> None:
        self._cut = self._work.jitter() * JITTER
        self._interval_seconds = self._work.due(0.0).interval_seconds
        self._due_at = self._clock() + self._interval_seconds * (1 - self._cut)

    def _settle(self, task: _Task, *, is_done: bool) -> None:
        """Something ended without a failure."""
        if not is_done:
            self._try_again(task, None)
        elif task not in _LOOKS:
            self._failures = 0

    def _fail(self, task: _Task, error: Exception) -> None:
        if task in _LOOKS:
            _log.warning("the database could not be read, and is again: %s", task.value, exc_info=error)
        if task in _LOOKS or isinstance(error, _PASSING):
            wished_seconds: float | None = getattr(error, "retry_delay_seconds", None)
            self._try_again(task, wished_seconds, only_upload=isinstance(error, QueueFullError))
        else:  # The monitor has it.
            is_ordered = isinstance(error, DeviceBlockedError)  # Not to call; a write is its user's own wish.
            seconds = max(REFUSED_SECONDS, self._interval_seconds) if is_ordered else REFUSED_SECONDS
            self._remember(task, seconds * (1 - self._work.jitter() * JITTER), was_refused=True)

    def _try_again(self, task: _Task, wished_seconds: float | None, *, only_upload: bool = False) -> None:
        self._failures += 1
        delay_seconds = self._backoff.delay_seconds(self._failures, wished_seconds)
        self._remember(_Task.UPLOAD if only_upload else task, delay_seconds, was_refused=False)

    def _remember(self, task: _Task, delay_seconds: float, *, was_refused: bool) -> None:
        """Something is still to be done, after a while. That an entity is due is found out anew."""
        with self._changed:
            again_at = self._clock() + delay_seconds
            if task is _Task.SYNC_NOW:
                self._sync_at = min(self._sync_at, again_at)  # Whoever has wished for one meanwhile does not wait.
            elif task in (_Task.SYNC_DUE, _Task.LOOK):
                self._due_at = again_at
            if task not in _LOOKS:
                self._upload_at = again_at
                self._was_refused = was_refused
        self._work.waits(delay_seconds)
