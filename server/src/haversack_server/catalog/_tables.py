"""The tables of the catalog. A change here needs a migration; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ORGANIZATION_NAME = String(63)
LOGICAL_NAME = String(128)
SCHEMA_NAME = String(255)
PROFILE_NAME = String(255)

organization = Table(
    "organization",
    metadata,
    Column("name", ORGANIZATION_NAME, primary_key=True),
    Column("settings", LargeBinary, nullable=False, comment="serialized haversack.model.v1.Settings"),
    Column("record_path", Text, nullable=False, comment="of the record database, relative to the data folder"),
    Column("last_entity_number", Integer, nullable=False, comment="highest number that was ever given to an entity"),
    Column("created_at_us", BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
    Column("kind", String(12), nullable=False, server_default="PRODUCTION"),
    Column("region", String(63), nullable=False, server_default="", comment="where its data is kept; empty: anywhere"),
)

entity = Table(
    "entity",
    metadata,
    Column("organization", ORGANIZATION_NAME, ForeignKey("organization.name"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("logical_name", LOGICAL_NAME, nullable=False),
    Column("metadata", LargeBinary, nullable=False, comment="serialized haversack.model.v1.Entity, numbers included"),
    Column("last_attribute_number", Integer, nullable=False, comment="highest number that was ever given to a field"),
    Column("offline", Boolean, nullable=False),
    Column("organization_filter", Text, nullable=False, comment="FetchXML; empty means no limit"),
    UniqueConstraint("organization", "logical_name"),
)

relationship = Table(
    "relationship",
    metadata,
    Column("organization", ORGANIZATION_NAME, primary_key=True),
    Column("document", LOGICAL_NAME, primary_key=True, comment="logical name of the entity whose document lists it"),
    Column("schema_name", SCHEMA_NAME, primary_key=True),
    Column("content", LargeBinary, nullable=False, comment="serialized haversack.model.v1.Relationship"),
    ForeignKeyConstraint(["organization", "document"], ["entity.organization", "entity.logical_name"]),
)

profile = Table(
    "profile",
    metadata,
    Column("organization", ORGANIZATION_NAME, ForeignKey("organization.name"), primary_key=True),
    Column("name", PROFILE_NAME, primary_key=True),
    Column("draft", LargeBinary, nullable=False, comment="serialized haversack.model.v1.Profile, nothing compiled"),
)

profile_revision = Table(
    "profile_revision",
    metadata,
    Column("organization", ORGANIZATION_NAME, primary_key=True),
    Column("profile", PROFILE_NAME, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column(
        "content", LargeBinary, nullable=False, comment="serialized haversack.model.v1.Profile, compiled and frozen"
    ),
    Column("published_at_us", BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
    ForeignKeyConstraint(["organization", "profile"], ["profile.organization", "profile.name"]),
)

publish = Table(
    "publish",
    metadata,
    Column("organization", ORGANIZATION_NAME, primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("profile", PROFILE_NAME, nullable=False, comment="the profile that this publish was for"),
    Column("model", LargeBinary, nullable=False, comment="serialized haversack.model.v1.Model"),
    Column("started_at_us", BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
    Column("lsn", BigInteger, nullable=True, comment="position in the commit order; NULL until staging has the model"),
    ForeignKeyConstraint(["organization", "profile"], ["profile.organization", "profile.name"]),
)
