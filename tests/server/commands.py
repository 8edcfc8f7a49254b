"""Every command of a command line."""

from __future__ import annotations

from collections.abc import Iterator

from typer.core import TyperCommand, TyperGroup


def commands(group: object, *path: str) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    """Yields every command, with the words that lead to it."""
    if isinstance(group, TyperGroup):
        for name, command in group.commands.items():
            yield from commands(command, *path, name)
    elif isinstance(group, TyperCommand):
        yield path, group
