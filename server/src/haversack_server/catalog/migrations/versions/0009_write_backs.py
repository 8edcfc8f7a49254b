"""Write-back to sources outside."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "write_back",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lease_owner", sa.String(120), nullable=True, comment="worker that has it; NULL if none"),
        sa.Column("lease_until_us", sa.BigInteger, nullable=False, comment="from then on another worker may claim it"),
        sa.Column("fence", sa.BigInteger, nullable=False, comment="how often it was claimed; every write names it"),
        sa.Column("attempt", sa.Integer, nullable=False, comment="claims since it was last completed"),
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column("next_run_at_us", sa.BigInteger, nullable=False, comment="not before; after a failure"),
        sa.Column("error", sa.Text, nullable=False, comment="why the last attempt failed; empty if it did not"),
        sa.Column("error_reason", sa.String(64), nullable=False, comment="name of the ErrorReason without prefix"),
        sa.Column("failed_at_us", sa.BigInteger, nullable=False, comment="when that was; 0 if it did not"),
        sa.Column(
            "written_at_us", sa.BigInteger, nullable=False, comment="when the source last took a write; 0 if never"
        ),
        sa.Column("total_written", sa.BigInteger, nullable=False, comment="writes that the source took"),
        sa.Column(
            "total_refused",
            sa.BigInteger,
            nullable=False,
            comment="writes that it refused, or that had become conflicts",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_write_back"),
        sa.ForeignKeyConstraint(["organization"], ["organization.name"], name="fk_write_back_organization"),
        sa.UniqueConstraint("organization", name="uq_write_back_organization"),
        sqlite_autoincrement=True,
    )
