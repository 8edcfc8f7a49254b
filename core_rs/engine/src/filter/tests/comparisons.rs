//! Attributes against each other.

use haversack_proto::error::ErrorReason;
use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::{AttributeType, FilterOperand};

use super::{FilterRules, RULES, STRICT, compiled, loaded, plan};
use crate::filter::{Comparison, ComparisonTest, Plan};
use crate::ids::AttributeNumber;
use crate::row::sample::{attribute_name, kinds};
use crate::row::{Value, parse_text};

fn xml(operator: &str, left: AttributeType, right: AttributeType) -> String {
    let (left, right) = (attribute_name(left), attribute_name(right));
    format!("<filter><condition attribute='{left}' operator='{operator}' valueof='{right}'/></filter>")
}

fn test_of(operator: &str, kind: AttributeType, rules: FilterRules) -> ComparisonTest {
    match plan(&xml(operator, kind, kind), rules) {
        Ok(Plan::Comparison(Comparison { left, right, test })) => {
            assert_eq!((left, right), (AttributeNumber(kind as u32), AttributeNumber(kind as u32)));
            test
        }
        other => panic!("{operator} on {kind:?}: {other:?}"),
    }
}

/// What a comparison says of two texts of a type.
fn holds(test: &ComparisonTest, kind: AttributeType, left: &str, right: &str) -> bool {
    let [left, right] =
        [left, right].map(|text| parse_text(kind, text).unwrap_or_else(|error| panic!("{text} {error}")));
    test.matches(Some(&left.as_value()), Some(&right.as_value()))
}

/// A low value, another spelling of it, and a higher one.
fn values(kind: AttributeType) -> [&'static str; 3] {
    use AttributeType as Kind;
    match kind {
        Kind::String | Kind::Memo | Kind::EntityName => ["abc", "ÁBC  ", "abd"],
        Kind::Integer | Kind::Bigint | Kind::Picklist | Kind::State | Kind::Status => ["-9", "-9", "10"],
        Kind::Decimal | Kind::Money => ["9.5", "9.50", "10"],
        Kind::Double => ["-0.0", "0", "1e-300"],
        Kind::Boolean => ["0", "false", "1"],
        Kind::MultiSelectPicklist => ["1,2", "2,1", "1,3"],
        Kind::Datetime => ["2024-05-31T10:00:00Z", "2024-05-31T12:00:00+02:00", "2024-05-31T10:00:00.000001Z"],
        Kind::DatetimeIndependent => ["2024-05-31T10:00:00", "2024-05-31T10:00", "2024-05-31T10:00:01"],
        Kind::DateOnly => ["2024-05-31", "2024-05-31", "2024-06-01"],
        Kind::Uniqueidentifier | Kind::Lookup | Kind::Owner | Kind::Customer => [
            "0000000a-0000-0000-0000-000000000001",
            "{0000000A-0000-0000-0000-000000000001}",
            "0000000b-0000-0000-0000-000000000001",
        ],
        Kind::Unspecified => unreachable!("is no type"),
    }
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

#[test]
fn every_operator_on_every_type() {
    for kind in kinds() {
        let [low, same, high] = values(kind);
        for (operator, [equal, ascending, descending]) in [
            ("eq", [true, false, false]),
            ("ne", [false, true, true]),
            ("neq", [false, true, true]),
            ("gt", [false, false, true]),
            ("ge", [true, false, true]),
            ("lt", [false, true, false]),
            ("le", [true, true, false]),
        ] {
            let is_equality = matches!(operator, "eq" | "ne" | "neq");
            if !is_equality && !is_ordered(kind) {
                assert!(plan(&xml(operator, kind, kind), RULES).is_err(), "{operator} on {kind:?}");
                continue;
            }
            let test = test_of(operator, kind, RULES);
            assert_eq!(holds(&test, kind, low, same), equal, "{operator} on {kind:?}");
            assert_eq!(holds(&test, kind, low, high), ascending, "{operator} on {kind:?}");
            assert_eq!(holds(&test, kind, high, low), descending, "{operator} on {kind:?}");
        }
    }
}

#[test]
fn null_on_either_side() {
    let kind = AttributeType::Integer;
    let one = Value::Integer(1);
    for operator in ["eq", "ne", "gt", "ge", "lt", "le"] {
        for (rules, left_null_holds) in [(RULES, operator == "ne"), (STRICT, false)] {
            let test = test_of(operator, kind, rules);
            assert_eq!(test.matches(None, Some(&one)), left_null_holds, "{operator}");
            assert_eq!(test.matches(None, None), left_null_holds, "{operator}");
            assert!(!test.matches(Some(&one), None), "{operator}");
        }
    }
}

#[test]
fn attributes_of_one_type_compare_and_texts_and_ids_among_themselves() {
    use AttributeType as Kind;
    let families: [&[Kind]; 2] = [
        &[Kind::String, Kind::Memo, Kind::EntityName],
        &[Kind::Uniqueidentifier, Kind::Lookup, Kind::Owner, Kind::Customer],
    ];
    for left in kinds() {
        for right in kinds() {
            let in_one = |family: &&[Kind]| family.contains(&left) && family.contains(&right);
            let expected = left == right || families.iter().any(in_one);
            let found = plan(&xml("eq", left, right), RULES);
            assert_eq!(found.is_ok(), expected, "{left:?} and {right:?}: {found:?}");
        }
    }
}

#[test]
fn misuse_is_named() {
    let refused = |condition: &str, reason, message: &str| {
        let error = compiled(&format!("<filter><condition {condition}</filter>")).expect_err(condition);
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    };
    let invalid = ErrorReason::FilterOperandInvalid;
    refused("attribute='string' operator='eq' valueof='memo' value='x'/>", invalid, "not both");
    refused("attribute='string' operator='eq' valueof='memo'><value>x</value></condition>", invalid, "not both");
    refused("attribute='string' operator='like' valueof='memo'/>", invalid, "does not take \"valueof\"");
    refused("attribute='string' operator='null' valueof='memo'/>", invalid, "does not take \"valueof\"");
    refused("attribute='string' operator='in' valueof='memo'/>", invalid, "does not take \"valueof\"");
    refused("attribute='string' operator='eq' valueof='integer'/>", invalid, "attributes of one type");
    refused("attribute='boolean' operator='gt' valueof='boolean'/>", invalid, "does not apply");
    refused("attribute='string' operator='eq' valueof='nme'/>", ErrorReason::AttributeUnknown, "\"nme\"");
    refused("attribute='string' operator='eq' valueof='a.memo'/>", ErrorReason::FilterUnsupported, "\"a.memo\"");
}

#[test]
fn damaged_comparisons_are_refused() {
    let sound = compiled(&xml("eq", AttributeType::String, AttributeType::Memo)).expect("sound");
    for (number, operands) in [(99, 0), (AttributeType::Integer as u32, 0), (AttributeType::Memo as u32, 1)] {
        let mut node = sound.clone();
        let Some(Kind::Group(group)) = &mut node.kind else { panic!("{node:?}") };
        let Some(Kind::Condition(condition)) = &mut group.nodes[0].kind else { panic!("{group:?}") };
        condition.other_attribute_number = number;
        condition.operands = vec![FilterOperand::default(); operands];
        assert!(loaded(&node, RULES).is_err(), "{number} {operands}");
    }
}
