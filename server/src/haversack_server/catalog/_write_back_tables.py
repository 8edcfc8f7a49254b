"""The table of write-backs to sources outside. A change here needs a migration; a test compares the two."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table, Text, UniqueConstraint

from haversack_server.catalog._tables import ORGANIZATION_NAME, metadata
from haversack_server.catalog.leases import lease_columns

write_back = Table(
    "write_back",
    metadata,
    *lease_columns(),
    Column("organization", ORGANIZATION_NAME, ForeignKey("organization.name"), nullable=False),
    Column("next_run_at_us", BigInteger, nullable=False, comment="not before; after a failure"),
    Column("error", Text, nullable=False, comment="why the last attempt failed; empty if it did not"),
    Column("error_reason", String(64), nullable=False, comment="name of the ErrorReason without prefix"),
    Column("failed_at_us", BigInteger, nullable=False, comment="when that was; 0 if it did not"),
    Column("written_at_us", BigInteger, nullable=False, comment="when the source last took a write; 0 if never"),
    Column("total_written", BigInteger, nullable=False, comment="writes that the source took"),
    Column("total_refused", BigInteger, nullable=False, comment="writes that it refused, or that had become conflicts"),
    UniqueConstraint("organization"),
    # A row that came back with its fences from the beginning could let a worker of the old one write to the new.
    sqlite_autoincrement=True,
)
