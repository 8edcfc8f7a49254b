"""Time windows: for each operator the wall clock's reading of its rule, and rows one second around each end.

The rules are those of filters.md, section 3. `today` is the caller's local midnight. A window's end is excluded.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from conformance.reading import Json

FILE = "filters-windows.jsonl"

USER_LOCAL, DATE_ONLY, INDEPENDENT = "datetime:userlocal", "datetime:dateonly", "datetime:timezoneindependent"
BEHAVIOURS = {"local": USER_LOCAL, "day": DATE_ONLY, "wall": INDEPENDENT}
NOW = timedelta(0)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)

# A wall clock, a distance from this moment, or no bound.
Bound = datetime | timedelta | None
Window = tuple[Bound, Bound]


@dataclass(frozen=True)
class Ask:
    """An operator, by whom and when."""

    operator: str
    now: str
    operand: str = ""
    zone: str = "UTC"
    week_start: int = 0

    @property
    def local(self) -> datetime:
        """The caller's wall clock, with its zone."""
        return datetime.fromisoformat(self.now).astimezone(ZoneInfo(self.zone))

    @property
    def today(self) -> datetime:
        """The wall clock's last midnight."""
        return midnight(self.local.date())


def midnight(day: date) -> datetime:
    """A day's first moment on the wall clock."""
    return datetime(day.year, day.month, day.day)


def months_on(moment: datetime, months: int) -> datetime:
    """So many months on; in a month that is shorter, its last day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))


def named_window(ask: Ask) -> Window | None:
    """Operators without operand."""
    today, month = ask.today, ask.today.replace(day=1)
    year = month.replace(month=1)
    # date.weekday() counts from Monday, weekstartday from Sunday.
    week = today - DAY * ((today.weekday() + 1 - ask.week_start) % 7)
    windows: dict[str, Window] = {
        "yesterday": (today - DAY, today),
        "today": (today, today + DAY),
        "tomorrow": (today + DAY, today + 2 * DAY),
        "last-seven-days": (today - 7 * DAY, NOW),
        "next-seven-days": (NOW, today + 8 * DAY),
        "last-week": (week - 7 * DAY, week),
        "this-week": (week, week + 7 * DAY),
        "next-week": (week + 7 * DAY, week + 14 * DAY),
        "last-month": (months_on(month, -1), month),
        "this-month": (month, months_on(month, 1)),
        "next-month": (months_on(month, 1), months_on(month, 2)),
        "last-year": (months_on(year, -12), year),
        "this-year": (year, months_on(year, 12)),
        "next-year": (months_on(year, 12), months_on(year, 24)),
    }
    return windows.get(ask.operator)


def counted_window(ask: Ask) -> Window | None:
    """Operators that count n units."""
    if not ask.operand.isdigit():
        return None
    n, today = int(ask.operand), ask.today
    minute = timedelta(seconds=ask.local.second)
    hour = minute + timedelta(minutes=ask.local.minute)
    windows: dict[str, Window] = {
        "last-x-hours": (-hour - n * HOUR, NOW),
        "next-x-hours": (NOW, n * HOUR),
        "last-x-days": (today - n * DAY, NOW),
        "next-x-days": (NOW, today + (n + 1) * DAY),
        "last-x-weeks": (today - 7 * n * DAY, NOW),
        "next-x-weeks": (NOW, today + (7 * n + 1) * DAY),
        "last-x-months": (months_on(today, -n), NOW),
        "next-x-months": (NOW, months_on(today + DAY, n)),
        "last-x-years": (months_on(today, -12 * n), NOW),
        "next-x-years": (NOW, months_on(today + DAY, 12 * n)),
        "olderthan-x-minutes": (None, -minute - timedelta(minutes=n)),
        "olderthan-x-hours": (None, -hour - n * HOUR),
        "olderthan-x-days": (None, today - n * DAY),
        "olderthan-x-weeks": (None, today - 7 * n * DAY),
        "olderthan-x-months": (None, months_on(today, -n)),
        "olderthan-x-years": (None, months_on(today, -12 * n)),
    }
    return windows.get(ask.operator)


def dated_window(ask: Ask) -> Window:
    """Operators that name a day."""
    day = midnight(date.fromisoformat(ask.operand))
    windows: dict[str, Window] = {
        "on": (day, day + DAY),
        "on-or-before": (None, day + DAY),
        "on-or-after": (day, None),
    }
    return windows[ask.operator]


def window(ask: Ask) -> Window:
    """From (included) and until (excluded)."""
    return named_window(ask) or counted_window(ask) or dated_window(ask)


def resolved(bound: Bound, ask: Ask, behaviour: str) -> datetime | None:
    """A bound as the column stores moments: UTC for user local ones, else the wall clock."""
    if behaviour == USER_LOCAL:
        if isinstance(bound, timedelta):
            return (ask.local.astimezone(UTC) + bound).replace(tzinfo=None)
        # A midnight that the clock skips is the moment of the jump; of two midnights the first counts.
        return bound and bound.replace(tzinfo=ZoneInfo(ask.zone)).astimezone(UTC).replace(tzinfo=None)
    return ask.local.replace(tzinfo=None) + bound if isinstance(bound, timedelta) else bound


def candidates(start: datetime | None, end: datetime | None, behaviour: str) -> Iterator[datetime]:
    """Moments on both sides of each end, in order."""
    if behaviour == DATE_ONLY:
        days = [bound + side * DAY for bound in (start, end) if bound for side in (-1, 0, 1)]
        yield from sorted({midnight(day.date()) for day in days})
    else:
        yield from sorted({bound + side for bound in (start, end) if bound for side in (-SECOND, NOW)})


def written(moment: datetime, behaviour: str) -> str:
    """A moment as a row has it."""
    if behaviour == DATE_ONLY:
        return moment.date().isoformat()
    return moment.isoformat() + ("Z" if behaviour == USER_LOCAL else "")


def case(name: str, ask: Ask, behaviour: str, note: str) -> dict[str, Json]:
    """The case that puts an operator to its own boundaries, and to NULL."""
    bounds = window(ask)
    start, end = (resolved(bound, ask, behaviour) for bound in bounds)
    if NOW in bounds and behaviour == DATE_ONLY:
        note += "; against this moment a day counts as its midnight"
    rows: list[Json] = [{"id": "null"}]
    expect: list[Json] = []
    for moment in candidates(start, end, behaviour):
        label = written(moment, behaviour)
        rows.append({"id": label, "moment": label})
        if (start is None or start <= moment) and (end is None or moment < end):
            expect.append(label)
    operand = f" value='{ask.operand}'" if ask.operand else ""
    context: dict[str, Json] = {"timezone": ask.zone}
    if ask.week_start:
        context["weekstart"] = ask.week_start
    return {
        "id": f"window-{name}",
        "note": f"filters.md 3, {ask.operator}: {note}",
        "tags": ["time", ask.operator],
        "now": ask.now,
        "context": context,
        "schema": {"moment": behaviour},
        "rows": rows,
        "fetchxml": f"<filter><condition attribute='moment' operator='{ask.operator}'{operand}/></filter>",
        "expect": expect,
    }


NAMED = (
    "yesterday today tomorrow last-seven-days next-seven-days last-week this-week next-week "
    "last-month this-month next-month last-year this-year next-year"
).split()
DAYS_COUNTED = [
    f"{side}-x-{unit}" for side in ("last", "next", "olderthan") for unit in "days weeks months years".split()
]
CLOCK_COUNTED = ["last-x-hours", "next-x-hours", "olderthan-x-hours", "olderthan-x-minutes"]
DATED = ["on", "on-or-before", "on-or-after"]


def each_behaviour() -> Iterator[dict[str, Json]]:
    """Every operator on every behaviour, at an evening in Copenhagen on which it is the same day in UTC."""
    for short, behaviour in BEHAVIOURS.items():
        for operator in [*NAMED, *DAYS_COUNTED, *DATED, *CLOCK_COUNTED]:
            if operator in CLOCK_COUNTED and behaviour == DATE_ONLY:
                continue
            operand = "2024-05-10" if operator in DATED else "" if operator in NAMED else "2"
            ask = Ask(operator, "2024-05-15T16:34:56Z", operand, "Europe/Copenhagen")
            yield case(f"{short}-{operator}", ask, behaviour, "both ends, and NULL is out")


# Where the local day is another one than in UTC, and where clocks jump: zone, moment, what happens.
JUMPS = [
    ("Europe/Copenhagen", "2024-03-31T20:15:00Z", "the day of 23 hours"),
    ("Europe/Copenhagen", "2024-10-27T22:30:00Z", "the day of 25 hours"),
    ("America/New_York", "2024-03-10T03:30:00Z", "the evening before the day of 23 hours; in UTC it has begun"),
    ("America/New_York", "2024-11-04T01:00:00Z", "the day of 25 hours; in UTC it is over"),
    ("Asia/Kolkata", "2024-05-15T19:00:00Z", "half an hour after a midnight that is none in UTC"),
    ("Australia/Lord_Howe", "2024-10-06T04:00:00Z", "a jump of half an hour forward"),
    ("Australia/Lord_Howe", "2024-04-07T01:00:00Z", "a jump of half an hour back"),
    ("America/Sao_Paulo", "2018-11-04T15:00:00Z", "a day without midnight, which begins at one o'clock"),
    ("America/Sao_Paulo", "2018-02-18T15:00:00Z", "the day after one that had its last hour twice"),
    ("Pacific/Auckland", "2024-09-28T20:00:00Z", "the day of 23 hours; in UTC it is the day before"),
    ("Pacific/Auckland", "2024-04-07T02:00:00Z", "the day of 25 hours"),
    ("America/Havana", "2024-11-03T18:00:00Z", "a day that has two midnights, of which it begins at the first"),
]
ON_JUMPS = [
    ("yesterday", ""),
    ("today", ""),
    ("tomorrow", ""),
    ("last-x-days", "1"),
    ("next-x-days", "1"),
    ("this-week", ""),
    ("olderthan-x-days", "1"),
]


def each_jump() -> Iterator[dict[str, Json]]:
    """Days and weeks around jumps of the clock."""
    for zone, now, what in JUMPS:
        place = f"{zone.split('/')[1].lower().replace('_', '-')}-{now[:10]}"
        for operator, operand in ON_JUMPS:
            yield case(f"{place}-{operator}", Ask(operator, now, operand, zone), USER_LOCAL, what)
        day = Ask("today", now, zone=zone).today.date().isoformat()
        yield case(f"{place}-on", Ask("on", now, day, zone), USER_LOCAL, what)
        yield case(f"{place}-wall-today", Ask("today", now, zone=zone), INDEPENDENT, f"the caller's wall clock; {what}")
        yield case(f"{place}-day-yesterday", Ask("yesterday", now, zone=zone), DATE_ONLY, f"the caller's day; {what}")


def each_week() -> Iterator[dict[str, Json]]:
    """Weeks from each first day, at a Sunday, a Monday and a Saturday."""
    for week_start in range(7):
        for operator, now in (
            ("this-week", "2024-05-12T12:00:00Z"),
            ("last-week", "2024-05-13T12:00:00Z"),
            ("next-week", "2024-05-18T12:00:00Z"),
        ):
            ask = Ask(operator, now, week_start=week_start)
            yield case(f"week-{week_start}-{operator}", ask, USER_LOCAL, "the week begins on the organization's day")


# Operator, n, moment, what is special.
CALENDAR = [
    ("last-x-months", "1", "2024-03-31T12:00:00Z", "a month before 31 March is 29 February"),
    ("last-x-months", "13", "2024-03-31T12:00:00Z", "13 months before 31 March is 28 February"),
    ("next-x-months", "1", "2024-01-30T12:00:00Z", "a month after 31 January, the day after today, is 29 February"),
    ("next-x-months", "1", "2024-01-31T12:00:00Z", "a month after 1 February, the day after today"),
    ("olderthan-x-months", "6", "2024-08-31T12:00:00Z", "six months before 31 August is 29 February"),
    ("last-x-years", "1", "2024-02-29T12:00:00Z", "a year before 29 February is 28 February"),
    ("next-x-years", "1", "2024-02-28T12:00:00Z", "a year after 29 February, the day after today, is 28 February"),
    ("olderthan-x-years", "4", "2024-02-29T12:00:00Z", "four years before a leap day is a leap day"),
    ("olderthan-x-years", "1", "2024-02-29T12:00:00Z", "a year before 29 February is 28 February"),
    ("last-month", "", "2024-03-31T12:00:00Z", "the whole of February in a leap year"),
    ("last-month", "", "2024-01-15T12:00:00Z", "December of the year before"),
    ("next-month", "", "2024-12-31T23:59:59Z", "January of the year after"),
    ("last-year", "", "2025-01-01T00:00:00Z", "the year has just begun"),
    ("this-year", "", "2024-12-31T23:59:59Z", "the year is about to end"),
    ("last-week", "", "2025-01-01T12:00:00Z", "a week that lies in the year before"),
    ("next-week", "", "2024-12-30T12:00:00Z", "a week that lies in the year after"),
    ("last-x-days", "1", "2024-05-15T00:00:00Z", "at midnight today is still empty"),
    ("next-x-days", "1", "2024-05-15T23:59:59Z", "today has one second left"),
    ("last-x-days", "366", "2024-12-31T12:00:00Z", "a leap year of days"),
    ("last-x-weeks", "1", "2024-05-15T12:00:00Z", "seven days, and what has passed of today"),
]


def each_calendar() -> Iterator[dict[str, Json]]:
    """Short months, leap days and turns of the year."""
    for operator, n, now, what in CALENDAR:
        name = f"calendar-{now[:10]}-{operator}" + (f"-{n}" if n else "")
        yield case(name, Ask(operator, now, n), USER_LOCAL, what)


CLOCKS = [
    ("last-x-hours", "1", "2024-05-15T10:10:30Z", "Asia/Kolkata", "the caller's hour began at 9:30 in UTC"),
    ("olderthan-x-hours", "3", "2024-05-15T10:50:30Z", "Asia/Kolkata", "the caller's hour began at 10:30 in UTC"),
    ("next-x-hours", "3", "2024-05-15T10:10:30Z", "Asia/Kolkata", "from now, to the second"),
    ("last-x-hours", "24", "2024-05-15T10:00:00Z", "UTC", "exactly at the beginning of an hour"),
    ("next-x-hours", "24", "2024-05-15T10:30:00Z", "UTC", "a day of hours"),
    ("olderthan-x-minutes", "1", "2024-05-15T10:30:59Z", "UTC", "now is cut to the minute"),
    ("olderthan-x-minutes", "90", "2024-05-15T00:30:00Z", "UTC", "across midnight"),
    ("olderthan-x-hours", "1", "2024-05-15T00:59:59Z", "UTC", "across midnight"),
]


def each_clock() -> Iterator[dict[str, Json]]:
    """Hours and minutes, which are cut on the caller's clock."""
    for operator, n, now, zone, what in CLOCKS:
        name = f"clock-{zone.split('/')[-1].lower()}-{operator}-{n}"
        yield case(name, Ask(operator, now, n, zone), USER_LOCAL, what)


def cases() -> list[dict[str, Json]]:
    """Every case of the file."""
    return [*each_behaviour(), *each_jump(), *each_week(), *each_calendar(), *each_clock()]
