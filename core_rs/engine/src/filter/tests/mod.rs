//! Filters as a whole, from FetchXML to matching values, against definitions written down a second time.

use haversack_proto::model::{AttributeType, Collation, FilterNode};
use jiff::tz::TimeZone;

use super::*;
use crate::row::sample::{attribute_name, thing};
use crate::schema::Schema;

mod documents;
mod fuzz;
mod operators;

const RULES: FilterRules = FilterRules { collation: Collation::CiAi, null_never_matches: false };

fn compiled(xml: &str) -> Result<FilterNode, FilterError> {
    compile(&Schema::default(), &thing(), xml, &TimeZone::UTC)
}

fn plan(xml: &str, rules: FilterRules) -> Result<Plan, FilterError> {
    Plan::from_model(&compiled(xml)?, &Schema::default(), &thing(), &rules)
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
