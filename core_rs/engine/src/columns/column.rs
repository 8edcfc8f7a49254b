//! One attribute of one entity in memory, for filters to test.

use std::collections::BTreeSet;
use std::ops::Range;

use roaring::RoaringBitmap;

use super::dictionary::{Dictionary, NULL};
use super::packed::Packed;
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

/// Codes into a dictionary.
#[derive(Debug, Default)]
pub struct CodedColumn {
    codes: Packed,
    dictionary: Dictionary,
}

/// Whole numbers; doubles as whole numbers of the same order.
#[derive(Debug, Default)]
pub struct PlainColumn {
    /// Rows that are not NULL.
    known: RoaringBitmap,
    /// Zigzag, so that small negative numbers are narrow too.
    numbers: Packed,
}

/// What a shared test says of each code; kept beside the test's rows.
#[derive(Debug, Default)]
pub struct Verdicts(Vec<bool>);

impl Column {
    /// An empty column for attributes of this type.
    pub fn new(kind: AttributeType) -> Self {
        match kind {
            AttributeType::Integer
            | AttributeType::Bigint
            | AttributeType::Double
            | AttributeType::Datetime
            | AttributeType::DatetimeIndependent
            | AttributeType::DateOnly => Self::Plain(PlainColumn::default()),
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
            Self::Coded(column) => {
                verdicts.learn(test, &column.dictionary);
                rows.iter().filter(|&row| verdicts.0[column.codes.get(row) as usize]).collect()
            }
            Self::Plain(column) => column.passing(test, rows),
        }
    }

    /// The value of a row; doubles as the whole numbers that order as they do.
    pub fn value(&self, row: Ordinal) -> Option<Value<'_>> {
        match self {
            Self::Coded(column) => column.dictionary.value(column.codes.get(row) as u32),
            Self::Plain(_) => self.number(row).map(Value::Integer),
        }
    }

    /// The number of a row. A column of anything else has none.
    pub fn number(&self, row: Ordinal) -> Option<i64> {
        match self {
            Self::Coded(_) => None,
            Self::Plain(column) => column.known.contains(row).then(|| column.number(row)),
        }
    }

    /// Whether any row has a number.
    pub fn any_number(&self) -> bool {
        matches!(self, Self::Plain(column) if !column.known.is_empty())
    }

    /// Those of `rows` without a number.
    pub fn unknown(&self, rows: &RoaringBitmap) -> RoaringBitmap {
        match self {
            Self::Coded(_) => rows.clone(),
            Self::Plain(column) => rows - &column.known,
        }
    }

    /// Those of `rows` whose number is within one of `ranges`, which ascend. A column of anything else has none.
    pub fn within(&self, ranges: &[Range<i64>], rows: &RoaringBitmap) -> RoaringBitmap {
        match (self, ranges) {
            (Self::Coded(_), _) | (_, []) => RoaringBitmap::new(),
            (Self::Plain(column), [range]) => {
                (&column.known & rows).iter().filter(|&row| range.contains(&column.number(row))).collect()
            }
            (Self::Plain(column), _) => {
                (&column.known & rows).iter().filter(|&row| is_within(ranges, column.number(row))).collect()
            }
        }
    }

    /// Those of `rows` whose number is `start` or more, in order of number.
    pub fn from(&self, start: i64, rows: &RoaringBitmap) -> BTreeSet<(i64, Ordinal)> {
        match self {
            Self::Coded(_) => BTreeSet::new(),
            Self::Plain(column) => {
                let known = (&column.known & rows).into_iter().map(|row| (column.number(row), row));
                known.filter(|&(number, _)| number >= start).collect()
            }
        }
    }

    /// Ends a commit, after every test has seen the values that came with it.
    pub fn settle(&mut self) {
        if let Self::Coded(column) = self {
            column.dictionary.forget_fresh();
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Coded(column) => column.codes.bytes() + column.dictionary.bytes(),
            Self::Plain(column) => column.numbers.bytes() + super::bitmap_bytes(&column.known),
        }
    }
}

impl CodedColumn {
    fn set(&mut self, ordinal: Ordinal, value: Option<&Value<'_>>) {
        let old = self.codes.get(ordinal) as u32;
        let code = self.dictionary.take(value);
        self.dictionary.give_back(old);
        if code != old {
            self.codes.set(ordinal, u64::from(code));
        }
    }
}

impl PlainColumn {
    fn set(&mut self, ordinal: Ordinal, number: Option<i64>) {
        match number {
            Some(number) => {
                self.known.insert(ordinal);
                self.numbers.set(ordinal, ((number << 1) ^ (number >> 63)) as u64);
            }
            None => {
                self.known.remove(ordinal);
            }
        }
    }

    fn number(&self, ordinal: Ordinal) -> i64 {
        let zigzag = self.numbers.get(ordinal);
        ((zigzag >> 1) as i64) ^ -((zigzag & 1) as i64)
    }

    fn passing(&self, test: &Test, rows: &RoaringBitmap) -> RoaringBitmap {
        let test = test.integer_form().expect("attributes in plain columns have tests on whole numbers");
        let known = rows & &self.known;
        let passing: RoaringBitmap = known.iter().filter(|&row| test.matches(self.number(row))).collect();
        if test.matches_null { passing | (rows - known) } else { passing }
    }
}

impl Verdicts {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.0.capacity()
    }

    /// Judges the values that came since the last time. Codes out of use may keep a verdict; no row has them.
    fn learn(&mut self, test: &Test, dictionary: &Dictionary) {
        let judge = |code| test.matches(dictionary.value(code).as_ref());
        if self.0.is_empty() {
            self.0.extend((NULL..dictionary.end()).map(judge));
        } else {
            self.0.resize(dictionary.end() as usize, false);
            dictionary.fresh().iter().for_each(|&code| self.0[code as usize] = judge(code));
        }
    }
}

/// The number that a plain column holds for a value.
/// Whether a number is within one of ascending ranges.
pub(super) fn is_within(ranges: &[Range<i64>], number: i64) -> bool {
    let after = ranges.partition_point(|range| range.start <= number);
    after.checked_sub(1).is_some_and(|place| ranges[place].contains(&number))
}

fn number(value: &Value<'_>) -> Option<i64> {
    match *value {
        Value::Integer(number) => Some(number),
        Value::Real(real) => Some(real_order(real)),
        _ => None,
    }
}
