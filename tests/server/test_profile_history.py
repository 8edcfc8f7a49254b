"""A profile's life: who wrote and published what and why, roll back, unpublish, clone, delete, lost updates."""

from __future__ import annotations

from pathlib import Path

import pytest
from haversack.model.v1 import model_pb2
from server.crew import ADA, BOB, CAL, CODE, NORTH, Crew, custom, item
from server.refusals import refused
from server.running import Admin, RunningServer

ONE = '<filter><condition attribute="name" operator="eq" value="Account 1"/></filter>'


@pytest.fixture
def crew(server: RunningServer, admin: Admin) -> Crew:
    return Crew.made(server, admin)


def test_every_revision_has_its_author_time_and_note(crew: Crew) -> None:
    crew.publish("field", custom("account", ONE), users=[ADA], description="first")
    crew.save("field", item("account"), users=[ADA], description="second")
    crew.profiles("PublishProfile", name="field", note="they asked for more")
    latest, first = crew.profiles("ListRevisions", name="field").revisions
    assert (latest.number, latest.author, latest.note, latest.followed) == (2, "tester", "they asked for more", True)
    assert (first.number, first.note, first.followed, first.items, first.users) == (1, "", False, 1, 1)
    assert latest.published_at_us > first.published_at_us > 0
    shown = crew.profiles("GetProfile", name="field", revision=1)
    assert shown.profile == model_pb2.Profile(
        name="field", items=[custom("account", ONE)], users=[ADA], description="first"
    )
    assert shown.revision == first
    with refused(CODE.NOT_FOUND, "REVISION_UNKNOWN", "no revision 3", "profile history field"):
        crew.profiles("GetProfile", name="field", revision=3)
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "note"):
        crew.profiles("PublishProfile", name="field", note="x" * 2_001)


def test_rolling_back_makes_the_old_content_the_newest_revision_and_the_draft(crew: Crew, tmp_path: Path) -> None:
    device = tmp_path / "ada.db"
    crew.publish("field", custom("account", ONE), users=[ADA])
    assert crew.held(ADA, device=device) == {"account": 1}
    old = crew.draft("field")
    crew.publish("field", item("account"), users=[ADA])
    assert crew.held(ADA, device=device) == {"account": 5}
    crew.save("field", item("contact"), users=[ADA])
    answer = crew.profiles("RollBackProfile", name="field", revision=1, note="too much")
    assert (answer.profile_revision, answer.revision) == (3, 3)
    assert crew.draft("field") == crew.profiles("GetProfile", name="field", revision=3).profile == old
    assert not crew.summary("field").changed
    assert crew.profiles("ListRevisions", name="field").revisions[0].note == "too much"
    assert crew.held(ADA, device=device) == {"account": 1}


def test_what_no_longer_fits_is_not_rolled_back_to(crew: Crew) -> None:
    crew.publish("field", item("account"), item("contact"), users=[ADA])
    crew.publish("field", users=[ADA])
    for entity in ("account", "contact"):
        crew.entities("DisableEntity", entity=entity)
    before = crew.summary("field")
    with refused(CODE.INVALID_ARGUMENT, "PROFILE_INVALID", "item account", "item contact"):
        crew.profiles("RollBackProfile", name="field", revision=1)
    with refused(CODE.NOT_FOUND, "REVISION_UNKNOWN"):
        crew.profiles("RollBackProfile", name="field", revision=9)
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "no revision"):
        crew.profiles("RollBackProfile", name="field")
    assert crew.summary("field") == before


def test_rolling_back_moves_users_only_if_asked(crew: Crew) -> None:
    crew.publish("field", item("account"), users=[ADA])
    crew.publish("field", item("account"))
    crew.publish("office", item("contact"), users=[ADA])
    with refused(CODE.FAILED_PRECONDITION, "USER_IN_OTHER_PROFILE", f"user {ADA} is in profile office"):
        crew.profiles("RollBackProfile", name="field", revision=1)
    answer = crew.profiles("RollBackProfile", name="field", revision=1, move=True)
    assert [(it.user, it.from_profile) for it in answer.moved] == [(ADA, "office")]
    assert (list(crew.draft("office").users), crew.held(ADA)) == ([], {"account": 5})


def test_an_unpublished_profile_leaves_devices_and_can_come_back(crew: Crew, tmp_path: Path) -> None:
    device = tmp_path / "ada.db"
    crew.publish("field", item("account"), users=[ADA])
    crew.publish("office", item("account"), users=[BOB])
    assert crew.held(ADA, device=device) == {"account": 5}
    answer = crew.profiles("UnpublishProfile", name="field", note="over")
    assert answer.revision == 3
    with pytest.raises(Exception, match="PROFILE_MISSING"):
        crew.held(ADA, device=device)
    assert crew.held(BOB) == {"account": 5}
    assert (crew.summary("field").revision, crew.summary("field").changed) == (0, True)
    assert crew.profiles("UnpublishProfile", name="field").revision == 0, "there is nothing to do"
    assert not any(it.followed for it in crew.profiles("ListRevisions", name="field").revisions)
    assert crew.profiles("PublishProfile", name="field").profile_revision == 2
    assert crew.held(ADA, device=device) == {"account": 5}


def test_a_copy_has_no_members_and_another_name(crew: Crew) -> None:
    crew.publish("field", custom("account", ONE), users=[ADA], teams=[NORTH], description="first", priority=3)
    crew.save("field", item("contact"), users=[ADA])
    answer = crew.profiles("CloneProfile", name="field", new_name="trainees", revision=1)
    expected = model_pb2.Profile(name="trainees", items=[custom("account", ONE)], description="first", priority=3)
    assert crew.draft("trainees") == expected
    assert any("nobody follows it" in it for it in answer.warnings)
    crew.profiles("CloneProfile", name="field", new_name="others")
    assert crew.draft("others").items[0].entity == "contact"
    with refused(CODE.ALREADY_EXISTS, "PROFILE_EXISTS", "trainees"):
        crew.profiles("CloneProfile", name="field", new_name="trainees")
    with refused(CODE.NOT_FOUND, "PROFILE_UNKNOWN"):
        crew.profiles("CloneProfile", name="nobody", new_name="somebody")
    with refused(CODE.INVALID_ARGUMENT, "PROFILE_INVALID", "name must be"):
        crew.profiles("CloneProfile", name="field", new_name=" ")


def test_only_what_nobody_follows_or_names_can_be_deleted(crew: Crew) -> None:
    crew.publish("field", item("account"), users=[ADA])
    with refused(CODE.FAILED_PRECONDITION, "PROFILE_PUBLISHED", "revision 1", "unpublish it first"):
        crew.profiles("DeleteProfile", name="field")
    crew.profiles("UnpublishProfile", name="field")
    crew.apps("SaveApp", app=model_pb2.App(name="visits", profiles=["field"]))
    with refused(CODE.FAILED_PRECONDITION, "PROFILE_IN_USE", "visits"):
        crew.profiles("DeleteProfile", name="field")
    crew.apps("DeleteApp", name="visits")
    with refused(CODE.ABORTED, "DRAFT_CHANGED"):
        crew.profiles("DeleteProfile", name="field", draft_version=7)
    crew.profiles("DeleteProfile", name="field")
    with refused(CODE.NOT_FOUND, "PROFILE_UNKNOWN"):
        crew.profiles("DeleteProfile", name="field")
    assert crew.publish("field", item("account"), users=[ADA]).profile_revision == 1


def test_nobody_overwrites_what_somebody_else_has_written(crew: Crew) -> None:
    field = model_pb2.Profile(name="field")
    with refused(CODE.ABORTED, "DRAFT_CHANGED", "gone"):
        crew.profiles("SaveProfile", profile=field, draft_version=1)
    assert crew.profiles("SaveProfile", profile=field, draft_version=0).summary.draft_version == 1
    with refused(CODE.ALREADY_EXISTS, "PROFILE_EXISTS"):
        crew.profiles("SaveProfile", profile=field, draft_version=0)
    assert crew.profiles("SaveProfile", profile=field, draft_version=1).summary.draft_version == 2
    says = ("version 2", "written by tester", "version 1 was meant", "read it again")
    with refused(CODE.ABORTED, "DRAFT_CHANGED", *says):
        crew.profiles("SaveProfile", profile=field, draft_version=1)
    with refused(CODE.ABORTED, "DRAFT_CHANGED", *says):
        crew.profiles("PublishProfile", name="field", draft_version=1)
    crew.profiles("AddMembers", name="field", users=[CAL])
    assert crew.summary("field").draft_version == 3
    assert crew.profiles("PublishProfile", name="field", draft_version=3).profile_revision == 1


def test_one_answer_tells_everything_that_is_wrong(crew: Crew) -> None:
    broken = model_pb2.Profile(name="broken", users=["nobody"], teams=["none", "none"], description="x" * 2_001)
    broken.items.add(entity="systemuser", criteria=model_pb2.RECORD_CRITERIA_OTHER, owned_by_me=True)
    broken.items.add(entity="pricelevel", criteria=model_pb2.RECORD_CRITERIA_ALL, sync_interval_minutes=4)
    broken.items.append(custom("account", "<filter>"))
    broken.items[2].associations.add(relationship="no_such_thing")
    answer = crew.profiles("ValidateProfile", profile=broken)
    for text in (
        "user 'nobody'",
        "team 'none' is not a teamid",
        "team none is there twice",
        "the description has 2,001 characters",
        "item systemuser: business units own its rows",
        "item pricelevel: the entity is not enabled",
        "it must be 5 to 1,440",
        "item account, filter",
        "association no_such_thing",
    ):
        assert any(text in it for it in answer.breaches), text
    with refused(CODE.NOT_FOUND, "PROFILE_UNKNOWN"):
        crew.profiles("ValidateProfile", name="broken")
    with refused(CODE.INVALID_ARGUMENT, "REQUEST_INVALID", "no draft"):
        crew.profiles("ValidateProfile")
    lonely = model_pb2.Profile(name="lonely", users=[ADA])
    lonely.items.add(entity="account", criteria=model_pb2.RECORD_CRITERIA_RELATED_ONLY)
    answer = crew.profiles("ValidateProfile", profile=lonely)
    assert list(answer.breaches) == []
    assert any("no association pulls its rows" in it for it in answer.warnings)


def test_criteria_that_do_not_fit_the_owner_are_refused_with_those_that_do(crew: Crew) -> None:
    for entity, legal in (
        ("product", "ORGANIZATION; it takes RELATED_ONLY, ALL, CUSTOM"),
        ("competitoraddress", "NONE; it takes RELATED_ONLY"),
    ):
        refused_item = model_pb2.ProfileItem(
            entity=entity, criteria=model_pb2.RECORD_CRITERIA_OTHER, owned_by_my_business_unit=True
        )
        with refused(CODE.INVALID_ARGUMENT, "PROFILE_INVALID", f"item {entity}", legal):
            crew.save("field", refused_item)
