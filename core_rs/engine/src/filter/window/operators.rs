//! Which window an operator means.

use haversack_proto::model::FilterOperator;

use super::day::Day;
use super::edge::{Edge, MICROS_PER_HOUR, MICROS_PER_MINUTE};
use super::{FiscalCalendar, Window, WindowTest};
use crate::filter::FilterRules;
use crate::row::MICROS_PER_DAY;

/// Months of a year.
const MONTHS: i64 = 12;
/// Days of a week.
const DAYS: i64 = 7;

impl WindowTest {
    /// The window of an operator that takes nothing; None if it is another.
    pub(in crate::filter) fn of_calendar(operator: FilterOperator, rules: &FilterRules) -> Option<Self> {
        use FilterOperator as Op;
        let fiscal = rules.fiscal;
        let (unit, ahead): (&dyn Fn(i64) -> Day, i64) = match operator {
            Op::LastSevenDays => return Some(since(Day::from_today(-DAYS))),
            Op::NextSevenDays => return Some(until(Day::from_today(DAYS + 1))),
            Op::Yesterday => (&Day::from_today, -1),
            Op::Today => (&Day::from_today, 0),
            Op::Tomorrow => (&Day::from_today, 1),
            Op::LastWeek => (&|ahead| Day::Week { start: rules.week_start, ahead }, -1),
            Op::ThisWeek => (&|ahead| Day::Week { start: rules.week_start, ahead }, 0),
            Op::NextWeek => (&|ahead| Day::Week { start: rules.week_start, ahead }, 1),
            Op::LastMonth => (&Day::Month, -1),
            Op::ThisMonth => (&Day::Month, 0),
            Op::NextMonth => (&Day::Month, 1),
            Op::LastYear => (&Day::Year, -1),
            Op::ThisYear => (&Day::Year, 0),
            Op::NextYear => (&Day::Year, 1),
            Op::LastFiscalYear => (&|ahead| Day::FiscalYear(fiscal, ahead), -1),
            Op::ThisFiscalYear => (&|ahead| Day::FiscalYear(fiscal, ahead), 0),
            Op::NextFiscalYear => (&|ahead| Day::FiscalYear(fiscal, ahead), 1),
            Op::LastFiscalPeriod => (&|ahead| Day::FiscalPeriod(fiscal, ahead), -1),
            Op::ThisFiscalPeriod => (&|ahead| Day::FiscalPeriod(fiscal, ahead), 0),
            Op::NextFiscalPeriod => (&|ahead| Day::FiscalPeriod(fiscal, ahead), 1),
            _ => return None,
        };
        Some(Self::between(Edge::Midnight(unit(ahead)), Edge::Midnight(unit(ahead + 1))))
    }

    /// The window of an operator that takes a count; None if it is another.
    pub(in crate::filter) fn of_count(operator: FilterOperator, count: u32, rules: &FilterRules) -> Option<Self> {
        use FilterOperator as Op;
        let (count, fiscal) = (i64::from(count), rules.fiscal);
        Some(match operator {
            Op::LastXDays => since(Day::from_today(-count)),
            Op::LastXWeeks => since(Day::from_today(-DAYS * count)),
            Op::LastXMonths => since(months_ago(count)),
            Op::LastXYears => since(months_ago(MONTHS * count)),
            Op::LastXFiscalYears => since(Day::FiscalYear(fiscal, -count)),
            Op::LastXFiscalPeriods => since(Day::FiscalPeriod(fiscal, -count)),
            Op::LastXHours => Self::between(cut(MICROS_PER_HOUR, count), Edge::NOW),
            Op::NextXDays => until(Day::from_today(count + 1)),
            Op::NextXWeeks => until(Day::from_today(DAYS * count + 1)),
            Op::NextXMonths => until(Day::FromToday { days: 1, months: count }),
            Op::NextXYears => until(Day::FromToday { days: 1, months: MONTHS * count }),
            Op::NextXFiscalYears => until(Day::FiscalYear(fiscal, count + 1)),
            Op::NextXFiscalPeriods => until(Day::FiscalPeriod(fiscal, count + 1)),
            Op::NextXHours => Self::between(Edge::NOW, Edge::Ahead(MICROS_PER_HOUR * count)),
            Op::OlderThanXMinutes => Self::between(Edge::Open, cut(MICROS_PER_MINUTE, count)),
            Op::OlderThanXHours => Self::between(Edge::Open, cut(MICROS_PER_HOUR, count)),
            Op::OlderThanXDays => before(Day::from_today(-count)),
            Op::OlderThanXWeeks => before(Day::from_today(-DAYS * count)),
            Op::OlderThanXMonths => before(months_ago(count)),
            Op::OlderThanXYears => before(months_ago(MONTHS * count)),
            _ => return None,
        })
    }

    /// `last-x-days`: from local midnight so many days ago to now.
    pub fn last_days(days: u32) -> Self {
        since(Day::from_today(-i64::from(days)))
    }

    /// The window of an operator that takes a day; None if it is another.
    pub(in crate::filter) fn of_day(operator: FilterOperator, day: i64) -> Option<Self> {
        let (start, end) = (Edge::Midnight(Day::Fixed(day)), Edge::Midnight(Day::Fixed(day + 1)));
        match operator {
            FilterOperator::On => Some(Self::between(start, end)),
            FilterOperator::OnOrBefore => Some(Self::between(Edge::Open, end)),
            FilterOperator::OnOrAfter => Some(Self::between(start, Edge::Open)),
            _ => None,
        }
    }

    /// `in-fiscal-year`.
    pub(in crate::filter) fn of_fiscal_year(calendar: FiscalCalendar, year: i64) -> Self {
        let start = |year| Edge::Midnight(Day::Fixed(calendar.year_start(year)));
        Self::between(start(year), start(year + 1))
    }

    /// `in-fiscal-period`: the period of that number, from 1, in any year. A number that no year has means no period.
    pub(in crate::filter) fn of_fiscal_period(calendar: FiscalCalendar, number: i64) -> Self {
        match u32::try_from(number - 1) {
            Ok(period) if i64::from(period) < calendar.periods() => {
                Self { window: Window::PeriodOfEveryYear(calendar, period), negated: false, matches_null: false }
            }
            _ => Self::NOTHING,
        }
    }

    /// The window of an operator that takes a fiscal period and its year; None if it is another.
    pub(in crate::filter) fn of_period_and_year(
        operator: FilterOperator,
        calendar: FiscalCalendar,
        number: i64,
        year: i64,
    ) -> Option<Self> {
        let period = year * calendar.periods() + number - 1;
        let start = |period| Edge::Midnight(Day::Fixed(calendar.period_start(period)));
        let window = match operator {
            FilterOperator::InFiscalPeriodAndYear => Self::between(start(period), start(period + 1)),
            FilterOperator::InOrBeforeFiscalPeriodAndYear => Self::between(Edge::Open, start(period + 1)),
            FilterOperator::InOrAfterFiscalPeriodAndYear => Self::between(start(period), Edge::Open),
            _ => return None,
        };
        Some(if (1..=calendar.periods()).contains(&number) { window } else { Self::NOTHING })
    }

    /// No value passes.
    const NOTHING: Self =
        Self { window: Window::Between(Edge::Value(0), Edge::Value(0)), negated: false, matches_null: false };
}

/// A date and time to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::filter) enum Moment {
    Instant(i64),
    /// A clock of the caller.
    Clock(i64),
}

impl Moment {
    fn at(self) -> Edge {
        match self {
            Self::Instant(micros) => Edge::Value(micros),
            Self::Clock(wall) => Edge::Clock(wall),
        }
    }

    fn behind(self) -> Edge {
        match self {
            Self::Instant(micros) => Edge::Value(micros.saturating_add(1)),
            Self::Clock(wall) => Edge::BehindClock(wall),
        }
    }

    /// Where a span ends that includes the moment: that of a day's last microsecond, with the day.
    fn end(self) -> Edge {
        match self {
            Self::Clock(wall) if (wall + 1) % MICROS_PER_DAY == 0 => {
                Edge::Midnight(Day::Fixed((wall + 1) / MICROS_PER_DAY))
            }
            _ => self.behind(),
        }
    }
}

/// The window of a comparison with one or two moments; None if it is another operator, or takes another number of them.
pub(in crate::filter) fn of_moments(
    operator: FilterOperator,
    moments: &[Moment],
    rules: &FilterRules,
) -> Option<WindowTest> {
    use FilterOperator as Op;
    let window = match (operator, moments) {
        (Op::Eq | Op::Ne, [it]) => WindowTest::between(it.at(), it.behind()),
        (Op::Gt, [it]) => WindowTest::between(it.behind(), Edge::Open),
        (Op::Ge, [it]) => WindowTest::between(it.at(), Edge::Open),
        (Op::Lt, [it]) => WindowTest::between(Edge::Open, it.at()),
        (Op::Le, [it]) => WindowTest::between(Edge::Open, it.behind()),
        (Op::Between | Op::NotBetween, [low, high]) => WindowTest::between(low.at(), high.end()),
        _ => return None,
    };
    let negated = matches!(operator, Op::Ne | Op::NotBetween);
    Some(WindowTest { negated, matches_null: negated && !rules.null_never_matches, ..window })
}

fn since(day: Day) -> WindowTest {
    WindowTest::between(Edge::Midnight(day), Edge::NOW)
}

fn until(day: Day) -> WindowTest {
    WindowTest::between(Edge::NOW, Edge::Midnight(day))
}

fn before(day: Day) -> WindowTest {
    WindowTest::between(Edge::Open, Edge::Midnight(day))
}

fn months_ago(months: i64) -> Day {
    Day::FromToday { days: 0, months: -months }
}

fn cut(unit: i64, count: i64) -> Edge {
    Edge::Cut { unit, back: unit * count }
}
