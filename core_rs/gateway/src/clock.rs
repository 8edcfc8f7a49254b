//! The one place where the sync plane reads the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use haversack_engine::ids::Instant;

/// Tells the time. Tests bring their own.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> SystemTime;

    /// Now, as views count: microseconds since the Unix epoch.
    fn instant(&self) -> Instant {
        let since = self.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// How long it is until a moment; zero if it has passed.
    fn until(&self, moment: SystemTime) -> Duration {
        moment.duration_since(self.now()).unwrap_or_default()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
