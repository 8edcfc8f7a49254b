//! Rows on their way into a commit: of several versions of a row only the last one is written.

use std::ops::Range;

use hashbrown::HashMap;
use haversack_engine::ids::EntityNumber;
use haversack_staging::{Arrival, COMMIT_BYTES_MAX, Intake, RowId, StagingError};

/// Encoded rows.
pub(super) struct Batch {
    rows: Vec<Pending>,
    /// Where each row is in `rows`, so that it is there once; `None` if rows come once by themselves.
    places: Option<HashMap<(EntityNumber, RowId), usize>>,
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
    /// For changes, of which several may be of one row.
    pub(super) fn of_changes() -> Self {
        Self { places: Some(HashMap::new()), ..Self::of_copy() }
    }

    /// For a copy, in which a row comes once: no time is spent on finding it again.
    pub(super) const fn of_copy() -> Self {
        Self { rows: Vec::new(), places: None, payloads: Vec::new() }
    }

    /// Makes the bytes appended since `start` the newest version of a row.
    pub(super) fn put(&mut self, entity: EntityNumber, id: RowId, start: usize, version: Option<Box<str>>) {
        self.place(entity, id, Some(start..self.payloads.len()), version);
    }

    /// Says that a row is gone.
    pub(super) fn remove(&mut self, entity: EntityNumber, id: RowId) {
        self.place(entity, id, None, None);
    }

    /// What the batch knows of a row; nothing in a copy.
    pub(super) fn get(&self, entity: EntityNumber, id: &RowId) -> Known<'_> {
        let places = self.places.as_ref();
        let Some(&place) = places.and_then(|places| places.get(&(entity, id.clone()))) else { return Known::Nothing };
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
        if let Some(places) = &mut self.places {
            places.clear();
        }
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
        let next = self.rows.len();
        let places = self.places.as_mut();
        let place = places.map_or(next, |places| *places.entry((entity, id.clone())).or_insert(next));
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
