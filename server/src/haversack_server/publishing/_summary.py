"""Profiles as administrators see them in a list."""

from __future__ import annotations

from haversack.admin.v1 import profiles_pb2
from haversack.model.v1 import model_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import profiles
from haversack_server.catalog.profiles import Revision, StoredProfile
from haversack_server.publishing._judge import without_plans


async def summaries(connection: AsyncConnection, organization: str) -> dict[str, profiles_pb2.ProfileSummary]:
    """Returns the summary of every profile of an organization, in order of the names."""
    stored = await profiles.all_by_name(connection, organization)
    published = await profiles.published(connection, organization)
    return {name: _summary(it, published.get(name)) for name, it in stored.items()}


def revision_summary(revision: Revision, stored: StoredProfile) -> profiles_pb2.ProfileRevision:
    """Returns what a list of revisions says of one."""
    return profiles_pb2.ProfileRevision(
        number=revision.frozen.revision,
        author=revision.author,
        note=revision.note,
        published_at_us=revision.at_us,
        items=len(revision.frozen.items),
        users=len(revision.frozen.users),
        teams=len(revision.frozen.teams),
        followed=revision.frozen.revision == stored.published,
    )


def _summary(stored: StoredProfile, published: model_pb2.Profile | None) -> profiles_pb2.ProfileSummary:
    draft = stored.draft
    return profiles_pb2.ProfileSummary(
        name=draft.name,
        revision=stored.published,
        items=len(draft.items),
        users=len(draft.users),
        changed=published is None or without_plans(published) != draft,
        teams=len(draft.teams),
        priority=draft.priority,
        description=draft.description,
        draft_version=stored.version,
        draft_author=stored.author,
        draft_at_us=stored.at_us,
    )
