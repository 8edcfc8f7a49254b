//! Codes into a dictionary: a test judges each distinct value once, and rows by their code.

use roaring::RoaringBitmap;

use super::bits::Bits;
use super::dictionary::{Dictionary, NULL};
use super::packed::Packed;
use super::scan::{is_sparse, steps};
use crate::filter::Test;
use crate::ids::Ordinal;
use crate::row::Value;

/// Up to so many runs of codes that pass, it is quicker to compare with each than to look codes up.
const RUNS_MAX: usize = 6;

/// Codes into a dictionary.
#[derive(Debug, Default)]
pub struct CodedColumn {
    codes: Packed,
    dictionary: Dictionary,
}

/// What a shared test says of each code: 1 if it passes, else 0. Kept beside the test's rows.
#[derive(Debug, Default)]
pub struct Verdicts(Vec<u8>);

impl CodedColumn {
    /// Gives a row another value, or NULL.
    pub(super) fn set(&mut self, ordinal: Ordinal, value: Option<&Value<'_>>) {
        let old = self.codes.get(ordinal) as u32;
        let code = self.dictionary.take(value);
        self.dictionary.give_back(old);
        if code != old {
            self.codes.set(ordinal, u64::from(code));
        }
    }

    /// The value of a row.
    pub(super) fn value(&self, row: Ordinal) -> Option<Value<'_>> {
        self.dictionary.value(self.codes.get(row) as u32)
    }

    /// Those of `rows` whose value passes.
    pub(super) fn passing(&self, test: &Test, verdicts: &mut Verdicts, rows: &RoaringBitmap) -> RoaringBitmap {
        verdicts.learn(test, &self.dictionary);
        if is_sparse(rows) {
            rows.iter().filter(|&row| verdicts.0[self.codes.get(row) as usize] != 0).collect()
        } else {
            self.scan(verdicts, rows)
        }
    }

    /// As [`Self::passing`], by looking at every row.
    fn scan(&self, verdicts: &Verdicts, rows: &RoaringBitmap) -> RoaringBitmap {
        let end = rows.max().map_or(0, |last| last as usize + 1);
        let mut bits = Bits::zeros(end);
        let runs = verdicts.runs();
        if runs.len() > RUNS_MAX {
            self.codes.mark_listed(0..end, &verdicts.0, bits.words_mut());
        } else {
            for (cells, words) in steps(end, bits.words_mut()) {
                for &(first, last) in &runs {
                    self.codes.mark_unsigned(cells.clone(), first, last, words);
                }
            }
        }
        if verdicts.0[NULL as usize] != 0 {
            bits.fill_from(self.codes.len());
        }
        bits.among(rows)
    }

    /// Ends a commit, after every test has seen the values that came with it.
    pub(super) fn settle(&mut self) {
        self.dictionary.forget_fresh();
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.codes.bytes() + self.dictionary.bytes()
    }
}

impl Verdicts {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.0.capacity()
    }

    /// Judges the values that came since the last time. Codes out of use may keep a verdict; no row has them.
    fn learn(&mut self, test: &Test, dictionary: &Dictionary) {
        let judge = |code| u8::from(test.matches(dictionary.value(code).as_ref()));
        if self.0.is_empty() {
            self.0.extend((NULL..dictionary.end()).map(judge));
        } else {
            self.0.resize(dictionary.end() as usize, 0);
            dictionary.fresh().iter().for_each(|&code| self.0[code as usize] = judge(code));
        }
    }

    /// The codes that pass, as the first and the last of each run of them.
    fn runs(&self) -> Vec<(u64, u64)> {
        let equal = self.0.chunk_by(|left, right| left == right);
        let mut first = 0;
        let placed = equal.map(|run| {
            let start = first;
            first += run.len() as u64;
            (run[0], start, first - 1)
        });
        placed.filter(|&(verdict, ..)| verdict != 0).map(|(_, start, last)| (start, last)).collect()
    }
}
