//! How the rest of the gateway reaches a stream: one wake-up and a few flags each, whatever the reason.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Weak};

use haversack_engine::ids::RowKey;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::errors::SyncError;
use crate::limits::INSTALL_ID_BYTES;

const TOUCHED: u8 = 1;
const SUPERSEDED: u8 = 2;
const STOPPING: u8 = 4;
const RESTARTED: u8 = 8;
const WITHDRAWN: u8 = 16;
const ORDERED: u8 = 32;
const ANSWERED: u8 = 64;

/// One stream's wake-up. Raising it never blocks, so a follower can raise thousands.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    flags: AtomicU8,
    wake: Notify,
}

impl Signal {
    /// Says that the stream's view may have changed.
    pub(crate) fn touch(&self) {
        self.raise(TOUCHED);
    }

    /// Touches several streams.
    pub(crate) fn touch_all(signals: &[Arc<Self>]) {
        for signal in signals {
            signal.touch();
        }
    }

    /// Says that the rows behind the stream's view are others than before: its device has to call again.
    pub(crate) fn restart(&self) {
        self.raise(RESTARTED);
    }

    /// Forgets that the view may have changed; call it before looking at the view.
    pub(crate) fn settle(&self) {
        self.flags.fetch_and(!TOUCHED, Ordering::AcqRel);
    }

    /// Whether the stream's device was ordered something since this was asked last.
    pub(crate) fn take_order(&self) -> bool {
        self.flags.fetch_and(!ORDERED, Ordering::AcqRel) & ORDERED != 0
    }

    /// Whether mutations of the stream's device have been settled since this was asked last.
    pub(crate) fn take_answered(&self) -> bool {
        self.flags.fetch_and(!ANSWERED, Ordering::AcqRel) & ANSWERED != 0
    }

    /// Why a stream of this organization must end, if it must.
    pub(crate) fn ending(&self, organization: &str) -> Option<SyncError> {
        let flags = self.flags.load(Ordering::Acquire);
        if flags & WITHDRAWN != 0 {
            Some(SyncError::NotProvisioned(organization.to_owned()))
        } else if flags & STOPPING != 0 {
            Some(SyncError::ServerStopping)
        } else if flags & SUPERSEDED != 0 {
            Some(SyncError::StreamSuperseded)
        } else if flags & RESTARTED != 0 {
            Some(SyncError::StagingReplaced)
        } else {
            None
        }
    }

    /// Waits until something was raised that has not been settled.
    pub(crate) async fn raised(&self) {
        while self.flags.load(Ordering::Acquire) == 0 {
            self.wake.notified().await;
        }
    }

    fn raise(&self, flag: u8) {
        self.flags.fetch_or(flag, Ordering::AcqRel);
        self.wake.notify_one();
    }
}

/// The device that a stream serves: an install id counts for one user only, so nobody can fence another's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Device {
    /// The user.
    pub user: RowKey,
    /// The device database.
    pub install: [u8; INSTALL_ID_BYTES],
}

/// The open streams of an organization, at most one a device.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: Mutex<HashMap<Device, Arc<Signal>>>,
    /// Set once no stream may begin any more, under the lock of `open`.
    withdrawn: AtomicBool,
}

impl Streams {
    /// Registers a new stream of a device and ends the older one, if there is one.
    pub(crate) fn enter(streams: &Arc<Self>, device: Device) -> Presence {
        let signal = Arc::<Signal>::default();
        let mut open = streams.open.lock();
        if streams.withdrawn.load(Ordering::Relaxed) {
            signal.raise(WITHDRAWN);
        }
        if let Some(older) = open.insert(device, Arc::clone(&signal)) {
            older.raise(SUPERSEDED);
        }
        drop(open);
        Presence { streams: Arc::downgrade(streams), device, signal }
    }

    /// How many streams are open.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().len()
    }

    /// Whether a device has a stream.
    pub(crate) fn has(&self, device: &Device) -> bool {
        self.open.lock().contains_key(device)
    }

    /// Has the streams of these devices look at what they were ordered.
    pub(crate) fn order(&self, devices: impl IntoIterator<Item = Device>) {
        let open = self.open.lock();
        devices.into_iter().filter_map(|device| open.get(&device)).for_each(|signal| signal.raise(ORDERED));
    }

    /// Says that a mutation of a device has been settled.
    pub(crate) fn answered(&self, device: &Device) {
        if let Some(signal) = self.open.lock().get(device) {
            signal.raise(ANSWERED);
        }
    }

    /// Ends every stream, because the server stops.
    pub(crate) fn stop(&self) {
        self.open.lock().values().for_each(|signal| signal.raise(STOPPING));
    }

    /// Ends every stream, and those that are about to begin, because the organization is served no longer.
    pub(crate) fn withdraw(&self) {
        let open = self.open.lock();
        self.withdrawn.store(true, Ordering::Relaxed);
        open.values().for_each(|signal| signal.raise(WITHDRAWN));
    }
}

/// A stream's place among the open ones, given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Presence {
    streams: Weak<Streams>,
    /// Whose it is.
    pub device: Device,
    /// What reaches the stream.
    pub signal: Arc<Signal>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let Some(streams) = self.streams.upgrade() else { return };
        let mut open = streams.open.lock();
        // A newer stream of the device may have taken the place already.
        if open.get(&self.device).is_some_and(|signal| Arc::ptr_eq(signal, &self.signal)) {
            open.remove(&self.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: Device = Device { user: RowKey([1; 16]), install: [2; 16] };

    #[test]
    fn a_newer_stream_fences_the_older_one() {
        let streams = Arc::<Streams>::default();
        let older = Streams::enter(&streams, DEVICE);
        let newer = Streams::enter(&streams, DEVICE);
        assert!(matches!(older.signal.ending("contoso"), Some(SyncError::StreamSuperseded)));
        assert!(newer.signal.ending("contoso").is_none());
        drop(older);
        assert_eq!(streams.len(), 1, "the older stream leaves the newer one's place alone");
        drop(newer);
        assert_eq!(streams.len(), 0);
    }

    #[test]
    fn another_users_stream_of_the_same_install_id_is_left_alone() {
        let streams = Arc::<Streams>::default();
        let ours = Streams::enter(&streams, DEVICE);
        let _theirs = Streams::enter(&streams, Device { user: RowKey([3; 16]), ..DEVICE });
        assert!(ours.signal.ending("contoso").is_none());
    }

    #[test]
    fn a_stream_that_begins_after_the_withdrawal_ends_too() {
        let streams = Arc::<Streams>::default();
        let before = Streams::enter(&streams, DEVICE);
        streams.withdraw();
        let after = Streams::enter(&streams, Device { user: RowKey([3; 16]), ..DEVICE });
        for presence in [before, after] {
            assert!(matches!(presence.signal.ending("contoso"), Some(SyncError::NotProvisioned(_))));
        }
    }

    #[test]
    fn a_touch_is_remembered_until_it_is_settled() {
        let signal = Signal::default();
        signal.touch();
        assert_eq!(signal.flags.load(Ordering::Acquire), TOUCHED);
        signal.settle();
        assert_eq!(signal.flags.load(Ordering::Acquire), 0);
    }
}
