//! A source outside: it has rows of its own, takes writes of devices from the queue or refuses them, is away for a while,
//! and goes on as it is when staging is put back to an earlier moment.
//!
//! What it does with a write is what `haversack_server.replication.Source` asks for. One that keeps keys knows each
//! mutation that it has made for ever; one that keeps none looks at the row.

use std::collections::{BTreeMap, BTreeSet};

use haversack_engine::row::{datetime_text, day_text, uuid_text};
use haversack_proto::model::{AttributeType, ConflictPolicy};
use haversack_proto::sync::{Mutation, MutationKind};
use haversack_staging::queue::{Ready, Repeat};
use haversack_staging::{Entry, Origin};
use prost::Message;

use crate::rows::{Row, companion_of, decoded, row_of};
use crate::views::draw::{Cell, Cells, key};
use crate::views::organization::{ID, entities, name};

/// A system of record.
pub(crate) struct Outside {
    pub(crate) rows: BTreeMap<Row, Cells>,
    /// Rows that are something else in staging, until it is replicated.
    pub(crate) late: BTreeSet<Row>,
    /// Whether it knows by its keys what it has made.
    keeps_keys: bool,
    /// How often each mutation was made.
    made: BTreeMap<Origin, u32>,
    pub(crate) is_away: bool,
}

/// What it says of a write.
pub(crate) enum Said {
    /// The write is made, and this is its row now.
    Made(Option<Cells>),
    /// It does not have what it was asked for.
    Unknown,
    /// The row is not what the device saw.
    Conflict,
    /// It has no such row.
    NotFound,
    /// Its rules are against it.
    Forbidden,
}

/// A write, as the worker hands it over.
struct Write {
    row: Row,
    kind: MutationKind,
    changed: BTreeSet<u32>,
    new: Cells,
    old: Cells,
    detects_conflicts: bool,
}

impl Outside {
    /// A source without rows.
    pub(crate) fn new(keeps_keys: bool) -> Self {
        let (rows, late, made) = Default::default();
        Self { rows, late, keeps_keys, made, is_away: false }
    }

    /// Somebody else changes a row in it.
    pub(crate) fn put(&mut self, row: Row, cells: Option<&Cells>) {
        match cells {
            Some(cells) => drop(self.rows.insert(row, cells.clone())),
            None => drop(self.rows.remove(&row)),
        }
    }

    /// Does, or looks for, what is ready.
    pub(crate) fn write(&mut self, ready: &Ready) -> Said {
        let write = Write::of(ready);
        let (origin, there) = (ready.entry.origin, self.rows.get(&write.row));
        let is_known = self.keeps_keys && self.made.contains_key(&origin);
        let is_made = is_known || (!self.keeps_keys && write.is_done(there));
        let is_believed = ready.queued.repeat == Repeat::Taken && !self.keeps_keys;
        if is_made || is_believed {
            return Said::Made(there.cloned());
        }
        if ready.queued.repeat != Repeat::No {
            return Said::Unknown;
        }
        match (write.kind, there) {
            (MutationKind::Create, Some(_)) => return Said::Conflict,
            (MutationKind::Create, None) => {}
            (_, None) => return Said::NotFound,
            (_, Some(there)) if write.detects_conflicts && !write.is_untouched(there) => return Said::Conflict,
            _ => {}
        }
        // Its rules are about numbers of rows.
        if write.row.1 % 11 == 3 && origin.number % 2 == 0 {
            return Said::Forbidden;
        }
        *self.made.entry(origin).or_default() += 1;
        let after = write.after(there);
        self.put(write.row, after.as_ref());
        Said::Made(after)
    }

    /// How often a mutation was made, whatever staging knows of it.
    pub(crate) fn times_made(&self, origin: &Origin) -> u32 {
        self.made.get(origin).copied().unwrap_or(0)
    }

    /// Whether it can tell of every mutation whether it has made it.
    pub(crate) fn keeps_keys(&self) -> bool {
        self.keeps_keys
    }
}

impl Write {
    fn of(ready: &Ready) -> Self {
        let Entry { entity, .. } = ready.entry;
        let mutation = Mutation::decode(&ready.queued.mutation[..]).unwrap();
        let effect = &ready.queued.effect;
        let (values, changed) = match ready.queued.otherwise {
            Some(_) => (&mutation.values[..], &mutation.changed),
            None => (&effect.values[..], &effect.changed),
        };
        let gives_way = |field: &u32| {
            ready.conflicts.iter().any(|it| it.0 == *field || companion_of(entity.0, it.0) == Some(*field))
        };
        let changed: BTreeSet<u32> = changed.iter().copied().filter(|field| !gives_way(field)).collect();
        let mut new = decoded(entity.0, values);
        new.retain(|field, _| changed.contains(field));
        Self {
            row: row_of(&mutation.id),
            kind: mutation.kind(),
            changed,
            new,
            old: decoded(entity.0, &ready.queued.old),
            detects_conflicts: ready.looks_for_conflicts() && mutation.kind() == MutationKind::Update,
        }
    }

    /// Whether the row is what the write makes of it, but for what is the source's own business.
    fn is_done(&self, there: Option<&Cells>) -> bool {
        match (self.kind, there) {
            (MutationKind::Delete, _) => there.is_none(),
            (_, None) => false,
            (_, Some(there)) => {
                self.changed.iter().all(|field| *field == ID || there.get(field) == self.new.get(field))
            }
        }
    }

    fn is_untouched(&self, there: &Cells) -> bool {
        self.changed.iter().all(|field| there.get(field) == self.old.get(field))
    }

    fn after(&self, there: Option<&Cells>) -> Option<Cells> {
        if self.kind == MutationKind::Delete {
            return None;
        }
        let mut row = there.cloned().unwrap_or_default();
        row.retain(|field, _| !self.changed.contains(field));
        row.extend(self.new.clone());
        row.insert(ID, Cell::Id(key(self.row.0, self.row.1)));
        Some(row)
    }
}

/// Whether a write may find its row changed, and be judged again on it.
pub(crate) fn merges(ready: &Ready) -> bool {
    ready.queued.policy == ConflictPolicy::Merge as i32
}

/// A row as an ingest reads it.
pub(crate) fn json(row: Row, cells: &Cells) -> Vec<u8> {
    let entity = entities().into_iter().find(|entity| entity.number == row.0).expect("it is in the metadata");
    let mut members = serde_json::Map::new();
    for attribute in &entity.attributes {
        let Some(cell) = cells.get(&attribute.number) else { continue };
        members.insert(attribute.logical_name.clone(), value(attribute.r#type(), cell));
        if let Some(Cell::Entity(target)) = cells.get(&attribute.entity_field_number) {
            members.insert(format!("{}_type", attribute.logical_name), name(*target).into());
        }
    }
    serde_json::Value::Object(members).to_string().into_bytes()
}

fn value(kind: AttributeType, cell: &Cell) -> serde_json::Value {
    match (kind, cell) {
        (AttributeType::Datetime | AttributeType::DatetimeIndependent, Cell::Integer(micros)) => {
            datetime_text(*micros).into()
        }
        (AttributeType::DateOnly, Cell::Integer(day)) => day_text(*day).into(),
        (_, Cell::Integer(number)) => (*number).into(),
        (_, Cell::Real(number)) => (*number).into(),
        (_, Cell::Text(text)) => text.as_str().into(),
        (_, Cell::Truth(truth)) => (*truth).into(),
        (_, Cell::Id(id)) => uuid_text(*id).into(),
        (_, Cell::Entity(entity)) => name(*entity).into(),
        (_, Cell::Set(numbers)) => numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",").into(),
    }
}
