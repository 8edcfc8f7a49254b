"""`haversack team`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._command import admin_command
from haversack_server.cli._directory import DryRunFlag, IdOption, TeamArgument, changed, given, reference, show_change
from haversack_server.cli._options import OrganizationOption

if TYPE_CHECKING:
    from haversack.admin.v1 import directory_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(help="Teams: who is in them, what they hand on.", no_args_is_help=True)

MembersArgument = Annotated[list[str], typer.Argument(metavar="USER...", help="Ids or names of users.")]


def _type(team: directory_pb2.Team) -> str:
    from haversack.admin.v1 import directory_pb2

    return directory_pb2.TeamType.Name(team.type).removeprefix("TEAM_TYPE_").lower().replace("_", " ")


def _show_list(answer: directory_pb2.ListTeamsResponse) -> None:
    from haversack_server.cli._output import print_table

    rows = [(it.name, _type(it), reference(it.business_unit), f"{it.member_count:,}", it.id) for it in answer.teams]
    print_table(("name", "type", "business unit", ">members", "id"), rows)


def _show_team(answer: directory_pb2.GetTeamResponse) -> None:
    from haversack.admin.v1 import directory_pb2

    from haversack_server.cli._output import print_table

    _show_list(directory_pb2.ListTeamsResponse(teams=[answer.team]))
    print_table(("member", "id"), [(it.name, it.id) for it in answer.members])
    print_table(("role", "id"), [(it.name, it.id) for it in answer.roles])


@admin_command(app, "list", example="haversack team list --org acme", shown=_show_list)
def list_teams(admin: AdminEndpoint, *, organization: OrganizationOption) -> directory_pb2.ListTeamsResponse:
    """List teams."""
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.ListTeamsRequest(organization=organization)
    return admin.call(admin.directory.ListTeams, request, directory_pb2.ListTeamsResponse)


@admin_command(app, "show", example="haversack team show Field --org acme", shown=_show_team)
def show(
    admin: AdminEndpoint, *, team: TeamArgument, organization: OrganizationOption
) -> directory_pb2.GetTeamResponse:
    """Show a team with members and roles."""
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.GetTeamRequest(organization=organization, team=team)
    return admin.call(admin.directory.GetTeam, request, directory_pb2.GetTeamResponse)


@admin_command(
    app, "add", example="haversack team add Field --org acme --unit West --member ada --member bob", shown=show_change
)
def add(
    admin: AdminEndpoint,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name; no other team of the business unit has it.")],
    organization: OrganizationOption,
    unit: Annotated[str, typer.Option(metavar="UNIT", help="Business unit; else the root.")] = "",
    access: Annotated[bool, typer.Option("--access", help="An access team: rows are shared with it.")] = False,
    description: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    member: Annotated[list[str], typer.Option(metavar="USER", help="A member; as often as wanted.")] = [],  # noqa: B006
    id_: IdOption = "",
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Make a team."""
    from haversack.admin.v1 import directory_pb2 as pb

    team = pb.CreateTeam(
        id=id_,
        name=name,
        business_unit=unit,
        type=pb.TEAM_TYPE_ACCESS if access else pb.TEAM_TYPE_OWNER,
        description=description,
        members=member,
    )
    return changed(admin, organization, pb.DirectoryEdit(create_team=team), dry_run=dry_run)


@admin_command(app, "set", example="haversack team set Field --org acme --name Outdoor", shown=show_change)
def set_team(
    admin: AdminEndpoint,
    *,
    team: TeamArgument,
    organization: OrganizationOption,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Another name.")] = None,
    unit: Annotated[str | None, typer.Option(metavar="UNIT", help="Another business unit.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is for.")] = None,
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Change or move a team."""
    from haversack.admin.v1 import directory_pb2 as pb

    news = given(name=name, business_unit=unit, description=description)
    if not news:
        raise typer.BadParameter("say what is to change", param_hint="options")
    edit = pb.DirectoryEdit(update_team=pb.UpdateTeam(team=team, **news))
    return changed(admin, organization, edit, dry_run=dry_run)


@admin_command(app, "delete", example="haversack team delete Field --org acme --dry-run", shown=show_change)
def delete(
    admin: AdminEndpoint, *, team: TeamArgument, organization: OrganizationOption, dry_run: DryRunFlag = False
) -> directory_pb2.ChangeDirectoryResponse:
    """Delete a team that owns no rows, with its memberships, roles and shares."""
    from haversack.admin.v1 import directory_pb2 as pb

    return changed(admin, organization, pb.DirectoryEdit(delete_team=team), dry_run=dry_run)


@admin_command(app, "join", example="haversack team join Field ada bob --org acme --dry-run", shown=show_change)
def join(
    admin: AdminEndpoint,
    *,
    team: TeamArgument,
    users: MembersArgument,
    organization: OrganizationOption,
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Put users into a team."""
    from haversack.admin.v1 import directory_pb2 as pb

    edit = pb.DirectoryEdit(add_members=pb.TeamMembers(team=team, users=users))
    return changed(admin, organization, edit, dry_run=dry_run)


@admin_command(app, "leave", example="haversack team leave Field ada --org acme", shown=show_change)
def leave(
    admin: AdminEndpoint,
    *,
    team: TeamArgument,
    users: MembersArgument,
    organization: OrganizationOption,
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Take users out of a team."""
    from haversack.admin.v1 import directory_pb2 as pb

    edit = pb.DirectoryEdit(remove_members=pb.TeamMembers(team=team, users=users))
    return changed(admin, organization, edit, dry_run=dry_run)
