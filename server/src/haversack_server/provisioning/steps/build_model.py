"""BUILD_MODEL: what devices follow, for the new staging database."""

from __future__ import annotations

from haversack_server.provisioning.context import Context
from haversack_server.provisioning.machine import Step


async def build_model(context: Context) -> None:
    """Publishes anew what is published, over the metadata as it is; raises ProfileInvalid or a FilterRefused.

    Before the first publish there is nothing to do.
    """
    revision = await context.parts.publisher.republish(context.organization, await context.staging())
    text = f"revision {revision} is built" if revision else "nothing is published yet, so devices wait for that"
    async with context.transaction() as connection:
        await context.say(connection, text, step=Step.BUILD_MODEL)
