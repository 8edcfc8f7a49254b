//! Days that depend on which day it is.

use super::FiscalCalendar;
use crate::row::calendar::{civil, days_of_month, days_since_epoch};

/// A day of the calendar, as seen from the caller's today. Days count from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Day {
    /// Always this one.
    Fixed(i64),
    /// So many days after today, and so many months after that: the same day of that month, or its last.
    FromToday { days: i64, months: i64 },
    /// The first day of the week that is so many after this one. Weeks start on a weekday, 0 is Sunday.
    Week { start: u8, ahead: i64 },
    /// The first day of the month that is so many after this one.
    Month(i64),
    /// The first day of the year that is so many after this one.
    Year(i64),
    /// The first day of the fiscal year that is so many after this one.
    FiscalYear(FiscalCalendar, i64),
    /// The first day of the fiscal period that is so many after this one.
    FiscalPeriod(FiscalCalendar, i64),
}

impl Day {
    /// Today and so many days.
    pub(super) const fn from_today(days: i64) -> Self {
        Self::FromToday { days, months: 0 }
    }

    /// Which day it is, if today is `today`.
    pub(super) fn seen_from(self, today: i64) -> i64 {
        let (year, month, _) = civil(today);
        match self {
            Self::Fixed(day) => day,
            Self::FromToday { days, months } => add_months(today + days, months),
            Self::Week { start, ahead } => week_start(today, start) + 7 * ahead,
            Self::Month(ahead) => month_start(year, month + ahead),
            Self::Year(ahead) => days_since_epoch(year + ahead, 1, 1),
            Self::FiscalYear(calendar, ahead) => calendar.year_start(calendar.year_of(today) + ahead),
            Self::FiscalPeriod(calendar, ahead) => calendar.period_start(calendar.period_of(today) + ahead),
        }
    }

    /// The first day after `today` from which it may be another one; None if it never is.
    pub(super) fn changes_on(self, today: i64) -> Option<i64> {
        match self {
            Self::Fixed(_) => None,
            Self::FromToday { .. } => Some(today + 1),
            Self::Week { start, .. } => Some(Self::Week { start, ahead: 1 }.seen_from(today)),
            Self::Month(_) => Some(Self::Month(1).seen_from(today)),
            Self::Year(_) => Some(Self::Year(1).seen_from(today)),
            Self::FiscalYear(calendar, _) => Some(Self::FiscalYear(calendar, 1).seen_from(today)),
            Self::FiscalPeriod(calendar, _) => Some(Self::FiscalPeriod(calendar, 1).seen_from(today)),
        }
    }
}

fn week_start(day: i64, start: u8) -> i64 {
    // 1970-01-01 was a Thursday.
    day - (day + 4 - i64::from(start)).rem_euclid(7)
}

/// The first day of a month, counted from January of `year`, which is 1.
fn month_start(year: i64, month: i64) -> i64 {
    days_since_epoch(year + (month - 1).div_euclid(12), (month - 1).rem_euclid(12) + 1, 1)
}

fn add_months(day: i64, months: i64) -> i64 {
    if months == 0 {
        return day;
    }
    let (year, month, day_of_month) = civil(day);
    let first = month_start(year, month + months);
    let (year, month, _) = civil(first);
    first + day_of_month.min(days_of_month(year, month)) - 1
}
