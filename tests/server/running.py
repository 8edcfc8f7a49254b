"""A server that runs in the tests' own process, and its services.

grpc.aio takes one event loop a process, so every server of a test session lives on one loop in one thread, and the
tests themselves are synchronous.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from haversack.admin.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    apps_pb2_grpc,
    devices_pb2_grpc,
    directory_pb2_grpc,
    entities_pb2,
    entities_pb2_grpc,
    profiles_pb2_grpc,
    provisioning_pb2,
    provisioning_pb2_grpc,
    questions_pb2_grpc,
    security_pb2_grpc,
    solutions_pb2_grpc,
    source_pb2_grpc,
    sync_errors_pb2_grpc,
    work_pb2_grpc,
)
from haversack_server.connectors import CONNECTORS
from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION, SYNC_AUDIENCE
from haversack_server.metadata import standard_documents
from haversack_server.provisioning import TERMS
from haversack_server.replication import Connect
from haversack_server.runtime import Server
from haversack_server.settings import ServerSettings

STEP_SECONDS_MAX = 60.0
"""No single step of a test takes longer, unless it hangs."""

_Result = TypeVar("_Result")


class LoopThread:
    """An event loop that runs in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="servers", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Runs a coroutine on the loop and waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STEP_SECONDS_MAX)

    def close(self) -> None:
        """Ends the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STEP_SECONDS_MAX)
        self._loop.close()


@dataclass(frozen=True)
class RunningServer:
    """A server that runs in this process.

    Attributes:
        settings: What it was started with, ports included.
        server: The server itself.
        channel: A channel to its admin endpoint.
    """

    settings: ServerSettings
    server: Server
    channel: grpc.Channel

    def admin_token(
        self,
        organization: str = ANY_ORGANIZATION,
        *,
        audience: str = ADMIN_AUDIENCE,
        role: str = "",
        user: str = "tester",
    ) -> str:
        """Makes a token for administration."""
        issuer = self.server.issuer
        return issuer.token(user=user, organization=organization, audience=audience, hours=1, role=role)

    def device_token(self, organization: str, user: str) -> str:
        """Makes a token for the device of a user."""
        return self.server.issuer.token(user=user, organization=organization, audience=SYNC_AUDIENCE, hours=1)

    def admin(self, token: str | None = None) -> Admin:
        """Returns the services, called with a token: with none given, one that may do everything."""
        return Admin(self.channel, token if token is not None else self.admin_token())


class Admin:
    """The admin endpoint's services, each method with a token."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._stubs: dict[str, Any] = {
            "organizations": admin_pb2_grpc.OrganizationServiceStub(channel),
            "entities": entities_pb2_grpc.EntityServiceStub(channel),
            "ingests": admin_pb2_grpc.IngestServiceStub(channel),
            "profiles": profiles_pb2_grpc.ProfileServiceStub(channel),
            "apps": apps_pb2_grpc.AppServiceStub(channel),
            "provisioning": provisioning_pb2_grpc.ProvisioningServiceStub(channel),
            "devices": devices_pb2_grpc.DeviceServiceStub(channel),
            "questions": questions_pb2_grpc.QuestionServiceStub(channel),
            "directory": directory_pb2_grpc.DirectoryServiceStub(channel),
            "access": security_pb2_grpc.AccessServiceStub(channel),
            "audit": security_pb2_grpc.AuditServiceStub(channel),
            "solutions": solutions_pb2_grpc.SolutionServiceStub(channel),
            "sync_errors": sync_errors_pb2_grpc.SyncErrorServiceStub(channel),
            "sources": source_pb2_grpc.SourceServiceStub(channel),
            "work": work_pb2_grpc.WorkServiceStub(channel),
        }

    def call(self, service: str, method: str, request: object) -> Any:
        """Calls a method of a service."""
        return getattr(self._stubs[service], method)(request, metadata=self._metadata, timeout=STEP_SECONDS_MAX)

    def organization(self, *, standard: bool = True, provisioned: bool = True, name: str = "") -> str:
        """Makes an organization, of a fresh name if none is given, with the shipped metadata, and provisions it.

        Without metadata it cannot be provisioned, and is not.
        """
        name = name or f"org-{uuid.uuid4().hex[:12]}"
        self.call("organizations", "CreateOrganization", admin_pb2.CreateOrganizationRequest(name=name))
        if standard:
            self.import_metadata(name, dict(standard_documents()))
            if provisioned:
                self.provision(name)
        return name

    def consent(self, organization: str) -> None:
        """Consents to the terms that are in force."""
        request = provisioning_pb2.RecordConsentRequest(organization=organization, terms=TERMS)
        self.call("provisioning", "RecordConsent", request)

    def provision(self, organization: str) -> None:
        """Consents, provisions, and waits until that is done."""
        self.consent(organization)
        request = provisioning_pb2.StartProvisioningRequest(organization=organization)
        self.call("provisioning", "StartProvisioning", request)
        settled = self.settled(organization)
        assert settled.state == provisioning_pb2.PROVISIONING_STATE_PROVISIONED, settled

    def settled(self, organization: str) -> provisioning_pb2.Provisioning:
        """Waits until no operation on an organization is under way; returns where it stands then."""
        *_, last = self.watch(organization)
        return last

    def watch(self, organization: str) -> Iterator[provisioning_pb2.Provisioning]:
        """Yields where an organization stands, again and again, until no operation is under way."""
        request = provisioning_pb2.WatchProvisioningRequest(organization=organization, until_settled=True)
        for answer in self.call("provisioning", "WatchProvisioning", request):
            yield answer.provisioning

    def import_metadata(self, organization: str, documents: dict[str, bytes]) -> entities_pb2.ImportMetadataResponse:
        """Imports metadata documents by name."""
        parts = [entities_pb2.MetadataDocument(name=name, content=content) for name, content in documents.items()]
        request = entities_pb2.ImportMetadataRequest(organization=organization, documents=parts)
        response: entities_pb2.ImportMetadataResponse = self.call("entities", "ImportMetadata", request)
        return response

    def enable(self, organization: str, *entities: str, organization_filter: str = "") -> None:
        """Enables entities for offline use, all with one organization filter."""
        for entity in entities:
            request = entities_pb2.EnableEntityRequest(
                organization=organization, entity=entity, organization_filter=organization_filter
            )
            self.call("entities", "EnableEntity", request)

    def ingest(
        self,
        organization: str,
        entity: str,
        content: bytes,
        *,
        format_: admin_pb2.IngestFormat = admin_pb2.INGEST_FORMAT_CSV,
        action: admin_pb2.IngestAction = admin_pb2.INGEST_ACTION_UPSERT,
        atomic: bool = False,
    ) -> admin_pb2.IngestResponse:
        """Ingests a file's content."""
        header = admin_pb2.IngestHeader(
            organization=organization, entity=entity, format=format_, action=action, atomic=atomic, file_name="rows"
        )
        middle = len(content) // 2
        parts = [admin_pb2.IngestRequest(header=header)]
        parts += [admin_pb2.IngestRequest(data=part) for part in (content[:middle], content[middle:])]
        response: admin_pb2.IngestResponse = self.call("ingests", "Ingest", iter(parts))
        return response


@contextmanager
def running(
    loop: LoopThread, settings: ServerSettings, connectors: Mapping[str, Connect] = CONNECTORS
) -> Iterator[RunningServer]:
    """Runs a server while the block runs."""
    server = Server(settings, connectors)
    loop.run(server.__aenter__())
    try:
        bound = settings.model_copy(update={"admin_listen": server.admin_address, "sync_listen": server.sync_address})
        with grpc.insecure_channel(server.admin_address) as channel:
            yield RunningServer(bound, server, channel)
    finally:
        loop.run(server.__aexit__(None, None, None))
