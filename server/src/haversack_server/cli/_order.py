"""The order of commands in help: the way one works, not the alphabet."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


def in_order(words: str) -> type[TyperGroup]:
    """Returns a kind of group whose commands are in the order of these words.

    Making one raises ValueError if it has a command that the words lack.
    """
    names = words.split()

    class Ordered(TyperGroup):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.commands = dict(sorted(self.commands.items(), key=lambda it: names.index(it[0])))

    return Ordered
