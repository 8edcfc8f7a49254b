"""What a line of each kind must look like: the formats, and that a case does not contradict itself."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import cast
from xml.etree import ElementTree

from conformance.access_cases import LISTS, OWNERSHIPS, AccessCase
from conformance.filter_cases import COLLATIONS, HIERARCHY_MODELS, KINDS, PERIODS, CaseRow, FilterCase, Table
from conformance.hostile_cases import HostileCase, document
from conformance.organization import DEPTHS, INHERITANCE, PRIVILEGES, RIGHTS, TEAM_TYPES, Cell
from conformance.reading import Case

PROVENANCE = {"id", "note", "tags", "source", "evidence", "confidence", "disputed"}
CONTEXT = {
    "userid",
    "teams",
    "businessunit",
    "managerchain",
    "hierarchymodel",
    "hierarchydepth",
    "userteams",
    "language",
    "timezone",
    "collation",
    "weekstart",
    "fiscal",
}
QUESTIONS = ("readable", *LISTS)

INTEGERS = {"integer", "bigint", "picklist", "state", "status"}
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
TEXTS = {
    "decimal": re.compile(r"-?\d+(\.\d+)?"),
    "money": re.compile(r"-?\d+(\.\d+)?"),
    "lookup": GUID,
    "owner": GUID,
    "uniqueidentifier": GUID,
    "datetime:userlocal": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "datetime:dateonly": re.compile(r"\d{4}-\d\d-\d\d"),
    "datetime:timezoneindependent": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"),
}


def provenance_faults(case: Case) -> Iterator[str]:
    """A case says why it expects what it expects, and what it is about."""
    stated = cast(dict[str, object], case)
    if len(str(stated.get("note", ""))) < 10:
        yield "it has no note that gives its reason"
    if not stated.get("tags"):
        yield "it has no tags"


def filter_faults(case: Case) -> Iterator[str]:
    """What is wrong with a case of kind `filters`."""
    filters = cast(FilterCase, case)
    known = {"now", "context", "schema", "hierarchy", "rows", "related", "fetchxml", "expect", *PROVENANCE}
    yield from (f"{key} is no part of a case" for key in set(case) - known)
    yield from (f"context has no {key}" for key in set(filters.get("context", {})) - CONTEXT)
    for table in (filters, *filters.get("related", {}).values()):
        yield from table_faults(table)
    labels = [str(row["id"]) for row in filters["rows"]]
    if [label for label in labels if label in filters.get("expect", [])] != filters.get("expect"):
        yield "it expects rows that are not there, or in another order"
    context = filters.get("context", {})
    if (
        context.get("collation", "CI_AI") not in COLLATIONS
        or context.get("hierarchymodel", "none") not in HIERARCHY_MODELS
    ):
        yield "its collation or model of hierarchy is unknown"
    if context.get("fiscal", {}).get("period", "quarter") not in PERIODS:
        yield "its fiscal period is unknown"
    ElementTree.fromstring(filters["fetchxml"])


def table_faults(table: Table) -> Iterator[str]:
    """What is wrong with rows and their types."""
    labels = [row["id"] for row in table["rows"]]
    if len(labels) != len(set(map(str, labels))):
        yield "two rows have one id"
    yield from (f"there is no type {kind}" for kind in table["schema"].values() if kind not in KINDS)
    if table.get("hierarchy", next(iter(table["schema"]))) not in table["schema"]:
        yield "its hierarchy is no attribute"
    for row in table["rows"]:
        yield from (f"{row['id']}: {fault}" for fault in row_faults(row, table["schema"]))


def row_faults(row: CaseRow, schema: dict[str, str]) -> Iterator[str]:
    """What is wrong with the values of a row."""
    for name, value in row.items():
        if name == "id":
            continue
        if name not in schema:
            yield f"{name} is not in the schema"
        elif not is_value(schema[name], value):
            yield f"{value!r} is no {schema[name]}"


def is_value(kind: str, value: Cell | list[int]) -> bool:
    """Whether a value has the form of its type."""
    if kind in INTEGERS:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "double":
        return isinstance(value, int | float)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "multiselectpicklist":
        return isinstance(value, list)
    form = TEXTS.get(kind)
    return isinstance(value, str) and (form is None or form.fullmatch(value) is not None)


def access_faults(case: Case) -> Iterator[str]:
    """What is wrong with a case of kind `access`."""
    access = cast(AccessCase, case)
    known = {"org", "table", "records", "user", "creatable", *QUESTIONS, *PROVENANCE}
    yield from (f"{key} is no part of a case" for key in set(case) - known)
    org, records = access["org"], {record["id"] for record in access["records"]}
    stated = cast(dict[str, list[str]], case)
    if not {"creatable", *QUESTIONS} & set(case):
        yield "it asks nothing"
    for question in QUESTIONS:
        yield from (f"{question}: there is no record {row}" for row in set(stated.get(question, ())) - records)
    if access["user"] not in org["users"] or access["table"]["ownership"] not in OWNERSHIPS:
        yield "its user or ownership is unknown"
    principals = {f"user:{name}" for name in org["users"]} | {f"team:{name}" for name in org.get("teams", {})}
    for record in access["records"]:
        shared = {share["principal"] for share in record.get("shares", [])}
        named = shared | ({record.get("owner")} - {None})
        yield from (f"{record['id']}: there is no {principal}" for principal in named - principals)
        rights = {right for share in record.get("shares", []) for right in share["rights"]}
        yield from (f"{record['id']}: there is no right to {right}" for right in rights - set(RIGHTS))
    yield from directory_faults(access)


def directory_faults(case: AccessCase) -> Iterator[str]:
    """What is named in the organization but is not in it."""
    org = case["org"]
    units, roles, positions = org["businessunits"], org.get("roles", {}), org.get("positions", {})
    people, teams = org["users"].values(), org.get("teams", {}).values()
    granted = [grant for role in roles.values() for grant in role["privileges"].items()]
    yield from unknown("unit", [*units.values(), *(each["bu"] for each in (*people, *teams))], units)
    yield from unknown("unit of a record", [record.get("owningbusinessunit") for record in case["records"]], units)
    yield from unknown("role", [role for each in (*people, *teams) for role in each.get("roles", ())], roles)
    yield from unknown("member", [member for team in teams for member in team["members"]], org["users"])
    yield from unknown("manager", [person.get("manager") for person in people], org["users"])
    held = [person.get("position") for person in people]
    yield from unknown("position", [*positions.values(), *held], positions)
    yield from unknown("privilege", [privilege for privilege, _ in granted], PRIVILEGES)
    yield from unknown("depth", [depth for _, depth in granted], DEPTHS)
    yield from unknown("inheritance", [role.get("memberinheritance") for role in roles.values()], INHERITANCE)
    yield from unknown("type of team", [team.get("type") for team in teams], TEAM_TYPES)
    yield from unknown("model of hierarchy", [org.get("hierarchy", {}).get("model")], HIERARCHY_MODELS)


def unknown(what: str, used: Iterable[str | None], known: Collection[str]) -> Iterator[str]:
    """Names that are used, and are not known; None is no name."""
    yield from (f"there is no {what} {name}" for name in used if name is not None and name not in known)


def hostile_faults(case: Case) -> Iterator[str]:
    """What is wrong with a case of kind `hostile`."""
    stated = cast(dict[str, object], case)
    yield from (
        f"{key} is no part of a case"
        for key in set(case) - {"category", "fetchxml", "generator", "expect", *PROVENANCE}
    )
    if stated.get("expect") != "error" or not stated.get("category"):
        yield "it says no category, or expects something else than an error"
    if ("fetchxml" in case) == ("generator" in case):
        yield "it has a fetchxml or a generator, and not both"
    else:
        document(cast(HostileCase, case))


FAULTS = {"filters": filter_faults, "access": access_faults, "hostile": hostile_faults}
