"""The feed of a PostgreSQL source: snapshot, changes, and what happens when either is cut off."""

from __future__ import annotations

import asyncio
import random
from contextlib import nullcontext
from pathlib import Path
from typing import Any, LiteralString

import pytest
from server.postgres_world import ROWS_MAX, Followed, SourceDatabase, following

NOTES = """
entities:
  note:
    table: note
    id: id
    deleted: deleted_at
    version: version
    attributes:
      id: id
      title: title
      body: body
      size: size
"""
MAKE_NOTES = """
CREATE TABLE note (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text, body text, size int,
    deleted_at timestamptz, version int NOT NULL DEFAULT 1);
ALTER TABLE note ALTER body SET STORAGE EXTERNAL
"""
ONE, TWO, THREE = (f"00000000-0000-0000-0000-{number:012}" for number in (1, 2, 3))
LARGE = "x" * 20_000

EVERYTHING = """
CREATE TYPE colour AS ENUM ('red', 'dark green');
CREATE DOMAIN score AS int CHECK (VALUE >= 0);
CREATE TABLE kind (id int PRIMARY KEY, name text);
CREATE TABLE thing (
    id text PRIMARY KEY, flag bool, small int2, whole int4, large int8, exact numeric, single float4, double float8,
    words text, short varchar(20), padded char(5), day date, wall timestamp, moment timestamptz, span interval,
    clock time, doc jsonb, address inet, unique_id uuid, colour colour, colours colour[], numbers int[],
    kind_id int REFERENCES kind,
    score score, place point, state text CHECK (state IN ('open', 'shut')),
    twice int GENERATED ALWAYS AS (whole * 2) STORED);
COMMENT ON TABLE thing IS 'Anything.'
"""
VALUES = """
    true, -3, 1073741823, -9007199254740993, 1234567890.123400, 0.1, 1e-7,
    E'tab\\there "quoted" \\u00e9', 'short',
    'ab', '2024-02-29', '2024-05-31 10:00:00.123456', '2024-05-31 10:00:00.5+02', '1 day 2 hours', '10:30',
    '{"a": [1]}', '10.0.0.1', '6f9619ff-8b86-d011-b42d-00c04fc964ff', 'dark green', '{red,"dark green"}',
    '{3,1,2}', 7, 5, '(1,2)', 'shut'
"""
COLUMNS = """id, flag, small, whole, large, exact, single, double, words, short, padded, day, wall, moment, span, clock,
    doc,
    address, unique_id, colour, colours, numbers, kind_id, score, place, state"""


def test_snapshot_and_stream_make_the_same_rows_of_every_type(source_database: SourceDatabase, tmp_path: Path) -> None:
    source_database.run(EVERYTHING)
    source_database.run("INSERT INTO kind VALUES (7, 'seventh')")
    source_database.run(f"INSERT INTO thing ({COLUMNS}) VALUES ('before', {VALUES})")
    mapping = _drafted(source_database).replace("kind:", "kind:\n    name: name", 1)
    with following(source_database, mapping, tmp_path / "staging.db") as followed:
        followed.follow()
        source_database.run(f"INSERT INTO thing ({COLUMNS}) VALUES ('after', {VALUES})")
        source_database.run(
            "INSERT INTO thing (id, double, moment, day) VALUES ('odd', 'NaN', 'infinity', '0001-01-01')"
        )
        followed.follow()
        rows = followed.rows("thing")
        before = {name: value for name, value in rows["before"].items() if name != "id"}
        assert before == {name: value for name, value in rows["after"].items() if name != "id"}
        assert before["exact"] == "1234567890.1234"
        assert before["single"] == pytest.approx(0.1, abs=0)
        assert (before["colour"], before["colours"], before["state"]) == (2, [1, 2], 2)
        assert (before["kind_id"], before["padded"], before["address"]) == ("7", "ab   ", "10.0.0.1")
        assert before["moment"] == 1717142400500000
        assert rows["odd"] == {"id": "odd"}
        # A second copy of the same rows, in COPY's forms, finds nothing that is different.
        head = followed.staging.head()
        followed.reopen()
        source_database.drop_slots()
        counts = followed.follow().counts
        assert (counts.inserted, counts.updated, counts.deleted, counts.unchanged) == (0, 0, 0, 4)
        assert followed.staging.head() == head


def test_large_rows_are_read_no_further_ahead_than_there_is_room_and_all_come(
    source_database: SourceDatabase, tmp_path: Path
) -> None:
    """More than twice what the gate lets by, in one transaction; the last row is nearly as large as a row may be."""
    run = source_database.run
    run(MAKE_NOTES)
    with following(source_database, NOTES, tmp_path / "staging.db") as followed:
        followed.follow()
        run(
            "INSERT INTO note (id, title, body) SELECT md5(i::text)::uuid, i::text, repeat('x', 1 << 20)"
            " FROM generate_series(1, 70) i UNION ALL SELECT %s, 'large', repeat('y', 8000000)",
            ONE,
        )
        assert followed.follow().counts.inserted == 71
        assert len(followed.rows("note")[ONE]["body"]) == 8_000_000


def test_changes_of_rows(source_database: SourceDatabase, tmp_path: Path) -> None:
    run = source_database.run
    run(MAKE_NOTES)
    run("INSERT INTO note (id, title, body) VALUES (%s, 'one', %s)", ONE, LARGE)
    with following(source_database, NOTES, tmp_path / "staging.db") as followed:
        assert followed.follow().counts.inserted == 1
        run("UPDATE note SET title = 'changed'")
        assert followed.follow().counts.updated == 1
        assert followed.rows("note")[ONE] == {"id": ONE, "title": "changed", "body": LARGE}
        run("UPDATE note SET id = %s", TWO)
        followed.follow()
        assert followed.rows("note") == {TWO: {"id": TWO, "title": "changed", "body": LARGE}}
        run("UPDATE note SET deleted_at = now()")
        followed.follow()
        assert followed.rows("note") == {}
        # The text was not sent, and staging no longer has it: it is fetched.
        run("UPDATE note SET deleted_at = NULL, size = 3")
        followed.follow()
        assert followed.rows("note") == {TWO: {"id": TWO, "title": "changed", "body": LARGE, "size": 3}}
        run("UPDATE note SET title = title")
        assert followed.follow().counts.unchanged == 1
        run("BEGIN; TRUNCATE note; INSERT INTO note (title) VALUES ('new'); COMMIT")
        followed.follow()
        assert [row["title"] for row in followed.rows("note").values()] == ["new"]
        run("DELETE FROM note")
        followed.follow()
        assert followed.rows("note") == {}


def test_a_transaction_that_is_too_large_for_one_commit(source_database: SourceDatabase, tmp_path: Path) -> None:
    source_database.run(MAKE_NOTES)
    with following(source_database, NOTES, tmp_path / "staging.db") as followed:
        followed.follow()
        source_database.run("INSERT INTO note (size) SELECT generate_series(1, 40000)")
        assert followed.follow().counts.inserted == 40_000
        assert followed.staging.head() == 40_000


def test_columns_that_come_and_go(source_database: SourceDatabase, tmp_path: Path) -> None:
    run = source_database.run
    run(MAKE_NOTES)
    run("INSERT INTO note (id, title, size) VALUES (%s, 'one', 1)", ONE)
    with following(source_database, NOTES, tmp_path / "staging.db") as followed:
        followed.follow()
        run("ALTER TABLE note ADD extra int DEFAULT 4")
        run("ALTER TABLE note ALTER size TYPE text")
        run("UPDATE note SET extra = 5, size = '17'")
        followed.follow()
        assert followed.rows("note")[ONE]["size"] == 17
        run("ALTER TABLE note DROP size")
        run("UPDATE note SET title = 'two'")
        followed.follow()
        assert followed.rows("note")[ONE] == {"id": ONE, "title": "two"}
        assert "column size is gone" in followed.standing().left_out[0].why


def test_keys_of_several_columns_and_full_identities(source_database: SourceDatabase, tmp_path: Path) -> None:
    run = source_database.run
    run("CREATE TABLE pair (a int, b text, note text, PRIMARY KEY (b, a))")
    run("ALTER TABLE pair REPLICA IDENTITY FULL")
    run("INSERT INTO pair VALUES (1, 'x~%y', 'one')")
    with following(source_database, _drafted(source_database), tmp_path / "staging.db") as followed:
        followed.follow()
        assert list(followed.rows("pair")) == ["x%7E%25y~1"]
        run("UPDATE pair SET a = 2")
        run("INSERT INTO pair VALUES (3, 'z', 'two')")
        run("DELETE FROM pair WHERE a = 2")
        followed.follow()
        assert list(followed.rows("pair")) == ["z~3"]


def test_an_entity_that_is_mapped_otherwise_is_copied_alone(source_database: SourceDatabase, tmp_path: Path) -> None:
    run = source_database.run
    run(MAKE_NOTES)
    run("CREATE TABLE other (id uuid PRIMARY KEY); INSERT INTO other VALUES (gen_random_uuid())")
    run("INSERT INTO note (title, size) SELECT 'n', generate_series(1, 100)")
    mapping = NOTES.replace("      size: size\n", "") + "  other: {table: other, id: id}\n"
    path = tmp_path / "staging.db"
    with following(source_database, mapping, path) as followed:
        followed.follow()
        run("UPDATE note SET title = 'changed' WHERE size = 1")
        run("INSERT INTO other VALUES (gen_random_uuid())")
    with following(source_database, NOTES + "  other: {table: other, id: id}\n", path) as followed:
        counts = followed.follow().counts
        assert (counts.updated, counts.inserted) == (100, 1)
        assert sorted(row["size"] for row in followed.rows("note").values()) == list(range(1, 101))
        assert len(followed.rows("other")) == 2


@pytest.mark.parametrize("rows_max", [1, ROWS_MAX])
@pytest.mark.parametrize("is_one", [False, True], ids=["transactions", "transaction"])
def test_rows_that_move_on_before_they_are_fetched_keep_their_values(
    source_database: SourceDatabase, tmp_path: Path, rows_max: int, is_one: bool
) -> None:
    """When the first change of a row is told, its key is nobody's at the source any more, or another row's."""
    run = source_database.run
    run(MAKE_NOTES)
    run(
        "INSERT INTO note (id, title, body, deleted_at) SELECT %s::uuid, 'one', repeat('1', 20000), now()"
        " UNION ALL SELECT %s::uuid, 'two', repeat('2', 20000), now()"
        " UNION ALL SELECT %s::uuid, 'three', repeat('3', 20000), NULL",
        ONE,
        TWO,
        THREE,
    )
    with following(source_database, NOTES, tmp_path / "staging.db") as followed:
        followed.follow()
        with source_database.connection.transaction() if is_one else nullcontext():
            run("UPDATE note SET deleted_at = NULL WHERE id = %s", ONE)
            run("UPDATE note SET deleted_at = NULL WHERE id = %s", TWO)
            run("UPDATE note SET id = gen_random_uuid() WHERE id = %s", ONE)
            run("UPDATE note SET id = gen_random_uuid() WHERE id = %s", TWO)
            run("UPDATE note SET id = %s WHERE id = %s", TWO, THREE)
            run("UPDATE note SET title = title || '!'")
        followed.follow(rows_max=rows_max)
        assert _staged(followed) == _alive(source_database)


def test_a_row_that_is_too_large_stays_out_when_another_column_changes(
    source_database: SourceDatabase, tmp_path: Path
) -> None:
    run = source_database.run
    run(MAKE_NOTES)
    with following(source_database, NOTES, tmp_path / "staging.db") as followed:
        followed.follow()
        run("INSERT INTO note (id, title, body) VALUES (%s, 'one', repeat('x', 9000000))", ONE)
        followed.follow()
        run("UPDATE note SET title = 'changed'")
        followed.follow()
        assert followed.rows("note") == {}
        [note] = followed.standing().left_out
        assert (note.count, note.why.endswith("are left out; map fewer columns")) == (2, True)


def test_a_mark_that_is_too_large_to_be_sent_again_still_marks(source_database: SourceDatabase, tmp_path: Path) -> None:
    run = source_database.run
    run(MAKE_NOTES.replace("timestamptz", "text"))
    run("ALTER TABLE note ALTER deleted_at SET STORAGE EXTERNAL")
    run("INSERT INTO note (id, title, deleted_at) VALUES (%s, 'one', %s)", ONE, LARGE)
    with following(source_database, NOTES, tmp_path / "staging.db") as followed:
        followed.follow()
        run("UPDATE note SET title = 'changed'")
        followed.follow()
        assert followed.rows("note") == {}


def test_random_histories_end_as_the_source_is(source_database: SourceDatabase, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    source_database.run(MAKE_NOTES)
    for _ in range(3):
        _transact(source_database, chance)
    with following(source_database, NOTES, tmp_path / "staging.db") as followed:
        for _ in range(40):
            _transact(source_database, chance)
            if chance.random() < 0.3:
                followed.follow(rows_max=chance.choice([50, ROWS_MAX]))
            if chance.random() < 0.2:
                followed.reopen()
            if chance.random() < 0.1:
                followed.reopen()
                source_database.drop_slots()
        followed.follow()
        assert _staged(followed) == _alive(source_database)
        head = followed.staging.head()
        followed.reopen()
        followed.follow()
        assert followed.staging.head() == head


def _staged(followed: Followed) -> dict[str, Any]:
    rows = followed.rows("note").values()
    return {row["id"]: (row.get("title"), row.get("body"), row.get("size")) for row in rows}


def _alive(database: SourceDatabase) -> dict[str, Any]:
    rows = database.run("SELECT id::text, title, body, size FROM note WHERE deleted_at IS NULL")
    return {row[0]: row[1:] for row in rows}


def _transact(database: SourceDatabase, chance: random.Random) -> None:
    """Makes a random transaction of random statements, and perhaps takes it back.

    `chance` alone says which rows it changes and which ids they get, so that a seed replays a history.
    """
    statements: list[LiteralString] = [
        "INSERT INTO note (id, title, body, size) SELECT md5(i || %(salt)s)::uuid, 't' || i,"
        " repeat('b', 1 + (i %% 5) * 900), i FROM generate_series(1, 20) i",
        "UPDATE note SET title = title || '!' WHERE id IN (SELECT id FROM note ORDER BY md5(id || %(salt)s) LIMIT 5)",
        "UPDATE note SET body = repeat('c', 4000)"
        " WHERE id IN (SELECT id FROM note ORDER BY md5(id || %(salt)s) LIMIT 2)",
        "UPDATE note SET id = md5(id || %(salt)s)::uuid"
        " WHERE id IN (SELECT id FROM note ORDER BY md5(id || %(salt)s) LIMIT 2)",
        "UPDATE note SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END"
        " WHERE id IN (SELECT id FROM note ORDER BY md5(id || %(salt)s) LIMIT 4)",
        "DELETE FROM note WHERE id IN (SELECT id FROM note ORDER BY md5(id || %(salt)s) LIMIT 3)",
    ]
    with database.connection.transaction(force_rollback=chance.random() < 0.1):
        for _ in range(chance.randrange(1, 5)):
            database.connection.execute(chance.choice(statements), {"salt": str(chance.random())})
        if chance.random() < 0.03:
            database.connection.execute("TRUNCATE note")


def _drafted(database: SourceDatabase) -> str:
    return asyncio.run(database.source("").mapping())
