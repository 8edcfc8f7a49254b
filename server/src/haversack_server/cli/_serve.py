"""`haversack serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from haversack_server.cli._options import ConfigOption, DataOption, JsonOption
from haversack_server.places import ADMIN_LISTEN_DEFAULT, METRICS_LISTEN_DEFAULT, SYNC_LISTEN_DEFAULT, data_folder

if TYPE_CHECKING:
    from haversack_server.runtime import Server
    from haversack_server.settings import ServerSettings

OFF = "off"


def serve(
    *,
    data: DataOption = None,
    config: ConfigOption = None,
    admin: Annotated[
        str | None,
        typer.Option(
            "--admin",
            metavar="HOST:PORT",
            help=f"Where the admin endpoint listens; port 0 picks one. Default {ADMIN_LISTEN_DEFAULT}.",
        ),
    ] = None,
    sync: Annotated[
        str | None,
        typer.Option(
            "--sync",
            metavar="HOST:PORT",
            help=f"Where the sync endpoint listens; port 0 picks one. Default {SYNC_LISTEN_DEFAULT}.",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="HOST:PORT",
            help=f"Where metrics and health are, over HTTP; `{OFF}` for nowhere. Default {METRICS_LISTEN_DEFAULT}.",
        ),
    ] = None,
    development: Annotated[
        bool,
        typer.Option(
            "--dev", help="Development mode: plain text on loopback, and tokens of `haversack token` are believed."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run both endpoints until SIGINT or SIGTERM.

    The data folder is made if it is not there. Settings come from options, then HAVERSACK_* variables, then
    `haversack.toml` in the data folder (docs/operating.md lists them). Without --dev the server speaks TLS and believes
    configured issuers alone. HAVERSACK_DATABASE=postgresql://user:password@host/database puts the catalog into
    PostgreSQL. Logs go to stderr as JSON.
    """
    import asyncio

    from haversack_server.cli._output import refuse
    from haversack_server.errors import HaversackError
    from haversack_server.logs import configure_logs
    from haversack_server.settings import load_settings

    listens = {"admin_listen": admin, "sync_listen": sync, "metrics_listen": "" if metrics == OFF else metrics}
    arguments: dict[str, Any] = {name: listen for name, listen in listens.items() if listen is not None}
    if development:
        arguments["mode"] = "development"
    try:
        settings = load_settings(data_folder(data), config, arguments)
        configure_logs(settings.log_level)
        asyncio.run(_run(settings, as_json=as_json))
    except HaversackError as error:
        refuse({"reason": error.reason, "message": str(error)}, as_json=as_json)
    except OSError as error:
        refuse({"reason": "INTERNAL", "message": f"the data folder cannot be used: {error}"}, as_json=as_json)


async def _run(settings: ServerSettings, *, as_json: bool) -> None:
    import asyncio
    import signal

    from haversack_server.runtime import Server

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with Server(settings) as server:
        _announce(server, settings, as_json=as_json)
        await stopping.wait()
        if not as_json:
            typer.echo("stopping")


def _announce(server: Server, settings: ServerSettings, *, as_json: bool) -> None:
    from haversack_server.cli._output import console, print_json

    places = {"admin": server.admin_address, "sync": server.sync_address, "metrics": server.metrics_address}
    data = str(settings.data.absolute())
    if as_json:
        print_json({**places, "data": data, "mode": settings.mode.value, "tls": settings.tls is not None})
        return
    out = console()
    out.print("[bold]Haversack[/bold] is serving" + (" in development mode" if settings.development else ""))
    for name, value in (
        ("admin endpoint", places["admin"]),
        ("sync endpoint", places["sync"]),
        ("metrics", places["metrics"] or "nowhere"),
        ("data", data),
    ):
        out.print(f"  {name:<15}{value}", markup=False)
    out.print("Ctrl-C stops it.")
