//! Which id of a row is meant: its own, or the one in an attribute.

use roaring::RoaringBitmap;

use super::needs::PostingsNumber;
use super::table::Table;
use crate::ids::{Ordinal, RowKey};

/// An id that every row of a table has, or may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// The one in an attribute.
    Postings(PostingsNumber),
    /// The row's own.
    Own,
}

impl Keys {
    /// The id of a row; `None` if it has none.
    pub fn of(self, table: &Table, row: Ordinal) -> Option<RowKey> {
        match self {
            Self::Postings(number) => table.postings(number).key(row),
            Self::Own => Some(table.ids().key(row)),
        }
    }

    /// Calls `visit` with every row that has an id, deleted ones too.
    pub fn each(self, table: &Table, key: RowKey, visit: impl FnMut(Ordinal)) {
        match self {
            Self::Own => table.ids().find(key).into_iter().for_each(visit),
            Self::Postings(number) => table.postings(number).rows(key).into_iter().flatten().for_each(visit),
        }
    }

    /// Those of `within` that have one of `keys`.
    pub fn select(self, table: &Table, keys: &[RowKey], within: &RoaringBitmap) -> RoaringBitmap {
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
    pub fn at_most(self, table: &Table, keys: &[RowKey]) -> u64 {
        match self {
            Self::Own => keys.len() as u64,
            Self::Postings(number) => {
                keys.iter().filter_map(|key| table.postings(number).rows(*key)).map(RoaringBitmap::len).sum()
            }
        }
    }
}
