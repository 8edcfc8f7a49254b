"""OrganizationService."""

from __future__ import annotations

import re
import time
import zoneinfo
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import grpc
from haversack.admin.v1 import admin_pb2, admin_pb2_grpc
from haversack.model.v1 import model_pb2

from haversack_server._core import Staging, check_model
from haversack_server.admin._caller import caller, current
from haversack_server.breaches import sentences
from haversack_server.catalog import ORGANIZATIONS_BELL, Catalog, entities, organizations, provisioning, publishes
from haversack_server.core import in_thread
from haversack_server.errors import RequestInvalid
from haversack_server.provisioning import Requests
from haversack_server.stagings import Stagings

_NAME = re.compile(r"[a-z0-9-]{1,63}")
_REGION = re.compile(r"[a-z0-9-]{0,63}")
_Context = grpc.aio.ServicerContext[Any, Any]


class OrganizationService(admin_pb2_grpc.OrganizationServiceServicer):
    """Makes, shows and moves organizations."""

    def __init__(self, catalog: Catalog, stagings: Stagings, requests: Requests) -> None:
        self._catalog = catalog
        self._stagings = stagings
        self._requests = requests

    async def CreateOrganization(
        self, request: admin_pb2.CreateOrganizationRequest, context: _Context
    ) -> admin_pb2.CreateOrganizationResponse:
        """Makes an organization; its record database is there when the catalog says so."""
        if not _NAME.fullmatch(request.name):
            raise RequestInvalid(
                f"{request.name!r} is no name for an organization; use 1 to 63 lower-case letters, digits and hyphens"
            )
        await _check_settings(request.settings)
        if not _REGION.fullmatch(request.region):
            raise RequestInvalid(_bad_region(request.region))
        path = str(PurePosixPath("organizations") / request.name / "native.sqlite3")
        kind = _kind_name(request.kind)
        new = organizations.Organization(request.name, request.settings, path, 0, kind, request.region)
        async with self._catalog.begin() as connection:
            at_us = time.time_ns() // 1_000
            await organizations.add(connection, new, at_us=at_us)
            await provisioning.add(connection, new.name, who=caller(), at_us=at_us)
            await self._stagings.create_record(new.name, new.record_path)
        await self._stagings.withdraw(new.name)
        await self._catalog.notify(ORGANIZATIONS_BELL)
        return admin_pb2.CreateOrganizationResponse(organization=await self._shown(new.name))

    async def GetOrganization(
        self, request: admin_pb2.GetOrganizationRequest, context: _Context
    ) -> admin_pb2.GetOrganizationResponse:
        """Shows one organization."""
        return admin_pb2.GetOrganizationResponse(organization=await self._shown(request.name))

    async def ListOrganizations(
        self, request: admin_pb2.ListOrganizationsRequest, context: _Context
    ) -> admin_pb2.ListOrganizationsResponse:
        """Shows every organization that the caller has a role in."""
        async with self._catalog.snapshot() as connection:
            names = [it.name for it in await organizations.all_by_name(connection)]
        seen = [await self._shown(name) for name in names if current().may_see(name)]
        return admin_pb2.ListOrganizationsResponse(organizations=seen)

    async def SetSettings(
        self, request: admin_pb2.SetSettingsRequest, context: _Context
    ) -> admin_pb2.SetSettingsResponse:
        """Replaces an organization's settings; the next publish makes them count."""
        await _check_settings(request.settings)
        async with self._catalog.exclusive(request.organization), self._catalog.begin() as connection:
            await organizations.find(connection, request.organization, for_update=True)
            await organizations.set_settings(connection, request.organization, request.settings)
        return admin_pb2.SetSettingsResponse(organization=await self._shown(request.organization))

    async def MoveOrganization(
        self, request: admin_pb2.MoveOrganizationRequest, context: _Context
    ) -> admin_pb2.MoveOrganizationResponse:
        """Moves an organization to another region."""
        if not _REGION.fullmatch(request.region):
            raise RequestInvalid(_bad_region(request.region))
        await self._requests.move(request.organization, request.region)
        return admin_pb2.MoveOrganizationResponse(organization=await self._shown(request.organization))

    async def _shown(self, name: str) -> admin_pb2.Organization:
        async with self._catalog.snapshot() as connection:
            found = await organizations.find(connection, name)
            stored = await entities.all_by_name(connection, name)
            revision = await publishes.latest_revision(connection, name)
            standing = await provisioning.find(connection, name)
        names = {it.metadata.number: it.name for it in stored.values()}
        shown = admin_pb2.Organization(
            name=name,
            settings=found.settings,
            revision=revision,
            kind=f"ORGANIZATION_KIND_{found.kind}",
            region=found.region,
            provisioning=f"PROVISIONING_STATE_{standing.state}",
            records=await _held(await self._stagings.record(name), names),
        )
        if standing.staging_path is not None:
            staging = await self._stagings.serve(name, standing.staging_path)
            shown.lsn = await in_thread(staging.head)
            shown.epoch = staging.epoch
            shown.rows.extend(await _held(staging, names))
        return shown


async def _held(rows: Staging, names: Mapping[int, str]) -> list[admin_pb2.EntityRows]:
    """Returns what a database of rows has of each entity, by name."""
    statistics = await in_thread(rows.statistics)
    held = sorted((names.get(number, f"number {number}"), count, size) for number, count, size in statistics)
    return [admin_pb2.EntityRows(entity=entity, rows=count, bytes=size) for entity, count, size in held]


def _kind_name(kind: int) -> str:
    """Returns the kind that the catalog knows; raises RequestInvalid."""
    if kind not in admin_pb2.OrganizationKind.values():
        raise RequestInvalid(f"there is no kind of organization {kind}; use PRODUCTION, TRIAL, PREVIEW or SANDBOX")
    name = admin_pb2.OrganizationKind.Name(admin_pb2.OrganizationKind.ValueType(kind))
    return "PRODUCTION" if kind == admin_pb2.ORGANIZATION_KIND_UNSPECIFIED else name.removeprefix("ORGANIZATION_KIND_")


def _bad_region(region: str) -> str:
    return f"{region!r} is no name for a region; use at most 63 lower-case letters, digits and hyphens"


async def _check_settings(settings: model_pb2.Settings) -> None:
    """Refuses settings that no engine can follow, with every reason."""
    if settings.time_zone and settings.time_zone not in zoneinfo.available_timezones():
        raise RequestInvalid(f"there is no time zone {settings.time_zone!r}; use an IANA name, as Europe/Vienna")
    if settings.collation not in model_pb2.Collation.values():
        raise RequestInvalid(f"there is no collation {settings.collation}; use CI_AI or CI_AS")
    if settings.hierarchy_security.model not in model_pb2.HierarchyModel.values():
        number = settings.hierarchy_security.model
        raise RequestInvalid(f"there is no hierarchy model {number}; use MANAGER or POSITION")
    if settings.conflict_policy not in model_pb2.ConflictPolicy.values():
        policy = settings.conflict_policy
        raise RequestInvalid(f"there is no conflict policy {policy}; use CLIENT_WINS, SERVER_WINS or MERGE")
    if settings.wipe_policy not in model_pb2.WipePolicy.values():
        raise RequestInvalid(f"there is no wipe policy {settings.wipe_policy}; use OFFER_OUTBOX or DISCARD_OUTBOX")
    breaches = await in_thread(check_model, model_pb2.Model(settings=settings).SerializeToString(deterministic=True))
    if breaches:
        raise RequestInvalid(sentences(breaches))
