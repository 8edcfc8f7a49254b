"""How an organization cuts its years, and the windows that are made of that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from haversack.model.v1 import model_pb2

from haversack_client._connections import Connection
from haversack_client._fetch._windows import (
    DAY_MAX,
    DAY_MIN,
    EPOCH,
    MICROS_PER_DAY,
    MONTHS_OF_YEAR,
    Clock,
    Day,
    Form,
    Window,
    between,
    civil,
    days,
    days_of_month,
    since,
    until,
)

FOUR_WEEKS = 28

PERIODS: Mapping[int, int] = {
    model_pb2.FISCAL_PERIOD_ANNUAL: 1,
    model_pb2.FISCAL_PERIOD_SEMESTER: 2,
    model_pb2.FISCAL_PERIOD_UNSPECIFIED: 4,
    model_pb2.FISCAL_PERIOD_QUARTER: 4,
    model_pb2.FISCAL_PERIOD_MONTH: 12,
    model_pb2.FISCAL_PERIOD_FOUR_WEEK: 13,
}
"""How many a year has."""


@dataclass(frozen=True, slots=True)
class FiscalCalendar:
    """A fiscal calendar. A fiscal year is named after the calendar year in which it begins.

    Attributes:
        start_month: Month in which a year begins, 1 to 12.
        start_day: Day of that month, 1 to 31; in a shorter month its last day.
        periods: How many periods a year has: 1, 2, 4, 12, or 13 of four weeks.
    """

    start_month: int = 1
    start_day: int = 1
    periods: int = 4

    @classmethod
    def of(cls, message: model_pb2.FiscalCalendar) -> "FiscalCalendar":
        """The calendar of an organization's settings; what is not stated has its default."""
        return cls(message.start_month or 1, message.start_day or 1, PERIODS.get(message.period, 4))

    def year_of(self, day: int) -> int:
        """The fiscal year of a day."""
        year, _, _ = civil(day)
        return year - 1 if day < self.year_start(year) else year

    def year_start(self, year: int) -> int:
        """The first day of a fiscal year."""
        return self._month_start(year, 0)

    def period_of(self, day: int) -> int:
        """Periods are numbered through all years, those of the year 0 from 0."""
        first = self.year_of(day) * self.periods
        return first + sum(self.period_start(first + later) <= day for later in range(1, self.periods))

    def period_start(self, period: int) -> int:
        """The first day of a period."""
        year, index = divmod(period, self.periods)
        if MONTHS_OF_YEAR % self.periods:
            return self.year_start(year) + FOUR_WEEKS * index
        return self._month_start(year, index * MONTHS_OF_YEAR // self.periods)

    def _month_start(self, year: int, months: int) -> int:
        years, month = divmod(self.start_month - 1 + months, MONTHS_OF_YEAR)
        year, month = year + years, month + 1
        return days(year, month, min(self.start_day, days_of_month(year, month)))

    def year(self, ahead: int) -> Day:
        """The first day of the fiscal year that is so many after today's."""
        return lambda today, _: self.year_start(self.year_of(today) + ahead)

    def period(self, ahead: int) -> Day:
        """The first day of the period that is so many after today's."""
        return lambda today, _: self.period_start(self.period_of(today) + ahead)


CALENDAR: Mapping[str, Callable[[FiscalCalendar], Window]] = {
    "last-fiscal-year": lambda it: between(it.year(-1), it.year(0)),
    "this-fiscal-year": lambda it: between(it.year(0), it.year(1)),
    "next-fiscal-year": lambda it: between(it.year(1), it.year(2)),
    "last-fiscal-period": lambda it: between(it.period(-1), it.period(0)),
    "this-fiscal-period": lambda it: between(it.period(0), it.period(1)),
    "next-fiscal-period": lambda it: between(it.period(1), it.period(2)),
}
"""Operators without an operand."""

COUNTED: Mapping[str, Callable[[FiscalCalendar, int], Window]] = {
    "last-x-fiscal-years": lambda it, n: since(it.year(-n)),
    "last-x-fiscal-periods": lambda it, n: since(it.period(-n)),
    "next-x-fiscal-years": lambda it, n: until(it.year(n + 1)),
    "next-x-fiscal-periods": lambda it, n: until(it.period(n + 1)),
}
"""Operators that count years or periods."""

NAMED = ("in-fiscal-period-and-year", "in-or-before-fiscal-period-and-year", "in-or-after-fiscal-period-and-year")
"""Operators that take a period and its year."""


def of_year(calendar: FiscalCalendar, year: int) -> Window:
    """`in-fiscal-year`."""
    return between(lambda *_: calendar.year_start(year), lambda *_: calendar.year_start(year + 1))


def of_period_and_year(operator: str, calendar: FiscalCalendar, number: int, year: int) -> Window | None:
    """The window of one of `NAMED`; None if the year has no period of that number."""
    if number > calendar.periods:
        return None
    period = year * calendar.periods + number - 1
    window = between(lambda *_: calendar.period_start(period), lambda *_: calendar.period_start(period + 1))
    match operator:
        case "in-or-before-fiscal-period-and-year":
            return Window(None, window.end)
        case "in-or-after-fiscal-period-and-year":
            return Window(window.start, None)
        case _:
            return window


def give_calendar(connection: Connection, calendar: FiscalCalendar, zone: tzinfo) -> None:
    """Gives a connection `haversack_fiscal_period(date, form)`: which period of its year, from 1."""

    def period(text: object, form: str) -> int | None:
        return _period_of_year(text, Form[form], calendar, zone) if isinstance(text, str) else None

    connection.create_function("haversack_fiscal_period", 2, period, deterministic=True)


def _period_of_year(text: str, form: Form, calendar: FiscalCalendar, zone: tzinfo) -> int | None:
    """Which period of its fiscal year the date in a column lies in, from 1, by the caller's clock.

    None if the text is no date, or if that year is none of which Dataverse stores a day: by the caller's clock a date
    at the end of 9999 may lie in 10000.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    micros = (found.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    day = _caller_day(micros, zone) if form is Form.INSTANT else micros // MICROS_PER_DAY
    if not calendar.year_of(DAY_MIN) <= calendar.year_of(day) <= calendar.year_of(DAY_MAX):
        return None
    return calendar.period_of(day) % calendar.periods + 1


def _caller_day(instant: int, zone: tzinfo) -> int:
    """The day of an instant. Where clocks are set back over midnight, the next day has begun, and goes on."""
    clock = Clock.at(instant, zone)
    following = clock.today + 1
    return following if clock.moment_of(following * MICROS_PER_DAY) <= instant else clock.today
