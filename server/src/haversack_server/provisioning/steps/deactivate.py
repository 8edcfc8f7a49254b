"""DEACTIVATE: the sync servers serve the organization no more."""

from __future__ import annotations

from haversack_server.catalog import ORGANIZATIONS_BELL, provisioning
from haversack_server.catalog.provisioning import Served
from haversack_server.provisioning.context import Context


async def deactivate(context: Context) -> None:
    """Says in the catalog that nothing is served; devices of this process are told at once, others soon."""
    async with context.parts.catalog.exclusive(context.organization), context.transaction() as connection:
        await provisioning.set_served(connection, Served(context.organization, None, None))
    await context.parts.catalog.notify(ORGANIZATIONS_BELL)
    await context.parts.activation.apply(context.organization)
