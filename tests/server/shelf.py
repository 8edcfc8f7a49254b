"""A system of record in the tests' own process, and the connector that speaks to it.

A `Shelf` has one entity, `visit`, with a key and a name; the test puts rows on it and takes them off, and can have it
not answer. Its connector is like any other: two kinds, one followed by entity and one as a whole, live.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from haversack.model.v1 import model_pb2
from haversack_server._core import OdataPage, Staging, odata_sweep
from haversack_server.catalog.work_items import Counts
from haversack_server.connectors.odata._source import NoFeed
from haversack_server.core import in_thread
from haversack_server.errors import HaversackError, Refusal, SourceInvalid, SourceRefused, SourceUnavailable
from haversack_server.metadata import read_document, standard_documents
from haversack_server.replication import (
    Change,
    Checked,
    Connect,
    Described,
    EntityStanding,
    Feed,
    Finding,
    Scope,
    Source,
    Standing,
    Taken,
    Unmapped,
    Verdict,
    Written,
)

ENTITY = "visit"
WAIT_SECONDS = 0.05
"""How long a live feed waits for a change."""

DOCUMENT = json.dumps(
    {
        "LogicalName": ENTITY,
        "OwnershipType": "OrganizationOwned",
        "PrimaryIdAttribute": "visitid",
        "Attributes": [
            {"LogicalName": "visitid", "AttributeType": "Uniqueidentifier"},
            {"LogicalName": "name", "AttributeType": "String"},
        ],
    }
).encode()


@dataclass
class Shelf:
    """Rows that belong to somebody else.

    Attributes:
        folder: Where its files are.
        failure: What it answers with instead, if it is set.
        secret: The secret that it wants; empty if it wants none.
        opened: How many sources are open.
        takes: How often feeds have asked it.
        resyncs: Entities that were asked for in full.
        brings: Shipped entities that it has besides, without rows.
    """

    folder: Path
    failure: HaversackError | None = None
    secret: str = ""
    opened: int = 0
    takes: int = 0
    resyncs: list[str] = field(default_factory=list)
    brings: list[str] = field(default_factory=list)
    changed: threading.Event = field(default_factory=threading.Event)
    _rows: dict[str, tuple[str, int]] = field(default_factory=dict)
    _pending: dict[str, str | None] = field(default_factory=dict)
    _done: dict[str, Written] = field(default_factory=dict)
    _version: int = 0
    _base: Staging | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def close(self) -> None:
        """Closes its files."""
        if self._base is not None:
            self._base.close()

    def put(self, number: int, text: str) -> None:
        """Makes a row, or changes it."""
        self.write(id_of(number), text)

    def take_off(self, number: int) -> None:
        """Deletes a row."""
        self.write(id_of(number), None)

    def write(self, key: str, text: str | None) -> None:
        """Does either, by id."""
        with self._lock:
            self._version += 1
            self._pending[key] = text
            if text is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = (text, self._version)
        self.changed.set()

    def rows(self) -> dict[str, str]:
        """The text of each row, by id."""
        with self._lock:
            return {key: text for key, (text, _) in self._rows.items()}

    def forget(self) -> None:
        """Forgets all that it knew of its followers."""
        with self._lock:
            self.close()
            self._base = None
            self._pending = dict(self.rows())

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Does not answer while the block runs."""
        self.failure = SourceUnavailable("the shelf does not answer; it is asked again")
        try:
            yield
        finally:
            self.failure = None

    def answer(self) -> None:
        """Raises what it is told to."""
        if self.failure is not None:
            raise self.failure

    def base(self, model: bytes) -> Staging:
        """A database of its rows as they are now."""
        with self._lock:
            self.changed.clear()
            if self._base is None:
                self._base = Staging.create(str(self.folder / f"shelf-{uuid.uuid4().hex}.sqlite3"))
            pending, self._pending = self._pending, {}
            rows = [{"visitid": key, "name": text} for key, text in pending.items() if text is not None]
            gone = [{"visitid": key} for key, text in pending.items() if text is None]
            for action, lines in (("upsert", rows), ("delete", gone)):
                if lines:
                    ingest = self._base.ingest(
                        model, ENTITY, format="json-lines", action=action, atomic=True, file_name="shelf"
                    )
                    ingest.feed("\n".join(map(json.dumps, lines)).encode())
                    assert json.loads(ingest.finish())["rejected"] == 0
            return self._base

    def change(self, change: Change) -> Written:
        """Does what a device has done, once."""
        with self._lock:
            if change.looks_for:
                return self._found(change)
            if change.key not in self._done:
                self._done[change.key] = self._changed(change)
            return self._done[change.key]

    def _found(self, change: Change) -> Written:
        if change.key not in self._done:
            return Written(None, found=False)
        there = self._rows.get(change.id)
        if there is None:
            return Written(None)
        return Written(json.dumps({"visitid": change.id, "name": there[0]}).encode(), str(there[1]))

    def _changed(self, change: Change) -> Written:
        there = self._rows.get(change.id)
        if change.kind != "create" and there is None:
            raise SourceRefused(Refusal.NOT_FOUND, "nothing of this number is on the shelf")
        if there is not None and change.detect_conflicts and change.etag not in (None, str(there[1])):
            raise SourceRefused(Refusal.CONFLICT, "somebody has moved it")
        if change.values.get("name") == "forbidden":
            raise SourceRefused(Refusal.INVALID, "that name is not for the shelf")
        self.write(change.id, None if change.kind == "delete" else change.values.get("name", ""))
        if change.kind == "delete":
            return Written(None)
        text, version = self._rows[change.id]
        return Written(json.dumps({"visitid": change.id, "name": text}).encode(), str(version))


def id_of(number: int) -> str:
    """The id of a row."""
    return str(uuid.UUID(int=number))


@dataclass
class ShelfFeed:
    """Rows of a shelf on their way."""

    shelf: Shelf
    staging: Staging
    model: bytes
    entity: str
    live: bool
    standing: Standing = field(default_factory=lambda: Standing("shelf log"))

    async def take(self, rows_max: int) -> Taken:
        """See `Feed`."""
        self.shelf.takes += 1
        self.shelf.answer()
        taken = await in_thread(self._take, rows_max)
        if self.live and taken.counts == Counts() and taken.left == 0:
            await in_thread(self.shelf.changed.wait, WAIT_SECONDS)
        return taken

    def _take(self, rows_max: int) -> Taken:
        number = next(it.number for it in model_pb2.Model.FromString(self.model).entities if it.logical_name == ENTITY)
        read = json.loads(self.staging.replicate(self.shelf.base(self.model), number, rows_max=rows_max))
        within = (
            () if self.entity else (EntityStanding(ENTITY, "shelf log", read["read"], read["read"] + read["left"]),)
        )
        self.standing = Standing("shelf log", f"LSN {read['lsn']}", 0.5, within)
        return Taken(Counts(*(read[it.name] for it in fields(Counts))), read["left"], read["lsn"])

    async def close(self) -> None:
        """See `Feed`."""


class ShelfSource:
    """See `Source`."""

    def __init__(self, shelf: Shelf, kind: str, *, secrets: Mapping[str, str], interval_seconds: int) -> None:
        self.kind = kind
        self.scope: Scope = "organization" if kind == "shelf-live" else "entity"
        self.interval_seconds = interval_seconds
        self.address = str(shelf.folder)
        self.recipients = frozenset({self.address})
        self.holds: frozenset[str] = frozenset()
        self._shelf = shelf
        self._secrets = secrets
        shelf.opened += 1

    async def check(self) -> Checked:
        """See `Source`."""
        try:
            self._shelf.answer()
        except HaversackError as error:
            return Checked((Finding("shelf", Verdict.FAILURE, str(error), "wait for it"),))
        return Checked((Finding("shelf", Verdict.OK, "it answers"), Finding("log", Verdict.WARNING, "it is short")))

    async def metadata(self) -> Described:
        """See `Source`."""
        self._shelf.answer()
        documents = [read_document("visit.json", DOCUMENT)]
        documents += [read_document(*it) for it in standard_documents() if it[0] in self._shelf.brings]
        return Described(tuple(documents), (Unmapped("visit.photo", "there is no type for it"),))

    async def mapping(self) -> str:
        """See `Source`."""
        self._shelf.answer()
        return f"# Entities of the shelf.\nentities:\n  {ENTITY}: {{}}\n"

    async def open(self, staging: Staging, model: bytes, entity: str, *, kept: Collection[str] = ()) -> Feed:
        """See `Source`."""
        self._shelf.answer()
        if entity not in ("", ENTITY):
            await in_thread(_empty, staging, model, entity)
            return NoFeed(staging)
        return ShelfFeed(self._shelf, staging, model, entity, self.kind == "shelf-live")

    async def resync(self, staging: Staging, model: bytes, entity: str) -> None:
        """See `Source`."""
        self._shelf.resyncs.append(entity)
        number = next(it.number for it in model_pb2.Model.FromString(model).entities if it.logical_name == entity)
        await in_thread(staging.replicate_anew, number)

    async def write(self, change: Change) -> Written:
        """See `Source`."""
        self._shelf.answer()
        return self._shelf.change(change)

    async def forget(self, successor: Source | None = None) -> tuple[str, ...]:
        """See `Source`."""
        try:
            self._shelf.answer()
        except HaversackError as error:
            return (f"{error}; take the mark off the shelf by hand",)
        self._shelf.forget()
        return ("the mark is off the shelf",)

    async def close(self) -> None:
        """See `Source`."""
        self._shelf.opened -= 1


def _empty(staging: Staging, model: bytes, entity: str) -> None:
    """Leaves no row of an entity: the shelf brings it, and has none."""
    number = next(it.number for it in model_pb2.Model.FromString(model).entities if it.logical_name == entity)
    page = OdataPage.read(staging, model, entity, b'{"value":[]}')
    page.take(staging, before=staging.position(number), after=b"empty", begins_pass=True)
    odata_sweep(staging, number, before=b"empty", after=b"empty", rows_max=1_000)


def connectors(shelves: Mapping[str, Shelf]) -> dict[str, Connect]:
    """The connectors of a server whose sources are these shelves."""
    return {kind: _connector(kind, shelves) for kind in ("shelf", "shelf-live")}


def _connector(kind: str, shelves: Mapping[str, Shelf]) -> Callable[..., Source]:
    def connect(settings: Mapping[str, Any], secrets: Mapping[str, str], mapping: str) -> Source:
        shelf = shelves.get(settings.get("shelf", ""))
        if shelf is None:
            raise SourceInvalid(f"there is no shelf {settings.get('shelf')!r}; name one in the setting shelf")
        if shelf.secret and secrets.get("password") != shelf.secret:
            raise SourceInvalid("the secret password is not that of the shelf; give the right one")
        return ShelfSource(shelf, kind, secrets=secrets, interval_seconds=settings.get("interval_seconds", 1))

    return connect
