"""The order of commands in help: the way one works, not the alphabet."""

from __future__ import annotations

from typer import Context
from typer.core import TyperGroup


def in_order(words: str) -> type[TyperGroup]:
    """Returns a kind of group whose commands are listed in the order of these words; they have to be all of them."""
    names = words.split()

    class Ordered(TyperGroup):
        def list_commands(self, ctx: Context) -> list[str]:
            return sorted(self.commands, key=names.index)

    return Ordered
