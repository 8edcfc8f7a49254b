"""`haversack user`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._command import admin_command
from haversack_server.cli._directory import (
    DryRunFlag,
    IdOption,
    UserArgument,
    changed,
    given,
    names,
    reference,
    show_change,
)
from haversack_server.cli._options import OrganizationOption

if TYPE_CHECKING:
    from haversack.admin.v1 import directory_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(help="Users: who they are, where they belong, what they may.", no_args_is_help=True)

EmailOption = Annotated[str | None, typer.Option("--email", metavar="ADDRESS", help="E-mail address.")]
TitleOption = Annotated[str | None, typer.Option("--title", metavar="TEXT", help="Job title.")]
ManagerOption = Annotated[str | None, typer.Option("--manager", metavar="USER", help="To whom the user reports.")]
PositionOption = Annotated[str | None, typer.Option("--position", metavar="POSITION", help="The user's position.")]
ZoneOption = Annotated[str | None, typer.Option("--time-zone", metavar="ZONE", help="As Europe/Vienna.")]


def _show_list(answer: directory_pb2.ListUsersResponse) -> None:
    from haversack_server.cli._output import console, print_table

    rows = [
        (it.full_name, it.domain_name, it.email, reference(it.business_unit), "disabled" if it.disabled else "", it.id)
        for it in answer.users
    ]
    print_table(("name", "domain name", "e-mail", "business unit", "", "id"), rows)
    console().print(f"{len(answer.users):,} of {answer.user_count:,} users", style="dim")


def _show_user(answer: directory_pb2.GetUserResponse) -> None:
    from haversack_server.cli._output import console

    user = answer.user
    lines = {
        "name": user.full_name,
        "id": user.id,
        "domain name": user.domain_name,
        "e-mail": user.email,
        "job title": user.job_title,
        "state": "disabled" if user.disabled else "enabled",
        "business unit": reference(user.business_unit),
        "manager": reference(user.manager),
        "position": reference(user.position),
        "time zone": user.time_zone,
        "teams": names(answer.teams),
        "roles": ", ".join(
            reference(it.role) + (f" (by {reference(it.team)})" if it.HasField("team") else "") for it in answer.roles
        ),
        "profile": answer.profile,
    }
    for name, value in lines.items():
        console().print(f"{name:<15}{value}", markup=False)


@admin_command(app, "list", example="haversack user list --org acme --search ada", shown=_show_list)
def list_users(
    admin: AdminEndpoint,
    *,
    organization: OrganizationOption,
    search: Annotated[str, typer.Option(metavar="TEXT", help="Only those with this in a name or address.")] = "",
    unit: Annotated[str, typer.Option(metavar="UNIT", help="Only those of this business unit.")] = "",
    users: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Tell of so many users.")] = 100,
    offset: Annotated[int, typer.Option("--offset", metavar="N", min=0, help="Pass over so many users.")] = 0,
) -> directory_pb2.ListUsersResponse:
    """List users."""
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.ListUsersRequest(
        organization=organization, search=search, business_unit=unit, users_max=users, offset=offset
    )
    return admin.call(admin.directory.ListUsers, request, directory_pb2.ListUsersResponse)


@admin_command(app, "show", example="haversack user show ada@example.com --org acme", shown=_show_user)
def show(
    admin: AdminEndpoint, *, user: UserArgument, organization: OrganizationOption
) -> directory_pb2.GetUserResponse:
    """Show a user with teams, roles and profile."""
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.GetUserRequest(organization=organization, user=user)
    return admin.call(admin.directory.GetUser, request, directory_pb2.GetUserResponse)


@admin_command(
    app,
    "add",
    example='haversack user add ada@acme.example "Ada Lovelace" --org acme --unit West --role Salesperson',
    shown=show_change,
)
def add(
    admin: AdminEndpoint,
    *,
    domain_name: Annotated[str, typer.Argument(metavar="DOMAIN-NAME", help="Sign-in name; no other user has it.")],
    full_name: Annotated[str, typer.Argument(metavar="NAME", help="Name for people.")],
    organization: OrganizationOption,
    unit: Annotated[str | None, typer.Option(metavar="UNIT", help="Business unit; else the root.")] = None,
    email: EmailOption = None,
    title: TitleOption = None,
    manager: ManagerOption = None,
    position: PositionOption = None,
    time_zone: ZoneOption = None,
    role: Annotated[list[str], typer.Option("--role", metavar="ROLE", help="A role; as often as wanted.")] = [],  # noqa: B006
    team: Annotated[list[str], typer.Option("--team", metavar="TEAM", help="A team; as often as wanted.")] = [],  # noqa: B006
    id_: IdOption = "",
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Make a user, with roles and teams."""
    from haversack.admin.v1 import directory_pb2 as pb

    news = given(business_unit=unit, email=email, job_title=title, manager=manager, position=position)
    user = pb.CreateUser(id=id_, domain_name=domain_name, full_name=full_name, time_zone=time_zone or "", **news)
    roles = [pb.DirectoryEdit(assign_role=pb.RoleHolders(role=it, users=[domain_name])) for it in role]
    teams = [pb.DirectoryEdit(add_members=pb.TeamMembers(team=it, users=[domain_name])) for it in team]
    return changed(admin, organization, pb.DirectoryEdit(create_user=user), *roles, *teams, dry_run=dry_run)


@admin_command(app, "set", example="haversack user set ada --org acme --unit East --manager bob", shown=show_change)
def set_user(
    admin: AdminEndpoint,
    *,
    user: UserArgument,
    organization: OrganizationOption,
    domain_name: Annotated[str | None, typer.Option(metavar="NAME", help="Another sign-in name.")] = None,
    full_name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Another name for people.")] = None,
    unit: Annotated[str | None, typer.Option(metavar="UNIT", help="Another business unit; roles stay.")] = None,
    email: EmailOption = None,
    title: TitleOption = None,
    manager: ManagerOption = None,
    position: PositionOption = None,
    time_zone: ZoneOption = None,
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Change or move a user. What is given as "" is taken away."""
    from haversack.admin.v1 import directory_pb2 as pb

    news = given(
        domain_name=domain_name,
        full_name=full_name,
        business_unit=unit,
        email=email,
        job_title=title,
        manager=manager,
        position=position,
        time_zone=time_zone,
    )
    if not news:
        raise typer.BadParameter("say what is to change", param_hint="options")
    edit = pb.DirectoryEdit(update_user=pb.UpdateUser(user=user, **news))
    return changed(admin, organization, edit, dry_run=dry_run)


@admin_command(app, "disable", example="haversack user disable ada --org acme", shown=show_change)
def disable(
    admin: AdminEndpoint, *, user: UserArgument, organization: OrganizationOption, dry_run: DryRunFlag = False
) -> directory_pb2.ChangeDirectoryResponse:
    """Disable a user: every device of the user loses its rows."""
    from haversack.admin.v1 import directory_pb2 as pb

    edit = pb.DirectoryEdit(update_user=pb.UpdateUser(user=user, disabled=True))
    return changed(admin, organization, edit, dry_run=dry_run)


@admin_command(app, "enable", example="haversack user enable ada --org acme", shown=show_change)
def enable(
    admin: AdminEndpoint, *, user: UserArgument, organization: OrganizationOption, dry_run: DryRunFlag = False
) -> directory_pb2.ChangeDirectoryResponse:
    """Enable a user who was disabled."""
    from haversack.admin.v1 import directory_pb2 as pb

    edit = pb.DirectoryEdit(update_user=pb.UpdateUser(user=user, disabled=False))
    return changed(admin, organization, edit, dry_run=dry_run)
