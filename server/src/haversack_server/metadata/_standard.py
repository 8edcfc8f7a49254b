"""The metadata documents that Haversack ships: a CRM's common entities and the directory. See standard/NOTICES.md."""

from __future__ import annotations

from importlib import resources


def standard_names() -> list[str]:
    """Returns the logical names of the shipped entities, sorted."""
    return [name for name, _ in standard_documents()]


def standard_documents() -> list[tuple[str, bytes]]:
    """Returns (logical name, JSON) of every shipped document, sorted by name."""
    folder = resources.files(__package__) / "standard"
    found = [it for it in folder.iterdir() if it.name.endswith(".json")]
    return [(it.name.removesuffix(".json"), it.read_bytes()) for it in sorted(found, key=lambda it: it.name)]
