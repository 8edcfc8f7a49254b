//! Reading: snapshots, and payloads for devices.

use std::ops::ControlFlow;

use haversack_engine::ids::{EntityNumber, History, Lsn, Ordinal, Position, Revision};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, Rows};

use super::readers::Reader;
use super::{failed, first_key, histories, intake, key_of, last_key, ledger, queue, split_key};
use crate::queue::{InTurn, QueueStanding};
use crate::{
    EntityStatistics, Entry, LedgerPlace, LedgerView, Origin, Place, PublishedModel, Recorded, RowId, Settlements,
    Snapshot, StagingError, StoredRow, Unwritten,
};

/// Unwanted rows between two wanted ones that are cheaper to step over than to look the second one up.
const GAP_MAX: u32 = 4;

const READING: &str = "reading rows";

const WALK_BY_ORDINAL: &str = "SELECT row_key, id, lsn, payload FROM rows
    WHERE row_key BETWEEN ?1 AND ?2 AND lsn > ?3 ORDER BY row_key";

/// Rows of other entities are stepped over in the index alone.
const WALK_BY_LSN: &str = "SELECT row_key, id, lsn, payload FROM rows INDEXED BY rows_by_lsn
    WHERE lsn > ?3 AND +row_key BETWEEN ?1 AND ?2 ORDER BY lsn";

/// One read transaction.
pub(super) struct SqliteSnapshot {
    reader: Reader,
    head: Lsn,
}

impl SqliteSnapshot {
    /// Reads the head, which pins the transaction to this moment.
    pub(super) fn new(reader: Reader) -> Result<Self, StagingError> {
        let head = super::read_head(&reader)?;
        Ok(Self { reader, head })
    }
}

impl Snapshot for SqliteSnapshot {
    fn head(&self) -> Lsn {
        self.head
    }

    fn history_at(&self, lsn: Lsn) -> Result<Option<History>, StagingError> {
        histories::at(&self.reader, lsn)
    }

    fn histories_after(&self, lsn: Lsn) -> Result<Vec<Position>, StagingError> {
        histories::after(&self.reader, lsn)
    }

    fn model_after(&self, revision: Revision) -> Result<Option<PublishedModel>, StagingError> {
        let sql = "SELECT revision, lsn, model FROM models WHERE revision > ?1 ORDER BY revision DESC LIMIT 1";
        let read = |row: &Row<'_>| {
            let (revision, lsn) = (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?);
            Ok(PublishedModel { revision: Revision(revision as u64), lsn: Lsn(lsn as u64), model: row.get(2)? })
        };
        let mut select = self.reader.prepare_cached(sql).map_err(failed("reading a model"))?;
        select.query_row([revision.0 as i64], read).optional().map_err(failed("reading a model"))
    }

    fn changes_after(&self, floor: Lsn, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), StagingError> {
        let sql = if floor == Lsn(0) {
            "SELECT row_key, id, lsn, payload FROM rows NOT INDEXED WHERE lsn > ?1 ORDER BY row_key"
        } else {
            "SELECT row_key, id, lsn, payload FROM rows INDEXED BY rows_by_lsn WHERE lsn > ?1 ORDER BY lsn"
        };
        let mut select = self.reader.prepare_cached(sql).map_err(failed(READING))?;
        visit_until(select.query([floor.0 as i64]).map_err(failed(READING))?, &mut all(visit))
    }

    fn rows(&self, entity: EntityNumber, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), StagingError> {
        let sql = "SELECT row_key, id, lsn, payload FROM rows WHERE row_key BETWEEN ?1 AND ?2 ORDER BY row_key";
        let mut select = self.reader.prepare_cached(sql).map_err(failed(READING))?;
        let rows = select.query([first_key(entity), last_key(entity)]).map_err(failed(READING))?;
        visit_until(rows, &mut all(visit))
    }

    fn walk(
        &self,
        entity: EntityNumber,
        from: Place,
        visit: &mut dyn FnMut(StoredRow<'_>) -> ControlFlow<()>,
    ) -> Result<(), StagingError> {
        let (sql, first, floor) = match from {
            Place::Ordinal(ordinal) => (WALK_BY_ORDINAL, key_of(entity, ordinal), Lsn(0)),
            Place::After(lsn) => (WALK_BY_LSN, first_key(entity), lsn),
        };
        let mut select = self.reader.prepare_cached(sql).map_err(failed(READING))?;
        let rows = select.query((first, last_key(entity), floor.0 as i64)).map_err(failed(READING))?;
        visit_until(rows, visit)
    }

    fn has(&self, entity: EntityNumber, id: &RowId) -> Result<bool, StagingError> {
        let sql = "SELECT deleted FROM rows WHERE entity = ?1 AND id = ?2";
        let mut select = self.reader.prepare_cached(sql).map_err(failed(READING))?;
        let deleted = select.query_row((entity.0, id), |row| row.get(0)).optional().map_err(failed(READING))?;
        Ok(deleted == Some(false))
    }

    fn statistics(&self) -> Result<Vec<EntityStatistics>, StagingError> {
        let sql = "SELECT entity, row_count, byte_count, next_ordinal FROM entities ORDER BY entity";
        let read = |row: &Row<'_>| {
            Ok(EntityStatistics {
                entity: EntityNumber(row.get(0)?),
                rows: row.get::<_, i64>(1)? as u64,
                bytes: row.get::<_, i64>(2)? as u64,
                allocated: row.get(3)?,
            })
        };
        let mut select = self.reader.prepare_cached(sql).map_err(failed("reading statistics"))?;
        let rows = select.query_map([], read).map_err(failed("reading statistics"))?;
        rows.collect::<Result<_, _>>().map_err(failed("reading statistics"))
    }

    fn position(&self, entity: EntityNumber) -> Result<Option<Vec<u8>>, StagingError> {
        intake::position(&self.reader, entity)
    }

    fn ledger(&self) -> &dyn LedgerView {
        self
    }
}

impl LedgerView for SqliteSnapshot {
    fn contains(&self, origin: &Origin) -> Result<bool, StagingError> {
        Ok(ledger::find(&self.reader, origin)?.is_some())
    }

    fn find(&self, origin: &Origin) -> Result<Option<Recorded>, StagingError> {
        ledger::find(&self.reader, origin)
    }

    fn last_settlement(&self) -> Result<u64, StagingError> {
        queue::last_settlement(&self.reader)
    }

    fn settled_after(&self, after: u64, at_most: usize) -> Result<(Vec<Origin>, u64), StagingError> {
        queue::settled_after(&self.reader, after, at_most)
    }

    fn settlements(&self, origin: &Origin, after: u64, at_most: usize) -> Result<Settlements, StagingError> {
        queue::settlements(&self.reader, origin, after, at_most)
    }

    fn queue_standing(&self) -> Result<QueueStanding, StagingError> {
        queue::standing(&self.reader)
    }

    fn queue_source(&self) -> Result<Vec<u8>, StagingError> {
        queue::source(&self.reader)
    }

    fn queued_at(&self, place: LedgerPlace) -> Result<Option<InTurn>, StagingError> {
        queue::at(&self.reader, place)
    }

    fn unwritten(&self, at_most: usize) -> Result<Vec<Unwritten>, StagingError> {
        ledger::unwritten(&self.reader, at_most)
    }

    fn refused(&self, after: LedgerPlace, at_most: usize) -> Result<Vec<(LedgerPlace, Entry)>, StagingError> {
        ledger::refused(&self.reader, after, at_most)
    }

    fn page(&self, after: LedgerPlace, at_most: usize) -> Result<Vec<(LedgerPlace, Entry)>, StagingError> {
        ledger::page(&self.reader, after, at_most)
    }
}

/// A visitor that never has enough.
fn all(visit: &mut dyn FnMut(StoredRow<'_>)) -> impl FnMut(StoredRow<'_>) -> ControlFlow<()> {
    |row| {
        visit(row);
        ControlFlow::Continue(())
    }
}

fn visit_until(
    mut rows: Rows<'_>,
    visit: &mut dyn FnMut(StoredRow<'_>) -> ControlFlow<()>,
) -> Result<(), StagingError> {
    while let Some(row) = rows.next().map_err(failed(READING))? {
        let id = row_id(row.get_ref(1).map_err(failed(READING))?)?;
        if visit(stored_row(row, &id)?).is_break() {
            break;
        }
    }
    Ok(())
}

fn stored_row<'a>(row: &'a Row<'_>, id: &'a RowId) -> Result<StoredRow<'a>, StagingError> {
    let (entity, ordinal) = split_key(row.get(0).map_err(failed(READING))?);
    let lsn = Lsn(row.get::<_, i64>(2).map_err(failed(READING))? as u64);
    let payload = row.get_ref(3).and_then(|value| Ok(value.as_blob_or_null()?)).map_err(failed(READING))?;
    Ok(StoredRow { entity, ordinal, id, key: id.key(), lsn, payload })
}

pub(super) fn row_id(value: ValueRef<'_>) -> Result<RowId, StagingError> {
    match value {
        ValueRef::Blob(bytes) => match bytes.try_into() {
            Ok(uuid) => Ok(RowId::Uuid(uuid)),
            Err(_) => Err(StagingError::Damaged(format!("an id has {} bytes", bytes.len()))),
        },
        ValueRef::Text(text) => Ok(RowId::Text(String::from_utf8_lossy(text).into())),
        other => Err(StagingError::Damaged(format!("an id is of type {}", other.data_type()))),
    }
}

/// Visits the payloads of `ordinals`: runs of them by a scan, lone ones by a lookup each.
pub(super) fn visit_payloads(
    reader: &Reader,
    entity: EntityNumber,
    ordinals: &[Ordinal],
    visit: &mut dyn FnMut(Ordinal, Lsn, &[u8]),
) -> Result<(), StagingError> {
    let scan = "SELECT row_key, lsn, payload FROM rows WHERE row_key BETWEEN ?1 AND ?2 ORDER BY row_key";
    let mut scan = reader.prepare_cached(scan).map_err(failed(READING))?;
    let lookup = "SELECT row_key, lsn, payload FROM rows WHERE row_key = ?1";
    let mut lookup = reader.prepare_cached(lookup).map_err(failed(READING))?;
    for run in ordinals.chunk_by(|&one, &next| next - one <= GAP_MAX) {
        let (first, last) = (key_of(entity, run[0]), key_of(entity, run[run.len() - 1]));
        let rows = if first == last { lookup.query([first]) } else { scan.query([first, last]) };
        visit_run(rows.map_err(failed(READING))?, run, visit).map_err(failed(READING))?;
    }
    Ok(())
}

/// Walks the rows of a range and the wanted ordinals in step.
fn visit_run(
    mut rows: Rows<'_>,
    mut wanted: &[Ordinal],
    visit: &mut dyn FnMut(Ordinal, Lsn, &[u8]),
) -> rusqlite::Result<()> {
    while let Some(row) = rows.next()? {
        let (_, ordinal) = split_key(row.get(0)?);
        let passed = wanted.iter().take_while(|&&next| next < ordinal).count();
        wanted = &wanted[passed..];
        if wanted.first() != Some(&ordinal) {
            continue;
        }
        if let Some(payload) = row.get_ref(2)?.as_blob_or_null()? {
            visit(ordinal, Lsn(row.get::<_, i64>(1)? as u64), payload);
        }
    }
    Ok(())
}
