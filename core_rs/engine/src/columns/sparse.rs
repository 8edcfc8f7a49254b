//! Bitmaps of few rows, made from a bit for each row without a branch on each bit.
//!
//! What makes bitmaps from words asks of every bit whether it is the last of its word, and a processor can only guess.
//! Here a word's places are written four at a time, however many there are, in the format in which bitmaps are stored:
//! reading it takes them as they are.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch};
use roaring::RoaringBitmap;

use super::bits::{WORD_ROWS, Word};

/// Rows of a container, whose places are of two bytes.
const CONTAINER_ROWS: usize = 1 << 16;
/// Words of a container.
const CONTAINER_WORDS: usize = CONTAINER_ROWS / WORD_ROWS;
/// Most rows that a container lists; of more, it has a bit each.
const LISTED_MAX: u32 = 4_096;
/// Begins a stored bitmap without runs.
const COOKIE: u32 = 12_346;
/// Places that are written at once.
const AT_ONCE: usize = 4;

/// Two bytes, the lower one first.
type Pair = [u8; 2];

/// The rows that have a bit, if at most one in sixteen has one: else there are quicker ways.
pub(super) fn sparse_rows(words: &[Word]) -> Option<RoaringBitmap> {
    dispatch!(Level::new(), simd => sparse_rows_with(simd, words))
}

#[expect(clippy::inline_always, reason = "only what is inlined uses the processor's instructions for bits")]
#[inline(always)]
fn sparse_rows_with<S: Simd>(_: S, words: &[Word]) -> Option<RoaringBitmap> {
    let containers = words.chunks(CONTAINER_WORDS);
    let mut allowed = words.len() * WORD_ROWS / (CONTAINER_ROWS / LISTED_MAX as usize);
    let mut counts = Vec::with_capacity(containers.len());
    for container in containers.clone() {
        let count = count(container);
        allowed = allowed.checked_sub(count as usize)?;
        counts.push(count);
    }
    let mut stored = header(&counts);
    for (container, &count) in containers.zip(&counts) {
        if count > LISTED_MAX {
            stored.extend_from_slice(container.as_flattened().as_chunks().0);
            stored.resize(stored.len() + (CONTAINER_WORDS - container.len()) * size_of::<Word>() / 2, Pair::default());
        } else if count > 0 {
            list(container, count, &mut stored);
        }
    }
    let rows = RoaringBitmap::deserialize_unchecked_from(stored.as_flattened());
    Some(rows.expect("what was written here is complete"))
}

/// How many bits there are.
#[expect(clippy::inline_always, reason = "see above")]
#[inline(always)]
fn count(words: &[Word]) -> u32 {
    words.iter().map(|word| u64::from_le_bytes(*word).count_ones()).sum()
}

/// What stands before the containers: which of them there are, how many rows each has, and where each begins, which
/// nobody asks who reads them all.
fn header(counts: &[u32]) -> Vec<Pair> {
    let present = || counts.iter().zip(0_u32..).filter(|(count, _)| **count > 0);
    let mut header = Vec::new();
    let number = |number: u32| [number as u16, (number >> 16) as u16].map(u16::to_le_bytes);
    header.extend(number(COOKIE));
    header.extend(number(present().count() as u32));
    header.extend(present().flat_map(|(&count, key)| [key as u16, (count - 1) as u16].map(u16::to_le_bytes)));
    header.resize(header.len() + present().count() * 2, Pair::default());
    header
}

/// Lists the places of the `count` bits of a container.
#[expect(clippy::inline_always, reason = "see above")]
#[inline(always)]
fn list(container: &[Word], count: u32, stored: &mut Vec<Pair>) {
    let (mut end, whole) = (stored.len(), stored.len() + count as usize);
    // Room for what is written beyond a word's last place, and then written over.
    stored.resize(whole + WORD_ROWS, Pair::default());
    for (word, first) in container.iter().zip((0_u16..).step_by(WORD_ROWS)) {
        let mut left = u64::from_le_bytes(*word);
        let next = end + left.count_ones() as usize;
        loop {
            for place in &mut stored[end..end + AT_ONCE] {
                *place = first.wrapping_add(left.trailing_zeros() as u16).to_le_bytes();
                left &= left.wrapping_sub(1);
            }
            if left == 0 {
                break;
            }
            end += AT_ONCE;
        }
        end = next;
    }
    stored.truncate(whole);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of so many rows, of which every `each`-th from the first to the `last` has a bit.
    fn words(rows: usize, each: usize, last: usize) -> Vec<Word> {
        let mut words = vec![0_u64; rows.div_ceil(WORD_ROWS)];
        (0..rows.min(last)).step_by(each).for_each(|row| words[row / WORD_ROWS] |= 1 << (row % WORD_ROWS));
        words.into_iter().map(u64::to_le_bytes).collect()
    }

    #[test]
    fn bitmaps_are_as_if_made_from_the_words() {
        for rows in [0, 1, 64, 65_535, 65_536, 65_537, 400_000] {
            for (each, last) in [(1, 2_000), (1, 9_000), (3, 7_000), (17, rows), (65, rows), (70_000, rows)] {
                let words = words(rows, each, last);
                let Some(sparse) = sparse_rows(&words) else {
                    assert!(each == 1 || each == 3, "{rows} rows, every {each}th is sparse");
                    continue;
                };
                assert_eq!(sparse, RoaringBitmap::from_lsb0_bytes(0, words.as_flattened()), "{rows} rows, {each}");
            }
        }
        assert!(sparse_rows(&words(400_000, 15, 400_000)).is_none());
    }
}
