//! Writing: one transaction that draws LSNs and ordinals under the write lock.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use haversack_engine::ids::{EntityNumber, Lsn, Ordinal};
use parking_lot::MutexGuard;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql};

use super::{SqliteStaging, failed, key_of, read_head};
use crate::{Change, Commit, ROW_BYTES_MAX, RowId, StagingError};

/// Entity numbers are below this, so that keys stay positive.
const ENTITY_NUMBER_END: u32 = 1 << 31;

const WRITING: &str = "writing rows";

/// A transaction that holds the write lock.
pub(super) struct SqliteCommit<'a> {
    staging: &'a SqliteStaging,
    /// Present until the transaction ends.
    writer: Option<MutexGuard<'a, Connection>>,
    /// Last LSN drawn, by this commit or by those before it.
    drawn: Lsn,
    changed: bool,
    counters: BTreeMap<EntityNumber, Counters>,
}

/// The part of `entities` that this commit has touched.
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
}

impl<'a> SqliteCommit<'a> {
    /// Takes the write lock, in this process and among all.
    pub(super) fn begin(staging: &'a SqliteStaging) -> Result<Self, StagingError> {
        let writer = staging.writer.lock();
        writer.execute_batch("BEGIN IMMEDIATE").map_err(failed("beginning a commit"))?;
        let mut commit =
            Self { staging, writer: Some(writer), drawn: Lsn(0), changed: false, counters: BTreeMap::new() };
        commit.drawn = read_head(commit.connection())?;
        Ok(commit)
    }

    pub(super) fn connection(&self) -> &Connection {
        self.writer.as_ref().expect("a commit has its connection until it ends")
    }

    /// The LSN of the change that is about to be written.
    pub(super) fn next_lsn(&self) -> Lsn {
        Lsn(self.drawn.0 + 1)
    }

    /// Counts a change as written.
    pub(super) fn draw(&mut self) {
        self.drawn = self.next_lsn();
        self.changed = true;
    }

    fn insert(&mut self, entity: EntityNumber, id: &RowId, payload: &[u8]) -> Result<bool, StagingError> {
        let next = self.counters(entity)?.next_ordinal;
        let ordinal = Ordinal::try_from(next).map_err(|_| StagingError::OrdinalsExhausted(entity))?;
        let sql = "INSERT INTO rows (row_key, id, lsn, deleted, payload) VALUES (?1, ?2, ?3, 0, ?4)
                   ON CONFLICT (entity, id) DO NOTHING";
        let mut insert = self.connection().prepare_cached(sql).map_err(failed(WRITING))?;
        let lsn = self.next_lsn();
        let inserted = insert.execute((key_of(entity, ordinal), id, lsn.0 as i64, payload)).map_err(failed(WRITING))?;
        Ok(inserted > 0)
    }

    /// Writes a row that has its key already; `None` deletes it.
    fn replace(&self, row_key: i64, payload: Option<&[u8]>) -> Result<(), StagingError> {
        let sql = "UPDATE rows SET lsn = ?2, deleted = ?3, etag = NULL, payload = ?4 WHERE row_key = ?1";
        let mut update = self.connection().prepare_cached(sql).map_err(failed(WRITING))?;
        let lsn = self.next_lsn().0 as i64;
        update.execute((row_key, lsn, payload.is_none(), payload)).map_err(failed(WRITING))?;
        Ok(())
    }

    fn find(&self, entity: EntityNumber, id: &RowId, payload: &[u8]) -> Result<Option<Found>, StagingError> {
        let sql = "SELECT row_key, payload FROM rows WHERE entity = ?1 AND id = ?2";
        let read = |row: &Row<'_>| {
            let stored = row.get_ref(1)?.as_blob_or_null()?;
            let payload_bytes = stored.map(|bytes| bytes.len() as i64);
            Ok(Found { row_key: row.get(0)?, payload_bytes, equal: stored == Some(payload) })
        };
        let mut select = self.connection().prepare_cached(sql).map_err(failed(WRITING))?;
        select.query_row((entity.0, id), read).optional().map_err(failed(WRITING))
    }

    /// The entity's counters, read at their first use.
    fn counters(&mut self, entity: EntityNumber) -> Result<&mut Counters, StagingError> {
        if entity.0 >= ENTITY_NUMBER_END {
            return Err(StagingError::EntityNumberInvalid(entity));
        }
        let connection = self.writer.as_ref().expect("a commit has its connection until it ends");
        match self.counters.entry(entity) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => Ok(unknown.insert(read_counters(connection, entity)?)),
        }
    }

    fn write_counters(&self) -> rusqlite::Result<()> {
        let connection = self.connection();
        let sql = "INSERT OR REPLACE INTO entities VALUES (?1, ?2, ?3, ?4)";
        let mut replace = connection.prepare_cached(sql)?;
        for (entity, counters) in &self.counters {
            replace.execute((entity.0, counters.next_ordinal, counters.rows, counters.bytes))?;
        }
        connection.prepare_cached("UPDATE meta SET head = ?1")?.execute([self.drawn.0 as i64])?;
        Ok(())
    }

    fn end(&mut self) -> Result<(), StagingError> {
        if self.changed {
            self.write_counters().map_err(failed(WRITING))?;
            self.connection().execute_batch("COMMIT").map_err(failed("committing"))?;
        } else {
            self.connection().execute_batch("ROLLBACK").map_err(failed("ending a commit without changes"))?;
        }
        if let Some(writer) = self.writer.take() {
            // Fair, so that a long ingest lets uploads through between its commits.
            MutexGuard::unlock_fair(writer);
        }
        Ok(())
    }
}

impl Commit for SqliteCommit<'_> {
    fn upsert(&mut self, entity: EntityNumber, id: &RowId, payload: &[u8]) -> Result<Change, StagingError> {
        if payload.len() > ROW_BYTES_MAX {
            return Err(StagingError::RowTooLarge { bytes: payload.len(), limit: ROW_BYTES_MAX });
        }
        let bytes = payload.len() as i64;
        if self.insert(entity, id, payload)? {
            let counters = self.counters(entity)?;
            *counters = Counters {
                next_ordinal: counters.next_ordinal + 1,
                rows: counters.rows + 1,
                bytes: counters.bytes + bytes,
            };
            self.draw();
            return Ok(Change::Inserted);
        }
        let Some(found) = self.find(entity, id, payload)? else {
            return Err(StagingError::Damaged("an id is taken, but no row has it".into()));
        };
        if found.equal {
            return Ok(Change::Unchanged);
        }
        self.replace(found.row_key, Some(payload))?;
        let counters = self.counters(entity)?;
        counters.bytes += bytes - found.payload_bytes.unwrap_or(0);
        counters.rows += i64::from(found.payload_bytes.is_none());
        self.draw();
        Ok(if found.payload_bytes.is_some() { Change::Updated } else { Change::Inserted })
    }

    fn delete(&mut self, entity: EntityNumber, id: &RowId) -> Result<Change, StagingError> {
        let Some(Found { row_key, payload_bytes: Some(bytes), .. }) = self.find(entity, id, &[])? else {
            return Ok(Change::Unchanged);
        };
        self.replace(row_key, None)?;
        let counters = self.counters(entity)?;
        counters.rows -= 1;
        counters.bytes -= bytes;
        self.draw();
        Ok(Change::Deleted)
    }

    fn payload(&mut self, entity: EntityNumber, id: &RowId) -> Result<Option<Vec<u8>>, StagingError> {
        let sql = "SELECT payload FROM rows WHERE entity = ?1 AND id = ?2";
        let mut select = self.connection().prepare_cached(sql).map_err(failed("reading a row"))?;
        let payload = select.query_row((entity.0, id), |row| row.get(0)).optional();
        Ok(payload.map_err(failed("reading a row"))?.flatten())
    }

    fn finish(mut self: Box<Self>) -> Result<Lsn, StagingError> {
        self.end()?;
        if self.changed {
            self.staging.tell(self.drawn);
        }
        Ok(self.drawn)
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

impl ToSql for RowId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Uuid(bytes) => ValueRef::Blob(bytes),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn read_counters(connection: &Connection, entity: EntityNumber) -> Result<Counters, StagingError> {
    let sql = "SELECT next_ordinal, row_count, byte_count FROM entities WHERE entity = ?1";
    let read = |row: &Row<'_>| Ok(Counters { next_ordinal: row.get(0)?, rows: row.get(1)?, bytes: row.get(2)? });
    let found = connection.prepare_cached(sql).and_then(|mut select| select.query_row([entity.0], read).optional());
    Ok(found.map_err(failed(WRITING))?.unwrap_or_default())
}
