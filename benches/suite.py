"""The command line of the benchmarks: which there are, at which size, and how their figures are shown."""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benches import device, engine, first_sync, ingest, live, odata, postgres, reconnect, scan, sources, upload
from benches.figures import Figure, show
from benches.measure import machine
from benches.session import Session

WIDTH = 160
"""Columns of tables that are not printed to a terminal."""

BENCHES: dict[str, Callable[[Session], list[Figure]]] = {
    "ingest": ingest.run,
    "engine": engine.run,
    "scan": scan.run,
    "first-sync": first_sync.run,
    "live": live.run,
    "odata": odata.run,
    "postgres": postgres.run,
    "sources": sources.run,
    "reconnect": reconnect.run,
    "upload": upload.run,
    "device": device.run,
}


def run(
    *,
    quick: Annotated[bool, typer.Option(help="Small sizes, to see that the benchmarks work.")] = False,
    only: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(BENCHES)}; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
) -> None:
    """Runs the benchmarks. Every figure is a median, and is compared with others of the same run."""
    chosen = only or list(BENCHES)
    for name in chosen:
        if name not in BENCHES:
            raise typer.BadParameter(f"{name} is none of {', '.join(BENCHES)}", param_hint="--only")
    if as_json:
        flat = [figure.as_json(name) for name in chosen for figure in _measured(name, quick)]
        typer.echo(json.dumps({"machine": machine(), "quick": quick, "figures": flat}, indent=2))
        return
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(machine())
    for name in chosen:
        # At once: a later one that fails must not take these along.
        show(console, name, _measured(name, quick))


def _measured(name: str, quick: bool) -> list[Figure]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[bench]}"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with tempfile.TemporaryDirectory() as folder, Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", bench=name, total=None)
        session = Session(quick, Path(folder), lambda doing: progress.update(task, description=doing))
        figures = BENCHES[name](session)
        progress.update(task, description="done", total=1, completed=1)
        return figures


def main() -> None:
    """Reads the command line."""
    typer.run(run)
