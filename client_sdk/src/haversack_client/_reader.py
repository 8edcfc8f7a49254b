"""Reading a device's database: what it holds, where it stands, and whether its rows are what it believes.

Every reader opens the file read-only, so nothing that an application does with it can make the device inexact.
"""

import json
from collections.abc import Container
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from haversack_client import _tables as sql
from haversack_client._connections import Connection, Key, connect, store_errors
from haversack_client._digest import WORD_MASK, membership_sum, version_sum
from haversack_client._errors import StoreError
from haversack_client._held import BlockState, Checkpoint, EntityState, Facts, Wipe
from haversack_client._model import CarriedModel, Table
from haversack_client._roaring import BLOCK_BITS
from haversack_client._stage import Stage

ROWS_PER_READ = 8192
"""Rows hashed at once when digests are made anew."""


@dataclass(frozen=True, slots=True)
class EntityStatus:
    """What a device holds of one entity.

    Attributes:
        name: Logical name, and name of the table.
        rows: How many rows.
        mandatory: Whether the user must have it before starting work.
        received_bytes: Bytes of its rows that have come so far, as they came.
        synced_at_us: When it last equalled the view, microseconds since the Unix epoch, by the device's clock; or None.
        waiting: Writes to its rows that wait for the server.
        queued: Those that are at the server, and wait for the organization's source.
        refused: Writes to its rows that were refused.
        error: What was said of the last of those; empty if there is none.
        verified: Whether the digests made anew from the rows are those on record; None if not asked.
    """

    name: str
    rows: int
    mandatory: bool
    received_bytes: int
    synced_at_us: int | None
    waiting: int
    queued: int
    refused: int
    error: str
    verified: bool | None


@dataclass(frozen=True, slots=True)
class StageTime:
    """When a stage was reached: microseconds since the Unix epoch, by this device's clock."""

    stage: Stage
    at_us: int


@dataclass(frozen=True, slots=True)
class Status:
    """Where a device stands.

    Attributes:
        install_id: Identity of this database.
        stage: The stage that was reached last.
        stages: When each stage was reached; those of a download that begins anew are left out until they are again.
        checkpoint: The last checkpoint; None before the first.
        model_version: Version of the model that the tables follow; None before the first.
        model_revision: Organization revision that the model was taken from; None before the first.
        database_bytes: Size of the database file; its log is not counted.
        entities: What is held, in download order.
        wiped: That an administrator has had this device wiped, if so.
        user_id: Whose database it is; None before the first sync.
    """

    install_id: bytes
    stage: Stage
    stages: tuple[StageTime, ...]
    checkpoint: Checkpoint | None
    model_version: int | None
    model_revision: int | None
    database_bytes: int
    entities: tuple[EntityStatus, ...]
    wiped: Wipe | None = None
    user_id: str | None = None

    @property
    def rows(self) -> int:
        """Rows over all entities."""
        return sum(entity.rows for entity in self.entities)

    @property
    def waiting(self) -> int:
        """Writes that wait for the server."""
        return sum(entity.waiting for entity in self.entities)

    @property
    def queued(self) -> int:
        """Writes that are at the server, and wait for the organization's source."""
        return sum(entity.queued for entity in self.entities)

    @property
    def refused(self) -> int:
        """Writes that were refused."""
        return sum(entity.refused for entity in self.entities)

    @property
    def verified(self) -> bool | None:
        """Whether every entity is verified; None if not asked."""
        if any(entity.verified is None for entity in self.entities):
            return None
        return all(entity.verified for entity in self.entities)


def open_read_only(path: Path, key: Key | None = None) -> Connection:
    """Opens a device's database for reading. Raises StoreError if there is none, KeyWrongError for a wrong key."""
    connection = connect(path, key, read_only=True)
    try:
        with store_errors(path):
            require_device(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def read_status(path: Path, key: Key | None = None, *, verify: bool = False) -> Status:
    """Says where a device stands, at one moment of its database.

    With `verify`, every digest is made anew from the rows' ordinals and LSNs. Raises StoreError.
    """
    with closing(open_read_only(path, key)) as connection, store_errors(path):
        connection.row_factory = None
        connection.execute("BEGIN")
        facts = read_facts(connection)
        model = CarriedModel.parse(facts.model) if facts.model else None
        checkpoint = json.loads(facts.checkpoint)
        return Status(
            install_id=facts.install_id,
            stage=Stage(facts.stage),
            stages=tuple(StageTime(Stage(stage), at_us) for stage, at_us in json.loads(facts.stage_times)),
            checkpoint=Checkpoint(*checkpoint) if checkpoint else None,
            model_version=model.version if model else None,
            model_revision=model.revision if model else None,
            database_bytes=path.stat().st_size,
            entities=_entity_statuses(connection, model, verify=verify) if model else (),
            wiped=Wipe.parse(facts.wipe),
            user_id=str(UUID(bytes=facts.user)) if facts.user else None,
        )


def _entity_statuses(connection: Connection, model: CarriedModel, *, verify: bool) -> tuple[EntityStatus, ...]:
    held, blocks = read_entities(connection), read_blocks(connection)
    times = {
        entity: (size, at_us)
        for entity, size, at_us in connection.execute(
            "SELECT entity, received_bytes, synced_at_us FROM _haversack_entity"
        )
    }
    writes = _count_writes(connection)

    def status(table: Table) -> EntityStatus:
        size, at_us = times[table.entity]
        verified = None
        if verify:
            found = recompute(connection, table.entity, table.name)
            verified = found == (held[table.entity], blocks.get(table.entity, []))
        return EntityStatus(
            name=table.name,
            rows=held[table.entity].count,
            mandatory=table.mandatory,
            received_bytes=size,
            synced_at_us=at_us or None,
            verified=verified,
            **writes.get(table.entity, {"waiting": 0, "queued": 0, "refused": 0, "error": ""}),
        )

    return tuple(status(table) for table in model.tables.values())


def _count_writes(connection: Connection) -> dict[int, dict[str, Any]]:
    """What waits and what was refused, by entity. SQLite gives the message of the row that has the highest number."""
    query = (
        "SELECT entity, sum(state IN (1, 4)), sum(state = 2), sum(state = 5), max((state = 5) * number), message"
        " FROM _haversack_outbox GROUP BY entity"
    )
    return {
        entity: {"waiting": waiting, "queued": queued, "refused": refused, "error": message if refused else ""}
        for entity, waiting, queued, refused, _, message in connection.execute(query)
    }


def recompute(connection: Connection, entity: int, table: str) -> tuple[EntityState, list[BlockState]]:
    """Makes an entity's digests anew from its rows."""
    rows = connection.execute(f"SELECT _ordinal, _lsn FROM {sql.quoted(table)} WHERE _ordinal >= 0 ORDER BY _ordinal")
    hidden = "SELECT ordinal, lsn FROM _haversack_base WHERE entity = ? AND ordinal IS NOT NULL AND shown IS NULL"
    deleted_here = sorted(connection.execute(hidden, (entity,)).fetchall())
    count, digest = 0, 0
    blocks: dict[int, BlockState] = {}
    for part in chain(iter(lambda: rows.fetchmany(ROWS_PER_READ), []), [deleted_here]):
        ordinals = [ordinal for ordinal, _ in part]
        count += len(part)
        digest += version_sum(entity, ordinals, [lsn for _, lsn in part])
        for block, group in groupby(ordinals, lambda ordinal: ordinal >> BLOCK_BITS):
            members = list(group)
            before = blocks.get(block, BlockState(block, 0, 0))
            membership = (before.membership + membership_sum(entity, members)) & WORD_MASK
            blocks[block] = BlockState(block, before.count + len(members), membership)
    return EntityState(count, digest & WORD_MASK), [blocks[block] for block in sorted(blocks)]


def read_facts(connection: Connection) -> Facts:
    """Reads what the database knows about itself."""
    return Facts(**dict(connection.execute("SELECT key, value FROM _haversack_meta")))


def read_entities(connection: Connection) -> dict[int, EntityState]:
    """Reads count and digest of every entity that has a table."""
    rows = connection.execute("SELECT entity, count, digest FROM _haversack_entity")
    return {entity: EntityState(count, sql.unsigned(digest)) for entity, count, digest in rows}


def read_blocks(connection: Connection) -> dict[int, list[BlockState]]:
    """Reads every block with rows, ascending, by entity."""
    held: dict[int, list[BlockState]] = {}
    query = "SELECT entity, block, count, membership FROM _haversack_block ORDER BY entity, block"
    for entity, block, count, membership in connection.execute(query):
        held.setdefault(entity, []).append(BlockState(block, count, sql.unsigned(membership)))
    return held


def require_device(connection: Connection, path: Path, versions: Container[int] = (sql.FORMAT_VERSION,)) -> None:
    """Raises StoreError unless the database is a device's, of a version that this library reads."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != sql.APPLICATION_ID:
        raise StoreError(f"{path} is not a Haversack device's database; name another file")
    if version not in versions:
        hint = "update the library" if version > sql.FORMAT_VERSION else "open it once with Device.open"
        raise StoreError(f"{path} has format {version}, this library reads {sql.FORMAT_VERSION}; {hint}")
