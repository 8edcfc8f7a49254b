//! The histories of a staging database as far as an engine has read it.

use haversack_engine::ids::{History, Lsn, Position};

/// Where each history begins, in order. What lies before the first is history 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Histories(Vec<Position>);

impl Histories {
    /// The last LSN at which one begins; 0 if none does.
    pub(super) fn last(&self) -> Lsn {
        self.0.last().map_or(Lsn(0), |last| last.lsn)
    }

    /// Adds those that begin behind [`Self::last`].
    pub(super) fn extend(&mut self, later: Vec<Position>) {
        self.0.extend(later);
    }

    /// The history at an LSN.
    pub(super) fn at(&self, lsn: Lsn) -> History {
        let begun = self.0.partition_point(|it| it.lsn <= lsn);
        begun.checked_sub(1).map_or(History(0), |last| self.0[last].history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_lasts_until_the_next_begins() {
        let mut histories = Histories::default();
        assert_eq!((histories.last(), histories.at(Lsn(9))), (Lsn(0), History(0)));
        let begin = |lsn, history| Position { lsn: Lsn(lsn), history: History(history) };
        histories.extend(vec![begin(3, 30), begin(5, 50)]);
        let found: Vec<u64> = (0..8).map(|lsn| histories.at(Lsn(lsn)).0).collect();
        assert_eq!((found, histories.last()), (vec![0, 0, 0, 30, 30, 50, 50, 50], Lsn(5)));
    }
}
