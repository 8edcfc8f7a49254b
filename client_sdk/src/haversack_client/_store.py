"""The device's database: SQLite, written by one session at a time, read by anybody at any time.

The operations of one event, its cookie among them, are one transaction. The file is in WAL mode with
synchronous=NORMAL: a process that is killed loses at most the transaction that it was in, a computer that loses power
may lose the last few, and either way cookie and rows are of one moment, so the next sync goes on from there.
Removed rows are overwritten with zeros (secure_delete), for a removal may mean that somebody may no longer see them.

Two processes cannot write over each other: a session draws a fence when it begins, and every transaction checks it.

What this device wrote lies over the server's rows (`_overlay`). It is lifted off the rows that an event touches and
laid over them again in the event's own transaction; where nothing was written, that costs one look.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from itertools import groupby
from pathlib import Path
from uuid import UUID

from haversack_client import _tables as sql
from haversack_client import _translation
from haversack_client._connections import BUSY_TIMEOUT_SECONDS, Connection, Key, connect, store_errors
from haversack_client._digest import WORD_MASK, membership_sum, version_sum
from haversack_client._errors import FencedError, UserChangedError
from haversack_client._held import BlockState, EntityState, Facts, Wipe
from haversack_client._installs import INSTALL_ID_BYTES
from haversack_client._model import CarriedModel, Table
from haversack_client._operations import (
    AdoptModel,
    BuildIndexes,
    ExpectRows,
    KeepCookie,
    Operation,
    PutRows,
    ReachStage,
    RecordCheckpoint,
    Recount,
    RemoveRows,
    StartEpoch,
)
from haversack_client._outbox import OFFERED_STATES, Outbox, Outgoing, State
from haversack_client._overlay import Overlay
from haversack_client._overtaken import Overtaking
from haversack_client._reader import (
    read_blocks,
    read_entities,
    read_facts,
    recompute,
    require_device,
)
from haversack_client._renumbering import begin_anew, renumber
from haversack_client._roaring import BLOCK_BITS, Bitmap
from haversack_client._rows import Batch
from haversack_client._stage import Stage
from haversack_client._turn import Turn

FENCE_BYTES = 16
SHRINK_WAIT_MS = 500
"""How long a file that is wiped waits for a reader, before it is made smaller without."""

UNANSWERED_MAX = 10_000
"""Writes that a request may ask about; the contract's limit."""

CACHE_KIB = 32 * 1024
WAL_PAGES_BEFORE_CHECKPOINT = 4000
"""16 MiB of log between copies into the main file: fewer flushes than SQLite's default of 4 MiB."""


@dataclass(slots=True)
class Changes:
    """How many rows of an entity a transaction wrote and removed."""

    written: int = 0
    removed: int = 0


class Store:
    """The one writer. Implements `Held` for the session."""

    def __init__(
        self,
        path: Path,
        key: Key | None = None,
        *,
        turn: Turn | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Opens or creates the database.

        Raises StoreError if the file is something else or of a newer version.

        Args:
            path: The file.
            key: The key, if it is encrypted.
            turn: Whose turn it is to write, among the connections of this process.
            clock: Seconds since the Unix epoch, for people.
        """
        self._path = path
        self._turn = turn or Turn()
        self._clock = clock
        self._fence = b""
        self._unindexed: set[int] = set()
        self._connection: Connection = connect(path, key)
        with store_errors(path):
            try:
                self._prepare(path)
                self._overlay = Overlay(self._connection, {})
                self._outbox = Outbox(self._connection)
                self._load()
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self, path: Path) -> None:
        with self._writing():
            if self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
                sql.create_bookkeeping(self._connection)
                self._remember("install_id", os.urandom(INSTALL_ID_BYTES))
                self._remember("stage_times", json.dumps([[int(Stage.REGISTERED), self._now_us()]]))
            require_device(self._connection, path, (*sql.UPGRADES, sql.FORMAT_VERSION))
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version != sql.FORMAT_VERSION:
                sql.upgrade(self._connection, version)
            self._recall_user()
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_BEFORE_CHECKPOINT}")

    def _recall_user(self) -> None:
        """A file of a version that did not keep whose it is has that in its model."""
        facts = self.facts()
        user = CarriedModel.parse(facts.model).user if facts.model and not facts.user else None
        if user:
            self._remember("user", UUID(user.id).bytes)

    def close(self) -> None:
        """Closes the database."""
        with store_errors(self._path):
            self._connection.close()

    def begin_session(self) -> None:
        """Takes the database over: a session of another process fails at its next transaction."""
        fence = os.urandom(FENCE_BYTES)
        with store_errors(self._path), self._writing():
            self._remember("fence", fence)
        self._fence = fence
        self._load()

    @property
    def model(self) -> CarriedModel | None:
        """The model that the tables follow."""
        return self._model

    def facts(self) -> Facts:
        """What the database knows about itself."""
        with store_errors(self._path):
            return read_facts(self._connection)

    def install_id(self) -> bytes:
        """Under which install id the device calls."""
        with store_errors(self._path):
            return self._outbox.installs().current

    def blocks(self) -> dict[int, list[BlockState]]:
        """Every block with rows, ascending, by entity."""
        with store_errors(self._path):
            return read_blocks(self._connection)

    def entities(self) -> dict[int, EntityState]:
        """Count and digest of every entity that has a table."""
        with store_errors(self._path):
            return read_entities(self._connection)

    def unanswered(self) -> list[int]:
        """Numbers of writes whose last answer is not known, ascending."""
        with store_errors(self._path):
            return self._outbox.unanswered(UNANSWERED_MAX)

    def ordinals(self, entity: int, block: int) -> list[int]:
        """The ordinals held within a block, ascending."""
        table = self._tables.get(entity)
        if table is None:
            return []
        first = block << BLOCK_BITS
        query = (
            f"SELECT _ordinal FROM {sql.quoted(table.name)} WHERE _ordinal BETWEEN :first AND :last"
            " UNION SELECT ordinal FROM _haversack_base WHERE entity = :entity AND ordinal BETWEEN :first AND :last"
            " ORDER BY 1"
        )
        with store_errors(self._path):
            limits = {"first": first, "last": first + (1 << BLOCK_BITS) - 1, "entity": entity}
            return [ordinal for (ordinal,) in self._connection.execute(query, limits)]

    def commit(self, operations: Sequence[Operation]) -> dict[int, Changes]:
        """Carries operations out in one transaction; returns what it did to rows, by entity.

        Raises StoreError, and leaves everything as it was, if the database cannot be written.
        """
        changes: dict[int, Changes] = {}
        if not operations:
            return changes
        try:
            with store_errors(self._path), self._writing():
                self._require_fence()
                for operation in operations:
                    self._carry_out(operation, changes)
        except BaseException:
            self._load()
            raise
        return changes

    def erase(self) -> None:
        """Deletes every row of the server, and what the log still has of them unless a reader is in the middle of it.

        The outbox stays, and rows that only exist in it: an account that was disabled may be enabled again.
        """
        self.commit([RemoveRows(entity, None) for entity in self._tables])
        with store_errors(self._path):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def wipe(self) -> None:
        """As `erase`, and the outbox too: nothing of the user's is left."""
        with store_errors(self._path), self._writing():
            self._forget_writes()
        self.erase()

    def begin_user(self, user: bytes) -> None:
        """The database is this user's from here on; what is kept of another's writes is forgotten.

        Raises UserChangedError, and leaves everything as it is, if another has writes that may not be in the data.
        """
        with store_errors(self._path), self._writing():
            self._require_fence()
            before = self.facts().user
            if before == user:
                return
            if before:
                self._require_settled(before, user)
                self._forget_writes()
            self._remember("user", user)

    def _require_settled(self, before: bytes, user: bytes) -> None:
        unsettled = len(self._outbox.in_state(*OFFERED_STATES))
        if unsettled:
            raise UserChangedError(
                f"this database is user {UUID(bytes=before)}'s, of whom {unsettled} writes may not be in the data yet,"
                f" and the token is user {UUID(bytes=user)}'s; sign in as the first to upload them, give them up"
                " (Device.wipe), or keep a file for each user",
                code="FAILED_PRECONDITION",
                reason="USER_CHANGED",
            )

    def _forget_writes(self) -> None:
        with self._overlay.lifted(self._overlay.rows_over()):
            self._outbox.empty()
        self._outbox.forget_withdrawn()
        self._connection.execute("DELETE FROM _haversack_conflict")
        self._connection.execute("DELETE FROM _haversack_meta WHERE key IN ('user', 'former_installs')")

    def begin_wipe(self, wipe: Wipe) -> None:
        """Deletes every row, the model and what is kept of writes, and remembers why.

        Writes that may not be in the data stay until `finish_wipe`, if they are to be offered.
        """
        with store_errors(self._path), self._writing():
            self._require_fence()
            facts = self.facts()
            sql.forget_rows(self._connection, self._tables.values())
            self._outbox.empty(but=OFFERED_STATES if wipe.offers else ())
            if not wipe.offers:
                self._outbox.forget_withdrawn()
            self._connection.execute("DELETE FROM _haversack_meta")
            self._remember("install_id", facts.install_id)
            self._remember("user", facts.user)  # Whose writes are offered, and under which numbers.
            self._remember("former_installs", facts.former_installs)
            self._remember("last_number", facts.last_number)
            self._remember("fence", self._fence)
            self._remember("stage_times", json.dumps([[int(Stage.REGISTERED), self._now_us()]]))
            self._remember("wipe", wipe.serialized())
            self._use(None)
        self._shrink()

    def finish_wipe(self, wipe: Wipe) -> None:
        """Deletes the writes that `begin_wipe` has left, and remembers how far things are."""
        with store_errors(self._path), self._writing():
            self._require_fence()
            self._outbox.empty()
            self._outbox.forget_withdrawn()
            self._remember("wipe", wipe.serialized())
        self._shrink()

    def remember_failure(self, failure: str) -> None:
        """Remembers what failed last, in whatever session; nothing, if that is over."""
        with store_errors(self._path), self._writing():
            self._remember("failure", failure)

    def offerable(self, after: int, count_max: int, bytes_max: int) -> Outgoing:
        """Writes behind a number that may not be in the data, as `Outbox.offerable`."""
        with store_errors(self._path), self._writing():
            return self._outbox.offerable(after, count_max, bytes_max)

    def number_anew(self, number: int) -> None:
        """The server has another write of this number: this goes on as a new install, as `_renumbering`."""
        with store_errors(self._path), self._writing():
            self._require_fence()
            installs = self._outbox.installs()
            if installs.own([number]):
                begin_anew(self._connection, self._overlay, ())
            renumber(self._connection, self._overlay, self._outbox.existing([number]))

    def told(self, withdrawn: Sequence[int]) -> None:
        """The server knows that these writes were given up."""
        with store_errors(self._path), self._writing():
            self._outbox.told(withdrawn, now_us=self._now_us())

    def _shrink(self) -> None:
        """Leaves nothing of what was deleted in the file or its log, unless a reader is in the middle of it.

        What is deleted is overwritten with zeros in the log; it goes to its place in the file before the file is cut.
        A reader is not waited for: what it holds back goes when the database is closed.
        """
        with store_errors(self._path), self._turn:
            self._connection.execute(f"PRAGMA busy_timeout = {SHRINK_WAIT_MS}")
            for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                self._connection.execute(statement).fetchall()
            self._connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_SECONDS * 1_000)}")

    def _recount(self) -> None:
        """Makes counts and digests anew from the rows."""
        self._connection.execute("DELETE FROM _haversack_block")
        for table in self._tables.values():
            state, blocks = recompute(self._connection, table.entity, table.name)
            self._connection.execute(
                "UPDATE _haversack_entity SET count = ?, digest = ? WHERE entity = ?",
                (state.count, sql.signed(state.digest), table.entity),
            )
            self._connection.executemany(
                "INSERT INTO _haversack_block VALUES (?, ?, ?, ?)",
                [(table.entity, block.block, block.count, sql.signed(block.membership)) for block in blocks],
            )

    def _carry_out(self, operation: Operation, changes: dict[int, Changes]) -> None:
        match operation:
            case AdoptModel(model):
                self._adopt(model)
            case StartEpoch(epoch):
                self._start_epoch(epoch)
            case ExpectRows(entity, rows):
                self._expect(self._tables[entity], rows)
            case RemoveRows(entity, ordinals):
                if table := self._tables.get(entity):
                    changes.setdefault(entity, Changes()).removed += self._remove_beneath(table, ordinals)
            case PutRows(entity, batch):
                self._put_beneath(self._tables[entity], batch)
                changes.setdefault(entity, Changes()).written += len(batch.ordinals)
            case BuildIndexes(entities):
                self._build_indexes(self._unindexed & entities)
            case Recount(number):
                self._recount()
                self._remember("full_check", number)
            case ReachStage() | RecordCheckpoint() | KeepCookie():
                self._record(operation)

    def _record(self, operation: ReachStage | RecordCheckpoint | KeepCookie) -> None:
        match operation:
            case ReachStage(stage):
                self._reach(stage)
            case RecordCheckpoint(checkpoint):
                self._remember("checkpoint", json.dumps(astuple(checkpoint)))
                self._connection.execute("UPDATE _haversack_entity SET synced_at_us = ?", (self._now_us(),))
                self._settle(checkpoint.lsn)
            case KeepCookie(cookie, position):
                self._remember("cookie", cookie)
                if position:
                    self._remember("position", json.dumps(astuple(position)))

    def _reach(self, stage: Stage) -> None:
        """Remembers a stage, and when it was reached; those behind it are yet to come, again."""
        times = [time for time in json.loads(self.facts().stage_times) if time[0] < stage]
        seen = {time[0] for time in times}
        passed = [each for each in Stage if each < stage and each not in seen]
        # Stages that take no transaction of their own: the rest is downloaded from the moment that work can begin.
        following = [Stage.DOWNLOADING] if stage is Stage.MANDATORY_READY else []
        now_us = self._now_us()
        times += [[int(each), now_us] for each in (*passed, stage, *following)]
        self._remember("stage_times", json.dumps(times))
        self._remember("stage", int(stage))

    def settle(self, lsn: int) -> None:
        """Takes away the writes that are in the server's rows now: the device has come to this LSN."""
        if not self._overlay.is_empty():
            with store_errors(self._path), self._writing():
                self._require_fence()
                self._settle(lsn)

    def _settle(self, lsn: int) -> None:
        done = [entry for entry in self._outbox.in_state(State.APPLIED) if entry.lsn <= lsn]
        with self._overlay.lifted(entry.row for entry in done):
            self._outbox.keep(done, now_us=self._now_us())

    def _adopt(self, model: CarriedModel) -> None:
        with self._overlay.lifted(self._overlay.rows_over()):
            sql.migrate(self._connection, self._model, model)
            self._remember("model", model.serialized)
            self._remember("model_version", f"{model.version:016x}")
            before = self._model
            self._use(model)
            if before:
                refused = _translation.translate(self._outbox, before, model)
                followers = self._outbox.followers(entry.number for entry in refused)
                Overtaking(self._outbox, model).pass_by([*refused, *followers])
                for entity in before.tables.keys() - model.tables.keys():
                    self._outbox.forget_old_values(entity)

    def _start_epoch(self, epoch: bytes) -> None:
        with self._overlay.lifted(self._overlay.rows_over()):
            for table in self._tables.values():
                self._empty(table)
            self._remember("epoch", epoch)
            self._remember("checkpoint", "null")
            self._outbox.doubt()

    def _put_beneath(self, table: Table, batch: Batch) -> None:
        """Puts rows under what was written here."""
        if self._overlay.is_empty():
            return self._put(table, batch)
        rows = list(batch.rows)
        at = ["_ordinal", "_lsn", *batch.columns].index(table.primary_id)
        over = self._overlay.rows_over_ids(table.entity, [str(row[at]) for row in rows])
        over |= self._overlay.rows_over_ordinals(table.entity, batch.ordinals)
        with self._overlay.lifted(over):
            self._put(table, replace(batch, rows=iter(rows)))

    def _remove_beneath(self, table: Table, bitmap: Bitmap | None) -> int:
        """Removes rows from under what was written here; returns how many."""
        over = set[tuple[int, str]]()
        if not self._overlay.is_empty():
            over = self._overlay.rows_over(table.entity) if bitmap is None else self._over(table, bitmap)
        with self._overlay.lifted(over):
            if bitmap is not None:
                return self._remove(table, bitmap)
            self._outbox.forget_old_values(table.entity)
            return self._empty(table)

    def _over(self, table: Table, bitmap: Bitmap) -> set[tuple[int, str]]:
        ordinals = (bitmap.ordinals(block) for block in bitmap.blocks())
        return {row for each in ordinals for row in self._overlay.rows_over_ordinals(table.entity, each)}

    def _expect(self, table: Table, rows: int) -> None:
        """Entering ids in random order costs thrice what sorting them once does, when they are many."""
        if rows > read_entities(self._connection)[table.entity].count:
            sql.drop_id_index(self._connection, table)
            self._unindexed.add(table.entity)

    def _build_indexes(self, entities: Set[int]) -> None:
        for entity in entities:
            sql.create_id_index(self._connection, self._tables[entity])
        self._unindexed -= entities

    def _put(self, table: Table, batch: Batch) -> None:
        ordinals, lsns = batch.ordinals, batch.lsns
        held = self._held_lsns(table, ordinals)
        new = [ordinal for ordinal in ordinals if ordinal not in held] if held else ordinals
        self._connection.executemany(sql.upsert(table, batch.columns), batch.rows)
        gained = version_sum(table.entity, ordinals, lsns)
        lost = version_sum(table.entity, list(held), list(held.values()))
        self._account(table.entity, len(new), gained - lost, batch.size)
        self._account_blocks(table.entity, new, 1)

    def _held_lsns(self, table: Table, ordinals: list[int]) -> dict[int, int]:
        """LSN by ordinal of those rows that are held; a first download, which goes upwards, never looks."""
        name = sql.quoted(table.name)
        (last,) = self._connection.execute(f"SELECT max(_ordinal) FROM {name}").fetchone()
        if last is None or last < ordinals[0]:
            return {}
        query = f"SELECT _ordinal, _lsn FROM {name} WHERE _ordinal IN (SELECT value FROM json_each(?))"
        return dict(self._connection.execute(query, (json.dumps(ordinals),)))

    def _remove(self, table: Table, bitmap: Bitmap) -> int:
        query = "SELECT block FROM _haversack_block WHERE entity = ?"
        held = {block for (block,) in self._connection.execute(query, (table.entity,))}
        return sum(self._remove_ordinals(table, bitmap.ordinals(block)) for block in bitmap.blocks() if block in held)

    def _remove_ordinals(self, table: Table, ordinals: list[int]) -> int:
        if self._outbox.keeps_any(table.entity):
            select = (
                f"SELECT {sql.quoted(table.primary_id)} FROM {sql.quoted(table.name)}"
                " WHERE _ordinal IN (SELECT value FROM json_each(?))"
            )
            leaving = [row_id for (row_id,) in self._connection.execute(select, (json.dumps(ordinals),))]
            self._outbox.forget_old_values(table.entity, leaving)
        statement = (
            f"DELETE FROM {sql.quoted(table.name)} WHERE _ordinal IN (SELECT value FROM json_each(?))"
            " RETURNING _ordinal, _lsn"
        )
        gone = sorted(self._connection.execute(statement, (json.dumps(ordinals),)))
        gone_ordinals = [ordinal for ordinal, _ in gone]
        self._account(table.entity, -len(gone), -version_sum(table.entity, gone_ordinals, [lsn for _, lsn in gone]))
        self._account_blocks(table.entity, gone_ordinals, -1)
        return len(gone)

    def _empty(self, table: Table) -> int:
        """Deletes all rows of a table; returns how many there were."""
        count = self._connection.execute(f"DELETE FROM {sql.quoted(table.name)}").rowcount
        self._connection.execute("DELETE FROM _haversack_block WHERE entity = ?", (table.entity,))
        self._connection.execute("UPDATE _haversack_entity SET count = 0, digest = 0 WHERE entity = ?", (table.entity,))
        return count

    def _account(self, entity: int, rows: int, digest: int, received_bytes: int = 0) -> None:
        """Adds to an entity's count, digest and bytes. Sums wrap at 2^64, which SQL's do not, so they are made here."""
        query = "SELECT count, digest FROM _haversack_entity WHERE entity = ?"
        count, before = self._connection.execute(query, (entity,)).fetchone()
        after = sql.signed((sql.unsigned(before) + digest) & WORD_MASK)
        self._connection.execute(
            "UPDATE _haversack_entity SET count = ?, digest = ?, received_bytes = received_bytes + ? WHERE entity = ?",
            (count + rows, after, received_bytes, entity),
        )

    def _account_blocks(self, entity: int, ordinals: list[int], sign: int) -> None:
        """Adds ascending ordinals to the digests of their blocks, or takes them off."""
        for block, group in groupby(ordinals, lambda ordinal: ordinal >> BLOCK_BITS):
            members = list(group)
            self._account_block(entity, block, sign * len(members), sign * membership_sum(entity, members))

    def _account_block(self, entity: int, block: int, rows: int, membership: int) -> None:
        query = "SELECT count, membership FROM _haversack_block WHERE entity = ? AND block = ?"
        count, before = self._connection.execute(query, (entity, block)).fetchone() or (0, 0)
        if count + rows == 0:
            self._connection.execute("DELETE FROM _haversack_block WHERE entity = ? AND block = ?", (entity, block))
            return
        after = sql.signed((sql.unsigned(before) + membership) & WORD_MASK)
        self._connection.execute(
            "INSERT OR REPLACE INTO _haversack_block VALUES (?, ?, ?, ?)", (entity, block, count + rows, after)
        )

    def _remember(self, key: str, value: bytes | int | str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO _haversack_meta VALUES (?, ?)", (key, value))

    def _load(self) -> None:
        """Reads anew what the tables look like: at the start, and after a transaction that failed."""
        serialized = self.facts().model
        self._use(CarriedModel.parse(serialized) if serialized else None)

    def _use(self, model: CarriedModel | None) -> None:
        self._model = model
        self._overlay.use(model.tables if model else {})
        self._tables: Mapping[int, Table] = model.tables if model else {}
        indexes = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
        self._unindexed = {entity for entity, table in self._tables.items() if sql.id_index(table) not in indexes}

    def _now_us(self) -> int:
        return int(self._clock() * 1_000_000)

    def _require_fence(self) -> None:
        query = "SELECT value FROM _haversack_meta WHERE key = 'fence'"
        if self._connection.execute(query).fetchone() != (self._fence,):
            raise FencedError(f"another process began to sync into {self._path}; this one has stopped")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction: all of the block, or, if it raises, nothing of it."""
        with self._turn:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
