"""What a test of a date means at an instant: between which two values a column must lie.

A window lies between two edges, each a moment of the caller's calendar: now, a local midnight, the start of a week.
What that is as a value depends on the attribute. A date and time is compared as an instant; a wall clock without a zone
with the caller's wall clock; a day counts as its midnight, so that today lies before now at every moment of it. Where a
zone skips midnight, a day begins with its first moment; where it repeats midnight, with the first of the two.

Days and microseconds are counted from the Unix epoch, through all years: nothing here leaves what can be counted,
though `datetime` ends with the year 9999, whose last dates are common in data ("for ever").
"""

from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import Enum

MICROS_PER_DAY = 86_400_000_000
MICROS_PER_HOUR = 3_600_000_000
MICROS_PER_MINUTE = 60_000_000

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()
DAY_MIN = date(1753, 1, 1).toordinal() - EPOCH_DAY
DAY_MAX = date.max.toordinal() - EPOCH_DAY
"""The days that Dataverse stores."""

DAYS_OF_ERA = 146_097
YEARS_OF_ERA = 400
"""After so many years the calendar repeats."""

OFFSETS_FIRST = (date.min.toordinal() + 3 - EPOCH_DAY) * MICROS_PER_DAY
OFFSETS_LAST = (date.max.toordinal() - 3 - EPOCH_DAY) * MICROS_PER_DAY
"""Any zone can be asked for its offset between these, days from the ends of `datetime`; beyond, it stays as it was."""

MONTHS_OF_YEAR = 12
DAYS_OF_WEEK = 7


class Form(Enum):
    """How an attribute has its date."""

    INSTANT = "an instant"
    WALL_CLOCK = "a wall clock without a zone"
    DAY = "a day"


@dataclass(frozen=True, slots=True)
class Clock:
    """An instant, as the caller's clock shows it. Both in microseconds."""

    instant: int
    wall: int
    zone: tzinfo

    @classmethod
    def at(cls, instant: int, zone: tzinfo) -> "Clock":
        """The clock of a zone at an instant."""
        return cls(instant, instant + _offset(instant, zone), zone)

    @property
    def today(self) -> int:
        """The caller's day."""
        return self.wall // MICROS_PER_DAY

    def moment_of(self, wall: int) -> int:
        """The instant at which the caller's clock shows `wall`: the first such, or that of the jump over it."""
        return wall - _micros(_within_offsets(wall).replace(tzinfo=self.zone).utcoffset())

    def unit_start(self, unit: int) -> int:
        """The instant at which the hour or minute began that the caller's clock shows."""
        past = self.wall % unit
        steady = self.instant - past
        was_set = _offset(steady, self.zone) != self.wall - self.instant
        return self.moment_of(self.wall - past) if was_set else steady


def _offset(instant: int, zone: tzinfo) -> int:
    return _micros(_within_offsets(instant).astimezone(zone).utcoffset())


def _within_offsets(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=min(max(micros, OFFSETS_FIRST), OFFSETS_LAST))


def _micros(offset: timedelta | None) -> int:
    return 0 if offset is None else offset // timedelta(microseconds=1)


Day = Callable[[int, int], int]
"""A day of the calendar, seen from today: (today, first day of the week) to a day."""

Edge = Callable[[Form, Clock, int], int]
"""A moment as a value of a form: microseconds, or days."""


@dataclass(frozen=True, slots=True)
class Window:
    """Values from `start` up to `end`; None is open."""

    start: Edge | None
    end: Edge | None

    def bounds(self, form: Form, clock: Clock, week_start: int) -> tuple[int | None, int | None]:
        """First value within, and first behind."""
        start = self.start(form, clock, week_start) if self.start else None
        end = self.end(form, clock, week_start) if self.end else None
        return start, end


def midnight(day: Day) -> Edge:
    """The beginning of a day of the caller's calendar."""

    def edge(form: Form, clock: Clock, week_start: int) -> int:
        return midnight_of(day(clock.today, week_start), form, clock)

    return edge


def midnight_of(day: int, form: Form, clock: Clock) -> int:
    """The beginning of a day, as a value."""
    match form:
        case Form.DAY:
            return day
        case Form.WALL_CLOCK:
            return day * MICROS_PER_DAY
        case Form.INSTANT:
            return clock.moment_of(day * MICROS_PER_DAY)


def ahead(micros: int) -> Edge:
    """A time after now."""

    def edge(form: Form, clock: Clock, _week_start: int) -> int:
        match form:
            case Form.DAY:
                return clock.today + 1
            case Form.WALL_CLOCK:
                return clock.wall + micros
            case Form.INSTANT:
                return clock.instant + micros

    return edge


NOW = ahead(0)


def cut(unit: int, count: int) -> Edge:
    """So many hours or minutes before the one that has begun. Days have none, and such operators do not take them."""

    def edge(form: Form, clock: Clock, _week_start: int) -> int:
        if form is Form.WALL_CLOCK:
            return clock.wall - clock.wall % unit - unit * count
        return clock.unit_start(unit) - unit * count

    return edge


def _from_today(days: int, months: int = 0) -> Day:
    return lambda today, _: _add_months(today + days, months)


def _week(count: int) -> Day:
    return lambda today, start: today - (today + 4 - start) % DAYS_OF_WEEK + DAYS_OF_WEEK * count


def _month(count: int) -> Day:
    return lambda today, _: _month_start(today, count)


def _year(count: int) -> Day:
    def day(today: int, _week_start: int) -> int:
        year, _, _ = civil(today)
        return days(year + count, 1, 1)

    return day


def civil(day: int) -> tuple[int, int, int]:
    """Year, month and day of the month."""
    era, within = divmod(day + EPOCH_DAY - 1, DAYS_OF_ERA)
    found = date.fromordinal(within + 1)
    return found.year + YEARS_OF_ERA * era, found.month, found.day


def days(year: int, month: int, day: int) -> int:
    """A day by year, month and day of the month."""
    era, within = divmod(year - 1, YEARS_OF_ERA)
    return date(within + 1, month, day).toordinal() - EPOCH_DAY + DAYS_OF_ERA * era


def days_of_month(year: int, month: int) -> int:
    """How many a month has."""
    return monthrange((year - 1) % YEARS_OF_ERA + 1, month)[1]


def _month_start(today: int, count: int) -> int:
    year, month, _ = civil(today)
    years, month = divmod(month - 1 + count, MONTHS_OF_YEAR)
    return days(year + years, month + 1, 1)


def _add_months(day: int, months: int) -> int:
    """The same day of another month, or its last one."""
    if not months:
        return day
    first = _month_start(day, months)
    following = _month_start(first, 1)
    return min(first + civil(day)[2] - 1, following - 1)


def between(start: Day, end: Day) -> Window:
    """From the beginning of one day to that of another."""
    return Window(midnight(start), midnight(end))


def since(day: Day) -> Window:
    """From the beginning of a day to now."""
    return Window(midnight(day), NOW)


def until(day: Day) -> Window:
    """From now to the beginning of a day."""
    return Window(NOW, midnight(day))


def _before(day: Day) -> Window:
    return Window(None, midnight(day))


CALENDAR: Mapping[str, Window] = {
    "yesterday": between(_from_today(-1), _from_today(0)),
    "today": between(_from_today(0), _from_today(1)),
    "tomorrow": between(_from_today(1), _from_today(2)),
    "last-seven-days": since(_from_today(-7)),
    "next-seven-days": until(_from_today(8)),
    "last-week": between(_week(-1), _week(0)),
    "this-week": between(_week(0), _week(1)),
    "next-week": between(_week(1), _week(2)),
    "last-month": between(_month(-1), _month(0)),
    "this-month": between(_month(0), _month(1)),
    "next-month": between(_month(1), _month(2)),
    "last-year": between(_year(-1), _year(0)),
    "this-year": between(_year(0), _year(1)),
    "next-year": between(_year(1), _year(2)),
}
"""Operators without an operand."""

COUNTED: Mapping[str, Callable[[int], Window]] = {
    "last-x-days": lambda n: since(_from_today(-n)),
    "last-x-weeks": lambda n: since(_from_today(-7 * n)),
    "last-x-months": lambda n: since(_from_today(0, -n)),
    "last-x-years": lambda n: since(_from_today(0, -12 * n)),
    "next-x-days": lambda n: until(_from_today(n + 1)),
    "next-x-weeks": lambda n: until(_from_today(7 * n + 1)),
    "next-x-months": lambda n: until(_from_today(1, n)),
    "next-x-years": lambda n: until(_from_today(1, 12 * n)),
    "olderthan-x-days": lambda n: _before(_from_today(-n)),
    "olderthan-x-weeks": lambda n: _before(_from_today(-7 * n)),
    "olderthan-x-months": lambda n: _before(_from_today(0, -n)),
    "olderthan-x-years": lambda n: _before(_from_today(0, -12 * n)),
}
"""Operators that count days or more."""

COUNTED_SHORT: Mapping[str, Callable[[int], Window]] = {
    "last-x-hours": lambda n: Window(cut(MICROS_PER_HOUR, n), NOW),
    "next-x-hours": lambda n: Window(NOW, ahead(MICROS_PER_HOUR * n)),
    "olderthan-x-hours": lambda n: Window(None, cut(MICROS_PER_HOUR, n)),
    "olderthan-x-minutes": lambda n: Window(None, cut(MICROS_PER_MINUTE, n)),
}
"""Operators that count hours or minutes, which days do not have."""


def of_day(operator: str, day: int) -> Window:
    """`on`, `on-or-before` and `on-or-after` a day."""
    start, end = (midnight(lambda *_, at=at: at) for at in (day, day + 1))
    match operator:
        case "on":
            return Window(start, end)
        case "on-or-before":
            return Window(None, end)
        case _:
            return Window(start, None)
