"""The loop around the session: calls, applies, calls again; goes on after failures that pass by themselves."""

import random
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from haversack.sync.v1 import sync_pb2

from haversack_client._errors import (
    AuthenticationError,
    NotProvisionedError,
    PermissionDeniedError,
    RemoteError,
    UnavailableError,
)
from haversack_client._operations import AdoptModel, KeepCookie
from haversack_client._session import Flow, Session, Step
from haversack_client._store import Changes, Store
from haversack_client._transport import Received, Stream, Transport

RETRIES_MAX = 5
"""Calls in a row that may fail before anything new is applied, until `sync` gives up. A live stream never does."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after a failed call: the server's own wish, else twice as long each time.

    Attributes:
        initial_seconds: The wait after the first failure, before jitter.
        max_seconds: The longest wait, before jitter.
        jitter: Returns a number from 0.0 to 1.0; the wait is shortened by up to half with it, so that devices which
            were cut off together don't come back together. A server's own wish is lengthened instead.
    """

    initial_seconds: float = 0.5
    max_seconds: float = 60.0
    jitter: Callable[[], float] = random.random

    def delay_seconds(self, failures: int, wished: float | None) -> float:
        """The wait after this many failures in a row, from 1."""
        if wished is not None:
            return min(wished, self.max_seconds) * (1 + self.jitter() / 2)
        wait = self.initial_seconds * float(1 << min(failures - 1, 32))
        return min(wait, self.max_seconds) * (1 - self.jitter() / 2)


@dataclass(frozen=True, slots=True)
class Connecting:
    """A call begins."""


@dataclass(frozen=True, slots=True)
class Applied:
    """An event is in the database."""

    step: Step
    changes: Mapping[str, Changes]
    """What happened to rows, by the logical name of the entity."""
    model_changed: bool
    received_bytes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call failed; the next one comes after a delay."""

    error: RemoteError
    delay_seconds: float


Happening: TypeAlias = Connecting | Applied | Waiting


class Synchronizer:
    """Brings a device to its view, or keeps it there. `stop` may be called by any thread; all else by one."""

    def __init__(
        self, store: Store, transport: Transport, mode: sync_pb2.SyncMode, backoff: Backoff, app: str = ""
    ) -> None:
        self._store = store
        self._transport = transport
        self._retries_max = None if mode == sync_pb2.SYNC_MODE_LIVE else RETRIES_MAX
        self._backoff = backoff
        store.begin_session()
        self._session = Session(store, mode, app)
        self._failures = 0
        self._may_forget_cookie = True
        self._may_renew_token = transport.renews_token
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._stream: Stream | None = None

    def stop(self) -> None:
        """Ends `run` soon; what is applied stays applied."""
        with self._lock:
            self._stopped.set()
            if self._stream:
                self._stream.cancel()

    def run(self) -> Generator[Happening, None, None]:
        """Yields what happens, until the device is done or stopped. Raises HaversackError."""
        while not self._stopped.is_set():
            yield Connecting()
            try:
                done = yield from self._call()
            except RemoteError as error:
                if self._stopped.is_set():
                    return
                waiting = self._waiting(error)
                yield waiting
                self._stopped.wait(waiting.delay_seconds)
            else:
                if done:
                    return

    def _call(self) -> Generator[Happening, None, bool]:
        """One stream. Returns whether the device is done."""
        stream = self._open()
        try:
            events = iter(stream)
            for received in events:
                applied = self._apply(received)
                yield applied
                if applied.step.flow is Flow.CALL_AGAIN:
                    return False
                if applied.step.flow in (Flow.COMPLETE, Flow.INCOMPLETE):
                    with suppress(RemoteError):
                        next(events, None)  # The server ends the stream now; leaving first would look like a loss.
                    return True
        finally:
            stream.cancel()
        raise UnavailableError("the server ended the stream before a checkpoint", code="OK")

    def _open(self) -> Stream:
        stream = self._transport.open(self._session.request())
        with self._lock:
            self._stream = stream
            if self._stopped.is_set():
                stream.cancel()
        return stream

    def _apply(self, received: Received) -> Applied:
        step = self._session.receive(received.event)
        changes = self._store.commit(step.operations)
        self._session.committed(step)
        if received.event.WhichOneof("event") != "heartbeat":
            self._failures = 0
            self._may_renew_token = self._transport.renews_token
        tables = self._store.model.tables if self._store.model else {}
        return Applied(
            step=step,
            changes={tables[entity].name: change for entity, change in changes.items()},
            model_changed=any(isinstance(operation, AdoptModel) for operation in step.operations),
            received_bytes=received.size,
        )

    def _waiting(self, error: RemoteError) -> Waiting:
        """Decides whether a failure passes by itself; raises it if not."""
        self._failures += 1
        if error.reason == "COOKIE_INVALID" and self._may_forget_cookie:
            self._may_forget_cookie = False
            self._store.commit([KeepCookie(b"")])
            return Waiting(error, 0.0)
        if isinstance(error, AuthenticationError) and self._may_renew_token:
            self._may_renew_token = False
            return Waiting(error, 0.0)
        if isinstance(error, PermissionDeniedError) and error.reason == "USER_DISABLED":
            self._store.erase()
        if not self._passes(error):
            raise error
        return Waiting(error, self._backoff.delay_seconds(self._failures, error.retry_delay_seconds))

    def _passes(self, error: RemoteError) -> bool:
        """Whether to call again after a while.

        An organization that is out of service may be so for hours: a live stream outlasts that, and `sync` says so.
        """
        if self._retries_max is None:
            return isinstance(error, UnavailableError | NotProvisionedError)
        return isinstance(error, UnavailableError) and self._failures <= self._retries_max
