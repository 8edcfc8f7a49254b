"""A profile's life as a machine: drafts, publishes, moves and roll backs in any order, beside a few dictionaries."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest
from haversack.admin.v1 import questions_pb2
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from server.crew import ADA, BOB, CAL, Crew
from server.refusals import reason_of
from server.running import RunningServer

NAMES = st.sampled_from(["a", "b", "c"])
USERS = st.lists(st.sampled_from([ADA, BOB, CAL]), unique=True, max_size=2)


class Profiles(RuleBasedStateMachine):
    """Three profiles and three users; what is expected lies in plain dictionaries."""

    crew: Crew

    def __init__(self) -> None:
        super().__init__()
        for name, summary in {it.name: it for it in self.crew.profiles("ListProfiles").profiles}.items():
            if summary.revision:
                self.crew.profiles("UnpublishProfile", name=name)
            self.crew.profiles("DeleteProfile", name=name)
        self.drafts: dict[str, list[str]] = {}
        self.revisions: dict[str, list[list[str]]] = {}
        self.followed: list[tuple[str, list[str]]] = []  # the latest publish first

    def refusal(self, call: Callable[[], object]) -> str:
        """Makes a call; returns why it was refused, or nothing."""
        try:
            call()
        except grpc.RpcError as error:
            return reason_of(error)
        return ""

    def write(self, name: str, users: list[str], *, move: bool, call: Callable[[], object]) -> bool:
        """Expects of a call that it writes a draft with these users; tells whether it may."""
        taken = any(user in held for it, held in self.drafts.items() if it != name for user in users)
        expected = "USER_IN_OTHER_PROFILE" if taken and not move else ""
        assert self.refusal(call) == expected
        if expected:
            return False
        for held in (held for it, held in self.drafts.items() if it != name):
            held[:] = [user for user in held if user not in users]
        self.drafts[name] = list(users)
        return True

    def publish(self, name: str) -> None:
        """Takes note that a draft became the profile's next revision."""
        users = list(self.drafts[name])
        self.revisions.setdefault(name, []).append(users)
        self.followed = [(name, users), *((it, held) for it, held in self.followed if it != name)]

    @rule(name=NAMES, users=USERS, move=st.booleans())
    def save(self, name: str, users: list[str], move: bool) -> None:
        self.write(name, users, move=move, call=lambda: self.crew.save(name, users=users, move=move))

    @rule(name=NAMES, users=USERS, move=st.booleans())
    def add(self, name: str, users: list[str], move: bool) -> None:
        def call() -> object:
            return self.crew.profiles("AddMembers", name=name, users=users, move=move)

        if name in self.drafts:
            grown = [*self.drafts[name], *(it for it in users if it not in self.drafts[name])]
            self.write(name, grown, move=move, call=call)
        else:
            assert self.refusal(call) == "PROFILE_UNKNOWN"

    @rule(name=NAMES, users=USERS)
    def remove(self, name: str, users: list[str]) -> None:
        if name in self.drafts:
            self.crew.profiles("RemoveMembers", name=name, users=users)
            self.drafts[name] = [it for it in self.drafts[name] if it not in users]

    @rule(name=NAMES)
    def publish_draft(self, name: str) -> None:
        refusal = self.refusal(lambda: self.crew.profiles("PublishProfile", name=name))
        assert refusal == ("" if name in self.drafts else "PROFILE_UNKNOWN")
        if not refusal:
            self.publish(name)

    @rule(name=NAMES)
    def unpublish(self, name: str) -> None:
        if name in self.drafts:
            self.crew.profiles("UnpublishProfile", name=name)
            self.followed = [(it, held) for it, held in self.followed if it != name]

    @rule(name=NAMES, number=st.integers(1, 3), move=st.booleans())
    def roll_back(self, name: str, number: int, move: bool) -> None:
        def call() -> object:
            return self.crew.profiles("RollBackProfile", name=name, revision=number, move=move)

        revisions = self.revisions.get(name, [])
        if name in self.drafts and number <= len(revisions):
            if self.write(name, revisions[number - 1], move=move, call=call):
                self.publish(name)
        else:
            assert self.refusal(call) == ("REVISION_UNKNOWN" if name in self.drafts else "PROFILE_UNKNOWN")

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        refusal = self.refusal(lambda: self.crew.profiles("DeleteProfile", name=name))
        if name not in self.drafts:
            assert refusal == "PROFILE_UNKNOWN"
        elif any(it == name for it, _ in self.followed):
            assert refusal == "PROFILE_PUBLISHED"
        else:
            assert refusal == ""
            del self.drafts[name]
            self.revisions.pop(name, None)

    @invariant()
    def drafts_and_history_are_as_expected(self) -> None:
        listed = {it.name: it for it in self.crew.profiles("ListProfiles").profiles}
        assert {name: list(self.crew.draft(name).users) for name in listed} == self.drafts
        followed = {it for it, _ in self.followed}
        for name, summary in listed.items():
            assert summary.revision == (len(self.revisions[name]) if name in followed else 0)

    @invariant()
    def every_user_follows_the_latest_publish_that_names_the_user(self) -> None:
        taken: set[str] = set()
        for name, users in self.followed:
            question = questions_pb2.EstimateRequest(organization=self.crew.name, profile=name)
            answer = self.crew.admin.call("questions", "Estimate", question)
            assert {it.user for it in answer.users} == set(users) - taken
            taken |= set(users)


@pytest.fixture(scope="module")
def crew(server: RunningServer) -> Crew:
    return Crew.made(server, server.admin())


def test_profiles_obey_their_rules_whatever_is_done_to_them(crew: Crew) -> None:
    machine = type("Profiles", (Profiles,), {"crew": crew})
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    few = settings(max_examples=6, stateful_step_count=20, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(machine, settings=few)
