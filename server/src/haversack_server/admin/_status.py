"""Failures as gRPC statuses: the code and one google.rpc.ErrorInfo, as `haversack.error.v1` promises."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import structlog
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from haversack_server.errors import HaversackError, InternalFault

DOMAIN = "haversack"
NANOSECONDS_PER_SECOND = 1_000_000_000

REQUEST_ID_KEY = "x-request-id"
"""Metadata that names a call: as the caller gave it, or as the server did."""

MESSAGE_BYTES_MAX = 2_500
"""A status travels in headers twice, once as text and once in its details; together they stay below 8 KiB."""

_log = structlog.get_logger()


@asynccontextmanager
async def failures_answered(context: grpc.aio.ServicerContext[Any, Any], method: str) -> AsyncIterator[None]:
    """Ends the call with the right status if the block raises. What has no name is logged, and answered as INTERNAL."""
    try:
        yield
    except HaversackError as error:
        if error.code is grpc.StatusCode.INTERNAL:
            _log.error("call failed", method=method, reason=error.reason, cause=str(error))
        await _abort(context, error)
    except grpc.aio.AbortError:
        raise
    except Exception as error:
        _log.exception("call failed by a bug", method=method)
        fault = InternalFault(f"{type(error).__name__} in {method}; the server's log has the cause")
        await _abort(context, fault)


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: HaversackError) -> None:
    status = status_pb2.Status(code=error.code.value[0], message=_shortened(str(error)))
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN))
    if error.retry_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(math.ceil(error.retry_seconds * NANOSECONDS_PER_SECOND))
        status.details.add().Pack(retry)
    answer = rpc_status.to_status(status)
    request_id = structlog.contextvars.get_contextvars().get("request")
    metadata = (*answer.trailing_metadata, *(((REQUEST_ID_KEY, request_id),) if request_id else ()))
    await context.abort(answer.code, answer.details, metadata)


def _shortened(message: str) -> str:
    encoded = message.encode()
    if len(encoded) <= MESSAGE_BYTES_MAX:
        return message
    return encoded[:MESSAGE_BYTES_MAX].decode(errors="ignore") + " ..."
