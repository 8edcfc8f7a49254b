//! What can be wrong with a filter, where, and what would be right.

use std::fmt;

use haversack_proto::error::ErrorReason;

use super::operator;

/// Where in a FetchXML document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the element, or of the one around the place; empty before the first.
    pub element: String,
    /// Bytes before the element's tag.
    pub offset: usize,
    /// Line of the tag, from 1.
    pub line: u32,
    /// Character of the line at which the tag begins, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, column {} (byte {})", self.line, self.column, self.offset)?;
        if self.element.is_empty() { Ok(()) } else { write!(out, ", <{}>", self.element) }
    }
}

/// A filter that cannot be compiled or loaded. Its author has to mend it; trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The text is no well-formed XML, or no FetchXML.
    #[error("{place}: {problem}")]
    Malformed {
        /// Where.
        place: Place,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A part of FetchXML that filters of offline profiles do not have.
    #[error("{place}: {what} is not supported; {instead}")]
    Unsupported {
        /// Where.
        place: Place,
        /// The element, the XML attribute or its value.
        what: String,
        /// What to write in its place.
        instead: String,
    },
    /// A `<fetch>` is on another entity than the filter is for.
    #[error("{place}: this is a fetch of \"{found}\"; here a filter on \"{expected}\" is needed")]
    EntityMismatch {
        /// Where.
        place: Place,
        /// The entity that the fetch names.
        found: String,
        /// The entity that the filter is for.
        expected: String,
    },
    /// A link names an entity that the metadata does not have.
    #[error("{place}: there is no entity \"{entity}\"; write an entity's logical name")]
    EntityUnknown {
        /// Where.
        place: Place,
        /// The name.
        entity: String,
    },
    /// The entity has no such attribute.
    #[error("{place}: {entity} has no attribute \"{attribute}\"; write an attribute's logical name")]
    AttributeUnknown {
        /// Where.
        place: Place,
        /// The entity.
        entity: String,
        /// The name.
        attribute: String,
    },
    /// The operator does not exist.
    #[error(
        "{place}: operator \"{operator}\" is not FetchXML's; the most similar are: {}",
        operator::suggestions(operator)
    )]
    OperatorUnknown {
        /// Where.
        place: Place,
        /// The name.
        operator: String,
    },
    /// The operator does not apply to attributes of this type.
    #[error("{place}: operator \"{operator}\" does not apply to \"{attribute}\"; it is for {applies_to}")]
    OperatorMismatch {
        /// Where.
        place: Place,
        /// The operator.
        operator: String,
        /// The attribute.
        attribute: String,
        /// The kinds of attributes that it applies to.
        applies_to: String,
    },
    /// An operand is missing, surplus, or no value of the attribute's type.
    #[error("{place}: {problem}")]
    OperandInvalid {
        /// Where.
        place: Place,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A named limit is exceeded.
    #[error("{place}: {limit}")]
    TooLarge {
        /// Where.
        place: Place,
        /// The limit.
        limit: String,
    },
    /// A compiled filter contradicts the metadata or the contract.
    #[error("the compiled filter {problem}; publish its profile again")]
    PlanInvalid {
        /// The contradiction.
        problem: String,
    },
}

impl FilterError {
    /// The registry's name for this error.
    pub fn reason(&self) -> ErrorReason {
        match self {
            Self::Malformed { .. } | Self::EntityMismatch { .. } => ErrorReason::FilterMalformed,
            Self::Unsupported { .. } => ErrorReason::FilterUnsupported,
            Self::EntityUnknown { .. } => ErrorReason::EntityUnknown,
            Self::AttributeUnknown { .. } => ErrorReason::AttributeUnknown,
            Self::OperatorUnknown { .. } => ErrorReason::FilterOperatorUnknown,
            Self::OperatorMismatch { .. } | Self::OperandInvalid { .. } => ErrorReason::FilterOperandInvalid,
            Self::TooLarge { .. } => ErrorReason::FilterTooLarge,
            Self::PlanInvalid { .. } => ErrorReason::Internal,
        }
    }

    /// Where in the document; None for an error of a compiled filter.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Malformed { place, .. }
            | Self::Unsupported { place, .. }
            | Self::EntityMismatch { place, .. }
            | Self::EntityUnknown { place, .. }
            | Self::AttributeUnknown { place, .. }
            | Self::OperatorUnknown { place, .. }
            | Self::OperatorMismatch { place, .. }
            | Self::OperandInvalid { place, .. }
            | Self::TooLarge { place, .. } => Some(place),
            Self::PlanInvalid { .. } => None,
        }
    }
}

/// Most bytes of foreign text that a message quotes.
const EXCERPT_BYTES_MAX: usize = 80;

/// The beginning of a text, for messages.
pub(super) fn excerpt(text: &str) -> &str {
    shortened(text, EXCERPT_BYTES_MAX)
}

/// At most so many bytes of a text's beginning.
pub(super) fn shortened(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}
