//! What is accepted and what is refused, for which reason and where.

#![expect(clippy::single_range_in_vec_init, reason = "a test is compared with the ranges that it has")]

use haversack_proto::error::ErrorReason;
use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::{self, AttributeType, FilterNode};

use super::{RULES, compiled, condition, listing, loaded, plan};
use crate::filter::*;
use crate::ids::AttributeNumber;
use crate::row::{Value, parse_id};
use crate::schema::Schema;

#[test]
fn dates_without_an_offset_are_the_callers() {
    let kind = AttributeType::Datetime;
    let local = plan(&condition(kind, "eq", "2024-05-31"), RULES).expect("sound");
    let Plan::Leaf(Leaf { test: LeafTest::Window(window), .. }) = local else { panic!("{local:?}") };
    let values = |name: &str| {
        let zone = jiff::tz::TimeZone::get(name).expect("bundled");
        window.ranges(kind, crate::ids::Instant(0), &zone)
    };
    let midnight = 1_717_113_600_000_000;
    assert_eq!(values("UTC"), [midnight..midnight + 1]);
    assert_eq!(values("America/New_York"), [midnight + 4 * 3_600_000_000..midnight + 4 * 3_600_000_000 + 1]);
    let instant = plan(&condition(kind, "eq", "2024-05-31T00:00:00Z"), RULES).expect("sound");
    assert!(matches!(instant, Plan::Leaf(Leaf { test: LeafTest::Shared(_), .. })), "an offset says which instant");
    let wall = plan(&condition(AttributeType::DatetimeIndependent, "eq", "2024-05-31T10:00"), RULES).expect("sound");
    assert!(matches!(wall, Plan::Leaf(Leaf { test: LeafTest::Shared(_), .. })), "a wall clock has no zone");
}

#[test]
fn lookups_of_entities_with_other_keys_take_them() {
    let attribute = |number, name: &str, kind: AttributeType, targets: &[&str]| model::Attribute {
        number,
        logical_name: name.to_owned(),
        r#type: kind.into(),
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        ..Default::default()
    };
    let entity = |number, name: &str, attributes| model::Entity {
        number,
        logical_name: name.to_owned(),
        ownership: 1,
        attributes,
        primary_id_attribute: "id".to_owned(),
        ..Default::default()
    };
    let depot = entity(1, "depot", vec![attribute(1, "id", AttributeType::String, &[])]);
    let id = attribute(1, "id", AttributeType::Uniqueidentifier, &[]);
    let van = entity(2, "van", vec![id, attribute(2, "depotid", AttributeType::Lookup, &["depot"])]);
    let model = model::Model { entities: vec![depot, van], ..Default::default() };
    let schema = Schema::from_model(&model).expect("sound metadata");
    let van = schema.entity("van").expect("in the schema");
    let filter = |name: &str| format!("<filter><condition attribute='{name}' operator='eq' value='NORTH-7'/></filter>");
    assert!(compile(&schema, van, &filter("id")).is_err(), "a van's own id is a UUID");
    let node = compile(&schema, van, &filter("depotid")).expect("a depot's id");
    let plan = Plan::from_model(&node, &schema, van, &RULES).expect("sound");
    let Plan::Leaf(Leaf { test: LeafTest::Shared(test), .. }) = plan else { panic!("{plan:?}") };
    assert!(test.matches(parse_id("NORTH-7").as_ref()) && !test.matches(parse_id("NORTH-8").as_ref()));
    assert!(!test.matches(Some(&Value::Id([0; 16]))));
}

#[test]
fn tests_of_user_and_clock() {
    let leaf = |kind: AttributeType, test| Plan::Leaf(Leaf { attribute: AttributeNumber(kind as u32), test });
    let owner = AttributeType::Owner;
    for (operator, holder) in
        [("eq-userid", Holder::User), ("eq-userteams", Holder::Teams), ("eq-businessid", Holder::Unit)]
    {
        assert_eq!(
            plan(&listing(owner, operator, &[]), RULES),
            Ok(leaf(owner, LeafTest::User(UserTest { holder, negated: false, matches_null: false })))
        );
    }
    let day = AttributeType::DateOnly;
    let window = LeafTest::Window(WindowTest::last_days(10));
    assert_eq!(plan(&condition(day, "last-x-days", "10"), RULES), Ok(leaf(day, window)));
}

#[test]
fn documents() {
    let all = Ok(Plan::All);
    for xml in [
        "<filter/>",
        "<filter type='and'> <!-- nothing --> <filter/></filter>",
        "\u{feff}<?xml version='1.0' encoding='utf-8'?><fetch top='5'><entity name='thing'/></fetch>",
        "<fetch><entity name='thing'><attribute name='x'><y/></attribute><order attribute='x'/></entity><order/></fetch>",
        "<fetch><entity name='thing'><filter/><filter><filter/></filter></entity></fetch>",
    ] {
        assert_eq!(plan(xml, RULES), all, "{xml}");
    }
    let eq = |value: u32| format!("<condition attribute='integer' operator='eq' value='{value}'/>");
    let fetch = |filters: &str| format!("<fetch><entity name='thing'>{filters}</entity></fetch>");
    for (left, right) in [
        (fetch(&format!("<filter>{}</filter>", eq(1))), format!("<filter><filter/>{}</filter>", eq(1))),
        (fetch(&format!("<filter>{}</filter><filter>{}</filter>", eq(1), eq(2))), format!("<filter>{}{}</filter>", eq(1), eq(2))),
        (
            "<filter><condition attribute='string' operator='in' value=''><value uiname='x' uitype='y'>a<![CDATA[<]]>&amp;&#x41;</value></condition></filter>".to_owned(),
            "<filter><condition uiname='A' attribute='string' operator='in'><value>a&lt;&#38;A</value></condition></filter>".to_owned(),
        ),
        (
            "<filter><condition attribute='string' operator='eq'><value/></condition></filter>".to_owned(),
            "<filter isquickfindfields='0'><condition attribute='string' operator='eq' value=''/></filter>".to_owned(),
        ),
    ] {
        assert_eq!(compiled(&left), compiled(&right), "{left} {right}");
        assert!(compiled(&left).is_ok());
    }
    let node = compiled(&format!("<filter>{}<filter type='or'>{}{}</filter></filter>", eq(1), eq(2), eq(3)));
    assert_eq!(count_conditions(&node.expect("sound")), 3);
    assert_eq!(count_conditions(&FilterNode::default()), 0);
}

/// Asserts that a document is refused for a reason, at a line and column, with a message that says what to do.
fn assert_refused(xml: &str, reason: ErrorReason, place: (&str, u32, u32), message: &str) {
    let error = compiled(xml).expect_err(xml);
    assert_eq!(error.reason(), reason, "{xml}: {error}");
    let found = error.place().expect("compile errors have a place");
    assert_eq!((found.element.as_str(), found.line, found.column), place, "{xml}: {error}");
    assert!(error.to_string().contains(message), "{xml}: {error}");
}

#[test]
fn malformed_documents_are_located() {
    let malformed = |xml: &str, place, message| assert_refused(xml, ErrorReason::FilterMalformed, place, message);
    malformed("", ("", 1, 1), "write a <filter> or a <fetch>");
    malformed("<filter>", ("filter", 1, 9), "ends within <filter>");
    malformed("<filter></fetch>", ("filter", 1, 9), "fetch");
    malformed("<filter", ("", 1, 1), "not closed");
    malformed("<filter/>\n<filter/>", ("filter", 2, 1), "nothing behind");
    malformed("<grid/>", ("grid", 1, 1), "a <filter> or a <fetch>");
    malformed("<filter>\n é x</filter>", ("filter", 1, 9), "text does not belong here");
    malformed("<filter>\n\té\t<row/></filter>", ("filter", 1, 9), "text");
    malformed("<filter>\n<row/></filter>", ("row", 2, 1), "expected <condition>, <filter> or <link-entity>");
    malformed("<filter type='xor'/>", ("filter", 1, 1), "\"and\" (the default) or \"or\"");
    malformed("<filter typ='or'/>", ("filter", 1, 1), "\"typ\"");
    malformed("<filter type='or' type='or'/>", ("filter", 1, 1), "duplicate");
    malformed("<filter type='or'/>", ("filter", 1, 1), "add a condition");
    malformed("<filter type='or'>\n<filter/></filter>", ("filter", 2, 1), "matches everything");
    malformed("<filter><condition operator='eq'/></filter>", ("condition", 1, 9), "\"attribute\" is missing");
    malformed("<filter><condition attribute='string'/></filter>", ("condition", 1, 9), "\"operator\" is missing");
    malformed("<filter><condition attribute='string' operator='eq'><x/></condition></filter>", ("x", 1, 53), "<value>");
    malformed(
        "<filter><condition attribute='string' operator='eq'><value><b/></value></condition></filter>",
        ("b", 1, 60),
        "text in <value>",
    );
    malformed("<!DOCTYPE filter [<!ENTITY a 'b'>]><filter/>", ("", 1, 1), "DTD");
    malformed("<filter><?php x?></filter>", ("filter", 1, 9), "processing instructions");
    malformed("<filter/><?xml version='1.0'?>", ("", 1, 10), "may only begin");
    malformed("<filter>&nbsp;</filter>", ("filter", 1, 9), "five entities");
    malformed("<filter type='&and;'/>", ("filter", 1, 1), "and");
    malformed("<filter>\u{0}</filter>", ("", 1, 9), "control character");
    malformed("<fetch/>", ("", 1, 9), "no <entity>");
    malformed("<fetch><entity/></fetch>", ("entity", 1, 8), "\"name\" is missing");
    malformed("<fetch><entity name='other'/></fetch>", ("entity", 1, 8), "a filter on \"thing\" is needed");
    malformed("<fetch><entity name='thing'/><entity name='thing'/></fetch>", ("entity", 1, 30), "one <entity>");
}

#[test]
fn what_offline_filters_do_not_have_is_named_with_what_to_write() {
    let unsupported = |xml: &str, what: &str, instead: &str| {
        let error = compiled(xml).expect_err(xml);
        assert_eq!(error.reason(), ErrorReason::FilterUnsupported, "{error}");
        assert!(matches!(&error, FilterError::Unsupported { what: found, .. } if found.contains(what)), "{error}");
        assert!(error.to_string().contains(instead), "{error}");
    };
    let allowed = "link-type \"any\" or \"not any\"";
    for link_type in ["", "inner", "outer", "all", "not all", "exists", "in", "matchfirstrowusingcrossapply", "ANY"] {
        let named = if link_type.is_empty() { String::new() } else { format!("link-type='{link_type}'") };
        let link = format!("<link-entity name='note' from='thingid' to='uniqueidentifier' {named}/>");
        let what = format!("link-type \"{}\"", if link_type.is_empty() { "inner" } else { link_type });
        unsupported(&format!("<filter>{link}</filter>"), &what, allowed);
    }
    let any = "<link-entity name='note' from='thingid' to='uniqueidentifier' link-type='any'/>";
    let fetch = format!("<fetch><entity name='thing'>{any}</entity></fetch>");
    unsupported(&fetch, "<link-entity> outside of a <filter>", allowed);
    for name in ["entityname", "aggregate", "alias"] {
        let xml = format!("<filter><condition attribute='string' operator='eq' {name}='memo'/></filter>");
        unsupported(&xml, name, if name == "entityname" { "<link-entity>" } else { "without it" });
    }
    let linked = "<filter><condition attribute='string' operator='eq' valueof='other.memo'/></filter>";
    unsupported(linked, "valueof \"other.memo\"", "of the same entity");
    unsupported("<fetch aggregate='true'><entity name='thing'/></fetch>", "aggregates", "without it");
    assert!(compiled("<fetch aggregate='false' top='3' distinct='true'><entity name='thing'/></fetch>").is_ok());
    let unknown = |operator, message| {
        let xml = condition(AttributeType::Owner, operator, "1");
        assert_refused(&xml, ErrorReason::FilterOperatorUnknown, ("condition", 1, 9), operator);
        assert_refused(&xml, ErrorReason::FilterOperatorUnknown, ("condition", 1, 9), message);
    };
    unknown("equals", "is not FetchXML's");
    unknown("EQ", "similar are: eq, ");
}

#[test]
fn names_and_operands_are_checked() {
    let place = ("condition", 1, 9);
    let unknown = "<filter><condition attribute='nme' operator='eq' value='x'/></filter>";
    assert_refused(unknown, ErrorReason::AttributeUnknown, place, "thing has no attribute \"nme\"");
    let invalid = |xml: &str, message| assert_refused(xml, ErrorReason::FilterOperandInvalid, place, message);
    invalid(&listing(AttributeType::String, "eq", &[]), "it takes one value, not 0");
    invalid(&listing(AttributeType::String, "eq", &["a", "b"]), "it takes one value, not 2");
    invalid(&condition(AttributeType::String, "null", ""), "remove it");
    invalid(&listing(AttributeType::Owner, "eq-userid", &["x"]), "it takes no value");
    invalid(&listing(AttributeType::String, "in", &[]), "add one");
    invalid(&condition(AttributeType::String, "in", "a"), "as a <value> element");
    invalid(&condition(AttributeType::Integer, "eq", "5.5"), "value \"5.5\" of \"integer\" is not a whole number");
    invalid(&condition(AttributeType::Integer, "eq", "2147483648"), "2147483647");
    invalid(&condition(AttributeType::State, "eq", "Active"), "whole number");
    invalid(&condition(AttributeType::MultiSelectPicklist, "eq", ""), "1,2,3");
    invalid(&condition(AttributeType::Lookup, "eq", "Contoso"), "UUID");
    invalid(&condition(AttributeType::Datetime, "ge", "1752-12-31"), "1753");
    invalid(&condition(AttributeType::String, "like", "a[b"), "[[]");
    invalid(&condition(AttributeType::Integer, "like", "%5%"), "it is for text");
    for days in ["0", "-1", "1.5", "100001", "ten", ""] {
        invalid(&condition(AttributeType::Datetime, "last-x-days", days), "from 1 to 100000");
    }
    let second = listing(AttributeType::Integer, "in", &["1", "x"]);
    assert_refused(&second, ErrorReason::FilterOperandInvalid, ("value", 1, 70), "\"x\"");
}

#[test]
fn limits() {
    let large = |xml: &str, message| {
        let error = compiled(xml).expect_err("too large");
        assert_eq!(error.reason(), ErrorReason::FilterTooLarge, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    };
    let eq = "<condition attribute='integer' operator='eq' value='1'/>";
    let nested = |levels: usize, inner: &str| {
        format!("{}{inner}{}", "<filter type='or'>".repeat(levels), "</filter>".repeat(levels))
    };
    assert!(plan(&nested(FILTER_LEVELS_MAX, eq), RULES).is_ok());
    large(&nested(FILTER_LEVELS_MAX + 1, eq), "more than 3 deep");
    let side_by_side =
        |filters: &str| format!("<fetch><entity name='thing'><filter>{eq}</filter>{filters}</entity></fetch>");
    large(&side_by_side(&nested(FILTER_LEVELS_MAX, eq)), "side by side");
    assert!(plan(&side_by_side(&nested(FILTER_LEVELS_MAX - 1, eq)), RULES).is_ok());
    assert!(plan(&format!("<filter>{}</filter>", eq.repeat(CONDITIONS_MAX)), RULES).is_ok());
    large(&format!("<filter>{}</filter>", eq.repeat(CONDITIONS_MAX + 1)), "more than 500 conditions");
    large(&format!("<filter><!--{}--></filter>", "x".repeat(DOCUMENT_BYTES_MAX)), "at most 1048576");
    let deep = format!("<fetch><entity name='thing'>{}", "<attribute>".repeat(100_000));
    large(&deep[..DOCUMENT_BYTES_MAX.min(deep.len())], "deep");
    let pattern = "x".repeat(PATTERN_BYTES_MAX);
    assert!(plan(&condition(AttributeType::Memo, "like", &pattern), RULES).is_ok());
    let longer = compiled(&condition(AttributeType::Memo, "like", &(pattern + "x"))).expect_err("too long");
    assert!(longer.to_string().contains("8000 bytes") && longer.to_string().len() < 300, "{longer}");
}

#[test]
fn compiled_filters_that_contradict_the_metadata_are_refused() {
    use model::{FilterCondition, FilterGroup, FilterOperand, FilterOperator, filter_operand::Value as Typed};
    let operand = |value| FilterOperand { value: Some(value) };
    let node = |number: u32, operator: FilterOperator, operands: Vec<FilterOperand>| FilterNode {
        kind: Some(Kind::Condition(FilterCondition {
            attribute_number: number,
            operator: operator.into(),
            operands,
            ..Default::default()
        })),
    };
    let group = |nodes| FilterNode { kind: Some(Kind::Group(FilterGroup { join: 1, nodes })) };
    let integer = AttributeType::Integer as u32;
    let unsorted = model::IntegerSet { values: vec![2, 1] };
    let mut nested = node(integer, FilterOperator::Null, vec![]);
    for _ in 0..=FILTER_LEVELS_MAX {
        nested = group(vec![nested]);
    }
    for bad in [
        node(99, FilterOperator::Null, vec![]),
        node(integer, FilterOperator::Unspecified, vec![]),
        node(integer, FilterOperator::Eq, vec![]),
        node(integer, FilterOperator::Eq, vec![operand(Typed::Text("1".to_owned()))]),
        node(integer, FilterOperator::Eq, vec![FilterOperand { value: None }]),
        node(integer, FilterOperator::Eq, vec![operand(Typed::Integer(1)), operand(Typed::Integer(2))]),
        node(integer, FilterOperator::Null, vec![operand(Typed::Integer(1))]),
        node(integer, FilterOperator::Like, vec![operand(Typed::Text("1".to_owned()))]),
        node(integer, FilterOperator::In, vec![]),
        node(AttributeType::Double as u32, FilterOperator::Gt, vec![operand(Typed::Real(f64::NAN))]),
        node(AttributeType::Decimal as u32, FilterOperator::Eq, vec![operand(Typed::Text("1.0".to_owned()))]),
        node(AttributeType::Lookup as u32, FilterOperator::Eq, vec![operand(Typed::Id(vec![1; 15]))]),
        node(AttributeType::MultiSelectPicklist as u32, FilterOperator::Eq, vec![operand(Typed::Integers(unsorted))]),
        node(AttributeType::Datetime as u32, FilterOperator::LastXDays, vec![operand(Typed::Integer(0))]),
        node(AttributeType::String as u32, FilterOperator::Like, vec![operand(Typed::Text("[".to_owned()))]),
        group(vec![]),
        FilterNode { kind: Some(Kind::Group(FilterGroup { join: 0, nodes: vec![FilterNode::default()] })) },
        nested,
    ] {
        let error = loaded(&bad, RULES).expect_err("contradictory");
        assert!(matches!(error, FilterError::PlanInvalid { .. }), "{error}");
        assert_eq!((error.reason(), error.place()), (ErrorReason::Internal, None));
    }
}
