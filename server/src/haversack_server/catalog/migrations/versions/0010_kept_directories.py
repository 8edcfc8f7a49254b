"""Entities of the directory that Haversack keeps itself beside a source outside."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Adds the column. Of sources that there are it is told when their metadata is next imported."""
    op.add_column(
        "source",
        sa.Column(
            "kept",
            sa.Text,
            nullable=False,
            server_default="",
            comment="JSON list of directory entities that Haversack keeps itself; empty before metadata was imported",
        ),
    )
