"""The way to the server: gRPC, and nothing else in this package knows of it.

Each stream has a connection of its own. A connection that died without a sign would otherwise take the next stream
with it, and the channel's own waiting times would add to ours.
"""

import ipaddress
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from haversack.sync.v1 import report_pb2, sync_pb2, upload_pb2

from haversack_client._errors import (
    AuthenticationError,
    DeviceBlockedError,
    DeviceWipedError,
    HaversackError,
    NotProvisionedError,
    PermissionDeniedError,
    QueueFullError,
    RemoteError,
    SupersededError,
    TokenError,
    UnavailableError,
    UserChangedError,
)

METHOD = "/haversack.sync.v1.SyncService/Sync"
UPLOAD_METHOD = "/haversack.sync.v1.UploadService/Upload"
REPORT_METHOD = "/haversack.sync.v1.ReportService/Report"
REPORT_SECONDS_MAX = 10.0
UPLOAD_SECONDS_MAX = 60.0
"""An upload that has no answer by then is made again: the server knows what it has by its numbers."""

LOOKAHEAD_BYTES = 256 * 1024
"""How much a server may send ahead of what is applied, and so what a cut stream can lose: one batch. gRPC would let it
grow to megabytes on a quick link, and all of that would travel again."""

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
SILENCE_SECONDS_MAX = 45.0
"""A server sends a heartbeat when nothing was sent for 15 s. After three missed ones the stream counts as dead."""

ERROR_DOMAIN = "haversack"
STATUS_DETAILS_KEY = "grpc-status-details-bin"

Token: TypeAlias = str | Callable[[], str]
"""A bearer token, or what gives a fresh one at every call.

What it raises counts as a loss of the network and passes, but for TokenError: only its user can mend that.
"""

_TOKEN = re.compile(r"[!-~]([ -~]*[!-~])?")
"""What a header can carry."""

_Answer = TypeVar("_Answer", bound=Message)

_NETWORK_CODES = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
"""What gRPC makes of cut connections and of proxies, beside UNAVAILABLE. Our server never fails without a reason."""

_DENIALS = {"DEVICE_BLOCKED": DeviceBlockedError, "DEVICE_WIPED": DeviceWipedError}
"""Denials that are about the device, not about its user."""

_PASSING_REASONS = frozenset({"", "STAGING_FAILED", "INTERNAL"})
"""Reasons for which a call may be made again, later each time; docs/sync-protocol.md, "Errors"."""


@dataclass(frozen=True, slots=True)
class Received:
    """An event, and its size on the wire in bytes, before the transport's framing and encryption."""

    event: sync_pb2.SyncEvent
    size: int


class Stream(Protocol):
    """One Sync call."""

    def __iter__(self) -> Iterator[Received]:
        """Yields events until the server ends the stream; raises RemoteError if it fails."""

    def cancel(self) -> None:
        """Ends the stream; any thread may call it, any number of times."""


class Transport(Protocol):
    """Makes Sync and Upload calls."""

    @property
    def renews_token(self) -> bool:
        """Whether the next call may have another token."""

    def open(self, request: sync_pb2.SyncRequest) -> Stream:
        """Starts a call. Raises TokenError if there is no token, UnavailableError if none can be had now."""

    def upload(self, request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        """Makes an Upload call. Raises RemoteError if it fails, and as `open`."""

    def report(self, request: report_pb2.ReportRequest) -> report_pb2.ReportResponse:
        """Makes a Report call. Raises as `upload`."""

    def hang_up(self) -> None:
        """Ends the Upload and Report calls under way, which raise UnavailableError; any thread may call it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server is, and whether the connection is encrypted."""

    target: str
    encrypted: bool

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Reads `https://host:port`, `http://host:port` or `host:port`; the last is plain on loopback, else encrypted.

        Raises ValueError if it is none of them.
        """
        parts = urlsplit(text if "://" in text else f"//{text}")
        if parts.scheme not in ("", "http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(f"{text!r} is no endpoint; write host:port, http://host:port or https://host:port")
        encrypted = parts.scheme == "https" or (not parts.scheme and not _is_loopback(parts.hostname))
        port = parts.port or (443 if encrypted else 80)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(f"{host}:{port}", encrypted)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class GrpcTransport:
    """The Sync service of one endpoint."""

    def __init__(
        self,
        endpoint: str,
        token: Token,
        *,
        root_certificates: bytes | None = None,
        silence_seconds_max: float = SILENCE_SECONDS_MAX,
    ) -> None:
        """Takes where the server is and who calls.

        Args:
            endpoint: As `Endpoint.parse` reads it.
            token: A bearer token, or a callable that gives a fresh one.
            root_certificates: PEM of the authorities to trust; None means the system's.
            silence_seconds_max: After this long without any event a stream counts as dead.
        """
        self._endpoint = Endpoint.parse(endpoint)
        self._token = token
        self._root_certificates = root_certificates
        self._silence_seconds_max = silence_seconds_max
        self._calls: set[grpc.Future[Any]] = set()
        self._lock = threading.Lock()

    @property
    def renews_token(self) -> bool:
        """Whether the next call may have another token."""
        return callable(self._token)

    def open(self, request: sync_pb2.SyncRequest) -> "GrpcStream":
        """Starts a call. Raises TokenError if there is no token, UnavailableError if none can be had now."""
        metadata = (("authorization", f"Bearer {self._bearer()}"),)
        return GrpcStream(self._channel(), request, metadata, self._silence_seconds_max)

    def upload(self, request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        """Makes an Upload call. Raises RemoteError if it fails, and as `open`."""
        return self._unary(UPLOAD_METHOD, request, upload_pb2.UploadResponse, UPLOAD_SECONDS_MAX)

    def report(self, request: report_pb2.ReportRequest) -> report_pb2.ReportResponse:
        """Makes a Report call. Raises as `upload`."""
        return self._unary(REPORT_METHOD, request, report_pb2.ReportResponse, REPORT_SECONDS_MAX)

    def hang_up(self) -> None:
        """Ends the Upload and Report calls under way, which raise UnavailableError; any thread may call it."""
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel()

    def _unary(self, method: str, request: Message, answer: type[_Answer], seconds_max: float) -> _Answer:
        metadata = (("authorization", f"Bearer {self._bearer()}"),)
        with closing(self._channel()) as channel:
            make = channel.unary_unary(
                method, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
            )
            call = make.future(request, metadata=metadata, timeout=seconds_max)
            with self._under_way(call):
                try:
                    response: _Answer = call.result()
                except grpc.FutureCancelledError as error:
                    raise UnavailableError(
                        "this device has hung up; the call is made again", code=grpc.StatusCode.CANCELLED.name
                    ) from error
                except grpc.RpcError as error:
                    raise remote_error(error.code(), error.details() or "", _pairs(error)) from error
        return response

    @contextmanager
    def _under_way(self, call: "grpc.Future[Any]") -> Iterator[None]:
        with self._lock:
            self._calls.add(call)
        try:
            yield
        finally:
            with self._lock:
                self._calls.discard(call)

    def _bearer(self) -> str:
        token = self._token if isinstance(self._token, str) else self._fresh(self._token)
        if not (isinstance(token, str) and _TOKEN.fullmatch(token)):
            raise TokenError(
                "this is no token: one is a line of ASCII, without spaces around it; is there a line break behind it?"
            )
        return token

    def _fresh(self, give: Callable[[], str]) -> str:
        """Whatever keeps the application from a token may pass, unless it says that it does not."""
        try:
            return give()
        except TokenError:
            raise
        except Exception as error:
            text = f"no token could be had ({type(error).__name__}: {error}); it is asked for again with the next call"
            raise UnavailableError(text, code=grpc.StatusCode.UNAVAILABLE.name) from error

    def _channel(self) -> grpc.Channel:
        options = [
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
        ]
        if not self._endpoint.encrypted:
            return grpc.insecure_channel(self._endpoint.target, options)
        credentials = grpc.ssl_channel_credentials(self._root_certificates)
        return grpc.secure_channel(self._endpoint.target, credentials, options)


class NoTransport:
    """No server: for a device that was opened without one."""

    renews_token = False

    def open(self, request: sync_pb2.SyncRequest) -> Stream:
        """Raises UnavailableError."""
        raise _no_server()

    def upload(self, request: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
        """Raises UnavailableError."""
        raise _no_server()

    def report(self, request: report_pb2.ReportRequest) -> report_pb2.ReportResponse:
        """Raises UnavailableError."""
        raise _no_server()

    def hang_up(self) -> None:
        """Does nothing: no call is ever under way."""


def _no_server() -> UnavailableError:
    return UnavailableError("this device was opened without a server; use Device.open", code="UNAVAILABLE")


class GrpcStream:
    """One Sync call over a connection of its own."""

    def __init__(
        self,
        channel: grpc.Channel,
        request: sync_pb2.SyncRequest,
        metadata: tuple[tuple[str, str], ...],
        silence_seconds_max: float,
    ) -> None:
        self._channel = channel
        call = channel.unary_stream(
            METHOD, request_serializer=sync_pb2.SyncRequest.SerializeToString, response_deserializer=_received
        )
        self._call = call(request, metadata=metadata)
        self._silence = _SilenceWatch(self._call.cancel, silence_seconds_max)

    def __iter__(self) -> Iterator[Received]:
        """Yields events until the server ends the stream; raises RemoteError if it fails."""
        events = iter(self._call)
        try:
            while True:
                with self._silence.waiting():
                    received = next(events)
                yield received
        except StopIteration:
            return
        except grpc.RpcError as error:
            raise self._named(error) from error
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Ends the stream; any thread may call it, any number of times."""
        self._silence.end()
        self._call.cancel()
        self._channel.close()

    def _named(self, error: grpc.RpcError) -> HaversackError:
        if self._silence.expired:
            return UnavailableError(
                "the server went silent; is the network there?", code=grpc.StatusCode.DEADLINE_EXCEEDED.name
            )
        return remote_error(error.code(), error.details() or "", _pairs(error))


def _pairs(error: grpc.RpcError) -> list[tuple[str, str | bytes]]:
    return [(item.key, item.value) for item in error.trailing_metadata() or ()]


def _received(raw: bytes) -> Received:
    return Received(sync_pb2.SyncEvent.FromString(raw), len(raw))


class _SilenceWatch:
    """Cancels a call that has waited too long for its next event. Time that the device takes itself does not count."""

    def __init__(self, cancel: Callable[[], object], seconds_max: float) -> None:
        self._cancel = cancel
        self._seconds_max = seconds_max
        self._since: float | None = None
        self._ended = threading.Event()
        self.expired = False
        threading.Thread(target=self._watch, name="haversack-silence", daemon=True).start()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def end(self) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(self._seconds_max / 4):
            since = self._since
            if since is not None and time.monotonic() - since > self._seconds_max:
                self.expired = True
                self._cancel()
                return


def remote_error(code: grpc.StatusCode, message: str, metadata: Iterable[tuple[str, str | bytes]]) -> RemoteError:
    """Names a failed call by its status and the details in its trailing metadata."""
    reason, delay, details = _details(metadata)
    text = f"{message or 'the call failed'} ({reason or code.name})"
    kind = RemoteError
    if code is grpc.StatusCode.UNAUTHENTICATED:
        kind = AuthenticationError
    elif code is grpc.StatusCode.PERMISSION_DENIED:
        kind = _DENIALS.get(reason, PermissionDeniedError)
    elif reason == "STREAM_SUPERSEDED":
        kind = SupersededError
    elif reason == "USER_CHANGED":
        kind = UserChangedError
    elif reason == "ORGANIZATION_NOT_PROVISIONED":
        kind = NotProvisionedError
    elif reason == "WRITE_QUEUE_FULL":
        kind = QueueFullError
    elif code is grpc.StatusCode.UNAVAILABLE or delay is not None:
        kind = UnavailableError
    elif code in _NETWORK_CODES and reason in _PASSING_REASONS:
        kind = UnavailableError
    return kind(text, code=code.name, reason=reason, retry_delay_seconds=delay, details=details)


def _details(metadata: Iterable[tuple[str, str | bytes]]) -> tuple[str, float | None, dict[str, str]]:
    """Returns (reason, retry delay in seconds, what else is said by name) of a `google.rpc.Status`.

    Details that cannot be read count as none.
    """
    reason, delay, said = "", None, dict[str, str]()
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for key, value in metadata:
        if key != STATUS_DETAILS_KEY or isinstance(value, str):
            continue
        try:
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
                    reason, said = info.reason, dict(info.metadata)
                elif detail.Unpack(retry):
                    delay = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        except DecodeError:
            continue
    return reason, delay, said
