//! One entity's rows in memory.

use std::mem::take;

use haversack_proto::model::Collation;
use roaring::RoaringBitmap;

use super::change_log::ChangeLog;
use super::column::Column;
use super::id_map::IdMap;
use super::index::RowChange;
use super::needs::{PostingsNumber, TableNeeds};
use super::packed::Packed;
use super::postings::Postings;
use crate::filter::comparable;
use crate::ids::{AttributeNumber, EntityNumber, Lsn, Ordinal, RowKey};
use crate::row::{FieldType, RowError, Value, extract, row_key, row_key_of_text};
use crate::schema::AttributeType;

/// The rows of an entity: what is known of each, and what the current commit has changed.
#[derive(Debug)]
pub struct Table {
    entity: EntityNumber,
    needs: TableNeeds,
    ids: IdMap,
    lsns: Packed,
    sizes: Packed,
    alive: RoaringBitmap,
    columns: Vec<(AttributeNumber, AttributeType, Column)>,
    postings: Vec<((AttributeNumber, FieldType), Postings)>,
    log: ChangeLog,
    changes: Changes,
    reader: Reader,
}

/// What a commit changed in a table.
#[derive(Debug, Default)]
pub struct Changes {
    /// Rows that were fed.
    pub fed: RoaringBitmap,
    /// Rows of which something changed that a view can depend on: life, owner, unit, a test's outcome.
    pub moved: RoaringBitmap,
    /// Whether rows came to life, or died.
    pub lives: bool,
    /// Ids that rows had in an attribute by which other rows are linked to them.
    pub rekeyed: Vec<(PostingsNumber, RowKey)>,
    /// Rows that have another LSN than before, and what it was; rows that are new are not among them.
    pub versions: Vec<(Ordinal, Lsn)>,
    /// The new LSN of each changed row.
    logged: Vec<(Lsn, Ordinal)>,
}

/// How a payload is read: the fields wanted, and what each is for.
#[derive(Debug, Default)]
struct Reader {
    wanted: Vec<(AttributeNumber, FieldType)>,
    uses: Vec<Use>,
    /// What the last row said, for edges.
    lookups: Vec<(Option<RowKey>, Option<EntityNumber>)>,
}

/// What a field is for.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    column: Option<usize>,
    postings: Option<usize>,
    /// Lookups whose key this is.
    key_of: Option<usize>,
    /// Lookup whose companion this is.
    companion_of: Option<usize>,
}

impl Changes {
    /// Whether a view can have changed by them.
    pub fn any(&self) -> bool {
        !self.moved.is_empty() || !self.versions.is_empty()
    }
}

impl Table {
    /// A table without rows.
    pub fn new(entity: EntityNumber) -> Self {
        Self {
            entity,
            needs: TableNeeds::default(),
            ids: IdMap::default(),
            lsns: Packed::default(),
            sizes: Packed::default(),
            alive: RoaringBitmap::new(),
            columns: Vec::new(),
            postings: Vec::new(),
            log: ChangeLog::default(),
            changes: Changes::default(),
            reader: Reader::default(),
        }
    }

    /// The entity.
    pub fn entity(&self) -> EntityNumber {
        self.entity
    }

    /// Ids and ordinals.
    pub fn ids(&self) -> &IdMap {
        &self.ids
    }

    /// LSN of a row's last change; 0 if there is no such row.
    pub fn lsn(&self, ordinal: Ordinal) -> Lsn {
        Lsn(self.lsns.get(ordinal))
    }

    /// Bytes of a row's payload.
    pub fn size(&self, ordinal: Ordinal) -> u32 {
        self.sizes.get(ordinal) as u32
    }

    /// Bytes of the payloads of these rows.
    pub fn sizes(&self, rows: &RoaringBitmap) -> u64 {
        self.sizes.sum(rows)
    }

    /// What a row has in an attribute, as far as it is kept here; `None` if it is not. Doubles come as the whole numbers
    /// that order as they do.
    pub fn value(&self, attribute: AttributeNumber, row: Ordinal) -> Option<Option<Value<'_>>> {
        if let Some((_, _, column)) = self.columns.iter().find(|column| column.0 == attribute) {
            return Some(column.value(row));
        }
        let (_, postings) = self.postings.iter().find(|((number, _), _)| *number == attribute)?;
        Some(postings.key(row).map(|key| Value::Id(key.0)))
    }

    /// Rows that are not deleted.
    pub fn alive(&self) -> &RoaringBitmap {
        &self.alive
    }

    /// The latest changes.
    pub fn log(&self) -> &ChangeLog {
        &self.log
    }

    /// What the current commit has changed.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The column of an attribute that filters test. What tests it needs it, so that it is here.
    pub fn column(&self, attribute: AttributeNumber) -> (AttributeType, &Column) {
        let found = self.columns.iter().find(|column| column.0 == attribute);
        found.map(|(_, kind, column)| (*kind, column)).expect("a test is needed with its columns")
    }

    /// Posting lists of an id attribute.
    pub fn postings(&self, number: PostingsNumber) -> &Postings {
        &self.postings[number.0].1
    }

    /// What rows have been read for.
    pub(super) fn needs(&self) -> &TableNeeds {
        &self.needs
    }

    /// Takes the shape that a model needs. What is new is empty until every row has been fed again.
    pub(super) fn shape(&mut self, needs: &TableNeeds) {
        let (mut columns, mut postings) = (take(&mut self.columns), take(&mut self.postings));
        for &(attribute, kind) in &needs.columns {
            let kept = columns.iter().position(|column| (column.0, column.1) == (attribute, kind));
            let column = kept.map_or_else(|| Column::new(kind), |place| columns.swap_remove(place).2);
            self.columns.push((attribute, kind, column));
        }
        for &(attribute, field) in &needs.postings {
            let kept = postings.iter().position(|postings| (postings.0.0, postings.0.1) == (attribute, field));
            let rows = kept.map_or_else(Postings::default, |place| postings.swap_remove(place).1);
            self.postings.push(((attribute, field), rows));
        }
        self.needs = needs.clone();
        self.reader = Reader::new(needs);
    }

    /// Takes a row's id, version and life. Returns whether its id is new here.
    pub(super) fn enter(&mut self, row: &RowChange<'_>) -> bool {
        let ordinal = row.ordinal;
        let old = self.lsn(ordinal);
        let is_new = old == Lsn(0);
        if is_new {
            self.ids.insert(ordinal, row.key);
        }
        if self.changes.fed.insert(ordinal) && old != row.lsn {
            self.changes.logged.push((row.lsn, ordinal));
            if !is_new {
                self.changes.versions.push((ordinal, old));
            }
        }
        self.lsns.set(ordinal, row.lsn.0);
        self.sizes.set(ordinal, row.payload.map_or(0, |payload| payload.len() as u64));
        let moved = if row.payload.is_some() { self.alive.insert(ordinal) } else { self.alive.remove(ordinal) };
        if moved {
            self.changes.moved.insert(ordinal);
            self.changes.lives = true;
        }
        is_new
    }

    /// Takes a row's attributes. What it says of lookups is then in [`Self::lookup`].
    pub(super) fn read(&mut self, ordinal: Ordinal, payload: &[u8]) -> Result<(), RowError> {
        let Self { reader, columns, postings, changes, needs, .. } = self;
        let Reader { wanted, uses, lookups } = reader;
        extract(payload, wanted, |field, value: Option<Value<'_>>| {
            let purpose = uses[field];
            if let Some(column) = purpose.column {
                columns[column].2.set(ordinal, value.as_ref());
            }
            if purpose.postings.is_some() || purpose.key_of.is_some() {
                let key = value.as_ref().and_then(|value| link_key(value, needs.collation));
                if let Some(place) = purpose.postings
                    && let Some(old) = postings[place].1.set(ordinal, key)
                {
                    changes.moved.insert(ordinal);
                    if let Some(old) = old.filter(|_| needs.linking.contains(&PostingsNumber(place))) {
                        changes.rekeyed.push((PostingsNumber(place), old));
                    }
                }
                if let Some(lookup) = purpose.key_of {
                    lookups[lookup].0 = key;
                }
            }
            if let Some(lookup) = purpose.companion_of {
                lookups[lookup].1 = if let Some(Value::Entity(entity)) = value { Some(entity) } else { None };
            }
        })
    }

    /// Where a lookup is among what [`Self::lookup`] tells.
    pub(super) fn lookup_of(&self, attribute: AttributeNumber) -> Option<usize> {
        self.needs.lookups.iter().position(|lookup| lookup.attribute == attribute)
    }

    /// The id that the row last read has in a lookup, if it is one of an entity: a lookup that may point at several
    /// says which.
    pub(super) fn lookup(&self, place: usize, referenced: EntityNumber) -> Option<RowKey> {
        let (key, entity) = self.reader.lookups[place];
        key.filter(|_| self.needs.lookups[place].companion.is_none() || entity == Some(referenced))
    }

    /// Adds rows to those that moved.
    pub(super) fn add_moved(&mut self, rows: &RoaringBitmap) {
        self.changes.moved |= rows;
    }

    /// Ends the reading of a commit: logs its changes.
    pub(super) fn settle(&mut self) {
        self.columns.iter_mut().for_each(|(_, _, column)| column.settle());
        self.log.extend(take(&mut self.changes.logged));
    }

    /// Forgets what the commit changed.
    pub(super) fn forget_changes(&mut self) {
        self.changes = Changes::default();
    }

    /// Bytes of ids, LSNs and sizes; of columns; of posting lists; of the log.
    pub(super) fn bytes(&self) -> [usize; 4] {
        let rows = self.ids.bytes() + self.lsns.bytes() + self.sizes.bytes() + super::bitmap_bytes(&self.alive);
        let columns = self.columns.iter().map(|(_, _, column)| column.bytes()).sum();
        let postings = self.postings.iter().map(|(_, postings)| postings.bytes()).sum();
        [rows, columns, postings, self.log.bytes()]
    }
}

/// The key of an id, or of another value by which rows are linked: texts that compare as equal have one.
fn link_key(value: &Value<'_>, collation: Collation) -> Option<RowKey> {
    match value {
        Value::Text(text) => Some(row_key_of_text(&comparable(text, collation))),
        _ => row_key(value),
    }
}

impl Reader {
    fn new(needs: &TableNeeds) -> Self {
        let wanted: Vec<(AttributeNumber, FieldType)> = needs.fields().into_iter().collect();
        let purpose = |&(field, _): &(AttributeNumber, FieldType)| Use {
            column: needs.columns.iter().position(|column| column.0 == field),
            postings: needs.postings.iter().position(|postings| postings.0 == field),
            key_of: needs.lookups.iter().position(|lookup| lookup.attribute == field),
            companion_of: needs.lookups.iter().position(|lookup| lookup.companion == Some(field)),
        };
        let uses = wanted.iter().map(purpose).collect();
        Self { wanted, uses, lookups: vec![(None, None); needs.lookups.len()] }
    }
}
