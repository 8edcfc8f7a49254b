"""How far an entity has come: what is kept in staging, in the commits of its rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum


class Mode(StrEnum):
    """How changes are found. The values are kept; `words` are for people."""

    TRACKED = "tracked"
    WATERMARK = "watermark"
    VERSIONS = "versions"
    FULL = "full"


class Stage(StrEnum):
    """What comes next."""

    READING = "reading"
    """The rows are read, all of them."""
    COMPARING = "comparing"
    """The keys and versions of all rows are read."""
    SWEEPING = "sweeping"
    """What was not met is deleted."""
    FOLLOWING = "following"
    """What changes is read."""


@dataclass(frozen=True)
class Position:
    """How far an entity has come; times are microseconds since the Unix epoch.

    Attributes:
        mode: How changes are found.
        stage: What comes next.
        service: The address of the service that it is a position in.
        columns: Fingerprint of the columns that are read.
        filter: What limits the rows that are read.
        next: The link at which a read under way goes on, or "".
        trail: What tells whether its links go round.
        delta: The link by which changes are asked for, or "".
        coming: The first such link that the read under way has met: later ones may be past what its pages have told.
        again: Whether a full read is not the first one.
        watermark_us: Changes were read up to here; never past the service's own clock.
        high_us: The latest change that a read under way has met.
        began_at_us: The service's clock when the read of changes under way began; 0 between two of them.
        ahead: Whether more rows are dated past the service's clock than fit on a page.
        read_at_us: When the full read, or comparison, under way or last made began.
        kept_at_us: When this was written.
        rows: Rows of the full read, or comparison, under way or last made.
        left_out: Why rows could not be taken since that began, and how many.
    """

    mode: Mode
    stage: Stage
    columns: str
    service: str = ""
    filter: str = ""
    next: str = ""
    trail: str = ""
    delta: str = ""
    coming: str = ""
    again: bool = False
    watermark_us: int = 0
    high_us: int = 0
    began_at_us: int = 0
    ahead: bool = False
    read_at_us: int = 0
    kept_at_us: int = 0
    rows: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The form that is kept."""
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False).encode()

    def but(self, **changes: object) -> Position:
        """The same with other values."""
        return replace(self, **changes)  # type: ignore[arg-type]  # named like the attributes


def read_position(content: bytes | None) -> Position | None:
    """Reads what is kept; None for nothing, and for what another kind of source has left."""
    if content is None:
        return None
    try:
        kept = json.loads(content)
        return Position(**{**kept, "mode": Mode(kept["mode"]), "stage": Stage(kept["stage"])})
    except (ValueError, TypeError, KeyError):
        return None
