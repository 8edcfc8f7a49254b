"""Administrators' questions through the admin endpoint and the command line: drafts, revisions, refusals."""

from __future__ import annotations

import grpc
import pytest
from haversack.admin.v1 import questions_pb2
from haversack.model.v1 import model_pb2
from server.refusals import refused
from server.running import Admin, RunningServer
from server.test_cli import MISUSED, REFUSED, Line
from server.test_profiles import profile, publish, save

CODE = grpc.StatusCode


def uuid(kind: int, number: int) -> str:
    return f"{kind:08d}-0000-4000-8000-{number:012d}"


ADA, BOB = uuid(1, 1), uuid(1, 2)
NORTH, SOUTH = uuid(2, 1), uuid(2, 2)
ROLE = uuid(3, 1)
ACCOUNTS = [uuid(4, number) for number in range(6)]


def csv(*lines: tuple[object, ...]) -> bytes:
    return "".join(",".join(str(cell) for cell in line) + "\n" for line in lines).encode()


@pytest.fixture(scope="module")
def organization(server: RunningServer) -> str:
    """Ada and Bob may read all accounts; the even ones are Ada's and open, the odd ones are Bob's and closed."""
    admin = server.admin()
    name = admin.organization()
    admin.enable(name, "account", "contact")
    admin.ingest(name, "businessunit", csv(("businessunitid",), (NORTH,), (SOUTH,)))
    users = [(ADA, NORTH, "false"), (BOB, SOUTH, "false")]
    admin.ingest(name, "systemuser", csv(("systemuserid", "businessunitid", "isdisabled"), *users))
    admin.ingest(name, "role", csv(("roleid", "name"), (ROLE, "Reader")))
    links = [(uuid(5, 1), ADA, ROLE), (uuid(5, 2), BOB, ROLE)]
    admin.ingest(name, "systemuserroles", csv(("systemuserroleid", "systemuserid", "roleid"), *links))
    readable = enumerate(("account", "contact", "mobileofflineprofile"), start=1)
    grants = [(uuid(6, number), ROLE, entity, 2, 8) for number, entity in readable]
    header = ("roleprivilegeid", "roleid", "entityname", "accessright", "depth")
    admin.ingest(name, "roleprivileges", csv(header, *grants))
    rows = [
        (account, f"Account {number}", BOB if number % 2 else ADA, "systemuser", number % 2)
        for number, account in enumerate(ACCOUNTS)
    ]
    admin.ingest(name, "account", csv(("accountid", "name", "ownerid", "ownerid_type", "statecode"), *rows))
    save(admin, name, profile(users=(ADA, BOB)))
    publish(admin, name)
    draft = model_pb2.Profile(name="field", users=[ADA])
    draft.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_OTHER, owned_by_me=True)
    draft.items.add(entity="contact", criteria=model_pb2.RECORD_CRITERIA_RELATED_ONLY)
    save(admin, name, draft)
    return name


DRAFT = questions_pb2.ProfileState(draft="field")


def estimated(admin: Admin, organization: str, state: questions_pb2.ProfileState | None) -> dict[str, int]:
    request = questions_pb2.EstimateRequest(organization=organization, profile="field", state=state)
    answer: questions_pb2.EstimateResponse = admin.call("questions", "Estimate", request)
    assert answer.user_count == len(answer.users)
    return {it.user: it.total.rows for it in answer.users}


def test_an_estimate_is_of_what_is_published_or_of_what_would_be(admin: Admin, organization: str) -> None:
    assert estimated(admin, organization, None) == {ADA: 3, BOB: 3}
    assert estimated(admin, organization, questions_pb2.ProfileState(revision=1)) == {ADA: 3, BOB: 3}
    assert estimated(admin, organization, DRAFT) == {ADA: 3}


def test_a_difference_is_of_a_draft_or_of_what_is_supposed(admin: Admin, organization: str) -> None:
    request = questions_pb2.DiffRequest(organization=organization, after=DRAFT, sample_max=9)
    answer: questions_pb2.DiffResponse = admin.call("questions", "Diff", request)
    assert [it.user for it in answer.users] == [BOB], "Ada's own accounts are the open ones"
    assert answer.users[0].denial_after == questions_pb2.VIEW_DENIAL_PROFILE_MISSING
    assert list(answer.users[0].entities[0].lost_sample) == ACCOUNTS[::2]
    taken = questions_pb2.DirectoryChange(user=ADA, role_taken=ROLE)
    request = questions_pb2.DiffRequest(organization=organization, changes=[taken])
    answer = admin.call("questions", "Diff", request)
    assert (answer.changed_count, answer.gained.rows, answer.lost.rows) == (1, 0, 3)


def test_an_explanation_is_a_tree(admin: Admin, organization: str) -> None:
    for account, holds in ((ACCOUNTS[0], True), (ACCOUNTS[1], False)):
        request = questions_pb2.ExplainRequest(organization=organization, user=ADA, entity="account", row=account)
        reason: questions_pb2.Reason = admin.call("questions", "Explain", request).reason
        choice = next(it for it in reason.children if it.kind == questions_pb2.REASON_KIND_CHOICE)
        assert (reason.holds, choice.holds) == (holds, holds)
        access = next(it for it in reason.children if it.kind == questions_pb2.REASON_KIND_ACCESS)
        assert access.holds
        assert ROLE in access.children[0].sentence


def test_holders_are_told(admin: Admin, organization: str) -> None:
    request = questions_pb2.HoldersRequest(organization=organization, entity="account", row=ACCOUNTS[0])
    answer: questions_pb2.HoldersResponse = admin.call("questions", "Holders", request)
    assert (list(answer.users), answer.alive, list(answer.devices)) == ([ADA, BOB], True, [])
    assert answer.devices_since_us > 0


def test_smells_are_told_of_a_draft_that_could_not_be_published_too(admin: Admin, organization: str) -> None:
    request = questions_pb2.LintRequest(organization=organization, profile="field", state=DRAFT)
    findings = admin.call("questions", "Lint", request).findings
    assert [(it.smell, it.entity) for it in findings] == [(questions_pb2.SMELL_RELATED_ONLY_UNREACHED, "contact")]


def test_what_cannot_be_asked_is_refused(admin: Admin, organization: str) -> None:
    with refused(CODE.NOT_FOUND, "ORGANIZATION_UNKNOWN"):
        admin.call("questions", "Estimate", questions_pb2.EstimateRequest(organization="nowhere"))
    with refused(CODE.NOT_FOUND, "PROFILE_UNKNOWN"):
        admin.call("questions", "Lint", questions_pb2.LintRequest(organization=organization, profile="office"))
    with refused(CODE.NOT_FOUND, "PROFILE_UNKNOWN"):
        state = questions_pb2.ProfileState(draft="office")
        admin.call("questions", "Lint", questions_pb2.LintRequest(organization=organization, state=state))
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID"):
        estimated(admin, organization, questions_pb2.ProfileState(revision=99))
    with refused(CODE.NOT_FOUND, "ENTITY_UNKNOWN"):
        request = questions_pb2.HoldersRequest(organization=organization, entity="unicorn", row=ACCOUNTS[0])
        admin.call("questions", "Holders", request)
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID"):
        change = questions_pb2.DirectoryChange(user=uuid(9, 9), manager="")
        admin.call("questions", "Diff", questions_pb2.DiffRequest(organization=organization, changes=[change]))


def test_nothing_is_answered_before_the_first_publish(admin: Admin) -> None:
    request = questions_pb2.HoldersRequest(organization=admin.organization(), entity="account", row=ACCOUNTS[0])
    with refused(CODE.FAILED_PRECONDITION, "NOTHING_PUBLISHED"):
        admin.call("questions", "Holders", request)


def test_people_read_tables_and_trees(server: RunningServer, organization: str) -> None:
    line = Line(server.settings.data)
    told = line.run("ask", "estimate", "field", "--org", organization, "--rows-max", "2").stdout
    assert "2 users with 1 different views: 6 rows" in told
    assert f"2 users pass the limit: {ADA}, {BOB}" in told
    told = line.run("ask", "diff", "--org", organization, "--take-role", f"{ADA}={ROLE}", "--sample", "1").stdout
    assert "1 of 2 users see a difference: 0 rows (0 bytes) come, 3 rows" in told
    assert f"{ADA}, account: -{ACCOUNTS[0]}" in told
    told = line.run("ask", "explain", ADA, "account", ACCOUNTS[1], "--org", organization).stdout
    assert told.startswith(f"✗ account {ACCOUNTS[1]} is on the device of user {ADA}")
    assert "✓ role" in told
    assert "✗ statecode equals 0 (it is 1)" in told
    told = line.run("ask", "holders", "account", ACCOUNTS[0], "--org", organization).stdout
    assert "2 of 2 users have the row" in told
    assert "nothing smells" not in line.run("ask", "lint", "field", "--org", organization, "--draft").stdout


def test_programs_read_json_and_exit_codes(server: RunningServer, organization: str) -> None:
    line = Line(server.settings.data)
    asked = ("ask", "lint", "field", "--org", organization, "--draft")
    assert line.json(*asked)["findings"][0]["smell"] == "SMELL_RELATED_ONLY_UNREACHED"
    strict, lenient = line.json(*asked, "--strict", expect=REFUSED), line.json(*asked)
    assert strict["findings"] == lenient["findings"]
    assert line.json("ask", "explain", ADA, "account", ACCOUNTS[0], "--org", organization)["reason"]["holds"] is True
    assert line.json("ask", "estimate", "field", "--org", organization)["total"]["rows"] == "6"
    line.run("ask", "diff", "--org", organization, "--unit", ADA, expect=MISUSED)
    line.run("ask", "estimate", "field", "--org", organization, "--draft", "--revision", "1", expect=MISUSED)
    assert line.refusal("ask", "lint", "office", "--org", organization)["reason"] == "PROFILE_UNKNOWN"
