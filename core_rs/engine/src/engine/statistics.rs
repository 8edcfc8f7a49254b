//! What an engine holds, in numbers.

use super::Engine;
use crate::columns::{IndexBytes, bitmap_bytes};

/// What an engine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Live rows of carried entities.
    pub rows: u64,
    /// Bytes of the index over them, by part.
    pub index: IndexBytes,
    /// Distinct tests whose rows are kept.
    pub predicates: usize,
    /// Subscribers.
    pub subscribers: usize,
    /// Views, each once for all its subscribers.
    pub views: usize,
    /// Bytes of their rows.
    pub view_bytes: usize,
}

impl Statistics {
    /// Bytes of the index for each live row; 0 without rows.
    pub fn index_bytes_per_row(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.index.total() as f64 / self.rows as f64 }
    }
}

impl Engine {
    /// What the engine holds. Looks at every bitmap: not for every second.
    pub fn statistics(&self) -> Statistics {
        let entities = self.live.views().flat_map(|live| &live.view.entities);
        Statistics {
            rows: self.index.rows(),
            index: self.index.bytes(),
            predicates: self.index.predicates(),
            subscribers: self.live.len(),
            views: self.live.views().count(),
            view_bytes: entities.map(|entity| bitmap_bytes(&entity.rows)).sum(),
        }
    }
}
