"""One entity of a service, followed.

    READING --all pages--> SWEEPING --all swept--> FOLLOWING --a delta link is refused, columns change--> READING
                              ^                        |
                              +------ COMPARING <------+  where changes are not tracked: keys alone, at a slower beat

Each `take` asks for one page and commits it with the position behind it. Rows that are as they were draw no LSN, so a
full read that follows a lost token costs devices nothing.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog
from haversack.model.v1 import model_pb2

from haversack_server._core import OdataPage, Staging, odata_sweep
from haversack_server.catalog.work_items import Counts
from haversack_server.connectors.odata._http import Answer, date_of
from haversack_server.connectors.odata._plan import ROWS_BY_KEY_MAX, Plan, plan
from haversack_server.connectors.odata._position import Mode, Position, Stage, read_position
from haversack_server.connectors.odata._service import Service, refused
from haversack_server.connectors.odata._trail import trail
from haversack_server.core import in_thread
from haversack_server.errors import OrganizationBusy, SourceAnswerInvalid, SourceUnmappable
from haversack_server.replication import LEFT_OUT_MAX, EntityStanding, LeftOut, Standing, Taken

TURNS_MAX = 5
"""How often a step is begun anew: because somebody else has gone on, or the service wants to be asked otherwise."""

PAGE_ATTEMPTS_MAX = 3
"""How often a page is asked for that arrives damaged."""

KEPT_SECONDS_MAX = 600
"""How old a kept position may be that would change in nothing but its delta link: a token lives for days."""

TOKEN_CHARACTERS_MAX = 24
"""As much of a token as people are shown."""

PAUSE_US = 1_000_000
"""The least between two comparisons of all versions, so that a run comes to an end."""

SOON_US = 24 * 3_600_000_000
"""What is dated no further ahead than this is of the present: clocks differ, and some write local times as UTC."""

_NOT_LOST = frozenset({401, 403, 429})
"""Statuses in the 400s that say nothing about a link."""

_WORDS = {
    Mode.TRACKED: "delta links",
    Mode.WATERMARK: "watermark",
    Mode.VERSIONS: "row versions",
    Mode.FULL: "full reads",
}

_EMPTY = b'{"value":[]}'

_log = structlog.get_logger()


def now_us() -> int:
    """Microseconds since the Unix epoch."""
    return time.time_ns() // 1_000


class OdataFeed:
    """See `haversack_server.replication.Feed`."""

    live = False

    def __init__(
        self,
        service: Service,
        staging: Staging,
        model: bytes,
        entity: model_pb2.Entity,
        *,
        watermark: str = "",
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._service = service
        self._staging = staging
        self._model = model
        self._entity = entity
        self._watermark = watermark
        self._clock = clock
        self._doubted = False
        self.standing = Standing("not read yet")

    async def close(self) -> None:
        """See `Feed`."""

    async def take(self, rows_max: int) -> Taken:
        """See `Feed`."""
        for _ in range(TURNS_MAX):
            kept = await in_thread(self._staging.position, self._entity.number)
            taken = await self._step(kept, rows_max)
            if taken is not None:
                return taken
        raise OrganizationBusy(f"{self._entity.logical_name} is being read by somebody else; it goes on there")

    async def _step(self, kept: bytes | None, rows_max: int) -> Taken | None:
        """Does what comes next; None if it has to be looked at again what that is."""
        wanted = await self._plan(rows_max)
        position = read_position(kept)
        if position is None or not self._fits(position, wanted):
            position = await self._beginning(wanted, position)
        if position.stage is Stage.FOLLOWING and self._is_due(position):
            position = position.but(stage=self._comparison(position), next="", again=True, ahead=False)
        self._stand(position)
        if position.stage is Stage.SWEEPING:
            return await self._sweep(kept, position, rows_max)
        if position.stage is Stage.FOLLOWING:
            return await self._follow(kept, position, wanted)
        return await self._read(kept, position, wanted)

    async def _plan(self, rows_max: int) -> Plan:
        name = self._entity.logical_name
        shapes = await self._service.shapes(doubted=self._doubted)
        self._doubted = False
        shape = shapes.by_entity.get(name)
        if shape is None:
            raise SourceUnmappable(
                f"the service has no entity {name} that could be read; see `haversack source check`, or resume when it"
                " is back: the rows that are here stay"
            )
        settings = self._service.settings
        return plan(self._entity, shape, settings, watermark=self._watermark, rows_max=rows_max)

    def _fits(self, position: Position, wanted: Plan) -> bool:
        """Whether what was begun can go on: the same service and columns, and the same rows where they are limited."""
        limited = position.mode is not Mode.TRACKED
        same = position.columns == wanted.fingerprint and position.service == self._service.settings.address
        return same and (not limited or position.filter == wanted.filter)

    async def _beginning(self, wanted: Plan, before: Position | None, *, tracked: bool | None = None) -> Position:
        """The position before a full read."""
        if tracked is None:
            listed = (await self._service.listed()).get(self._entity.logical_name)
            tracked = listed.tracks_changes if listed else before is None or before.mode is Mode.TRACKED
        service = self._service.settings.address
        return Position(
            mode=Mode.TRACKED if tracked else wanted.fallback,
            stage=Stage.READING,
            columns=wanted.fingerprint,
            service=service,
            filter="" if tracked else wanted.filter,
            again=before is not None,
            watermark_us=before.watermark_us if before and before.service == service else 0,
        )

    def _is_due(self, position: Position) -> bool:
        """Whether deletions, and what the watermark cannot tell, are to be looked for."""
        if position.mode is Mode.TRACKED:
            return False
        if position.mode is Mode.VERSIONS:
            return self._clock() - position.kept_at_us >= PAUSE_US
        return self._clock() - position.read_at_us >= self._service.settings.reconcile_minutes * 60_000_000

    def _comparison(self, position: Position) -> Stage:
        return Stage.READING if position.mode is Mode.FULL else Stage.COMPARING

    async def _read(self, kept: bytes | None, position: Position, wanted: Plan) -> Taken | None:
        """Takes a page of all rows, or of all keys."""
        tracked = position.mode is Mode.TRACKED
        compares = position.stage is Stage.COMPARING
        first = wanted.keys() if compares else wanted.everything(tracked=tracked)
        answer, page = await self._page(position.next or first, wanted, tracked=tracked)
        if page is None:
            return await self._refused(answer, kept, position, wanted)
        begins = not position.next
        if begins:
            position = position.but(read_at_us=self._told_time(answer), rows=0, left_out={}, coming="")
        position = position.but(
            **self._onward(position, page, answer),
            coming=position.coming or self._link(page.delta_link, answer),
            rows=position.rows + page.rows,
            left_out=self._left_out(position, page),
            kept_at_us=self._clock(),
        )
        if not position.next:
            position = self._read_through(position, page, wanted)
        if compares:
            return await self._compare(kept, position, wanted, page, begins=begins)
        return await self._take(kept, position, page, begins=begins, left=max(page.rows, 1))

    def _read_through(self, position: Position, page: OdataPage, wanted: Plan) -> Position:
        """The position behind the last page of a full read, or of a comparison."""
        # What was changed while the pages came is read again from before the first of them. A comparison may have met
        # changes without seeing them, and so moves nothing.
        since_us = position.watermark_us or position.read_at_us
        if position.stage is Stage.READING:
            since_us = min(since_us, position.read_at_us)
        position = position.but(stage=Stage.SWEEPING)
        if position.mode is Mode.TRACKED and position.coming:
            # Tracking holds if a delta link came, whatever was asked for.
            return position.but(delta=position.coming, coming="")
        mode = position.mode
        if mode is Mode.TRACKED:
            mode = wanted.fallback
        if mode is Mode.VERSIONS and not page.has_versions and page.rows:
            mode = Mode.FULL
        return position.but(mode=mode, watermark_us=since_us, coming="")

    async def _compare(
        self, kept: bytes | None, position: Position, wanted: Plan, page: OdataPage, *, begins: bool
    ) -> Taken | None:
        """Meets the rows of a page of keys, and fetches those that differ before the position moves on."""
        told = await self._told(page.take, before=kept, after=kept, begins_pass=begins, keys_only=True)
        if told["is_stale"]:
            return None
        differing = told["differing"]
        counts = Counts()
        for start in range(0, len(differing), ROWS_BY_KEY_MAX):
            ids = differing[start : start + ROWS_BY_KEY_MAX]
            answer, rows = await self._page(wanted.rows(ids), wanted, tracked=False)
            if rows is None:
                return await self._refused(answer, kept, position, wanted)
            position = position.but(left_out=self._left_out(position, rows))
            fetched = await self._told(rows.take, before=kept, after=kept, keeps_newer=True)
            if fetched["is_stale"]:
                return None
            counts += _counts(fetched)
        moved = await in_thread(OdataPage.read, self._staging, self._model, self._entity.logical_name, _EMPTY)
        taken = await self._take(kept, position, moved, begins=False, left=1)
        return None if taken is None else Taken(counts + taken.counts, taken.left, taken.lsn)

    async def _sweep(self, kept: bytes | None, position: Position, rows_max: int) -> Taken | None:
        """Deletes a part of what was not met."""
        after = position.but(stage=Stage.FOLLOWING, kept_at_us=self._clock())
        told = await self._told(
            odata_sweep,
            self._entity.number,
            before=kept,
            after=after.to_bytes(),
            rows_max=rows_max,
        )
        if told["is_stale"]:
            return None
        if told["left"] == 0:
            self._stand(after)
            if position.mode in (Mode.VERSIONS, Mode.FULL):
                # There is nothing to follow before the next comparison.
                self._caught_up(after)
                return Taken(Counts(deleted=told["deleted"]), 0, told["lsn"])
        return Taken(Counts(deleted=told["deleted"]), max(told["left"], 1), told["lsn"])

    async def _follow(self, kept: bytes | None, position: Position, wanted: Plan) -> Taken | None:
        """Takes a page of changes."""
        if position.mode in (Mode.VERSIONS, Mode.FULL):
            self._caught_up(position)
            return Taken(Counts(), 0, await in_thread(self._staging.head))
        tracked = position.mode is Mode.TRACKED
        url = position.next or (position.delta if tracked else self._changes(position, wanted))
        answer, page = await self._page(url, wanted, tracked=tracked, partial=tracked)
        if page is None:
            return await self._refused(answer, kept, position, wanted)
        began_us = position.began_at_us or self._told_time(answer)
        if not tracked and self._since(position) > began_us:
            # What was changed before that, and is not here, is asked for by nobody any more.
            _log.warning("read begins anew", entity=self._entity.logical_name, cause="the watermark is in the future")
            return await self._read(kept, await self._beginning(wanted, position), wanted)
        after = position.but(
            left_out=self._left_out(position, page),
            **self._onward(position, page, answer),
            coming=position.coming or self._link(page.delta_link, answer),
            high_us=max(position.high_us, page.watermark_us or 0),
            began_at_us=began_us,
        )
        if not tracked and after.next and after.high_us > began_us + SOON_US:
            after = after.but(ahead=True)
        if not after.next:
            after = after.but(
                delta=after.coming or after.delta,
                coming="",
                watermark_us=min(max(after.watermark_us, after.high_us), began_us),
                high_us=0,
                began_at_us=0,
            )
        if not page.rows and not after.next and self._clock() - position.kept_at_us < KEPT_SECONDS_MAX * 1_000_000:
            # Nothing has changed, and the link at hand is as good as the new one.
            self._caught_up(position)
            return Taken(Counts(), 0, await in_thread(self._staging.head))
        left = max(page.rows, 1) if after.next else 0
        if after != position:
            after = after.but(kept_at_us=self._clock())
        taken = await self._take(kept, after, page, begins=False, left=left)
        if taken is None or taken.left:
            return taken
        # Whatever came may not be all that there is by now.
        changed = taken.counts.inserted + taken.counts.updated + taken.counts.deleted
        return Taken(taken.counts, 1, taken.lsn) if changed else taken

    def _changes(self, position: Position, wanted: Plan) -> str:
        """Where what the watermark tells of is asked for.

        A row that is dated in the future is read at every look. As long as such rows fit on the page, that is one
        request like any other; otherwise looks end at the present, and read beyond it once after each comparison.
        """
        until_us = self._clock() + SOON_US if position.ahead else None
        return wanted.changes(self._since(position), until_us)

    def _since(self, position: Position) -> int:
        """From where on the next look reads, by the watermark."""
        return max(position.watermark_us - self._overlap_us, 0)

    @property
    def _overlap_us(self) -> int:
        return self._service.settings.overlap_seconds * 1_000_000

    async def _take(
        self, kept: bytes | None, after: Position, page: OdataPage, *, begins: bool, left: int
    ) -> Taken | None:
        """Commits a page with the position behind it; None if somebody else has moved on."""
        follows = after.stage is Stage.FOLLOWING
        told = await self._told(page.take, before=kept, after=after.to_bytes(), begins_pass=begins, keeps_newer=follows)
        if told["is_stale"]:
            return None
        self._stand(after)
        if left == 0:
            self._caught_up(after)
        return Taken(_counts(told), left, told["lsn"])

    async def _refused(self, answer: Answer, kept: bytes | None, position: Position, wanted: Plan) -> Taken | None:
        """Deals with a read that the service refuses: begins anew where that can help; raises where it cannot."""
        doing = f"reading {self._entity.logical_name}"
        if answer.status in _NOT_LOST:
            raise refused(answer, doing)
        if position.next or (position.stage is Stage.FOLLOWING and position.mode is Mode.TRACKED):
            # A link that is refused is a link that is lost. The service may have changed, so it is looked at again.
            _log.warning("read begins anew", entity=self._entity.logical_name, status=answer.status, cause=answer.words)
            self._doubted = True
            fresh = await self._plan(wanted.page_rows)
            return await self._read(kept, await self._beginning(fresh, position), fresh)
        self._doubted = True
        fresh = await self._plan(wanted.page_rows)
        if fresh.columns != wanted.columns or fresh.watermark != wanted.watermark:
            return None
        if position.mode is Mode.TRACKED:
            _log.info("changes are not tracked", entity=self._entity.logical_name, cause=answer.words)
            return await self._read(kept, await self._beginning(fresh, position, tracked=False), fresh)
        raise refused(answer, doing)

    async def _page(
        self, link: str, wanted: Plan, *, tracked: bool, partial: bool = False
    ) -> tuple[Answer, OdataPage | None]:
        """Asks for a page; no page if the service refuses it. Raises SourceUnavailable and what is one."""
        client = self._service.client
        url = client.resolve(link)
        columns = len(wanted.columns) if partial else None
        for attempt in range(PAGE_ATTEMPTS_MAX):
            answer = await client.get(url, headers=wanted.headers(tracked=tracked))
            if not answer.ok:
                return answer, None
            try:
                page = await in_thread(
                    OdataPage.read,
                    self._staging,
                    self._model,
                    self._entity.logical_name,
                    answer.body,
                    partial_below=columns,
                    watermark=wanted.watermark or None,
                )
            except SourceAnswerInvalid:
                if attempt + 1 == PAGE_ATTEMPTS_MAX:
                    raise
            else:
                return answer, page
        raise AssertionError("the last attempt returns or raises")

    def _onward(self, position: Position, page: OdataPage, answer: Answer) -> dict[str, str]:
        """Where a read goes on behind a page; raises SourceAnswerInvalid if its links go round."""
        link = self._link(page.next_link, answer)
        return {"next": link, "trail": trail(position.trail if position.next else "", link) if link else ""}

    def _link(self, link: str | None, answer: Answer) -> str:
        return self._service.client.resolve(link, answer.url) if link else ""

    def _told_time(self, answer: Answer) -> int:
        """The service's clock when it answered; ours if it does not say."""
        told = date_of(answer)
        return self._clock() if told is None else int(told) * 1_000_000

    async def _told(self, function: Callable[..., bytes], *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Calls the core with the staging database, and reads its answer."""
        told: dict[str, Any] = json.loads(await in_thread(function, self._staging, *args, **kwargs))
        return told

    def _left_out(self, position: Position, page: OdataPage) -> dict[str, int]:
        """Returns why rows were left out, with those of a page."""
        told = json.loads(page.errors())
        left_out = Counter(position.left_out)
        if not told["rejected"]:
            return dict(left_out)
        reasons = Counter(": ".join(filter(None, (it["attribute"], it["message"]))) for it in told["errors"])
        # Of a page with very many, the core describes the first alone.
        first = next(iter(reasons))
        reasons[first] += told["rejected"] - reasons.total()
        _log.warning("rows left out", entity=self._entity.logical_name, rows=told["rejected"], cause=first)
        return dict((left_out + reasons).most_common(LEFT_OUT_MAX))

    def _stand(self, position: Position) -> None:
        """Says where the feed stands."""
        mode = _WORDS[position.mode]
        if position.mode is Mode.WATERMARK and self._watermark:
            mode = f"{mode} on {self._watermark}"
        if position.ahead:
            mode += f"; rows dated in the future every {self._service.settings.reconcile_minutes:,} min"
        entities = []
        if position.stage is not Stage.FOLLOWING:
            doing = "reconciliation" if position.again else "snapshot"
            entities.append(EntityStanding(self._entity.logical_name, doing, rows_done=position.rows))
        left_out = tuple(LeftOut(self._entity.logical_name, *it) for it in position.left_out.items())
        self.standing = Standing(mode, _shortened(position), None, tuple(entities), left_out)

    def _caught_up(self, position: Position) -> None:
        self._stand(position)
        self.standing = replace(self.standing, lag_seconds=0.0)


def _counts(told: dict[str, Any]) -> Counts:
    return Counts(*(told[it] for it in ("read", "inserted", "updated", "deleted", "unchanged", "bytes")))


def _shortened(position: Position) -> str:
    """How far it has come, for people."""
    if position.mode is Mode.TRACKED and position.delta:
        return f"token …{position.delta.rpartition('=')[2][-TOKEN_CHARACTERS_MAX:]}"
    if position.mode is Mode.WATERMARK and position.watermark_us:
        return f"changes up to {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(position.watermark_us / 1e6))}"
    return ""
