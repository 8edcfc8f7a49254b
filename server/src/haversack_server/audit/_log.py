"""Entries of the audit log, from before a call does anything until it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.audit._subjects import Subject, shortened, subject_of
from haversack_server.audit._words import described, written
from haversack_server.catalog import Catalog, audits
from haversack_server.catalog import watching as catalog_watching
from haversack_server.errors import HaversackError, InternalFault

OK = "OK"
CANCELLED = "CANCELLED"
MESSAGE_LENGTH_MAX = 2_000
TARGET_LENGTH_MAX = 512
ORGANIZATION_LENGTH_MAX = 63
MICROSECONDS_PER_DAY = 86_400 * 1_000_000

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that is recorded; see `haversack.admin.v1.AuditEntry`."""

    rpc: str
    organization: str
    issuer: str
    subject: str
    request: Message
    request_id: str


@dataclass
class _Entry:
    """An entry of a call that goes on; watches the transactions of the call.

    Attributes:
        number: Its number in the log.
        call: What is recorded.
        subject: What the call is about.
        before: What that was when the call first changed it.
        changed: Whether a transaction of the call has changed it.
        response: What the call answered.
        truncated: Whether a text of it was cut.
    """

    number: int
    call: Call
    subject: Subject
    before: Any = None
    changed: bool = False
    response: Message | None = None
    truncated: bool = False
    _open: dict[int, Any] = field(default_factory=dict)

    def answered(self, response: Message) -> Message:
        """Takes what the call answers, and returns it; it is recorded where the catalog has nothing to compare."""
        self.response = response
        return response

    async def began(self, connection: AsyncConnection) -> None:
        """Looks at what the call is about, at the beginning of a transaction."""
        if self.subject.snapshot is not None:
            self._open[id(connection)] = await self.subject.snapshot(connection, self.call.request)

    async def ends(self, connection: AsyncConnection) -> None:
        """Looks again at its end, and writes both down if they differ, in the same transaction."""
        if self.subject.snapshot is None:
            return
        before = self._open.pop(id(connection), None)
        after = await self.subject.snapshot(connection, self.call.request)
        if before == after:
            return
        if not self.changed:
            self.before, self.changed = before, True
        values = self.texts(before=self.before, after=after)
        await audits.amend(connection, self.number, {**values, "outcome": OK})

    def texts(self, **values: Any) -> dict[str, Any]:
        """Returns columns for JSON data, cut where they must be."""
        columns: dict[str, Any] = {}
        for name, value in values.items():
            columns[name], cut = written(value)
            self.truncated = self.truncated or cut
        return {**columns, "truncated": self.truncated}


class AuditLog:
    """Writes entries to the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @asynccontextmanager
    async def recorded(self, call: Call) -> AsyncIterator[_Entry]:
        """Records a call while the block carries it out. What the block raises is its outcome."""
        entry = await self._open(call)
        try:
            with catalog_watching(entry):
                yield entry
        except HaversackError as error:
            await self._close(entry, error.reason, str(error))
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self._close(entry, CANCELLED, ""))
            raise
        except Exception as error:
            await self._close(entry, InternalFault.reason, type(error).__name__)
            raise
        await self._close(entry, OK, "")

    async def refused(self, call: Call, error: HaversackError) -> None:
        """Records a call that was not let in."""
        await self._add(call, outcome=error.reason, message=shortened(str(error), MESSAGE_LENGTH_MAX))

    async def forget(self, days: int, now_us: int) -> int:
        """Deletes entries that are older than so many days; returns how many."""
        async with self._catalog.begin() as connection:
            return await audits.forget(connection, now_us - days * MICROSECONDS_PER_DAY)

    async def _open(self, call: Call) -> _Entry:
        number, truncated = await self._add(call)
        return _Entry(number, call, subject_of(call.rpc), truncated=truncated)

    async def _add(self, call: Call, **values: str) -> tuple[int, bool]:
        request, truncated = written(described(call.request))
        new = audits.NewEntry(
            at_us=time.time_ns() // 1_000,
            rpc=call.rpc,
            organization=shortened(call.organization, ORGANIZATION_LENGTH_MAX),
            target=shortened(subject_of(call.rpc).target(call.request), TARGET_LENGTH_MAX),
            issuer=call.issuer,
            subject=call.subject,
            request_id=call.request_id,
            request=request,
            truncated=truncated,
            **values,
        )
        async with self._catalog.begin() as connection:
            return await audits.add(connection, new), truncated

    async def _close(self, entry: _Entry, outcome: str, message: str) -> None:
        """Writes how a call ended. The call has ended so already: if this fails, it is logged, and UNFINISHED stays."""
        values: dict[str, Any] = {"outcome": outcome, "message": shortened(message, MESSAGE_LENGTH_MAX)}
        if entry.response is not None and entry.subject.snapshot is None:
            values |= entry.texts(after=described(entry.response))
        if entry.changed and outcome == OK:
            return
        try:
            async with self._catalog.begin() as connection:
                await audits.amend(connection, entry.number, values)
        except Exception:
            _log.exception("an audit entry stays unfinished", number=entry.number, outcome=outcome)
