"""What a system of record must be able to do to be replicated from, and written back to.

A `Source` is one organization's system of record, ready to be asked. It hands bytes to the Rust core, which parses,
encodes and commits them: no row passes through Python. How far a `Feed` has come is kept in staging, in the commit of
the rows themselves, so whatever dies, nothing is lost and nothing is done twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any, Literal, Protocol, TypeAlias

from haversack_server._core import Staging
from haversack_server.catalog.work_items import Counts
from haversack_server.metadata import Document

ROWS_MAX = 16_384
"""Rows of one commit: as many as a bulk ingest commits at once. Uploads wait for no longer than that takes."""

LIVE_SECONDS_MAX = 1.0
"""How long a live feed may wait for a change within one `take`: as long as a pause may take to be obeyed."""

CHECK_SECONDS_MAX = 60.0
"""How long `Source.check` may take altogether."""

LEFT_OUT_MAX = 8
"""Reasons for which an entity's rows were left out that are told; the commonest of them."""

FORGET_SECONDS_MAX = 30.0
"""How long `Source.forget` may take altogether."""

MARK_BYTES = 16

Scope: TypeAlias = Literal["entity", "organization"]


class Verdict(StrEnum):
    """Whether a thing that was checked will work."""

    OK = auto()
    WARNING = auto()
    FAILURE = auto()


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        subject: What was looked at: a setting, an entity's logical name, a part of the system of record.
        verdict: Whether it will work; a WARNING works, in a way that is worth knowing.
        what: What was found.
        remedy: What to do about it; empty if there is nothing to do.
    """

    subject: str
    verdict: Verdict
    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Checked:
    """What a check found, in the order of looking."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Unmapped:
    """Something of the source that cannot be kept here.

    Attributes:
        subject: An entity's logical name, or "entity.attribute", or what the source calls it.
        why: Why not, and what would help if anything would.
    """

    subject: str
    why: str


@dataclass(frozen=True)
class Described:
    """A source's metadata.

    Attributes:
        documents: Its entities, as `haversack_server.metadata` merges them.
        unmapped: What is left out of them.
    """

    documents: tuple[Document, ...]
    unmapped: tuple[Unmapped, ...] = ()


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


@dataclass(frozen=True)
class EntityStanding:
    """How far a feed is with one entity.

    Attributes:
        entity: Its logical name.
        mode: What is being done with it: "snapshot", "reconciliation", "delta links", "watermark" ...
        rows_done: Rows read in the full read under way; 0 if none is.
        rows_total: Rows that this is expected to read, as far as is known; 0 if it is not, or none is under way.
        position: How far it has come, for people; empty if the whole feed's position says it.
    """

    entity: str
    mode: str
    rows_done: int = 0
    rows_total: int = 0
    position: str = ""


@dataclass(frozen=True)
class LeftOut:
    """Rows, or values of rows, that could not be taken.

    Attributes:
        entity: Logical name.
        why: Why not, with an example.
        count: How many times that was met since the entity was last read in full.
    """

    entity: str
    why: str
    count: int


@dataclass(frozen=True)
class Standing:
    """Where a feed stands, for those who operate it.

    Attributes:
        mode: How it follows the source: "delta links", "watermark", "logical replication" ...
        position: How far it has come, for people: the last token (shortened), a time, an LSN. Never a secret.
        lag_seconds: How far it is behind the source by the source's own clock; None if the source cannot say.
        entities: Of a feed of several entities, each of those that has something of its own to tell.
        left_out: What could not be taken.
    """

    mode: str
    position: str = ""
    lag_seconds: float | None = None
    entities: tuple[EntityStanding, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class Feed(Protocol):
    """One entity of one organization, or all of them, ready to be taken from its source. For one task at a time.

    Attributes:
        live: Whether `take` waits for the next change, at most `LIVE_SECONDS_MAX`, instead of returning at once. Who
            drives it then keeps it open, instead of coming back after a while.
        standing: Where it stands, after the last `take`.
    """

    live: bool
    standing: Standing

    async def take(self, rows_max: int) -> Taken:
        """Takes what changed in the source since the last commit of any feed of the same, in one commit of staging.

        At most `rows_max` rows, at least one. How far it has come is kept in staging, in the same commit: a call that
        was cut off, or made twice at once, repeats nothing and puts no older version over a newer one. Raises a
        HaversackError if the source or staging fails; then nothing has changed.
        """

    async def close(self) -> None:
        """Lets go of what it holds of the source, and keeps its place there. It is not used afterwards."""


@dataclass(frozen=True)
class Change:
    """One mutation of a device, on its way to the source.

    Attributes:
        key: Stable and unique for each mutation: who is asked twice with one key has done it once.
        entity: Logical name.
        id: The row's id as text.
        kind: What is done.
        values: What the row is to have, by logical name; None where it became NULL. A lookup is its id, and where it
            can point to several entities `<name>_type` is beside it.
        old_values: What the device saw of the same attributes.
        etag: What the source called the version that the write was judged against; None if staging does not know.
        user: The systemuserid of the user who wrote it.
        detect_conflicts: Whether the write may not go over a version other than `etag`.
        looks_for: Not empty if the change is only looked for, and nothing is written: staging has lost what it knew of
            it. "sent": it may have been made. "taken": the source has said once that it was; a source that keeps no
            keys is believed, whatever the row has become since.
    """

    key: str
    entity: str
    id: str
    kind: Literal["create", "update", "delete"]
    values: Mapping[str, Any] = field(default_factory=dict)
    old_values: Mapping[str, Any] = field(default_factory=dict)
    etag: str | None = None
    user: str = ""
    detect_conflicts: bool = True
    looks_for: Literal["", "sent", "taken"] = ""


@dataclass(frozen=True)
class Written:
    """What a write made of a row.

    Attributes:
        row: The source's row afterwards, as one JSON object in the form that ingest reads; None after a deletion.
        etag: What the source calls this version of it, if it does.
        found: False if a change was only looked for, and the source does not have it; the row is None then.
    """

    row: bytes | None
    etag: str | None = None
    found: bool = True


class Source(Protocol):
    """One organization's system of record. Used by many tasks at once.

    Attributes:
        kind: Its name in settings and work items; never reused for another kind.
        scope: Whether each entity is followed by a feed of its own, or all of them by one.
        interval_seconds: From the end of a feed's run to the next one, unless it is live.
        address: Which system of record this is, without user or secrets and in one spelling: sources of one kind and
            address have the same rows.
        recipients: Everything that its secrets are sent to, each in one spelling.
        holds: What the system of record keeps for one organization alone, each by a name that no other thing has.
    """

    kind: str
    scope: Scope
    interval_seconds: int
    address: str
    recipients: frozenset[str]
    holds: frozenset[str]

    async def check(self) -> Checked:
        """Finds out what will work and what will not, within `CHECK_SECONDS_MAX`; changes nothing at the source.

        A source that cannot be reached is a finding, not an error.
        """

    async def metadata(self) -> Described:
        """Reads what the source has, through the mapping in force; raises SourceUnavailable or MappingInvalid."""

    async def mapping(self) -> str:
        """Returns a mapping file (YAML, with comments) of what the source has, to be edited and set.

        What the mapping in force says is in it. Raises SourceUnavailable.
        """

    async def open(self, staging: Staging, model: bytes, entity: str, *, kept: Collection[str] = ()) -> Feed:
        """Makes ready to take an entity by its logical name, or with "" the whole organization, as `scope` says.

        `model` is a serialized model with the organization's metadata; rows of the entities in `kept` are Haversack's
        own, and left alone, even if the mapping has come to name them. Raises EntityUnknown, or what the source's own
        failures are.
        """

    async def resync(self, staging: Staging, model: bytes, entity: str) -> None:
        """Has the next feed read an entity in full again: rows that are as they were draw no LSN. No feed is open."""

    async def write(self, change: Change) -> Written:
        """Does what a device has done, once however often it is called with one key; or only looks for it.

        Raises SourceRefused with the source's own words; SourceUnavailable or SourceThrottled if it is to be tried
        again.
        """

    async def forget(self, successor: Source | None = None) -> tuple[str, ...]:
        """Has the system of record keep nothing for us any more, within `FORGET_SECONDS_MAX`; no feed is open.

        What a `successor` uses that takes its place is kept.

        Returns sentences, for those who operate it, about what was let go of, and what could not be: a source that
        cannot be reached is one of these, with what to do there by hand, not an error. If the organization is followed
        again, everything is read anew.
        """

    async def close(self) -> None:
        """Lets go of everything. It is not used afterwards."""


def mark_of(source: Source) -> bytes:
    """Returns what tells a system of record from all others: writes of devices keep that of their own."""
    return hashlib.sha256(f"{source.kind}\0{source.address}".encode()).digest()[:MARK_BYTES]


Connect: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, str], str], Source]
"""Makes a source ready from its settings, its secrets by name, and its mapping (YAML, or empty).

Asks the system of record nothing, so that settings can be judged anywhere. Raises SourceInvalid or MappingInvalid.
"""


async def catch_up(feed: Feed) -> Taken:
    """Takes all that the source has, commit by commit; the counts are of all of them together."""
    total = Counts()
    while True:
        taken = await feed.take(ROWS_MAX)
        total += taken.counts
        if taken.left == 0:
            return Taken(total, 0, taken.lsn)
