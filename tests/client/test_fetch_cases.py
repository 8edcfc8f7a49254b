"""The device answers every conformance case whose operators it has as the server's engine does, and refuses what that
refuses."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conformance.filter_cases import IDS, KINDS, SOME_INSTANT, FilterCase, Fiscal, Naming, Table
from conformance.hostile_cases import document
from conformance.organization import identify
from conformance.reading import read_cases
from conformance.refusal import ATTRIBUTES
from haversack.sync.v1 import sync_pb2
from haversack_client import Caller, FetchError, FiscalCalendar
from haversack_client._connections import Connection
from haversack_client._fetch import Collation, Fetch
from haversack_client._fetch._conditions import OPERATORS
from haversack_client._model import CarriedModel
from haversack_client._operations import AdoptModel
from haversack_client._store import Store
from haversack_client._tables import quoted
from haversack_client._values import stored

CASES = Path(__file__).parents[1] / "conformance/cases"
FILES = sorted(CASES.glob("filters-*.jsonl"))
KEY = "case_row_id"
OF_QUERIES = {"group-fetch-paging", "document-two-roots"}
"""A filter has no pages, a query has; and within a query two filters may lie side by side."""

Schema = Mapping[str, Mapping[str, str]]


def operators(fetch_xml: str) -> set[str]:
    return {found for _, found in re.findall(r"\boperator\s*=\s*(['\"])(.*?)\1", fetch_xml)}


def model(schemas: Schema) -> CarriedModel:
    """Tables as a device has them, with a primary id that no case mentions."""
    entities = [
        sync_pb2.CarriedEntity(
            entity=number,
            logical_name=name,
            message_name=f"m{number}",
            primary_id_attribute=KEY,
            attributes=[
                sync_pb2.CarriedAttribute(number=at, logical_name=attribute, type=KINDS[kind])
                for at, (attribute, kind) in enumerate({KEY: "uniqueidentifier", **schema}.items(), 1)
            ],
        )
        for number, (name, schema) in enumerate(schemas.items(), 1)
    ]
    return CarriedModel.from_message(sync_pb2.Model(version=1, revision=1, entities=entities))


def column_value(kind: str, value: Any) -> Any:
    if value is None or value == []:
        return None
    if kind in IDS:
        return identify(value)
    if kind == "datetime:timezoneindependent":
        value = value.removesuffix("Z")
    if kind == "datetime:dateonly":
        value = value[:10]
    if kind in ("decimal", "money"):
        value = str(value)
    if kind == "double":
        value = float(value)
    return stored(KINDS[kind], value)


def fill(connection: Connection, name: str, table: Table) -> dict[str, str]:
    """Puts rows; returns their ids by label."""
    ids = {}
    for ordinal, row in enumerate(table["rows"]):
        label = str(row["id"])
        ids[label] = identify(label, name)
        values = {KEY: ids[label]}
        values |= {attribute: column_value(kind, row.get(attribute)) for attribute, kind in table["schema"].items()}
        names = ", ".join(map(quoted, ["_ordinal", "_lsn", *values]))
        marks = ", ".join("?" * (len(values) + 2))
        connection.execute(f"INSERT INTO {quoted(name)} ({names}) VALUES ({marks})", (ordinal, 1, *values.values()))
    return ids


def caller(case: FilterCase) -> Caller:
    context = case.get("context", {})
    moment = datetime.fromisoformat(case.get("now", SOME_INSTANT))
    return Caller(
        user_id=identify(context.get("userid", "user")),
        team_ids=tuple(identify(team) for team in context.get("teams", [])),
        time_zone=ZoneInfo(context.get("timezone", "UTC")),
        collation=Collation(context.get("collation", "CI_AI")),
        week_start=context.get("weekstart", 0),
        language=context.get("language"),
        business_unit_id=identify(context["businessunit"]) if "businessunit" in context else "",
        fiscal=fiscal(context.get("fiscal", {})),
        now_us=int(moment.timestamp()) * 1_000_000 + moment.microsecond,
    )


def fiscal(stated: Fiscal) -> FiscalCalendar:
    month, day = map(int, stated.get("start", "01-01").split("-"))
    periods = {"annual": 1, "semester": 2, "quarter": 4, "month": 12, "fourweek": 13, "four-week": 13}
    return FiscalCalendar(month, day, periods[stated.get("period", "quarter")])


def answer(case: FilterCase) -> list[str]:
    naming = Naming.of(case["fetchxml"], set(case.get("related", {})))
    tables = {naming.main: case, **{naming.related[name]: table for name, table in case.get("related", {}).items()}}
    with closing(Store(Path(":memory:"))) as store:
        store.begin_session()
        store.commit([AdoptModel(model({name: table["schema"] for name, table in tables.items()}))])
        ids = {name: fill(store._connection, name, table) for name, table in tables.items()}
        found = {row[0] for row in Fetch(store._connection, caller(case)).rows(whole(naming.fetch_xml, naming.main))}
    return [label for label, row_id in ids[naming.main].items() if row_id in found]


def whole(xml: str, entity: str) -> str:
    """A filter as a query of ids."""
    if re.match(r"\s*(<\?xml.*?\?>)?\s*(<!--.*?-->\s*)*<filter\b", xml, re.DOTALL):
        return f'<fetch><entity name="{entity}"><attribute name="{KEY}"/>{xml}</entity></fetch>'
    return xml


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_case_of_the_offline_operators(path: Path) -> None:
    cases = [json.loads(json.dumps(case)) for case in read_cases(path)]
    mine = [case for case in cases if operators(case["fetchxml"]) <= OPERATORS.keys() and "hierarchy" not in case]
    mine = [case for case in mine if case["id"] not in OF_QUERIES]
    answers = {case["id"]: asked(partial(answer, case)) for case in mine}
    assert {name: got for name, got in answers.items() if got != expected(mine, name)} == {}
    assert len(mine) >= {"filters-hierarchy": 0, "filters-people": 27}.get(path.stem, len(cases) - 3)


def expected(cases: list[Any], name: str) -> list[str]:
    return next(case["expect"] for case in cases if case["id"] == name)


def asked(question: Callable[[], list[str]]) -> list[str] | str:
    try:
        return question()
    except FetchError as error:
        return f"{error.reason}: {error}"


@pytest.mark.parametrize("path", sorted(CASES.glob("hostile-*.jsonl")), ids=lambda path: path.stem)
def test_hostile_documents_are_refused(path: Path) -> None:
    with closing(Store(Path(":memory:"))) as store:
        store.begin_session()
        store.commit([AdoptModel(model({"account": ATTRIBUTES, "contact": {"name": "string"}}))])
        taken = [case["id"] for case in read_cases(path) if takes(store._connection, case)]
    assert set(taken) <= OF_QUERIES


def takes(connection: Connection, case: Any) -> bool:
    raw = document(case)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return False
    try:
        Fetch(connection, Caller(user_id="u", team_ids=())).rows(whole(text, "account"))
    except FetchError:
        return False
    finally:
        if connection.in_transaction:
            connection.rollback()
    return True
