"""Cases of kind `filters`: one filter over a few rows, asked as a profile's custom filter."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NotRequired, TypedDict, cast

from conformance.organization import DIRECTORY, ORGANIZATION, Cell, Organization, Row, identify
from conformance.reading import Case, Failure, Json, asked
from haversack.model.v1 import filter_pb2, model_pb2
from haversack_server import _core

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# For cases in which time does not matter.
SOME_INSTANT = "2024-05-15T10:30:00Z"
# The primary id that no case mentions.
ROW_ID = "case_row_id"
HIERARCHY_OPERATORS = {"above", "eq-or-above", "under", "eq-or-under", "not-under"}

KINDS = {
    "string": model_pb2.ATTRIBUTE_TYPE_STRING,
    "memo": model_pb2.ATTRIBUTE_TYPE_MEMO,
    "integer": model_pb2.ATTRIBUTE_TYPE_INTEGER,
    "bigint": model_pb2.ATTRIBUTE_TYPE_BIGINT,
    "decimal": model_pb2.ATTRIBUTE_TYPE_DECIMAL,
    "double": model_pb2.ATTRIBUTE_TYPE_DOUBLE,
    "money": model_pb2.ATTRIBUTE_TYPE_MONEY,
    "boolean": model_pb2.ATTRIBUTE_TYPE_BOOLEAN,
    "picklist": model_pb2.ATTRIBUTE_TYPE_PICKLIST,
    "state": model_pb2.ATTRIBUTE_TYPE_STATE,
    "status": model_pb2.ATTRIBUTE_TYPE_STATUS,
    "multiselectpicklist": model_pb2.ATTRIBUTE_TYPE_MULTI_SELECT_PICKLIST,
    "lookup": model_pb2.ATTRIBUTE_TYPE_LOOKUP,
    "owner": model_pb2.ATTRIBUTE_TYPE_OWNER,
    "customer": model_pb2.ATTRIBUTE_TYPE_CUSTOMER,
    "uniqueidentifier": model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER,
    "datetime:userlocal": model_pb2.ATTRIBUTE_TYPE_DATETIME,
    "datetime:dateonly": model_pb2.ATTRIBUTE_TYPE_DATE_ONLY,
    "datetime:timezoneindependent": model_pb2.ATTRIBUTE_TYPE_DATETIME_INDEPENDENT,
}
IDS = {"lookup", "owner", "customer", "uniqueidentifier"}

COLLATIONS = {"CI_AI": model_pb2.COLLATION_CI_AI, "CI_AS": model_pb2.COLLATION_CI_AS}
HIERARCHY_MODELS = {
    "none": model_pb2.HIERARCHY_MODEL_UNSPECIFIED,
    "manager": model_pb2.HIERARCHY_MODEL_MANAGER,
    "position": model_pb2.HIERARCHY_MODEL_POSITION,
}
PERIODS = {
    "annual": model_pb2.FISCAL_PERIOD_ANNUAL,
    "semester": model_pb2.FISCAL_PERIOD_SEMESTER,
    "quarter": model_pb2.FISCAL_PERIOD_QUARTER,
    "month": model_pb2.FISCAL_PERIOD_MONTH,
    "fourweek": model_pb2.FISCAL_PERIOD_FOUR_WEEK,
}


class Fiscal(TypedDict, total=False):
    """The fiscal calendar of a case."""

    start: str
    period: str


class Context(TypedDict, total=False):
    """Who asks, and in which organization."""

    userid: str
    teams: list[str]
    businessunit: str
    managerchain: dict[str, str]
    hierarchymodel: str
    hierarchydepth: int
    userteams: dict[str, list[str]]
    language: int
    timezone: str
    collation: str
    weekstart: int
    fiscal: Fiscal


CaseRow = dict[str, Cell | list[int]]


class Table(TypedDict):
    """Rows of one entity."""

    schema: dict[str, str]
    rows: list[CaseRow]
    hierarchy: NotRequired[str]


class FilterCase(Table):
    """One line of a file."""

    id: str
    fetchxml: str
    expect: NotRequired[list[str]]
    now: NotRequired[str]
    context: NotRequired[Context]
    related: NotRequired[dict[str, Table]]


def check(case: Case) -> Failure | None:
    """Runs a case through the engine; None if it answers as expected."""
    filters = cast(FilterCase, case)
    expected: Json = [*filters["expect"]] if "expect" in filters else "an expectation"
    got = asked(lambda: [*answer(filters)])
    return None if got == expected else Failure(case["id"], expected, got)


def answer(case: FilterCase) -> list[str]:
    """Labels of the rows that the filter matches, in the order of the rows."""
    naming = Naming.of(case["fetchxml"], set(case.get("related", {})))
    organization = Organization()
    rows = add_table(organization, naming.main, case, case["fetchxml"])
    for name, table in case.get("related", {}).items():
        add_table(organization, naming.related[name], table, case["fetchxml"])
    context = case.get("context", {})
    user = add_directory(organization, context)
    organization.model.settings.CopyFrom(settings(context))
    add_reader(organization, user, naming.main)
    organization.follow(user, custom_item(organization.model, naming))
    view = organization.trial().view(user, micros(case.get("now", SOME_INSTANT)))
    matching = {row_id.lower() for row_id in view.get(naming.main, [])}
    return [label for label, row_id in rows.items() if row_id in matching]


@dataclass(frozen=True)
class Naming:
    """How the entities of a case are named, where a name is taken by the directory or is not said at all."""

    main: str
    related: dict[str, str]
    fetch_xml: str

    @classmethod
    def of(cls, fetch_xml: str, related: set[str]) -> "Naming":
        """The main entity has the name that `<entity>` gives it, or that of a link to no related entity."""
        linked = set(_names(fetch_xml, "link-entity")) - related
        stated = [*_names(fetch_xml, "entity"), *(linked if len(linked) == 1 else ())]
        main = stated[0] if stated else "thing"
        if main in related:
            raise ValueError(f"the filter is on {main}, and so are related rows")
        names = {name: f"case_{name}" if name in DIRECTORY else name for name in {main, *related}}
        for old, new in names.items():
            fetch_xml = _renamed(fetch_xml, old, new)
        return cls(names[main], {name: names[name] for name in related}, fetch_xml)


def _names(fetch_xml: str, tag: str) -> list[str]:
    return [found for _, found in re.findall(rf"<{tag}\s[^>]*?\bname\s*=\s*(['\"])(.*?)\1", fetch_xml)]


def _renamed(fetch_xml: str, old: str, new: str) -> str:
    pattern = rf"(<(?:entity|link-entity)\s[^>]*?\bname\s*=\s*)(['\"]){re.escape(old)}\2"
    return re.sub(pattern, rf"\g<1>\g<2>{new}\g<2>", fetch_xml)


def add_table(organization: Organization, name: str, table: Table, fetch_xml: str) -> dict[str, str]:
    """Adds an entity and its rows; returns the rows' ids by label.

    The primary id is one that no case mentions, unless the entity has a hierarchy: then it is the attribute that the
    filter tests by it. A row that lacks that one gets an id that is nobody's parent and has no parent itself: no
    hierarchy operator can tell that from NULL.
    """
    kinds = {attribute: KINDS[kind] for attribute, kind in table["schema"].items()}
    hierarchy = table.get("hierarchy", "")
    key = hierarchy_key(table, fetch_xml)
    kinds.pop(key, None)
    targets = {attribute: name for attribute in hierarchy_attributes(fetch_xml) | {hierarchy}}
    entity = organization.entity(name, ORGANIZATION, key, kinds, targets)
    entity.hierarchy_attribute = hierarchy
    ids = {}
    for row in table["rows"]:
        label = str(row["id"])
        cells = {attribute: _cell(kind, row.get(attribute)) for attribute, kind in table["schema"].items()}
        if cells.get(key) is None:
            cells = {**cells, key: identify(label, name), **({hierarchy: None} if hierarchy else {})}
        ids[label] = str(cells[key])
        organization.put(name, cells)
    if len(set(ids.values())) < len(table["rows"]):
        raise ValueError(f"two rows of {name} have one {key}")
    return ids


def hierarchy_attributes(fetch_xml: str) -> set[str]:
    """Attributes that some condition tests with a hierarchy operator."""
    tags = re.findall(r"<condition\s[^>]*>", fetch_xml)
    found = [dict(re.findall(r"\b(attribute|operator)\s*=\s*['\"](.*?)['\"]", tag)) for tag in tags]
    return {each["attribute"] for each in found if each.get("operator") in HIERARCHY_OPERATORS and "attribute" in each}


def hierarchy_key(table: Table, fetch_xml: str) -> str:
    """The attribute that is the primary id."""
    if "hierarchy" not in table:
        return ROW_ID
    keys = [attribute for attribute, kind in table["schema"].items() if kind == "uniqueidentifier"]
    tested = [attribute for attribute in keys if attribute in hierarchy_attributes(fetch_xml)]
    return [*tested, *keys, ROW_ID][0]


def _cell(kind: str, value: Cell | list[int]) -> Cell:
    if isinstance(value, list):
        return ",".join(map(str, value)) or None
    return identify(value) if kind in IDS and isinstance(value, str) else value


def add_directory(organization: Organization, context: Context) -> str:
    """Adds the user who asks, with everybody whom the context names; returns the user's id."""
    user = identify(context.get("userid", "user"))
    unit = identify(context.get("businessunit", "unit"))
    organization.unit(unit)
    managers = {identify(each): identify(manager) for each, manager in context.get("managerchain", {}).items()}
    members: dict[str, set[str]] = {identify(team): {user} for team in context.get("teams", [])}
    for each, teams in context.get("userteams", {}).items():
        for team in teams:
            members.setdefault(identify(team), set()).add(identify(each))
    people = {user, *managers, *managers.values(), *(member for team in members.values() for member in team)}
    by_position = context.get("hierarchymodel") == "position"
    for each in sorted(people):
        manager = managers.get(each)
        if by_position:
            organization.user(each, unit, position=_position(each))
            _add_position(organization, each, manager)
        else:
            organization.user(each, unit, manager)
    for team, joined in sorted(members.items()):
        organization.team(team, unit, sorted(joined))
    if "language" in context or "timezone" in context:
        chosen: Row = {"uilanguageid": context.get("language"), "timezonename": context.get("timezone")}
        organization.put("usersettings", {"systemuserid": user, **chosen})
    return user


def _position(user: str) -> str:
    return identify(user.upper() + " holds it", "position")


def _add_position(organization: Organization, user: str, manager: str | None) -> None:
    parent = _position(manager) if manager else None
    organization.put("position", {"positionid": _position(user), "name": user, "parentpositionid": parent})


def settings(context: Context) -> model_pb2.Settings:
    """The organization's settings. Whoever has managers and no model of hierarchy means the managers' one."""
    fiscal = context.get("fiscal", {})
    month, day = map(int, fiscal.get("start", "01-01").split("-"))
    model = context.get("hierarchymodel", "manager" if context.get("managerchain") else "none")
    return model_pb2.Settings(
        collation=COLLATIONS[context.get("collation", "CI_AI")],
        week_start=context.get("weekstart", 0),
        fiscal=model_pb2.FiscalCalendar(
            start_month=month, start_day=day, period=PERIODS[fiscal.get("period", "quarter")]
        ),
        hierarchy_security=model_pb2.HierarchySecurity(
            model=HIERARCHY_MODELS[model], depth=context.get("hierarchydepth", 0)
        ),
    )


def add_reader(organization: Organization, user: str, entity: str) -> None:
    """Gives the user a role that reads every row of the entity."""
    role = identify("reader", "role")
    organization.role(role, str(organization.rows["systemuser"][user]["businessunitid"]))
    organization.grant(role, entity, "read", "global")
    organization.link("systemuserroles", {"systemuserid": user, "roleid": role})


def custom_item(model: model_pb2.Model, naming: Naming) -> model_pb2.ProfileItem:
    """The item of a profile that takes what the filter matches. Raises CoreError if it is refused."""
    plan = _core.compile_filter(model.SerializeToString(), naming.main, naming.fetch_xml)
    compiled = filter_pb2.FilterNode.FromString(plan)
    return model_pb2.ProfileItem(
        entity=naming.main,
        criteria=model_pb2.RECORD_CRITERIA_CUSTOM,
        filter=filter_pb2.Filter(fetch_xml=naming.fetch_xml, compiled=compiled),
    )


def micros(instant: str) -> int:
    """An instant in microseconds since the Unix epoch; without an offset it is UTC."""
    moment = datetime.fromisoformat(instant)
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)
