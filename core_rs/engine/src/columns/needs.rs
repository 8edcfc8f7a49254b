//! What a model needs of rows in memory.

use std::collections::{BTreeMap, HashMap};

use haversack_proto::model::Collation;

use super::keys::Keys;
use super::predicate::{PredicateKey, SharedTest};
use super::window::WindowKey;
use crate::filter::WindowTest;
use crate::ids::{AttributeNumber, EntityNumber};
use crate::row::FieldType;
use crate::schema::{AttributeType, Entity, Lookup};

/// A table's place in [`Needs`], and in the [`super::Index`] that has their shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableNumber(pub(super) usize);

/// A lookup's place in [`Needs`], and in the [`super::Index`] that has their shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgesNumber(pub(super) usize);

/// A predicate's place in [`Needs`], and in the [`super::Index`] that has their shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PredicateNumber(pub(super) usize);

/// A window's place in [`Needs`], and in the [`super::Index`] that has their shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowNumber(pub(super) usize);

/// The place of an id attribute among the posting lists of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PostingsNumber(pub(super) usize);

/// What a model needs of an organization's rows: the shape of an [`super::Index`]. Asking for a thing twice is asking
/// for it once.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    collation: Collation,
    pub(super) tables: Vec<(EntityNumber, TableNeeds)>,
    pub(super) lookups: Vec<Lookup>,
    pub(super) predicates: Vec<PredicateKey>,
    pub(super) windows: Vec<WindowKey>,
    /// Links on which a filter of the linked rows stands come before its own.
    pub(super) links: Vec<LinkNeeds>,
    by_entity: HashMap<EntityNumber, TableNumber>,
    by_lookup: HashMap<Lookup, EdgesNumber>,
    by_key: HashMap<PredicateKey, PredicateNumber>,
    by_window: HashMap<WindowKey, WindowNumber>,
}

/// Rows whose filter looks at linked rows: whenever one of those moves, so may they.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkNeeds {
    /// The table of the rows that have the filter.
    pub table: TableNumber,
    /// Their id.
    pub to: Keys,
    /// The table of the linked rows.
    pub linked: TableNumber,
    /// The id of theirs that is equal.
    pub from: Keys,
}

/// What is needed of one entity's rows, beside ids, LSNs and sizes.
#[derive(Clone, Debug, Default)]
pub(super) struct TableNeeds {
    /// Attributes that filters test.
    pub(super) columns: Vec<(AttributeNumber, AttributeType)>,
    /// Attributes whose rows are found by id, or by another value that links compare.
    pub(super) postings: Vec<(AttributeNumber, FieldType)>,
    /// How texts among those compare.
    pub(super) collation: Collation,
    /// Lookups that are followed.
    pub(super) lookups: Vec<LookupNeeds>,
    /// Posting lists by which other rows are linked to these.
    pub(super) linking: Vec<PostingsNumber>,
}

/// How a lookup is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LookupNeeds {
    pub(super) attribute: AttributeNumber,
    pub(super) field: FieldType,
    /// The field that tells the target's entity, where there are several.
    pub(super) companion: Option<AttributeNumber>,
}

impl Needs {
    /// Needs nothing yet, in an organization whose texts compare so.
    pub fn new(collation: Collation) -> Self {
        Self { collation, ..Self::default() }
    }

    /// Needs the same, and more to come, in an organization whose texts compare so.
    #[must_use]
    pub fn going_on(&self, collation: Collation) -> Self {
        let mut needs = Self { collation, ..self.clone() };
        needs.tables.iter_mut().for_each(|(_, table)| table.collation = collation);
        needs
    }

    /// Needs the rows of an entity.
    pub fn table(&mut self, entity: EntityNumber) -> TableNumber {
        *self.by_entity.entry(entity).or_insert_with(|| {
            self.tables.push((entity, TableNeeds { collation: self.collation, ..TableNeeds::default() }));
            TableNumber(self.tables.len() - 1)
        })
    }

    /// Needs the rows of an id attribute by id.
    pub fn postings(&mut self, entity: &Entity, attribute: AttributeNumber) -> PostingsNumber {
        let field = attribute_type(entity, attribute).into();
        PostingsNumber(place(&mut self.shape(entity.number).postings, (attribute, field)))
    }

    /// Needs a lookup as edges. `referencing` is the entity that has it.
    pub fn lookup(&mut self, referencing: &Entity, lookup: Lookup) -> EdgesNumber {
        let attribute = lookup.attribute;
        let companion = referencing.attribute_by_number(attribute).and_then(|found| found.entity_field);
        let field = attribute_type(referencing, attribute).into();
        self.table(lookup.referenced);
        place(&mut self.shape(lookup.referencing).lookups, LookupNeeds { attribute, field, companion });
        *self.by_lookup.entry(lookup).or_insert_with(|| {
            self.lookups.push(lookup);
            EdgesNumber(self.lookups.len() - 1)
        })
    }

    /// Needs the rows that pass a test. The lookups of a test of kin have to be needed by themselves.
    pub fn predicate(&mut self, entity: &Entity, test: SharedTest) -> PredicateNumber {
        match &test {
            SharedTest::Fixed(attribute, _) => self.column(entity, *attribute),
            SharedTest::Comparison(comparison) => {
                self.column(entity, comparison.left);
                self.column(entity, comparison.right);
            }
            SharedTest::Kin(..) => {}
        }
        let key = PredicateKey { entity: entity.number, test };
        *self.by_key.entry(key).or_insert_with_key(|key| {
            self.predicates.push(key.clone());
            PredicateNumber(self.predicates.len() - 1)
        })
    }

    /// Needs the rows that lie within a window, in whatever zones it will be followed.
    pub fn window(&mut self, entity: &Entity, attribute: AttributeNumber, test: WindowTest) -> WindowNumber {
        self.column(entity, attribute);
        let key = WindowKey { entity: entity.number, attribute, test };
        *self.by_window.entry(key).or_insert_with_key(|key| {
            self.windows.push(key.clone());
            WindowNumber(self.windows.len() - 1)
        })
    }

    /// Needs to know when linked rows move. Links of the filter of the linked rows have to be needed before.
    pub fn link(&mut self, link: LinkNeeds) {
        if let Keys::Postings(number) = link.from {
            place(&mut self.tables[link.linked.0].1.linking, number);
        }
        self.links.push(link);
    }

    fn column(&mut self, entity: &Entity, attribute: AttributeNumber) {
        let kind = attribute_type(entity, attribute);
        place(&mut self.shape(entity.number).columns, (attribute, kind));
    }

    fn shape(&mut self, entity: EntityNumber) -> &mut TableNeeds {
        let number = self.table(entity);
        &mut self.tables[number.0].1
    }
}

impl TableNeeds {
    /// Every field that has to be read from a row, ascending.
    pub(super) fn fields(&self) -> BTreeMap<AttributeNumber, FieldType> {
        let columns = self.columns.iter().map(|&(attribute, kind)| (attribute, FieldType::from(kind)));
        let lookups = self.lookups.iter().map(|lookup| (lookup.attribute, lookup.field));
        let companions = self.lookups.iter().filter_map(|lookup| lookup.companion);
        let postings = self.postings.iter().copied();
        columns.chain(postings).chain(lookups).chain(companions.map(|field| (field, FieldType::Entity))).collect()
    }

    /// Whether rows that were read for `self` tell everything that `other` needs.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let texts = other.postings.iter().any(|(_, field)| *field == FieldType::Text);
        (!texts || self.collation == other.collation)
            && other.columns.iter().all(|column| self.columns.contains(column))
            && other.postings.iter().all(|postings| self.postings.contains(postings))
            && other.lookups.iter().all(|lookup| self.lookups.contains(lookup))
    }
}

/// Where `wanted` is in `list`, after adding it if it is not.
fn place<T: PartialEq>(list: &mut Vec<T>, wanted: T) -> usize {
    list.iter().position(|have| *have == wanted).unwrap_or_else(|| {
        list.push(wanted);
        list.len() - 1
    })
}

fn attribute_type(entity: &Entity, attribute: AttributeNumber) -> AttributeType {
    entity.attribute_by_number(attribute).expect("plans and lookups were checked against the schema").kind
}
