"""Who asks, and by which rules of the organization."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from haversack.model.v1 import model_pb2

from haversack_client._fetch._fiscal import FiscalCalendar
from haversack_client._model import User


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
        business_unit_id: The caller's business unit; None: operators that need it are refused.
        language: The caller's language, as a locale id; None: only rows for every language are the caller's.
        time_zone: Where the caller's days begin: a `zoneinfo.ZoneInfo`; by default the zone of this device.
        collation: How texts compare.
        week_start: First day of the week, 0 (Sunday) to 6.
        fiscal: How the organization cuts its years.
        null_never_matches: Whether NULL fails negative operators, which it passes by default.
        now_us: The instant of asking, microseconds since the Unix epoch.
    """

    user_id: str | None = None
    team_ids: tuple[str, ...] | None = None
    business_unit_id: str | None = None
    language: int | None = None
    time_zone: tzinfo = field(default_factory=LocalZone)
    collation: Collation = Collation.ACCENTS_IGNORED
    week_start: int = 0
    fiscal: FiscalCalendar = field(default_factory=FiscalCalendar)
    null_never_matches: bool = False
    now_us: int = field(default_factory=lambda: int(time.time() * 1_000_000))

    @classmethod
    def of(cls, user: User | None) -> "Caller":
        """The user of a device, by the rules that the server told; somebody unknown before it did."""
        if user is None:
            return cls()
        accents_count = user.collation == model_pb2.COLLATION_CI_AS
        return cls(
            user_id=user.id,
            team_ids=user.team_ids,
            business_unit_id=user.business_unit_id or "",
            language=user.language or None,
            time_zone=_zone(user.time_zone),
            collation=Collation.ACCENTS_COUNT if accents_count else Collation.ACCENTS_IGNORED,
            week_start=user.week_start,
            fiscal=FiscalCalendar.of(user.fiscal),
            null_never_matches=user.null_never_matches,
        )


def _zone(name: str) -> tzinfo:
    """A zone by name; the device's own if its system does not know that."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return LocalZone()
