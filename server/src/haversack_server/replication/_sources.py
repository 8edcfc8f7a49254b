"""What administrators do with sources: set, change, pause, check and take them away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.catalog import Catalog, entities, organizations, provisioning, sources, work_items
from haversack_server.catalog.sources import NATIVE, StoredSource
from haversack_server.catalog.work_items import WORK_BELL, WorkItem
from haversack_server.core import in_thread
from haversack_server.errors import (
    ConfigurationInvalid,
    HaversackError,
    OrganizationNotProvisioned,
    SourceInvalid,
    SourceSecretsMissing,
    SourceSlotTaken,
    TransitionIllegal,
)
from haversack_server.metadata import KEEPABLE_ENTITIES
from haversack_server.replication._connections import Connections
from haversack_server.replication._sending import bind_queue
from haversack_server.replication._source import CHECK_SECONDS_MAX, Described, Finding, Source, Verdict
from haversack_server.sealing import Seal
from haversack_server.stagings import Stagings

_log = structlog.get_logger()

SECRETS_MAX = 16
"""Secrets of one source."""

UNPROVISIONED = "NOT_PROVISIONED"


@dataclass(frozen=True)
class Wanted:
    """What an administrator wants of an organization's source.

    Attributes:
        kind: Which connector speaks to it.
        settings: What it reads; they replace those before.
        secrets: Secrets by name; those that are not named stay, while the kind does.
        forgotten: Names of secrets to forget.
        mapping: YAML; None keeps that before, while the kind stays.
    """

    kind: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, str]
    forgotten: Collection[str] = ()
    mapping: str | None = None


class Sources:
    """The sources outside of all organizations."""

    def __init__(self, catalog: Catalog, stagings: Stagings, connections: Connections, seal: Seal) -> None:
        self._catalog = catalog
        self._stagings = stagings
        self._connections = connections
        self._seal = seal

    async def find(self, organization: str) -> StoredSource:
        """Returns an organization's source; raises OrganizationUnknown or SourceUnknown."""
        async with self._catalog.snapshot() as connection:
            await organizations.find(connection, organization)
            return await sources.known(connection, organization)

    async def set(self, organization: str, wanted: Wanted, *, dry_run: bool) -> tuple[StoredSource, list[str]]:
        """Gives an organization a source, or changes it; returns it, and sentences about what is worth knowing.

        Raises OrganizationUnknown, SourceUnknown, SourceInvalid, SourceSecretsMissing, SourceSlotTaken, MappingInvalid
        or TransitionIllegal.
        """
        async with self._catalog.exclusive(organization):
            async with self._catalog.begin() as connection:
                await organizations.find(connection, organization, for_update=True)
                before = await sources.find(connection, organization, for_update=True)
                own = self._connections.own_settings(wanted.kind, organization)
                wanted = replace(wanted, settings={**own, **wanted.settings})
                stored = await self._made(connection, organization, before, wanted)
                await self._refuse_another_kind(connection, before, stored)
                await self._refuse_what_others_hold(connection, stored)
                if not dry_run:
                    await sources.put(connection, stored)
                    await work_items.set_interval(connection, organization, stored.kind, stored.interval_seconds)
            notes = [] if before else await self._notes_of_first(organization)
            if not dry_run:
                await self._connections.notify()
                notes += await self._rebind(stored)
        if not dry_run and before is not None:
            notes += await self._leave(before, stored)
        return stored, notes

    async def _leave(self, before: StoredSource, stored: StoredSource) -> list[str]:
        """Has the source of before keep nothing that the one of now does not use; returns sentences about that.

        An organization that was never provisioned from it has left nothing there.
        """
        async with self._catalog.snapshot() as connection:
            if not (await provisioning.find(connection, stored.organization)).number:
                return []
        old, new = await self._seen(before), await self._seen(stored)
        if old is None or not old.holds - (new.holds if new else frozenset()):
            return []
        notes = list(await self._connections.forget(before, stored))
        for note in notes:
            _log.warning("source of before", organization=stored.organization, kind=stored.kind, note=note)
        return notes

    async def _seen(self, stored: StoredSource) -> Source | None:
        """Returns a stored source to be looked at, closed; None if it cannot be made ready."""
        try:
            source = self._connections.opened(stored)
        except HaversackError:
            return None
        await source.close()
        return source

    async def _refuse_what_others_hold(self, connection: AsyncConnection, stored: StoredSource) -> None:
        """Raises SourceSlotTaken if the source would keep what another organization's does.

        They would take it away from each other for ever.
        """
        mine = await self._seen(stored)
        if mine is None or not mine.holds:
            return
        for other in await sources.everything(connection):
            if other.organization == stored.organization or other.kind != stored.kind:
                continue
            # Neither the secrets nor the mapping say what is kept there.
            theirs = await self._seen(replace(other, sealed_secrets=b"", mapping=""))
            if theirs is not None and (taken := mine.holds & theirs.holds):
                raise SourceSlotTaken(
                    f"organization {other.organization} has {', '.join(sorted(taken))}; name another one, or leave the"
                    " name away: each organization gets its own"
                )

    async def _rebind(self, stored: StoredSource) -> list[str]:
        """Has the queue of writes be for a source that has just been set; returns sentences about those of before."""
        try:
            staging = await self._stagings.get(stored.organization)
        except OrganizationNotProvisioned:
            return []
        source = self._connections.opened(stored)
        try:
            refused = await bind_queue(staging, source)
        finally:
            await source.close()
        if not refused:
            return []
        return [
            f"{refused:,} writes of devices that the source of before has not taken are not sent to this one; see"
            f" `haversack sync-error list {stored.organization}`, retry or discard them"
        ]

    async def set_mapping(self, organization: str, mapping: str) -> StoredSource:
        """Replaces a source's mapping; raises SourceUnknown or MappingInvalid."""

        def changed(stored: StoredSource) -> StoredSource:
            return replace(stored, mapping=mapping)

        return await self._change(organization, changed)

    async def pause(self, organization: str, *, paused: bool) -> StoredSource:
        """Pauses a source, or resumes it; raises SourceUnknown."""

        def changed(stored: StoredSource) -> StoredSource:
            return replace(stored, is_paused=paused)

        stored = await self._change(organization, changed)
        await self._catalog.notify(WORK_BELL)
        return stored

    async def remove(self, organization: str) -> tuple[str, ...]:
        """Takes a source away, and has it keep nothing for us; returns sentences about that.

        An organization that was never provisioned has left nothing there, and what bears the names in its settings is
        another's. Raises SourceUnknown, or TransitionIllegal if the organization is provisioned.
        """
        async with self._catalog.exclusive(organization), self._catalog.begin() as connection:
            await organizations.find(connection, organization, for_update=True)
            stored = await sources.known(connection, organization)
            standing = await provisioning.find(connection, organization, for_update=True)
            if standing.state != UNPROVISIONED:
                raise TransitionIllegal(
                    f"organization {organization} is {standing.state} from its source ({stored.kind});"
                    " de-provision it first"
                )
            await sources.remove(connection, organization)
        await self._connections.notify()
        notes = await self._connections.forget(stored) if standing.number else ()
        for note in notes:
            _log.info("source removed", organization=organization, kind=stored.kind, note=note)
        return notes

    async def resync(self, organization: str, entity: str) -> WorkItem:
        """Has an entity be read in full again; raises EntityUnknown or OrganizationNotProvisioned."""
        async with self._catalog.begin() as connection:
            await organizations.find(connection, organization)
            await entities.find(connection, organization, entity)
            stored = await sources.find(connection, organization)
            is_kept = stored is None or stored.keeps(entity)
            kind, scope = (NATIVE, "entity") if stored is None or is_kept else (stored.kind, stored.scope)
            now_us = await self._catalog.now_us(connection)
            item = await work_items.ask_resync(
                connection, organization, entity, source=kind, scope=scope, now_us=now_us
            )
            if item is None:
                raise OrganizationNotProvisioned(
                    f"organization {organization} has no work item for {entity}, since it is not provisioned;"
                    f" `haversack org provision {organization}` reads everything"
                )
            await sources.touch(connection, organization)
        await self._connections.notify()
        await self._catalog.notify(WORK_BELL)
        return item

    async def check(self, organization: str) -> AsyncIterator[Finding]:
        """Yields what will work and what will not, as it is found; raises OrganizationUnknown or SourceUnknown."""
        stored = await self.find(organization)
        try:
            source = self._connections.opened(stored)
        except HaversackError as error:
            yield Finding("settings", Verdict.FAILURE, str(error), f"`haversack source add {organization}` sets others")
            return
        try:
            yield Finding("settings", Verdict.OK, f"they are those of a source of kind {stored.kind}")
            async for finding in _checked(source):
                yield finding
        finally:
            await source.close()

    async def rotate_key(self) -> int:
        """Seals all secrets with a new key and forgets the old one; returns of how many sources.

        The file has both keys until the catalog is changed, so that a crash in between leaves secrets that open.
        """
        old = await asyncio.to_thread(self._seal.add_key)
        async with self._catalog.snapshot() as connection:
            names = [it.name for it in await organizations.all_by_name(connection)]
        count = 0
        for name in names:
            # One at a time, each in its turn, and those without a source too: what is being set meanwhile, the first
            # source of an organization as well, was sealed before, or with the new key.
            async with self._catalog.exclusive(name), self._catalog.begin() as connection:
                stored = await sources.find(connection, name, for_update=True)
                if stored is not None and stored.sealed_secrets:
                    sealed = self._seal.seal(name, self._seal.open(name, stored.sealed_secrets))
                    await sources.put(connection, replace(stored, sealed_secrets=sealed))
                    count += 1
        # Only what was there before: another rotation may have made a key meanwhile, and seals with that.
        await asyncio.to_thread(self._seal.drop_keys, old)
        return count

    def secret_names(self, stored: StoredSource) -> list[str]:
        """Returns the names of a source's secrets; none if they cannot be opened."""
        try:
            return sorted(self._seal.open(stored.organization, stored.sealed_secrets))
        except HaversackError:
            return []

    async def _made(
        self, connection: AsyncConnection, organization: str, before: StoredSource | None, wanted: Wanted
    ) -> StoredSource:
        """Returns the source as it is to be stored; it is judged by being made ready."""
        same = before if before is not None and before.kind == wanted.kind else None
        stored = self._before(organization, same, wanted) if same else {}
        carried = {name: it for name, it in stored.items() if name not in {*wanted.forgotten, *wanted.secrets}}
        secrets = carried | dict(wanted.secrets)
        if len(secrets) > SECRETS_MAX:
            raise SourceInvalid(f"a source can have {SECRETS_MAX} secrets, and these are {len(secrets)}")
        mapping = wanted.mapping if wanted.mapping is not None else same.mapping if same else ""
        source = self._connections.connect(wanted.kind, wanted.settings, secrets, mapping)
        scope, interval_seconds = source.scope, source.interval_seconds
        await source.close()
        seen = await self._seen(same) if same is not None and carried else source
        # Of what cannot be made ready nobody knows whom its secrets are for.
        if seen is None or source.recipients - seen.recipients:
            raise SourceSecretsMissing(
                f"the address of the source of {organization} is another one now, and secrets that are stored for the"
                f" old one are not sent there; give {', '.join(sorted(carried))} again, or forget what is not needed"
            )
        return StoredSource(
            organization=organization,
            kind=wanted.kind,
            scope=scope,
            interval_seconds=interval_seconds,
            settings=wanted.settings,
            sealed_secrets=self._seal.seal(organization, secrets),
            mapping=mapping,
            is_paused=before.is_paused if before else False,
            revision=before.revision + 1 if before else 1,
            changed_at_us=await self._catalog.now_us(connection),
            kept=same.kept if same else None,
        )

    def _before(self, organization: str, before: StoredSource, wanted: Wanted) -> dict[str, str]:
        """Returns a source's secrets; none if they cannot be opened any more and new ones are given."""
        try:
            return self._seal.open(organization, before.sealed_secrets)
        except ConfigurationInvalid:
            if not wanted.secrets:
                raise
            return {}

    async def _refuse_another_kind(
        self, connection: AsyncConnection, before: StoredSource | None, stored: StoredSource
    ) -> None:
        """Raises TransitionIllegal if rows of another source are provisioned."""
        provisioned = before.kind if before else NATIVE
        state = (await provisioning.find(connection, stored.organization, for_update=True)).state
        if state != UNPROVISIONED and (provisioned, before and before.scope) != (stored.kind, stored.scope):
            raise TransitionIllegal(
                f"organization {stored.organization} is {state} from another source ({provisioned});"
                f" `haversack org deprovision {stored.organization}` it first"
            )

    async def _notes_of_first(self, organization: str) -> list[str]:
        record = await self._stagings.record(organization)
        async with self._catalog.snapshot() as connection:
            names = await entities.names(connection, organization)
        held = {names.get(number, ""): rows for number, rows, _ in await in_thread(record.statistics)}
        rows = sum(count for name, count in held.items() if name not in KEEPABLE_ENTITIES)
        people = sum(count for name, count in held.items() if name in KEEPABLE_ENTITIES)
        notes = []
        if rows:
            notes.append(f"{rows:,} rows that were ingested stay in the record database; devices will not have them")
        if people:
            notes.append(f"{people:,} rows of the directory go on to count, but for entities that the source brings")
        return notes

    async def _change(self, organization: str, changed: Any) -> StoredSource:
        """Changes a stored source, if a connector takes what it has become."""
        async with self._catalog.exclusive(organization):
            async with self._catalog.begin() as connection:
                await organizations.find(connection, organization)
                before = await sources.known(connection, organization)
                after: StoredSource = changed(before)
                if after == before:
                    return before
                if after.mapping != before.mapping:
                    await self._connections.opened(after).close()
                after = replace(
                    after, revision=before.revision + 1, changed_at_us=await self._catalog.now_us(connection)
                )
                await sources.put(connection, after)
        await self._connections.notify()
        return after


async def _checked(source: Source) -> AsyncIterator[Finding]:
    """Yields what a source finds of itself, and then whether its metadata can be read."""
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            for finding in (await source.check()).findings:
                yield finding
            described = await source.metadata()
    except TimeoutError:
        yield Finding("source", Verdict.FAILURE, f"it has not answered all within {CHECK_SECONDS_MAX:.0f} s", _LATER)
        return
    except HaversackError as error:
        yield Finding("metadata", Verdict.FAILURE, str(error), _LATER)
        return
    if not described.documents:
        yield Finding("metadata", Verdict.FAILURE, "nothing of it can be kept", "`haversack source import` says why")
        return
    yield Finding("metadata", Verdict.OK, f"{len(described.documents):,} entities can be kept")
    yield _directory(described)
    if described.unmapped:
        what = f"{len(described.unmapped):,} things cannot be kept"
        yield Finding("metadata", Verdict.WARNING, what, "`haversack source import --dry-run` lists them")


def _directory(described: Described) -> Finding:
    """Which parts of the directory the source brings, and which Haversack keeps itself."""
    names = {it.entity.logical_name for it in described.documents}
    brought = [it for it in KEEPABLE_ENTITIES if it in names]
    kept = [it for it in KEEPABLE_ENTITIES if it not in names]
    if not kept:
        return Finding("directory", Verdict.OK, "all of it comes from the source")
    whole = "users, teams, units, roles and shares are kept by Haversack: the source brings none of them"
    parts = f"it brings {', '.join(brought)}; Haversack keeps {', '.join(kept)}"
    what = parts if brought else whole
    return Finding("directory", Verdict.OK, what, "`haversack user`, `team`, `unit`, `role` and `share` change these")


_LATER = "mend that, or try again later"
