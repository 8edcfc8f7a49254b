//! Where a window begins or ends.

use std::ops::Range;

use super::Moving;
use super::clock::Clock;
use super::day::Day;
use crate::row::MICROS_PER_DAY;
use crate::schema::AttributeType;

/// Microseconds of a minute.
pub(super) const MICROS_PER_MINUTE: i64 = 60_000_000;
/// Microseconds of an hour.
pub(super) const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;

/// A beginning (included) or an end (excluded).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Edge {
    /// There is none.
    Open,
    /// So many microseconds after now. A day counts as its midnight, so that today is past: for days it is tomorrow.
    Ahead(i64),
    /// So many microseconds before the last full `unit` of the wall clock, an hour or a minute.
    Cut { unit: i64, back: i64 },
    /// The beginning of a day.
    Midnight(Day),
    /// A clock of the caller.
    Clock(i64),
    /// The microsecond behind a clock of the caller.
    BehindClock(i64),
    /// A fixed value of the attribute.
    Value(i64),
}

/// Which edge of its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Start,
    End,
}

impl Edge {
    /// Now.
    pub(super) const NOW: Self = Self::Ahead(0);

    /// The value of an attribute at which the edge lies.
    fn value(self, side: Side, kind: AttributeType, clock: &Clock<'_>) -> i64 {
        match (self, kind) {
            (Self::Open, _) if side == Side::Start => i64::MIN,
            (Self::Open, _) => i64::MAX,
            (Self::Midnight(day), _) => midnight(day.seen_from(clock.today()), kind, clock),
            (Self::Ahead(_), AttributeType::DateOnly) => clock.today() + 1,
            (Self::Cut { .. }, AttributeType::DateOnly) => clock.today() + i64::from(side == Side::End),
            (Self::Ahead(micros), AttributeType::DatetimeIndependent) => clock.wall.saturating_add(micros),
            (Self::Ahead(micros), _) => clock.instant.saturating_add(micros),
            (Self::Cut { unit, back }, AttributeType::DatetimeIndependent) => {
                clock.wall.saturating_sub(clock.wall.rem_euclid(unit)).saturating_sub(back)
            }
            (Self::Cut { unit, back }, _) => clock.unit_start(unit).saturating_sub(back),
            (Self::Clock(wall), _) => clock.moment_of(wall),
            (Self::BehindClock(wall), _) => clock.moment_of(wall) + 1,
            (Self::Value(value), _) => value,
        }
    }

    /// Whether the edge advances with every microsecond.
    pub(super) fn is_moving(self, kind: AttributeType) -> bool {
        matches!(self, Self::Ahead(_)) && kind != AttributeType::DateOnly
    }

    /// The next moment at which the edge lies elsewhere, other than by steady motion, if no clocks are set before.
    pub(super) fn next_step(self, kind: AttributeType, clock: &Clock<'_>) -> Option<i64> {
        let wall = match self {
            Self::Midnight(day) => day.changes_on(clock.today())?.saturating_mul(MICROS_PER_DAY),
            Self::Ahead(_) | Self::Cut { .. } if kind == AttributeType::DateOnly => {
                (clock.today() + 1).saturating_mul(MICROS_PER_DAY)
            }
            Self::Cut { unit, .. } => clock.wall.saturating_sub(clock.wall.rem_euclid(unit)).saturating_add(unit),
            Self::Open | Self::Ahead(_) | Self::Clock(_) | Self::BehindClock(_) | Self::Value(_) => return None,
        };
        Some(clock.arrival_at(wall))
    }

    /// Whether the edge may lie elsewhere once the caller's clocks are set.
    pub(super) fn follows_the_wall_clock(self, kind: AttributeType) -> bool {
        match self {
            Self::Open | Self::Clock(_) | Self::BehindClock(_) | Self::Value(_) | Self::Midnight(Day::Fixed(_)) => {
                false
            }
            Self::Ahead(_) => kind != AttributeType::Datetime,
            Self::Cut { .. } | Self::Midnight(_) => true,
        }
    }
}

/// The value at which a day begins.
pub(super) fn midnight(day: i64, kind: AttributeType, clock: &Clock<'_>) -> i64 {
    let wall = day.saturating_mul(MICROS_PER_DAY);
    match kind {
        AttributeType::DateOnly => day,
        AttributeType::DatetimeIndependent => wall,
        _ => clock.moment_of(wall),
    }
}

/// The values from one edge up to another; empty if they are the wrong way round.
pub(super) fn range(start: Edge, end: Edge, kind: AttributeType, clock: &Clock<'_>) -> Range<i64> {
    start.value(Side::Start, kind, clock)..end.value(Side::End, kind, clock)
}

/// Which of the edges advance steadily.
pub(super) fn moving(start: Edge, end: Edge, kind: AttributeType) -> Moving {
    match (start.is_moving(kind), end.is_moving(kind)) {
        (false, false) => Moving::No,
        (true, false) => Moving::Start,
        (false, true) => Moving::End,
        (true, true) => Moving::Both,
    }
}
