//! The writer thread: batches of encoded rows to commits.

use std::mem;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use haversack_engine::ids::{AttributeNumber, EntityNumber, Lsn};
use haversack_engine::row::{FieldType, RowError, RowWriter, fields};
use haversack_engine::schema::Entity;

use super::batch::{Batch, EncodedRow, Fault, Refusals};
use super::encoder::too_large;
use super::{Action, Options};
use crate::{Change, Commit, ROW_BYTES_MAX, Staging, StagingError};

/// Most bytes of encoded rows that an atomic ingest gathers before it commits.
pub(super) const ATOMIC_BYTES_MAX: usize = 512 << 20;

/// What the writer is given.
pub(super) enum Delivery {
    /// Rows to write.
    Batch(Batch),
    /// There are no more. Hanging up without this aborts.
    End {
        /// Whether no row was refused.
        clean: bool,
    },
}

/// What the writer did.
#[derive(Default, Debug)]
pub(super) struct Written {
    /// See [`super::Report`], as for the others.
    pub(super) inserted: u64,
    pub(super) updated: u64,
    pub(super) deleted: u64,
    pub(super) unchanged: u64,
    pub(super) bytes: u64,
    pub(super) lsn: Lsn,
    /// Rows refused because of what is stored.
    pub(super) refusals: Refusals,
}

/// Writes the rows of one entity.
pub(super) struct Writer {
    staging: Arc<dyn Staging>,
    entity: EntityNumber,
    action: Action,
    atomic: bool,
    /// Type of every field that the entity's rows may have, ascending.
    types: Vec<(AttributeNumber, FieldType)>,
    /// An atomic ingest's batches.
    gathered: Vec<Batch>,
    written: Written,
}

impl Writer {
    /// Prepares for an entity.
    pub(super) fn new(staging: Arc<dyn Staging>, entity: &Entity, options: &Options) -> Self {
        Self {
            staging,
            entity: entity.number,
            action: options.action,
            atomic: options.atomic,
            types: field_types(entity),
            gathered: Vec::new(),
            written: Written::default(),
        }
    }

    /// Writes until the parser ends or hangs up.
    pub(super) fn run(mut self, deliveries: &Receiver<Delivery>) -> Result<Written, StagingError> {
        self.written.lsn = self.staging.head()?;
        while let Ok(delivery) = deliveries.recv() {
            match delivery {
                Delivery::Batch(batch) if self.atomic => self.gather(batch)?,
                Delivery::Batch(batch) => self.commit(&[batch])?,
                Delivery::End { clean } => {
                    let gathered = mem::take(&mut self.gathered);
                    if clean && !gathered.is_empty() {
                        self.commit(&gathered)?;
                    }
                    break;
                }
            }
        }
        Ok(self.written)
    }

    fn gather(&mut self, batch: Batch) -> Result<(), StagingError> {
        self.gathered.push(batch);
        let bytes: usize = self.gathered.iter().map(Batch::bytes).sum();
        if bytes > ATOMIC_BYTES_MAX {
            return Err(StagingError::AtomicTooLarge { limit: ATOMIC_BYTES_MAX });
        }
        Ok(())
    }

    /// Writes batches in one commit, and counts what it did once it is true.
    fn commit(&mut self, batches: &[Batch]) -> Result<(), StagingError> {
        let mut written = Written::default();
        let mut commit = self.staging.begin()?;
        for batch in batches {
            self.write(&mut *commit, batch, &mut written)?;
        }
        if self.atomic && written.refusals.count > 0 {
            drop(commit);
            self.written.refusals = written.refusals;
            return Ok(());
        }
        written.lsn = commit.finish()?;
        self.written.add(written);
        Ok(())
    }

    /// Writes a batch within a commit and counts what happened to its rows.
    pub(super) fn write(
        &self,
        commit: &mut dyn Commit,
        batch: &Batch,
        written: &mut Written,
    ) -> Result<(), StagingError> {
        match self.action {
            Action::Upsert => {
                let rows: Vec<_> = batch.rows.iter().map(|row| (&row.id, batch.payload(row))).collect();
                commit
                    .upsert_all(self.entity, &rows, &mut |index, change| written.count(change, rows[index].1.len()))?;
            }
            Action::Delete => {
                for row in &batch.rows {
                    written.count(commit.delete(self.entity, &row.id)?, 0);
                }
            }
            Action::Patch => {
                for row in &batch.rows {
                    match self.patched(commit, batch, row)? {
                        Ok(payload) => written.count(commit.upsert(self.entity, &row.id, &payload)?, payload.len()),
                        Err(fault) => written.refusals.add(row.line, fault),
                    }
                }
            }
        }
        Ok(())
    }

    /// The stored row with the named fields replaced.
    fn patched(
        &self,
        commit: &mut dyn Commit,
        batch: &Batch,
        row: &EncodedRow,
    ) -> Result<Result<Vec<u8>, Fault>, StagingError> {
        let Some(stored) = commit.payload(self.entity, &row.id)? else {
            return Ok(Err(Fault::row("there is no row with this id to change; upsert it instead")));
        };
        let (named, news) = (batch.named(row), batch.payload(row));
        let patched =
            patch(&self.types, &stored, named, news).map_err(|error| StagingError::Damaged(error.to_string()))?;
        if patched.len() > ROW_BYTES_MAX {
            return Ok(Err(too_large(&format!(
                "its encoding would have {} bytes, and the limit is {ROW_BYTES_MAX}",
                patched.len()
            ))));
        }
        Ok(Ok(patched))
    }
}

impl Written {
    fn count(&mut self, change: Change, bytes: usize) {
        match change {
            Change::Inserted => self.inserted += 1,
            Change::Updated => self.updated += 1,
            Change::Deleted => self.deleted += 1,
            Change::Unchanged => self.unchanged += 1,
        }
        if matches!(change, Change::Inserted | Change::Updated) {
            self.bytes += bytes as u64;
        }
    }

    fn add(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.unchanged += other.unchanged;
        self.bytes += other.bytes;
        self.lsn = other.lsn;
        self.refusals.extend(other.refusals);
    }
}

/// Type of every field that an entity's rows may have, ascending.
pub(super) fn field_types(entity: &Entity) -> Vec<(AttributeNumber, FieldType)> {
    let mut types = Vec::new();
    for attribute in &entity.attributes {
        types.push((attribute.number, attribute.kind.into()));
        types.extend(attribute.entity_field.map(|field| (field, FieldType::Entity)));
    }
    types.sort_by_key(|field| field.0);
    types
}

/// `stored` without the `named` fields, and with those of `news`. Fields that the metadata no longer has are left out.
pub(super) fn patch(
    types: &[(AttributeNumber, FieldType)],
    stored: &[u8],
    named: &[AttributeNumber],
    news: &[u8],
) -> Result<Vec<u8>, RowError> {
    let mut patched = Vec::with_capacity(stored.len() + news.len());
    let mut row = RowWriter::new(&mut patched);
    let kept = fields(stored).filter(|field| !field.as_ref().is_ok_and(|(number, _)| named.contains(number)));
    for field in kept.chain(fields(news)) {
        let (number, raw) = field?;
        let Ok(at) = types.binary_search_by_key(&number, |field| field.0) else { continue };
        let value = raw.value(types[at].1).ok_or(RowError::TypeMismatch { number: number.0 })?;
        row.push(number, &value);
    }
    row.finish();
    Ok(patched)
}
