"""The loop that takes the outbox to the server: in order, in bounded parts, again after failures that pass.

A call whose outcome is not known is simply made again: the server has a ledger of what it took, by number.
"""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from haversack.error.v1 import error_pb2
from haversack.sync.v1 import report_pb2, upload_pb2

from haversack_client._backoff import Backoff, Waiting
from haversack_client._errors import (
    AuthenticationError,
    NotProvisionedError,
    ProtocolError,
    QueueFullError,
    RemoteError,
    UnavailableError,
)
from haversack_client._outbox import Outbox, Outgoing, Sendable
from haversack_client._pending import Answered
from haversack_client._renumbering import begin_anew, renumber
from haversack_client._session import CLIENT
from haversack_client._transport import Transport
from haversack_client._writer import Writer

MUTATIONS_MAX = 500
BYTES_MAX = 8 * 1024 * 1024
"""What one call may carry: the contract's limits."""

ANSWER_SECONDS_MAX = 2.0
"""How long a thread that is stopped waits for the answer to the call that it is making."""

HANG_UP_SECONDS = 0.1
"""Then it gives calls up, one after the other: one may begin just when it is stopped."""

INSTALLS_MAX = 3
"""How often one call of `drain` may begin a new install. Once is enough: ids are random."""

RETRIES_MAX = 5
"""Calls in a row that may fail before `sync` gives up. Beside a live stream they go on for ever."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The server has answered a part of the outbox."""

    answered: Answered


@dataclass(frozen=True, slots=True)
class InstallBegun(Uploaded):
    """The database was put back from a copy, and is a new install from here on."""


UploadHappening: TypeAlias = Uploaded | Waiting


class Uploader:
    """Uploads of one device. `stop` may be called by any thread; all else by one."""

    def __init__(
        self,
        writer: Writer,
        transport: Transport,
        backoff: Backoff,
        *,
        app: str = "",
        retries_max: int | None = RETRIES_MAX,
        report: Callable[[], report_pb2.DeviceReport] = report_pb2.DeviceReport,
    ) -> None:
        """Takes what it connects.

        Args:
            writer: Has the outbox.
            transport: Makes the calls.
            backoff: How to wait after failures.
            app: The application's name, as in a sync.
            retries_max: Failures in a row until `drain` raises; None: it never does for those that pass.
            report: How the device is, for administrators to look at.
        """
        self._writer = writer
        self._transport = transport
        self._backoff = backoff
        self._app = app
        self._retries_max = retries_max
        self._report = report
        self._failures = 0
        self._begun = 0
        self._may_renew_token = transport.renews_token
        self._stopped = threading.Event()
        self._hurried = threading.Event()

    def stop(self) -> None:
        """Ends `drain` after the call that is being made."""
        self._stopped.set()
        self._hurried.set()

    def hang_up(self) -> None:
        """Ends the call that is being made, too: what it has brought about is asked again by its numbers."""
        self._transport.hang_up()

    def hurry(self) -> None:
        """Makes the next call without waiting any longer: the network is back."""
        self._hurried.set()

    def drain(self) -> Generator[UploadHappening, None, None]:
        """Sends every write that can be sent once, in order, and says what was withdrawn.

        Raises RemoteError for what does not pass by itself.
        """
        after, self._begun = 0, 0
        while not self._stopped.is_set():
            part = self._writer.sendable(after, MUTATIONS_MAX, BYTES_MAX)
            if not part:
                return
            try:
                happening, after = self._take_up(part, after)
            except RemoteError as error:
                if self._stopped.is_set():
                    return
                waiting = self._waiting(error)
                yield waiting
                self._hurried.wait(waiting.delay_seconds)
                self._hurried.clear()
                continue
            self._failures = 0
            self._may_renew_token = self._transport.renews_token
            yield happening

    def _take_up(self, part: Outgoing, after: int) -> tuple[Uploaded, int]:
        """Sends a part. Returns what that has brought about, and the number behind which to go on."""
        try:
            return Uploaded(self._send(part)), part.end(after)
        except RemoteError as error:
            blamed = blamed_for(part.writes, error)
            if error.reason == "NUMBER_REUSED" and blamed and self._begun < INSTALLS_MAX:
                return self._number_anew(blamed), after
            if error.reason == "REQUEST_INVALID" and blamed:
                return Uploaded(self._refuse(blamed.number, error)), after
            raise

    def _number_anew(self, reused: Sendable) -> Uploaded:
        """The server has another write of this number: this database was put back from a copy.

        It goes on as a new install. What the server has with the bytes that are here is answered first, and stays the
        old one's; what it does not have is numbered anew.
        """
        if reused.install_id != self._writer.within(lambda connection, _: Outbox(connection).installs().current):
            self._writer.within(lambda connection, overlay: renumber(connection, overlay, [reused.number]))
            return Uploaded(Answered())
        answered, known, after = list[Answered](), set[int](), 0
        while part := self._in_doubt(after):
            request = upload_request(part, self._user(), self._app)
            request.known_only = True
            response = self._transport.upload(request)
            known |= {answer.number for answer in response.answers}
            answered.append(self._writer.answer(response.answers, response.epoch))
            after = part.end(after)
        self._writer.within(lambda connection, overlay: begin_anew(connection, overlay, known))
        self._begun += 1
        return InstallBegun(_sum(answered))

    def _user(self) -> bytes:
        return self._writer.within(lambda connection, _: Outbox(connection).user())

    def _in_doubt(self, after: int) -> Outgoing:
        return self._writer.within(lambda connection, _: Outbox(connection).in_doubt(after, MUTATIONS_MAX, BYTES_MAX))

    def _refuse(self, number: int, error: RemoteError) -> Answered:
        """A write that the server cannot even read does not block the others. No ledger has it."""
        answer = upload_pb2.MutationAnswer(
            number=number,
            outcome=upload_pb2.MUTATION_OUTCOME_INVALID,
            reason=error_pb2.ERROR_REASON_REQUEST_INVALID,
            message=str(error),
        )
        with self._writer.writing():
            self._writer.within(lambda connection, _: Outbox(connection).mark_unsent(number))
            return self._writer.answer([answer], b"")

    def _send(self, part: Outgoing) -> Answered:
        request = upload_request(part, self._user(), self._app)
        request.report.CopyFrom(self._report())
        response = self._transport.upload(request)
        if [answer.number for answer in response.answers] != [it.number for it in part.writes]:
            raise ProtocolError(
                f"the server answered {len(response.answers)} writes, not the {len(part.writes)} that were sent"
            )
        self._writer.told(part.withdrawn)
        return self._writer.answer(response.answers, response.epoch)

    def _waiting(self, error: RemoteError) -> Waiting:
        """Decides whether a failure passes by itself; raises it if not."""
        self._failures += 1
        if isinstance(error, AuthenticationError) and self._may_renew_token:
            self._may_renew_token = False
            return Waiting(error, 0.0)
        if not self._passes(error):
            raise error
        return Waiting(error, self._backoff.delay_seconds(self._failures, error.retry_delay_seconds))

    def _passes(self, error: RemoteError) -> bool:
        """Whether to call again after a while; beside a live stream, even if the organization is out of service.

        A full queue lasts as long as the system of record is away: a sync goes on without the outbox.
        """
        if self._retries_max is None:
            return isinstance(error, UnavailableError | NotProvisionedError)
        is_full = isinstance(error, QueueFullError)
        return isinstance(error, UnavailableError) and not is_full and self._failures <= self._retries_max


def upload_request(part: Outgoing, user: bytes, app: str) -> upload_pb2.UploadRequest:
    """The call that takes a part of a user's outbox to the server."""
    writes = part.writes
    return upload_pb2.UploadRequest(
        install_id=part.install_id,
        user=user,
        mutations=[it.mutation for it in writes],
        app=app,
        client=CLIENT,
        sent_before=[it.number for it in writes if it.sent_before],
        taken_before=[it.number for it in writes if it.taken_before],
        shortened=[upload_pb2.Shortened(number=it.number, hash=it.first_hash) for it in writes if it.first_hash],
        withdrawn=part.withdrawn,
    )


class UploadThread:
    """Uploads at once whatever is written, beside a live stream, until it is stopped. It has conflicts decided, too."""

    def __init__(
        self,
        uploader: Uploader,
        resolve: Callable[[], object],
        on_happening: Callable[[UploadHappening], None],
        on_error: Callable[[Exception], None],
        on_idle: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Starts. `on_idle` is called when nothing waits; it returns after how many seconds to call it again."""
        self._uploader = uploader
        self._resolve = resolve
        self._on_happening = on_happening
        self._on_error = on_error
        self._on_idle = on_idle
        self._idle_seconds: float | None = None
        self._wake = threading.Event()
        self._wake.set()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="haversack-upload", daemon=True)
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """Whether it is this thread that asks."""
        return threading.current_thread() is self._thread

    def wake(self) -> None:
        """Something was written."""
        self._wake.set()

    def hurry(self) -> None:
        """The network is back."""
        self._uploader.hurry()
        self._wake.set()

    def stop(self) -> None:
        """Ends the thread and waits for it; a call that has no answer soon is given up."""
        self._stopped = True
        self._uploader.stop()
        self._wake.set()
        if self.is_current:
            return
        self._thread.join(ANSWER_SECONDS_MAX)
        while self._thread.is_alive():
            self._uploader.hang_up()
            self._thread.join(HANG_UP_SECONDS)

    def _run(self) -> None:
        while True:
            self._wake.wait(self._idle_seconds)
            self._wake.clear()
            if self._stopped:
                return
            self._guarded(self._resolve)
            self._guarded(self._drain)

    def _drain(self) -> None:
        for happening in self._uploader.drain():
            self._on_happening(happening)
        self._idle_seconds = None if self._stopped else self._on_idle()

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # Nobody looks into this thread; the next write, or the next call, tries again.
            self._on_error(error)


def blamed_for(writes: Sequence[Sendable], error: RemoteError) -> Sendable | None:
    """The write that a call was refused for, if it was for one."""
    with suppress(ValueError):
        if number := int(error.details.get("mutation", "0")):
            return next((it for it in writes if it.number == number), None)
        return next(iter(writes[int(error.details.get("index", len(writes))) :]), None)
    return None


def _sum(parts: list[Answered]) -> Answered:
    return Answered(
        applied=sum(part.applied for part in parts),
        queued=sum(part.queued for part in parts),
        held=sum(part.held for part in parts),
        refused=tuple(write for part in parts for write in part.refused),
        overruled=tuple(write for part in parts for write in part.overruled),
    )
