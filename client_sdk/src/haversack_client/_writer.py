"""Writing on a device: each write is checked, entered into the outbox and laid over its row in one transaction.

The writer has a connection of its own, with synchronous=FULL: when a call returns, its write survives a loss of power.
It also takes the server's answers, because they change the outbox too.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from haversack.sync.v1 import position_pb2, sync_pb2, upload_pb2

from haversack_client import _rules
from haversack_client._answers import answered, is_news
from haversack_client._batch import Batches
from haversack_client._conflicts import Conflict, Conflicts, FieldConflict, Overruled
from haversack_client._connections import Connection, Key, connect, store_errors
from haversack_client._errors import DeviceWipedError, OutboxError, WriteRefusedError
from haversack_client._held import Wipe
from haversack_client._model import CarriedModel, Table
from haversack_client._outbox import Entry, Kind, Outbox, Outgoing, State
from haversack_client._overlay import Overlay
from haversack_client._overtaken import Overtaking, without_held
from haversack_client._pending import Answered, PendingWrite, pending
from haversack_client._reader import read_facts
from haversack_client._rows import SqlValue
from haversack_client._translation import mutation
from haversack_client._turn import Turn
from haversack_client._values import RowEncoder, stored_id, stored_text_id

_Found = TypeVar("_Found")

DEPENDENCIES_MAX = 64
"""Writes that one may depend on; the contract's limit."""

MUTATION_BYTES_MAX = 8 * 1024 * 1024 - 1024
"""The contract's limit for a request, less what surrounds a mutation in it."""

DELETED_BYTES_MAX = 64 * 1024
"""Rows up to this size travel with their deletion, for a server of another history than the device has seen."""

OUTBOX_ENTRIES_MAX = 100_000
"""Writes that may wait. A device that has more has not been online for very long, and should say so."""


class Writer:
    """Writes of the application and answers of the server. Any thread may call any method."""

    def __init__(
        self,
        path: Path,
        key: Key | None = None,
        *,
        turn: Turn | None = None,
        on_written: Callable[[], None] = lambda: None,
        keeps_conflicts: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Opens the database of a device, which `Store` has made.

        Args:
            path: The file.
            key: The key, if it is encrypted.
            turn: As for `Store`, and the same.
            on_written: Called after every transaction with writes of the application, in its thread.
            keeps_conflicts: Whether fields that gave way to the server's are kept for `conflicts`.
            clock: Seconds since the Unix epoch.
        """
        self._path = path
        self._turn = turn or Turn()
        self._keeps_conflicts = keeps_conflicts
        self._clock = clock
        self._connection: Connection = connect(path, key)
        with store_errors(path):
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA secure_delete = ON")
        self._batches = Batches(self._connection, path, self._turn, on_begun=self._follow_model, on_written=on_written)
        self._outbox = Outbox(self._connection)
        self._conflicts = Conflicts(self._connection)
        self._overlay = Overlay(self._connection, {})
        self._version = ""
        self._wipe: Wipe | None = None
        self._model: CarriedModel | None = None
        self._encoder: RowEncoder | None = None
        self._overtaking: Overtaking | None = None

    def close(self) -> None:
        """Closes the database."""
        with store_errors(self._path), self._turn:
            self._connection.close()

    @property
    def is_in_batch(self) -> bool:
        """Whether the caller is within a batch of its own."""
        return self._batches.is_mine

    def writing(self) -> AbstractContextManager[None]:
        """One transaction for all writes within the block, as `Batches.writing`."""
        return self._batches.writing()

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees what the caller's batch has written, as `Batches.reading`."""
        return self._batches.reading()

    def create(self, entity: str, values: Mapping[str, object]) -> str:
        """Makes a row and returns its id, which is drawn unless `values` have one."""
        with self._statement():
            table = self._table(entity)
            others = {name: value for name, value in values.items() if name != table.primary_id}
            row_id = self._id(table, values.get(table.primary_id) or uuid4())
            self._create(table, row_id, others)
        return row_id

    def update(self, entity: str, row_id: object, values: Mapping[str, object]) -> None:
        """Changes columns of a row. Those that have the value already are left alone."""
        with self._statement():
            table = self._table(entity)
            self._update(table, self._id(table, row_id), values)

    def delete(self, entity: str, row_id: object) -> None:
        """Deletes a row."""
        with self._statement():
            table = self._table(entity)
            self._delete(table, self._id(table, row_id))

    def retry(self, number: int, values: Mapping[str, object] | None = None) -> int | None:
        """Writes a refused write again, over the row as it is now, with other `values` where some are given.

        What depends on it is written again behind it, but for what `values` say of the same row: that is the user's
        last word. Returns the new number, or None if nothing is left to change.
        """
        with self._statement():
            entry = self._stopped(number)
            said = (entry.row, frozenset(values or ()))
            followers = self._followers(number)
            mutations = {it.number: self._outbox.mutation(it.number) for it in followers}
            with self._overlay.lifted({entry.row, *(it.row for it in followers)}):
                self._outbox.give_up([number, *mutations])
            first = self._outbox.next_number()
            written = self._write_again(entry, values or {})
            for follower in followers:
                self._follow_again(follower, mutations[follower.number], first, said)
            self._batches.mark_written()
            return written

    def discard(self, number: int) -> None:
        """Gives a refused write up. Writes to a row whose creation is given up go with it, if no server has the row.

        Others that depend on it are refused from here on.
        """
        with self._statement():
            entry = self._stopped(number)
            followers = self._followers(number) if entry.kind is Kind.CREATE else []
            is_only_here = not self._is_on_server(entry)
            with self._overlay.lifted({entry.row, *(it.row for it in followers)}):
                gone = {number, *(it.number for it in followers if is_only_here and it.row == entry.row)}
                self._outbox.give_up(gone)
                for follower in followers:
                    # What depends on these in turn is held by them.
                    if follower.number not in gone and not gone.isdisjoint(follower.depends_on):
                        message = f"it depends on write {number}, which was discarded; edit it, or discard it too"
                        self._outbox.replace(
                            replace(follower, state=State.REFUSED, reason="WRITE_BLOCKED", message=message)
                        )
            self._batches.mark_written()

    def sendable(self, after: int, count_max: int, bytes_max: int) -> Outgoing:
        """What to say next, as `Outbox.sendable`. From here on the server may have the writes."""
        with self._statement():
            found = self._outbox.sendable(after, count_max, bytes_max)
            self._outbox.mark_sent(it.number for it in found.writes)
        return found

    def told(self, withdrawn: Iterable[int]) -> None:
        """The server knows that these writes were given up."""
        with self._statement():
            self._outbox.told(withdrawn, now_us=int(self._clock() * 1_000_000))

    def within(self, work: Callable[[Connection, Overlay], _Found]) -> _Found:
        """Does what others have to do with the outbox, in one transaction."""
        with self._statement():
            return work(self._connection, self._overlay)

    def take(self, answers: sync_pb2.Answers, install_id: bytes) -> Answered:
        """Takes what an install's stream tells of earlier writes; what the server has lost is sent again."""
        with self._statement():
            known = self._outbox.known_as(install_id, [*answers.unknown, *(it.number for it in answers.answers)])
            again = self._send_again(number for number in answers.unknown if number in known)
            return replace(self.answer(it for it in answers.answers if it.number in known), again=again)

    def answer(self, answers: Iterable[upload_pb2.MutationAnswer], epoch: bytes | None = None) -> Answered:
        """Takes what the server made of writes.

        LSNs of another `epoch` than the device's mean nothing to it: what was taken there is sent again once the device
        has come to that epoch. A stream's answers are of the device's own.
        """
        with self._statement():
            facts = read_facts(self._connection)
            pairs = [(answer, self._outbox.get(answer.number)) for answer in answers]
            is_own = epoch in (None, facts.epoch)
            known = [(answer, entry) for answer, entry in pairs if entry and is_news(answer, entry, is_own=is_own)]
            position = self._position()
            with self._overlay.lifted(entry.row for _, entry in known):
                after = [self._answered(answer, entry, position) for answer, entry in known]
            self._pass_by([entry for entry in after if entry.state in (State.REFUSED, State.HELD)])
            states = [entry.state for entry in after]
            return Answered(
                applied=states.count(State.APPLIED),
                queued=states.count(State.QUEUED),
                held=states.count(State.HELD),
                refused=tuple(self._pending(entry) for entry in after if entry.state is State.REFUSED),
                overruled=tuple(
                    self._pending(entry) for entry in after if entry.state is State.APPLIED and entry.fields
                ),
            )

    def _pass_by(self, stopped: Sequence[Entry]) -> None:
        """What was written later goes ahead of writes that were refused, and of those that depend on them."""
        if stopped and self._overtaking:
            every = [*stopped, *self._outbox.followers(entry.number for entry in stopped)]
            with self._overlay.lifted(entry.row for entry in every):
                self._overtaking.pass_by(every)

    def _send_again(self, numbers: Iterable[int]) -> int:
        """Has writes that the server does not know any more be sent as they are; returns how many."""
        entries = [self._outbox.get(number) for number in numbers]
        lost = [entry for entry in entries if entry and entry.state in (State.QUEUED, State.APPLIED, State.ASKED)]
        self._outbox.lose(entry.number for entry in lost if entry.state is State.APPLIED)
        for entry in lost:
            if entry.state is not State.APPLIED:
                state = State.WAITING if entry.state is State.QUEUED else State.DOUBTFUL
                self._outbox.replace(replace(entry, state=state))
        return len(lost)

    def conflicts(self) -> list[Conflict]:
        """What the application has to decide on, by the rows as they are now. What is moot by now is forgotten.

        Nothing is decided while a new epoch is on its way.
        """
        with self._statement():
            if self._position() is None:
                return []
            pairs = [(kept, self._conflict(kept)) for kept in self._conflicts.ready()]
            self._conflicts.remove(kept.number for kept, conflict in pairs if conflict is None)
            return [conflict for _, conflict in pairs if conflict]

    def resolve(self, conflict: Conflict, values: Mapping[str, object]) -> bool:
        """Writes what the application decided, unless the row has moved meanwhile. Returns whether it is decided.

        Raises WriteRefusedError if the decision breaks a rule of the model; then nothing is decided.
        """
        with self._statement():
            kept = next((it for it in self._conflicts.ready() if it.number == conflict.number), None)
            if kept is None or self._conflict(kept) != conflict:
                return False
            if values:
                table = self._table(conflict.entity)
                self._update(table, conflict.id, values)
            self._conflicts.remove([conflict.number])
            return True

    def _keep_conflict(self, entry: Entry) -> None:
        """Keeps the fields that gave way, if somebody is to decide on them."""
        table = self._model.tables.get(entry.entity) if self._model else None
        if not (self._keeps_conflicts and entry.fields and table):
            return
        # A lookup and its entity are one value in two columns.
        pairs = [{it.name, it.companion} for it in table.attributes.values() if it.companion]
        names = set(entry.fields).union(*(pair for pair in pairs if not pair.isdisjoint(entry.fields)))
        mine = {name: value for name, value in entry.new.items() if name in names}
        base = {name: entry.old.get(name) for name in mine}
        self._conflicts.add(Overruled(entry.number, entry.entity, entry.id, base, mine))

    def _conflict(self, kept: Overruled) -> Conflict | None:
        """A conflict by the row as it is now; None if nothing is left of it."""
        table = self._model.tables.get(kept.entity) if self._model else None
        row = self._overlay.shown(kept.entity, kept.id) if table else None
        if table is None or row is None:
            return None
        later = [it for it in self._outbox.of_row(kept.entity, kept.id) if it.state is not State.REFUSED]
        theirs = self._overlay.base(kept.entity, kept.id).row
        fields = {
            name: FieldConflict(kept.base.get(name), mine, theirs.get(name))
            for name, mine in kept.mine.items()
            if name in row and mine != theirs.get(name) and not any(name in it.new for it in later)
        }
        return Conflict(kept.number, table.name, kept.id, fields, row) if fields else None

    @contextmanager
    def _statement(self) -> Iterator[None]:
        with self.writing(), store_errors(self._path):
            yield

    def _follow_model(self) -> None:
        """Reads the model again if the tables were changed meanwhile."""
        query = "SELECT value FROM _haversack_meta WHERE key = 'model_version'"
        found = self._connection.execute(query).fetchone()
        version = found[0] if found else ""
        if version and version == self._version:
            return
        facts = read_facts(self._connection)
        self._wipe = Wipe.parse(facts.wipe)
        self._model = CarriedModel.parse(facts.model) if facts.model else None
        self._encoder = RowEncoder(self._model) if self._model else None
        self._overtaking = Overtaking(self._outbox, self._model) if self._model else None
        self._overlay.use(self._model.tables if self._model else {})
        self._version = version

    def _table(self, name: str) -> Table:
        self._require_not_wiped()
        table = self._model.table(name) if self._model else None
        if table is None:
            hint = "is it in the profile?" if self._model else "sync first"
            raise WriteRefusedError("ENTITY_UNKNOWN", f"there is no entity {name!r} on this device; {hint}")
        return table

    def _require_not_wiped(self) -> None:
        if self._wipe:
            raise DeviceWipedError(self._wipe.message, code="PERMISSION_DENIED", reason="DEVICE_WIPED")

    def _id(self, table: Table, row_id: object) -> str:
        try:
            return stored_id(row_id) if table.has_uuids else stored_text_id(row_id)
        except ValueError as error:
            raise WriteRefusedError("VALUE_INVALID", f"{table.primary_id} {error}", [table.primary_id]) from error

    def _create(self, table: Table, row_id: str, values: Mapping[str, object]) -> int:
        _rules.require_right(table, Kind.CREATE)
        found = self._stored(table, Kind.CREATE, values)
        found = _rules.with_defaults(table, Kind.CREATE, found)
        new = {name: value for name, value in found.items() if value is not None}
        if self._overlay.shown(table.entity, row_id) is not None:
            raise WriteRefusedError("ROW_EXISTS", f"{table.name} has a row {row_id} already; update it instead")
        _rules.check_row(table, Kind.CREATE, new, new)
        return self._write(table, row_id, Kind.CREATE, new, {})

    def _update(self, table: Table, row_id: str, values: Mapping[str, object]) -> int | None:
        _rules.require_right(table, Kind.UPDATE)
        row = self._required_row(table, row_id)
        found = self._stored(table, Kind.UPDATE, values)
        different = {name for name, value in found.items() if row.get(name) != value}
        # A lookup and its entity are one value in two columns.
        pairs = {(it.name, it.companion) for it in table.attributes.values() if it.companion}
        different |= {name for pair in pairs if not different.isdisjoint(pair) for name in pair}
        new = {name: value for name, value in found.items() if name in different}
        defaults = _rules.with_defaults(table, Kind.UPDATE, new)
        new |= {name: value for name, value in defaults.items() if name not in new and row.get(name) != value}
        if not new:
            return None
        _rules.check_row(table, Kind.UPDATE, new, {**row, **new})
        return self._go_ahead(table, row_id, new, {name: row.get(name) for name in new})

    def _go_ahead(
        self, table: Table, row_id: str, new: Mapping[str, SqlValue], old: Mapping[str, SqlValue]
    ) -> int | None:
        """Enters an update, in front of those that are held: what it sets is taken from them."""
        assert self._overtaking is not None
        with self._overlay.lifted([(table.entity, row_id)]):
            taken = self._overtaking.take(table, row_id, new.keys())
        new, old = {**taken.new, **new}, {**old, **taken.old}
        row = self._required_row(table, row_id)
        written = None
        if any(row.get(name) != value for name, value in new.items()):
            written = self._write(table, row_id, Kind.UPDATE, new, old)
        if taken.remainders:
            with self._overlay.lifted([(table.entity, row_id)]):
                self._overtaking.enter(taken.remainders)
        self._batches.mark_written()
        return written

    def _delete(self, table: Table, row_id: str) -> int | None:
        _rules.require_right(table, Kind.DELETE)
        self._required_row(table, row_id)
        refused = [it for it in self._outbox.of_row(table.entity, row_id) if it.state is State.REFUSED]
        creation = next((it for it in refused if it.kind is Kind.CREATE), None)
        if creation and self._overlay.base(table.entity, row_id).ordinal is None:
            self.discard(creation.number)
            return None
        return self._write(table, row_id, Kind.DELETE, {}, self._deleted(table, row_id))

    def _deleted(self, table: Table, row_id: str) -> Mapping[str, SqlValue]:
        """The row that is deleted, as it is shown, but for what is held; nothing if it is large."""
        assert self._encoder is not None
        entries = self._outbox.of_row(table.entity, row_id)
        held = [it for it in entries if it.kind is Kind.UPDATE and self._outbox.is_held(it)]
        row = without_held(self._required_row(table, row_id), held)
        old = {name: value for name, value in row.items() if value is not None and name != table.primary_id}
        return old if len(self._encoder.encode(table, old)) <= DELETED_BYTES_MAX else {}

    def _required_row(self, table: Table, row_id: str) -> Mapping[str, SqlValue]:
        row = self._overlay.shown(table.entity, row_id)
        if row is None:
            raise WriteRefusedError("ROW_UNKNOWN", f"{table.name} has no row {row_id} on this device; was it deleted?")
        return row

    def _stored(self, table: Table, kind: Kind, values: Mapping[str, object]) -> dict[str, SqlValue]:
        assert self._model is not None
        return _rules.stored_values(self._model, table, kind, values)

    def _write(
        self, table: Table, row_id: str, kind: Kind, new: Mapping[str, SqlValue], old: Mapping[str, SqlValue]
    ) -> int:
        assert self._model is not None
        assert self._encoder is not None
        entry = Entry(
            number=self._next_number(),
            entity=table.entity,
            id=row_id,
            kind=kind,
            new=new,
            old=old,
            depends_on=self._dependencies(table, row_id, kind, new),
            base_lsn=self._overlay.base(table.entity, row_id).lsn,
            written_at_us=int(self._clock() * 1_000_000),
        )
        lsn, history = json.loads(read_facts(self._connection).position)
        seen = position_pb2.Position(lsn=lsn, history=history)
        encoded = mutation(table, self._encoder, entry, self._model.version, seen, installs=self._outbox.installs())
        if len(encoded) > MUTATION_BYTES_MAX:
            text = f"the write has {len(encoded)} bytes; at most {MUTATION_BYTES_MAX} can be sent"
            raise WriteRefusedError("ROW_TOO_LARGE", text)
        with self._overlay.lifted([entry.row]):
            self._outbox.add(entry, encoded)
        self._batches.mark_written()
        return entry.number

    def _next_number(self) -> int:
        count = self._outbox.count()
        if count >= OUTBOX_ENTRIES_MAX:
            raise WriteRefusedError("LIMIT_REACHED", f"{count} writes wait in the outbox; sync before you write more")
        return self._outbox.next_number()

    def _dependencies(self, table: Table, row_id: str, kind: Kind, new: Mapping[str, SqlValue]) -> tuple[int, ...]:
        """Creations that must be taken first: of the row itself, and of rows that it points at from here on."""
        found = set() if kind is Kind.CREATE else self._creations(table.entity, row_id)
        for entity, target_id in _rules.lookups(table, new, self._entity_number):
            target = self._model.tables.get(entity) if self._model else None
            if target is not None and target_id != row_id:
                owner = target.name in ("systemuser", "team")
                if not owner:
                    _rules.require_append_to(target)
                found |= self._creations(entity, target_id)
        if len(found) > DEPENDENCIES_MAX:
            text = f"the row points at {len(found)} rows that no server has yet; sync first"
            raise WriteRefusedError("LIMIT_REACHED", text)
        return tuple(sorted(found))

    def _creations(self, entity: int, row_id: str) -> set[int]:
        """Creations of a row that have yet to be taken. If the server has a row of that id, no other waits for it."""
        open_states = (State.WAITING, State.QUEUED, State.HELD, State.REFUSED)
        entries = self._outbox.of_row(entity, row_id)
        creations = [it for it in entries if it.kind is Kind.CREATE and it.state in open_states]
        stopped = (State.HELD, State.REFUSED)
        return {it.number for it in creations if it.state not in stopped or not self._is_on_server(it)}

    def _is_on_server(self, entry: Entry) -> bool:
        """Whether the server has the row of an entry, as far as the device is told."""
        is_carried = self._model is not None and entry.entity in self._model.tables
        return is_carried and self._overlay.base(entry.entity, entry.id).ordinal is not None

    def _entity_number(self, name: str) -> int | None:
        table = self._model.table(name) if self._model else None
        return table.entity if table else None

    def _stopped(self, number: int) -> Entry:
        """A write that was refused, or that waits for one that was."""
        self._require_not_wiped()
        entry = self._outbox.get(number)
        if entry is None or entry.state in (State.KEPT, State.DOUBTFUL, State.ASKED):
            raise OutboxError(f"there is no write {number} in the outbox; it may be in the data already")
        if entry.state is not State.REFUSED and not self._outbox.is_held(entry):
            raise OutboxError(f"write {number} was not refused; it waits for the server, so sync first")
        return entry

    def _followers(self, number: int) -> list[Entry]:
        """Writes that depend on one, directly or not, in order."""
        return self._outbox.followers([number])

    def _write_again(self, entry: Entry, values: Mapping[str, object]) -> int | None:
        """Writes what a write says over the row as it is now; returns its new number, or None if nothing changes."""
        table = self._model.tables.get(entry.entity) if self._model else None
        if table is None:
            raise WriteRefusedError(
                "ENTITY_UNKNOWN", "the device does not carry the entity any more; discard the write"
            )
        merged = _of_columns(table, entry.new, values)
        match entry.kind:
            case Kind.CREATE:
                return self._create(table, entry.id, merged)
            case Kind.UPDATE:
                return self._update(table, entry.id, merged)
            case Kind.DELETE:
                return self._delete(table, entry.id)

    def _follow_again(
        self, entry: Entry, encoded: bytes, first: int, said: tuple[tuple[int, str], frozenset[str]]
    ) -> None:
        """Writes again what has waited for another write, but not over what the user has done since.

        What cannot be written again is refused from here on, for the reason that there is. `first` is the first number
        that was given since; `said` are a row and the columns of it that the user has named just now.
        """
        row, names = said
        try:
            with self._statement():
                self._write_again(self._not_overtaken(entry, first, names if row == entry.row else frozenset()), {})
        except WriteRefusedError as error:
            refused = replace(
                entry,
                number=self._outbox.next_number(),
                state=State.REFUSED,
                sent=False,
                depends_on=(),
                reason=error.reason,
                message=str(error),
                fields=error.fields,
            )
            again = upload_pb2.Mutation.FromString(encoded)
            again.number = refused.number
            again.ClearField("depends_on")
            with self._overlay.lifted([entry.row]):
                self._outbox.add(refused, again.SerializeToString(deterministic=True))

    def _not_overtaken(self, entry: Entry, first: int, said: frozenset[str]) -> Entry:
        """An entry without what later ones of its row set. Raises WriteRefusedError if one deletes the row.

        So it is with what was `said`, and with the entity of a lookup: both columns are one value.
        """
        later = [it for it in self._outbox.of_row(*entry.row) if entry.number < it.number < first]
        going = [it for it in later if it.state is not State.REFUSED]
        if any(it.kind is Kind.DELETE for it in going):
            raise WriteRefusedError("ROW_UNKNOWN", "the row was deleted after this was written; discard the write")
        if entry.kind is not Kind.UPDATE:
            return entry
        names = said.union(*(it.new for it in going))
        table = self._model.tables.get(entry.entity) if self._model else None
        companions = {it.companion for it in table.attributes.values() if it.name in said} if table else set()
        names |= companions
        return replace(entry, new={name: value for name, value in entry.new.items() if name not in names})

    def _position(self) -> int | None:
        """The LSN that the device has come to; None if it has none in this epoch."""
        checkpoint = json.loads(read_facts(self._connection).checkpoint)
        return checkpoint[0] if checkpoint else None

    def _answered(self, answer: upload_pb2.MutationAnswer, entry: Entry, position: int | None) -> Entry:
        """Enters an answer; returns the entry as it is then. `position` is the LSN of the last checkpoint."""
        table = self._model.tables.get(entry.entity) if self._model else None
        after = answered(answer, entry, table)
        if after.state is State.APPLIED:
            self._keep_conflict(after)
        self._outbox.replace(after)
        if after.state is State.APPLIED and position is not None and after.lsn <= position:
            self._outbox.keep([after], now_us=int(self._clock() * 1_000_000))
        return after

    def _pending(self, entry: Entry) -> PendingWrite:
        table = self._model.tables.get(entry.entity) if self._model else None
        return pending(entry, table.name if table else "")


def _of_columns(table: Table, new: Mapping[str, SqlValue], values: Mapping[str, object]) -> dict[str, object]:
    """What is to be written again. A value whose column is gone is left out only if `values` say None for it."""
    known = {column.name for column in table.columns}
    gone = sorted(new.keys() - known)
    unsaid = [name for name in gone if name not in values]
    if unsaid:
        names = ", ".join(unsaid)
        raise WriteRefusedError(
            "ATTRIBUTE_UNKNOWN",
            f"{table.name} has no {names} on this device any more; edit the write with None for {names}, or discard it",
            unsaid,
        )
    left_out = {name for name in gone if values[name] is None}
    return {name: value for name, value in {**new, **values}.items() if name not in left_out}
