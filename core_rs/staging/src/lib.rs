//! An organization's staging database: its rows in commit order, the models published over them, and the ingest
//! that fills it.
//!
//! [`Staging`] is the interface, and everything above this crate speaks to it alone; [`SqliteStaging`] keeps it in
//! one file. [`ingest`] turns CSV and JSON Lines into rows; [`replicate`] brings those of another database. All calls block: an async caller makes them on a thread
//! that may.

mod error;
pub mod ingest;
mod replication;
mod sqlite;
mod store;

pub use error::StagingError;
pub use replication::{COMMIT_BYTES_MAX, Mark, Replicated, Stage, replicate};
pub use sqlite::SqliteStaging;
pub use store::{
    Change, Commit, CommitListener, EntityStatistics, Identity, Place, PublishedModel, ROW_BYTES_MAX, RowId, Snapshot,
    Staging, StoredRow,
};
