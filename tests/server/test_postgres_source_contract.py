"""The contract of sources, kept by PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from haversack_server.connectors.postgres._feed import PostgresqlFeed
from haversack_server.replication import Source
from server.postgres_world import WAIT_SECONDS, SourceDatabase
from server.source_contract import Harness, SourceContract

MAPPING = "entities:\n  visit: {table: visit, id: id, attributes: {id: id, name: name}}\n"
SOCKET = ".s.PGSQL.5432"


class PostgresHarness:
    """A table of a database, reached by a socket that can be taken away."""

    entity = "visit"
    attribute = "name"
    has_metadata = has_writes = has_outages = True

    def __init__(self, database: SourceDatabase, folder: Path) -> None:
        self._database = database
        database.run("CREATE TABLE visit (id uuid PRIMARY KEY, name text)")
        host, self._socket = database.connection.info.host, folder / SOCKET
        self._real = Path(host) / SOCKET
        self._socket.symlink_to(self._real)
        self._url = database.settings["url"].replace(host, str(folder))

    def connect(self) -> Source:
        return self._database.source(MAPPING, url=self._url)

    def model(self) -> bytes | None:
        return None

    def id_of(self, number: int) -> str:
        return str(uuid.UUID(int=number))

    def put_row(self, number: int, text: str) -> None:
        statement = "INSERT INTO visit VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET name = excluded.name"
        self._database.run(statement, self.id_of(number), text)

    def delete_row(self, number: int) -> None:
        self._database.run("DELETE FROM visit WHERE id = %s", self.id_of(number))

    def rows(self) -> dict[str, str]:
        return dict(self._database.run("SELECT id::text, name FROM visit"))

    def lose_position(self) -> None:
        self._database.drop_slots()

    @contextmanager
    def outage(self) -> Iterator[None]:
        self._socket.unlink()
        self._database.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        yield
        self._socket.symlink_to(self._real)


class TestPostgres(SourceContract):
    @pytest.fixture
    def harness(self, source_database: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
        monkeypatch.setattr(PostgresqlFeed, "wait_seconds", WAIT_SECONDS)
        return PostgresHarness(source_database, tmp_path)
