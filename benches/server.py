"""`haversack serve` in a process and a data folder of its own, and organizations in it."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from haversack.admin.v1 import admin_pb2, admin_pb2_grpc, source_pb2, source_pb2_grpc
from haversack.model.v1 import model_pb2
from haversack_server.demo.organization import Organization
from haversack_server.endpoints import Endpoints
from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION, SYNC_AUDIENCE, DevelopmentIssuer
from haversack_server.provisioning.files import newest

from benches.crm import Crm
from benches.measure import STOP_SECONDS_MAX, MeasureError, cpu_seconds, resident_bytes

START_SECONDS_MAX = 30
POLL_SECONDS = 0.05
TOKEN_HOURS = 24.0


class Server:
    """A running server."""

    def __init__(self, data: Path) -> None:
        self.data = data
        command = [str(Path(sys.executable).with_name("haversack")), "serve", "--dev", "--data", str(data)]
        listen = ["--admin", "127.0.0.1:0", "--sync", "127.0.0.1:0", "--metrics", "off"]
        self._process = subprocess.Popen([*command, *listen], stdout=subprocess.DEVNULL)
        self._endpoints = self._started()
        self._issuer = DevelopmentIssuer.open(data)
        self._channel = grpc.insecure_channel(self._endpoints.admin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(STOP_SECONDS_MAX)

    @property
    def endpoint(self) -> str:
        """URL of the sync endpoint."""
        return f"http://{self._endpoints.sync}"

    def cpu_seconds(self) -> float:
        """CPU time of the server so far."""
        return cpu_seconds(self._process.pid)

    def resident_bytes(self) -> int:
        """Memory that the server has resident."""
        return resident_bytes(self._process.pid)

    def organization(self, name: str, crm: Crm, profiles: Sequence[model_pb2.Profile]) -> Organization:
        """Makes an organization, fills it with a CRM and publishes profiles over it."""
        organization = Organization(self._channel, self._admin_token(), name)
        organization.create()
        for entity, table in crm.tables():
            organization.ingest(entity, table)
        for entity in {item.entity for profile in profiles for item in profile.items}:
            organization.enable(entity)
        for profile in profiles:
            organization.publish(profile)
        return organization

    def connected(self, name: str, source: source_pb2.SetSourceRequest, profile: model_pb2.Profile) -> Organization:
        """Makes an organization that follows a source, and publishes a profile over its rows."""
        token = self._admin_token()
        organization = Organization(self._channel, token, name)
        metadata = (("authorization", f"Bearer {token}"),)
        create = admin_pb2.CreateOrganizationRequest(name=name)
        admin_pb2_grpc.OrganizationServiceStub(self._channel).CreateOrganization(create, metadata=metadata)
        source.organization = name
        source_pb2_grpc.SourceServiceStub(self._channel).SetSource(source, metadata=metadata)
        organization.provision()
        for item in profile.items:
            organization.enable(item.entity)
        organization.publish(profile)
        return organization

    def staging_file(self, organization: str) -> Path:
        """The staging database of an organization."""
        return newest(self.data / "organizations" / organization)

    def published_model(self, organization: str) -> model_pb2.Model:
        """The newest published model of an organization."""
        with closing(sqlite3.connect(self.staging_file(organization))) as staging:
            [newest] = staging.execute("SELECT model FROM models ORDER BY revision DESC LIMIT 1").fetchone()
        return model_pb2.Model.FromString(newest)

    def token(self, organization: str, user: str) -> str:
        """A token for a user's devices."""
        return self._token(SYNC_AUDIENCE, user, organization)

    def _admin_token(self) -> str:
        return self._token(ADMIN_AUDIENCE, "administrator", ANY_ORGANIZATION)

    def _token(self, audience: str, user: str, organization: str) -> str:
        return self._issuer.token(user=user, organization=organization, audience=audience, hours=TOKEN_HOURS)

    def _started(self) -> Endpoints:
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            if endpoints := Endpoints.read(self.data):
                return endpoints
            time.sleep(POLL_SECONDS)
        raise MeasureError(f"the server did not start; its status is {self._process.poll()}")
