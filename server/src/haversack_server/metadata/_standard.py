"""The metadata documents that Haversack ships: a CRM's common entities and the directory. See standard/NOTICES.md."""

from __future__ import annotations

import json
from importlib import resources


def standard_names() -> list[str]:
    """Returns the logical names of the shipped entities, sorted."""
    return [name for name, _ in standard_documents()]


def standard_documents() -> list[tuple[str, bytes]]:
    """Returns (logical name, JSON) of every shipped document, sorted by name."""
    folder = resources.files(__package__) / "standard"
    found = [it for it in folder.iterdir() if it.name.endswith(".json")]
    return [(it.name.removesuffix(".json"), it.read_bytes()) for it in sorted(found, key=lambda it: it.name)]


def standard_key(entity: str) -> str:
    """Returns the logical name of a shipped entity's key."""
    content = (resources.files(__package__) / "standard" / f"{entity}.json").read_bytes()
    return str(json.loads(content)["PrimaryIdAttribute"])
