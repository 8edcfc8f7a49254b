"""What the command line says of itself: examples that parse, a reference that is fresh."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest
import typer
from haversack_client.cli import app as device
from haversack_server.cli import app as server
from server.commands import commands
from typer.core import TyperCommand

DOCS = Path(__file__).resolve().parents[2] / "docs"
EVERY_COMMAND = [
    ((name, *path), command)
    for name, app in (("haversack", server), ("haversack-device", device))
    for path, command in commands(typer.main.get_command(app))
]


@pytest.mark.parametrize(("path", "command"), EVERY_COMMAND, ids=[" ".join(path) for path, _ in EVERY_COMMAND])
def test_every_command_s_example_is_one_that_it_takes(path: tuple[str, ...], command: TyperCommand) -> None:
    example = re.search(r"^Example: (.*)$", f"{command.help}\n{command.epilog}", re.MULTILINE)
    assert example, "people learn from examples first"
    words = shlex.split(example.group(1))
    assert tuple(words[: len(path)]) == path
    # The parser alone: the files of an example need not exist.
    context = typer.Context(command, info_name=path[-1])
    given, _, _ = command.make_parser(context).parse_args(words[len(path) :])
    for parameter in command.params:
        assert not parameter.required or given.get(parameter.name or ""), f"the example leaves {parameter.name} out"


def test_the_reference_is_what_the_commands_say(tmp_path: Path) -> None:
    runpy.run_path(str(DOCS / "generate.py"))["write"](tmp_path)
    for page in tmp_path.iterdir():
        assert page.read_text() == (DOCS / page.name).read_text(), f"docs/{page.name} is stale; run `make gen`"
