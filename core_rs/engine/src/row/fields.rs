//! Reads payloads: field by field, one value, or the wanted values in one pass. Never trusts the bytes.

use super::{FieldType, Integers, Value, id, varint};
use crate::ids::{AttributeNumber, EntityNumber};

/// Wire types of protobuf.
pub(super) mod wire {
    /// A varint.
    pub(in crate::row) const VARINT: u64 = 0;
    /// Eight bytes, little endian.
    pub(in crate::row) const FIXED64: u64 = 1;
    /// A length and that many bytes.
    pub(in crate::row) const BYTES: u64 = 2;
    /// Four bytes, little endian. No attribute type uses it; it is skipped.
    pub(in crate::row) const FIXED32: u64 = 5;
}

/// Highest field number that protobuf allows.
const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;

/// A payload that no [`super::RowWriter`] wrote: damaged, or of another type than the metadata says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The bytes are no message with ascending fields.
    #[error("the row is damaged at byte {offset}: a field should begin there")]
    Malformed {
        /// Where the broken field begins.
        offset: usize,
    },
    /// A field does not hold what its attribute's type demands.
    #[error("field {number} of the row does not hold a value of its attribute's type")]
    TypeMismatch {
        /// The field.
        number: u32,
    },
}

/// A field as it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawField<'p> {
    /// A varint.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Four bytes.
    Fixed32(u32),
    /// Text, bytes, or a packed set.
    Bytes(&'p [u8]),
}

impl<'p> RawField<'p> {
    /// The value, if this is how a field of that type is encoded.
    pub fn value(self, field_type: FieldType) -> Option<Value<'p>> {
        match (field_type, self) {
            (FieldType::Integer, Self::Varint(word)) => Some(Value::Integer(varint::unzigzag(word))),
            (FieldType::Truth, Self::Varint(word)) => Some(Value::Truth(word != 0)),
            (FieldType::Entity, Self::Varint(word)) => {
                u32::try_from(word).ok().map(|number| Value::Entity(EntityNumber(number)))
            }
            (FieldType::Real, Self::Fixed64(bits)) => Some(Value::Real(f64::from_bits(bits))),
            (FieldType::Text, Self::Bytes(bytes)) => std::str::from_utf8(bytes).ok().map(Value::Text),
            (FieldType::Id, Self::Bytes(bytes)) => id::decode(bytes),
            (FieldType::Integers, Self::Bytes(bytes)) => Integers::from_packed(bytes).map(Value::Integers),
            _ => None,
        }
    }
}

/// Where a field lies in its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) number: u32,
    pub(super) start: usize,
    pub(super) end: usize,
    wire_type: u64,
    /// Where its content begins, behind tag and length.
    content: usize,
}

impl Span {
    fn raw(self, payload: &[u8]) -> RawField<'_> {
        let content = &payload[self.content..self.end];
        match self.wire_type {
            wire::FIXED64 => RawField::Fixed64(u64::from_le_bytes(content.try_into().expect("eight bytes were read"))),
            wire::FIXED32 => RawField::Fixed32(u32::from_le_bytes(content.try_into().expect("four bytes were read"))),
            wire::BYTES => RawField::Bytes(content),
            _ => RawField::Varint(varint::read(payload, self.content).map_or(0, |(word, _)| word)),
        }
    }
}

/// Finds the field that begins at `at`. None if none does, be it the end or damage.
#[inline]
pub(super) fn span(payload: &[u8], at: usize) -> Option<Span> {
    let (tag, content) = varint::read(payload, at)?;
    let (number, wire_type) = (tag >> 3, tag & 7);
    if number == 0 || number > FIELD_NUMBER_MAX {
        return None;
    }
    let (content, end) = match wire_type {
        wire::VARINT => (content, varint::read(payload, content)?.1),
        wire::FIXED64 => (content, content + 8),
        wire::FIXED32 => (content, content + 4),
        wire::BYTES => {
            let (length, content) = varint::read(payload, content)?;
            (content, content.checked_add(usize::try_from(length).ok()?)?)
        }
        _ => return None,
    };
    (end <= payload.len()).then_some(Span { number: number as u32, start: at, end, wire_type, content })
}

/// The spans of a payload in ascending order; ends with an error where the payload is damaged.
#[derive(Clone, Debug)]
pub(super) struct Spans<'p> {
    payload: &'p [u8],
    at: usize,
    last: u32,
}

impl<'p> Spans<'p> {
    pub(super) fn of(payload: &'p [u8]) -> Self {
        Self { payload, at: 0, last: 0 }
    }
}

impl Iterator for Spans<'_> {
    type Item = Result<Span, RowError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.at;
        if offset >= self.payload.len() {
            return None;
        }
        let Some(span) = span(self.payload, offset).filter(|span| span.number > self.last) else {
            self.at = self.payload.len();
            return Some(Err(RowError::Malformed { offset }));
        };
        (self.at, self.last) = (span.end, span.number);
        Some(Ok(span))
    }
}

/// The fields of a payload, see [`fields`].
#[derive(Clone, Debug)]
pub struct Fields<'p>(Spans<'p>);

impl<'p> Iterator for Fields<'p> {
    type Item = Result<(AttributeNumber, RawField<'p>), RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let span = self.0.next()?;
        Some(span.map(|span| (AttributeNumber(span.number), span.raw(self.0.payload))))
    }
}

/// All fields of a payload, ascending. A damaged payload yields its sound beginning, one error, and ends.
pub fn fields(payload: &[u8]) -> Fields<'_> {
    Fields(Spans::of(payload))
}

/// The value of one field; None is NULL.
///
/// # Errors
/// As [`extract`].
pub fn read(
    payload: &[u8],
    number: AttributeNumber,
    field_type: impl Into<FieldType>,
) -> Result<Option<Value<'_>>, RowError> {
    let mut found = None;
    extract(payload, &[(number, field_type.into())], |_, value| found = value)?;
    Ok(found)
}

/// Reads the wanted fields in one pass: calls `take` once for each, in order, with its index in `wanted` and its value
/// or None for NULL. `wanted` ascends by number. What lies between is skipped, what lies behind is not looked at.
///
/// # Errors
/// If the payload is damaged, or a wanted field is of another type. Some values have been handed over by then.
#[inline]
pub fn extract<'p>(
    payload: &'p [u8],
    wanted: &[(AttributeNumber, FieldType)],
    mut take: impl FnMut(usize, Option<Value<'p>>),
) -> Result<(), RowError> {
    debug_assert!(wanted.is_sorted_by(|left, right| left.0 < right.0), "wanted fields ascend");
    let mut next = 0;
    let mut spans = Spans::of(payload);
    while next < wanted.len() {
        let Some(span) = spans.next().transpose()? else { break };
        while next < wanted.len() && wanted[next].0.0 < span.number {
            take(next, None);
            next += 1;
        }
        if next < wanted.len() && wanted[next].0.0 == span.number {
            take(next, typed(span, payload, wanted[next].1)?);
            next += 1;
        }
    }
    (next..wanted.len()).for_each(|index| take(index, None));
    Ok(())
}

fn typed(span: Span, payload: &[u8], field_type: FieldType) -> Result<Option<Value<'_>>, RowError> {
    let value = span.raw(payload).value(field_type).ok_or(RowError::TypeMismatch { number: span.number })?;
    Ok(Some(value).filter(|value| !matches!(value, Value::Integers(set) if set.is_empty())))
}
