"""SourceService."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
from haversack.admin.v1 import source_pb2 as pb
from haversack.admin.v1 import source_pb2_grpc

from haversack_server.admin._work import work_item_message
from haversack_server.catalog import Catalog
from haversack_server.catalog.sources import StoredSource
from haversack_server.entity_import import import_from_source
from haversack_server.errors import RequestInvalid, SourceInvalid
from haversack_server.replication import Connections, Finding, Sources, SourceStatus, Wanted

SETTINGS_BYTES_MAX = 64 * 1024
SECRET_BYTES_MAX = 64 * 1024
MAPPING_BYTES_MAX = 1024 * 1024
UNMAPPED_MAX = 10_000
"""How many of the things that are left out an answer lists."""

_Context = grpc.aio.ServicerContext[Any, Any]


class SourceService(source_pb2_grpc.SourceServiceServicer):
    """Sets and operates the systems of record that rows come from."""

    def __init__(self, catalog: Catalog, sources: Sources, connections: Connections, status: SourceStatus) -> None:
        self._catalog = catalog
        self._sources = sources
        self._connections = connections
        self._status = status

    async def SetSource(self, request: pb.SetSourceRequest, context: _Context) -> pb.SetSourceResponse:
        """Gives an organization a source, or changes it."""
        stored, notes = await self._sources.set(request.organization, _wanted(request), dry_run=request.dry_run)
        return pb.SetSourceResponse(source=self._message(stored), notes=notes)

    async def GetSource(self, request: pb.GetSourceRequest, context: _Context) -> pb.GetSourceResponse:
        """Shows a source."""
        return pb.GetSourceResponse(source=self._message(await self._sources.find(request.organization)))

    async def RemoveSource(self, request: pb.RemoveSourceRequest, context: _Context) -> pb.RemoveSourceResponse:
        """Takes a source away."""
        return pb.RemoveSourceResponse(notes=await self._sources.remove(request.organization))

    async def CheckSource(
        self, request: pb.CheckSourceRequest, context: _Context
    ) -> AsyncIterator[pb.CheckSourceResponse]:
        """Says what will work, as it is found."""
        async for finding in self._sources.check(request.organization):
            yield pb.CheckSourceResponse(finding=_finding(finding))

    async def MapSource(self, request: pb.MapSourceRequest, context: _Context) -> pb.MapSourceResponse:
        """Makes a mapping file."""
        stored = await self._sources.find(request.organization)
        if request.in_force:
            return pb.MapSourceResponse(mapping=stored.mapping)
        async with self._connections.lend(request.organization, even_paused=True) as lent:
            return pb.MapSourceResponse(mapping=await lent.source.mapping())

    async def SetMapping(self, request: pb.SetMappingRequest, context: _Context) -> pb.SetMappingResponse:
        """Replaces the mapping."""
        _refuse_long_mapping(request.mapping)
        stored = await self._sources.set_mapping(request.organization, request.mapping)
        return pb.SetMappingResponse(source=self._message(stored))

    async def ImportSourceMetadata(
        self, request: pb.ImportSourceMetadataRequest, context: _Context
    ) -> pb.ImportSourceMetadataResponse:
        """Merges the source's metadata."""
        await self._sources.find(request.organization)
        async with self._connections.lend(request.organization, even_paused=True) as lent:
            done = await import_from_source(self._catalog, lent, dry_run=request.dry_run)
        await self._connections.notify()
        return pb.ImportSourceMetadataResponse(
            added=done.added,
            changed=done.changed,
            unchanged=done.unchanged,
            notes=done.notes,
            kept=done.kept,
            unmapped=[pb.SourceUnmapped(subject=it.subject, why=it.why) for it in done.unmapped[:UNMAPPED_MAX]],
        )

    async def PauseSource(self, request: pb.PauseSourceRequest, context: _Context) -> pb.PauseSourceResponse:
        """Leaves a source alone."""
        stored = await self._sources.pause(request.organization, paused=True)
        return pb.PauseSourceResponse(source=self._message(stored))

    async def ResumeSource(self, request: pb.ResumeSourceRequest, context: _Context) -> pb.ResumeSourceResponse:
        """Goes on."""
        stored = await self._sources.pause(request.organization, paused=False)
        return pb.ResumeSourceResponse(source=self._message(stored))

    async def ResyncEntity(self, request: pb.ResyncEntityRequest, context: _Context) -> pb.ResyncEntityResponse:
        """Has an entity be read in full again."""
        item = await self._sources.resync(request.organization, request.entity)
        async with self._catalog.snapshot() as connection:
            now_us = await self._catalog.now_us(connection)
        return pb.ResyncEntityResponse(item=work_item_message(item, now_us))

    async def GetSourceStatus(
        self, request: pb.GetSourceStatusRequest, context: _Context
    ) -> pb.GetSourceStatusResponse:
        """Shows how far staging follows."""
        return pb.GetSourceStatusResponse(status=await self._status.read(request.organization))

    async def WatchSourceStatus(
        self, request: pb.WatchSourceStatusRequest, context: _Context
    ) -> AsyncIterator[pb.WatchSourceStatusResponse]:
        """Shows the same again and again."""
        async for status in self._status.watch(request.organization):
            yield pb.WatchSourceStatusResponse(status=status)

    async def RotateSourceKey(
        self, request: pb.RotateSourceKeyRequest, context: _Context
    ) -> pb.RotateSourceKeyResponse:
        """Exchanges the key of secrets."""
        return pb.RotateSourceKeyResponse(sources=await self._sources.rotate_key())

    def _message(self, stored: StoredSource) -> pb.Source:
        return pb.Source(
            organization=stored.organization,
            kind=stored.kind,
            settings_json=json.dumps(dict(stored.settings), ensure_ascii=False, sort_keys=True),
            secret_names=self._sources.secret_names(stored),
            has_mapping=bool(stored.mapping),
            paused=stored.is_paused,
            revision=stored.revision,
            changed_at_us=stored.changed_at_us,
        )


def _wanted(request: pb.SetSourceRequest) -> Wanted:
    """Reads a request; raises RequestInvalid or SourceInvalid."""
    _refuse_long_mapping(request.mapping)
    if any(len(it.encode()) > SECRET_BYTES_MAX for it in request.secrets.values()):
        raise SourceInvalid(f"a secret has more than {SECRET_BYTES_MAX:,} bytes; give a shorter one")
    empty = sorted(name for name, it in request.secrets.items() if not it)
    if empty:
        raise SourceInvalid(f"the secret {empty[0]} is empty; give it a value, or name it in forgotten_secrets")
    return Wanted(
        kind=request.kind,
        settings=_settings(request.settings_json or "{}"),
        secrets=dict(request.secrets),
        forgotten=list(request.forgotten_secrets),
        mapping=request.mapping or None,
    )


def _settings(text: str) -> dict[str, Any]:
    if len(text.encode()) > SETTINGS_BYTES_MAX:
        raise SourceInvalid(f"the settings have more than {SETTINGS_BYTES_MAX:,} bytes; leave out what is not needed")
    try:
        read = json.loads(text)
        # JSON can spell half of a character, which no text has.
        json.dumps(read, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise SourceInvalid(f"the settings are no JSON: {error}") from error
    if not isinstance(read, dict):
        raise SourceInvalid("the settings must be one JSON object, with a value for each name")
    return {name: value for name, value in read.items() if value is not None}


def _refuse_long_mapping(mapping: str) -> None:
    if len(mapping.encode()) > MAPPING_BYTES_MAX:
        raise RequestInvalid(f"the mapping has more than {MAPPING_BYTES_MAX:,} bytes; leave out entities")


def _finding(finding: Finding) -> pb.SourceFinding:
    verdict = f"SOURCE_VERDICT_{finding.verdict.name}"
    return pb.SourceFinding(subject=finding.subject, verdict=verdict, what=finding.what, remedy=finding.remedy)
