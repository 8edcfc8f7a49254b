"""`haversack demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA_SET_DEFAULT = Path("examples/field_service")


def demo(
    *,
    data_set: Annotated[
        Path, typer.Option("--data-set", metavar="DIR", help="The data set: a clone's examples/field_service.")
    ] = DATA_SET_DEFAULT,
    folder: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="An empty folder to play in, kept afterwards.")
    ] = None,
) -> None:
    """Show the main job on real data: fill, publish, sync three devices, change things, check every row.

    Needs haversack-client beside the server. Exits with 1 if a device ever disagreed with SQL on the staging data.
    """
    from haversack_server.cli._output import EXIT_REFUSED, console, refuse
    from haversack_server.logs import configure_logs

    configure_logs()
    try:
        from haversack_server.demo.play import play
    except ModuleNotFoundError as error:
        refuse({"reason": "CLIENT_MISSING", "message": f"{error}; install haversack-client beside it"}, as_json=False)
    out = console()
    try:
        agreed = play(data_set, folder, out)
    except (FileNotFoundError, FileExistsError) as error:
        refuse({"reason": "FOLDER_UNUSABLE", "message": str(error)}, as_json=False)
    if not agreed:
        out.print("\n[bold red]Some devices disagreed; see above.[/bold red]")
        raise typer.Exit(EXIT_REFUSED)
    out.print("\n[bold green]Every device agreed with SQL on the staging data after every step.[/bold green]")
