"""The admin endpoint: who may call it, organizations, health and reflection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from haversack.admin.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    apps_pb2,
    entities_pb2,
    profiles_pb2,
    provisioning_pb2,
    questions_pb2,
    security_pb2,
    solutions_pb2,
)
from haversack.model.v1 import model_pb2
from haversack_server.errors import ConfigurationInvalid, RequestInvalid
from haversack_server.identity import SYNC_AUDIENCE
from haversack_server.provisioning import TERMS
from haversack_server.runtime import Server
from haversack_server.settings import Mode, ServerSettings
from haversack_server.solutions import Header, Solution, write_solution
from server.refusals import refused
from server.running import Admin, LoopThread, RunningServer

pytestmark = pytest.mark.on_every_database

CODE = grpc.StatusCode
EMPTY_SOLUTION = write_solution(Solution(Header("nothing", "1.0"), ()))
LIST = admin_pb2.ListOrganizationsRequest()

EVERY_CALL = [
    ("organizations", "CreateOrganization", admin_pb2.CreateOrganizationRequest(name="acme")),
    ("organizations", "GetOrganization", admin_pb2.GetOrganizationRequest(name="acme")),
    ("organizations", "ListOrganizations", LIST),
    ("organizations", "SetSettings", admin_pb2.SetSettingsRequest(organization="acme")),
    ("organizations", "MoveOrganization", admin_pb2.MoveOrganizationRequest(organization="acme")),
    ("provisioning", "RecordConsent", provisioning_pb2.RecordConsentRequest(organization="acme", terms=TERMS)),
    ("provisioning", "StartProvisioning", provisioning_pb2.StartProvisioningRequest(organization="acme")),
    ("provisioning", "StopProvisioning", provisioning_pb2.StopProvisioningRequest(organization="acme")),
    ("provisioning", "RetryProvisioning", provisioning_pb2.RetryProvisioningRequest(organization="acme")),
    ("provisioning", "StartDeprovisioning", provisioning_pb2.StartDeprovisioningRequest(organization="acme")),
    ("provisioning", "GetProvisioning", provisioning_pb2.GetProvisioningRequest(organization="acme")),
    ("provisioning", "WatchProvisioning", provisioning_pb2.WatchProvisioningRequest(organization="acme")),
    ("entities", "ImportMetadata", entities_pb2.ImportMetadataRequest(organization="acme")),
    ("entities", "ListEntities", entities_pb2.ListEntitiesRequest(organization="acme")),
    ("entities", "GetEntity", entities_pb2.GetEntityRequest(organization="acme")),
    ("entities", "EnableEntity", entities_pb2.EnableEntityRequest(organization="acme")),
    ("entities", "DisableEntity", entities_pb2.DisableEntityRequest(organization="acme")),
    ("entities", "SetOrganizationFilter", entities_pb2.SetOrganizationFilterRequest(organization="acme")),
    ("entities", "PublishCustomizations", entities_pb2.PublishCustomizationsRequest(organization="acme")),
    ("profiles", "SaveProfile", profiles_pb2.SaveProfileRequest(organization="acme")),
    ("profiles", "GetProfile", profiles_pb2.GetProfileRequest(organization="acme")),
    ("profiles", "ListProfiles", profiles_pb2.ListProfilesRequest(organization="acme")),
    ("profiles", "PublishProfile", profiles_pb2.PublishProfileRequest(organization="acme")),
    ("profiles", "ListRevisions", profiles_pb2.ListRevisionsRequest(organization="acme")),
    ("profiles", "CloneProfile", profiles_pb2.CloneProfileRequest(organization="acme")),
    ("profiles", "ValidateProfile", profiles_pb2.ValidateProfileRequest(organization="acme", name="field")),
    ("profiles", "UnpublishProfile", profiles_pb2.UnpublishProfileRequest(organization="acme")),
    ("profiles", "DeleteProfile", profiles_pb2.DeleteProfileRequest(organization="acme")),
    ("profiles", "RollBackProfile", profiles_pb2.RollBackProfileRequest(organization="acme", revision=1)),
    ("profiles", "AddMembers", profiles_pb2.AddMembersRequest(organization="acme")),
    ("profiles", "RemoveMembers", profiles_pb2.RemoveMembersRequest(organization="acme")),
    ("apps", "SaveApp", apps_pb2.SaveAppRequest(organization="acme")),
    ("apps", "GetApp", apps_pb2.GetAppRequest(organization="acme")),
    ("apps", "ListApps", apps_pb2.ListAppsRequest(organization="acme")),
    ("apps", "DeleteApp", apps_pb2.DeleteAppRequest(organization="acme")),
    ("solutions", "ExportSolution", solutions_pb2.ExportSolutionRequest(organization="acme")),
    ("solutions", "ImportSolution", solutions_pb2.ImportSolutionRequest(organization="acme", content=EMPTY_SOLUTION)),
    ("ingests", "Ingest", admin_pb2.IngestRequest(header=admin_pb2.IngestHeader(organization="acme"))),
    ("questions", "Estimate", questions_pb2.EstimateRequest(organization="acme")),
    ("questions", "Diff", questions_pb2.DiffRequest(organization="acme")),
    ("questions", "Explain", questions_pb2.ExplainRequest(organization="acme")),
    ("questions", "Holders", questions_pb2.HoldersRequest(organization="acme")),
    ("questions", "Lint", questions_pb2.LintRequest(organization="acme")),
    (
        "access",
        "GrantRole",
        security_pb2.GrantRoleRequest(organization="acme", issuer="i", subject="s", role="ROLE_OPERATOR"),
    ),
    ("access", "RevokeRole", security_pb2.RevokeRoleRequest(organization="acme")),
    ("access", "ListGrants", security_pb2.ListGrantsRequest(organization="acme")),
    ("access", "GetCaller", security_pb2.GetCallerRequest()),
    ("audit", "QueryAudit", security_pb2.QueryAuditRequest(organization="acme")),
]
SERVICES = [
    *admin_pb2.DESCRIPTOR.services_by_name.values(),
    *provisioning_pb2.DESCRIPTOR.services_by_name.values(),
    *apps_pb2.DESCRIPTOR.services_by_name.values(),
    *entities_pb2.DESCRIPTOR.services_by_name.values(),
    *profiles_pb2.DESCRIPTOR.services_by_name.values(),
    *questions_pb2.DESCRIPTOR.services_by_name.values(),
    *security_pb2.DESCRIPTOR.services_by_name.values(),
    *solutions_pb2.DESCRIPTOR.services_by_name.values(),
]


def tried(admin: Admin, service: str, method: str, request: object) -> None:
    """Makes a call; one that streams answers is asked for the first."""
    answer = admin.call(service, method, iter([request]) if service == "ingests" else request)
    if method.startswith("Watch"):
        next(answer)


def test_every_call_of_the_contract_is_tried() -> None:
    methods = {method.name for service in SERVICES for method in service.methods}
    assert {method for _, method, _ in EVERY_CALL} == methods


@pytest.mark.parametrize(("service", "method", "request_"), EVERY_CALL)
def test_no_call_gets_in_with_a_token_that_is_not_for_it(
    service: str, method: str, request_: object, server: RunningServer
) -> None:
    with refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID"):
        tried(server.admin("not a token"), service, method, request_)
    with refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID"):
        tried(server.admin(server.admin_token(audience=SYNC_AUDIENCE)), service, method, request_)
    other = server.admin(server.admin_token("another"))
    if method == "ListOrganizations":
        assert not other.call(service, method, request_).organizations
    elif method != "GetCaller":
        with refused(CODE.PERMISSION_DENIED, "TOKEN_NOT_ALLOWED"):
            tried(other, service, method, request_)


def test_a_call_without_a_token_and_one_with_an_old_token_say_so(server: RunningServer) -> None:
    stub = admin_pb2_grpc.OrganizationServiceStub(server.channel)
    with refused(CODE.UNAUTHENTICATED, "TOKEN_MISSING", "haversack token --admin"):
        stub.ListOrganizations(LIST)
    old = server.server.issuer.token(user="x", organization="*", audience="haversack-admin", hours=-1)
    with refused(CODE.UNAUTHENTICATED, "TOKEN_EXPIRED"):
        server.admin(old).call("organizations", "ListOrganizations", LIST)


def test_a_token_of_another_servers_key_is_refused(
    server: RunningServer, start_server: Callable[[Path], RunningServer], tmp_path: Path
) -> None:
    foreign = start_server(tmp_path).admin_token()
    with refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID"):
        server.admin(foreign).call("organizations", "ListOrganizations", LIST)


def test_a_token_for_one_organization_opens_that_one(server: RunningServer, admin: Admin) -> None:
    name = admin.organization(standard=False)
    limited = server.admin(server.admin_token(name))
    request = admin_pb2.GetOrganizationRequest(name=name)
    assert limited.call("organizations", "GetOrganization", request).organization.name == name
    assert [it.name for it in limited.call("organizations", "ListOrganizations", LIST).organizations] == [name]


def test_a_new_organization_is_empty_and_keeps_its_settings(admin: Admin) -> None:
    settings = model_pb2.Settings(
        time_zone="Asia/Kathmandu", collation=model_pb2.COLLATION_CI_AS, null_never_matches=True
    )
    request = admin_pb2.CreateOrganizationRequest(name="kathmandu-1", settings=settings)
    made = admin.call("organizations", "CreateOrganization", request).organization
    assert (made.name, made.settings, made.revision, made.epoch) == ("kathmandu-1", settings, 0, b"")
    assert (made.kind, made.region) == (admin_pb2.ORGANIZATION_KIND_PRODUCTION, "")
    assert made.provisioning == provisioning_pb2.PROVISIONING_STATE_NOT_PROVISIONED
    assert not made.rows
    assert not made.records
    shown = admin.call("organizations", "GetOrganization", admin_pb2.GetOrganizationRequest(name="kathmandu-1"))
    assert shown.organization == made
    listed = admin.call("organizations", "ListOrganizations", LIST).organizations
    assert made in listed
    assert [it.name for it in listed] == sorted(it.name for it in listed)
    with refused(CODE.ALREADY_EXISTS, "ORGANIZATION_EXISTS", "kathmandu-1"):
        admin.call("organizations", "CreateOrganization", request)


@pytest.mark.parametrize("name", ["", "Acme", "a_b", "../up", "x" * 64, "a b"])
def test_a_bad_name_is_refused(name: str, admin: Admin) -> None:
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "lower-case letters"):
        admin.call("organizations", "CreateOrganization", admin_pb2.CreateOrganizationRequest(name=name))


def test_bad_settings_are_refused(admin: Admin) -> None:
    nowhere = model_pb2.Settings(time_zone="Middle/Earth")
    unknown = model_pb2.Settings(collation=99)  # type: ignore[arg-type]
    odd_week = model_pb2.Settings(week_start=7)
    odd_year = model_pb2.Settings(fiscal=model_pb2.FiscalCalendar(start_month=13))
    boss = model_pb2.HierarchySecurity(model=9)  # type: ignore[arg-type]
    name = admin.organization(standard=False)
    for settings in (nowhere, unknown, odd_week, odd_year, model_pb2.Settings(hierarchy_security=boss)):
        with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID"):
            request = admin_pb2.CreateOrganizationRequest(name="never-made", settings=settings)
            admin.call("organizations", "CreateOrganization", request)
        with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID"):
            changed = admin_pb2.SetSettingsRequest(organization=name, settings=settings)
            admin.call("organizations", "SetSettings", changed)


def test_settings_can_be_replaced(admin: Admin) -> None:
    name = admin.organization(standard=False)
    security = model_pb2.HierarchySecurity(model=model_pb2.HIERARCHY_MODEL_POSITION, depth=2)
    fiscal = model_pb2.FiscalCalendar(start_month=4, start_day=6, period=model_pb2.FISCAL_PERIOD_FOUR_WEEK)
    settings = model_pb2.Settings(week_start=1, fiscal=fiscal, hierarchy_security=security)
    request = admin_pb2.SetSettingsRequest(organization=name, settings=settings)
    assert admin.call("organizations", "SetSettings", request).organization.settings == settings
    shown = admin.call("organizations", "GetOrganization", admin_pb2.GetOrganizationRequest(name=name))
    assert shown.organization.settings == settings


def test_an_unknown_organization_is_not_found(admin: Admin) -> None:
    for service, method, request in EVERY_CALL:
        if method in ("CreateOrganization", "ListOrganizations", "SaveProfile", "Ingest", "RevokeRole", "GetCaller"):
            continue
        if method == "QueryAudit":  # an organization that is gone has still left its entries
            continue
        copy = type(request)()
        copy.CopyFrom(request)
        setattr(copy, "name" if method == "GetOrganization" else "organization", "nobody")
        with refused(CODE.NOT_FOUND, "ORGANIZATION_UNKNOWN", "nobody"):
            tried(admin, service, method, copy)


def test_everything_is_there_after_a_restart(tmp_path: Path, loop: LoopThread) -> None:
    settings = ServerSettings(
        mode=Mode.DEVELOPMENT, data=tmp_path, admin_listen="127.0.0.1:0", sync_listen="127.0.0.1:0"
    )
    shown: list[admin_pb2.Organization] = []
    for first in (True, False):
        server = Server(settings)
        loop.run(server.__aenter__())
        with grpc.insecure_channel(server.admin_address) as channel:
            admin = RunningServer(settings, server, channel).admin()
            name = admin.organization() if first else shown[0].name
            request = admin_pb2.GetOrganizationRequest(name=name)
            shown.append(admin.call("organizations", "GetOrganization", request).organization)
        loop.run(server.__aexit__(None, None, None))
    assert shown[0] == shown[1]


def test_health_and_reflection_are_open_to_everybody(server: RunningServer) -> None:
    health: Any = health_pb2_grpc.HealthStub(server.channel)
    services = [it.full_name for it in SERVICES]
    for name in ("", *services):
        assert (
            health.Check(health_pb2.HealthCheckRequest(service=name)).status == health_pb2.HealthCheckResponse.SERVING
        )
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    [listing] = reflection.ServerReflectionInfo(iter([ask]))
    assert {it.name for it in listing.list_services_response.service} >= {*services, "grpc.health.v1.Health"}


def test_two_servers_cannot_share_a_port(server: RunningServer, tmp_path: Path, loop: LoopThread) -> None:
    settings = ServerSettings(
        mode=Mode.DEVELOPMENT, data=tmp_path, admin_listen=server.settings.admin_listen, sync_listen="127.0.0.1:0"
    )
    with pytest.raises(RequestInvalid, match="cannot listen on"):
        loop.run(Server(settings).__aenter__())


def test_without_tls_the_endpoints_stay_on_this_machine(tmp_path: Path, loop: LoopThread) -> None:
    for admin, sync in (("0.0.0.0:0", "127.0.0.1:0"), ("127.0.0.1:0", "0.0.0.0:0")):
        with pytest.raises(ConfigurationInvalid, match="cannot listen on"):
            loop.run(
                Server(
                    ServerSettings(mode=Mode.DEVELOPMENT, data=tmp_path, admin_listen=admin, sync_listen=sync)
                ).__aenter__()
            )
