//! Posting lists: which rows have which id in an attribute, such as their owner or business unit.

use hashbrown::HashMap;

use roaring::RoaringBitmap;

use super::packed::Packed;
use crate::ids::{Ordinal, RowKey};

/// The rows of each id in one attribute, and the id of each row. Lists without rows are given up.
#[derive(Debug, Default)]
pub struct Postings {
    /// By ordinal: 0 for NULL, else one more than an index into `lists`.
    codes: Packed,
    lists: Vec<List>,
    by_key: HashMap<RowKey, u32>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct List {
    key: RowKey,
    rows: RoaringBitmap,
}

impl Postings {
    /// The id of a row.
    pub fn key(&self, ordinal: Ordinal) -> Option<RowKey> {
        let code = self.codes.get(ordinal);
        code.checked_sub(1).map(|index| self.lists[index as usize].key)
    }

    /// The rows of an id; `None` if there are none.
    pub fn rows(&self, key: RowKey) -> Option<&RoaringBitmap> {
        self.by_key.get(&key).map(|&index| &self.lists[index as usize].rows)
    }

    /// Gives a row another id, or none. Returns the one that it had, if that is a change.
    pub fn set(&mut self, ordinal: Ordinal, key: Option<RowKey>) -> Option<Option<RowKey>> {
        let old = self.key(ordinal);
        if old == key {
            return None;
        }
        if let Some(index) = self.codes.get(ordinal).checked_sub(1) {
            self.leave(ordinal, index as u32);
        }
        let code = key.map_or(0, |key| self.join(ordinal, key) + 1);
        self.codes.set(ordinal, u64::from(code));
        Some(old)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let lists: usize = self.lists.iter().map(|list| super::bitmap_bytes(&list.rows)).sum();
        let index = self.by_key.capacity() * (size_of::<RowKey>() + size_of::<u32>() + 1);
        self.codes.bytes() + lists + self.lists.capacity() * size_of::<List>() + index
    }

    fn leave(&mut self, ordinal: Ordinal, index: u32) {
        let list = &mut self.lists[index as usize];
        list.rows.remove(ordinal);
        if list.rows.is_empty() {
            self.by_key.remove(&list.key);
            self.free.push(index);
        }
    }

    fn join(&mut self, ordinal: Ordinal, key: RowKey) -> u32 {
        let index = match self.by_key.get(&key) {
            Some(&index) => index,
            None => self.open(key),
        };
        self.lists[index as usize].rows.insert(ordinal);
        index
    }

    fn open(&mut self, key: RowKey) -> u32 {
        let list = List { key, rows: RoaringBitmap::new() };
        let index = if let Some(index) = self.free.pop() {
            self.lists[index as usize] = list;
            index
        } else {
            self.lists.push(list);
            self.lists.len() as u32 - 1
        };
        self.by_key.insert(key, index);
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_move_between_lists_and_empty_lists_are_reused() {
        let (mut postings, ann, bob, cid) = (Postings::default(), RowKey([1; 16]), RowKey([2; 16]), RowKey([3; 16]));
        assert_eq!(postings.set(4, Some(ann)), Some(None));
        assert_eq!(postings.set(9, Some(ann)), Some(None));
        assert_eq!(postings.set(9, Some(ann)), None);
        assert_eq!(postings.set(9, Some(bob)), Some(Some(ann)));
        assert_eq!(postings.set(4, None), Some(Some(ann)));
        assert_eq!(postings.rows(ann), None);
        assert_eq!(postings.set(5, Some(cid)), Some(None));
        assert_eq!(postings.lists.len(), 2);
        assert_eq!([4, 5, 9].map(|row| postings.key(row)), [None, Some(cid), Some(bob)]);
        assert_eq!(postings.rows(cid).map(|rows| rows.iter().collect()), Some(vec![5]));
    }
}
