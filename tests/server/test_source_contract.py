"""The contract of sources, kept by Haversack itself and by the tests' own system of record."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from haversack.admin.v1 import entities_pb2
from haversack.model.v1 import model_pb2
from haversack_server._core import Staging, SyncServer
from haversack_server.catalog import Catalog, organizations, provisioning
from haversack_server.entity_import import import_documents
from haversack_server.publishing import load_metadata
from haversack_server.replication import NativeSource, Source
from haversack_server.stagings import Stagings
from server.running import LoopThread
from server.shelf import DOCUMENT, ENTITY, Shelf, connectors, id_of
from server.source_contract import Harness, SourceContract

NAME = "acme"


class ShelfHarness:
    """A shelf, as any source outside."""

    entity = ENTITY
    attribute = "name"
    has_metadata = has_writes = has_outages = True

    def __init__(self, folder: Path, kind: str) -> None:
        self.shelf = Shelf(folder)
        self.kind = kind

    def connect(self) -> Source:
        return connectors({"it": self.shelf})[self.kind]({"shelf": "it"}, {}, "")

    def model(self) -> bytes | None:
        return None

    def id_of(self, number: int) -> str:
        return id_of(number)

    def put_row(self, number: int, text: str) -> None:
        self.shelf.put(number, text)

    def delete_row(self, number: int) -> None:
        self.shelf.take_off(number)

    def rows(self) -> dict[str, str]:
        return self.shelf.rows()

    def lose_position(self) -> None:
        self.shelf.forget()

    def outage(self) -> AbstractContextManager[None]:
        return self.shelf.outage()


class TestShelf(SourceContract):
    @pytest.fixture(params=["shelf", "shelf-live"])
    def harness(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
        made = ShelfHarness(tmp_path, request.param)
        yield made
        made.shelf.close()


class NativeHarness:
    """An organization's record database."""

    entity = ENTITY
    attribute = "name"
    has_metadata = has_writes = has_outages = False

    def __init__(self, loop: LoopThread, data: Path) -> None:
        self._loop = loop
        self._data = data
        self._catalog = loop.run(Catalog.open(f"sqlite:///{data / 'catalog.sqlite3'}"))
        sync = SyncServer(json.dumps({"listen": "127.0.0.1:0", "plain_text": True, "issuers": []}))
        self._stagings = Stagings(data, self._catalog, sync)
        loop.run(self._make())
        self._model = loop.run(self._read_model())
        self._rows: dict[str, str] = {}

    def close(self) -> None:
        self._loop.run(self._stagings.close())
        self._loop.run(self._catalog.close())

    def connect(self) -> Source:
        return NativeSource(self._catalog, self._stagings, NAME)

    def model(self) -> bytes | None:
        return self._model

    def id_of(self, number: int) -> str:
        return id_of(number)

    def put_row(self, number: int, text: str) -> None:
        self._rows[id_of(number)] = text
        self._ingest({"visitid": id_of(number), "name": text}, "upsert")

    def delete_row(self, number: int) -> None:
        self._rows.pop(id_of(number))
        self._ingest({"visitid": id_of(number)}, "delete")

    def rows(self) -> dict[str, str]:
        return self._rows

    def lose_position(self) -> None:
        """Puts a database with the same rows in place of the record, as a restored backup does."""
        record = self._record()
        other = Staging.create(str(self._data / f"other-{uuid.uuid4().hex}"))
        for number, _, _ in record.statistics():
            while json.loads(other.replicate(record, number, rows_max=1_000))["left"]:
                pass
        record.close()
        self._stagings._records[NAME] = other

    def outage(self) -> AbstractContextManager[None]:
        pytest.skip("it cannot be out of reach")

    def _record(self) -> Staging:
        return self._loop.run(self._stagings.record(NAME))

    def _ingest(self, row: dict[str, str], action: str) -> None:
        ingest = self._record().ingest(
            self._model, ENTITY, format="json-lines", action=action, atomic=True, file_name="rows"
        )
        ingest.feed(json.dumps(row).encode())
        assert json.loads(ingest.finish())["rejected"] == 0

    async def _make(self) -> None:
        path = f"organizations/{NAME}/record.sqlite3"
        organization = organizations.Organization(NAME, model_pb2.Settings(), path, 0)
        async with self._catalog.begin() as connection:
            await organizations.add(connection, organization, at_us=1)
            await provisioning.add(connection, NAME, who="tester", at_us=1)
            await self._stagings.create_record(NAME, path)
        document = entities_pb2.MetadataDocument(name="visit.json", content=DOCUMENT)
        await import_documents(self._catalog, NAME, [document])

    async def _read_model(self) -> bytes:
        async with self._catalog.snapshot() as connection:
            return (await load_metadata(connection, NAME)).model_bytes


class TestNative(SourceContract):
    @pytest.fixture
    def harness(self, loop: LoopThread, tmp_path: Path) -> Iterator[Harness]:
        made = NativeHarness(loop, tmp_path)
        yield made
        made.close()
