//! Rows of a hierarchy that are above or below one of them.

use roaring::RoaringBitmap;

use super::edges::Edges;
use super::id_map::IdMap;
use crate::filter::{HierarchyTest, Kin};

/// How many levels up or down kin are looked for (filters.md section 3: hierarchy operators stop there).
const KIN_LEVELS_MAX: usize = 100;

/// The rows that `test` means, deleted ones too. `edges` lead from rows of the hierarchy to their parents, `ids` are
/// those of its rows. Rows that are above themselves do no harm.
pub(super) fn kin(test: &HierarchyTest, edges: &Edges, ids: &IdMap) -> RoaringBitmap {
    let mut found = RoaringBitmap::new();
    let Some(row) = ids.find(test.row) else { return found };
    let mut level = vec![row];
    for _ in 0..KIN_LEVELS_MAX {
        let next: Vec<u32> = match test.kin {
            Kin::Above | Kin::EqOrAbove => level.iter().filter_map(|&row| edges.parent(row)).collect(),
            Kin::Under | Kin::EqOrUnder => level.iter().flat_map(|&row| edges.children(row)).collect(),
        };
        level = next.into_iter().filter(|&row| found.insert(row)).collect();
        if level.is_empty() {
            break;
        }
    }
    match test.kin {
        Kin::Above | Kin::Under => found.remove(row),
        Kin::EqOrAbove | Kin::EqOrUnder => found.insert(row),
    };
    found
}
