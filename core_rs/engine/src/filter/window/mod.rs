//! Tests of dates against the clock and the calendar: windows, most of which move with the instant.
//!
//! A window lies between two edges, each of which is a moment of the caller's calendar: now, a local midnight, the
//! start of a week, of a fiscal year, and so on. What that is as a value depends on the attribute. A date and time is
//! compared as an instant; a wall clock without a zone with the caller's wall clock; a day counts as its midnight, so
//! that today lies before now at every moment of it.
//!
//! Where a zone skips midnight, a day begins with its first moment; where it repeats midnight, with the first of the
//! two.

mod clock;
mod day;
mod edge;
mod fiscal;
mod operators;
#[cfg(test)]
mod tests;

use std::ops::Range;

use jiff::tz::TimeZone;

use self::clock::Clock;
use self::edge::{Edge, midnight};
use crate::ids::Instant;
use crate::row::{DAY_MAX, DAY_MIN};
use crate::schema::AttributeType;

pub use fiscal::FiscalCalendar;
pub(super) use operators::{Moment, of_moments};

/// A test of a date against the clock or the calendar of whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowTest {
    window: Window,
    /// Whether values pass that are not within the window.
    negated: bool,
    matches_null: bool,
}

/// Which values are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Window {
    /// Those from the first edge up to the second.
    Between(Edge, Edge),
    /// Those of one fiscal period of every year; periods count from 0.
    PeriodOfEveryYear(FiscalCalendar, u32),
}

/// Which ends of a test's only range advance by a microsecond with every microsecond of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    /// None.
    No,
    /// The start: values leave.
    Start,
    /// The end: values enter.
    End,
    /// Both: values enter and leave (`next-x-hours`).
    Both,
}

impl WindowTest {
    fn between(start: Edge, end: Edge) -> Self {
        Self { window: Window::Between(start, end), negated: false, matches_null: false }
    }

    /// The values that pass at `instant` for whoever lives in `zone`, in the unit of the attribute's field
    /// (microseconds or days): ascending, disjoint, none empty, the last possible value (`i64::MAX`) left out.
    ///
    /// Most tests have one range or none; negated ones two; `in-fiscal-period` one for each year.
    pub fn ranges(&self, kind: AttributeType, instant: Instant, zone: &TimeZone) -> Vec<Range<i64>> {
        let clock = Clock::at(instant, zone);
        let ranges = match self.window {
            Window::Between(start, end) => vec![edge::range(start, end, kind, &clock)],
            Window::PeriodOfEveryYear(calendar, period) => every_year(calendar, period)
                .map(|days| midnight(days.start, kind, &clock)..midnight(days.end, kind, &clock))
                .collect(),
        };
        let ranges = joined(ranges);
        if self.negated { complement(&ranges) } else { ranges }
    }

    /// Whether NULL passes.
    pub fn matches_null(&self) -> bool {
        self.matches_null
    }

    /// Which ends of the only range advance steadily. No other test than one with a single range moves.
    pub fn moving(&self, kind: AttributeType) -> Moving {
        match self.window {
            Window::Between(start, end) => edge::moving(start, end, kind),
            Window::PeriodOfEveryYear(..) => Moving::No,
        }
    }

    /// The next instant strictly after `instant` at which [`Self::ranges`] may change other than by steady motion: a
    /// local midnight, the turn of an hour, the start of a week, or a jump of the zone's clocks. It may be early, but
    /// is never late. None if that never happens.
    pub fn next_step(&self, kind: AttributeType, instant: Instant, zone: &TimeZone) -> Option<Instant> {
        let Window::Between(start, end) = self.window else { return None };
        let clock = Clock::at(instant, zone);
        let edges = [start, end];
        let follows = edges.iter().any(|edge| edge.follows_the_wall_clock(kind));
        let jump = if follows { clock.next_jump() } else { None };
        let steps = edges.iter().filter_map(|edge| edge.next_step(kind, &clock));
        steps.chain(jump).filter(|&step| step > instant.0).min().map(Instant)
    }
}

/// The days of one period in every fiscal year of which Dataverse stores a day.
fn every_year(calendar: FiscalCalendar, period: u32) -> impl Iterator<Item = Range<i64>> {
    (calendar.year_of(DAY_MIN)..=calendar.year_of(DAY_MAX)).map(move |year| {
        let period = year * calendar.periods() + i64::from(period);
        calendar.period_start(period)..calendar.period_start(period + 1)
    })
}

/// Ascending ranges without empty ones, and those that touch made one.
fn joined(ranges: Vec<Range<i64>>) -> Vec<Range<i64>> {
    let mut joined: Vec<Range<i64>> = Vec::with_capacity(ranges.len());
    for range in ranges.into_iter().filter(|range| range.start < range.end) {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

/// What lies between, before and behind the ranges.
fn complement(ranges: &[Range<i64>]) -> Vec<Range<i64>> {
    let starts = std::iter::once(i64::MIN).chain(ranges.iter().map(|range| range.end));
    let ends = ranges.iter().map(|range| range.start).chain([i64::MAX]);
    starts.zip(ends).map(|(start, end)| start..end).filter(|range| range.start < range.end).collect()
}
