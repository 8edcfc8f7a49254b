"""The table of sources outside. A change here needs a migration; a test compares the two."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Integer, LargeBinary, String, Table, Text

from haversack_server.catalog._tables import ORGANIZATION_NAME, metadata

source = Table(
    "source",
    metadata,
    Column("organization", ORGANIZATION_NAME, ForeignKey("organization.name"), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("scope", String(12), nullable=False, comment="what a work item follows: an entity, or the organization"),
    Column("interval_seconds", Integer, nullable=False),
    Column("settings", Text, nullable=False, comment="JSON; no secrets"),
    Column("secrets", LargeBinary, nullable=False, comment="JSON, sealed with a key of the data folder"),
    Column("mapping", Text, nullable=False, comment="YAML; empty if there is none"),
    Column("state", String(6), nullable=False, comment="ACTIVE, or PAUSED by an administrator"),
    Column("revision", BigInteger, nullable=False, comment="rises by 1 with everything that an open source must see"),
    Column("changed_at_us", BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
    Column(
        "kept",
        Text,
        nullable=False,
        server_default="",
        comment="JSON list of directory entities that Haversack keeps itself; empty before metadata was imported",
    ),
    CheckConstraint("scope IN ('entity', 'organization')", name="ck_source_scope"),
    CheckConstraint("state IN ('ACTIVE', 'PAUSED')", name="ck_source_state"),
    CheckConstraint("interval_seconds > 0", name="ck_source_interval"),
)
