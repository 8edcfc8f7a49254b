//! An organization as the writer of uploads sees it.

use haversack_proto::sync::MutationAnswer;
use haversack_staging::LedgerPlace;
use std::sync::Arc;
use tokio::runtime::Runtime;

use super::Organization;
use super::progress::wait;
use crate::errors::SyncError;
use crate::limits::UPLOAD_FOLLOW_WAIT_MAX;
use crate::upload::{Batch, Bounds, Uploads};

impl Organization {
    /// What waits to be written.
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Whether devices' writes wait for a source outside.
    pub(crate) fn queues_writes(&self) -> bool {
        self.queue.is_some()
    }

    /// How much may wait for that.
    pub(crate) fn queue_bounds(&self) -> Option<Bounds> {
        self.queue
    }

    /// Has a refused mutation judged again.
    pub(crate) async fn retry_mutation(
        self: &Arc<Self>,
        place: LedgerPlace,
        forced: bool,
    ) -> Result<MutationAnswer, SyncError> {
        self.ready().await?;
        self.uploads.retry(self, place, forced).await
    }

    /// Begins a transaction that mutations can be judged in: it holds the write lock, and the engine is at its head.
    pub(crate) fn begin_upload(&self, runtime: &Runtime) -> Result<Batch<'_>, SyncError> {
        let mut commit = self.staging.begin()?;
        if commit.ledger().is_closed()? {
            return Err(SyncError::NotProvisioned(self.name.clone()));
        }
        let head = commit.drawn();
        let reached = self.with_engine(haversack_engine::engine::Engine::head)?;
        if reached < head {
            self.bell.ring();
            let followed = wait(&self.progress, UPLOAD_FOLLOW_WAIT_MAX, |progress| progress.lsn >= head);
            let (progress, in_time) = runtime.block_on(followed);
            progress.check(&self.name)?;
            if !in_time {
                return Err(SyncError::ServerBehind { reached: progress.lsn, wanted: head });
            }
        }
        Batch::new(self, commit, self.clock.instant())
    }
}
