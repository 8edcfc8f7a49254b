"""Provisioning: its states and their transitions, consents and operations; organizations get a kind and a region.

What was an organization's staging database becomes its record database, and the organization is NOT_PROVISIONED: its
rows are all there, and provisioning makes the staging database that is served from now on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = "microseconds since the Unix epoch"
WHO = "subject of the token that asked for it"
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

TRANSITIONS = (
    ("NOT_PROVISIONED", "START", "PROVISIONING"),
    ("PROVISIONING", "STOP", "STOPPING"),
    ("PROVISIONING", "SUCCEED", "PROVISIONED"),
    ("PROVISIONING", "FAIL", "PROVISIONING_FAILED"),
    ("STOPPING", "SUCCEED", "NOT_PROVISIONED"),
    ("STOPPING", "FAIL", "PROVISIONING_FAILED"),
    ("PROVISIONING_FAILED", "STOP", "STOPPING"),
    ("PROVISIONING_FAILED", "RETRY", "PROVISIONING"),
    ("PROVISIONED", "DEPROVISION", "DEPROVISIONING"),
    ("DEPROVISIONING", "SUCCEED", "NOT_PROVISIONED"),
    ("DEPROVISIONING", "FAIL", "DEPROVISIONING_FAILED"),
    ("DEPROVISIONING_FAILED", "RETRY", "DEPROVISIONING"),
)


def upgrade() -> None:
    """Makes the tables, and gives organizations that there are their first state."""
    _change_organization()
    _make_transitions()
    _make_states()
    _make_provisioning()
    _make_consent()
    _make_operation()
    _make_operation_parts()
    _begin()


def _change_organization() -> None:
    op.execute("ALTER TABLE organization RENAME COLUMN staging_path TO record_path")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "COMMENT ON COLUMN organization.record_path IS 'of the record database, relative to the data folder'"
        )
    op.add_column("organization", sa.Column("kind", sa.String(12), nullable=False, server_default="PRODUCTION"))
    op.add_column(
        "organization",
        sa.Column(
            "region",
            sa.String(63),
            nullable=False,
            server_default="",
            comment="where its data is kept; empty: anywhere",
        ),
    )


def _make_transitions() -> None:
    table = op.create_table(
        "provisioning_transition",
        sa.Column("previous_state", sa.String(24), nullable=False),
        sa.Column("event", sa.String(12), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("previous_state", "event", "state", name="pk_provisioning_transition"),
        comment="every transition that is legal",
    )
    names = ("previous_state", "event", "state")
    op.bulk_insert(table, [dict(zip(names, it, strict=True)) for it in TRANSITIONS])


def _make_states() -> None:
    op.create_table(
        "provisioning_state",
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("previous_number", sa.Integer, nullable=True, comment="the link before; NULL for the first"),
        sa.Column("previous_state", sa.String(24), nullable=True),
        sa.Column("event", sa.String(12), nullable=True),
        sa.Column(
            "who", sa.String(255), nullable=False, comment="subject of the token that asked for it; a worker's name"
        ),
        sa.Column("at_us", sa.BigInteger, nullable=False, comment=MOMENT),
        sa.PrimaryKeyConstraint("organization", "number", name="pk_provisioning_state"),
        sa.UniqueConstraint("organization", "number", "state", name="uq_provisioning_state_organization_number_state"),
        sa.ForeignKeyConstraint(["organization"], ["organization.name"], name="fk_provisioning_state_organization"),
        sa.ForeignKeyConstraint(
            ["organization", "previous_number", "previous_state"],
            ["provisioning_state.organization", "provisioning_state.number", "provisioning_state.state"],
            name="fk_provisioning_state_previous",
        ),
        sa.ForeignKeyConstraint(
            ["previous_state", "event", "state"],
            [
                "provisioning_transition.previous_state",
                "provisioning_transition.event",
                "provisioning_transition.state",
            ],
            name="fk_provisioning_state_transition",
        ),
        sa.CheckConstraint(
            "(number = 0 AND state = 'NOT_PROVISIONED' AND previous_number IS NULL AND previous_state IS NULL"
            " AND event IS NULL) OR (number > 0 AND previous_number = number - 1 AND previous_state IS NOT NULL"
            " AND event IS NOT NULL)",
            name="ck_provisioning_state_chain",
        ),
        comment="the states that organizations went through",
    )


def _make_provisioning() -> None:
    op.create_table(
        "provisioning",
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column("state_number", sa.Integer, nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column(
            "staging_path", sa.Text, nullable=True, comment="of what sync servers serve, relative to the data folder"
        ),
        sa.Column("epoch", sa.LargeBinary, nullable=True, comment="identity of that staging database"),
        sa.PrimaryKeyConstraint("organization", name="pk_provisioning"),
        sa.ForeignKeyConstraint(["organization"], ["organization.name"], name="fk_provisioning_organization"),
        sa.ForeignKeyConstraint(
            ["organization", "state_number", "state"],
            ["provisioning_state.organization", "provisioning_state.number", "provisioning_state.state"],
            name="fk_provisioning_state",
        ),
        sa.CheckConstraint(
            "(staging_path IS NULL) = (epoch IS NULL)"
            " AND (state <> 'PROVISIONED' OR staging_path IS NOT NULL)"
            " AND (state <> 'NOT_PROVISIONED' OR staging_path IS NULL)",
            name="ck_provisioning_staging",
        ),
        comment="where each organization stands",
    )


def _make_consent() -> None:
    op.create_table(
        "consent",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column("who", sa.String(255), nullable=False, comment="subject of the token that consented"),
        sa.Column("terms", sa.String(32), nullable=False, comment="version of the terms"),
        sa.Column("at_us", sa.BigInteger, nullable=False, comment=MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_consent"),
        sa.ForeignKeyConstraint(["organization"], ["organization.name"], name="fk_consent_organization"),
        comment="consents to the terms of provisioning; the latest counts",
    )
    op.create_index("ix_consent_organization_id", "consent", ["organization", "id"])


def _make_operation() -> None:
    op.create_table(
        "operation",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("lease_owner", sa.String(120), nullable=True, comment="worker that has it; NULL if none"),
        sa.Column("lease_until_us", sa.BigInteger, nullable=False, comment="from then on another worker may claim it"),
        sa.Column("fence", sa.BigInteger, nullable=False, comment="how often it was claimed; every write names it"),
        sa.Column("attempt", sa.Integer, nullable=False, comment="claims since it was last completed"),
        sa.Column("organization", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, comment="counts an organization's operations, from 1"),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("requested_by", sa.String(255), nullable=False, comment=WHO),
        sa.Column("requested_at_us", sa.BigInteger, nullable=False, comment=MOMENT),
        sa.Column("stop_requested_at_us", sa.BigInteger, nullable=True, comment=MOMENT),
        sa.Column("ended_at_us", sa.BigInteger, nullable=True, comment=MOMENT),
        sa.Column("staging_path", sa.Text, nullable=True, comment="of the staging database that it makes, or deletes"),
        sa.Column("failed_step", sa.String(24), nullable=True),
        sa.Column(
            "failure_reason",
            sa.String(64),
            nullable=True,
            comment="a haversack.error.v1.ErrorReason without its prefix",
        ),
        sa.Column("failure_message", sa.Text, nullable=True),
        sa.Column("failed_at_us", sa.BigInteger, nullable=True, comment=MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_operation"),
        sa.UniqueConstraint("organization", "number", name="uq_operation_organization_number"),
        sa.ForeignKeyConstraint(["organization"], ["organization.name"], name="fk_operation_organization"),
        sa.CheckConstraint("kind IN ('PROVISION', 'DEPROVISION')", name="ck_operation_kind"),
        sa.CheckConstraint("state IN ('RUNNING', 'FAILED', 'DONE', 'STOPPED')", name="ck_operation_state"),
        sa.CheckConstraint("kind <> 'DEPROVISION' OR stop_requested_at_us IS NULL", name="ck_operation_stop"),
        sa.CheckConstraint("(state IN ('DONE', 'STOPPED')) = (ended_at_us IS NOT NULL)", name="ck_operation_end"),
        sa.CheckConstraint("state <> 'FAILED' OR failure_reason IS NOT NULL", name="ck_operation_failure"),
        comment="operations on organizations; one that is not over at a time",
    )
    unsettled = sa.text("state IN ('RUNNING', 'FAILED')")
    op.create_index(
        "uq_operation_unsettled",
        "operation",
        ["organization"],
        unique=True,
        sqlite_where=unsettled,
        postgresql_where=unsettled,
    )
    op.create_index("ix_operation_state_lease_until_us", "operation", ["state", "lease_until_us"])


def _make_operation_parts() -> None:
    op.create_table(
        "operation_step",
        sa.Column("operation", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("step", sa.String(24), nullable=False),
        sa.Column("began_at_us", sa.BigInteger, nullable=False, comment=MOMENT),
        sa.Column("ended_at_us", sa.BigInteger, nullable=True, comment=MOMENT),
        sa.Column("seconds_left", sa.Integer, nullable=True, comment="an estimate"),
        sa.PrimaryKeyConstraint("operation", "step", name="pk_operation_step"),
        sa.ForeignKeyConstraint(["operation"], ["operation.id"], name="fk_operation_step_operation"),
        comment="the steps that were begun",
    )
    op.create_table(
        "operation_entity",
        sa.Column("operation", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("entity", sa.String(128), nullable=False),
        sa.Column("rows_done", sa.BigInteger, nullable=False),
        sa.Column("rows_total", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("operation", "entity", name="pk_operation_entity"),
        sa.ForeignKeyConstraint(["operation"], ["operation.id"], name="fk_operation_entity_operation"),
        comment="how far the replication of data is",
    )
    op.create_table(
        "operation_event",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("operation", sa.BigInteger, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False, comment=MOMENT),
        sa.Column("step", sa.String(24), nullable=True),
        sa.Column("text", sa.Text, nullable=False, comment="what happened, for people"),
        sa.PrimaryKeyConstraint("id", name="pk_operation_event"),
        sa.ForeignKeyConstraint(["operation"], ["operation.id"], name="fk_operation_event_operation"),
        comment="what happened to operations",
    )
    op.create_index("ix_operation_event_operation_id", "operation_event", ["operation", "id"])


def _begin() -> None:
    op.execute(
        "INSERT INTO provisioning_state (organization, number, state, who, at_us)"
        " SELECT name, 0, 'NOT_PROVISIONED', 'migration', created_at_us FROM organization"
    )
    op.execute(
        "INSERT INTO provisioning (organization, state_number, state)"
        " SELECT name, 0, 'NOT_PROVISIONED' FROM organization"
    )
