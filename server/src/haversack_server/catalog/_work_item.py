"""Work items as values: what the catalog's rows are to those who work with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Row

from haversack_server.catalog._work_tables import COUNTS
from haversack_server.catalog._work_tables import work_item as table
from haversack_server.catalog.leases import Lease

ACTIVE, DEAD = "ACTIVE", "DEAD"


@dataclass(frozen=True)
class Counts:
    """What replication did to rows; bytes are those of rows that are new or changed."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    bytes: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Adds up."""
        return Counts(*(getattr(self, it.name) + getattr(other, it.name) for it in fields(self)))

    def without(self, other: Counts) -> Counts:
        """Takes away."""
        return Counts(*(getattr(self, it.name) - getattr(other, it.name) for it in fields(self)))


@dataclass(frozen=True)
class WorkItem:
    """A work item as the catalog knows it; times are microseconds since the Unix epoch, 0 where there is none.

    Attributes:
        number: Its number, never given again.
        organization: The organization's name.
        entity: Logical name of the entity; empty if it is about all of them.
        source: Kind of the system of record.
        interval_seconds: From the end of a run to the next one.
        is_dead: Whether it is given up.
        worker: Who has it, or had it until the lease ended; empty if nobody does.
        lease_until_us: When the lease ends.
        attempt: Attempts since it was last completed.
        next_run_at_us: When it is due.
        claimed_at_us: When it was last claimed.
        error: Why the last attempt failed; empty if it did not.
        error_reason: Name of the ErrorReason, without prefix.
        last_started_at_us: Beginning of the last run that ended.
        last_ended_at_us: Its end.
        last: What it did.
        total_runs: Runs that went well.
        total_failures: Attempts that did not.
        total: What all of them did.
        standing: Where the feed stood last, as JSON data; None before the first run.
        resync: Entities that the next run reads in full again.
    """

    number: int
    organization: str
    entity: str
    source: str
    interval_seconds: int
    is_dead: bool
    worker: str
    lease_until_us: int
    attempt: int
    next_run_at_us: int
    claimed_at_us: int
    error: str
    error_reason: str
    last_started_at_us: int
    last_ended_at_us: int
    last: Counts
    total_runs: int
    total_failures: int
    total: Counts
    standing: Mapping[str, Any] | None = None
    resync: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claimed:
    """An item, and the right to work on it."""

    item: WorkItem
    lease: Lease


def read_item(row: Row[Any]) -> WorkItem:
    """Reads a row of the table."""
    return WorkItem(
        number=row.id,
        organization=row.organization,
        entity=row.entity or "",
        source=row.source,
        interval_seconds=row.interval_seconds,
        is_dead=row.state == DEAD,
        worker=row.lease_owner or "",
        lease_until_us=row.lease_until_us,
        attempt=row.attempt,
        next_run_at_us=row.next_run_at_us,
        claimed_at_us=row.claimed_at_us,
        error=row.error,
        error_reason=row.error_reason,
        last_started_at_us=row.last_started_at_us,
        last_ended_at_us=row.last_ended_at_us,
        last=Counts(*(getattr(row, name) for name in counters("last"))),
        total_runs=row.total_runs,
        total_failures=row.total_failures,
        total=Counts(*(getattr(row, name) for name in counters("total"))),
        standing=json.loads(row.standing) if row.standing else None,
        resync=tuple(names(row.resync)),
    )


def names(resync: str) -> list[str]:
    """The entities that a run reads in full, as the column has them."""
    return json.loads(resync) if resync else []


def counters(prefix: str) -> list[str]:
    """The columns of `Counts`, of the last run or of all together."""
    return [f"{prefix}_{name}" for name in COUNTS]


def sums(counts: Counts) -> dict[str, object]:
    """The columns of all runs together, with these beside."""
    return {f"total_{name}": table.c[f"total_{name}"] + getattr(counts, name) for name in COUNTS}
