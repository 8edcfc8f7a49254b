"""Roles of administrators, and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Makes the tables."""
    _make_access_grant()
    _make_audit_entry()


def _make_access_grant() -> None:
    op.create_table(
        "access_grant",
        sa.Column("organization", sa.String(63), nullable=False, comment="empty means all of them"),
        sa.Column("issuer", sa.String(512), nullable=False),
        sa.Column("subject", sa.String(512), nullable=False),
        sa.Column("role", sa.Integer, nullable=False, comment="haversack.admin.v1.Role"),
        sa.Column("granted_at_us", sa.BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
        sa.Column("granted_by", sa.String(512), nullable=False),
        sa.PrimaryKeyConstraint("organization", "issuer", "subject", name="pk_access_grant"),
        sa.CheckConstraint("role BETWEEN 1 AND 3", name="ck_access_grant_role"),
    )
    op.create_index("ix_access_grant_issuer_subject", "access_grant", ["issuer", "subject"])


def _make_audit_entry() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "audit_entry",
        sa.Column("number", number, nullable=False, autoincrement=True),
        sa.Column("at_us", sa.BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
        sa.Column("rpc", sa.String(255), nullable=False, comment="full name of the method"),
        sa.Column("organization", sa.String(63), nullable=False, comment="empty means none, or all"),
        sa.Column("target", sa.String(512), nullable=False),
        sa.Column("issuer", sa.String(512), nullable=False),
        sa.Column("subject", sa.String(512), nullable=False),
        sa.Column("outcome", sa.String(64), nullable=False, comment="OK, UNFINISHED or a reason of haversack.error.v1"),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False, comment="JSON"),
        sa.Column("before", sa.Text, nullable=False, comment="JSON; empty means that there was nothing"),
        sa.Column("after", sa.Text, nullable=False, comment="JSON; empty means that there is nothing"),
        sa.Column("truncated", sa.Boolean, nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_entry"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_entry_at_us", "audit_entry", ["at_us"])
    op.create_index("ix_audit_entry_organization_number", "audit_entry", ["organization", "number"])
