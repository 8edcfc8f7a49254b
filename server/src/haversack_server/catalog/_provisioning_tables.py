"""The tables of provisioning. What must never be is refused here, whoever writes.

**Transitions.** `provisioning_state` is the chain of states that an organization went through. Each link names the one
before it (a foreign key to that very link, its state included) and the event, and the triple of both states and the
event must be in `provisioning_transition`. `provisioning` points at the last link. So a state that nothing legal leads
to cannot be written, nor a link be changed that others rest on, and two who go on from one link cannot both do so.

**Operations.** An organization has at most one that is not over (a unique index over those), a de-provisioning has no
time at which it was told to stop (a check), and no state with a staging database is without one.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from haversack_server.catalog._tables import LOGICAL_NAME, ORGANIZATION_NAME, metadata
from haversack_server.catalog.leases import SERIAL, lease_columns

STATE = String(24)
EVENT = String(12)
STEP = String(24)
WHO = String(255)
TERMS = String(32)
MOMENT = "microseconds since the Unix epoch"

provisioning_transition = Table(
    "provisioning_transition",
    metadata,
    Column("previous_state", STATE, primary_key=True),
    Column("event", EVENT, primary_key=True),
    Column("state", STATE, primary_key=True),
    comment="every transition that is legal",
)

provisioning_state = Table(
    "provisioning_state",
    metadata,
    Column("organization", ORGANIZATION_NAME, ForeignKey("organization.name"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", STATE, nullable=False),
    Column("previous_number", Integer, nullable=True, comment="the link before; NULL for the first"),
    Column("previous_state", STATE, nullable=True),
    Column("event", EVENT, nullable=True),
    Column("who", WHO, nullable=False, comment="subject of the token that asked for it; a worker's name"),
    Column("at_us", BigInteger, nullable=False, comment=MOMENT),
    UniqueConstraint("organization", "number", "state"),
    ForeignKeyConstraint(
        ["organization", "previous_number", "previous_state"],
        ["provisioning_state.organization", "provisioning_state.number", "provisioning_state.state"],
        name="fk_provisioning_state_previous",
    ),
    ForeignKeyConstraint(
        ["previous_state", "event", "state"],
        ["provisioning_transition.previous_state", "provisioning_transition.event", "provisioning_transition.state"],
        name="fk_provisioning_state_transition",
    ),
    CheckConstraint(
        "(number = 0 AND state = 'NOT_PROVISIONED' AND previous_number IS NULL AND previous_state IS NULL"
        " AND event IS NULL) OR (number > 0 AND previous_number = number - 1 AND previous_state IS NOT NULL"
        " AND event IS NOT NULL)",
        name="ck_provisioning_state_chain",
    ),
    comment="the states that organizations went through",
)

provisioning = Table(
    "provisioning",
    metadata,
    Column("organization", ORGANIZATION_NAME, ForeignKey("organization.name"), primary_key=True),
    Column("state_number", Integer, nullable=False),
    Column("state", STATE, nullable=False),
    Column("staging_path", Text, nullable=True, comment="of what sync servers serve, relative to the data folder"),
    Column("epoch", LargeBinary, nullable=True, comment="identity of that staging database"),
    ForeignKeyConstraint(
        ["organization", "state_number", "state"],
        ["provisioning_state.organization", "provisioning_state.number", "provisioning_state.state"],
        name="fk_provisioning_state",
    ),
    CheckConstraint(
        "(staging_path IS NULL) = (epoch IS NULL)"
        " AND (state <> 'PROVISIONED' OR staging_path IS NOT NULL)"
        " AND (state <> 'NOT_PROVISIONED' OR staging_path IS NULL)",
        name="ck_provisioning_staging",
    ),
    comment="where each organization stands",
)

consent = Table(
    "consent",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("organization", ORGANIZATION_NAME, ForeignKey("organization.name"), nullable=False),
    Column("who", WHO, nullable=False, comment="subject of the token that consented"),
    Column("terms", TERMS, nullable=False, comment="version of the terms"),
    Column("at_us", BigInteger, nullable=False, comment=MOMENT),
    Index("ix_consent_organization_id", "organization", "id"),
    comment="consents to the terms of provisioning; the latest counts",
)

operation = Table(
    "operation",
    metadata,
    *lease_columns(),
    Column("organization", ORGANIZATION_NAME, ForeignKey("organization.name"), nullable=False),
    Column("number", Integer, nullable=False, comment="counts an organization's operations, from 1"),
    Column("kind", String(12), nullable=False),
    Column("state", String(8), nullable=False),
    Column("requested_by", WHO, nullable=False, comment="subject of the token that asked for it"),
    Column("requested_at_us", BigInteger, nullable=False, comment=MOMENT),
    Column("stop_requested_at_us", BigInteger, nullable=True, comment=MOMENT),
    Column("ended_at_us", BigInteger, nullable=True, comment=MOMENT),
    Column("staging_path", Text, nullable=True, comment="of the staging database that it makes, or deletes"),
    Column("failed_step", STEP, nullable=True),
    Column("failure_reason", String(64), nullable=True, comment="a haversack.error.v1.ErrorReason without its prefix"),
    Column("failure_message", Text, nullable=True),
    Column("failed_at_us", BigInteger, nullable=True, comment=MOMENT),
    UniqueConstraint("organization", "number"),
    CheckConstraint("kind IN ('PROVISION', 'DEPROVISION')", name="ck_operation_kind"),
    CheckConstraint("state IN ('RUNNING', 'FAILED', 'DONE', 'STOPPED')", name="ck_operation_state"),
    CheckConstraint("kind <> 'DEPROVISION' OR stop_requested_at_us IS NULL", name="ck_operation_stop"),
    CheckConstraint("(state IN ('DONE', 'STOPPED')) = (ended_at_us IS NOT NULL)", name="ck_operation_end"),
    CheckConstraint("state <> 'FAILED' OR failure_reason IS NOT NULL", name="ck_operation_failure"),
    comment="operations on organizations; one that is not over at a time",
)

UNSETTLED = operation.c.state.in_(["RUNNING", "FAILED"])

Index(
    "uq_operation_unsettled",
    operation.c.organization,
    unique=True,
    sqlite_where=text("state IN ('RUNNING', 'FAILED')"),
    postgresql_where=text("state IN ('RUNNING', 'FAILED')"),
)
Index("ix_operation_state_lease_until_us", operation.c.state, operation.c.lease_until_us)

operation_step = Table(
    "operation_step",
    metadata,
    Column("operation", BigInteger, ForeignKey("operation.id"), primary_key=True, autoincrement=False),
    Column("step", STEP, primary_key=True),
    Column("began_at_us", BigInteger, nullable=False, comment=MOMENT),
    Column("ended_at_us", BigInteger, nullable=True, comment=MOMENT),
    Column("seconds_left", Integer, nullable=True, comment="an estimate"),
    comment="the steps that were begun",
)

operation_entity = Table(
    "operation_entity",
    metadata,
    Column("operation", BigInteger, ForeignKey("operation.id"), primary_key=True, autoincrement=False),
    Column("entity", LOGICAL_NAME, primary_key=True),
    Column("rows_done", BigInteger, nullable=False),
    Column("rows_total", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    comment="how far the replication of data is",
)

operation_event = Table(
    "operation_event",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("operation", BigInteger, ForeignKey("operation.id"), nullable=False),
    Column("at_us", BigInteger, nullable=False, comment=MOMENT),
    Column("step", STEP, nullable=True),
    Column("text", Text, nullable=False, comment="what happened, for people"),
    Index("ix_operation_event_operation_id", "operation", "id"),
    comment="what happened to operations",
)
