"""Uploads over a real socket: what travels, and what failures are called."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from client.memory_server import MemoryServer
from client.scripted_server import Fail
from client.test_cli import run
from client.test_writes import NORTH, QUICK, SITE, VISIT, name
from haversack.sync.v1 import sync_pb2, sync_pb2_grpc, upload_pb2, upload_pb2_grpc
from haversack_client import AuthenticationError, Device, RemoteError, UnavailableError
from haversack_client._transport import UPLOAD_SECONDS_MAX, GrpcTransport


class Endpoint(sync_pb2_grpc.SyncServiceServicer, upload_pb2_grpc.UploadServiceServicer):
    """A server in memory, behind gRPC. `failures` come first, one for each upload."""

    def __init__(self, server: MemoryServer) -> None:
        self.server = server
        self.failures: list[Fail] = []
        self.tokens: list[str] = []
        self.silent = False
        self.asked, self.over = threading.Event(), threading.Event()

    def Sync(self, request: sync_pb2.SyncRequest, context: grpc.ServicerContext) -> Iterator[sync_pb2.SyncEvent]:
        """Streams."""
        for received in self.server.open(request):
            yield received.event

    def Upload(self, request: upload_pb2.UploadRequest, context: grpc.ServicerContext) -> upload_pb2.UploadResponse:
        """Takes, or fails."""
        if self.silent:
            self.asked.set()
            self.over.wait()
        self.tokens += [str(value) for key, value in context.invocation_metadata() if key == "authorization"]
        if self.failures:
            failure = self.failures.pop(0)
            context.set_trailing_metadata((("grpc-status-details-bin", failure.details()),))
            context.abort(failure.code, "as the test says")
        return self.server.upload(request)


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4))
    sync_pb2_grpc.add_SyncServiceServicer_to_server(endpoint, server)
    upload_pb2_grpc.add_UploadServiceServicer_to_server(endpoint, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.fixture
def endpoint() -> Endpoint:
    server = MemoryServer((SITE, VISIT))
    server.put(SITE, NORTH.bytes, name="North")
    return Endpoint(server)


def test_writes_reach_the_server(endpoint: Endpoint, tmp_path: Path) -> None:
    path = tmp_path / "device.sqlite3"
    with serving(endpoint) as address:
        with Device.open(path, address, "secret", backoff=QUICK) as device:
            device.sync()
            device.update("site", NORTH, {"name": "Mine"})
            endpoint.failures = [Fail(grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING")]
            result = device.sync()
            assert (result.applied, result.retries, name(device)) == (1, 1, "Mine")
            assert endpoint.tokens == ["Bearer secret"] * 2
        assert run("update", "--db", str(path), "site", str(NORTH), "name=Again").exit_code == 0
        shown = run("sync", "--db", str(path), "--endpoint", address, "--token", "secret").stdout
        assert "1 writes were taken, 0 refused." in shown
    assert len(endpoint.server.applied) == 2


def test_what_does_not_pass_is_raised_when_rows_are_up_to_date(endpoint: Endpoint, tmp_path: Path) -> None:
    with serving(endpoint) as address, Device.open(tmp_path / "d.sqlite3", address, "t", backoff=QUICK) as device:
        device.sync()
        device.update("site", NORTH, {"budget": "1"})
        endpoint.server.put(SITE, NORTH.bytes, name="Theirs")
        endpoint.failures = [Fail(grpc.StatusCode.FAILED_PRECONDITION, "ORGANIZATION_NOT_PROVISIONED")]
        with pytest.raises(RemoteError) as caught:
            device.sync()
        assert caught.value.reason == "ORGANIZATION_NOT_PROVISIONED"
        assert name(device) == "Theirs"
        assert [it.state for it in device.outbox()] == ["waiting"]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Fail(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED"), AuthenticationError),
        (Fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_REACHED", 1.0), UnavailableError),
        (Fail(grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID"), RemoteError),
    ],
)
def test_failures_are_named(endpoint: Endpoint, failure: Fail, kind: type[RemoteError]) -> None:
    endpoint.failures = [failure]
    with serving(endpoint) as address, pytest.raises(kind) as caught:
        GrpcTransport(address, "t").upload(upload_pb2.UploadRequest())
    assert (type(caught.value), caught.value.reason) == (kind, failure.reason)


def test_a_stream_that_is_stopped_gives_an_upload_up(endpoint: Endpoint, tmp_path: Path) -> None:
    with serving(endpoint) as address, Device.open(tmp_path / "d.sqlite3", address, "t", backoff=QUICK) as device:
        device.sync()
        endpoint.silent = True
        with device.live():
            device.update("site", NORTH, {"name": "Mine"})
            assert endpoint.asked.wait(UPLOAD_SECONDS_MAX)
        assert not endpoint.over.is_set(), "nobody has answered, and the stream has ended"
        endpoint.silent = False
        endpoint.over.set()
        device.sync()
        assert device.outbox() == []
    assert len(endpoint.server.applied) == 1
