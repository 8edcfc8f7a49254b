"""A sync endpoint that plays scripts over a real socket: what the transport and the loop around it are tested with.

It decides nothing. A call takes the next script, which yields events, and may cut the connection or fail.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from haversack.sync.v1 import sync_pb2, sync_pb2_grpc

SCRIPT_SECONDS_MAX = 30.0
"""A script that waits longer than this has lost its device."""


@dataclass(frozen=True)
class Fail:
    """Ends a call with a status, as our server does: with a reason, and perhaps a delay."""

    code: grpc.StatusCode
    reason: str = ""
    retry_delay_seconds: float | None = None
    domain: str = "haversack"

    def details(self) -> bytes:
        """A serialized google.rpc.Status."""
        details = []
        if self.reason:
            details.append(_packed(error_details_pb2.ErrorInfo(reason=self.reason, domain=self.domain)))
        if self.retry_delay_seconds is not None:
            delay = duration_pb2.Duration(nanos=int(self.retry_delay_seconds * 1e9))
            details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
        serialized: bytes = status_pb2.Status(code=self.code.value[0], details=details).SerializeToString()
        return serialized


def _packed(detail: object) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)  # type: ignore[arg-type]
    return packed


@dataclass(frozen=True)
class Hang:
    """Leaves a call open without a word until its device is gone, or until `seconds` have passed."""

    seconds: float = SCRIPT_SECONDS_MAX


Action: TypeAlias = sync_pb2.SyncEvent | Fail | Hang
Script: TypeAlias = Iterable[Action] | Callable[[sync_pb2.SyncRequest], Iterable[Action]]


@dataclass
class ScriptedServer(sync_pb2_grpc.SyncServiceServicer):
    """Plays one script a call, in order; the last one again and again.

    Attributes:
        requests: What was asked, call by call.
        tokens: The `authorization` of each call.
        left: How many calls the device left before their script was over.
    """

    scripts: list[Script]
    requests: list[sync_pb2.SyncRequest] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    left: int = 0

    def __enter__(self) -> "ScriptedServer":
        # One device calls at a time, but one that cut a call may be back before the script has noticed.
        self._server = grpc.server(ThreadPoolExecutor(8))
        sync_pb2_grpc.add_SyncServiceServicer_to_server(self, self._server)
        self._port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._port}"

    def Sync(self, request: sync_pb2.SyncRequest, context: grpc.ServicerContext) -> Iterator[sync_pb2.SyncEvent]:
        """Plays the next script."""
        script = self.scripts[min(len(self.requests), len(self.scripts) - 1)]
        self.tokens.extend(str(value) for key, value in context.invocation_metadata() if key == "authorization")
        self.requests.append(request)
        for action in script(request) if callable(script) else script:
            if not context.is_active():
                self.left += 1
                return
            match action:
                case Fail():
                    context.set_trailing_metadata((("grpc-status-details-bin", action.details()),))
                    context.abort(action.code, "as the script says")
                case Hang(seconds):
                    self._hang(seconds, context)
                case event:
                    yield event

    def _hang(self, seconds: float, context: grpc.ServicerContext) -> None:
        until = time.monotonic() + seconds
        while context.is_active() and time.monotonic() < until:
            time.sleep(0.005)
