"""`haversack role`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._command import admin_command
from haversack_server.cli._directory import (
    RIGHTS_HELP,
    DryRunFlag,
    IdOption,
    RoleArgument,
    changed,
    given,
    names,
    read_rights,
    reference,
    show_change,
)
from haversack_server.cli._options import OrganizationOption

if TYPE_CHECKING:
    from haversack.admin.v1 import directory_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(help="Roles: what they grant, who has them.", no_args_is_help=True)

UsersOption = Annotated[list[str], typer.Option("--user", metavar="USER", help="A user; as often as wanted.")]
TeamsOption = Annotated[list[str], typer.Option("--team", metavar="TEAM", help="A team; as often as wanted.")]
TeamOnlyOption = Annotated[
    bool | None,
    typer.Option(
        "--team-only/--direct", help="Members of a team get only what the team may, or the role as their own."
    ),
]

_DEPTHS = {"none": 0, "user": 1, "unit": 2, "below": 4, "organization": 8}
_DEPTH_NAMES = {depth: name for name, depth in _DEPTHS.items()}


def _show_list(answer: directory_pb2.ListRolesResponse) -> None:
    from haversack_server.cli._output import print_table

    rows = [
        (it.name, reference(it.business_unit), _inheritance(it), f"{it.user_count:,}", f"{it.team_count:,}", it.id)
        for it in answer.roles
    ]
    print_table(("name", "business unit", "members of teams get", ">users", ">teams", "id"), rows)


def _inheritance(role: directory_pb2.SecurityRole) -> str:
    from haversack.admin.v1 import directory_pb2

    is_team_only = role.inheritance == directory_pb2.ROLE_INHERITANCE_TEAM_ONLY
    return "what the team may" if is_team_only else "the role as their own"


def _show_role(answer: directory_pb2.GetRoleResponse) -> None:
    from haversack.admin.v1 import directory_pb2

    from haversack_server.cli._output import console, print_table

    _show_list(directory_pb2.ListRolesResponse(roles=[answer.role]))
    granted: dict[str, list[str]] = {}
    for it in answer.privileges:
        right = directory_pb2.AccessRight.Name(it.right).removeprefix("ACCESS_RIGHT_").lower().replace("_", "-")
        granted.setdefault(it.entity, []).append(f"{right}: {_DEPTH_NAMES.get(it.depth, it.depth)}")
    print_table(("entity", "may"), [(entity, ", ".join(rights)) for entity, rights in granted.items()])
    console().print(f"users: {names(answer.users)}", markup=False)
    console().print(f"teams: {names(answer.teams)}", markup=False)


@admin_command(app, "list", example="haversack role list --org acme", shown=_show_list)
def list_roles(admin: AdminEndpoint, *, organization: OrganizationOption) -> directory_pb2.ListRolesResponse:
    """List roles."""
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.ListRolesRequest(organization=organization)
    return admin.call(admin.directory.ListRoles, request, directory_pb2.ListRolesResponse)


@admin_command(app, "show", example="haversack role show Salesperson --org acme", shown=_show_role)
def show(
    admin: AdminEndpoint, *, role: RoleArgument, organization: OrganizationOption
) -> directory_pb2.GetRoleResponse:
    """Show what a role grants and who has it."""
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.GetRoleRequest(organization=organization, role=role)
    return admin.call(admin.directory.GetRole, request, directory_pb2.GetRoleResponse)


@admin_command(app, "add", example="haversack role add Salesperson --org acme", shown=show_change)
def add(
    admin: AdminEndpoint,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name; no other role of the business unit has it.")],
    organization: OrganizationOption,
    unit: Annotated[str, typer.Option(metavar="UNIT", help="Business unit; else the root.")] = "",
    team_only: TeamOnlyOption = None,
    id_: IdOption = "",
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Make a role that grants nothing yet."""
    from haversack.admin.v1 import directory_pb2 as pb

    role = pb.CreateRole(id=id_, name=name, business_unit=unit, inheritance=_read_inheritance(team_only))
    return changed(admin, organization, pb.DirectoryEdit(create_role=role), dry_run=dry_run)


@admin_command(app, "set", example="haversack role set Salesperson --org acme --team-only", shown=show_change)
def set_role(
    admin: AdminEndpoint,
    *,
    role: RoleArgument,
    organization: OrganizationOption,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Another name.")] = None,
    team_only: TeamOnlyOption = None,
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Change a role's name, or what members of teams get of it."""
    from haversack.admin.v1 import directory_pb2 as pb

    if name is None and team_only is None:
        raise typer.BadParameter("say what is to change", param_hint="options")
    edit = pb.UpdateRole(role=role, inheritance=_read_inheritance(team_only), **given(name=name))
    return changed(admin, organization, pb.DirectoryEdit(update_role=edit), dry_run=dry_run)


@admin_command(
    app,
    "grant",
    example="haversack role grant Salesperson account read,write --depth unit --org acme",
    shown=show_change,
)
def grant(
    admin: AdminEndpoint,
    *,
    role: RoleArgument,
    entity: Annotated[str, typer.Argument(metavar="ENTITY", help="Logical name, as account.")],
    rights: Annotated[str, typer.Argument(metavar="RIGHTS", help=f"all, or some of {RIGHTS_HELP}")],
    organization: OrganizationOption,
    depth: Annotated[
        str,
        typer.Option(metavar="DEPTH", help="user, unit, below (unit and those below), organization; none takes away."),
    ],
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Let a role do something with an entity's rows, to a depth; or no longer."""
    from haversack.admin.v1 import directory_pb2 as pb

    if depth not in _DEPTHS:
        raise typer.BadParameter(f"there is no depth {depth!r}; use {', '.join(_DEPTHS)}", param_hint="--depth")
    name = pb.PrivilegeDepth.Name(_DEPTHS[depth])
    granted = [pb.RolePrivilege(entity=entity, right=it, depth=name) for it in read_rights(rights)]
    edit = pb.DirectoryEdit(set_role_privileges=pb.SetRolePrivileges(role=role, privileges=granted))
    return changed(admin, organization, edit, dry_run=dry_run)


@admin_command(app, "delete", example="haversack role delete Salesperson --org acme", shown=show_change)
def delete(
    admin: AdminEndpoint, *, role: RoleArgument, organization: OrganizationOption, dry_run: DryRunFlag = False
) -> directory_pb2.ChangeDirectoryResponse:
    """Delete a role that nobody has."""
    from haversack.admin.v1 import directory_pb2 as pb

    return changed(admin, organization, pb.DirectoryEdit(delete_role=role), dry_run=dry_run)


@admin_command(
    app, "assign", example="haversack role assign Salesperson --user ada --team Field --org acme", shown=show_change
)
def assign(
    admin: AdminEndpoint,
    *,
    role: RoleArgument,
    organization: OrganizationOption,
    user: UsersOption = [],  # noqa: B006 - Typer copies it
    team: TeamsOption = [],  # noqa: B006
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Give a role to users and teams."""
    from haversack.admin.v1 import directory_pb2 as pb

    edit = pb.DirectoryEdit(assign_role=_holders(role, user, team))
    return changed(admin, organization, edit, dry_run=dry_run)


@admin_command(
    app, "revoke", example="haversack role revoke Salesperson --user ada --org acme --dry-run", shown=show_change
)
def revoke(
    admin: AdminEndpoint,
    *,
    role: RoleArgument,
    organization: OrganizationOption,
    user: UsersOption = [],  # noqa: B006 - Typer copies it
    team: TeamsOption = [],  # noqa: B006
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Take a role from users and teams."""
    from haversack.admin.v1 import directory_pb2 as pb

    edit = pb.DirectoryEdit(revoke_role=_holders(role, user, team))
    return changed(admin, organization, edit, dry_run=dry_run)


def _holders(role: str, users: list[str], teams: list[str]) -> directory_pb2.RoleHolders:
    from haversack.admin.v1 import directory_pb2

    if not users and not teams:
        raise typer.BadParameter("say whose role it is", param_hint="--user, --team")
    return directory_pb2.RoleHolders(role=role, users=users, teams=teams)


def _read_inheritance(team_only: bool | None) -> directory_pb2.RoleInheritance:
    from haversack.admin.v1 import directory_pb2

    if team_only is None:
        return directory_pb2.ROLE_INHERITANCE_UNSPECIFIED
    return directory_pb2.ROLE_INHERITANCE_TEAM_ONLY if team_only else directory_pb2.ROLE_INHERITANCE_DIRECT
