"""The outbox: what was written on this device and the server has not taken yet, in order.

An entry is a `Mutation`, encoded once. What becomes of it is told by its state:

```
WAITING ──sent──> WAITING ──APPLIED──> APPLIED ──the device has come to its LSN──> KEPT ──30 days──> gone
   |                  |────BLOCKED──> HELD, with what it depends on
   |                  |────refused──> REFUSED ──retry, edit──> a new WAITING; ──discard──> gone: withdrawn
   |                  └────QUEUED───> QUEUED ──the stream says──> APPLIED, HELD or REFUSED
   └──depends on a refused one: it stays WAITING and is not sent
```

What is QUEUED is not sent again: each stream asks about it, and a live one is told. Should the server have lost it, it
becomes WAITING once more; so does what is APPLIED. What was refused may be taken after all, when an administrator has
had it judged again.

An entry that may have been sent keeps its bytes for ever: the server's ledger knows them by their number.

What is in the data is kept all the same, out of sight: a server that was restored from a backup has lost what came
after it, and a device is the only place that still has what its user wrote. When a new epoch begins, kept entries are
DOUBTFUL and are sent again under their numbers. A server that has them in its ledger says so, and they are KEPT as
before; one that has lost them judges them anew, and whatever it refuses then is REFUSED like any other. One whose rows
are a source's asks that whether it has them: until it knows, they are ASKED.

What its user gives up, or writes anew, is withdrawn: its number is kept until the server knows, so that nobody has it
judged again there. It is said before what replaces it, or with it; and again in a new epoch, for that may be one in
which the server does not know.

What a row was before a kept write goes when the row leaves the device other than by that write: its user may have lost
the right to see it. The bytes are made anew without it then, and the hash of those that were sent is kept beside them,
since it is by that hash that the server's ledger knows the write.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from haversack.sync.v1 import upload_pb2

from haversack_client._connections import Connection
from haversack_client._installs import Installs
from haversack_client._rows import SqlValue


class Kind(IntEnum):
    """What a write does; the numbers are those of `MutationKind`."""

    CREATE = upload_pb2.MUTATION_KIND_CREATE
    UPDATE = upload_pb2.MUTATION_KIND_UPDATE
    DELETE = upload_pb2.MUTATION_KIND_DELETE


class State(IntEnum):
    """What has become of a write."""

    WAITING = 1
    """No answer yet."""
    QUEUED = 2
    """The server has it for sure, and waits for the organization's source."""
    APPLIED = 3
    """It is in the data; the device has not come to it yet."""
    HELD = 4
    """The server blocked it, because it depends on one that was refused."""
    REFUSED = 5
    """The server, or a change of the model, refused it. It is kept until it is retried, edited or discarded."""
    KEPT = 6
    """It is in the server's rows, which the device has. It is not shown, and goes after a while."""
    DOUBTFUL = 7
    """It was KEPT in an epoch that is over: the server is asked whether it still has it."""
    ASKED = 8
    """It was DOUBTFUL, and the server asks the organization's source whether that has it."""


NUMBER_MAX = (1 << 63) - 1
"""What SQLite can count to; no write has a greater number."""

KEPT_DAYS_MAX = 30
"""How long a write is kept that is in the data: an older backup than this is no use to anybody by then."""

KEPT_DAYS_A_STEP_MAX = 1
"""By how much kept writes may age from one look at the clock to the next: a clock that jumps, for one sync or for good,
takes no more than this from them. A device that syncs less often keeps its writes longer."""

KEPT_ENTRIES_MAX = 10_000
"""How many are kept. Numbers that were withdrawn are kept as long, and as many of them."""

WITHDRAWN_MAX = 1_000
"""Numbers that a call withdraws; the contract's limit."""


OFFERED_STATES = (State.WAITING, State.QUEUED, State.HELD, State.REFUSED, State.DOUBTFUL, State.ASKED)
"""States of writes that may not be in the data: what a device that is wiped offers to the server."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One write.

    Attributes:
        number: Its position; a retried write gets a new one.
        entity: Entity number.
        id: The row's id, as its table has it.
        kind: What it does.
        new: Values by column that it sets.
        old: What they were before, as the user saw them.
        state: What has become of it.
        sent: Whether the server may have it.
        depends_on: Numbers of earlier writes without which it means nothing.
        base_lsn: LSN of the server's row that it was based on; 0 if there was none.
        written_at_us: When, microseconds since the Unix epoch, by this device's clock.
        lsn: Once it is applied: where the device must have come.
        reason: Name of the ErrorReason for which it was refused; else empty.
        message: The same for people.
        fields: Columns that are in conflict, or not valid.
    """

    number: int
    entity: int
    id: str
    kind: Kind
    new: Mapping[str, SqlValue]
    old: Mapping[str, SqlValue]
    state: State = State.WAITING
    sent: bool = False
    depends_on: tuple[int, ...] = ()
    base_lsn: int = 0
    written_at_us: int = 0
    lsn: int = 0
    reason: str = ""
    message: str = ""
    fields: tuple[str, ...] = field(default=())

    @property
    def row(self) -> tuple[int, str]:
        """Which row it is about: (entity number, id)."""
        return self.entity, self.id


@dataclass(frozen=True, slots=True)
class Sendable:
    """A write as it goes to the server.

    Attributes:
        number: Its number.
        install_id: The install that it was numbered under.
        mutation: Its bytes.
        sent_before: Whether the server may have seen it.
        taken_before: Whether a server has said that it is in the data.
        first_hash: If the bytes are not those that were sent first: what those hashed to.
    """

    number: int
    install_id: bytes
    mutation: bytes
    sent_before: bool
    taken_before: bool
    first_hash: bytes


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What one call says.

    Attributes:
        install_id: The install whose numbers these are.
        writes: Writes, in order.
        withdrawn: Numbers of others that their user has given up or written anew, ascending.
    """

    install_id: bytes
    writes: Sequence[Sendable]
    withdrawn: Sequence[int] = ()

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return bool(self.writes or self.withdrawn)

    def end(self, after: int) -> int:
        """Number of the last write; `after` if there is none."""
        return self.writes[-1].number if self.writes else after


COLUMNS = (
    "number, entity, id, kind, new, old, state, sent, depends_on, base_lsn, written_at_us, lsn, reason, message, fields"
)

_VISIBLE = f"state < {State.KEPT:d}"
_SENDABLE = (State.WAITING, State.DOUBTFUL)
_KEPT = (State.KEPT, State.DOUBTFUL, State.ASKED)
_HELD_BY = f"state IN ({State.WAITING:d}, {State.QUEUED:d})"
_FOLLOWING = f"({State.WAITING:d}, {State.QUEUED:d}, {State.HELD:d}, {State.REFUSED:d})"
_MICROSECONDS_A_DAY = 24 * 3600 * 1_000_000


class Outbox:
    """The outbox of one database, within its caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def user(self) -> bytes:
        """Whose outbox it is; empty if no stream has told yet."""
        row = self._connection.execute("SELECT value FROM _haversack_meta WHERE key = 'user'").fetchone()
        return bytes(row[0]) if row else b""

    def installs(self) -> Installs:
        """Under which installs entries are numbered."""
        return Installs.read(self._connection)

    def next_number(self) -> int:
        """The number of the next entry. None is used twice, whatever becomes of the others."""
        row = self._connection.execute("SELECT value FROM _haversack_meta WHERE key = 'last_number'").fetchone()
        return 1 + (row[0] if row else 0)

    def add(self, entry: Entry, mutation: bytes) -> None:
        """Adds a write with the next number."""
        self._connection.execute(
            f"INSERT INTO _haversack_outbox ({COLUMNS}, mutation) VALUES ({', '.join('?' * 16)})",
            (*_encoded(entry), mutation),
        )
        self._connection.execute("INSERT OR REPLACE INTO _haversack_meta VALUES ('last_number', ?)", (entry.number,))

    def replace(self, entry: Entry, mutation: bytes | None = None) -> None:
        """Puts another version of an entry in its place; its bytes stay unless others are given."""
        names = COLUMNS.split(", ")[1:]
        values: list[object] = list(_encoded(entry)[1:])
        if mutation is not None:
            names, values = [*names, "mutation"], [*values, mutation]
        assignments = ", ".join(f"{name} = ?" for name in names)
        self._connection.execute(
            f"UPDATE _haversack_outbox SET {assignments} WHERE number = ?", (*values, entry.number)
        )

    def keep(self, entries: Iterable[Entry], *, now_us: int) -> None:
        """Keeps entries that are in the server's rows, out of sight, and forgets those that were kept for too long."""
        age_us = self._age(now_us)
        self._connection.execute(
            "DELETE FROM _haversack_outbox WHERE state = ? AND settled_at_us < ?",
            (int(State.KEPT), age_us - KEPT_DAYS_MAX * _MICROSECONDS_A_DAY),
        )
        values = [(int(State.KEPT), age_us, entry.number) for entry in entries]
        if not values:
            return
        self._connection.executemany(
            "UPDATE _haversack_outbox SET state = ?, settled_at_us = ?, lsn = 0 WHERE number = ?", values
        )
        self._connection.execute(
            "DELETE FROM _haversack_outbox WHERE number IN (SELECT number FROM _haversack_outbox"
            " WHERE state = ? ORDER BY settled_at_us DESC, number DESC LIMIT -1 OFFSET ?)",
            (int(State.KEPT), KEPT_ENTRIES_MAX),
        )

    def _age(self, now_us: int) -> int:
        """The time by which kept writes age: the device's clock, but in steps that are bounded, and never back."""
        row = self._connection.execute("SELECT value FROM _haversack_meta WHERE key = 'aging'").fetchone()
        seen_us, age_us = json.loads(row[0]) if row else (now_us, now_us)
        age_us += min(max(now_us - seen_us, 0), KEPT_DAYS_A_STEP_MAX * _MICROSECONDS_A_DAY)
        aging = json.dumps([now_us, age_us])
        self._connection.execute("INSERT OR REPLACE INTO _haversack_meta VALUES ('aging', ?)", (aging,))
        return age_us

    def doubt(self) -> None:
        """A new epoch begins: whether the server still has what it took is not known."""
        self._connection.execute("UPDATE _haversack_withdrawn SET told_at_us = 0")
        self.lose(entry.number for entry in self.in_state(State.APPLIED))
        move = "UPDATE _haversack_outbox SET state = ?, lsn = 0 WHERE state IN (?, ?)"
        self._connection.execute(move, (int(State.DOUBTFUL), int(State.KEPT), int(State.ASKED)))

    def lose(self, numbers: Iterable[int]) -> None:
        """The server may not have any more what it took; it is sent again, as something that was taken."""
        self._connection.executemany(
            "UPDATE _haversack_outbox SET state = ?, lsn = 0, settled_at_us = max(settled_at_us, 1) WHERE number = ?",
            [(int(State.WAITING), number) for number in numbers],
        )

    def forget_old_values(self, entity: int, ids: Sequence[str] | None = None) -> None:
        """Forgets what rows were before writes that are kept: the rows leave the device.

        These are the rows of some ids, but for those that were deleted here, or with None all of the entity's.
        """
        clause = ""
        parameters: list[object] = [entity, *map(int, _KEPT)]
        if ids is not None:
            clause = (
                " AND id IN (SELECT value FROM json_each(?)) AND id NOT IN"
                " (SELECT id FROM _haversack_outbox WHERE entity = ? AND kind = ?)"
            )
            parameters += [json.dumps(ids), entity, int(Kind.DELETE)]
        query = (
            "SELECT number, mutation, first_hash FROM _haversack_outbox"
            f" WHERE entity = ? AND state IN (?, ?, ?) AND old <> '{{}}'{clause}"
        )
        shortened = [
            (_without_old_values(mutation), bytes(first_hash) or mutation_hash(mutation), number)
            for number, mutation, first_hash in self._connection.execute(query, parameters)
        ]
        self._connection.executemany(
            "UPDATE _haversack_outbox SET old = '{}', mutation = ?, first_hash = ? WHERE number = ?", shortened
        )

    def keeps_any(self, entity: int) -> bool:
        """Whether writes of an entity are kept out of sight."""
        query = "SELECT 1 FROM _haversack_outbox WHERE entity = ? AND state IN (?, ?, ?) AND old <> '{}' LIMIT 1"
        return self._connection.execute(query, (entity, *map(int, _KEPT))).fetchone() is not None

    def empty(self, but: Sequence[State] = ()) -> None:
        """Forgets everything, what is kept too, but for writes in some states."""
        marks = ", ".join("?" * len(but))
        self._connection.execute(f"DELETE FROM _haversack_outbox WHERE state NOT IN ({marks})", tuple(map(int, but)))

    def give_up(self, numbers: Iterable[int]) -> None:
        """Forgets entries of which nobody is to hear any more; those that the server may have are withdrawn."""
        values = [(number,) for number in numbers]
        withdraw = (
            "INSERT OR IGNORE INTO _haversack_withdrawn (number) SELECT number FROM _haversack_outbox"
            " WHERE number = ? AND sent = 1"
        )
        self._connection.executemany(withdraw, values)
        self._connection.executemany("DELETE FROM _haversack_outbox WHERE number = ?", values)

    def withdrawn(self) -> Outgoing:
        """Numbers that the server is to be told of next, all of one install."""
        query = "SELECT number FROM _haversack_withdrawn WHERE told_at_us = 0 ORDER BY number LIMIT ?"
        numbers = [number for (number,) in self._connection.execute(query, (WITHDRAWN_MAX,))]
        installs = self.installs()
        install_id = installs.of(numbers[0]) if numbers else installs.current
        return Outgoing(install_id, [], [it for it in numbers if installs.of(it) == install_id])

    def told(self, numbers: Iterable[int], *, now_us: int) -> None:
        """The server knows that these were withdrawn. They are kept for a new epoch, but not for too long."""
        age_us = self._age(now_us)
        values = [(age_us, number) for number in numbers]
        if not values:
            return
        self._connection.executemany("UPDATE _haversack_withdrawn SET told_at_us = ? WHERE number = ?", values)
        self._connection.execute(
            "DELETE FROM _haversack_withdrawn WHERE told_at_us > 0 AND (told_at_us < ? OR number IN (SELECT number FROM"
            " _haversack_withdrawn WHERE told_at_us > 0 ORDER BY told_at_us DESC, number DESC LIMIT -1 OFFSET ?))",
            (age_us - KEPT_DAYS_MAX * _MICROSECONDS_A_DAY, KEPT_ENTRIES_MAX),
        )

    def forget_withdrawn(self) -> None:
        """Forgets what was withdrawn, whether the server knows of it or not."""
        self._connection.execute("DELETE FROM _haversack_withdrawn")

    def mark_sent(self, numbers: Iterable[int]) -> None:
        """Remembers that the server may have these from now on."""
        self._connection.executemany(
            "UPDATE _haversack_outbox SET sent = 1 WHERE number = ?", [(it,) for it in numbers]
        )

    def mark_unsent(self, number: int) -> None:
        """No server has this: none could read it."""
        self._connection.execute("UPDATE _haversack_outbox SET sent = 0 WHERE number = ?", (number,))

    def known_as(self, install_id: bytes, numbers: Iterable[int]) -> set[int]:
        """Those of some numbers that are of an install's writes, and that a server has answered.

        Of others the server may speak as well, and mean something else: see `_installs`.
        """
        installs = self.installs()
        entries = [self.get(number) for number in numbers if installs.of(number) == install_id]
        unanswered = (State.WAITING, State.DOUBTFUL)
        return {entry.number for entry in entries if entry and entry.sent and entry.state not in unanswered}

    def existing(self, numbers: Iterable[int]) -> list[int]:
        """Those of some numbers that entries have."""
        return [number for number in numbers if self.get(number)]

    def get(self, number: int) -> Entry | None:
        """The entry of a number, if there is one."""
        return next(self._entries("WHERE number = ?", (number,)), None) if 0 < number <= NUMBER_MAX else None

    def all(self) -> list[Entry]:
        """Every entry but those that are kept out of sight, in order."""
        return list(self._entries(f"WHERE {_VISIBLE} ORDER BY number"))

    def count(self) -> int:
        """How many entries `all` has."""
        (count,) = self._connection.execute(f"SELECT count(*) FROM _haversack_outbox WHERE {_VISIBLE}").fetchone()
        return _integer(count)

    def of_row(self, entity: int, row_id: str) -> list[Entry]:
        """What of `all` was written about a row, in order."""
        return list(self._entries(f"WHERE entity = ? AND id = ? AND {_VISIBLE} ORDER BY number", (entity, row_id)))

    def in_state(self, *states: State) -> list[Entry]:
        """Entries in one of these states, in order."""
        marks = ", ".join("?" * len(states))
        return list(self._entries(f"WHERE state IN ({marks}) ORDER BY number", tuple(map(int, states))))

    def mutation(self, number: int) -> bytes:
        """The bytes of an entry, as they travel."""
        row = self._connection.execute("SELECT mutation FROM _haversack_outbox WHERE number = ?", (number,)).fetchone()
        return bytes(row[0])

    def held(self) -> set[int]:
        """Numbers that depend, directly or not, on one that was refused or blocked; those of the blocked among them."""
        query = (
            "WITH RECURSIVE held(number) AS ("
            f"SELECT number FROM _haversack_outbox WHERE state = {State.HELD:d}"
            " UNION SELECT d.number FROM _haversack_outbox AS o JOIN _haversack_dependency AS d ON d.needs = o.number"
            f" JOIN _haversack_outbox AS w ON w.number = d.number WHERE o.state = {State.REFUSED:d} AND w.{_HELD_BY}"
            " UNION SELECT d.number FROM held JOIN _haversack_dependency AS d ON d.needs = held.number"
            f" JOIN _haversack_outbox AS w ON w.number = d.number WHERE w.{_HELD_BY}"
            ") SELECT number FROM held"
        )
        return {number for (number,) in self._connection.execute(query)}

    def is_held(self, entry: Entry) -> bool:
        """Whether `held` has an entry."""
        if entry.state not in (State.WAITING, State.QUEUED):
            return entry.state is State.HELD
        query = (
            "WITH RECURSIVE needed(number) AS (SELECT needs FROM _haversack_dependency WHERE number = ?"
            " UNION SELECT d.needs FROM needed JOIN _haversack_outbox AS o USING (number)"
            f" JOIN _haversack_dependency AS d ON d.number = o.number WHERE o.{_HELD_BY})"
            " SELECT 1 FROM needed JOIN _haversack_outbox USING (number) WHERE state IN (?, ?) LIMIT 1"
        )
        stopped = (entry.number, int(State.HELD), int(State.REFUSED))
        return self._connection.execute(query, stopped).fetchone() is not None

    def followers(self, numbers: Iterable[int]) -> list[Entry]:
        """What depends on any of these, directly or not, in order; not they themselves."""
        given = json.dumps(list(numbers))
        clause = (
            "WHERE number IN (WITH RECURSIVE reached(number) AS (SELECT value FROM json_each(?)"
            " UNION SELECT d.number FROM reached JOIN _haversack_dependency AS d ON d.needs = reached.number"
            f" JOIN _haversack_outbox AS w ON w.number = d.number WHERE w.state IN {_FOLLOWING})"
            " SELECT number FROM reached) AND number NOT IN (SELECT value FROM json_each(?)) ORDER BY number"
        )
        return list(self._entries(clause, (given, given)))

    def sendable(self, after: int, count_max: int, bytes_max: int) -> Outgoing:
        """What to say next: entries behind `after` that can be sent, as many as fit, at least one if there is any.

        What is withdrawn goes with them; if that is too much for one call, or of another install, before them. What a
        former install has yet to hear the last word of is among the entries: no stream asks about that any more.
        """
        withdrawn = self.withdrawn()
        writes = self._next(after, count_max, bytes_max, _SENDABLE, self.held())
        fits = len(withdrawn.withdrawn) < WITHDRAWN_MAX
        if withdrawn and not (fits and (not writes or writes[0].install_id == withdrawn.install_id)):
            return withdrawn
        install_id = writes[0].install_id if writes else withdrawn.install_id
        return Outgoing(install_id, writes, withdrawn.withdrawn)

    def in_doubt(self, after: int, count_max: int, bytes_max: int) -> Outgoing:
        """Of the current install's entries, those that the server may have, though it has not answered."""
        installs = self.installs()
        after = max(after, installs.first_number - 1)
        writes = self._next(after, count_max, bytes_max, (State.WAITING,), set(), clause=" AND sent = 1")
        return Outgoing(installs.current, writes)

    def offerable(self, after: int, count_max: int, bytes_max: int) -> Outgoing:
        """As `sendable`, of all that may not be in the data: for a server that only takes note of it."""
        if withdrawn := self.withdrawn():
            return withdrawn
        writes = self._next(after, count_max, bytes_max, OFFERED_STATES, set())
        return Outgoing(writes[0].install_id if writes else b"", writes)

    def _next(
        self,
        after: int,
        count_max: int,
        bytes_max: int,
        states: Sequence[State],
        held: set[int],
        *,
        clause: str = "",
    ) -> list[Sendable]:
        found, size, installs = list[Sendable](), 0, self.installs()
        marks = ", ".join("?" * len(states))
        query = (
            "SELECT number, mutation, sent, settled_at_us, first_hash FROM _haversack_outbox"
            f" WHERE number > ? AND (state IN ({marks}) OR (number < ? AND state IN (2, 8))){clause} ORDER BY number"
        )
        for number, mutation, sent, settled_at_us, first_hash in self._connection.execute(
            query, (after, *map(int, states), installs.first_number)
        ):
            if number in held:
                continue
            install_id = installs.of(number)
            if found and (
                len(found) == count_max or size + len(mutation) > bytes_max or found[0].install_id != install_id
            ):
                break
            found.append(
                Sendable(number, install_id, bytes(mutation), bool(sent), settled_at_us > 0, bytes(first_hash))
            )
            size += len(mutation)
        return found

    def unanswered(self, count_max: int) -> list[int]:
        """Numbers, ascending, of what the current install has sent and may have been answered anew, or lost, since.

        QUEUED first if there are too many, then APPLIED, HELD, REFUSED and ASKED. A server whose database was put back
        by hand may have lost what is APPLIED: the device has not come to it, and has nothing that proves it.
        """
        query = (
            "SELECT number FROM _haversack_outbox WHERE sent = 1 AND state IN (2, 3, 4, 5, 8) AND number >= ?"
            " ORDER BY state, number LIMIT ?"
        )
        parameters = (self.installs().first_number, count_max)
        return sorted(number for (number,) in self._connection.execute(query, parameters))

    def _entries(self, clause: str, parameters: Sequence[object] = ()) -> Iterator[Entry]:
        for row in self._connection.execute(f"SELECT {COLUMNS} FROM _haversack_outbox {clause}", parameters):
            yield _decoded(row)


def mutation_hash(mutation: bytes) -> bytes:
    """By which the server's ledger knows a mutation."""
    return hashlib.sha256(mutation).digest()[:16]


def _without_old_values(mutation: bytes) -> bytes:
    shortened = upload_pb2.Mutation.FromString(mutation)
    shortened.ClearField("old_values")
    return shortened.SerializeToString(deterministic=True)


def _encoded(entry: Entry) -> tuple[object, ...]:
    return (
        entry.number,
        entry.entity,
        entry.id,
        int(entry.kind),
        json.dumps(entry.new, ensure_ascii=False),
        json.dumps(entry.old, ensure_ascii=False),
        int(entry.state),
        int(entry.sent),
        json.dumps(entry.depends_on),
        entry.base_lsn,
        entry.written_at_us,
        entry.lsn,
        entry.reason,
        entry.message,
        json.dumps(entry.fields),
    )


def _decoded(row: Sequence[object]) -> Entry:
    number, entity, row_id, kind, new, old, state, sent, depends_on, base_lsn, at_us, lsn, reason, message, fields = row
    return Entry(
        number=_integer(number),
        entity=_integer(entity),
        id=str(row_id),
        kind=Kind(_integer(kind)),
        new=json.loads(str(new)),
        old=json.loads(str(old)),
        state=State(_integer(state)),
        sent=bool(sent),
        depends_on=tuple(json.loads(str(depends_on))),
        base_lsn=_integer(base_lsn),
        written_at_us=_integer(at_us),
        lsn=_integer(lsn),
        reason=str(reason),
        message=str(message),
        fields=tuple(json.loads(str(fields))),
    )


def _integer(value: object) -> int:
    assert isinstance(value, int)
    return value
