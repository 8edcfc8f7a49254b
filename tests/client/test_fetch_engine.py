"""Conditions made at random mean on a device what they mean to the server's engine, or are refused by both."""

import re
from typing import Any
from xml.sax.saxutils import escape

from client import test_fetch_cases as device
from conformance import filter_cases as engine
from haversack_client import FetchError
from haversack_client._fetch._conditions import OPERATORS
from haversack_server._core import CoreError
from hypothesis import given, settings
from hypothesis import strategies as st

ENDS = ("1753-01-01", "1753-01-02", "1753-12-31", "2009-11-01", "2024-05-15", "9998-12-31", "9999-01-01", "9999-12-31")
TIMES = ("00:00:00", "02:45:00", "10:30:00", "12:00:00", "22:00:00", "23:59:59")
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Apia")
STARTS = ("01-01", "02-29", "04-01", "10-31", "11-01", "12-31")
PERIODS = ("annual", "semester", "quarter", "month", "fourweek")
DATES = {"i": "datetime:userlocal", "w": "datetime:timezoneindependent", "d": "datetime:dateonly"}
CALENDAR = sorted(name for name in OPERATORS if re.search("day|week|month|year|hour|minute|fiscal|^on|morrow", name))
LETTERS = "aAz%_[]^-é\u0301\u0308\u0338\u0345ßẞﬅﬆİ\u0131IΣςǰ\u212aがか\u3099<&|😀\n "
NUMBERS = {"n": "integer", "b": "bigint", "c": "decimal", "m": "money", "f": "double", "k": "picklist"}

moments = st.builds("{}T{}Z".format, st.sampled_from(ENDS), st.sampled_from(TIMES))
counts = st.sampled_from(("1", "2", "4", "12", "13", "366", "8246", "99999", "100000", "+5", "0"))
years = st.sampled_from(("1752", "1753", "2024", "9998", "9999", "10000"))
numerals = st.from_regex(
    r"[-+]?[0-9]{0,3}\.?0?[0-9]{0,2}([eE][-+]?[0-9]{1,2})?", fullmatch=True, alphabet="+-.0123456789eE"
)


def condition(attribute: str, operator: str, values: list[str]) -> str:
    one = len(values) == 1 and operator not in ("in", "not-in")
    attributes = f"attribute='{attribute}' operator='{operator}'"
    if one:
        return f"<condition {attributes} value='{quoted(values[0])}'/>"
    return f"<condition {attributes}>{''.join(f'<value>{quoted(each)}</value>' for each in values)}</condition>"


def quoted(text: str) -> str:
    return escape(text, {"'": "&apos;", "\n": "&#10;"})


@st.composite
def date_conditions(draw: st.DrawFn) -> str:
    operator = draw(st.sampled_from([*CALENDAR, "eq", "ne", "gt", "ge", "lt", "le", "between"]))
    takes = OPERATORS[operator].takes.name
    dates = st.one_of(moments, st.sampled_from(ENDS))
    value = {"ONE": dates if operator.startswith("on") or len(operator) == 2 else counts}.get(takes, dates)
    values = {
        "NOTHING": st.just([]),
        "PERIOD": st.tuples(counts, years).map(list),
        "TWO": st.lists(dates, min_size=2, max_size=2),
    }
    value = years if operator == "in-fiscal-year" else value
    return condition(draw(st.sampled_from("iwd")), operator, draw(values.get(takes, value.map(lambda one: [one]))))


@st.composite
def of_dates(draw: st.DrawFn) -> dict[str, Any]:
    found = draw(st.lists(moments, min_size=4, max_size=12))
    return {
        "schema": DATES,
        "rows": [{"id": str(at), "i": it, "w": it, "d": f"{it[:10]}T00:00:00Z"} for at, it in enumerate(found)],
        "context": {
            "timezone": draw(st.sampled_from(ZONES)),
            "weekstart": draw(st.integers(0, 6)),
            "fiscal": {"start": draw(st.sampled_from(STARTS)), "period": draw(st.sampled_from(PERIODS))},
        },
        "now": draw(st.sampled_from(["2024-05-15T10:30:00Z", "9999-12-31T23:59:59Z", "2009-11-01T02:45:00Z"])),
        "fetchxml": f"<filter>{draw(date_conditions())}</filter>",
    }


@st.composite
def of_texts(draw: st.DrawFn) -> dict[str, Any]:
    texts = st.text(LETTERS, max_size=6)
    sets = st.text(LETTERS.replace("]", ""), max_size=3).map(lambda inside: f"[{inside}]")
    patterns = st.lists(st.one_of(sets, st.sampled_from("%_"), texts), max_size=4).map("".join)
    likes = ("like", "not-like", "begins-with", "not-begin-with", "ends-with", "not-end-with", "eq", "gt", "in")
    return {
        "schema": {"s": "string"},
        "rows": [{"id": str(at), "s": text} for at, text in enumerate(draw(st.lists(texts, min_size=8, max_size=24)))],
        "context": {"collation": draw(st.sampled_from(("CI_AI", "CI_AS")))},
        "fetchxml": f"<filter>{condition('s', draw(st.sampled_from(likes)), [draw(patterns)])}</filter>",
    }


@st.composite
def of_numbers(draw: st.DrawFn) -> dict[str, Any]:
    rows = [
        {"n": n, "b": n, "c": str(n), "m": f"{n}.5", "f": n / 2, "k": n} for n in (-100, -1, 0, 1, 5, 10, 100, 1000)
    ]
    operators = st.sampled_from(("eq", "ne", "gt", "le", "in", "not-in"))
    asked = condition(draw(st.sampled_from(sorted(NUMBERS))), draw(operators), [draw(numerals)])
    return {
        "schema": NUMBERS,
        "rows": [{"id": str(at), **row} for at, row in enumerate(rows)],
        "fetchxml": f"<filter>{asked}</filter>",
    }


def answers(case: Any) -> tuple[list[str] | None, list[str] | None]:
    """What engine and device answer; None if it is refused."""
    try:
        mine: list[str] | None = device.answer(case)
    except FetchError:
        mine = None
    try:
        theirs: list[str] | None = engine.answer(case)
    except CoreError:
        theirs = None
    return theirs, mine


@settings(deadline=None)
@given(of_dates())
def test_dates_to_both_ends_of_the_calendar(case: dict[str, Any]) -> None:
    theirs, mine = answers(case)
    assert mine == theirs


@settings(deadline=None)
@given(of_texts())
def test_patterns_and_letters(case: dict[str, Any]) -> None:
    theirs, mine = answers(case)
    assert mine == theirs


@settings(deadline=None)
@given(of_numbers())
def test_numbers(case: dict[str, Any]) -> None:
    theirs, mine = answers(case)
    assert mine == theirs
