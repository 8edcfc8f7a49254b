//! What operators of dates mean, said by the calendar: the local day of a value against the local day of asking.
//!
//! Nothing here knows where a window begins or ends as an instant; a value is turned into its user's local time instead.

use haversack_proto::model::{self, FilterOperator as Op, FiscalPeriod};
use jiff::civil::{Date, DateTime, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

use super::draw::{DAY_MICROS, MINUTE};

const HOUR: i64 = 60 * MINUTE;

/// The kinds of attributes that hold dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateKind {
    Instant,
    WallClock,
    Day,
}

/// The clock and the calendar of somebody.
#[derive(Debug)]
pub(crate) struct Calendar {
    zone: TimeZone,
    now: i64,
    /// What the clock on the wall shows, read as UTC.
    wall: i64,
    today: Date,
    week_start: Weekday,
    fiscal: model::FiscalCalendar,
}

impl Calendar {
    pub(crate) fn new(zone: TimeZone, now: i64, settings: &model::Settings) -> Self {
        let clock = local(now, &zone);
        let week_start = Weekday::from_sunday_zero_offset(settings.week_start as i8).expect("is a weekday");
        let fiscal = settings.fiscal.unwrap_or_default();
        Self { now, wall: utc(clock), today: clock.date(), week_start, fiscal, zone }
    }

    /// The instant at which clocks show this, for the first time.
    pub(crate) fn instant_of(&self, wall: i64) -> i64 {
        local(wall, &TimeZone::UTC).to_zoned(self.zone.clone()).expect("is in range").timestamp().as_microsecond()
    }

    /// The day on which a value lies, for whoever asks.
    pub(crate) fn day(&self, kind: DateKind, value: i64) -> Date {
        match kind {
            DateKind::Instant => local(value, &self.zone).date(),
            DateKind::WallClock => local(value, &TimeZone::UTC).date(),
            DateKind::Day => local(value * DAY_MICROS, &TimeZone::UTC).date(),
        }
    }

    /// Whether a value passes an operator that takes nothing.
    pub(crate) fn is_in_unit(&self, operator: Op, kind: DateKind, value: i64) -> bool {
        let (day, today) = (self.day(kind, value), self.today);
        let ahead = match operator {
            Op::Yesterday | Op::LastWeek | Op::LastMonth | Op::LastYear | Op::LastFiscalYear | Op::LastFiscalPeriod => {
                -1
            }
            Op::Today | Op::ThisWeek | Op::ThisMonth | Op::ThisYear | Op::ThisFiscalYear | Op::ThisFiscalPeriod => 0,
            _ => 1,
        };
        match operator {
            Op::LastSevenDays => self.is_counted(Op::LastXDays, kind, value, 7),
            Op::NextSevenDays => self.is_counted(Op::NextXDays, kind, value, 7),
            Op::Yesterday | Op::Today | Op::Tomorrow => day == plus(today, ahead.days()),
            Op::LastWeek | Op::ThisWeek | Op::NextWeek => {
                self.monday(day) == plus(self.monday(today), (7 * ahead).days())
            }
            Op::LastMonth | Op::ThisMonth | Op::NextMonth => months(day) == months(today) + ahead,
            Op::LastYear | Op::ThisYear | Op::NextYear => i64::from(day.year()) == i64::from(today.year()) + ahead,
            Op::LastFiscalYear | Op::ThisFiscalYear | Op::NextFiscalYear => {
                self.fiscal_year(day) == self.fiscal_year(today) + ahead
            }
            Op::LastFiscalPeriod | Op::ThisFiscalPeriod | Op::NextFiscalPeriod => {
                self.period(day) == self.period(today) + ahead
            }
            other => unreachable!("{other:?} takes something"),
        }
    }

    /// Whether a value passes an operator that takes a count.
    pub(crate) fn is_counted(&self, operator: Op, kind: DateKind, value: i64, count: i64) -> bool {
        let (day, today) = (self.day(kind, value), self.today);
        let (is_past, past, next) = (self.is_past(kind, value), -count, count);
        let since = |span: Span| is_past && day >= plus(today, span);
        let until = |span: Span| !is_past && day < plus(plus(today, 1.day()), span);
        let before = |span: Span| day < plus(today, span);
        match operator {
            Op::LastXDays => since(past.days()),
            Op::LastXWeeks => since((7 * past).days()),
            Op::LastXMonths => since(past.months()),
            Op::LastXYears => since((12 * past).months()),
            Op::NextXDays => until(next.days()),
            Op::NextXWeeks => until((7 * next).days()),
            Op::NextXMonths => until(next.months()),
            Op::NextXYears => until((12 * next).months()),
            Op::OlderThanXDays => before(past.days()),
            Op::OlderThanXWeeks => before((7 * past).days()),
            Op::OlderThanXMonths => before(past.months()),
            Op::OlderThanXYears => before((12 * past).months()),
            Op::LastXFiscalYears => is_past && self.fiscal_year(day) >= self.fiscal_year(today) - count,
            Op::NextXFiscalYears => !is_past && self.fiscal_year(day) <= self.fiscal_year(today) + count,
            Op::LastXFiscalPeriods => is_past && self.period(day) >= self.period(today) - count,
            Op::NextXFiscalPeriods => !is_past && self.period(day) <= self.period(today) + count,
            Op::LastXHours => is_past && value >= self.full(HOUR, kind) - count * HOUR,
            Op::NextXHours => !is_past && value < self.now_as(kind) + count * HOUR,
            Op::OlderThanXHours => value < self.full(HOUR, kind) - count * HOUR,
            Op::OlderThanXMinutes => value < self.full(MINUTE, kind) - count * MINUTE,
            Op::InFiscalYear => self.fiscal_year(day) == count,
            Op::InFiscalPeriod => self.period(day).rem_euclid(self.periods()) + 1 == count,
            other => unreachable!("{other:?} takes no count"),
        }
    }

    /// Whether a value passes an operator that takes a fiscal period and its year.
    pub(crate) fn is_in_period(&self, operator: Op, kind: DateKind, value: i64, number: i64, year: i64) -> bool {
        let (found, named) = (self.period(self.day(kind, value)), year * self.periods() + number - 1);
        let is_one = number <= self.periods();
        match operator {
            Op::InFiscalPeriodAndYear => is_one && found == named,
            Op::InOrBeforeFiscalPeriodAndYear => is_one && found <= named,
            _ => is_one && found >= named,
        }
    }

    /// Whether a value lies before now. A day counts as its beginning.
    fn is_past(&self, kind: DateKind, value: i64) -> bool {
        match kind {
            DateKind::Day => self.day(kind, value) <= self.today,
            _ => value < self.now_as(kind),
        }
    }

    fn now_as(&self, kind: DateKind) -> i64 {
        if kind == DateKind::WallClock { self.wall } else { self.now }
    }

    /// The last full hour or minute of the clock on the wall. Of two that it showed, the one just before now.
    fn full(&self, unit: i64, kind: DateKind) -> i64 {
        let wall = self.wall.div_euclid(unit) * unit;
        if kind == DateKind::WallClock {
            return wall;
        }
        let clock = self.zone.to_ambiguous_zoned(local(wall, &TimeZone::UTC));
        let [earlier, later] = [clock.clone().earlier(), clock.clone().later()]
            .map(|zoned| zoned.expect("is in range").timestamp().as_microsecond());
        match clock.is_ambiguous() {
            true if local(later, &self.zone) == local(earlier, &self.zone) && later <= self.now => later,
            true if local(later, &self.zone) == local(earlier, &self.zone) => earlier,
            _ => self.instant_of(wall),
        }
    }

    fn monday(&self, day: Date) -> Date {
        let since = day.weekday().since(self.week_start);
        plus(day, -i64::from(since).days())
    }

    fn periods(&self) -> i64 {
        match self.fiscal.period() {
            FiscalPeriod::Annual => 1,
            FiscalPeriod::Semester => 2,
            FiscalPeriod::Unspecified | FiscalPeriod::Quarter => 4,
            FiscalPeriod::Month => 12,
            FiscalPeriod::FourWeek => 13,
        }
    }

    /// The day so many months after the beginning of a fiscal year.
    fn fiscal_start(&self, year: i64, months: i64) -> Date {
        let month = i64::from(self.fiscal.start_month.max(1)) - 1 + months;
        let first = date((year + month / 12) as i16, (month % 12 + 1) as i8, 1);
        let day = self.fiscal.start_day.max(1).min(first.days_in_month() as u32);
        plus(first, (i64::from(day) - 1).days())
    }

    fn fiscal_year(&self, day: Date) -> i64 {
        let year = i64::from(day.year());
        if day < self.fiscal_start(year, 0) { year - 1 } else { year }
    }

    /// Fiscal periods, numbered through all years.
    fn period(&self, day: Date) -> i64 {
        let (year, periods) = (self.fiscal_year(day), self.periods());
        let within = if self.fiscal.period() == FiscalPeriod::FourWeek {
            let days = day.since(self.fiscal_start(year, 0)).expect("is in range").get_days();
            i64::from(days / 28).min(periods - 1)
        } else {
            (1..periods).filter(|period| day >= self.fiscal_start(year, period * 12 / periods)).count() as i64
        };
        year * periods + within
    }
}

fn months(day: Date) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month())
}

fn plus(day: Date, span: Span) -> Date {
    day.checked_add(span).expect("is in range")
}

fn local(micros: i64, zone: &TimeZone) -> DateTime {
    zone.to_datetime(Timestamp::from_microsecond(micros).expect("is in range"))
}

fn utc(clock: DateTime) -> i64 {
    clock.to_zoned(TimeZone::UTC).expect("is in range").timestamp().as_microsecond()
}
