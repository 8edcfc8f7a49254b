"""Random filters, each as FetchXML for Haversack and as SQL for the oracle: one choice, two spellings."""

import random
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

WORDS = ["Ada", "ada ", "Bo", "café", "CAFE", "Zoé", "x_y", "100%", "ny", "Nyström", ""]
PATTERNS = ["%a%", "caf_", "N%", "%", "_", "%o", "z%é"]
INTEGERS = [-2, 0, 1, 2, 3, 40]
AMOUNTS = ["0", "1.5", "1.50", "-2", "10", "9.99"]
FILTER_DEPTH_MAX = 3


@dataclass(frozen=True)
class Filter:
    """A filter in both spellings; `sql` refers to the columns of the table `t` and to the caller's parameters."""

    fetch_xml: str
    sql: str


def fold(text: str | None) -> str | None:
    """Folds case and accents, as the default collation compares."""
    if text is None:
        return None
    bare = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
    return bare.casefold()


def local_midnight(now: datetime, zone: ZoneInfo, days_ago: int) -> datetime:
    """The start of the caller's day, so many days ago."""
    day = now.astimezone(zone).date() - timedelta(days=days_ago)
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def condition(attribute: str, operator: str, value: object | None, sql: str) -> Filter:
    """A condition with at most one operand."""
    operand = "" if value is None else f" value={quoteattr(str(value))}"
    return Filter(f"<condition attribute={quoteattr(attribute)} operator={quoteattr(operator)}{operand}/>", sql)


def listed(attribute: str, operator: str, values: list[object], sql: str) -> Filter:
    """A condition with a list of operands."""
    inner = "".join(f"<value>{value}</value>" for value in values)
    opening = f"<condition attribute={quoteattr(attribute)} operator={quoteattr(operator)}>"
    return Filter(f"{opening}{inner}</condition>", sql)


COMPARISONS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def compared(draw: random.Random, attribute: str, values: list[object], column: str, operand: str) -> Filter:
    """A comparison; `operand` says how a literal is spelled in SQL."""
    operator = draw.choice(list(COMPARISONS))
    value = draw.choice(values)
    sql = f"{column} {COMPARISONS[operator]} {operand.format(sql_text(value))}"
    if operator == "ne":
        sql = f"({column} IS NULL OR {sql})"
    return condition(attribute, operator, value, sql)


def sql_text(value: object) -> str:
    """A literal in SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def on_text(draw: random.Random) -> Filter:
    """Tests of the string attribute."""
    column = "rtrim(fold(t.name))"
    kind = draw.choice(["compare", "like", "in", "null"])
    if kind == "like":
        pattern = draw.choice(PATTERNS)
        return condition("name", "like", pattern, f"fold(t.name) LIKE fold({sql_text(pattern)})")
    if kind == "in":
        values: list[object] = draw.sample([word for word in WORDS if word and "%" not in word], 2)
        inside = ", ".join(f"rtrim(fold({sql_text(value)}))" for value in values)
        return either_in(draw, "name", values, column, inside)
    if kind == "null":
        return nullness(draw, "name")
    operator = draw.choice(["eq", "ne"])
    value = draw.choice(WORDS[:5])
    sql = f"{column} {COMPARISONS[operator]} rtrim(fold({sql_text(value)}))"
    return condition("name", operator, value, sql if operator == "eq" else f"(t.name IS NULL OR {sql})")


def either_in(draw: random.Random, attribute: str, values: list[object], column: str, inside: str) -> Filter:
    """`in`, or `not-in`, which NULL matches."""
    if draw.random() < 0.5:
        return listed(attribute, "in", values, f"{column} IN ({inside})")
    return listed(attribute, "not-in", values, f"({column} IS NULL OR {column} NOT IN ({inside}))")


def nullness(draw: random.Random, attribute: str) -> Filter:
    """`null` or `not-null`."""
    if draw.random() < 0.5:
        return condition(attribute, "null", None, f"t.{attribute} IS NULL")
    return condition(attribute, "not-null", None, f"t.{attribute} IS NOT NULL")


def on_integer(draw: random.Random) -> Filter:
    """Tests of the whole number."""
    if draw.random() < 0.3:
        values: list[object] = draw.sample(INTEGERS, 2)
        return either_in(draw, "score", values, "t.score", ", ".join(map(str, values)))
    return compared(draw, "score", list(INTEGERS), "t.score", "CAST({} AS INTEGER)")


def on_money(draw: random.Random) -> Filter:
    """Tests of the exact amount."""
    return compared(draw, "amount", list(AMOUNTS), "CAST(t.amount AS REAL)", "CAST({} AS REAL)")


def on_time(draw: random.Random) -> Filter:
    """The window that moves with the clock; `:midnight_N` is the oracle's parameter."""
    days = draw.choice([1, 2, 5])
    return condition("modifiedon", "last-x-days", days, f"(t.modifiedon >= :midnight_{days} AND t.modifiedon < :now)")


def on_caller(draw: random.Random) -> Filter:
    """Tests that depend on who asks."""
    return draw.choice(
        [
            condition("ownerid", "eq-userid", None, "t.ownerid = :user"),
            condition("ownerid", "eq-userteams", None, "t.ownerid IN (SELECT teamid FROM my_teams)"),
            condition("owningbusinessunit", "eq-businessid", None, "t.owningbusinessunit = :unit"),
        ]
    )


LEAVES: list[Callable[[random.Random], Filter]] = [on_text, on_integer, on_money, on_time]


def leaf(draw: random.Random, *, owned: bool) -> Filter:
    """One condition."""
    return draw.choice([*LEAVES, on_caller] if owned else LEAVES)(draw)


def group(draw: random.Random, *, owned: bool, depth: int = 1, size_max: int = 3) -> Filter:
    """A `<filter>` of conditions and, down to the limit, further filters."""
    join = draw.choice(["and", "or"])
    parts = [
        group(draw, owned=owned, depth=depth + 1)
        if depth < FILTER_DEPTH_MAX and draw.random() < 0.25
        else leaf(draw, owned=owned)
        for _ in range(draw.randint(1, size_max))
    ]
    xml = f'<filter type="{join}">' + "".join(part.fetch_xml for part in parts) + "</filter>"
    return Filter(xml, "(" + f" {join.upper()} ".join(part.sql for part in parts) + ")")
