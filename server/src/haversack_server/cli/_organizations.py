"""`haversack org`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._command import admin_command

if TYPE_CHECKING:
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(help="Organizations: make, list, show.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The organization's name.")]


class Collation(StrEnum):
    """How strings compare."""

    CI_AI = "CI_AI"
    CI_AS = "CI_AS"


def _show(organization: admin_pb2.Organization) -> None:
    from haversack_server.cli._output import console, print_table

    lines = (
        ("organization", organization.name),
        ("revision", organization.revision or "nothing is published yet"),
        ("LSN", organization.lsn),
        ("epoch", organization.epoch.hex()),
        ("time zone", organization.settings.time_zone or "UTC"),
    )
    for name, value in lines:
        console().print(f"{name:<14}{value}", markup=False)
    if organization.rows:
        rows = [(it.entity, f"{it.rows:,}", f"{it.bytes:,}") for it in organization.rows]
        print_table(("entity", ">rows", ">bytes"), rows)


def _show_list(organizations: Sequence[admin_pb2.Organization]) -> None:
    from haversack_server.cli._output import print_table

    rows = [
        (it.name, str(it.revision), str(it.lsn), f"{sum(entity.rows for entity in it.rows):,}") for it in organizations
    ]
    print_table(("organization", ">revision", ">LSN", ">rows"), rows)


@admin_command(app, "create", example="haversack org create acme --time-zone Europe/Vienna", shown=_show)
def create(
    admin: AdminEndpoint,
    *,
    name: NameArgument,
    time_zone: Annotated[str, typer.Option(metavar="IANA", help="What calendar operators use.")] = "UTC",
    collation: Annotated[Collation, typer.Option(help="Whether accents count: not with CI_AI.")] = Collation.CI_AI,
    null_never_matches: Annotated[
        bool, typer.Option("--null-never-matches", help="NULL does not match `ne` and its kind.")
    ] = False,
) -> admin_pb2.Organization:
    """Make an organization with an empty staging database."""
    from haversack.admin.v1 import admin_pb2
    from haversack.model.v1 import model_pb2

    settings = model_pb2.Settings(
        time_zone=time_zone, collation=f"COLLATION_{collation.value}", null_never_matches=null_never_matches
    )
    request = admin_pb2.CreateOrganizationRequest(name=name, settings=settings)
    answer = admin.call(admin.organizations.CreateOrganization, request, admin_pb2.CreateOrganizationResponse)
    return answer.organization


@admin_command(app, "list", example="haversack org list --json", shown=_show_list)
def list_organizations(admin: AdminEndpoint) -> Sequence[admin_pb2.Organization]:
    """List all organizations."""
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.ListOrganizationsRequest()
    answer = admin.call(admin.organizations.ListOrganizations, request, admin_pb2.ListOrganizationsResponse)
    return answer.organizations


@admin_command(app, "show", example="haversack org show acme", shown=_show)
def show(admin: AdminEndpoint, *, name: NameArgument) -> admin_pb2.Organization:
    """Show where an organization stands: revision, commit order, rows per entity."""
    from haversack.admin.v1 import admin_pb2

    request = admin_pb2.GetOrganizationRequest(name=name)
    answer = admin.call(admin.organizations.GetOrganization, request, admin_pb2.GetOrganizationResponse)
    return answer.organization
