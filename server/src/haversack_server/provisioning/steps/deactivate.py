"""DEACTIVATE: the sync servers serve the organization no more, and all that devices have written is kept elsewhere."""

from __future__ import annotations

from haversack_server._core import Staging
from haversack_server.catalog import ORGANIZATIONS_BELL, provisioning
from haversack_server.catalog.provisioning import Served
from haversack_server.core import in_thread
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.ledger import keep_ledger
from haversack_server.provisioning.machine import Step


async def deactivate(context: Context) -> None:
    """Says in the catalog that nothing is served; devices of this process are told at once, others soon.

    Before that the staging database is closed to uploads, through whichever server they come, so that what is written
    back, and kept of its ledger, is all there ever will be. Raises StagingFailed or LimitReached.
    """
    await _empty(context)
    async with context.parts.catalog.exclusive(context.organization), context.transaction() as connection:
        await provisioning.set_served(connection, Served(context.organization, None, None))
    await context.parts.catalog.notify(ORGANIZATIONS_BELL)
    await context.parts.activation.apply(context.organization)


async def _settle(context: Context, staging: Staging) -> str:
    """Takes what devices have written to the rows' keeper, if that is Haversack; returns a sentence about it.

    What waits for a source outside goes with the ledger, and on to the source from the next staging database.
    """
    async with context.parts.connections.lend(context.organization, even_paused=True) as lent:
        if lent.keeper is None:
            return f"what devices have written and {lent.source.kind} has not taken yet is kept with the ledger"
        written = await lent.keeper.settle(staging)
    return f"all that devices have written is in the record database; {written:,} changes were left to be written"


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
        await in_thread(keep_ledger, staging, parts.data / context.folder, fence=context.lease.fence)
    async with context.transaction() as connection:
        await context.say(connection, text, step=Step.DEACTIVATE)
