//! What views are computed from: the index, and what a model that is only tried out needs beside it.

use std::borrow::Cow;

use roaring::RoaringBitmap;

use super::edges::Edges;
use super::index::Index;
use super::needs::{EdgesNumber, Needs, PredicateNumber, TableNumber, WindowNumber};
use super::predicate::Predicate;
use super::table::Table;
use super::window::WindowKey;
use crate::ids::{EntityNumber, Instant, Ordinal};
use crate::zone::Zone;

/// An index at an instant, read through the numbers of a model's needs. The needs are those that the index has, or go on
/// from there.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    index: &'a Index,
    instant: Instant,
    beyond: Option<&'a Beyond>,
}

/// Tests that a model states beyond those that an index keeps.
#[derive(Debug, Default)]
pub struct Beyond {
    predicates: Vec<RoaringBitmap>,
    windows: Vec<WindowKey>,
}

impl Beyond {
    /// Works out what `needs` asks beyond the index, all of whose tables must cover them.
    pub fn of(index: &Index, needs: &Needs) -> Self {
        let rows = |key| {
            let mut predicate = Predicate::new(key);
            index.judge(&mut predicate);
            predicate.rows().clone()
        };
        Self {
            predicates: needs.predicates[index.predicates()..].iter().cloned().map(rows).collect(),
            windows: needs.windows[index.windows()..].to_vec(),
        }
    }
}

impl<'a> Reading<'a> {
    /// Reads an index at the instant that it has been settled at.
    pub fn new(index: &'a Index, instant: Instant) -> Self {
        Self { index, instant, beyond: None }
    }

    /// Reads what is beyond it, too.
    #[must_use]
    pub fn with(self, beyond: &'a Beyond) -> Self {
        Self { beyond: Some(beyond), ..self }
    }

    /// A table.
    pub fn table(&self, number: TableNumber) -> &'a Table {
        self.index.table(number)
    }

    /// The table of an entity, if any is kept.
    pub fn table_of(&self, entity: EntityNumber) -> Option<&'a Table> {
        self.index.table_of(entity)
    }

    /// The edges of a lookup.
    pub fn edges(&self, number: EdgesNumber) -> &'a Edges {
        self.index.edges(number)
    }

    /// The rows of a predicate.
    pub fn passing(&self, number: PredicateNumber) -> &'a RoaringBitmap {
        match self.beyond {
            Some(beyond) if number.0 >= self.index.predicates() => {
                &beyond.predicates[number.0 - self.index.predicates()]
            }
            _ => self.index.passing(number),
        }
    }

    /// The rows that lie within a window in a zone; worked out from nothing where nobody follows it.
    pub fn within(&self, number: WindowNumber, zone: &Zone) -> Cow<'a, RoaringBitmap> {
        if let Some(rows) = self.index.within(number, zone) {
            return Cow::Borrowed(rows);
        }
        let (key, table) = self.window(number);
        Cow::Owned(key.passing(table, self.instant, zone))
    }

    /// Whether a row lies within a window in a zone.
    pub fn is_within(&self, number: WindowNumber, zone: &Zone, row: Ordinal) -> bool {
        if let Some(rows) = self.index.within(number, zone) {
            return rows.contains(row);
        }
        let (key, table) = self.window(number);
        table.alive().contains(row) && key.holds(table, row, self.instant, zone)
    }

    fn window(&self, number: WindowNumber) -> (&'a WindowKey, &'a Table) {
        let key = match self.beyond {
            Some(beyond) if number.0 >= self.index.windows() => &beyond.windows[number.0 - self.index.windows()],
            _ => self.index.window(number),
        };
        (key, self.index.table_of(key.entity).expect("a window is needed with its table"))
    }
}
