"""`haversack share`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._command import admin_command
from haversack_server.cli._directory import (
    RIGHTS_HELP,
    DryRunFlag,
    changed,
    read_rights,
    reference,
    show_change,
)
from haversack_server.cli._options import OrganizationOption

if TYPE_CHECKING:
    from haversack.admin.v1 import directory_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(help="Shares: rows that somebody may use beside what roles grant.", no_args_is_help=True)

EntityArgument = Annotated[str, typer.Argument(metavar="ENTITY", help="Logical name of the row's entity.")]
RowArgument = Annotated[str, typer.Argument(metavar="ROW", help="The row's id.")]
UserOption = Annotated[str, typer.Option("--user", metavar="USER", help="The user.")]
TeamOption = Annotated[str, typer.Option("--team", metavar="TEAM", help="The team.")]


def _show_list(answer: directory_pb2.ListSharesResponse) -> None:
    from haversack.admin.v1 import directory_pb2

    from haversack_server.cli._output import console, print_table

    def rights(share: directory_pb2.RowShare) -> str:
        spelled = [directory_pb2.AccessRight.Name(it).removeprefix("ACCESS_RIGHT_") for it in share.rights]
        return ", ".join(spelled).lower().replace("_", "-")

    rows = [
        (
            it.entity,
            it.row,
            "team" if it.HasField("team") else "user",
            reference(it.team) or reference(it.user),
            rights(it),
        )
        for it in answer.shares
    ]
    print_table(("entity", "row", "with", "", "may"), rows)
    if answer.more:
        console().print("there are more; ask for more with --shares", style="dim")


@admin_command(app, "list", example="haversack share list --org acme --user ada", shown=_show_list)
def list_shares(
    admin: AdminEndpoint,
    *,
    organization: OrganizationOption,
    row: Annotated[str, typer.Option(metavar="ROW", help="With whom this row is shared.")] = "",
    user: UserOption = "",
    team: TeamOption = "",
    shares: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Tell of so many shares.")] = 100,
) -> directory_pb2.ListSharesResponse:
    """List with whom a row is shared, or what is shared with a user or team."""
    from haversack.admin.v1 import directory_pb2

    if sum(map(bool, (row, user, team))) != 1:
        raise typer.BadParameter("give one of --row, --user and --team", param_hint="options")
    request = directory_pb2.ListSharesRequest(
        organization=organization, row=row, user=user, team=team, shares_max=shares
    )
    return admin.call(admin.directory.ListShares, request, directory_pb2.ListSharesResponse)


@admin_command(
    app,
    "add",
    example="haversack share add account 0a6f12bc-0000-4000-8000-000000000001 read,write --user ada --org acme",
    shown=show_change,
)
def add(
    admin: AdminEndpoint,
    *,
    entity: EntityArgument,
    row: RowArgument,
    rights: Annotated[str, typer.Argument(metavar="RIGHTS", help=f"all, or some of {RIGHTS_HELP}")],
    organization: OrganizationOption,
    user: UserOption = "",
    team: TeamOption = "",
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Share a row with a user or team, in place of what was shared before."""
    from haversack.admin.v1 import directory_pb2 as pb

    share = pb.ShareRow(entity=entity, row=row, user=user, team=team, rights=read_rights(rights))
    return changed(admin, organization, pb.DirectoryEdit(share_row=share), dry_run=dry_run)


@admin_command(
    app,
    "remove",
    example="haversack share remove account 0a6f12bc-0000-4000-8000-000000000001 --user ada --org acme",
    shown=show_change,
)
def remove(
    admin: AdminEndpoint,
    *,
    entity: EntityArgument,
    row: RowArgument,
    organization: OrganizationOption,
    user: UserOption = "",
    team: TeamOption = "",
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """End the sharing of a row with a user or team."""
    from haversack.admin.v1 import directory_pb2 as pb

    share = pb.ShareRow(entity=entity, row=row, user=user, team=team)
    return changed(admin, organization, pb.DirectoryEdit(share_row=share), dry_run=dry_run)
