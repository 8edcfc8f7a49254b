"""Operands that must be refused: too few, too many, of the wrong type or out of range; operators on the wrong types.

filters.md, section 3 for operands and types of operators, section 2 for values, section 11: each breach is an error.
"""

from collections.abc import Iterator

from conformance.reading import Json

FILE = "hostile-operands.jsonl"

# Operators without operand, each with an attribute that it applies to. Windows of time follow below.
LONE = {
    "null": "name",
    "not-null": "n",
    "eq-userid": "parentid",
    "ne-userid": "parentid",
    "eq-userteams": "parentid",
    "eq-useroruserteams": "parentid",
    "eq-useroruserhierarchy": "parentid",
    "eq-useroruserhierarchyandteams": "parentid",
    "eq-businessid": "parentid",
    "ne-businessid": "parentid",
    "eq-userlanguage": "n",
}
LONE_WINDOWS = (
    "yesterday today tomorrow last-seven-days next-seven-days last-week this-week next-week "
    "last-month this-month next-month last-year this-year next-year "
    "this-fiscal-year last-fiscal-year next-fiscal-year this-fiscal-period last-fiscal-period next-fiscal-period"
).split()
COUNTED = (
    "last-x-days next-x-days last-x-hours next-x-hours last-x-weeks next-x-weeks last-x-months next-x-months "
    "last-x-years next-x-years olderthan-x-minutes olderthan-x-hours olderthan-x-days olderthan-x-weeks "
    "olderthan-x-months olderthan-x-years last-x-fiscal-years last-x-fiscal-periods next-x-fiscal-years "
    "next-x-fiscal-periods"
).split()
NUMBERED = ["in-fiscal-year", "in-fiscal-period"]
PERIODS = ["in-fiscal-period-and-year", "in-or-before-fiscal-period-and-year", "in-or-after-fiscal-period-and-year"]
HOURS = ["last-x-hours", "next-x-hours", "olderthan-x-hours", "olderthan-x-minutes"]
PATTERNS = ["like", "not-like", "begins-with", "not-begin-with", "ends-with", "not-end-with"]
# Operators with one operand: an attribute that each applies to, and a right operand.
SINGLE = {
    **dict.fromkeys(["eq", "ne", "neq", "gt", "ge", "lt", "le"], ("n", "1")),
    **dict.fromkeys(PATTERNS, ("name", "a")),
    **dict.fromkeys(["on", "on-or-before", "on-or-after"], ("createdon", "2024-05-15")),
}
LISTS = {"in": "n", "not-in": "n", "contain-values": "acts", "not-contain-values": "acts"}
RANGES = ["between", "not-between"]

# Texts that are no value of an attribute's type.
WRONG_VALUES = {
    "n": ["abc", "", " ", "1.5", "0x10", "1 000", "2147483648", "-2147483649", "\uff11", "--1", "true"],
    "big": ["abc", "", "1.5", "9223372036854775808", "-9223372036854775809"],
    "amount": ["abc", "", "1,50", "$5", "NaN", "Infinity", "1.2.3", "0x1"],
    "dec": ["abc", "", "1,50", "NaN", "-inf", "1 000", "1e", "."],
    "dbl": ["abc", "", "1,5", "NaN", "nan", "inf", "-Infinity", "1e999", "1e"],
    "flag": ["yes", "no", "2", "-1", "", "on", "0.0"],
    "pick": ["Open", "", "1.5", "2147483648", "true"],
    "statecode": ["Active", "", "0.5", "null"],
    "acts": ["Call", "1.5", "1;2", "2147483648"],
    "createdon": [
        "yesterday",
        "",
        "2024-13-01",
        "2024-02-30",
        "2023-02-29",
        "1752-12-31",
        "0001-01-01T00:00:00Z",
        "10000-01-01",
        "15/05/2024",
        "2024-05-15T25:00:00Z",
        "2024-05-15T10:61:00Z",
        "2024-05-15T10:00:00+25:00",
        "2024-05-15T10:00:00 Europe/Copenhagen",
        "1715767800",
    ],
    "due": ["soon", "", "2024-02-30", "1752-12-31", "10000-01-01", "2024-05", "2024"],
    "parentid": [
        "Contoso",
        "",
        "1",
        "11111111-1111-4111-8111-11111111111",
        "11111111-1111-4111-8111-1111111111111",
        "g1111111-1111-4111-8111-111111111111",
        "{11111111-1111-4111-8111-111111111111",
    ],
}
RIGHT = {
    "name": "a",
    "description": "a",
    "n": "1",
    "big": "1",
    "amount": "1",
    "dec": "1",
    "dbl": "1",
    "flag": "1",
    "pick": "1",
    "statecode": "1",
    "acts": "1",
    "createdon": "2024-05-15",
    "due": "2024-05-15",
    "parentid": "11111111-1111-4111-8111-111111111111",
}
# Operators and the attributes that they do not apply to.
WRONG_TYPES = {
    **{pattern: [name for name in RIGHT if name not in ("name", "description")] for pattern in ("like", "not-like")},
    **{pattern: ["n", "pick", "createdon"] for pattern in PATTERNS[2:]},
    "gt": ["flag", "acts", "parentid"],
    "le": ["flag", "acts", "parentid"],
    "today": ["name", "n", "flag", "parentid"],
    "this-fiscal-year": ["name", "big"],
    "last-x-days": ["name", "n", "acts", "dec"],
    "olderthan-x-months": ["name", "amount"],
    "on": ["name", "n"],
    "in-fiscal-year": ["n", "name"],
    "contain-values": ["name", "n", "pick", "parentid"],
    "not-contain-values": ["name", "pick"],
    "eq-userid": ["name", "n", "createdon", "flag"],
    "ne-userid": ["name", "n"],
    "eq-userteams": ["name", "n"],
    "eq-useroruserteams": ["name", "n"],
    "eq-useroruserhierarchy": ["name", "pick"],
    "eq-useroruserhierarchyandteams": ["name", "pick"],
    "eq-businessid": ["name", "n"],
    "ne-businessid": ["name", "flag"],
    "eq-userlanguage": ["name", "createdon", "parentid"],
    "above": ["name", "n"],
    "eq-or-above": ["createdon"],
    "under": ["name", "n"],
    "eq-or-under": ["flag"],
    "not-under": ["name"],
    "between": ["flag", "acts", "parentid"],
    "not-between": ["flag", "acts"],
    **{operator: ["due"] for operator in HOURS},
}


class Lines:
    """Gathers cases, numbering those that would have one name."""

    def __init__(self) -> None:
        self.cases: list[dict[str, Json]] = []

    def add(self, category: str, name: str, note: str, condition: str) -> None:
        """Adds the case of one condition."""
        same = sum(str(case["id"]).startswith(f"{category}-{name}-") for case in self.cases)
        self.cases.append(
            {
                "id": f"{category}-{name}-{same + 1}",
                "note": note,
                "tags": [category],
                "category": category,
                "fetchxml": f"<filter><condition {condition}</filter>",
                "expect": "error",
            }
        )


def attributes(attribute: str, operator: str) -> str:
    """The two that every condition has."""
    return f"attribute='{attribute}' operator='{operator}'"


def element(*operands: str) -> str:
    """Operands as elements, and the condition's end."""
    return ">" + "".join(f"<value>{operand}</value>" for operand in operands) + "</condition>"


def surplus(lines: Lines) -> None:
    """More operands than the operator takes."""
    for operator, attribute in {**LONE, **dict.fromkeys(LONE_WINDOWS, "createdon")}.items():
        note = f"filters.md 3 and 11: {operator} takes no operand"
        lines.add("surplus", operator, note, f"{attributes(attribute, operator)} value='1'/>")
        lines.add("surplus", operator, note, attributes(attribute, operator) + element("1"))
    for operator, (attribute, operand) in SINGLE.items():
        note = f"filters.md 3 and 11: {operator} takes one operand"
        lines.add("surplus", operator, note, attributes(attribute, operator) + element(operand, operand))
        both = f"{attributes(attribute, operator)} value='{operand}'{element(operand)}"
        lines.add("surplus", operator, note, both)
    for operator in RANGES:
        note = f"filters.md 3: {operator} takes two operands"
        lines.add("surplus", operator, note, attributes("n", operator) + element("1", "2", "3"))
        lines.add("surplus", operator, note, f"{attributes('n', operator)} value='1'{element('1', '2')}")
    for operator in COUNTED:
        note = f"filters.md 3: {operator} takes one n"
        lines.add("surplus", operator, note, attributes("createdon", operator) + element("1", "2"))
    for operator in PERIODS:
        note = f"filters.md 3: {operator} takes a period and a year"
        lines.add("surplus", operator, note, attributes("createdon", operator) + element("1", "2024", "1"))


def missing(lines: Lines) -> None:
    """Fewer operands than the operator takes."""
    for operator, (attribute, _) in SINGLE.items():
        note = f"filters.md 3: {operator} requires 1 value, not 0"
        lines.add("missing", operator, note, attributes(attribute, operator) + "/>")
    for operator in [*COUNTED, *NUMBERED]:
        note = f"filters.md 3: {operator} requires n"
        lines.add("missing", operator, note, attributes("createdon", operator) + "/>")
    for operator, attribute in LISTS.items():
        note = f"filters.md 9 and 11: {operator} with no values is refused"
        lines.add("missing", operator, note, attributes(attribute, operator) + "/>")
        lines.add("missing", operator, note, f"{attributes(attribute, operator)} value=''/>")
    for operator in RANGES:
        note = f"filters.md 3: {operator} takes two operands"
        lines.add("missing", operator, note, attributes("n", operator) + "/>")
        lines.add("missing", operator, note, attributes("n", operator) + element("1"))
        lines.add("missing", operator, note, f"{attributes('n', operator)} value='1'/>")
    for operator in PERIODS:
        note = f"filters.md 3: {operator} takes a period and a year"
        lines.add("missing", operator, note, attributes("createdon", operator) + "/>")
        lines.add("missing", operator, note, attributes("createdon", operator) + element("1"))


def wrong_counts(lines: Lines) -> None:
    """What is no n, or none that the operator takes."""
    for operator in COUNTED:
        for n in ("0", "-1", "1.5", "abc", "", "99999999999999999999"):
            note = f"filters.md 3: {operator} takes a positive whole number, not {n or 'nothing'}"
            lines.add("count", operator, note, f"{attributes('createdon', operator)} value='{n}'/>")
    for operator in NUMBERED:
        for n in ("abc", "", "1.5", "99999999999999999999"):
            note = f"filters.md 3: {operator} takes a whole number, not {n or 'nothing'}"
            lines.add("count", operator, note, f"{attributes('createdon', operator)} value='{n}'/>")
    for operator in PERIODS:
        for period, year in (("Q1", "2024"), ("1", "FY24"), ("1.5", "2024"), ("", "2024"), ("1", "")):
            note = f"filters.md 3: {operator} takes whole numbers"
            lines.add("count", operator, note, attributes("createdon", operator) + element(period, year))


def wrong_values(lines: Lines) -> None:
    """Texts that are no value of the attribute's type, alone and among right ones."""
    for attribute, texts in WRONG_VALUES.items():
        for text in texts:
            note = f'filters.md 2 and 11: "{text}" is no value of {attribute}'
            lines.add("value", attribute, note, f"{attributes(attribute, 'eq')} value='{text}'/>")
        right, wrong = RIGHT[attribute], texts[0]
        note = f'filters.md 2 and 11: one of the values, "{wrong}", is none of {attribute}'
        if attribute not in ("createdon", "due"):
            lines.add("value", f"{attribute}-in", note, attributes(attribute, "in") + element(right, wrong))
        if attribute not in ("flag", "acts", "parentid", "pick", "statecode"):
            lines.add("value", f"{attribute}-between", note, attributes(attribute, "between") + element(right, wrong))
    for wrong in ("a", "1.5", "", "2147483648"):
        note = f'filters.md 2: "{wrong}" is no choice'
        lines.add("value", "acts-contain", note, attributes("acts", "contain-values") + element("1", wrong))


def wrong_types(lines: Lines) -> None:
    """Operators on attributes that they do not apply to."""
    for operator, names in WRONG_TYPES.items():
        for name in names:
            note = f"filters.md 3: {operator} does not apply to {name}"
            lines.add("type", operator, note, attributes(name, operator) + operand(operator, name))


def operand(operator: str, name: str) -> str:
    """What would be a right operand, if only the attribute were."""
    right = RIGHT[name]
    if operator in LONE or operator in LONE_WINDOWS:
        return "/>"
    if operator in COUNTED:
        return " value='1'/>"
    if operator in NUMBERED:
        return " value='2024'/>"
    if operator in LISTS:
        return element("1")
    if operator in RANGES:
        return element(right, right)
    if operator in ("above", "eq-or-above", "under", "eq-or-under", "not-under"):
        return f" value='{RIGHT['parentid']}'/>"
    return " value='2024-05-15'/>" if operator == "on" else f" value='{right}'/>"


def families() -> Iterator[Lines]:
    """Every family."""
    for family in (surplus, missing, wrong_counts, wrong_values, wrong_types):
        lines = Lines()
        family(lines)
        yield lines


def cases() -> list[dict[str, Json]]:
    """Every case of the file."""
    return [case for lines in families() for case in lines.cases]
