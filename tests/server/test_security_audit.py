"""The audit log: every call that changes something leaves an entry, whatever becomes of it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from haversack.admin.v1 import admin_pb2, entities_pb2, profiles_pb2, security_pb2
from haversack.model.v1 import model_pb2
from haversack_server.audit import TEXT_BYTES_MAX, AuditLog, Call, described
from haversack_server.catalog import Catalog, audits
from haversack_server.security import RULES
from server.running import Admin, LoopThread, RunningServer
from server.test_security_policy import called, outcome, request_of

CHANGES = sorted(rpc for rpc, rule in RULES.items() if rule.changes)
LOOKS = sorted(rpc for rpc, rule in RULES.items() if not rule.changes and rpc.startswith("haversack.admin."))
PREFIX = "haversack.admin.v1."


def entries(admin: Admin, **conditions: Any) -> list[security_pb2.AuditEntry]:
    """Entries, newest first."""
    return list(admin.call("audit", "QueryAudit", security_pb2.QueryAuditRequest(**conditions)).entries)


def fresh() -> str:
    return f"audited-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("rpc", CHANGES)
def test_every_call_that_changes_something_is_recorded(rpc: str, server: RunningServer, admin: Admin) -> None:
    """Generated from the policy: one that is refused for its role, one that the service judges."""
    organization, who = fresh(), uuid.uuid4().hex
    if RULES[rpc].place.name != "SERVER":
        admin.call("organizations", "CreateOrganization", admin_pb2.CreateOrganizationRequest(name=organization))
    request = request_of(rpc, organization)
    with_role = outcome(lambda: called(server, server.admin_token(user=who), rpc, request, **{"x-request-id": who}))
    reader = server.admin_token(user=who, role="reader")
    assert outcome(lambda: called(server, reader, rpc, request)) == "ROLE_INSUFFICIENT"
    refused, judged = entries(admin, subject=who)
    assert [(it.rpc, it.issuer, it.subject) for it in (refused, judged)] == [(rpc, "haversack-development", who)] * 2
    assert (refused.outcome, judged.outcome) == ("ROLE_INSUFFICIENT", with_role)
    assert "needs the role" in refused.message
    assert (judged.request_id, len(refused.request_id)) == (who, 32)
    named = "" if RULES[rpc].place.name == "SERVER" else organization
    assert judged.organization == named
    assert refused.at_us >= judged.at_us > 0


def test_looking_leaves_nothing(server: RunningServer, admin: Admin) -> None:
    who = uuid.uuid4().hex
    for rpc in LOOKS:
        outcome(lambda rpc=rpc: called(server, server.admin_token(user=who), rpc, request_of(rpc, "nobody")))  # type: ignore[misc]
    assert entries(admin, subject=who) == []


def test_nobody_without_a_token_writes_into_the_log(server: RunningServer, admin: Admin) -> None:
    before = entries(admin, page_size=1)
    rpc = f"{PREFIX}OrganizationService.SetSettings"
    assert outcome(lambda: called(server, "nonsense", rpc, request_of(rpc, "acme"))) == "TOKEN_INVALID"
    assert entries(admin, page_size=1) == before


def test_entries_say_what_was_before_and_after(admin: Admin) -> None:
    name = admin.organization()
    admin.enable(name, "account")
    settings = model_pb2.Settings(time_zone="Europe/Vienna")
    admin.call("organizations", "SetSettings", admin_pb2.SetSettingsRequest(organization=name, settings=settings))
    profile = model_pb2.Profile(name="field", users=["4103c891-37e8-4dfc-aeac-b55e2bc1be1c"])
    profile.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL)
    for priority in (1, 2):
        profile.priority = priority
        admin.call("profiles", "SaveProfile", profiles_pb2.SaveProfileRequest(organization=name, profile=profile))
    admin.call("profiles", "PublishProfile", profiles_pb2.PublishProfileRequest(organization=name, name="field"))
    published, second, first, set_, enabled, started, consented, imported = entries(admin, organization=name)
    assert [it.target for it in (published, second, first, set_, enabled, started, consented, imported)] == [
        "profile field",
        "profile field",
        "profile field",
        "settings",
        "entity account",
        "provisioning",
        "consent",
        "metadata",
    ]
    assert json.loads(published.after_json)["revision"] == 1
    assert published.before_json == first.before_json == ""
    assert json.loads(second.before_json) == json.loads(first.after_json)
    assert (json.loads(second.before_json)["priority"], json.loads(second.after_json)["priority"]) == (1, 2)
    assert (json.loads(set_.before_json), json.loads(set_.after_json)) == ({}, {"time_zone": "Europe/Vienna"})
    assert json.loads(enabled.after_json) == {"offline": True, "organization_filter": ""}
    assert json.loads(enabled.before_json)["organization_filter"].startswith("<"), "the default"
    states = [json.loads(it)["state"] for it in (started.before_json, started.after_json)]
    assert states == ["NOT_PROVISIONED", "PROVISIONING"]
    assert "account" in json.loads(imported.after_json)
    assert all(it.outcome == "OK" for it in (published, second, first, set_, enabled, imported))


def test_grants_are_recorded_where_they_hold(admin: Admin) -> None:
    name, subject = admin.organization(standard=False), uuid.uuid4().hex
    request = security_pb2.GrantRoleRequest(organization=name, issuer="i", subject=subject, role="ROLE_READER")
    admin.call("access", "GrantRole", request)
    admin.call("access", "RevokeRole", security_pb2.RevokeRoleRequest(organization=name, issuer="i", subject=subject))
    revoked, granted = entries(admin, organization=name)[:2]
    assert (granted.before_json, granted.after_json) == ("", '{"role":1}')
    assert (revoked.before_json, revoked.after_json) == ('{"role":1}', "")
    assert granted.target == revoked.target == f"{subject} of i"


def test_rows_and_files_stay_out_of_it(admin: Admin) -> None:
    name = admin.organization()
    admin.ingest(name, "account", b"accountid,name\n4103c891-37e8-4dfc-aeac-b55e2bc1be1c,Secret Customer\n")
    ingested, _started, _consented, imported = entries(admin, organization=name)
    assert json.loads(ingested.request_json)["header"]["entity"] == "account"
    assert json.loads(ingested.after_json)["inserted"] == "1" or json.loads(ingested.after_json)["inserted"] == 1
    for it in (ingested, imported):
        assert "Secret" not in str(it)
    assert "bytes" in json.loads(imported.request_json)["documents"][0]["content"]


def test_long_texts_are_cut_and_say_so(admin: Admin) -> None:
    name = admin.organization()
    admin.enable(name, "account")
    users = [str(uuid.uuid4()) for _ in range(1_000)]
    profile = model_pb2.Profile(name="large", users=users)
    profile.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL)
    admin.call("profiles", "SaveProfile", profiles_pb2.SaveProfileRequest(organization=name, profile=profile))
    [entry] = entries(admin, organization=name, rpc="SaveProfile")
    assert entry.truncated
    assert len(entry.request_json.encode()) == len(entry.after_json.encode()) == TEXT_BYTES_MAX


def test_pages_follow_each_other_and_conditions_hold_at_once(server: RunningServer, admin: Admin) -> None:
    name, who = admin.organization(standard=False), uuid.uuid4().hex
    mine = server.admin(server.admin_token(user=who))
    for zone in ("Europe/Vienna", "Europe/Nowhere", "Europe/Rome"):
        settings = model_pb2.Settings(time_zone=zone)
        request = admin_pb2.SetSettingsRequest(organization=name, settings=settings)
        outcome(lambda request=request: mine.call("organizations", "SetSettings", request))  # type: ignore[misc]
    every = entries(admin, subject=who)
    assert [it.outcome for it in every] == ["OK", "REQUEST_INVALID", "OK"]
    paged: list[security_pb2.AuditEntry] = []
    query = security_pb2.QueryAuditRequest(subject=who, page_size=1)
    while len(paged) < 9:
        answer = admin.call("audit", "QueryAudit", query)
        paged += answer.entries
        query.page_token = answer.next_page_token
        if not query.page_token:
            break
    assert paged == every
    assert entries(admin, subject=who, outcome="REQUEST_INVALID", rpc="SetSettings") == every[1:2]
    assert entries(admin, subject=who, rpc="tSettings") == []
    assert entries(admin, subject=who, since_at_us=every[1].at_us, until_at_us=every[0].at_us) == every[1:2]
    assert outcome(lambda: entries(admin, page_token="x")) == "REQUEST_INVALID"
    assert outcome(lambda: entries(admin, page_size=501)) == "REQUEST_INVALID"
    assert outcome(lambda: entries(server.admin(server.admin_token(name)))) == "TOKEN_NOT_ALLOWED"


def test_old_entries_are_forgotten_and_a_crash_leaves_a_trace(loop: LoopThread, tmp_path: Path) -> None:
    async def check() -> None:
        catalog = await Catalog.open(f"sqlite+aiosqlite:///{tmp_path / 'catalog.sqlite3'}")
        try:
            audit = AuditLog(catalog)
            request = admin_pb2.SetSettingsRequest(organization="acme")
            rpc = f"{PREFIX}OrganizationService.SetSettings"
            call = Call(rpc=rpc, organization="acme", issuer="i", subject="s", request=request, request_id="r")
            async with audit.recorded(call):
                async with catalog.begin() as connection:
                    [entry] = await audits.find(connection, audits.Conditions(), 2)
                assert entry.outcome == audits.UNFINISHED
            day = 86_400 * 1_000_000
            assert await audit.forget(1, entry.at_us + day) == 0
            assert await audit.forget(1, entry.at_us + day + 1) == 1
        finally:
            await catalog.close()

    loop.run(check())


def test_a_change_and_its_entry_are_one_transaction(loop: LoopThread, tmp_path: Path) -> None:
    """The entry of a call that is killed right after its commit says what it did."""

    async def check() -> None:
        catalog = await Catalog.open(f"sqlite+aiosqlite:///{tmp_path / 'catalog.sqlite3'}")
        try:
            request = security_pb2.GrantRoleRequest(organization="", issuer="i", subject="s", role="ROLE_READER")
            rpc = f"{PREFIX}AccessService.GrantRole"
            call = Call(rpc=rpc, organization="", issuer="i", subject="s", request=request, request_id="r")
            async with AuditLog(catalog).recorded(call):
                async with catalog.begin() as connection:
                    await connection.exec_driver_sql("INSERT INTO access_grant VALUES ('', 'i', 's', 1, 0, 'x')")
                async with catalog.begin() as connection:
                    [entry] = await audits.find(connection, audits.Conditions(), 2)
                assert (entry.outcome, entry.before, entry.after) == ("OK", "", '{"role":1}')
        finally:
            await catalog.close()

    loop.run(check())


def test_what_is_described_has_no_bytes_and_no_defaults() -> None:
    request = entities_pb2.ImportMetadataRequest(organization="acme")
    request.documents.add(name="a.json", content=b"x" * 1_234)
    assert described(request) == {"organization": "acme", "documents": [{"name": "a.json", "content": "1,234 bytes"}]}
    header = admin_pb2.IngestHeader(format=admin_pb2.INGEST_FORMAT_CSV, atomic=True)
    assert described(header) == {"format": "INGEST_FORMAT_CSV", "atomic": True}
