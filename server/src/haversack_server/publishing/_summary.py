"""Profiles as administrators see them in a list."""

from __future__ import annotations

from haversack.admin.v1 import admin_pb2
from haversack.model.v1 import model_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import profiles
from haversack_server.publishing._judge import without_plans


async def summaries(connection: AsyncConnection, organization: str) -> dict[str, admin_pb2.ProfileSummary]:
    """Returns the summary of every profile of an organization, in order of the names."""
    drafts = await profiles.drafts_by_name(connection, organization)
    published = await profiles.published(connection, organization)
    return {name: _summary(draft, published.get(name)) for name, draft in drafts.items()}


def _summary(draft: model_pb2.Profile, published: model_pb2.Profile | None) -> admin_pb2.ProfileSummary:
    return admin_pb2.ProfileSummary(
        name=draft.name,
        revision=published.revision if published else 0,
        items=len(draft.items),
        users=len(draft.users),
        changed=published is None or without_plans(published) != draft,
    )
