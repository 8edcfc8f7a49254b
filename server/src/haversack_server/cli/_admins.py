"""`haversack admin`: who may administer what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._command import admin_command
from haversack_server.cli._options import (
    CaFileOption,
    ConfigOption,
    DataOption,
    EndpointOption,
    JsonOption,
    RoleWord,
    TokenOption,
)

if TYPE_CHECKING:
    from haversack.admin.v1 import security_pb2

    from haversack_server.cli._endpoint import AdminEndpoint

app = typer.Typer(help="Administrators: who has which role where.", no_args_is_help=True)

SubjectArgument = Annotated[
    str, typer.Argument(metavar="SUBJECT", help="Whose: the `sub` of their tokens, or what the issuer's settings name.")
]
IssuerOption = Annotated[str, typer.Option("--issuer", metavar="URL", help="The `iss` of their tokens.")]
PlaceOption = Annotated[
    str, typer.Option("--org", metavar="NAME", help="In which organization; all of them if not given.")
]
EVERYWHERE = "all organizations"


@app.command(
    "grant",
    epilog="Example: haversack admin grant 00u1a2b3 --issuer https://login.example.com/ --role operator --org acme",
)
def grant(
    *,
    subject: SubjectArgument,
    issuer: IssuerOption,
    role: Annotated[RoleWord, typer.Option("--role", help="What they may do.")],
    organization: PlaceOption = "",
    local: Annotated[
        bool,
        typer.Option(
            "--local", help="Write to the catalog itself, on the server's machine: for the first administrator."
        ),
    ] = False,
    config: ConfigOption = None,
    endpoint: EndpointOption = None,
    token: TokenOption = None,
    ca_file: CaFileOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a role to somebody, in place of the one that they had there.

    With --local nobody need be signed in: who can write to the catalog can do anything anyway. The audit log says so.
    """
    from haversack.admin.v1 import security_pb2

    from haversack_server.cli._endpoint import connected
    from haversack_server.cli._output import print_answer

    request = security_pb2.GrantRoleRequest(
        organization=organization,
        issuer=issuer,
        subject=subject,
        role=f"ROLE_{role.name}",
    )
    if local:
        given = _granted_locally(request, data, config, as_json=as_json)
    else:
        with connected(endpoint, token, data, ca_file=ca_file, as_json=as_json) as admin:
            answer = admin.call(admin.access.GrantRole, request, security_pb2.GrantRoleResponse)
        given = answer.grant
    if as_json:
        print_answer(given)
    else:
        typer.echo(f"{subject} is {role.value} in {organization or EVERYWHERE}")


def _granted_locally(
    request: security_pb2.GrantRoleRequest, data: Path | None, config: Path | None, *, as_json: bool
) -> security_pb2.Grant:
    import asyncio

    from haversack_server.admin import grant_locally
    from haversack_server.cli._output import refuse
    from haversack_server.errors import HaversackError
    from haversack_server.places import data_folder
    from haversack_server.settings import load_settings

    try:
        settings = load_settings(data_folder(data), config, {})
        return asyncio.run(grant_locally(settings, request))
    except HaversackError as error:
        refuse({"reason": error.reason, "message": str(error)}, as_json=as_json)


def _show_revoked(answer: security_pb2.RevokeRoleResponse) -> None:
    typer.echo("revoked" if answer.revoked else "there was nothing to revoke")


@admin_command(
    app,
    "revoke",
    example="haversack admin revoke 00u1a2b3 --issuer https://login.example.com/ --org acme",
    shown=_show_revoked,
)
def revoke(
    admin: AdminEndpoint, *, subject: SubjectArgument, issuer: IssuerOption, organization: PlaceOption = ""
) -> security_pb2.RevokeRoleResponse:
    """Take a role away. It ends at once."""
    from haversack.admin.v1 import security_pb2

    request = security_pb2.RevokeRoleRequest(organization=organization, issuer=issuer, subject=subject)
    return admin.call(admin.access.RevokeRole, request, security_pb2.RevokeRoleResponse)


def _show_grants(grants: Sequence[security_pb2.Grant]) -> None:
    from haversack_server.cli._output import moment, print_table

    rows = [
        (it.subject, it.issuer, _role(it), it.organization or EVERYWHERE, it.granted_by, moment(it.granted_at_us))
        for it in grants
    ]
    print_table(("subject", "issuer", "role", "where", "given by", "when"), rows)


def _role(grant: security_pb2.Grant) -> str:
    from haversack.admin.v1 import security_pb2

    return security_pb2.Role.Name(grant.role).removeprefix("ROLE_").lower()


@admin_command(app, "list", example="haversack admin list --org acme", shown=_show_grants)
def list_(admin: AdminEndpoint, *, organization: PlaceOption = "") -> Sequence[security_pb2.Grant]:
    """List who has which role. Roles that come from claims of tokens are in the server's settings."""
    from haversack.admin.v1 import security_pb2

    request = security_pb2.ListGrantsRequest(organization=organization)
    return admin.call(admin.access.ListGrants, request, security_pb2.ListGrantsResponse).grants


def _show_caller(answer: security_pb2.GetCallerResponse) -> None:
    typer.echo(f"{answer.subject} of {answer.issuer}")
    _show_grants(answer.grants)


@admin_command(app, "whoami", example="haversack admin whoami", shown=_show_caller)
def whoami(admin: AdminEndpoint) -> security_pb2.GetCallerResponse:
    """Tell who the token is of, and what they may do."""
    from haversack.admin.v1 import security_pb2

    return admin.call(admin.access.GetCaller, security_pb2.GetCallerRequest(), security_pb2.GetCallerResponse)
