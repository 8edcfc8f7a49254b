"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from haversack_server.cli import _completion
from haversack_server.settings import DATA_VARIABLE

ADMIN_VARIABLE = "HAVERSACK_ADMIN"
TOKEN_VARIABLE = "HAVERSACK_TOKEN"

EndpointOption = Annotated[
    str | None,
    typer.Option(
        "--admin",
        metavar="HOST:PORT",
        envvar=ADMIN_VARIABLE,
        help="Admin endpoint; else that of the server that runs on the data folder, else 127.0.0.1:7420.",
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="JWT",
        envvar=TOKEN_VARIABLE,
        help="Token for administration; else one is made with the data folder's key.",
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", envvar=DATA_VARIABLE, help="The server's data folder; ./haversack-data if not given."
    ),
]
OrganizationOption = Annotated[
    str,
    typer.Option("--org", metavar="NAME", help="The organization's name.", autocompletion=_completion.organizations),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
