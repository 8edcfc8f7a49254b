"""A device that syncs by itself now and then: at the intervals of its profile, when told to, and after writes."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from haversack_client._backoff import Backoff
from haversack_client._errors import SyncRunningError, UnavailableError
from haversack_client._progress import Clock
from haversack_client._schedule import Due

JITTER = 0.1
"""By which part of itself an interval may be shortened: devices that were started together do not sync together."""

STOP_POLL_SECONDS = 0.2
"""How often a thread that is to end is told so."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a keeper does.

    Attributes:
        sync: Makes the device equal to its view, uploads first; returns whether it is. A view may move too fast.
        upload: Takes the outbox to the server.
        interrupt: Ends what is being done, soon.
        due: How long the device may go without a sync, if its intervals are cut by a part.
        jitter: As that of `Backoff`.
    """

    sync: Callable[[], bool]
    upload: Callable[[], object]
    interrupt: Callable[[], object]
    due: Callable[[float], Due]
    jitter: Callable[[], float]


class Keeper:
    """Keeps a device in sync in a thread of its own, until it is stopped. Failures are states: `Device.activity`."""

    def __init__(self, work: Work, backoff: Backoff, *, clock: Clock = time.monotonic) -> None:
        self._work = work
        self._clock = clock
        self._backoff = backoff
        self._changed = threading.Condition()
        self._sync_wanted = False
        self._upload_wanted = True
        self._stopped = False
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
        """Syncs without waiting for the interval; returns at once."""
        self._want(sync=True)

    def upload_now(self) -> None:
        """Uploads what waits; returns at once."""
        self._want(sync=False)

    def stop(self) -> None:
        """Ends the thread and waits for it. What a sync has applied stays applied."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._work.interrupt()
        # A sync goes from one loop to the next; whichever runs is told.
        while threading.current_thread() is not self._thread and self._thread.is_alive():
            self._thread.join(STOP_POLL_SECONDS)
            self._work.interrupt()

    def _want(self, *, sync: bool) -> None:
        with self._changed:
            if sync:
                self._sync_wanted = True
            else:
                self._upload_wanted = True
            self._changed.notify_all()

    def _run(self) -> None:
        failures, due = 0, self._due()
        while (what := self._next(due)) is not None:
            if what == self._sync_if_due and (later := self._due()) > self._clock():
                due = later  # The application has synced meanwhile.
                continue
            wished = self._attempt(what)
            failures = 0 if wished is None else failures + 1
            if wished is not None:
                due = self._clock() + self._backoff.delay_seconds(failures, wished or None)
            elif what != self._work.upload:
                self._cut = self._work.jitter() * JITTER
                due = self._clock() + self._work.due(0.0).interval_seconds * (1 - self._cut)

    def _next(self, due: float) -> Callable[[], object] | None:
        """Waits for something to do, at the latest until a sync is due; None if nothing more is."""
        with self._changed:
            wanted = self._changed.wait_for(lambda: self._wanted, max(0.0, due - self._clock()))
            if self._stopped:
                return None  # Whatever begins from here on is interrupted by `stop`, or was never begun.
            is_due = not wanted or self._clock() >= due  # A sync uploads too.
            what = self._work.sync if self._sync_wanted else self._sync_if_due if is_due else self._work.upload
            self._sync_wanted = self._upload_wanted = False
            return what

    def _sync_if_due(self) -> bool:
        return self._work.sync()

    def _due(self) -> float:
        """When the first entity is due, by this keeper's clock."""
        return self._clock() + self._work.due(self._cut).remaining_seconds

    @property
    def _wanted(self) -> bool:
        return self._stopped or self._sync_wanted or self._upload_wanted

    def _attempt(self, work: Callable[[], object]) -> float | None:
        """Does something; returns None, or how long the server wants it to wait for another try (0: as one likes)."""
        try:
            return 0.0 if work() is False else None
        except (UnavailableError, SyncRunningError) as error:
            return getattr(error, "retry_delay_seconds", None) or 0.0
        except Exception:  # What the application raises when it is asked, say: nobody looks into this thread.
            return None  # It does not pass by itself; the monitor has it, and the interval goes on.
