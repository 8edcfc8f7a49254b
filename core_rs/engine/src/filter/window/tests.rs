//! Every window at its boundaries, and what followers of a window rely on.

#![expect(clippy::single_range_in_vec_init, reason = "a test is compared with the ranges that it has")]

use haversack_proto::model::{self, FilterOperator as Op, FiscalPeriod};
use jiff::Timestamp;
use jiff::civil::Date;
use proptest::prelude::*;

use super::*;
use crate::filter::FilterRules;
use crate::row::MICROS_PER_DAY;

const KINDS: [AttributeType; 3] =
    [AttributeType::Datetime, AttributeType::DatetimeIndependent, AttributeType::DateOnly];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("bundled")
}

fn instant(text: &str) -> Instant {
    Instant(text.parse::<Timestamp>().expect("a timestamp").as_microsecond())
}

fn day(text: &str) -> i64 {
    let date: Date = text.parse().expect("a date");
    (date - Date::constant(1970, 1, 1)).get_days().into()
}

fn fiscal(start_month: u32, start_day: u32, period: FiscalPeriod) -> FiscalCalendar {
    let calendar = model::FiscalCalendar { start_month, start_day, period: period.into() };
    FiscalCalendar::from_model(&calendar).expect("in range")
}

fn rules(week_start: u8, fiscal: FiscalCalendar) -> FilterRules {
    FilterRules { week_start, fiscal, ..FilterRules::from_settings(&model::Settings::default()) }
}

fn plain_rules() -> FilterRules {
    rules(0, FiscalCalendar::CALENDAR_YEARS)
}

/// An operator with no operand, or with a count.
fn window(operator: Op, count: u32, rules: &FilterRules) -> WindowTest {
    let window = WindowTest::of_calendar(operator, rules).or_else(|| WindowTest::of_count(operator, count, rules));
    window.unwrap_or_else(|| panic!("{operator:?} is no such window"))
}

/// A range of a date and time in New York as clocks there show it, or "now".
fn shown(test: &WindowTest, now: Instant) -> String {
    let zone = zone("America/New_York");
    let [range] = &test.ranges(AttributeType::Datetime, now, &zone)[..] else { return "nothing".to_owned() };
    let edge = |micros: i64| match micros {
        i64::MIN | i64::MAX => "ever".to_owned(),
        _ if micros == now.0 => "now".to_owned(),
        _ => {
            let clock = zone.to_datetime(Timestamp::from_microsecond(micros).expect("in range"));
            clock.to_string().trim_end_matches(":00").trim_end_matches("T00").to_owned()
        }
    };
    format!("{}..{}", edge(range.start), edge(range.end))
}

/// Friday, 10:42:07 in New York, eleven days before clocks are set back there on 2024-11-03.
const NOW: &str = "2024-10-25T14:42:07Z";

#[test]
fn every_window_of_the_calendar() {
    let now = instant(NOW);
    for (operator, count, expected) in [
        (Op::Yesterday, 0, "2024-10-24..2024-10-25"),
        (Op::Today, 0, "2024-10-25..2024-10-26"),
        (Op::Tomorrow, 0, "2024-10-26..2024-10-27"),
        (Op::LastSevenDays, 0, "2024-10-18..now"),
        (Op::NextSevenDays, 0, "now..2024-11-02"),
        (Op::LastWeek, 0, "2024-10-13..2024-10-20"),
        (Op::ThisWeek, 0, "2024-10-20..2024-10-27"),
        (Op::NextWeek, 0, "2024-10-27..2024-11-03"),
        (Op::LastMonth, 0, "2024-09-01..2024-10-01"),
        (Op::ThisMonth, 0, "2024-10-01..2024-11-01"),
        (Op::NextMonth, 0, "2024-11-01..2024-12-01"),
        (Op::LastYear, 0, "2023-01-01..2024-01-01"),
        (Op::ThisYear, 0, "2024-01-01..2025-01-01"),
        (Op::NextYear, 0, "2025-01-01..2026-01-01"),
        (Op::LastXDays, 1, "2024-10-24..now"),
        (Op::LastXDays, 10, "2024-10-15..now"),
        (Op::NextXDays, 1, "now..2024-10-27"),
        (Op::NextXDays, 10, "now..2024-11-05"),
        (Op::LastXHours, 1, "2024-10-25T09..now"),
        (Op::LastXHours, 24, "2024-10-24T10..now"),
        (Op::NextXHours, 2, "now..2024-10-25T12:42:07"),
        (Op::LastXWeeks, 2, "2024-10-11..now"),
        (Op::NextXWeeks, 1, "now..2024-11-02"),
        (Op::LastXMonths, 1, "2024-09-25..now"),
        (Op::LastXMonths, 8, "2024-02-25..now"),
        (Op::NextXMonths, 1, "now..2024-11-26"),
        (Op::LastXYears, 2, "2022-10-25..now"),
        (Op::NextXYears, 1, "now..2025-10-26"),
        (Op::OlderThanXMinutes, 3, "ever..2024-10-25T10:39"),
        (Op::OlderThanXHours, 11, "ever..2024-10-24T23"),
        (Op::OlderThanXDays, 1, "ever..2024-10-24"),
        (Op::OlderThanXWeeks, 1, "ever..2024-10-18"),
        (Op::OlderThanXMonths, 1, "ever..2024-09-25"),
        (Op::OlderThanXYears, 1, "ever..2023-10-25"),
        (Op::LastFiscalYear, 0, "2023-01-01..2024-01-01"),
        (Op::ThisFiscalYear, 0, "2024-01-01..2025-01-01"),
        (Op::NextFiscalYear, 0, "2025-01-01..2026-01-01"),
        (Op::LastFiscalPeriod, 0, "2024-07-01..2024-10-01"),
        (Op::ThisFiscalPeriod, 0, "2024-10-01..2025-01-01"),
        (Op::NextFiscalPeriod, 0, "2025-01-01..2025-04-01"),
        (Op::LastXFiscalYears, 2, "2022-01-01..now"),
        (Op::NextXFiscalYears, 2, "now..2027-01-01"),
        (Op::LastXFiscalPeriods, 4, "2023-10-01..now"),
        (Op::NextXFiscalPeriods, 1, "now..2025-04-01"),
    ] {
        assert_eq!(shown(&window(operator, count, &plain_rules()), now), expected, "{operator:?} {count}");
    }
}

#[test]
fn months_that_are_too_short_have_a_last_day() {
    let since = |now: &str, operator, count| shown(&window(operator, count, &plain_rules()), instant(now));
    assert_eq!(since("2024-03-31T12:00:00Z", Op::LastXMonths, 1), "2024-02-29..now");
    assert_eq!(since("2023-03-31T12:00:00Z", Op::LastXMonths, 1), "2023-02-28..now");
    assert_eq!(since("2024-02-29T12:00:00Z", Op::LastXYears, 1), "2023-02-28..now");
    assert_eq!(since("2024-05-31T12:00:00Z", Op::OlderThanXMonths, 3), "ever..2024-02-29");
    assert_eq!(since("2024-01-30T12:00:00Z", Op::NextXMonths, 1), "now..2024-02-29", "a day, and then a month");
    assert_eq!(since("2024-12-15T12:00:00Z", Op::NextMonth, 0), "2025-01-01..2025-02-01");
    assert_eq!(since("2024-01-15T12:00:00Z", Op::LastMonth, 0), "2023-12-01..2024-01-01");
}

#[test]
fn weeks_start_where_the_organization_says() {
    let weeks = [
        (0, "2024-10-20..2024-10-27"),
        (1, "2024-10-21..2024-10-28"),
        (4, "2024-10-24..2024-10-31"),
        (5, "2024-10-25..2024-11-01"),
        (6, "2024-10-19..2024-10-26"),
    ];
    for (start, expected) in weeks {
        let rules = rules(start, FiscalCalendar::CALENDAR_YEARS);
        assert_eq!(shown(&window(Op::ThisWeek, 0, &rules), instant(NOW)), expected, "{start}");
    }
}

#[test]
fn fiscal_calendars() {
    use FiscalPeriod as Period;
    for (calendar, operator, expected) in [
        (fiscal(7, 1, Period::Annual), Op::ThisFiscalYear, "2024-07-01..2025-07-01"),
        (fiscal(7, 1, Period::Annual), Op::ThisFiscalPeriod, "2024-07-01..2025-07-01"),
        (fiscal(7, 1, Period::Annual), Op::LastFiscalPeriod, "2023-07-01..2024-07-01"),
        (fiscal(11, 1, Period::Quarter), Op::ThisFiscalYear, "2023-11-01..2024-11-01"),
        (fiscal(11, 1, Period::Quarter), Op::ThisFiscalPeriod, "2024-08-01..2024-11-01"),
        (fiscal(11, 1, Period::Quarter), Op::NextFiscalPeriod, "2024-11-01..2025-02-01"),
        (fiscal(10, 25, Period::Semester), Op::ThisFiscalPeriod, "2024-10-25..2025-04-25"),
        (fiscal(10, 26, Period::Semester), Op::ThisFiscalPeriod, "2024-04-26..2024-10-26"),
        (fiscal(4, 6, Period::Month), Op::ThisFiscalPeriod, "2024-10-06..2024-11-06"),
        (fiscal(4, 6, Period::Month), Op::LastFiscalPeriod, "2024-09-06..2024-10-06"),
        (fiscal(1, 31, Period::Month), Op::ThisFiscalPeriod, "2024-09-30..2024-10-31"),
        (fiscal(2, 30, Period::Quarter), Op::ThisFiscalYear, "2024-02-29..2025-02-28"),
        (fiscal(1, 1, Period::FourWeek), Op::ThisFiscalPeriod, "2024-10-07..2024-11-04"),
        (fiscal(11, 4, Period::FourWeek), Op::ThisFiscalPeriod, "2024-10-05..2024-11-04"),
        (fiscal(11, 4, Period::FourWeek), Op::NextFiscalPeriod, "2024-11-04..2024-12-02"),
    ] {
        let found = shown(&window(operator, 0, &rules(0, calendar)), instant(NOW));
        assert_eq!(found, expected, "{operator:?} of {calendar:?}");
    }
}

#[test]
fn named_fiscal_years_and_periods() {
    let calendar = fiscal(4, 1, FiscalPeriod::Quarter);
    let now = instant(NOW);
    let of = |operator, period, year| {
        shown(&WindowTest::of_period_and_year(operator, calendar, period, year).expect("takes them"), now)
    };
    assert_eq!(shown(&WindowTest::of_fiscal_year(calendar, 2023), now), "2023-04-01..2024-04-01");
    assert_eq!(of(Op::InFiscalPeriodAndYear, 1, 2023), "2023-04-01..2023-07-01");
    assert_eq!(of(Op::InFiscalPeriodAndYear, 4, 2023), "2024-01-01..2024-04-01", "in the year that it began in");
    assert_eq!(of(Op::InOrBeforeFiscalPeriodAndYear, 4, 2023), "ever..2024-04-01");
    assert_eq!(of(Op::InOrAfterFiscalPeriodAndYear, 4, 2023), "2024-01-01..ever");
    for operator in [Op::InFiscalPeriodAndYear, Op::InOrBeforeFiscalPeriodAndYear, Op::InOrAfterFiscalPeriodAndYear] {
        assert_eq!((of(operator, 5, 2023), of(operator, 0, 2023)), ("nothing".to_owned(), "nothing".to_owned()));
    }
}

#[test]
fn a_fiscal_period_of_any_year() {
    let calendar = fiscal(1, 1, FiscalPeriod::Month);
    let ranges = |number| {
        WindowTest::of_fiscal_period(calendar, number).ranges(AttributeType::DateOnly, Instant(0), &TimeZone::UTC)
    };
    let february = ranges(2);
    assert_eq!(february.len(), 9_999 - 1_753 + 1);
    assert_eq!(
        february.iter().find(|days| days.contains(&day("2024-02-10"))),
        Some(&(day("2024-02-01")..day("2024-03-01")))
    );
    assert_eq!(february[0].start, day("1753-02-01"));
    assert_eq!(february.last().map(|days| days.end), Some(day("9999-03-01")));
    assert!(february.windows(2).all(|pair| pair[0].end < pair[1].start));
    assert!(ranges(12).iter().any(|days| days.contains(&day("9999-12-31"))));
    assert!(ranges(13).is_empty());
    let years = WindowTest::of_fiscal_period(fiscal(3, 1, FiscalPeriod::Annual), 1);
    let whole = years.ranges(AttributeType::DateOnly, Instant(0), &TimeZone::UTC);
    assert!(whole.len() == 1 && whole[0].contains(&DAY_MIN) && whole[0].contains(&DAY_MAX), "{whole:?}");
}

#[test]
fn days_are_whole_in_every_kind_of_date() {
    let (now, new_york) = (instant(NOW), zone("America/New_York"));
    let days = |test: WindowTest, kind| test.ranges(kind, now, &new_york);
    let today = day("2024-10-25");
    let hour = edge::MICROS_PER_HOUR;
    let (start, end) = (today * MICROS_PER_DAY, (today + 1) * MICROS_PER_DAY);
    let on = |operator| WindowTest::of_day(operator, today).expect("takes a day");
    for (operator, low, high) in [(Op::On, true, true), (Op::OnOrBefore, false, true), (Op::OnOrAfter, true, false)] {
        let range = |low_value, high_value| {
            vec![if low { low_value } else { i64::MIN }..if high { high_value } else { i64::MAX }]
        };
        assert_eq!(days(on(operator), AttributeType::DateOnly), range(today, today + 1), "{operator:?}");
        assert_eq!(days(on(operator), AttributeType::DatetimeIndependent), range(start, end), "{operator:?}");
        assert_eq!(
            days(on(operator), AttributeType::Datetime),
            range(start + 4 * hour, end + 4 * hour),
            "{operator:?}"
        );
    }
    let of = |operator, count| days(window(operator, count, &plain_rules()), AttributeType::DateOnly);
    assert_eq!(of(Op::LastXDays, 3), [today - 3..today + 1], "today counts at once");
    assert_eq!(of(Op::NextXDays, 3), [today + 1..today + 4], "today is past");
    assert_eq!(of(Op::LastSevenDays, 0), [today - 7..today + 1]);
    assert_eq!(of(Op::OlderThanXDays, 3), [i64::MIN..today - 3]);
    assert_eq!(of(Op::NextXMonths, 1), [today + 1..day("2024-11-26")]);
    assert_eq!(of(Op::ThisMonth, 0), [day("2024-10-01")..day("2024-11-01")]);
    let late = instant("2024-10-26T03:59:59Z");
    assert_eq!(
        window(Op::Today, 0, &plain_rules()).ranges(AttributeType::DateOnly, late, &new_york),
        [today..today + 1]
    );
}

#[test]
fn wall_clocks_are_compared_with_the_wall_clock() {
    let (now, new_york) = (instant(NOW), zone("America/New_York"));
    let of = |operator, count| {
        window(operator, count, &plain_rules()).ranges(AttributeType::DatetimeIndependent, now, &new_york)
    };
    let wall = |text: &str| instant(text).0;
    assert_eq!(of(Op::LastXDays, 1), [wall("2024-10-24T00:00:00Z")..wall("2024-10-25T10:42:07Z")]);
    assert_eq!(of(Op::LastXHours, 1), [wall("2024-10-25T09:00:00Z")..wall("2024-10-25T10:42:07Z")]);
    assert_eq!(of(Op::NextXHours, 1), [wall("2024-10-25T10:42:07Z")..wall("2024-10-25T11:42:07Z")]);
    assert_eq!(of(Op::OlderThanXMinutes, 1), [i64::MIN..wall("2024-10-25T10:41:00Z")]);
}

#[test]
fn hours_are_those_of_the_local_clock() {
    let now = instant("2024-10-25T14:42:07Z");
    let start = |name: &str| {
        window(Op::LastXHours, 1, &plain_rules()).ranges(AttributeType::Datetime, now, &zone(name))[0].start
    };
    assert_eq!(start("UTC"), instant("2024-10-25T13:00:00Z").0);
    assert_eq!(start("Asia/Kolkata"), instant("2024-10-25T13:30:00Z").0, "it is 20:12 there");
    assert_eq!(start("Asia/Kathmandu"), instant("2024-10-25T13:15:00Z").0, "it is 20:27 there");
    let repeated = instant("2024-11-03T06:20:00Z");
    let range =
        window(Op::LastXHours, 1, &plain_rules()).ranges(AttributeType::Datetime, repeated, &zone("America/New_York"));
    assert_eq!(range[0].start, instant("2024-11-03T05:00:00Z").0, "from the second one o'clock, an hour");
    let lord_howe = window(Op::OlderThanXHours, 1, &plain_rules()).ranges(
        AttributeType::Datetime,
        instant("2024-04-06T15:15:00Z"),
        &zone("Australia/Lord_Howe"),
    );
    assert_eq!(lord_howe[0].end, instant("2024-04-06T13:00:00Z").0, "it is the second 1:45; the hour began at 14:00Z");
}

#[test]
fn clocks_of_the_caller() {
    use operators::Moment::{Clock as Wall, Instant as Fixed};
    let new_york = zone("America/New_York");
    let wall = |text: &str| Wall(instant(text).0);
    let ranges = |operator, moments: &[operators::Moment]| {
        let test = of_moments(operator, moments, &plain_rules()).expect("takes them");
        (test.ranges(AttributeType::Datetime, instant(NOW), &new_york), test.matches_null())
    };
    let noon = wall("2024-05-31T12:00:00Z");
    let utc = instant("2024-05-31T16:00:00Z").0;
    assert_eq!(ranges(Op::Eq, &[noon]), (vec![utc..utc + 1], false));
    assert_eq!(ranges(Op::Ne, &[noon]), (vec![i64::MIN..utc, utc + 1..i64::MAX], true));
    assert_eq!(ranges(Op::Gt, &[noon]), (vec![utc + 1..i64::MAX], false));
    assert_eq!(ranges(Op::Ge, &[noon]), (vec![utc..i64::MAX], false));
    assert_eq!(ranges(Op::Lt, &[noon]), (vec![i64::MIN..utc], false));
    assert_eq!(ranges(Op::Le, &[noon]), (vec![i64::MIN..utc + 1], false));
    assert_eq!(ranges(Op::Between, &[noon, Fixed(utc + 9)]), (vec![utc..utc + 10], false));
    assert_eq!(ranges(Op::Between, &[Fixed(utc + 9), noon]), (vec![], false));
    assert_eq!(ranges(Op::NotBetween, &[noon, Fixed(utc)]), (vec![i64::MIN..utc, utc + 1..i64::MAX], true));
    assert_eq!(ranges(Op::NotBetween, &[Fixed(utc + 9), noon]), (vec![i64::MIN..i64::MAX], true));
    let strict = FilterRules { null_never_matches: true, ..plain_rules() };
    assert!(!of_moments(Op::Ne, &[noon], &strict).expect("takes one").matches_null());
    let at = |text: &str| ranges(Op::Eq, &[wall(text)]).0[0].start;
    assert_eq!(at("2024-03-10T02:30:00Z"), instant("2024-03-10T07:30:00Z").0, "skipped: the offset before");
    assert_eq!(at("2024-11-03T01:30:00Z"), instant("2024-11-03T05:30:00Z").0, "repeated: the first time");
    let last_day = ranges(Op::Ge, &[Wall(DAY_MAX * MICROS_PER_DAY)]).0[0].start;
    assert_eq!(last_day, DAY_MAX * MICROS_PER_DAY + 5 * edge::MICROS_PER_HOUR, "the offset of the day before");
    let first_moment = of_moments(Op::Between, &[noon, wall("2024-05-31T23:59:59.999999Z")], &plain_rules());
    let sao_paulo = zone("America/Sao_Paulo");
    let whole =
        of_moments(Op::Between, &[wall("2018-02-17T00:00:00Z"), wall("2018-02-17T23:59:59.999999Z")], &plain_rules());
    let range = whole.expect("takes two").ranges(AttributeType::Datetime, instant(NOW), &sao_paulo);
    assert_eq!(range, [instant("2018-02-17T02:00:00Z").0..instant("2018-02-18T03:00:00Z").0], "a day of 25 hours");
    assert_eq!(first_moment.expect("takes two").next_step(AttributeType::Datetime, instant(NOW), &new_york), None);
}

#[test]
fn a_day_begins_where_midnight_is_skipped_or_repeated() {
    let step = |now: &str, zone: &TimeZone| {
        WindowTest::last_days(1).next_step(AttributeType::Datetime, instant(now), zone).expect("days pass")
    };
    let skipped = step("2018-11-03T12:00:00Z", &zone("America/Sao_Paulo"));
    assert_eq!(skipped, instant("2018-11-04T03:00:00Z"), "the day begins at one o'clock");
    let st_johns = zone("America/St_Johns");
    assert_eq!(step("2009-11-01T01:00:00Z", &st_johns), instant("2009-11-01T02:30:00Z"));
    assert_eq!(step("2009-11-01T02:30:30Z", &st_johns), instant("2009-11-01T02:31:00Z"), "clocks go back an hour");
    assert_eq!(step("2009-11-01T03:00:00Z", &st_johns), instant("2009-11-01T03:30:00Z"), "the second midnight");
    let samoa = step("2011-12-30T08:00:00Z", &zone("Pacific/Apia"));
    assert_eq!(samoa, instant("2011-12-30T10:00:00Z"), "the 30th was left out");
    let left_out = WindowTest::of_day(Op::On, day("2011-12-30")).expect("takes a day");
    assert!(left_out.ranges(AttributeType::Datetime, samoa, &zone("Pacific/Apia")).is_empty());
}

#[test]
fn steps_are_where_the_calendar_turns() {
    let step = |operator, count, kind| {
        window(operator, count, &plain_rules()).next_step(kind, instant(NOW), &zone("America/New_York"))
    };
    let datetime = AttributeType::Datetime;
    for (operator, expected) in [
        (Op::Today, "2024-10-26T04:00:00Z"),
        (Op::ThisWeek, "2024-10-27T04:00:00Z"),
        (Op::ThisMonth, "2024-11-01T04:00:00Z"),
        (Op::ThisYear, "2024-11-03T06:00:00Z"),
        (Op::LastXHours, "2024-10-25T15:00:00Z"),
        (Op::OlderThanXMinutes, "2024-10-25T14:43:00Z"),
        (Op::NextXDays, "2024-10-26T04:00:00Z"),
    ] {
        assert_eq!(step(operator, 1, datetime), Some(instant(expected)), "{operator:?}");
    }
    assert_eq!(step(Op::NextXHours, 1, datetime), None, "nothing but steady motion");
    assert_eq!(step(Op::NextXHours, 1, AttributeType::DatetimeIndependent), Some(instant("2024-11-03T06:00:00Z")));
    let fixed = WindowTest::of_fiscal_year(FiscalCalendar::CALENDAR_YEARS, 2024);
    assert_eq!(fixed.next_step(datetime, instant(NOW), &zone("America/New_York")), None);
}

#[test]
fn what_moves_is_what_ends_now() {
    let moving = |operator, kind| window(operator, 1, &plain_rules()).moving(kind);
    for kind in [AttributeType::Datetime, AttributeType::DatetimeIndependent] {
        assert_eq!(moving(Op::LastXDays, kind), Moving::End);
        assert_eq!(moving(Op::NextXDays, kind), Moving::Start);
        assert_eq!(moving(Op::NextXHours, kind), Moving::Both);
        assert_eq!(moving(Op::OlderThanXMinutes, kind), Moving::No);
        assert_eq!(moving(Op::Today, kind), Moving::No);
    }
    assert_eq!(moving(Op::LastXDays, AttributeType::DateOnly), Moving::No);
}

#[test]
fn operators_that_mean_the_same_are_equal() {
    let rules = plain_rules();
    for (left, right) in [
        (window(Op::LastSevenDays, 0, &rules), window(Op::LastXWeeks, 1, &rules)),
        (window(Op::NextSevenDays, 0, &rules), window(Op::NextXDays, 7, &rules)),
        (window(Op::LastXYears, 2, &rules), window(Op::LastXMonths, 24, &rules)),
        (window(Op::OlderThanXWeeks, 2, &rules), window(Op::OlderThanXDays, 14, &rules)),
        (window(Op::LastXDays, 3, &rules), WindowTest::last_days(3)),
    ] {
        assert_eq!(left, right);
    }
}

/// Every operator without an operand or with a count, on any of the zones and kinds.
fn any_window() -> impl Strategy<Value = WindowTest> {
    let period = prop::sample::select(vec![
        FiscalPeriod::Annual,
        FiscalPeriod::Semester,
        FiscalPeriod::Quarter,
        FiscalPeriod::Month,
        FiscalPeriod::FourWeek,
    ]);
    let calendar = (1u32..=12, 1u32..=31, period).prop_map(|(month, day, period)| fiscal(month, day, period));
    let operators: Vec<Op> = (1..=82)
        .map(|number| Op::try_from(number).expect("in the contract"))
        .filter(|&operator| {
            let rules = plain_rules();
            WindowTest::of_calendar(operator, &rules).or(WindowTest::of_count(operator, 1, &rules)).is_some()
        })
        .collect();
    assert_eq!(operators.len(), 40, "20 without an operand, 20 with a count");
    (prop::sample::select(operators), 1u32..40, 0u8..7, calendar)
        .prop_map(|(operator, count, start, calendar)| window(operator, count, &rules(start, calendar)))
}

const ZONES: [&str; 11] = [
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "Pacific/Apia",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Antarctica/Troll",
];

/// An instant from 1990 to 2035, often close to a jump of the zone's clocks.
fn any_instant(zone: &TimeZone, second: i64, near: Option<i64>) -> Instant {
    let instant = Timestamp::from_second(second).expect("in range");
    let jump = near.and_then(|away| Some((zone.following(instant).next()?, away)));
    match jump {
        Some((transition, away)) => Instant(transition.timestamp().as_microsecond() + away),
        None => Instant(second * 1_000_000),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What a follower relies on: up to the next step, ranges change by steady motion and by nothing else.
    #[test]
    fn nothing_but_steady_motion_before_the_next_step(
        test in any_window(),
        second in 631_152_000i64..2_051_222_400,
        near in prop::option::of(-90_000_000_000i64..90_000_000_000),
        ahead in prop_oneof![Just(0.0), 0.0f64..1.0, Just(1.0)],
        zone_index in 0..ZONES.len(),
        kind in prop::sample::select(KINDS.to_vec()),
    ) {
        let zone = zone(ZONES[zone_index]);
        let now = any_instant(&zone, second, near);
        let step = test.next_step(kind, now, &zone);
        prop_assert!(step.is_none_or(|step| step > now));
        let last = step.map_or(now.0 + 400 * MICROS_PER_DAY, |step| step.0 - 1);
        let later = Instant(now.0 + ((last - now.0) as f64 * ahead) as i64);
        let passed = later.0.min(last) - now.0;
        let later = Instant(now.0 + passed);
        let (start, end) = match test.moving(kind) {
            Moving::No => (0, 0),
            Moving::Start => (passed, 0),
            Moving::End => (0, passed),
            Moving::Both => (passed, passed),
        };
        let before = test.ranges(kind, now, &zone);
        prop_assert!(before.iter().all(|range| range.start < range.end));
        prop_assert!(before.len() <= 1, "none where a zone left out the day");
        let expected: Vec<_> = before.iter().map(|range| range.start + start..range.end + end).collect();
        prop_assert_eq!(test.ranges(kind, later, &zone), expected, "{:?} at {:?}", test, later);
    }

    /// A day is in exactly one of yesterday, today, tomorrow and so on, whatever clocks do.
    #[test]
    fn units_follow_each_other_without_gaps(
        second in 631_152_000i64..2_051_222_400,
        near in prop::option::of(-90_000_000_000i64..90_000_000_000),
        zone_index in 0..ZONES.len(),
        kind in prop::sample::select(KINDS.to_vec()),
    ) {
        let zone = zone(ZONES[zone_index]);
        let now = any_instant(&zone, second, near);
        let only = |operator| {
            let ranges = window(operator, 1, &plain_rules()).ranges(kind, now, &zone);
            ranges.first().cloned()
        };
        for [last, this, next] in [
            [Op::Yesterday, Op::Today, Op::Tomorrow],
            [Op::LastWeek, Op::ThisWeek, Op::NextWeek],
            [Op::LastMonth, Op::ThisMonth, Op::NextMonth],
            [Op::LastYear, Op::ThisYear, Op::NextYear],
            [Op::LastFiscalPeriod, Op::ThisFiscalPeriod, Op::NextFiscalPeriod],
        ] {
            let this = only(this).expect("it is never skipped while it lasts");
            prop_assert!(only(last).is_none_or(|last| last.end == this.start));
            prop_assert!(only(next).is_none_or(|next| next.start == this.end));
        }
    }
}

#[test]
fn the_ends_of_time_are_no_panic() {
    let rules = plain_rules();
    for number in 1..=82 {
        let operator = Op::try_from(number).expect("in the contract");
        for count in [1, crate::filter::COUNT_MAX] {
            let window =
                WindowTest::of_calendar(operator, &rules).or_else(|| WindowTest::of_count(operator, count, &rules));
            let Some(window) = window else { continue };
            for kind in KINDS {
                for instant in [Instant(i64::MIN), Instant(0), Instant(i64::MAX)] {
                    for name in ["Pacific/Apia", "America/New_York"] {
                        window.ranges(kind, instant, &zone(name));
                        window.next_step(kind, instant, &zone(name));
                    }
                }
            }
        }
    }
}
