"""The open sources of a process: one of each organization, made ready when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server._core import Staging
from haversack_server.catalog import Catalog, organizations, sources
from haversack_server.catalog.sources import NATIVE, SOURCES_BELL, StoredSource
from haversack_server.core import in_thread
from haversack_server.errors import HaversackError, SourceOwnsRows, SourcePaused, SourceUnknown
from haversack_server.metadata import KEEPABLE_ENTITIES
from haversack_server.publishing import Metadata, load_metadata
from haversack_server.replication._native import NativeSource
from haversack_server.replication._source import Connect, Feed, Source
from haversack_server.sealing import Seal
from haversack_server.stagings import Stagings

POLL_SECONDS = 1.0
"""How often it looks whether another process has changed a source that is open here."""

RELEASE_SECONDS_MAX = 10.0
"""How long those who use a source may take to end."""

_log = structlog.get_logger()


@dataclass
class _Connection:
    """An open source and who uses it."""

    source: Source
    revision: int
    is_paused: bool
    kept: frozenset[str]
    users: int = 0
    is_stale: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    metadata: Metadata | None = None


class Lent:
    """An organization's source while somebody uses it, and beside it what Haversack keeps itself.

    Attributes:
        organization: Whose it is.
        source: The source.
        keeper: The organization's record database, with the rows that Haversack keeps itself: all, or those of `kept`.
        kept: Of an organization with a source outside, the entities that Haversack keeps itself.
    """

    def __init__(self, organization: str, connection: _Connection, catalog: Catalog, stagings: Stagings) -> None:
        self.organization = organization
        self.source = connection.source
        self.keeper = NativeSource(catalog, stagings, organization)
        self.kept = connection.kept
        self._connection = connection
        self._catalog = catalog
        self._stagings = stagings

    @property
    def is_current(self) -> bool:
        """Whether nobody has changed, paused or removed it: who works with it otherwise ends soon."""
        return not self._connection.is_stale

    @property
    def is_paused(self) -> bool:
        """Whether an administrator has paused it."""
        return self._connection.is_paused

    @property
    def is_native(self) -> bool:
        """Whether there is no source outside: Haversack keeps all rows itself."""
        return self.source.kind == NATIVE

    def keeps(self, entity: str) -> bool:
        """Whether Haversack keeps an entity's rows itself."""
        return self.is_native or entity in self.kept

    def kind_of(self, entity: str) -> str:
        """The kind of what an entity's rows come from."""
        return NATIVE if self.keeps(entity) else self.source.kind

    async def open(self, entity: str, staging: Staging | None = None) -> Feed:
        """Opens a feed of an entity, or of all that are the source's with "", into a staging database.

        By default that is the served one. Raises OrganizationUnknown, OrganizationNotProvisioned, EntityUnknown, or
        what the source's own failures are.
        """
        staging = staging or await self._stagings.get(self.organization)
        if self.keeps(entity):
            return await self.keeper.open(staging, b"", entity)
        await self._leave_record(staging, entity)
        return await self.source.open(staging, (await self._metadata()).model_bytes, entity, kept=self.kept)

    async def resync(self, entity: str) -> None:
        """Has the next feed read an entity in full again, from what its rows come from now; see `Source.resync`."""
        staging = await self._stagings.get(self.organization)
        if self.is_native:
            await self.keeper.resync(staging, b"", entity)
        elif self.keeps(entity):
            number = (await self._metadata()).entities[entity].metadata.number
            # How far it followed the source means nothing any more, should it ever be the source's again.
            await in_thread(staging.set_position, number, None)
            await self.keeper.resync(staging, b"", entity)
        else:
            await self.source.resync(staging, (await self._metadata()).model_bytes, entity)

    async def _leave_record(self, staging: Staging, entity: str) -> None:
        """Has what is the source's follow the record database no more, as it does if Haversack kept it before."""
        known = (await self._metadata()).entities
        for name in (entity,) if entity else KEEPABLE_ENTITIES:
            if name in KEEPABLE_ENTITIES and name in known and not self.keeps(name):
                await in_thread(staging.replicate_no_more, known[name].metadata.number)

    async def _metadata(self) -> Metadata:
        """The organization's metadata, read once for each revision: an import makes a new one."""
        if self._connection.metadata is None:
            async with self._catalog.snapshot() as connection:
                self._connection.metadata = await load_metadata(connection, self.organization)
        return self._connection.metadata


class Connections:
    """Opens each organization's source once, and anew when an administrator has changed it.

    A source that was replaced is closed when the last of those who use it lets go of it. Belongs to one event loop.
    """

    def __init__(
        self,
        catalog: Catalog,
        stagings: Stagings,
        connectors: Mapping[str, Connect],
        seal: Seal,
        own_settings: Mapping[str, Callable[[str], Mapping[str, str]]] = MappingProxyType({}),
    ) -> None:
        self._catalog = catalog
        self._stagings = stagings
        self._connectors = connectors
        self._seal = seal
        self._own_settings = own_settings
        self._open: dict[str, _Connection] = {}
        self._opening = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None

    @property
    def kinds(self) -> list[str]:
        """The kinds of sources outside that this server has."""
        return sorted(self._connectors)

    def start(self) -> None:
        """Begins to follow what administrators change."""
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Closes every source. Nobody may use one any more."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        for organization in list(self._open):
            await self._drop(organization)

    def connect(self, kind: str, settings: Mapping[str, object], secrets: Mapping[str, str], mapping: str) -> Source:
        """Makes a source ready that is nobody's; raises SourceUnknown, SourceInvalid or MappingInvalid."""
        connect = self._connectors.get(kind)
        if connect is None:
            raise SourceUnknown(
                f"this server has no sources of kind {kind!r}; it has {', '.join(self.kinds) or 'none'}"
            )
        return connect(settings, secrets, mapping)

    def own_settings(self, kind: str, organization: str) -> Mapping[str, str]:
        """Returns what an organization gets for itself where its administrators do not say otherwise."""
        own = self._own_settings.get(kind)
        return own(organization) if own else {}

    def opened(self, stored: StoredSource) -> Source:
        """Makes a stored source ready; raises as `connect`, and ConfigurationInvalid if its secrets stay closed."""
        secrets = self._seal.open(stored.organization, stored.sealed_secrets)
        return self.connect(stored.kind, stored.settings, secrets, stored.mapping)

    @asynccontextmanager
    async def lend(
        self, organization: str, *, entity: str | None = None, even_paused: bool = False
    ) -> AsyncIterator[Lent]:
        """Lends an organization's source, for this entity if one is named: that Haversack keeps is never paused.

        Raises OrganizationUnknown, SourcePaused, SourceUnknown, SourceInvalid, MappingInvalid or ConfigurationInvalid.
        """
        connection = await self._get(organization)
        if connection.is_paused and not even_paused and entity not in connection.kept:
            raise SourcePaused(
                f"the source of {organization} is paused; `haversack source resume {organization}` lets it go on"
            )
        connection.users += 1
        try:
            yield Lent(organization, connection, self._catalog, self._stagings)
        finally:
            connection.users -= 1
            if connection.is_stale and connection.users == 0:
                await _close(organization, connection.source)
                connection.idle.set()

    @asynccontextmanager
    async def feed(self, organization: str, entity: str) -> AsyncIterator[Feed]:
        """Lends a feed of an entity into the staging database that is served; raises as `lend` and `Lent.open`."""
        async with self.lend(organization, entity=entity) as lent:
            feed = await lent.open(entity)
            try:
                yield feed
            finally:
                await feed.close()

    async def release(self, organization: str) -> None:
        """Lets go of an organization's source here; it is opened again when it is needed.

        Waits for those who use it, who see that they have to end, but not for ever.
        """
        connection = self._open.get(organization)
        await self._drop(organization)
        if connection is not None and connection.users:
            with suppress(TimeoutError):
                async with asyncio.timeout(RELEASE_SECONDS_MAX):
                    await connection.idle.wait()

    async def forget(self, stored: StoredSource, successor: StoredSource | None = None) -> tuple[str, ...]:
        """Has a source that nobody follows any more keep nothing for its organization; see `Source.forget`.

        Lets go of it here before. Whatever is wrong with the source is told, and raises nothing.
        """
        await self.release(stored.organization)
        try:
            source = self.opened(stored)
        except HaversackError as error:
            return (f"the source ({stored.kind}) keeps what it keeps for {stored.organization}: {error}",)
        after = self.opened(successor) if successor else None
        try:
            return await source.forget(after)
        finally:
            await _close(stored.organization, source)
            if after is not None:
                await _close(stored.organization, after)

    async def notify(self) -> None:
        """Tells every process that a source has changed; in this one it is known when this returns."""
        await self._look()
        await self._catalog.notify(SOURCES_BELL)

    async def _get(self, organization: str) -> _Connection:
        async with self._catalog.snapshot() as connection:
            stored = await sources.find(connection, organization)
            if stored is None:
                await organizations.find(connection, organization)
        revision, is_paused = (stored.revision, stored.is_paused) if stored else (0, False)
        async with self._opening:
            there = self._open.get(organization)
            if there is None or (there.revision, there.is_paused) != (revision, is_paused):
                await self._drop(organization)
                source = self.opened(stored) if stored else NativeSource(self._catalog, self._stagings, organization)
                kept = (stored.kept if stored else None) or frozenset()
                there = self._open[organization] = _Connection(source, revision, is_paused, kept)
        return there

    async def _drop(self, organization: str) -> None:
        """Forgets a source, and closes it unless somebody uses it, who then does so."""
        connection = self._open.pop(organization, None)
        if connection is not None:
            connection.is_stale = True
            if connection.users == 0:
                await _close(organization, connection.source)

    async def _follow(self) -> None:
        with self._catalog.listen(SOURCES_BELL) as bell:
            while True:
                await bell.wait(POLL_SECONDS)
                try:
                    await self._look()
                except HaversackError as error:
                    _log.warning("sources not looked for", reason=error.reason, cause=str(error))

    async def _look(self) -> None:
        """Drops what has changed."""
        if not self._open:
            return
        async with self._catalog.snapshot() as connection:
            there = await sources.revisions(connection)
        for organization, opened in list(self._open.items()):
            if there.get(organization, (0, False)) != (opened.revision, opened.is_paused):
                await self._drop(organization)


async def refuse_foreign_rows(connection: AsyncConnection, organization: str, entity: str) -> None:
    """Raises SourceOwnsRows if an entity's rows belong to a source outside."""
    stored = await sources.find(connection, organization)
    if stored is None or stored.keeps(entity):
        return
    if stored.kept is None and entity in KEEPABLE_ENTITIES:
        raise SourceOwnsRows(
            f"whether {entity} is its source's ({stored.kind}) or kept here is not known before the source's metadata"
            f" is imported; `haversack source import {organization}` does that"
        )
    raise SourceOwnsRows(
        f"the rows of {entity} belong to the source of {organization} ({stored.kind}), from which they come by"
        " themselves; write them there"
    )


async def _close(organization: str, source: Source) -> None:
    try:
        await source.close()
    except Exception as error:
        _log.warning("source not closed", organization=organization, kind=source.kind, cause=str(error))
