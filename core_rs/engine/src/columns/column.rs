//! One attribute of one entity in memory, for filters to test.

use std::collections::BTreeSet;
use std::ops::Range;

use roaring::RoaringBitmap;

use super::coded::{CodedColumn, Verdicts};
use super::plain::{PlainColumn, Span};
use crate::filter::{Test, real_order};
use crate::ids::Ordinal;
use crate::row::Value;
use crate::schema::AttributeType;

/// The values of an attribute.
#[derive(Debug)]
pub enum Column {
    /// Values that repeat, or that are dear to compare: a code each, and the distinct values.
    Coded(CodedColumn),
    /// Whole numbers, dates and doubles, each by itself.
    Plain(PlainColumn),
}

impl Column {
    /// An empty column for attributes of this type.
    pub fn new(kind: AttributeType) -> Self {
        match kind {
            AttributeType::Integer | AttributeType::Bigint | AttributeType::Double | AttributeType::DateOnly => {
                Self::Plain(PlainColumn::default())
            }
            AttributeType::Datetime | AttributeType::DatetimeIndependent => Self::Plain(PlainColumn::of_seconds()),
            _ => Self::Coded(CodedColumn::default()),
        }
    }

    /// Gives a row another value, or NULL.
    pub fn set(&mut self, ordinal: Ordinal, value: Option<&Value<'_>>) {
        match self {
            Self::Coded(column) => column.set(ordinal, value),
            Self::Plain(column) => column.set(ordinal, value.and_then(number)),
        }
    }

    /// Those of `rows` whose value passes. `verdicts` belong to this test on this column alone.
    pub fn passing(&self, test: &Test, verdicts: &mut Verdicts, rows: &RoaringBitmap) -> RoaringBitmap {
        match self {
            Self::Coded(column) => column.passing(test, verdicts, rows),
            Self::Plain(column) => {
                let test = test.integer_form().expect("attributes in plain columns have tests on whole numbers");
                column.passing(&test, rows)
            }
        }
    }

    /// The value of a row; doubles as the whole numbers that order as they do.
    pub fn value(&self, row: Ordinal) -> Option<Value<'_>> {
        match self {
            Self::Coded(column) => column.value(row),
            Self::Plain(_) => self.number(row).map(Value::Integer),
        }
    }

    /// The number of a row. A column of anything else has none.
    pub fn number(&self, row: Ordinal) -> Option<i64> {
        match self {
            Self::Coded(_) => None,
            Self::Plain(column) => column.number(row),
        }
    }

    /// Whether any row has a number.
    pub fn any_number(&self) -> bool {
        matches!(self, Self::Plain(column) if column.any())
    }

    /// Those of `rows` without a number.
    pub fn unknown(&self, rows: &RoaringBitmap) -> RoaringBitmap {
        match self {
            Self::Coded(_) => rows.clone(),
            Self::Plain(column) => column.unknown(rows),
        }
    }

    /// Those of `rows` whose number is within one of `ranges`, which ascend. A column of anything else has none.
    pub fn within(&self, ranges: &[Range<i64>], rows: &RoaringBitmap) -> RoaringBitmap {
        match self {
            Self::Coded(_) => RoaringBitmap::new(),
            Self::Plain(column) => {
                let spans = ranges.iter().filter(|range| !range.is_empty());
                column
                    .among(&spans.map(|range| Span { low: range.start, high: range.end - 1 }).collect::<Vec<_>>(), rows)
            }
        }
    }

    /// Those of `rows` whose number is `start` or more, in order of number.
    pub fn from(&self, start: i64, rows: &RoaringBitmap) -> BTreeSet<(i64, Ordinal)> {
        match self {
            Self::Coded(_) => BTreeSet::new(),
            Self::Plain(column) => {
                let found = column.among(&[Span { low: start, high: i64::MAX }], rows);
                found.iter().filter_map(|row| Some((column.number(row)?, row))).collect()
            }
        }
    }

    /// Ends a commit, after every test has seen the values that came with it.
    pub fn settle(&mut self) {
        if let Self::Coded(column) = self {
            column.settle();
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Coded(column) => column.bytes(),
            Self::Plain(column) => column.bytes(),
        }
    }
}

/// The number that a plain column holds for a value.
fn number(value: &Value<'_>) -> Option<i64> {
    match *value {
        Value::Integer(number) => Some(number),
        Value::Real(real) => Some(real_order(real)),
        _ => None,
    }
}
