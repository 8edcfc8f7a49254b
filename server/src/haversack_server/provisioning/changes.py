"""Who waits for something to happen to an organization's provisioning, and is woken when it does in this process."""

from __future__ import annotations

import asyncio


class Changes:
    """A bell for each organization. What another process does rings none: who waits must also look by itself."""

    def __init__(self) -> None:
        self._bells: dict[str, asyncio.Event] = {}

    def bell(self, organization: str) -> asyncio.Event:
        """Returns an event that the next change sets. Take it before looking, and nothing is missed."""
        return self._bells.setdefault(organization, asyncio.Event())

    def ring(self, organization: str) -> None:
        """Wakes everybody who waits. To be called when the change is committed."""
        bell = self._bells.pop(organization, None)
        if bell is not None:
            bell.set()
