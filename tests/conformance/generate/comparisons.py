"""Comparisons: every operator on every type that it applies to, with NULL, below, at and above its operands.

filters.md, section 1 for NULL, section 2 for how values of a type compare, section 3 for operators and types. Values
are listed in ascending order and operands say which of them they spell, so that expectations are a matter of places.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from conformance.reading import Json

FILE = "filters-comparisons.jsonl"


@dataclass(frozen=True)
class Type:
    """A type: distinct values, ascending where they order, and two operands, each with the place that it spells."""

    name: str
    values: list[Json]
    low: str
    high: str
    low_at: int = 1
    high_at: int = 3


A, B, C, D = (f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "abcd")

NUMBERS = [
    Type("integer", [-2147483648, -1, 0, 7, 2147483647], "-1", "7"),
    Type(
        "bigint",
        [-9223372036854775808, -4294967296, 0, 4294967296, 9223372036854775807],
        "-4294967296",
        "4294967296",
    ),
    Type("decimal", ["-10.000001", "-10", "0", "10", "10.000001"], "-10.00", "10.0"),
    Type("money", ["-0.01", "0", "0.99", "1", "922337203685477.58"], "0.00", "1.0000"),
    Type("double", [-1e300, -0.5, 0, 0.1, 1e300], "-0.5", "0.1"),
]
CHOICES = [
    Type("picklist", [1, 2, 3, 100000000, 100000001], "2", "100000000"),
    Type("state", [0, 1, 2, 3, 4], "1", "3"),
    Type("status", [-1, 1, 2, 5, 6], "1", "5"),
]
TEXTS = [
    Type("string", ["Ada", "BO", "cy", "Di", "eve"], "bo", "DI"),
    Type("memo", ["10", "2", "a", "B", "c"], "2", "b"),
]
DATES = [
    Type(
        "datetime:userlocal",
        [
            "1753-01-01T00:00:00Z",
            "2024-02-29T23:59:59Z",
            "2024-03-01T00:00:00Z",
            "2024-03-01T00:00:01Z",
            "9999-12-30T23:59:59Z",
        ],
        "2024-02-29T23:59:59Z",
        "2024-03-01T00:00:01Z",
    ),
    Type(
        "datetime:dateonly",
        ["1753-01-01", "2024-02-28", "2024-02-29", "2024-03-01", "9999-12-30"],
        "2024-02-28",
        "2024-03-01",
    ),
    Type(
        "datetime:timezoneindependent",
        [
            "1753-01-01T00:00:00",
            "2024-02-29T23:59:59",
            "2024-03-01T00:00:00",
            "2024-03-01T00:00:01",
            "9999-12-30T23:59:59",
        ],
        "2024-02-29T23:59:59",
        "2024-03-01T00:00:01",
    ),
]
IDS = [
    Type("lookup", [A, B, C, D], "{" + B.upper() + "}", D.upper()),
    Type("owner", [A, B, C, D], B.upper(), "{" + D + "}"),
    Type("uniqueidentifier", [A.upper(), B.upper(), C, D], "{" + B + "}", D),
]
BOOLEAN = Type("boolean", [False, True], "1", "false", low_at=1, high_at=0)
SETS = Type("multiselectpicklist", [[1], [2], [3, 2], [4], [2, 3, 1]], "2", "4")

ORDERED = [*NUMBERS, *CHOICES, *TEXTS, *DATES]
EQUATED = [*ORDERED, *IDS, BOOLEAN, SETS]
LISTED = [*NUMBERS, *CHOICES, *TEXTS, *IDS, BOOLEAN]
RANGED = [*NUMBERS, *TEXTS, *DATES]

ORDERS: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "neq": lambda left, right: left != right,
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
}
# Operators that any two values can answer, ordered or not.
EQUALITIES = ("eq", "ne", "neq")
# filters.md 1: NULL matches every negative operator.
NEGATIVE = {"ne", "neq", "not-in", "not-between", "null"}


def case(kind: Type, operator: str, condition: str, places: set[int]) -> dict[str, Json]:
    """The case of one operator on one type, which the values at these places match."""
    expect: list[Json] = ["null"] if operator in NEGATIVE else []
    expect += [f"r{place}" for place in sorted(places)]
    null = "matches" if operator in NEGATIVE else "does not match"
    return {
        "id": f"compare-{kind.name.removeprefix('datetime:')}-{operator}",
        "note": f"filters.md 2 and 3, {operator} on {kind.name}; filters.md 1: NULL {null}",
        "tags": ["comparison", operator, kind.name],
        "schema": {"x": kind.name},
        "rows": [{"id": "null"}, *({"id": f"r{place}", "x": value} for place, value in enumerate(kind.values))],
        "fetchxml": f"<filter><condition attribute='x' operator='{operator}'{condition}</filter>",
        "expect": expect,
    }


def elements(*operands: str) -> str:
    """Operands as elements."""
    return ">" + "".join(f"<value>{operand}</value>" for operand in operands) + "</condition>"


def each_comparison() -> Iterator[dict[str, Json]]:
    """Operators with one operand, and with none."""
    for kind in EQUATED:
        everything = set(range(len(kind.values)))
        yield case(kind, "null", "/>", set())
        yield case(kind, "not-null", "/>", everything)
        for operator, holds in ORDERS.items():
            if kind in ORDERED or operator in EQUALITIES:
                places = {place for place in everything if holds(place, kind.low_at)}
                yield case(kind, operator, f" value='{kind.low}'/>", places)


def each_list() -> Iterator[dict[str, Json]]:
    """Operators with several operands."""
    for kind in LISTED:
        everything, listed = set(range(len(kind.values))), {kind.low_at, kind.high_at}
        yield case(kind, "in", elements(kind.high, kind.low), listed)
        yield case(kind, "not-in", elements(kind.high, kind.low), everything - listed)
    for kind in RANGED:
        everything, between = set(range(len(kind.values))), set(range(kind.low_at, kind.high_at + 1))
        yield case(kind, "between", elements(kind.low, kind.high), between)
        yield case(kind, "not-between", elements(kind.low, kind.high), everything - between)


def each_column_comparison() -> Iterator[dict[str, Json]]:
    """`valueof`: two columns, each side greater, equal or NULL."""
    for kind in EQUATED:
        if kind == SETS:
            continue
        low, high = sorted((kind.low_at, kind.high_at))
        rows = {"less": (low, high), "equal": (high, high), "greater": (high, low)}
        for operator, holds in ORDERS.items():
            if operator == "neq" or (kind not in ORDERED and operator not in EQUALITIES):
                continue
            # A NULL on the left is unequal to everything, NULL included; all else is unknown.
            expect: list[Json] = [label for label, pair in rows.items() if holds(*pair)]
            expect += ["left null", "both null"] if operator == "ne" else []
            yield {
                "id": f"valueof-{kind.name.removeprefix('datetime:')}-{operator}",
                "note": f"filters.md 1 and 4, valueof: {operator} of two {kind.name} columns, NULL on either side",
                "tags": ["valueof", operator, kind.name],
                "schema": {"x": kind.name, "y": kind.name},
                "rows": [
                    *({"id": label, "x": kind.values[x], "y": kind.values[y]} for label, (x, y) in rows.items()),
                    {"id": "left null", "y": kind.values[low]},
                    {"id": "right null", "x": kind.values[low]},
                    {"id": "both null"},
                ],
                "fetchxml": f"<filter><condition attribute='x' operator='{operator}' valueof='y'/></filter>",
                "expect": expect,
            }


def cases() -> list[dict[str, Json]]:
    """Every case of the file."""
    return [*each_comparison(), *each_list(), *each_column_comparison()]
