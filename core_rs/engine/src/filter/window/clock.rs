//! A moment as its caller sees it, and clocks as moments.

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::ids::Instant;
use crate::row::MICROS_PER_DAY;

/// The moment of asking, in a time zone.
#[derive(Debug)]
pub(super) struct Clock<'z> {
    /// Microseconds since the Unix epoch.
    pub(super) instant: i64,
    /// The wall clock, read as UTC, in microseconds.
    pub(super) wall: i64,
    zone: &'z TimeZone,
}

impl<'z> Clock<'z> {
    pub(super) fn at(instant: Instant, zone: &'z TimeZone) -> Self {
        let wall = instant.0.saturating_add(offset(timestamp(instant.0), zone));
        Self { instant: instant.0, wall, zone }
    }

    /// The caller's day, since 1970-01-01.
    pub(super) fn today(&self) -> i64 {
        self.wall.div_euclid(MICROS_PER_DAY)
    }

    /// The moment at which clocks show `wall`: a clock that the zone skips is read with the offset before it, of one
    /// that it repeats the first time counts.
    pub(super) fn moment_of(&self, wall: i64) -> i64 {
        let epoch = date(1970, 1, 1).at(0, 0, 0, 0);
        let civil = epoch.checked_add(SignedDuration::from_micros(wall)).ok();
        let moment = civil.and_then(|civil| self.zone.to_timestamp(civil).ok());
        // Behind what a timestamp holds, the offset stays as it was.
        let limit = if wall < 0 { Timestamp::MIN } else { Timestamp::MAX };
        moment.map_or_else(|| wall.saturating_sub(offset(limit, self.zone)), Timestamp::as_microsecond)
    }

    /// When the wall clock last showed a full `unit` (an hour or a minute), in microseconds.
    pub(super) fn unit_start(&self, unit: i64) -> i64 {
        let past = self.wall.rem_euclid(unit);
        let steady = self.instant.saturating_sub(past);
        let was_set = offset(timestamp(steady), self.zone) != self.wall.saturating_sub(self.instant);
        if was_set { self.moment_of(self.wall.saturating_sub(past)) } else { steady }
    }

    /// When the wall clock will show `wall`, if nobody sets it before.
    pub(super) fn arrival_at(&self, wall: i64) -> i64 {
        self.instant.saturating_add(wall.saturating_sub(self.wall))
    }

    /// When the zone next sets its clocks.
    pub(super) fn next_jump(&self) -> Option<i64> {
        self.zone.following(timestamp(self.instant)).next().map(|transition| transition.timestamp().as_microsecond())
    }
}

fn offset(timestamp: Timestamp, zone: &TimeZone) -> i64 {
    i64::from(zone.to_offset(timestamp).seconds()) * 1_000_000
}

fn timestamp(micros: i64) -> Timestamp {
    let (first, last) = (Timestamp::MIN.as_second() * 1_000_000, Timestamp::MAX.as_second() * 1_000_000);
    Timestamp::from_microsecond(micros.clamp(first, last)).expect("clamped to what a timestamp holds")
}
