"""An OData v4 service, or a Dataverse environment, as an organization's system of record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from haversack.model.v1 import model_pb2

from haversack_server._core import Staging
from haversack_server.catalog.work_items import Counts
from haversack_server.connectors.odata._auth import credentials
from haversack_server.connectors.odata._check import check
from haversack_server.connectors.odata._derived import DerivedFeed, role_privileges, user_settings
from haversack_server.connectors.odata._documents import DERIVED, documents
from haversack_server.connectors.odata._feed import OdataFeed
from haversack_server.connectors.odata._http import Client, Pace
from haversack_server.connectors.odata._mapping import OdataMapping, check_mapping, read_mapping, write_mapping
from haversack_server.connectors.odata._service import Service
from haversack_server.connectors.odata._settings import OdataSettings, read_settings
from haversack_server.connectors.odata._shapes import Shapes
from haversack_server.connectors.odata._write import Writer
from haversack_server.core import in_thread
from haversack_server.errors import EntityUnknown
from haversack_server.metadata import OFFLINE_PROFILE, document_of
from haversack_server.replication import (
    Change,
    Checked,
    Described,
    Feed,
    Scope,
    Source,
    Standing,
    Taken,
    Unmapped,
    Written,
)

KIND = "odata"


class OdataSource:
    """See `haversack_server.replication.Source`."""

    kind = KIND
    scope: Scope = "entity"
    holds: frozenset[str] = frozenset()

    def __init__(self, client: Client, mapping: OdataMapping) -> None:
        self.interval_seconds = client.settings.interval_seconds
        self.address = client.settings.address
        self.recipients = client.settings.recipients
        self._service = Service(client)
        self._mapping = mapping
        self._writer = Writer(self._service)
        self._made_at: dict[int, float] = {}

    async def check(self) -> Checked:
        """See `Source`."""
        return await check(self._service, self._mapping)

    async def metadata(self) -> Described:
        """See `Source`."""
        shapes, made = await self._documents()
        check_mapping(self._mapping, shapes)
        always = (*DERIVED, OFFLINE_PROFILE)
        taken = {name: it for name, it in made.items() if name in always or self._mapping.of(name).take}
        read = [document_of(name, it) for name, it in sorted(taken.items())]
        unmapped = [Unmapped(it.subject, it.why) for it in shapes.not_mapped if _is_about(it.subject, taken, shapes)]
        unmapped += [Unmapped(it.entity.logical_name, note) for it in read for note in it.notes]
        return Described(tuple(read), tuple(unmapped))

    async def mapping(self) -> str:
        """See `Source`."""
        shapes, made = await self._documents()
        return write_mapping(shapes, made, self._mapping)

    async def open(self, staging: Staging, model: bytes, entity: str, *, kept: Collection[str] = ()) -> Feed:
        """See `Source`."""
        known = model_pb2.Model.FromString(model)
        found = next((it for it in known.entities if it.logical_name == entity), None)
        if found is None:
            raise EntityUnknown(f"the organization's metadata has no entity {entity}; import the source's metadata")
        shapes = await self._service.shapes()
        shape = shapes.by_entity.get(entity)
        if entity in DERIVED and any(it.is_dataverse for it in shapes.by_entity.values()):
            return DerivedFeed(staging, model, found, lambda: self._made(entity, known), self._made_at)
        if shape is None and await in_thread(staging.position, found.number) is None:
            # A shipped entity that the service does not have, as the metadata of many organizations has some.
            return NoFeed(staging)
        return OdataFeed(self._service, staging, model, found, watermark=self._mapping.of(entity).modified_on)

    async def resync(self, staging: Staging, model: bytes, entity: str) -> None:
        """See `Source`."""
        known = model_pb2.Model.FromString(model)
        for it in known.entities:
            if it.logical_name == entity or not entity:
                await in_thread(staging.set_position, it.number, None)
                self._made_at.pop(it.number, None)

    async def write(self, change: Change) -> Written:
        """See `Source`."""
        return await self._writer.write(change)

    async def forget(self, successor: Source | None = None) -> tuple[str, ...]:
        """See `Source`. A service keeps nothing for those who follow it: delta links expire by themselves."""
        return ()

    async def close(self) -> None:
        """See `Source`."""
        await self._service.client.close()

    async def _documents(self) -> tuple[Shapes, dict[str, dict[str, Any]]]:
        shapes = await self._service.shapes(doubted=True)
        patterns = self._service.settings.entities
        names = list(documents(shapes, {}, patterns))
        definitions = await self._service.definitions([it for it in names if it not in DERIVED])
        made = documents(shapes, definitions, patterns)
        for name, document in made.items():
            _apply(self._mapping, name, document)
        return shapes, made

    async def _made(self, entity: str, model: model_pb2.Model) -> list[dict[str, Any]]:
        if entity == "usersettings":
            return await user_settings(self._service)
        return await role_privileges(self._service, model.entities)


class NoFeed:
    """The feed of an entity that the service does not have: nothing comes."""

    live = False
    standing = Standing("not at the source", "", 0.0)

    def __init__(self, staging: Staging) -> None:
        self._staging = staging

    async def take(self, rows_max: int) -> Taken:
        """See `Feed`."""
        return Taken(Counts(), 0, await in_thread(self._staging.head))

    async def close(self) -> None:
        """See `Feed`."""


def connect(settings: Mapping[str, Any], secrets: Mapping[str, str], mapping: str) -> OdataSource:
    """See `haversack_server.replication.Connect`."""
    read = read_settings(settings)
    return OdataSource(Client(read, credentials(read, secrets)), read_mapping(mapping))


def connect_at(settings: OdataSettings, secrets: Mapping[str, str], *, pace: Pace) -> OdataSource:
    """The same with waiting and chance of the caller's."""
    return OdataSource(Client(settings, credentials(settings, secrets), pace=pace), OdataMapping())


def _apply(mapping: OdataMapping, name: str, document: dict[str, Any]) -> None:
    """Puts what the mapping says into an entity's document."""
    said = mapping.of(name)
    if said.ownership:
        document["OwnershipType"] = said.ownership
    if said.name:
        document["PrimaryNameAttribute"] = said.name
    if said.leave_out:
        kept = said.leave_out - {document["PrimaryIdAttribute"]}
        document["Attributes"] = [it for it in document["Attributes"] if it["LogicalName"] not in kept]
        document["ManyToOneRelationships"] = [
            it for it in document["ManyToOneRelationships"] if it["ReferencingAttribute"] not in kept
        ]


def _is_about(subject: str, taken: Mapping[str, Any], shapes: Shapes) -> bool:
    """Whether a reason is about what is taken, or about something that could not be."""
    entity = subject.partition(".")[0]
    return entity in taken or entity not in shapes.by_entity
