"""QuestionService."""

from __future__ import annotations

from typing import Any

import grpc
from haversack.admin.v1 import questions_pb2, questions_pb2_grpc

from haversack_server._core import SyncServer
from haversack_server.catalog import Catalog, publishes
from haversack_server.core import in_thread
from haversack_server.publishing import Publisher
from haversack_server.stagings import Stagings

_Context = grpc.aio.ServicerContext[Any, Any]


class QuestionService(questions_pb2_grpc.QuestionServiceServicer):
    """Finds what is asked about, a draft or a revision, and lets the core answer from its live index."""

    def __init__(self, catalog: Catalog, stagings: Stagings, publisher: Publisher, sync: SyncServer) -> None:
        self._catalog = catalog
        self._stagings = stagings
        self._publisher = publisher
        self._sync = sync

    async def Estimate(
        self, request: questions_pb2.EstimateRequest, context: _Context
    ) -> questions_pb2.EstimateResponse:
        """Tells how large devices are."""
        model = await self._model(request.organization, request.state)
        answer = await in_thread(self._sync.estimate, request.SerializeToString(), model)
        return questions_pb2.EstimateResponse.FromString(answer)

    async def Diff(self, request: questions_pb2.DiffRequest, context: _Context) -> questions_pb2.DiffResponse:
        """Tells what would be different."""
        before = await self._model(request.organization, request.before)
        after = await self._model(request.organization, request.after)
        answer = await in_thread(self._sync.diff, request.SerializeToString(), before, after)
        return questions_pb2.DiffResponse.FromString(answer)

    async def Explain(self, request: questions_pb2.ExplainRequest, context: _Context) -> questions_pb2.ExplainResponse:
        """Tells why a row is on a device."""
        model = await self._model(request.organization, request.state)
        answer = await in_thread(self._sync.explain, request.SerializeToString(), model)
        return questions_pb2.ExplainResponse.FromString(answer)

    async def Holders(self, request: questions_pb2.HoldersRequest, context: _Context) -> questions_pb2.HoldersResponse:
        """Tells who has a row."""
        await self._stagings.get(request.organization)
        answer = await in_thread(self._sync.holders, request.SerializeToString())
        return questions_pb2.HoldersResponse.FromString(answer)

    async def Lint(self, request: questions_pb2.LintRequest, context: _Context) -> questions_pb2.LintResponse:
        """Tells what smells in a profile."""
        model = await self._model(request.organization, request.state, unjudged=True)
        answer = await in_thread(self._sync.lint, request.SerializeToString(), model)
        return questions_pb2.LintResponse.FromString(answer)

    async def _model(
        self, organization: str, state: questions_pb2.ProfileState, *, unjudged: bool = False
    ) -> bytes | None:
        """Returns the model of a state, and None for what is published; lets the core serve the organization."""
        await self._stagings.get(organization)
        match state.WhichOneof("state"):
            case "draft":
                return await self._publisher.drafted(organization, state.draft, unjudged=unjudged)
            case "revision":
                async with self._catalog.snapshot() as connection:
                    return await publishes.find_model(connection, organization, state.revision)
            case "unsaved":
                return await self._publisher.unsaved(organization, state.unsaved.profiles)
            case "customizations":
                after = (await self._publisher.customized(organization)).after
                return after.SerializeToString(deterministic=True)
            case _:
                return None
