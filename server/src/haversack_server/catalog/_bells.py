"""Bells: who waits for something of the catalog is woken when another part of the system, in any process, has made it.

A bell is a hint and never the news itself: one may be missed (a connection was lost, the other process is on a SQLite
file), so `Bell.wait` returns after a while by itself, and whoever waits looks in the catalog either way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import structlog

CHANNEL = "haversack"
"""PostgreSQL's channel of every bell; the payload is the bell's name."""

ORGANIZATIONS_BELL = "organizations"
"""Rung when an organization has been made, or something else of it is to be served."""

OPERATIONS_BELL = "operations"
"""Rung when an operation has been recorded, or something was asked of one."""

RECONNECT_SECONDS = 1.0

_log = structlog.get_logger()


def provisioning_bell(organization: str) -> str:
    """The bell that is rung when where an organization's provisioning stands has changed."""
    return f"provisioning {organization}"


class Bell:
    """One waiter's ear."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    async def wait(self, seconds_max: float) -> bool:
        """Returns True as soon as it has been rung since the last call, and False after `seconds_max`."""
        try:
            async with asyncio.timeout(seconds_max):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    def ring(self) -> None:
        """Wakes the waiter."""
        self._rung.set()


class Bells:
    """The bells of one process, by name."""

    def __init__(self) -> None:
        self._hung: dict[str, set[Bell]] = {}

    @contextmanager
    def hang(self, name: str) -> Iterator[Bell]:
        """Hears a name while the block runs."""
        bell = Bell()
        self._hung.setdefault(name, set()).add(bell)
        try:
            yield bell
        finally:
            self._hung[name].discard(bell)

    def ring(self, name: str) -> None:
        """Rings every bell of a name."""
        for bell in self._hung.get(name, ()):
            bell.ring()

    def ring_all(self) -> None:
        """Rings every bell: something may have been missed."""
        for name in self._hung:
            self.ring(name)


async def follow_postgresql(bells: Bells, arguments: dict[str, Any]) -> None:
    """Rings what other processes ring, on a connection of its own that it makes again whenever it is lost.

    Takes psycopg's arguments for a connection; ends when it is cancelled.
    """
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(autocommit=True, **arguments) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                bells.ring_all()
                async for notice in connection.notifies():
                    bells.ring(notice.payload)
        except psycopg.Error as error:
            _log.warning("no longer listening to the catalog's database", cause=type(error).__name__)
        await asyncio.sleep(RECONNECT_SECONDS)
