"""DELETE_STAGING: the staging database is gone."""

from __future__ import annotations

from haversack_server.core import in_thread
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.files import StagingFile, delete_before


async def delete_staging(context: Context) -> None:
    """Deletes every staging database that this operation or one before it made; raises StagingFailed."""
    await context.close()
    folder = context.parts.data / context.folder
    await in_thread(delete_before, folder, StagingFile(context.operation.number + 1, 0))
