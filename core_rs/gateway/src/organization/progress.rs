//! How far an organization's follower is, for calls that must wait for it.

use std::sync::Arc;
use std::time::Duration;

use haversack_engine::ids::{Instant, Lsn, Revision};
use tokio::sync::watch;

use crate::errors::SyncError;

/// How far a follower is.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// What calls may expect.
    pub standing: Standing,
    /// Identity of the staging database that was read.
    pub epoch: [u8; 16],
    /// Commits up to here have been seen, whether anything is published or not.
    pub lsn: Lsn,
    /// The revision that is followed.
    pub revision: Revision,
    /// The instant that views are judged at.
    pub instant: Instant,
}

/// What calls may expect of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its index is being built.
    Loading,
    /// Its views are kept exact.
    Following,
    /// Its staging database has no model.
    NothingPublished,
    /// It could not be read; the follower tries again.
    Failed(Arc<str>),
    /// It is served no longer, and never will be again: another one may take its name.
    Withdrawn,
    /// The server is stopping.
    Stopping,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            standing: Standing::Loading,
            epoch: [0; 16],
            lsn: Lsn(0),
            revision: Revision(0),
            instant: Instant(i64::MIN),
        }
    }
}

/// Waits until the follower is where `reached` says, at most this long; returns where it is then, and whether it got
/// there in time.
pub(super) async fn wait(
    progress: &watch::Sender<Progress>,
    at_most: Duration,
    reached: impl FnMut(&Progress) -> bool,
) -> (Progress, bool) {
    let mut receiver = progress.subscribe();
    let in_time = matches!(tokio::time::timeout(at_most, receiver.wait_for(reached)).await, Ok(Ok(_)));
    (progress.borrow().clone(), in_time)
}

impl Standing {
    /// Whether nothing comes after it.
    const fn is_final(&self) -> bool {
        matches!(self, Self::Withdrawn | Self::Stopping)
    }
}

/// Says how far the follower is, unless that has ended.
pub(super) fn tell(progress: &watch::Sender<Progress>, change: impl FnOnce(&mut Progress)) {
    progress.send_if_modified(|progress| {
        let goes_on = !progress.standing.is_final();
        if goes_on {
            change(progress);
        }
        goes_on
    });
}

impl Progress {
    /// Fails unless views are being followed.
    pub(super) fn check(&self, organization: &str) -> Result<(), SyncError> {
        match &self.standing {
            Standing::Following => Ok(()),
            Standing::Loading => Err(SyncError::Loading(organization.to_owned())),
            Standing::NothingPublished => Err(SyncError::NothingPublished(organization.to_owned())),
            Standing::Failed(cause) => Err(SyncError::StagingFailed(cause.to_string())),
            Standing::Withdrawn => Err(SyncError::NotProvisioned(organization.to_owned())),
            Standing::Stopping => Err(SyncError::ServerStopping),
        }
    }
}
