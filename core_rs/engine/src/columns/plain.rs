//! Whole numbers, each by itself; doubles as whole numbers of the same order.

use std::ops::Range;

use roaring::RoaringBitmap;

use super::bits::{Bits, WORD_ROWS, Word};
use super::packed::Packed;
use super::scan::{STEP_CELLS, is_sparse, steps};
use crate::filter::{IntegerTest, IntegerValues};
use crate::ids::Ordinal;

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;
/// Up to so many ranges, it is quicker to compare every cell with each than to search cell by cell.
const RANGES_MAX: usize = 8;

/// Whole numbers in as few bytes as they need.
#[derive(Debug)]
pub struct PlainColumn {
    /// Rows that are not NULL.
    known: Bits,
    /// Multiples of the unit.
    cells: Packed,
    /// What every number so far can be divided by.
    unit: i64,
    /// What is within each step of cells, so that a scan can leave out steps, or take in all of one.
    extents: Vec<Span>,
}

/// Numbers from the lowest to the highest, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) low: i64,
    pub(super) high: i64,
}

impl Default for PlainColumn {
    fn default() -> Self {
        Self { known: Bits::default(), cells: Packed::default(), unit: 1, extents: Vec::new() }
    }
}

impl PlainColumn {
    /// An empty column of microseconds, which most often are those of whole seconds.
    pub(super) fn of_seconds() -> Self {
        Self { unit: SECOND, ..Self::default() }
    }

    /// Gives a row another number, or NULL.
    pub(super) fn set(&mut self, ordinal: Ordinal, number: Option<i64>) {
        self.known.set(ordinal, number.is_some());
        let Some(number) = number else { return };
        if number % self.unit != 0 {
            self.refine();
        }
        self.cells.set_signed(ordinal, number / self.unit);
        let step = ordinal as usize / STEP_CELLS;
        if self.extents.len() <= step {
            self.extents.resize(step + 1, Span::NOTHING);
        }
        self.extents[step].take_in(number);
    }

    /// The number of a row.
    pub(super) fn number(&self, row: Ordinal) -> Option<i64> {
        self.known.get(row).then(|| self.cells.get_signed(row) * self.unit)
    }

    /// Whether any row has a number.
    pub(super) fn any(&self) -> bool {
        self.known.any()
    }

    /// Those of `rows` that pass.
    pub(super) fn passing(&self, test: &IntegerTest<'_>, rows: &RoaringBitmap) -> RoaringBitmap {
        if is_sparse(rows) {
            let passes = |row| self.number(row).map_or(test.matches_null, |number| test.matches(number));
            return rows.iter().filter(|&row| passes(row)).collect();
        }
        let spans = match test.values {
            IntegerValues::Range(low, high) => vec![Span { low, high }],
            IntegerValues::Set(numbers) => numbers.iter().map(|&number| Span { low: number, high: number }).collect(),
        };
        self.scan(&spans, test.negated, test.matches_null, rows)
    }

    /// Those of `rows` whose number is within one of `spans`, which ascend.
    pub(super) fn among(&self, spans: &[Span], rows: &RoaringBitmap) -> RoaringBitmap {
        if spans.is_empty() {
            RoaringBitmap::new()
        } else if is_sparse(rows) {
            let passes = |row| self.number(row).is_some_and(|number| find(spans, number));
            rows.iter().filter(|&row| passes(row)).collect()
        } else {
            self.scan(spans, false, false, rows)
        }
    }

    /// Those of `rows` without a number.
    pub(super) fn unknown(&self, rows: &RoaringBitmap) -> RoaringBitmap {
        if is_sparse(rows) {
            rows.iter().filter(|&row| !self.known.get(row)).collect()
        } else {
            self.scan(&[], false, true, rows)
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.cells.bytes() + self.known.bytes() + self.extents.capacity() * size_of::<Span>()
    }

    /// Those of `rows` whose number is within one of `spans`, or within none if `negated`; and those without a number if
    /// `with_null`. Looks at every row.
    fn scan(&self, spans: &[Span], negated: bool, with_null: bool, rows: &RoaringBitmap) -> RoaringBitmap {
        let end = rows.max().map_or(0, |last| last as usize + 1);
        let mut bits = Bits::zeros(end);
        for ((cells, words), extent) in steps(end, bits.words_mut()).zip(&self.extents) {
            self.mark(extent.overlapping(spans), *extent, cells, words);
        }
        bits.settle(negated, &self.known, with_null);
        bits.among(rows)
    }

    /// Gives a bit to each of these cells that is within one of `spans`; all that are known are within `extent`.
    fn mark(&self, spans: &[Span], extent: Span, cells: Range<usize>, words: &mut [Word]) {
        match spans {
            [] => {}
            [span] if span.low <= extent.low && extent.high <= span.high => words.fill([u8::MAX; 8]),
            spans if spans.len() <= RANGES_MAX => {
                for span in spans {
                    self.mark_span(*span, cells.clone(), words);
                }
            }
            [first, .., last] => {
                self.mark_span(Span { low: first.low, high: last.high }, cells.clone(), words);
                self.unmark(spans, cells.start, words);
            }
            [_] => unreachable!("one is not more than several"),
        }
    }

    fn mark_span(&self, span: Span, cells: Range<usize>, words: &mut [Word]) {
        let above = span.low.rem_euclid(self.unit) != 0;
        let (low, high) = (span.low.div_euclid(self.unit) + i64::from(above), span.high.div_euclid(self.unit));
        self.cells.mark_signed(cells, low, high, words);
    }

    /// Takes the bit from each cell that is within none of `spans`.
    fn unmark(&self, spans: &[Span], first: usize, words: &mut [Word]) {
        for (word, first) in words.iter_mut().zip((first..).step_by(WORD_ROWS)) {
            let mut bits = u64::from_le_bytes(*word);
            let mut left = bits;
            while left != 0 {
                let row = first as u32 + left.trailing_zeros();
                if !find(spans, self.cells.get_signed(row) * self.unit) {
                    bits &= !(left & left.wrapping_neg());
                }
                left &= left - 1;
            }
            *word = bits.to_le_bytes();
        }
    }

    /// From seconds to microseconds.
    fn refine(&mut self) {
        let mut cells = Packed::default();
        for row in 0..self.cells.len() as Ordinal {
            cells.set_signed(row, self.cells.get_signed(row) * self.unit);
        }
        (self.cells, self.unit) = (cells, 1);
    }
}

impl Span {
    /// No number.
    const NOTHING: Self = Self { low: i64::MAX, high: i64::MIN };

    fn take_in(&mut self, number: i64) {
        (self.low, self.high) = (self.low.min(number), self.high.max(number));
    }

    /// Those of ascending spans that share numbers with this one.
    fn overlapping<'s>(&self, spans: &'s [Span]) -> &'s [Span] {
        let first = spans.partition_point(|span| span.high < self.low);
        let end = spans.partition_point(|span| span.low <= self.high);
        &spans[first..end.max(first)]
    }
}

/// Whether a number is within one of ascending spans.
fn find(spans: &[Span], number: i64) -> bool {
    let at = spans.partition_point(|span| span.high < number);
    spans.get(at).is_some_and(|span| span.low <= number)
}

/// Whether a number is within one of ascending ranges.
pub(super) fn is_within(ranges: &[Range<i64>], number: i64) -> bool {
    let after = ranges.partition_point(|range| range.start <= number);
    after.checked_sub(1).is_some_and(|place| ranges[place].contains(&number))
}
