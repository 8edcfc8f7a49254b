//! Judging many cells at once: sixty-four to a word, without a branch, and a register full of cells in one comparison.

use std::ops::Range;

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch};
use roaring::RoaringBitmap;

use super::bits::{WORD_ROWS, Word};

/// Cells that are judged together while they are near: those of four bytes take 64 KiB.
pub(super) const STEP_CELLS: usize = 16_384;
/// To judge a row by itself takes as long as to scan about so many.
const ROW_COST: u64 = 16;

/// Multiplied by this, eight bytes of 0 or 1 gather in the highest byte, the first in its lowest bit.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// Whether `rows` are better judged one by one than by a scan up to the last of them.
pub(super) fn is_sparse(rows: &RoaringBitmap) -> bool {
    rows.max().is_none_or(|last| rows.len() * ROW_COST < u64::from(last))
}

/// Cells up to `end` in steps, each with its words.
pub(super) fn steps(end: usize, words: &mut [Word]) -> impl Iterator<Item = (Range<usize>, &mut [Word])> {
    let starts = (0..end).step_by(STEP_CELLS);
    let ranges = starts.map(move |start| start..(start + STEP_CELLS).min(end));
    ranges.zip(words.chunks_mut(STEP_CELLS / WORD_ROWS))
}

/// A cell of some width.
pub(super) trait Cell: Copy + Default {
    /// A bit for each cell of a block that is `start` or one of the `span` numbers after it, going round from the highest
    /// to 0. So a range is one comparison, whether cells are numbers with a sign or without.
    fn within<S: Simd>(simd: S, block: &[Self; WORD_ROWS], start: Self, span: Self) -> u64;
}

macro_rules! cell {
    ($($width:ty: $vector:ident),*) => {
        $(impl Cell for $width {
            #[inline(always)]
            fn within<S: Simd>(simd: S, block: &[Self; WORD_ROWS], start: Self, span: Self) -> u64 {
                let (starts, spans) = (S::$vector::splat(simd, start), S::$vector::splat(simd, span));
                let parts = block.chunks_exact(S::$vector::LEN).zip((0..).step_by(S::$vector::LEN));
                parts.fold(0, |word, (cells, place)| {
                    let distances = S::$vector::from_slice(simd, cells) - starts;
                    word | distances.simd_le(spans).to_bitmask() << place
                })
            }
        })*
    };
}

cell!(u8: u8s, u16: u16s, u32: u32s, u64: u64s);

/// Gives a bit to every cell within a range, see [`Cell::within`]. The first cell has the first bit.
pub(super) fn mark_range<T: Cell>(cells: &[T], start: T, span: T, words: &mut [Word]) {
    dispatch!(Level::new(), simd => mark_range_with(simd, cells, start, span, words));
}

#[expect(clippy::inline_always, reason = "only what is inlined uses the processor's wide registers")]
#[inline(always)]
fn mark_range_with<S: Simd, T: Cell>(simd: S, cells: &[T], start: T, span: T, words: &mut [Word]) {
    let (blocks, rest) = cells.as_chunks::<WORD_ROWS>();
    for (block, word) in blocks.iter().zip(words.iter_mut()) {
        add(word, T::within(simd, block, start, span));
    }
    if let Some(word) = words.get_mut(blocks.len()) {
        let mut block = [T::default(); WORD_ROWS];
        block[..rest.len()].copy_from_slice(rest);
        add(word, T::within(simd, &block, start, span) & !(u64::MAX << rest.len()));
    }
}

/// Gives a bit to every cell that passes, for which `verdict` is 1; for all others it is 0.
#[inline]
pub(super) fn mark<T: Copy>(cells: &[T], words: &mut [Word], verdict: impl Fn(T) -> u8) {
    let (blocks, rest) = cells.as_chunks::<WORD_ROWS>();
    for (block, word) in blocks.iter().zip(words.iter_mut()) {
        let mut passed = [0; WORD_ROWS];
        for (passed, &cell) in passed.iter_mut().zip(block) {
            *passed = verdict(cell);
        }
        add(word, gather(&passed));
    }
    if let Some(word) = words.get_mut(blocks.len()) {
        let mut passed = [0; WORD_ROWS];
        for (passed, &cell) in passed.iter_mut().zip(rest) {
            *passed = verdict(cell);
        }
        add(word, gather(&passed));
    }
}

#[inline]
fn add(word: &mut Word, bits: u64) {
    *word = (u64::from_le_bytes(*word) | bits).to_le_bytes();
}

/// A bit for each byte, which is 0 or 1.
#[inline]
fn gather(passed: &[u8; WORD_ROWS]) -> u64 {
    let (eights, _) = passed.as_chunks::<8>();
    let mut word = Word::default();
    for (byte, eight) in word.iter_mut().zip(eights) {
        *byte = (u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56) as u8;
    }
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_its_bit() {
        let cells: Vec<u16> = (0..200_u16).map(|cell| cell.wrapping_mul(977) % 23).collect();
        let mut words = [Word::default(); 4];
        mark_range(&cells, 5, 3, &mut words);
        mark_range(&cells, 20, 0, &mut words);
        for (row, cell) in cells.iter().enumerate() {
            let bit = words[row / 64][row % 64 / 8] >> (row % 8) & 1;
            assert_eq!(bit == 1, (5..=8).contains(cell) || *cell == 20, "row {row}");
        }
        assert_eq!(words[3][1..], [0; 7], "there are no cells any more");
    }

    #[test]
    fn ranges_go_round() {
        let mut words = [Word::default()];
        mark_range(&[0_u8, 1, 2, 253, 254, 255], 254, 3, &mut words);
        assert_eq!(words[0][0], 0b11_0011);
    }
}
