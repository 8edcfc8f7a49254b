"""Provisioning through a real server: what administrators are told, and what devices are."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from conftest import STEP_SECONDS_MAX, Admin, LoopThread, RunningServer, running
from haversack.admin.v1 import admin_pb2, profiles_pb2
from haversack.admin.v1 import provisioning_pb2 as pb
from haversack.model.v1 import model_pb2
from haversack_server.provisioning.files import newest, staging_files
from haversack_server.settings import Mode, ServerSettings
from server.refusals import refused

pytestmark = pytest.mark.on_every_database

CODE = grpc.StatusCode
ROWS = 3_000
SETUP = [
    pb.PROVISIONING_STEP_VALIDATE,
    pb.PROVISIONING_STEP_CREATE_STAGING,
    pb.PROVISIONING_STEP_REPLICATE_METADATA,
    pb.PROVISIONING_STEP_BUILD_MODEL,
    pb.PROVISIONING_STEP_REPLICATE_DATA,
    pb.PROVISIONING_STEP_BUILD_INDEXES,
    pb.PROVISIONING_STEP_ACTIVATE,
]
TEARDOWN = [
    pb.PROVISIONING_STEP_DEACTIVATE,
    pb.PROVISIONING_STEP_DELETE_STAGING,
    pb.PROVISIONING_STEP_DELETE_WORK_ITEMS,
    pb.PROVISIONING_STEP_DELETE_MODELS,
]


def ask(admin: Admin, what: str, organization: str) -> pb.Provisioning:
    request = getattr(pb, f"{what}Request")(organization=organization)
    shown: pb.Provisioning = admin.call("provisioning", what, request).provisioning
    return shown


def organization(admin: Admin, name: str) -> admin_pb2.Organization:
    request = admin_pb2.GetOrganizationRequest(name=name)
    shown: admin_pb2.Organization = admin.call("organizations", "GetOrganization", request).organization
    return shown


def folder(server: RunningServer, name: str) -> Path:
    return server.settings.data / "organizations" / name


def accounts(count: int) -> bytes:
    out = io.StringIO()
    rows = ([str(uuid.UUID(int=(4 << 76) | (8 << 60) | it)), f"Account {it}"] for it in range(count))
    csv.writer(out).writerows([["accountid", "name"], *rows])
    return out.getvalue().encode()


def obstruct(server: RunningServer, name: str) -> Path:
    """Puts something into the way that is no file, so that staging databases can be neither made nor deleted."""
    obstacle = folder(server, name) / "staging-0-0.sqlite3"
    obstacle.mkdir()
    return obstacle


def test_nothing_begins_without_consent_to_the_terms_in_force(admin: Admin) -> None:
    name = admin.organization(provisioned=False)
    with refused(CODE.FAILED_PRECONDITION, "CONSENT_MISSING", f"haversack org consent {name}"):
        ask(admin, "StartProvisioning", name)
    shown = ask(admin, "GetProvisioning", name)
    assert not shown.HasField("consent")
    assert (list(shown.legal), shown.state) == (["START"], pb.PROVISIONING_STATE_NOT_PROVISIONED)
    assert "onto devices" in shown.terms_text
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "the terms in force are version"):
        admin.call("provisioning", "RecordConsent", pb.RecordConsentRequest(organization=name, terms="0"))
    admin.consent(name)
    consent = ask(admin, "GetProvisioning", name).consent
    assert (consent.who, consent.terms) == ("tester", shown.terms)
    assert consent.at_us > shown.since_at_us


@pytest.mark.parametrize("kind", ["TRIAL", "PREVIEW", "SANDBOX"])
def test_only_production_is_provisioned(kind: str, admin: Admin) -> None:
    name = f"kind-{uuid.uuid4().hex[:8]}"
    admin.call(
        "organizations",
        "CreateOrganization",
        admin_pb2.CreateOrganizationRequest(name=name, kind=f"ORGANIZATION_KIND_{kind}"),
    )
    admin.consent(name)
    with refused(CODE.FAILED_PRECONDITION, "ORGANIZATION_KIND_REFUSED", kind, "make one of kind PRODUCTION"):
        ask(admin, "StartProvisioning", name)
    assert ask(admin, "GetProvisioning", name).state == pb.PROVISIONING_STATE_NOT_PROVISIONED


def test_a_watch_shows_every_step_with_times_rows_and_the_end(admin: Admin, server: RunningServer) -> None:
    name = admin.organization(provisioned=False)
    assert admin.ingest(name, "account", accounts(ROWS)).inserted == ROWS
    assert {it.entity: it.rows for it in organization(admin, name).records} == {"account": ROWS}
    admin.consent(name)
    started = ask(admin, "StartProvisioning", name)
    assert started.state == pb.PROVISIONING_STATE_PROVISIONING
    seen = list(admin.watch(name))
    last = seen[-1]
    assert (last.state, list(last.legal)) == (pb.PROVISIONING_STATE_PROVISIONED, ["DEPROVISION"])
    assert [it.checked_at_us for it in seen] == sorted({it.checked_at_us for it in seen})
    operation = last.operation
    assert (operation.number, operation.kind, operation.requested_by) == (1, pb.OPERATION_KIND_PROVISION, "tester")
    assert [it.step for it in operation.steps] == SETUP
    assert all(it.state == pb.STEP_STATE_DONE and it.percent == 100 for it in operation.steps)
    times = [time for it in operation.steps for time in (it.began_at_us, it.ended_at_us)]
    assert [operation.requested_at_us, *times] == sorted([operation.requested_at_us, *times])
    [progress] = operation.entities
    assert (progress.entity, progress.rows_done, progress.rows_total) == ("account", ROWS, ROWS)
    assert progress.bytes > ROWS
    assert all(it.at_us and it.text for it in operation.messages)
    shown = organization(admin, name)
    assert {it.entity: it.rows for it in shown.rows} == {"account": ROWS}
    assert shown.provisioning == last.state


def test_what_is_illegal_says_what_would_be_legal(admin: Admin) -> None:
    name = admin.organization()
    for what in ("StartProvisioning", "StopProvisioning", "RetryProvisioning"):
        with refused(CODE.FAILED_PRECONDITION, "TRANSITION_ILLEGAL", "PROVISIONED", "de-provision it (DEPROVISION)"):
            ask(admin, what, name)
    move = admin_pb2.MoveOrganizationRequest(organization=name, region="north")
    with refused(CODE.FAILED_PRECONDITION, "TRANSITION_ILLEGAL", "de-provision, move, provision"):
        admin.call("organizations", "MoveOrganization", move)
    ask(admin, "StartDeprovisioning", name)
    assert admin.settled(name).state == pb.PROVISIONING_STATE_NOT_PROVISIONED
    assert admin.call("organizations", "MoveOrganization", move).organization.region == "north"
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "no name for a region"):
        admin.call(
            "organizations", "MoveOrganization", admin_pb2.MoveOrganizationRequest(organization=name, region="N")
        )


def test_a_failure_keeps_its_reason_and_a_retry_goes_on_from_there(admin: Admin, server: RunningServer) -> None:
    name = admin.organization(provisioned=False)
    obstacle = obstruct(server, name)
    admin.consent(name)
    ask(admin, "StartProvisioning", name)
    failed = admin.settled(name)
    assert (failed.state, list(failed.legal)) == (pb.PROVISIONING_STATE_PROVISIONING_FAILED, ["STOP", "RETRY"])
    failure = failed.operation.failure
    assert failure.step == pb.PROVISIONING_STEP_CREATE_STAGING
    assert "cannot be deleted" in failure.message
    assert failed.operation.steps[1].state == pb.STEP_STATE_FAILED
    with refused(CODE.FAILED_PRECONDITION, "TRANSITION_ILLEGAL", "stop it (STOP), or retry it (RETRY)"):
        ask(admin, "StartProvisioning", name)
    obstacle.rmdir()
    ask(admin, "RetryProvisioning", name)
    mended = admin.settled(name)
    assert mended.state == pb.PROVISIONING_STATE_PROVISIONED
    assert mended.operation.number == 1
    assert mended.operation.steps[0] == failed.operation.steps[0], "what was done is not done again"
    assert not mended.operation.HasField("failure")


def test_after_a_failed_stop_a_retry_begins_anew(admin: Admin, server: RunningServer) -> None:
    name = admin.organization(provisioned=False)
    obstacle = obstruct(server, name)
    admin.consent(name)
    ask(admin, "StartProvisioning", name)
    admin.settled(name)
    ask(admin, "StopProvisioning", name)
    assert admin.settled(name).operation.failure.step == pb.PROVISIONING_STEP_DELETE_STAGING
    obstacle.rmdir()
    ask(admin, "RetryProvisioning", name)
    begun_anew = admin.settled(name)
    assert begun_anew.state == pb.PROVISIONING_STATE_PROVISIONED, "nobody knows what a failed stop left"
    assert [it.step for it in begun_anew.operation.steps] == SETUP


def test_a_failed_deprovisioning_can_only_be_retried(admin: Admin, server: RunningServer) -> None:
    name = admin.organization()
    obstacle = obstruct(server, name)
    ask(admin, "StartDeprovisioning", name)
    failed = admin.settled(name)
    assert (failed.state, list(failed.legal)) == (pb.PROVISIONING_STATE_DEPROVISIONING_FAILED, ["RETRY"])
    for what in ("StartProvisioning", "StopProvisioning", "StartDeprovisioning"):
        with refused(CODE.FAILED_PRECONDITION, "TRANSITION_ILLEGAL", "what is legal now: retry it (RETRY)"):
            ask(admin, what, name)
    obstacle.rmdir()
    ask(admin, "RetryProvisioning", name)
    done = admin.settled(name)
    assert done.state == pb.PROVISIONING_STATE_NOT_PROVISIONED
    assert [it.step for it in done.operation.steps] == TEARDOWN


def test_without_metadata_there_is_nothing_to_provision(admin: Admin) -> None:
    name = admin.organization(standard=False)
    admin.consent(name)
    ask(admin, "StartProvisioning", name)
    failure = admin.settled(name).operation.failure
    assert (failure.step, "has no metadata" in failure.message) == (pb.PROVISIONING_STEP_VALIDATE, True)
    ask(admin, "StopProvisioning", name)
    stopped = admin.settled(name)
    assert stopped.state == pb.PROVISIONING_STATE_NOT_PROVISIONED
    assert stopped.operation.state == pb.OPERATION_STATE_STOPPED
    states = {it.step: it.state for it in stopped.operation.steps}
    assert {states[it] for it in SETUP} == {pb.STEP_STATE_SKIPPED}
    assert {states[it] for it in TEARDOWN} == {pb.STEP_STATE_DONE}


def test_deprovisioning_takes_what_provisioning_made_and_nothing_else(admin: Admin, server: RunningServer) -> None:
    name = admin.organization()
    admin.ingest(name, "account", accounts(5))
    admin.enable(name, "account")
    item = model_pb2.ProfileItem(entity="account", criteria=model_pb2.RECORD_CRITERIA_ALL)
    draft = model_pb2.Profile(name="field", items=[item])
    admin.call("profiles", "SaveProfile", profiles_pb2.SaveProfileRequest(organization=name, profile=draft))
    publish = profiles_pb2.PublishProfileRequest(organization=name, name="field")
    admin.call("profiles", "PublishProfile", publish)
    before = organization(admin, name)
    ask(admin, "StartDeprovisioning", name)
    admin.settled(name)
    gone = organization(admin, name)
    assert (gone.lsn, gone.epoch, list(gone.rows)) == (0, b"", [])
    assert gone.records == before.records, "the organization's own rows stay"
    assert staging_files(folder(server, name)) == set()
    for service, method, request in (
        ("profiles", "PublishProfile", publish),
        ("questions", "Holders", _holders(name)),
    ):
        with refused(CODE.FAILED_PRECONDITION, "ORGANIZATION_NOT_PROVISIONED", f"haversack org provision {name}"):
            admin.call(service, method, request)
    found = admin.call("profiles", "GetProfile", profiles_pb2.GetProfileRequest(organization=name, name="field"))
    assert (found.profile.name, found.summary.revision) == ("field", 1)
    assert admin.ingest(name, "account", accounts(7)).inserted == 2
    admin.provision(name)
    after = organization(admin, name)
    assert {it.entity: it.rows for it in after.rows} == {"account": 7}
    assert after.epoch != before.epoch
    assert after.revision == before.revision + 1, "what was published is published again, under a number of its own"


def _holders(name: str) -> object:
    from haversack.admin.v1 import questions_pb2

    return questions_pb2.HoldersRequest(organization=name, entity="account", row=str(uuid.uuid4()))


def test_a_watch_that_has_no_end_ends_with_the_server(loop: LoopThread, tmp_path: Path) -> None:
    settings = ServerSettings(
        mode=Mode.DEVELOPMENT,
        data=tmp_path,
        admin_listen="127.0.0.1:0",
        sync_listen="127.0.0.1:0",
        stop_grace_seconds=STEP_SECONDS_MAX,
    )
    with ExitStack() as cleanup:
        with running(loop, settings) as started:
            channel = cleanup.enter_context(grpc.insecure_channel(started.server.admin_address))
            admin = Admin(channel, started.admin_token())
            name = admin.organization(standard=False)
            request = pb.WatchProvisioningRequest(organization=name)
            stream = admin.call("provisioning", "WatchProvisioning", request)
            assert next(stream).provisioning.state == pb.PROVISIONING_STATE_NOT_PROVISIONED
        with refused(CODE.UNAVAILABLE, "SERVER_STOPPING", "watch again"):
            next(stream)


def test_a_restart_leaves_everything_as_it_was(start_server: Callable[[Path], RunningServer], tmp_path: Path) -> None:
    first = start_server(tmp_path / "data")
    name = first.admin().organization()
    before = organization(first.admin(), name)
    assert newest(folder(first, name)).exists()
    second = start_server(tmp_path / "data")
    assert organization(second.admin(), name) == before
    assert ask(second.admin(), "GetProvisioning", name).state == pb.PROVISIONING_STATE_PROVISIONED
    # Two servers on one catalog: what one activates and deactivates, the other follows.
    ask(first.admin(), "StartDeprovisioning", name)
    first.admin().settled(name)
    assert second.admin().settled(name).state == pb.PROVISIONING_STATE_NOT_PROVISIONED
