//! Tests of one value that depend on nothing else, in a canonical form: tests that mean the same are equal.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Bound;

use haversack_proto::model::Collation;

use super::fold;
use super::like::Pattern;
use crate::ids::RowKey;
use crate::row::{Value, decimal, row_key};

/// A predicate on one attribute, NULL included. Usable as a key under which profiles share its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Test {
    pub(super) matches_null: bool,
    /// Whether a value passes when it is not `among` these.
    pub(super) negated: bool,
    pub(super) among: Among,
}

/// Values of one type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Among {
    Anything,
    /// Both ends included. Whole numbers and what counts as such, see [`IntegerTest`].
    IntegerRange(i64, i64),
    /// Ascending, without repeats, not without gaps.
    IntegerSet(Vec<i64>),
    /// Folded, ascending, without repeats.
    Texts(Collation, Vec<String>),
    /// Folded.
    TextRange(Collation, Bounds),
    Like(Collation, Pattern),
    /// Canonical, ascending, without repeats.
    Decimals(Vec<String>),
    /// Canonical.
    DecimalRange(Bounds),
    /// Ascending, without repeats.
    Ids(Vec<RowKey>),
    /// Packed sets, ascending, without repeats.
    Sets(Vec<Vec<u8>>),
    /// Sets that share a number with this one, which ascends without repeats.
    Overlapping(Vec<i64>),
}

/// A lower and an upper bound.
pub(super) type Bounds = (Bound<String>, Bound<String>);

/// A test on whole numbers, for tight scans over a column of them. Booleans count as 0 and 1, doubles as the numbers
/// that [`real_order`] gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegerTest<'a> {
    /// Whether NULL passes.
    pub matches_null: bool,
    /// Whether a number passes when it is *not* among `values`.
    pub negated: bool,
    /// The numbers.
    pub values: IntegerValues<'a>,
}

/// Whole numbers as a range or a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegerValues<'a> {
    /// From the first to the second, both included; the first is never above the second.
    Range(i64, i64),
    /// Ascending, without repeats; may be empty.
    Set(&'a [i64]),
}

impl Test {
    /// Whether a value, or NULL, passes.
    pub fn matches(&self, value: Option<&Value<'_>>) -> bool {
        value.map_or(self.matches_null, |value| self.among.contains(value) != self.negated)
    }

    /// Whether NULL passes.
    pub fn matches_null(&self) -> bool {
        self.matches_null
    }

    /// The test as one on whole numbers, if all values of its attribute count as such. `null` and `not-null` have this
    /// form on every attribute: all numbers pass, or none does.
    pub fn integer_form(&self) -> Option<IntegerTest<'_>> {
        let values = match &self.among {
            Among::Anything => IntegerValues::Range(i64::MIN, i64::MAX),
            Among::IntegerRange(low, high) => IntegerValues::Range(*low, *high),
            Among::IntegerSet(numbers) => IntegerValues::Set(numbers),
            _ => return None,
        };
        Some(IntegerTest { matches_null: self.matches_null, negated: self.negated, values })
    }
}

impl IntegerTest<'_> {
    /// Whether a number that is not NULL passes.
    #[inline]
    pub fn matches(&self, number: i64) -> bool {
        let among = match self.values {
            IntegerValues::Range(low, high) => (low..=high).contains(&number),
            IntegerValues::Set(numbers) => numbers.binary_search(&number).is_ok(),
        };
        among != self.negated
    }
}

impl Among {
    /// Whole numbers from `low` to `high`; none if they are the wrong way round.
    pub(super) fn integers_between(low: i64, high: i64) -> Self {
        if low > high { Self::IntegerSet(vec![]) } else { Self::IntegerRange(low, high) }
    }

    /// These whole numbers, in any order. Numbers without gaps are a range.
    pub(super) fn integers(numbers: Vec<i64>) -> Self {
        let numbers = set_of(numbers);
        match numbers[..] {
            [low, .., high] if high.abs_diff(low) == numbers.len() as u64 - 1 => Self::IntegerRange(low, high),
            [only] => Self::IntegerRange(only, only),
            _ => Self::IntegerSet(numbers),
        }
    }

    /// Texts that compare equal to one of these.
    pub(super) fn texts(collation: Collation, texts: &[&str]) -> Self {
        Self::Texts(collation, set_of(texts.iter().map(|text| comparable(text, collation).into_owned()).collect()))
    }

    /// These decimals, in any order.
    pub(super) fn decimals(decimals: Vec<String>) -> Self {
        Self::Decimals(set_of(decimals))
    }

    /// These ids, in any order.
    pub(super) fn ids(ids: Vec<RowKey>) -> Self {
        Self::Ids(set_of(ids))
    }

    /// These packed sets, in any order.
    pub(super) fn sets(sets: Vec<Vec<u8>>) -> Self {
        Self::Sets(set_of(sets))
    }

    /// A value of another type than the test's is not among anything; rows are typed, so none arrives.
    fn contains(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Anything, _) => true,
            (Self::IntegerRange(low, high), _) => as_integer(value).is_some_and(|it| (*low..=*high).contains(&it)),
            (Self::IntegerSet(numbers), _) => as_integer(value).is_some_and(|it| numbers.binary_search(&it).is_ok()),
            (Self::Texts(collation, texts), Value::Text(text)) => {
                let text = comparable(text, *collation);
                texts.binary_search_by(|it| it.as_str().cmp(&text)).is_ok()
            }
            (Self::TextRange(collation, bounds), Value::Text(text)) => {
                is_within(bounds, &comparable(text, *collation), str::cmp)
            }
            (Self::Like(collation, pattern), Value::Text(text)) => pattern.matches(&fold(text, *collation)),
            (Self::Decimals(decimals), Value::Text(text)) => {
                decimals.binary_search_by(|it| it.as_str().cmp(text)).is_ok()
            }
            (Self::DecimalRange(bounds), Value::Text(text)) => is_within(bounds, text, decimal::compare),
            (Self::Ids(ids), Value::Id(_) | Value::IdText(_)) => {
                row_key(value).is_some_and(|key| ids.binary_search(&key).is_ok())
            }
            (Self::Sets(sets), Value::Integers(set)) => {
                sets.binary_search_by(|it| it.as_slice().cmp(set.packed())).is_ok()
            }
            (Self::Overlapping(numbers), Value::Integers(set)) => {
                set.iter().any(|number| numbers.binary_search(&number).is_ok())
            }
            _ => false,
        }
    }
}

/// A whole number for every double, such that numbers order as doubles do and zeros are equal.
pub fn real_order(real: f64) -> i64 {
    // Adding zero turns minus zero into zero. Negative doubles order backwards by their bits, so those are flipped.
    let bits = (real + 0.0).to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

/// How `eq` and order see a text: folded, without trailing spaces.
pub(crate) fn comparable(text: &str, collation: Collation) -> Cow<'_, str> {
    match fold(text, collation) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(' ')),
        Cow::Owned(mut text) => {
            text.truncate(text.trim_end_matches(' ').len());
            Cow::Owned(text)
        }
    }
}

/// Whole numbers and what counts as such, see [`IntegerTest`].
pub(super) fn as_integer(value: &Value<'_>) -> Option<i64> {
    match *value {
        Value::Integer(integer) => Some(integer),
        Value::Truth(truth) => Some(i64::from(truth)),
        Value::Real(real) => Some(real_order(real)),
        _ => None,
    }
}

fn is_within((low, high): &Bounds, text: &str, compare: fn(&str, &str) -> Ordering) -> bool {
    let above = match low {
        Bound::Included(low) => compare(low, text).is_le(),
        Bound::Excluded(low) => compare(low, text).is_lt(),
        Bound::Unbounded => true,
    };
    above
        && match high {
            Bound::Included(high) => compare(text, high).is_le(),
            Bound::Excluded(high) => compare(text, high).is_lt(),
            Bound::Unbounded => true,
        }
}

fn set_of<T: Ord>(mut members: Vec<T>) -> Vec<T> {
    members.sort_unstable();
    members.dedup();
    members
}
