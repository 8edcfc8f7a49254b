"""DELETE_WORK_ITEMS: nothing recurs for the organization any more, and its source keeps nothing for it."""

from __future__ import annotations

from haversack_server.catalog import sources, work_items
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.machine import Step


async def delete_work_items(context: Context) -> None:
    """Deletes the organization's work items; one that is being done loses its lease with its row. Closes the source.

    A source that does not answer does not keep the organization from being de-provisioned: what is left there to do by
    hand is said.
    """
    connections = context.parts.connections
    async with context.transaction() as connection:
        await work_items.delete_all(connection, context.organization)
        stored = await sources.find(connection, context.organization)
    if stored is None:
        await connections.release(context.organization)
        return
    notes = await connections.forget(stored)
    async with context.transaction() as connection:
        for note in notes:
            await context.say(connection, note, step=Step.DELETE_WORK_ITEMS)
