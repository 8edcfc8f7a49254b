//! The rows that pass one test: one bitmap, shared by every profile and user that states the test.

use std::mem::replace;

use roaring::RoaringBitmap;

use super::coded::Verdicts;
use super::table::Table;
use crate::filter::{Comparison, HierarchyTest, Test};
use crate::ids::{AttributeNumber, EntityNumber};
use crate::schema::Lookup;

/// What a predicate is known by: equal tests of one entity are one predicate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PredicateKey {
    /// The entity.
    pub entity: EntityNumber,
    /// The test.
    pub test: SharedTest,
}

/// A test that depends neither on who asks nor on when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SharedTest {
    /// Of one attribute.
    Fixed(AttributeNumber, Test),
    /// Of two attributes of the row.
    Comparison(Comparison),
    /// Of the row's place in a hierarchy: its own, or that of the row that it points at by a lookup.
    Kin(Option<Lookup>, HierarchyTest),
}

/// The rows that pass a test, kept as rows change.
#[derive(Debug)]
pub struct Predicate {
    key: PredicateKey,
    rows: RoaringBitmap,
    /// False until every row has been judged once.
    complete: bool,
    verdicts: Verdicts,
}

impl Predicate {
    /// A predicate that has judged no row yet.
    pub fn new(key: PredicateKey) -> Self {
        Self { key, rows: RoaringBitmap::new(), complete: false, verdicts: Verdicts::default() }
    }

    /// What it is known by.
    pub fn key(&self) -> &PredicateKey {
        &self.key
    }

    /// The rows that pass. Dead rows never do.
    pub fn rows(&self) -> &RoaringBitmap {
        &self.rows
    }

    /// Whether every row has been judged; if not, the next update judges all.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Judges the `changed` rows again by their own attributes. Returns the rows that came or went. A test of kin cannot
    /// be judged so; see [`Self::replace`].
    pub fn update(&mut self, table: &Table, changed: &RoaringBitmap) -> RoaringBitmap {
        if !replace(&mut self.complete, true) {
            let passing = self.passing(table, table.alive());
            return self.replace(passing);
        }
        let flips = (&self.rows & changed) ^ self.passing(table, &(changed & table.alive()));
        self.rows ^= &flips;
        flips
    }

    /// Those of `rows` that pass.
    fn passing(&mut self, table: &Table, rows: &RoaringBitmap) -> RoaringBitmap {
        match &self.key.test {
            SharedTest::Fixed(attribute, test) => table.column(*attribute).1.passing(test, &mut self.verdicts, rows),
            SharedTest::Comparison(comparison) => {
                let [left, right] = [comparison.left, comparison.right].map(|side| table.column(side).1);
                let passes = |row| comparison.test.matches(left.value(row).as_ref(), right.value(row).as_ref());
                rows.iter().filter(|&row| passes(row)).collect()
            }
            SharedTest::Kin(..) => unreachable!("kin are replaced as a whole"),
        }
    }

    /// Takes what passes now. Returns the rows that came or went.
    pub fn replace(&mut self, passing: RoaringBitmap) -> RoaringBitmap {
        self.complete = true;
        let flips = &self.rows ^ &passing;
        self.rows = passing;
        flips
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        super::bitmap_bytes(&self.rows) + self.verdicts.bytes()
    }
}
