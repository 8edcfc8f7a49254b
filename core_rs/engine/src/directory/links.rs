//! Many-to-many facts of the directory: who is in which team, who has which role, which role grants what.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeBounds;

use crate::ids::RowKey;

/// Link rows from an id to a target. Two rows may say the same; the fact holds until both are gone.
#[derive(Clone, Debug)]
pub(super) struct Links<T> {
    rows: HashMap<RowKey, (RowKey, T)>,
    targets: HashMap<RowKey, BTreeMap<T, u32>>,
}

/// What a link row said before, and what it says now, if that is not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Relinked<T> {
    from: Option<(RowKey, T)>,
    to: Option<(RowKey, T)>,
}

impl<T> Relinked<T> {
    /// The links that came or went.
    pub(super) fn ends(self) -> impl Iterator<Item = (RowKey, T)> {
        self.from.into_iter().chain(self.to)
    }
}

impl<T> Default for Links<T> {
    fn default() -> Self {
        Self { rows: HashMap::new(), targets: HashMap::new() }
    }
}

impl<T: Copy + Ord> Links<T> {
    /// Sets what the link row `row` says; `None` if it is gone or says nothing. Tells what that changed.
    pub(super) fn set(&mut self, row: RowKey, link: Option<(RowKey, T)>) -> Relinked<T> {
        let old = match link {
            Some(link) => self.rows.insert(row, link),
            None => self.rows.remove(&row),
        };
        if old == link {
            return Relinked { from: None, to: None };
        }
        if let Some((from, target)) = old {
            self.forget(from, target);
        }
        if let Some((from, target)) = link {
            *self.targets.entry(from).or_default().entry(target).or_default() += 1;
        }
        Relinked { from: old, to: link }
    }

    /// The link rows that say that `from` is linked to `target`, in no order.
    pub(super) fn rows_of(&self, from: RowKey, target: T) -> Vec<RowKey> {
        self.rows.iter().filter(|(_, link)| **link == (from, target)).map(|(&row, _)| row).collect()
    }

    /// The targets of `from`, ascending.
    pub(super) fn of(&self, from: RowKey) -> impl Iterator<Item = T> {
        self.targets.get(&from).into_iter().flat_map(|targets| targets.keys().copied())
    }

    /// The targets of `from` within a range.
    pub(super) fn among(&self, from: RowKey, range: impl RangeBounds<T>) -> impl Iterator<Item = T> {
        self.targets.get(&from).into_iter().flat_map(move |targets| {
            targets.range((range.start_bound().cloned(), range.end_bound().cloned())).map(|(&target, _)| target)
        })
    }

    /// What has one of these targets, in no order.
    pub(super) fn that_lead_to(&self, wanted: &BTreeSet<T>) -> impl Iterator<Item = RowKey> {
        let leads = |targets: &BTreeMap<T, u32>| targets.keys().any(|target| wanted.contains(target));
        self.targets.iter().filter(move |(_, targets)| leads(targets)).map(|(&from, _)| from)
    }

    fn forget(&mut self, from: RowKey, target: T) {
        let targets = self.targets.get_mut(&from).expect("every link is counted");
        let count = targets.get_mut(&target).expect("every link is counted");
        *count -= 1;
        if *count == 0 {
            targets.remove(&target);
        }
        if targets.is_empty() {
            self.targets.remove(&from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_holds_until_the_last_row_that_says_it_is_gone() {
        let (mut links, ann) = (Links::<u32>::default(), RowKey([1; 16]));
        let row = |number| RowKey([number; 16]);
        let facts = |links: &Links<u32>| links.of(ann).collect::<Vec<_>>();
        assert_ne!(links.set(row(10), Some((ann, 7))).ends().count(), 0);
        assert_ne!(links.set(row(11), Some((ann, 7))).ends().count(), 0);
        assert_ne!(links.set(row(12), Some((ann, 9))).ends().count(), 0);
        assert_eq!(links.set(row(12), Some((ann, 9))).ends().count(), 0);
        assert_ne!(links.set(row(10), None).ends().count(), 0);
        assert_eq!(facts(&links), [7, 9]);
        assert_ne!(links.set(row(11), Some((ann, 8))).ends().count(), 0);
        assert_eq!(facts(&links), [8, 9]);
        assert_eq!(links.among(ann, 9..).collect::<Vec<_>>(), [9]);
        assert_eq!(links.that_lead_to(&[9].into()).collect::<Vec<_>>(), [ann]);
        assert_eq!(links.that_lead_to(&[7].into()).collect::<Vec<_>>(), []);
        assert_eq!(links.set(row(10), None).ends().count(), 0);
    }
}
