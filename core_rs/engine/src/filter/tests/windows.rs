//! Operators on dates and users: what a condition loads as, and which operands it takes.

#![expect(clippy::single_range_in_vec_init, reason = "a test is compared with the ranges that it has")]

use haversack_proto::error::ErrorReason;
use haversack_proto::model::AttributeType;
use jiff::tz::TimeZone;

use super::{RULES, STRICT, compiled, condition, listing, plan};
use crate::filter::operator::{Arity, SPECS};
use crate::filter::*;
use crate::ids::Instant;

const DATES: [AttributeType; 3] =
    [AttributeType::Datetime, AttributeType::DatetimeIndependent, AttributeType::DateOnly];

fn window_of(xml: &str) -> WindowTest {
    match plan(xml, RULES) {
        Ok(Plan::Leaf(Leaf { test: LeafTest::Window(window), .. })) => window,
        other => panic!("{xml}: {other:?}"),
    }
}

#[test]
fn every_window_loads_in_every_form_that_it_may_be_written_in() {
    let mut windows = 0;
    for spec in SPECS.iter().filter(|spec| spec.families == DATE_FAMILIES || spec.families == CLOCK_FAMILIES) {
        windows += 1;
        let kinds = DATES.into_iter().take(spec.families.len());
        for kind in kinds {
            let name = spec.name();
            let forms = match spec.arity {
                Arity::None => vec![listing(kind, name, &[])],
                Arity::Number(_) => vec![condition(kind, name, "3"), listing(kind, name, &["3"])],
                Arity::Day => vec![
                    condition(kind, name, "2024-05-31"),
                    listing(kind, name, &["2024-05-31"]),
                    condition(kind, name, "2024-05-31T23:59:59.999Z"),
                    condition(kind, name, "2024-05-31T01:00:00+02:00"),
                ],
                Arity::PeriodAndYear => vec![listing(kind, name, &["3", "2024"])],
                _ => panic!("{spec:?} takes no window's operand"),
            };
            let first = window_of(&forms[0]);
            assert!(!first.matches_null(), "{name}");
            assert!(!first.ranges(kind, Instant(0), &TimeZone::UTC).is_empty(), "{name} on {kind:?}");
            assert!(forms.iter().all(|form| window_of(form) == first), "{name} on {kind:?}");
        }
    }
    assert_eq!(windows, 20 + 20 + 3 + 2 + 3, "calendar, counts, days, fiscal years and periods");
}

const DATE_FAMILIES: &[operator::Family] =
    &[operator::Family::Instant, operator::Family::WallClock, operator::Family::Day];
const CLOCK_FAMILIES: &[operator::Family] = &[operator::Family::Instant, operator::Family::WallClock];

#[test]
fn a_day_is_the_same_in_every_kind_of_date() {
    let values = |kind| {
        let window = window_of(&condition(kind, "on", "1970-01-03T18:00:00"));
        window.ranges(kind, Instant(0), &TimeZone::get("Asia/Tokyo").expect("bundled"))
    };
    let day = crate::row::MICROS_PER_DAY;
    let ahead = 9 * 3_600_000_000;
    assert_eq!(values(AttributeType::DateOnly), [2..3]);
    assert_eq!(values(AttributeType::DatetimeIndependent), [2 * day..3 * day]);
    assert_eq!(values(AttributeType::Datetime), [2 * day - ahead..3 * day - ahead]);
}

#[test]
fn the_first_and_the_last_day_are_whole() {
    let kind = AttributeType::Datetime;
    let zones = ["UTC", "America/New_York", "Asia/Tokyo"].map(|name| TimeZone::get(name).expect("bundled"));
    let micros = crate::row::MICROS_PER_DAY;
    for (text, day) in [("1753-01-01", crate::row::DAY_MIN), ("9999-12-31", crate::row::DAY_MAX)] {
        let on = window_of(&condition(kind, "on", text));
        let span = window_of(&listing(kind, "between", &[text, text]));
        assert_eq!(on, window_of(&listing(kind, "on", &[text])));
        for zone in &zones {
            let [range] = &on.ranges(kind, Instant(0), zone)[..] else { panic!("{text} is no one range") };
            let ahead = range.start - day * micros;
            assert!(ahead.abs() < micros && (range.end - range.start) == micros, "{text} {range:?}");
            assert_eq!(span.ranges(kind, Instant(0), zone), on.ranges(kind, Instant(0), zone), "{text}");
        }
    }
    let year = window_of(&condition(kind, "in-fiscal-year", "9999"));
    assert!(zones.iter().all(|zone| year.ranges(kind, Instant(0), zone).len() == 1));
}

#[test]
fn operands_of_windows_are_checked() {
    let kind = AttributeType::Datetime;
    let invalid = |xml: &str, message: &str| {
        let error = compiled(xml).expect_err(xml);
        assert_eq!(error.reason(), ErrorReason::FilterOperandInvalid, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    };
    invalid(&condition(kind, "today", "1"), "it takes no value");
    invalid(&listing(kind, "next-x-weeks", &[]), "it takes one value, not 0");
    for number in ["0", "-1", "+", "1.5", "1e2", "100001", "99999999999999999999", "", " 1", "NaN"] {
        invalid(&condition(kind, "olderthan-x-months", number), "from 1 to 100000");
        invalid(&condition(kind, "in-fiscal-period", number), "from 1 to 100000");
    }
    invalid(&condition(kind, "last-x-hours", "100000001"), "from 1 to 100000000");
    assert!(compiled(&condition(kind, "olderthan-x-minutes", "525600")).is_ok(), "a year");
    invalid(&condition(kind, "in-fiscal-year", "10000"), "from 1 to 9999");
    invalid(&listing(kind, "in-fiscal-period-and-year", &["1"]), "the period and the year, not 1");
    invalid(&listing(kind, "in-fiscal-period-and-year", &["1", "2", "3"]), "not 3");
    invalid(&listing(kind, "in-fiscal-period-and-year", &["2", "20240"]), "from 1 to 9999");
    invalid(&condition(kind, "in-or-before-fiscal-period-and-year", "1"), "<value> element");
    for day in ["", "today", "1752-12-31", "10000-01-01", "2024-02-30", "2024-05", "31.5.2024"] {
        invalid(&condition(kind, "on-or-after", day), "is not a day from 1753-01-01");
    }
    invalid(&listing(kind, "between", &["2024-05-31"]), "the lower and the upper one, not 1");
    invalid(&listing(kind, "not-between", &["2024-05-31", "2024-06-01", "2024-06-02"]), "not 3");
    invalid(&condition(kind, "between", "2024-05-31"), "<value> element");
    invalid(&listing(kind, "between", &["2024-05-31", "later"]), "\"later\"");
    let nothing = window_of(&condition(kind, "in-fiscal-period", "5"));
    assert!(nothing.ranges(kind, Instant(0), &TimeZone::UTC).is_empty(), "a year has four quarters");
}

#[test]
fn tests_of_the_user() {
    let user = |operator: &str, rules| {
        let kind = if operator == "eq-userlanguage" { AttributeType::Integer } else { AttributeType::Owner };
        match plan(&listing(kind, operator, &[]), rules) {
            Ok(Plan::Leaf(Leaf { test: LeafTest::User(test), .. })) => test,
            other => panic!("{operator}: {other:?}"),
        }
    };
    for (operator, holder, negated) in [
        ("eq-userid", Holder::User, false),
        ("ne-userid", Holder::User, true),
        ("eq-userteams", Holder::Teams, false),
        ("eq-useroruserteams", Holder::UserOrTeams, false),
        ("eq-useroruserhierarchy", Holder::Hierarchy, false),
        ("eq-useroruserhierarchyandteams", Holder::HierarchyAndTeams, false),
        ("eq-businessid", Holder::Unit, false),
        ("ne-businessid", Holder::Unit, true),
        ("eq-userlanguage", Holder::Language, false),
    ] {
        assert_eq!(user(operator, RULES), UserTest { holder, negated, matches_null: negated }, "{operator}");
        assert_eq!(user(operator, STRICT), UserTest { holder, negated, matches_null: false }, "{operator}");
    }
}
