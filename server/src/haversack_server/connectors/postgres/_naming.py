"""Logical names of tables and columns, which may be called anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from anyascii import anyascii

from haversack_server.metadata import name_fault

NAME_CHARACTERS_MAX = 63
"""Of a name that is made: as long as PostgreSQL's own may be, and far below what a logical name may."""


def sanitized(name: str) -> str:
    """Returns a logical name like this name of a table or column; other scripts are written in Latin letters."""
    latin = anyascii(name).lower()
    kept = "".join(it if it.isascii() and (it.isalnum() or it == "_") else "_" for it in latin)
    spelled = kept if kept[:1].isalpha() or kept[:1] == "_" else f"_{kept}"
    # Nobody has named it: what devices keep for themselves says where it comes from.
    made = f"source_{spelled.lstrip('_')}" if name_fault(spelled[:NAME_CHARACTERS_MAX]) else spelled
    return made[:NAME_CHARACTERS_MAX]


def distinct(spelled: Mapping[str, str], taken: Collection[str] = ()) -> dict[str, str]:
    """Gives each a logical name of its own, by how it is spelt, and none that is taken.

    What is spelt like its logical name keeps it; others that become the same get a number behind it.
    """
    used = set(taken)
    given = {}
    for it in sorted(spelled, key=lambda it: sanitized(spelled[it]) != spelled[it]):
        given[it] = _numbered(sanitized(spelled[it]), used)
        used.add(given[it])
    return given


def _numbered(name: str, used: Collection[str]) -> str:
    """Returns a name, or the first one with a number behind it, that is not used."""
    candidate, number = name, 1
    while candidate in used:
        number += 1
        suffix = f"_{number}"
        candidate = name[: NAME_CHARACTERS_MAX - len(suffix)] + suffix
    return candidate
