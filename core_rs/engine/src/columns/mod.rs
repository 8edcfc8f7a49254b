//! What the engine keeps of rows in memory: everything that filters, ownership and relationships mention.
//!
//! An [`Index`] is that of one organization. It has a [`Table`] per entity that some profile carries: ids, LSNs,
//! sizes, and the attributes that are mentioned, as [`Column`]s (for filters) or [`Postings`] (for owners, business
//! units and users). Lookups that profiles follow are [`Edges`]. A [`Predicate`] is the bitmap of the rows that pass
//! one test, shared by every profile and user. Payloads are elsewhere.
//!
//! Rows are fed one by one; [`Index::settle`] ends a commit, and then [`Table::changes`] and [`Edges::moves`] tell
//! what it changed until [`Index::forget_changes`].

mod change_log;
mod column;
mod dictionary;
mod edges;
mod id_map;
mod index;
mod needs;
mod packed;
mod postings;
mod predicate;
mod table;

use roaring::RoaringBitmap;

pub use change_log::ChangeLog;
pub use column::{Column, Verdicts};
pub use edges::{Children, Edges, Move};
pub use id_map::IdMap;
pub use index::{Index, IndexBytes, RowChange};
pub use needs::{EdgesNumber, Needs, PostingsNumber, PredicateNumber, TableNumber};
pub use packed::Packed;
pub use postings::Postings;
pub use predicate::{Predicate, PredicateKey, SharedTest};
pub use table::{Changes, Table};

/// Bytes that a bitmap holds.
pub(crate) fn bitmap_bytes(bitmap: &RoaringBitmap) -> usize {
    let statistics = bitmap.statistics();
    let containers = statistics.n_containers as u64;
    let contents =
        statistics.n_bytes_array_containers + statistics.n_bytes_bitset_containers + statistics.n_bytes_run_containers;
    (contents + containers * 32) as usize
}
