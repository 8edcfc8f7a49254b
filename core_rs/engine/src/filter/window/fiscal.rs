//! How an organization cuts its years: where a fiscal year begins, and where its periods do.

use haversack_proto::model::{self, FiscalPeriod};

use crate::row::calendar::{civil, days_of_month, days_since_epoch};

/// Days of a period of four weeks.
const FOUR_WEEKS: i64 = 28;

/// A fiscal calendar. A fiscal year is named after the calendar year in which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FiscalCalendar {
    start_month: u8,
    start_day: u8,
    period: FiscalPeriod,
}

impl Default for FiscalCalendar {
    /// Years from 1 January, in quarters.
    fn default() -> Self {
        Self::CALENDAR_YEARS
    }
}

impl FiscalCalendar {
    /// Years from 1 January, in quarters.
    pub const CALENDAR_YEARS: Self = Self { start_month: 1, start_day: 1, period: FiscalPeriod::Quarter };

    /// Reads the calendar of a model's settings.
    ///
    /// # Errors
    /// What is out of range, as a sentence.
    pub fn from_model(calendar: &model::FiscalCalendar) -> Result<Self, String> {
        let within = |number: u32, highest: u8, name: &str| match u8::try_from(number) {
            Ok(0) => Ok(1),
            Ok(number) if number <= highest => Ok(number),
            _ => Err(format!("the fiscal calendar's {name} is {number}; it can be 1 to {highest}")),
        };
        let period = FiscalPeriod::try_from(calendar.period).map_err(|_| {
            format!("the fiscal calendar has period {}, which this version does not know", calendar.period)
        })?;
        Ok(Self {
            start_month: within(calendar.start_month, 12, "start_month")?,
            start_day: within(calendar.start_day, 31, "start_day")?,
            period: if period == FiscalPeriod::Unspecified { FiscalPeriod::Quarter } else { period },
        })
    }

    /// The calendar as settings state it, every part of it.
    pub fn stated(self) -> model::FiscalCalendar {
        model::FiscalCalendar {
            start_month: self.start_month.into(),
            start_day: self.start_day.into(),
            period: self.period.into(),
        }
    }

    /// How many periods a year has.
    pub(super) fn periods(self) -> i64 {
        match self.period {
            FiscalPeriod::Annual => 1,
            FiscalPeriod::Semester => 2,
            FiscalPeriod::Unspecified | FiscalPeriod::Quarter => 4,
            FiscalPeriod::Month => 12,
            FiscalPeriod::FourWeek => 13,
        }
    }

    /// The fiscal year of a day.
    pub(super) fn year_of(self, day: i64) -> i64 {
        let year = civil(day).0;
        if day < self.year_start(year) { year - 1 } else { year }
    }

    /// The first day of a fiscal year.
    pub(super) fn year_start(self, year: i64) -> i64 {
        self.month_start(year, 0)
    }

    /// Periods are numbered through all years, those of the year 0 from 0.
    pub(super) fn period_of(self, day: i64) -> i64 {
        let first = self.year_of(day) * self.periods();
        let later = (1..self.periods()).take_while(|period| self.period_start(first + period) <= day);
        first + later.count() as i64
    }

    /// The first day of a period.
    pub(super) fn period_start(self, period: i64) -> i64 {
        let (year, index) = (period.div_euclid(self.periods()), period.rem_euclid(self.periods()));
        match self.period {
            FiscalPeriod::FourWeek => self.year_start(year) + FOUR_WEEKS * index,
            _ => self.month_start(year, index * 12 / self.periods()),
        }
    }

    /// The day that begins a month, counted from the first of a fiscal year; in a shorter month its last day.
    fn month_start(self, year: i64, months: i64) -> i64 {
        let month = i64::from(self.start_month) - 1 + months;
        let (year, month) = (year + month / 12, month % 12 + 1);
        days_since_epoch(year, month, i64::from(self.start_day).min(days_of_month(year, month)))
    }
}
