"""ACTIVATE: the sync servers serve the staging database."""

from __future__ import annotations

from haversack_server.catalog import ORGANIZATIONS_BELL, provisioning
from haversack_server.catalog.provisioning import Served
from haversack_server.core import in_thread
from haversack_server.errors import NothingPublished, StagingFailed
from haversack_server.provisioning.context import Context
from haversack_server.replication import bind_queue, keep_replicating


async def activate(context: Context) -> None:
    """Says in the catalog what is to be served, and has it follow its source from now on.

    This process serves it, index loaded, before the step is done; other processes follow (`Activation`).
    """
    staging = await context.staging()
    path = context.operation.staging_path
    if path is None:
        raise StagingFailed(f"operation {context.operation.number} lost its staging database; stop it and start anew")
    async with context.parts.connections.lend(context.organization, even_paused=True) as lent:
        refused = await bind_queue(staging, lent.source)
    async with context.transaction() as connection:
        if refused:
            await context.say(
                connection,
                f"{refused:,} writes of devices were accepted for another source than this one; administrators have"
                f" them sent to it, or discard them: `haversack sync-error list {context.organization}`",
            )
        await provisioning.set_served(connection, Served(context.organization, path, staging.epoch))
        await keep_replicating(connection, context.organization)
    await context.parts.catalog.notify(ORGANIZATIONS_BELL)
    await context.close()
    await context.parts.activation.apply(context.organization)
    try:
        await in_thread(context.parts.sync.load_organization, context.organization)
    except NothingPublished:
        pass  # there is nothing to load before the first publish
