"""The one place where calls to the admin endpoint are authorised."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
from haversack.admin.v1 import admin_pb2, work_pb2

from haversack_server._core import CoreError, verify_token
from haversack_server.admin._caller import calling
from haversack_server.admin._status import failures_answered
from haversack_server.core import named
from haversack_server.errors import InternalFault, TokenMissing, TokenNotAllowed
from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION

_OPEN_SERVICES = ("/grpc.health.v1.", "/grpc.reflection.")
_BEARER = "bearer "


class Guard(grpc.aio.ServerInterceptor):
    """Lets a call in if its token is good for administering the organization that the request names.

    Health and reflection are open. Failures of every other call get their status here too.
    """

    def __init__(self, issuers: str) -> None:
        """Takes the list of issuers whose tokens are believed, as JSON (see `verify_token`)."""
        self._issuers = issuers

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
        serializers = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(self._answers(method, handler.unary_stream), **serializers)
        if handler.stream_unary is not None:
            return grpc.stream_unary_rpc_method_handler(self._stream(method, handler.stream_unary), **serializers)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._unary(method, handler.unary_unary), **serializers)
        raise InternalFault(f"{method} is of a kind that nobody authorises")

    def _unary(self, method: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            async with failures_answered(context, method):
                _admit(self._claims(context), request)
                return await behaviour(request, context)

        return guarded

    def _answers(self, method: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            async with failures_answered(context, method):
                _admit(self._claims(context), request)
                async with aclosing(behaviour(request, context)) as answers:
                    async for answer in answers:
                        yield answer

        return guarded

    def _stream(self, method: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            async with failures_answered(context, method):
                return await behaviour(_admitted(self._claims(context), requests), context)

        return guarded

    def _claims(self, context: grpc.aio.ServicerContext[Any, Any]) -> dict[str, Any]:
        """Returns the claims of the call's token; raises a TokenRefused if it is not good for administration."""
        try:
            verified = verify_token(_token(context), ADMIN_AUDIENCE, self._issuers, int(time.time()))
        except CoreError as error:
            raise named(error) from error
        claims: dict[str, Any] = json.loads(verified)
        calling(claims)
        return claims


def _admit(claims: dict[str, Any], request: object) -> None:
    """Raises TokenNotAllowed if a request is about another organization than the token."""
    scope = _scope(request)
    if claims["org"] not in (ANY_ORGANIZATION, scope):
        raise TokenNotAllowed(f"the token is for organization {claims['org']}, and this call needs one for {scope}")


async def _admitted(claims: dict[str, Any], requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Passes a stream's requests on, if the first one, which names the organization, may go on."""
    is_first = True
    async for request in requests:
        if is_first:
            _admit(claims, request)
            is_first = False
        yield request


def _token(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str) and value.lower().startswith(_BEARER):
            return value[len(_BEARER) :].strip()
    raise TokenMissing("the call has no token; send `authorization: Bearer ...`, made by `haversack token --admin`")


def _scope(request: object) -> str:
    """Returns which organization a request is about; the whole server, if it is about none or all."""
    match request:
        case admin_pb2.CreateOrganizationRequest() | admin_pb2.ListOrganizationsRequest():
            return ANY_ORGANIZATION
        case admin_pb2.GetOrganizationRequest():
            return request.name
        case work_pb2.ListWorkItemsRequest():
            return request.organization or ANY_ORGANIZATION
        case admin_pb2.IngestRequest():
            return request.header.organization
        case _:
            return str(getattr(request, "organization"))  # noqa: B009 - every other request of the contract has it
