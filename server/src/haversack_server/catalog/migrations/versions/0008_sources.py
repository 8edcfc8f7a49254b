"""Sources outside, and work items of a whole organization."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"


def upgrade() -> None:
    """Makes the table, and lets work items be about all entities at once and say where they stand."""
    _make_source()
    _widen_work_item()


def _make_source() -> None:
    op.create_table(
        "source",
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column(
            "scope", sa.String(12), nullable=False, comment="what a work item follows: an entity, or the organization"
        ),
        sa.Column("interval_seconds", sa.Integer, nullable=False),
        sa.Column("settings", sa.Text, nullable=False, comment="JSON; no secrets"),
        sa.Column("secrets", sa.LargeBinary, nullable=False, comment="JSON, sealed with a key of the data folder"),
        sa.Column("mapping", sa.Text, nullable=False, comment="YAML; empty if there is none"),
        sa.Column("state", sa.String(6), nullable=False, comment="ACTIVE, or PAUSED by an administrator"),
        sa.Column(
            "revision",
            sa.BigInteger,
            nullable=False,
            comment="rises by 1 with everything that an open source must see",
        ),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
        sa.PrimaryKeyConstraint("organization", name="pk_source"),
        sa.ForeignKeyConstraint(["organization"], ["organization.name"], name="fk_source_organization"),
        sa.CheckConstraint("scope IN ('entity', 'organization')", name="ck_source_scope"),
        sa.CheckConstraint("state IN ('ACTIVE', 'PAUSED')", name="ck_source_state"),
        sa.CheckConstraint("interval_seconds > 0", name="ck_source_interval"),
    )


def _widen_work_item() -> None:
    """SQLite makes the table anew for this; the numbers that were given stay given."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    given = "SELECT seq FROM sqlite_sequence WHERE name = 'work_item'"
    last = connection.scalar(sa.text(given)) if is_sqlite else None
    with op.batch_alter_table("work_item", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.alter_column(
            "entity",
            existing_type=sa.String(128),
            nullable=True,
            comment="logical name; NULL if it is about all of them",
            existing_comment="logical name",
        )
        batch.add_column(
            sa.Column(
                "standing",
                sa.Text,
                nullable=False,
                server_default="",
                comment="JSON of where the feed stood last; empty before the first run",
            )
        )
        batch.add_column(
            sa.Column(
                "resync",
                sa.Text,
                nullable=False,
                server_default="",
                comment="JSON list of entities that the next run reads in full again; empty if there are none",
            )
        )
    if last is not None:
        connection.execute(sa.text("UPDATE sqlite_sequence SET seq = :last WHERE name = 'work_item'"), {"last": last})
    op.create_index(
        "ix_work_item_organization_source",
        "work_item",
        ["organization", "source"],
        unique=True,
        sqlite_where=sa.text("entity IS NULL"),
        postgresql_where=sa.text("entity IS NULL"),
    )
