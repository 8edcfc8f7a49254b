//! What can go wrong with a source, whose fault it is, and whether to try again.

use haversack_proto::error::ErrorReason;
use haversack_staging::StagingError;

/// A failure of a source or of what it feeds.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nobody's, or the operator's: the source cannot be reached, or ended the connection. Try again.
    #[error("{0}; it is tried again")]
    Unavailable(String),
    /// The source's administrator's: it answered, and does not let us.
    #[error("{0}")]
    Refused(String),
    /// The source's administrator's: the replication slot is followed by somebody else.
    #[error("{0}")]
    SlotTaken(String),
    /// The operator's: the settings or the mapping cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// The operator's: the mapping does not fit the metadata.
    #[error("{0}")]
    MappingInvalid(String),
    /// A failure of staging.
    #[error(transparent)]
    Staging(#[from] StagingError),
}

impl SourceError {
    /// The reason that callers are given.
    pub fn reason(&self) -> ErrorReason {
        match self {
            Self::Unavailable(_) => ErrorReason::SourceUnavailable,
            Self::Refused(_) | Self::Invalid(_) => ErrorReason::SourceInvalid,
            Self::SlotTaken(_) => ErrorReason::SourceSlotTaken,
            Self::MappingInvalid(_) => ErrorReason::MappingInvalid,
            Self::Staging(error) => error.reason(),
        }
    }
}
