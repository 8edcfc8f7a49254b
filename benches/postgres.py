"""A PostgreSQL source: how quickly rows are copied and changes followed, and how soon a change is in staging."""

import json
import threading
import time
from typing import Any

import psycopg
from haversack.model.v1 import model_pb2
from haversack_server._core import PostgresFeed, Staging
from postgresql import SUPERUSER, PostgresqlServer
from psycopg.conninfo import conninfo_to_dict

from benches.figures import Figure, at_least
from benches.measure import example, json_lines, median, percentile
from benches.session import Session

ROWS_MAX = 16_384
WAIT_MS = 200

TRANSACTION_CHANGES = 100

RIVAL_ROWS_PER_SECOND = 76_000
"""What the quickest rival takes in."""

LOGICAL = "-c wal_level=logical -c fsync=on -c full_page_writes=on -c synchronous_commit=on"
"""As durable as PostgreSQL is by default, which the tests' server is not."""

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
    session.doing("building")
    program = example("haversack-sources", "copy_ratio")
    session.doing("starting PostgreSQL")
    server = PostgresqlServer(LOGICAL)
    try:
        url = server.database()
        with psycopg.connect(url, autocommit=True) as source:
            source.execute(TABLE)
            settings = _settings(server, str(conninfo_to_dict(url)["dbname"]))
            figures = _copied(session, program, source, settings)
            figures += _followed(session, source, settings)
    finally:
        server.close()
    return figures


def _copied(session: Session, program: str, source: psycopg.Connection[Any], settings: str) -> list[Figure]:
    """Copies beside raw inserts of the same blobs; the program interleaves its rounds."""
    rows, rounds = session.size(200_000, 5_000), session.size(7, 1)
    session.doing(f"{rounds} interleaved rounds of {rows:,} rows")
    source.execute(FILL, (rows,))
    source.execute("VACUUM ANALYZE contact")
    (session.folder / "settings.json").write_text(settings)
    (session.folder / "model").write_bytes(_model())
    files = [str(session.folder / name) for name in ("settings.json", "model")]
    [found] = json_lines([program, *files, str(rounds)])
    case = f"{rows:,} rows of {len(KINDS)} columns, {found['row_bytes']} bytes"
    cpu, raw_cpu = found["copy_cpu_micros_a_row"], found["raw_cpu_micros_a_row"]
    return [
        Figure(case, "COPY, rate, where raw insert in the same commits is 1", found["ratio"], at_least(0.8)),
        Figure(case, "COPY, rows/s", found["copy_rows_per_second"], at_least(RIVAL_ROWS_PER_SECOND)),
        Figure(case, "raw insert, same commits, rows/s", found["raw_rows_per_second"]),
        Figure(case, "COPY, CPU seconds a million rows", cpu, None, {"raw insert": cpu / raw_cpu}),
    ]


def _followed(session: Session, source: psycopg.Connection[Any], settings: str) -> list[Figure]:
    """Changes in bulk, which have piled up, and one by one."""
    changes, singles = session.size(100_000, 2_000), session.size(500, 20)
    figures = []
    staging = Staging.create(str(session.folder / "staging.sqlite3"))
    feed = PostgresFeed(settings, staging, _model())
    _drain(feed)
    for what, change in (("inserts", _insert), ("updates", _update)):
        session.doing(f"{changes:,} {what}")
        change(source, changes)
        seconds, cpu = _drained(feed, changes)
        case = f"{changes:,} {what}, {TRANSACTION_CHANGES} a transaction"
        figures += [
            Figure(case, "logical replication into staging, changes/s", changes / seconds, at_least(20_000)),
            Figure(case, "CPU seconds a million changes", cpu / changes * 1e6),
        ]
    session.doing(f"timing {singles} changes")
    p50, p99 = _waits(feed, source, singles)
    feed.close()
    staging.close()
    case = "one change at a time"
    figures += [
        Figure(case, "commit in the source to commit in staging, p50 ms", p50),
        Figure(case, "the same, p99 ms", p99),
    ]
    return figures


def _insert(source: psycopg.Connection[Any], changes: int) -> None:
    for _ in range(changes // TRANSACTION_CHANGES):
        source.execute(FILL, (TRANSACTION_CHANGES,))


def _update(source: psycopg.Connection[Any], changes: int) -> None:
    """Changes rows that lie all over the table."""
    ids = [row[0] for row in source.execute("SELECT id FROM contact ORDER BY id LIMIT %s", (changes,))]
    for first in range(0, changes, TRANSACTION_CHANGES):
        some = ids[first : first + TRANSACTION_CHANGES]
        source.execute("UPDATE contact SET size = size + 1, changed = clock_timestamp() WHERE id = ANY(%s)", (some,))


def _settings(server: PostgresqlServer, database: str) -> str:
    connection = {"host": str(server.folder), "port": 5432, "user": SUPERUSER, "password": "", "database": database}
    table = {"schema": "public", "name": "contact", "key": ["id"], "deleted": None, "version": None}
    attributes = [{"attribute": name, "column": name, "value": None, "target": None} for name in KINDS]
    return json.dumps(
        {
            "connection": {**connection, "sslmode": "disable", "ca_file": None},
            "slot": "bench",
            "publication": "bench",
            "look_ms": 30_000,
            "entities": [{"entity": "contact", "table": table, "attributes": attributes}],
        }
    )


def _model() -> bytes:
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
    return model_pb2.Model(revision=1, entities=[entity]).SerializeToString()


def _drain(feed: PostgresFeed) -> None:
    """Copies the table, and follows until nothing comes."""
    while _take(feed)["stage"] != "following" or _take(feed)["read"]:
        pass


def _drained(feed: PostgresFeed, changes: int) -> tuple[float, float]:
    """Seconds until so many changes were taken: by the clock, and of this process's CPU."""
    began, cpu, taken = time.perf_counter(), time.process_time(), 0
    while taken < changes:
        read = _take(feed)
        taken += read["inserted"] + read["updated"]
    return time.perf_counter() - began, time.process_time() - cpu


def _take(feed: PostgresFeed) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(feed.take(rows_max=ROWS_MAX, wait_ms=WAIT_MS))
    return read


def _waits(feed: PostgresFeed, source: psycopg.Connection[Any], count: int) -> tuple[float, float]:
    """Median and 99th percentile of the milliseconds from a commit to its commit in staging."""
    committed: list[float] = []

    def write() -> None:
        for number in range(count):
            source.execute("INSERT INTO contact (fullname) VALUES (%s)", (f"single {number}",))
            committed.append(time.perf_counter())
            time.sleep(PAUSE_SECONDS)

    writer = threading.Thread(target=write)
    writer.start()
    arrived: list[float] = []
    while len(arrived) < count:
        arrived += _take(feed)["inserted"] * [time.perf_counter()]
    writer.join()
    waits = [1000 * max(0.0, there - here) for here, there in zip(committed, arrived, strict=True)]
    return median(waits), percentile(waits, 0.99)
