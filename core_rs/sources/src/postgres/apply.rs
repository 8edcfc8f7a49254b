//! Changes of transactions, applied within one commit of staging.

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use haversack_engine::ids::EntityNumber;
use haversack_staging::{Intake, RowId};

use super::batch::{Batch, Known};
use super::crowd::{Crowd, Left, Tenant};
use super::layout::{EntityLayout, Layout};
use super::look::{Look, Table};
use super::pgoutput::{Malformed, Message, Relation, Tuple, read};
use super::position::Position;
use super::row::{Encoded, Notes, encode, is_deleted, key_texts, row_id, version};
use super::value::Cell;
use crate::SourceError;

/// What one connection knows of the tables that it is told of.
pub(super) struct Applier {
    layout: Arc<Layout>,
    /// The tables as they are expected to be told of.
    look: Arc<Look>,
    tables: HashMap<u32, Arc<[Told]>>,
    /// Rows read from the source, since values of theirs were neither sent nor in staging; `None` if there are none that
    /// a device can have.
    pub(super) fetched: HashMap<(EntityNumber, RowId), Option<Vec<u8>>>,
    /// Whether rows that were fetched, now or before, may be newer than the changes.
    pub(super) is_ahead: bool,
    pub(super) notes: Notes,
    /// What has to be fetched: places among the entities and ids, with the texts of their keys.
    missing: HashMap<(usize, RowId), Vec<String>>,
    doubtful: BTreeSet<u32>,
    crowd: Crowd,
}

/// How an application of messages ended.
pub(super) enum Applied {
    /// All is in the commit.
    Whole,
    /// These rows have to be read from the source first: a place among the entities, an id, and the texts of its key.
    /// The commit is not to be finished.
    Missing(Vec<Missing>),
    /// Changes are told of other tables than were looked at, or what they leave cannot be told: these entities have to be
    /// copied again. The commit is not to be finished.
    Doubtful(BTreeSet<u32>),
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
    /// Whether it is the table that was looked at, with the same columns.
    is_expected: bool,
    /// Whether changes tell all that a row was.
    is_full: bool,
}

impl Applier {
    pub(super) fn new(layout: Arc<Layout>, look: Arc<Look>) -> Self {
        let (tables, fetched) = (HashMap::new(), HashMap::new());
        Self {
            layout,
            look,
            tables,
            fetched,
            is_ahead: false,
            notes: Notes::default(),
            missing: HashMap::new(),
            doubtful: BTreeSet::new(),
            crowd: Crowd::default(),
        }
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
        self.missing.clear();
        self.doubtful.clear();
        self.crowd.end();
        for message in messages {
            let broken = |Malformed| SourceError::Unavailable("a message of the replication stream is broken".into());
            match read(message).map_err(broken)? {
                Message::Relation(relation) => self.learn(&relation),
                Message::Insert { relation, new } => {
                    self.change(intake, &mut batch, position, relation, (None, &new))?;
                }
                Message::Update { relation, old, new } => {
                    self.change(intake, &mut batch, position, relation, (old.as_ref(), &new))?;
                }
                Message::Delete { relation, old } => self.delete(&mut batch, position, relation, &old),
                Message::Truncate { relations } => {
                    batch.flush(intake)?;
                    self.truncate(intake, position, &relations)?;
                }
                Message::Other => {}
            }
        }
        let crowded = self.crowd.end();
        if position.part.is_some() {
            // What the rest of the transaction does to these keys could not be told any more.
            self.doubtful.extend(crowded);
        }
        if !self.doubtful.is_empty() {
            return Ok(Applied::Doubtful(mem::take(&mut self.doubtful)));
        }
        if !self.missing.is_empty() {
            let missing = self.missing.drain().map(|((place, id), key)| Missing { place, id, key });
            return Ok(Applied::Missing(missing.collect()));
        }
        batch.flush(intake)?;
        Ok(Applied::Whole)
    }

    fn learn(&mut self, relation: &Relation<'_>) {
        let told = self.layout.of_table(relation.schema, relation.table).into_iter().map(|entity| {
            let place = |name: &String| relation.columns.iter().position(|(column, _)| column == name);
            let columns: Vec<_> = self.layout.entities[entity].columns.iter().map(place).collect();
            let types = columns.iter().map(|place| Some(relation.columns[(*place)?].1));
            let is_it = |table: &Table| table.oid == relation.id && types.eq(table.types.iter().copied());
            let table = self.look.tables[entity].as_ref().filter(|table| is_it(table));
            let is_full = relation.is_full && table.is_some_and(|table| table.is_full);
            Told { entity, columns, is_expected: table.is_some(), is_full }
        });
        self.tables.insert(relation.id, told.collect());
    }

    /// The entities that a change of a table is about.
    fn told(&self, relation: u32) -> Arc<[Told]> {
        self.tables.get(&relation).cloned().unwrap_or_default()
    }

    /// Whether a change of the entity is to be passed over: it is in the copy that is being made, or in the one that has to
    /// be made now.
    fn is_copied(&mut self, told: &Told, position: &Position) -> bool {
        let entity = self.layout.entities[told.entity].entity;
        if !told.is_expected && !position.is_copying(entity) {
            self.doubtful.insert(entity.0);
        }
        !told.is_expected || position.is_copying(entity)
    }

    /// Puts a new version of a row into the batch, or notes that it has to be fetched.
    fn change(
        &mut self,
        intake: &mut Intake<'_>,
        batch: &mut Batch,
        position: &Position,
        relation: u32,
        (old, new): (Option<&Tuple<'_>>, &Tuple<'_>),
    ) -> Result<(), SourceError> {
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
            let was = before.as_ref().and_then(|before| row_id(layout, before)).filter(|was| *was != id);
            if told.is_full && (was.is_some() || before.is_none() || self.crowd.is_in(layout.entity, &id)) {
                if cells.contains(&Cell::Unchanged) {
                    // A partition has just ceased to tell all.
                    self.doubtful.insert(layout.entity.0);
                    continue;
                }
                if let Some(before) = &before {
                    self.leave(batch, layout, before);
                }
                self.join(intake, batch, layout, id, &cells)?;
                continue;
            }
            let mut stored = None;
            let needs_stored = cells.contains(&Cell::Unchanged) && !is_deleted(layout, &cells);
            if needs_stored {
                stored = self.known(intake, batch, layout.entity, was.as_ref(), &id)?;
                if stored.is_none() && !self.fetched.contains_key(&(layout.entity, id.clone())) {
                    let key = key_texts(layout, &cells);
                    self.missing.insert((told.entity, id.clone()), key);
                }
            }
            if let Some(was) = was {
                batch.remove(layout.entity, was);
            }
            if needs_stored && stored.is_none() {
                // What is not known whole must not be there. Unless it is too large, a later change deletes or moves it.
                batch.remove(layout.entity, id);
                continue;
            }
            let start = batch.payloads.len();
            match encode(layout, &id, &cells, stored.as_deref(), &mut batch.payloads, &mut self.notes) {
                Encoded::Row => batch.put(layout.entity, id, start, version(layout, &cells)),
                Encoded::Gone => batch.remove(layout.entity, id),
            }
        }
        Ok(())
    }

    /// Puts a row of a table that tells all old values into the batch, under an id that another row may have yet.
    fn join(
        &mut self,
        intake: &mut Intake<'_>,
        batch: &mut Batch,
        layout: &EntityLayout,
        id: RowId,
        cells: &[Cell<'_>],
    ) -> Result<(), SourceError> {
        let before = stored(intake, batch, layout.entity, &id)?;
        let start = batch.payloads.len();
        // What is marked as deleted has no row, so another one of this id stays.
        if encode(layout, &id, cells, None, &mut batch.payloads, &mut self.notes) == Encoded::Row {
            let version = version(layout, cells);
            let is_whole = layout.version.is_none();
            let before = before.map(|payload| Tenant { payload, version: None, is_whole });
            let tenant = Tenant { payload: batch.payloads[start..].to_vec(), version: version.clone(), is_whole: true };
            self.crowd.join(layout.entity, &id, before, tenant);
            batch.put(layout.entity, id, start, version);
        }
        Ok(())
    }

    /// Takes a row of a table that tells all old values out of the batch, unless another row has its id by now.
    fn leave(&mut self, batch: &mut Batch, layout: &EntityLayout, cells: &[Cell<'_>]) {
        let Some(id) = row_id(layout, cells).filter(|_| !is_deleted(layout, cells)) else { return };
        let mut payload = Vec::new();
        if self.crowd.is_in(layout.entity, &id) {
            encode(layout, &id, cells, None, &mut payload, &mut Notes::default());
        }
        if self.crowd.leave(batch, layout.entity, id, &payload) == Left::Unknown {
            self.doubtful.insert(layout.entity.0);
        }
    }

    /// A row as it stands before a change, under the id that it had if that is another one, or as it was fetched, under
    /// the one that it has.
    ///
    /// What was fetched under an id is the row that had the id by then. While changes from before that come, the row that
    /// moves away from the id may be another one, so it has to be fetched too.
    fn known(
        &self,
        intake: &mut Intake<'_>,
        batch: &Batch,
        entity: EntityNumber,
        was: Option<&RowId>,
        id: &RowId,
    ) -> Result<Option<Vec<u8>>, SourceError> {
        let is_doubtful = self.is_ahead && was.is_some();
        let known = if is_doubtful { None } else { stored(intake, batch, entity, was.unwrap_or(id))? };
        Ok(known.or_else(|| self.fetched.get(&(entity, id.clone())).cloned().flatten()))
    }

    fn delete(&mut self, batch: &mut Batch, position: &Position, relation: u32, old: &Tuple<'_>) {
        for told in self.told(relation).iter() {
            if self.is_copied(told, position) {
                continue;
            }
            let layout = Arc::clone(&self.layout);
            let layout = &layout.entities[told.entity];
            let cells = told.cells(old);
            match row_id(layout, &cells) {
                Some(_) if told.is_full => self.leave(batch, layout, &cells),
                Some(id) => batch.remove(layout.entity, id),
                None => self.note_keyless(layout),
            }
        }
    }

    fn truncate(
        &mut self,
        intake: &mut Intake<'_>,
        position: &mut Position,
        relations: &[u32],
    ) -> Result<(), SourceError> {
        let tables: Vec<_> = relations.iter().map(|relation| self.told(*relation)).collect();
        for told in tables.iter().flat_map(|table| &table[..]) {
            if self.is_copied(told, position) {
                continue;
            }
            let entity = self.layout.entities[told.entity].entity;
            intake.begin_pass(entity)?;
            self.crowd.empty(entity);
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

/// A row as the batch or else staging has it.
fn stored(
    intake: &mut Intake<'_>,
    batch: &Batch,
    entity: EntityNumber,
    id: &RowId,
) -> Result<Option<Vec<u8>>, SourceError> {
    match batch.get(entity, id) {
        Known::Row(newest) => Ok(Some(newest.to_vec())),
        Known::Gone => Ok(None),
        Known::Nothing => Ok(intake.commit().payload(entity, id)?),
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
