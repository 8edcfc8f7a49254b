//! What is known of devices: what each held when it reached its last checkpoint here.
//!
//! Sync needs none of it: a device's cookie tells everything, and losing what is here costs an administrator an answer
//! and nobody a row. It is kept in memory, within bounds, from when the organization is first served.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use haversack_engine::ids::{EntityNumber, Instant, Lsn, Ordinal};
use haversack_engine::view::View;
use parking_lot::Mutex;
use roaring::RoaringBitmap;

use crate::limits::{DEVICE_ROWS_BYTES_MAX, DEVICES_MAX};
use crate::signal::Device;

/// What an organization's devices held when they were last seen.
#[derive(Debug)]
pub(crate) struct Devices {
    since: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    devices: HashMap<Device, Checkpoint>,
    /// Devices by the number of their checkpoint, the oldest first.
    order: BTreeMap<u64, Device>,
    last: u64,
    bytes: usize,
    forgotten: u64,
}

#[derive(Debug)]
struct Checkpoint {
    number: u64,
    app: Arc<str>,
    lsn: Lsn,
    /// What the view was judged at.
    instant: Instant,
    at: Instant,
    confirmed: bool,
    /// Shared with the live view for as long as that stays as it was.
    rows: Vec<(EntityNumber, Arc<RoaringBitmap>)>,
    bytes: usize,
}

/// A device that held a row at its last checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The device.
    pub device: Device,
    /// Name of the application that it named; empty for none.
    pub app: Arc<str>,
    /// Position of the checkpoint.
    pub lsn: Lsn,
    /// When it was sent.
    pub at: Instant,
    /// Whether the device has proved that it had applied everything up to it.
    pub confirmed: bool,
}

impl Devices {
    /// Nothing is known yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, seen: Mutex::default() }
    }

    /// Since when devices have been seen.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// How many devices have been forgotten, because there were too many.
    pub(crate) fn forgotten(&self) -> u64 {
        self.seen.lock().forgotten
    }

    /// A device was sent a checkpoint: it holds the view when it has read that.
    pub(crate) fn reached(&self, device: Device, app: &Arc<str>, view: &View, at: Instant) {
        let rows: Vec<_> = view.entities.iter().map(|part| (part.entity, Arc::clone(&part.rows))).collect();
        let bytes = rows.iter().map(|(_, rows)| rows.serialized_size()).sum();
        let mut seen = self.seen.lock();
        seen.last += 1;
        let number = seen.last;
        seen.forget(&device);
        seen.bytes += bytes;
        seen.order.insert(number, device);
        let View { lsn, instant, .. } = *view;
        let app = Arc::clone(app);
        seen.devices.insert(device, Checkpoint { number, app, lsn, instant, at, confirmed: false, rows, bytes });
        while seen.devices.len() > DEVICES_MAX || (seen.bytes > DEVICE_ROWS_BYTES_MAX && seen.devices.len() > 1) {
            let Some((_, &oldest)) = seen.order.first_key_value() else { break };
            seen.forget(&oldest);
            seen.forgotten += 1;
        }
    }

    /// A device has called with a cookie: it has applied its checkpoint, if the cookie has seen no less.
    pub(crate) fn called(&self, device: Device, lsn: Lsn, instant: Instant) {
        let mut seen = self.seen.lock();
        if let Some(checkpoint) = seen.devices.get_mut(&device) {
            checkpoint.confirmed |= checkpoint.lsn <= lsn && checkpoint.instant <= instant;
        }
    }

    /// Devices that held a row, the latest checkpoint first; at most so many.
    pub(crate) fn holding(&self, entity: EntityNumber, row: Ordinal, most: usize) -> Vec<Held> {
        let seen = self.seen.lock();
        let held = seen.order.values().rev().filter_map(|device| {
            let checkpoint = &seen.devices[device];
            let has = checkpoint.rows.iter().any(|(carried, rows)| *carried == entity && rows.contains(row));
            let Checkpoint { lsn, at, confirmed, .. } = *checkpoint;
            has.then(|| Held { device: *device, app: Arc::clone(&checkpoint.app), lsn, at, confirmed })
        });
        held.take(most).collect()
    }
}

impl Seen {
    fn forget(&mut self, device: &Device) {
        if let Some(old) = self.devices.remove(device) {
            self.order.remove(&old.number);
            self.bytes -= old.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use haversack_engine::ids::RowKey;
    use haversack_engine::view::EntityView;

    use super::*;

    const ACCOUNT: EntityNumber = EntityNumber(1);
    static NO_APP: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(Arc::default);

    fn device(number: u8) -> Device {
        Device { user: RowKey([number; 16]), install: [number; 16] }
    }

    fn view(lsn: u64, rows: RoaringBitmap) -> View {
        let part = EntityView { entity: ACCOUNT, rows: Arc::new(rows), digest: 0, fingerprint: 0, delta: None };
        View { lsn: Lsn(lsn), instant: Instant(50), entities: vec![part], ..View::default() }
    }

    #[test]
    fn a_device_holds_what_its_last_checkpoint_had() {
        let devices = Devices::new(Instant(7));
        devices.reached(device(1), &NO_APP, &view(10, [1, 2].into()), Instant(100));
        devices.reached(device(2), &NO_APP, &view(11, [2].into()), Instant(101));
        let held = |row| devices.holding(ACCOUNT, row, 9).iter().map(|it| it.device).collect::<Vec<_>>();
        assert_eq!((held(1), held(2), held(3)), (vec![device(1)], vec![device(2), device(1)], vec![]));
        devices.reached(device(1), &NO_APP, &view(12, [3].into()), Instant(102));
        assert_eq!((held(1), held(2), held(3)), (vec![], vec![device(2)], vec![device(1)]));
        assert!(devices.holding(EntityNumber(2), 3, 9).is_empty());
        assert_eq!((devices.since(), devices.forgotten()), (Instant(7), 0));
    }

    #[test]
    fn a_checkpoint_is_confirmed_by_a_cookie_that_is_no_earlier() {
        let devices = Devices::new(Instant(0));
        devices.reached(device(1), &NO_APP, &view(10, [1].into()), Instant(100));
        let confirmed = || devices.holding(ACCOUNT, 1, 1)[0].confirmed;
        devices.called(device(1), Lsn(9), Instant(50));
        devices.called(device(1), Lsn(10), Instant(49));
        assert!(!confirmed());
        devices.called(device(1), Lsn(10), Instant(50));
        assert!(confirmed());
        devices.reached(device(1), &NO_APP, &view(11, [1].into()), Instant(101));
        assert!(!confirmed(), "a new checkpoint has to be confirmed again");
    }

    #[test]
    fn the_oldest_are_forgotten_when_their_rows_take_too_much() {
        let devices = Devices::new(Instant(0));
        // Every second row: a bitset of 8 KiB for each 65,536 of them.
        let rows: RoaringBitmap = (0..8 * 1_024 * 1_024).step_by(2).collect();
        let count = DEVICE_ROWS_BYTES_MAX / rows.serialized_size() + 2;
        assert!(count < 200, "{count}");
        (0..count)
            .for_each(|number| devices.reached(device(number as u8), &NO_APP, &view(1, rows.clone()), Instant(0)));
        let held = devices.holding(ACCOUNT, 0, usize::MAX);
        assert_eq!(held.len() as u64 + devices.forgotten(), count as u64);
        assert!(devices.forgotten() > 0);
        assert!(held.iter().all(|it| it.device != device(0)), "the first is the oldest");
    }
}
