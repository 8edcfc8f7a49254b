"""VALIDATE: whether everything is there that the other steps need."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from haversack_server.catalog import entities
from haversack_server.core import in_thread
from haversack_server.errors import LimitReached, MetadataInvalid, StagingFailed
from haversack_server.provisioning.context import Context
from haversack_server.provisioning.requests import check_permitted

SPACE_BYTES_MIN = 32 * 1024 * 1024
"""What must be free beside room for as many bytes as the rows have now."""


async def validate(context: Context) -> None:
    """Checks consent, kind, metadata, the record database, and room and leave to write.

    Raises OrganizationKindRefused, ConsentMissing, MetadataInvalid, StagingFailed or LimitReached.
    """
    async with context.transaction() as connection:
        await check_permitted(connection, context.organization)
        known = await entities.all_by_name(connection, context.organization)
    if not known:
        raise MetadataInvalid(
            f"organization {context.organization} has no metadata, so there is nothing to provision;"
            f" `haversack entity import --org {context.organization} --standard` takes in the standard entities"
        )
    record = await context.parts.stagings.record(context.organization)
    rows_bytes = sum(size for _, _, size in await in_thread(record.statistics))
    await asyncio.to_thread(_check_folder, context.parts.data / context.folder, rows_bytes)


def _check_folder(folder: Path, rows_bytes: int) -> None:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise StagingFailed(f"the server may not write to {folder}; give it leave, then retry")
    needed = SPACE_BYTES_MIN + rows_bytes
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise LimitReached(f"{folder} has {free:,} bytes left and needs {needed:,}; make room, then retry")
