"""`haversack ask`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from haversack_server.cli import _answers
from haversack_server.cli._command import admin_command
from haversack_server.cli._options import OrganizationOption

if TYPE_CHECKING:
    from haversack.admin.v1 import questions_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(
    help="Questions about devices: how large, what would change, why, who, what smells.", no_args_is_help=True
)

ProfileArgument = Annotated[str, typer.Argument(metavar="PROFILE", help="The profile's name.")]
EntityArgument = Annotated[str, typer.Argument(metavar="ENTITY", help="Logical name of the row's entity.")]
RowArgument = Annotated[str, typer.Argument(metavar="ROW", help="The row's id.")]
DraftFlag = Annotated[bool, typer.Option("--draft", help="Ask about the draft, as if it were published.")]
RevisionOption = Annotated[
    int | None, typer.Option("--revision", metavar="N", min=1, help="Ask about this revision of the organization.")
]
OffsetOption = Annotated[int, typer.Option("--offset", metavar="N", min=0, help="Pass over so many users.")]
PairsOption = list[str]


@admin_command(
    app,
    "estimate",
    example="haversack ask estimate field --org acme --draft --rows-max 100000",
    shown=_answers.show_estimate,
)
def estimate(
    admin: AdminEndpoint,
    *,
    profile: ProfileArgument,
    organization: OrganizationOption,
    draft: DraftFlag = False,
    revision: RevisionOption = None,
    rows_max: Annotated[int, typer.Option(metavar="N", min=0, help="Name users with more rows; 0: no limit.")] = 0,
    bytes_max: Annotated[int, typer.Option(metavar="N", min=0, help="Name users with more bytes; 0: no limit.")] = 0,
    users: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Tell of so many users.")] = 100,
    offset: OffsetOption = 0,
) -> questions_pb2.EstimateResponse:
    """Rows and bytes of every user of a profile, before it is published or after."""
    from haversack.admin.v1 import questions_pb2

    request = questions_pb2.EstimateRequest(
        organization=organization,
        profile=profile,
        state=_state(profile if draft else None, revision),
        rows_max=rows_max,
        bytes_max=bytes_max,
        users_max=users,
        users_offset=offset,
    )
    return admin.call(admin.questions.Estimate, request, questions_pb2.EstimateResponse)


@admin_command(
    app, "diff", example="haversack ask diff --org acme --draft field --sample 3", shown=_answers.show_difference
)
def diff(
    admin: AdminEndpoint,
    *,
    organization: OrganizationOption,
    draft: Annotated[str | None, typer.Option("--draft", metavar="PROFILE", help="After: with this draft.")] = None,
    before: Annotated[int | None, typer.Option("--before", metavar="N", min=1, help="Before: this revision.")] = None,
    after: Annotated[int | None, typer.Option("--after", metavar="N", min=1, help="After: this revision.")] = None,
    unit: Annotated[
        PairsOption, typer.Option("--unit", metavar="USER=UNIT", help="Suppose that a user is in a business unit.")
    ] = [],  # noqa: B006 - Typer copies it
    give_role: Annotated[
        PairsOption, typer.Option("--give-role", metavar="USER=ROLE", help="Suppose that a user gets a role.")
    ] = [],  # noqa: B006
    take_role: Annotated[
        PairsOption, typer.Option("--take-role", metavar="USER=ROLE", help="Suppose that a user loses a role.")
    ] = [],  # noqa: B006
    join_team: Annotated[
        PairsOption, typer.Option("--join-team", metavar="USER=TEAM", help="Suppose that a user joins a team.")
    ] = [],  # noqa: B006
    leave_team: Annotated[
        PairsOption, typer.Option("--leave-team", metavar="USER=TEAM", help="Suppose that a user leaves a team.")
    ] = [],  # noqa: B006
    manager: Annotated[
        PairsOption,
        typer.Option("--manager", metavar="USER=MANAGER", help="Suppose a manager; none, if it ends with the `=`."),
    ] = [],  # noqa: B006
    sample: Annotated[int, typer.Option(metavar="N", min=0, max=100, help="Name so many rows for each.")] = 0,
    users: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Tell of so many users.")] = 100,
    offset: OffsetOption = 0,
) -> questions_pb2.DiffResponse:
    """What users gain and lose between two states, or if somebody had another unit, role, team or manager."""
    from haversack.admin.v1 import questions_pb2

    changes = {
        "business_unit": unit,
        "role_given": give_role,
        "role_taken": take_role,
        "team_joined": join_team,
        "team_left": leave_team,
        "manager": manager,
    }
    request = questions_pb2.DiffRequest(
        organization=organization,
        before=_state(None, before),
        after=_state(draft, after),
        changes=_changes(changes),
        sample_max=sample,
        users_max=users,
        users_offset=offset,
    )
    return admin.call(admin.questions.Diff, request, questions_pb2.DiffResponse)


@admin_command(
    app,
    "explain",
    example="haversack ask explain 4103c891-37e8-4dfc-aeac-b55e2bc1be1c account "
    "0a6f12bc-0000-4000-8000-000000000001 --org acme",
    shown=_answers.show_explanation,
)
def explain(
    admin: AdminEndpoint,
    *,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    entity: EntityArgument,
    row: RowArgument,
    organization: OrganizationOption,
    draft: Annotated[str | None, typer.Option("--draft", metavar="PROFILE", help="Ask about this draft.")] = None,
    revision: RevisionOption = None,
    profile: Annotated[
        str, typer.Option("--profile", metavar="PROFILE", help="Ask as of a device that follows this profile.")
    ] = "",
) -> questions_pb2.ExplainResponse:
    """Why a row is on a user's device, or why not: every clause, role and association, true or false."""
    from haversack.admin.v1 import questions_pb2

    request = questions_pb2.ExplainRequest(
        organization=organization, user=user, entity=entity, row=row, state=_state(draft, revision), profile=profile
    )
    return admin.call(admin.questions.Explain, request, questions_pb2.ExplainResponse)


@admin_command(
    app,
    "holders",
    example="haversack ask holders account 0a6f12bc-0000-4000-8000-000000000001 --org acme",
    shown=_answers.show_holders,
)
def holders(
    admin: AdminEndpoint,
    *,
    entity: EntityArgument,
    row: RowArgument,
    organization: OrganizationOption,
    users: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="Tell of so many users.")] = 1_000,
    offset: OffsetOption = 0,
) -> questions_pb2.HoldersResponse:
    """The users whose view has a row, and the devices that were last known to hold it."""
    from haversack.admin.v1 import questions_pb2

    request = questions_pb2.HoldersRequest(
        organization=organization, entity=entity, row=row, users_max=users, users_offset=offset
    )
    return admin.call(admin.questions.Holders, request, questions_pb2.HoldersResponse)


def _smells(answer: questions_pb2.LintResponse, options: Mapping[str, Any]) -> bool:
    return bool(options["strict"] and answer.findings)


@admin_command(
    app,
    "lint",
    example="haversack ask lint field --org acme --draft --strict",
    shown=_answers.show_findings,
    fails=_smells,
)
def lint(
    admin: AdminEndpoint,
    *,
    profile: ProfileArgument,
    organization: OrganizationOption,
    draft: DraftFlag = False,
    revision: RevisionOption = None,
    item_rows_max: Annotated[int, typer.Option(metavar="N", min=0, help="Most rows of an item; 0: 1,000,000.")] = 0,
    item_bytes_max: Annotated[int, typer.Option(metavar="N", min=0, help="Most bytes of an item; 0: 1 GiB.")] = 0,
    fan_out_max: Annotated[int, typer.Option(metavar="N", min=0, help="Most rows that one row pulls; 0: 10,000.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 1 if there is a finding.")] = False,
) -> questions_pb2.LintResponse:
    """What smells in a profile, measured on the rows that there are."""
    from haversack.admin.v1 import questions_pb2

    request = questions_pb2.LintRequest(
        organization=organization,
        profile=profile,
        state=_state(profile if draft else None, revision),
        item_rows_max=item_rows_max,
        item_bytes_max=item_bytes_max,
        fan_out_max=fan_out_max,
    )
    return admin.call(admin.questions.Lint, request, questions_pb2.LintResponse)


def _state(draft: str | None, revision: int | None) -> questions_pb2.ProfileState | None:
    """Returns the state that options name; None for what is published."""
    from haversack.admin.v1 import questions_pb2

    if draft is not None and revision is not None:
        raise typer.BadParameter("a draft and a revision are two states; name one of them")
    if draft is not None:
        return questions_pb2.ProfileState(draft=draft)
    return questions_pb2.ProfileState(revision=revision) if revision is not None else None


def _changes(options: Mapping[str, Iterable[str]]) -> Iterator[questions_pb2.DirectoryChange]:
    """Yields what is supposed, in the order of the kinds of changes."""
    from haversack.admin.v1 import questions_pb2

    for change, pairs in options.items():
        for pair in pairs:
            user, separator, other = pair.partition("=")
            if not separator:
                raise typer.BadParameter(f"{pair!r} must be two ids with a `=` between them")
            yield questions_pb2.DirectoryChange(user=user, **{change: other})
