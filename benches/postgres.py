"""A PostgreSQL source: how quickly rows are copied and changes followed, and how soon a change is in staging."""

import json
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from haversack.model.v1 import model_pb2
from haversack_server._core import PostgresFeed, Staging
from postgresql import SUPERUSER, PostgresqlServer
from psycopg.conninfo import conninfo_to_dict

from benches.figures import Figure, at_most
from benches.session import Session

ROWS_MAX = 16_384
WAIT_MS = 200

LOGICAL = "-c wal_level=logical -c synchronous_commit=on"
"""Only what is flushed is sent; the tests' server flushes every 200 ms unless it is told otherwise."""

PAUSE_SECONDS = 0.01
"""Between the single changes whose way is timed."""

TABLE = """
CREATE TABLE contact (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), fullname text, email text, phone text, city text,
    size int, credit numeric(12,2), active bool, changed timestamptz DEFAULT clock_timestamp());
"""
FILL = """
INSERT INTO contact (fullname, email, phone, city, size, credit, active)
SELECT 'First Last ' || i, 'person' || i || '@contacts.example', '+49 30 ' || i,
    (ARRAY['Berlin','Paris','Oslo'])[1 + i %% 3], i %% 1000, i / 7.0, i %% 2 = 0 FROM generate_series(1, %s) i
"""
KINDS = {
    "id": model_pb2.ATTRIBUTE_TYPE_UNIQUEIDENTIFIER,
    "fullname": model_pb2.ATTRIBUTE_TYPE_STRING,
    "email": model_pb2.ATTRIBUTE_TYPE_STRING,
    "phone": model_pb2.ATTRIBUTE_TYPE_STRING,
    "city": model_pb2.ATTRIBUTE_TYPE_STRING,
    "size": model_pb2.ATTRIBUTE_TYPE_INTEGER,
    "credit": model_pb2.ATTRIBUTE_TYPE_DECIMAL,
    "active": model_pb2.ATTRIBUTE_TYPE_BOOLEAN,
    "changed": model_pb2.ATTRIBUTE_TYPE_DATETIME,
}


def run(session: Session) -> list[Figure]:
    """Copies a table, follows changes in bulk, and times single ones."""
    rows, changes, singles = session.size(200_000, 5_000), session.size(100_000, 5_000), session.size(500, 20)
    session.doing("starting PostgreSQL")
    server = PostgresqlServer(LOGICAL)
    try:
        url = server.database()
        with psycopg.connect(url, autocommit=True) as source:
            source.execute(TABLE)
            source.execute(FILL, (rows,))
            feed = _feed(server, str(conninfo_to_dict(url)["dbname"]), session.folder / "staging.sqlite3")
            session.doing(f"copying {rows:,} rows")
            copied = _timed(feed, rows)
            session.doing(f"following {changes:,} changes")
            for _ in range(changes // 100):
                source.execute("INSERT INTO contact (fullname) SELECT 'new ' || i FROM generate_series(1, 100) i")
            followed = _timed(feed, changes)
            session.doing(f"timing {singles} changes")
            waits = _waits(feed, source, singles)
        feed.close()
    finally:
        server.close()
    case = f"{rows:,} rows of 9 columns"
    return [
        Figure(case, "snapshot by COPY, rows/s", rows / copied),
        Figure(f"{changes:,} changes, 100 a transaction", "logical replication, changes/s", changes / followed),
        Figure("one change at a time", "commit in the source to commit in staging, p50 ms", waits[0], at_most(10.0)),
        Figure("one change at a time", "the same, p99 ms", waits[1], at_most(30.0)),
    ]


def _feed(server: PostgresqlServer, database: str, path: Path) -> PostgresFeed:
    connection = {"host": str(server.folder), "port": 5432, "user": SUPERUSER, "password": "", "database": database}
    table = {"schema": "public", "name": "contact", "key": ["id"], "deleted": None, "version": None}
    attributes = [{"attribute": name, "column": name, "value": None, "target": None} for name in KINDS]
    settings: dict[str, Any] = {
        "connection": {**connection, "sslmode": "disable", "ca_file": None},
        "slot": "bench",
        "publication": "bench",
        "entities": [{"entity": "contact", "table": table, "attributes": attributes}],
    }
    columns = [
        model_pb2.Attribute(number=number, logical_name=name, type=kind)
        for number, (name, kind) in enumerate(KINDS.items(), 1)
    ]
    entity = model_pb2.Entity(
        number=1,
        logical_name="contact",
        primary_id_attribute="id",
        ownership=model_pb2.OWNERSHIP_ORGANIZATION,
        attributes=columns,
    )
    model = model_pb2.Model(revision=1, entities=[entity]).SerializeToString()
    return PostgresFeed(json.dumps(settings), Staging.create(str(path)), model)


def _timed(feed: PostgresFeed, rows: int) -> float:
    """Seconds until so many rows were inserted."""
    started, inserted = time.perf_counter(), 0
    while inserted < rows:
        inserted += json.loads(feed.take(rows_max=ROWS_MAX, wait_ms=WAIT_MS))["inserted"]
    return time.perf_counter() - started


def _waits(feed: PostgresFeed, source: psycopg.Connection[Any], count: int) -> tuple[float, float]:
    """Median and 99th percentile of the milliseconds from a commit to its commit in staging."""
    committed: list[float] = []
    _idle(lambda: json.loads(feed.take(rows_max=ROWS_MAX, wait_ms=WAIT_MS))["left"])

    def write() -> None:
        for number in range(count):
            source.execute("INSERT INTO contact (fullname) VALUES (%s)", (f"single {number}",))
            committed.append(time.perf_counter())
            time.sleep(PAUSE_SECONDS)

    writer = threading.Thread(target=write)
    writer.start()
    arrived: list[float] = []
    while len(arrived) < count:
        taken = json.loads(feed.take(rows_max=ROWS_MAX, wait_ms=WAIT_MS))
        arrived += [time.perf_counter()] * int(taken["inserted"])
    writer.join()
    waits = sorted(1000 * max(0.0, there - here) for here, there in zip(committed, arrived, strict=True))
    return statistics.median(waits), waits[int(len(waits) * 0.99)]


def _idle(left: Callable[[], int]) -> None:
    while left():
        pass
