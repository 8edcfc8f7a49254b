"""REPLICATE_METADATA: the source's metadata, whole and sound.

Where Haversack itself is the source, the metadata is in the catalog already: it was imported there.
"""

from __future__ import annotations

from haversack.model.v1 import model_pb2

from haversack_server._core import check_model
from haversack_server.core import in_thread
from haversack_server.errors import MetadataInvalid, sentences
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.machine import Step
from haversack_server.publishing import Metadata, broken_filters, contradictions, load_metadata


async def replicate_metadata(context: Context) -> None:
    """Checks all metadata and organization filters together; raises MetadataInvalid with every breach."""
    async with context.transaction() as connection:
        metadata = await load_metadata(connection, context.organization)
    breaches = [*contradictions(metadata), *await in_thread(_breaches, metadata)]
    if breaches:
        raise MetadataInvalid(sentences([*breaches, "import metadata without these, then retry"]))
    async with context.transaction() as connection:
        count = len(metadata.entities)
        await context.say(connection, f"metadata of {count:,} entities is sound", step=Step.REPLICATE_METADATA)


def _breaches(metadata: Metadata) -> list[str]:
    """What no engine could follow: of the entities by themselves, and of their filters, which are not compiled here."""
    model = model_pb2.Model.FromString(metadata.model_bytes)
    for entity in model.entities:
        entity.ClearField("organization_filter")
    return [*check_model(model.SerializeToString(deterministic=True)), *broken_filters(metadata)]
