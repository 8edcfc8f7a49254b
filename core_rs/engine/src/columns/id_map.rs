//! Row ids of one entity: from ordinal to id, and back.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::packed::grow;
use crate::ids::{Ordinal, RowKey};

/// The ids of an entity's rows. Deleted rows stay: lookups may still point at them.
#[derive(Debug, Default)]
pub struct IdMap {
    keys: Vec<RowKey>,
    ordinals: HashTable<Ordinal>,
    /// Seeded per process: devices choose ids of the rows they make.
    hasher: DefaultHashBuilder,
}

impl IdMap {
    /// The ordinal of the row with this id.
    pub fn find(&self, key: RowKey) -> Option<Ordinal> {
        self.ordinals.find(self.hasher.hash_one(key), |&ordinal| self.keys[ordinal as usize] == key).copied()
    }

    /// The id of a row. The row must have one.
    pub fn key(&self, ordinal: Ordinal) -> RowKey {
        self.keys[ordinal as usize]
    }

    /// Enters a row that has not been entered before.
    pub fn insert(&mut self, ordinal: Ordinal, key: RowKey) {
        grow(&mut self.keys, ordinal as usize, RowKey([0; 16]));
        self.keys[ordinal as usize] = key;
        let (keys, hasher) = (&self.keys, &self.hasher);
        self.ordinals.insert_unique(hasher.hash_one(key), ordinal, |&other| hasher.hash_one(keys[other as usize]));
    }

    /// One more than the highest ordinal entered.
    pub fn allocated(&self) -> Ordinal {
        self.keys.len() as Ordinal
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.keys.capacity() * size_of::<RowKey>() + self.ordinals.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_id_whatever_the_order_of_their_ordinals() {
        let mut ids = IdMap::default();
        let key = |number: u8| RowKey([number; 16]);
        for ordinal in [5, 0, 9] {
            ids.insert(ordinal, key(ordinal as u8 + 1));
        }
        assert_eq!([1, 6, 10, 2].map(|number| ids.find(key(number))), [Some(0), Some(5), Some(9), None]);
        assert_eq!((ids.key(5), ids.allocated()), (key(6), 10));
    }
}
