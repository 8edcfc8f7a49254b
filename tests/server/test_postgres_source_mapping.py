"""Mapping files of PostgreSQL sources: drafted, read, judged, and what metadata they make."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from haversack.model.v1 import model_pb2
from haversack_server.connectors.postgres import connect
from haversack_server.errors import MappingInvalid, SourceInvalid, SourceUnavailable
from haversack_server.replication import Verdict
from server.postgres_world import SourceDatabase

MAKE = """
CREATE TABLE users (id int PRIMARY KEY, full_name text, email text, manager_id int REFERENCES users);
CREATE TABLE customer (id uuid PRIMARY KEY, name varchar(80) NOT NULL, parent_id uuid REFERENCES customer,
    owner_id int REFERENCES users, updated_at timestamptz, place point, status text CHECK (status IN ('new', 'old')));
CREATE TABLE tag (id uuid PRIMARY KEY, label text);
CREATE TABLE customer_tag (customer_id uuid REFERENCES customer, tag_id uuid REFERENCES tag,
    PRIMARY KEY (tag_id, customer_id));
CREATE TABLE journal (line text);
COMMENT ON TABLE customer IS 'Who buys.'
"""


def test_a_draft_can_be_used_as_it_is(source_database: SourceDatabase) -> None:
    source_database.run(MAKE)
    text = asyncio.run(source_database.source("").mapping())
    assert "customer:  # Who buys." in text
    assert "public.journal has no primary key" in text
    assert "place is of type point" in text
    described = asyncio.run(source_database.source(text).metadata())
    entities = {it.entity.logical_name: it for it in described.documents}
    assert {"customer", "tag", "customer_tag", "systemuser", "businessunit", "role"} < entities.keys()
    customer = {it.logical_name: it for it in entities["customer"].entity.attributes}
    assert entities["customer"].entity.ownership == model_pb2.OWNERSHIP_USER
    assert (customer["name"].required, customer["name"].max_length) == (True, 80)
    assert customer["parent_id"].targets == ["customer"]
    assert entities["customer"].entity.hierarchy_attribute == "parent_id"
    assert customer["ownerid"].type == model_pb2.ATTRIBUTE_TYPE_OWNER
    assert [(it.value, it.label) for it in customer["status"].options] == [(1, "new"), (2, "old")]
    [link] = [it for it in entities["customer_tag"].relationships if it.HasField("many_to_many")]
    assert {link.many_to_many.entity1, link.many_to_many.entity2} == {"customer", "tag"}
    users = {it.logical_name: it for it in entities["systemuser"].entity.attributes}
    assert users["systemuserid"].type == model_pb2.ATTRIBUTE_TYPE_STRING
    assert [(it.subject, "point" in it.why) for it in described.unmapped] == [("customer.place", True)]


def test_a_draft_keeps_what_is_in_force_and_adds_what_is_new(source_database: SourceDatabase) -> None:
    source_database.run(MAKE)
    text = "entities:\n  tag: {table: tag, id: id}  # ours\n"
    again = asyncio.run(source_database.source(text).mapping())
    assert again.startswith(text)
    assert "#  customer:" in again
    assert "#  tag:" not in again


@pytest.mark.parametrize(
    ("mapping", "breach"),
    [
        ("entities:\n  tag:\n    tabel: tag", "line 3: 'tabel' means nothing here"),
        ("entities:\n  Tag: {table: tag, id: id}", "line 2: 'Tag' is no logical name"),
        ("entities:\n  sqlite_tag: {table: tag, id: id}", "line 2: 'sqlite_tag' is no logical name: devices keep"),
        (
            "entities:\n  tag:\n    table: tag\n    id: id\n    attributes:\n      _lsn: y",
            "line 6: '_lsn' is no logical name: devices keep",
        ),
        ("entities:\n  tag: {table: tag}", "line 2: tag: name the column of its id"),
        ("entities: [", "while parsing a flow node"),
        ("entities:\n  tag: {table: tag, id: []}", "line 2: tag: name the column of its id"),
        ("a: 1\n---\nb: 2", "line 2: expected a single document"),
        (
            "entities:\n  tag:\n    table: tag\n    id: id\n    attributes:\n      x: {column: y, type: number}",
            "line 6: ",
        ),
        ("entities:\n  tag: {table: tag, id: id}\n  tag: {table: tag, id: id}", "line 3: tag is there twice"),
        ("write_as: {setting: user}", "line 1: 'user' is no setting of a session"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_by_line(mapping: str, breach: str) -> None:
    with pytest.raises(MappingInvalid) as invalid:
        connect({"url": "host=/tmp user=x dbname=y"}, {}, mapping)
    assert breach in str(invalid.value)


@pytest.mark.parametrize(
    ("mapping", "breach"),
    [
        ("entities:\n  tag: {table: tags, id: id}", "line 2: there is no table public.tags; did you mean public.tag"),
        (
            "entities:\n  tag:\n    table: tag\n    id: id\n    attributes:\n      label: lable",
            "line 6: public.tag has no column 'lable'",
        ),
        (
            "entities:\n  tag:\n    table: tag\n    id: id\n    attributes:\n      label: {column: label, type: date}",
            "line 6: label: a column of type text can be text",
        ),
        (
            "entities:\n  customer:\n    table: customer\n    id: id\n    attributes:\n"
            "      up: {column: parent_id, target: up}",
            "line 6: there is no entity 'up'",
        ),
    ],
)
def test_what_does_not_fit_the_tables_is_told_by_line(
    source_database: SourceDatabase, mapping: str, breach: str
) -> None:
    source_database.run(MAKE)
    with pytest.raises(MappingInvalid) as invalid:
        asyncio.run(source_database.source(mapping).metadata())
    assert breach in str(invalid.value)


@pytest.mark.parametrize(
    ("settings", "secrets", "breach"),
    [
        ({}, {}, "url lacks host, user, dbname"),
        ({"url": "postgresql://u:secret@h/d"}, {}, "url has a password"),
        ({"url": "postgresql://u@h/d?sslpassword=x"}, {}, "url has sslpassword, which are not read"),
        ({"url": "postgresql://u@h:1,i:2/d"}, {}, "url has several hosts"),
        ({"url": "postgresql://u@h:65536/d"}, {}, "url has the port '65536'"),
        ({"url": "postgresql://u@h/d", "sslmode": "prefer"}, {}, "sslmode is 'prefer'"),
        ({"url": "postgresql://u@h/d", "slot": "A-B"}, {}, "slot is 'A-B'"),
        ({"url": "postgresql://u@h/d", "sslrootcert": "/nowhere.pem"}, {}, "sslrootcert names no file"),
        ({"url": "postgresql://u@h/d", "speed": 1}, {}, "has no setting 'speed'"),
        ({"url": "postgresql://u@h/d"}, {"token": "x"}, "one secret, password"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], secrets: dict[str, str], breach: str) -> None:
    with pytest.raises(SourceInvalid) as invalid:
        connect(settings, secrets, "")
    assert breach in str(invalid.value)
    assert "secret@" not in str(invalid.value)


def test_a_check_says_what_to_run(source_database: SourceDatabase) -> None:
    run = source_database.run
    run(MAKE)
    run("ALTER TABLE customer REPLICA IDENTITY NOTHING")
    run("CREATE PUBLICATION haversack FOR TABLE tag WHERE (label <> 'x')")
    source = source_database.source(asyncio.run(source_database.source("").mapping()))
    findings = {(it.subject, it.verdict): it for it in asyncio.run(source.check()).findings}
    assert ("version", Verdict.OK) in findings
    assert ("wal_level", Verdict.OK) in findings
    assert findings["customer", Verdict.FAILURE].remedy.startswith(
        "run: ALTER TABLE public.customer REPLICA IDENTITY FULL"
    )
    assert "filters rows of public.tag" in findings["publication", Verdict.WARNING].what
    assert "ALTER PUBLICATION haversack ADD TABLE public.customer" in findings["publication", Verdict.OK].remedy
    assert "ids of public.users are numbers" in findings["systemuser", Verdict.WARNING].what


def test_a_database_that_is_away_is_a_finding(source_database: SourceDatabase) -> None:
    source = source_database.source("entities:\n  tag: {table: tag, id: id}", url="host=/nowhere user=x dbname=y")
    [finding] = asyncio.run(source.check()).findings
    assert (finding.subject, finding.verdict) == ("connection", Verdict.FAILURE)
    with pytest.raises(SourceUnavailable):
        asyncio.run(source.metadata())
