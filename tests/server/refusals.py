"""How tests read a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status


def reason_of(error: grpc.RpcError) -> str:
    """Returns the reason in a refusal's one ErrorInfo."""
    assert isinstance(error, grpc.Call)
    status = rpc_status.from_call(error)
    assert status is not None, error
    info = error_details_pb2.ErrorInfo()
    [detail] = [it for it in status.details if it.Is(info.DESCRIPTOR)]
    assert detail.Unpack(info)
    assert info.domain == "haversack"
    return str(info.reason)


@contextmanager
def refused(code: grpc.StatusCode, reason: str, *says: str) -> Iterator[None]:
    """Expects that the block is refused with a code and a reason, and that the message says all of this."""
    with pytest.raises(grpc.RpcError) as refusal:
        yield
    error = refusal.value
    assert isinstance(error, grpc.Call)
    assert (error.code(), reason_of(error)) == (code, reason), error.details()
    for text in says:
        assert text in (error.details() or "")
