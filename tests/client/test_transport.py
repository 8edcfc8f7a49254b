"""Endpoints, tokens, errors and silence, over a real socket."""

import threading
import time

import grpc
import pytest
from client.scripted_server import Fail, Hang, ScriptedServer
from client.wire import ACCOUNT, model
from haversack.sync.v1 import report_pb2, sync_pb2, upload_pb2
from haversack_client import (
    AuthenticationError,
    PermissionDeniedError,
    RemoteError,
    SupersededError,
    TokenError,
    UnavailableError,
)
from haversack_client._transport import Endpoint, GrpcTransport, Received, Token

Code = grpc.StatusCode
HEARTBEAT = sync_pb2.SyncEvent(heartbeat=sync_pb2.Heartbeat(lsn=4))


@pytest.mark.parametrize(
    ("text", "target", "encrypted"),
    [
        ("localhost:7443", "localhost:7443", False),
        ("127.0.0.1:7443", "127.0.0.1:7443", False),
        ("127.8.0.9:7443", "127.8.0.9:7443", False),
        ("[::1]:7443", "[::1]:7443", False),
        ("sync.example.com:7443", "sync.example.com:7443", True),
        ("sync.example.com", "sync.example.com:443", True),
        ("192.0.2.7:7443", "192.0.2.7:7443", True),
        ("http://sync.internal:7443", "sync.internal:7443", False),
        ("http://localhost", "localhost:80", False),
        ("https://localhost:7443/", "localhost:7443", True),
    ],
)
def test_endpoints(text: str, target: str, encrypted: bool) -> None:
    assert Endpoint.parse(text) == Endpoint(target, encrypted)


@pytest.mark.parametrize("text", ["", "ftp://host:1", "https://", "https://host:1/path", "host:port", "host:99999"])
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Endpoint.parse(text)


def receive(server: ScriptedServer, token: Token = "secret", *, silence_seconds_max: float = 60.0) -> list[Received]:
    transport = GrpcTransport(server.endpoint, token, silence_seconds_max=silence_seconds_max)
    return list(transport.open(sync_pb2.SyncRequest(install_id=b"i" * 16)))


def test_events_and_their_sizes() -> None:
    large = sync_pb2.SyncEvent(model=model(ACCOUNT))
    with ScriptedServer([[large, HEARTBEAT]]) as server:
        received = receive(server)
        assert [it.event for it in received] == [large, HEARTBEAT]
        assert [it.size for it in received] == [large.ByteSize(), HEARTBEAT.ByteSize()]
        assert server.requests == [sync_pb2.SyncRequest(install_id=b"i" * 16)]
        assert server.tokens == ["Bearer secret"]


def test_messages_up_to_the_limit_pass_and_larger_ones_do_not() -> None:
    def event(size: int) -> sync_pb2.SyncEvent:
        return sync_pb2.SyncEvent(removals=sync_pb2.Removals(entity=1, ordinals=bytes(size)))

    limit = 16 * 1024 * 1024
    with ScriptedServer([[event(limit - 100)], [event(limit)]]) as server:
        assert limit - 100 < receive(server)[0].size <= limit
        with pytest.raises(RemoteError) as caught:
            receive(server)
        assert type(caught.value) is RemoteError, "trying again would not make it smaller"


def test_every_call_asks_for_a_token() -> None:
    fresh = iter(["first", "second"])
    with ScriptedServer([[HEARTBEAT]]) as server:
        transport = GrpcTransport(server.endpoint, lambda: next(fresh))
        assert transport.renews_token
        for _ in range(2):
            list(transport.open(sync_pb2.SyncRequest()))
        assert server.tokens == ["Bearer first", "Bearer second"]
        with pytest.raises(UnavailableError, match="StopIteration"):
            transport.open(sync_pb2.SyncRequest())


def signed_out() -> str:
    raise TokenError("sign in again")


@pytest.mark.parametrize("token", ["", "abc\n", " abc", "ab\nc", "абв", lambda: "abc\n", lambda: None, signed_out])
def test_what_is_no_token_is_told_at_once(token: Token) -> None:
    transport = GrpcTransport("127.0.0.1:1", token)
    for call in (
        lambda: transport.open(sync_pb2.SyncRequest()),
        lambda: transport.upload(upload_pb2.UploadRequest()),
        lambda: transport.report(report_pb2.ReportRequest()),
    ):
        with pytest.raises(TokenError):
            call()


@pytest.mark.parametrize(
    ("fail", "kind"),
    [
        (Fail(Code.UNAUTHENTICATED, "TOKEN_EXPIRED"), AuthenticationError),
        (Fail(Code.UNAUTHENTICATED), AuthenticationError),
        (Fail(Code.PERMISSION_DENIED, "USER_DISABLED"), PermissionDeniedError),
        (Fail(Code.ABORTED, "STREAM_SUPERSEDED"), SupersededError),
        (Fail(Code.UNAVAILABLE, "SERVER_STOPPING"), UnavailableError),
        (Fail(Code.UNAVAILABLE, "SERVER_BEHIND", 0.25), UnavailableError),
        (Fail(Code.RESOURCE_EXHAUSTED, "LIMIT_REACHED", 0.5), UnavailableError),
        (Fail(Code.INTERNAL), UnavailableError),
        (Fail(Code.UNKNOWN), UnavailableError),
        (Fail(Code.INTERNAL, "STAGING_FAILED"), UnavailableError),
        (Fail(Code.INTERNAL, "INTERNAL"), UnavailableError),
        (Fail(Code.UNKNOWN, "OF_A_LATER_VERSION"), RemoteError),
        (Fail(Code.INVALID_ARGUMENT, "COOKIE_INVALID"), RemoteError),
        (Fail(Code.FAILED_PRECONDITION, "NOTHING_PUBLISHED"), RemoteError),
        (Fail(Code.DATA_LOSS, "DIGEST_MISMATCH"), RemoteError),
    ],
)
def test_failures_have_a_name(fail: Fail, kind: type[RemoteError]) -> None:
    with ScriptedServer([[HEARTBEAT, fail]]) as server, pytest.raises(RemoteError) as caught:
        receive(server)
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.reason) == (fail.code.name, fail.reason)
    assert error.retry_delay_seconds == fail.retry_delay_seconds


def test_a_reason_of_somebody_else_is_none() -> None:
    stranger = Fail(Code.FAILED_PRECONDITION, "TOKEN_EXPIRED", domain="example.com")
    with ScriptedServer([[stranger]]) as server, pytest.raises(RemoteError) as caught:
        receive(server)
    assert caught.value.reason == ""


def test_nobody_answers() -> None:
    with ScriptedServer([[]]) as server:
        endpoint = server.endpoint
    with pytest.raises(UnavailableError):
        list(GrpcTransport(endpoint, "secret").open(sync_pb2.SyncRequest()))


def test_a_silent_server_counts_as_gone() -> None:
    with ScriptedServer([[HEARTBEAT, Hang()]]) as server:
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="silent"):
            receive(server, silence_seconds_max=0.4)
        assert time.monotonic() - began < 10


def test_time_that_the_device_takes_is_no_silence() -> None:
    with ScriptedServer([[HEARTBEAT] * 3]) as server:
        transport = GrpcTransport(server.endpoint, "secret", silence_seconds_max=0.2)
        for _ in transport.open(sync_pb2.SyncRequest()):
            time.sleep(0.5)


def test_another_thread_may_cancel() -> None:
    with ScriptedServer([[HEARTBEAT, Hang()]]) as server:
        stream = GrpcTransport(server.endpoint, "secret").open(sync_pb2.SyncRequest())
        events = iter(stream)
        next(events)
        threading.Timer(0.1, stream.cancel).start()
        with pytest.raises(UnavailableError) as caught:
            next(events)
        assert caught.value.code == "CANCELLED"
        stream.cancel()
