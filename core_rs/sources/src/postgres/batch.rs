//! Rows on their way into a commit: of several versions of a row only the last one is written.

use std::ops::Range;

use hashbrown::HashMap;
use haversack_engine::ids::EntityNumber;
use haversack_staging::{Arrival, COMMIT_BYTES_MAX, Intake, RowId, StagingError};

/// Encoded rows, each once.
#[derive(Default)]
pub(super) struct Batch {
    rows: Vec<Pending>,
    places: HashMap<(EntityNumber, RowId), usize>,
    /// Bytes of rows, one behind the other; whoever encodes appends here.
    pub(super) payloads: Vec<u8>,
}

/// What a batch knows of a row.
pub(super) enum Known<'b> {
    /// Nothing: it is as staging has it.
    Nothing,
    /// It is gone.
    Gone,
    /// Its newest bytes.
    Row(&'b [u8]),
}

struct Pending {
    entity: EntityNumber,
    id: RowId,
    /// Where its bytes lie; `None` if it is gone.
    payload: Option<Range<usize>>,
    version: Option<Box<str>>,
}

impl Batch {
    /// Makes the bytes appended since `start` the newest version of a row.
    pub(super) fn put(&mut self, entity: EntityNumber, id: RowId, start: usize, version: Option<Box<str>>) {
        self.place(entity, id, Some(start..self.payloads.len()), version);
    }

    /// Says that a row is gone.
    pub(super) fn remove(&mut self, entity: EntityNumber, id: RowId) {
        self.place(entity, id, None, None);
    }

    /// What the batch knows of a row.
    pub(super) fn get(&self, entity: EntityNumber, id: &RowId) -> Known<'_> {
        let Some(&place) = self.places.get(&(entity, id.clone())) else { return Known::Nothing };
        self.rows[place].payload.clone().map_or(Known::Gone, |payload| Known::Row(&self.payloads[payload]))
    }

    /// Rows that it has.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether a commit of at most `rows_max` rows has no room for more.
    pub(super) fn is_full(&self, rows_max: usize) -> bool {
        self.rows.len() >= rows_max || self.payloads.len() >= COMMIT_BYTES_MAX
    }

    /// Puts rows in order of id, so that a commit visits each page of the id index once; those that are gone come last.
    pub(super) fn sort(&mut self) {
        self.places.clear();
        let order = |row: &Pending| (row.entity, row.payload.is_none());
        self.rows.sort_unstable_by(|one, other| order(one).cmp(&order(other)).then_with(|| one.id.cmp(&other.id)));
    }

    /// Hands everything over and is empty again.
    pub(super) fn flush(&mut self, intake: &mut Intake<'_>) -> Result<(), StagingError> {
        self.sort();
        for rows in self.rows.chunk_by(|one, other| one.entity == other.entity) {
            let arrivals: Vec<_> = rows.iter().map(|row| row.arrival(&self.payloads)).collect();
            intake.take(rows[0].entity, &arrivals)?;
        }
        self.rows.clear();
        self.payloads.clear();
        Ok(())
    }

    fn place(&mut self, entity: EntityNumber, id: RowId, payload: Option<Range<usize>>, version: Option<Box<str>>) {
        let place = *self.places.entry((entity, id.clone())).or_insert(self.rows.len());
        let pending = Pending { entity, id, payload, version };
        match self.rows.get_mut(place) {
            Some(known) => *known = pending,
            None => self.rows.push(pending),
        }
    }
}

impl Pending {
    fn arrival<'a>(&'a self, payloads: &'a [u8]) -> Arrival<'a> {
        let id = &self.id;
        match self.payload.clone() {
            Some(payload) => Arrival::Row { id, payload: &payloads[payload], etag: self.version.as_deref() },
            None => Arrival::Gone { id },
        }
    }
}
