"""One condition as SQL: its operator, which attributes it is for, what it takes, and what NULL does.

NULL matches every negative operator and no other, unless the organization says that it never matches.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from haversack_client import _tables as sql
from haversack_client._errors import FetchError
from haversack_client._fetch import _fiscal
from haversack_client._fetch._caller import Caller
from haversack_client._fetch._document import Element
from haversack_client._fetch._errors import excerpt, invalid, too_large, unsupported
from haversack_client._fetch._operands import (
    COUNT_MAX,
    DATES,
    FORMS,
    HOURS_MAX,
    Family,
    choices,
    date_text,
    day,
    family,
    moment,
    number,
    value,
)
from haversack_client._fetch._text import check_pattern, fold
from haversack_client._fetch._windows import CALENDAR, COUNTED, COUNTED_SHORT, Clock, Window, of_day
from haversack_client._model import Attribute, CarriedModel, Table
from haversack_client._rows import SqlValue

LANGUAGE_ANY = -1
"""Stands for every language where a row states one."""

FISCAL_YEAR_MAX = 9_999

PARAMETERS_MAX = 32_000
"""Values of a query; SQLite takes 32,766 unless it is built otherwise."""

VALUE_HINTS = ("uiname", "uitype", "uihidden")

ALL = frozenset(Family)
ORDERED = ALL - {Family.TRUTH, Family.CHOICE_SET, Family.ID}
SPANNED = ORDERED - {Family.CHOICE}
LISTED = ALL - DATES
CLOCKS = DATES - {Family.DAY}


class Takes(Enum):
    """What an operator takes."""

    NOTHING = "no value"
    ONE = "one value"
    TWO = "two <value> elements, the lower and the upper one"
    PERIOD = "two <value> elements, the number of a period and its year"
    SEVERAL = "at least one <value>"


LISTS = (Takes.TWO, Takes.PERIOD, Takes.SEVERAL)
"""What is written as `<value>` elements."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a condition stands: a table under its name in the statement."""

    table: Table
    alias: str

    def attribute(self, name: str, place: str) -> Attribute:
        """An attribute by name. Raises FetchError if the device does not carry it."""
        found = self.table.attributes.get(name)
        if found is None:
            raise FetchError(
                "ATTRIBUTE_UNKNOWN", f'{place}: {self.table.name} has no attribute "{excerpt(name)}" on this device'
            )
        return found

    def column(self, attribute: Attribute | str) -> str:
        """A column in SQL."""
        name = attribute if isinstance(attribute, str) else attribute.name
        return f"{self.alias}.{sql.quoted(name)}"


@dataclass(slots=True)
class Statement:
    """What is being compiled: for whom, over which tables, and the parameters so far, in the order of their marks."""

    model: CarriedModel
    caller: Caller
    teams: Callable[[], Sequence[str]]
    clock: Clock
    parameters: list[SqlValue] = field(default_factory=list)

    def mark(self, value: SqlValue) -> str:
        """A mark in the statement, for a value that joins the parameters. Raises FetchError if there are too many."""
        if len(self.parameters) == PARAMETERS_MAX:
            raise too_large(f"the query has more than {PARAMETERS_MAX} values; write fewer")
        self.parameters.append(value)
        return "?"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition, its operands found."""

    statement: Statement
    scope: Scope
    element: Element
    operator: str
    attribute: Attribute
    texts: tuple[str, ...]

    @property
    def family(self) -> Family:
        """How the attribute is compared."""
        return family(self.attribute)

    @property
    def column(self) -> str:
        """The column as it is."""
        return self.scope.column(self.attribute)

    @property
    def compared(self) -> str:
        """The column as it is compared for equality."""
        return comparable(self.column, self.family)

    def operand(self, text: str) -> str:
        """A mark for a value."""
        found = value(text, self.attribute, self.statement.model)
        if self.family is Family.TEXT:
            found = fold(text, self.statement.caller.collation).rstrip(" ")
        return self.statement.mark(found)

    def positive(self, text: str) -> str:
        """Text that a positive operator comes to."""
        return f"({text})"

    def negative(self, text: str) -> str:
        """What is not `text`, and NULL."""
        if self.statement.caller.null_never_matches:
            return f"({self.column} IS NOT NULL AND NOT ({text}))"
        return f"({self.column} IS NULL OR NOT ({text}))"


@dataclass(frozen=True, slots=True)
class Spec:
    """An operator."""

    takes: Takes
    families: frozenset[Family]
    sql: Callable[[Condition], str]


def comparable(column: str, kind: Family) -> str:
    """A column as it is compared for equality: texts folded, without trailing spaces."""
    return f"rtrim(haversack_fold({column}), ' ')" if kind is Family.TEXT else column


def compile_condition(statement: Statement, scope: Scope, element: Element) -> str:
    """A condition as SQL. Raises FetchError."""
    for name in ("aggregate", "rowaggregate", "column", "alias"):
        if name in element.attributes:
            raise unsupported(f'{element.place}: the XML attribute "{name}" is not supported on devices; leave it out')
    element.only(("attribute", "operator", "value", "valueof", "entityname"), VALUE_HINTS)
    operator = element.required("operator")
    spec = OPERATORS.get(operator)
    if spec is None:
        raise FetchError(
            "FILTER_OPERATOR_UNKNOWN",
            f'{element.place}: devices have no operator "{excerpt(operator)}"; docs/device.md lists theirs',
        )
    attribute = scope.attribute(element.required("attribute"), element.place)
    if family(attribute) not in spec.families:
        applies = ", ".join(sorted(each.value for each in spec.families))
        raise invalid(f'{element.place}: operator "{operator}" is for {applies}, which "{attribute.name}" is not')
    other = element.attributes.get("valueof")
    texts = _texts(element, operator, spec) if other is None else ()
    condition = Condition(statement, scope, element, operator, attribute, texts)
    try:
        return spec.sql(condition) if other is None else _columns(condition, other)
    except FetchError as error:
        if error.args[0].startswith("<"):
            raise
        raise FetchError(error.reason, f"{element.place}: {error}") from error


def _texts(element: Element, operator: str, spec: Spec) -> tuple[str, ...]:
    """The operands, as many as the operator takes."""
    for child in element.children:
        if child.name != "value":
            raise invalid(f"{child.place}: only <value> belongs into a condition")
        child.only(VALUE_HINTS)
        if child.children:
            raise invalid(f"{child.place}: only text belongs into it")
    texts = [child.text for child in element.children]
    single = element.attributes.get("value")
    if single is not None and not (single == "" and spec.takes in LISTS):
        if spec.takes in LISTS:
            raise invalid(f'{element.place}: operator "{operator}": write each value as a <value> element')
        texts.append(single)
    fits = {
        Takes.NOTHING: not texts,
        Takes.ONE: len(texts) == 1,
        Takes.TWO: len(texts) == 2,  # noqa: PLR2004 (two ends)
        Takes.PERIOD: len(texts) == 2,  # noqa: PLR2004 (a period and a year)
        Takes.SEVERAL: bool(texts),
    }
    if not fits[spec.takes]:
        raise invalid(f'{element.place}: operator "{operator}" takes {spec.takes.value}, not {len(texts)}')
    return tuple(texts)


def _columns(condition: Condition, other_name: str) -> str:
    """One column against another of the same type."""
    sign = SIGNS.get(condition.operator)
    if sign is None:
        raise invalid(f'operator "{condition.operator}" does not take "valueof"; eq, ne, gt, ge, lt and le do')
    if "value" in condition.element.attributes or condition.element.children:
        raise invalid("it takes a value or valueof, not both; remove one")
    if "." in other_name:
        raise unsupported("valueof names an attribute of a linked entity; write one of the same entity")
    other = condition.scope.attribute(other_name, condition.element.place)
    alike = condition.attribute.type == other.type or (
        condition.family is family(other) and condition.family in (Family.TEXT, Family.ID)
    )
    if not alike:
        raise invalid(f'valueof compares attributes of one type, which "{other.name}" is not of')
    right = comparable(condition.scope.column(other), family(other))
    text = f"{condition.compared} {sign} {right}{_collation(condition)}"
    if condition.operator in ("ne", "neq"):
        equal = f"{condition.compared} = {right}"
        if condition.statement.caller.null_never_matches:
            return f"({condition.compared} <> {right})"
        return f"({condition.column} IS NULL OR NOT ({equal}))"
    return condition.positive(text)


SIGNS = {"eq": "=", "ne": "<>", "neq": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def _collation(condition: Condition) -> str:
    """How decimals are ordered; what is equal is written alike."""
    return " COLLATE haversack_decimal" if condition.family is Family.DECIMAL else ""


def _compare(condition: Condition) -> str:
    if condition.family in DATES:
        return _compare_dates(condition)
    operand = condition.operand(condition.texts[0])
    text = f"{condition.compared} {SIGNS[condition.operator]} {operand}{_collation(condition)}"
    return condition.positive(text)


def _different(condition: Condition) -> str:
    if condition.family in DATES:
        return condition.negative(_compare_dates(condition))
    return condition.negative(f"{condition.compared} = {condition.operand(condition.texts[0])}")


def _compare_dates(condition: Condition) -> str:
    clock = condition.statement.clock
    found = moment(condition.texts[0], condition.attribute)
    # `end` is for whole days that end an interval; here a moment is a moment.
    start, behind = found.at(clock), found.at(clock) + 1
    match condition.operator:
        case "gt":
            return _range(condition, behind, None)
        case "ge":
            return _range(condition, start, None)
        case "lt":
            return _range(condition, None, start)
        case "le":
            return _range(condition, None, behind)
        case _:
            return _range(condition, start, behind)


def _range(condition: Condition, start: int | None, end: int | None) -> str:
    """From `start` up to `end`, in the unit of the attribute."""
    form = FORMS[condition.family]
    parts = [f"{condition.column} IS NOT NULL"]
    for bound, sign, passes in ((start, ">=", -1), (end, "<", 1)):
        if bound is None:
            continue
        text = date_text(bound, form)
        if text is not None:
            parts.append(f"{condition.column} {sign} {condition.statement.mark(text)}")
        elif (1 if bound > 0 else -1) != passes:
            parts.append("0")
    return f"({' AND '.join(parts)})"


def _in(condition: Condition) -> str:
    if condition.family is Family.CHOICE_SET:
        return condition.positive(f"{condition.column} = {condition.statement.mark(_set(condition))}")
    marks = ", ".join(condition.operand(text) for text in condition.texts)
    return condition.positive(f"{condition.compared} IN ({marks})")


def _set(condition: Condition) -> str:
    """All operands as one set of choices, as columns have it."""
    return f"[{','.join(map(str, _choices(condition)))}]"


def _choices(condition: Condition) -> list[int]:
    try:
        return sorted({each for text in condition.texts for each in choices(text)})
    except ValueError as error:
        raise invalid(f'the values of "{condition.attribute.name}" {error}') from error


def _contain(condition: Condition) -> str:
    marks = ", ".join(condition.statement.mark(each) for each in _choices(condition))
    return f"EXISTS (SELECT 1 FROM json_each({condition.column}) WHERE json_each.value IN ({marks}))"


def _between(condition: Condition) -> str:
    low, high = condition.texts
    if condition.family in DATES:
        clock = condition.statement.clock
        start = moment(low, condition.attribute).at(clock)
        return _range(condition, start, moment(high, condition.attribute, upper=True).end(clock))
    left = f"{condition.compared} >= {condition.operand(low)}{_collation(condition)}"
    right = f"{condition.compared} <= {condition.operand(high)}{_collation(condition)}"
    return condition.positive(f"{left} AND {right}")


def _like(form: str) -> Callable[[Condition], str]:
    def compiled(condition: Condition) -> str:
        check_pattern(condition.texts[0])
        pattern = form.format(condition.texts[0])
        return f"haversack_like({condition.column}, {condition.statement.mark(pattern)})"

    return compiled


def _negated(positive: Callable[[Condition], str]) -> Callable[[Condition], str]:
    return lambda condition: condition.negative(positive(condition))


def _user(condition: Condition) -> str:
    user = condition.statement.caller.user_id
    if user is None:
        raise unsupported(f'"{condition.operator}" needs to know who asks; give Caller(user_id=...)')
    return condition.positive(f"{condition.column} = {condition.statement.mark(user.lower())}")


def _teams(condition: Condition) -> str:
    marks = ", ".join(condition.statement.mark(team.lower()) for team in condition.statement.teams())
    return condition.positive(f"{condition.column} IN ({marks})")


def _user_or_teams(condition: Condition) -> str:
    return condition.positive(f"{_user(condition)} OR {_teams(condition)}")


def _unit(condition: Condition) -> str:
    unit = condition.statement.caller.business_unit_id
    if unit is None:
        raise unsupported(f'"{condition.operator}" needs to know whose unit; give Caller(business_unit_id=...)')
    return condition.positive(f"{condition.column} = {condition.statement.mark(unit.lower())}")


def _language(condition: Condition) -> str:
    """The caller's language, or every one."""
    statement = condition.statement
    marks = [statement.mark(each) for each in (LANGUAGE_ANY, statement.caller.language) if each is not None]
    return condition.positive(f"{condition.column} IN ({', '.join(marks)})")


def _fiscal_window(condition: Condition) -> str:
    name, texts, calendar = condition.operator, condition.texts, condition.statement.caller.fiscal
    if name in _fiscal.CALENDAR:
        return _within(condition, _fiscal.CALENDAR[name](calendar))
    if name in _fiscal.COUNTED:
        return _within(condition, _fiscal.COUNTED[name](calendar, number(texts[0], COUNT_MAX)))
    if name == "in-fiscal-year":
        return _within(condition, _fiscal.of_year(calendar, number(texts[0], FISCAL_YEAR_MAX)))
    period, year = number(texts[0], COUNT_MAX), number(texts[1], FISCAL_YEAR_MAX)
    window = _fiscal.of_period_and_year(name, calendar, period, year)
    return _within(condition, window) if window else "(0)"


def _fiscal_period(condition: Condition) -> str:
    """A period of any year, which is no one interval."""
    mark, form = condition.statement.mark, FORMS[condition.family]
    period = f"haversack_fiscal_period({condition.column}, {mark(form.name)})"
    return condition.positive(f"{period} = {mark(number(condition.texts[0], COUNT_MAX))}")


def _window(condition: Condition) -> str:
    name, texts = condition.operator, condition.texts
    if name in CALENDAR:
        window = CALENDAR[name]
    elif name in COUNTED:
        window = COUNTED[name](number(texts[0], COUNT_MAX))
    elif name in COUNTED_SHORT:
        window = COUNTED_SHORT[name](number(texts[0], HOURS_MAX))
    else:
        window = of_day(name, day(texts[0]))
    return _within(condition, window)


def _within(condition: Condition, window: Window) -> str:
    statement = condition.statement
    return _range(condition, *window.bounds(FORMS[condition.family], statement.clock, statement.caller.week_start))


_TEXT = frozenset({Family.TEXT})
_IDS = frozenset({Family.ID})
_SETS = frozenset({Family.CHOICE_SET})

OPERATORS: Mapping[str, Spec] = {
    "eq": Spec(Takes.ONE, ALL, _compare),
    "ne": Spec(Takes.ONE, ALL, _different),
    "neq": Spec(Takes.ONE, ALL, _different),
    **{name: Spec(Takes.ONE, ORDERED, _compare) for name in ("gt", "ge", "lt", "le")},
    "in": Spec(Takes.SEVERAL, LISTED, _in),
    "not-in": Spec(Takes.SEVERAL, LISTED, _negated(_in)),
    "between": Spec(Takes.TWO, SPANNED, _between),
    "not-between": Spec(Takes.TWO, SPANNED, _negated(_between)),
    "null": Spec(Takes.NOTHING, ALL, lambda condition: f"({condition.column} IS NULL)"),
    "not-null": Spec(Takes.NOTHING, ALL, lambda condition: f"({condition.column} IS NOT NULL)"),
    "like": Spec(Takes.ONE, _TEXT, _like("{}")),
    "not-like": Spec(Takes.ONE, _TEXT, _negated(_like("{}"))),
    "begins-with": Spec(Takes.ONE, _TEXT, _like("{}%")),
    "not-begin-with": Spec(Takes.ONE, _TEXT, _negated(_like("{}%"))),
    "ends-with": Spec(Takes.ONE, _TEXT, _like("%{}")),
    "not-end-with": Spec(Takes.ONE, _TEXT, _negated(_like("%{}"))),
    "contain-values": Spec(Takes.SEVERAL, _SETS, _contain),
    "not-contain-values": Spec(Takes.SEVERAL, _SETS, _negated(_contain)),
    "eq-userid": Spec(Takes.NOTHING, _IDS, _user),
    "ne-userid": Spec(Takes.NOTHING, _IDS, _negated(_user)),
    "eq-userteams": Spec(Takes.NOTHING, _IDS, _teams),
    "eq-businessid": Spec(Takes.NOTHING, _IDS, _unit),
    "ne-businessid": Spec(Takes.NOTHING, _IDS, _negated(_unit)),
    "eq-userlanguage": Spec(Takes.NOTHING, frozenset({Family.INTEGER}), _language),
    "eq-useroruserteams": Spec(Takes.NOTHING, _IDS, _user_or_teams),
    **{name: Spec(Takes.NOTHING, DATES, _window) for name in CALENDAR},
    **{name: Spec(Takes.ONE, DATES, _window) for name in COUNTED},
    **{name: Spec(Takes.ONE, CLOCKS, _window) for name in COUNTED_SHORT},
    **{name: Spec(Takes.ONE, DATES, _window) for name in ("on", "on-or-before", "on-or-after")},
    **{name: Spec(Takes.NOTHING, DATES, _fiscal_window) for name in _fiscal.CALENDAR},
    **{name: Spec(Takes.ONE, DATES, _fiscal_window) for name in (*_fiscal.COUNTED, "in-fiscal-year")},
    **{name: Spec(Takes.PERIOD, DATES, _fiscal_window) for name in _fiscal.NAMED},
    "in-fiscal-period": Spec(Takes.ONE, DATES, _fiscal_period),
}
"""Every operator of devices. Those of hierarchies are a server's: they need rows that a device does not have."""
