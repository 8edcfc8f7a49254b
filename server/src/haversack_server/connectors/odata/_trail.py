"""Finds out whether the links of a read go round, by one link that is remembered (Brent's algorithm).

Pages are followed wherever a service says that they go on, however many there are; but a link that comes again leads to
the pages that were read already, for ever. The one that is remembered is that of page 1, 2, 4, 8 and so on, so that a
circle is noticed when it was walked about three times, whatever its length.
"""

from __future__ import annotations

import hashlib

from haversack_server.errors import SourceAnswerInvalid


def trail(before: str, link: str) -> str:
    """Returns what is kept when a page leads on to a link; "" before the first page.

    Raises SourceAnswerInvalid if the link is the one that is remembered.
    """
    count, _, remembered = before.partition(" ")
    page = int(count or 0) + 1
    mark = hashlib.sha256(link.encode()).hexdigest()[:32]
    if mark == remembered:
        raise SourceAnswerInvalid(
            f"the service says that rows go on at {link[:200]!r}, where they went on before: its links go round;"
            " the read goes on when the service sends others; `haversack source resync` begins it anew"
        )
    return f"{page} {mark if page.bit_count() == 1 else remembered}"
