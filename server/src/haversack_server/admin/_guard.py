"""The one place where calls to the admin endpoint are let in, counted, logged and recorded.

What a call needs is said by `security.RULES` alone. In this order: the token is verified, the caller's limits are
counted, the rule is applied to the request, the audit log gets an entry if the call changes something, and then the
service is called.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import grpc
import structlog

from haversack_server.admin._caller import calling
from haversack_server.admin._status import REQUEST_ID_KEY, failures_answered
from haversack_server.audit import AuditLog, Call
from haversack_server.errors import (
    HaversackError,
    InternalFault,
    RequestInvalid,
    TokenExpired,
    TokenMissing,
    TokenRefused,
)
from haversack_server.operations import CallMetrics
from haversack_server.security import Access, Caller, Limiter, Rule, admit, organization_of, rule_of
from haversack_server.trust import Trust

FIRST_MESSAGE_SECONDS_MAX = 60.0
"""How long a stream may take to say what it is about."""

_OPEN_SERVICES = ("/grpc.health.v1.", "/grpc.reflection.")
_BEARER = "bearer "
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_Context = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger()


class Guard(grpc.aio.ServerInterceptor):
    """Lets a call in if its caller has the role that the call needs where it needs it.

    Health and reflection are open. Failures of every other call get their status here too.
    """

    def __init__(
        self, *, trust: Trust, access: Access, limiter: Limiter, audit: AuditLog, metrics: CallMetrics
    ) -> None:
        self._trust = trust
        self._access = access
        self._limiter = limiter
        self._audit = audit
        self._metrics = metrics

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wraps the handler of a call that is not open to everybody."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_OPEN_SERVICES):
            return handler
        rpc = method.strip("/").replace("/", ".")
        serializers = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._unary(rpc, handler.unary_unary), **serializers)
        if handler.stream_unary is not None:
            return grpc.stream_unary_rpc_method_handler(self._stream(rpc, handler.stream_unary), **serializers)
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(self._watch(rpc, handler.unary_stream), **serializers)
        raise InternalFault(f"{method} is of a kind that nobody authorises")

    def _unary(self, rpc: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(request: Any, context: _Context) -> Any:
            async with self._call(rpc, context) as caller, self._admitted(rpc, caller, request) as answered:
                return answered(await behaviour(request, context))

        return guarded

    def _stream(self, rpc: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(requests: AsyncIterator[Any], context: _Context) -> Any:
            async with self._call(rpc, context) as caller:
                first = await _first(requests)
                async with self._admitted(rpc, caller, first) as answered:
                    return answered(await behaviour(_after(first, requests), context))

        return guarded

    def _watch(self, rpc: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(request: Any, context: _Context) -> None:
            async with self._call(rpc, context) as caller, self._admitted(rpc, caller, request):
                responses = behaviour(request, context)
                if inspect.isawaitable(responses):
                    await responses
                    return
                async for response in _until_expired(responses, caller):
                    await context.write(response)

        return guarded

    @asynccontextmanager
    async def _call(self, rpc: str, context: _Context) -> AsyncIterator[Caller]:
        """Knows who calls, and counts, logs and answers for what becomes of the call."""
        structlog.contextvars.bind_contextvars(request=_request_id(context), rpc=rpc)
        async with failures_answered(context, rpc):
            with self._observed(rpc):
                caller = await self._access.caller(await self._trust.claims(_token(context)))
                structlog.contextvars.bind_contextvars(caller=caller.subject)
                calling(caller)
                with self._limiter.call(caller.issuer, caller.subject):
                    yield caller

    def _admitted(self, rpc: str, caller: Caller, request: Any) -> AbstractAsyncContextManager[Callable[[Any], Any]]:
        rule = rule_of(rpc)
        return self._recorded(rpc, rule, caller, request) if rule.changes else _looking(rule, caller, request)

    @asynccontextmanager
    async def _recorded(
        self, rpc: str, rule: Rule, caller: Caller, request: Any
    ) -> AsyncIterator[Callable[[Any], Any]]:
        """Lets a call in that changes something; refusals are recorded too."""
        call = Call(
            rpc=rpc,
            organization=organization_of(rule, request),
            issuer=caller.issuer,
            subject=caller.subject,
            request=request,
            request_id=str(structlog.contextvars.get_contextvars()["request"]),
        )
        try:
            _admit(rule, caller, request)
        except TokenRefused as error:
            await self._audit.refused(call, error)
            raise
        async with self._audit.recorded(call) as entry:
            yield entry.answered

    @contextmanager
    def _observed(self, rpc: str) -> Iterator[None]:
        """Counts and logs a call with its outcome: OK, a reason, or INTERNAL."""
        began, outcome = time.perf_counter(), InternalFault.reason
        try:
            with self._metrics.under_way():
                yield
            outcome = "OK"
        except HaversackError as error:
            outcome = error.reason
            raise
        except asyncio.CancelledError:
            outcome = "CANCELLED"
            raise
        finally:
            seconds = time.perf_counter() - began
            self._metrics.ended(rpc, outcome, seconds)
            _log.info("call", outcome=outcome, milliseconds=round(seconds * 1_000, 3))


@asynccontextmanager
async def _looking(rule: Rule, caller: Caller, request: Any) -> AsyncIterator[Callable[[Any], Any]]:
    """Lets a call in that changes nothing."""
    _admit(rule, caller, request)
    yield lambda response: response


def _admit(rule: Rule, caller: Caller, request: Any) -> None:
    organization = organization_of(rule, request)
    if organization:
        structlog.contextvars.bind_contextvars(organization=organization)
    admit(caller, rule, request)


async def _first(requests: AsyncIterator[Any]) -> Any:
    """Returns a stream's first message, which says what the call is about."""
    try:
        return await asyncio.wait_for(anext(requests), FIRST_MESSAGE_SECONDS_MAX)
    except StopAsyncIteration as error:
        raise RequestInvalid("the stream has no message; begin with one that says what it is about") from error
    except TimeoutError as error:
        raise RequestInvalid(f"nothing came for {FIRST_MESSAGE_SECONDS_MAX:g} s; send the first message") from error


async def _after(first: Any, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield first
    async for request in requests:
        yield request


async def _until_expired(responses: AsyncIterator[Any], caller: Caller) -> AsyncIterator[Any]:
    """Passes responses on until the caller's token ends; then raises TokenExpired."""
    while True:
        try:
            yield await asyncio.wait_for(anext(responses), max(0.0, caller.expires - time.time()))
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise TokenExpired("the token has ended while the call went on; call again with a new one") from error


def _request_id(context: _Context) -> str:
    """Returns the id that the caller gave the call, or a new one."""
    given = _metadata(context, REQUEST_ID_KEY)
    return given if given is not None and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _token(context: _Context) -> str:
    value = _metadata(context, "authorization")
    if value is not None and value.lower().startswith(_BEARER):
        return value[len(_BEARER) :].strip()
    raise TokenMissing("the call has no token; send `authorization: Bearer ...`, made by `haversack token --admin`")


def _metadata(context: _Context, wanted: str) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == wanted and isinstance(value, str):
            return value
    return None
