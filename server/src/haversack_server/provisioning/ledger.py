"""What became of devices' mutations, and the devices themselves, kept beside the record database meanwhile.

While an organization has no staging database, that is. Without it a device that repeats an upload after the
organization was provisioned again would have it done twice, and one that is blocked, or to be wiped, would be served.
The file is a sequence of pages as the core makes them, each behind its length in four bytes, big endian. It is replaced
as a whole, never changed, and stays: every staging database begins with it, so the next file has all that this one has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from haversack_server._core import Staging
from haversack_server.errors import StagingFailed

FILE_NAME = "ledger.bin"

PAGE_ENTRIES_MAX = 10_000
"""Entries of a page: what the core takes at most."""

_LENGTH_BYTES = 4


def keep_ledger(staging: Staging, folder: Path, *, fence: int) -> None:
    """Writes a staging database's ledger to the file, durably; whoever is killed meanwhile leaves the old one.

    `fence` is that of the worker, so that two that take themselves for the only one write two files. Raises CoreError
    if the database cannot be read, and StagingFailed if the file cannot be written.
    """
    unfinished = folder / f"{FILE_NAME}.{fence}.unfinished"
    try:
        with open(unfinished, "wb", opener=_private) as out:
            for page in exported(staging):
                out.write(len(page).to_bytes(_LENGTH_BYTES))
                out.write(page)
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(folder / FILE_NAME)
        _sync_folder(folder)
    except OSError as error:
        raise StagingFailed(
            f"the ledger of uploads cannot be kept in {folder}: {error}; mend that, then retry"
        ) from error


def take_over_ledger(folder: Path, record: Staging, staging: Staging) -> None:
    """Enters what the file has into a new staging database, and what the record database knows besides.

    The record's ledger has what was written back of a staging database that was lost before its own could be kept.
    Raises as `keep_ledger`, and for a damaged file.
    """
    try:
        for page in _pages(folder / FILE_NAME):
            staging.import_ledger(page)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StagingFailed(
            f"the ledger of uploads in {folder} cannot be read: {error}; mend that, then retry"
        ) from error
    for page in exported(record):
        staging.import_ledger(page)


def exported(staging: Staging) -> Iterator[bytes]:
    """Yields the pages of a database's ledger; raises CoreError."""
    after = 0
    while True:
        page, after = staging.export_ledger(after, entries_max=PAGE_ENTRIES_MAX)
        if not page:
            break
        yield page
    behind = ""
    while True:
        page, behind = staging.export_devices(behind)
        if not page:
            return
        yield page


def _pages(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while length := file.read(_LENGTH_BYTES):
            size = int.from_bytes(length)
            page = file.read(size)
            if len(length) < _LENGTH_BYTES or len(page) < size:
                raise StagingFailed(f"{path} is damaged: it ends within a page; restore it from a backup, then retry")
            yield page


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
