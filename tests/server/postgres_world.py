"""What tests of PostgreSQL sources share: a database whose log can be followed, and a staging database beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from haversack.model.v1 import model_pb2
from haversack_server._core import Staging
from haversack_server.catalog.work_items import Counts
from haversack_server.connectors.postgres import PostgresSource, connect
from haversack_server.connectors.postgres._feed import PostgresqlFeed
from haversack_server.metadata import Document, merge_entity
from haversack_server.replication import ROWS_MAX, Taken
from postgresql import SUPERUSER, PostgresqlServer
from psycopg.conninfo import conninfo_to_dict

LOGICAL = "-c wal_level=logical -c max_replication_slots=100 -c max_wal_senders=100 -c synchronous_commit=on"
"""Options of a server whose changes can be followed; at once, since only what is flushed is sent."""

DROP_SLOTS: LiteralString = (
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
    " WHERE database = current_database() AND NOT active"
)

TAKES_MAX = 10_000

WAIT_SECONDS = 0.05
"""How long a feed waits for the next change; what tests wait for is a mark in the log."""


class SourceDatabase:
    """An empty database of a server, as its owner sees it.

    Attributes:
        name: Its name.
        settings: Those of a source on it.
    """

    def __init__(self, server: PostgresqlServer) -> None:
        url = server.database()
        parts = conninfo_to_dict(url)
        self.name = str(parts["dbname"])
        self.settings: dict[str, Any] = {
            "url": f"host={server.folder} user={SUPERUSER} dbname={self.name}",
            "slot": f"slot_{self.name}"[:50],
        }
        self.connection = psycopg.connect(url, autocommit=True)

    def run(self, statement: LiteralString, *parameters: Any) -> list[tuple[Any, ...]]:
        """Runs SQL as the owner; returns its rows."""
        cursor = self.connection.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def source(self, mapping: str, **settings: Any) -> PostgresSource:
        """Makes a source of the database."""
        return connect({**self.settings, **settings}, {}, mapping)

    def drop_slots(self) -> None:
        """Drops what the database keeps for feeds, once it has seen that they are closed."""
        for _ in range(TAKES_MAX):
            self.run(DROP_SLOTS)
            if not self.run("SELECT 1 FROM pg_replication_slots WHERE database = current_database()"):
                return
        raise AssertionError("a slot stays in use")

    def close(self) -> None:
        """Lets go of the database, and of what it keeps for feeds that are closed."""
        self.run(DROP_SLOTS)
        self.connection.close()


class Followed:
    """A source and the staging database that follows it.

    Attributes:
        source: The source.
        model: Its metadata, serialized.
        staging: The staging database.
    """

    def __init__(self, database: SourceDatabase, source: PostgresSource, path: Path) -> None:
        self._database = database
        self.source = source
        documents = asyncio.run(source.metadata()).documents
        self.model = model_of(documents)
        self.staging = Staging.open(str(path)) if path.exists() else Staging.create(str(path))
        self._feed: PostgresqlFeed | None = None

    def follow(self, *, rows_max: int = ROWS_MAX) -> Taken:
        """Takes all that the source has now, in commits of at most `rows_max` rows; keeps the feed open."""
        return asyncio.run(self._follow(rows_max))

    def reopen(self) -> None:
        """Ends the feed; the next call makes another."""
        if self._feed is not None:
            asyncio.run(self._feed.close())
        self._feed = None

    def core_settings(self) -> str:
        """Returns what the core's feed is made from, for a process of its own."""
        return asyncio.run(self.source.core_settings())

    def standing(self) -> Any:
        """Returns where the feed stands."""
        assert self._feed is not None
        return self._feed.standing

    def rows(self, entity: str) -> dict[str, dict[str, Any]]:
        """Returns staging's rows of an entity, by id."""
        metadata = next(it for it in model_pb2.Model.FromString(self.model).entities if it.logical_name == entity)
        names = [attribute.logical_name for attribute in metadata.attributes]
        _, _, lines = self.staging.rows(self.model, entity, attributes=names, rows_max=1_000_000)
        read = [json.loads(line) for line in lines.splitlines()]
        return {row[metadata.primary_id_attribute]: row for row in read}

    def close(self) -> None:
        """Ends everything."""
        self.reopen()
        asyncio.run(self.source.close())
        self.staging.close()

    async def _follow(self, rows_max: int) -> Taken:
        """Takes until the feed has passed a mark that is left in the log now, and then has nothing more."""
        if self._feed is None:
            self._feed = await self.source.open(self.staging, self.model, "")
            self._feed.wait_seconds = WAIT_SECONDS
        [(mark,)] = self._database.run("SELECT pg_logical_emit_message(false, 'test', '') - '0/0'::pg_lsn")
        total = Counts()
        for _ in range(TAKES_MAX):
            taken = await self._feed.take(rows_max)
            total += taken.counts
            if taken.left == 0 and _place(self._feed.standing.position) >= mark:
                return replace(taken, counts=total)
        raise AssertionError("the feed never passed the mark")


@contextmanager
def following(database: SourceDatabase, mapping: str, path: Path) -> Iterator[Followed]:
    """Follows a database until the block ends."""
    followed = Followed(database, database.source(mapping), path)
    try:
        yield followed
    finally:
        followed.close()


def model_of(documents: Iterable[Document]) -> bytes:
    """Returns a model with the entities of documents, numbered."""
    merged = [merge_entity(it.entity, None, number=at).entity for at, it in enumerate(documents, 1)]
    return model_pb2.Model(revision=1, entities=merged).SerializeToString()


def _place(position: str) -> int:
    """Returns a place in the log as a number."""
    high, _, low = position.partition("/")
    return (int(high, 16) << 32) + int(low, 16) if low else 0


__all__ = ["LOGICAL", "ROWS_MAX", "WAIT_SECONDS", "Followed", "SourceDatabase", "following", "model_of"]
