//! The interface to a staging database: what every implementation promises.
//!
//! A staging database is a sequence of commits. Each commit changes rows or publishes a model, and draws one LSN for
//! every row that it changes (one for a model). LSNs are drawn under the organization's write lock, so LSN order is
//! commit order, and an acknowledged LSN is on disk: it is never drawn again, whatever crashes.
//!
//! A database may be put back from a copy, and draw LSNs again that devices or followers have seen of another past. So
//! each opening of a database begins a new [`History`] with its first commit, and an LSN is only ever compared with one
//! of the same [`Position`].
//!
//! Rows keep only their latest version. A reader that follows by LSN therefore reads *to the head of one snapshot*
//! and takes nothing in between for a state that ever was.

use std::ops::ControlFlow;

use haversack_engine::ids::{EntityNumber, History, Lsn, Ordinal, Position, Revision, RowKey};
use haversack_engine::row::row_key_of_text;

use crate::StagingError;
use crate::devices::DeviceRegistry;
use crate::intake::Passes;
use crate::ledger::{Ledger, LedgerView};
use crate::queue::Queue;
use crate::replication::Mark;

/// Largest encoded row in bytes: half of what a message may carry.
pub const ROW_BYTES_MAX: usize = 8 << 20;

/// Told the new head after each commit made through this handle, on the committing thread, with no lock held.
///
/// Likewise after an order for a device. It must be quick, and neither commit nor register a listener. Commits of other processes are not told: poll [`Staging::head`] for them.
pub type CommitListener = Box<dyn Fn(Lsn) + Send + Sync>;

/// One organization's staging database. Cheap to share; every method may be called from any thread.
pub trait Staging: Send + Sync {
    /// Who this database is. Changes when [`Self::mint_epoch`] is called, here or in another process.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn identity(&self) -> Result<Identity, StagingError>;

    /// LSN of the last commit, of whatever process.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn head(&self) -> Result<Lsn, StagingError>;

    /// Opens a view of the database that no later commit changes. It pins disk space while it lives: read, then drop.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StagingError>;

    /// The history that was going on at an LSN; `None` if the database has not come that far.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn history_at(&self, lsn: Lsn) -> Result<Option<History>, StagingError> {
        self.snapshot()?.history_at(lsn)
    }

    /// Visits the current payloads of some rows of one entity, in ascending order, as of one moment.
    ///
    /// `ordinals` must ascend without repeats. Deleted rows, and ordinals never given, are not visited.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn payloads(
        &self,
        entity: EntityNumber,
        ordinals: &[Ordinal],
        visit: &mut dyn FnMut(Ordinal, Lsn, &[u8]),
    ) -> Result<(), StagingError>;

    /// Starts a commit, waiting for those before it. Keep it short, and never start a second one on the same thread.
    ///
    /// # Errors
    /// [`StagingError::Busy`] if another process held the lock for too long; others, if the database fails.
    fn begin(&self) -> Result<Box<dyn Commit + '_>, StagingError>;

    /// Stores a serialized `haversack.model.v1.Model`, in a commit of its own.
    ///
    /// # Errors
    /// [`StagingError::RevisionStale`] unless `revision` is above every one before it; others as [`Self::begin`].
    fn publish(&self, revision: Revision, model: &[u8]) -> Result<Lsn, StagingError>;

    /// Replaces the epoch, because a device has proved that history was lost: every device will start over.
    ///
    /// A source may have taken what waits for it here, so all of that may be repeats from now on.
    ///
    /// Does nothing if the epoch is no longer `lost`: another server has found it out first. Returns what is true now.
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn mint_epoch(&self, lost: [u8; 16]) -> Result<Identity, StagingError>;

    /// Registers a listener for as long as this handle lives.
    fn on_commit(&self, listener: CommitListener);

    /// The devices that have called.
    fn devices(&self) -> &dyn DeviceRegistry;
}

/// A repeatable-read view of a staging database. Deleted rows are in it, without payload.
pub trait Snapshot: Send {
    /// LSN of the last commit that this view contains.
    fn head(&self) -> Lsn;

    /// The history that was going on at an LSN; `None` if the database has not come that far.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn history_at(&self, lsn: Lsn) -> Result<Option<History>, StagingError>;

    /// Where each history begins that began after an LSN, in order.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn histories_after(&self, lsn: Lsn) -> Result<Vec<Position>, StagingError>;

    /// The model of the highest revision above `revision`, if there is one.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn model_after(&self, revision: Revision) -> Result<Option<PublishedModel>, StagingError>;

    /// Visits every row whose last change is after `floor`, in LSN order; all rows, if `floor` is 0, in order of
    /// entity and ordinal, which is faster.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn changes_after(&self, floor: Lsn, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), StagingError>;

    /// Visits every row of one entity in order of ordinal.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn rows(&self, entity: EntityNumber, visit: &mut dyn FnMut(StoredRow<'_>)) -> Result<(), StagingError>;

    /// Visits rows of one entity from a place on, deleted ones among them, until the visitor has enough.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn walk(
        &self,
        entity: EntityNumber,
        from: Place,
        visit: &mut dyn FnMut(StoredRow<'_>) -> ControlFlow<()>,
    ) -> Result<(), StagingError>;

    /// Whether an entity has a row with this id that is not deleted.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn has(&self, entity: EntityNumber, id: &RowId) -> Result<bool, StagingError>;

    /// What each entity that ever had a row holds, in order of entity. Reads no payload.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn statistics(&self) -> Result<Vec<EntityStatistics>, StagingError>;

    /// How far an entity follows a source outside; see [`Commit::position`].
    ///
    /// # Errors
    /// If the database cannot be read.
    fn position(&self, entity: EntityNumber) -> Result<Option<Vec<u8>>, StagingError>;

    /// The ledger as of this view.
    fn ledger(&self) -> &dyn LedgerView;
}

/// Changes that become true together. Dropped without [`Self::finish`], none of them do.
pub trait Commit {
    /// Inserts rows, or replaces those with these ids, in order; tells of each what happened, by its index.
    ///
    /// A row that was deleted gets its ordinal back. Equal bytes are no change. Of rows with one id the last one wins.
    ///
    /// # Errors
    /// [`StagingError::RowTooLarge`] for a row above [`ROW_BYTES_MAX`], [`StagingError::EntityNumberInvalid`],
    /// [`StagingError::OrdinalsExhausted`]: the rows before it are written. Others, if the database fails.
    fn upsert_all(
        &mut self,
        entity: EntityNumber,
        rows: &[(&RowId, &[u8])],
        tell: &mut dyn FnMut(usize, Change),
    ) -> Result<(), StagingError>;

    /// Inserts or replaces rows as [`Self::upsert_all`] does, with what their source calls their version.
    ///
    /// A row that is unchanged keeps its LSN, but gets the new version.
    ///
    /// # Errors
    /// See [`Self::upsert_all`].
    fn upsert_versions(
        &mut self,
        entity: EntityNumber,
        rows: &[(&RowId, &[u8], Option<&str>)],
        tell: &mut dyn FnMut(usize, Change),
    ) -> Result<(), StagingError>;

    /// Inserts or replaces one row.
    ///
    /// # Errors
    /// See [`Self::upsert_all`].
    fn upsert(&mut self, entity: EntityNumber, id: &RowId, payload: &[u8]) -> Result<Change, StagingError> {
        let mut told = Change::Unchanged;
        self.upsert_all(entity, &[(id, payload)], &mut |_, change| told = change)?;
        Ok(told)
    }

    /// Deletes the row with this id; no change if there is none.
    ///
    /// # Errors
    /// If the database fails.
    fn delete(&mut self, entity: EntityNumber, id: &RowId) -> Result<Change, StagingError>;

    /// A row as it stands within this commit, with the LSN of its last change; `None` if there is none or it is deleted.
    ///
    /// # Errors
    /// If the database fails.
    fn row(&mut self, entity: EntityNumber, id: &RowId) -> Result<Option<(Lsn, Vec<u8>)>, StagingError>;

    /// The payload of a row as it stands within this commit; `None` if there is none or it is deleted.
    ///
    /// # Errors
    /// If the database fails.
    fn payload(&mut self, entity: EntityNumber, id: &RowId) -> Result<Option<Vec<u8>>, StagingError> {
        Ok(self.row(entity, id)?.map(|(_, payload)| payload))
    }

    /// The last LSN that was drawn, by this commit or by those before it.
    fn drawn(&self) -> Lsn;

    /// The database's epoch, which nobody else changes before this commit ends.
    ///
    /// # Errors
    /// If the database fails.
    fn epoch(&mut self) -> Result<[u8; 16], StagingError>;

    /// The history that was going on at an LSN of the commits before this one; `None` if it is beyond them.
    ///
    /// # Errors
    /// If the database fails.
    fn history_at(&mut self, lsn: Lsn) -> Result<Option<History>, StagingError>;

    /// The ledger as it stands within this commit.
    fn ledger(&mut self) -> &mut dyn Ledger;

    /// What waits for a source outside, as it stands within this commit.
    fn queue(&mut self) -> &mut dyn Queue;

    /// How far an entity follows a record database; `None` if it does not: its rows are a source's outside, or nobody's.
    ///
    /// # Errors
    /// If the database fails.
    fn mark(&mut self, entity: EntityNumber) -> Result<Option<Mark>, StagingError>;

    /// Says how far an entity follows a record database from this commit on, or that it does no more. Draws no LSN.
    ///
    /// # Errors
    /// If the database fails.
    fn set_mark(&mut self, entity: EntityNumber, mark: Option<Mark>) -> Result<(), StagingError>;

    /// How far an entity follows a source outside; opaque but to that source's reader. `None` if it never has.
    /// [`crate::WHOLE_ORGANIZATION`] stands for all entities at once.
    ///
    /// # Errors
    /// If the database fails.
    fn position(&mut self, entity: EntityNumber) -> Result<Option<Vec<u8>>, StagingError>;

    /// Says how far an entity follows a source outside from this commit on; `None` forgets it. Draws no LSN.
    ///
    /// # Errors
    /// If the database fails.
    fn set_position(&mut self, entity: EntityNumber, position: Option<&[u8]>) -> Result<(), StagingError>;

    /// What its source calls the version of a row; `None` if the row is not there or its source has not said.
    ///
    /// # Errors
    /// If the database fails.
    fn etag(&mut self, entity: EntityNumber, id: &RowId) -> Result<Option<String>, StagingError>;

    /// Full reads of entities under way. Those who take rows use [`crate::Intake`].
    fn passes(&mut self) -> &mut dyn Passes;

    /// Makes the changes true and durable, and returns the head. A commit without changes leaves it as it was.
    ///
    /// # Errors
    /// If the database fails; then none of the changes are true.
    fn finish(self: Box<Self>) -> Result<Lsn, StagingError>;
}

/// Who a staging database is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Random; devices that know another one start over.
    pub epoch: [u8; 16],
    /// Key of the cookies' MACs. Random, drawn once, and never shown.
    pub secret: [u8; 32],
}

/// A row's id, whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowId {
    /// Big endian, as it is written.
    Uuid([u8; 16]),
    /// Any other key; not empty.
    Text(Box<str>),
}

/// A row as a reader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRow<'a> {
    /// Its entity.
    pub entity: EntityNumber,
    /// Its number within the entity.
    pub ordinal: Ordinal,
    /// Its id, whole.
    pub id: &'a RowId,
    /// Its id as the engine holds it.
    pub key: RowKey,
    /// LSN of its last change.
    pub lsn: Lsn,
    /// The encoded row; `None` if it is deleted.
    pub payload: Option<&'a [u8]>,
}

/// Where a walk over an entity's rows begins, and their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this ordinal; in order of ordinal.
    Ordinal(Ordinal),
    /// Behind this LSN; in order of LSN.
    After(Lsn),
}

/// A model as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedModel {
    /// Its place in the sequence of publishes.
    pub revision: Revision,
    /// LSN that the publish drew.
    pub lsn: Lsn,
    /// A serialized `haversack.model.v1.Model`.
    pub model: Vec<u8>,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The row is new, or back after its deletion.
    Inserted,
    /// The row has other values.
    Updated,
    /// The row is gone.
    Deleted,
    /// It was already so: no LSN was drawn.
    Unchanged,
}

/// What an entity holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityStatistics {
    /// The entity.
    pub entity: EntityNumber,
    /// Rows that are not deleted.
    pub rows: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Ordinals given out; all are below this.
    pub allocated: Ordinal,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Identity").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl RowId {
    /// The id as the engine holds it.
    pub fn key(&self) -> RowKey {
        match self {
            Self::Uuid(bytes) => RowKey(*bytes),
            Self::Text(text) => row_key_of_text(text),
        }
    }
}
