//! Every operator on every type and on NULL.

use haversack_proto::model::{AttributeType, Collation};

use jiff::tz::TimeZone;

use super::{FilterRules, RULES, STRICT, condition, listing, plan};
use crate::filter::{FilterError, Leaf, LeafTest, Plan, Test, WindowTest, real_order};
use crate::ids::Instant;
use crate::row::sample::kinds;
use crate::row::{Value, parse_text};

fn test_of(xml: &str, rules: FilterRules) -> Test {
    match plan(xml, rules).unwrap_or_else(|error| panic!("{xml}: {error}")) {
        Plan::Leaf(Leaf { test: LeafTest::Shared(test), .. }) => test,
        other => panic!("{xml}: {other:?}"),
    }
}

/// A test that does not depend on the instant, in one of its two forms.
#[derive(Debug)]
enum Judge {
    Shared(Test),
    /// Judged in UTC.
    Window(WindowTest),
}

fn judge_of(xml: &str, rules: FilterRules) -> Judge {
    match plan(xml, rules).unwrap_or_else(|error| panic!("{xml}: {error}")) {
        Plan::Leaf(Leaf { test: LeafTest::Shared(test), .. }) => Judge::Shared(test),
        Plan::Leaf(Leaf { test: LeafTest::Window(window), .. }) => Judge::Window(window),
        other => panic!("{xml}: {other:?}"),
    }
}

impl Judge {
    fn passes(&self, kind: AttributeType, value: &str) -> bool {
        let window = match self {
            Self::Shared(test) => return passes(test, kind, value),
            Self::Window(window) => window,
        };
        let parsed = parse_text(kind, value).unwrap_or_else(|error| panic!("\"{value}\" {error}"));
        let Value::Integer(number) = parsed.as_value() else { panic!("{value} is no date") };
        assert_eq!(window.next_step(kind, Instant(0), &TimeZone::UTC), None);
        window.ranges(kind, Instant(0), &TimeZone::UTC).iter().any(|range| range.contains(&number))
    }

    fn matches_null(&self) -> bool {
        match self {
            Self::Shared(test) => {
                assert_eq!(test.matches(None), test.matches_null());
                test.matches_null()
            }
            Self::Window(window) => window.matches_null(),
        }
    }
}

/// Values of a type in ascending order; those of one group are equal.
fn ladder(kind: AttributeType) -> Vec<Vec<&'static str>> {
    use AttributeType as Kind;
    match kind {
        Kind::String | Kind::Memo | Kind::EntityName => {
            vec![vec![""], vec!["10"], vec!["9"], vec!["Abc", "abc  ", "ÁBC"], vec!["abd"], vec!["ß"], vec!["ж", "Ж"]]
        }
        Kind::Integer | Kind::Picklist | Kind::State | Kind::Status => {
            vec![vec!["-2147483648"], vec!["-1"], vec!["0", "-0"], vec!["9", "+9"], vec!["10"], vec!["2147483647"]]
        }
        Kind::Bigint => vec![vec!["-9223372036854775808"], vec!["0"], vec!["1"], vec!["9223372036854775807"]],
        Kind::Decimal | Kind::Money => {
            vec![
                vec!["-10.5", "-10.50"],
                vec!["-9.99"],
                vec!["0", "-0.00"],
                vec!["0.30", ".3"],
                vec!["9"],
                vec!["10.0", "10"],
            ]
        }
        Kind::Double => {
            vec![vec!["-1e300"], vec!["-1.5"], vec!["0", "-0.0"], vec!["5e-324"], vec!["0.5", "5e-1"], vec!["1e300"]]
        }
        Kind::Boolean => vec![vec!["0", "false"], vec!["1", "true", "TRUE"]],
        Kind::MultiSelectPicklist => vec![vec!["1"], vec!["1,2", "2,1,2"], vec!["2"], vec!["1,2,3"]],
        Kind::Datetime => vec![
            vec!["1753-01-01"],
            vec!["2024-05-31T10:00:00Z", "2024-05-31 12:00:00+02:00"],
            vec!["2024-05-31T10:00:00.000001Z"],
            vec!["9999-12-31T23:59:59.999999Z"],
        ],
        Kind::DatetimeIndependent => {
            vec![vec!["1753-01-01"], vec!["2024-05-31T10:00:00", "2024-05-31T10:00Z"], vec!["9999-12-31"]]
        }
        Kind::DateOnly => vec![vec!["1753-01-01"], vec!["2024-05-31", "2024-05-31T00:00:00Z"], vec!["9999-12-31"]],
        Kind::Uniqueidentifier | Kind::Lookup | Kind::Owner | Kind::Customer => vec![
            vec!["00000000-0000-0000-0000-000000000001"],
            vec!["ABCDEF01-0000-0000-0000-000000000001", "{abcdef01-0000-0000-0000-000000000001}"],
        ],
        Kind::Unspecified => vec![],
    }
}

/// Every value of a ladder with its rung.
fn rungs(kind: AttributeType) -> Vec<(usize, &'static str)> {
    let groups = ladder(kind).into_iter().enumerate();
    groups.flat_map(|(rung, texts)| texts.into_iter().map(move |text| (rung, text))).collect()
}

fn passes(test: &Test, kind: AttributeType, value: &str) -> bool {
    let parsed = parse_text(kind, value).unwrap_or_else(|error| panic!("\"{value}\" {error}"));
    let matches = test.matches(Some(&parsed.as_value()));
    let integer = match parsed.as_value() {
        Value::Integer(integer) => Some(integer),
        Value::Truth(truth) => Some(i64::from(truth)),
        Value::Real(real) => Some(real_order(real)),
        _ => None,
    };
    if let Some(integer) = integer {
        let form = test.integer_form().expect("the values count as whole numbers");
        assert_eq!(form.matches(integer), matches, "the integer form of {test:?} on {value}");
    }
    matches
}

fn is_ordered(kind: AttributeType) -> bool {
    use AttributeType as Kind;
    !matches!(
        kind,
        Kind::Boolean
            | Kind::MultiSelectPicklist
            | Kind::Uniqueidentifier
            | Kind::Lookup
            | Kind::Owner
            | Kind::Customer
    )
}

/// Whether `between` applies.
fn is_spanned(kind: AttributeType) -> bool {
    is_ordered(kind) && !matches!(kind, AttributeType::Picklist | AttributeType::State | AttributeType::Status)
}

fn is_date(kind: AttributeType) -> bool {
    matches!(kind, AttributeType::Datetime | AttributeType::DatetimeIndependent | AttributeType::DateOnly)
}

fn is_text(kind: AttributeType) -> bool {
    matches!(kind, AttributeType::String | AttributeType::Memo | AttributeType::EntityName)
}

fn is_id(kind: AttributeType) -> bool {
    rungs(kind).iter().any(|(_, text)| text.starts_with("00000000-"))
}

#[test]
fn comparisons_of_every_type() {
    type Holds = fn(usize, usize) -> bool;
    let operators: [(&str, Holds); 7] = [
        ("eq", |value, operand| value == operand),
        ("ne", |value, operand| value != operand),
        ("neq", |value, operand| value != operand),
        ("gt", |value, operand| value > operand),
        ("ge", |value, operand| value >= operand),
        ("lt", |value, operand| value < operand),
        ("le", |value, operand| value <= operand),
    ];
    for kind in kinds() {
        for (operator, expected) in operators.iter().take(if is_ordered(kind) { 7 } else { 3 }) {
            for (operand_rung, operand) in rungs(kind) {
                let judge = judge_of(&condition(kind, operator, operand), RULES);
                for (value_rung, value) in rungs(kind) {
                    let found = judge.passes(kind, value);
                    assert_eq!(found, expected(value_rung, operand_rung), "{kind:?}: {value} {operator} {operand}");
                }
            }
        }
    }
}

#[test]
fn lists_of_every_type() {
    for kind in kinds().filter(|kind| !is_date(*kind) && *kind != AttributeType::MultiSelectPicklist) {
        let rungs = rungs(kind);
        for listed in [&rungs[..1], &rungs[1..], &[rungs[0], rungs[rungs.len() - 1], rungs[0]]] {
            let operands: Vec<_> = listed.iter().map(|it| it.1).collect();
            let (within, without) =
                (test_of(&listing(kind, "in", &operands), RULES), test_of(&listing(kind, "not-in", &operands), RULES));
            for (value_rung, value) in &rungs {
                let expected = listed.iter().any(|(rung, _)| rung == value_rung);
                assert_eq!(passes(&within, kind, value), expected, "{kind:?}: {value} in {operands:?}");
                assert_eq!(passes(&without, kind, value), !expected, "{kind:?}: {value} not-in {operands:?}");
            }
        }
    }
}

#[test]
fn lists_of_choices_are_one_set() {
    let kind = AttributeType::MultiSelectPicklist;
    let test = test_of(&listing(kind, "in", &["3", "2"]), RULES);
    for (value, expected) in [("2,3", true), ("3,2", true), ("2", false), ("3", false), ("1,2,3", false)] {
        assert_eq!(passes(&test, kind, value), expected, "{value}");
    }
    assert_eq!(test, test_of(&condition(kind, "eq", "2,3"), RULES));
}

#[test]
fn spans_of_every_type() {
    for kind in kinds().filter(|kind| is_spanned(*kind)) {
        let rungs = rungs(kind);
        for (low_rung, low) in &rungs {
            for (high_rung, high) in &rungs {
                let within = judge_of(&listing(kind, "between", &[low, high]), RULES);
                let without = judge_of(&listing(kind, "not-between", &[low, high]), RULES);
                for (value_rung, value) in &rungs {
                    let expected = (low_rung..=high_rung).contains(&value_rung);
                    assert_eq!(within.passes(kind, value), expected, "{kind:?}: {value} between {low} and {high}");
                    assert_eq!(without.passes(kind, value), !expected, "{kind:?}: {value} not between {low}, {high}");
                }
            }
        }
    }
}

#[test]
fn a_span_takes_in_its_last_day() {
    for (kind, suffix) in [(AttributeType::Datetime, "Z"), (AttributeType::DatetimeIndependent, "")] {
        let test = judge_of(&listing(kind, "between", &["2024-05-30", "2024-05-31"]), RULES);
        for (value, expected) in [
            ("2024-05-29T23:59:59.999999", false),
            ("2024-05-30T00:00:00", true),
            ("2024-05-31T23:59:59.999999", true),
            ("2024-06-01T00:00:00", false),
        ] {
            assert_eq!(test.passes(kind, &format!("{value}{suffix}")), expected, "{kind:?} {value}");
        }
        let exact = judge_of(&listing(kind, "between", &["2024-05-30", "2024-05-31T00:00:00"]), RULES);
        assert!(!exact.passes(kind, &format!("2024-05-31T00:00:00.000001{suffix}")), "a time is a time");
    }
}

#[test]
fn sets_of_choices_overlap_or_do_not() {
    let kind = AttributeType::MultiSelectPicklist;
    let (contains, lacks) = (
        judge_of(&listing(kind, "contain-values", &["3", "2", "2"]), RULES),
        judge_of(&listing(kind, "not-contain-values", &["2", "3"]), RULES),
    );
    for (value, expected) in [("2", true), ("1,3", true), ("2,3", true), ("1", false), ("1,4,30", false)] {
        assert_eq!(contains.passes(kind, value), expected, "{value}");
        assert_eq!(lacks.passes(kind, value), !expected, "{value}");
    }
    assert_eq!((contains.matches_null(), lacks.matches_null()), (false, true));
}

#[test]
fn beginnings_and_endings() {
    let kind = AttributeType::Memo;
    for (operator, operand, value, expected) in [
        ("begins-with", "con", "Contoso", true),
        ("begins-with", "CÓN", "contoso", true),
        ("begins-with", "ontoso", "Contoso", false),
        ("begins-with", "%toso", "Contoso", true),
        ("begins-with", "_o[m-o]", "Contoso", true),
        ("begins-with", "", "", true),
        ("begins-with", "contoso ", "Contoso", false),
        ("ends-with", "SO", "Contoso", true),
        ("ends-with", "Cont", "Contoso", false),
        ("ends-with", "[a-z]o", "Contoso", true),
        ("ends-with", "so", "Contoso ", false),
    ] {
        assert_eq!(judge_of(&condition(kind, operator, operand), RULES).passes(kind, value), expected, "{operand}");
        let opposite = if operator == "begins-with" { "not-begin-with" } else { "not-end-with" };
        assert_eq!(judge_of(&condition(kind, opposite, operand), RULES).passes(kind, value), !expected, "{operand}");
    }
}

#[test]
fn null_in_every_operator_and_type() {
    for kind in kinds() {
        let operand = rungs(kind)[0].1;
        let mut cases = vec![
            (condition(kind, "eq", operand), false, false),
            (condition(kind, "ne", operand), true, false),
            (listing(kind, "null", &[]), true, true),
            (listing(kind, "not-null", &[]), false, false),
        ];
        if is_ordered(kind) {
            cases.extend(["gt", "ge", "lt", "le"].map(|operator| (condition(kind, operator, operand), false, false)));
        }
        if !is_date(kind) {
            cases.push((listing(kind, "in", &[operand]), false, false));
            cases.push((listing(kind, "not-in", &[operand]), true, false));
        }
        if is_text(kind) {
            cases.extend(["like", "begins-with", "ends-with"].map(|it| (condition(kind, it, "%"), false, false)));
            let negative = ["not-like", "not-begin-with", "not-end-with"];
            cases.extend(negative.map(|it| (condition(kind, it, "a%"), true, false)));
        }
        if is_spanned(kind) {
            cases.push((listing(kind, "between", &[operand, operand]), false, false));
            cases.push((listing(kind, "not-between", &[operand, operand]), true, false));
        }
        for (xml, by_default, strictly) in cases {
            for (rules, expected) in [(RULES, by_default), (STRICT, strictly)] {
                assert_eq!(judge_of(&xml, rules).matches_null(), expected, "{xml} {rules:?}");
            }
        }
        for (_, value) in rungs(kind) {
            assert!(!passes(&test_of(&listing(kind, "null", &[]), RULES), kind, value));
            assert!(passes(&test_of(&listing(kind, "not-null", &[]), RULES), kind, value));
        }
    }
}

#[test]
fn operators_refuse_types_that_they_do_not_apply_to() {
    type Applies = fn(AttributeType) -> bool;
    let cases: [(&[&str], Applies); 10] = [
        (&["eq", "ne", "neq", "null", "not-null"], |_| true),
        (&["gt", "ge", "lt", "le"], is_ordered),
        (&["between", "not-between"], is_spanned),
        (&["in", "not-in"], |kind| !is_date(kind)),
        (&["like", "not-like", "begins-with", "not-begin-with", "ends-with", "not-end-with"], is_text),
        (&["contain-values", "not-contain-values"], |kind| kind == AttributeType::MultiSelectPicklist),
        (&["eq-userlanguage"], |kind| matches!(kind, AttributeType::Integer | AttributeType::Bigint)),
        (ID_OPERATORS, is_id),
        (&["last-x-hours", "next-x-hours", "olderthan-x-minutes", "olderthan-x-hours"], |kind| {
            is_date(kind) && kind != AttributeType::DateOnly
        }),
        (DATE_OPERATORS, is_date),
    ];
    assert_eq!(cases.iter().map(|(names, _)| names.len()).sum::<usize>(), 83);
    for kind in kinds() {
        for (operator, applies) in cases.iter().flat_map(|(names, applies)| names.iter().map(move |it| (it, applies))) {
            let error = plan(&condition(kind, operator, "nothing fits"), RULES).err();
            let refused = matches!(error, Some(FilterError::OperatorMismatch { .. }));
            assert_eq!(refused, !applies(kind), "{operator} on {kind:?}: {error:?}");
        }
    }
}

const ID_OPERATORS: &[&str] = &[
    "eq-userid",
    "ne-userid",
    "eq-userteams",
    "eq-useroruserteams",
    "eq-useroruserhierarchy",
    "eq-useroruserhierarchyandteams",
    "eq-businessid",
    "ne-businessid",
    "above",
    "eq-or-above",
    "under",
    "eq-or-under",
    "not-under",
];

const DATE_OPERATORS: &[&str] = &[
    "yesterday",
    "today",
    "tomorrow",
    "last-seven-days",
    "next-seven-days",
    "last-week",
    "this-week",
    "next-week",
    "last-month",
    "this-month",
    "next-month",
    "last-year",
    "this-year",
    "next-year",
    "on",
    "on-or-before",
    "on-or-after",
    "last-x-days",
    "next-x-days",
    "last-x-weeks",
    "next-x-weeks",
    "last-x-months",
    "next-x-months",
    "last-x-years",
    "next-x-years",
    "olderthan-x-days",
    "olderthan-x-weeks",
    "olderthan-x-months",
    "olderthan-x-years",
    "this-fiscal-year",
    "last-fiscal-year",
    "next-fiscal-year",
    "this-fiscal-period",
    "last-fiscal-period",
    "next-fiscal-period",
    "last-x-fiscal-years",
    "last-x-fiscal-periods",
    "next-x-fiscal-years",
    "next-x-fiscal-periods",
    "in-fiscal-year",
    "in-fiscal-period",
    "in-fiscal-period-and-year",
    "in-or-before-fiscal-period-and-year",
    "in-or-after-fiscal-period-and-year",
];

#[test]
fn patterns_see_trailing_spaces_and_comparisons_do_not() {
    let kind = AttributeType::String;
    assert!(passes(&test_of(&condition(kind, "eq", "x "), RULES), kind, "X"));
    assert!(!passes(&test_of(&condition(kind, "like", "x "), RULES), kind, "X"));
    assert!(passes(&test_of(&condition(kind, "like", "C%F_ "), RULES), kind, "café "));
    let accents = FilterRules { collation: Collation::CiAs, ..RULES };
    assert!(!passes(&test_of(&condition(kind, "eq", "cafe"), accents), kind, "café"));
    assert!(passes(&test_of(&condition(kind, "eq", "CAFÉ"), accents), kind, "café"));
}

#[test]
fn tests_that_mean_the_same_are_equal() {
    let (integer, string) = (AttributeType::Integer, AttributeType::String);
    for (left, right) in [
        (condition(integer, "eq", "5"), listing(integer, "in", &["5", "5"])),
        (condition(integer, "gt", "4"), condition(integer, "ge", "5")),
        (listing(integer, "in", &["3", "1", "2"]), listing(integer, "in", &["1", "2", "3"])),
        (condition(string, "eq", "CAFÉ "), condition(string, "eq", "cafe")),
        (condition(string, "like", "A%%b"), condition(string, "like", "a%B")),
        (condition(AttributeType::Money, "lt", "10.00"), condition(AttributeType::Money, "lt", "1e1")),
        (condition(integer, "ne", "5"), condition(integer, "neq", "5.0")),
        (listing(integer, "between", &["2", "4"]), listing(integer, "in", &["2", "3", "4"])),
        (condition(string, "begins-with", "A%"), condition(string, "like", "a%")),
        (condition(string, "ends-with", "b"), condition(string, "like", "%B")),
    ] {
        assert_eq!(test_of(&left, RULES), test_of(&right, RULES), "{left} {right}");
    }
    let form = |xml: &str| format!("{:?}", test_of(xml, RULES).integer_form().map(|form| form.values));
    assert_eq!(form(&listing(integer, "in", &["2", "1"])), "Some(Range(1, 2))");
    assert_eq!(form(&listing(integer, "in", &["3", "1"])), "Some(Set([1, 3]))");
    assert_eq!(form(&condition(AttributeType::Bigint, "gt", "9223372036854775807")), "Some(Set([]))");
    assert_eq!(form(&condition(string, "eq", "1")), "None");
}
