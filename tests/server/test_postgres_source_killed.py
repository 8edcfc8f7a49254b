"""A worker that is killed at any moment: nothing is lost, and nothing is applied twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

from server.postgres_world import SourceDatabase, following

MAPPING = "entities:\n  entry: {table: entry, id: id, attributes: {id: id, number: number}}\n"

FOLLOWER = """
import asyncio, json, sys
from pathlib import Path
from haversack_server._core import PostgresFeed, Staging
staging = Staging.open(sys.argv[1])
feed = PostgresFeed(Path(sys.argv[2]).read_text(), staging, Path(sys.argv[3]).read_bytes())
print("follows", flush=True)
while True:
    taken = json.loads(feed.take(rows_max=300, wait_ms=20))
    if taken["read"]:
        print("took", flush=True)
"""

KILLS = 12
ROWS = 1_000


def test_a_worker_can_be_killed_at_any_moment(source_database: SourceDatabase, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    run, path = source_database.run, tmp_path / "staging.db"
    run("CREATE TABLE entry (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), number int)")
    run("INSERT INTO entry (number) SELECT generate_series(1, %s)", ROWS)
    with following(source_database, MAPPING, path) as followed:
        (tmp_path / "model").write_bytes(followed.model)
        (tmp_path / "settings").write_text(followed.core_settings())
    written = ROWS
    for _ in range(KILLS):
        commits_before_death = chance.randrange(0, 4)
        writer = threading.Thread(target=_write, args=(source_database, written))
        _follow_until_killed(tmp_path, path, writer, commits_before_death)
        written += ROWS
    with following(source_database, MAPPING, path) as followed:
        followed.follow()
        rows = followed.rows("entry")
        assert {row["number"] for row in rows.values()} == set(range(1, written + 1))
        assert len(rows) == written
        # Each row was inserted once and never touched again, so each drew one LSN: none came twice.
        assert followed.staging.head() == written


def _write(database: SourceDatabase, written: int) -> None:
    """Makes transactions of 1, 50 and many rows: some fit into a commit with others, some into none."""
    numbers = iter(range(written + 1, written + ROWS + 1))
    for size in (1, 50, 700, ROWS - 751):
        batch = [(next(numbers),) for _ in range(size)]
        with database.connection.transaction(), database.connection.cursor() as cursor:
            cursor.executemany("INSERT INTO entry (number) VALUES (%s)", batch)


def _follow_until_killed(folder: Path, path: Path, writer: threading.Thread, commits: int) -> None:
    """Starts a worker, has the source be written to, and kills the worker after some commits of staging."""
    worker = subprocess.Popen(
        [sys.executable, "-c", FOLLOWER, path, folder / "settings", folder / "model"], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "follows\n"
    writer.start()
    for _ in range(commits):
        worker.stdout.readline()
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    writer.join()
