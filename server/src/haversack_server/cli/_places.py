"""`haversack unit` and `haversack position`: the two trees that users have a place in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._command import admin_command
from haversack_server.cli._directory import DryRunFlag, IdOption, changed, given, show_change
from haversack_server.cli._options import OrganizationOption

if TYPE_CHECKING:
    from haversack.admin.v1 import directory_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

units = typer.Typer(help="Business units: the tree that users, teams and rows belong to.", no_args_is_help=True)
positions = typer.Typer(help="Positions: the tree by which managers see what is below.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name; no other has it.")]
UnitArgument = Annotated[str, typer.Argument(metavar="UNIT", help="Id or name.")]
PositionArgument = Annotated[str, typer.Argument(metavar="POSITION", help="Id or name.")]
NewNameOption = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Another name.")]


def _show_tree(nodes: Sequence[directory_pb2.TreeNode]) -> None:
    from haversack_server.cli._output import print_table

    rows = [("  " * it.depth + it.name, f"{it.user_count:,}", it.id) for it in nodes]
    print_table(("name", ">users", "id"), rows)


@admin_command(units, "list", example="haversack unit list --org acme", shown=_show_tree)
def list_units(admin: AdminEndpoint, *, organization: OrganizationOption) -> Sequence[directory_pb2.TreeNode]:
    """Show the tree of business units."""
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.ListBusinessUnitsRequest(organization=organization)
    answer = admin.call(admin.directory.ListBusinessUnits, request, directory_pb2.ListBusinessUnitsResponse)
    return answer.business_units


@admin_command(units, "add", example="haversack unit add West --org acme --below Company", shown=show_change)
def add_unit(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    organization: OrganizationOption,
    below: Annotated[str, typer.Option(metavar="UNIT", help="The one above; only the first has none.")] = "",
    id_: IdOption = "",
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Make a business unit."""
    from haversack.admin.v1 import directory_pb2 as pb

    edit = pb.DirectoryEdit(create_business_unit=pb.CreateTreeNode(id=id_, name=name, parent=below))
    return changed(admin, organization, edit, dry_run=dry_run)


@admin_command(units, "set", example="haversack unit set West --org acme --below East", shown=show_change)
def set_unit(
    admin: AdminEndpoint,
    *,
    unit: UnitArgument,
    organization: OrganizationOption,
    name: NewNameOption = None,
    below: Annotated[str | None, typer.Option(metavar="UNIT", help="Another one above.")] = None,
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Rename or move a business unit; what is below it moves along."""
    from haversack.admin.v1 import directory_pb2 as pb

    edit = pb.DirectoryEdit(update_business_unit=pb.UpdateTreeNode(node=unit, **_news(name, below)))
    return changed(admin, organization, edit, dry_run=dry_run)


@admin_command(units, "delete", example="haversack unit delete West --org acme", shown=show_change)
def delete_unit(
    admin: AdminEndpoint, *, unit: UnitArgument, organization: OrganizationOption, dry_run: DryRunFlag = False
) -> directory_pb2.ChangeDirectoryResponse:
    """Delete a business unit that nothing belongs to."""
    from haversack.admin.v1 import directory_pb2 as pb

    return changed(admin, organization, pb.DirectoryEdit(delete_business_unit=unit), dry_run=dry_run)


@admin_command(positions, "list", example="haversack position list --org acme", shown=_show_tree)
def list_positions(admin: AdminEndpoint, *, organization: OrganizationOption) -> Sequence[directory_pb2.TreeNode]:
    """Show the tree of positions."""
    from haversack.admin.v1 import directory_pb2

    request = directory_pb2.ListPositionsRequest(organization=organization)
    return admin.call(admin.directory.ListPositions, request, directory_pb2.ListPositionsResponse).positions


@admin_command(positions, "add", example="haversack position add Seller --org acme --below Chief", shown=show_change)
def add_position(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    organization: OrganizationOption,
    below: Annotated[str, typer.Option(metavar="POSITION", help="The one above, if there is one.")] = "",
    id_: IdOption = "",
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Make a position."""
    from haversack.admin.v1 import directory_pb2 as pb

    edit = pb.DirectoryEdit(create_position=pb.CreateTreeNode(id=id_, name=name, parent=below))
    return changed(admin, organization, edit, dry_run=dry_run)


@admin_command(positions, "set", example='haversack position set Seller --org acme --below ""', shown=show_change)
def set_position(
    admin: AdminEndpoint,
    *,
    position: PositionArgument,
    organization: OrganizationOption,
    name: NewNameOption = None,
    below: Annotated[str | None, typer.Option(metavar="POSITION", help='Another one above; "" for none.')] = None,
    dry_run: DryRunFlag = False,
) -> directory_pb2.ChangeDirectoryResponse:
    """Rename or move a position; what is below it moves along."""
    from haversack.admin.v1 import directory_pb2 as pb

    edit = pb.DirectoryEdit(update_position=pb.UpdateTreeNode(node=position, **_news(name, below)))
    return changed(admin, organization, edit, dry_run=dry_run)


@admin_command(positions, "delete", example="haversack position delete Seller --org acme", shown=show_change)
def delete_position(
    admin: AdminEndpoint, *, position: PositionArgument, organization: OrganizationOption, dry_run: DryRunFlag = False
) -> directory_pb2.ChangeDirectoryResponse:
    """Delete a position that nobody has and none is below."""
    from haversack.admin.v1 import directory_pb2 as pb

    return changed(admin, organization, pb.DirectoryEdit(delete_position=position), dry_run=dry_run)


def _news(name: str | None, below: str | None) -> dict[str, str]:
    news = given(name=name, parent=below)
    if not news:
        raise typer.BadParameter("say what is to change", param_hint="options")
    return news
