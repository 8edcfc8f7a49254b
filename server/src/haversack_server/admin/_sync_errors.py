"""SyncErrorService: the log of refused writes, which the core keeps in the ledger of uploads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import grpc
from haversack.admin.v1 import sync_errors_pb2, sync_errors_pb2_grpc
from haversack.model.v1 import model_pb2
from haversack.sync.v1 import upload_pb2

from haversack_server._core import CoreError, Staging, SyncServer, row_json
from haversack_server.catalog import Catalog
from haversack_server.core import in_thread
from haversack_server.errors import RequestInvalid
from haversack_server.publishing import load_metadata
from haversack_server.replication import write_back_standing
from haversack_server.stagings import Stagings

COUNT_MAX = 1_000
COUNT_DEFAULT = 200

SCANNED_MAX = 10_000
"""Entries of the log that one call looks at for those that are asked for."""

_Context = grpc.aio.ServicerContext[Any, Any]


class SyncErrorService(sync_errors_pb2_grpc.SyncErrorServiceServicer):
    """Shows what devices' writes were refused, and settles it."""

    def __init__(self, catalog: Catalog, stagings: Stagings, sync: SyncServer) -> None:
        self._catalog = catalog
        self._stagings = stagings
        self._sync = sync

    async def ListSyncErrors(
        self, request: sync_errors_pb2.ListSyncErrorsRequest, context: _Context
    ) -> sync_errors_pb2.ListSyncErrorsResponse:
        """Lists refused writes."""
        if request.count > COUNT_MAX:
            raise RequestInvalid(f"a page has at most {COUNT_MAX:,} errors; ask for the next one by `after`")
        if request.state not in sync_errors_pb2.SyncErrorState.values():
            raise RequestInvalid(f"there is no state {request.state}; use OPEN, RETRIED, DISCARDED or WITHDRAWN")
        count = request.count or COUNT_DEFAULT
        staging, words = await self._stagings.get(request.organization), await self._words(request.organization)
        found: list[Mapping[str, Any]] = []
        after, scanned = request.after, 0
        while scanned < SCANNED_MAX:
            page = json.loads(await in_thread(staging.refusals, after, entries_max=COUNT_MAX))
            if not page["entries"]:
                return await in_thread(_listed, words, found, next_after=0)
            for entry in page["entries"]:
                after = entry["place"]
                if _is_wanted(entry, request):
                    found.append(entry)
                if len(found) == count:
                    return await in_thread(_listed, words, found, next_after=after)
            scanned += len(page["entries"])
        return await in_thread(_listed, words, found, next_after=after)

    async def GetSyncError(
        self, request: sync_errors_pb2.GetSyncErrorRequest, context: _Context
    ) -> sync_errors_pb2.GetSyncErrorResponse:
        """Shows one refused write."""
        staging = await self._stagings.get(request.organization)
        return sync_errors_pb2.GetSyncErrorResponse(error=await self._shown(staging, request))

    async def RetrySyncError(
        self, request: sync_errors_pb2.RetrySyncErrorRequest, context: _Context
    ) -> sync_errors_pb2.RetrySyncErrorResponse:
        """Has a refused write judged again."""
        staging = await self._stagings.get(request.organization)
        await in_thread(self._sync.retry_mutation, request.organization, request.number, force=request.force)
        return sync_errors_pb2.RetrySyncErrorResponse(error=await self._shown(staging, request))

    async def DiscardSyncError(
        self, request: sync_errors_pb2.DiscardSyncErrorRequest, context: _Context
    ) -> sync_errors_pb2.DiscardSyncErrorResponse:
        """Puts a refused write aside."""
        staging = await self._stagings.get(request.organization)
        await in_thread(staging.discard_refusal, request.number)
        return sync_errors_pb2.DiscardSyncErrorResponse(error=await self._shown(staging, request))

    async def GetWriteBack(
        self, request: sync_errors_pb2.GetWriteBackRequest, context: _Context
    ) -> sync_errors_pb2.GetWriteBackResponse:
        """Says what waits for the organization's source."""
        standing = asdict(await write_back_standing(self._catalog, self._stagings, request.organization))
        if reason := standing.pop("error_reason"):
            standing["reason"] = f"ERROR_REASON_{reason}"
        return sync_errors_pb2.GetWriteBackResponse(write_back=sync_errors_pb2.WriteBack(**standing))

    async def _shown(
        self,
        staging: Staging,
        request: sync_errors_pb2.GetSyncErrorRequest
        | sync_errors_pb2.RetrySyncErrorRequest
        | sync_errors_pb2.DiscardSyncErrorRequest,
    ) -> sync_errors_pb2.SyncError:
        """Returns one entry; raises RequestInvalid if there is none."""
        page = json.loads(await in_thread(staging.refusals, max(request.number, 1) - 1, entries_max=1))
        entry = next((it for it in page["entries"] if it["place"] == request.number), None)
        if entry is None:
            raise RequestInvalid(
                f"{request.organization} has no sync error {request.number}; `haversack sync-error list` shows those"
                " that there are"
            )
        return (await self._words(request.organization)).message(entry)

    async def _words(self, organization: str) -> _Words:
        async with self._catalog.snapshot() as connection:
            metadata = await load_metadata(connection, organization)
        return _Words(metadata.model_bytes, {it.metadata.number: it.metadata for it in metadata.entities.values()})


@dataclass(frozen=True)
class _Words:
    """What numbers of the log are called.

    Attributes:
        model_bytes: The organization's metadata.
        entities: Its entities, by number.
    """

    model_bytes: bytes
    entities: Mapping[int, model_pb2.Entity]

    def message(self, entry: Mapping[str, Any]) -> sync_errors_pb2.SyncError:
        """Returns an entry as the contract has it."""
        error = sync_errors_pb2.SyncError(
            number=entry["place"],
            state=f"SYNC_ERROR_STATE_{entry['resolution']}",
            row=entry["id"],
            kind=f"MUTATION_KIND_{entry['kind']}",
            outcome=f"MUTATION_OUTCOME_{entry['outcome']}",
            reason=f"ERROR_REASON_{entry['reason']}",
            message=entry["message"],
            user=entry["user"],
            install=entry["install"],
            mutation=entry["number"],
            written_at_us=entry["written_at_us"],
            received_at_us=entry["received_at_us"],
        )
        entity = self.entities.get(entry["entity"])
        if entity is None:
            error.entity = f"number {entry['entity']}"
            return error
        error.entity = entity.logical_name
        names = _names(entity)
        error.attributes.extend(names.get(number, f"number {number}") for number in entry["fields"])
        mutation = upload_pb2.Mutation.FromString(bytes.fromhex(entry["mutation"]))
        error.values_json = self._values(entity, mutation)
        values = json.loads(error.values_json or "{}")
        error.cleared.extend(name for number in mutation.changed if (name := names.get(number)) and name not in values)
        return error

    def _values(self, entity: model_pb2.Entity, mutation: upload_pb2.Mutation) -> str:
        """Returns what a write sets; nothing, if that is what was wrong with it."""
        try:
            return row_json(self.model_bytes, entity.logical_name, mutation.values)
        except CoreError:
            return ""


def _names(entity: model_pb2.Entity) -> dict[int, str]:
    """Returns what the fields of an entity's rows are called; the target of a lookup, as in bulk ingests."""
    names = {}
    for attribute in entity.attributes:
        names[attribute.number] = attribute.logical_name
        if attribute.entity_field_number:
            names[attribute.entity_field_number] = f"{attribute.logical_name}_type"
    return names


def _is_wanted(entry: Mapping[str, Any], request: sync_errors_pb2.ListSyncErrorsRequest) -> bool:
    state = sync_errors_pb2.SyncErrorState.Value(f"SYNC_ERROR_STATE_{entry['resolution']}")
    return request.state in {sync_errors_pb2.SYNC_ERROR_STATE_UNSPECIFIED, state} and (
        not request.user or request.user.lower() == entry["user"]
    )


def _listed(
    words: _Words, found: list[Mapping[str, Any]], *, next_after: int
) -> sync_errors_pb2.ListSyncErrorsResponse:
    errors = [words.message(entry) for entry in found]
    return sync_errors_pb2.ListSyncErrorsResponse(errors=errors, next_after=next_after)
