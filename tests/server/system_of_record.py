"""A small system of record, as somebody else would run one: rows in SQLite behind HTTP, with versions and rules.

It is no stand-in for code of ours: it keeps its own rows, decides what it takes, and knows nothing of staging databases
or ledgers. Tests may take it down, have it refuse, throttle or lose answers, and look at what it did.

`RecordSource` speaks to it, as any connector does to its source.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from haversack_server._core import Staging
from haversack_server.catalog.work_items import Counts
from haversack_server.core import in_thread
from haversack_server.errors import Refusal, SourceRefused, SourceThrottled, SourceUnavailable
from haversack_server.metadata import read_document, standard_documents
from haversack_server.replication import Change, Checked, Described, Scope, Source, Standing, Taken, Written

Row = dict[str, Any]

TABLES = """
CREATE TABLE IF NOT EXISTS row (entity TEXT, id TEXT, version INTEGER, body TEXT, PRIMARY KEY (entity, id));
CREATE TABLE IF NOT EXISTS journal (key TEXT PRIMARY KEY, user TEXT, version INTEGER);
CREATE INDEX IF NOT EXISTS row_by_version ON row (entity, version);
"""


class Refused(Exception):
    """The system does not take a write."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass
class SystemOfRecord:
    """The system.

    Attributes:
        path: Its database.
        down: Whether nobody answers.
        takes_writes: Whether those who write are answered.
        breaks_off: Whether a write is never answered, and not done.
        answer: Makes of a write and what it is answered with what it is answered with instead.
        throttled: How many calls are asked to come back later.
        lose_answers: How many writes are done but not answered.
        refuse: Says of a write why it is refused, as (outcome, message), if it is.
        keys: Keys of the writes that were done, in order; a repeat is not among them.
        calls: How many writes were asked for.
    """

    path: Path
    down: bool = False
    takes_writes: bool = True
    breaks_off: Callable[[Row], bool] = lambda _: False
    answer: Callable[[Row, Row], Row] = lambda _, answer: answer
    throttled: int = 0
    lose_answers: int = 0
    refuse: Callable[[Row], tuple[str, str] | None] = lambda _: None
    keys: list[str] = field(default_factory=list)
    calls: int = 0
    address: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> ThreadingHTTPServer:
        """Begins to listen."""
        with self._connection() as connection:
            connection.executescript(TABLES)
        server = _Listening(("127.0.0.1", 0), self)
        self.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def put(self, entity: str, row_id: str, **values: object) -> None:
        """Somebody changes columns of a row, or makes it."""
        with self._connection() as connection:
            before = self._row(connection, entity, row_id) or {primary_id(entity): row_id}
            self._store(connection, entity, row_id, {**before, **values})

    def delete(self, entity: str, row_id: str) -> None:
        """Somebody deletes a row."""
        with self._connection() as connection:
            self._store(connection, entity, row_id, None)

    def row(self, entity: str, row_id: str) -> Row | None:
        """A row as it is."""
        with self._connection() as connection:
            return self._row(connection, entity, row_id)

    def rows(self, entity: str) -> dict[str, Row]:
        """Every row by its id."""
        return {it["id"]: it["row"] for it in self.changes(entity, 0) if it["row"] is not None}

    def changes(self, entity: str, after: int) -> list[Row]:
        """Rows that changed after a version, in that order; `row` is None for those that are gone."""
        query = "SELECT id, version, body FROM row WHERE entity = ? AND version > ? ORDER BY version"
        with self._connection() as connection:
            found = connection.execute(query, (entity, after)).fetchall()
        return [{"id": it[0], "version": it[1], "row": json.loads(it[2])} for it in found]

    def write(self, write: Row) -> Row:
        """Does what a device has done, once for each key."""
        with self._connection() as connection:
            self.calls += 1
            if connection.execute("SELECT 1 FROM journal WHERE key = ?", (write["key"],)).fetchone():
                # The row as it is: others may have changed it since.
                return self._told(connection, write["entity"], write["id"])
            if write["looks_for"]:
                return {"row": None, "etag": None, "found": False}
            if why := self.refuse(write):
                raise Refused(*why)
            answer = self._do(connection, write)
            entry = (write["key"], write["user"], self._version(connection))
            connection.execute("INSERT INTO journal VALUES (?, ?, ?)", entry)
            self.keys.append(write["key"])
            return answer

    def _do(self, connection: sqlite3.Connection, write: Row) -> Row:
        entity, row_id, kind = write["entity"], write["id"], write["kind"]
        row = self._row(connection, entity, row_id)
        if kind == "create":
            if row is not None:
                raise Refused("CONFLICT", f"{entity} {row_id} is there already, says the system")
            return self._store(connection, entity, row_id, {primary_id(entity): row_id, **tidy(write["values"])})
        if row is None:
            raise Refused("NOT_FOUND", f"the system has no {entity} {row_id}")
        if kind == "delete":
            self._store(connection, entity, row_id, None)
            return {"row": None, "etag": None}
        other = [name for name, value in write["old_values"].items() if (row.get(name) or None) != (value or None)]
        if write["detect_conflicts"] and other:
            raise Refused("CONFLICT", f"the system has other values of {', '.join(sorted(other))}")
        return self._store(connection, entity, row_id, {**row, **tidy(write["values"])})

    def _store(self, connection: sqlite3.Connection, entity: str, row_id: str, row: Row | None) -> Row:
        version = self._version(connection) + 1
        row = row and {name: value for name, value in row.items() if value is not None}
        values = (entity, row_id, version, json.dumps(row))
        connection.execute("INSERT OR REPLACE INTO row VALUES (?, ?, ?, ?)", values)
        return {"row": row, "etag": f'W/"{version}"'}

    def _told(self, connection: sqlite3.Connection, entity: str, row_id: str) -> Row:
        query = "SELECT body, version FROM row WHERE entity = ? AND id = ?"
        body, version = connection.execute(query, (entity, row_id)).fetchone()
        return {"row": json.loads(body), "etag": f'W/"{version}"'}

    def _row(self, connection: sqlite3.Connection, entity: str, row_id: str) -> Row | None:
        query = "SELECT body FROM row WHERE entity = ? AND id = ?"
        found = connection.execute(query, (entity, row_id)).fetchone()
        return None if found is None else json.loads(found[0])

    def _version(self, connection: sqlite3.Connection) -> int:
        (version,) = connection.execute("SELECT ifnull(max(version), 0) FROM row").fetchone()
        return int(version)

    @contextmanager
    def _connection(self) -> Any:
        with self._lock:
            connection = sqlite3.connect(self.path)
            try:
                with connection:
                    yield connection
            finally:
                connection.close()


class _Listening(ThreadingHTTPServer):
    """The system's socket."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], system: SystemOfRecord) -> None:
        super().__init__(address, _Handler)
        self.system = system


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listening

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.answer(lambda: self.server.system.changes(asked["entity"], int(asked["after"])))

    def do_POST(self) -> None:
        write = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        system = self.server.system
        if system.breaks_off(write):
            self.close_connection = True
            return
        self.answer(lambda: system.answer(write, system.write(write)))

    def answer(self, work: Callable[[], object]) -> None:
        """Does what is asked, or what the test wants instead."""
        system = self.server.system
        if system.down or not (system.takes_writes or self.command == "GET"):
            self.close_connection = True
            return
        if system.throttled:
            system.throttled -= 1
            self.say(429, {}, {"Retry-After": "0"})
            return
        try:
            found = work()
        except Refused as refused:
            self.say(409, {"outcome": refused.outcome, "message": str(refused)}, {})
            return
        if self.command == "POST" and system.lose_answers:
            system.lose_answers -= 1
            self.close_connection = True
            return
        self.say(200, found, {})

    def say(self, status: int, body: object, headers: Mapping[str, str]) -> None:
        """Answers."""
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def primary_id(entity: str) -> str:
    """The name of an entity's key."""
    return {"systemuserroles": "systemuserroleid", "roleprivileges": "roleprivilegeid"}.get(entity, f"{entity}id")


def tidy(values: Row) -> Row:
    """Values as the system keeps them: no blanks around texts."""
    return {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}


@dataclass
class RecordFeed:
    """One entity of the system, read by its versions."""

    client: httpx.AsyncClient
    staging: Staging
    model: bytes
    entity: str
    number: int
    live: bool = False
    standing: Standing = field(default_factory=lambda: Standing("versions"))

    async def take(self, rows_max: int) -> Taken:
        """See `Feed`. Rows and position are two commits here; what was taken twice is unchanged."""
        position = await in_thread(self.staging.position, self.number)
        after = int(position or b"0")
        changes = await call(self.client, "GET", "/changes", params={"entity": self.entity, "after": after})
        changes, rest = changes[:rows_max], changes[rows_max:]
        counts = Counts(read=len(changes))
        for action in ("upsert", "delete"):
            lines = [
                it["row"] or {primary_id(self.entity): it["id"]}
                for it in changes
                if (it["row"] is None) == (action == "delete")
            ]
            counts += await in_thread(self._ingest, action, lines)
        if changes:
            await in_thread(self.staging.set_position, self.number, str(changes[-1]["version"]).encode())
        return Taken(counts, len(rest), await in_thread(self.staging.head))

    def _ingest(self, action: str, rows: list[Row]) -> Counts:
        if not rows:
            return Counts()
        ingest = self.staging.ingest(
            self.model, self.entity, format="json-lines", action=action, atomic=True, file_name=self.entity
        )
        ingest.feed("".join(json.dumps(row) + "\n" for row in rows).encode())
        report = json.loads(ingest.finish())
        assert not report["errors"], report
        return Counts(**{it.name: report[it.name] for it in fields(Counts) if it.name != "read"})

    async def close(self) -> None:
        """Has nothing to let go."""


class RecordSource:
    """The system, as an organization's source."""

    kind = "record"
    scope: Scope = "entity"
    interval_seconds = 1

    def __init__(self, settings: Mapping[str, Any], secrets: Mapping[str, str], mapping: str) -> None:
        self.address = str(settings["address"])
        self.recipients = frozenset({self.address})
        self.holds: frozenset[str] = frozenset()
        self._client = httpx.AsyncClient(base_url=self.address, timeout=10)

    async def check(self) -> Checked:
        """Finds nothing."""
        return Checked(())

    async def metadata(self) -> Described:
        """The shipped entities."""
        return Described(tuple(read_document(*it) for it in standard_documents()))

    async def mapping(self) -> str:
        """Has none."""
        return ""

    async def open(self, staging: Staging, model: bytes, entity: str, *, kept: Collection[str] = ()) -> RecordFeed:
        """See `Source`."""
        from haversack.model.v1 import model_pb2

        known = {it.logical_name: it.number for it in model_pb2.Model.FromString(model).entities}
        return RecordFeed(self._client, staging, model, entity, known[entity])

    async def resync(self, staging: Staging, model: bytes, entity: str) -> None:
        """See `Source`."""

    async def write(self, change: Change) -> Written:
        """See `Source`."""
        asked = {it.name: getattr(change, it.name) for it in fields(Change)}
        answer = await call(self._client, "POST", "/write", json=asked)
        row = answer["row"]
        encoded = None if row is None else json.dumps(row).encode()
        return Written(encoded, answer["etag"], found=answer.get("found", True))

    async def forget(self, successor: Source | None = None) -> tuple[str, ...]:
        """Keeps nothing for anybody."""
        return ()

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()


async def call(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> Any:
    """Calls the system; raises what a source raises."""
    try:
        response = await asyncio.wait_for(client.request(method, path, **more), 10)
    except (httpx.HTTPError, TimeoutError) as error:
        raise SourceUnavailable(f"the system of record does not answer: {error or type(error).__name__}") from error
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise SourceThrottled("the system asks for a rest", retry_seconds=float(response.headers["Retry-After"]))
    if response.status_code == httpx.codes.CONFLICT:
        refused = response.json()
        raise SourceRefused(Refusal(refused["outcome"].lower()), refused["message"])
    return response.json()
