"""Queries on publishes. Every function works inside the transaction of `connection`.

A publish is recorded before staging is told of it, and its LSN once staging has it. So after a crash in between it is
known that there was one, and which: see `haversack_server.publishing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from haversack.model.v1 import model_pb2
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog._tables import publish as table
from haversack_server.errors import RequestInvalid


class PublishKind(StrEnum):
    """What a publish was for; the values are stored."""

    PROFILE = "profile"
    """A profile's draft became its next revision."""
    ROLL_BACK = "roll back"
    """An earlier revision of a profile became its next one, and its draft."""
    UNPUBLISH = "unpublish"
    """Devices follow a profile no longer."""
    CUSTOMIZATIONS = "customizations"
    """Metadata, organization filters, settings and applications, as they were then."""
    REPUBLISH = "republish"
    """Everything that was published, for a new staging database."""


@dataclass(frozen=True)
class Publish:
    """A publish of an organization.

    Attributes:
        organization: The organization's name.
        kind: What it was for.
        profile: The profile that it was for; None if it was for none.
        model: Everything that is published with it; its revision is the publish's.
        author: Who asked for it.
        note: Why, in the author's words.
        started_at_us: When it was asked for, microseconds since the Unix epoch.
    """

    organization: str
    kind: PublishKind
    profile: str | None
    model: model_pb2.Model
    author: str
    note: str
    started_at_us: int


async def add(connection: AsyncConnection, publish: Publish) -> None:
    """Records a publish that is about to begin."""
    values = {
        "organization": publish.organization,
        "revision": publish.model.revision,
        "kind": publish.kind.value,
        "profile": publish.profile,
        "model": publish.model.SerializeToString(deterministic=True),
        "author": publish.author,
        "note": publish.note,
        "started_at_us": publish.started_at_us,
        "lsn": None,
    }
    await connection.execute(insert(table).values(values))


async def complete(connection: AsyncConnection, publish: Publish, *, lsn: int) -> None:
    """Records where in the commit order staging has put a publish."""
    await set_lsn(connection, publish.organization, publish.model.revision, lsn=lsn)


async def set_lsn(connection: AsyncConnection, organization: str, revision: int, *, lsn: int) -> None:
    """Records where in the commit order staging has put a revision."""
    key = (table.c.organization == organization) & (table.c.revision == revision)
    await connection.execute(update(table).where(key).values(lsn=lsn))


async def remove(connection: AsyncConnection, publish: Publish) -> None:
    """Forgets a publish that staging does not have."""
    key = (table.c.organization == publish.organization) & (table.c.revision == publish.model.revision)
    await connection.execute(table.delete().where(key))


async def find_model(connection: AsyncConnection, organization: str, revision: int) -> bytes:
    """Returns the serialized model of a complete publish; raises RequestInvalid if there is none of this revision."""
    query = select(table.c.model).where(
        table.c.organization == organization, table.c.revision == revision, table.c.lsn.is_not(None)
    )
    model: bytes | None = (await connection.execute(query)).scalar_one_or_none()
    if model is None:
        raise RequestInvalid(
            f"organization {organization} has published no revision {revision}; `haversack org show` tells the latest"
        )
    if not model:
        raise RequestInvalid(
            f"the model of revision {revision} was deleted when organization {organization} was de-provisioned;"
            " ask about a later one, or about a draft"
        )
    return model


async def forget_models(connection: AsyncConnection, organization: str) -> None:
    """Empties the models of complete publishes; the publishes themselves, and so their numbers, stay."""
    key = (table.c.organization == organization) & table.c.lsn.is_not(None)
    await connection.execute(update(table).where(key).values(model=b""))


async def latest_model(connection: AsyncConnection, organization: str) -> model_pb2.Model | None:
    """Returns the model of the latest complete publish; None if there is none, or if it was deleted."""
    query = select(table.c.model).where(table.c.organization == organization, table.c.lsn.is_not(None))
    latest: bytes | None = (await connection.execute(query.order_by(table.c.revision.desc()).limit(1))).scalar()
    return model_pb2.Model.FromString(latest) if latest else None


async def incomplete(connection: AsyncConnection, organization: str) -> list[Publish]:
    """Returns the publishes that began and are not known to have ended, by revision."""
    query = select(table).where(table.c.organization == organization, table.c.lsn.is_(None)).order_by(table.c.revision)
    return [
        Publish(
            organization=row.organization,
            kind=PublishKind(row.kind),
            profile=row.profile,
            model=model_pb2.Model.FromString(row.model),
            author=row.author,
            note=row.note,
            started_at_us=row.started_at_us,
        )
        for row in await connection.execute(query)
    ]


async def latest_revision(connection: AsyncConnection, organization: str) -> int:
    """Returns the latest complete publish's revision; 0 if there is none."""
    query = select(func.max(table.c.revision)).where(table.c.organization == organization, table.c.lsn.is_not(None))
    return (await connection.execute(query)).scalar_one() or 0
