"""`haversack tls`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from haversack_server.cli._options import DataOption, JsonOption
from haversack_server.places import data_folder

if TYPE_CHECKING:
    from haversack_server.security import DevelopmentCa

TLS_FOLDER = "tls"

app = typer.Typer(help="Certificates.", no_args_is_help=True)


@app.callback()
def tls() -> None:
    """Certificates."""


@app.command("dev-ca", epilog="Example: haversack tls dev-ca --host field.example.com --host 10.0.0.7")
def dev_ca(
    *,
    host: Annotated[
        list[str], typer.Option("--host", metavar="NAME", help="A name or address of the server; may be repeated.")
    ] = [],  # noqa: B006 - Typer copies it
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Where to; `tls` in the data folder if not given.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a certificate authority and a server's certificate, for machines of your own.

    localhost, 127.0.0.1, ::1 and this machine's name are always among the hosts. Whatever is good stays, so run it
    again at will: the server's certificate is made anew when it lacks a host or ends within 30 days, and a running
    server takes it. Clients trust ca.pem; the keys are readable by you alone.
    """
    import socket

    from haversack_server.cli._output import refuse
    from haversack_server.errors import HaversackError
    from haversack_server.security import make_development_ca

    hosts = [*dict.fromkeys(("localhost", "127.0.0.1", "::1", socket.gethostname(), *host))]
    try:
        made = make_development_ca(folder or data_folder(data) / TLS_FOLDER, hosts, datetime.now(UTC))
    except HaversackError as error:
        refuse({"reason": error.reason, "message": str(error)}, as_json=as_json)
    except OSError as error:
        refuse({"reason": "CONFIGURATION_INVALID", "message": f"cannot be written: {error}"}, as_json=as_json)
    _show(made, as_json=as_json)


def _show(made: DevelopmentCa, *, as_json: bool) -> None:
    from haversack_server.cli._output import console, print_json

    files = {"ca_file": made.ca_file, "certificate_file": made.certificate_file, "key_file": made.key_file}
    if as_json:
        shown = {name: str(path.absolute()) for name, path in files.items()}
        written = [str(it.absolute()) for it in made.made]
        print_json({**shown, "hosts": made.hosts, "ends": made.ends.isoformat(), "made": written})
        return
    out = console()
    out.print(f"made {', '.join(it.name for it in made.made)}" if made.made else "everything is there and good")
    out.print(f"for {', '.join(made.hosts)}, until {made.ends:%Y-%m-%d}", markup=False)
    out.print("In haversack.toml:\n\n[tls]", markup=False)
    for name, path in files.items():
        out.print(f'{name} = "{path.absolute()}"', markup=False)
