"""Writes of devices into a PostgreSQL source."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from typing import Any, Literal

import psycopg
import pytest
from haversack_server.connectors.postgres import PostgresSource
from haversack_server.connectors.postgres._directory import UNIT
from haversack_server.errors import Refusal, SourceNotReady, SourceRefused, SourceUnavailable
from haversack_server.replication import Change, Written
from server.postgres_world import SourceDatabase

MAKE = """
CREATE TABLE users (id uuid PRIMARY KEY, name text, db_role text);
CREATE TABLE job (id uuid PRIMARY KEY, title text NOT NULL CHECK (title <> 'bad'), state text DEFAULT 'open',
    due timestamptz, price numeric(10,2), owner_id uuid REFERENCES users, version int NOT NULL DEFAULT 1,
    written_by text);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.version := coalesce(OLD.version, 0) + 1;
    NEW.written_by := current_setting('app.user_id', true) || '/' || current_user;
    IF NEW.title = 'forbidden word' THEN RAISE EXCEPTION 'mind your language' USING DETAIL = 'said the trigger'; END IF;
    IF NEW.title = 'own state' THEN RAISE EXCEPTION 'not like that' USING ERRCODE = 'AP001'; END IF;
    RETURN NEW; END $$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON job FOR EACH ROW EXECUTE FUNCTION stamp()
"""
MAPPING = """
directory: {users: users, id: id, name: name}
write_as: {setting: app.user_id}
entities:
  job:
    table: job
    id: id
    owner: owner_id
    version: version
    attributes:
      title: title
      state: {column: state, type: choice, choices: {open: 1, done: 2}}
      due: due
      price: price
      written_by: written_by
"""
USER, OTHER = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
JOB = "00000000-0000-0000-0000-000000000001"


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has writes look at altered tables at once."""
    monkeypatch.setattr("haversack_server.connectors.postgres._write.LOOK_SECONDS_MIN", 0.0)


@pytest.fixture
def source(source_database: SourceDatabase) -> Iterator[PostgresSource]:
    """A source with one user and one job."""
    source_database.run(MAKE)
    source_database.run("INSERT INTO users VALUES (%s, 'Ada', 'worker'), (%s, 'Bob', NULL)", USER, OTHER)
    source_database.run("INSERT INTO job (id, title, price, owner_id) VALUES (%s, 'first', 12.50, %s)", JOB, USER)
    with asyncio.Runner() as runner:
        made = source_database.source(MAPPING)
        made.run = runner.run  # type: ignore[attr-defined]
        yield made
        runner.run(made.close())


def _write(
    source: PostgresSource,
    kind: Literal["create", "update", "delete"],
    *,
    values: dict[str, Any] | None = None,
    key: str = "install/1",
    row: str = JOB,
    **more: Any,
) -> Written:
    change = Change(key, "job", row, kind, values or {}, user=USER, **more)
    return source.run(source.write(change))  # type: ignore[attr-defined, no-any-return]


def test_an_update_returns_the_row_as_triggers_leave_it(source: PostgresSource) -> None:
    values = {"title": "second", "state": 2, "due": 1717142400500000, "price": "13.5"}
    written = _write(source, "update", values=values, old_values={"title": "first"}, etag="1")
    assert written.row is not None
    assert (written.etag, json.loads(written.row)) == (
        "2",
        {
            "id": JOB,
            "title": "second",
            "state": "2",
            "due": "2024-05-31T08:00:00.5Z",
            "price": "13.50",
            "ownerid": USER,
            "ownerid_type": "systemuser",
            "written_by": f"{USER}/haversack",
            "owningbusinessunit": UNIT,
        },
    )


def test_a_repeat_is_told_and_not_done(source: PostgresSource, source_database: SourceDatabase) -> None:
    _write(source, "update", values={"title": "second"}, detect_conflicts=False)
    source_database.run("UPDATE job SET title = 'of another'")
    again = _write(source, "update", values={"title": "second"}, detect_conflicts=False)
    assert again.row is not None
    assert json.loads(again.row)["title"] == "of another"


def test_rows_are_made_and_deleted(source: PostgresSource, source_database: SourceDatabase) -> None:
    row = "00000000-0000-0000-0000-000000000002"
    made = _write(source, "create", row=row, values={"title": "new", "ownerid": USER, "ownerid_type": "systemuser"})
    assert made.row is not None
    assert json.loads(made.row)["state"] == "1"
    assert _write(source, "delete", row=row, key="install/2").row is None
    assert source_database.run("SELECT count(*) FROM job") == [(1,)]
    with pytest.raises(SourceRefused) as refused:
        _write(source, "create", values={"title": "there is one"}, key="install/3")
    assert refused.value.outcome is Refusal.CONFLICT
    with pytest.raises(SourceRefused) as refused:
        _write(source, "delete", row=row, key="install/4")
    assert refused.value.outcome is Refusal.NOT_FOUND


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"title": "bad"}, "job_title_check"),
        ({"title": None}, "null value"),
        ({"title": "forbidden word"}, "mind your language (said the trigger)"),
        ({"title": "own state"}, "not like that"),
        ({"ownerid": JOB, "ownerid_type": "systemuser"}, "is not present in table"),
        ({"ownerid": JOB, "ownerid_type": "team"}, "can only point at systemuser"),
        ({"state": 7}, "has no choice 7"),
        ({"price": "123456789012"}, "numeric field overflow"),
    ],
)
def test_what_the_database_refuses_comes_back_in_its_words(
    source: PostgresSource, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(SourceRefused, match=words.replace("(", r"\(").replace(")", r"\)")) as refused:
        _write(source, "update", values=values, detect_conflicts=False)
    assert refused.value.outcome is Refusal.INVALID
    assert "Failing row" not in str(refused.value), "it has columns that are not the user's to see"
    # Nothing of it was kept, its key neither.
    assert _write(source, "update", values={"title": "fine"}, detect_conflicts=False).row is not None


@pytest.mark.parametrize(
    ("breaks", "mends", "words"),
    [
        (
            "ALTER TABLE job RENAME COLUMN title TO heading",
            "ALTER TABLE job RENAME COLUMN heading TO title",
            "no column 'title'",
        ),
        ("ALTER TABLE job RENAME TO jobs", "ALTER TABLE jobs RENAME TO job", "no table public.job"),
        (
            "ALTER TABLE haversack.applied_mutations RENAME TO gone",
            "ALTER TABLE haversack.gone RENAME TO applied_mutations",
            "applied_mutations",
        ),
    ],
)
def test_what_administrators_have_to_mend_keeps_the_write_waiting(
    source: PostgresSource, source_database: SourceDatabase, breaks: str, mends: str, words: str
) -> None:
    _write(source, "update", values={"title": "first"}, detect_conflicts=False)
    source_database.run(breaks)
    for _ in range(2):
        with pytest.raises(SourceNotReady, match=words):
            _write(source, "update", values={"title": "later"}, key="install/2", detect_conflicts=False)
    source_database.run(mends)
    assert _write(source, "update", values={"title": "later"}, key="install/2", detect_conflicts=False).row is not None
    with pytest.raises(SourceNotReady, match="no attribute nonsense"):
        _write(source, "update", values={"nonsense": 1}, key="install/3", detect_conflicts=False)


def test_a_privilege_of_our_own_is_not_the_user_s_fault(source_database: SourceDatabase) -> None:
    run = source_database.run
    role = f"reader_{source_database.name}"[:40]
    run(MAKE)
    run("INSERT INTO job (id, title) VALUES (%s, 'first')", JOB)
    run(f"CREATE ROLE {role} LOGIN; GRANT SELECT ON job, users TO {role}")
    url = source_database.settings["url"].replace("user=haversack", f"user={role}")
    change = Change("install/1", "job", JOB, "update", {"title": "later"}, user=USER, detect_conflicts=False)

    async def check() -> None:
        source = source_database.source(MAPPING, url=url)
        try:
            with pytest.raises(SourceNotReady, match="permission denied"):
                await source.write(change)
            run(f"GRANT INSERT, UPDATE, DELETE ON job TO {role}")
            assert (await source.write(change)).row is not None
        finally:
            await source.close()

    asyncio.run(check())
    run(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_version_or_an_old_value_that_has_moved_is_a_conflict(source: PostgresSource) -> None:
    with pytest.raises(SourceRefused) as refused:
        _write(source, "update", values={"title": "x"}, etag="7")
    assert refused.value.outcome is Refusal.CONFLICT
    with pytest.raises(SourceRefused, match="price") as refused:
        _write(source, "update", values={"title": "x"}, old_values={"title": "first", "price": "1"})
    assert refused.value.outcome is Refusal.CONFLICT
    assert _write(source, "update", values={"title": "x"}, old_values={"price": "12.5", "state": 1}).row is not None


def test_row_level_security_decides_where_the_mapping_says_so(source_database: SourceDatabase) -> None:
    run = source_database.run
    role = f"worker_{source_database.name}"[:40]
    run(MAKE)
    run("INSERT INTO users VALUES (%s, 'Ada', %s), (%s, 'Bob', NULL)", USER, role, OTHER)
    run("INSERT INTO job (id, title, owner_id) VALUES (%s, 'mine', %s)", JOB, USER)
    run(f"CREATE ROLE {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON job TO {role}")
    run("ALTER TABLE job ENABLE ROW LEVEL SECURITY")
    run("CREATE POLICY own ON job USING (owner_id::text = current_setting('app.user_id', true))")
    mapping = MAPPING.replace("setting: app.user_id", "setting: app.user_id, role: db_role")

    async def check() -> None:
        source = source_database.source(mapping)
        try:
            change = Change("install/1", "job", JOB, "update", {"title": "ours"}, user=USER, detect_conflicts=False)
            assert (await source.write(change)).row is not None
            given = Change(
                "install/2", "job", JOB, "update", {"ownerid": OTHER, "ownerid_type": "systemuser"}, user=USER
            )
            with pytest.raises(SourceRefused, match="row-level security") as refused:
                await source.write(given)
            assert refused.value.outcome is Refusal.FORBIDDEN
            with pytest.raises(SourceRefused, match="has no role") as refused:
                await source.write(Change("install/3", "job", JOB, "update", {"title": "x"}, user=OTHER))
            assert refused.value.outcome is Refusal.FORBIDDEN
        finally:
            await source.close()

    asyncio.run(check())
    assert run("SELECT written_by FROM job") == [(f"{USER}/{role}",)]
    run(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_without_a_ledger_a_write_in_doubt_is_read_back(source_database: SourceDatabase) -> None:
    run = source_database.run
    role = f"writer_{source_database.name}"[:40]
    run(MAKE)
    run(f"CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON job, users TO {role}")
    run(f"REVOKE CREATE ON DATABASE {source_database.name} FROM PUBLIC")
    url = source_database.settings["url"].replace("user=haversack", f"user={role}")

    async def check() -> None:
        source = source_database.source(MAPPING, url=url)
        try:
            create = Change("install/1", "job", JOB, "create", {"title": "once"}, user=USER)
            for _ in range(2):
                assert (await source.write(create)).row is not None
            found = (await source.check()).findings
            assert any("read back" in finding.what for finding in found)
        finally:
            await source.close()

    asyncio.run(check())
    assert run("SELECT version FROM job") == [(1,)]
    run(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_lost_connection_is_tried_again(source: PostgresSource, source_database: SourceDatabase) -> None:
    _write(source, "update", values={"title": "second"}, detect_conflicts=False)
    source_database.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises((SourceUnavailable, psycopg.OperationalError)):
        _write(source, "update", values={"title": "third"}, key="install/2", detect_conflicts=False)
    assert _write(source, "update", values={"title": "third"}, key="install/2", detect_conflicts=False).row is not None


def test_what_is_refused_only_at_the_commit_is_refused_too(
    source: PostgresSource, source_database: SourceDatabase
) -> None:
    source_database.run("ALTER TABLE job ADD CONSTRAINT only_one UNIQUE (title) DEFERRABLE INITIALLY DEFERRED")
    source_database.run("INSERT INTO job (id, title) VALUES (%s, 'taken')", OTHER)
    with pytest.raises(SourceRefused, match="only_one") as refused:
        _write(source, "update", values={"title": "taken"}, detect_conflicts=False)
    assert refused.value.outcome is Refusal.INVALID
    assert _write(source, "update", values={"title": "free"}, key="install/2", detect_conflicts=False).row is not None
    assert source_database.run("SELECT key FROM haversack.applied_mutations") == [("install/2",)]


def test_padded_text_and_odd_names_come_back_as_they_are(source_database: SourceDatabase) -> None:
    source_database.run('CREATE TABLE job (id uuid PRIMARY KEY, code char(5), "100%" int)')
    mapping = "entities: {job: {table: job, id: id, attributes: {code: code, share: '100%'}}}"

    async def written() -> bytes | None:
        source = source_database.source(mapping)
        try:
            values = {"code": "ab", "share": 7}
            return (await source.write(Change("install/1", "job", JOB, "create", values, user=USER))).row
        finally:
            await source.close()

    row = json.loads(asyncio.run(written()) or b"")
    assert (row["code"], row["share"]) == ("ab   ", "7")


def test_first_writes_at_once_make_one_table_of_keys(source: PostgresSource, source_database: SourceDatabase) -> None:
    changes = [
        Change(f"create-{number}", "job", str(uuid.UUID(int=number)), "create", {"title": "made"}, user=USER)
        for number in range(100, 108)
    ]

    async def write_all() -> list[Written]:
        return await asyncio.gather(*(source.write(it) for it in changes))

    written = source.run(write_all())  # type: ignore[attr-defined]
    assert len(written) == len(changes)
    assert source_database.run("SELECT count(*) FROM haversack.applied_mutations") == [(len(changes),)]


def test_a_refusal_shows_no_columns_that_are_not_mapped(source: PostgresSource) -> None:
    with pytest.raises(SourceRefused) as refused:
        _write(source, "update", values={"title": "bad"}, detect_conflicts=False)
    assert "violates check constraint" in str(refused.value)
    assert JOB not in str(refused.value), "the whole row is not the user's business"
