"""What a publish would do to devices, shown before a command asks whether to do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haversack_server.cli import _answers

if TYPE_CHECKING:
    from haversack.admin.v1 import questions_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

USERS_SHOWN = 10
NO_ANSWER = ("NOTHING_PUBLISHED", "LIMIT_REACHED", "ORGANIZATION_NOT_PROVISIONED")
"""Refusals of a question that are no reason not to publish: there is nothing to compare with, or too much."""


def show_publish(admin: AdminEndpoint, organization: str, profile: str, after: questions_pb2.ProfileState) -> None:
    """Prints how large devices of a profile get in a state, and what its users gain and lose."""
    show_size(admin, organization, profile, after)
    show_change(admin, organization, after)


def show_size(
    admin: AdminEndpoint, organization: str, profile: str, state: questions_pb2.ProfileState | None = None
) -> None:
    """Prints how large devices of a profile are in a state: in what is published, if none is given."""
    from haversack.admin.v1 import questions_pb2

    request = questions_pb2.EstimateRequest(
        organization=organization, profile=profile, state=state, users_max=USERS_SHOWN
    )
    answer = admin.attempt(admin.questions.Estimate, request, questions_pb2.EstimateResponse, unless=NO_ANSWER)
    if isinstance(answer, str):
        _answers.show_line(f"how large devices get is not known: {answer}")
    else:
        _answers.show_estimate(answer)


def show_change(admin: AdminEndpoint, organization: str, after: questions_pb2.ProfileState) -> None:
    """Prints what users gain and lose between what is published and a state."""
    answer = difference(admin, organization, after)
    if isinstance(answer, str):
        _answers.show_line(f"what users gain and lose is not known: {answer}")
    else:
        _answers.show_difference(answer)


def difference(
    admin: AdminEndpoint, organization: str, after: questions_pb2.ProfileState
) -> questions_pb2.DiffResponse | str:
    """Returns what users gain and lose between what is published and a state, or why that is not known."""
    from haversack.admin.v1 import questions_pb2

    request = questions_pb2.DiffRequest(organization=organization, after=after, users_max=USERS_SHOWN)
    return admin.attempt(admin.questions.Diff, request, questions_pb2.DiffResponse, unless=NO_ANSWER)
