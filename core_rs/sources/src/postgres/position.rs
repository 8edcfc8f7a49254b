//! How far an organization follows its database; lies in staging, in the commit of the rows that it tells of.

use std::fmt;

use haversack_engine::ids::EntityNumber;
use haversack_staging::{Commit, Staging, StagingError, WHOLE_ORGANIZATION};
use serde::{Deserialize, Serialize};

use super::layout::EntityLayout;
use crate::SourceError;

/// A place in the source's write-ahead log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Wal(pub(super) u64);

/// How far, as JSON, so that an operator can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Identifier of the PostgreSQL cluster: log places of another one mean nothing.
    pub(super) system: String,
    /// The slot that keeps the log from here on.
    pub(super) slot: String,
    /// Transactions that end here or before are in staging.
    pub(super) wal: Wal,
    /// The part of the next transaction that is in staging, where it is too large for one commit.
    pub(super) part: Option<Part>,
    /// Entities whose rows have to be copied; what changes of them meanwhile is in the copy.
    pub(super) copying: Vec<u32>,
    /// Entities with rows to delete that a copy has not met, or that were there before a truncation.
    pub(super) sweeping: Vec<u32>,
    /// Up to here, rows in staging may be newer than the changes that come: some had to be read as the source had them by
    /// then, and until then their keys may be those of other rows.
    #[serde(default)]
    pub(super) ahead: Wal,
    /// Entities whose changes are applied. What comes back after it was taken out of the mapping has missed some.
    pub(super) followed: Vec<u32>,
}

/// A part of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Where the transaction's commit is in the log.
    pub(super) commit: Wal,
    /// Changes of it that are in staging.
    pub(super) done: u64,
}

/// What staging says of the source.
pub(super) struct Before {
    pub(super) position: Option<Position>,
    /// By place among the entities: the fingerprint under which its rows were copied last, if they were.
    pub(super) copied: Vec<Option<Vec<u8>>>,
}

impl Before {
    /// Reads it.
    pub(super) fn read(staging: &dyn Staging, layouts: &[EntityLayout]) -> Result<Self, StagingError> {
        let snapshot = staging.snapshot()?;
        let stored = snapshot.position(WHOLE_ORGANIZATION)?;
        let copied = layouts.iter().map(|layout| snapshot.position(layout.entity)).collect::<Result<_, _>>()?;
        Ok(Self { position: stored.and_then(|stored| serde_json::from_slice(&stored).ok()), copied })
    }
}

impl Position {
    /// Writes it in a commit, if what is there is still `before`: another worker may have gone on meanwhile.
    pub(super) fn write(&self, commit: &mut dyn Commit, before: Option<&Self>) -> Result<(), SourceError> {
        let stored = commit.position(WHOLE_ORGANIZATION)?;
        let found = stored.as_deref().and_then(|stored| serde_json::from_slice::<Self>(stored).ok());
        if found.as_ref() != before {
            return Err(SourceError::Unavailable("another worker has taken this organization over".into()));
        }
        let bytes = serde_json::to_vec(self).expect("a position is plain data");
        Ok(commit.set_position(WHOLE_ORGANIZATION, Some(&bytes))?)
    }

    /// Has entities copied, besides those that have to be already.
    pub(super) fn copy(&mut self, entities: impl IntoIterator<Item = u32>) {
        self.copying.extend(entities);
        self.copying.sort_unstable();
        self.copying.dedup();
    }

    /// Whether an entity's rows have to be copied.
    pub(super) fn is_copying(&self, entity: EntityNumber) -> bool {
        self.copying.contains(&entity.0)
    }
}

impl Wal {
    /// Reads PostgreSQL's own form, `16/B374D848`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let (high, low) = (u64::from_str_radix(high, 16).ok()?, u64::from_str_radix(low, 16).ok()?);
        Some(Self(high << 32 | low))
    }
}

impl fmt::Display for Wal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:X}/{:X}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}
