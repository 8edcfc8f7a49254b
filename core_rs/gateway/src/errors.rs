//! Every way in which a call fails, and the one place where it becomes a gRPC status.
//!
//! A status carries a `google.rpc.ErrorInfo` whose reason is a name of `haversack.error.v1.ErrorReason`, and a
//! `google.rpc.RetryInfo` where trying again helps.

use std::collections::HashMap;
use std::time::Duration;

use haversack_engine::engine::{ModelErrors, RowUnreadable};
use haversack_engine::ids::{EntityNumber, Lsn};
use haversack_engine::reconcile::ReconcileError;
use haversack_engine::row::RowError;
use haversack_engine::view::{Denial, Refusal};
use haversack_proto::error::ErrorReason;
use haversack_staging::StagingError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::limits::{QUEUE_FULL_RETRY_DELAY, RETRY_DELAY};

/// The `domain` of every `ErrorInfo`.
const DOMAIN: &str = "haversack";

/// What every name of the registry begins with.
const REASON_PREFIX: &str = "ERROR_REASON_";

/// Why a call or the gateway itself failed. The text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The call carries no token.
    #[error("the call carries no bearer token; sign in and send `authorization: Bearer <JWT>`")]
    TokenMissing,
    /// The token cannot be trusted.
    #[error("the token is not valid: {0}; get a new one")]
    TokenInvalid(String),
    /// The token's lifetime is over.
    #[error("the token has expired; get a new one, nothing on the device is lost")]
    TokenExpired,
    /// The token is good, but not for this.
    #[error("the token does not allow this call: {0}")]
    TokenNotAllowed(String),
    /// The token names nobody, or several.
    #[error(
        "{} in the organization's directory {} {name:?} as {attribute}; an administrator adds the user, or settles what \
         tokens name users by", if *several { "several users" } else { "no user" }, if *several { "have" } else { "has" }
    )]
    UserUnknown {
        /// What the token names the user by.
        name: String,
        /// The attribute of users that was searched.
        attribute: String,
        /// Whether several users have it.
        several: bool,
    },
    /// The token's user is another than when the stream began.
    #[error("the token names another user than when this call began; call again")]
    UserReplaced,
    /// The user's view is empty, for a reason that the user must know.
    #[error("{}", denial_text(*.0))]
    Denied(Denial),
    /// An administrator has blocked the device.
    #[error("an administrator has blocked this device{}; ask for it to be unblocked, nothing on it is lost", quoted(.0))]
    DeviceBlocked(String),
    /// An administrator has ordered the device to be wiped.
    #[error("an administrator has ordered this device to be wiped{}; begin anew with another database", quoted(reason))]
    DeviceWiped {
        /// The administrator's words.
        reason: String,
        /// Whether its outbox is offered to the log of refusals first.
        offers_outbox: bool,
    },
    /// The application is not served; its devices keep what they have.
    #[error("{}", refusal_text(*.0, .1))]
    Refused(Refusal, String),
    /// The token's organization is not served here.
    #[error("no organization is called {0:?}; check the token's `org` claim")]
    OrganizationUnknown(String),
    /// The organization has no staging database that is served.
    #[error(
        "organization {0:?} is not provisioned; an administrator provisions it, and devices keep their rows meanwhile"
    )]
    NotProvisioned(String),
    /// An organization of this name is served already.
    #[error("an organization is called {0:?} already; choose another name")]
    OrganizationExists(String),
    /// The organization has no model yet.
    #[error("nothing is published in {0:?} yet; an administrator publishes a profile first")]
    NothingPublished(String),
    /// The request breaks the contract.
    #[error("{0}")]
    RequestInvalid(String),
    /// A mutation breaks the contract, and no other need be refused for it.
    #[error("{message}")]
    MutationInvalid {
        /// Which.
        blamed: Blamed,
        /// How.
        message: String,
    },
    /// The outbox is another user's than the token's.
    #[error(
        "the writes in this device's outbox are another user's than the token's; sign in as that user to upload them, give \
         them up, or keep a database for each user"
    )]
    UserChanged,
    /// A mutation's number was sent before with other bytes.
    #[error(
        "mutation {0} was sent before with other bytes, so this device's database was put back from a copy; write it anew \
         as a new install"
    )]
    NumberReused(u64),
    /// A certificate, key or issuer cannot be used.
    #[error("{0}")]
    ConfigurationInvalid(String),
    /// The metadata has no such entity.
    #[error("the metadata has no entity {0:?}; check its logical name")]
    EntityUnknown(String),
    /// The state that was asked about has no such profile.
    #[error("there is no profile {0:?} in this state; publish it, or ask about its draft")]
    ProfileUnknown(String),
    /// The model that was asked about breaks rules.
    #[error(transparent)]
    ModelInvalid(ModelErrors),
    /// The cookie was not made by us for this device.
    #[error("the cookie is damaged or was made for another device; sync without one")]
    CookieInvalid,
    /// The engine has not read as far as the device has seen.
    #[error("this server has read up to LSN {} and the device has seen {}; try again shortly", .reached.0, .wanted.0)]
    ServerBehind {
        /// Where the engine is.
        reached: Lsn,
        /// Where the device is.
        wanted: Lsn,
    },
    /// The organization's index is still being built.
    #[error("this server is still reading {0:?}; try again shortly")]
    Loading(String),
    /// The staging database is not the one that the stream began with.
    #[error("the staging database was replaced; call again")]
    StagingReplaced,
    /// A newer stream of the same install id took over.
    #[error("a newer stream of this install id took over; keep one stream a device")]
    StreamSuperseded,
    /// The device's digests kept disagreeing.
    #[error("entity {} disagrees even after it was reset; report this, it is a bug", .0.0)]
    DigestMismatch(EntityNumber),
    /// A named limit is reached.
    #[error("{0}; try again later")]
    LimitReached(String),
    /// As much waits for the organization's source as may.
    #[error(
        "too many writes wait for the organization's system of record ({0}); the device keeps its own and uploads them \
         later, and operators find out why the source takes none (`haversack source status`)"
    )]
    QueueFull(&'static str),
    /// The caller's: the device's user has given the write up.
    #[error("{0}")]
    WriteWithdrawn(String),
    /// The server is stopping.
    #[error("the server is stopping; connect again")]
    ServerStopping,
    /// The staging database could not be read. The text is for the log, not for the device.
    #[error("the staging database failed: {0}")]
    StagingFailed(String),
    /// A bug. The text is for the log, not for the device.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Which mutation of a call is to blame.
#[derive(Clone, Copy, Debug)]
pub enum Blamed {
    /// By its number.
    Number(u64),
    /// By its place in the call: it cannot be read, or its number means nothing.
    Index(usize),
}

/// The administrator's words, behind what they explain.
fn quoted(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(" (\"{words}\")") }
}

const fn denial_text(denial: Denial) -> &'static str {
    match denial {
        Denial::UserUnknown => "the user is not in the organization's directory; an administrator adds the user",
        Denial::UserDisabled => "the user's account is disabled; this device must hold no rows",
        Denial::ProfileMissing => "no published profile has this user; this device must hold no rows",
        Denial::ProfileNotReadable => {
            "no role of the user has read on mobileofflineprofile; this device must hold no rows until an administrator \
             gives the user or a team of the user such a role"
        }
    }
}

fn refusal_text(refusal: Refusal, app: &str) -> String {
    match refusal {
        Refusal::AppUnknown => {
            format!(
                "nothing is published for an application {app:?}; check its name, or ask an administrator to publish it"
            )
        }
        Refusal::AppNotEnabled => format!(
            "the application {app:?} is not enabled for offline use; an administrator enables it and publishes, and until \
             then this device keeps its rows"
        ),
    }
}

impl From<ReconcileError> for SyncError {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::CookieDamaged(_) => Self::CookieInvalid,
            ReconcileError::RequestInvalid(_) => Self::RequestInvalid(error.to_string()),
            ReconcileError::LimitReached { .. } => Self::LimitReached(error.to_string()),
            ReconcileError::DigestMismatch { entity } => Self::DigestMismatch(entity),
            ReconcileError::ServerBehind { needed, reached } => Self::ServerBehind { reached, wanted: needed },
            ReconcileError::Disagreement { .. } | ReconcileError::FetchUnanswered { .. } => {
                Self::Internal(error.to_string())
            }
        }
    }
}

impl SyncError {
    /// The same failure for another call.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::ServerBehind { reached, wanted } => Self::ServerBehind { reached: *reached, wanted: *wanted },
            Self::Loading(name) => Self::Loading(name.clone()),
            Self::NotProvisioned(name) => Self::NotProvisioned(name.clone()),
            Self::NothingPublished(name) => Self::NothingPublished(name.clone()),
            Self::LimitReached(message) => Self::LimitReached(message.clone()),
            Self::ServerStopping => Self::ServerStopping,
            Self::StagingFailed(message) => Self::StagingFailed(message.clone()),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<RowError> for SyncError {
    fn from(error: RowError) -> Self {
        Self::StagingFailed(error.to_string())
    }
}

impl From<RowUnreadable> for SyncError {
    fn from(error: RowUnreadable) -> Self {
        Self::StagingFailed(format!("{error}: {}", error.source))
    }
}

impl From<StagingError> for SyncError {
    fn from(error: StagingError) -> Self {
        match error {
            StagingError::Busy => Self::LimitReached("another process keeps the staging database locked".into()),
            StagingError::RefusalUnknown(_) => Self::RequestInvalid(error.to_string()),
            StagingError::RefusalWithdrawn(_) => Self::WriteWithdrawn(error.to_string()),
            error => Self::StagingFailed(error.to_string()),
        }
    }
}

impl SyncError {
    /// The failure's name in the registry that every language shares.
    pub const fn reason(&self) -> ErrorReason {
        match self {
            Self::TokenMissing => ErrorReason::TokenMissing,
            Self::TokenInvalid(_) => ErrorReason::TokenInvalid,
            Self::TokenExpired => ErrorReason::TokenExpired,
            Self::TokenNotAllowed(_) => ErrorReason::TokenNotAllowed,
            Self::Denied(Denial::UserUnknown) | Self::UserUnknown { .. } => ErrorReason::UserUnknown,
            Self::Denied(Denial::UserDisabled) => ErrorReason::UserDisabled,
            Self::Denied(Denial::ProfileMissing) => ErrorReason::ProfileMissing,
            Self::Denied(Denial::ProfileNotReadable) => ErrorReason::ProfileNotReadable,
            Self::DeviceBlocked(_) => ErrorReason::DeviceBlocked,
            Self::DeviceWiped { .. } => ErrorReason::DeviceWiped,
            Self::Refused(Refusal::AppUnknown, _) => ErrorReason::AppUnknown,
            Self::Refused(Refusal::AppNotEnabled, _) => ErrorReason::AppNotEnabled,
            Self::OrganizationUnknown(_) => ErrorReason::OrganizationUnknown,
            Self::NotProvisioned(_) => ErrorReason::OrganizationNotProvisioned,
            Self::OrganizationExists(_) => ErrorReason::OrganizationExists,
            Self::NothingPublished(_) => ErrorReason::NothingPublished,
            Self::RequestInvalid(_) | Self::MutationInvalid { .. } => ErrorReason::RequestInvalid,
            Self::UserChanged => ErrorReason::UserChanged,
            Self::NumberReused(_) => ErrorReason::NumberReused,
            Self::ConfigurationInvalid(_) => ErrorReason::ConfigurationInvalid,
            Self::EntityUnknown(_) => ErrorReason::EntityUnknown,
            Self::ProfileUnknown(_) => ErrorReason::ProfileUnknown,
            Self::ModelInvalid(_) => ErrorReason::ProfileInvalid,
            Self::CookieInvalid => ErrorReason::CookieInvalid,
            Self::ServerBehind { .. } | Self::Loading(_) | Self::StagingReplaced | Self::UserReplaced => {
                ErrorReason::ServerBehind
            }
            Self::StreamSuperseded => ErrorReason::StreamSuperseded,
            Self::DigestMismatch(_) => ErrorReason::DigestMismatch,
            Self::LimitReached(_) => ErrorReason::LimitReached,
            Self::QueueFull(_) => ErrorReason::WriteQueueFull,
            Self::WriteWithdrawn(_) => ErrorReason::WriteWithdrawn,
            Self::ServerStopping => ErrorReason::ServerStopping,
            Self::StagingFailed(_) => ErrorReason::StagingFailed,
            Self::Internal(_) => ErrorReason::Internal,
        }
    }

    /// The gRPC code, as the registry gives it.
    const fn code(&self) -> Code {
        match self {
            Self::TokenMissing | Self::TokenInvalid(_) | Self::TokenExpired => Code::Unauthenticated,
            Self::TokenNotAllowed(_)
            | Self::Denied(_)
            | Self::UserUnknown { .. }
            | Self::DeviceBlocked(_)
            | Self::DeviceWiped { .. } => Code::PermissionDenied,
            Self::OrganizationUnknown(_)
            | Self::EntityUnknown(_)
            | Self::ProfileUnknown(_)
            | Self::Refused(Refusal::AppUnknown, _) => Code::NotFound,
            Self::OrganizationExists(_) => Code::AlreadyExists,
            Self::NothingPublished(_)
            | Self::NotProvisioned(_)
            | Self::WriteWithdrawn(_)
            | Self::Refused(Refusal::AppNotEnabled, _)
            | Self::UserChanged => Code::FailedPrecondition,
            Self::RequestInvalid(_)
            | Self::MutationInvalid { .. }
            | Self::ConfigurationInvalid(_)
            | Self::CookieInvalid
            | Self::ModelInvalid(_) => Code::InvalidArgument,
            Self::ServerBehind { .. }
            | Self::Loading(_)
            | Self::StagingReplaced
            | Self::UserReplaced
            | Self::ServerStopping => Code::Unavailable,
            Self::StreamSuperseded | Self::NumberReused(_) => Code::Aborted,
            Self::DigestMismatch(_) => Code::DataLoss,
            Self::LimitReached(_) | Self::QueueFull(_) => Code::ResourceExhausted,
            Self::StagingFailed(_) | Self::Internal(_) => Code::Internal,
        }
    }

    /// What the device is told. Causes inside the server stay in its log.
    fn message(&self) -> String {
        match self {
            Self::StagingFailed(_) => {
                "the staging database failed; operators find the cause in the server's log".into()
            }
            Self::Internal(_) => "internal error; operators find the cause in the server's log".into(),
            other => other.to_string(),
        }
    }

    /// What a device reads beside the reason, by the registry's words.
    fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::DeviceWiped { offers_outbox, .. } => {
                let outbox = if *offers_outbox { "offer" } else { "discard" };
                HashMap::from([("outbox".into(), outbox.into())])
            }
            Self::MutationInvalid { blamed: Blamed::Number(number), .. } | Self::NumberReused(number) => {
                HashMap::from([("mutation".into(), number.to_string())])
            }
            Self::MutationInvalid { blamed: Blamed::Index(index), .. } => {
                HashMap::from([("index".into(), index.to_string())])
            }
            _ => HashMap::new(),
        }
    }

    fn retry_delay(&self) -> Option<Duration> {
        if matches!(self, Self::QueueFull(_)) {
            return Some(QUEUE_FULL_RETRY_DELAY);
        }
        matches!(self.code(), Code::Unavailable | Code::ResourceExhausted).then_some(RETRY_DELAY)
    }
}

/// A reason's name as it travels: without the registry's prefix.
pub fn reason_name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix(REASON_PREFIX).unwrap_or(name)
}

impl From<SyncError> for Status {
    fn from(error: SyncError) -> Self {
        if error.code() == Code::Internal {
            tracing::error!(reason = reason_name(error.reason()), %error, "a call failed");
        }
        let mut details = ErrorDetails::with_error_info(reason_name(error.reason()), DOMAIN, error.metadata());
        if let Some(delay) = error.retry_delay() {
            details.set_retry_info(Some(delay));
        }
        Self::with_error_details(error.code(), error.message(), details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(error: SyncError) -> (Status, ErrorDetails) {
        let status = Status::from(error);
        let details = status.get_error_details();
        (status, details)
    }

    #[test]
    fn an_unavailable_status_says_when_to_retry() {
        let (status, details) = status(SyncError::ServerStopping);
        assert_eq!(status.code(), Code::Unavailable);
        let info = details.error_info().expect("every status has an ErrorInfo");
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("SERVER_STOPPING", "haversack"));
        assert_eq!(details.retry_info().and_then(|info| info.retry_delay), Some(RETRY_DELAY));
    }

    #[test]
    fn causes_inside_the_server_stay_there() {
        let (status, details) = status(SyncError::StagingFailed("disk full at /secret/path".into()));
        assert!(!status.message().contains("secret"));
        assert_eq!(details.error_info().map(|info| info.reason.as_str()), Some("STAGING_FAILED"));
        assert!(details.retry_info().is_none());
    }
}
