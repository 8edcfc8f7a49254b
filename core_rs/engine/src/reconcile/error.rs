//! Why a session cannot be opened or cannot go on.

use crate::ids::{EntityNumber, Lsn, Ordinal};

/// A failure of a session. Each ends the stream; the reason that the device is told stands behind it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReconcileError {
    /// The device's fault, or another version's cookie (`COOKIE_INVALID`). It syncs without a cookie.
    #[error("the cookie is damaged: {0}; sync without a cookie")]
    CookieDamaged(&'static str),
    /// The device's fault (`REQUEST_INVALID`): its request contradicts itself or the protocol.
    #[error("the request breaks the protocol: {0}")]
    RequestInvalid(String),
    /// The request, or the view, is larger than a named limit (`LIMIT_REACHED`).
    #[error("{what}: at most {limit} are possible")]
    LimitReached {
        /// Of what there are too many.
        what: &'static str,
        /// How many may be.
        limit: usize,
    },
    /// An entity's digest disagreed although the device had reset it (`DIGEST_MISMATCH`): a bug on either side.
    #[error("the digests of entity {} still disagree after a reset; report this", .entity.0)]
    DigestMismatch {
        /// The entity.
        entity: EntityNumber,
    },
    /// This engine has not read as far as the device has seen (`SERVER_BEHIND`). Retry soon.
    #[error("this server is at LSN {}, the device has seen {}; retry soon", .reached.0, .needed.0)]
    ServerBehind {
        /// What the device has seen.
        needed: Lsn,
        /// Where the view is.
        reached: Lsn,
    },
    /// Staging has a version of a row that cannot be, seen from the engine (`INTERNAL`).
    #[error(
        "row {ordinal} of entity {}: the engine has LSN {}, staging {}; one of them missed a commit",
        .entity.0, .engine.0, .staging.0
    )]
    Disagreement {
        /// The entity.
        entity: EntityNumber,
        /// The row.
        ordinal: Ordinal,
        /// The row's LSN in the engine.
        engine: Lsn,
        /// The row's LSN in staging.
        staging: Lsn,
    },
    /// The shell admitted other rows than it was asked to fetch (`INTERNAL`), or staging lacks some.
    #[error("rows of entity {} were admitted that are not those asked for", .entity.0)]
    FetchUnanswered {
        /// The entity.
        entity: EntityNumber,
    },
}
