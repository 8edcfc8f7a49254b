"""The demo's organization, made and changed through the admin endpoint as any administrator would."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import yaml
from google.protobuf import json_format
from haversack.admin.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    entities_pb2,
    entities_pb2_grpc,
    profiles_pb2,
    profiles_pb2_grpc,
    provisioning_pb2,
    provisioning_pb2_grpc,
)
from haversack.model.v1 import model_pb2

from haversack_server.metadata import standard_documents

Action = admin_pb2.IngestAction
Form = admin_pb2.IngestFormat

CHUNK_BYTES = 512 * 1024


class Organization:
    """One organization, by name, on an admin endpoint."""

    def __init__(self, channel: grpc.Channel, token: str, name: str) -> None:
        self.name = name
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._organizations = admin_pb2_grpc.OrganizationServiceStub(channel)
        self._entities = entities_pb2_grpc.EntityServiceStub(channel)
        self._ingest = admin_pb2_grpc.IngestServiceStub(channel)
        self._profiles = profiles_pb2_grpc.ProfileServiceStub(channel)
        self._provisioning = provisioning_pb2_grpc.ProvisioningServiceStub(channel)

    def create(self, *, provisioned: bool = True) -> None:
        """Makes it, with the standard metadata, and provisions it."""
        create = admin_pb2.CreateOrganizationRequest(name=self.name)
        self._organizations.CreateOrganization(create, metadata=self._metadata)
        self.import_metadata(standard_documents())
        if provisioned:
            self.provision()

    def get(self) -> admin_pb2.Organization:
        """Returns where it stands."""
        request = admin_pb2.GetOrganizationRequest(name=self.name)
        answer: admin_pb2.GetOrganizationResponse = self._organizations.GetOrganization(
            request, metadata=self._metadata
        )
        return answer.organization

    def provision(self) -> None:
        """Consents to the terms in force, and provisions it; raises ValueError with the cause if that fails."""
        self.start_provisioning()
        last = self.settled()
        if last.state != provisioning_pb2.PROVISIONING_STATE_PROVISIONED:
            raise ValueError(last.operation.failure.message)

    def start_provisioning(self) -> None:
        """Consents to the terms in force, and begins to provision it."""
        asked = provisioning_pb2.GetProvisioningRequest(organization=self.name)
        terms = self._provisioning.GetProvisioning(asked, metadata=self._metadata).provisioning.terms
        consent = provisioning_pb2.RecordConsentRequest(organization=self.name, terms=terms)
        self._provisioning.RecordConsent(consent, metadata=self._metadata)
        start = provisioning_pb2.StartProvisioningRequest(organization=self.name)
        self._provisioning.StartProvisioning(start, metadata=self._metadata)

    def stop_provisioning(self) -> None:
        """Stops that."""
        request = provisioning_pb2.StopProvisioningRequest(organization=self.name)
        self._provisioning.StopProvisioning(request, metadata=self._metadata)

    def start_deprovisioning(self) -> None:
        """Begins to de-provision it."""
        request = provisioning_pb2.StartDeprovisioningRequest(organization=self.name)
        self._provisioning.StartDeprovisioning(request, metadata=self._metadata)

    def watch(self) -> Iterator[provisioning_pb2.Provisioning]:
        """Yields where it stands, again and again, until no operation on it is under way."""
        request = provisioning_pb2.WatchProvisioningRequest(organization=self.name, until_settled=True)
        for answer in self._provisioning.WatchProvisioning(request, metadata=self._metadata):
            yield answer.provisioning

    def settled(self) -> provisioning_pb2.Provisioning:
        """Waits until no operation on it is under way; returns where it stands then."""
        *_, last = self.watch()
        return last

    def set_settings(self, settings: model_pb2.Settings) -> None:
        """Replaces the rules for all of its data; the next publish makes them count."""
        request = admin_pb2.SetSettingsRequest(organization=self.name, settings=settings)
        self._organizations.SetSettings(request, metadata=self._metadata)

    def enable(self, entity: str, organization_filter: str = "") -> None:
        """Enables an entity for offline use."""
        request = entities_pb2.EnableEntityRequest(
            organization=self.name, entity=entity, organization_filter=organization_filter
        )
        self._entities.EnableEntity(request, metadata=self._metadata)

    def import_metadata(self, documents: Sequence[tuple[str, bytes]]) -> entities_pb2.ImportMetadataResponse:
        """Merges metadata documents, each with its name."""
        parts = [entities_pb2.MetadataDocument(name=name, content=content) for name, content in documents]
        request = entities_pb2.ImportMetadataRequest(organization=self.name, documents=parts)
        response: entities_pb2.ImportMetadataResponse = self._entities.ImportMetadata(request, metadata=self._metadata)
        return response

    def ingest(
        self,
        entity: str,
        table: bytes,
        action: Action = admin_pb2.INGEST_ACTION_UPSERT,
        form: Form = admin_pb2.INGEST_FORMAT_CSV,
    ) -> admin_pb2.IngestResponse:
        """Sends a table; raises ValueError with the first refusal if a row was refused."""
        parts = self._parts(table, entity=entity, action=action, format=form, file_name=entity)
        report: admin_pb2.IngestResponse = self._ingest.Ingest(parts, metadata=self._metadata)
        if report.rejected:
            first = report.errors[0]
            raise ValueError(f"{first.file_name}, line {first.line}, {first.attribute}: {first.message}")
        return report

    def patch(self, entity: str, table: bytes) -> admin_pb2.IngestResponse:
        """Changes the named attributes of existing rows."""
        return self.ingest(entity, table, admin_pb2.INGEST_ACTION_PATCH)

    def publish(self, draft: model_pb2.Profile) -> int:
        """Saves a draft and publishes it; returns the organization's revision."""
        save = profiles_pb2.SaveProfileRequest(organization=self.name, profile=draft)
        self._profiles.SaveProfile(save, metadata=self._metadata)
        request = profiles_pb2.PublishProfileRequest(organization=self.name, name=draft.name)
        published: profiles_pb2.PublishProfileResponse = self._profiles.PublishProfile(request, metadata=self._metadata)
        return published.revision

    def _parts(self, table: bytes, **header: Any) -> Iterator[admin_pb2.IngestRequest]:
        yield admin_pb2.IngestRequest(header=admin_pb2.IngestHeader(organization=self.name, **header))
        for start in range(0, len(table), CHUNK_BYTES):
            yield admin_pb2.IngestRequest(data=table[start : start + CHUNK_BYTES])


def read_profile(file: Path, users: Sequence[str]) -> model_pb2.Profile:
    """Reads a profile file, for these users."""
    content = yaml.safe_load(file.read_text())
    return json_format.ParseDict({**content, "users": list(users)}, model_pb2.Profile())
