"""Work items: the queue of replication."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_COUNTS = ("read", "inserted", "updated", "deleted", "unchanged", "bytes")


def upgrade() -> None:
    """Makes the table and the index by which due items are found."""
    op.create_table(
        "work_item",
        *_lease_columns(),
        *_columns(),
        *_count_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_work_item"),
        sa.ForeignKeyConstraint(
            ["organization", "entity"],
            ["entity.organization", "entity.logical_name"],
            name="fk_work_item_organization_entity",
        ),
        sa.UniqueConstraint("organization", "entity", "source", name="uq_work_item_organization_entity_source"),
        sa.CheckConstraint("state IN ('ACTIVE', 'DEAD')", name="ck_work_item_state"),
        sa.CheckConstraint("state = 'ACTIVE' OR lease_owner IS NULL", name="ck_work_item_dead_has_no_worker"),
        sa.CheckConstraint("interval_seconds > 0", name="ck_work_item_interval"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_work_item_due", "work_item", ["state", "next_run_at_us"])


def _lease_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("lease_owner", sa.String(120), nullable=True, comment="worker that has it; NULL if none"),
        sa.Column("lease_until_us", sa.BigInteger, nullable=False, comment="from then on another worker may claim it"),
        sa.Column("fence", sa.BigInteger, nullable=False, comment="how often it was claimed; every write names it"),
        sa.Column("attempt", sa.Integer, nullable=False, comment="claims since it was last completed"),
    ]


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column("entity", sa.String(128), nullable=False, comment="logical name"),
        sa.Column("source", sa.String(32), nullable=False, comment="kind of the system of record"),
        sa.Column("interval_seconds", sa.Integer, nullable=False),
        sa.Column(
            "state", sa.String(6), nullable=False, comment="ACTIVE, or DEAD: given up until an administrator retries it"
        ),
        sa.Column("next_run_at_us", sa.BigInteger, nullable=False, comment="when it is due"),
        sa.Column(
            "claimed_at_us", sa.BigInteger, nullable=False, comment="when a worker last claimed it; 0 if none has"
        ),
        sa.Column("error", sa.Text, nullable=False, comment="why the last attempt failed; empty if it did not"),
        sa.Column("error_reason", sa.String(64), nullable=False, comment="name of the ErrorReason without prefix"),
    ]


def _count_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column(
            "last_started_at_us", sa.BigInteger, nullable=False, comment="of the last run that ended; 0 if none has"
        ),
        sa.Column("last_ended_at_us", sa.BigInteger, nullable=False),
        *(sa.Column(f"last_{name}", sa.BigInteger, nullable=False) for name in _COUNTS),
        sa.Column("total_runs", sa.BigInteger, nullable=False, comment="attempts that went well"),
        sa.Column("total_failures", sa.BigInteger, nullable=False, comment="attempts that did not"),
        *(sa.Column(f"total_{name}", sa.BigInteger, nullable=False) for name in _COUNTS),
    ]
