"""Tables that become others while a PostgreSQL source follows them, which no change of a row tells."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from haversack_server.connectors.postgres import _source
from haversack_server.errors import MappingInvalid, SourceInvalid
from haversack_server.replication import Finding, Verdict
from server.postgres_world import Followed, SourceDatabase, following

JOBS = "entities:\n  job: {table: job, id: id, attributes: {id: id, title: title, price: price}}\n"
MAKE_JOBS = "CREATE TABLE job (id text PRIMARY KEY, title text, price int)"
PARTS = "entities:\n  job: {table: job, id: [id, year], attributes: {id: id, year: year, title: title}}\n"
MAKE_PARTS = """
CREATE TABLE job (id text, year int, title text, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
CREATE TABLE job_1 PARTITION OF job FOR VALUES IN (1);
INSERT INTO job VALUES ('a', 1, 'one')
"""
LOOKS_MAX = 1_000
"""How often it is followed on before what a look has to find counts as not found."""

Row = tuple[Any, ...]


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are looked at whenever a look has ended."""
    monkeypatch.setattr(_source, "LOOK_SECONDS", 0)


def test_a_table_that_is_replaced_is_copied_again(source_database: SourceDatabase, tmp_path: Path) -> None:
    run = source_database.run
    run(MAKE_JOBS)
    run("INSERT INTO job VALUES ('a', 'one'), ('b', 'two'); CREATE TABLE other (id uuid PRIMARY KEY)")
    with following(source_database, JOBS + "  other: {table: other, id: id}\n", tmp_path / "staging.db") as followed:
        followed.follow()
        run(
            "BEGIN; CREATE TABLE job_new (LIKE job INCLUDING ALL);"
            " INSERT INTO job_new VALUES ('b', 'two'), ('c', 'new');"
            " ALTER TABLE job RENAME TO job_old; ALTER TABLE job_new RENAME TO job; COMMIT"
        )
        until(followed, lambda: titles(followed) == {"b": "two", "c": "new"})
        assert followed.staging.head() == 4, "an unchanged row has drawn an LSN"
        run("INSERT INTO job_old VALUES ('x', 'of the old table'); UPDATE job SET title = 'changed' WHERE id = 'c'")
        run("INSERT INTO other VALUES (gen_random_uuid())")
        followed.follow()
        assert titles(followed) == {"b": "two", "c": "changed"}
        run("DROP TABLE job; CREATE TABLE job (id text PRIMARY KEY, title text, price int)")
        until(followed, lambda: titles(followed) == {})
        assert len(followed.rows("other")) == 1


def test_a_table_that_is_away_for_a_while_keeps_its_rows_and_holds_up_no_other(
    source_database: SourceDatabase, tmp_path: Path
) -> None:
    run = source_database.run
    run(MAKE_JOBS)
    run("INSERT INTO job VALUES ('a', 'one'); CREATE TABLE other (id uuid PRIMARY KEY)")
    with following(source_database, JOBS + "  other: {table: other, id: id}\n", tmp_path / "staging.db") as followed:
        followed.follow()
        run("ALTER TABLE job RENAME TO job_away; DELETE FROM job_away")
        until(followed, lambda: "is gone" in notes(followed))
        for number in range(1, 3):
            run("INSERT INTO other VALUES (gen_random_uuid())")
            followed.follow()
            assert (titles(followed), len(followed.rows("other"))) == ({"a": "one"}, number)
            followed.reopen()
        assert followed.follow()
        assert "there is no table" in notes(followed)
        run("INSERT INTO job_away VALUES ('b', 'two'); ALTER TABLE job_away RENAME TO job")
        until(followed, lambda: titles(followed) == {"b": "two"})
        run("UPDATE job SET title = 'changed'")
        followed.follow()
        assert titles(followed) == {"b": "changed"}
        assert notes(followed) == ""


def test_a_table_that_leaves_the_publication_and_comes_back_is_copied_again(
    source_database: SourceDatabase, tmp_path: Path
) -> None:
    run = source_database.run
    run(MAKE_JOBS)
    run("INSERT INTO job VALUES ('a', 'one'), ('b', 'two'); CREATE TABLE other (id uuid PRIMARY KEY)")
    run("CREATE PUBLICATION haversack FOR TABLE job, other")
    with following(source_database, JOBS, tmp_path / "staging.db") as followed:
        followed.follow()
        run("ALTER PUBLICATION haversack DROP TABLE job; UPDATE job SET title = 'missed' WHERE id = 'a'")
        until(followed, lambda: titles(followed) == {"a": "missed", "b": "two"})
        followed.reopen()
        run("ALTER PUBLICATION haversack DROP TABLE job; DELETE FROM job WHERE id = 'b'")
        run("ALTER PUBLICATION haversack ADD TABLE job")
        followed.follow()
        assert titles(followed) == {"a": "missed"}


def test_an_entity_that_was_not_mapped_for_a_while_is_copied_again(
    source_database: SourceDatabase, tmp_path: Path
) -> None:
    run = source_database.run
    run(MAKE_JOBS)
    run("INSERT INTO job VALUES ('a', 'one'); CREATE TABLE other (id uuid PRIMARY KEY)")
    other, path = "  other: {table: other, id: id}\n", tmp_path / "staging.db"
    with following(source_database, JOBS + other, path) as followed:
        followed.follow()
        model = followed.model
    with following(source_database, "entities:\n" + other, path) as followed:
        followed.model = model
        run("UPDATE job SET title = 'missed'")
        followed.follow()
    with following(source_database, JOBS + other, path) as followed:
        followed.follow()
        assert titles(followed) == {"a": "missed"}


def test_columns_that_a_publication_leaves_out_never_become_null(
    source_database: SourceDatabase, tmp_path: Path
) -> None:
    run = source_database.run
    run(MAKE_JOBS)
    run("INSERT INTO job VALUES ('a', 'one', 5)")
    run("CREATE PUBLICATION haversack FOR TABLE job")
    with following(source_database, JOBS, tmp_path / "staging.db") as followed:
        followed.follow()
        run("ALTER PUBLICATION haversack DROP TABLE job; ALTER PUBLICATION haversack ADD TABLE job (id, title)")
        run("UPDATE job SET title = 'two'")
        with pytest.raises(SourceInvalid, match=r"leaves out columns .* price"):
            until(followed, lambda: False)
        assert followed.rows("job")["a"]["price"] == 5
        assert "leaves out columns of public.job that are mapped: price" in failure(followed, "publication").what
        run("ALTER PUBLICATION haversack DROP TABLE job; ALTER PUBLICATION haversack ADD TABLE job")
        followed.follow()
        assert followed.rows("job")["a"] == {"id": "a", "title": "two", "price": 5}


def test_a_mapped_column_that_is_dropped_is_null_and_holds_up_nothing(
    source_database: SourceDatabase, tmp_path: Path
) -> None:
    run = source_database.run
    run(MAKE_JOBS)
    run("INSERT INTO job VALUES ('a', 'one', 5), ('b', 'two', 6)")
    with following(source_database, JOBS, tmp_path / "staging.db") as followed:
        followed.follow()
        run("ALTER TABLE job DROP COLUMN price; UPDATE job SET title = 'changed' WHERE id = 'a'")
        followed.follow()
        assert followed.rows("job") == {"a": {"id": "a", "title": "changed"}, "b": {"id": "b", "title": "two"}}
        with pytest.raises(MappingInvalid, match="has no column 'price'"):
            asyncio.run(followed.source.metadata())
        for title in ("again", "and again"):
            followed.reopen()
            run("UPDATE job SET title = %s WHERE id = 'b'", title)
            followed.follow()
            assert titles(followed) == {"a": "changed", "b": title}
            assert "column price is gone" in notes(followed)
        run("ALTER TABLE job ADD COLUMN price int DEFAULT 7")
        until(followed, lambda: [row.get("price") for row in followed.rows("job").values()] == [7, 7])
        assert notes(followed) == ""


def test_rows_that_were_rewritten_are_copied_again(source_database: SourceDatabase, tmp_path: Path) -> None:
    run = source_database.run
    run(MAKE_JOBS)
    run("INSERT INTO job VALUES ('a', 'one', 5), ('b', 'two', 6)")
    with following(source_database, JOBS, tmp_path / "staging.db") as followed:
        followed.follow()
        run("ALTER TABLE job ALTER price TYPE bigint USING price * 100; INSERT INTO job VALUES ('c', 'three', 7)")
        followed.follow()
        assert {key: row["price"] for key, row in followed.rows("job").items()} == {"a": 500, "b": 600, "c": 7}
        run("ALTER TABLE job ALTER price TYPE bigint USING price + 1")
        until(followed, lambda: [row["price"] for row in followed.rows("job").values()] == [501, 601, 8])
        head = followed.staging.head()
        run("VACUUM FULL job")
        run("INSERT INTO job VALUES ('d', 'four', 9)")
        until(followed, lambda: "d" in followed.rows("job"))
        assert followed.staging.head() == head + 1


@pytest.mark.parametrize(
    "make",
    [
        "CREATE TABLE job (id text NOT NULL, title text, price int)",
        "CREATE TABLE job (id text PRIMARY KEY DEFERRABLE, title text, price int)",
        "CREATE TABLE job (id text UNIQUE NOT NULL, title text PRIMARY KEY, price int)",
        "CREATE TABLE job (id text, title text PRIMARY KEY, price int)",
        "CREATE TABLE job (number int PRIMARY KEY DEFAULT 1, id text, title text, price int)",
        f"{MAKE_JOBS}; ALTER TABLE job REPLICA IDENTITY NOTHING",
    ],
)
def test_a_table_without_an_identity_is_not_published(
    source_database: SourceDatabase, tmp_path: Path, make: LiteralString
) -> None:
    run = source_database.run
    run(make)
    run("INSERT INTO job (id, title) VALUES ('a', 'one')")
    with following(source_database, JOBS, tmp_path / "staging.db") as followed:
        assert "REPLICA IDENTITY of public.job does not tell id" in failure(followed, "job").what
        with pytest.raises(SourceInvalid, match=r"REPLICA IDENTITY .* ALTER TABLE"):
            followed.follow()
        run("UPDATE job SET title = 'two'")
        run("ALTER TABLE job REPLICA IDENTITY FULL")
        followed.follow()
        assert failures(followed) == []
        run("UPDATE job SET price = 2")
        followed.follow()
        assert all(row["price"] == 2 for row in followed.rows("job").values())


def test_an_identity_that_is_taken_away_is_told(source_database: SourceDatabase, tmp_path: Path) -> None:
    run = source_database.run
    run(MAKE_JOBS)
    with following(source_database, JOBS, tmp_path / "staging.db") as followed:
        followed.follow()
        run("ALTER TABLE job DROP CONSTRAINT job_pkey; INSERT INTO job VALUES ('a')")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            run("UPDATE job SET title = 'two'")
        with pytest.raises(SourceInvalid, match="does not tell id"):
            until(followed, lambda: False)


def test_partitions_that_come_and_go_take_their_rows_along(source_database: SourceDatabase, tmp_path: Path) -> None:
    run = source_database.run
    run(MAKE_PARTS)
    run("CREATE TABLE job_2 (LIKE job INCLUDING ALL); INSERT INTO job_2 VALUES ('x', 2, 'staged')")
    with following(source_database, PARTS, tmp_path / "staging.db") as followed:
        followed.follow()
        run("ALTER TABLE job ATTACH PARTITION job_2 FOR VALUES IN (2)")
        until(followed, lambda: titles(followed) == {"a~1": "one", "x~2": "staged"})
        run("ALTER TABLE job DETACH PARTITION job_1")
        until(followed, lambda: titles(followed) == {"x~2": "staged"})
        run("UPDATE job SET title = 'changed'; INSERT INTO job_1 VALUES ('b', 1, 'none of it')")
        followed.follow()
        assert titles(followed) == {"x~2": "changed"}


def test_partitions_that_tell_less_than_their_table_keep_what_is_not_sent(
    source_database: SourceDatabase, tmp_path: Path
) -> None:
    run = source_database.run
    run(MAKE_PARTS)
    run("ALTER TABLE job_1 ALTER title SET STORAGE EXTERNAL; ALTER TABLE job ADD note text")
    run("UPDATE job SET title = repeat('x', 9000); ALTER TABLE job REPLICA IDENTITY FULL")
    mapping = PARTS.replace("title: title", "title: title, note: note")
    with following(source_database, mapping, tmp_path / "staging.db") as followed:
        followed.follow()
        for change in ("ALTER TABLE job_1 REPLICA IDENTITY FULL", "ALTER TABLE job_1 REPLICA IDENTITY DEFAULT"):
            run("UPDATE job SET note = 'changed', id = 'b'")
            run("UPDATE job SET note = note || '!', id = 'a'")
            followed.follow()
            assert titles(followed) == {"a~1": "x" * 9000}
            run(change)
            run("UPDATE job SET note = 'again'")
            followed.follow()
            assert titles(followed) == {"a~1": "x" * 9000}


def test_a_publication_of_partitions_under_their_own_names_is_refused(
    source_database: SourceDatabase, tmp_path: Path
) -> None:
    run = source_database.run
    run(MAKE_PARTS)
    run("CREATE PUBLICATION haversack FOR ALL TABLES")
    with following(source_database, PARTS, tmp_path / "staging.db") as followed:
        command = "ALTER PUBLICATION haversack SET (publish_via_partition_root = true)"
        assert failure(followed, "publication").remedy.endswith(command)
        with pytest.raises(SourceInvalid, match="publish_via_partition_root = true"):
            followed.follow()
        run(command)
        assert failures(followed) == []
        followed.follow()
        run("UPDATE job SET title = 'two'")
        followed.follow()
        assert titles(followed) == {"a~1": "two"}


def test_tables_that_inherit_are_refused_and_left_out(source_database: SourceDatabase, tmp_path: Path) -> None:
    run = source_database.run
    run(MAKE_JOBS)
    run("INSERT INTO job VALUES ('p', 'parent')")
    with following(source_database, JOBS, tmp_path / "staging.db") as followed:
        followed.follow()
        run("CREATE TABLE job_2024 (PRIMARY KEY (id)) INHERITS (job); INSERT INTO job_2024 VALUES ('c', 'child')")
        with pytest.raises(MappingInvalid, match=r"job_2024 inherit from public\.job"):
            asyncio.run(followed.source.metadata())
        assert "job_2024 inherit from public.job" in failure(followed, "mapping").what
        # A copy has no other rows than those of which changes are told.
        followed.reopen()
        source_database.drop_slots()
        followed.follow()
        run("UPDATE job SET title = 'changed'")
        followed.follow()
        assert titles(followed) == {"p": "changed"}
        assert "inherit" in notes(followed)


LINES = "entities:\n  line: {table: line, id: [note, number], attributes: {text: text, version: version}VERSION}\n"


@pytest.mark.parametrize("version", ["", ", version: version"])
def test_keys_that_shift_within_a_transaction(source_database: SourceDatabase, tmp_path: Path, version: str) -> None:
    """Against what the source has, after random statements within transactions whose keys collide for a while."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    run = source_database.run
    run("""
        CREATE TABLE line (note int, number int, text text, version int DEFAULT 1,
            PRIMARY KEY (note, number) DEFERRABLE INITIALLY DEFERRED);
        ALTER TABLE line REPLICA IDENTITY FULL;
        INSERT INTO line SELECT 1, i, 't' || i FROM generate_series(1, 9) i
    """)
    with following(source_database, LINES.replace("VERSION", version), tmp_path / "staging.db") as followed:
        followed.follow()
        run("UPDATE line SET number = number + 1")
        followed.follow()
        assert lines(followed) == sorted((f"1~{number + 1}", f"t{number}") for number in range(1, 10))
        for _ in range(60):
            shuffle(source_database, chance)
        followed.follow()
        found = run("SELECT note || '~' || number, text FROM line")
        assert lines(followed) == sorted(found)


def shuffle(database: SourceDatabase, chance: random.Random) -> None:
    """Makes a transaction that moves rows onto each other's keys; one that leaves two of a key is taken back."""
    statements: list[LiteralString] = [
        "UPDATE line SET number = number + 1, version = version + 1",
        "UPDATE line SET number = number - 1 WHERE number > 3",
        "UPDATE line SET number = 12 - number",
        "UPDATE line SET number = 4 WHERE number = 5",
        "UPDATE line SET number = 5 WHERE ctid IN (SELECT ctid FROM line WHERE number = 4 ORDER BY random() LIMIT 1)",
        "UPDATE line SET text = text || '!' WHERE number = 5",
        "INSERT INTO line SELECT 1, 1 + floor(random() * 9), md5(random()::text)",
        "DELETE FROM line WHERE ctid IN (SELECT ctid FROM line ORDER BY random() LIMIT 1)",
    ]
    try:
        with database.connection.transaction():
            for _ in range(chance.randrange(1, 6)):
                database.connection.execute(chance.choice(statements))
    except psycopg.errors.UniqueViolation:
        pass


def lines(followed: Followed) -> list[Row]:
    """Returns ids and texts of lines."""
    return sorted((key, row["text"]) for key, row in followed.rows("line").items())


def titles(followed: Followed) -> dict[str, Any]:
    """Returns staging's titles by id."""
    return {key: row.get("title") for key, row in followed.rows("job").items()}


def notes(followed: Followed) -> str:
    """Returns what status says could not be carried."""
    return "; ".join(it.why for it in followed.standing().left_out)


def failures(followed: Followed) -> list[Finding]:
    """Returns what a check says will not work."""
    return [it for it in asyncio.run(followed.source.check()).findings if it.verdict == Verdict.FAILURE]


def failure(followed: Followed, subject: str) -> Finding:
    """Returns the one thing that a check says will not work."""
    [found] = failures(followed)
    assert found.subject == subject
    return found


def until(followed: Followed, is_so: Callable[[], bool]) -> None:
    """Follows until something is so: a look is made beside the following, so it is seen some time after."""
    for _ in range(LOOKS_MAX):
        followed.follow()
        if is_so():
            return
    raise AssertionError("it never was so")
