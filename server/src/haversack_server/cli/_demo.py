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
    """Show the main job on real data: provision, publish, sync three devices, change things, check every row.

    It begins at an empty directory, on a server of its own over TLS. Needs haversack-client beside the server. Exits
    with 1 if anything was not as it should be.
    """
    import time

    from haversack_server.cli._output import EXIT_REFUSED, console, refuse

    try:
        from haversack_server.cli._progress import follow
        from haversack_server.demo.narration import Narrator
        from haversack_server.demo.play import play
    except ModuleNotFoundError as error:
        refuse({"reason": "CLIENT_MISSING", "message": f"{error}; install haversack-client beside it"}, as_json=False)
    out = console()
    narrator = Narrator(out)
    began = time.monotonic()
    try:
        play(data_set, folder, narrator, follow)
    except (FileNotFoundError, FileExistsError) as error:
        refuse({"reason": "FOLDER_UNUSABLE", "message": str(error)}, as_json=False)
    seconds = time.monotonic() - began
    if narrator.failed:
        out.print(f"\n[bold red]{narrator.failed} of {narrator.checked} checks failed; see above.[/bold red]")
        raise typer.Exit(EXIT_REFUSED)
    out.print(f"\n[bold green]Everything agreed: {narrator.checked} checks in {seconds:.0f} seconds.[/bold green]")
