//! A gate in the way of the stream, so that rows which the feed has yet to take are bounded by bytes.
//!
//! The replication library reads as fast as it can, and bounds by number what it has read; but a row may have 8 MiB, and a
//! message of the source 1 GiB. So what carries its bytes stops when too many of them are between the source and the feed,
//! and goes on when the feed has taken some. The source waits then, as TCP has it wait.
//!
//! What the feed takes is counted by its messages, nearly but not exactly as it was carried. So the count begins anew
//! whenever the feed finds nothing there; and while it waits for something, the gate is open, however large that is.

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Bytes that may be between the source and the feed, beside one message.
pub(super) const AHEAD_BYTES_MAX: u64 = 32 << 20;

/// See the module.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Bytes that were carried, and not taken yet.
    ahead: u64,
    /// Whether the feed waits, with nothing there.
    is_awaited: bool,
}

impl Gate {
    /// Waits until more may be carried.
    pub(super) async fn open(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_open() {
                return;
            }
            changed.await;
        }
    }

    /// So much was carried.
    pub(super) fn carried(&self, bytes: usize) {
        self.state.lock().ahead += bytes as u64;
    }

    /// The feed has taken so much.
    pub(super) fn taken(&self, bytes: usize) {
        self.change(|state| {
            state.ahead = state.ahead.saturating_sub(bytes as u64);
            state.is_awaited = false;
        });
    }

    /// The feed has found nothing.
    pub(super) fn emptied(&self, is_awaited: bool) {
        self.change(|state| *state = State { ahead: 0, is_awaited });
    }

    fn is_open(&self) -> bool {
        let state = self.state.lock();
        state.is_awaited || state.ahead < AHEAD_BYTES_MAX
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        // One carries; if it does not wait now, it finds the gate open when it looks.
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn is_open(gate: &Gate) -> bool {
        gate.open().now_or_never().is_some()
    }

    #[test]
    fn it_closes_when_too_much_is_ahead_and_opens_when_the_feed_takes_some() {
        let gate = Gate::default();
        gate.carried(AHEAD_BYTES_MAX as usize - 1);
        assert!(is_open(&gate));
        gate.carried(1_000);
        assert!(!is_open(&gate));
        gate.taken(999);
        assert!(!is_open(&gate));
        gate.taken(1);
        assert!(is_open(&gate));
    }

    #[test]
    fn whoever_waits_for_something_gets_it_however_large_it_is() {
        let gate = Gate::default();
        gate.emptied(true);
        gate.carried(2 * AHEAD_BYTES_MAX as usize);
        assert!(is_open(&gate));
        gate.taken(1);
        assert!(!is_open(&gate));
        gate.emptied(false);
        assert!(is_open(&gate), "what was counted wrongly is forgotten");
    }

    #[tokio::test]
    async fn a_carrier_that_waits_is_woken() {
        let gate = Gate::default();
        gate.carried(AHEAD_BYTES_MAX as usize);
        tokio::join!(gate.open(), async { gate.emptied(false) });
    }
}
