"""The tables of the catalog. A change here needs a migration; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    true,
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
APP_NAME = String(255)
PUBLISH_KIND = String(32)
CALLER_NAME = String(512)

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
    Column(
        "mobile",
        Boolean,
        nullable=False,
        server_default=true(),
        comment="whether it is enabled for mobile, which offline use rests on",
    ),
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
    Column(
        "draft_version",
        BigInteger,
        nullable=False,
        server_default="1",
        comment="rises by 1 with every write of the draft",
    ),
    Column("draft_author", Text, nullable=False, server_default=""),
    Column(
        "draft_at_us",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="microseconds since the Unix epoch; 0 if nobody knows",
    ),
    Column("published", BigInteger, nullable=True, comment="revision that devices follow; NULL if they follow none"),
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
    Column("author", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    ForeignKeyConstraint(["organization", "profile"], ["profile.organization", "profile.name"]),
)

publish = Table(
    "publish",
    metadata,
    Column("organization", ORGANIZATION_NAME, ForeignKey("organization.name"), primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column(
        "profile", PROFILE_NAME, nullable=True, comment="the profile that this publish was for; NULL if it was for none"
    ),
    Column("model", LargeBinary, nullable=False, comment="serialized haversack.model.v1.Model"),
    Column("started_at_us", BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
    Column("lsn", BigInteger, nullable=True, comment="position in the commit order; NULL until staging has the model"),
    Column("kind", PUBLISH_KIND, nullable=False, server_default="profile"),
    Column("author", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
)

app = Table(
    "app",
    metadata,
    Column("organization", ORGANIZATION_NAME, ForeignKey("organization.name"), primary_key=True),
    Column("name", APP_NAME, primary_key=True),
    Column("content", LargeBinary, nullable=False, comment="serialized haversack.model.v1.App"),
    Column("author", Text, nullable=False),
    Column("changed_at_us", BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
)

access_grant = Table(
    "access_grant",
    metadata,
    Column("organization", ORGANIZATION_NAME, primary_key=True, comment="empty means all of them"),
    Column("issuer", CALLER_NAME, primary_key=True),
    Column("subject", CALLER_NAME, primary_key=True),
    Column("role", Integer, nullable=False, comment="haversack.admin.v1.Role"),
    Column("granted_at_us", BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
    Column("granted_by", CALLER_NAME, nullable=False),
    CheckConstraint("role BETWEEN 1 AND 3", name="ck_access_grant_role"),
    Index("ix_access_grant_issuer_subject", "issuer", "subject"),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at_us", BigInteger, nullable=False, comment="microseconds since the Unix epoch"),
    Column("rpc", String(255), nullable=False, comment="full name of the method"),
    Column("organization", ORGANIZATION_NAME, nullable=False, comment="empty means none, or all"),
    Column("target", String(512), nullable=False),
    Column("issuer", CALLER_NAME, nullable=False),
    Column("subject", CALLER_NAME, nullable=False),
    Column("outcome", String(64), nullable=False, comment="OK, UNFINISHED or a reason of haversack.error.v1"),
    Column("message", Text, nullable=False),
    Column("request", Text, nullable=False, comment="JSON"),
    Column("before", Text, nullable=False, comment="JSON; empty means that there was nothing"),
    Column("after", Text, nullable=False, comment="JSON; empty means that there is nothing"),
    Column("truncated", Boolean, nullable=False),
    Column("request_id", String(128), nullable=False),
    Index("ix_audit_entry_at_us", "at_us"),
    Index("ix_audit_entry_organization_number", "organization", "number"),
    sqlite_autoincrement=True,  # the number of a deleted entry is not given again
)
