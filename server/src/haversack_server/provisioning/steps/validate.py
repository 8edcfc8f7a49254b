"""VALIDATE: whether everything is there that the other steps need."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from haversack_server.breaches import sentences
from haversack_server.catalog import entities, sources
from haversack_server.errors import LimitReached, MetadataInvalid, SourceInvalid, StagingFailed
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.requests import check_permitted
from haversack_server.replication import Checked, Verdict

SPACE_BYTES_MIN = 32 * 1024 * 1024
"""What must be free beside room for as many bytes as the rows have now."""


async def validate(context: Context) -> None:
    """Checks consent, kind, metadata, the source, and room and leave to write.

    Raises OrganizationKindRefused, ConsentMissing, MetadataInvalid, SourceInvalid, SourcePaused, StagingFailed or
    LimitReached.
    """
    async with context.transaction() as connection:
        await check_permitted(connection, context.organization)
        known = await entities.all_by_name(connection, context.organization)
        source = await sources.find(connection, context.organization)
    if not known and source is None:
        raise MetadataInvalid(
            f"organization {context.organization} has no metadata, so there is nothing to provision;"
            f" `haversack entity import --org {context.organization} --standard` takes in the standard entities"
        )
    async with context.parts.connections.lend(context.organization) as lent:
        held = await lent.keeper.held() if lent.is_native else {}
        checked = Checked(()) if lent.is_native else await lent.source.check()
    if failures := [
        f"{it.subject}: {it.what}; {it.remedy}" for it in checked.findings if it.verdict is Verdict.FAILURE
    ]:
        raise SourceInvalid(sentences([f"the source of {context.organization} will not work:", *failures]))
    rows_bytes = sum(size for _, size in held.values())
    await asyncio.to_thread(_check_folder, context.parts.data / context.folder, rows_bytes)


def _check_folder(folder: Path, rows_bytes: int) -> None:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise StagingFailed(f"the server may not write to {folder}; give it leave, then retry")
    needed = SPACE_BYTES_MIN + rows_bytes
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise LimitReached(f"{folder} has {free:,} bytes left and needs {needed:,}; make room, then retry")
