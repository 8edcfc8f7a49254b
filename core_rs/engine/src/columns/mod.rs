//! What the engine keeps of rows in memory: everything that filters, ownership and relationships mention.
//!
//! An [`Index`] is that of one organization. It has a [`Table`] per entity that some profile carries: ids, LSNs,
//! sizes, and the attributes that are mentioned, as [`Column`]s (for filters) or [`Postings`] (for owners, business
//! units and users). Lookups that profiles follow are [`Edges`]. A [`Predicate`] is the bitmap of the rows that pass
//! one test, shared by every profile and user. Payloads are elsewhere.
//!
//! Rows are fed one by one; [`Index::settle`] ends a commit, and then [`Table::changes`] and [`Edges::moves`] tell
//! what it changed until [`Index::forget_changes`].

mod bits;
mod change_log;
mod coded;
mod column;
mod dictionary;
mod edges;
mod id_map;
mod index;
mod keys;
mod kin;
mod needs;
mod packed;
mod plain;
mod postings;
mod predicate;
mod reading;
mod scan;
#[cfg(test)]
mod scan_tests;
mod sparse;
mod table;
#[cfg(test)]
mod tests;
mod window;

use roaring::RoaringBitmap;

pub use change_log::ChangeLog;
pub use coded::{CodedColumn, Verdicts};
pub use column::Column;
pub use edges::{Children, Edges, Move};
pub use id_map::IdMap;
pub use index::{Index, IndexBytes, RowChange};
pub use keys::Keys;
pub use needs::{EdgesNumber, LinkNeeds, Needs, PostingsNumber, PredicateNumber, TableNumber, WindowNumber};
pub use packed::Packed;
pub use plain::PlainColumn;
pub use postings::Postings;
pub use predicate::{Predicate, PredicateKey, SharedTest};
pub use reading::{Beyond, Reading};
pub use table::{Changes, Table};
pub use window::WindowKey;

/// Bytes of a bitset of 65,536 rows.
const BITSET_BYTES: u64 = 8_192;
/// Bytes of a container beside its content.
const CONTAINER_BYTES: u64 = 32;

/// Bytes that a bitmap holds. What it tells of itself counts cells of arrays as four bytes, which are two.
pub(crate) fn bitmap_bytes(bitmap: &RoaringBitmap) -> usize {
    let statistics = bitmap.statistics();
    let arrays = statistics.n_bytes_array_containers / 2;
    let bitsets = u64::from(statistics.n_bitset_containers) * BITSET_BYTES;
    let containers = u64::from(statistics.n_containers) * CONTAINER_BYTES;
    (arrays + bitsets + statistics.n_bytes_run_containers + containers) as usize
}
