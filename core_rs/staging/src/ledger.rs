//! The ledger: what became of every mutation that a device has sent.
//!
//! An entry is written in the transaction of the mutation's own rows, refused mutations' too. So a device that sends one
//! again, after whatever crash, gets the answer that was recorded, and nothing is done twice. Entries are never deleted:
//! [`crate::export_ledger`] carries them out of a database that is given up, [`crate::import_ledger`] into the next.
//!
//! An entry that changed a row keeps its [`Effect`] until [`crate::write_back`] has taken it to the record database; a
//! refused one keeps the mutation, for administrators.

use haversack_engine::ids::{EntityNumber, Lsn};
use prost::Message;

use crate::queue::{InTurn, QueueStanding};
use crate::{RowId, Staging, StagingError};

/// Length of an install id, in bytes.
pub const INSTALL_ID_BYTES: usize = 16;

/// Most entries of one page of an export.
pub const LEDGER_PAGE_ENTRIES_MAX: usize = 10_000;

/// The first half of a mutation's SHA-256: what tells a repeat from another mutation under its number.
pub type MutationHash = [u8; 16];

/// Where an entry is in the ledger: from 1, in the order in which mutations were judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerPlace(pub u64);

/// Whose mutation it is. Numbers count per install and user, so that nobody meets another's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The device database.
    pub install: [u8; INSTALL_ID_BYTES],
    /// The `systemuserid` of its user.
    pub user: [u8; 16],
    /// The mutation's number.
    pub number: u64,
}

/// What administrators, or the device's user, have made of a refused mutation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// Nothing yet, or it was not refused.
    #[default]
    Open,
    /// It was judged again, and taken.
    Retried,
    /// It was looked at, and put aside.
    Discarded,
    /// The device's user has given it up, or written it anew. While it is queued: it is so if it is refused.
    Withdrawn,
}

/// What a mutation did to its row, for the record database.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Effect {
    /// Whether the row was deleted.
    #[prost(bool, tag = "1")]
    pub deleted: bool,
    /// Whether the row was made.
    #[prost(bool, tag = "2")]
    pub created: bool,
    /// Field numbers that were written, ascending; one that `values` lacks became NULL.
    #[prost(uint32, repeated, tag = "3")]
    pub changed: Vec<u32>,
    /// The values that were written: a row's message.
    #[prost(bytes = "vec", tag = "4")]
    pub values: Vec<u8>,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose mutation it is.
    pub origin: Origin,
    /// What its bytes hash to.
    pub hash: MutationHash,
    /// The row's entity.
    pub entity: EntityNumber,
    /// The row.
    pub id: RowId,
    /// The number of its `MutationKind`.
    pub kind: i32,
    /// The number of its `MutationOutcome`.
    pub outcome: i32,
    /// LSN of the row's last change before this one; 0 if there was none.
    pub before: Lsn,
    /// LSN that this change drew; 0 if it drew none.
    pub lsn: Lsn,
    /// The `MutationAnswer` that was given.
    pub answer: Vec<u8>,
    /// When it was written by the device's clock, microseconds since the Unix epoch.
    pub written_at_us: i64,
    /// When it was judged by the server's.
    pub received_at_us: i64,
    /// What was made of it since.
    pub resolution: Resolution,
    /// The serialized `Mutation`, if it was refused.
    pub mutation: Option<Vec<u8>>,
    /// What it did, if that has yet to be written back.
    pub effect: Option<Effect>,
}

/// What a repeat is answered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Where it is.
    pub place: LedgerPlace,
    /// What the mutation's bytes hashed to.
    pub hash: MutationHash,
    /// The number of its `MutationOutcome`.
    pub outcome: i32,
    /// LSN that the change drew *in this database*; 0 if it drew none, or drew it in one that was given up.
    pub lsn: Lsn,
    /// The `MutationAnswer` that was given.
    pub answer: Vec<u8>,
}

/// Answers of one install and user that became final after the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlements {
    /// The entries, in the order in which they were settled.
    pub recorded: Vec<Recorded>,
    /// The settlement that this goes up to.
    pub last: u64,
}

/// A refused mutation of a row, for those that come after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Its number.
    pub number: u64,
    /// The serialized `Mutation`.
    pub mutation: Vec<u8>,
}

/// A change that has yet to be written back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritten {
    /// Where its entry is.
    pub place: LedgerPlace,
    /// The entry.
    pub entry: Entry,
}

/// The ledger within a commit.
pub trait Ledger {
    /// What became of a mutation; `None` if it has not been seen.
    ///
    /// # Errors
    /// If the database fails.
    fn find(&mut self, origin: &Origin) -> Result<Option<Recorded>, StagingError>;

    /// Enters what became of a mutation, at the ledger's end. Returns whether it did: an entry of this origin stays.
    ///
    /// # Errors
    /// If the database fails.
    fn record(&mut self, entry: &Entry) -> Result<bool, StagingError>;

    /// An entry.
    ///
    /// # Errors
    /// If the database fails.
    fn entry(&mut self, place: LedgerPlace) -> Result<Option<Entry>, StagingError>;

    /// Replaces an entry, because its mutation was judged again or put aside.
    ///
    /// # Errors
    /// If the database fails.
    fn amend(&mut self, place: LedgerPlace, entry: &Entry) -> Result<(), StagingError>;

    /// The device's user has given a mutation up, or written it anew: if it is refused and open, nobody has it judged again,
    /// and likewise if it is queued and comes to be refused. Others, and unknown ones, stay as they are. Nobody is told.
    /// Returns whether that is new.
    ///
    /// # Errors
    /// If the database fails.
    fn withdraw(&mut self, origin: &Origin) -> Result<bool, StagingError>;

    /// If the install and user of `origin` made the change that drew this LSN: the LSN of the row before it.
    ///
    /// # Errors
    /// If the database fails.
    fn own_change(&mut self, origin: &Origin, lsn: Lsn) -> Result<Option<Lsn>, StagingError>;

    /// Refused mutations of a row by the install and user of `origin`, of lower numbers, the newest first.
    ///
    /// # Errors
    /// If the database fails.
    fn refused_before(
        &mut self,
        origin: &Origin,
        entity: EntityNumber,
        id: &RowId,
        at_most: usize,
    ) -> Result<Vec<Earlier>, StagingError>;

    /// Mutations of the install and user of `origin` that are blocked by one that was refused, and open, in order.
    ///
    /// # Errors
    /// If the database fails.
    fn blocked_of(&mut self, origin: &Origin, at_most: usize) -> Result<Vec<(LedgerPlace, Entry)>, StagingError>;

    /// Whether any change has yet to be written back.
    ///
    /// # Errors
    /// If the database fails.
    fn any_unwritten(&mut self) -> Result<bool, StagingError>;

    /// The changes of a row that have yet to be written back, in order.
    ///
    /// # Errors
    /// If the database fails.
    fn unwritten_of(&mut self, entity: EntityNumber, id: &RowId) -> Result<Vec<Entry>, StagingError>;

    /// Whether no more mutations may be judged here, by whatever process.
    ///
    /// # Errors
    /// If the database fails.
    fn is_closed(&mut self) -> Result<bool, StagingError>;

    /// Has no more mutations be judged here from this commit on: the database is about to be given up. Idempotent.
    ///
    /// # Errors
    /// If the database fails.
    fn close(&mut self) -> Result<(), StagingError>;

    /// These changes have been written back: their effects are forgotten.
    ///
    /// # Errors
    /// If the database fails.
    fn written(&mut self, places: &[LedgerPlace]) -> Result<(), StagingError>;
}

/// The ledger within a snapshot.
pub trait LedgerView {
    /// Whether there is an entry of this origin.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn contains(&self, origin: &Origin) -> Result<bool, StagingError>;

    /// What became of a mutation; `None` if it has not been seen.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn find(&self, origin: &Origin) -> Result<Option<Recorded>, StagingError>;

    /// The last settlement: answers that became final after the first are counted from 1. 0 if there was none.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn last_settlement(&self) -> Result<u64, StagingError>;

    /// Whose mutations were settled after a settlement, in order, and the last settlement among them.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn settled_after(&self, after: u64, at_most: usize) -> Result<(Vec<Origin>, u64), StagingError>;

    /// What was settled of the install and user of `origin` after a settlement.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn settlements(&self, origin: &Origin, after: u64, at_most: usize) -> Result<Settlements, StagingError>;

    /// How the queue for a source outside stands.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn queue_standing(&self) -> Result<QueueStanding, StagingError>;

    /// The source that mutations are accepted for, see [`crate::queue::bind`]; empty if none was named.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn queue_source(&self) -> Result<Vec<u8>, StagingError>;

    /// What waits for a source outside under a place of the ledger.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn queued_at(&self, place: LedgerPlace) -> Result<Option<InTurn>, StagingError>;

    /// The first changes that have yet to be written back, in order: at least one if there are any, and no more when
    /// they come to some MiB. Likewise the two below.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn unwritten(&self, at_most: usize) -> Result<Vec<Unwritten>, StagingError>;

    /// Refused mutations behind a place, in order, whatever became of them.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn refused(&self, after: LedgerPlace, at_most: usize) -> Result<Vec<(LedgerPlace, Entry)>, StagingError>;

    /// Entries behind a place, in order.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn page(&self, after: LedgerPlace, at_most: usize) -> Result<Vec<(LedgerPlace, Entry)>, StagingError>;
}

/// Has no more mutations be judged in a database that is about to be given up, by whatever process. Idempotent.
///
/// What is in the ledger then is all that [`crate::write_back`] and [`crate::export_ledger`] have to take elsewhere.
///
/// # Errors
/// As [`Staging::begin`].
pub fn close_ledger(staging: &dyn Staging) -> Result<(), StagingError> {
    let mut commit = staging.begin()?;
    commit.ledger().close()?;
    commit.finish().map(drop)
}

/// Puts a refused mutation aside: it stays in the log, and is not judged again.
///
/// # Errors
/// As [`open_refusal`]; others as [`Staging::begin`].
pub fn discard_refusal(staging: &dyn Staging, place: LedgerPlace) -> Result<(), StagingError> {
    let mut commit = staging.begin()?;
    let entry = open_refusal(commit.ledger(), place)?;
    commit.ledger().amend(place, &Entry { resolution: Resolution::Discarded, ..entry })?;
    commit.finish().map(drop)
}

/// The entry of a refused mutation that nobody has settled.
///
/// # Errors
/// [`StagingError::RefusalWithdrawn`] if its user has; [`StagingError::RefusalUnknown`] if none is open at this place;
/// others if the database fails.
pub fn open_refusal(ledger: &mut dyn Ledger, place: LedgerPlace) -> Result<Entry, StagingError> {
    match ledger.entry(place)? {
        Some(entry) if entry.is_open_refusal() => Ok(entry),
        Some(entry) if entry.resolution == Resolution::Withdrawn => Err(StagingError::RefusalWithdrawn(place.0)),
        Some(_) | None => Err(StagingError::RefusalUnknown(place.0)),
    }
}

impl Entry {
    /// Whether it is of a refused mutation that nobody has settled.
    pub fn is_open_refusal(&self) -> bool {
        self.mutation.is_some() && self.resolution == Resolution::Open
    }

    /// The entry as another database keeps it: LSNs mean nothing there, and there is nothing to write back.
    #[must_use]
    pub fn elsewhere(self) -> Self {
        Self { before: Lsn(0), lsn: Lsn(0), effect: None, ..self }
    }
}

impl Resolution {
    /// What it is of a mutation that is taken after all; `was_refused` says that it was in the log before.
    pub(crate) const fn once_taken(self, was_refused: bool) -> Self {
        match self {
            Self::Withdrawn if was_refused => Self::Retried,
            Self::Withdrawn => Self::Open,
            other => other,
        }
    }

    /// What it is of a mutation that is refused, for the first time or again.
    pub(crate) const fn once_refused(self) -> Self {
        match self {
            Self::Withdrawn => Self::Withdrawn,
            Self::Open | Self::Retried | Self::Discarded => Self::Open,
        }
    }

    /// Its number in the database.
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::Open => 0,
            Self::Retried => 1,
            Self::Discarded => 2,
            Self::Withdrawn => 3,
        }
    }

    /// The resolution of a number.
    pub(crate) fn of(number: i32) -> Result<Self, StagingError> {
        [Self::Open, Self::Retried, Self::Discarded, Self::Withdrawn]
            .into_iter()
            .find(|it| it.number() == number)
            .ok_or_else(|| StagingError::Damaged(format!("a mutation has resolution {number}")))
    }
}
