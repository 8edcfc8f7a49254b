"""Writes of devices into databases that have rules of their own: triggers, short keys, narrow privileges, locks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

import pytest
from haversack_server.connectors.postgres import PostgresSource, _write
from haversack_server.errors import Refusal, SourceNotReady, SourceRefused
from haversack_server.replication import Change, Written
from server.postgres_world import SourceDatabase


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has writes look at altered tables at once."""
    monkeypatch.setattr(_write, "LOOK_SECONDS_MIN", 0.0)


MAPPING = "entities: {job: {table: job, id: id, attributes: {title: title}}}"
MARKING = "entities: {job: {table: job, id: id, deleted: deleted_at, attributes: {title: title}}}"
JOB, NEW = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"
USER = "00000000-0000-0000-0000-00000000000a"


@dataclass(frozen=True)
class Writing:
    """A source, written to by devices."""

    source: PostgresSource
    runner: asyncio.Runner

    def write(
        self,
        kind: Literal["create", "update", "delete"],
        values: dict[str, Any] | None = None,
        *,
        row: str = JOB,
        key: str = "install/1",
        **more: Any,
    ) -> Written:
        """Writes a job."""
        return self.runner.run(self.source.write(Change(key, "job", row, kind, values or {}, user=USER, **more)))

    def refused(self, kind: Literal["create", "update", "delete"], *arguments: Any, **more: Any) -> Refusal:
        """Writes a job, which is refused; returns why."""
        with pytest.raises(SourceRefused) as refused:
            self.write(kind, *arguments, **more)
        return refused.value.outcome

    def checked(self) -> str:
        """Returns what a check finds, with what to do about it."""
        findings = self.runner.run(self.source.check()).findings
        return "\n".join(f"{it.verdict} {it.subject}: {it.what}: {it.remedy}" for it in findings)


@contextmanager
def writing(database: SourceDatabase, mapping: str = MAPPING, role: str = "") -> Iterator[Writing]:
    """Writes into a database, as a role of it if one is named."""
    url = database.settings["url"]
    settings = {"url": url.replace("user=haversack", f"user={role}")} if role else {}
    with asyncio.Runner() as runner:
        source = database.source(mapping, **settings)
        try:
            yield Writing(source, runner)
        finally:
            runner.run(source.close())


@contextmanager
def role_of(database: SourceDatabase, rights: LiteralString, kind: str = "own") -> Iterator[str]:
    """Makes a role that may log in, and what follows its name in `rights`, where it is written as ROLE."""
    name = f"{kind}_{database.name}"[:40]
    database.run(f"CREATE ROLE {name} LOGIN")
    try:
        database.run(rights.replace("ROLE", name))
        yield name
    finally:
        database.run(f"DROP OWNED BY {name}; DROP ROLE {name}")


def trigger(when: LiteralString, body: LiteralString) -> LiteralString:
    """Returns SQL that makes a trigger of jobs."""
    return (
        f"CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
        f"CREATE TRIGGER rule {when} ON job FOR EACH ROW EXECUTE FUNCTION rule()"
    )


def _title(written: Written) -> Any:
    assert written.row is not None
    return json.loads(written.row)["title"]


def test_a_row_that_a_trigger_swallows_was_not_made(source_database: SourceDatabase) -> None:
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, title text)")
    source_database.run(
        trigger("BEFORE INSERT OR UPDATE", "IF NEW.title LIKE 'spam%' THEN RETURN NULL; END IF; RETURN NEW;")
    )
    with writing(source_database) as it:
        assert it.refused("create", {"title": "spam"}) is Refusal.FORBIDDEN
        assert _title(it.write("create", {"title": "ham"}, key="install/2")) == "ham"
        assert it.refused("update", {"title": "spam"}, key="install/3") is Refusal.FORBIDDEN
    assert source_database.run("SELECT key FROM haversack.applied_mutations") == [("install/2",)], "nothing was noted"


def test_what_a_trigger_does_itself_is_done(source_database: SourceDatabase) -> None:
    """As old partitions are written, and as rows are marked by those who forbid to delete them."""
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, title text, deleted_at timestamptz)")
    source_database.run("CREATE TABLE of_2024 (PRIMARY KEY (id)) INHERITS (job)")
    source_database.run(
        trigger(
            "BEFORE INSERT OR DELETE",
            "IF TG_OP = 'INSERT' THEN INSERT INTO of_2024 VALUES (NEW.*); RETURN NULL; END IF;"
            "UPDATE job SET deleted_at = now() WHERE id = OLD.id; RETURN NULL;",
        )
    )
    source_database.run("CREATE TRIGGER rule BEFORE DELETE ON of_2024 FOR EACH ROW EXECUTE FUNCTION rule()")
    with writing(source_database) as it:
        assert _title(it.write("create", {"title": "first"})) == "first"
        with pytest.raises(SourceRefused, match="name the column that it sets as `deleted`"):
            it.write("delete", key="install/2")
    with writing(source_database, MARKING) as it:
        assert it.write("delete", key="install/3").row is None
        assert it.refused("update", {"title": "later"}, key="install/4") is Refusal.NOT_FOUND
        assert it.refused("create", {"title": "again"}, key="install/5") is Refusal.CONFLICT
    assert source_database.run("SELECT deleted_at IS NOT NULL FROM job") == [(True,)]


@pytest.mark.parametrize("kind", ["timestamptz", "date", "bool", "smallint", "text"])
def test_rows_are_marked_as_deleted_in_columns_of_any_type(
    source_database: SourceDatabase, kind: LiteralString
) -> None:
    source_database.run(f"CREATE TABLE job (id uuid PRIMARY KEY, title text, deleted_at {kind})")
    source_database.run("INSERT INTO job VALUES (%s, 'first')", JOB)
    with writing(source_database, MARKING) as it:
        assert it.write("delete").row is None
    assert source_database.run("SELECT deleted_at IS NULL FROM job") == [(False,)]


def test_a_row_that_is_marked_by_a_trigger_which_swallows_the_mark_is_deleted(source_database: SourceDatabase) -> None:
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, title text, deleted_at timestamptz)")
    source_database.run("CREATE TABLE gone (id uuid)")
    source_database.run(
        trigger(
            "BEFORE UPDATE",
            "IF pg_trigger_depth() > 1 THEN RETURN NEW; END IF;"
            "UPDATE job SET deleted_at = 'epoch' WHERE id = OLD.id; RETURN NULL;",
        )
    )
    source_database.run("INSERT INTO job VALUES (%s, 'first')", JOB)
    with writing(source_database, MARKING) as it:
        assert it.write("delete").row is None
    assert source_database.run("SELECT extract(epoch FROM deleted_at)::int FROM job") == [(0,)]


def test_rows_are_made_and_deleted_without_the_right_to_update(source_database: SourceDatabase) -> None:
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, title text, version int DEFAULT 1)")
    source_database.run("INSERT INTO job VALUES (%s, 'there')", JOB)
    mapping = MAPPING.replace("id: id,", "id: id, version: version,")
    with (
        role_of(source_database, "GRANT SELECT, INSERT, DELETE ON job TO ROLE") as role,
        writing(source_database, mapping, role) as it,
    ):
        assert _title(it.write("create", {"title": "new"}, row=NEW)) == "new"
        assert it.refused("create", {"title": "newer"}, row=JOB, key="install/2") is Refusal.CONFLICT
        assert it.refused("delete", row=NEW, key="install/3", etag="7") is Refusal.CONFLICT
        assert it.write("delete", row=NEW, key="install/3", etag="1").row is None
    assert source_database.run("SELECT title FROM job") == [("there",)]


def test_a_row_that_is_made_twice_at_once_is_a_conflict(source_database: SourceDatabase) -> None:
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, title text UNIQUE)")

    async def race(source: PostgresSource) -> list[Written | BaseException]:
        changes = [Change(f"{it}/1", "job", JOB, "create", {"title": f"by {it}"}, user=USER) for it in range(8)]
        return await asyncio.gather(*map(source.write, changes), return_exceptions=True)

    with writing(source_database) as it:
        outcomes = it.runner.run(race(it.source))
        assert sum(isinstance(outcome, Written) for outcome in outcomes) == 1
        refused = [outcome for outcome in outcomes if isinstance(outcome, SourceRefused)]
        assert [outcome.outcome for outcome in refused] == [Refusal.CONFLICT] * 7
        [(taken,)] = source_database.run("SELECT title FROM job")
        assert it.refused("create", {"title": taken}, row=NEW, key="install/2") is Refusal.INVALID


def test_columns_that_are_not_mapped_may_go_and_may_be_secret(source_database: SourceDatabase) -> None:
    source_database.run("CREATE TABLE users (id uuid PRIMARY KEY, db_role text)")
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, title text, legacy text, salary int)")
    source_database.run("INSERT INTO job VALUES (%s, 'first')", JOB)
    mapping = (
        "directory: {users: users, id: id}\nwrite_as: {role: db_role}\n"
        + MAPPING.replace("entities: {", "entities:\n  ")[:-1]
    )
    rights = "GRANT SELECT (id, title), INSERT (id, title), UPDATE (title) ON job TO ROLE"
    with role_of(source_database, rights, "user") as role, writing(source_database, mapping) as it:
        source_database.run("INSERT INTO users VALUES (%s, %s)", USER, role)
        assert _title(it.write("update", {"title": "second"}, old_values={"title": "first"})) == "second"
        source_database.run("ALTER TABLE job DROP COLUMN legacy")
        assert _title(it.write("update", {"title": "third"}, key="install/2", detect_conflicts=False)) == "third"
        assert _title(it.write("create", {"title": "new"}, row=NEW, key="install/3")) == "new"
        assert it.refused("delete", row=NEW, key="install/4") is Refusal.FORBIDDEN


def test_a_mapped_column_that_goes_holds_up_what_sets_it_alone(
    source_database: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, title text, price int)")
    source_database.run("CREATE TABLE other (id uuid PRIMARY KEY)")
    source_database.run("INSERT INTO job VALUES (%s, 'first', 1)", JOB)
    monkeypatch.setattr(_write, "GAPS_SECONDS_MAX", 0.0)
    job = "job: {table: job, id: id, attributes: {title: title, price: price}}"
    with writing(source_database, f"entities:\n  {job}\n  other: {{table: other, id: id}}") as it:
        assert _title(it.write("update", {"title": "second"}, old_values={"price": 1})) == "second"
        source_database.run("ALTER TABLE job DROP COLUMN price; DROP TABLE other")
        written = it.write("update", {"title": "third"}, key="install/2", old_values={"price": 1})
        assert json.loads(written.row or b"") == {"id": JOB, "title": "third", "price": None}
        assert _title(it.write("create", {"title": "new", "price": None}, row=NEW, key="install/3")) == "new"
        with pytest.raises(SourceNotReady, match=r"job\.price cannot be written: line 2: .* no column 'price'"):
            it.write("update", {"title": "fourth", "price": 4}, key="install/4")
        source_database.run("ALTER TABLE job ADD COLUMN price bigint DEFAULT 5")
        written = it.write("update", {"title": "fifth"}, key="install/5")
        assert json.loads(written.row or b"") == {"id": JOB, "title": "fifth", "price": "5"}
        assert it.write("update", {"price": 4}, key="install/4", old_values={"price": 5}).row is not None


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("varchar(32)", "value too long"),
        ("char(40)", "stores job"),
        ("char(8)", "value too long"),
        ("code", "too long"),
    ],
)
def test_ids_are_kept_whole_or_refused(source_database: SourceDatabase, kind: LiteralString, words: str) -> None:
    source_database.run("CREATE DOMAIN code AS varchar(32)")
    source_database.run(f"CREATE TABLE job (id {kind} PRIMARY KEY, title varchar(5))")
    source_database.run("INSERT INTO job VALUES ('short', 'first')")
    with writing(source_database) as it:
        with pytest.raises(SourceRefused, match=words) as refused:
            it.write("create", {"title": "new"}, row=NEW)
        assert refused.value.outcome is Refusal.INVALID
        assert "rows that they make are refused" in it.checked()
        assert _title(it.write("update", {"title": "later"}, row="short", key="install/2")) == "later"
        assert it.refused("update", {"title": "much later"}, row="short", key="install/3") is Refusal.INVALID
    assert source_database.run("SELECT count(*) FROM job") == [(1,)]


@pytest.mark.parametrize("kind", ["char(36)", "varchar(36)", "text", "uuid"])
def test_ids_that_fit_are_kept(source_database: SourceDatabase, kind: LiteralString) -> None:
    source_database.run(f"CREATE TABLE job (id {kind} PRIMARY KEY, title text)")
    with writing(source_database) as it:
        assert _title(it.write("create", {"title": "new"})) == "new"
        assert "can be followed and written" in it.checked()
    assert source_database.run("SELECT id::text FROM job") == [(JOB,)]


def test_an_id_that_a_trigger_gives_is_refused(source_database: SourceDatabase) -> None:
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, title text)")
    source_database.run(trigger("BEFORE INSERT", "NEW.id := gen_random_uuid(); RETURN NEW;"))
    with writing(source_database) as it:
        assert it.refused("create", {"title": "new"}) is Refusal.INVALID
    assert source_database.run("SELECT count(*) FROM job") == [(0,)]


@pytest.mark.parametrize(
    ("kind", "rights", "lacking", "grant"),
    [
        ("create", "UPDATE, DELETE", "INSERT", "GRANT INSERT ON public.job"),
        ("update", "INSERT, DELETE", "UPDATE", "GRANT UPDATE ON public.job"),
        ("delete", "INSERT, UPDATE", "DELETE", "GRANT DELETE ON public.job"),
        ("update", "INSERT, UPDATE (id), DELETE", "UPDATE", "GRANT UPDATE ON public.job"),
        ("create", "INSERT (id), UPDATE, DELETE", "INSERT (title)", "GRANT INSERT (title) ON public.job"),
        ("create", "INSERT, UPDATE, DELETE", "numbers rows", "GRANT USAGE ON SEQUENCE job_number_seq"),
    ],
)
def test_a_privilege_that_we_lack_keeps_writes_waiting(
    source_database: SourceDatabase,
    kind: Literal["create", "update", "delete"],
    rights: LiteralString,
    lacking: str,
    grant: LiteralString,
) -> None:
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, title text, number serial)")
    source_database.run("INSERT INTO job VALUES (%s, 'first')", JOB)
    if "SEQUENCE" not in grant:
        source_database.run("ALTER TABLE job DROP COLUMN number")
    row, values = (NEW if kind == "create" else JOB), ({} if kind == "delete" else {"title": "new"})
    with (
        role_of(source_database, f"GRANT SELECT, {rights} ON job TO ROLE") as role,
        writing(source_database, role=role) as it,
    ):
        for _ in range(2):
            with pytest.raises(SourceNotReady, match="permission denied"):
                it.write(kind, values, row=row)
        assert lacking in it.checked()
        assert f"run: {grant} TO {role}" in it.checked()
        source_database.run(f"{grant} TO {role}")
        assert (it.write(kind, values, row=row).row is None) == (kind == "delete")
        assert grant not in it.checked()


def test_what_policies_and_triggers_forbid_is_the_user_s(source_database: SourceDatabase) -> None:
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, title text)")
    source_database.run(
        trigger(
            "BEFORE INSERT OR UPDATE",
            "IF NEW.title = 'raised' THEN RAISE insufficient_privilege; END IF; RETURN NEW;",
        )
    )
    source_database.run("INSERT INTO job VALUES (%s, 'first')", JOB)
    source_database.run("ALTER TABLE job ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON job USING (title <> 'hidden')")
    with (
        role_of(source_database, "GRANT SELECT, INSERT, UPDATE, DELETE ON job TO ROLE") as role,
        writing(source_database, role=role) as it,
    ):
        assert it.refused("update", {"title": "hidden"}) is Refusal.FORBIDDEN
        assert it.refused("create", {"title": "hidden"}, row=NEW) is Refusal.FORBIDDEN
        assert it.refused("update", {"title": "raised"}) is Refusal.FORBIDDEN
        assert _title(it.write("update", {"title": "second"})) == "second"


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("bool", "true"),
        ("float8", "0.1"),
        ("float4", "1e10"),
        ("numeric", "1.50"),
        ("char(5)", "ab"),
        ("timestamptz", "2024-05-31 10:00:00.5+02"),
        ("inet", "10.0.0.1"),
        ("bytea", "\\x00ff"),
    ],
)
def test_versions_are_what_replication_calls_them(
    source_database: SourceDatabase, kind: LiteralString, version: str
) -> None:
    source_database.run(f"CREATE TABLE job (id uuid PRIMARY KEY, title text, version {kind})")
    source_database.run("INSERT INTO job VALUES (%s, 'first', %s)", JOB, version)
    # What the type's output function writes, as pgoutput does.
    source_database.run("SET timezone = UTC")
    [(etag,)] = source_database.run("SELECT format('%s', version) FROM job")
    with writing(source_database, MAPPING.replace("id: id,", "id: id, version: version,")) as it:
        assert it.write("update", {"title": "second"}, etag=etag).etag == etag
        assert it.refused("update", {"title": "third"}, etag="another", key="install/2") is Refusal.CONFLICT


def test_a_row_that_others_lock_holds_up_its_own_write_alone(
    source_database: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_write, "LOCK_MILLISECONDS_MAX", 20)
    source_database.run("CREATE TABLE job (id uuid PRIMARY KEY, title text)")
    source_database.run("INSERT INTO job VALUES (%s, 'first'), (%s, 'second')", JOB, NEW)
    with writing(source_database) as it:
        with source_database.connection.transaction():
            source_database.run("UPDATE job SET title = 'ours' WHERE id = %s", JOB)
            with pytest.raises(SourceNotReady, match=r"busy.*lock timeout"):
                it.write("update", {"title": "theirs"})
            assert _title(it.write("update", {"title": "theirs"}, row=NEW, key="install/2")) == "theirs"
        assert _title(it.write("update", {"title": "theirs"})) == "theirs"
