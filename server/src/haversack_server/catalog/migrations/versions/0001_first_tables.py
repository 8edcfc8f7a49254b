"""The first tables: organizations, entities, relationships, profiles and publishes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    _make_organization()
    _make_entity()
    _make_relationship()
    _make_profile()
    _make_profile_revision()
    _make_publish()


def _make_organization() -> None:
    op.create_table(
        "organization",
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("settings", sa.LargeBinary, nullable=False, comment="serialized haversack.model.v1.Settings"),
        sa.Column(
            "staging_path", sa.Text, nullable=False, comment="of the staging database, relative to the data folder"
        ),
        sa.Column(
            "last_entity_number", sa.Integer, nullable=False, comment="highest number that was ever given to an entity"
        ),
        sa.Column("created_at_us", sa.BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
        sa.PrimaryKeyConstraint("name", name="pk_organization"),
    )


def _make_entity() -> None:
    op.create_table(
        "entity",
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("logical_name", sa.String(128), nullable=False),
        sa.Column(
            "metadata", sa.LargeBinary, nullable=False, comment="serialized haversack.model.v1.Entity, numbers included"
        ),
        sa.Column(
            "last_attribute_number", sa.Integer, nullable=False, comment="highest number that was ever given to a field"
        ),
        sa.Column("offline", sa.Boolean, nullable=False),
        sa.Column("organization_filter", sa.Text, nullable=False, comment="FetchXML; empty means no limit"),
        sa.PrimaryKeyConstraint("organization", "number", name="pk_entity"),
        sa.UniqueConstraint("organization", "logical_name", name="uq_entity_organization_logical_name"),
        sa.ForeignKeyConstraint(["organization"], ["organization.name"], name="fk_entity_organization"),
    )


def _make_relationship() -> None:
    op.create_table(
        "relationship",
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column(
            "document", sa.String(128), nullable=False, comment="logical name of the entity whose document lists it"
        ),
        sa.Column("schema_name", sa.String(255), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False, comment="serialized haversack.model.v1.Relationship"),
        sa.PrimaryKeyConstraint("organization", "document", "schema_name", name="pk_relationship"),
        sa.ForeignKeyConstraint(
            ["organization", "document"],
            ["entity.organization", "entity.logical_name"],
            name="fk_relationship_organization_document",
        ),
    )


def _make_profile() -> None:
    op.create_table(
        "profile",
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column(
            "draft", sa.LargeBinary, nullable=False, comment="serialized haversack.model.v1.Profile, nothing compiled"
        ),
        sa.PrimaryKeyConstraint("organization", "name", name="pk_profile"),
        sa.ForeignKeyConstraint(["organization"], ["organization.name"], name="fk_profile_organization"),
    )


def _make_profile_revision() -> None:
    op.create_table(
        "profile_revision",
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column("profile", sa.String(255), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column(
            "content",
            sa.LargeBinary,
            nullable=False,
            comment="serialized haversack.model.v1.Profile, compiled and frozen",
        ),
        sa.Column("published_at_us", sa.BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
        sa.PrimaryKeyConstraint("organization", "profile", "number", name="pk_profile_revision"),
        sa.ForeignKeyConstraint(
            ["organization", "profile"],
            ["profile.organization", "profile.name"],
            name="fk_profile_revision_organization_profile",
        ),
    )


def _make_publish() -> None:
    op.create_table(
        "publish",
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("profile", sa.String(255), nullable=False, comment="the profile that this publish was for"),
        sa.Column("model", sa.LargeBinary, nullable=False, comment="serialized haversack.model.v1.Model"),
        sa.Column("started_at_us", sa.BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
        sa.Column(
            "lsn",
            sa.BigInteger,
            nullable=True,
            comment="position in the commit order; NULL until staging has the model",
        ),
        sa.PrimaryKeyConstraint("organization", "revision", name="pk_publish"),
        sa.ForeignKeyConstraint(
            ["organization", "profile"],
            ["profile.organization", "profile.name"],
            name="fk_publish_organization_profile",
        ),
    )
