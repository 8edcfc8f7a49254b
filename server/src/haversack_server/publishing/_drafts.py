"""Drafts: what administrators write before they publish. Devices see nothing of it."""

from __future__ import annotations

import time

from haversack.admin.v1 import admin_pb2
from haversack.model.v1 import model_pb2

from haversack_server.catalog import Catalog, profiles
from haversack_server.core import in_thread
from haversack_server.publishing._judge import judge, without_plans
from haversack_server.publishing._metadata import load_metadata
from haversack_server.publishing._summary import summaries


class Drafts:
    """Writes drafts, each judged before."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def save(
        self, organization: str, profile: model_pb2.Profile, *, author: str
    ) -> admin_pb2.SaveProfileResponse:
        """Writes a draft, replacing the one of its name; raises ProfileInvalid with every breach."""
        draft = without_plans(profile)
        async with self._catalog.exclusive(organization):
            async with self._catalog.begin() as connection:
                metadata = await load_metadata(connection, organization)
            judgement = await in_thread(judge, draft, metadata)
            judgement.refuse()
            async with self._catalog.begin() as connection:
                await profiles.put_draft(connection, organization, draft, author=author, at_us=time.time_ns() // 1_000)
                summary = (await summaries(connection, organization))[draft.name]
        return admin_pb2.SaveProfileResponse(summary=summary, warnings=judgement.warnings)
