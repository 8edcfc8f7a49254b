"""The table of work items. A change here needs a migration; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from haversack_server.catalog._tables import LOGICAL_NAME, ORGANIZATION_NAME, metadata
from haversack_server.catalog.leases import lease_columns

COUNTS = ("read", "inserted", "updated", "deleted", "unchanged", "bytes")
"""What is counted of rows, of the last run and of all together."""

work_item = Table(
    "work_item",
    metadata,
    *lease_columns(),
    Column("organization", ORGANIZATION_NAME, nullable=False),
    Column("entity", LOGICAL_NAME, nullable=True, comment="logical name; NULL if it is about all of them"),
    Column("source", String(32), nullable=False, comment="kind of the system of record"),
    Column("interval_seconds", Integer, nullable=False),
    Column("state", String(6), nullable=False, comment="ACTIVE, or DEAD: given up until an administrator retries it"),
    Column("next_run_at_us", BigInteger, nullable=False, comment="when it is due"),
    Column("claimed_at_us", BigInteger, nullable=False, comment="when a worker last claimed it; 0 if none has"),
    Column("error", Text, nullable=False, comment="why the last attempt failed; empty if it did not"),
    Column("error_reason", String(64), nullable=False, comment="name of the ErrorReason without prefix"),
    Column("last_started_at_us", BigInteger, nullable=False, comment="of the last run that ended; 0 if none has"),
    Column("last_ended_at_us", BigInteger, nullable=False),
    *(Column(f"last_{name}", BigInteger, nullable=False) for name in COUNTS),
    Column("total_runs", BigInteger, nullable=False, comment="attempts that went well"),
    Column("total_failures", BigInteger, nullable=False, comment="attempts that did not"),
    *(Column(f"total_{name}", BigInteger, nullable=False) for name in COUNTS),
    Column(
        "standing",
        Text,
        nullable=False,
        server_default="",
        comment="JSON of where the feed stood last; empty before the first run",
    ),
    Column(
        "resync",
        Text,
        nullable=False,
        server_default="",
        comment="JSON list of entities that the next run reads in full again; empty if there are none",
    ),
    ForeignKeyConstraint(["organization", "entity"], ["entity.organization", "entity.logical_name"]),
    UniqueConstraint("organization", "entity", "source"),
    CheckConstraint("state IN ('ACTIVE', 'DEAD')", name="ck_work_item_state"),
    CheckConstraint("state = 'ACTIVE' OR lease_owner IS NULL", name="ck_work_item_dead_has_no_worker"),
    CheckConstraint("interval_seconds > 0", name="ck_work_item_interval"),
    Index("ix_work_item_due", "state", "next_run_at_us"),
    # NULLs are never equal to each other, so the constraint above does not hold here.
    Index(
        "ix_work_item_organization_source",
        "organization",
        "source",
        unique=True,
        sqlite_where=text("entity IS NULL"),
        postgresql_where=text("entity IS NULL"),
    ),
    # A number that came back with its fences from the beginning could let a worker of the old item write to the new.
    sqlite_autoincrement=True,
)
