//! Changes of transactions, applied within one commit of staging.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use haversack_engine::ids::EntityNumber;
use haversack_staging::{Intake, RowId};

use super::batch::{Batch, Known};
use super::layout::{EntityLayout, Layout};
use super::pgoutput::{Malformed, Message, Relation, Tuple, read};
use super::position::Position;
use super::row::{Encoded, Notes, encode, is_deleted, key_texts, row_id, version};
use super::value::Cell;
use crate::SourceError;

/// What one connection knows of the tables that it is told of.
pub(super) struct Applier {
    layout: Arc<Layout>,
    tables: HashMap<u32, Arc<[Told]>>,
    /// Rows read from the source, since values of theirs were neither sent nor in staging; `None` if they are gone.
    pub(super) fetched: HashMap<(EntityNumber, RowId), Option<Vec<u8>>>,
    pub(super) notes: Notes,
}

/// How an application of messages ended.
pub(super) enum Applied {
    /// All is in the commit.
    Whole,
    /// These rows have to be read from the source first: a place among the entities, an id, and the texts of its key.
    /// The commit is not to be finished.
    Missing(Vec<Missing>),
}

/// A row with values that were not sent and that staging does not have: a deleted row that came back, mostly.
pub(super) struct Missing {
    pub(super) place: usize,
    pub(super) id: RowId,
    pub(super) key: Vec<String>,
}

/// An entity of a table, and where its columns are in the table's tuples.
struct Told {
    entity: usize,
    columns: Vec<Option<usize>>,
}

impl Applier {
    pub(super) fn new(layout: Arc<Layout>) -> Self {
        Self { layout, tables: HashMap::new(), fetched: HashMap::new(), notes: Notes::default() }
    }

    /// Applies messages in order. Entities of `position` that are to be copied are passed over; those that a truncation
    /// has emptied are added to what is to be swept.
    pub(super) fn apply(
        &mut self,
        intake: &mut Intake<'_>,
        messages: &[Bytes],
        position: &mut Position,
    ) -> Result<Applied, SourceError> {
        let mut batch = Batch::of_changes();
        let mut missing = Vec::new();
        for message in messages {
            let broken = |Malformed| SourceError::Unavailable("a message of the replication stream is broken".into());
            match read(message).map_err(broken)? {
                Message::Relation(relation) => self.learn(&relation),
                Message::Insert { relation, new } => {
                    missing.extend(self.change(intake, &mut batch, position, relation, (None, &new))?);
                }
                Message::Update { relation, old, new } => {
                    missing.extend(self.change(intake, &mut batch, position, relation, (old.as_ref(), &new))?);
                }
                Message::Delete { relation, old } => self.delete(&mut batch, position, relation, &old),
                Message::Truncate { relations } => {
                    batch.flush(intake)?;
                    self.truncate(intake, position, &relations)?;
                }
                Message::Other => {}
            }
        }
        batch.flush(intake)?;
        Ok(if missing.is_empty() { Applied::Whole } else { Applied::Missing(missing) })
    }

    fn learn(&mut self, relation: &Relation<'_>) {
        let mut told = Vec::new();
        for entity in self.layout.of_table(relation.schema, relation.table) {
            let layout = &self.layout.entities[entity];
            let place = |name: &String| relation.columns.iter().position(|column| column == name);
            let columns: Vec<_> = layout.columns.iter().map(place).collect();
            for (name, _) in layout.columns.iter().zip(&columns).filter(|(_, place)| place.is_none()) {
                let hint = "it is NULL from now on; map the table anew";
                self.notes.add(format!("{}: column {name} is gone from {}; {hint}", layout.name, layout.relation()));
            }
            told.push(Told { entity, columns });
        }
        self.tables.insert(relation.id, told.into());
    }

    /// The entities that a change of a table is about.
    fn told(&self, relation: u32) -> Arc<[Told]> {
        self.tables.get(&relation).cloned().unwrap_or_default()
    }

    /// Whether the entity's changes are in the copy that is being made of it.
    fn is_copied(&self, told: &Told, position: &Position) -> bool {
        position.is_copying(self.layout.entities[told.entity].entity)
    }

    /// Puts a new version of a row into the batch; returns what has to be fetched for that.
    fn change(
        &mut self,
        intake: &mut Intake<'_>,
        batch: &mut Batch,
        position: &Position,
        relation: u32,
        (old, new): (Option<&Tuple<'_>>, &Tuple<'_>),
    ) -> Result<Vec<Missing>, SourceError> {
        let mut missing = Vec::new();
        for told in self.told(relation).iter() {
            if self.is_copied(told, position) {
                continue;
            }
            let layout = Arc::clone(&self.layout);
            let layout = &layout.entities[told.entity];
            let before = old.map(|old| told.cells(old));
            let mut cells = told.cells(new);
            keep_unchanged(&mut cells, before.as_deref());
            let Some(id) = row_id(layout, &cells) else {
                self.note_keyless(layout);
                continue;
            };
            let was = before.and_then(|before| row_id(layout, &before)).filter(|was| *was != id);
            let mut stored = None;
            if cells.contains(&Cell::Unchanged) && !is_deleted(layout, &cells) {
                stored = self.stored(intake, batch, layout.entity, (was.as_ref().unwrap_or(&id), &id))?;
                if stored.is_none() && !self.fetched.contains_key(&(layout.entity, id.clone())) {
                    let key = key_texts(layout, &cells);
                    missing.push(Missing { place: told.entity, id: id.clone(), key });
                }
            }
            if let Some(was) = was {
                batch.remove(layout.entity, was);
            }
            let start = batch.payloads.len();
            match encode(layout, &id, &cells, stored.as_deref(), &mut batch.payloads, &mut self.notes) {
                Encoded::Row => batch.put(layout.entity, id, start, version(layout, &cells)),
                Encoded::Gone => batch.remove(layout.entity, id),
            }
        }
        Ok(missing)
    }

    /// A row as it stands before a change, under the id that it had, or as it was fetched, under the one that it has.
    fn stored(
        &self,
        intake: &mut Intake<'_>,
        batch: &Batch,
        entity: EntityNumber,
        (was, is): (&RowId, &RowId),
    ) -> Result<Option<Vec<u8>>, SourceError> {
        let stored = match batch.get(entity, was) {
            Known::Row(newest) => Some(newest.to_vec()),
            Known::Gone => None,
            Known::Nothing => intake.commit().payload(entity, was)?,
        };
        Ok(stored.or_else(|| self.fetched.get(&(entity, is.clone())).cloned().flatten()))
    }

    fn delete(&mut self, batch: &mut Batch, position: &Position, relation: u32, old: &Tuple<'_>) {
        for told in self.told(relation).iter() {
            if self.is_copied(told, position) {
                continue;
            }
            let layout = Arc::clone(&self.layout);
            let layout = &layout.entities[told.entity];
            match row_id(layout, &told.cells(old)) {
                Some(id) => batch.remove(layout.entity, id),
                None => self.note_keyless(layout),
            }
        }
    }

    fn truncate(&self, intake: &mut Intake<'_>, position: &mut Position, relations: &[u32]) -> Result<(), SourceError> {
        let tables: Vec<_> = relations.iter().map(|relation| self.told(*relation)).collect();
        for told in tables.iter().flat_map(|table| &table[..]) {
            if self.is_copied(told, position) {
                continue;
            }
            let entity = self.layout.entities[told.entity].entity;
            intake.begin_pass(entity)?;
            if !position.sweeping.contains(&entity.0) {
                position.sweeping.push(entity.0);
            }
        }
        Ok(())
    }

    fn note_keyless(&mut self, layout: &EntityLayout) {
        let hint = "make its REPLICA IDENTITY cover the key";
        self.notes.add(format!("{}: changes of {} come without a key; {hint}", layout.name, layout.relation()));
    }
}

impl Told {
    /// The cells of the entity's columns. Those that the tuple does not have are NULL.
    fn cells<'a>(&self, tuple: &Tuple<'a>) -> Vec<Cell<'a>> {
        self.columns
            .iter()
            .map(|place| place.and_then(|place| tuple.get(place).copied()).unwrap_or(Cell::Null))
            .collect()
    }
}

/// Fills in values that were not sent, since they did not change, where the old values tell them.
fn keep_unchanged<'a>(cells: &mut [Cell<'a>], before: Option<&[Cell<'a>]>) {
    for (cell, before) in cells.iter_mut().zip(before.unwrap_or_default()) {
        // A tuple of the key alone has NULL for all other columns.
        if *cell == Cell::Unchanged && *before != Cell::Null {
            *cell = *before;
        }
    }
}
