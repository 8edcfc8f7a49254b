"""What a system of record must be able to do to be replicated from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from haversack_server.catalog.work_items import Counts

ROWS_MAX = 16_384
"""Rows of one commit: as many as a bulk ingest commits at once. Uploads wait for no longer than that takes."""


@dataclass(frozen=True)
class Taken:
    """What one commit has taken over.

    Attributes:
        counts: What it did to rows.
        left: 0 exactly when the source has no more; else an estimate of the rows still to read, at least 1.
        lsn: Head of the staging database's commit order after it.
    """

    counts: Counts
    left: int
    lsn: int


class Feed(Protocol):
    """One entity of one organization, ready to be taken from its source."""

    async def take(self, rows_max: int) -> Taken:
        """Takes what changed in the source since the last commit of any feed of this entity, in one commit of staging.

        At most `rows_max` rows, at least one. How far it has come is kept in staging, in the same commit: a call that
        was cut off, or made twice at once, repeats nothing and puts no older version over a newer one. Raises a
        HaversackError if the source or staging fails; then nothing has changed.
        """


class Source(Protocol):
    """A system of record. Used by many tasks at once.

    Attributes:
        kind: Its name in work items; never reused for another kind.
    """

    kind: str

    async def open(self, organization: str, entity: str) -> Feed:
        """Makes ready to take an entity, by its logical name.

        Raises OrganizationUnknown, OrganizationNotProvisioned, EntityUnknown, or what the source's own failures are.
        """


async def catch_up(feed: Feed) -> Taken:
    """Takes all that the source has, commit by commit; the counts are of all of them together."""
    total = Counts()
    while True:
        taken = await feed.take(ROWS_MAX)
        total += taken.counts
        if taken.left == 0:
            return Taken(total, 0, taken.lsn)
