"""Who may call what: the policy covers every call of the contract, and every role gets what it says."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import symbol_database
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status
from haversack.admin.v1 import (
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
from haversack.sync.v1 import report_pb2, sync_pb2, upload_pb2
from haversack_server.errors import LimitReached, RoleInsufficient, TokenNotAllowed
from haversack_server.security import (
    RULES,
    Caller,
    HeldGrant,
    Limiter,
    Place,
    Role,
    Rule,
    admit,
    organization_of,
    uncovered,
)
from haversack_server.security._policy import table
from haversack_server.settings import LimitSettings, Mode, ServerSettings
from hypothesis import given
from hypothesis import strategies as st
from server.refusals import reason_of, refused
from server.running import Admin, LoopThread, RunningServer, running

CODE = grpc.StatusCode
CONTRACTS = (
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
    report_pb2,
    sync_pb2,
    upload_pb2,
)
SERVICES = [service for it in CONTRACTS for service in it.DESCRIPTOR.services_by_name.values()]
METHODS = {method.full_name: method for service in SERVICES for method in service.methods}
ADMIN_RPCS = sorted(rpc for rpc, rule in RULES.items() if rule.place is not Place.DEVICE)
LIST = admin_pb2.ListOrganizationsRequest()


def request_of(rpc: str, organization: str) -> Any:
    """A request of a method that names an organization where its rule looks for it."""
    request: Any = symbol_database.Default().GetSymbol(METHODS[rpc].input_type.full_name)()
    match RULES[rpc].place:
        case Place.ORGANIZATION:
            request.organization = organization
        case Place.NAME:
            request.name = organization
        case Place.HEADER:
            request.header.organization = organization
    return request


def called(server: RunningServer, token: str, rpc: str, request: Any, **metadata: str) -> Any:
    """Calls a method by its full name."""
    service, _, method = rpc.rpartition(".")
    codec = {
        "request_serializer": lambda it: it.SerializeToString(),
        "response_deserializer": symbol_database.Default().GetSymbol(METHODS[rpc].output_type.full_name).FromString,
    }
    sent = (("authorization", f"Bearer {token}"), *metadata.items())
    if METHODS[rpc].client_streaming:
        return server.channel.stream_unary(f"/{service}/{method}", **codec)(iter([request]), metadata=sent, timeout=30)
    return server.channel.unary_unary(f"/{service}/{method}", **codec)(request, metadata=sent, timeout=30)


def outcome(call: Callable[[], Any]) -> str:
    """How a call ends: OK or its reason."""
    try:
        call()
    except grpc.RpcError as error:
        return reason_of(error)
    return "OK"


def test_the_policy_covers_every_call_of_the_contract_and_no_other() -> None:
    assert uncovered(SERVICES) == []
    assert set(RULES) == set(METHODS)


def test_the_documents_have_the_policy() -> None:
    told = (Path(__file__).resolve().parents[2] / "docs/security.md").read_text()
    assert table() in told, "write what `python -m haversack_server.security` prints into docs/security.md"


def test_every_rule_finds_its_organization_in_the_request() -> None:
    for rpc in ADMIN_RPCS:
        assert request_of(rpc, "acme").ByteSize() >= 0
        names = {"NAME": "name", "HEADER": "header", "ORGANIZATION": "organization"}
        field = names.get(RULES[rpc].place.name)
        assert field is None or field in METHODS[rpc].input_type.fields_by_name, rpc
        assert field is not None or "organization" not in METHODS[rpc].input_type.fields_by_name, rpc


@pytest.mark.parametrize("role", [*Role, None])
def test_every_role_may_do_what_the_policy_says_and_nothing_else(role: Role | None, server: RunningServer) -> None:
    """The organization does not exist, so what is let in changes nothing."""
    organization = f"none-{uuid.uuid4().hex[:8]}"
    token = server.admin_token(organization if role else "another", role=role.word if role else "")
    for rpc in ADMIN_RPCS:
        rule = RULES[rpc]
        ended = outcome(lambda rpc=rpc: called(server, token, rpc, request_of(rpc, organization)))  # type: ignore[misc]
        if rule.place is Place.NOWHERE or (rule.place is Place.WITHIN):
            assert ended == "OK", rpc
        elif rule.place is Place.SERVER or role is None:
            assert ended == "TOKEN_NOT_ALLOWED", rpc
        elif role < rule.role or rule.everywhere:
            assert ended == "ROLE_INSUFFICIENT", rpc
        else:
            assert ended not in ("TOKEN_NOT_ALLOWED", "ROLE_INSUFFICIENT", "INTERNAL"), rpc


@given(
    st.lists(st.tuples(st.sampled_from(Role), st.sampled_from(["", "a", "b"])), max_size=4),
    st.sampled_from(Role),
    st.sampled_from(["", "a", "b"]),
)
def test_the_strongest_role_that_holds_there_decides(
    held: list[tuple[Role, str]], needed: Role, organization: str
) -> None:
    caller = Caller("issuer", "subject", tuple(HeldGrant(*it, "tests") for it in held), 0)
    strongest = max((role for role, place in held if place in ("", organization)), default=None)
    request = entities_pb2.ListEntitiesRequest(organization=organization)
    rule = Rule(role=needed)
    if strongest is None:
        with pytest.raises(TokenNotAllowed):
            admit(caller, rule, request)
    elif strongest < needed:
        with pytest.raises(RoleInsufficient, match=f"needs the role {needed.word}"):
            admit(caller, rule, request)
    else:
        admit(caller, rule, request)


@given(st.lists(st.tuples(st.sampled_from(Role), st.sampled_from(["", "a", "b"])), max_size=4), st.sampled_from(Role))
def test_what_reaches_beyond_an_organization_needs_the_role_everywhere(
    held: list[tuple[Role, str]], needed: Role
) -> None:
    caller = Caller("issuer", "subject", tuple(HeldGrant(*it, "tests") for it in held), 0)
    rule, request = Rule(role=needed, everywhere=True), entities_pb2.ListEntitiesRequest(organization="a")
    assert organization_of(rule, request) == "a"
    if any(place == "" and role >= needed for role, place in held):
        admit(caller, rule, request)
    else:
        known = any(place in ("", "a") for _, place in held)
        with pytest.raises(RoleInsufficient if known else TokenNotAllowed):
            admit(caller, rule, request)


def test_a_refusal_says_which_role_is_needed(server: RunningServer, admin: Admin) -> None:
    name = admin.organization(standard=False)
    reader = server.admin(server.admin_token(name, role="reader"))
    with refused(CODE.PERMISSION_DENIED, "ROLE_INSUFFICIENT", "administrator", name, "tester is reader"):
        reader.call("organizations", "SetSettings", admin_pb2.SetSettingsRequest(organization=name))
    stranger = server.admin(server.admin_token("another"))
    with refused(CODE.PERMISSION_DENIED, "TOKEN_NOT_ALLOWED", name, "haversack admin grant"):
        stranger.call("organizations", "GetOrganization", admin_pb2.GetOrganizationRequest(name=name))


def test_a_role_that_does_not_exist_is_refused(server: RunningServer) -> None:
    with refused(CODE.UNAUTHENTICATED, "TOKEN_INVALID", "emperor"):
        server.admin(server.admin_token(role="emperor")).call("organizations", "ListOrganizations", LIST)


def test_requests_have_a_size(server: RunningServer, admin: Admin) -> None:
    name = admin.organization(standard=False)
    request = entities_pb2.GetEntityRequest(organization=name, entity="x" * (1024 * 1024))
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "1,048,576"):
        admin.call("entities", "GetEntity", request)


def test_grants_are_listed_and_checked(admin: Admin) -> None:
    name = admin.organization(standard=False)
    subject = uuid.uuid4().hex
    request = security_pb2.GrantRoleRequest(
        organization=name, issuer="https://login.example.com/", subject=subject, role="ROLE_READER"
    )
    given_ = admin.call("access", "GrantRole", request).grant
    assert (given_.subject, given_.granted_by, given_.role) == (subject, "tester", security_pb2.ROLE_READER)
    request.role = security_pb2.ROLE_OPERATOR
    better = admin.call("access", "GrantRole", request).grant
    listed = admin.call("access", "ListGrants", security_pb2.ListGrantsRequest(organization=name)).grants
    assert [it for it in listed if it.subject == subject] == [better]
    revoke = security_pb2.RevokeRoleRequest(organization=name, issuer=request.issuer, subject=subject)
    assert [admin.call("access", "RevokeRole", revoke).revoked for _ in range(2)] == [True, False]
    for field, value in (("issuer", ""), ("subject", "x" * 513), ("role", 0), ("role", 9)):
        bad = security_pb2.GrantRoleRequest()
        bad.CopyFrom(request)
        setattr(bad, field, value)
        with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", field):
            admin.call("access", "GrantRole", bad)
    request.organization = "nobody"
    with refused(CODE.NOT_FOUND, "ORGANIZATION_UNKNOWN"):
        admin.call("access", "GrantRole", request)


def test_callers_can_ask_who_they_are(server: RunningServer) -> None:
    answer = server.admin(server.admin_token("acme", role="operator")).call(
        "access", "GetCaller", security_pb2.GetCallerRequest()
    )
    assert (answer.issuer, answer.subject) == ("haversack-development", "tester")
    assert [(it.organization, it.role, it.granted_by) for it in answer.grants] == [
        ("acme", security_pb2.ROLE_OPERATOR, "token")
    ]


class Clock:
    """A clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(0, 3), max_size=40))
def test_a_bucket_never_lets_more_through_than_it_says(pauses: list[float]) -> None:
    clock, rate, burst = Clock(), 2.0, 5
    limiter = Limiter(requests_per_second=rate, burst=burst, calls_at_once=9, clock=clock)
    let_in = 0
    for pause in pauses:
        clock.now += pause
        try:
            with limiter.call("issuer", "caller"):
                let_in += 1
        except LimitReached as error:
            clock.now += (error.retry_seconds or 0) + 1e-6
            with limiter.call("issuer", "caller"):
                let_in += 1
        assert let_in <= burst + (clock.now - Clock.now) * rate + 1e-6


def test_callers_do_not_use_up_each_other_s_calls() -> None:
    limiter = Limiter(requests_per_second=1, burst=2, calls_at_once=1, clock=Clock())
    with limiter.call("issuer", "a"), limiter.call("issuer", "b"):
        with pytest.raises(LimitReached, match="1 calls under way"), limiter.call("issuer", "a"):
            pass
    with pytest.raises(LimitReached, match="more than 1 times a second"), limiter.call("issuer", "a"):
        pass
    with limiter.call("issuer", "b"):
        pass


def test_a_caller_over_the_limit_is_told_when_to_come_back(loop: LoopThread, tmp_path: Path) -> None:
    settings = ServerSettings(
        mode=Mode.DEVELOPMENT,
        data=tmp_path,
        admin_listen="127.0.0.1:0",
        sync_listen="127.0.0.1:0",
        limits=LimitSettings(requests_per_second=0.001, burst=1),
    )
    rpc = "haversack.admin.v1.OrganizationService.ListOrganizations"
    with running(loop, settings) as server:
        called(server, server.admin_token(), rpc, LIST)
        called(server, server.admin_token(user="another"), rpc, LIST)
        with pytest.raises(grpc.RpcError) as refusal:
            called(server, server.admin_token(), rpc, LIST)
    status = rpc_status.from_call(refusal.value)  # type: ignore[arg-type]
    assert status is not None
    retry = error_details_pb2.RetryInfo()
    assert [it.Unpack(retry) for it in status.details] == [False, True]
    assert 0 < retry.retry_delay.ToSeconds() <= 1_000
    assert reason_of(refusal.value) == "LIMIT_REACHED"
