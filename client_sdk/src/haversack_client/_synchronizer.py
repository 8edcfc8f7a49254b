"""The loop around the session: calls, applies, calls again; goes on after failures that pass by themselves."""

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from haversack.sync.v1 import report_pb2, sync_pb2

from haversack_client._backoff import Backoff, Waiting
from haversack_client._errors import (
    AuthenticationError,
    NotProvisionedError,
    PermissionDeniedError,
    RemoteError,
    UnavailableError,
)
from haversack_client._model import CarriedModel
from haversack_client._model_change import ModelGate
from haversack_client._operations import AdoptModel, StartEpoch
from haversack_client._pending import Answered
from haversack_client._session import Flow, Session, Step
from haversack_client._store import Changes, Store
from haversack_client._transport import Received, Stream, Transport
from haversack_client._writer import Writer

RETRIES_MAX = 5
"""Calls in a row that may fail before anything new is applied, until `sync` gives up. A live stream never does."""

GATE_POLL_SECONDS = 0.5
"""How soon a live stream that waits for the application's word on a new model notices that it was stopped."""


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
    """Whether tables came, went or have other columns."""
    user_changed: bool
    """Whether the user has other rights, or stands elsewhere."""
    epoch_began: bool
    """Whether the server's database is another one than before, or was put back from a copy."""
    received_bytes: int
    answered: Answered | None = None
    """What the server has told of writes that were sent before, if it has."""


@dataclass(frozen=True, slots=True)
class ModelWaiting:
    """The tables are to change, and the application says: later."""


Happening: TypeAlias = Connecting | Applied | Waiting | ModelWaiting


class Synchronizer:
    """Brings a device to its view, or keeps it there. `stop` may be called by any thread; all else by one."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        transport: Transport,
        mode: sync_pb2.SyncMode,
        backoff: Backoff,
        *,
        app: str = "",
        gate: ModelGate | None = None,
        asks_again: bool = True,
        report: Callable[[], report_pb2.DeviceReport] = report_pb2.DeviceReport,
    ) -> None:
        self._store = store
        self._writer = writer
        self._gate = gate or ModelGate()
        self._asks_again = asks_again
        self._transport = transport
        self._report = report
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
        self._install_id = b""

    def call_again(self) -> None:
        """Ends the stream, and begins another: the database is a new install."""
        with self._lock:
            if self._stream:
                self._stream.cancel()

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
                if self._store.install_id() != self._install_id:
                    return False
                if received.event.user:
                    self._store.begin_user(received.event.user)
                if not self._may_apply(received):
                    stream.cancel()
                    yield ModelWaiting()
                    return self._wait_for_application()
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
        request = self._session.request()
        self._install_id = request.install_id
        request.report.CopyFrom(self._report())
        stream = self._transport.open(request)
        with self._lock:
            self._stream = stream
            if self._stopped.is_set():
                stream.cancel()
        return stream

    def _may_apply(self, received: Received) -> bool:
        if received.event.WhichOneof("event") != "model":
            return True
        model = CarriedModel.from_message(received.event.model)
        return self._gate.lets_in(self._store.model, model, asks_again=self._asks_again)

    def _wait_for_application(self) -> bool:
        """Beside a live stream, until the application takes the new model; else not at all. Returns whether to end."""
        while self._retries_max is None and not self._stopped.is_set():
            if self._gate.accepted.wait(GATE_POLL_SECONDS):
                return False
        return True

    def _apply(self, received: Received) -> Applied:
        step = self._session.receive(received.event)
        before = self._store.model
        changes = self._store.commit(step.operations)
        self._session.committed(step)
        answered = self._writer.take(step.answers, self._install_id) if step.answers is not None else None
        if position := _position(received.event):
            self._store.settle(position)
        if received.event.WhichOneof("event") != "heartbeat":
            self._failures = 0
            self._may_renew_token = self._transport.renews_token
        tables = self._store.model.tables if self._store.model else {}
        adopted = any(isinstance(operation, AdoptModel) for operation in step.operations)
        stays = adopted and self._store.model is not None and self._store.model.has_tables_of(before)
        return Applied(
            step=step,
            changes={tables[entity].name: change for entity, change in changes.items()},
            model_changed=adopted and not stays,
            user_changed=stays,
            epoch_began=any(isinstance(operation, StartEpoch) for operation in step.operations),
            received_bytes=received.size,
            answered=answered,
        )

    def _waiting(self, error: RemoteError) -> Waiting:
        """Decides whether a failure passes by itself; raises it if not."""
        self._failures += 1
        if error.reason == "COOKIE_INVALID" and self._may_forget_cookie:
            self._may_forget_cookie = False
            self._session.forget_cookie()
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


def _position(event: sync_pb2.SyncEvent) -> int:
    """Where the device has come to, of the events that say so and are no checkpoints; else 0."""
    match event.WhichOneof("event"):
        case "heartbeat":
            return event.heartbeat.lsn
        case "pass_complete":
            return event.pass_complete.floor
        case _:
            return 0
