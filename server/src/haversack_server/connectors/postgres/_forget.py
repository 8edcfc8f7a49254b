"""Lets go of what a PostgreSQL database keeps for an organization: its slot, and the publication that we made."""

from __future__ import annotations

import asyncio
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg import Error as DatabaseError
from psycopg import errors as states

from haversack_server.connectors.postgres._refusals import unavailable
from haversack_server.connectors.postgres._settings import Settings
from haversack_server.replication import FORGET_SECONDS_MAX

RELEASE_SECONDS_MAX = 15.0
"""How long a feed may take to let go of the slot: one of another process sees at its next heartbeat that it is over."""

RELEASE_PAUSE_SECONDS = 0.1

MADE_BY_US = "made by Haversack"
"""The comment of a publication that the core's feed has made (`postgres/slot.rs`)."""

_USER = """
    SELECT active_pid FROM pg_replication_slots
    WHERE slot_name = %s AND plugin = 'pgoutput' AND database = current_database()
"""

_PUBLICATION = """
    SELECT 1 FROM pg_publication p WHERE p.pubname = %s AND pg_get_userbyid(p.pubowner) = current_user
        AND obj_description(p.oid, 'pg_publication') = %s
"""

_OTHER_SLOTS = """
    SELECT slot_name FROM pg_replication_slots
    WHERE plugin = 'pgoutput' AND database = current_database() AND NOT temporary ORDER BY slot_name
"""


async def forget(settings: Settings, successor: Settings | None = None) -> tuple[str, ...]:
    """Drops both, as far as that can be; see `Source.forget`.

    The keys of mutations that were applied stay: devices may still repeat them, and several organizations share them.
    """
    try:
        async with asyncio.timeout(FORGET_SECONDS_MAX):
            try:
                connection = await AsyncConnection.connect(autocommit=True, **settings.for_psycopg())
            except DatabaseError as error:
                return (f"{unavailable(settings, error)}; {_by_hand(settings)}",)
            async with connection:
                told = await _drop_slot(connection, settings)
                if successor is not None and _publication_of(successor) == _publication_of(settings):
                    return tuple(told)
                return (*told, *await _drop_publication(connection, settings))
    except TimeoutError:
        return (f"{settings!r} did not answer within {FORGET_SECONDS_MAX:.0f} s; {_by_hand(settings)}",)
    except DatabaseError as error:
        return (f"{settings!r} did not let us: {' '.join(str(error).split())}; {_by_hand(settings)}",)


def _publication_of(settings: Settings) -> tuple[str, str]:
    return settings.address, settings.publication


def _by_hand(settings: Settings) -> str:
    drop = f"SELECT pg_drop_replication_slot('{settings.slot}')"
    return f"if the slot {settings.slot} is there, the database keeps its log for it until somebody runs: {drop}"


async def _drop_slot(connection: AsyncConnection[Any], settings: Settings) -> list[str]:
    """Drops the slot once nobody uses it; one of another plugin or database was never ours."""
    deadline = asyncio.get_running_loop().time() + RELEASE_SECONDS_MAX
    while True:
        found = await (await connection.execute(_USER, (settings.slot,))).fetchone()
        if found is None:
            return []
        if found[0] is None:
            try:
                await connection.execute("SELECT pg_drop_replication_slot(%s)", (settings.slot,))
            except (states.ObjectInUse, states.UndefinedObject):
                continue  # somebody was faster
            return [f"the replication slot {settings.slot} is dropped"]
        if asyncio.get_running_loop().time() > deadline:
            user = f"process {found[0]} of the database"
            return [f"the slot {settings.slot} stays in use by {user}; {_by_hand(settings)}"]
        await asyncio.sleep(RELEASE_PAUSE_SECONDS)


async def _drop_publication(connection: AsyncConnection[Any], settings: Settings) -> list[str]:
    """Drops the publication if we made it, and if nobody is left who could be following it."""
    name = settings.publication
    if await (await connection.execute(_PUBLICATION, (name, MADE_BY_US))).fetchone() is None:
        return []
    others = [slot for (slot,) in await (await connection.execute(_OTHER_SLOTS)).fetchall()]
    if others:
        return [f"the publication {name} stays, since {', '.join(others)} may follow it; it costs nothing"]
    await connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name)))
    return [f"the publication {name} is dropped"]
