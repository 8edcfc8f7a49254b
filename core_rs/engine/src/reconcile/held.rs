//! What a device holds of one entity, kept as its difference to what it should hold.

use std::ops::Bound;
use std::sync::Arc;

use haversack_proto::sync;
use prost::bytes::Bytes;
use roaring::RoaringBitmap;

use super::sent_ahead::SentAhead;
use super::{Limits, REMOVAL_BLOCKS_MAX};
use crate::ids::{EntityNumber, Lsn, Ordinal};
use crate::view::{EntityView, RowFacts};

/// What a device holds of one entity: `(want - lacking) | surplus`.
///
/// A row can be in both `lacking` and `surplus`: its removal is owed, and it came back before that was sent.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The entity.
    pub(super) entity: EntityNumber,
    /// Hash of the columns that rows are sent with.
    pub(super) fingerprint: u64,
    /// The floor of its rows, see the module's invariants.
    pub(super) floor: Lsn,
    /// The view's own set: never copied, only replaced.
    want: Arc<RoaringBitmap>,
    lacking: RoaringBitmap,
    surplus: RoaringBitmap,
    /// What this pass has still to do; `None` once it is done with the entity.
    todo: Option<RoaringBitmap>,
    /// The digest of the last checkpoint. In a view of the same digest, no row that was held then has changed.
    proven: Option<u64>,
}

impl Held {
    /// An entity of which a device lacks `lacking` and has `surplus` too much.
    pub(super) fn new(part: &EntityView, floor: Lsn, lacking: RoaringBitmap, surplus: RoaringBitmap) -> Self {
        let (entity, fingerprint, want) = (part.entity, part.fingerprint, Arc::clone(&part.rows));
        Self { entity, fingerprint, floor, want, lacking, surplus, todo: None, proven: None }
    }

    /// An entity of which a device has nothing.
    pub(super) fn nothing(part: &EntityView) -> Self {
        Self::new(part, Lsn(0), part.rows.as_ref().clone(), RoaringBitmap::new())
    }

    /// How many rows the device holds.
    pub(super) fn count(&self) -> u64 {
        self.want.len() - self.lacking.len() + self.surplus.len()
    }

    /// Whether the row is in the view.
    pub(super) fn wants(&self, ordinal: Ordinal) -> bool {
        self.want.contains(ordinal)
    }

    /// Whether a removal must be sent before any row.
    pub(super) fn owes_removals(&self) -> bool {
        !self.surplus.is_empty()
    }

    /// Whether the current pass has still to finish this entity.
    pub(super) fn is_unfinished(&self) -> bool {
        self.todo.is_some()
    }

    /// Whether the current pass has still rows to send.
    pub(super) fn has_todo(&self) -> bool {
        self.todo.as_ref().is_some_and(|todo| !todo.is_empty())
    }

    /// Its columns have changed: every row goes again. What was owed stays owed.
    pub(super) fn reset(&mut self, fingerprint: u64) {
        self.fingerprint = fingerprint;
        self.floor = Lsn(0);
        self.todo = None;
        self.proven = None;
    }

    /// Takes over the view's newest set. Free if it is still the same one.
    pub(super) fn follow(&mut self, part: &EntityView) {
        if Arc::ptr_eq(&self.want, &part.rows) {
            return;
        }
        if let Some(delta) = part.delta.as_ref().filter(|delta| delta.begins_at(&self.want)) {
            debug_assert_eq!((self.want.as_ref() - &delta.went) | &delta.came, *part.rows, "a delta leads to its set");
            self.take_over(&delta.went, &delta.came);
        } else {
            let leaving = self.want.as_ref() - part.rows.as_ref();
            let entering = part.rows.as_ref() - self.want.as_ref();
            self.take_over(&leaving, &entering);
        }
        self.want = Arc::clone(&part.rows);
    }

    fn take_over(&mut self, leaving: &RoaringBitmap, entering: &RoaringBitmap) {
        self.surplus |= leaving - &self.lacking;
        self.lacking -= leaving;
        self.lacking |= entering;
    }

    /// Begins a pass, which skips the rows up to `passed`. `at` is the LSN of the view.
    pub(super) fn find_todo(
        &mut self,
        part: &EntityView,
        at: Lsn,
        passed: Option<Ordinal>,
        sent_ahead: &SentAhead,
        facts: &dyn RowFacts,
    ) {
        let mut todo = self.lacking.clone();
        let is_proven = self.proven == Some(part.digest);
        if !is_proven && self.floor < at && self.lacking.len() < self.want.len() {
            let mut changed = facts.changed_since(self.entity, &self.want, self.floor);
            sent_ahead.leave_out(self.entity, &mut changed, facts);
            todo |= changed;
        }
        if let Some(last) = passed {
            todo.remove_range(..=last);
        }
        self.todo = Some(todo);
    }

    /// What the pass that just began will do here, if anything.
    pub(super) fn plan(&self, facts: &dyn RowFacts) -> Option<sync::EntityPlan> {
        let todo = self.todo.as_ref()?;
        let plan = sync::EntityPlan {
            entity: self.entity.0,
            rows: todo.len(),
            bytes: todo.iter().map(|ordinal| u64::from(facts.size(self.entity, ordinal))).sum(),
            removals: self.surplus.len(),
        };
        (plan.rows + plan.removals > 0).then_some(plan)
    }

    /// The next rows to send: as many as fit in a batch, at least one unless nothing is left.
    pub(super) fn next_batch(&self, limits: &Limits, facts: &dyn RowFacts) -> Vec<Ordinal> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        let todo = self.todo.iter().flatten().filter(|&ordinal| self.wants(ordinal));
        for ordinal in todo.take(limits.batch_rows) {
            bytes += u64::from(facts.size(self.entity, ordinal));
            if bytes > limits.batch_bytes && !batch.is_empty() {
                break;
            }
            batch.push(ordinal);
        }
        batch
    }

    /// The device is being sent `sent`, and the pass has come to `last`.
    pub(super) fn advance(&mut self, sent: &RoaringBitmap, last: Ordinal) {
        self.lacking -= sent;
        if let Some(todo) = &mut self.todo {
            todo.remove_range(..=last);
        }
    }

    /// The pass is done here. No removal may be owed.
    pub(super) fn finish(&mut self, floor: Lsn) {
        self.todo = None;
        self.floor = floor;
    }

    /// The device equals the view, which was judged at `at`: a checkpoint says so.
    pub(super) fn prove(&mut self, part: &EntityView, at: Lsn) {
        self.finish(at);
        self.lacking = RoaringBitmap::new();
        self.proven = Some(part.digest);
    }

    /// Takes the next removals that are owed, at most [`REMOVAL_BLOCKS_MAX`] blocks of them.
    pub(super) fn take_removals(&mut self) -> Option<sync::Removals> {
        let first = self.surplus.min()?;
        if self.want.is_empty() {
            self.surplus = RoaringBitmap::new();
            return Some(remove_all(self.entity));
        }
        let last = (first | 0xffff).saturating_add((REMOVAL_BLOCKS_MAX - 1) << 16);
        let mut part = self.surplus.clone();
        part.remove_range((Bound::Excluded(last), Bound::Unbounded));
        part.optimize();
        self.surplus.remove_range(..=last);
        Some(sync::Removals { entity: self.entity.0, ordinals: portable(&part), all: false })
    }
}

/// Every row of an entity must go.
pub(super) fn remove_all(entity: EntityNumber) -> sync::Removals {
    sync::Removals { entity: entity.0, ordinals: Bytes::new(), all: true }
}

fn portable(bitmap: &RoaringBitmap) -> Bytes {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes).expect("writing to memory cannot fail");
    bytes.into()
}
