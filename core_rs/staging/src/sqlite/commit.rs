//! Writing: one transaction that draws LSNs and ordinals under the write lock.

use std::collections::{BTreeMap, btree_map};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use haversack_engine::ids::{EntityNumber, History, Lsn, Ordinal, Position, Revision};
use parking_lot::MutexGuard;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql};

use super::{SqliteStaging, failed, histories, intake, key_of, ledger, marks, queue, read_head, read_identity};
use crate::queue::{Dependant, InTurn, Passing, Queue, QueueStanding, Queued, Repeat, Turn};
use crate::{
    Change, Commit, Earlier, Entry, Ledger, LedgerPlace, Mark, Origin, Pass, Passes, ROW_BYTES_MAX, Recorded, RowId,
    StagingError,
};

/// Entity numbers are below this, so that keys stay positive.
const ENTITY_NUMBER_END: u32 = 1 << 31;

const WRITING: &str = "writing rows";

const INSERT: &str = "INSERT INTO rows (row_key, id, lsn, deleted, etag, payload) VALUES (?1, ?2, ?3, 0, ?4, ?5)
    ON CONFLICT (entity, id) DO NOTHING";

const FIND: &str = "SELECT row_key, etag, payload FROM rows WHERE entity = ?1 AND id = ?2";

const FIND_ALIVE: &str = "SELECT lsn, payload FROM rows WHERE entity = ?1 AND id = ?2 AND deleted = 0";

const REPLACE: &str = "UPDATE rows SET lsn = ?2, deleted = ?3, etag = ?4, payload = ?5 WHERE row_key = ?1";

/// A transaction that holds the write lock.
pub(super) struct SqliteCommit<'a> {
    staging: &'a SqliteStaging,
    /// Present until the transaction ends.
    writer: Option<MutexGuard<'a, Connection>>,
    /// Last LSN drawn before this commit.
    before: Lsn,
    tally: Tally,
}

/// What a commit has used up and counted; written with it.
struct Tally {
    /// Last LSN drawn, by this commit or by those before it.
    drawn: Lsn,
    /// Whether an LSN was drawn.
    changed: bool,
    /// Whether something was written that draws no LSN: a mark, a position, the ledger.
    noted: bool,
    /// Whether an answer became final, which those who wait for it are told of.
    settled: bool,
    /// The part of `entities` that this commit has touched.
    counters: BTreeMap<EntityNumber, Counters>,
}

/// A row of `entities`.
#[derive(Clone, Copy, Default)]
struct Counters {
    next_ordinal: i64,
    rows: i64,
    bytes: i64,
}

/// A row as a commit finds it.
struct Found {
    row_key: i64,
    /// `None` if it is deleted.
    payload_bytes: Option<i64>,
    /// Whether the payload equals the one that was asked about.
    equal: bool,
    /// Whether the version does.
    same_version: bool,
}

impl<'a> SqliteCommit<'a> {
    /// Takes the write lock, in this process and among all.
    pub(super) fn begin(staging: &'a SqliteStaging) -> Result<Self, StagingError> {
        let writer = staging.writer.lock();
        writer.execute_batch("BEGIN IMMEDIATE").map_err(failed("beginning a commit"))?;
        let tally = Tally { drawn: Lsn(0), changed: false, noted: false, settled: false, counters: BTreeMap::new() };
        let mut commit = Self { staging, writer: Some(writer), before: Lsn(0), tally };
        commit.before = read_head(commit.parts().0)?;
        commit.tally.drawn = commit.before;
        Ok(commit)
    }

    /// Stores a model and draws its LSN.
    pub(super) fn insert_model(&mut self, revision: Revision, model: &[u8]) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        let newest = newest_revision(connection).map_err(failed("publishing"))?;
        if revision <= newest {
            return Err(StagingError::RevisionStale { revision, newest });
        }
        let values = (revision.0 as i64, tally.next_lsn(), model);
        let insert = "INSERT INTO models (revision, lsn, model) VALUES (?1, ?2, ?3)";
        connection.execute(insert, values).map_err(failed("publishing"))?;
        tally.draw();
        Ok(())
    }

    fn upsert_each<'r>(
        &mut self,
        entity: EntityNumber,
        rows: impl Iterator<Item = (&'r RowId, &'r [u8], Option<&'r str>)>,
        tell: &mut dyn FnMut(usize, Change),
    ) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        let mut insert = connection.prepare_cached(INSERT).map_err(failed(WRITING))?;
        for (index, (id, payload, etag)) in rows.enumerate() {
            if payload.len() > ROW_BYTES_MAX {
                return Err(StagingError::RowTooLarge { bytes: payload.len(), limit: ROW_BYTES_MAX });
            }
            let row_key = tally.next_key(connection, entity)?;
            let values = (row_key, id, tally.next_lsn(), etag, payload);
            let change = match insert.execute(values).map_err(failed(WRITING))? {
                0 => replace_if_changed(connection, tally, entity, id, (payload, etag))?,
                _ => tally.count_new(entity, payload),
            };
            tell(index, change);
        }
        Ok(())
    }

    fn parts(&mut self) -> (&Connection, &mut Tally) {
        let connection = self.writer.as_deref().expect("a commit has its connection until it ends");
        (connection, &mut self.tally)
    }

    fn end(&mut self) -> Result<(), StagingError> {
        let begins_history = self.tally.changed && !self.staging.history_begun.load(Ordering::Relaxed);
        let first = Position { lsn: Lsn(self.before.0 + 1), history: self.staging.history };
        let (connection, tally) = self.parts();
        if begins_history {
            histories::begin(connection, first).map_err(failed(WRITING))?;
        }
        if tally.changed {
            tally.write(connection).map_err(failed(WRITING))?;
        }
        if tally.changed || tally.noted || tally.settled {
            connection.execute_batch("COMMIT").map_err(failed("committing"))?;
        } else {
            connection.execute_batch("ROLLBACK").map_err(failed("ending a commit without changes"))?;
        }
        if begins_history {
            self.staging.history_begun.store(true, Ordering::Relaxed);
        }
        if let Some(writer) = self.writer.take() {
            // Fair, so that a long ingest lets uploads through between its commits.
            MutexGuard::unlock_fair(writer);
        }
        Ok(())
    }
}

impl Commit for SqliteCommit<'_> {
    fn upsert_all(
        &mut self,
        entity: EntityNumber,
        rows: &[(&RowId, &[u8])],
        tell: &mut dyn FnMut(usize, Change),
    ) -> Result<(), StagingError> {
        self.upsert_each(entity, rows.iter().map(|&(id, payload)| (id, payload, None)), tell)
    }

    fn upsert_versions(
        &mut self,
        entity: EntityNumber,
        rows: &[(&RowId, &[u8], Option<&str>)],
        tell: &mut dyn FnMut(usize, Change),
    ) -> Result<(), StagingError> {
        self.upsert_each(entity, rows.iter().copied(), tell)
    }

    fn delete(&mut self, entity: EntityNumber, id: &RowId) -> Result<Change, StagingError> {
        let (connection, tally) = self.parts();
        let Some(Found { row_key, payload_bytes: Some(bytes), .. }) = find(connection, entity, id, (&[], None))? else {
            return Ok(Change::Unchanged);
        };
        replace(connection, row_key, tally.next_lsn(), None, None)?;
        let counters = tally.counters(connection, entity)?;
        counters.rows -= 1;
        counters.bytes -= bytes;
        tally.draw();
        Ok(Change::Deleted)
    }

    fn row(&mut self, entity: EntityNumber, id: &RowId) -> Result<Option<(Lsn, Vec<u8>)>, StagingError> {
        let (connection, _) = self.parts();
        let mut select = connection.prepare_cached(FIND_ALIVE).map_err(failed("reading a row"))?;
        let read = |row: &Row<'_>| Ok((Lsn(row.get::<_, i64>(0)? as u64), row.get(1)?));
        select.query_row((entity.0, id), read).optional().map_err(failed("reading a row"))
    }

    fn drawn(&self) -> Lsn {
        self.tally.drawn
    }

    fn epoch(&mut self) -> Result<[u8; 16], StagingError> {
        Ok(read_identity(self.parts().0)?.epoch)
    }

    fn history_at(&mut self, lsn: Lsn) -> Result<Option<History>, StagingError> {
        histories::at(self.parts().0, lsn)
    }

    fn ledger(&mut self) -> &mut dyn Ledger {
        self
    }

    fn mark(&mut self, entity: EntityNumber) -> Result<Option<Mark>, StagingError> {
        marks::read(self.parts().0, entity)
    }

    fn set_mark(&mut self, entity: EntityNumber, mark: Option<Mark>) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        marks::write(connection, entity, mark)?;
        tally.noted = true;
        Ok(())
    }

    fn position(&mut self, entity: EntityNumber) -> Result<Option<Vec<u8>>, StagingError> {
        intake::position(self.parts().0, entity)
    }

    fn set_position(&mut self, entity: EntityNumber, position: Option<&[u8]>) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.noted |= intake::set_position(connection, entity, position)?;
        Ok(())
    }

    fn etag(&mut self, entity: EntityNumber, id: &RowId) -> Result<Option<String>, StagingError> {
        intake::etag(self.parts().0, entity, id)
    }

    fn passes(&mut self) -> &mut dyn Passes {
        self
    }

    fn queue(&mut self) -> &mut dyn Queue {
        self
    }

    fn finish(mut self: Box<Self>) -> Result<Lsn, StagingError> {
        self.end()?;
        if self.tally.changed || self.tally.settled {
            self.staging.tell(self.tally.drawn);
        }
        Ok(self.tally.drawn)
    }
}

impl Ledger for SqliteCommit<'_> {
    fn find(&mut self, origin: &Origin) -> Result<Option<Recorded>, StagingError> {
        ledger::find(self.parts().0, origin)
    }

    fn record(&mut self, entry: &Entry) -> Result<bool, StagingError> {
        let (connection, tally) = self.parts();
        tally.noted = true;
        ledger::insert(connection, entry)
    }

    fn amend(&mut self, place: LedgerPlace, entry: &Entry) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.noted = true;
        ledger::amend(connection, place, entry)
    }

    fn withdraw(&mut self, origin: &Origin) -> Result<bool, StagingError> {
        let (connection, tally) = self.parts();
        let is_new = ledger::withdraw(connection, origin)?;
        tally.noted |= is_new;
        Ok(is_new)
    }

    fn own_change(&mut self, origin: &Origin, lsn: Lsn) -> Result<Option<Lsn>, StagingError> {
        ledger::own_change(self.parts().0, origin, lsn)
    }

    fn refused_before(
        &mut self,
        origin: &Origin,
        entity: EntityNumber,
        id: &RowId,
        at_most: usize,
    ) -> Result<Vec<Earlier>, StagingError> {
        ledger::refused_before(self.parts().0, origin, entity, id, at_most)
    }

    fn blocked_of(&mut self, origin: &Origin, at_most: usize) -> Result<Vec<(LedgerPlace, Entry)>, StagingError> {
        ledger::blocked_of(self.parts().0, origin, at_most)
    }

    fn any_unwritten(&mut self) -> Result<bool, StagingError> {
        ledger::any_unwritten(self.parts().0)
    }

    fn unwritten_of(&mut self, entity: EntityNumber, id: &RowId) -> Result<Vec<Entry>, StagingError> {
        ledger::unwritten_of(self.parts().0, entity, id)
    }

    fn written(&mut self, places: &[LedgerPlace]) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.noted = true;
        ledger::forget_effects(connection, places)
    }

    fn is_closed(&mut self) -> Result<bool, StagingError> {
        ledger::is_closed(self.parts().0)
    }

    fn close(&mut self) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.noted = true;
        ledger::close(connection)
    }

    fn entry(&mut self, place: LedgerPlace) -> Result<Option<Entry>, StagingError> {
        ledger::entry(self.parts().0, place)
    }
}

impl Queue for SqliteCommit<'_> {
    fn enqueue(&mut self, origin: &Origin, queued: &Queued) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.noted = true;
        queue::enqueue(connection, origin, queued)
    }

    fn queued_of(&mut self, entity: EntityNumber, id: &RowId) -> Result<Vec<InTurn>, StagingError> {
        queue::of_row(self.parts().0, entity, id)
    }

    fn queued_at(&mut self, place: LedgerPlace) -> Result<Option<InTurn>, StagingError> {
        queue::at(self.parts().0, place)
    }

    fn dependants_of(&mut self, origin: &Origin) -> Result<Vec<Dependant>, StagingError> {
        queue::dependants(self.parts().0, origin)
    }

    fn count_of(&mut self, entity: EntityNumber, id: &RowId) -> Result<u64, StagingError> {
        queue::count(self.parts().0, entity, id)
    }

    fn turn_of(
        &mut self,
        entity: EntityNumber,
        id: &RowId,
        turn: Turn,
    ) -> Result<Option<(Origin, Option<Turn>)>, StagingError> {
        queue::turn(self.parts().0, entity, id, turn)
    }

    fn standing(&mut self) -> Result<QueueStanding, StagingError> {
        queue::standing(self.parts().0)
    }

    fn replaced(&mut self, every: bool, at_most: usize) -> Result<Vec<LedgerPlace>, StagingError> {
        queue::replaced(self.parts().0, every, at_most)
    }

    fn bind(&mut self, source: &[u8]) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.noted = true;
        queue::bind(connection, source)
    }

    fn pass(&mut self, visit: &mut dyn FnMut(Passing) -> ControlFlow<()>) -> Result<(), StagingError> {
        queue::pass(self.parts().0, visit)
    }

    fn judged_by(&mut self, turn: Turn, old: &[u8]) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.noted = true;
        queue::judged_by(connection, turn, old)
    }

    fn is_repeat(&mut self, turn: Turn, repeat: Repeat) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.noted = true;
        queue::is_repeat(connection, turn, repeat)
    }

    fn is_doubted(&mut self, place: LedgerPlace) -> Result<bool, StagingError> {
        queue::is_doubted(self.parts().0, place)
    }

    fn refuse_unless_made(&mut self, turn: Turn, answer: &[u8]) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.noted = true;
        queue::refuse_unless_made(connection, turn, answer)
    }

    fn settle(&mut self, place: LedgerPlace, entry: &Entry) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.settled = true;
        queue::settle(connection, place, entry)
    }

    fn has_drawn(&mut self, lsn: Lsn) -> Result<bool, StagingError> {
        queue::has_drawn(self.parts().0, lsn)
    }
}

impl Passes for SqliteCommit<'_> {
    fn living(&mut self, entity: EntityNumber) -> Result<(u64, Ordinal), StagingError> {
        let (connection, tally) = self.parts();
        let counters = tally.counters(connection, entity)?;
        Ok((counters.rows as u64, Ordinal::try_from(counters.next_ordinal).unwrap_or(Ordinal::MAX)))
    }

    fn pass(&mut self, entity: EntityNumber) -> Result<Option<Pass>, StagingError> {
        intake::pass(self.parts().0, entity)
    }

    fn set_pass(&mut self, entity: EntityNumber, pass: Option<Pass>) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.noted = true;
        intake::set_pass(connection, entity, pass)
    }

    fn meet(&mut self, entity: EntityNumber, pass: Pass, ids: &[&RowId]) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.noted = true;
        intake::meet(connection, entity, pass, ids)
    }

    fn unmet(
        &mut self,
        entity: EntityNumber,
        pass: Pass,
        rows_max: usize,
    ) -> Result<(Vec<RowId>, Option<Ordinal>), StagingError> {
        intake::unmet(self.parts().0, entity, pass, rows_max)
    }

    fn forget_met(&mut self, entity: EntityNumber, end: Ordinal) -> Result<(), StagingError> {
        let (connection, tally) = self.parts();
        tally.noted = true;
        intake::forget_met(connection, entity, end)
    }
}

impl Drop for SqliteCommit<'_> {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            // Failing means that SQLite has rolled back by itself already.
            let _ = writer.execute_batch("ROLLBACK");
        }
    }
}

impl Tally {
    /// The LSN of the change that is about to be written.
    fn next_lsn(&self) -> i64 {
        self.drawn.0 as i64 + 1
    }

    /// Counts a change as written.
    fn draw(&mut self) {
        self.drawn.0 += 1;
        self.changed = true;
    }

    /// The key of the entity's next new row.
    fn next_key(&mut self, connection: &Connection, entity: EntityNumber) -> Result<i64, StagingError> {
        let next = self.counters(connection, entity)?.next_ordinal;
        let ordinal = Ordinal::try_from(next).map_err(|_| StagingError::OrdinalsExhausted(entity))?;
        Ok(key_of(entity, ordinal))
    }

    fn count_new(&mut self, entity: EntityNumber, payload: &[u8]) -> Change {
        let counters = self.counters.entry(entity).or_default();
        counters.next_ordinal += 1;
        counters.rows += 1;
        counters.bytes += payload.len() as i64;
        self.draw();
        Change::Inserted
    }

    /// The entity's counters, read at their first use.
    fn counters(&mut self, connection: &Connection, entity: EntityNumber) -> Result<&mut Counters, StagingError> {
        match self.counters.entry(entity) {
            btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            btree_map::Entry::Vacant(_) if entity.0 >= ENTITY_NUMBER_END => {
                Err(StagingError::EntityNumberInvalid(entity))
            }
            btree_map::Entry::Vacant(unknown) => Ok(unknown.insert(read_counters(connection, entity)?)),
        }
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut replace = connection.prepare_cached("INSERT OR REPLACE INTO entities VALUES (?1, ?2, ?3, ?4)")?;
        for (entity, counters) in &self.counters {
            replace.execute((entity.0, counters.next_ordinal, counters.rows, counters.bytes))?;
        }
        connection.prepare_cached("UPDATE meta SET head = ?1")?.execute([self.drawn.0 as i64])?;
        Ok(())
    }
}

impl ToSql for RowId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Uuid(bytes) => ValueRef::Blob(bytes),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// Writes a row whose id has a key already.
fn replace_if_changed(
    connection: &Connection,
    tally: &mut Tally,
    entity: EntityNumber,
    id: &RowId,
    (payload, etag): (&[u8], Option<&str>),
) -> Result<Change, StagingError> {
    let Some(found) = find(connection, entity, id, (payload, etag))? else {
        return Err(StagingError::Damaged("an id is taken, but no row has it".into()));
    };
    if found.equal {
        if !found.same_version {
            intake::set_etag(connection, found.row_key, etag)?;
            tally.noted = true;
        }
        return Ok(Change::Unchanged);
    }
    replace(connection, found.row_key, tally.next_lsn(), Some(payload), etag)?;
    let counters = tally.counters(connection, entity)?;
    counters.bytes += payload.len() as i64 - found.payload_bytes.unwrap_or(0);
    counters.rows += i64::from(found.payload_bytes.is_none());
    tally.draw();
    Ok(if found.payload_bytes.is_some() { Change::Updated } else { Change::Inserted })
}

fn find(
    connection: &Connection,
    entity: EntityNumber,
    id: &RowId,
    (payload, etag): (&[u8], Option<&str>),
) -> Result<Option<Found>, StagingError> {
    let read = |row: &Row<'_>| {
        let same_version = row.get_ref(1)?.as_str_or_null()? == etag;
        let stored = row.get_ref(2)?.as_blob_or_null()?;
        let payload_bytes = stored.map(|bytes| bytes.len() as i64);
        Ok(Found { row_key: row.get(0)?, payload_bytes, equal: stored == Some(payload), same_version })
    };
    let mut select = connection.prepare_cached(FIND).map_err(failed(WRITING))?;
    select.query_row((entity.0, id), read).optional().map_err(failed(WRITING))
}

/// Writes a row that has its key; without a payload, deletes it.
fn replace(
    connection: &Connection,
    row_key: i64,
    lsn: i64,
    payload: Option<&[u8]>,
    etag: Option<&str>,
) -> Result<(), StagingError> {
    let mut update = connection.prepare_cached(REPLACE).map_err(failed(WRITING))?;
    update.execute((row_key, lsn, payload.is_none(), etag, payload)).map_err(failed(WRITING))?;
    Ok(())
}

fn read_counters(connection: &Connection, entity: EntityNumber) -> Result<Counters, StagingError> {
    let sql = "SELECT next_ordinal, row_count, byte_count FROM entities WHERE entity = ?1";
    let read = |row: &Row<'_>| Ok(Counters { next_ordinal: row.get(0)?, rows: row.get(1)?, bytes: row.get(2)? });
    let found = connection.prepare_cached(sql).and_then(|mut select| select.query_row([entity.0], read).optional());
    Ok(found.map_err(failed(WRITING))?.unwrap_or_default())
}

fn newest_revision(connection: &Connection) -> rusqlite::Result<Revision> {
    let newest = connection.query_row("SELECT max(revision) FROM models", [], |row| row.get::<_, Option<i64>>(0))?;
    Ok(Revision(newest.unwrap_or(0) as u64))
}
