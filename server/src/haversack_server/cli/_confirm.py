"""Asking before something reaches devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from haversack_server.cli._endpoint import AdminEndpoint

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking; needed with --json.")]


def refuse_to_guess(admin: AdminEndpoint, *, yes: bool) -> None:
    """Ends a command that would have to ask, and whose reader is a program, with exit code 2."""
    if admin.as_json and not yes:
        raise typer.BadParameter("this asks before it reaches devices, and programs cannot answer; give --yes")


def confirm(question: str, *, yes: bool) -> None:
    """Asks, unless told not to; ends the command with exit code 1 if the answer is no."""
    if not yes:
        typer.confirm(question, abort=True)
