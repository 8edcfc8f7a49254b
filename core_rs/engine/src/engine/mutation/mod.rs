//! Mutations: whether a device's write may become true, and what it makes of its row.
//!
//! A mutation is judged on rows as they stand within the transaction that will hold it ([`Rows`]), and on a directory and
//! a model of the same moment: whoever asks has fed the engine every commit before. What the answer depends on, in this
//! order: whether the row is there for its user; the user's privileges on it; the rules of the model (`values`);
//! whether the row is what the device saw (`conflict`); what the server itself sets (`stamps`); and the rows that it points
//! at. docs/upload.md has the table of outcomes.

mod author;
mod conflict;
mod judge;
mod refusal;
mod stamps;
mod values;

use haversack_proto::model::ConflictPolicy;
use haversack_proto::sync::Mutation;

use self::judge::Judge;
use super::Engine;
use crate::ids::{AttributeNumber, Instant, Lsn, Position};
use crate::row::{FieldType, RawField, RowError, Value, parse_id};

pub use author::{Author, Barred};
pub use refusal::{MESSAGE_BYTES_MAX, Refusal};

/// Rows and the ledger as they stand within a transaction, seen by one mutation.
pub trait Rows {
    /// Why they could not be read.
    type Error: From<RowError>;

    /// A row with the LSN of its last change; `None` if there is none. The id is one that [`row_id`] gave, or a lookup's.
    ///
    /// # Errors
    /// If they cannot be read.
    fn row(&mut self, entity: crate::ids::EntityNumber, id: Value<'_>) -> Result<Option<(Lsn, Vec<u8>)>, Self::Error>;

    /// Whether the database has been at this position; if not, it has another past, and the position's LSN means nothing.
    ///
    /// # Errors
    /// If they cannot be read.
    fn has_been(&mut self, position: Position) -> Result<bool, Self::Error>;

    /// If this LSN was drawn by an earlier mutation of the same device: the LSN of the row before it.
    ///
    /// # Errors
    /// If they cannot be read.
    fn own_change(&mut self, lsn: Lsn) -> Result<Option<Lsn>, Self::Error>;

    /// Serialized mutations of the same row by the same device that came before and were refused, the newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    fn refused_before(&mut self) -> Result<Vec<Vec<u8>>, Self::Error>;

    /// Whether the mutation's row has changes that may yet be refused. Then what a mutation wants is kept even where the
    /// row has it already.
    ///
    /// # Errors
    /// If they cannot be read.
    fn is_pending(&mut self) -> Result<bool, Self::Error> {
        Ok(false)
    }
}

/// What becomes of a mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The row is to be written.
    Write(Written),
    /// The row, whose last change was at this LSN, is to be deleted.
    Delete(Lsn),
    /// Nothing is to be done.
    Refuse(Refusal),
}

/// What a mutation makes of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// LSN of the row's last change; 0 if the row is new.
    pub before: Lsn,
    /// The row from now on. The same bytes as before, if everything gave way to the server's values.
    pub payload: Vec<u8>,
    /// Fields that are written, ascending, those that the server sets among them.
    pub changed: Vec<AttributeNumber>,
    /// Their values: a row message; a field that it lacks becomes NULL.
    pub values: Vec<u8>,
    /// Fields of the device's that gave way to the server's.
    pub overruled: Vec<AttributeNumber>,
}

/// The id of a mutation's row: text that is a UUID in its usual form is that UUID. None if the bytes are no id.
pub fn row_id(bytes: &[u8]) -> Option<Value<'_>> {
    match RawField::Bytes(bytes).value(FieldType::Id)? {
        Value::IdText(text) => parse_id(text),
        id => Some(id),
    }
}

impl Engine {
    /// Judges a mutation. The engine must have been fed every commit before the transaction that `rows` is of.
    ///
    /// `policy` is [`Self::conflict_policy`], unless an administrator has decided otherwise for this mutation. The
    /// mutation's id, kind and changed fields must be sound.
    ///
    /// # Errors
    /// If rows cannot be read.
    pub fn judge<R: Rows>(
        &self,
        author: &mut Author,
        mutation: &Mutation,
        policy: ConflictPolicy,
        now: Instant,
        rows: &mut R,
    ) -> Result<Verdict, R::Error> {
        let verdict = Judge::new(self, author, mutation, policy, now, rows).and_then(Judge::decide);
        verdict.or_else(refusal::Stopped::into_verdict)
    }

    /// What happens to a device's write when the row has changed meanwhile.
    pub fn conflict_policy(&self) -> ConflictPolicy {
        let policy = self.model.as_ref().map_or(ConflictPolicy::Unspecified, super::PreparedModel::conflict_policy);
        if policy == ConflictPolicy::Unspecified { ConflictPolicy::ClientWins } else { policy }
    }

    /// Whether what users may do can depend on rows of this entity: after a change of one, the engine has to be fed
    /// before it judges again.
    pub fn directory_depends_on(&self, entity: crate::ids::EntityNumber) -> bool {
        self.directory.contains(entity)
    }
}
