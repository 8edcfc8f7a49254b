//! Systems of record whose rows are read in Rust, straight into an organization's staging database.
//!
//! [`postgres`] copies a PostgreSQL database and then follows its logical replication. Python drives: it names the
//! database and the mapping, asks a feed for one commit after the other, and touches no row. Arrows point one way:
//! `python -> sources -> staging`.

mod error;
pub mod postgres;

pub use error::SourceError;
