"""`haversack token`."""

from __future__ import annotations

from typing import Annotated

import typer

from haversack_server.cli._options import DataOption, JsonOption, RoleWord
from haversack_server.places import data_folder

HOURS_DEFAULT = 24.0
HOURS_MAX = 24.0 * 366


def token(
    *,
    user: Annotated[str, typer.Option("--user", metavar="UUID", help="Whose: for a device, a systemuserid.")] = "",
    organization: Annotated[
        str, typer.Option("--org", metavar="NAME", help="For which organization; with --admin, all if not given.")
    ] = "",
    admin: Annotated[bool, typer.Option("--admin", help="For administration instead of a device.")] = False,
    role: Annotated[
        RoleWord | None,
        typer.Option("--role", help="With --admin: what its bearer may do; administrator if not given."),
    ] = None,
    hours: Annotated[float, typer.Option("--hours", min=0.0, max=HOURS_MAX, help="Its lifetime.")] = HOURS_DEFAULT,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token for trying things out, signed with the data folder's own key.

    The server of that data folder believes it in development mode alone. The key pair is made at first use.
    """
    import time
    import uuid

    from haversack_server.cli._output import print_json
    from haversack_server.identity import ADMIN_AUDIENCE, ANY_ORGANIZATION, SYNC_AUDIENCE, DevelopmentIssuer

    if not admin:
        if role is not None:
            raise typer.BadParameter("devices have no role; give --admin as well", param_hint="--role")
        if not organization:
            raise typer.BadParameter("a device's token needs its organization", param_hint="--org")
        try:
            user = str(uuid.UUID(user))
        except ValueError as error:
            raise typer.BadParameter("a device's token needs a systemuserid, a UUID", param_hint="--user") from error
    audience = ADMIN_AUDIENCE if admin else SYNC_AUDIENCE
    made = DevelopmentIssuer.open(data_folder(data)).token(
        user=user or "administrator",
        organization=organization or ANY_ORGANIZATION,
        audience=audience,
        hours=hours,
        role=role.value if role else "",
    )
    if as_json:
        print_json({"token": made, "audience": audience, "expires": int(time.time() + hours * 3_600)})
    else:
        typer.echo(made)
