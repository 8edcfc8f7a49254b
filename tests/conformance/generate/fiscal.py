"""Fiscal windows: the year is cut by plain calendar arithmetic, and rows lie one second around each end.

filters.md, section 3, for the operators; the contract (model.proto, FiscalPeriod) for how a year is cut, and that it is
named after the calendar year in which it begins.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from conformance.generate.windows import (
    DATE_ONLY,
    DAY,
    INDEPENDENT,
    NOW,
    USER_LOCAL,
    Ask,
    Window,
    candidates,
    months_on,
    resolved,
    written,
)
from conformance.reading import Json

FILE = "filters-fiscal.jsonl"

MONTHS = {"annual": 12, "semester": 6, "quarter": 3, "month": 1}


@dataclass(frozen=True)
class Calendar:
    """How an organization cuts its years."""

    period: str = "quarter"
    start: str = "01-01"

    def year_start(self, year: int) -> datetime:
        """The first day of the fiscal year of this name."""
        return self._month(year, 0)

    def _month(self, year: int, months: int) -> datetime:
        """So many months after the year's beginning; always from the stated day, not from a clipped one."""
        month, day = map(int, self.start.split("-"))
        first = months_on(datetime(year, month, 1), months)
        return min(first + (day - 1) * DAY, months_on(first, 1) - DAY)

    def count(self) -> int:
        """Periods in a year."""
        return 13 if self.period == "fourweek" else 12 // MONTHS[self.period]

    def period_start(self, ordinal: int) -> datetime:
        """The first day of a period, counted from the first one of year 0; the 13th of four weeks takes the rest."""
        year, index = divmod(ordinal, self.count())
        if self.period == "fourweek":
            return self.year_start(year) + 28 * index * DAY
        return self._month(year, index * MONTHS[self.period])

    def year_of(self, day: datetime) -> int:
        """The fiscal year that a day lies in."""
        return max(year for year in (day.year - 1, day.year) if self.year_start(year) <= day)

    def period_of(self, day: datetime) -> int:
        """The period that a day lies in, as counted by `period_start`."""
        first = self.year_of(day) * self.count()
        return max(ordinal for ordinal in range(first, first + self.count()) if self.period_start(ordinal) <= day)

    def ordinal(self, period: int, year: int) -> int:
        """A period of a year as counted by `period_start`."""
        return year * self.count() + period - 1


def moving_window(calendar: Calendar, ask: Ask, n: int) -> Window | None:
    """Operators that move with the clock."""
    year, period = calendar.year_of(ask.today), calendar.period_of(ask.today)
    years, periods = calendar.year_start, calendar.period_start
    windows: dict[str, Window] = {
        "this-fiscal-year": (years(year), years(year + 1)),
        "last-fiscal-year": (years(year - 1), years(year)),
        "next-fiscal-year": (years(year + 1), years(year + 2)),
        "this-fiscal-period": (periods(period), periods(period + 1)),
        "last-fiscal-period": (periods(period - 1), periods(period)),
        "next-fiscal-period": (periods(period + 1), periods(period + 2)),
        "last-x-fiscal-years": (years(year - n), NOW),
        "next-x-fiscal-years": (NOW, years(year + n + 1)),
        "last-x-fiscal-periods": (periods(period - n), NOW),
        "next-x-fiscal-periods": (NOW, periods(period + n + 1)),
    }
    return windows.get(ask.operator)


def stated_window(calendar: Calendar, operator: str, period: int, year: int) -> Window:
    """Operators that name a year, and perhaps a period of it."""
    if operator == "in-fiscal-year":
        return calendar.year_start(year), calendar.year_start(year + 1)
    ordinal = calendar.ordinal(period, year)
    start, end = calendar.period_start(ordinal), calendar.period_start(ordinal + 1)
    windows: dict[str, Window] = {
        "in-fiscal-period-and-year": (start, end),
        "in-or-before-fiscal-period-and-year": (None, end),
        "in-or-after-fiscal-period-and-year": (start, None),
    }
    return windows[operator]


def condition(operator: str, operands: list[int]) -> str:
    """The filter: one operand as `value`, several as elements."""
    opening = f"<filter><condition attribute='moment' operator='{operator}'"
    if len(operands) > 1:
        values = "".join(f"<value>{operand}</value>" for operand in operands)
        return f"{opening}>{values}</condition></filter>"
    return opening + "".join(f" value='{operand}'" for operand in operands) + "/></filter>"


def case(
    name: str, calendar: Calendar, ask: Ask, *, operands: list[int], windows: list[Window], behaviour: str = USER_LOCAL
) -> dict[str, Json]:
    """The case that puts an operator to the ends of its windows, and to NULL."""
    ranges = [tuple(resolved(bound, ask, behaviour) for bound in window) for window in windows]
    rows: list[Json] = [{"id": "null"}]
    expect: list[Json] = []
    for moment in sorted({moment for start, end in ranges for moment in candidates(start, end, behaviour)}):
        label = written(moment, behaviour)
        rows.append({"id": label, "moment": label})
        if any((not start or start <= moment) and (not end or moment < end) for start, end in ranges):
            expect.append(label)
    return {
        "id": f"fiscal-{name}",
        "note": f"filters.md 3, {ask.operator}; model.proto: periods of the year from {calendar.start}",
        "tags": ["time", "fiscal", ask.operator],
        "now": ask.now,
        "context": {"timezone": ask.zone, "fiscal": {"start": calendar.start, "period": calendar.period}},
        "schema": {"moment": behaviour},
        "rows": rows,
        "fetchxml": condition(ask.operator, operands),
        "expect": expect,
    }


PERIOD_OPERATORS = ["this-fiscal-period", "last-fiscal-period", "next-fiscal-period"]
PERIODS_COUNTED = ["last-x-fiscal-periods", "next-x-fiscal-periods"]
YEAR_OPERATORS = ["this-fiscal-year", "last-fiscal-year", "next-fiscal-year"]
YEARS_COUNTED = ["last-x-fiscal-years", "next-x-fiscal-years"]
STATED = ["in-fiscal-period-and-year", "in-or-before-fiscal-period-and-year", "in-or-after-fiscal-period-and-year"]
BASE = Ask("", "2024-05-15T10:30:00Z")


def moving(name: str, calendar: Calendar, ask: Ask, behaviour: str = USER_LOCAL, n: int = 0) -> dict[str, Json]:
    """A case of an operator that moves with the clock."""
    found = moving_window(calendar, ask, n)
    assert found is not None, ask.operator
    return case(name, calendar, ask, operands=[n] if n else [], windows=[found], behaviour=behaviour)


def stated(name: str, calendar: Calendar, ask: Ask, period: int, year: int) -> dict[str, Json]:
    """A case of an operator that names a period of a year."""
    window = stated_window(calendar, ask.operator, period, year)
    return case(name, calendar, ask, operands=[period, year], windows=[window])


def each_period_type() -> Iterator[dict[str, Json]]:
    """Every operator on periods, for every type of period, in years from April: now is in the first one or two."""
    for period in [*MONTHS, "fourweek"]:
        calendar = Calendar(period, "04-01")
        for operator in PERIOD_OPERATORS:
            yield moving(f"{period}-{operator}", calendar, replace(BASE, operator=operator))
        for operator in PERIODS_COUNTED:
            yield moving(f"{period}-{operator}", calendar, replace(BASE, operator=operator), n=3)
        for operator in STATED:
            ask = replace(BASE, operator=operator)
            yield stated(f"{period}-{operator}", calendar, ask, calendar.count(), 2023)
        ask = replace(BASE, operator="in-fiscal-period")
        windows = [stated_window(calendar, STATED[0], 1, year) for year in (1999, 2023, 2024)]
        if calendar.count() > 1:
            yield case(f"{period}-in-fiscal-period", calendar, ask, operands=[1], windows=windows)


def each_year() -> Iterator[dict[str, Json]]:
    """Operators on years, before and after the year's beginning."""
    moments = [("01-01", "2024-05-15T10:30:00Z"), ("07-01", "2024-06-30T23:00:00Z"), ("07-01", "2024-07-01T00:00:00Z")]
    for start, now in moments:
        calendar = Calendar("quarter", start)
        place = f"{start}-at-{now[:10]}"
        for operator in YEAR_OPERATORS:
            yield moving(f"{place}-{operator}", calendar, Ask(operator, now))
        for operator in YEARS_COUNTED:
            yield moving(f"{place}-{operator}", calendar, Ask(operator, now), n=2)
        ask = Ask("in-fiscal-year", now)
        windows = [stated_window(calendar, ask.operator, 0, 2023)]
        yield case(f"{place}-in-fiscal-year", calendar, ask, operands=[2023], windows=windows)


def each_turn() -> Iterator[dict[str, Json]]:
    """Periods across the turn of the year, and years that begin on a day that not every month has."""
    for period in ("month", "quarter", "fourweek"):
        calendar = Calendar(period)
        for operator, now in (
            ("last-fiscal-period", "2024-01-01T00:00:00Z"),
            ("next-fiscal-period", "2024-12-31T12:00:00Z"),
        ):
            yield moving(f"{period}-turn-{operator}", calendar, Ask(operator, now))
    ends = Calendar("month", "01-31")
    for now in ("2024-02-28T12:00:00Z", "2024-02-29T12:00:00Z", "2024-04-30T00:00:00Z", "2024-01-30T12:00:00Z"):
        yield moving(f"from-the-31st-at-{now[:10]}", ends, Ask("this-fiscal-period", now))
    last = Calendar("fourweek")
    for year, days in ((2023, 29), (2024, 30)):
        yield stated(f"fourweek-rest-of-{days}-days", last, replace(BASE, operator=STATED[0]), 13, year)


def each_zone() -> Iterator[dict[str, Json]]:
    """The caller's clock, and the other behaviours."""
    calendar = Calendar("quarter", "04-01")
    # In Copenhagen the fiscal year has begun, in UTC it has not.
    ask = Ask("this-fiscal-period", "2024-03-31T22:30:00Z", zone="Europe/Copenhagen")
    for behaviour in (USER_LOCAL, DATE_ONLY, INDEPENDENT):
        for operator in ("this-fiscal-period", "last-fiscal-year", "last-x-fiscal-periods"):
            n = 1 if "-x-" in operator else 0
            name = f"copenhagen-{behaviour.removeprefix('datetime:')}-{operator}"
            yield moving(name, calendar, replace(ask, operator=operator), behaviour, n)


def cases() -> list[dict[str, Json]]:
    """Every case of the file."""
    return [*each_period_type(), *each_year(), *each_turn(), *each_zone()]
