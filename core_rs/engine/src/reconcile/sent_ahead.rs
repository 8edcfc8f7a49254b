//! Rows that a pass sent in a version newer than its floor, so that the next pass need not send them again.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use super::SENT_AHEAD_MAX;
use crate::ids::{EntityNumber, Lsn, Ordinal};
use crate::view::RowFacts;

/// A bounded note of rows and the LSN that each was sent with. Forgetting it costs bytes, nothing else.
#[derive(Clone, Debug, Default)]
pub(super) struct SentAhead {
    rows: HashMap<(EntityNumber, Ordinal), Lsn>,
}

impl SentAhead {
    /// Notes a row, unless the note is full.
    pub(super) fn note(&mut self, entity: EntityNumber, ordinal: Ordinal, lsn: Lsn) {
        if self.rows.len() < SENT_AHEAD_MAX {
            self.rows.insert((entity, ordinal), lsn);
        }
    }

    /// Takes the rows that the device already has in their newest version out of `changed`.
    pub(super) fn leave_out(&self, entity: EntityNumber, changed: &mut RoaringBitmap, facts: &dyn RowFacts) {
        for (&(noted, ordinal), &lsn) in &self.rows {
            if noted == entity && changed.contains(ordinal) && facts.lsn(entity, ordinal) == lsn {
                changed.remove(ordinal);
            }
        }
    }

    /// Forgets what lies at or below the floor of its entity, which speaks for it now.
    pub(super) fn prune(&mut self, floor: impl Fn(EntityNumber) -> Option<Lsn>) {
        self.rows.retain(|&(entity, _), lsn| floor(entity).is_some_and(|floor| floor < *lsn));
    }

    /// Forgets an entity, because its rows must go again.
    pub(super) fn forget(&mut self, entity: EntityNumber) {
        self.rows.retain(|&(noted, _), _| noted != entity);
    }

    /// Forgets everything, memory included.
    pub(super) fn clear(&mut self) {
        self.rows = HashMap::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_is_bounded_and_forgets_below_a_floor() {
        let mut note = SentAhead::default();
        for ordinal in 0..SENT_AHEAD_MAX as Ordinal + 5 {
            note.note(EntityNumber(1), ordinal, Lsn(ordinal.into()));
        }
        assert_eq!(note.rows.len(), SENT_AHEAD_MAX);
        note.prune(|_| Some(Lsn(9)));
        assert_eq!(note.rows.len(), SENT_AHEAD_MAX - 10);
        note.prune(|_| None);
        assert!(note.rows.is_empty());
    }
}
