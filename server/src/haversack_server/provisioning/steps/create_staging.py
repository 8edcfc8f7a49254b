"""CREATE_STAGING: a staging database with an epoch of its own, empty but for what became of earlier uploads."""

from __future__ import annotations

from haversack_server._core import Staging
from haversack_server.core import in_thread
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.files import StagingFile, delete_before
from haversack_server.provisioning.ledger import take_over_ledger


async def create_staging(context: Context) -> None:
    """Makes the database, and deletes what a worker may have left that died here; raises StagingFailed.

    Its name has the fence of this worker, so that a worker that lost the operation cannot touch it.
    """
    recorded = context.operation.staging_path
    if recorded is not None and (context.parts.data / recorded).exists():
        return
    folder = context.parts.data / context.folder
    file = StagingFile(context.operation.number, context.lease.fence)
    await in_thread(delete_before, folder, file)
    staging = await in_thread(Staging.create, str(folder / file.name))
    record = await context.parts.stagings.record(context.organization)
    await in_thread(take_over_ledger, folder, record, staging)
    await context.use_staging(str(context.folder / file.name), staging)
