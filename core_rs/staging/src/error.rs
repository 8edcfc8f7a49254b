//! What can go wrong in staging, whose fault it is, and whether to try again.

use std::path::PathBuf;

use haversack_engine::ids::{EntityNumber, Revision};
use haversack_proto::error::ErrorReason;

/// A failure of the staging database or of its use.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// The caller's: a new database was asked for where there is a file.
    #[error("{} exists already; open it, or choose another place", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The operator's: the file was moved or deleted.
    #[error("there is no staging database at {}; restore the file, or provision the organization again", path.display())]
    Absent {
        /// Where it should be.
        path: PathBuf,
    },
    /// The operator's: the file is something else.
    #[error("{} is not a staging database; check the configured path", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The operator's: the file was written by another version of Haversack.
    #[error(
        "{} has staging schema version {found}, and this version reads {known}; run the version that wrote it",
        path.display()
    )]
    VersionUnknown {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Version of this code.
        known: i64,
    },
    /// Nobody's: another process kept the write lock for too long. Try again.
    #[error("the staging database stayed locked by another process; try again")]
    Busy,
    /// The control plane's: publishes must ascend.
    #[error("revision {} was to be published, but revision {} is already; publish a higher one", revision.0, newest.0)]
    RevisionStale {
        /// The refused revision.
        revision: Revision,
        /// The highest published one.
        newest: Revision,
    },
    /// The caller's: a database cannot follow itself.
    #[error("the source is the staging database itself; name the organization's record database")]
    SourceIsSelf,
    /// The caller's: these are not the bytes of an export.
    #[error("these bytes are no page of an exported ledger; hand over what the export gave, whole")]
    LedgerPageInvalid,
    /// The source's: what it calls its row after a write is none. The write stays queued.
    #[error("the source's row after a write: {0}; check how the source is mapped")]
    SourceRowInvalid(String),
    /// The caller's: no mutation that was refused is there.
    #[error("the ledger has no refused mutation at place {0}; list them again")]
    RefusalUnknown(u64),
    /// The caller's: the device's user was first.
    #[error(
        "on the device, the user has given up the mutation at place {0} of the ledger, or written it anew; it is not judged \
         again: who wants it after all writes it once more"
    )]
    RefusalWithdrawn(u64),
    /// Nobody's: the database is about to be given up, and what it holds is kept elsewhere already.
    #[error("the organization is being de-provisioned; provision it again, then repeat this")]
    Closed,
    /// The caller's: nobody has called with this install id.
    #[error("no device has the install id {0}, or not one of this user; list them again")]
    DeviceUnknown(String),
    /// The caller's: the device is not in a state for it.
    #[error("{0}")]
    OrderImpossible(&'static str),
    /// The caller's: the row is larger than a message may be.
    #[error("a row of {bytes} bytes is larger than the limit of {limit}; shorten its values")]
    RowTooLarge {
        /// Encoded size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The caller's: the schema has no entity of this name.
    #[error("the metadata has no entity \"{0}\"; import it first")]
    EntityUnknown(String),
    /// The caller's: an atomic ingest keeps its rows in memory until it commits.
    #[error("the file has more than {limit} bytes of rows; ingest it in parts, or not atomically")]
    AtomicTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The source's: its answer is not what its protocol says. Ask again.
    #[error("the source's answer cannot be read: {0}; it is asked again")]
    AnswerInvalid(String),
    /// The caller's: it has dropped a copy that was under way.
    #[error("the copy was given up before it was whole; begin again")]
    CopyGivenUp,
    /// Nobody's: an ingest has failed; `finish` tells why.
    #[error("the ingest has stopped; finish it to learn why")]
    IngestStopped,
    /// The control plane's: row keys hold entity numbers up to 2^31 - 1.
    #[error("entity number {} is out of range; numbers go from 1 to 2147483647", .0.0)]
    EntityNumberInvalid(EntityNumber),
    /// The organization's: an entity has given out its 2^32 ordinals. Only a new staging database helps.
    #[error("entity number {} has no ordinal left for a new row; provision the organization again", .0.0)]
    OrdinalsExhausted(EntityNumber),
    /// The operator's: what is stored contradicts the schema. Check the disk, restore a backup.
    #[error("the staging database is damaged: {0}; check the disk and restore a backup")]
    Damaged(String),
    /// The operator's: the file could not be read or written (disk full, permissions, a failing disk).
    #[error("{action} failed: {source}")]
    Storage {
        /// What was being done.
        action: &'static str,
        /// What the database or the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StagingError {
    /// The reason that callers are given.
    pub fn reason(&self) -> ErrorReason {
        match self {
            Self::Exists { .. } => ErrorReason::OrganizationExists,
            Self::RevisionStale { .. }
            | Self::EntityNumberInvalid(_)
            | Self::SourceIsSelf
            | Self::LedgerPageInvalid
            | Self::RefusalUnknown(_) => ErrorReason::RequestInvalid,
            Self::RefusalWithdrawn(_) => ErrorReason::WriteWithdrawn,
            Self::Closed => ErrorReason::OrganizationNotProvisioned,
            Self::DeviceUnknown(_) => ErrorReason::DeviceUnknown,
            Self::OrderImpossible(_) => ErrorReason::DeviceOrderImpossible,
            Self::SourceRowInvalid(_) => ErrorReason::RowsInvalid,
            Self::RowTooLarge { .. } => ErrorReason::RowTooLarge,
            Self::EntityUnknown(_) => ErrorReason::EntityUnknown,
            Self::AnswerInvalid(_) => ErrorReason::SourceAnswerInvalid,
            Self::Busy | Self::OrdinalsExhausted(_) | Self::AtomicTooLarge { .. } => ErrorReason::LimitReached,
            Self::Absent { .. }
            | Self::Foreign { .. }
            | Self::VersionUnknown { .. }
            | Self::Damaged(_)
            | Self::CopyGivenUp
            | Self::IngestStopped
            | Self::Storage { .. } => ErrorReason::StagingFailed,
        }
    }

    /// Whether the same call may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy)
    }

    /// Wraps what the storage underneath said while doing `action`.
    pub(crate) fn storage(action: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Storage { action, source: source.into() }
    }
}
