"""Who wrote and published what and why, profiles that nobody follows, publishes of no profile, applications."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Changes the tables of entities, profiles and publishes, and makes that of applications."""
    _widen_entity()
    _widen_profile()
    _widen_publish()
    _make_app()


def _widen_entity() -> None:
    op.add_column(
        "entity",
        sa.Column(
            "mobile",
            sa.Boolean,
            nullable=False,
            server_default=sa.true(),
            comment="whether it is enabled for mobile, which offline use rests on",
        ),
    )


def _widen_profile() -> None:
    op.add_column(
        "profile",
        sa.Column(
            "draft_version",
            sa.BigInteger,
            nullable=False,
            server_default="1",
            comment="rises by 1 with every write of the draft",
        ),
    )
    op.add_column("profile", sa.Column("draft_author", sa.Text, nullable=False, server_default=""))
    op.add_column(
        "profile",
        sa.Column(
            "draft_at_us",
            sa.BigInteger,
            nullable=False,
            server_default="0",
            comment="microseconds since the Unix epoch; 0 if nobody knows",
        ),
    )
    op.add_column(
        "profile",
        sa.Column(
            "published", sa.BigInteger, nullable=True, comment="revision that devices follow; NULL if they follow none"
        ),
    )
    op.execute(
        "UPDATE profile SET published = (SELECT max(r.number) FROM profile_revision AS r"
        " WHERE r.organization = profile.organization AND r.profile = profile.name)"
    )
    for column in ("author", "note"):
        op.add_column("profile_revision", sa.Column(column, sa.Text, nullable=False, server_default=""))


def _widen_publish() -> None:
    with op.batch_alter_table("publish") as table:
        # A publish outlives its profile, and some are for none.
        table.drop_constraint("fk_publish_organization_profile", type_="foreignkey")
        table.create_foreign_key("fk_publish_organization", "organization", ["organization"], ["name"])
        table.alter_column(
            "profile",
            existing_type=sa.String(255),
            nullable=True,
            existing_nullable=False,
            comment="the profile that this publish was for; NULL if it was for none",
            existing_comment="the profile that this publish was for",
        )
        table.add_column(sa.Column("kind", sa.String(32), nullable=False, server_default="profile"))
        table.add_column(sa.Column("author", sa.Text, nullable=False, server_default=""))
        table.add_column(sa.Column("note", sa.Text, nullable=False, server_default=""))


def _make_app() -> None:
    op.create_table(
        "app",
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False, comment="serialized haversack.model.v1.App"),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("changed_at_us", sa.BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
        sa.PrimaryKeyConstraint("organization", "name", name="pk_app"),
        sa.ForeignKeyConstraint(["organization"], ["organization.name"], name="fk_app_organization"),
    )
