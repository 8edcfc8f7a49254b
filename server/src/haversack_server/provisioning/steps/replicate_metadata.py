"""REPLICATE_METADATA: the source's metadata, whole and sound.

Where Haversack itself is the source, the metadata is in the catalog already: it was imported there.
"""

from __future__ import annotations

from haversack_server._core import check_model
from haversack_server.core import in_thread
from haversack_server.errors import MetadataInvalid, sentences
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.machine import Step
from haversack_server.publishing import contradictions, load_metadata


async def replicate_metadata(context: Context) -> None:
    """Checks all metadata together; raises MetadataInvalid with every breach."""
    async with context.transaction() as connection:
        metadata = await load_metadata(connection, context.organization)
    breaches = [*contradictions(metadata), *await in_thread(check_model, metadata.model_bytes)]
    if breaches:
        raise MetadataInvalid(sentences([*breaches, "import metadata without these, then retry"]))
    async with context.transaction() as connection:
        count = len(metadata.entities)
        await context.say(connection, f"metadata of {count:,} entities is sound", step=Step.REPLICATE_METADATA)
