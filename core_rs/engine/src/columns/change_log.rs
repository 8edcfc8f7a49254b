//! The latest changes of one entity's rows in commit order, so that "what changed since" need not look at every row.

use std::collections::VecDeque;

use crate::ids::{Lsn, Ordinal};

/// How many changes an entity remembers: 256 KiB. A device that is further behind costs a scan of its rows.
const CHANGES_MAX: usize = 16_384;

/// The last changes of an entity. Every change above its floor is in it.
#[derive(Debug, Default)]
pub struct ChangeLog {
    entries: VecDeque<(Lsn, Ordinal)>,
    floor: Lsn,
}

impl ChangeLog {
    /// Adds the changes of one commit, whose LSNs are above all before.
    pub fn extend(&mut self, mut changes: Vec<(Lsn, Ordinal)>) {
        if let Some(surplus) = changes.len().checked_sub(CHANGES_MAX + 1) {
            let (_, &mut (lsn, _), _) = changes.select_nth_unstable(surplus);
            self.floor = lsn;
            changes.drain(..=surplus);
            self.entries.clear();
        }
        changes.sort_unstable();
        self.entries.extend(changes);
        while self.entries.len() > CHANGES_MAX {
            self.floor = self.entries.pop_front().map_or(self.floor, |(lsn, _)| lsn);
        }
    }

    /// Rows changed after `floor`, newest change first, maybe repeated; `None` if `floor` is too long ago to tell.
    pub fn since(&self, floor: Lsn) -> Option<impl Iterator<Item = Ordinal>> {
        let news = self.entries.iter().rev().take_while(move |(lsn, _)| *lsn > floor);
        (floor >= self.floor).then(|| news.map(|&(_, ordinal)| ordinal))
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(Lsn, Ordinal)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(log: &ChangeLog, floor: u64) -> Option<Vec<Ordinal>> {
        log.since(Lsn(floor)).map(Iterator::collect)
    }

    #[test]
    fn changes_since_a_floor_are_told_newest_first() {
        let mut log = ChangeLog::default();
        log.extend(vec![(Lsn(2), 20), (Lsn(1), 10)]);
        log.extend(vec![(Lsn(5), 10)]);
        assert_eq!(since(&log, 1), Some(vec![10, 20]));
        assert_eq!(since(&log, 5), Some(vec![]));
        assert_eq!(since(&log, 0), Some(vec![10, 20, 10]));
    }

    #[test]
    fn a_floor_below_what_is_remembered_is_refused() {
        let mut log = ChangeLog::default();
        log.extend((1..=10).map(|lsn| (Lsn(lsn), lsn as Ordinal)).collect());
        log.extend((11..=CHANGES_MAX as u64 + 4).map(|lsn| (Lsn(lsn), lsn as Ordinal)).collect());
        assert_eq!(since(&log, 3), None);
        assert_eq!(since(&log, 4).map(|rows| rows.len()), Some(CHANGES_MAX));

        let last = 3 * CHANGES_MAX as u64;
        log.extend((100_000..100_000 + last).map(|lsn| (Lsn(lsn), 1)).collect());
        assert_eq!(since(&log, 50_000), None);
        assert_eq!(since(&log, 100_000 + last - 2), Some(vec![1]));
    }
}
