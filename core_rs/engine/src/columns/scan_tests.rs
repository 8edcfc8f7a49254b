//! Scans beside the plainest of loops: whatever the width, the test and the rows, they tell the same.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use haversack_proto::model::{AttributeType, FilterOperator, filter_operand};
use proptest::collection::vec;
use proptest::prelude::*;
use roaring::RoaringBitmap;

use super::scan::is_sparse;
use super::tests::{COLOR, test};
use super::{Column, PlainColumn, Verdicts};
use crate::filter::{IntegerTest, IntegerValues};
use crate::row::Value;

const SECOND: i64 = 1_000_000;

/// What the rows of a column hold: what comes first is overwritten by what follows.
type Writes = Vec<(u32, Option<i64>)>;

/// Numbers of one width, its limits among them.
fn numbers() -> impl Strategy<Value = BoxedStrategy<i64>> {
    let width = |low: i64, high: i64| prop_oneof![low..=high, -3..=3_i64, Just(low), Just(high)].boxed();
    prop_oneof![
        Just(width(-128, 127)),
        Just(width(-129, 128)),
        Just(width(i16::MIN.into(), i16::MAX.into())),
        Just(width(i32::MIN.into(), i32::MAX.into())),
        Just(width(i64::MIN, i64::MAX)),
        Just((-4_000..4_000_i64).prop_map(|second| second * SECOND).boxed()),
    ]
}

/// Writes to rows up to a few steps of a scan, most of them dense; and numbers that tests ask about.
fn columns() -> impl Strategy<Value = (Writes, Vec<i64>)> {
    numbers().prop_flat_map(|number| {
        let filled = (vec(prop::option::weighted(0.9, number.clone()), 0..700), 0..4_u32, 1..40_u32);
        let dense = filled.prop_map(|(values, start, stride)| {
            let rows = (start * 4_000..).step_by(stride as usize);
            rows.zip(values).collect::<Writes>()
        });
        let later = vec((0..20_000_u32, prop::option::of(number.clone())), 0..20);
        let writes = (dense, later).prop_map(|(dense, later)| [dense, later].concat());
        (writes, vec(number, 1..30))
    })
}

/// Sets of rows of any density, some with nothing else than all rows to an end.
fn row_sets() -> impl Strategy<Value = RoaringBitmap> {
    prop_oneof![
        (0..30_000_u32).prop_map(|end| (0..end).collect()),
        (0..30_000_u32, 1..40_usize).prop_map(|(end, step)| (0..end).step_by(step).collect()),
        vec(0..30_000_u32, 0..40).prop_map(|rows| rows.into_iter().collect()),
        (0..30_000_u32, 0..30_000_u32).prop_map(|(end, gone)| (0..end).filter(|row| *row != gone).collect()),
    ]
}

/// Ascending, without repeats, as tests have them.
fn sorted(numbers: Vec<i64>) -> Vec<i64> {
    numbers.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

/// The last write to each row.
fn held(writes: &Writes, row: u32) -> Option<i64> {
    writes.iter().rfind(|write| write.0 == row).and_then(|write| write.1)
}

fn naive(rows: &RoaringBitmap, writes: &Writes, passes: impl Fn(Option<i64>) -> bool) -> RoaringBitmap {
    let latest: HashMap<u32, Option<i64>> = writes.iter().copied().collect();
    rows.iter().filter(|row| passes(latest.get(row).copied().flatten())).collect()
}

proptest! {
    #[test]
    fn numbers_are_tested_as_one_by_one(
        (writes, asked) in columns(),
        rows in row_sets(),
        flags in any::<[bool; 4]>(),
    ) {
        let [as_range, negated, matches_null, by_seconds] = flags;
        let mut column = if by_seconds { PlainColumn::of_seconds() } else { PlainColumn::default() };
        for &(row, number) in &writes {
            column.set(row, number);
        }
        for row in [0, 1, 4_000, 16_384, 19_999] {
            prop_assert_eq!(column.number(row), held(&writes, row));
        }
        let numbers = sorted(asked);
        let ends = (numbers[0], numbers[numbers.len() - 1]);
        let values = if as_range { IntegerValues::Range(ends.0, ends.1) } else { IntegerValues::Set(&numbers) };
        let test = IntegerTest { matches_null, negated, values };
        let expected = naive(&rows, &writes, |number| number.map_or(matches_null, |number| test.matches(number)));
        prop_assert_eq!(column.passing(&test, &rows), expected);
        prop_assert_eq!(column.unknown(&rows), naive(&rows, &writes, |number| number.is_none()));
    }

    #[test]
    fn dates_are_found_as_one_by_one(
        (writes, asked) in columns(),
        rows in row_sets(),
        kind in prop::sample::select(vec![AttributeType::Datetime, AttributeType::Bigint]),
    ) {
        let mut column = Column::new(kind);
        for &(row, number) in &writes {
            column.set(row, number.map(Value::Integer).as_ref());
        }
        let numbers = sorted(asked);
        let ranges: Vec<Range<i64>> = numbers.chunks_exact(2).map(|ends| ends[0]..ends[1]).collect();
        let found = column.within(&ranges, &rows);
        let is_within = |number: i64| ranges.iter().any(|range| range.contains(&number));
        prop_assert_eq!(found, naive(&rows, &writes, |number| number.is_some_and(is_within)));

        let start = numbers[0];
        let ahead = naive(&rows, &writes, |number| number.is_some_and(|number| number >= start));
        let ahead = ahead.iter().filter_map(|row| Some((held(&writes, row)?, row)));
        prop_assert_eq!(column.from(start, &rows), ahead.collect::<BTreeSet<_>>());
    }

    #[test]
    fn words_are_tested_as_one_by_one(
        words in prop::sample::select(vec![3_u32, 200, 300, 2_000]),
        count in 0..12_000_u32,
        rows in row_sets(),
        (pattern, negated) in (prop::sample::select(vec!["1", "1%", "%7", "%0%", "w%"]), any::<bool>()),
    ) {
        let operator = if negated { FilterOperator::NotLike } else { FilterOperator::Like };
        let test = test(COLOR, operator, filter_operand::Value::Text(pattern.to_owned()));
        let word = |row: u32| (!row.is_multiple_of(11) && row < count).then(|| (row.wrapping_mul(2_654_435_761) % words).to_string());
        let mut column = Column::new(AttributeType::String);
        for row in 0..count {
            column.set(row, word(row).as_deref().map(Value::Text).as_ref());
        }
        let expected: RoaringBitmap =
            rows.iter().filter(|&row| test.matches(word(row).as_deref().map(Value::Text).as_ref())).collect();
        prop_assert_eq!(column.passing(&test, &mut Verdicts::default(), &rows), expected);
    }
}

#[test]
fn a_distant_row_is_judged_alone() {
    let rows = RoaringBitmap::from([3, u32::MAX]);
    assert!(is_sparse(&rows));
    let mut column = Column::new(AttributeType::Integer);
    column.set(3, Some(&Value::Integer(7)));
    assert_eq!(column.within(&[0..10, 20..30], &rows).iter().collect::<Vec<_>>(), [3]);
    assert_eq!(column.unknown(&rows).iter().collect::<Vec<_>>(), [u32::MAX]);
    assert!(!is_sparse(&(0..100).collect()));
}
