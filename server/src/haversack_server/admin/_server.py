"""The gRPC server of the admin endpoint."""

from __future__ import annotations

from collections.abc import Callable

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import OVERALL_HEALTH
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection
from haversack.admin.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    apps_pb2,
    apps_pb2_grpc,
    devices_pb2,
    devices_pb2_grpc,
    directory_pb2,
    directory_pb2_grpc,
    entities_pb2,
    entities_pb2_grpc,
    profiles_pb2,
    profiles_pb2_grpc,
    provisioning_pb2,
    provisioning_pb2_grpc,
    questions_pb2,
    questions_pb2_grpc,
    security_pb2,
    security_pb2_grpc,
    solutions_pb2,
    solutions_pb2_grpc,
    source_pb2,
    source_pb2_grpc,
    sync_errors_pb2,
    sync_errors_pb2_grpc,
    work_pb2,
    work_pb2_grpc,
)

from haversack_server._core import SyncServer
from haversack_server.admin._access import AccessService
from haversack_server.admin._apps import AppService
from haversack_server.admin._audit import AuditService
from haversack_server.admin._devices import DeviceService
from haversack_server.admin._directory import DirectoryService
from haversack_server.admin._effects import Effects
from haversack_server.admin._entities import EntityService
from haversack_server.admin._guard import Guard
from haversack_server.admin._ingest import IngestService
from haversack_server.admin._organizations import OrganizationService
from haversack_server.admin._profiles import ProfileService
from haversack_server.admin._provisioning import ProvisioningService
from haversack_server.admin._questions import QuestionService
from haversack_server.admin._solutions import SolutionService
from haversack_server.admin._source import SourceService
from haversack_server.admin._sync_errors import SyncErrorService
from haversack_server.admin._work import WorkService
from haversack_server.catalog import Catalog
from haversack_server.errors import ConfigurationInvalid, InternalFault, RequestInvalid
from haversack_server.places import is_loopback
from haversack_server.provisioning import Requests, Status
from haversack_server.publishing import Publisher
from haversack_server.replication import Connections, Sources, SourceStatus
from haversack_server.security import Certificate, uncovered
from haversack_server.settings import AdministratorSettings
from haversack_server.stagings import Stagings

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
PENDING_REQUESTS_MAX = 10_000
PENDING_REQUESTS_HARD_MAX = 20_000

_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.server.max_pending_requests", PENDING_REQUESTS_MAX),
    ("grpc.server.max_pending_requests_hard_limit", PENDING_REQUESTS_HARD_MAX),
    # Two servers on one port would share its calls and nobody would notice.
    ("grpc.so_reuseport", 0),
)

_CONTRACTS = (
    admin_pb2,
    apps_pb2,
    devices_pb2,
    directory_pb2,
    entities_pb2,
    profiles_pb2,
    provisioning_pb2,
    questions_pb2,
    security_pb2,
    solutions_pb2,
    source_pb2,
    sync_errors_pb2,
    work_pb2,
)
_SERVICES = tuple(service for contract in _CONTRACTS for service in contract.DESCRIPTOR.services_by_name.values())


class AdminServer:
    """The admin endpoint. Belongs to one event loop; whoever starts it must stop it before the loop ends."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        stagings: Stagings,
        publisher: Publisher,
        requests: Requests,
        status: Status,
        connections: Connections,
        sources: Sources,
        source_status: SourceStatus,
        sync: SyncServer,
        guard: Guard,
        administrators: tuple[AdministratorSettings, ...],
    ) -> None:
        if open_calls := uncovered(_SERVICES):
            raise InternalFault(f"the policy has no entry for {', '.join(open_calls)}")
        self._server = grpc.aio.server(interceptors=[guard], options=_OPTIONS)
        self._ingest = IngestService(catalog, stagings, connections)
        self._health = health.HealthServicer()
        effects = Effects(stagings, sync)
        organizations = OrganizationService(catalog, stagings, requests)
        profiles = ProfileService(catalog, publisher, effects)
        entities = EntityService(catalog, publisher, effects)
        admin_pb2_grpc.add_OrganizationServiceServicer_to_server(organizations, self._server)
        self._status = status
        provisioning = ProvisioningService(requests, status, source_status)
        provisioning_pb2_grpc.add_ProvisioningServiceServicer_to_server(provisioning, self._server)
        entities_pb2_grpc.add_EntityServiceServicer_to_server(entities, self._server)
        admin_pb2_grpc.add_IngestServiceServicer_to_server(self._ingest, self._server)
        profiles_pb2_grpc.add_ProfileServiceServicer_to_server(profiles, self._server)
        apps_pb2_grpc.add_AppServiceServicer_to_server(AppService(catalog), self._server)
        questions = QuestionService(catalog, stagings, publisher, sync)
        questions_pb2_grpc.add_QuestionServiceServicer_to_server(questions, self._server)
        solutions_pb2_grpc.add_SolutionServiceServicer_to_server(SolutionService(catalog), self._server)
        self._source_status = source_status
        source = SourceService(catalog, sources, connections, source_status)
        source_pb2_grpc.add_SourceServiceServicer_to_server(source, self._server)
        work_pb2_grpc.add_WorkServiceServicer_to_server(WorkService(catalog), self._server)
        sync_errors = SyncErrorService(catalog, stagings, sync)
        sync_errors_pb2_grpc.add_SyncErrorServiceServicer_to_server(sync_errors, self._server)
        devices_pb2_grpc.add_DeviceServiceServicer_to_server(DeviceService(catalog, stagings), self._server)
        directory = DirectoryService(catalog, stagings, connections, sync)
        directory_pb2_grpc.add_DirectoryServiceServicer_to_server(directory, self._server)
        access = AccessService(catalog, administrators)
        security_pb2_grpc.add_AccessServiceServicer_to_server(access, self._server)
        security_pb2_grpc.add_AuditServiceServicer_to_server(AuditService(catalog), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*(it.full_name for it in _SERVICES), HEALTH_SERVICE, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self, listen: str, certificate: Callable[[], Certificate] | None) -> str:
        """Begins to listen at "host:port"; returns the bound address.

        `certificate` is asked for the certificate of each new connection; None means plain text. Raises RequestInvalid
        if the address is taken, and ConfigurationInvalid for plain text that can be reached from other machines.
        """
        host = listen.rpartition(":")[0]
        if certificate is None and not is_loopback(listen):
            raise ConfigurationInvalid(
                f"cannot listen on {listen}: without TLS only loopback is safe; use 127.0.0.1, or give tls"
            )
        try:
            if certificate is None:
                port = self._server.add_insecure_port(listen)
            else:
                port = self._server.add_secure_port(listen, _credentials(certificate))
        except RuntimeError as error:
            raise RequestInvalid(f"cannot listen on {listen}: {error}; choose another address") from error
        await self._server.start()
        for name in (OVERALL_HEALTH, *(it.full_name for it in _SERVICES)):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return f"{host}:{port}"

    async def stop(self, grace_seconds: float) -> None:
        """Takes no new calls, lets those under way go on for at most this long, and then ends them."""
        await self._health.enter_graceful_shutdown()
        self._status.stop()
        self._source_status.stop()
        await self._server.stop(grace_seconds)
        await self._ingest.close()


def _credentials(certificate: Callable[[], Certificate]) -> grpc.ServerCredentials:
    """Returns credentials that follow the certificate; gRPC asks for them in threads of its own."""

    def configuration() -> grpc.ServerCertificateConfiguration:
        now = certificate()
        return grpc.ssl_server_certificate_configuration([(now.key_pem, now.chain_pem)])

    return grpc.dynamic_ssl_server_credentials(configuration(), configuration)
