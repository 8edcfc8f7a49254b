//! What wakes a follower.

use std::time::Duration;

use haversack_engine::ids::Instant;
use parking_lot::{Condvar, Mutex};

/// A bell that many ring and one follower hears. Ringing never waits for the follower.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Debug)]
struct State {
    rung: bool,
    stopping: bool,
    /// Views must not be judged at an earlier instant than this.
    instant_floor: Instant,
}

impl Default for State {
    fn default() -> Self {
        Self { rung: false, stopping: false, instant_floor: Instant(i64::MIN) }
    }
}

/// What a follower hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Something may have happened, or the wait is over. Views are to be judged no earlier than at this instant.
    Follow(Instant),
    /// The organization is closed.
    Stop,
}

impl Bell {
    /// There is something to read.
    pub(super) fn ring(&self) {
        self.state.lock().rung = true;
        self.rung.notify_one();
    }

    /// A device has seen this instant; views must not be judged at an earlier one.
    pub(super) fn ring_for(&self, instant: Instant) {
        let mut state = self.state.lock();
        state.instant_floor = state.instant_floor.max(instant);
        state.rung = true;
        self.rung.notify_one();
    }

    /// The latest instant that a device has seen, as far as this bell was told.
    pub(super) fn instant_floor(&self) -> Instant {
        self.state.lock().instant_floor
    }

    /// The follower must end.
    pub(super) fn stop(&self) {
        self.state.lock().stopping = true;
        self.rung.notify_one();
    }

    /// Waits until the bell is rung, at most this long.
    pub(super) fn wait(&self, at_most: Duration) -> Heard {
        let mut state = self.state.lock();
        if !state.rung && !state.stopping {
            self.rung.wait_for(&mut state, at_most);
        }
        state.rung = false;
        if state.stopping { Heard::Stop } else { Heard::Follow(state.instant_floor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_heard() {
        let bell = Bell::default();
        bell.ring_for(Instant(5));
        bell.ring_for(Instant(3));
        assert_eq!(bell.wait(Duration::MAX), Heard::Follow(Instant(5)));
        assert_eq!(bell.wait(Duration::ZERO), Heard::Follow(Instant(5)));
        bell.stop();
        assert_eq!(bell.wait(Duration::MAX), Heard::Stop);
    }
}
