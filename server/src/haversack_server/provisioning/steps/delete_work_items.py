"""DELETE_WORK_ITEMS: nothing recurs for the organization any more."""

from __future__ import annotations

from haversack_server.catalog import work_items
from haversack_server.provisioning.context import Context


async def delete_work_items(context: Context) -> None:
    """Deletes the organization's work items; one that is being done loses its lease with its row. Closes the source."""
    async with context.transaction() as connection:
        await work_items.delete_all(connection, context.organization)
    await context.parts.connections.release(context.organization)
