//! What one user's device should hold: the answer that everything else here works towards.

use std::sync::{Arc, Weak};

use roaring::RoaringBitmap;

use crate::ids::{EntityNumber, Instant, Lsn, Ordinal, Revision};

/// The set of rows that a device should hold, at one LSN, one revision, one instant.
///
/// Immutable to its readers: upkeep replaces the sets of entities that changed and leaves the others shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Position in the commit order that this view is exact at.
    pub lsn: Lsn,
    /// Revision that it follows.
    pub revision: Revision,
    /// Instant that its time windows were judged at.
    pub instant: Instant,
    /// Carried entities in download order (mandatory first, then priority, then number).
    pub entities: Vec<EntityView>,
    /// Why the view is empty although its user asked, if it is for a reason that the user must be told.
    pub denial: Option<Denial>,
}

/// The part of a view in one entity.
#[derive(Clone, Debug)]
pub struct EntityView {
    /// The entity.
    pub entity: EntityNumber,
    /// The rows.
    pub rows: Arc<RoaringBitmap>,
    /// Sum of version hashes over the rows, see [`crate::digest`].
    pub digest: u64,
    /// Hash of the carried columns; when it changes, every row of the entity is sent again.
    pub fingerprint: u64,
    /// How the rows came about, if they were made from others.
    pub delta: Option<Arc<Delta>>,
}

/// What made a set of rows from the one before it: worked out once for all who followed that one.
#[derive(Debug)]
pub struct Delta {
    before: Weak<RoaringBitmap>,
    /// Rows that were not in it.
    pub came: RoaringBitmap,
    /// Rows that are no longer in it.
    pub went: RoaringBitmap,
}

impl Delta {
    /// What came and went since `before`.
    pub fn new(before: Weak<RoaringBitmap>, came: &[Ordinal], went: &[Ordinal]) -> Self {
        Self { before, came: came.iter().copied().collect(), went: went.iter().copied().collect() }
    }

    /// Whether it begins at this very set.
    pub fn begins_at(&self, rows: &Arc<RoaringBitmap>) -> bool {
        std::ptr::eq(self.before.as_ptr(), Arc::as_ptr(rows))
    }
}

/// How the rows came about does not count.
impl PartialEq for EntityView {
    fn eq(&self, other: &Self) -> bool {
        (self.entity, self.digest, self.fingerprint) == (other.entity, other.digest, other.fingerprint)
            && self.rows == other.rows
    }
}

impl Eq for EntityView {}

/// Why a user's view is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// The directory has no such user.
    UserUnknown,
    /// The user's account is disabled.
    UserDisabled,
    /// No published profile has the user.
    ProfileMissing,
    /// No role of the user's or of the user's teams has read on profiles.
    ProfileNotReadable,
}

/// Why there is no view at all: a device keeps what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Nothing is published for an application of this name.
    AppUnknown,
    /// The application may not work offline.
    AppNotEnabled,
}

/// Facts about rows that a session needs beside the view: the engine's columns, or a test's table.
pub trait RowFacts {
    /// LSN of a row's last change. The row must be allocated.
    fn lsn(&self, entity: EntityNumber, ordinal: Ordinal) -> Lsn;
    /// Encoded size of a row in bytes.
    fn size(&self, entity: EntityNumber, ordinal: Ordinal) -> u32;
    /// Every row of `rows` whose LSN is above `floor`.
    fn changed_since(&self, entity: EntityNumber, rows: &RoaringBitmap, floor: Lsn) -> RoaringBitmap;
    /// How many ordinals the entity has given out; all are below this.
    fn allocated(&self, entity: EntityNumber) -> Ordinal;
}
