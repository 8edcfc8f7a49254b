"""DEACTIVATE: the sync servers serve the organization no more, and all that devices have written is kept elsewhere."""

from __future__ import annotations

from haversack_server._core import Staging
from haversack_server.catalog import ORGANIZATIONS_BELL, provisioning, work_items
from haversack_server.catalog.provisioning import Served
from haversack_server.core import in_thread
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.ledger import keep_ledger
from haversack_server.provisioning.machine import Step
from haversack_server.replication import last_writes


async def deactivate(context: Context) -> None:
    """Says in the catalog that nothing is served; devices of this process are told at once, others soon.

    Before that the staging database is closed to uploads, through whichever server they come, so that what is written
    back, and kept of its ledger, is all there ever will be. Raises StagingFailed or LimitReached.
    """
    await _leave_source(context)
    await _empty(context)
    async with context.parts.catalog.exclusive(context.organization), context.transaction() as connection:
        await provisioning.set_served(connection, Served(context.organization, None, None))
    await context.parts.catalog.notify(ORGANIZATIONS_BELL)
    await context.parts.activation.apply(context.organization)


async def _leave_source(context: Context) -> None:
    """Has nobody follow the source any more: the database that they write to is about to be closed."""
    async with context.transaction() as connection:
        await work_items.delete_all(connection, context.organization)
    await context.parts.connections.release(context.organization)


async def _settle(context: Context, staging: Staging) -> str:
    """Takes what devices have written to where the rows come from, and keeps the ledger; returns a sentence about it.

    What a source outside does not take now, because it is paused or does not answer, goes with the ledger, and on to
    the source from the next staging database.
    """
    parts, organization = context.parts, context.organization
    async with parts.connections.lend(organization, even_paused=True) as lent:
        written = await lent.keeper.settle(staging)
        if lent.is_native:
            await _keep(context, staging)
            return (
                f"all that devices have written is in the record database; {written:,} changes were left to be written"
            )
        async with last_writes(
            parts.catalog, organization, staging, None if lent.is_paused else lent.source
        ) as waiting:
            await _keep(context, staging)
    if not waiting:
        return f"{lent.source.kind} has all that devices have written"
    return (
        f"{waiting:,} writes of devices wait for {lent.source.kind}; they are kept with the ledger, and go there when"
        " it is this organization's source again"
    )


async def _keep(context: Context, staging: Staging) -> None:
    await in_thread(keep_ledger, staging, context.parts.data / context.folder, fence=context.lease.fence)


async def _empty(context: Context) -> None:
    """Takes what devices have written out of the staging database that is served, if there is one."""
    parts, organization = context.parts, context.organization
    async with context.transaction() as connection:
        standing = await provisioning.find(connection, organization)
    if standing.staging_path is None:
        return
    if not (parts.data / standing.staging_path).exists():
        text = f"{standing.staging_path} is gone, and with it what devices may have written that was not written back"
    else:
        staging = await parts.stagings.serve(organization, standing.staging_path)
        await in_thread(staging.close_ledger)
        text = await _settle(context, staging)
    async with context.transaction() as connection:
        await context.say(connection, text, step=Step.DEACTIVATE)
