//! A vector of numbers that takes no more room than its largest needs.

use std::ops::{Range, RangeInclusive};

use roaring::RoaringBitmap;

use super::bits::Word;
use super::scan::{mark, mark_range};

/// Cells grow by an eighth when they run out: doubling would waste half of a large index.
const GROWTH_DIVISOR: usize = 8;
/// The least number of cells that a vector grows by.
const GROWTH_MIN: usize = 64;

/// Numbers by ordinal, in the narrowest width that holds all of them: either all without a sign, or all with one, as
/// two's complement. A cell never set reads as 0.
#[derive(Debug)]
pub enum Packed {
    /// One byte each.
    U8(Vec<u8>),
    /// Two bytes each.
    U16(Vec<u16>),
    /// Four bytes each.
    U32(Vec<u32>),
    /// Eight bytes each.
    U64(Vec<u64>),
}

impl Default for Packed {
    fn default() -> Self {
        Self::U8(Vec::new())
    }
}

impl Packed {
    /// The number at `index`.
    pub fn get(&self, index: u32) -> u64 {
        let index = index as usize;
        match self {
            Self::U8(cells) => cells.get(index).copied().map_or(0, u64::from),
            Self::U16(cells) => cells.get(index).copied().map_or(0, u64::from),
            Self::U32(cells) => cells.get(index).copied().map_or(0, u64::from),
            Self::U64(cells) => cells.get(index).copied().unwrap_or(0),
        }
    }

    /// The sum of the numbers at these places.
    pub fn sum(&self, places: &RoaringBitmap) -> u64 {
        fn sum<T: Copy + Into<u64>>(cells: &[T], places: &RoaringBitmap) -> u64 {
            places.iter().map_while(|place| cells.get(place as usize)).map(|&cell| cell.into()).sum()
        }
        match self {
            Self::U8(cells) => sum(cells, places),
            Self::U16(cells) => sum(cells, places),
            Self::U32(cells) => sum(cells, places),
            Self::U64(cells) => sum(cells, places),
        }
    }

    /// Writes the number at `index`, widening every cell if it does not fit.
    pub fn set(&mut self, index: u32, value: u64) {
        while value > self.largest() {
            self.widen();
        }
        let index = index as usize;
        match self {
            Self::U8(cells) => *cell(cells, index) = value as u8,
            Self::U16(cells) => *cell(cells, index) = value as u16,
            Self::U32(cells) => *cell(cells, index) = value as u32,
            Self::U64(cells) => *cell(cells, index) = value,
        }
    }

    /// The number with a sign at `index`.
    pub fn get_signed(&self, index: u32) -> i64 {
        let index = index as usize;
        match self {
            Self::U8(cells) => cells.get(index).map_or(0, |&cell| i64::from(cell as i8)),
            Self::U16(cells) => cells.get(index).map_or(0, |&cell| i64::from(cell as i16)),
            Self::U32(cells) => cells.get(index).map_or(0, |&cell| i64::from(cell as i32)),
            Self::U64(cells) => cells.get(index).map_or(0, |&cell| cell as i64),
        }
    }

    /// Writes the number with a sign at `index`, widening every cell if it does not fit.
    pub fn set_signed(&mut self, index: u32, value: i64) {
        while !self.signed().contains(&value) {
            self.widen_signed();
        }
        let index = index as usize;
        match self {
            Self::U8(cells) => *cell(cells, index) = value as u8,
            Self::U16(cells) => *cell(cells, index) = value as u16,
            Self::U32(cells) => *cell(cells, index) = value as u32,
            Self::U64(cells) => *cell(cells, index) = value as u64,
        }
    }

    /// How many cells there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::U8(cells) => cells.len(),
            Self::U16(cells) => cells.len(),
            Self::U32(cells) => cells.len(),
            Self::U64(cells) => cells.len(),
        }
    }

    /// Gives a bit to each of these cells whose number, with a sign, is from `low` to `high`.
    pub(super) fn mark_signed(&self, cells: Range<usize>, low: i64, high: i64, words: &mut [Word]) {
        let width = self.signed();
        let (low, high) = (low.max(*width.start()), high.min(*width.end()));
        if low <= high {
            self.mark_from(cells, low as u64, high.abs_diff(low), words);
        }
    }

    /// Gives a bit to each of these cells whose number, without a sign, is from `low` to `high`.
    pub(super) fn mark_unsigned(&self, cells: Range<usize>, low: u64, high: u64, words: &mut [Word]) {
        let high = high.min(self.largest());
        if low <= high {
            self.mark_from(cells, low, high - low, words);
        }
    }

    /// Gives a bit to each of these cells for whose number, without a sign, the list says 1. Numbers beyond it have none.
    pub(super) fn mark_listed(&self, cells: Range<usize>, list: &[u8], words: &mut [Word]) {
        match self {
            Self::U8(all) => {
                let list = table::<{ 1 << 8 }>(list);
                mark(part(all, cells), words, |cell| list[usize::from(cell)]);
            }
            Self::U16(all) => {
                let list = table::<{ 1 << 16 }>(list);
                mark(part(all, cells), words, |cell| list[usize::from(cell)]);
            }
            Self::U32(all) => mark(part(all, cells), words, |cell| listed(list, cell as usize)),
            Self::U64(all) => mark(part(all, cells), words, |cell| listed(list, cell as usize)),
        }
    }

    /// Gives a bit to each of these cells that is `start` or one of the `span` after it, both within the width.
    fn mark_from(&self, cells: Range<usize>, start: u64, span: u64, words: &mut [Word]) {
        match self {
            Self::U8(all) => mark_range(part(all, cells), start as u8, span as u8, words),
            Self::U16(all) => mark_range(part(all, cells), start as u16, span as u16, words),
            Self::U32(all) => mark_range(part(all, cells), start as u32, span as u32, words),
            Self::U64(all) => mark_range(part(all, cells), start, span, words),
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        match self {
            Self::U8(cells) => cells.capacity(),
            Self::U16(cells) => cells.capacity() * 2,
            Self::U32(cells) => cells.capacity() * 4,
            Self::U64(cells) => cells.capacity() * 8,
        }
    }

    fn largest(&self) -> u64 {
        match self {
            Self::U8(_) => u64::from(u8::MAX),
            Self::U16(_) => u64::from(u16::MAX),
            Self::U32(_) => u64::from(u32::MAX),
            Self::U64(_) => u64::MAX,
        }
    }

    /// The numbers with a sign that fit.
    fn signed(&self) -> RangeInclusive<i64> {
        match self {
            Self::U8(_) => i8::MIN.into()..=i8::MAX.into(),
            Self::U16(_) => i16::MIN.into()..=i16::MAX.into(),
            Self::U32(_) => i32::MIN.into()..=i32::MAX.into(),
            Self::U64(_) => i64::MIN..=i64::MAX,
        }
    }

    fn widen_signed(&mut self) {
        *self = match self {
            Self::U8(cells) => Self::U16(cells.iter().map(|&cell| cell as i8 as u16).collect()),
            Self::U16(cells) => Self::U32(cells.iter().map(|&cell| cell as i16 as u32).collect()),
            Self::U32(cells) => Self::U64(cells.iter().map(|&cell| cell as i32 as u64).collect()),
            Self::U64(cells) => Self::U64(std::mem::take(cells)),
        };
    }

    fn widen(&mut self) {
        *self = match self {
            Self::U8(cells) => Self::U16(cells.iter().map(|&cell| cell.into()).collect()),
            Self::U16(cells) => Self::U32(cells.iter().map(|&cell| cell.into()).collect()),
            Self::U32(cells) => Self::U64(cells.iter().map(|&cell| cell.into()).collect()),
            Self::U64(cells) => Self::U64(std::mem::take(cells)),
        };
    }
}

/// These cells, as far as they exist.
fn part<T>(cells: &[T], range: Range<usize>) -> &[T] {
    &cells[range.start.min(cells.len())..range.end.min(cells.len())]
}

/// The start of a list in a table that has a place for every cell of a width.
fn table<const PLACES: usize>(list: &[u8]) -> [u8; PLACES] {
    let mut table = [0; PLACES];
    let count = list.len().min(PLACES);
    table[..count].copy_from_slice(&list[..count]);
    table
}

fn listed(list: &[u8], place: usize) -> u8 {
    list.get(place).copied().unwrap_or(0)
}

/// The cell at `index`, after making room for it.
pub(super) fn cell<T: Copy + Default>(cells: &mut Vec<T>, index: usize) -> &mut T {
    grow(cells, index, T::default());
    &mut cells[index]
}

/// Makes `index` a cell of `cells`, filling what is new.
pub(super) fn grow<T: Copy>(cells: &mut Vec<T>, index: usize, fill: T) {
    if index < cells.len() {
        return;
    }
    if index >= cells.capacity() {
        cells.reserve_exact(index + 1 - cells.len() + (cells.len() / GROWTH_DIVISOR).max(GROWTH_MIN));
    }
    cells.resize(index + 1, fill);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_widen_without_losing_what_they_hold() {
        let mut packed = Packed::default();
        for (index, value) in [(3, 7), (0, 255), (1, 256), (2, 70_000), (9, u64::MAX)] {
            packed.set(index, value);
        }
        let read: Vec<u64> = (0..10).map(|index| packed.get(index)).collect();
        assert_eq!(read, [255, 256, 70_000, 7, 0, 0, 0, 0, 0, u64::MAX]);
        assert!(matches!(packed, Packed::U64(_)));
    }

    #[test]
    fn sums_are_of_the_places_asked_for_and_cells_never_set_are_nothing() {
        let mut packed = Packed::default();
        assert_eq!(packed.sum(&RoaringBitmap::from([0, 7])), 0);
        for (index, value) in [(0, 1), (1, 300), (2, 70_000), (4, 5)] {
            packed.set(index, value);
            let places = RoaringBitmap::from([0, 2, 3, 4, 100_000]);
            assert_eq!(packed.sum(&places), places.iter().map(|place| packed.get(place)).sum());
        }
    }

    #[test]
    fn cells_with_a_sign_widen_without_losing_it() {
        let mut packed = Packed::default();
        let values = [-1, -128, 127, 128, -129, 32_768, -32_769, i64::from(i32::MIN), i64::MAX, i64::MIN];
        for (index, &value) in (0..).zip(&values) {
            packed.set_signed(index, value);
            let read: Vec<i64> = (0..=index).map(|index| packed.get_signed(index)).collect();
            assert_eq!(read, values[..=index as usize]);
        }
        assert!(matches!(packed, Packed::U64(_)));
        packed = Packed::default();
        (0..256).for_each(|index| packed.set_signed(index, i64::from(index) - 128));
        assert!(matches!(packed, Packed::U8(_)), "a byte holds numbers of both signs");
    }

    #[test]
    fn narrow_numbers_take_a_byte_each() {
        let mut packed = Packed::default();
        (0..80_000).for_each(|index| packed.set(index, 200));
        assert!(packed.bytes() < 100_000, "{} bytes", packed.bytes());
    }
}
