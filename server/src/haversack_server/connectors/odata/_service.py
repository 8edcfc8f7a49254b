"""What is known of a service: its entities, read once and again when they may have changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from haversack_server.connectors.odata._csdl import read_csdl
from haversack_server.connectors.odata._definitions import Listed, list_definitions, read_definitions
from haversack_server.connectors.odata._http import Answer, Client
from haversack_server.connectors.odata._settings import OdataSettings
from haversack_server.connectors.odata._shapes import Shapes, read_shapes
from haversack_server.errors import SourceInvalid

METADATA_SECONDS = 600.0
"""How long what is known of a service is believed without a reason to doubt it."""

METADATA_SECONDS_MIN = 5.0
"""How soon it is read again, whatever the reason: many entities can come to doubt it at once."""


class Service:
    """One organization's service, used by the tasks of all of its entities."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._shapes: Shapes | None = None
        self._listed: Mapping[str, Listed] | None = None
        self._is_dataverse: bool | None = None
        self._read_at = 0.0
        self._lock = asyncio.Lock()

    @property
    def settings(self) -> OdataSettings:
        """How it is used."""
        return self.client.settings

    async def shapes(self, *, doubted: bool = False) -> Shapes:
        """Returns the entities; reads them again if they are old, or `doubted`: the service has refused one of them."""
        async with self._lock:
            age = time.monotonic() - self._read_at
            if self._shapes is None or age > (METADATA_SECONDS_MIN if doubted else METADATA_SECONDS):
                await self._read()
            assert self._shapes is not None
            return self._shapes

    async def listed(self) -> Mapping[str, Listed]:
        """Returns what EntityDefinitions list, by logical name; nothing for services that have none."""
        await self.shapes()
        return self._listed or {}

    async def definitions(self, names: list[str]) -> Mapping[str, Mapping[str, Any]]:
        """Returns the EntityMetadata of entities, of those that have one."""
        listed = await self.listed()
        return await read_definitions(self.client, [it for it in names if it in listed])

    async def _read(self) -> None:
        answer = await self.client.get(self.client.resolve("$metadata"), headers={"Accept": "application/xml"})
        if not answer.ok:
            raise SourceInvalid(
                f"{answer.url} answers {answer.status}: {answer.words}; check that `url` is the root of an OData v4"
                " service, and that the application user may read its metadata"
            )
        # Large documents take seconds, and the loop has other work.
        shapes = await asyncio.to_thread(lambda: read_shapes(read_csdl(answer.body)))
        if any(it.is_dataverse for it in shapes.by_entity.values()):
            self._listed = await list_definitions(self.client)
        self._shapes = shapes
        self._read_at = time.monotonic()


def refused(answer: Answer, doing: str) -> SourceInvalid:
    """The error of an answer that no waiting will change."""
    return SourceInvalid(f"{doing}: the service answers {answer.status}: {answer.words}")
