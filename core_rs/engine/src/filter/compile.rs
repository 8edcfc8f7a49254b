//! From FetchXML to the compiled form: every name, type and operand checked against the metadata.

use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::{FilterCondition, FilterGroup, FilterJoin, FilterNode, FilterOperand};
use jiff::tz::TimeZone;

use super::document::{self, Child, ConditionElement, FILTER_LEVELS_MAX, FilterElement};
use super::error::{FilterError, Place, excerpt};
use super::operand;
use super::operator::{Arity, Family, Spec};
use crate::schema::{Attribute, Entity, Schema};

/// Compiles a filter on `entity` of `schema`: a `<filter>`, or a `<fetch>` of the entity, whose filters must all match. Dates
/// without an offset are of `zone`. Filters that constrain nothing compile to a node without a kind.
///
/// # Errors
/// Every [`FilterError`] but `PlanInvalid`: the first thing in the document that is wrong, and its place.
pub fn compile(schema: &Schema, entity: &Entity, fetch_xml: &str, zone: &TimeZone) -> Result<FilterNode, FilterError> {
    let document = document::read(fetch_xml, &entity.name)?;
    let compiler = Compiler { schema, entity, fetch_xml, zone };
    let filters = document.filters.iter().map(|filter| Ok((filter, compiler.filter(filter)?)));
    let mut nodes = vec![];
    for filter in filters.collect::<Result<Vec<_>, FilterError>>()? {
        if let (element, Some(node)) = filter {
            nodes.push((element, node));
        }
    }
    match nodes.len() {
        0 => Ok(FilterNode::default()),
        1 => Ok(nodes.remove(0).1),
        _ => compiler.side_by_side(nodes),
    }
}

/// How many conditions a compiled filter has.
pub fn count_conditions(node: &FilterNode) -> usize {
    match &node.kind {
        None => 0,
        Some(Kind::Condition(_)) => 1,
        Some(Kind::Group(group)) => group.nodes.iter().map(count_conditions).sum(),
        Some(Kind::Link(link)) => 1 + link.node.as_deref().map_or(0, count_conditions),
    }
}

struct Compiler<'a> {
    schema: &'a Schema,
    entity: &'a Entity,
    fetch_xml: &'a str,
    zone: &'a TimeZone,
}

impl Compiler<'_> {
    /// None if the filter constrains nothing, which is no answer where one match is enough.
    fn filter(&self, filter: &FilterElement) -> Result<Option<FilterNode>, FilterError> {
        let mut nodes = vec![];
        for child in &filter.children {
            match child {
                Child::Condition(condition) => nodes.push(self.condition(condition)?),
                Child::Filter(inner) => match self.filter(inner)? {
                    Some(node) => nodes.push(node),
                    None if filter.join == FilterJoin::And => {}
                    None => return Err(self.empty(inner, "an empty filter within an \"or\" matches everything")),
                },
            }
        }
        match filter.join {
            FilterJoin::And if nodes.is_empty() => Ok(None),
            _ if nodes.is_empty() => Err(self.empty(filter, "an \"or\" of nothing has no meaning")),
            join => Ok(Some(group(join, nodes))),
        }
    }

    /// Joins filters that lie side by side in an entity: `and` groups become one, so that no level is lost.
    fn side_by_side(&self, filters: Vec<(&FilterElement, FilterNode)>) -> Result<FilterNode, FilterError> {
        let mut nodes = vec![];
        for (element, node) in filters {
            match node.kind {
                Some(Kind::Group(group)) if group.join() == FilterJoin::And => nodes.extend(group.nodes),
                _ if levels(&node) == FILTER_LEVELS_MAX => {
                    let limit = format!(
                        "filters side by side are joined by an \"and\", which makes this one lie more than \
                         {FILTER_LEVELS_MAX} deep; flatten it"
                    );
                    return Err(FilterError::TooLarge { place: self.place("filter", element.offset), limit });
                }
                _ => nodes.push(node),
            }
        }
        Ok(group(FilterJoin::And, nodes))
    }

    fn condition(&self, condition: &ConditionElement) -> Result<FilterNode, FilterError> {
        let place = || self.place("condition", condition.offset);
        let spec = Spec::named(&condition.operator).ok_or_else(|| FilterError::OperatorUnknown {
            place: place(),
            operator: excerpt(&condition.operator).to_owned(),
        })?;
        let attribute = self.entity.attribute(&condition.attribute).ok_or_else(|| FilterError::AttributeUnknown {
            place: place(),
            entity: self.entity.name.clone(),
            attribute: excerpt(&condition.attribute).to_owned(),
        })?;
        if !spec.families.contains(&Family::from(attribute.kind)) {
            return Err(FilterError::OperatorMismatch {
                place: place(),
                operator: spec.name().to_owned(),
                attribute: attribute.name.clone(),
                applies_to: spec.applies_to(),
            });
        }
        Ok(FilterNode {
            kind: Some(Kind::Condition(FilterCondition {
                attribute_number: attribute.number.0,
                operator: spec.operator.into(),
                operands: self.operands(condition, spec, attribute)?,
                other_attribute_number: 0,
            })),
        })
    }

    fn operands(
        &self,
        condition: &ConditionElement,
        spec: &Spec,
        attribute: &Attribute,
    ) -> Result<Vec<FilterOperand>, FilterError> {
        let texts = self.operand_texts(condition, spec)?;
        let operands = texts.into_iter().map(|(element, offset, text)| {
            let operand = match spec.arity {
                Arity::Pattern => operand::pattern(text),
                Arity::Days => operand::days(text),
                Arity::None | Arity::One | Arity::Several => {
                    operand::of_attribute(text, attribute, self.schema, self.zone)
                }
            };
            operand.map_err(|problem| FilterError::OperandInvalid { place: self.place(element, offset), problem })
        });
        let operands = operands.collect::<Result<Vec<_>, _>>()?;
        let is_one_set = spec.arity == Arity::Several && Family::from(attribute.kind) == Family::Choices;
        Ok(if is_one_set { vec![operand::union(operands)] } else { operands })
    }

    /// The operands' texts, each with its element and place; as many as the operator takes.
    fn operand_texts<'c>(
        &self,
        condition: &'c ConditionElement,
        spec: &Spec,
    ) -> Result<Vec<(&'static str, usize, &'c str)>, FilterError> {
        let mut texts: Vec<_> =
            condition.values.iter().map(|(offset, text)| ("value", *offset, text.as_str())).collect();
        match (spec.arity, condition.value.as_deref()) {
            // FetchXML's writers leave an empty `value` beside the elements.
            (_, None) | (Arity::Several, Some("")) => {}
            (Arity::Several, Some(_)) => {
                return Err(self.operand_count(condition, spec, "write each value as a <value> element"));
            }
            (_, Some(text)) => texts.push(("condition", condition.offset, text)),
        }
        match (spec.arity, texts.len()) {
            (Arity::None, 0) | (Arity::One | Arity::Pattern | Arity::Days, 1) | (Arity::Several, 1..) => Ok(texts),
            (Arity::None, _) => Err(self.operand_count(condition, spec, "it takes no value; remove it")),
            (Arity::Several, _) => Err(self.operand_count(condition, spec, "it takes at least one <value>; add one")),
            (_, count) => {
                let problem = format!("it takes one value, not {count}");
                Err(self.operand_count(condition, spec, &problem))
            }
        }
    }

    fn operand_count(&self, condition: &ConditionElement, spec: &Spec, problem: &str) -> FilterError {
        let problem = format!("operator \"{}\": {problem}", spec.name());
        FilterError::OperandInvalid { place: self.place("condition", condition.offset), problem }
    }

    fn empty(&self, filter: &FilterElement, problem: &str) -> FilterError {
        let problem = format!("{problem}; add a condition or remove the filter");
        FilterError::Malformed { place: self.place("filter", filter.offset), problem }
    }

    fn place(&self, element: &str, offset: usize) -> Place {
        Place::locate(self.fetch_xml, element, offset)
    }
}

fn group(join: FilterJoin, nodes: Vec<FilterNode>) -> FilterNode {
    FilterNode { kind: Some(Kind::Group(FilterGroup { join: join.into(), nodes })) }
}

/// How many groups lie within each other.
fn levels(node: &FilterNode) -> usize {
    match &node.kind {
        Some(Kind::Group(group)) => 1 + group.nodes.iter().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}
