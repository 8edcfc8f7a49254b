"""An organization whose rows come from an OData service: its staging database, its metadata, and its source."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from haversack.model.v1 import model_pb2
from haversack_server._core import Staging
from haversack_server.catalog.work_items import Counts
from haversack_server.connectors.odata._auth import credentials
from haversack_server.connectors.odata._http import Client, Pace
from haversack_server.connectors.odata._mapping import read_mapping
from haversack_server.connectors.odata._settings import read_settings
from haversack_server.connectors.odata._source import OdataSource
from haversack_server.metadata import merge_entity
from haversack_server.replication import Change, Feed, Standing, Taken, Written
from server.odata_fixture import ANNOTATION, SECRET, OdataFixture

_Result = TypeVar("_Result")

STEPS_MAX = 200


class Waits:
    """Waits that take no time, and are remembered."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


class OdataWorld:
    """One organization; every call runs on an event loop of its own."""

    def __init__(self, fixture: OdataFixture, folder: Path, *, mapping: str = "", **settings: Any) -> None:
        self.fixture = fixture
        self.waits = Waits()
        said = {"url": fixture.url, "page_size": 3, **settings}
        if fixture.signs_in:
            said |= {"auth": "client-credentials", "client_id": "tests", "scope": "all"}
            said["token_url"] = fixture.url.partition("/api/")[0] + "/token"
        read = read_settings(said)
        client = Client(read, credentials(read, {"client_secret": SECRET}), pace=Pace(self.waits.sleep, lambda: 0.5))
        self.source = OdataSource(client, read_mapping(mapping))
        self.staging = Staging.create(str(folder / f"{uuid.uuid4().hex}.sqlite3"))
        self.model = model_pb2.Model()
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> OdataWorld:
        return self

    def __exit__(self, *raised: object) -> None:
        self.run(self.source.close())
        self._loop.close()
        self.staging.close()

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return self._loop.run_until_complete(work)

    def describe(self) -> dict[str, str]:
        """Takes the source's metadata; returns what is not mapped and why."""
        described = self.run(self.source.metadata())
        numbers = {it.logical_name: it.number for it in self.model.entities}
        old = {it.logical_name: it for it in self.model.entities}
        del self.model.entities[:]
        for document in described.documents:
            name = document.entity.logical_name
            number = numbers.setdefault(name, max(numbers.values(), default=0) + 1)
            assert name not in old, "metadata is taken once in these tests"
            self.model.entities.append(merge_entity(document.entity, None, number=number).entity)
        self.model.revision = 1
        self.model.organization = "tests"
        return {it.subject: it.why for it in described.unmapped}

    def entity(self, name: str) -> model_pb2.Entity:
        return next(it for it in self.model.entities if it.logical_name == name)

    def feed(self, entity: str) -> Feed:
        return self.run(self.source.open(self.staging, self.model.SerializeToString(), entity))

    def take(self, entity: str) -> Taken:
        """Takes one commit of an entity, by a feed of its own."""
        return self.run(self.feed(entity).take(16_384))

    def catch_up(self, entity: str) -> Counts:
        """Takes all that the source has."""
        counts = Counts()
        for _ in range(STEPS_MAX):
            taken = self.take(entity)
            counts += taken.counts
            if taken.left == 0:
                return counts
        raise AssertionError(f"{entity} does not come to an end")

    def standing(self, entity: str) -> Standing:
        """Where a feed stands after it has looked for changes."""
        feed = self.feed(entity)
        self.run(feed.take(16_384))
        return feed.standing

    def rows(self, entity: str, *attributes: str) -> dict[str, tuple[Any, ...]]:
        """The rows that staging has: values of attributes by id."""
        key = self.entity(entity).primary_id_attribute
        found: dict[str, tuple[Any, ...]] = {}
        after: int | None = None
        while True:
            _, after, lines = self.staging.rows(
                self.model.SerializeToString(), entity, attributes=[key, *attributes], after=after, rows_max=1_000
            )
            for line in lines.splitlines():
                row = json.loads(line)
                found[row[key]] = tuple(row.get(it) for it in attributes)
            if after is None:
                return found

    def head(self) -> int:
        return self.staging.head()

    def write(self, kind: str, entity: str, id_: str, **said: Any) -> Written:
        change = Change(key=uuid.uuid4().hex, entity=entity, id=id_, kind=kind, **said)  # type: ignore[arg-type]
        return self.run(self.source.write(change))


def account(number: int, name: str = "", **columns: Any) -> dict[str, Any]:
    """An account of the service."""
    owner = {"_ownerid_value": guid(900), f"_ownerid_value@{ANNOTATION}": "systemuser"}
    return {"accountid": guid(number), "name": name or f"account {number}", "statecode": 0, **owner, **columns}


def guid(number: int) -> str:
    """The id of this number."""
    return str(uuid.UUID(int=number))
