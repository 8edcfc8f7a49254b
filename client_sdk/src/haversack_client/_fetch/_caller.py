"""Who asks, and by which rules of the organization."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum


class Collation(Enum):
    """How texts compare. Case never counts."""

    ACCENTS_IGNORED = "CI_AI"
    ACCENTS_COUNT = "CI_AS"


class LocalZone(tzinfo):
    """The zone of this device, with its changes of clocks, as the operating system knows them."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """How far the clock is ahead of UTC then."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, _moment: datetime | None) -> None:
        """Not known."""

    def tzname(self, moment: datetime | None) -> str | None:
        """What the system calls it then."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, moment: datetime) -> datetime:
        """What the clock shows at an instant."""
        instant = moment.replace(tzinfo=UTC)
        here = instant.astimezone().replace(tzinfo=None)
        is_second = here.astimezone(UTC) != instant  # The hour is shown twice, and this is the later one.
        return here.replace(tzinfo=self, fold=int(is_second))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and by which rules of the organization.

    Attributes:
        user_id: The caller's `systemuserid`; None: operators that need it are refused.
        team_ids: The caller's teams; None: those in the local table `teammembership`, if the device carries it.
        time_zone: Where the caller's days begin: a `zoneinfo.ZoneInfo`; by default the zone of this device.
        collation: How texts compare.
        week_start: First day of the week, 0 (Sunday) to 6.
        null_never_matches: Whether NULL fails negative operators, which it passes by default.
        now_us: The instant of asking, microseconds since the Unix epoch.
    """

    user_id: str | None = None
    team_ids: tuple[str, ...] | None = None
    time_zone: tzinfo = field(default_factory=LocalZone)
    collation: Collation = Collation.ACCENTS_IGNORED
    week_start: int = 0
    null_never_matches: bool = False
    now_us: int = field(default_factory=lambda: int(time.time() * 1_000_000))
