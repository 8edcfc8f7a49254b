"""The guard before calls of kinds that the services of this contract may get: streams of answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from haversack.admin.v1 import admin_pb2, entities_pb2
from haversack_server.admin import Guard
from haversack_server.audit import AuditLog
from haversack_server.catalog import Catalog
from haversack_server.identity import ADMIN_AUDIENCE, DevelopmentIssuer
from haversack_server.operations import Metrics
from haversack_server.security import RULES, Access, Limiter, Role, Rule
from haversack_server.settings import Mode, ServerSettings
from haversack_server.trust import Trust
from server.refusals import refused
from server.running import STEP_SECONDS_MAX, LoopThread

CODE = grpc.StatusCode
SERVICE = "haversack.tests.Watching"
REQUEST, ANSWER = entities_pb2.ListEntitiesRequest, admin_pb2.GetOrganizationRequest


async def count(request: Any, context: Any) -> AsyncIterator[Any]:
    """Answers three times."""
    for number in range(3):
        yield ANSWER(name=f"{request.organization} {number}")


async def wait(request: Any, context: Any) -> AsyncIterator[Any]:
    """Answers once, and then waits for what never comes."""
    yield ANSWER(name="first")
    await asyncio.Event().wait()


async def fail(request: Any, context: Any) -> AsyncIterator[Any]:
    """Fails after one answer."""
    yield ANSWER(name="first")
    raise ZeroDivisionError


class Watching:
    """A server of streams behind a guard."""

    def __init__(self, data: Path) -> None:
        self._settings = ServerSettings(mode=Mode.DEVELOPMENT, data=data)
        self.issuer = DevelopmentIssuer.open(data)

    async def start(self) -> str:
        self._catalog = await Catalog.open(self._settings.catalog_url)
        trust = Trust(self._settings, self.issuer)
        await trust.start()
        guard = Guard(
            trust=trust,
            access=Access(self._settings, self._catalog),
            limiter=Limiter(requests_per_second=100, burst=100, calls_at_once=9),
            audit=AuditLog(self._catalog),
            metrics=Metrics().calls,
        )
        handlers = {
            name: grpc.unary_stream_rpc_method_handler(
                behaviour,
                request_deserializer=REQUEST.FromString,
                response_serializer=ANSWER.SerializeToString,
            )
            for name, behaviour in (("Count", count), ("Wait", wait), ("Fail", fail), ("Unruled", count))
        }
        self._server = grpc.aio.server(interceptors=[guard])
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return f"127.0.0.1:{port}"

    async def stop(self) -> None:
        await self._server.stop(0)
        await self._catalog.close()

    def token(self, role: str = "", seconds: float = 3_600) -> str:
        return self.issuer.token(
            user="watcher", organization="acme", audience=ADMIN_AUDIENCE, hours=seconds / 3_600, role=role
        )


@pytest.fixture
def watching(
    loop: LoopThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Watching, grpc.Channel]]:
    for name in ("Count", "Wait", "Fail"):
        monkeypatch.setitem(RULES, f"{SERVICE}.{name}", Rule(role=Role.OPERATOR))
    made = Watching(tmp_path)
    with channel_to(loop, made) as channel:
        yield made, channel


@contextmanager
def channel_to(loop: LoopThread, made: Watching) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(loop.run(made.start())) as channel:
        yield channel
    loop.run(made.stop())


def answers(channel: grpc.Channel, method: str, token: str) -> Iterator[str]:
    call: Any = channel.unary_stream(
        f"/{SERVICE}/{method}", request_serializer=REQUEST.SerializeToString, response_deserializer=ANSWER.FromString
    )
    metadata = (("authorization", f"Bearer {token}"),)
    for it in call(REQUEST(organization="acme"), metadata=metadata, timeout=STEP_SECONDS_MAX):
        yield it.name


def test_streams_pass_the_guard_with_the_role_for_them(watching: tuple[Watching, grpc.Channel]) -> None:
    made, channel = watching
    assert list(answers(channel, "Count", made.token())) == ["acme 0", "acme 1", "acme 2"]
    with refused(CODE.PERMISSION_DENIED, "ROLE_INSUFFICIENT"):
        list(answers(channel, "Count", made.token("reader")))
    with refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID"):
        list(answers(channel, "Count", "nonsense"))


def test_streams_end_with_the_token(watching: tuple[Watching, grpc.Channel]) -> None:
    made, channel = watching
    got = answers(channel, "Wait", made.token(seconds=2))
    assert next(got) == "first"
    with refused(CODE.UNAUTHENTICATED, "TOKEN_EXPIRED"):
        next(got)


def test_a_stream_that_fails_says_so(watching: tuple[Watching, grpc.Channel]) -> None:
    made, channel = watching
    got = answers(channel, "Fail", made.token())
    assert next(got) == "first"
    with refused(CODE.INTERNAL, "INTERNAL", "ZeroDivisionError"):
        next(got)


def test_a_call_that_nobody_decided_on_is_refused(watching: tuple[Watching, grpc.Channel]) -> None:
    made, channel = watching
    with refused(CODE.INTERNAL, "INTERNAL", "has no entry in the policy"):
        list(answers(channel, "Unruled", made.token()))
