//! Filters in words.

use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::{AttributeType, FilterCondition, FilterNode};

use super::{SCHEMA, compiled, condition, listing, thing};
use crate::filter::describe;
use crate::filter::operator::{Arity, SPECS};
use crate::row::sample::{attribute_name, kinds};

/// The clauses of a filter, indented by depth.
fn words(xml: &str) -> String {
    let node = compiled(xml).unwrap_or_else(|error| panic!("{xml}: {error}"));
    let lines = describe(&node, &SCHEMA, thing());
    lines.iter().map(|(depth, text)| format!("{}{text}", "  ".repeat(*depth))).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_filter_reads_as_its_tree() {
    let xml = "<filter><condition attribute='string' operator='begins-with' value='Con'/><filter type='or'>\
               <condition attribute='owner' operator='eq-userid'/><link-entity name='note' from='thingid' \
               to='uniqueidentifier' link-type='not any'><filter><condition attribute='integer' operator='ge' \
               value='2'/></filter></link-entity></filter><link-entity name='note' from='thingid' \
               to='uniqueidentifier' link-type='any'/></filter>";
    let expected = "and\n  string begins with \"Con\"\n  or\n    owner is the user\n    \
                    no note (thingid = uniqueidentifier) where\n      and\n        integer is at least 2\n  \
                    some note (thingid = uniqueidentifier)";
    assert_eq!(words(xml), expected);
    assert_eq!(words("<filter/>"), "every row");
}

#[test]
fn operands_read_as_their_type() {
    use AttributeType as Kind;
    let long = "x".repeat(500);
    for (xml, expected) in [
        (condition(Kind::Money, "lt", "10.50"), "money is below 10.5"),
        (condition(Kind::Boolean, "eq", "1"), "boolean equals true"),
        (condition(Kind::Double, "ne", "1e-1"), "double does not equal 0.1"),
        (condition(Kind::Datetime, "ge", "2024-05-31"), "datetime is at least 2024-05-31T00:00 on the user's clock"),
        (condition(Kind::Datetime, "eq", "2024-05-31T10:00:00.5Z"), "datetime equals 2024-05-31T10:00:00.500000Z"),
        (condition(Kind::DatetimeIndependent, "gt", "1969-12-31T10:00:01"), "is above 1969-12-31T10:00:01"),
        (condition(Kind::DateOnly, "le", "2024-02-29"), "dateonly is at most 2024-02-29"),
        (condition(Kind::Datetime, "on", "2024-02-29T12:00"), "datetime is on 2024-02-29"),
        (condition(Kind::DatetimeIndependent, "on", "2024-02-29"), "is on 2024-02-29"),
        (condition(Kind::Datetime, "last-x-days", "10"), "datetime is within the last 10 days"),
        (listing(Kind::DateOnly, "in-fiscal-period-and-year", &["2", "2024"]), "is in fiscal period 2 of 2024"),
        (listing(Kind::Integer, "in", &["3", "1"]), "integer is one of 3, 1"),
        (listing(Kind::MultiSelectPicklist, "in", &["3", "1"]), "has exactly 1, 3"),
        (listing(Kind::MultiSelectPicklist, "contain-values", &["3", "1"]), "has one of 1, 3"),
        (listing(Kind::String, "between", &["{}", "b{}"]), "string is from \"{}\" to \"b{}\""),
        (
            condition(Kind::Lookup, "eq-or-under", "{0000000A-0000-0000-0000-00000000000B}"),
            "is 0000000a-0000-0000-0000-00000000000b or below it",
        ),
        (condition(Kind::String, "eq", &long), "…\""),
        (listing(Kind::Integer, "in", &["7"; 30]), ", and 10 more"),
        (
            "<filter><condition attribute='string' operator='ne' valueof='memo'/></filter>".to_owned(),
            "string does not equal memo",
        ),
    ] {
        let found = words(&xml);
        assert!(found.starts_with("and\n") && found.contains(expected) && found.len() < 300, "{found}");
    }
}

#[test]
fn every_operator_has_a_sentence() {
    for spec in SPECS {
        let kind = kinds().find(|kind| spec.families.contains(&(*kind).into())).expect("applies to something");
        let kind = if spec.arity == Arity::Row { AttributeType::Lookup } else { kind };
        let value = match kind {
            AttributeType::Lookup => "00000000-0000-0000-0000-000000000005",
            AttributeType::Datetime if spec.arity == Arity::Day => "2024-05-31",
            _ => "7",
        };
        let operands = match spec.arity {
            Arity::None => vec![],
            Arity::Two | Arity::PeriodAndYear => vec![value; 2],
            _ => vec![value],
        };
        let found = words(&listing(kind, spec.name(), &operands));
        let sentence = found.strip_prefix("and\n  ").expect("one clause");
        assert!(sentence.starts_with(&attribute_name(kind)), "{sentence}");
        assert!(!sentence.contains("this version does not know") && !sentence.contains("{}"), "{sentence}");
        assert_eq!(
            sentence.contains(&value[..1]),
            spec.arity != Arity::None || sentence.contains("7 days"),
            "{sentence}"
        );
    }
}

#[test]
fn damaged_filters_are_described_all_the_same() {
    let condition = FilterCondition { attribute_number: 99, operator: 999, ..Default::default() };
    let node = FilterNode { kind: Some(Kind::Condition(condition)) };
    let expected = "attribute 99 is tested in a way that this version does not know";
    assert_eq!(describe(&node, &SCHEMA, thing()), [(0, expected.to_owned())]);
}
