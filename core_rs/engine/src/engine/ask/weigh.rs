//! How large sets of rows are.

use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::columns::Table;
use crate::ids::EntityNumber;

/// Weighs sets of rows by what they have more and less than a set of known weight: views are large, and much alike.
#[derive(Debug, Default)]
pub(super) struct Scale {
    known: HashMap<EntityNumber, Known>,
}

#[derive(Debug)]
struct Known {
    /// Bytes of every live row.
    alive: u64,
    last: Arc<RoaringBitmap>,
    last_bytes: u64,
}

impl Scale {
    /// Bytes of the payloads of live rows of a table. The table must be as it was the last time.
    pub(super) fn bytes(&mut self, table: &Table, rows: &Arc<RoaringBitmap>) -> u64 {
        let known = self.known.entry(table.entity()).or_insert_with(|| Known {
            alive: table.sizes(table.alive()),
            last: Arc::default(),
            last_bytes: 0,
        });
        let [from_last, from_alive] = [&*known.last, table.alive()].map(|set| rows.symmetric_difference_len(set));
        let bytes = if rows.len() <= from_last.min(from_alive) {
            table.sizes(rows)
        } else if from_last <= from_alive {
            differing(table, rows, &known.last, known.last_bytes)
        } else {
            differing(table, rows, table.alive(), known.alive)
        };
        (known.last, known.last_bytes) = (Arc::clone(rows), bytes);
        bytes
    }
}

/// Bytes of `rows`, given those of `other`.
fn differing(table: &Table, rows: &RoaringBitmap, other: &RoaringBitmap, bytes: u64) -> u64 {
    bytes + table.sizes(&(rows - other)) - table.sizes(&(other - rows))
}
