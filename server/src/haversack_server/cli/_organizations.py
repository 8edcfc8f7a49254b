"""`haversack org`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._options import DataOption, EndpointOption, JsonOption, TokenOption

if TYPE_CHECKING:
    from haversack.admin.v1 import admin_pb2

app = typer.Typer(help="Organizations: make, list, show.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The organization's name.")]


class Collation(StrEnum):
    """How strings compare."""

    CI_AI = "CI_AI"
    CI_AS = "CI_AS"


@app.command(epilog="Example: haversack org create acme --time-zone Europe/Vienna")
def create(
    *,
    name: NameArgument,
    time_zone: Annotated[str, typer.Option(metavar="IANA", help="What calendar operators use.")] = "UTC",
    collation: Annotated[Collation, typer.Option(help="Whether accents count: not with CI_AI.")] = Collation.CI_AI,
    null_never_matches: Annotated[
        bool, typer.Option("--null-never-matches", help="NULL does not match `ne` and its kind.")
    ] = False,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an organization with an empty staging database."""
    from haversack.admin.v1 import admin_pb2
    from haversack.model.v1 import model_pb2

    from haversack_server.cli._endpoint import connected

    settings = model_pb2.Settings(
        time_zone=time_zone,
        collation=f"COLLATION_{collation.value}",
        null_never_matches=null_never_matches,
    )
    request = admin_pb2.CreateOrganizationRequest(name=name, settings=settings)
    with connected(endpoint, token, data, as_json=as_json) as admin:
        answer = admin.call(admin.organizations.CreateOrganization, request, admin_pb2.CreateOrganizationResponse)
    _print(answer.organization, as_json=as_json)


@app.command("list", epilog="Example: haversack org list --json")
def list_organizations(
    *,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List all organizations."""
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import connected
    from haversack_server.cli._output import message_json, print_json, print_table

    with connected(endpoint, token, data, as_json=as_json) as admin:
        request = admin_pb2.ListOrganizationsRequest()
        answer = admin.call(admin.organizations.ListOrganizations, request, admin_pb2.ListOrganizationsResponse)
    if as_json:
        print_json([message_json(it) for it in answer.organizations])
        return
    rows = [
        (it.name, str(it.revision), str(it.lsn), f"{sum(entity.rows for entity in it.rows):,}")
        for it in answer.organizations
    ]
    print_table(("organization", ">revision", ">LSN", ">rows"), rows)


@app.command(epilog="Example: haversack org show acme")
def show(
    *,
    name: NameArgument,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where an organization stands: revision, commit order, rows per entity."""
    from haversack.admin.v1 import admin_pb2

    from haversack_server.cli._endpoint import connected

    with connected(endpoint, token, data, as_json=as_json) as admin:
        request = admin_pb2.GetOrganizationRequest(name=name)
        answer = admin.call(admin.organizations.GetOrganization, request, admin_pb2.GetOrganizationResponse)
    _print(answer.organization, as_json=as_json)


def _print(organization: admin_pb2.Organization, *, as_json: bool) -> None:
    from haversack_server.cli._output import console, message_json, print_json, print_table

    if as_json:
        print_json(message_json(organization))
        return
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
