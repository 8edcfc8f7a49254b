"""Write-back to a source outside: queued writes of devices, taken to it in order, each once, and settled with its row.

An `Outgoing` is one run for one organization. What waits, and in which order, the core says (`Staging.queued_writes`);
what the source makes of a write is entered by `Staging.settle_writes`, in one commit with the source's row and with
whatever else came back while the commit before was under way. A run that is killed between the two leaves a write that
is sent again under its key, which the source knows (see `Source.write`).

What the source may have already, because staging lost what it knew of it, is looked for first; only what the source
does not have is written, or refused.

Writes of different rows go at once, within bounds. A source that cannot be reached, or that cannot be signed in to,
ends the run; a write that fails by itself is put aside, so that it holds up its own row alone. Which of the two it is
a failure often does not tell (a service may answer one write with 500 for ever), so the write that met it is put aside
too, and the next run begins with others.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias

import structlog

from haversack_server._core import Staging
from haversack_server.catalog.write_backs import Tally
from haversack_server.core import in_thread
from haversack_server.errors import (
    HaversackError,
    InternalFault,
    MappingInvalid,
    Refusal,
    SourceInvalid,
    SourceRefused,
    SourceThrottled,
    SourceUnavailable,
)
from haversack_server.replication._source import Change, Written

WRITES_AT_ONCE_MAX = 8
"""Writes of one organization that its source is asked to do at the same time."""

WRITES_LISTED_MAX = 64
"""Writes that are looked up at once."""

LOOK_SECONDS = 0.25
"""While the source takes long over some writes, how often it is looked for others that have been queued since."""

CONFLICT_ATTEMPTS_MAX = 6
"""How often a write that merges may find the row changed at the source until it counts as refused: by then replication
has brought the row, and what is in conflict has given way, unless replication is not running."""

PUT_ASIDE_SECONDS_MIN = 0.5
PUT_ASIDE_SECONDS_MAX = 60.0
"""How long a write that failed by itself is left alone: twice as long each time within these."""

PUT_ASIDE_MAX = 1_000
"""Writes that are put aside at once. Where more fail, each by itself, it is the source that does."""

SOURCE_FAILURES = (SourceUnavailable, SourceInvalid, MappingInvalid)
"""What keeps a source from taking any write at all, or may do so. Not to be asked of it again for each that waits: an
account with a wrong password is locked for less."""

_log = structlog.get_logger()


class Writable(Protocol):
    """A source, as far as writes are concerned."""

    async def write(self, change: Change) -> Written:
        """See `Source.write`."""


@dataclass(frozen=True)
class _Queued:
    """A write that waits, as the core describes it."""

    place: int
    source: bytes
    change: Change
    merges: bool
    conflicts: tuple[str, ...]
    is_overtaken: bool

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> _Queued:
        names = ("key", "entity", "id", "kind", "values", "old_values", "etag", "user", "detect_conflicts")
        change = Change(**{name: found[name] for name in names}, looks_for=found["repeat"])
        return cls(
            found["place"],
            bytes(found["source"]),
            change,
            found["merges"],
            tuple(found["conflicts"]),
            found["is_overtaken"],
        )


@dataclass
class PutAside:
    """A write that is left alone for a while.

    Attributes:
        attempts: How often it was put aside.
        conflicts: How often of these because the row had changed at the source.
        until: When it can be tried again, by the monotonic clock.
        error: Why it was put aside; None after a conflict.
    """

    attempts: int = 0
    conflicts: int = 0
    until: float = 0.0
    error: HaversackError | None = None


Settlement: TypeAlias = dict[str, object]
Settled: TypeAlias = dict[str, Any] | None
Ended: TypeAlias = Literal["empty", "put aside", "stopped"]


@dataclass(frozen=True)
class _Unsettled:
    """What the source made of a write, and what staging is to make of that."""

    settlement: Settlement
    settled: asyncio.Future[Settled]


@dataclass
class Outgoing:
    """A run. For one task.

    Attributes:
        mark: What tells its source from others (`mark_of`): it is sent nothing that was accepted for another.
        tally: What it has done.
        put_aside: Writes that failed by themselves, by place; hand it to the next run.
    """

    organization: str
    staging: Staging
    model: bytes
    source: Writable
    mark: bytes = b""
    tally: Tally = field(default_factory=Tally)
    put_aside: dict[int, PutAside] = field(default_factory=dict)
    _listed: deque[_Queued] = field(default_factory=deque)
    _running: dict[asyncio.Task[None], int] = field(default_factory=dict)
    _unsettled: list[_Unsettled] = field(default_factory=list)
    _settling: asyncio.Lock = field(default_factory=asyncio.Lock)
    _has_listed: bool = False
    _stopping: bool = False

    def stop(self) -> None:
        """Begins no more writes; `run` returns when those under way have ended."""
        self._stopping = True

    @property
    def error(self) -> HaversackError | None:
        """What keeps a write that was put aside, if one was."""
        return next((it.error for it in self.put_aside.values() if it.error is not None), None)

    @property
    def rest_seconds(self) -> float:
        """How long it is until the first write that was put aside can be tried again."""
        return max(0.0, min((it.until for it in self.put_aside.values()), default=0.0) - time.monotonic())

    async def run(self) -> Ended:
        """Writes until nothing is left, or only what was put aside.

        Raises one of `SOURCE_FAILURES` if the source is to be left alone for a while, and StagingFailed or
        LimitReached; writes that are under way then are waited for.
        """
        try:
            while not self._stopping:
                await self._begin_some()
                if not self._running:
                    return "put aside" if self.put_aside else "empty"
                first = asyncio.FIRST_COMPLETED
                done, _ = await asyncio.wait(self._running, timeout=LOOK_SECONDS, return_when=first)
                for task in done:
                    del self._running[task]
                    task.result()
            return "stopped"
        finally:
            # Whatever they end with: the first failure is told, and what is not settled is sent again.
            await asyncio.gather(*self._running, return_exceptions=True)
            self._running.clear()

    async def _begin_some(self) -> None:
        while len(self._running) < WRITES_AT_ONCE_MAX:
            if not self._listed:
                self._listed.extend(await self._list())
            if not self._listed:
                return
            queued = self._listed.popleft()
            self._running[asyncio.create_task(self._take(queued))] = queued.place

    async def _list(self) -> list[_Queued]:
        if not self._has_listed:
            # First those that nothing is known against: what fails again must not keep a run from them.
            self._has_listed = True
            if listed := await self._ready(self.put_aside):
                return listed
        now = time.monotonic()
        listed = await self._ready(place for place, it in self.put_aside.items() if it.until > now)
        if not listed and not self._running:
            # What could be tried again and is not there has been settled by another process.
            for place in [place for place, it in self.put_aside.items() if it.until <= now]:
                del self.put_aside[place]
        return listed

    async def _ready(self, aside: Iterable[int]) -> list[_Queued]:
        found = await in_thread(
            self.staging.queued_writes,
            self.model,
            except_places=[*self._running.values(), *aside],
            writes_max=WRITES_LISTED_MAX,
        )
        listed = [_Queued.of(it) for it in json.loads(found)]
        return [it for it in listed if it.source in (b"", self.mark)]

    async def _take(self, queued: _Queued) -> None:
        """Takes one write to the source and settles it; puts it aside if it fails by itself."""
        try:
            settlement = await self._write(queued)
            if settlement is not None:
                await self._settle(queued, settlement)
                self.put_aside.pop(queued.place, None)
        except SOURCE_FAILURES as error:
            if not isinstance(error, SourceThrottled):
                self._put_aside(queued, error)
            raise
        except HaversackError as error:
            if error.reason in ("STAGING_FAILED", "LIMIT_REACHED"):
                raise
            self._put_aside(queued, error)
            _log.warning(
                "write put aside",
                organization=self.organization,
                write=queued.change.key,
                reason=error.reason,
                cause=str(error),
            )
            if len(self.put_aside) >= PUT_ASIDE_MAX:
                raise
        except Exception as error:
            _log.exception("write-back failed by a bug", organization=self.organization, write=queued.change.key)
            cause = InternalFault(f"{type(error).__name__} while a write went to the source; the server's log has more")
            self._put_aside(queued, cause)

    async def _write(self, queued: _Queued) -> Settlement | None:
        """Returns what the source makes of a write; None if that is to be asked again."""
        change = queued.change
        if settled := _settled_here(queued):
            applied = await self._applied_before(change) if settled["outcome"] == "CONFLICT" else None
            return applied or settled
        try:
            written = await self.source.write(change)
        except SourceRefused as refused:
            if change.looks_for:
                # It cannot be looked for, say because its row is of no entity of the source any more.
                return {"outcome": "UNKNOWN"}
            if refused.outcome is Refusal.CONFLICT and queued.merges and change.kind == "update":
                conflicts = self.put_aside.get(queued.place, PutAside()).conflicts
                if conflicts + 1 < CONFLICT_ATTEMPTS_MAX:
                    self._put_aside(queued, None)
                    return None
            return {"outcome": refused.outcome.value.upper(), "message": str(refused)}
        if not written.found:
            return {"outcome": "UNKNOWN"}
        return _applied(written, queued.conflicts)

    async def _applied_before(self, change: Change) -> Settlement | None:
        """Returns what becomes of a write that the source has, though it is in conflict with the row as it is now.

        A worker may have died behind the write, and others have changed the row since.
        """
        try:
            written = await self.source.write(replace(change, looks_for="sent"))
        except SourceRefused:
            return None
        return _applied(written) if written.found else None

    async def _settle(self, queued: _Queued, settlement: Settlement) -> None:
        settled = await self._in_one_commit({"place": queued.place, "entity": queued.change.entity, **settlement})
        if settled is None or settled["outcome"] == "QUEUED":
            return
        if settled["outcome"] == "APPLIED":
            self.tally.written += 1
        else:
            self.tally.refused += 1 + settled["blocked"]

    async def _in_one_commit(self, settlement: Settlement) -> Settled:
        """Settles a write, with those that come back while the commit before is under way."""
        mine = _Unsettled(settlement, asyncio.get_running_loop().create_future())
        self._unsettled.append(mine)
        async with self._settling:
            if not mine.settled.done():
                together, self._unsettled = self._unsettled, []
                await self._settle_together(together)
        return await mine.settled

    async def _settle_together(self, unsettled: Sequence[_Unsettled]) -> None:
        text = json.dumps([it.settlement for it in unsettled])
        try:
            settled = json.loads(await in_thread(self.staging.settle_writes, self.model, text))
        except Exception as error:
            if len(unsettled) == 1:
                unsettled[0].settled.set_exception(error)
                return
            # One of them may be what cannot be settled, and is to be put aside alone.
            for it in unsettled:
                await self._settle_together([it])
            return
        for it, answer in zip(unsettled, settled, strict=True):
            it.settled.set_result(answer)

    def _put_aside(self, queued: _Queued, error: HaversackError | None) -> None:
        aside = self.put_aside.setdefault(queued.place, PutAside())
        wait = min(PUT_ASIDE_SECONDS_MIN * 2.0 ** min(aside.attempts, 30), PUT_ASIDE_SECONDS_MAX)
        aside.attempts, aside.until, aside.error = aside.attempts + 1, time.monotonic() + wait, error
        if error is None:
            aside.conflicts += 1


def _applied(written: Written, overruled: Sequence[str] = ()) -> Settlement:
    settlement: Settlement = {"outcome": "APPLIED", "overruled": list(overruled)}
    if written.row is not None:
        settlement |= {"row": written.row.decode(), "etag": written.etag}
    return settlement


def _settled_here(queued: _Queued) -> Settlement | None:
    """Returns what becomes of a write that need not go to the source, because staging knows its row already."""
    change, conflicts = queued.change, queued.conflicts
    if queued.is_overtaken:
        text = f"this row of {change.entity} has changed at the source since; look at it, and delete it again"
        return {"outcome": "CONFLICT", "message": text}
    if conflicts and not queued.merges:
        text = (
            f"{', '.join(conflicts)} of this row of {change.entity} changed at the source since the device saw it;"
            " look at the row as it is now, and write again"
        )
        return {"outcome": "CONFLICT", "message": text, "fields": list(conflicts)}
    if conflicts and not change.values:
        return {"outcome": "OVERRULED", "overruled": list(conflicts)}
    return None
