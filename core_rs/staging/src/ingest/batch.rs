//! What the parser hands to the writer: encoded rows, and refusals.

use std::ops::Range;

use haversack_engine::ids::AttributeNumber;
use haversack_proto::error::ErrorReason;

use super::{ERRORS_MAX, RowError};
use crate::RowId;

/// Most rows of a batch, and so of a commit: what an upload may have to wait for.
pub(super) const BATCH_ROWS_MAX: usize = 16_384;

/// Encoded bytes at which a batch is full; one row more may lie above it.
pub(super) const BATCH_BYTES_MAX: usize = 4 << 20;

/// Encoded rows.
#[derive(Default)]
pub(super) struct Batch {
    /// The rows.
    pub(super) rows: Vec<EncodedRow>,
    /// Their payloads, one behind the other.
    pub(super) payloads: Vec<u8>,
    /// For a patch, the fields that each row names, NULL or not, ascending.
    pub(super) named: Vec<AttributeNumber>,
    /// Values of a source's rows that their attributes cannot hold, and that are left out of them.
    pub(super) left_out: Vec<Fault>,
}

/// A row within a batch.
pub(super) struct EncodedRow {
    /// Line on which it begins.
    pub(super) line: u64,
    /// Its id.
    pub(super) id: RowId,
    /// Where its payload lies; empty for a deletion.
    payload: Range<u32>,
    /// Where its named fields lie; empty but for a patch.
    named: Range<u32>,
}

/// Where the next row of a batch will lie.
#[derive(Clone, Copy)]
pub(super) struct Place {
    payloads: usize,
    named: usize,
}

impl Batch {
    /// Where what is appended from here on begins.
    pub(super) fn place(&self) -> Place {
        Place { payloads: self.payloads.len(), named: self.named.len() }
    }

    /// Makes what was appended since `place` a row.
    pub(super) fn push(&mut self, line: u64, id: RowId, place: Place) {
        // A batch is full long before it has 2^32 bytes.
        let payload = place.payloads as u32..self.payloads.len() as u32;
        let named = place.named as u32..self.named.len() as u32;
        self.rows.push(EncodedRow { line, id, payload, named });
    }

    /// Forgets what was appended since `place`.
    pub(super) fn undo(&mut self, place: Place) {
        self.payloads.truncate(place.payloads);
        self.named.truncate(place.named);
    }

    /// The payload of one of its rows.
    pub(super) fn payload(&self, row: &EncodedRow) -> &[u8] {
        &self.payloads[row.payload.start as usize..row.payload.end as usize]
    }

    /// The fields that one of its rows names.
    pub(super) fn named(&self, row: &EncodedRow) -> &[AttributeNumber] {
        &self.named[row.named.start as usize..row.named.end as usize]
    }

    /// Puts the rows in order of id, so that a commit visits each page of the id index once. Rows of one id keep their
    /// order: the last of them wins.
    pub(super) fn sort(&mut self) {
        self.rows.sort_by(|one, other| one.id.cmp(&other.id));
    }

    /// Bytes of memory that it takes, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.payloads.len() + size_of_val(&self.rows[..]) + size_of_val(&self.named[..])
    }

    /// Whether it should be handed on.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= BATCH_ROWS_MAX || self.payloads.len() >= BATCH_BYTES_MAX
    }
}

/// What is wrong with a row, wherever it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Logical name; empty if it is about the whole row.
    pub(super) attribute: String,
    /// What is wrong and what would be right.
    pub(super) message: String,
    /// Why, for programs.
    pub(super) reason: ErrorReason,
}

impl Fault {
    /// A bad value.
    pub(super) fn of(attribute: &str, message: impl Into<String>) -> Self {
        Self { attribute: attribute.to_owned(), message: message.into(), reason: ErrorReason::RowsInvalid }
    }

    /// A row that is bad as a whole.
    pub(super) fn row(message: impl Into<String>) -> Self {
        Self::of("", message)
    }
}

/// A fault and where it is.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Line on which the row begins.
    pub(super) line: u64,
    fault: Fault,
}

impl Refusal {
    /// As reports tell it.
    pub(super) fn into_error(self, file_name: &str) -> RowError {
        let Fault { attribute, message, reason } = self.fault;
        RowError { file_name: file_name.to_owned(), line: self.line, attribute, message, reason }
    }

    /// As reports tell it, without giving it up.
    pub(super) fn to_error(&self, file_name: &str) -> RowError {
        let Fault { attribute, message, reason } = &self.fault;
        let (attribute, message, reason) = (attribute.clone(), message.clone(), *reason);
        RowError { file_name: file_name.to_owned(), line: self.line, attribute, message, reason }
    }
}

/// All refusals counted, the first of them kept.
#[derive(Default, Debug)]
pub(super) struct Refusals {
    /// How many rows were refused.
    pub(super) count: u64,
    /// At most [`ERRORS_MAX`].
    pub(super) first: Vec<Refusal>,
}

impl Refusals {
    /// Refuses a row.
    pub(super) fn add(&mut self, line: u64, fault: Fault) {
        self.count += 1;
        if self.first.len() < ERRORS_MAX {
            self.first.push(Refusal { line, fault });
        }
    }

    /// Takes over those of a later batch.
    pub(super) fn extend(&mut self, later: Self) {
        self.count += later.count;
        self.first.extend(later.first);
        self.first.truncate(ERRORS_MAX);
    }

    /// Keeps a fault that is not a row's.
    pub(super) fn note(&mut self, line: u64, fault: Fault) {
        self.first.push(Refusal { line, fault });
    }
}
