"""DELETE_MODELS: the models that were kept of publishes are gone. Profiles and their revisions stay."""

from __future__ import annotations

from haversack_server.catalog import publishes
from haversack_server.provisioning.context import Context


async def delete_models(context: Context) -> None:
    """Empties the models of complete publishes; their numbers stay used, so that a revision is never two models."""
    async with context.transaction() as connection:
        await publishes.forget_models(connection, context.organization)
