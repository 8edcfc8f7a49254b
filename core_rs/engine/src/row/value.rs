//! What one field of a row holds, borrowed from wherever it lies.

use haversack_proto::model::AttributeType;

use super::varint;
use crate::ids::EntityNumber;

/// A value that is not NULL. NULL is the absence of a value: `Option::None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A whole number, a choice, microseconds or days: see `AttributeType` in `model.proto`.
    Integer(i64),
    /// A double; finite, and never minus zero.
    Real(f64),
    /// Text, or a canonical decimal.
    Text(&'a str),
    /// A boolean.
    Truth(bool),
    /// A UUID, big endian as it is written.
    Id([u8; 16]),
    /// An id that is no UUID, from a source with keys of its own.
    IdText(&'a str),
    /// A set of choices.
    Integers(Integers<'a>),
    /// The target entity of a lookup that may point at several: its companion field.
    Entity(EntityNumber),
}

/// How a field is encoded: the attribute types fold into these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// `sint64`
    Integer,
    /// `double`
    Real,
    /// `string`
    Text,
    /// `bool`
    Truth,
    /// `bytes`: 16 of a UUID, else text (see [`crate::row`]).
    Id,
    /// `repeated sint64`, packed, ascending, without repeats.
    Integers,
    /// `uint32`
    Entity,
}

impl From<AttributeType> for FieldType {
    /// `Unspecified` never gets here: [`crate::schema::Schema`] refuses it.
    fn from(kind: AttributeType) -> Self {
        match kind {
            AttributeType::Unspecified
            | AttributeType::String
            | AttributeType::Memo
            | AttributeType::Decimal
            | AttributeType::Money
            | AttributeType::EntityName => Self::Text,
            AttributeType::Integer
            | AttributeType::Bigint
            | AttributeType::Picklist
            | AttributeType::State
            | AttributeType::Status
            | AttributeType::Datetime
            | AttributeType::DatetimeIndependent
            | AttributeType::DateOnly => Self::Integer,
            AttributeType::Double => Self::Real,
            AttributeType::Boolean => Self::Truth,
            AttributeType::MultiSelectPicklist => Self::Integers,
            AttributeType::Uniqueidentifier
            | AttributeType::Lookup
            | AttributeType::Owner
            | AttributeType::Customer => Self::Id,
        }
    }
}

/// A sorted set of whole numbers without repeats, in its packed encoding; equal sets have equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Integers<'a>(pub(super) &'a [u8]);

impl<'a> Integers<'a> {
    /// Reads a packed encoding; None if it is broken, or not ascending in the shortest form.
    pub fn from_packed(packed: &'a [u8]) -> Option<Self> {
        let mut last = None;
        let mut at = 0;
        while at < packed.len() {
            let (word, next) = varint::read(packed, at)?;
            let number = varint::unzigzag(word);
            if last.is_some_and(|last| number <= last) || next - at != varint::length(word) {
                return None;
            }
            (last, at) = (Some(number), next);
        }
        Some(Self(packed))
    }

    /// Appends the packed encoding of a set to `out`. `numbers` ascend without repeats.
    pub fn pack(numbers: &[i64], out: &mut Vec<u8>) {
        debug_assert!(numbers.is_sorted_by(|left, right| left < right), "a set ascends");
        for &number in numbers {
            varint::write(varint::zigzag(number), out);
        }
    }

    /// The packed encoding.
    pub fn packed(self) -> &'a [u8] {
        self.0
    }

    /// The numbers, ascending.
    pub fn iter(self) -> impl Iterator<Item = i64> + 'a {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (word, next) = varint::read(self.0, at)?;
            at = next;
            Some(varint::unzigzag(word))
        })
    }

    /// Whether there is no number, which in a row means NULL.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}
