"""`haversack backup` and `haversack restore`: on the server's own machine, as whoever its files belong to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from haversack_server.cli._options import ConfigOption, DataOption, JsonOption
from haversack_server.places import data_folder

if TYPE_CHECKING:
    from haversack_server.backups import Manifest, Progress, Report
    from haversack_server.settings import ServerSettings

_Done = TypeVar("_Done")

CREATE = "create"


class _CreatesByDefault(TyperGroup):
    """`haversack backup PLACE` is `haversack backup create PLACE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the command in that was left out."""
        if args and not {"--help", *self.commands}.intersection(args[:1]):
            args = [CREATE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_CreatesByDefault,
    help="Back a server up, while it runs or not, and check backups. `haversack backup PLACE` makes one.",
    no_args_is_help=True,
)

Source = Annotated[Path, typer.Argument(metavar="SOURCE", help="The folder of the backup.")]


@app.command(CREATE, epilog="Example: haversack backup create /backups/monday --data /var/lib/haversack")
def create(
    destination: Annotated[
        Path,
        typer.Argument(metavar="DESTINATION", help="A folder that is not there yet; the one that it is in is made."),
    ],
    *,
    organizations: Annotated[
        list[str] | None, typer.Option("--org", metavar="NAME", help="Only this organization; may be repeated.")
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back a server up: catalog, record and staging databases, kept ledgers, the development issuer's key.

    It may run beside the server, keeps nobody waiting, and reads the settings as `serve` does. The folder appears when
    it is whole, or not at all. What it holds is as secret as the server itself. haversack.toml, certificates and their
    keys are not in it.
    """

    async def work(report: Report) -> Manifest:
        from haversack_server.backups import make

        settings = _settings(data, config)
        made = await make(settings.data, settings.catalog_url, destination, names=organizations or (), report=report)
        return made.manifest

    _tell(_run(work, as_json=as_json), "backed up", destination, as_json=as_json)


@app.command("verify", epilog="Example: haversack backup verify /backups/monday")
def verify(source: Source, *, as_json: JsonOption = False) -> None:
    """Check that a backup is whole: every file is there, with the content that it was made with, and no other."""

    async def work(report: Report) -> Manifest:
        import asyncio

        from haversack_server import backups

        return await asyncio.to_thread(backups.verify, source, report)

    _tell(_run(work, as_json=as_json), "whole", source, as_json=as_json)


def restore(
    source: Source, *, data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Restore a backup into an empty data folder, and an empty database if the catalog is in PostgreSQL.

    The backup is verified first. Start no server meanwhile: none starts until it is done. Devices start over, and bring
    again what was taken from them after the backup. A restore that was broken off is repeated in the same way.
    """

    async def work(report: Report) -> Manifest:
        from haversack_server import backups

        settings = _settings(data, config)
        return (await backups.restore(source, settings.data, settings.catalog_url, report=report)).manifest

    _tell(_run(work, as_json=as_json), "restored", source, as_json=as_json)


def _settings(data: Path | None, config: Path | None) -> ServerSettings:
    from haversack_server.settings import load_settings

    return load_settings(data_folder(data), config, {})


def _run(work: Callable[[Report], Awaitable[_Done]], *, as_json: bool) -> _Done:
    import asyncio

    from haversack_server.cli._output import refuse
    from haversack_server.errors import HaversackError
    from haversack_server.logs import configure_logs

    async def carried_out(report: Report) -> _Done:
        return await work(report)

    configure_logs("error")
    try:
        with _bar(shown=not as_json) as report:
            return asyncio.run(carried_out(report))
    except HaversackError as error:
        refuse({"reason": error.reason, "message": str(error)}, as_json=as_json)


@contextmanager
def _bar(*, shown: bool) -> Iterator[Report]:
    """Shows bytes, speed and time left at a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True, highlight=False)
    columns = (
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Bars(*columns, console=console, disable=not (shown and console.is_terminal), transient=True) as bars:
        task = bars.add_task("", total=None)

        def report(progress: Progress) -> None:
            bars.update(
                task, description=progress.what, completed=progress.bytes_done, total=progress.bytes_total or None
            )

        yield report


def _tell(manifest: Manifest, what: str, place: Path, *, as_json: bool) -> None:
    from haversack_server.cli._output import console, moment, print_json, print_table

    if as_json:
        content = manifest.model_dump(mode="json", exclude={"files"})
        print_json({"folder": str(place), **content, "files": len(manifest.files), "bytes": manifest.bytes_total})
        return
    shown = ((it.name, it.state, _head(it.staging_head), _head(it.record_head)) for it in manifest.organizations)
    print_table(("organization", "state", ">staging up to", ">record up to"), shown)
    console().print(
        f"{place} is {what}: {len(manifest.files):,} files, {manifest.bytes_total:,} bytes,"
        f" made {moment(manifest.made_at_us)} UTC by Haversack {manifest.version}",
        markup=False,
    )


def _head(lsn: int) -> str:
    return "-" if lsn < 0 else f"{lsn:,}"
