"""Restoring a backup into an empty data folder, and an empty database for the catalog.

Files come first and the catalog last, in one transaction, so that no server ever finds half of it: until the catalog is
there, a marker keeps servers from starting, and lets a restore that was killed begin again.

What was going on when the backup was made is not going on here. Workers' leases are free. An operation that had not
come to its end is begun again from its first step: every step may be done twice, and what it had built is not in the
backup.

Commits that came after the backup are lost, so each staging database gets a new epoch: devices start over, and bring
again what they know to have been taken. What of that went on to the record database before that was copied, a little
later, is in the record's ledger, which staging takes over, so that nothing is done twice.
"""

from __future__ import annotations

import asyncio
import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from haversack.model.v1 import model_pb2
from sqlalchemy import MetaData, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from haversack_server._core import Staging
from haversack_server.backups import _files
from haversack_server.backups._making import local_entry
from haversack_server.backups._manifest import CATALOG_FILE, DATA_FOLDER, Manifest, verify
from haversack_server.backups._progress import Meter, Progress, Report
from haversack_server.catalog import (
    audits,
    copies,
    knows_schema,
    leases,
    migrate,
    open_engine,
    operations,
    organizations,
    provisioning,
    publishes,
    read_url,
    sources,
    without_password,
    work_items,
)
from haversack_server.catalog.operations import Operation
from haversack_server.catalog.provisioning import Served, Standing
from haversack_server.core import in_thread
from haversack_server.errors import (
    BackupFailed,
    BackupInvalid,
    BackupTargetExists,
    BackupVersion,
    HaversackError,
    RequestInvalid,
)
from haversack_server.places import RESTORING_MARKER
from haversack_server.provisioning.ledger import exported


@dataclass(frozen=True)
class Restored:
    """What was restored, from which backup."""

    data: Path
    manifest: Manifest


async def restore(source: Path, data: Path, catalog_url: str, *, report: Report = lambda _: None) -> Restored:
    """Fills an empty data folder and catalog with a backup, which is verified first.

    Raises BackupInvalid, BackupVersion, BackupTargetExists, or BackupFailed; after the last, and after a crash, it can
    be called again.
    """
    manifest = await asyncio.to_thread(verify, source, _named(report, "verifying"))
    if not knows_schema(manifest.catalog_schema):
        raise BackupVersion(
            f"{source} was made by Haversack {manifest.version}, whose catalog has schema {manifest.catalog_schema};"
            " this version does not know it, so restore it with that version or a newer one"
        )
    engine = _open_target(data, catalog_url)
    try:
        with _named_failures(catalog_url), _marked(data) as was_begun:
            if await _must_be_filled(engine, data, manifest, was_begun=was_begun):
                await asyncio.to_thread(_copy_files, source, data, manifest, _named(report, "copying"))
                report(Progress("filling the catalog", manifest.bytes_total, manifest.bytes_total))
                await _Filling(source, data, manifest).carry_out(engine)
    finally:
        await engine.dispose()
    return Restored(data, manifest)


def _named(report: Report, what: str) -> Report:
    return lambda it: report(Progress(f"{what} {it.what}", it.bytes_done, it.bytes_total))


def _open_target(data: Path, catalog_url: str) -> AsyncEngine:
    """Opens the catalog's database; where it is a file, that is made if it is not there."""
    url = read_url(catalog_url)
    _files.make_folder(data)
    if url.get_backend_name() == "sqlite":
        _files.make_folder(Path(url.database or "").parent)
    return open_engine(url)


@contextmanager
def _named_failures(catalog_url: str) -> Iterator[None]:
    try:
        yield
    except BlockingIOError:
        raise BackupTargetExists("another restore into this data folder is under way; wait for it") from None
    except OSError as error:
        raise BackupFailed(f"the backup could not be restored: {error}; mend that, and restore it again") from error
    except SQLAlchemyError as error:
        cause = without_password(error, read_url(catalog_url))
        raise BackupFailed(f"the catalog could not be filled: {cause}; mend that, and restore it again") from error


@contextmanager
def _marked(data: Path) -> Iterator[bool]:
    """Keeps servers from starting on the folder until the block has ended well; yields whether one before had begun."""
    marker = data / RESTORING_MARKER
    was_begun = marker.exists()
    with marker.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _files.sync_folders_above(marker)
        try:
            yield was_begun
        except BackupTargetExists:
            marker.unlink()  # nothing was begun
            raise
        marker.unlink()
        _files.sync_folders_above(marker)


async def _must_be_filled(engine: AsyncEngine, data: Path, manifest: Manifest, *, was_begun: bool) -> bool:
    """Makes sure that nothing is in the way; returns whether there is anything left to do."""
    async with engine.connect() as connection:
        schema = await copies.schema(connection)
    tops = {
        PurePosixPath(file.path).relative_to(DATA_FOLDER).parts[0] for file in manifest.files if _is_data(file.path)
    }
    if was_begun:
        if schema:
            return False  # the catalog comes last, and whole: only the marker was left
        for top in tops:
            shutil.rmtree(data / top, ignore_errors=True)
        return True
    if schema:
        raise BackupTargetExists("the catalog's database has tables already; restore into an empty one")
    there = sorted(top for top in tops if (data / top).exists())
    if there:
        raise BackupTargetExists(f"{data} has {', '.join(there)} already; restore into an empty data folder")
    return True


def _is_data(path: str) -> bool:
    return PurePosixPath(path).is_relative_to(DATA_FOLDER)


def _copy_files(source: Path, data: Path, manifest: Manifest, report: Report) -> None:
    meter = Meter(report, manifest.bytes_total)
    for file in manifest.files:
        if _is_data(file.path):
            target = data / PurePosixPath(file.path).relative_to(DATA_FOLDER)
            found = _files.copy(source / file.path, target, partial(meter.tell, file.path))
            if found != file.sha256:
                raise BackupInvalid(f"{source / file.path} changed while it was copied; use another backup")
        meter.settle(file.path, file.bytes)
    _files.sync_folders(data)


class _Filling:
    """Fills the catalog, and makes the databases of rows fit it, in one transaction."""

    def __init__(self, source: Path, data: Path, manifest: Manifest) -> None:
        self._source = source
        self._data = data
        self._manifest = manifest

    async def carry_out(self, engine: AsyncEngine) -> None:
        """Does all of it, or nothing that the catalog's database keeps."""
        async with engine.begin() as connection:
            await self._load(connection)
            for organization in await organizations.all_by_name(connection):
                standing = await provisioning.find(connection, organization.name)
                if standing.staging_path is not None:
                    await self._renew(connection, standing, organization.record_path)
            for operation in await operations.all_unsettled(connection):
                await _begin_again(connection, operation)
            await _free_leases(connection)
            # The copy of a record database is younger than that of staging, and an idle one is looked at rarely.
            now_us = await leases.database_clock(connection)
            await work_items.wake_all(connection, source=sources.NATIVE, now_us=now_us)
            await audits.add(connection, local_entry("Restore", str(self._source), self._manifest))

    async def _load(self, connection: AsyncConnection) -> None:
        """Puts the rows into tables of the schema that they are of, then brings that to this version's."""
        await connection.run_sync(migrate, self._manifest.catalog_schema)
        if connection.dialect.name == "postgresql":
            # Between two statements there may be a large database of rows to look after.
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        with (self._source / CATALOG_FILE).open("rb") as lines:
            counts = await connection.run_sync(copies.read, lines)
        if counts != self._manifest.tables:
            raise BackupInvalid(
                f"{self._source} has other rows in its catalog than its manifest says; use another backup"
            )
        await connection.run_sync(migrate)

    async def _renew(self, connection: AsyncConnection, standing: Standing, record_path: str) -> None:
        """Begins a new epoch of a staging database, which knows what the record and the catalog know by then."""
        path = standing.staging_path or ""
        latest = await publishes.latest_model(connection, standing.organization)
        staging = await in_thread(Staging.open, str(self._data / path))
        try:
            await self._take_over_ledger(record_path, staging)
            epoch = await in_thread(staging.begin_epoch)
            if latest is not None:
                await _publish(connection, standing.organization, latest, staging)
        finally:
            await in_thread(staging.close)
        await provisioning.set_served(connection, Served(standing.organization, path, epoch))

    async def _take_over_ledger(self, record_path: str, staging: Staging) -> None:
        record = await in_thread(Staging.open, str(self._data / record_path))

        def take_over() -> None:
            for page in exported(record):
                staging.import_ledger(page)

        try:
            await in_thread(take_over)
        finally:
            await in_thread(record.close)


async def _publish(connection: AsyncConnection, organization: str, model: model_pb2.Model, staging: Staging) -> None:
    """Gives staging the model that the catalog published last, if it was copied before that came."""
    try:
        lsn = await in_thread(staging.publish, model.SerializeToString(deterministic=True))
    except RequestInvalid:
        return  # it has this revision
    except HaversackError as error:
        raise BackupFailed(f"what is published in organization {organization} cannot be followed: {error}") from error
    await publishes.set_lsn(connection, organization, model.revision, lsn=lsn)


async def _begin_again(connection: AsyncConnection, operation: Operation) -> None:
    """Has an operation that was under way, or had failed, done from its first step.

    One whose staging database is served already has it in the backup: only what is left of its steps is to be done.
    """
    standing = await provisioning.find(connection, operation.organization)
    if operation.kind == "PROVISION" and standing.staging_path is None:
        await operations.set_staging_path(connection, operation.id, None)
    elif operation.kind == "PROVISION" and standing.state == "PROVISIONING":
        return
    await operations.forget_steps(connection, operation.id)
    at_us = await leases.database_clock(connection)
    await operations.add_event(connection, operation.id, "restored from a backup: it begins again", at_us=at_us)


async def _free_leases(connection: AsyncConnection) -> None:
    tables = MetaData()
    await connection.run_sync(tables.reflect)
    await leases.free_all(connection, tables.sorted_tables)
