"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from haversack_server.cli import _completion
from haversack_server.places import CONFIG_VARIABLE, DATA_VARIABLE

ADMIN_VARIABLE = "HAVERSACK_ADMIN"
TOKEN_VARIABLE = "HAVERSACK_TOKEN"
CA_FILE_VARIABLE = "HAVERSACK_CA_FILE"


class RoleWord(StrEnum):
    """What an administrator may do."""

    READER = "reader"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


EndpointOption = Annotated[
    str | None,
    typer.Option(
        "--admin",
        metavar="HOST:PORT",
        envvar=ADMIN_VARIABLE,
        help="Admin endpoint, with TLS unless it is on loopback; http:// or https:// in front of it decides. Else that "
        "of the server that runs on the data folder, else 127.0.0.1:7420.",
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="JWT",
        envvar=TOKEN_VARIABLE,
        help="Token for administration; else, in development mode, one is made with the data folder's key.",
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", envvar=DATA_VARIABLE, help="The server's data folder; ./haversack-data if not given."
    ),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        metavar="PEM",
        envvar=CA_FILE_VARIABLE,
        help="Authority that the server's certificate is from; else what the server left, else what the system knows.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="TOML",
        envvar=CONFIG_VARIABLE,
        help="The server's settings; else haversack.toml in the data folder, if there is one.",
    ),
]
OrganizationOption = Annotated[
    str,
    typer.Option("--org", metavar="NAME", help="The organization's name.", autocompletion=_completion.organizations),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
