//! Filters as a whole, from FetchXML to matching values, against definitions written down a second time.

use std::sync::LazyLock;

use haversack_proto::model::{self, AttributeType, Collation, FilterNode};

use super::*;
use crate::row::sample::{attribute_name, kinds};
use crate::schema::{Entity, Ownership, Schema};

mod comparisons;
mod describe;
mod documents;
mod fuzz;
mod hostile;
mod links;
mod operators;
mod windows;

const RULES: FilterRules = FilterRules {
    collation: Collation::CiAi,
    null_never_matches: false,
    week_start: 0,
    fiscal: FiscalCalendar::CALENDAR_YEARS,
};

/// RULES, but NULL fails negative operators too.
const STRICT: FilterRules = FilterRules { null_never_matches: true, ..RULES };

/// The entity "thing", of which attribute n has type n; "note", whose rows point at things and form a hierarchy of
/// their own; and "plain", which has neither.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let targets = |kind| match kind {
        AttributeType::Lookup => vec!["thing".to_owned()],
        AttributeType::Owner => vec!["plain".to_owned()],
        AttributeType::Customer => vec!["note".to_owned(), "plain".to_owned()],
        _ => vec![],
    };
    let attributes = kinds().map(|kind| model::Attribute { targets: targets(kind), ..attribute(kind as u32, kind) });
    let lookup = |number, name: &str, target: &str| model::Attribute {
        logical_name: name.to_owned(),
        targets: vec![target.to_owned()],
        ..attribute(number, AttributeType::Lookup)
    };
    let note = vec![
        attribute(1, AttributeType::Uniqueidentifier),
        attribute(2, AttributeType::String),
        attribute(3, AttributeType::Integer),
        lookup(4, "thingid", "thing"),
        lookup(5, "parentid", "note"),
    ];
    let entities = vec![
        entity(7, "thing", attributes.collect(), "lookup"),
        entity(8, "note", note, "parentid"),
        entity(9, "plain", vec![attribute(1, AttributeType::Uniqueidentifier)], ""),
    ];
    Schema::from_model(&model::Model { entities, ..Default::default() }).expect("sound metadata")
});

/// An attribute that has the name of its type.
fn attribute(number: u32, kind: AttributeType) -> model::Attribute {
    model::Attribute { number, logical_name: attribute_name(kind), r#type: kind.into(), ..Default::default() }
}

fn entity(number: u32, name: &str, attributes: Vec<model::Attribute>, hierarchy: &str) -> model::Entity {
    model::Entity {
        number,
        logical_name: name.to_owned(),
        ownership: Ownership::User.into(),
        attributes,
        primary_id_attribute: "uniqueidentifier".to_owned(),
        hierarchy_attribute: hierarchy.to_owned(),
        ..Default::default()
    }
}

fn thing() -> &'static Entity {
    SCHEMA.entity("thing").expect("in the schema")
}

fn compiled(xml: &str) -> Result<FilterNode, FilterError> {
    compile(&SCHEMA, thing(), xml)
}

fn loaded(node: &FilterNode, rules: FilterRules) -> Result<Plan, FilterError> {
    Plan::from_model(node, &SCHEMA, thing(), &rules)
}

fn plan(xml: &str, rules: FilterRules) -> Result<Plan, FilterError> {
    loaded(&compiled(xml)?, rules)
}

/// A filter of one condition.
fn condition(kind: AttributeType, operator: &str, value: &str) -> String {
    let name = attribute_name(kind);
    format!(r#"<filter><condition attribute="{name}" operator="{operator}" value="{value}"/></filter>"#)
}

/// A filter of one condition with `<value>` elements.
fn listing(kind: AttributeType, operator: &str, values: &[&str]) -> String {
    let name = attribute_name(kind);
    let values: String = values.iter().flat_map(|value| ["<value>", value, "</value>"]).collect();
    format!(r#"<filter><condition attribute="{name}" operator="{operator}">{values}</condition></filter>"#)
}
