"""Drafts of mappings: of any tables, a draft can be used as it is, and means what the tables mean."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from haversack_server.connectors.postgres._catalog import Column, ForeignKey, Table
from haversack_server.connectors.postgres._documents import documents
from haversack_server.connectors.postgres._draft import draft
from haversack_server.connectors.postgres._mapping import read_mapping
from haversack_server.connectors.postgres._plan import Plan, settle
from haversack_server.connectors.postgres._types import usual
from haversack_server.metadata import KEEPABLE_ENTITIES
from hypothesis import given
from hypothesis import strategies as st
from server.postgres_world import SourceDatabase, following

NAMES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20),
    st.sampled_from(
        "id Id ID name Name имя код 名前 position team role teamid users users_2 job_key null true email manager_id"
        " owner_id ownerid ownerid_entity owningbusinessunit modifiedon updated_at createdon deleted version".split()
    ),
)
TYPES = st.sampled_from("uuid int4 int8 text varchar bool timestamptz numeric bytea point jsonb date".split())


@st.composite
def columns(draw: st.DrawFn, name: str) -> Column:
    """Makes a column."""
    type_ = draw(TYPES)
    labels = draw(st.lists(st.text(max_size=5), max_size=3, unique=True)) if type_ in ("text", "varchar") else []
    return Column(
        name=name,
        declared=type_,
        unbounded=type_,
        type=type_,
        is_enum=bool(labels) and draw(st.booleans()),
        is_array=draw(st.integers(0, 9)) == 0,
        length=0,
        insertable=True,
        updatable=True,
        required=False,
        has_default=False,
        generated=False,
        computed=draw(st.integers(0, 9)) == 0,
        comment=draw(st.text(max_size=10)),
        labels=tuple(it for it in labels if "\0" not in it),
    )


@st.composite
def databases(draw: st.DrawFn) -> dict[str, Table]:
    """Makes the tables of a database, which point at one another."""
    places = draw(st.lists(st.tuples(st.sampled_from(["public", "s", "S"]), NAMES), max_size=5, unique=True))
    tables: dict[str, Table] = {}
    for schema, name in places:
        named = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
        made = {it: draw(columns(it)) for it in named}
        key = tuple(named[: draw(st.integers(0, 3))])
        foreign = []
        for it in named:
            target = draw(st.sampled_from([None, *tables.values()]))
            if target is not None:
                # A foreign key may point at what is unique without being the key.
                there = draw(st.sampled_from([target.key[:1], (next(iter(target.columns)),)]))
                foreign.append(ForeignKey((it,), target.full_name, there))
        table = Table(
            schema=schema,
            name=name,
            comment=draw(st.text(max_size=10)),
            identity="d",
            identity_columns=(),
            row_security=False,
            owned=True,
            readable=draw(st.integers(0, 9)) > 0,
            deletable=True,
            sequences=(),
            columns=made,
            key=key,
            foreign_keys=tuple(foreign),
        )
        tables[table.full_name] = table
    return tables


@given(databases())
def test_any_draft_can_be_used_as_it_is(tables: dict[str, Table]) -> None:
    plan = settled(tables)
    assert {it.entity.logical_name for it in documents(plan)} == plan.entities.keys()
    mapped = {it.table.full_name: it for it in plan.entities.values() if it.table}
    for name, table in tables.items():
        if not table.readable or not table.key or any(usual(table.columns[it]) is None for it in table.key):
            assert name not in mapped
            continue
        entity = mapped[name]
        if entity.standard:
            continue
        assert entity.name not in KEEPABLE_ENTITIES
        there = {it.column.name for it in entity.attributes.values() if it.column}
        there |= {*entity.mapping.key, entity.mapping.deleted or "", entity.mapping.version or ""}
        assert {it.name for it in table.columns.values() if usual(it)} <= there


@given(databases())
def test_a_draft_of_what_is_not_mapped_can_be_used_too(tables: dict[str, Table]) -> None:
    first = next(iter(tables.items()), None)
    text = draft("crm", dict([first] if first else []), read_mapping(""), "")
    file = read_mapping(text)
    if not file.entities:
        return
    again = draft("crm", tables, file, text)
    assert read_mapping(again) == file
    before, _, added = again.partition("# Not mapped;")
    settle(read_mapping(before + added.partition("\n")[2].replace("\n#", "\n").removeprefix("#")), tables)


def settled(tables: dict[str, Table]) -> Plan:
    """Drafts a mapping, and joins it with the tables."""
    return settle(read_mapping(draft("crm", tables, read_mapping(""), "")), tables)


def described(database: SourceDatabase) -> dict[str, dict[str, Any]]:
    """The entities of a draft that is used as it is: their attributes by name."""
    text = asyncio.run(database.source("").mapping())
    documents = asyncio.run(database.source(text).metadata()).documents
    return {it.entity.logical_name: {at.logical_name: at for at in it.entity.attributes} for it in documents}


def test_names_of_other_scripts_are_written_in_latin_letters(source_database: SourceDatabase) -> None:
    source_database.run('CREATE TABLE "заказ" (id uuid PRIMARY KEY, "имя" text, "код" text)')
    source_database.run('CREATE TABLE "Überweisung" (id uuid PRIMARY KEY, "Beträge" numeric)')
    entities = described(source_database)
    assert {name: list(it) for name, it in entities.items()} == {
        "zakaz": ["id", "imya", "kod"],
        "uberweisung": ["id", "betrage"],
    }
    assert entities["zakaz"]["imya"].display_name == "Имя"


def test_tables_with_such_names_are_followed(source_database: SourceDatabase, tmp_path: Path) -> None:
    source_database.run('CREATE TABLE "Имя""я" ("Ключ %1" text PRIMARY KEY, "имя" text, "Order" text)')
    source_database.run("""INSERT INTO "Имя""я" VALUES ('1', 'до', 'a')""")
    mapping = asyncio.run(source_database.source("").mapping())
    with following(source_database, mapping, tmp_path / "staging.db") as followed:
        followed.follow()
        source_database.run("""UPDATE "Имя""я" SET "имя" = 'после'""")
        followed.follow()
        [entity] = read_mapping(mapping).entities
        [row] = followed.rows(entity).values()
    assert (row["imya"], row["order"]) == ("после", "a")


def test_names_that_become_the_same_are_numbered(source_database: SourceDatabase) -> None:
    source_database.run('CREATE TABLE "Job" (id uuid PRIMARY KEY, "Name" text, name text)')
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY)")
    entities = described(source_database)
    assert {name: list(it) for name, it in entities.items()} == {"job_2": ["id", "name_2", "name"], "job": ["id"]}


def test_what_a_check_says_to_run_can_be_run(source_database: SourceDatabase) -> None:
    source_database.run('CREATE TABLE "Job ""1""" (id uuid PRIMARY KEY); CREATE TABLE "order" (id uuid PRIMARY KEY)')
    for table in ('"Job ""1"""', '"order"'):
        source_database.run("ALTER TABLE " + table + " REPLICA IDENTITY NOTHING")
    source = source_database.source(asyncio.run(source_database.source("").mapping()))
    remedies = [it.remedy for it in asyncio.run(source.check()).findings if "REPLICA IDENTITY" in it.what]
    assert len(remedies) == 2
    for remedy in remedies:
        source_database.run(remedy.removeprefix("run: "))
    assert not [it for it in asyncio.run(source.check()).findings if "REPLICA IDENTITY" in it.what]


def test_tables_are_of_the_directory_by_their_key_and_not_by_their_name_alone(source_database: SourceDatabase) -> None:
    source_database.run("CREATE TABLE position (id serial PRIMARY KEY, lat float8, lon float8)")
    source_database.run("CREATE TABLE team (teamid uuid PRIMARY KEY, name text)")
    assert described(source_database).keys() == {"public_position", "team"}
    # A least directory has units and roles of its own, and these stay its own.
    source_database.run("CREATE TABLE users (id uuid PRIMARY KEY); CREATE TABLE role (roleid uuid PRIMARY KEY)")
    assert {"public_position", "public_team", "public_role"} < described(source_database).keys()


@pytest.mark.parametrize(
    ("column", "is_choice"),
    [
        ("state text CHECK (state IN ('open', 'it''s'))", True),
        ("state varchar(9) CHECK (state IN ('open', 'it''s'))", True),
        ("state varchar(9) CHECK (state = ANY (ARRAY['open'::text, 'it''s']))", True),
        ("state char(4) CHECK (state IN ('open', 'done'))", True),
        ("state text CHECK (lower(state) IN ('open', 'done'))", False),
        ("state text CHECK (state || 'x' IN ('open', 'done'))", False),
        ("state text CHECK (state IN ('open', upper('done')))", False),
        ("state text CHECK (state IN ('open', NULL))", False),
        ("state text CHECK (state IN ('open', 'a\\b'))", True),
        ("state text CHECK (state NOT IN ('open', 'done'))", False),
        ("state text CHECK (state IN ('open', 'done') OR state LIKE 'x%%')", False),
        ("state text CHECK (state IS NULL OR state IN ('open', 'done'))", False),
        ("state int CHECK (state::text IN ('1', '2'))", False),
    ],
)
def test_a_check_makes_a_choice_if_it_lists_all_that_the_column_can_be(
    source_database: SourceDatabase, column: Any, is_choice: bool
) -> None:
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, " + column + ")")
    text = asyncio.run(source_database.source("").mapping())
    assert ("type: choice" in text) is is_choice
    assert "state" in described(source_database)["job"]


def test_a_check_that_old_rows_need_not_meet_makes_no_choice(source_database: SourceDatabase) -> None:
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, state text)")
    source_database.run("ALTER TABLE job ADD CHECK (state IN ('open', 'done')) NOT VALID")
    assert "type: choice" not in asyncio.run(source_database.source("").mapping())
