//! Payloads of rows that changed a moment ago.
//!
//! One change to a row that a thousand live devices hold would otherwise be read from staging a thousand times. The
//! follower has just read it, so it leaves it here. This is a cache: whatever is not found is read from staging.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use haversack_engine::ids::{EntityNumber, Lsn, Ordinal};
use parking_lot::RwLock;

use crate::limits::RECENT_ROWS_MAX;

type Key = (EntityNumber, Ordinal);

/// The newest payloads, up to a number of bytes; the oldest leave first.
#[derive(Debug)]
pub(crate) struct RecentRows {
    bytes_max: usize,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    payloads: HashMap<Key, (Lsn, Bytes)>,
    /// In the order of arrival. A row that changed again appears twice; its older entry has another LSN.
    order: VecDeque<(Key, Lsn)>,
    bytes: usize,
}

impl RecentRows {
    /// Keeps at most this many bytes of payloads.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, kept: RwLock::default() }
    }

    /// Takes in rows that have just been read, in LSN order.
    pub(crate) fn extend(&self, rows: impl IntoIterator<Item = (EntityNumber, Ordinal, Lsn, Bytes)>) {
        let mut kept = self.kept.write();
        for (entity, ordinal, lsn, payload) in rows {
            kept.put((entity, ordinal), lsn, payload);
            kept.shrink(self.bytes_max);
        }
    }

    /// The payload that a row has at exactly this LSN, if it is here.
    pub(crate) fn get(&self, entity: EntityNumber, ordinal: Ordinal, lsn: Lsn) -> Option<Bytes> {
        let kept = self.kept.read();
        let (at, payload) = kept.payloads.get(&(entity, ordinal))?;
        (*at == lsn).then(|| payload.clone())
    }
}

impl Kept {
    fn put(&mut self, key: Key, lsn: Lsn, payload: Bytes) {
        self.bytes += payload.len();
        self.order.push_back((key, lsn));
        if let Some((_, replaced)) = self.payloads.insert(key, (lsn, payload)) {
            self.bytes -= replaced.len();
        }
    }

    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max || self.order.len() > RECENT_ROWS_MAX {
            let Some((key, lsn)) = self.order.pop_front() else { return };
            if self.payloads.get(&key).is_some_and(|(at, _)| *at == lsn) {
                let removed = self.payloads.remove(&key);
                self.bytes -= removed.map_or(0, |(_, payload)| payload.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTITY: EntityNumber = EntityNumber(1);

    fn put(recent: &RecentRows, ordinal: Ordinal, lsn: u64, bytes: usize) {
        recent.extend([(ENTITY, ordinal, Lsn(lsn), Bytes::from(vec![0; bytes]))]);
    }

    #[test]
    fn only_the_asked_version_is_given() {
        let recent = RecentRows::new(100);
        put(&recent, 1, 10, 5);
        assert!(recent.get(ENTITY, 1, Lsn(10)).is_some());
        assert!(recent.get(ENTITY, 1, Lsn(9)).is_none());
        put(&recent, 1, 11, 5);
        assert!(recent.get(ENTITY, 1, Lsn(10)).is_none());
    }

    #[test]
    fn the_oldest_leave_first_and_the_bound_holds() {
        let recent = RecentRows::new(100);
        for row in 0..1_000_u32 {
            put(&recent, row % 7, u64::from(row), 30);
            assert!(recent.kept.read().bytes <= 100);
        }
        assert!(recent.get(ENTITY, 999 % 7, Lsn(999)).is_some());
        assert!(recent.get(ENTITY, 995 % 7, Lsn(995)).is_none());
    }

    #[test]
    fn one_row_that_changes_forever_takes_no_more_room() {
        let recent = RecentRows::new(100);
        put(&recent, 1, 1, 10);
        for lsn in 2..=2 * RECENT_ROWS_MAX as u64 {
            put(&recent, 2, lsn, 10);
        }
        assert!(recent.kept.read().order.len() <= RECENT_ROWS_MAX);
        assert!(recent.get(ENTITY, 2, Lsn(2 * RECENT_ROWS_MAX as u64)).is_some());
    }
}
