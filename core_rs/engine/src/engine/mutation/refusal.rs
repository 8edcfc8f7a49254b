//! Why a mutation is refused, in words that say what to do next.

use haversack_proto::error::ErrorReason;
use haversack_proto::sync::MutationOutcome;

use super::Verdict;
use crate::ids::AttributeNumber;

/// Longest message of a refusal, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 2_000;

/// Why a mutation is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind of refusal it is.
    pub outcome: MutationOutcome,
    /// The reason by its name in the registry.
    pub reason: ErrorReason,
    /// The same for people, with what to do next; at most [`MESSAGE_BYTES_MAX`].
    pub message: String,
    /// Fields that are in conflict, or that are not valid.
    pub fields: Vec<AttributeNumber>,
}

impl Refusal {
    /// A refusal without fields.
    pub fn new(outcome: MutationOutcome, reason: ErrorReason, message: impl Into<String>) -> Self {
        let mut message = message.into();
        let end = (0..=MESSAGE_BYTES_MAX.min(message.len())).rev().find(|&end| message.is_char_boundary(end));
        message.truncate(end.unwrap_or(0));
        Self { outcome, reason, message, fields: Vec::new() }
    }

    /// The same, because of these fields.
    #[must_use]
    pub fn of_fields(self, fields: Vec<AttributeNumber>) -> Self {
        Self { fields, ..self }
    }

    /// There is no such row, or none that the user may know of.
    pub(super) fn row_unknown(entity: &str) -> Self {
        let message = format!(
            "there is no such row of {entity} for this user: it was deleted, or may not be seen; sync, and write again if \
             it is still there"
        );
        Self::new(MutationOutcome::NotFound, ErrorReason::RowUnknown, message)
    }

    /// The user lacks a privilege.
    pub(super) fn forbidden(what: &str, entity: &str) -> Self {
        let message = format!("the user may not {what} this row of {entity}; an administrator grants the privilege");
        Self::new(MutationOutcome::Forbidden, ErrorReason::WriteForbidden, message)
    }

    /// Values break rules.
    pub(super) fn invalid(breaches: Vec<(AttributeNumber, String)>) -> Self {
        let mut fields: Vec<AttributeNumber> = breaches.iter().map(|(field, _)| *field).collect();
        fields.sort_unstable();
        fields.dedup();
        let texts: Vec<String> = breaches.into_iter().map(|(_, text)| text).collect();
        let message = format!("{}; correct it and write again", texts.join("; "));
        Self::new(MutationOutcome::Invalid, ErrorReason::ValueInvalid, message).of_fields(fields)
    }
}

/// What ends a judgement early.
#[derive(Debug)]
pub(super) enum Stopped<E> {
    /// The mutation is refused.
    Refused(Refusal),
    /// Rows could not be read.
    Failed(E),
}

impl<E> Stopped<E> {
    /// The verdict of a refusal.
    pub(super) fn into_verdict(self) -> Result<Verdict, E> {
        match self {
            Self::Refused(refusal) => Ok(Verdict::Refuse(refusal)),
            Self::Failed(error) => Err(error),
        }
    }
}

impl<E> From<Refusal> for Stopped<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
