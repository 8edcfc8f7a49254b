"""`haversack serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from haversack_server.cli._options import DataOption, JsonOption
from haversack_server.settings import (
    ADMIN_LISTEN_DEFAULT,
    SYNC_LISTEN_DEFAULT,
    ServerSettings,
    data_folder,
    database_url,
)


def serve(
    *,
    data: DataOption = None,
    admin: Annotated[
        str, typer.Option("--admin", metavar="HOST:PORT", help="Where the admin endpoint listens; port 0 picks one.")
    ] = ADMIN_LISTEN_DEFAULT,
    sync: Annotated[
        str, typer.Option("--sync", metavar="HOST:PORT", help="Where the sync endpoint listens; port 0 picks one.")
    ] = SYNC_LISTEN_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Run both endpoints until SIGINT or SIGTERM.

    The data folder is made if it is not there. HAVERSACK_DATABASE=postgresql://user:password@host/database puts the
    catalog into PostgreSQL. Logs go to stderr as JSON.
    """
    import asyncio

    from haversack_server.cli._output import refuse
    from haversack_server.errors import HaversackError
    from haversack_server.logs import configure_logs

    configure_logs()
    settings = ServerSettings(data=data_folder(data), database_url=database_url(), admin_listen=admin, sync_listen=sync)
    try:
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
        _announce(server.admin_address, server.sync_address, settings, as_json=as_json)
        await stopping.wait()
        if not as_json:
            typer.echo("stopping")


def _announce(admin: str, sync: str, settings: ServerSettings, *, as_json: bool) -> None:
    from haversack_server.cli._output import console, print_json

    if as_json:
        print_json({"admin": admin, "sync": sync, "data": str(settings.data.absolute())})
        return
    out = console()
    out.print("[bold]Haversack[/bold] is serving")
    for name, value in (("admin endpoint", admin), ("sync endpoint", sync), ("data", str(settings.data.absolute()))):
        out.print(f"  {name:<15}{value}", markup=False)
    out.print("Ctrl-C stops it.")
