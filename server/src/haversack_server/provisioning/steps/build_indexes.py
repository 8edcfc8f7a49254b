"""BUILD_INDEXES: what makes the staging database quick to open and read."""

from __future__ import annotations

from haversack_server.core import in_thread
from haversack_server.provisioning.context import Context


async def build_indexes(context: Context) -> None:
    """Builds indexes that are missing and checks the database whole; raises StagingFailed."""
    staging = await context.staging()
    await in_thread(staging.build_indexes)
