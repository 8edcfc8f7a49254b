"""`haversack profile`: drafts, their members and their history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from haversack_server.cli import _completion
from haversack_server.cli._command import admin_command
from haversack_server.cli._confirm import YesOption, confirm, refuse_to_guess
from haversack_server.cli._options import OrganizationOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from haversack.admin.v1 import profiles_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(help="Offline profiles: write drafts, publish them, keep them as files.", no_args_is_help=True)
members = typer.Typer(help="Members of a profile: users and teams; changes count when it is published.")
app.add_typer(members, name="member", no_args_is_help=True)

NameArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The profile's name.", autocompletion=_completion.profiles),
]
MoveOption = Annotated[bool, typer.Option("--move", help="Move users who are in other profiles, instead of refusing.")]
UsersOption = Annotated[list[str] | None, typer.Option("--user", metavar="ID", help="A user's id; may be repeated.")]
TeamsOption = Annotated[list[str] | None, typer.Option("--team", metavar="ID", help="A team's id; may be repeated.")]
RevisionOption = Annotated[int, typer.Option("--revision", metavar="N", min=0, help="A revision, not the draft.")]

_MICROSECONDS = 1_000_000


def show_warnings(warnings: Iterable[str]) -> None:
    """Prints what looks like a mistake."""
    from haversack_server.cli._output import console

    for warning in warnings:
        console().print(f"warning: {warning}", markup=False, style="yellow")


def show_moved(moved: Iterable[profiles_pb2.MovedUser]) -> None:
    """Prints who left which profile."""
    from haversack_server.cli._output import console

    for it in moved:
        console().print(f"moved: user {it.user} from profile {it.from_profile}", markup=False)


def time_shown(micros: int) -> str:
    """Returns an instant for people; empty if nobody knows it."""
    return datetime.fromtimestamp(micros / _MICROSECONDS, tz=UTC).isoformat(" ", "seconds") if micros else ""


def _show_saved(
    answer: profiles_pb2.SaveProfileResponse | profiles_pb2.CloneProfileResponse | profiles_pb2.AddMembersResponse,
) -> None:
    from haversack.admin.v1 import profiles_pb2

    from haversack_server.cli._output import console

    console().print(f"saved {answer.summary.name}; publish it to make it so", markup=False)
    if not isinstance(answer, profiles_pb2.CloneProfileResponse):
        show_moved(answer.moved)
    show_warnings(answer.warnings)


def _show_removed(answer: profiles_pb2.RemoveMembersResponse) -> None:
    from haversack_server.cli._output import console

    console().print(f"saved {answer.summary.name}; publish it to make it so", markup=False)


def _show_profile(answer: profiles_pb2.GetProfileResponse) -> None:
    from haversack_server.cli._profile_files import profile_yaml

    typer.echo(profile_yaml(answer.profile), nl=False)


def _show_list(summaries: Sequence[profiles_pb2.ProfileSummary]) -> None:
    from haversack_server.cli._output import print_table

    rows = [
        (
            it.name,
            str(it.revision) if it.revision else "not published",
            str(it.items),
            str(it.users),
            str(it.teams),
            "changed" if it.changed else "as published",
            it.draft_author,
            time_shown(it.draft_at_us),
        )
        for it in summaries
    ]
    print_table(("profile", ">revision", ">items", ">users", ">teams", "draft", "written by", "at"), rows)


def _show_history(revisions: Sequence[profiles_pb2.ProfileRevision]) -> None:
    from haversack_server.cli._output import print_table

    rows = [
        (
            str(it.number),
            "devices follow it" if it.followed else "",
            time_shown(it.published_at_us),
            it.author,
            it.note,
            str(it.items),
            str(it.users),
            str(it.teams),
        )
        for it in revisions
    ]
    print_table((">revision", "", "published at", "by", "note", ">items", ">users", ">teams"), rows)


def _show_judgement(answer: profiles_pb2.ValidateProfileResponse) -> None:
    from haversack_server.cli._output import console

    if not answer.breaches:
        console().print("it can be published")
    for breach in answer.breaches:
        console().print(f"breach: {breach}", markup=False, style="red")
    show_warnings(answer.warnings)


def _has_breaches(answer: profiles_pb2.ValidateProfileResponse, _options: Mapping[str, Any]) -> bool:
    return bool(answer.breaches)


def _show_deleted(_answer: profiles_pb2.DeleteProfileResponse) -> None:
    from haversack_server.cli._output import console

    console().print("deleted, with all its revisions")


@admin_command(app, "save", example="haversack profile save sales-representative.yaml --org acme", shown=_show_saved)
def save(
    admin: AdminEndpoint,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The draft, YAML or JSON.", exists=True, dir_okay=False)],
    organization: OrganizationOption,
    move: MoveOption = False,
    draft_version: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Only if the draft has this version, as `list --json` tells; 0: is new."),
    ] = None,
) -> profiles_pb2.SaveProfileResponse:
    """Write a draft, replacing the one of its name; devices see nothing of it until it is published.

    The file has the fields of the contract's message haversack.model.v1.Profile.
    """
    from haversack.admin.v1 import profiles_pb2

    from haversack_server.cli._profile_files import read_profile

    request = profiles_pb2.SaveProfileRequest(
        organization=organization, profile=read_profile(file), move=move, draft_version=draft_version
    )
    return admin.call(admin.profiles.SaveProfile, request, profiles_pb2.SaveProfileResponse)


@admin_command(app, "show", example="haversack profile show sales-representative --org acme", shown=_show_profile)
def show(
    admin: AdminEndpoint, *, name: NameArgument, organization: OrganizationOption, revision: RevisionOption = 0
) -> profiles_pb2.GetProfileResponse:
    """Show a draft or a revision, as YAML that `save` reads."""
    from haversack.admin.v1 import profiles_pb2

    request = profiles_pb2.GetProfileRequest(organization=organization, name=name, revision=revision)
    return admin.call(admin.profiles.GetProfile, request, profiles_pb2.GetProfileResponse)


@admin_command(app, "list", example="haversack profile list --org acme", shown=_show_list)
def list_profiles(admin: AdminEndpoint, *, organization: OrganizationOption) -> Sequence[profiles_pb2.ProfileSummary]:
    """List an organization's profiles."""
    from haversack.admin.v1 import profiles_pb2

    request = profiles_pb2.ListProfilesRequest(organization=organization)
    return admin.call(admin.profiles.ListProfiles, request, profiles_pb2.ListProfilesResponse).profiles


@admin_command(app, "history", example="haversack profile history sales-representative --org acme", shown=_show_history)
def history(
    admin: AdminEndpoint, *, name: NameArgument, organization: OrganizationOption
) -> Sequence[profiles_pb2.ProfileRevision]:
    """List a profile's revisions: who published which, when and why."""
    from haversack.admin.v1 import profiles_pb2

    request = profiles_pb2.ListRevisionsRequest(organization=organization, name=name)
    return admin.call(admin.profiles.ListRevisions, request, profiles_pb2.ListRevisionsResponse).revisions


@admin_command(
    app,
    "clone",
    example="haversack profile clone sales-representative sales-trainee --org acme",
    shown=_show_saved,
)
def clone(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="Name of the copy.")],
    organization: OrganizationOption,
    revision: RevisionOption = 0,
) -> profiles_pb2.CloneProfileResponse:
    """Write a draft like another one under a new name, without its members: a user is in one profile."""
    from haversack.admin.v1 import profiles_pb2

    request = profiles_pb2.CloneProfileRequest(
        organization=organization, name=name, new_name=new_name, revision=revision
    )
    return admin.call(admin.profiles.CloneProfile, request, profiles_pb2.CloneProfileResponse)


@admin_command(
    app,
    "validate",
    example="haversack profile validate sales-representative --org acme",
    shown=_show_judgement,
    fails=_has_breaches,
)
def validate(
    admin: AdminEndpoint,
    *,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The profile whose draft to look at.")] = None,
    organization: OrganizationOption,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Or a draft in a file.", exists=True, dir_okay=False)
    ] = None,
) -> profiles_pb2.ValidateProfileResponse:
    """Tell every rule that a draft breaks, and what looks like a mistake; exit code 1 if a rule is broken."""
    from haversack.admin.v1 import profiles_pb2

    from haversack_server.cli._profile_files import read_profile

    if (name is None) == (file is None):
        raise typer.BadParameter("give a name or --file, not both", param_hint="NAME")
    request = profiles_pb2.ValidateProfileRequest(organization=organization)
    if file is None:
        request.name = name or ""
    else:
        request.profile.CopyFrom(read_profile(file))
    return admin.call(admin.profiles.ValidateProfile, request, profiles_pb2.ValidateProfileResponse)


@admin_command(app, "delete", example="haversack profile delete sales-trainee --org acme", shown=_show_deleted)
def delete(
    admin: AdminEndpoint, *, name: NameArgument, organization: OrganizationOption, yes: YesOption = False
) -> profiles_pb2.DeleteProfileResponse:
    """Delete a profile with all its revisions; devices must not follow it any more."""
    from haversack.admin.v1 import profiles_pb2

    refuse_to_guess(admin, yes=yes)
    confirm(f"Delete profile {name} with its history?", yes=yes)
    request = profiles_pb2.DeleteProfileRequest(organization=organization, name=name)
    return admin.call(admin.profiles.DeleteProfile, request, profiles_pb2.DeleteProfileResponse)


@admin_command(
    members,
    "add",
    example="haversack profile member add field --user 4103c891-37e8-4dfc-aeac-b55e2bc1be1c --org acme",
    shown=_show_saved,
)
def add_members(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    organization: OrganizationOption,
    users: UsersOption = None,
    teams: TeamsOption = None,
    move: MoveOption = False,
) -> profiles_pb2.AddMembersResponse:
    """Add users and teams to a draft."""
    from haversack.admin.v1 import profiles_pb2

    _check_members(users, teams)
    request = profiles_pb2.AddMembersRequest(
        organization=organization, name=name, users=users or (), teams=teams or (), move=move
    )
    return admin.call(admin.profiles.AddMembers, request, profiles_pb2.AddMembersResponse)


@admin_command(
    members,
    "remove",
    example="haversack profile member remove field --user 4103c891-37e8-4dfc-aeac-b55e2bc1be1c --org acme",
    shown=_show_removed,
)
def remove_members(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    organization: OrganizationOption,
    users: UsersOption = None,
    teams: TeamsOption = None,
) -> profiles_pb2.RemoveMembersResponse:
    """Take users and teams out of a draft."""
    from haversack.admin.v1 import profiles_pb2

    _check_members(users, teams)
    request = profiles_pb2.RemoveMembersRequest(
        organization=organization, name=name, users=users or (), teams=teams or ()
    )
    return admin.call(admin.profiles.RemoveMembers, request, profiles_pb2.RemoveMembersResponse)


def _check_members(users: list[str] | None, teams: list[str] | None) -> None:
    if not users and not teams:
        raise typer.BadParameter("give at least one --user or --team", param_hint="--user")
