//! Builds a row's payload, canonical: fields ascend, each number once.

use std::iter;

use super::fields::{self, wire};
use super::{Value, varint};
use crate::ids::AttributeNumber;

/// Appends one row to a buffer of the caller, who may keep the buffer for the next row: nothing is allocated while
/// numbers are pushed in ascending order. NULL is what is not pushed.
#[derive(Debug)]
pub struct RowWriter<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    last: u32,
    ascending: bool,
}

impl<'o> RowWriter<'o> {
    /// Begins a row at the end of `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start, last: 0, ascending: true }
    }

    /// Adds a field. Pushing in ascending order is cheapest; of several values of one number the last one counts.
    /// An empty set is NULL and adds nothing.
    #[inline]
    pub fn push(&mut self, number: AttributeNumber, value: &Value<'_>) {
        if matches!(value, Value::Integers(set) if set.is_empty()) {
            return;
        }
        self.ascending &= number.0 > self.last;
        self.last = number.0;
        self.write(number, value);
    }

    /// Ends the row and puts its fields in order. Returns the row's size in bytes.
    pub fn finish(self) -> usize {
        if !self.ascending {
            sort_fields(self.out, self.start);
        }
        self.out.len() - self.start
    }

    #[inline]
    fn write(&mut self, number: AttributeNumber, value: &Value<'_>) {
        match *value {
            Value::Integer(integer) => self.varint(number, varint::zigzag(integer)),
            Value::Truth(truth) => self.varint(number, u64::from(truth)),
            Value::Entity(entity) => self.varint(number, u64::from(entity.0)),
            Value::Real(real) => {
                self.tag(number, wire::FIXED64);
                // Adding zero turns minus zero into zero: equal doubles have equal bytes.
                self.out.extend_from_slice(&(real + 0.0).to_le_bytes());
            }
            Value::Id(id) => self.bytes(number, &id, &[]),
            Value::IdText(text) if text.len() == 16 => self.bytes(number, text.as_bytes(), &[0]),
            Value::Text(text) | Value::IdText(text) => self.bytes(number, text.as_bytes(), &[]),
            Value::Integers(set) => self.bytes(number, set.packed(), &[]),
        }
    }

    #[inline]
    fn tag(&mut self, number: AttributeNumber, wire_type: u64) {
        varint::write(u64::from(number.0) << 3 | wire_type, self.out);
    }

    #[inline]
    fn varint(&mut self, number: AttributeNumber, word: u64) {
        self.tag(number, wire::VARINT);
        varint::write(word, self.out);
    }

    #[inline]
    fn bytes(&mut self, number: AttributeNumber, bytes: &[u8], more: &[u8]) {
        self.tag(number, wire::BYTES);
        varint::write((bytes.len() + more.len()) as u64, self.out);
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(more);
    }
}

/// Puts the fields behind `start` in ascending order and keeps the last one of each number.
fn sort_fields(out: &mut Vec<u8>, start: usize) {
    let unsorted = out.split_off(start);
    let first = fields::span(&unsorted, 0);
    let mut spans: Vec<_> = iter::successors(first, |span| fields::span(&unsorted, span.end)).collect();
    // A stable sort of the reversed list: the newest of a number comes first, and stays.
    spans.reverse();
    spans.sort_by_key(|span| span.number);
    spans.dedup_by_key(|span| span.number);
    for span in spans {
        out.extend_from_slice(&unsorted[span.start..span.end]);
    }
}
