"""Many breaches in the message of one error."""

from __future__ import annotations

from collections.abc import Iterable

LISTED_BREACHES_BYTES_MAX = 2_000
"""How much text a list of breaches may take: an error travels in headers, which proxies and clients limit to 8 KiB."""


def sentences(breaches: Iterable[str]) -> str:
    """Joins breaches, one a line, as far as an error's message may grow; the last line counts those left out."""
    lines: list[str] = []
    size = 0
    rest = list(breaches)
    while rest and size + len(rest[0].encode()) < LISTED_BREACHES_BYTES_MAX:
        lines.append(rest.pop(0))
        size += len(lines[-1].encode()) + 1
    if rest:
        lines.append(f"and {len(rest)} more; mend these first" if lines else rest[0][: LISTED_BREACHES_BYTES_MAX // 4])
    return "\n".join(lines)
