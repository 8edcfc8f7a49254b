"""Under which install ids the writes of one database are numbered.

A ledger knows a write by install, user and number. A database that was put back from a copy gives numbers out once more
that its server has already, with other bytes: from then on it is a new install. What its server knows of it stays the
old one's, and is sent again as such; what it does not know is numbered anew (`_renumbering`), so that within a
database a number means one write for ever.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from haversack_client._connections import Connection

INSTALL_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Installs:
    """The install ids of a database.

    Attributes:
        current: That of new writes.
        former: Earlier ones that still have writes here, each with its last number, ascending.
        first_number: The first number that is the current install's.
    """

    current: bytes
    former: tuple[tuple[bytes, int], ...]
    first_number: int

    @classmethod
    def read(cls, connection: Connection) -> "Installs":
        """What the database has."""
        query = "SELECT key, value FROM _haversack_meta WHERE key IN ('install_id', 'former_installs')"
        found = dict(tuple(row) for row in connection.execute(query))
        former = tuple(
            (bytes.fromhex(install), last) for install, last in json.loads(found.get("former_installs", "[]"))
        )
        return cls(bytes(found["install_id"]), former, 1 + (former[-1][1] if former else 0))

    def of(self, number: int) -> bytes:
        """The install that a write was numbered under."""
        return next((install for install, last in self.former if number <= last), self.current)

    def own(self, numbers: Iterable[int]) -> list[int]:
        """Those of some writes that the current install's ledger can have."""
        return [number for number in numbers if number >= self.first_number]


def begin_install(connection: Connection) -> None:
    """The database is a new install from here on, within the caller's transaction. No cookie is of it."""
    installs = Installs.read(connection)
    numbers = "SELECT number FROM _haversack_outbox UNION ALL SELECT number FROM _haversack_withdrawn"
    (lowest,) = connection.execute(f"SELECT coalesce(min(number), 0) FROM ({numbers})").fetchone()
    (last,) = connection.execute("SELECT value FROM _haversack_meta WHERE key = 'last_number'").fetchone()
    # The last one tells where the new install's numbers begin, whether it has writes here or not.
    former = [it for it in installs.former if it[1] >= lowest] + [(installs.current, last)]
    text = json.dumps([(install.hex(), last) for install, last in former])
    facts = (("install_id", os.urandom(INSTALL_ID_BYTES)), ("former_installs", text), ("cookie", b""))
    connection.executemany("INSERT OR REPLACE INTO _haversack_meta VALUES (?, ?)", facts)
