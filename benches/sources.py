"""Sources under a whole server: how soon a change reaches a live device, and how fast what devices write goes back.

A change is made at the source by its own means, SQL or HTTP; a native device has it when it has verified the digest.
Writes are those of Python devices; the clock runs from their first upload until the source has the last of them.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
from haversack.admin.v1 import source_pb2
from haversack.model.v1 import model_pb2
from haversack_client import Device
from postgresql import PostgresqlServer

from benches.figures import Figure, at_most
from benches.live import Fleet, Round, timed
from benches.measure import MeasureError, Worker, example, median, percentile
from benches.odata import service
from benches.postgres import LOGICAL
from benches.server import Server
from benches.session import Session

ORGANIZATION = "bench"
CHANGES_PER_SECOND = 20
CONNECTIONS = 8
"""Connections by which the bare statements are run: as many as the connector has."""

LOOK_SECONDS = 0.02
"""How often it is looked whether the source has everything."""

WAIT_SECONDS_MAX = 120.0
ODATA_INTERVAL_SECONDS = 1
ODATA_PAUSE_SECONDS = 1.37
"""Between changes at a service: they are to fall anywhere between two looks."""

USER = str(uuid.UUID(int=1))
TABLES = """
CREATE TABLE users (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE job (id uuid PRIMARY KEY, title text, size int, customer text, place text, note text,
    owner_id uuid REFERENCES users, changed timestamptz NOT NULL DEFAULT now());
"""
FILL = """
INSERT INTO job (id, title, size, customer, place, note, owner_id)
SELECT lpad(to_hex(i), 32, '0')::uuid, 'Job ' || i, i, 'Customer ' || i %% 100, 'Vienna', 'Ring twice', %s
FROM generate_series(1, %s) i
"""
MAPPING = """
directory: {users: users, id: id, name: name, rights: [create, read, write, delete], depth: organization}
entities:
  job:
    table: job
    id: id
    name: title
    owner: owner_id
    modified_on: changed
    attributes: {id: id, title: title, size: size, customer: customer, place: place, note: note, changed: changed}
"""


def run(session: Session) -> list[Figure]:
    """Measures PostgreSQL, then OData."""
    session.doing("building")
    program = example("haversack-gateway", "device")
    return [*_postgres(session, program), *_odata(session, program)]


def _postgres(session: Session, program: str) -> Iterator[Figure]:
    session.doing("PostgreSQL: provisioning")
    rows = session.size(10_000, 500)
    with ExitStack() as stack:
        database = stack.enter_context(closing(PostgresqlServer(LOGICAL)))
        sql = stack.enter_context(psycopg.connect(database.database(), autocommit=True))
        sql.execute(TABLES)
        sql.execute("INSERT INTO users VALUES (%s, 'Ada')", (USER,))
        sql.execute(FILL, (USER, rows))
        server = stack.enter_context(Server(session.folder / "postgres"))
        settings = {"url": f"host={database.folder} user={sql.info.user} dbname={sql.info.dbname}", "slot": "bench"}
        request = source_pb2.SetSourceRequest(kind="postgres", settings_json=json.dumps(settings), mapping=MAPPING)
        server.connected(ORGANIZATION, request, _profile("job", USER))
        token = server.token(ORGANIZATION, USER)
        numbers = itertools.count(1)

        def change() -> None:
            sql.execute("UPDATE job SET size = -%s WHERE id = %s", (next(numbers), uuid.UUID(int=1)))

        changes = session.size(400, 20)
        session.doing(f"PostgreSQL: {changes} changes to a live device")
        with Fleet(program, server.endpoint, token).streams(1) as (harness, _):
            rounds = _changes(harness, change, changes, 1 / CHANGES_PER_SECOND)
        yield from _to_device(f"PostgreSQL: one UPDATE, {CHANGES_PER_SECOND} a second", rounds)
        yield from _written(session, server, sql)


def _profile(entity: str, user: str) -> model_pb2.Profile:
    items = [model_pb2.ProfileItem(entity=entity, criteria=model_pb2.RECORD_CRITERIA_ALL)]
    return model_pb2.Profile(name="everything", items=items, users=[user])


def _changes(harness: Worker, change: Callable[[], None], changes: int, pause_seconds: float) -> list[Round]:
    start = time.perf_counter()
    rounds = []
    for number in range(changes):
        time.sleep(max(start + number * pause_seconds - time.perf_counter(), 0))
        rounds.append(timed(harness, change))
    return rounds


def _to_device(case: str, rounds: list[Round]) -> Iterator[Figure]:
    whole = [it.devices["last_ms"] for it in rounds]
    alone = median([it.call for it in rounds])
    behind = [max(0.0, it.devices["last_ms"] - it.call) for it in rounds]
    yield Figure(case, "commit to device, p50 ms", percentile(behind, 0.5), at_most(10))
    yield Figure(case, "commit to device, p99 ms", percentile(behind, 0.99), at_most(30))
    yield Figure(case, "with the statement itself, p50 ms", percentile(whole, 0.5), None, {"it": median(whole) / alone})
    yield Figure(case, "with the statement itself, p99 ms", percentile(whole, 0.99))


@dataclass
class _Fieldwork:
    """Devices that write while they are offline."""

    name: str
    devices: list[Device]
    rows: Iterator[int]

    def write(self, each: int) -> int:
        """Every device changes so many rows that nobody else does."""
        for device in self.devices:
            with device.batch():
                for number in itertools.islice(self.rows, each):
                    values = {"title": f"done {number}", "note": self.name}
                    device.update("job", str(uuid.UUID(int=number)), values)
        return each * len(self.devices)

    def sync(self) -> None:
        """All at once."""
        with ThreadPoolExecutor(len(self.devices)) as threads:
            list(threads.map(Device.sync, self.devices))


@contextmanager
def _fieldwork(session: Session, server: Server, name: str, devices: int) -> Iterator[_Fieldwork]:
    token = server.token(ORGANIZATION, USER)
    with ExitStack() as stack:
        opened = [
            stack.enter_context(Device.open(session.folder / f"{name}-{at}.db", server.endpoint, token))
            for at in range(devices)
        ]
        for device in opened:
            device.sync()
        yield _Fieldwork(name, opened, itertools.count(1))


def _written(session: Session, server: Server, sql: psycopg.Connection[Any]) -> Iterator[Figure]:
    """Write-back beside the bare statements that do the same."""
    rates = {}
    for devices in (1, 8):
        each = session.size(2_000, 40) // devices
        session.doing(f"PostgreSQL: {devices} devices write {each:,} rows each")
        with _fieldwork(session, server, f"writes-{devices}", devices) as fieldwork:
            writes = fieldwork.write(each)
            began = time.perf_counter()
            fieldwork.sync()
            _until(sql, fieldwork.name, writes)
            rates[devices] = writes / (time.perf_counter() - began)
    session.doing("PostgreSQL: bare statements")
    bare = _bare(sql, session.size(2_000, 40))
    for devices, rate in rates.items():
        case = f"PostgreSQL: updates by {devices} device{'s' if devices > 1 else ''}, until the source has them"
        yield Figure(case, "writes/s", rate, None, {"bare statements": rate / bare})
    case = f"PostgreSQL: ledger, row lock, update and read-back by bare statements, {CONNECTIONS} connections"
    yield Figure(case, "writes/s", bare)


def _bare(sql: psycopg.Connection[Any], writes: int) -> float:
    """Writes a second by the statements that a write takes in any case, each in a transaction of its own."""

    def work(share: int) -> None:
        with psycopg.connect(sql.info.dsn, autocommit=True) as connection:
            for number in range(share, writes, CONNECTIONS):
                with connection.transaction():
                    row = uuid.UUID(int=number + 1)
                    connection.execute("INSERT INTO haversack.applied_mutations (key) VALUES (%s)", (f"bare {number}",))
                    connection.execute("SELECT * FROM job WHERE id = %s FOR UPDATE", (row,))
                    connection.execute("UPDATE job SET title = %s, size = %s WHERE id = %s", ("bare", number, row))
                    connection.execute("SELECT * FROM job WHERE id = %s", (row,))

    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(work, range(CONNECTIONS)))
    return writes / (time.perf_counter() - began)


def _until(sql: psycopg.Connection[Any], note: str, writes: int) -> None:
    """Waits until the source has so many writes."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while sql.execute("SELECT count(*) FROM job WHERE note = %s", (note,)).fetchone() != (writes,):
        if time.monotonic() > deadline:
            raise MeasureError(f"the source does not have the {writes} writes of {note}")
        time.sleep(LOOK_SECONDS)


def _odata(session: Session, program: str) -> Iterator[Figure]:
    """A service is asked for changes; what comes on top of half the interval is the server's."""
    session.doing("OData: provisioning")
    with (
        service() as url,
        httpx.Client(base_url=url, headers={"If-Match": "*"}) as http,
        Server(session.folder / "odata") as server,
    ):
        _company(http, session.size(500, 20))
        settings = {"url": url, "interval_seconds": ODATA_INTERVAL_SECONDS}
        request = source_pb2.SetSourceRequest(kind="odata", settings_json=json.dumps(settings))
        server.connected(ORGANIZATION, request, _profile("account", USER))
        numbers = itertools.count(1)

        def change() -> None:
            row = {"name": f"change {next(numbers)}"}
            http.patch(f"accounts({uuid.UUID(int=1_000)})", json=row).raise_for_status()

        changes = session.size(30, 3)
        session.doing(f"OData: {changes} changes to a live device")
        with Fleet(program, server.endpoint, server.token(ORGANIZATION, USER)).streams(1) as (harness, _):
            rounds = _changes(harness, change, changes, ODATA_PAUSE_SECONDS)
    behind = [it.devices["last_ms"] - it.call for it in rounds]
    case = f"OData: one PATCH at odatapy, asked for changes every {ODATA_INTERVAL_SECONDS} s"
    yield Figure(case, "answer to device, p50 ms", percentile(behind, 0.5))
    yield Figure(case, "answer to device, longest ms", max(behind))


RIGHTS = ("ReadAccount", "ReadMobileOfflineProfile")


def _company(http: httpx.Client, accounts: int) -> None:
    """Fills the service with a unit, a user, a role and what it grants, and accounts."""
    unit, role = str(uuid.UUID(int=2)), str(uuid.UUID(int=3))

    def add(entity_set: str, **row: Any) -> None:
        http.post(entity_set, json=row).raise_for_status()

    add("businessunits", businessunitid=unit, name="Acme")
    add(
        "systemusers", systemuserid=USER, fullname="Ada", domainname="ada", isdisabled=False, _businessunitid_value=unit
    )
    add("roles", roleid=role, name="Salesperson", _businessunitid_value=unit)
    add("systemuserrolescollection", systemuserroleid=str(uuid.UUID(int=4)), systemuserid=USER, roleid=role)
    for number, right in enumerate(RIGHTS, 10):
        privilege, granted = str(uuid.UUID(int=number)), str(uuid.UUID(int=number + 50))
        add("privileges", privilegeid=privilege, name=f"prv{right}")
        row = {"privilegeid": privilege, "roleid": role, "privilegedepthmask": 8}
        add("roleprivilegescollection", roleprivilegeid=granted, **row)
    for number in range(accounts):
        row = {"accountid": str(uuid.UUID(int=1_000 + number)), "name": f"Account {number}", "statecode": 0}
        add("accounts", **row, address1_city="Vienna", _ownerid_value=USER)
