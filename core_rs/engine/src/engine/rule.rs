//! Choosing rows: filters, criteria and access in the form in which they are answered, one row or all rows at a time.

use roaring::RoaringBitmap;

use super::inputs::Inputs;
use crate::columns::{Index, Needs, PostingsNumber, PredicateNumber, SharedTest, Table};
use crate::filter::{Holder, Leaf, LeafTest, Plan};
use crate::ids::{Ordinal, RowKey};
use crate::schema::Entity;

/// Which rows of a table are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Every row.
    Everything,
    /// No row.
    Nothing,
    /// Rows that every part chooses.
    Every(Vec<Rule>),
    /// Rows that some part chooses.
    Either(Vec<Rule>),
    /// Rows that pass a shared test.
    Passing(PredicateNumber),
    /// Rows whose id in an attribute is that of the asking user, or of something of the user's.
    Held(Keys, Holder),
}

/// Which id of a row is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// The one in an attribute.
    Postings(PostingsNumber),
    /// The row's own.
    Own,
}

impl Rule {
    /// The rule of a filter on `entity`; what it reads is added to `needs`.
    pub(super) fn from_plan(plan: &Plan, entity: &Entity, needs: &mut Needs) -> Self {
        let mut rules = |parts: &[Plan]| parts.iter().map(|part| Self::from_plan(part, entity, needs)).collect();
        match plan {
            Plan::All => Self::Everything,
            Plan::And(parts) => Self::Every(rules(parts)),
            Plan::Or(parts) => Self::Either(rules(parts)),
            Plan::Leaf(leaf) => Self::from_leaf(leaf, entity, needs),
            Plan::Comparison(_) | Plan::Link(_) => unimplemented!("comparisons and links"),
        }
    }

    fn from_leaf(leaf: &Leaf, entity: &Entity, needs: &mut Needs) -> Self {
        let test = match &leaf.test {
            LeafTest::Shared(test) => SharedTest::Fixed(test.clone()),
            LeafTest::Window(window) => SharedTest::Window(*window),
            LeafTest::User(test) => {
                return Self::Held(Keys::Postings(needs.postings(entity, leaf.attribute)), test.holder);
            }
            LeafTest::Hierarchy(_) => unimplemented!("hierarchies"),
        };
        Self::Passing(needs.predicate(entity, leaf.attribute, test))
    }

    /// Whether the rule asks for something of this holder.
    pub(super) fn mentions(&self, holder: Holder) -> bool {
        match self {
            Self::Everything | Self::Nothing | Self::Passing(_) => false,
            Self::Every(parts) | Self::Either(parts) => parts.iter().any(|part| part.mentions(holder)),
            Self::Held(_, mentioned) => *mentioned == holder,
        }
    }
}

impl Keys {
    /// The id of a row.
    pub(super) fn of(self, table: &Table, row: Ordinal) -> Option<RowKey> {
        match self {
            Self::Postings(number) => table.postings(number).key(row),
            Self::Own => Some(table.ids().key(row)),
        }
    }

    /// Those of `within` that have one of `keys`.
    pub(super) fn select(self, table: &Table, keys: &[RowKey], within: &RoaringBitmap) -> RoaringBitmap {
        match self {
            Self::Own => {
                keys.iter().filter_map(|key| table.ids().find(*key)).filter(|row| within.contains(*row)).collect()
            }
            Self::Postings(number) => {
                let lists = keys.iter().filter_map(|key| table.postings(number).rows(*key));
                lists.fold(RoaringBitmap::new(), |found, rows| found | (rows & within))
            }
        }
    }

    /// No more rows than this have one of `keys`.
    pub(super) fn at_most(self, table: &Table, keys: &[RowKey]) -> u64 {
        match self {
            Self::Own => keys.len() as u64,
            Self::Postings(number) => {
                keys.iter().filter_map(|key| table.postings(number).rows(*key)).map(RoaringBitmap::len).sum()
            }
        }
    }
}

/// Answers rules over one table for one asker.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) index: &'a Index,
    pub(super) inputs: &'a Inputs,
    pub(super) table: &'a Table,
}

impl Question<'_> {
    /// Whether a rule chooses a row.
    pub(super) fn holds(&self, rule: &Rule, row: Ordinal) -> bool {
        match rule {
            Rule::Everything => true,
            Rule::Nothing => false,
            Rule::Every(parts) => parts.iter().all(|part| self.holds(part, row)),
            Rule::Either(parts) => parts.iter().any(|part| self.holds(part, row)),
            Rule::Passing(number) => self.index.passing(*number).contains(row),
            Rule::Held(keys, holder) => {
                keys.of(self.table, row).is_some_and(|key| self.inputs.keys(*holder).contains(&key))
            }
        }
    }

    /// Those of `within` that a rule chooses.
    pub(super) fn select(&self, rule: &Rule, within: &RoaringBitmap) -> RoaringBitmap {
        match rule {
            Rule::Everything => within.clone(),
            Rule::Nothing => RoaringBitmap::new(),
            Rule::Every(parts) => self.select_every(parts, within),
            Rule::Either(parts) => {
                parts.iter().fold(RoaringBitmap::new(), |found, part| found | self.select(part, within))
            }
            Rule::Passing(number) => self.index.passing(*number) & within,
            Rule::Held(keys, holder) => keys.select(self.table, self.inputs.keys(*holder), within),
        }
    }

    /// Begins with the part that chooses the fewest, so that the others have little to look at.
    fn select_every(&self, parts: &[Rule], within: &RoaringBitmap) -> RoaringBitmap {
        let mut order: Vec<(u64, &Rule)> = parts.iter().map(|part| (self.at_most(part), part)).collect();
        order.sort_by_key(|(rows, _)| *rows);
        let Some(((_, first), others)) = order.split_first() else { return within.clone() };
        others.iter().fold(self.select(first, within), |found, (_, part)| self.select(part, &found))
    }

    /// No rule chooses more rows than this.
    pub(super) fn at_most(&self, rule: &Rule) -> u64 {
        match rule {
            Rule::Everything => u64::MAX,
            Rule::Nothing => 0,
            Rule::Every(parts) => parts.iter().map(|part| self.at_most(part)).min().unwrap_or(u64::MAX),
            Rule::Either(parts) => parts.iter().map(|part| self.at_most(part)).fold(0, u64::saturating_add),
            Rule::Passing(number) => self.index.passing(*number).len(),
            Rule::Held(keys, holder) => keys.at_most(self.table, self.inputs.keys(*holder)),
        }
    }
}
