"""Random tests of dates, as FetchXML and as SQL over the caller's local days.

`local_day` is a function that the oracle gives to SQLite: the day of an instant in the caller's zone. `:today` is that
of asking, `:now` the instant, `:week` the day on which weeks begin.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from oracle.filters import Filter, condition, either_between, listed

INSTANTS = ["modifiedon", "due"]


def on_dates(draw: random.Random) -> Filter:
    """Some test of some date."""
    attribute = draw.choice([*INSTANTS, "day"])
    return draw.choice(_KINDS)(draw, attribute)


def _day(attribute: str) -> str:
    return "t.day" if attribute == "day" else f"local_day(t.{attribute})"


def _past(attribute: str) -> str:
    """Before now; a day counts as its beginning, so that today is past."""
    return "t.day <= :today" if attribute == "day" else f"t.{attribute} < :now"


def _week(day: str) -> str:
    return f"date({day}, '-' || ((strftime('%w', {day}) - :week + 7) % 7) || ' days')"


def _calendar(draw: random.Random, attribute: str) -> Filter:
    """A day, week, month or year: the last, this or the next one."""
    day, step = _day(attribute), draw.choice([-1, 0, 1])
    name = ("last", "this", "next")[step + 1]
    unit = draw.choice(["day", "week", "month", "year"])
    if unit == "day":
        operator = ("yesterday", "today", "tomorrow")[step + 1]
        return condition(attribute, operator, None, f"{day} = date(:today, '{step} days')")
    if unit == "week":
        return condition(attribute, f"{name}-week", None, f"{_week(day)} = date({_week(':today')}, '{7 * step} days')")
    form = "%Y-%m" if unit == "month" else "%Y"
    that = f"strftime('{form}', :today, 'start of {unit}', '{step} {unit}s')"
    return condition(attribute, f"{name}-{unit}", None, f"strftime('{form}', {day}) = {that}")


def _counted(draw: random.Random, attribute: str) -> Filter:
    """So many days or weeks back or ahead, or longer ago."""
    count, unit = draw.choice([1, 2, 5]), draw.choice(["days", "weeks"])
    days = count * (7 if unit == "weeks" else 1)
    day, past = _day(attribute), _past(attribute)
    last = f"({day} >= date(:today, '-{days} days') AND {past})"
    following = f"(NOT ({past}) AND {day} <= date(:today, '+{days} days'))"
    older = f"{day} < date(:today, '-{days} days')"
    kind, sql = draw.choice([("last-x", last), ("last-x", last), ("next-x", following), ("olderthan-x", older)])
    if days == 7 and draw.random() < 0.5 and kind != "olderthan-x":
        return condition(attribute, f"{kind.removesuffix('-x')}-seven-days", None, sql)
    return condition(attribute, f"{kind}-{unit}", count, sql)


def _on(draw: random.Random, attribute: str) -> Filter:
    """A fixed day."""
    date = (datetime.now(UTC) + timedelta(days=draw.randint(-4, 2))).date().isoformat()
    operator, compared = draw.choice([("on", "="), ("on-or-before", "<="), ("on-or-after", ">=")])
    return condition(attribute, operator, date, f"{_day(attribute)} {compared} '{date}'")


def _between(draw: random.Random, attribute: str) -> Filter:
    """Two fixed dates; those of instants are whole days of the caller, whatever the clocks do in between."""
    ends = [(datetime.now(UTC) + timedelta(days=draw.randint(-5, 3))).date().isoformat() for _ in range(2)]
    low, high = ends
    within = f"{_day(attribute)} >= '{low}' AND {_day(attribute)} <= '{high}'"
    return either_between(draw, attribute, list(ends), f"t.{attribute}", within)


def _moment(draw: random.Random, attribute: str) -> Filter:
    """An instant, by its own offset, or a list of them that cannot be."""
    if attribute == "day":
        return listed(attribute, "null", [], "t.day IS NULL") if draw.random() < 0.2 else _on(draw, attribute)
    moment = datetime.now(UTC) + timedelta(hours=draw.randint(-100, 50))
    operator, compared = draw.choice([("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<=")])
    written = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return condition(attribute, operator, written, f"t.{attribute} {compared} '{moment:%Y-%m-%d %H:%M:%S}'")


_KINDS: list[Callable[[random.Random, str], Filter]] = [_calendar, _counted, _counted, _on, _between, _moment]
