//! The queue: mutations that were judged and answered, and wait for a source outside to take them.
//!
//! Where an organization's rows come from a source outside, staging has them as the source has them, and an upload changes
//! none. A mutation that is taken is entered into the ledger as QUEUED, and here with its [`Effect`]; whatever is judged
//! after it sees the row as [`composed`] with the effects that wait. A worker asks which mutations are [`ready`], has the
//! source write them, and [`settle`]s each: in one commit the source's row arrives in staging, the answer becomes final, and
//! the entry leaves the queue. So staging never shows what the source may refuse, and a crash anywhere leaves either a
//! mutation that is written again under its key, or one that is settled.
//!
//! # Order
//! Mutations of one row go one at a time, in the order of their [`Turn`]s; those of different rows do not wait for each
//! other, but for these: one that depends on a creation waits for that, and a deletion waits for all that its device wrote
//! before it, since what it wrote may be what keeps the row from being deleted.
//!
//! # What a refusal takes along
//! What depends on a refused creation, and whatever else is queued for its row, is BLOCKED in the same commit; a repeat
//! among it is asked for first.
//!
//! # What a mutation was judged by
//! The values that its fields had then are kept ([`Queued::old`]). Before it is sent they are compared with staging's row,
//! which may have followed the source meanwhile: under a policy that looks for conflicts, a field that somebody else has
//! changed is one ([`Ready::conflicts`]). From staging's row to the source it is the row's version that guards.
//! Values that came of mutations before it in the queue are replaced when these are settled, by what the source made of
//! them or, if it refused them, by what was there before: nobody is in conflict with what they wrote themselves.
//!
//! # What the source may have already
//! A database that was put back from a backup has lost entries of its ledger, and what they were of is in the source
//! nevertheless. A mutation that its device had sent before is therefore a [`Repeat`]: the source is asked for it before it
//! is written, and before it is refused, if the judgement was against it. If the source has it, it is settled with the
//! row as that is now, whatever became of it since; if not ([`Settlement::Unknown`]), it is what it was judged to be.
//! So it is with what is in the ledger as refused, if its device says that it was taken, or may have been after the backup:
//! administrators may have had it judged again.

mod ready;
mod settle;

use haversack_engine::ids::{EntityNumber, Lsn};

pub use self::ready::{Ready, ReadyRow, ready};
pub use self::settle::{REPLACED_MAX, Settled, Settlement, refuse_replaced, settle};
use crate::write_back::after;
use crate::{Effect, Entry, LedgerPlace, Origin, RowId, Staging, StagingError};

/// Entries of the queue that one look for ready ones goes through.
pub const QUEUE_SCAN_MAX: usize = 20_000;

/// Bytes of waiting mutations that are held at once, where several are: they may carry pictures. One more begins if
/// it is not reached yet.
pub const WAITING_BYTES_MAX: usize = 4 << 20;

/// An entry's place in the queue; one that is judged again goes to the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn(pub u64);

/// Whether the source may have what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Repeat {
    /// It was never sent before, or the source was asked.
    #[default]
    No,
    /// The device had sent it before.
    Sent,
    /// The device was told that the source had taken it.
    Taken,
}

impl Repeat {
    /// Its number in the database.
    pub(crate) const fn number(self) -> i32 {
        self as i32
    }

    /// The repeat of a number.
    pub(crate) fn of(number: i32) -> Result<Self, StagingError> {
        [Self::No, Self::Sent, Self::Taken]
            .into_iter()
            .find(|it| it.number() == number)
            .ok_or_else(|| StagingError::Damaged(format!("a queued mutation is a repeat of kind {number}")))
    }
}

/// What waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// The serialized `Mutation`.
    pub mutation: Vec<u8>,
    /// What it does to its row, what the server sets among it.
    pub effect: Effect,
    /// What its fields were when it was judged: a row's message.
    pub old: Vec<u8>,
    /// What the source called the version of the row that it was judged by.
    pub etag: Option<String>,
    /// The number of the `ConflictPolicy` that it was judged under.
    pub policy: i32,
    /// Whether the source may have it.
    pub repeat: Repeat,
    /// The serialized `MutationAnswer` of its refusal, which is told if the source does not have it; it has no effect then.
    pub otherwise: Option<Vec<u8>>,
    /// The source that it was accepted for, see [`bind`]; empty stands for that of the moment when it is queued.
    pub source: Vec<u8>,
}

impl Queued {
    /// How much it weighs.
    pub fn bytes(&self) -> usize {
        self.mutation.len() + self.effect.values.len() + self.old.len()
    }
}

/// An entry of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InTurn {
    /// Its place in the queue.
    pub turn: Turn,
    /// Its place in the ledger.
    pub place: LedgerPlace,
    /// Whose mutation it is.
    pub origin: Origin,
    /// What waits.
    pub queued: Queued,
}

/// What the scan of a queue needs of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    /// Its place in the queue.
    pub turn: Turn,
    /// Its place in the ledger.
    pub place: LedgerPlace,
    /// Whose mutation it is.
    pub origin: Origin,
    /// The row's entity.
    pub entity: EntityNumber,
    /// The row.
    pub id: RowId,
    /// Whether it deletes the row.
    pub deletes: bool,
    /// Numbers of the device's mutations that it depends on.
    pub depends_on: Vec<u64>,
}

/// A mutation that depends on others of its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependant {
    /// Its place in the ledger.
    pub place: LedgerPlace,
    /// Numbers of those that it depends on.
    pub depends_on: Vec<u64>,
}

/// How a queue stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStanding {
    /// Mutations that wait.
    pub waiting: u64,
    /// What they weigh: mutations, effects, and what they were judged by.
    pub bytes: u64,
    /// When the one that waits longest was judged, microseconds since the Unix epoch; 0 if none waits.
    pub oldest_at_us: i64,
}

/// The queue within a commit.
pub trait Queue {
    /// Puts what waits for the ledger's entry of this origin at the queue's end.
    ///
    /// # Errors
    /// If the database fails, as for the others.
    fn enqueue(&mut self, origin: &Origin, queued: &Queued) -> Result<(), StagingError>;

    /// What waits for a row, in turn.
    ///
    /// # Errors
    /// If the database fails.
    fn queued_of(&mut self, entity: EntityNumber, id: &RowId) -> Result<Vec<InTurn>, StagingError>;

    /// What waits under a place of the ledger.
    ///
    /// # Errors
    /// If the database fails.
    fn queued_at(&mut self, place: LedgerPlace) -> Result<Option<InTurn>, StagingError>;

    /// What waits of an install and user and depends on others, in turn, without what it is.
    ///
    /// # Errors
    /// If the database fails.
    fn dependants_of(&mut self, origin: &Origin) -> Result<Vec<Dependant>, StagingError>;

    /// How many mutations wait for a row. They are not read.
    ///
    /// # Errors
    /// If the database fails.
    fn count_of(&mut self, entity: EntityNumber, id: &RowId) -> Result<u64, StagingError>;

    /// Whose mutation waits for a row at this turn, and the turn of the one before it; `None` if none does.
    ///
    /// # Errors
    /// If the database fails.
    fn turn_of(
        &mut self,
        entity: EntityNumber,
        id: &RowId,
        turn: Turn,
    ) -> Result<Option<(Origin, Option<Turn>)>, StagingError>;

    /// How the queue stands. Costs the same however much waits.
    ///
    /// # Errors
    /// If the database fails.
    fn standing(&mut self) -> Result<QueueStanding, StagingError>;

    /// The first places of what was accepted for another source than that of now; with `every`, of all that waits.
    ///
    /// # Errors
    /// If the database fails.
    fn replaced(&mut self, every: bool, at_most: usize) -> Result<Vec<LedgerPlace>, StagingError>;

    /// From now on mutations are accepted for this source.
    ///
    /// # Errors
    /// If the database fails.
    fn bind(&mut self, source: &[u8]) -> Result<(), StagingError>;

    /// Looks at entries in turn, until the visitor has enough.
    ///
    /// # Errors
    /// If the database fails.
    fn pass(&mut self, visit: &mut dyn FnMut(Passing) -> std::ops::ControlFlow<()>) -> Result<(), StagingError>;

    /// Replaces what an entry was judged by.
    ///
    /// # Errors
    /// If the database fails.
    fn judged_by(&mut self, turn: Turn, old: &[u8]) -> Result<(), StagingError>;

    /// Says anew whether the source may have an entry.
    ///
    /// # Errors
    /// If the database fails.
    fn is_repeat(&mut self, turn: Turn, repeat: Repeat) -> Result<(), StagingError>;

    /// Whether the ledger had come to a place when the epoch began: in a history that was lost, what was refused there may
    /// have been judged again, and be in the source.
    ///
    /// # Errors
    /// If the database fails.
    fn is_doubted(&mut self, place: LedgerPlace) -> Result<bool, StagingError>;

    /// Takes back what an entry is to do: the source is only asked for it, and if it does not have it, this
    /// `MutationAnswer` is given.
    ///
    /// # Errors
    /// If the database fails.
    fn refuse_unless_made(&mut self, turn: Turn, answer: &[u8]) -> Result<(), StagingError>;

    /// Makes the ledger's entry at a place final: replaces it, takes it off the queue if it is in it, and draws the next
    /// settlement, which those who wait for answers hear of.
    ///
    /// # Errors
    /// If the database fails.
    fn settle(&mut self, place: LedgerPlace, entry: &Entry) -> Result<(), StagingError>;

    /// Whether the change of some entry drew this LSN.
    ///
    /// # Errors
    /// If the database fails.
    fn has_drawn(&mut self, lsn: Lsn) -> Result<bool, StagingError>;
}

/// From now on mutations are accepted for this source, by a mark that tells it from all others; those that wait stay with
/// what they were accepted for. Costs no commit if it is so already.
///
/// # Errors
/// As [`Staging::begin`].
pub fn bind(staging: &dyn Staging, source: &[u8]) -> Result<(), StagingError> {
    if staging.snapshot()?.ledger().queue_source()? == source {
        return Ok(());
    }
    let mut commit = staging.begin()?;
    commit.queue().bind(source)?;
    commit.finish().map(drop)
}

/// A row as it would be if the source took everything that waits for it.
///
/// # Errors
/// If a payload is damaged.
pub fn composed(row: Option<Vec<u8>>, queued: &[InTurn]) -> Result<Option<Vec<u8>>, StagingError> {
    queued.iter().try_fold(row, |row, it| after(row, &it.queued.effect))
}
