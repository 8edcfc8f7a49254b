//! Tests against the clock: windows that move with the instant.
//!
//! `last-x-days` takes what lies between local midnight n days ago and now. A date and time is compared as an instant; a
//! wall clock without a zone with the wall clock of the organization's zone; a day with the days from today minus n
//! to today, today included at every moment of it.

use std::ops::Range;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::ids::Instant;
use crate::row::MICROS_PER_DAY;
use crate::schema::AttributeType;

/// Largest n of `last-x-days`.
pub const LAST_X_DAYS_MAX: u32 = 100_000;

/// A test of a date against the instant. NULL never passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowTest {
    /// `last-x-days`: n, from 1 to [`LAST_X_DAYS_MAX`].
    LastDays(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    No,
    Start,
    End,
}

impl WindowTest {
    /// The values that pass at `instant`, in the unit of the attribute's field (microseconds or days).
    pub fn values(self, kind: AttributeType, instant: Instant, zone: &TimeZone) -> Range<i64> {
        let Self::LastDays(days) = self;
        let now = wall_clock(instant, zone);
        match kind {
            AttributeType::DateOnly => day(days_before(now, days))..day(now.date()) + 1,
            AttributeType::DatetimeIndependent => day(days_before(now, days)) * MICROS_PER_DAY..wall_micros(now),
            _ => {
                let (start, end) = last_days_window(days, instant, zone);
                start..end
            }
        }
    }

    pub fn ranges(&self, kind: AttributeType, instant: Instant, zone: &TimeZone) -> Vec<Range<i64>> {
        vec![self.values(kind, instant, zone)]
    }
    pub fn matches_null(&self) -> bool {
        false
    }
    pub fn moving(&self, kind: AttributeType) -> Moving {
        if kind == AttributeType::DateOnly { Moving::No } else { Moving::End }
    }
    pub fn next_step(&self, kind: AttributeType, instant: Instant, zone: &TimeZone) -> Option<Instant> {
        Some(self.next_change(kind, instant, zone, None))
    }

    /// The next instant at which other values may pass, if `next_value` is the smallest value of the column that is
    /// not below the end of the window at `instant` (None: there is none).
    pub fn next_change(
        self,
        kind: AttributeType,
        instant: Instant,
        zone: &TimeZone,
        next_value: Option<i64>,
    ) -> Instant {
        // Up to the next midnight or jump of the wall clock, time and window end advance together; a value passes when
        // the end is just above it.
        let end = self.values(kind, instant, zone).end;
        let entry = next_value
            .filter(|_| kind != AttributeType::DateOnly)
            .map(|value| Instant(instant.0.saturating_add(value.saturating_sub(end)).saturating_add(1)));
        let midnight = next_local_midnight(instant, zone);
        [entry, next_jump(instant, zone)].into_iter().flatten().fold(midnight, Instant::min)
    }
}

/// From local midnight n days before `instant` (included) to `instant` (excluded), in microseconds UTC.
pub fn last_days_window(days: u32, instant: Instant, zone: &TimeZone) -> (i64, i64) {
    let first = days_before(wall_clock(instant, zone), days);
    (midnight(first, zone).unwrap_or(Instant(i64::MIN)).0, instant.0)
}

/// The first local midnight after `instant`. Where a zone skips midnight, a day begins with its first moment; where it
/// repeats midnight, the repetition counts too.
pub fn next_local_midnight(instant: Instant, zone: &TimeZone) -> Instant {
    let tomorrow = wall_clock(instant, zone).date().saturating_add(1.day()).to_datetime(Time::midnight());
    let first = zone.to_timestamp(tomorrow);
    let last = zone.to_ambiguous_timestamp(tomorrow).later();
    [first, last]
        .into_iter()
        .flatten()
        .map(|midnight| Instant(midnight.as_microsecond()))
        .find(|&midnight| midnight > instant)
        .unwrap_or(Instant(i64::MAX))
}

fn timestamp(instant: Instant) -> Timestamp {
    let (first, last) = (Timestamp::MIN.as_second() * 1_000_000, Timestamp::MAX.as_second() * 1_000_000);
    Timestamp::from_microsecond(instant.0.clamp(first, last)).expect("clamped to what a timestamp holds")
}

fn wall_clock(instant: Instant, zone: &TimeZone) -> DateTime {
    zone.to_datetime(timestamp(instant))
}

fn days_before(now: DateTime, days: u32) -> Date {
    now.date().saturating_sub(i64::from(days).days())
}

/// The first moment of a day. None beyond the end of the calendar.
fn midnight(date: Date, zone: &TimeZone) -> Option<Instant> {
    let start = zone.to_timestamp(date.to_datetime(Time::midnight())).ok()?;
    Some(Instant(start.as_microsecond()))
}

/// Days since 1970-01-01.
fn day(date: Date) -> i64 {
    wall_micros(date.to_datetime(Time::midnight())).div_euclid(MICROS_PER_DAY)
}

/// A wall clock read as UTC.
fn wall_micros(clock: DateTime) -> i64 {
    let limit = if clock < DateTime::ZERO { Timestamp::MIN } else { Timestamp::MAX };
    TimeZone::UTC.to_timestamp(clock).unwrap_or(limit).as_microsecond()
}

/// When the zone next sets its clocks.
fn next_jump(instant: Instant, zone: &TimeZone) -> Option<Instant> {
    zone.following(timestamp(instant)).next().map(|transition| Instant(transition.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("bundled")
    }

    fn instant(text: &str) -> Instant {
        Instant(text.parse::<Timestamp>().expect("a timestamp").as_microsecond())
    }

    #[test]
    fn from_local_midnight_to_now() {
        let now = instant("2024-05-31T10:00:00Z");
        for (name, start) in [
            ("UTC", "2024-05-29T00:00:00Z"),
            ("America/New_York", "2024-05-29T04:00:00Z"),
            ("Asia/Kolkata", "2024-05-28T18:30:00Z"),
            ("Pacific/Auckland", "2024-05-28T12:00:00Z"),
        ] {
            assert_eq!(last_days_window(2, now, &zone(name)), (instant(start).0, now.0), "{name}");
        }
    }

    #[test]
    fn days_count_today_and_n_before() {
        let test = WindowTest::LastDays(1);
        let zone = zone("America/New_York");
        let days = |text| test.values(AttributeType::DateOnly, instant(text), &zone);
        assert_eq!(days("1970-01-03T04:59:59Z"), 0..2, "still the 2nd in New York");
        assert_eq!(days("1970-01-03T05:00:00Z"), 1..3, "midnight, and today counts at once");
    }

    #[test]
    fn wall_clocks_are_compared_with_the_wall_clock() {
        let now = instant("2024-05-31T01:00:00Z");
        let values = WindowTest::LastDays(1).values(AttributeType::DatetimeIndependent, now, &zone("America/New_York"));
        assert_eq!(values, instant("2024-05-29T00:00:00Z").0..instant("2024-05-30T21:00:00Z").0);
    }

    #[test]
    fn a_day_begins_where_midnight_is_skipped_or_repeated() {
        let sao_paulo = zone("America/Sao_Paulo");
        let skipped = next_local_midnight(instant("2018-11-03T12:00:00Z"), &sao_paulo);
        assert_eq!(skipped, instant("2018-11-04T03:00:00Z"), "the day begins at one o'clock");
        let st_johns = zone("America/St_Johns");
        let first = next_local_midnight(instant("2009-11-01T01:00:00Z"), &st_johns);
        assert_eq!(first, instant("2009-11-01T02:30:00Z"));
        let second = next_local_midnight(instant("2009-11-01T03:00:00Z"), &st_johns);
        assert_eq!(second, instant("2009-11-01T03:30:00Z"), "one minute past midnight clocks went back an hour");
        let samoa = next_local_midnight(instant("2011-12-30T08:00:00Z"), &zone("Pacific/Apia"));
        assert_eq!(samoa, instant("2011-12-30T10:00:00Z"), "the 30th was left out");
    }

    #[test]
    fn a_value_of_the_future_enters_a_microsecond_after_its_moment() {
        let (now, value) = (instant("2024-05-31T10:00:00Z"), instant("2024-05-31T11:00:00Z"));
        let test = WindowTest::LastDays(3);
        let change = test.next_change(AttributeType::Datetime, now, &TimeZone::UTC, Some(value.0));
        assert_eq!(change, Instant(value.0 + 1));
        assert!(!test.values(AttributeType::Datetime, value, &TimeZone::UTC).contains(&value.0));
        assert!(test.values(AttributeType::Datetime, change, &TimeZone::UTC).contains(&value.0));
        let midnight = test.next_change(AttributeType::Datetime, now, &TimeZone::UTC, None);
        assert_eq!(midnight, instant("2024-06-01T00:00:00Z"));
    }

    #[test]
    fn the_ends_of_time_are_no_panic() {
        let test = WindowTest::LastDays(LAST_X_DAYS_MAX);
        for kind in [AttributeType::Datetime, AttributeType::DatetimeIndependent, AttributeType::DateOnly] {
            for instant in [Instant(i64::MIN), Instant(0), Instant(i64::MAX)] {
                for zone in [zone("Pacific/Apia"), zone("America/New_York")] {
                    test.values(kind, instant, &zone);
                    test.next_change(kind, instant, &zone, Some(i64::MAX));
                }
            }
        }
    }

    const ZONES: [&str; 6] =
        ["UTC", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kolkata"];
    const KINDS: [AttributeType; 3] =
        [AttributeType::Datetime, AttributeType::DatetimeIndependent, AttributeType::DateOnly];

    proptest! {
        /// What a follower relies on: between an instant and the next change the same values of a column pass.
        #[test]
        fn nothing_changes_before_the_next_change(
            start in 946_684_800i64..1_733_000_000,
            ahead in 0.0f64..1.0,
            value_ahead in 0i64..40 * 3_600,
            zone_index in 0..ZONES.len(),
            kind_index in 0..KINDS.len(),
        ) {
            let (zone, kind) = (zone(ZONES[zone_index]), KINDS[kind_index]);
            let test = WindowTest::LastDays(2);
            let now = Instant(start * 1_000_000);
            let before = test.values(kind, now, &zone);
            let unit = if kind == AttributeType::DateOnly { MICROS_PER_DAY } else { 1 };
            let future = before.end + value_ahead * 1_000_000 / unit;
            let change = test.next_change(kind, now, &zone, Some(future));
            prop_assert!(change > now && change <= next_local_midnight(now, &zone));
            let later = Instant(now.0 + ((change.0 - 1 - now.0) as f64 * ahead) as i64);
            let after = test.values(kind, later, &zone);
            for value in [before.start - 1, before.start, future, future + 1] {
                prop_assert_eq!(before.contains(&value), after.contains(&value), "{} at {:?}", value, later);
            }
        }
    }
}
