"""`make demo-postgres` plays to its end, on a PostgreSQL of its own and on one that is named, and all is well.

It is also the test, from end to end, of what devices write to a PostgreSQL database: the demo compares with SQL.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from postgresql import PostgresqlServer
from server.postgres_world import LOGICAL

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "sources" / "postgres" / "demo.py"
SECONDS_MAX = 170


@pytest.mark.parametrize("is_named", [False, True], ids=["its own", "a named one"])
def test_every_check_of_the_demo_holds(is_named: bool) -> None:
    server = PostgresqlServer(LOGICAL) if is_named else None
    try:
        play(["--url", server.database()] if server else [])
        if server:
            left = server.execute("SELECT slot_name FROM pg_replication_slots")
            left += server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'haversack_demo_%'")
            assert left == [], "it cleans up after itself"
    finally:
        if server:
            server.close()


def play(options: list[str]) -> None:
    """Plays the demo to its end."""
    paths = [str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    played = subprocess.run(
        [sys.executable, str(DEMO), *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    assert " checks hold" in played.stdout, played.stdout
