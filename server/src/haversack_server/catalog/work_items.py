"""Queries on work items: the durable queue of replication. Every function works inside the transaction of `connection`.

Workers claim items and give them back under leases (`leases` says what those promise). Administrators, and those who
make or delete items, write without one: only what a worker's next write cannot undo, or on items that none has.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import sources
from haversack_server.catalog._tables import entity as entity_table
from haversack_server.catalog._work_item import (
    ACTIVE,
    DEAD,
    Claimed,
    Counts,
    WorkItem,
    counters,
    names,
    read_item,
    sums,
)
from haversack_server.catalog._work_tables import COUNTS
from haversack_server.catalog._work_tables import work_item as table
from haversack_server.catalog.leases import FREE, NEW, Clock, Lease, Leases, database_clock
from haversack_server.errors import (
    HaversackError,
    SourceUnavailable,
    TransitionIllegal,
    WorkItemNotDead,
    WorkItemUnknown,
)

__all__ = ["Claimed", "Counts", "WorkItem"]

WORK_BELL = "work"
"""Rung when an item was made due before its time."""

ATTEMPTS_MAX = 8
"""Attempts in a row that may fail, or whose worker may die, until an item is given up: a quarter of an hour at most."""

BACKOFF_SECONDS_MIN = 2.0
BACKOFF_SECONDS_MAX = 300.0
"""Waits between attempts: twice as long each time within these, and then shortened by up to half at random."""

SPREAD_SECONDS = 61
"""Between the first runs of one entity and the next, modulo their interval: prime, so that few of them coincide."""

CANDIDATES_FACTOR = 4
"""How many more due items are looked at than are claimed: other workers may be claiming the first ones right now."""

ORGANIZATION_ITEMS_MAX = 4
"""How many items of one organization may be under way at once."""

ERROR_CHARACTERS_MAX = 2_000


def leases(clock: Clock = database_clock) -> Leases:
    """The leases on work items."""
    return Leases(table, clock=clock)


async def ensure(
    connection: AsyncConnection,
    organization: str,
    *,
    source: str,
    interval_seconds: int,
    due_at_us: int,
    only: Collection[str] | None = None,
    without: Collection[str] = (),
) -> int:
    """Makes an item for every entity of an organization that has none of this source; returns how many.

    With `only`, of these entities alone, and never of those in `without`. They are due from `due_at_us` on, spread over
    one interval, so that they don't come all together for ever.
    """
    known = select(table.c.entity).where(table.c.organization == organization, table.c.source == source)
    values = _new(source, interval_seconds)
    entities = entity_table.c
    wait_seconds = entities.number * SPREAD_SECONDS % interval_seconds
    spread_us = literal(due_at_us, BigInteger) + wait_seconds * literal(1_000_000, BigInteger)
    missing = select(
        entities.organization,
        entities.logical_name,
        spread_us,
        *(literal(value, table.c[name].type) for name, value in values.items()),
    ).where(
        entities.organization == organization,
        entities.logical_name.not_in(known),
        entities.logical_name.not_in(without),
        true() if only is None else entities.logical_name.in_(only),
    )
    made = insert(table).from_select(["organization", "entity", "next_run_at_us", *values], missing)
    return len((await connection.execute(made.returning(table.c.id))).all())


async def ensure_one(
    connection: AsyncConnection, organization: str, *, source: str, interval_seconds: int, due_at_us: int
) -> int:
    """Makes an organization's one item for all of its entities, if it has none of this source; returns how many."""
    item = and_(table.c.organization == organization, table.c.source == source, table.c.entity.is_(None))
    if await connection.scalar(select(func.count()).select_from(table).where(item)):
        return 0
    values = _new(source, interval_seconds)
    await connection.execute(insert(table).values(organization=organization, next_run_at_us=due_at_us, **values))
    return 1


async def delete_all(connection: AsyncConnection, organization: str) -> int:
    """Deletes an organization's items; whoever works on one loses the lease. Returns how many."""
    return (await connection.execute(delete(table).where(table.c.organization == organization))).rowcount


async def delete_of(connection: AsyncConnection, organization: str, entities: Collection[str], *, source: str) -> None:
    """Deletes the items of entities that do not follow this source any more; whoever works on one loses the lease."""
    items = and_(table.c.organization == organization, table.c.source == source, table.c.entity.in_(entities))
    await connection.execute(delete(table).where(items))


async def claim(
    connection: AsyncConnection, held: Leases, *, owner: str, limit: int, organization_max: int = ORGANIZATION_ITEMS_MAX
) -> list[Claimed]:
    """Claims at most `limit` due items, the organizations in turn, however many items each has due.

    Items whose workers died in every attempt are given up on the way, and not returned. Nobody gets items of sources
    that are paused (what Haversack keeps itself goes on), nor those of organizations of which `organization_max` are
    under way, in whatever process: a slow source must not hold others up. Of an organization whose source was out of
    reach one is enough to find out.
    """
    now_us = await held.clock(connection)
    may_run = or_(table.c.source == sources.NATIVE, table.c.organization.not_in(sources.paused()))
    due = and_(table.c.state == ACTIVE, table.c.next_run_at_us <= now_us, may_run)
    ids = (
        (await connection.execute(_in_turn(due, now_us, organization_max).limit(limit * CANDIDATES_FACTOR)))
        .scalars()
        .all()
    )
    if not ids:
        return []
    turn = case({id_: place for place, id_ in enumerate(ids)}, value=table.c.id)
    chosen = and_(due, table.c.id.in_(ids))
    taken = await held.claim(connection, owner=owner, due=chosen, order_by=(turn,), limit=limit)
    claimed = []
    for lease in taken:
        if lease.attempt > ATTEMPTS_MAX:
            await _bury(connection, held, lease)
        else:
            item = read_item(await held.write(connection, lease, claimed_at_us=now_us))
            claimed.append(Claimed(item, lease))
    return claimed


async def next_due_seconds(connection: AsyncConnection, held: Leases) -> float | None:
    """Returns how long it is until the next item that nobody has becomes due; None if there is none to come."""
    now_us = await held.clock(connection)
    is_free = and_(table.c.lease_until_us <= now_us, table.c.organization.not_in(sources.paused()))
    is_to_come = and_(table.c.state == ACTIVE, table.c.next_run_at_us > now_us, is_free)
    next_us = (await connection.execute(select(func.min(table.c.next_run_at_us)).where(is_to_come))).scalar()
    return None if next_us is None else (int(next_us) - now_us) / 1_000_000


def _in_turn(due: ColumnElement[bool], now_us: int, organization_max: int) -> Any:
    """Selects the due items that nobody has, in the order in which they are to be claimed.

    An organization's items come in order of time. Between organizations, those with the fewest items under way go
    first, then those that were served longest ago.
    """
    free = and_(due, table.c.lease_until_us <= now_us)
    place = func.row_number().over(partition_by=table.c.organization, order_by=(table.c.next_run_at_us, table.c.id))
    waiting = select(table.c.id, table.c.organization, table.c.next_run_at_us, place.label("place")).where(free)
    queued = waiting.subquery("queued")
    running = func.sum(case((table.c.lease_until_us > now_us, 1), else_=0)).label("running")
    served = func.max(table.c.claimed_at_us).label("served_at_us")
    is_out = func.max(case((table.c.error_reason == SourceUnavailable.reason, 1), else_=0)).label("is_out")
    standing = select(table.c.organization, running, served, is_out).group_by(table.c.organization).subquery("standing")
    room = case((standing.c.is_out == 1, 1), else_=organization_max)
    return (
        select(queued.c.id)
        .join(standing, standing.c.organization == queued.c.organization)
        .where(queued.c.place + standing.c.running <= room)
        .order_by(queued.c.place + standing.c.running, standing.c.served_at_us, queued.c.next_run_at_us, queued.c.id)
    )


async def _bury(connection: AsyncConnection, held: Leases, lease: Lease) -> None:
    error = f"its worker died in each of {ATTEMPTS_MAX} attempts; look into the workers' logs, then retry it"
    values = {"state": DEAD, "error": error, "error_reason": "INTERNAL", "attempt": ATTEMPTS_MAX}
    await held.fail(connection, lease, **values, total_failures=table.c.total_failures + 1)


async def complete(
    connection: AsyncConnection,
    held: Leases,
    claimed: Claimed,
    counts: Counts,
    *,
    again: bool = False,
    standing: Mapping[str, Any] | None = None,
) -> None:
    """Gives an item back that has caught up; with `again` it has more to do, and is due at once. Raises LeaseLost.

    An item that somebody made due while it ran stays so.
    """
    now_us = await held.clock(connection)
    was_rung = table.c.next_run_at_us > claimed.item.claimed_at_us
    later_us = now_us if again else now_us + claimed.item.interval_seconds * 1_000_000
    next_run = case((was_rung, table.c.next_run_at_us), else_=later_us)
    values = {
        **_run_values(claimed, counts, now_us),
        **_no_error(),
        **_stands(standing, now_us),
        "next_run_at_us": next_run,
    }
    await held.complete(connection, claimed.lease, **values, total_runs=table.c.total_runs + 1)


async def fail(
    connection: AsyncConnection,
    held: Leases,
    claimed: Claimed,
    counts: Counts,
    error: HaversackError,
    *,
    jitter: Callable[[], float] = random.random,
    standing: Mapping[str, Any] | None = None,
) -> bool:
    """Gives an item back that failed, to be tried again later; returns whether it is given up. Raises LeaseLost.

    That is no sooner than the failure itself says. A source that does not answer is tried again for ever: that is no
    fault that an administrator of Haversack mends. `jitter` returns a number from 0.0 to 1.0.
    """
    now_us = await held.clock(connection)
    is_outage = isinstance(error, SourceUnavailable)
    was_outage = claimed.item.error_reason == SourceUnavailable.reason
    # What fails behind an outage fails for the first time, however long that was.
    attempt = 1 if was_outage and not is_outage else _attempt(claimed, now_us)
    is_dead = attempt >= ATTEMPTS_MAX and not is_outage
    wait_us = int(backoff_seconds(attempt, jitter()) * 1_000_000)
    values: dict[str, object] = {
        **_run_values(claimed, counts, now_us),
        **_stands(standing, now_us),
        "error": str(error)[:ERROR_CHARACTERS_MAX],
        "error_reason": error.reason,
        "state": DEAD if is_dead else ACTIVE,
        "next_run_at_us": now_us + max(wait_us, int((error.retry_seconds or 0) * 1_000_000)),
        # After an outage one less than what gives an item up, so that a worker that dies next does not do so.
        "attempt": min(attempt, ATTEMPTS_MAX - 1) if is_outage else attempt,
    }
    await held.fail(connection, claimed.lease, **values, total_failures=table.c.total_failures + 1)
    return is_dead


def backoff_seconds(attempt: int, jitter: float) -> float:
    """Returns how long to wait after a failed attempt, from 1; `jitter` is from 0.0 to 1.0."""
    wait = min(BACKOFF_SECONDS_MIN * 2.0 ** (attempt - 1), BACKOFF_SECONDS_MAX)
    return wait * (1 - jitter / 2)


async def release(
    connection: AsyncConnection,
    held: Leases,
    claimed: Claimed,
    counts: Counts,
    *,
    standing: Mapping[str, Any] | None = None,
) -> None:
    """Gives an item back in the middle, because the worker stops: another one takes it at once. Raises LeaseLost."""
    now_us = await held.clock(connection)
    values = {**sums(counts), **_stands(standing, now_us), "attempt": _attempt(claimed, now_us) - 1}
    await held.fail(connection, claimed.lease, **values)


async def report(
    connection: AsyncConnection,
    held: Leases,
    claimed: Claimed,
    counts: Counts,
    standing: Mapping[str, Any],
) -> None:
    """Says that an item is worked on and goes well, and what was done since this was last said. Raises LeaseLost."""
    now_us = await held.clock(connection)
    values = {**sums(counts), **_no_error(), **_stands(standing, now_us), "attempt": _attempt(claimed, now_us)}
    await held.heartbeat(connection, claimed.lease, **values)


async def postpone(connection: AsyncConnection, organization: str, *, source: str, until_us: int) -> None:
    """Lets none of an organization's items begin before a time: its source has asked to be left alone."""
    items = and_(table.c.organization == organization, table.c.source == source, table.c.next_run_at_us < until_us)
    await connection.execute(update(table).where(items).values(next_run_at_us=until_us))


async def retry(connection: AsyncConnection, organization: str, number: int, *, now_us: int) -> WorkItem:
    """Takes a dead item up again; raises WorkItemUnknown or WorkItemNotDead."""
    revived = update(table).where(_named(organization, number), table.c.state == DEAD)
    values = {**FREE, "attempt": 0, "state": ACTIVE, "next_run_at_us": now_us}
    row = (await connection.execute(revived.values(values).returning(table))).one_or_none()
    if row is None:
        await find(connection, organization, number)
        raise WorkItemNotDead(
            f"work item {number} is not dead; `haversack work run {number} --org {organization}` makes it due now"
        )
    return read_item(row)


async def make_due(connection: AsyncConnection, organization: str, number: int, *, now_us: int) -> WorkItem:
    """Makes an item due now; one that runs is run again. Raises WorkItemUnknown, or TransitionIllegal if it is dead."""
    rung = update(table).where(_named(organization, number), table.c.state == ACTIVE)
    row = (await connection.execute(rung.values(next_run_at_us=now_us).returning(table))).one_or_none()
    if row is None:
        found = await find(connection, organization, number)
        raise TransitionIllegal(
            f"work item {number} was given up: {found.error}; mend that, then"
            f" `haversack work retry {number} --org {organization}`"
        )
    return read_item(row)


async def ask_resync(
    connection: AsyncConnection, organization: str, entity: str, *, source: str, scope: str, now_us: int
) -> WorkItem | None:
    """Has the next run of an entity's item read it in full again, and makes it due now; returns it, if there is one.

    `scope` says whether the item is the entity's own or that of all entities.
    """
    of = _followed(organization, entity if scope == "entity" else "", source)
    row = (await connection.execute(select(table.c.id, table.c.resync).where(of).with_for_update())).one_or_none()
    if row is None:
        return None
    wanted = sorted({*names(row.resync), entity})
    values = {
        "resync": json.dumps(wanted),
        "next_run_at_us": now_us,
        "attempt": case((table.c.state == DEAD, 0), else_=table.c.attempt),
        "state": ACTIVE,
    }
    changed = update(table).where(table.c.id == row.id).values(values).returning(table)
    return read_item((await connection.execute(changed)).one())


async def set_interval(connection: AsyncConnection, organization: str, source: str, interval_seconds: int) -> None:
    """Gives the items of an organization's source another interval; runs under way end with the old one."""
    items = and_(table.c.organization == organization, table.c.source == source)
    await connection.execute(update(table).where(items).values(interval_seconds=interval_seconds))


async def resynced(connection: AsyncConnection, held: Leases, claimed: Claimed) -> None:
    """Forgets what a run was asked to read in full, since its source knows now. Raises LeaseLost.

    What was asked for meanwhile stays asked for.
    """
    row = await held.write(connection, claimed.lease)
    left = [it for it in names(row.resync) if it not in claimed.item.resync]
    await held.write(connection, claimed.lease, resync=json.dumps(left) if left else "")


async def wake(connection: AsyncConnection, organization: str, entity: str, *, source: str, now_us: int) -> None:
    """Makes an entity's item due now, if there is one and it is not given up; with "" that of all entities."""
    item = and_(_followed(organization, entity, source), table.c.state == ACTIVE)
    await connection.execute(update(table).where(item).values(next_run_at_us=now_us))


async def wake_all(connection: AsyncConnection, *, source: str, now_us: int) -> None:
    """Makes the items of every organization that are of this source due now, but for those that are given up."""
    items = and_(table.c.source == source, table.c.state == ACTIVE)
    await connection.execute(update(table).where(items).values(next_run_at_us=now_us))


async def add_counts(
    connection: AsyncConnection, organization: str, entity: str, *, source: str, counts: Counts
) -> None:
    """Counts what was replicated besides the item's own runs. Sums need no lease: their order does not matter."""
    item = _followed(organization, entity, source)
    await connection.execute(update(table).where(item).values(sums(counts)))


async def find(connection: AsyncConnection, organization: str, number: int) -> WorkItem:
    """Returns an organization's item; raises WorkItemUnknown."""
    row = (await connection.execute(select(table).where(_named(organization, number)))).one_or_none()
    if row is None:
        raise WorkItemUnknown(
            f"organization {organization} has no work item {number}; `haversack work list` shows those that there are"
        )
    return read_item(row)


async def listed(
    connection: AsyncConnection, wanted: Sequence[ColumnElement[bool]], *, offset: int, count: int
) -> tuple[list[WorkItem], int]:
    """Returns a part of the items that fulfil every condition, by organization, entity and source, and how many do."""
    total = (await connection.execute(select(func.count()).select_from(table).where(*wanted))).scalar_one()
    by_entity = func.coalesce(table.c.entity, "")
    query = select(table).where(*wanted).order_by(table.c.organization, by_entity, table.c.source)
    rows = await connection.execute(query.offset(offset).limit(count))
    return [read_item(row) for row in rows], total


def of_organization(name: str) -> ColumnElement[bool]:
    """The items of an organization."""
    return table.c.organization == name


def of_entity(name: str) -> ColumnElement[bool]:
    """The items of an entity."""
    return table.c.entity == name


def dead() -> ColumnElement[bool]:
    """The items that are given up."""
    return table.c.state == DEAD


def running(now_us: int) -> ColumnElement[bool]:
    """The items that a worker has."""
    return table.c.lease_until_us > now_us


def retrying(now_us: int) -> ColumnElement[bool]:
    """The items that failed and will be tried again."""
    return and_(table.c.state == ACTIVE, table.c.lease_until_us <= now_us, table.c.attempt > 0)


def waiting(now_us: int) -> ColumnElement[bool]:
    """The items that went well and wait for their time."""
    return and_(table.c.state == ACTIVE, table.c.lease_until_us <= now_us, table.c.attempt == 0)


_CLOCKS = ("claimed_at_us", "last_started_at_us", "last_ended_at_us", "total_runs", "total_failures")


def _named(organization: str, number: int) -> ColumnElement[bool]:
    return and_(table.c.id == number, table.c.organization == organization)


def _followed(organization: str, entity: str, source: str) -> ColumnElement[bool]:
    of_entity = table.c.entity == entity if entity else table.c.entity.is_(None)
    return and_(table.c.organization == organization, of_entity, table.c.source == source)


def _new(source: str, interval_seconds: int) -> dict[str, object]:
    """The columns of a new item, but for what it is about and when it is due."""
    return {
        **NEW,
        **{name: 0 for name in (*_CLOCKS, *counters("last"), *counters("total"))},
        "source": source,
        "interval_seconds": interval_seconds,
        "state": ACTIVE,
        "error": "",
        "error_reason": "",
        "standing": "",
        "resync": "",
    }


def _run_values(claimed: Claimed, counts: Counts, now_us: int) -> dict[str, object]:
    """The columns that say what a run did."""
    return {
        "last_started_at_us": claimed.item.claimed_at_us,
        "last_ended_at_us": now_us,
        **{f"last_{name}": getattr(counts, name) for name in COUNTS},
        **sums(counts),
    }


def _attempt(claimed: Claimed, now_us: int) -> int:
    """Which attempt a run is. One that has gone on for longer than any wait is the first again.

    A live feed is held for months and never caught up, so that all of its outages would be counted together.
    """
    lasted_us = now_us - claimed.item.claimed_at_us
    return 1 if lasted_us >= BACKOFF_SECONDS_MAX * 1_000_000 else claimed.lease.attempt


def _no_error() -> dict[str, object]:
    return {"error": "", "error_reason": ""}


def _stands(standing: Mapping[str, Any] | None, now_us: int) -> dict[str, object]:
    """The column that says where a feed stands, if there is something to say."""
    return {} if standing is None else {"standing": json.dumps({**standing, "at_us": now_us}, ensure_ascii=False)}
