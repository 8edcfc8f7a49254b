"""`haversack doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from haversack_server.cli._options import ConfigOption, DataOption, JsonOption
from haversack_server.places import data_folder

if TYPE_CHECKING:
    from haversack_server.operations.doctor import Finding


def doctor(*, data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check a set-up: settings, data folder, catalog, certificates, addresses, issuers, clocks, staging databases.

    It reads the settings as `serve` does, may run beside the server, and changes nothing. Exit code 1 if something
    has to be mended.
    """
    import asyncio

    from haversack_server.cli._output import EXIT_REFUSED, print_json
    from haversack_server.logs import configure_logs
    from haversack_server.operations.doctor import State, examine

    configure_logs("error")
    findings = asyncio.run(examine(data_folder(data), config))
    if as_json:
        print_json([it.as_json() for it in findings])
    else:
        _show(findings)
    if any(it.state is State.BAD for it in findings):
        raise typer.Exit(EXIT_REFUSED)


def _show(findings: Sequence[Finding]) -> None:
    from haversack_server.cli._output import print_table

    print_table(
        ("", "what", "found", "what to do"), [(it.state.value, it.what, it.found, it.advice) for it in findings]
    )
