"""REPLICATE_METADATA: the source's metadata, whole and sound.

Where Haversack itself is the source, the metadata is in the catalog already: it was imported there. From a source
outside it is read anew and merged into that.
"""

from __future__ import annotations

from haversack.model.v1 import model_pb2

from haversack_server._core import check_model
from haversack_server.breaches import sentences
from haversack_server.core import in_thread
from haversack_server.entity_import import import_from_source
from haversack_server.errors import MetadataInvalid
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.machine import Step
from haversack_server.publishing import Metadata, broken_filters, contradictions, load_metadata

UNMAPPED_SAID_MAX = 20
"""How many of the things that are left out an operation's messages tell of."""


async def replicate_metadata(context: Context) -> None:
    """Merges what the source says, then checks all metadata and organization filters together.

    Raises MetadataInvalid with every breach, MetadataIncompatible, SourceUnmappable, or what the source's failures are.
    """
    await _merge(context)
    async with context.transaction() as connection:
        metadata = await load_metadata(connection, context.organization)
    breaches = [*contradictions(metadata), *await in_thread(_breaches, metadata)]
    if breaches:
        raise MetadataInvalid(sentences([*breaches, "import metadata without these, then retry"]))
    async with context.transaction() as connection:
        count = len(metadata.entities)
        await context.say(connection, f"metadata of {count:,} entities is sound", step=Step.REPLICATE_METADATA)


async def _merge(context: Context) -> None:
    """Reads the source's metadata and merges it into the catalog; says what is left out."""
    parts, organization = context.parts, context.organization
    async with parts.connections.lend(organization) as lent:
        if lent.is_native:
            return
        imported = await import_from_source(parts.catalog, lent)
    await parts.connections.notify()
    context.safe_point()
    async with context.transaction() as connection:
        text = f"{len(imported.added):,} entities are new in the source's metadata, {len(imported.changed):,} changed"
        await context.say(connection, text, step=Step.REPLICATE_METADATA)
        for it in imported.unmapped[:UNMAPPED_SAID_MAX]:
            await context.say(connection, f"left out: {it.subject}: {it.why}", step=Step.REPLICATE_METADATA)
        if (more := len(imported.unmapped) - UNMAPPED_SAID_MAX) > 0:
            text = f"and {more:,} more are left out; `haversack source import {organization}` lists them all"
            await context.say(connection, text, step=Step.REPLICATE_METADATA)


def _breaches(metadata: Metadata) -> list[str]:
    """What no engine could follow: of the entities by themselves, and of their filters, which are not compiled here."""
    model = model_pb2.Model.FromString(metadata.model_bytes)
    for entity in model.entities:
        entity.ClearField("organization_filter")
    return [*check_model(model.SerializeToString(deterministic=True)), *broken_filters(metadata)]
