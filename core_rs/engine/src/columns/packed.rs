//! A vector of numbers that takes no more room than its largest needs.

use roaring::RoaringBitmap;

/// Cells grow by an eighth when they run out: doubling would waste half of a large index.
const GROWTH_DIVISOR: usize = 8;
/// The least number of cells that a vector grows by.
const GROWTH_MIN: usize = 64;

/// Unsigned numbers by ordinal, in the narrowest width that holds the largest of them. A cell never set reads as 0.
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

    fn widen(&mut self) {
        *self = match self {
            Self::U8(cells) => Self::U16(cells.iter().map(|&cell| cell.into()).collect()),
            Self::U16(cells) => Self::U32(cells.iter().map(|&cell| cell.into()).collect()),
            Self::U32(cells) => Self::U64(cells.iter().map(|&cell| cell.into()).collect()),
            Self::U64(cells) => Self::U64(std::mem::take(cells)),
        };
    }
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
    fn narrow_numbers_take_a_byte_each() {
        let mut packed = Packed::default();
        (0..80_000).for_each(|index| packed.set(index, 200));
        assert!(packed.bytes() < 100_000, "{} bytes", packed.bytes());
    }
}
