//! The tree of business units.

use std::collections::{BTreeSet, HashMap};

use crate::ids::RowKey;

/// Business units and their parents.
#[derive(Debug, Default)]
pub(super) struct Units {
    parents: HashMap<RowKey, RowKey>,
    children: HashMap<RowKey, BTreeSet<RowKey>>,
}

impl Units {
    /// Sets a unit's parent; `None` for a root, or a unit that is gone. Tells whether that is a change.
    pub(super) fn set(&mut self, unit: RowKey, parent: Option<RowKey>) -> bool {
        let old = match parent {
            Some(parent) => self.parents.insert(unit, parent),
            None => self.parents.remove(&unit),
        };
        if old == parent {
            return false;
        }
        if let Some(siblings) = old.and_then(|old| self.children.get_mut(&old)) {
            siblings.remove(&unit);
        }
        if let Some(parent) = parent {
            self.children.entry(parent).or_default().insert(unit);
        }
        true
    }

    /// Adds a unit and everything below it. Units that are above themselves do no harm.
    pub(super) fn add_with_descendants(&self, unit: RowKey, found: &mut BTreeSet<RowKey>) {
        let mut pending = vec![unit];
        let mut visited = BTreeSet::new();
        while let Some(unit) = pending.pop() {
            if visited.insert(unit) {
                pending.extend(self.children.get(&unit).into_iter().flatten());
            }
        }
        found.extend(visited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> RowKey {
        RowKey([number; 16])
    }

    fn below(units: &Units, unit: u8) -> Vec<u8> {
        let mut found = BTreeSet::new();
        units.add_with_descendants(key(unit), &mut found);
        found.into_iter().map(|unit| unit.0[0]).collect()
    }

    #[test]
    fn descendants_follow_reparenting() {
        let mut units = Units::default();
        for (unit, parent) in [(2, 1), (3, 1), (4, 2)] {
            assert!(units.set(key(unit), Some(key(parent))));
        }
        assert_eq!((below(&units, 1), below(&units, 2), below(&units, 9)), (vec![1, 2, 3, 4], vec![2, 4], vec![9]));
        assert!(units.set(key(4), Some(key(3))));
        assert!(!units.set(key(4), Some(key(3))));
        assert_eq!((below(&units, 2), below(&units, 3)), (vec![2], vec![3, 4]));
        assert!(units.set(key(3), None));
        assert_eq!(below(&units, 1), [1, 2]);
    }

    #[test]
    fn a_circle_ends() {
        let mut units = Units::default();
        units.set(key(1), Some(key(2)));
        units.set(key(2), Some(key(1)));
        assert_eq!(below(&units, 1), [1, 2]);
    }
}
