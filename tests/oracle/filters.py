"""Random filters, each as FetchXML for Haversack and as SQL for the oracle: one choice, two spellings."""

import json
import random
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

WORDS = ["Ada", "ada ", "Bo", "café", "CAFE", "Zoé", "x_y", "100%", "ny", "Nyström", ""]
PLAIN_WORDS = [word for word in WORDS if word and "%" not in word]
PATTERNS = ["%a%", "caf_", "N%", "%", "_", "%o", "z%é"]
AFFIXES = ["a", "CAF", "é", "ny", "_", "o%"]
INTEGERS = [-2, 0, 1, 2, 3, 40]
AMOUNTS = ["0", "1.5", "1.50", "-2", "10", "9.99"]
CHOICES = [[1], [2], [1, 2], [2, 3], [1, 2, 3]]


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


def unless_null(column: str, sql: str) -> str:
    """A negative test, which NULL passes unless the organization says that it does not."""
    return f"({column} IS NULL AND :nulls OR {sql})"


def compared(draw: random.Random, attribute: str, values: list[object], column: str, operand: str) -> Filter:
    """A comparison; `operand` says how a literal is spelled in SQL."""
    operator = draw.choice(list(COMPARISONS))
    value = draw.choice(values)
    sql = f"{column} {COMPARISONS[operator]} {operand.format(sql_text(value))}"
    return condition(attribute, operator, value, unless_null(column, sql) if operator == "ne" else sql)


def sql_text(value: object) -> str:
    """A literal in SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def on_text(draw: random.Random) -> Filter:
    """Tests of the strings."""
    attribute = draw.choice(["name", "label"])
    column = f"rtrim(fold(t.{attribute}))"
    kind = draw.choice(["compare", "like", "affix", "in", "between", "null"])
    if kind == "like":
        pattern, operator = draw.choice(PATTERNS), draw.choice(["like", "not-like"])
        return _like(attribute, operator, pattern, pattern)
    if kind == "affix":
        affix, operator = draw.choice(AFFIXES), draw.choice(list(AFFIX_FORMS))
        return _like(attribute, operator, affix, AFFIX_FORMS[operator].format(affix))
    if kind == "in":
        values: list[object] = list(draw.sample(PLAIN_WORDS, 2))
        inside = ", ".join(f"rtrim(fold({sql_text(value)}))" for value in values)
        return either_in(draw, attribute, values, column, inside)
    if kind == "between":
        ends: list[object] = [draw.choice(PLAIN_WORDS) for _ in range(2)]
        low, high = (f"rtrim(fold({sql_text(end)}))" for end in ends)
        return either_between(draw, attribute, ends, column, f"{column} >= {low} AND {column} <= {high}")
    if kind == "null":
        return nullness(draw, attribute)
    operator = draw.choice(["eq", "ne"])
    value = draw.choice(WORDS[:5])
    sql = f"{column} {COMPARISONS[operator]} rtrim(fold({sql_text(value)}))"
    return condition(attribute, operator, value, sql if operator == "eq" else unless_null(column, sql))


AFFIX_FORMS = {"begins-with": "{}%", "not-begin-with": "{}%", "ends-with": "%{}", "not-end-with": "%{}"}


def _like(attribute: str, operator: str, operand: str, pattern: str) -> Filter:
    column = f"t.{attribute}"
    if operator.startswith("not-"):
        sql = unless_null(column, f"fold({column}) NOT LIKE fold({sql_text(pattern)})")
    else:
        sql = f"fold({column}) LIKE fold({sql_text(pattern)})"
    return condition(attribute, operator, operand, sql)


def either_in(draw: random.Random, attribute: str, values: list[object], column: str, inside: str) -> Filter:
    """`in`, or `not-in`, which NULL matches."""
    if draw.random() < 0.5:
        return listed(attribute, "in", values, f"{column} IN ({inside})")
    return listed(attribute, "not-in", values, unless_null(column, f"{column} NOT IN ({inside})"))


def either_between(draw: random.Random, attribute: str, ends: list[object], column: str, within: str) -> Filter:
    """`between`, or `not-between`, which NULL matches."""
    if draw.random() < 0.5:
        return listed(attribute, "between", ends, f"({within})")
    return listed(attribute, "not-between", ends, unless_null(column, f"NOT ({within})"))


def nullness(draw: random.Random, attribute: str) -> Filter:
    """`null` or `not-null`."""
    if draw.random() < 0.5:
        return condition(attribute, "null", None, f"t.{attribute} IS NULL")
    return condition(attribute, "not-null", None, f"t.{attribute} IS NOT NULL")


def on_integer(draw: random.Random) -> Filter:
    """Tests of the whole numbers."""
    attribute = draw.choice(["score", "rank"])
    column = f"t.{attribute}"
    kind = draw.choice(["in", "between", "compare", "compare"])
    values: list[object] = list(draw.sample(INTEGERS, 2))
    if kind == "in":
        return either_in(draw, attribute, values, column, ", ".join(map(str, values)))
    if kind == "between":
        return either_between(draw, attribute, values, column, f"{column} BETWEEN {values[0]} AND {values[1]}")
    return compared(draw, attribute, list(INTEGERS), column, "CAST({} AS INTEGER)")


def on_money(draw: random.Random) -> Filter:
    """Tests of the exact amount."""
    return compared(draw, "amount", list(AMOUNTS), "CAST(t.amount AS REAL)", "CAST({} AS REAL)")


def on_choices(draw: random.Random) -> Filter:
    """Tests of the set of choices."""
    chosen = draw.choice(CHOICES)
    column, values = "t.choices", ", ".join(map(str, chosen))
    overlap = f"EXISTS (SELECT 1 FROM json_each(t.choices) WHERE value IN ({values}))"
    same = f"{column} = {sql_text(json.dumps(chosen, separators=(',', ':')))}"
    return draw.choice(
        [
            listed("choices", "contain-values", list(chosen), overlap),
            listed("choices", "not-contain-values", list(chosen), f"({column} IS NULL AND :nulls OR {_not(overlap)})"),
            listed("choices", "in", list(chosen), same),
            listed("choices", "not-in", list(chosen), unless_null(column, f"NOT {same}")),
        ]
    )


def _not(overlap: str) -> str:
    return f"t.choices IS NOT NULL AND NOT {overlap}"


def on_two_attributes(draw: random.Random) -> Filter:
    """One attribute against another of the same type; NULL on the left passes `ne`."""
    kinds = {"name": "label", "score": "rank", "modifiedon": "due", "day": "day"}
    left = draw.choice(list(kinds))
    right, operator = kinds[left], draw.choice(list(COMPARISONS))
    shape = "rtrim(fold(t.{}))" if left == "name" else "t.{}"
    sql = f"{shape.format(left)} {COMPARISONS[operator]} {shape.format(right)}"
    xml = f'<condition attribute="{left}" operator="{operator}" valueof="{right}"/>'
    return Filter(xml, unless_null(f"t.{left}", sql) if operator == "ne" else sql)


PLAIN_LEAVES: list[Callable[[random.Random], Filter]] = [
    on_text,
    on_integer,
    on_money,
    on_choices,
    on_two_attributes,
]
