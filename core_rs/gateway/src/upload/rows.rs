//! What the engine sees of a transaction while it judges one mutation.
//!
//! Where writes are queued for a source outside, a row is what it would be if the source took all that waits for it. The
//! changes that wait have no LSNs yet: they are told as LSNs beyond all that can be drawn, in the order of their turns.

use haversack_engine::engine::mutation::Rows;
use haversack_engine::ids::{EntityNumber, Lsn, Position};
use haversack_engine::row::Value;
use haversack_staging::queue::{Turn, composed};
use haversack_staging::{Commit, Origin, RowId};

use super::call::stored_id;
use crate::errors::SyncError;
use crate::limits::REFUSED_BEFORE_MAX;

/// LSNs from here on stand for turns of the queue. No database draws so many.
const FIRST_TURN: u64 = 1 << 62;

/// A transaction, seen by one mutation.
pub(super) struct Seen<'a> {
    pub(super) commit: &'a mut dyn Commit,
    pub(super) origin: Origin,
    pub(super) entity: EntityNumber,
    pub(super) id: &'a RowId,
    /// Whether writes wait for a source outside.
    pub(super) queues: bool,
}

impl Seen<'_> {
    /// If the device itself made the change of this turn: where the row was before.
    fn own_turn(&mut self, turn: Turn) -> Result<Option<Lsn>, SyncError> {
        if !self.queues {
            return Ok(None);
        }
        let Some((origin, before)) = self.commit.queue().turn_of(self.entity, self.id, turn)? else { return Ok(None) };
        if (origin.install, origin.user) != (self.origin.install, self.origin.user) {
            return Ok(None);
        }
        let before = before.map(lsn_of);
        let stored = match before {
            Some(_) => None,
            None => self.commit.row(self.entity, self.id)?.map(|(lsn, _)| lsn),
        };
        Ok(Some(before.or(stored).unwrap_or(Lsn(0))))
    }
}

impl Rows for Seen<'_> {
    type Error = SyncError;

    fn row(&mut self, entity: EntityNumber, id: Value<'_>) -> Result<Option<(Lsn, Vec<u8>)>, SyncError> {
        let id = stored_id(id);
        let stored = self.commit.row(entity, &id)?;
        if !self.queues {
            return Ok(stored);
        }
        let queued = self.commit.queue().queued_of(entity, &id)?;
        let Some(last) = queued.last() else { return Ok(stored) };
        let row = composed(stored.map(|(_, payload)| payload), &queued)?;
        Ok(row.map(|payload| (lsn_of(last.turn), payload)))
    }

    fn has_been(&mut self, position: Position) -> Result<bool, SyncError> {
        Ok(self.commit.history_at(position.lsn)? == Some(position.history))
    }

    fn own_change(&mut self, lsn: Lsn) -> Result<Option<Lsn>, SyncError> {
        if lsn.0 >= FIRST_TURN {
            return self.own_turn(Turn(lsn.0 - FIRST_TURN));
        }
        Ok(self.commit.ledger().own_change(&self.origin, lsn)?)
    }

    fn refused_before(&mut self) -> Result<Vec<Vec<u8>>, SyncError> {
        let earlier = self.commit.ledger().refused_before(&self.origin, self.entity, self.id, REFUSED_BEFORE_MAX)?;
        Ok(earlier.into_iter().map(|it| it.mutation).collect())
    }

    fn is_pending(&mut self) -> Result<bool, SyncError> {
        Ok(self.queues && self.commit.queue().count_of(self.entity, self.id)? > 0)
    }
}

fn lsn_of(turn: Turn) -> Lsn {
    Lsn(FIRST_TURN + turn.0)
}
