"""Writes get new numbers, and with them new bytes, because a ledger has something else under those that they had."""

import json
from collections.abc import Collection, Mapping

from haversack.sync.v1 import upload_pb2

from haversack_client._connections import Connection
from haversack_client._installs import Installs, begin_install
from haversack_client._outbox import Outbox, State
from haversack_client._overlay import Overlay


def begin_anew(connection: Connection, overlay: Overlay, known: Collection[int]) -> None:
    """Makes the database a new install, and numbers under it what waits and no ledger has. For one transaction.

    `known` are numbers of writes that wait and that the ledger has nevertheless: those, and what a server has said it
    took, stay the old install's.
    """
    first_number = Installs.read(connection).first_number
    query = "SELECT number FROM _haversack_outbox WHERE state = ? AND settled_at_us = 0 AND number >= ?"
    fresh = {number for (number,) in connection.execute(query, (int(State.WAITING), first_number))}
    begin_install(connection)
    renumber(connection, overlay, fresh.difference(known))


def renumber(connection: Connection, overlay: Overlay, numbers: Collection[int]) -> None:
    """Gives writes the next numbers, in their order, and so all that wait for them. They count as never sent."""
    moving = _with_followers(connection, set(numbers))
    outbox, installs = Outbox(connection), Installs.read(connection)
    moved = {number: outbox.next_number() + at for at, number in enumerate(moving)}
    if not moved:
        return
    query = "SELECT DISTINCT entity, id FROM _haversack_outbox WHERE number IN (SELECT value FROM json_each(?))"
    rows = connection.execute(query, (json.dumps(moving),)).fetchall()
    with overlay.lifted((entity, row_id) for entity, row_id in rows):
        _follow(connection, moved)
        for number in moving:
            _move(connection, number, moved[number], installs)
    connection.execute("INSERT OR REPLACE INTO _haversack_meta VALUES ('last_number', ?)", (max(moved.values()),))


def _with_followers(connection: Connection, numbers: set[int]) -> list[int]:
    """These and the waiting writes that depend on them, directly or not: a write depends on lower numbers only."""
    query = "SELECT number, state, depends_on FROM _haversack_outbox ORDER BY number"
    found = dict[int, None]()
    for number, state, depends_on in connection.execute(query):
        follows = state == State.WAITING and not found.keys().isdisjoint(json.loads(depends_on))
        if number in numbers or follows:
            found[number] = None
    return list(found)


def _follow(connection: Connection, moved: Mapping[int, int]) -> None:
    """Has whatever depends on writes that move depend on their new numbers."""
    query = "SELECT number, depends_on FROM _haversack_outbox WHERE depends_on <> '[]'"
    pairs = [(number, json.loads(depends_on)) for number, depends_on in connection.execute(query)]
    connection.executemany(
        "UPDATE _haversack_outbox SET depends_on = ? WHERE number = ?",
        [
            (json.dumps(sorted(moved.get(it, it) for it in depends_on)), number)
            for number, depends_on in pairs
            if not moved.keys().isdisjoint(depends_on)
        ],
    )


def _move(connection: Connection, number: int, new_number: int, installs: Installs) -> None:
    query = "SELECT depends_on, mutation FROM _haversack_outbox WHERE number = ?"
    depends_on, raw = connection.execute(query, (number,)).fetchone()
    mutation = upload_pb2.Mutation.FromString(raw)
    mutation.number = new_number
    mutation.depends_on[:] = installs.own(json.loads(depends_on))
    connection.execute(
        "UPDATE _haversack_outbox SET number = ?, mutation = ?, state = ?, sent = 0, lsn = 0, settled_at_us = 0,"
        " first_hash = x'' WHERE number = ?",
        (new_number, mutation.SerializeToString(deterministic=True), int(State.WAITING), number),
    )
