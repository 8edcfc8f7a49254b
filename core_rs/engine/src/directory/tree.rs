//! Trees of ids: business units, managers, positions.

use std::collections::{BTreeSet, HashMap};

use crate::ids::RowKey;

/// Ids, each with at most one parent. An id that is above itself does no harm.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    parents: HashMap<RowKey, RowKey>,
    children: HashMap<RowKey, BTreeSet<RowKey>>,
}

impl Tree {
    /// Sets an id's parent; `None` for a root, or an id that is gone. Tells whether that is a change.
    pub(super) fn set(&mut self, child: RowKey, parent: Option<RowKey>) -> bool {
        let old = match parent {
            Some(parent) => self.parents.insert(child, parent),
            None => self.parents.remove(&child),
        };
        if old == parent {
            return false;
        }
        if let Some(old) = old {
            self.forget(child, old);
        }
        if let Some(parent) = parent {
            self.children.entry(parent).or_default().insert(child);
        }
        true
    }

    /// What is above an id.
    pub(super) fn parent(&self, child: RowKey) -> Option<RowKey> {
        self.parents.get(&child).copied()
    }

    /// What is directly below an id, ascending.
    pub(super) fn children(&self, parent: RowKey) -> impl Iterator<Item = RowKey> {
        self.children.get(&parent).into_iter().flatten().copied()
    }

    /// Adds an id and everything below it.
    pub(super) fn add_with_descendants(&self, top: RowKey, found: &mut BTreeSet<RowKey>) {
        found.insert(top);
        found.extend(self.below(top, u32::MAX).into_iter().map(|(id, _)| id));
    }

    /// What is below an id within `depth` levels, each with its level, the nearest first: children are at level 1.
    pub(super) fn below(&self, top: RowKey, depth: u32) -> Vec<(RowKey, u32)> {
        let mut found = Vec::new();
        let mut visited = BTreeSet::from([top]);
        let mut level = vec![top];
        for number in 1..=depth {
            level = level.into_iter().flat_map(|id| self.children(id)).filter(|id| visited.insert(*id)).collect();
            if level.is_empty() {
                break;
            }
            found.extend(level.iter().map(|&id| (id, number)));
        }
        found
    }

    /// Adds to `ids` what is above any of them within `depth` levels.
    pub(super) fn add_above(&self, ids: &mut BTreeSet<RowKey>, depth: u32) {
        let mut level: Vec<RowKey> = ids.iter().copied().collect();
        for _ in 0..depth {
            level = level.into_iter().filter_map(|id| self.parent(id)).filter(|id| ids.insert(*id)).collect();
            if level.is_empty() {
                break;
            }
        }
    }

    fn forget(&mut self, child: RowKey, parent: RowKey) {
        let siblings = self.children.get_mut(&parent).expect("a parent knows its children");
        siblings.remove(&child);
        if siblings.is_empty() {
            self.children.remove(&parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> RowKey {
        RowKey([number; 16])
    }

    fn tree(links: &[(u8, u8)]) -> Tree {
        let mut tree = Tree::default();
        for &(child, parent) in links {
            assert!(tree.set(key(child), Some(key(parent))));
        }
        tree
    }

    fn below(tree: &Tree, top: u8) -> Vec<u8> {
        let mut found = BTreeSet::new();
        tree.add_with_descendants(key(top), &mut found);
        found.into_iter().map(|id| id.0[0]).collect()
    }

    #[test]
    fn descendants_follow_reparenting() {
        let mut units = tree(&[(2, 1), (3, 1), (4, 2)]);
        assert_eq!((below(&units, 1), below(&units, 2), below(&units, 9)), (vec![1, 2, 3, 4], vec![2, 4], vec![9]));
        assert!(units.set(key(4), Some(key(3))));
        assert!(!units.set(key(4), Some(key(3))));
        assert_eq!((below(&units, 2), below(&units, 3)), (vec![2], vec![3, 4]));
        assert!(units.set(key(3), None));
        assert_eq!(below(&units, 1), [1, 2]);
    }

    #[test]
    fn a_circle_ends() {
        let circle = tree(&[(1, 2), (2, 1), (3, 3)]);
        assert_eq!(below(&circle, 1), [1, 2]);
        assert_eq!(circle.below(key(1), 9), [(key(2), 1)]);
        assert_eq!(circle.below(key(3), 9), []);
        let mut above = BTreeSet::from([key(1)]);
        circle.add_above(&mut above, u32::MAX);
        assert_eq!(above.len(), 2);
    }

    #[test]
    fn levels_count_from_the_top() {
        let tree = tree(&[(2, 1), (3, 1), (4, 2), (5, 4)]);
        assert_eq!(tree.below(key(1), 2), [(key(2), 1), (key(3), 1), (key(4), 2)]);
        assert_eq!(tree.below(key(1), 0), []);
        let mut above = BTreeSet::from([key(5), key(3)]);
        tree.add_above(&mut above, 2);
        assert_eq!(above.into_iter().map(|id| id.0[0]).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    }
}
