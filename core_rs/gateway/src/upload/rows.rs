//! What the engine sees of a transaction while it judges one mutation.

use haversack_engine::engine::mutation::Rows;
use haversack_engine::ids::{EntityNumber, Lsn, Position};
use haversack_engine::row::Value;
use haversack_staging::{Commit, Origin, RowId};

use super::call::stored_id;
use crate::errors::SyncError;
use crate::limits::REFUSED_BEFORE_MAX;

/// A transaction, seen by one mutation.
pub(super) struct Seen<'a> {
    pub(super) commit: &'a mut dyn Commit,
    pub(super) origin: Origin,
    pub(super) entity: EntityNumber,
    pub(super) id: &'a RowId,
}

impl Rows for Seen<'_> {
    type Error = SyncError;

    fn row(&mut self, entity: EntityNumber, id: Value<'_>) -> Result<Option<(Lsn, Vec<u8>)>, SyncError> {
        Ok(self.commit.row(entity, &stored_id(id))?)
    }

    fn has_been(&mut self, position: Position) -> Result<bool, SyncError> {
        Ok(self.commit.history_at(position.lsn)? == Some(position.history))
    }

    fn own_change(&mut self, lsn: Lsn) -> Result<Option<Lsn>, SyncError> {
        Ok(self.commit.ledger().own_change(&self.origin, lsn)?)
    }

    fn refused_before(&mut self) -> Result<Vec<Vec<u8>>, SyncError> {
        let earlier = self.commit.ledger().refused_before(&self.origin, self.entity, self.id, REFUSED_BEFORE_MAX)?;
        Ok(earlier.into_iter().map(|it| it.mutation).collect())
    }
}
