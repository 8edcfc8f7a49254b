"""Making a backup of a server, which may be running.

Databases are copied one after the other while everybody goes on, so their order has to make them fit together:

1. Of each organization the **staging database**, then the **record database**, then the ledger that is kept. Changes of
   devices go from staging to the record, and staging forgets them once they are there: so whatever the copy of staging
   has forgotten is in the later copy of the record. What goes the other way, replication keeps a mark for.
2. Last, the **catalog**, in one snapshot. Numbers of entities and attributes are given there before any row has them,
   and a publish is recorded there before staging hears of it: so the copy knows every number and every model that the
   copied rows may have. What staging lacks of it, `restore` puts in.

If the catalog's snapshot names other databases than were copied, because an organization was provisioned meanwhile,
these are copied and the catalog again, a bounded number of times. So are keys, if they changed around the snapshot:
a key is made before the first secret is sealed with it and dropped after the last, so keys that are the same before and
after open every secret of the snapshot.
"""

from __future__ import annotations

import asyncio
import getpass
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server import sealing
from haversack_server._core import Copying, Staging
from haversack_server.backups import _files
from haversack_server.backups._manifest import (
    CATALOG_FILE,
    DATA_FOLDER,
    FORMAT,
    MANIFEST_FILE,
    BackedUpFile,
    BackedUpOrganization,
    Manifest,
)
from haversack_server.backups._progress import Meter, Report
from haversack_server.catalog import Catalog, audits, copies, newest_schema, organizations, provisioning
from haversack_server.core import in_thread
from haversack_server.errors import BackupFailed, BackupTargetExists, OrganizationUnknown, StagingFailed
from haversack_server.identity import KEY_FILE as ISSUER_KEY_FILE
from haversack_server.provisioning.ledger import FILE_NAME as LEDGER_FILE

ROUNDS_MAX = 5
"""How often the catalog is copied until it names what was copied."""

KEY_FILES = (ISSUER_KEY_FILE, sealing.KEY_FILE)
"""What is copied of keys, by its place in the data folder: small files, each replaced as a whole."""

POLL_SECONDS = 0.1
"""How often a copy under way is looked at."""


@dataclass(frozen=True)
class Made:
    """A backup that was made: where, and what is in it."""

    folder: Path
    manifest: Manifest


@dataclass(frozen=True)
class _Source:
    """An organization's databases, by their paths in the data folder; no staging database if none is served."""

    name: str
    state: str
    record_path: str
    staging_path: str | None

    @property
    def places(self) -> tuple[str, str | None]:
        """Which files are to be copied."""
        return self.record_path, self.staging_path


async def make(
    data: Path, catalog_url: str, destination: Path, *, names: Collection[str] = (), report: Report = lambda _: None
) -> Made:
    """Backs a server up into a new folder, which appears under its name when it is whole, or never.

    With `names`, only these organizations. Raises BackupTargetExists, OrganizationUnknown, CatalogFailed, BackupVersion
    if the server is of another version, or BackupFailed.
    """
    if destination.exists():
        raise BackupTargetExists(f"{destination} is there already; name a place where there is nothing")
    catalog = await Catalog.attach(catalog_url)
    try:
        with _named_failures(destination), _files.unfinished(destination) as folder:
            work = _Work(data, catalog, folder, frozenset(names), report)
            await work.carry_out()
        async with catalog.begin() as connection:
            await audits.add(connection, local_entry("Backup", str(destination), work.manifest))
    finally:
        await catalog.close()
    return Made(destination, work.manifest)


def local_entry(what: str, target: str, manifest: Manifest) -> audits.NewEntry:
    """What the audit log says of a command that somebody ran on the server's own machine."""
    now_us = time.time_ns() // 1_000
    who = getpass.getuser()
    message = f"{len(manifest.organizations)} organizations, {manifest.bytes_total:,} bytes"
    return audits.NewEntry(
        at_us=now_us,
        rpc=f"local/{what}",
        organization="",
        target=target[:512],
        issuer="local",
        subject=who,
        request_id="",
        request="{}",
        outcome="OK",
        message=message,
    )


@contextmanager
def _named_failures(destination: Path) -> Iterator[None]:
    try:
        yield
    except BlockingIOError:
        raise BackupTargetExists(f"another backup is being made to {destination}; wait for it") from None
    except OSError as error:
        raise BackupFailed(f"the backup could not be made: {error}; mend that, and repeat it") from error


def _version() -> str:
    """Of the Haversack that runs; one that runs from its sources may have none."""
    try:
        return metadata.version("haversack-server")
    except metadata.PackageNotFoundError:
        return "of a source tree"


def _content(path: Path) -> bytes | None:
    """What is in a small file; None if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


class _Work:
    """One backup under way."""

    manifest: Manifest

    def __init__(self, data: Path, catalog: Catalog, folder: Path, names: frozenset[str], report: Report) -> None:
        self._data = data
        self._catalog = catalog
        self._folder = folder
        self._names = names
        self._meter = Meter(report, 0)
        self._report = report
        self._files: dict[str, list[BackedUpFile]] = {}
        """By the organization that they are of; "" for keys, and the catalog under its own name."""
        self._heads: dict[str, tuple[int, int]] = {}

    async def carry_out(self) -> None:
        """Copies everything, and writes the manifest at the end."""
        made_at_us = time.time_ns() // 1_000
        async with self._catalog.snapshot() as connection:
            sources = await self._sources(connection)
            database = connection.dialect.name
        self._meter = Meter(self._report, await asyncio.to_thread(self._estimate, sources))
        copied: dict[str, _Source] = {}
        for _ in range(ROUNDS_MAX):
            for source in sources:
                if source.name not in copied or copied[source.name].places != source.places:
                    await self._copy(source)
            copied = {source.name: source for source in sources}
            await self._copy_keys()
            sources, tables = await self._copy_catalog()
            has_all = all(it.name in copied and copied[it.name].places == it.places for it in sources)
            if has_all and await asyncio.to_thread(self._has_same_keys):
                break
        else:
            raise BackupFailed(
                "organizations were provisioned, or keys exchanged, faster than they could be copied;"
                " repeat the backup later"
            )
        for name in copied.keys() - {source.name for source in sources}:
            await asyncio.to_thread(self._forget, name)
        self.manifest = Manifest(
            format=FORMAT,
            version=_version(),
            made_at_us=made_at_us,
            catalog_schema=newest_schema(),
            catalog_database=database,
            is_partial=bool(self._names),
            organizations=tuple(
                BackedUpOrganization(
                    name=it.name,
                    state=it.state,
                    staging_head=self._heads[it.name][0],
                    record_head=self._heads[it.name][1],
                )
                for it in sources
            ),
            tables=tables,
            files=tuple(file for files in self._files.values() for file in files),
        )
        with _files.new_file(self._folder / MANIFEST_FILE) as out:
            out.write(self.manifest.model_dump_json(indent=2).encode())

    async def _sources(self, connection: AsyncConnection) -> list[_Source]:
        everything = await organizations.all_by_name(connection)
        unknown = self._names - {it.name for it in everything}
        if unknown:
            raise OrganizationUnknown(
                f"there is no organization {', '.join(sorted(unknown))}; `haversack org list` names them all"
            )
        wanted = [it for it in everything if not self._names or it.name in self._names]
        found = []
        for it in wanted:
            standing = await provisioning.find(connection, it.name)
            found.append(_Source(it.name, standing.state, it.record_path, standing.staging_path))
        return found

    def _estimate(self, sources: Sequence[_Source]) -> int:
        paths = [self._data / path for source in sources for path in source.places if path]
        return sum(path.stat().st_size for path in paths if path.exists())

    async def _copy_keys(self) -> None:
        """The keys that what is in the catalog, and tokens that are out there, were made with; those before go."""
        await asyncio.to_thread(self._forget, "")
        for path in KEY_FILES:
            if (self._data / path).exists():
                await self._copy_file("", path)

    def _has_same_keys(self) -> bool:
        """Whether the keys that were copied are those that there are."""
        return all(_content(self._data / path) == _content(self._place(str(path))) for path in KEY_FILES)

    async def _copy(self, source: _Source) -> None:
        """Copies an organization's files, in their order; those that were copied before go."""
        await asyncio.to_thread(self._forget, source.name)
        try:
            staging = -1 if source.staging_path is None else await self._copy_database(source.name, source.staging_path)
            record = await self._copy_database(source.name, source.record_path)
        except StagingFailed as error:
            if await self._has_moved(source):
                staging = record = -1  # the catalog says by now what is to be copied instead
            else:
                raise BackupFailed(f"organization {source.name} cannot be copied: {error}") from error
        ledger = Path(source.record_path).parent / LEDGER_FILE
        if (self._data / ledger).exists():
            await self._copy_file(source.name, ledger)
        self._heads[source.name] = staging, record

    async def _has_moved(self, source: _Source) -> bool:
        async with self._catalog.snapshot() as connection:
            try:
                now = await provisioning.find(connection, source.name)
            except OrganizationUnknown:
                return True
        return now.staging_path != source.staging_path

    async def _copy_database(self, organization: str, path: str) -> int:
        """Copies a database of rows; returns its head. Raises StagingFailed."""
        target = self._place(path)
        _files.make_folder(target.parent)
        database = await in_thread(Staging.open, str(self._data / path))
        try:
            copying = await in_thread(database.copy_to, str(target))
            try:
                await self._watch(copying, path)
                head = await in_thread(copying.finish)
            finally:
                await in_thread(copying.abort)
        except StagingFailed:
            # The backup may go on without this database, and must not have half of it.
            for half in target.parent.glob(f"{target.name}*"):
                half.unlink()
            raise
        finally:
            await in_thread(database.close)
        await self._enter(organization, path)
        return head

    async def _watch(self, copying: Copying, path: str) -> None:
        while (progress := copying.progress()) is not None:
            self._meter.tell(path, progress[0])
            await asyncio.sleep(POLL_SECONDS)

    async def _copy_file(self, organization: str, path: Path) -> None:
        await asyncio.to_thread(_files.copy, self._data / path, self._place(str(path)))
        await self._enter(organization, str(path))

    async def _copy_catalog(self) -> tuple[list[_Source], dict[str, int]]:
        """Copies the catalog; returns what it names, and its rows by table."""
        path = self._folder / CATALOG_FILE
        path.unlink(missing_ok=True)
        self._meter.tell(CATALOG_FILE)
        with _files.new_file(path) as out:
            async with self._catalog.snapshot() as connection:
                sources = await self._sources(connection)
                tables = await copies.write(connection, out, self._names or None)
        self._files[CATALOG_FILE] = [await asyncio.to_thread(self._described, CATALOG_FILE)]
        return sources, tables

    def _place(self, path: str) -> Path:
        return self._folder / DATA_FOLDER / path

    async def _enter(self, organization: str, path: str) -> None:
        file = await asyncio.to_thread(self._described, str(DATA_FOLDER / path))
        self._files.setdefault(organization, []).append(file)
        self._meter.settle(path, file.bytes)

    def _described(self, path: str) -> BackedUpFile:
        place = self._folder / path
        return BackedUpFile(path=path, bytes=place.stat().st_size, sha256=_files.sum_of(place))

    def _forget(self, organization: str) -> None:
        for file in self._files.pop(organization, []):
            (self._folder / file.path).unlink()
