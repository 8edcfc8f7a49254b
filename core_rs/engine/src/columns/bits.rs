//! A bit for each row, where most rows are of interest: what a scan of a whole column writes and reads.

use roaring::RoaringBitmap;

use super::packed::grow;
use super::sparse::sparse_rows;
use crate::ids::Ordinal;

/// Rows of a word.
pub(super) const WORD_ROWS: usize = 64;

/// Sixty-four rows, the first in the lowest bit of the first byte: so are the bitmaps made that others read.
pub(super) type Word = [u8; 8];

/// A bit for each row. A row beyond the last word has 0.
#[derive(Debug, Default)]
pub(super) struct Bits {
    words: Vec<Word>,
}

impl Bits {
    /// No bit of so many rows.
    pub(super) fn zeros(rows: usize) -> Self {
        Self { words: vec![Word::default(); rows.div_ceil(WORD_ROWS)] }
    }

    /// The bit of a row.
    pub(super) fn get(&self, row: Ordinal) -> bool {
        let word = self.words.get(row as usize / WORD_ROWS).copied().unwrap_or_default();
        u64::from_le_bytes(word) >> (row as usize % WORD_ROWS) & 1 != 0
    }

    /// Writes the bit of a row.
    pub(super) fn set(&mut self, row: Ordinal, bit: bool) {
        let place = row as usize / WORD_ROWS;
        grow(&mut self.words, place, Word::default());
        let (word, row_bit) = (u64::from_le_bytes(self.words[place]), 1 << (row as usize % WORD_ROWS));
        self.words[place] = (if bit { word | row_bit } else { word & !row_bit }).to_le_bytes();
    }

    /// Whether any row has a bit.
    pub(super) fn any(&self) -> bool {
        self.words.iter().any(|word| *word != Word::default())
    }

    /// The words, for a scan to write.
    pub(super) fn words_mut(&mut self) -> &mut [Word] {
        &mut self.words
    }

    /// Gives a bit to every row from this one on, which is the first without a word or is in the last that there is.
    pub(super) fn fill_from(&mut self, row: usize) {
        let (place, within) = (row / WORD_ROWS, row % WORD_ROWS);
        for (word, after) in self.words.iter_mut().skip(place).zip(0_usize..) {
            let filled = if after == 0 { u64::MAX << within } else { u64::MAX };
            *word = (u64::from_le_bytes(*word) | filled).to_le_bytes();
        }
    }

    /// Keeps, and turns if `turned`, the bits of rows that are among `known`; all other rows have `otherwise`.
    pub(super) fn settle(&mut self, turned: bool, known: &Self, otherwise: bool) {
        let (turned, otherwise) = (mask(turned), mask(otherwise));
        let both = known.words.len().min(self.words.len());
        let (words, beyond) = self.words.split_at_mut(both);
        for (word, known) in words.iter_mut().zip(&known.words) {
            let (bits, known) = (u64::from_le_bytes(*word) ^ turned, u64::from_le_bytes(*known));
            *word = ((bits & known) | (otherwise & !known)).to_le_bytes();
        }
        beyond.fill(otherwise.to_le_bytes());
    }

    /// Those of `rows` that have a bit; there is no word beyond their last.
    pub(super) fn among(mut self, rows: &RoaringBitmap) -> RoaringBitmap {
        let end = rows.max().map_or(0, |last| u64::from(last) + 1);
        if rows.len() < end {
            return self.rows() & rows;
        }
        let within = end % WORD_ROWS as u64;
        if let Some(last) = self.words.last_mut().filter(|_| within != 0) {
            *last = (u64::from_le_bytes(*last) & !(u64::MAX << within)).to_le_bytes();
        }
        self.rows()
    }

    /// The rows that have a bit.
    fn rows(&self) -> RoaringBitmap {
        sparse_rows(&self.words).unwrap_or_else(|| RoaringBitmap::from_lsb0_bytes(0, self.words.as_flattened()))
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<Word>()
    }
}

/// The same bit in every place.
fn mask(bit: bool) -> u64 {
    if bit { u64::MAX } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_kept_by_row() {
        let mut bits = Bits::default();
        assert!(!bits.any() && !bits.get(1_000));
        for row in [0, 63, 64, 200] {
            bits.set(row, true);
        }
        bits.set(64, false);
        assert_eq!(bits.rows().iter().collect::<Vec<_>>(), [0, 63, 200]);
        assert!(bits.any() && bits.get(200) && !bits.get(64));
    }

    #[test]
    fn rows_that_are_not_known_are_settled_apart() {
        let mut known = Bits::default();
        (0..100).filter(|row| row % 2 == 0).for_each(|row| known.set(row, true));
        for (turned, otherwise) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut bits = Bits::zeros(130);
            (0..50).for_each(|row| bits.set(row, true));
            bits.settle(turned, &known, otherwise);
            let expected = |row: u32| if row < 100 && row.is_multiple_of(2) { (row < 50) != turned } else { otherwise };
            assert!((0..130).all(|row| bits.get(row) == expected(row)));
        }
    }

    #[test]
    fn the_last_rows_are_filled() {
        for from in [0, 3, 64, 100, 128] {
            let mut bits = Bits::zeros(128);
            bits.fill_from(from);
            assert_eq!(bits.rows().iter().collect::<Vec<_>>(), (from as u32..128).collect::<Vec<_>>());
        }
    }
}
