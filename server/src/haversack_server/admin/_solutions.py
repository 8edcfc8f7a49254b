"""SolutionService."""

from __future__ import annotations

import re
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import grpc
from haversack.admin.v1 import solutions_pb2, solutions_pb2_grpc
from haversack.model.v1 import model_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from haversack_server.admin._caller import caller
from haversack_server.catalog import Catalog, entities, organizations, profiles
from haversack_server.core import in_thread
from haversack_server.entity_import import merge_documents
from haversack_server.errors import (
    EntityNotEnabled,
    EntityNotMobile,
    ProfileUnknown,
    RequestInvalid,
    SolutionInvalid,
)
from haversack_server.publishing import Metadata, compile_organization_filter, judge, load_metadata, why_refused
from haversack_server.solutions import (
    DraftReader,
    FormProfile,
    Header,
    Solution,
    WrittenMetadata,
    documents,
    form_profile,
    organization_filters,
    read_solution,
    write_solution,
    written_metadata,
)

NOTES_MAX = 1_000
ANSWER_BYTES_MAX = 12 * 1024 * 1024
"""How large an import's drafts may be together: the answer shows them, and must fit into a message."""
UNPUBLISHED = "nothing is published; look at the drafts, say who follows them, and publish each"
IDS = "ids and introduced versions of profiles, items and associations are not kept; exports have their own"

_Context = grpc.aio.ServicerContext[Any, Any]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,64}")
_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){1,3}")
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{1,7}")
_NAME_LENGTH_MAX = 65


class _DryRunDone(Exception):
    """Ends a transaction that must change nothing."""


class SolutionService(solutions_pb2_grpc.SolutionServiceServicer):
    """Exports and imports solutions."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def ExportSolution(
        self, request: solutions_pb2.ExportSolutionRequest, context: _Context
    ) -> solutions_pb2.ExportSolutionResponse:
        """Writes drafts as a solution."""
        header = _header(request)
        async with self._catalog.snapshot() as connection:
            metadata = await load_metadata(connection, request.organization)
            drafts = await profiles.drafts_by_name(connection, request.organization)
        return await in_thread(_export, header, _chosen(drafts, request), metadata, with_metadata=request.with_metadata)

    async def ImportSolution(
        self, request: solutions_pb2.ImportSolutionRequest, context: _Context
    ) -> solutions_pb2.ImportSolutionResponse:
        """Writes the drafts of a solution's profiles."""
        solution = await in_thread(read_solution, request.content, with_metadata=request.with_metadata)
        outcome = solutions_pb2.ImportSolutionResponse(
            unique_name=solution.header.unique_name, version=solution.header.version
        )
        notes = list(solution.notes)
        try:
            async with self._catalog.exclusive(request.organization), self._catalog.begin() as connection:
                await organizations.find(connection, request.organization, for_update=True)
                notes += await _import(connection, request, solution, outcome)
                if outcome.ByteSize() > ANSWER_BYTES_MAX:
                    raise SolutionInvalid(f"the drafts have more than {ANSWER_BYTES_MAX:,} bytes; import fewer at once")
                if request.dry_run:
                    raise _DryRunDone
        except _DryRunDone:
            pass
        outcome.notes.extend(_bounded(notes))
        return outcome


def _header(request: solutions_pb2.ExportSolutionRequest) -> Header:
    default = f"haversack_{request.organization.replace('-', '_')}"[:_NAME_LENGTH_MAX]
    header = Header(
        unique_name=request.unique_name or default,
        version=request.version or "1.0.0.0",
        publisher=request.publisher or "haversack",
        prefix=request.prefix or "hvsk",
    )
    for what, name in (("unique name", header.unique_name), ("publisher", header.publisher)):
        if not _NAME.fullmatch(name):
            raise RequestInvalid(f"the {what} {name!r} must be 1 to 65 letters, digits and underscores, no digit first")
    if not _VERSION.fullmatch(header.version):
        raise RequestInvalid(
            f"the version {header.version!r} must be two to four numbers with dots between, as 1.0.0.0"
        )
    if not _PREFIX.fullmatch(header.prefix) or header.prefix.lower().startswith("mscrm"):
        raise RequestInvalid(
            f"the prefix {header.prefix!r} must be 2 to 8 letters and digits, a letter first, not mscrm"
        )
    return header


def _chosen(
    drafts: Mapping[str, model_pb2.Profile], request: solutions_pb2.ExportSolutionRequest
) -> list[model_pb2.Profile]:
    unknown = [name for name in request.profiles if name not in drafts]
    if unknown:
        names = ", ".join(repr(it) for it in unknown)
        raise ProfileUnknown(
            f"organization {request.organization} has no profile {names}; `haversack profile list` names them"
        )
    return [drafts[name] for name in sorted(set(request.profiles) or drafts)]


def _export(
    header: Header, drafts: Sequence[model_pb2.Profile], metadata: Metadata, *, with_metadata: bool
) -> solutions_pb2.ExportSolutionResponse:
    forms: list[FormProfile] = []
    notes: list[str] = []
    for draft in drafts:
        form, lost = form_profile(draft, metadata)
        forms.append(form)
        notes += lost
    carried = [item.entity for draft in drafts for item in draft.items] if with_metadata else []
    written = written_metadata(metadata, carried) if with_metadata else WrittenMetadata((), (), (), ())
    solution = Solution(header, tuple(forms), written.entities, written.relationships)
    return solutions_pb2.ExportSolutionResponse(
        content=write_solution(solution),
        unique_name=header.unique_name,
        profiles=[it.name for it in forms],
        entities=written.names,
        notes=_bounded([*notes, *written.notes]),
    )


async def _import(
    connection: AsyncConnection,
    request: solutions_pb2.ImportSolutionRequest,
    solution: Solution,
    outcome: solutions_pb2.ImportSolutionResponse,
) -> list[str]:
    """Imports a solution inside the transaction of `connection`; fills `outcome`, and returns notes."""
    organization = request.organization
    notes = []
    if request.with_metadata:
        notes += await _take_metadata(connection, organization, solution, outcome)
    metadata = await load_metadata(connection, organization)
    reader = DraftReader(metadata, lambda entity, fetch_xml: why_refused(metadata, entity, fetch_xml))
    before = await profiles.drafts_by_name(connection, organization)
    drafts = await in_thread(_drafts, solution.profiles, reader, before)
    notes += reader.notes
    missing = sorted({it.entity for draft in drafts for it in draft.items if not metadata.entities[it.entity].offline})
    if missing and not request.enable_entities:
        raise EntityNotEnabled(
            f"not enabled for offline use: {', '.join(missing)}; enable them first, or import and enable in one"
        )
    if missing:
        await _enable(connection, metadata, missing, organization_filters(solution))
        outcome.enabled.extend(missing)
        metadata = await load_metadata(connection, organization)
    await _save(connection, metadata, drafts, outcome, replaced=before)
    return [*notes, *([IDS, UNPUBLISHED] if drafts else ["the solution has no profiles"])]


async def _take_metadata(
    connection: AsyncConnection,
    organization: str,
    solution: Solution,
    outcome: solutions_pb2.ImportSolutionResponse,
) -> list[str]:
    known = await entities.all_by_name(connection, organization)
    listed = await entities.relationships_by_document(connection, organization)
    read, notes = await in_thread(documents, solution, known, listed)
    merged = await merge_documents(connection, organization, read)
    outcome.added.extend(merged.added)
    outcome.changed.extend(merged.changed)
    return [*notes, *merged.notes]


def _drafts(
    forms: Iterable[FormProfile], reader: DraftReader, before: Mapping[str, model_pb2.Profile]
) -> list[model_pb2.Profile]:
    drafts: dict[str, model_pb2.Profile] = {}
    for form in forms:
        if form.name in drafts:
            raise SolutionInvalid(f"two profiles are named {form.name!r}; names are unique here")
        drafts[form.name] = reader.draft(form, before.get(form.name))
    return [drafts[name] for name in sorted(drafts)]


async def _enable(
    connection: AsyncConnection, metadata: Metadata, names: Iterable[str], filters: Mapping[str, str]
) -> None:
    """Enables entities with the organization filters that came with them, else with their own.

    Raises EntityNotMobile or a FilterRefused.
    """
    for name in names:
        stored = metadata.known(name)
        if not stored.mobile:
            raise EntityNotMobile(f"{name} is not enabled for mobile, so it cannot be enabled for offline use")
        fetch_xml = filters.get(name, stored.organization_filter)
        if fetch_xml:
            await in_thread(compile_organization_filter, metadata, name, fetch_xml)
        enabled = replace(stored, offline=True, organization_filter=fetch_xml)
        await entities.put(connection, metadata.organization, enabled)


async def _save(
    connection: AsyncConnection,
    metadata: Metadata,
    drafts: Iterable[model_pb2.Profile],
    outcome: solutions_pb2.ImportSolutionResponse,
    *,
    replaced: Container[str],
) -> None:
    """Judges drafts and writes them; raises ProfileInvalid or a FilterRefused."""
    at_us = time.time_ns() // 1_000
    for draft in drafts:
        judgement = await in_thread(judge, draft, metadata)
        judgement.refuse()
        await profiles.put_draft(connection, metadata.organization, draft, author=caller(), at_us=at_us)
        outcome.profiles.add(profile=draft, replaces=draft.name in replaced, warnings=judgement.warnings)


def _bounded(notes: Iterable[str]) -> list[str]:
    """Returns notes as far as they fit in an answer; the last one counts those left out."""
    once = list(dict.fromkeys(notes))
    left = len(once) - NOTES_MAX
    return once if left <= 0 else [*once[:NOTES_MAX], f"and {left:,} more"]
