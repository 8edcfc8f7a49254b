"""Queries on profiles: drafts and frozen revisions. Every function works inside the transaction of `connection`."""

from __future__ import annotations

from haversack.model.v1 import model_pb2
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import _tables
from haversack_server.errors import ProfileUnknown

_profile = _tables.profile
_revision = _tables.profile_revision


async def put_draft(connection: AsyncConnection, organization: str, draft: model_pb2.Profile) -> None:
    """Writes a draft, replacing the one of its name."""
    content = draft.SerializeToString(deterministic=True)
    key = (_profile.c.organization == organization) & (_profile.c.name == draft.name)
    written = await connection.execute(update(_profile).where(key).values(draft=content))
    if written.rowcount == 0:
        await connection.execute(insert(_profile).values(organization=organization, name=draft.name, draft=content))


async def find_draft(connection: AsyncConnection, organization: str, name: str) -> model_pb2.Profile:
    """Returns a profile's draft; raises ProfileUnknown."""
    query = select(_profile.c.draft).where(_profile.c.organization == organization, _profile.c.name == name)
    content = (await connection.execute(query)).scalar_one_or_none()
    if content is None:
        raise ProfileUnknown(
            f"organization {organization} has no profile {name!r}; `haversack profile list` names them"
        )
    return model_pb2.Profile.FromString(content)


async def drafts_by_name(connection: AsyncConnection, organization: str) -> dict[str, model_pb2.Profile]:
    """Returns every draft of an organization, in order of the names."""
    query = select(_profile).where(_profile.c.organization == organization).order_by(_profile.c.name)
    return {row.name: model_pb2.Profile.FromString(row.draft) for row in await connection.execute(query)}


async def add_revision(
    connection: AsyncConnection, organization: str, frozen: model_pb2.Profile, *, at_us: int
) -> None:
    """Adds a frozen revision; its number is in it."""
    values = {
        "organization": organization,
        "profile": frozen.name,
        "number": frozen.revision,
        "content": frozen.SerializeToString(deterministic=True),
        "published_at_us": at_us,
    }
    await connection.execute(insert(_revision).values(values))


async def latest_revisions(connection: AsyncConnection, organization: str) -> dict[str, model_pb2.Profile]:
    """Returns the latest frozen revision of every profile that was ever published, in order of the names."""
    latest = (
        select(_revision.c.profile, func.max(_revision.c.number).label("number"))
        .where(_revision.c.organization == organization)
        .group_by(_revision.c.profile)
        .subquery()
    )
    query = (
        select(_revision.c.profile, _revision.c.content)
        .join(latest, (latest.c.profile == _revision.c.profile) & (latest.c.number == _revision.c.number))
        .where(_revision.c.organization == organization)
        .order_by(_revision.c.profile)
    )
    return {row.profile: model_pb2.Profile.FromString(row.content) for row in await connection.execute(query)}
