"""Queries on operations and their parts. Every function works inside the transaction of `connection`.

Who works on an operation writes through `haversack_server.catalog.leases` first, in the same transaction: its parts
have no fence of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog._provisioning_tables import (
    UNSETTLED,
    operation_entity,
    operation_event,
    operation_step,
)
from haversack_server.catalog._provisioning_tables import operation as table
from haversack_server.catalog.leases import LEASE_SECONDS, NEW

EVENT_CHARACTERS_MAX = 2_000
EVENTS_KEPT_MICROSECONDS = 90 * 24 * 3600 * 1_000_000
"""How long events of operations that are over are kept: ninety days."""

PURGED_MAX = 1_000
"""How many events one call of `purge_events` deletes at most."""

LEASED = table
"""The table whose rows are leased."""

WAITING: ColumnElement[bool] = table.c.state == "RUNNING"
"""The operations that a worker can claim."""


@dataclass(frozen=True)
class Failure:
    """Why an operation failed: at which step, with which reason, and what to do; microseconds since the Unix epoch."""

    step: str
    reason: str
    message: str
    at_us: int


@dataclass(frozen=True)
class Operation:
    """An operation on an organization. Times are microseconds since the Unix epoch, None where it has not come to that.

    Attributes:
        id: Its key.
        organization: The organization's name.
        number: Counts the organization's operations, from 1.
        kind: PROVISION or DEPROVISION.
        state: RUNNING, FAILED, DONE or STOPPED.
        requested_by: Who asked for it.
        requested_at_us: When.
        stop_requested_at_us: When it was told to stop.
        ended_at_us: When it was done or stopped.
        heartbeat_at_us: When its worker last gave a sign of life.
        staging_path: Of the staging database that it makes or deletes, relative to the data folder.
        failure: Why it failed; None unless it has.
    """

    id: int
    organization: str
    number: int
    kind: str
    state: str
    requested_by: str
    requested_at_us: int
    stop_requested_at_us: int | None
    ended_at_us: int | None
    heartbeat_at_us: int | None
    staging_path: str | None
    failure: Failure | None


@dataclass(frozen=True)
class StepProgress:
    """A step that was begun; it is done if it has ended."""

    step: str
    began_at_us: int
    ended_at_us: int | None
    seconds_left: int | None


@dataclass(frozen=True)
class EntityProgress:
    """How far the rows of one entity are replicated."""

    entity: str
    rows_done: int
    rows_total: int
    bytes: int


@dataclass(frozen=True)
class Event:
    """Something that happened to an operation, during a step or between."""

    at_us: int
    step: str | None
    text: str


async def of_leases(connection: AsyncConnection, ids: Sequence[int]) -> dict[int, Operation]:
    """Returns operations by their keys."""
    query = select(table).where(table.c.id.in_(ids))
    return {row.id: read(row) for row in await connection.execute(query)}


async def add(
    connection: AsyncConnection, organization: str, *, kind: str, who: str, at_us: int, staging_path: str | None = None
) -> Operation:
    """Adds an operation that nobody works on yet."""
    query = select(func.max(table.c.number)).where(table.c.organization == organization)
    last = (await connection.execute(query)).scalar_one() or 0
    values = {
        **NEW,
        "organization": organization,
        "number": last + 1,
        "kind": kind,
        "state": "RUNNING",
        "requested_by": who,
        "requested_at_us": at_us,
        "staging_path": staging_path,
    }
    return read((await connection.execute(insert(table).values(values).returning(table))).one())


async def latest(connection: AsyncConnection, organization: str) -> Operation | None:
    """Returns an organization's latest operation; None if it has had none."""
    query = select(table).where(table.c.organization == organization).order_by(table.c.number.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return read(row) if row else None


async def unsettled(connection: AsyncConnection, organization: str) -> Operation:
    """Returns the operation of an organization that is under way or has failed."""
    query = select(table).where(table.c.organization == organization, UNSETTLED)
    return read((await connection.execute(query.with_for_update())).one())


async def set_running(connection: AsyncConnection, id_: int, *, stop_requested_at_us: int | None) -> None:
    """Lets an operation go on, to its end or, if it is to stop, to its clean-up; whatever failed is over.

    Whoever works on it keeps its lease; one that has failed waits for a worker. Attempts count anew.
    """
    failed = {"failed_step": None, "failure_reason": None, "failure_message": None, "failed_at_us": None}
    values = {"state": "RUNNING", "stop_requested_at_us": stop_requested_at_us, "attempt": 0, **failed}
    await connection.execute(update(table).where(table.c.id == id_).values(values))


async def set_staging_path(connection: AsyncConnection, id_: int, path: str | None) -> None:
    """Records the staging database that an operation makes or deletes."""
    await connection.execute(update(table).where(table.c.id == id_).values(staging_path=path))


async def all_unsettled(connection: AsyncConnection) -> list[Operation]:
    """Returns the operations of all organizations that are under way or have failed."""
    return [read(row) for row in await connection.execute(select(table).where(UNSETTLED).order_by(table.c.id))]


async def begin_step(connection: AsyncConnection, id_: int, step: str, *, at_us: int) -> bool:
    """Records that a step is begun; returns whether that is for the first time."""
    query = select(operation_step.c.step).where(operation_step.c.operation == id_, operation_step.c.step == step)
    if (await connection.execute(query)).one_or_none():
        return False
    await connection.execute(insert(operation_step).values(operation=id_, step=step, began_at_us=at_us))
    return True


async def change_step(connection: AsyncConnection, id_: int, step: str, **values: int | None) -> None:
    """Writes `ended_at_us` or `seconds_left` of a step that was begun."""
    key = (operation_step.c.operation == id_) & (operation_step.c.step == step)
    await connection.execute(update(operation_step).where(key).values(values))


async def forget_steps(connection: AsyncConnection, id_: int, steps: Iterable[str] = ()) -> None:
    """Forgets that steps were done, so that they are done again; with none named, that any were."""
    key = operation_step.c.operation == id_
    named = list(steps)
    await connection.execute(delete(operation_step).where(key & operation_step.c.step.in_(named) if named else key))


async def steps(connection: AsyncConnection, id_: int) -> dict[str, StepProgress]:
    """Returns the steps that were begun, by name."""
    query = select(operation_step).where(operation_step.c.operation == id_)
    return {
        row.step: StepProgress(row.step, row.began_at_us, row.ended_at_us, row.seconds_left)
        for row in await connection.execute(query)
    }


async def put_entities(connection: AsyncConnection, id_: int, progress: Sequence[EntityProgress]) -> None:
    """Writes how far entities are, replacing what was known of all."""
    await connection.execute(delete(operation_entity).where(operation_entity.c.operation == id_))
    if progress:
        rows = [{"operation": id_, **vars(it)} for it in progress]
        await connection.execute(insert(operation_entity), rows)


async def entities(connection: AsyncConnection, id_: int) -> list[EntityProgress]:
    """Returns how far entities are, by name."""
    query = select(operation_entity).where(operation_entity.c.operation == id_).order_by(operation_entity.c.entity)
    return [
        EntityProgress(row.entity, row.rows_done, row.rows_total, row.bytes) for row in await connection.execute(query)
    ]


async def add_event(connection: AsyncConnection, id_: int, text: str, *, at_us: int, step: str | None = None) -> None:
    """Records something that happened."""
    values = {"operation": id_, "at_us": at_us, "step": step, "text": text[:EVENT_CHARACTERS_MAX]}
    await connection.execute(insert(operation_event).values(values))


async def events(connection: AsyncConnection, id_: int, *, limit: int) -> list[Event]:
    """Returns the last things that happened, oldest first."""
    query = select(operation_event).where(operation_event.c.operation == id_)
    rows = (await connection.execute(query.order_by(operation_event.c.id.desc()).limit(limit))).all()
    return [Event(row.at_us, row.step, row.text) for row in reversed(rows)]


async def purge_events(connection: AsyncConnection, *, now_us: int) -> None:
    """Deletes some of the events that are old, of operations that are over."""
    over = select(table.c.id).where(table.c.ended_at_us < now_us - EVENTS_KEPT_MICROSECONDS)
    old = select(operation_event.c.id).where(operation_event.c.operation.in_(over)).limit(PURGED_MAX)
    await connection.execute(delete(operation_event).where(operation_event.c.id.in_(old)))


def read(row: Row[Any]) -> Operation:
    """Returns the operation of a row of the table."""
    failure = Failure(row.failed_step, row.failure_reason, row.failure_message, row.failed_at_us)
    heartbeat = row.lease_until_us - LEASE_SECONDS * 1_000_000 if row.lease_owner else None
    return Operation(
        id=row.id,
        organization=row.organization,
        number=row.number,
        kind=row.kind,
        state=row.state,
        requested_by=row.requested_by,
        requested_at_us=row.requested_at_us,
        stop_requested_at_us=row.stop_requested_at_us,
        ended_at_us=row.ended_at_us,
        heartbeat_at_us=heartbeat,
        staging_path=row.staging_path,
        failure=failure if row.state == "FAILED" else None,
    )
