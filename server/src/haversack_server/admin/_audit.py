"""AuditService."""

from __future__ import annotations

from typing import Any

import grpc
from haversack.admin.v1 import security_pb2, security_pb2_grpc
from sqlalchemy import Row

from haversack_server.catalog import Catalog, audits
from haversack_server.errors import RequestInvalid

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 500

_Context = grpc.aio.ServicerContext[Any, Any]


class AuditService(security_pb2_grpc.AuditServiceServicer):
    """Tells what administrators have done."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def QueryAudit(
        self, request: security_pb2.QueryAuditRequest, context: _Context
    ) -> security_pb2.QueryAuditResponse:
        """Returns a page of entries."""
        if request.page_size > PAGE_SIZE_MAX:
            raise RequestInvalid(f"a page has at most {PAGE_SIZE_MAX} entries; ask for fewer and use the page token")
        size = request.page_size or PAGE_SIZE_DEFAULT
        conditions = audits.Conditions(
            organization=request.organization,
            subject=request.subject,
            rpc=request.rpc,
            since_at_us=request.since_at_us,
            until_at_us=request.until_at_us,
            outcome=request.outcome,
            below_number=_below(request.page_token),
        )
        async with self._catalog.begin() as connection:
            rows = await audits.find(connection, conditions, size + 1)
        entries = [_entry(row) for row in rows[:size]]
        more = str(entries[-1].number) if len(rows) > size else ""
        return security_pb2.QueryAuditResponse(entries=entries, next_page_token=more)


def _below(token: str) -> int:
    if not token:
        return 0
    if not token.isascii() or not token.isdecimal() or len(token) > len(str(2**63)):
        raise RequestInvalid("the page token is not one that a page came with; begin without one")
    return int(token)


def _entry(row: Row[Any]) -> security_pb2.AuditEntry:
    return security_pb2.AuditEntry(
        number=row.number,
        at_us=row.at_us,
        rpc=row.rpc,
        organization=row.organization,
        target=row.target,
        issuer=row.issuer,
        subject=row.subject,
        outcome=row.outcome,
        message=row.message,
        request_json=row.request,
        before_json=row.before,
        after_json=row.after,
        truncated=row.truncated,
        request_id=row.request_id,
    )
