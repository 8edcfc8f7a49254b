//! What an organization has chosen about comparing and about its calendar.

use haversack_proto::model::{Collation, Settings};

use super::FiscalCalendar;

/// The last day of a week, where 0 is Sunday.
const WEEKDAY_MAX: u8 = 6;

/// What an organization has chosen about comparing and about its calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterRules {
    /// Whether accents count in text.
    pub collation: Collation,
    /// Whether NULL fails negative operators too.
    pub null_never_matches: bool,
    /// First day of a week: 0 is Sunday, 6 is Saturday.
    pub week_start: u8,
    /// How years are cut.
    pub fiscal: FiscalCalendar,
}

impl FilterRules {
    /// The rules of a model's settings. What [`Self::breaches`] objects to is as if it had not been set.
    pub fn from_settings(settings: &Settings) -> Self {
        Self {
            collation: settings.collation(),
            null_never_matches: settings.null_never_matches,
            week_start: week_start(settings).unwrap_or_default(),
            fiscal: fiscal(settings).unwrap_or_default(),
        }
    }

    /// What is wrong with a model's settings, each as a sentence; empty if nothing is.
    pub fn breaches(settings: &Settings) -> Vec<String> {
        [week_start(settings).err(), fiscal(settings).err()].into_iter().flatten().collect()
    }
}

fn week_start(settings: &Settings) -> Result<u8, String> {
    let day = u8::try_from(settings.week_start).ok().filter(|day| *day <= WEEKDAY_MAX);
    day.ok_or_else(|| {
        format!("week_start is {}; it can be 0 (Sunday) to {WEEKDAY_MAX} (Saturday)", settings.week_start)
    })
}

fn fiscal(settings: &Settings) -> Result<FiscalCalendar, String> {
    settings.fiscal.as_ref().map_or(Ok(FiscalCalendar::default()), FiscalCalendar::from_model)
}

#[cfg(test)]
mod tests {
    use haversack_proto::model::{self, FiscalPeriod};

    use super::*;

    fn settings(week_start: u32, start_month: u32, start_day: u32, period: i32) -> Settings {
        let fiscal = Some(model::FiscalCalendar { start_month, start_day, period });
        Settings { week_start, fiscal, ..Settings::default() }
    }

    #[test]
    fn what_is_not_set_has_defaults() {
        let rules = FilterRules::from_settings(&Settings::default());
        assert_eq!((rules.week_start, rules.fiscal), (0, FiscalCalendar::CALENDAR_YEARS));
        assert_eq!(FilterRules::from_settings(&settings(0, 0, 0, 0)), rules);
        assert_eq!(FilterRules::from_settings(&settings(0, 1, 1, FiscalPeriod::Quarter.into())), rules);
        assert!(FilterRules::breaches(&settings(6, 12, 31, FiscalPeriod::FourWeek.into())).is_empty());
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let breaches = |week, month, day, period| FilterRules::breaches(&settings(week, month, day, period)).join(" ");
        assert!(breaches(7, 1, 1, 1).contains("week_start is 7"));
        assert!(breaches(0, 13, 1, 1).contains("start_month is 13; it can be 1 to 12"));
        assert!(breaches(0, 1, 32, 1).contains("start_day is 32"));
        assert!(breaches(0, 1, 300, 1).contains("start_day is 300"));
        assert!(breaches(0, 1, 1, 9).contains("period 9"));
        assert_eq!(FilterRules::breaches(&settings(9, 13, 1, 1)).len(), 2);
        let rules = FilterRules::from_settings(&settings(9, 13, 1, 1));
        assert_eq!((rules.week_start, rules.fiscal), (0, FiscalCalendar::CALENDAR_YEARS));
    }
}
