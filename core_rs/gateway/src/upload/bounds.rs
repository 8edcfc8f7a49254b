//! How much may wait for an organization's source.
//!
//! A call is taken whole or not at all, before anything of it is judged: what does not fit stays in its device's outbox, as
//! if there were no network. A call always fits where nothing waits, so that none is too large for ever.

use std::collections::HashMap;

use haversack_engine::ids::EntityNumber;
use haversack_staging::queue::QueueStanding;
use haversack_staging::{Commit, RowId};

use super::call::Sent;
use crate::errors::SyncError;
use crate::limits::QUEUED_OF_ROW_MAX;

/// Bounds of one organization's queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Mutations.
    pub(crate) writes_max: u64,
    /// What they weigh.
    pub(crate) bytes_max: u64,
}

impl Bounds {
    /// Whether these mutations can wait beside those that do.
    ///
    /// # Errors
    /// [`SyncError::QueueFull`] if they cannot; others if the database fails.
    pub(super) fn check<'a>(
        &self,
        commit: &mut dyn Commit,
        new: impl Iterator<Item = &'a Sent>,
    ) -> Result<(), SyncError> {
        let QueueStanding { waiting, bytes, .. } = commit.queue().standing()?;
        if waiting == 0 {
            return Ok(());
        }
        let (mut writes, mut weight) = (0, 0);
        let mut of_row: HashMap<(u32, &RowId), u64> = HashMap::new();
        for sent in new {
            writes += 1;
            weight += sent.bytes.len() as u64;
            *of_row.entry((sent.mutation.entity, &sent.id)).or_default() += 1;
        }
        if writes > 0 && waiting + writes > self.writes_max {
            return Err(SyncError::QueueFull("by number"));
        }
        if writes > 0 && bytes + weight > self.bytes_max {
            return Err(SyncError::QueueFull("by size"));
        }
        for ((entity, id), count) in of_row {
            let before = commit.queue().count_of(EntityNumber(entity), id)?;
            if before > 0 && before + count > QUEUED_OF_ROW_MAX {
                return Err(SyncError::QueueFull("of one row"));
            }
        }
        Ok(())
    }
}
