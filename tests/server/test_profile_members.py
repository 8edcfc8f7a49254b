"""Who is in which profile: one at a time by name, several through teams, and who wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from haversack.model.v1 import model_pb2
from haversack_server.publishing import overlaps
from server.crew import ADA, BOB, CAL, CODE, NORTH, SOUTH, Crew, item
from server.refusals import refused
from server.running import Admin, RunningServer


@pytest.fixture
def crew(server: RunningServer, admin: Admin) -> Crew:
    return Crew.made(server, admin)


def test_members_come_and_go_with_the_next_publish(crew: Crew, tmp_path: Path) -> None:
    crew.publish("field", item("account"), users=[ADA])
    answer = crew.profiles("AddMembers", name="field", users=[ADA, BOB, BOB], teams=[SOUTH])
    assert (answer.summary.users, answer.summary.teams, answer.summary.changed) == (2, 1, True)
    assert list(crew.draft("field").users) == [ADA, BOB]
    for user in (BOB, CAL):
        with pytest.raises(Exception, match="PROFILE_MISSING"):
            crew.held(user)
    crew.profiles("PublishProfile", name="field")
    device = tmp_path / "cal.db"
    assert crew.held(BOB) == crew.held(CAL, device=device) == {"account": 5}
    crew.profiles("RemoveMembers", name="field", users=[BOB, CAL], teams=[SOUTH, NORTH])
    assert (list(crew.draft("field").users), list(crew.draft("field").teams)) == ([ADA], [])
    crew.profiles("PublishProfile", name="field")
    with pytest.raises(Exception, match="PROFILE_MISSING"):
        crew.held(CAL, device=device)
    with refused(CODE.INVALID_ARGUMENT, "PROFILE_INVALID", "user 'nobody'"):
        crew.profiles("AddMembers", name="field", users=["nobody"])


def test_a_user_moves_only_if_asked_and_after_it_was_said_from_where(crew: Crew, tmp_path: Path) -> None:
    device = tmp_path / "ada.db"
    crew.publish("field", item("account"), users=[ADA, BOB])
    crew.publish("office", item("contact"), users=[CAL])
    assert crew.held(ADA, device=device) == {"account": 5}
    says = (f"user {ADA} is in profile field", f"user {BOB} is in profile field", "--move")
    with refused(CODE.FAILED_PRECONDITION, "USER_IN_OTHER_PROFILE", *says):
        crew.profiles("AddMembers", name="office", users=[ADA, BOB])
    with refused(CODE.FAILED_PRECONDITION, "USER_IN_OTHER_PROFILE", *says):
        crew.save("office", item("contact"), users=[ADA, BOB])
    warnings = crew.profiles("ValidateProfile", profile=model_pb2.Profile(name="office", users=[ADA])).warnings
    assert f"user {ADA} is in profile field too" in warnings
    answer = crew.profiles("AddMembers", name="office", users=[ADA], move=True)
    assert [(it.user, it.from_profile) for it in answer.moved] == [(ADA, "field")]
    assert (list(crew.draft("field").users), list(crew.draft("office").users)) == ([BOB], [CAL, ADA])
    assert crew.held(ADA, device=device) == {"account": 5}, "it takes effect with a publish"

    crew.profiles("PublishProfile", name="office")
    assert crew.held(ADA, device=device) == {"contact": 3}, "one publish is enough"
    assert crew.held(BOB) == {"account": 5}
    assert crew.summary("field").changed
    crew.profiles("PublishProfile", name="field")
    assert crew.held(ADA, device=device) == {"contact": 3}


def test_a_publish_of_a_third_profile_brings_nobody_back(crew: Crew) -> None:
    crew.publish("field", item("account"), users=[ADA])
    crew.publish("later", item("contact"), users=[ADA], move=True)
    crew.publish("office", item("account"), users=[CAL])
    assert crew.held(ADA) == {"contact": 3}


def test_users_who_get_several_profiles_through_teams_are_named_with_the_one_that_wins(crew: Crew) -> None:
    first = crew.publish("north", item("account"), teams=[NORTH], priority=2)
    assert list(first.warnings) == []
    second = crew.publish("south", item("contact"), teams=[SOUTH], priority=1)
    assert list(second.warnings) == [
        f"user {BOB} gets several profiles: south (by a team, priority 1), north (by a team, priority 2); south wins"
    ]
    assert (crew.held(ADA), crew.held(BOB), crew.held(CAL)) == ({"account": 5}, {"contact": 3}, {"contact": 3})
    third = crew.publish("bob", item("account"), item("contact"), users=[BOB], priority=9)
    assert [it.split("; ")[1] for it in third.warnings] == ["bob wins"]
    assert crew.held(BOB) == {"account": 5, "contact": 3}
    valid = crew.profiles("ValidateProfile", name="north")
    assert (list(valid.breaches), len(valid.warnings)) == ([], 1)


def test_overlaps_are_ranked_by_name_then_priority_then_name() -> None:
    profiles = {
        name: model_pb2.Profile(name=name, users=users, teams=[NORTH], priority=priority)
        for name, users, priority in (("a", [], 5), ("b", [], 5), ("c", [CAL], 7), ("d", [], 1))
    }
    said = list(overlaps(profiles, {"a": {ADA, BOB, CAL}, "b": {BOB, CAL}, "c": {CAL}, "d": set()}))
    assert [it.split("; ")[1] for it in said] == ["a wins", "c wins"]
    many = {f"user {number:04d}" for number in range(150)}
    assert list(overlaps(profiles, {"a": many, "b": many}))[-1] == "and 50 more users get several profiles"
