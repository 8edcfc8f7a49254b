//! One condition of a document: its names looked up, its operands read.

use haversack_proto::model::{FilterCondition, FilterOperand};

use super::document::ConditionElement;
use super::error::{FilterError, Place, excerpt};
use super::leaf::hierarchy_of;
use super::operand;
use super::operator::{Arity, COUNT_MAX, FISCAL_YEAR_MAX, Family, Spec};
use crate::schema::{Attribute, Entity, Schema};

/// Compiles a condition on an entity.
pub(super) struct ConditionCompiler<'a> {
    pub(super) schema: &'a Schema,
    pub(super) entity: &'a Entity,
    pub(super) fetch_xml: &'a str,
    pub(super) condition: &'a ConditionElement,
}

/// The text of an operand: the element that it is written in, that element's place, and the text.
type OperandText<'a> = (&'static str, usize, &'a str);

impl ConditionCompiler<'_> {
    pub(super) fn compile(&self) -> Result<FilterCondition, FilterError> {
        let operator = &self.condition.operator;
        let spec = Spec::named(operator).ok_or_else(|| FilterError::OperatorUnknown {
            place: self.place(),
            operator: excerpt(operator).to_owned(),
        })?;
        let attribute = self.attribute(&self.condition.attribute)?;
        if !spec.families.contains(&Family::from(attribute.kind)) {
            return Err(self.mismatch(spec, attribute, spec.applies_to()));
        }
        if spec.arity == Arity::Row {
            hierarchy_of(self.schema, self.entity, attribute)
                .map_err(|problem| self.invalid(format!("operator \"{}\": {problem}", spec.name())))?;
        }
        let (operands, other) = match &self.condition.value_of {
            Some(other) => (vec![], self.other(spec, attribute, other)?.number.0),
            None => (self.operands(spec, attribute)?, 0),
        };
        Ok(FilterCondition {
            attribute_number: attribute.number.0,
            operator: spec.operator.into(),
            operands,
            other_attribute_number: other,
        })
    }

    fn attribute(&self, name: &str) -> Result<&Attribute, FilterError> {
        self.entity.attribute(name).ok_or_else(|| FilterError::AttributeUnknown {
            place: self.place(),
            entity: self.entity.name.clone(),
            attribute: excerpt(name).to_owned(),
        })
    }

    /// The attribute of `valueof`.
    fn other(&self, spec: &Spec, attribute: &Attribute, name: &str) -> Result<&Attribute, FilterError> {
        if name.contains('.') {
            return Err(FilterError::Unsupported {
                place: self.place(),
                what: format!("valueof \"{}\", an attribute of a linked entity,", excerpt(name)),
                instead: "write an attribute of the same entity".to_owned(),
            });
        }
        if !spec.takes_attribute() {
            let problem = "it does not take \"valueof\"; eq, ne, gt, ge, lt and le do";
            return Err(self.operand_count(spec, problem));
        }
        if self.condition.value.is_some() || !self.condition.values.is_empty() {
            return Err(self.operand_count(spec, "it takes a value or \"valueof\", not both; remove one"));
        }
        let other = self.attribute(name)?;
        if !Family::can_compare(attribute.kind, other.kind) {
            return Err(self.invalid(format!(
                "valueof compares attributes of one type; \"{}\" is of type {:?}, \"{}\" of type {:?}",
                attribute.name, attribute.kind, other.name, other.kind
            )));
        }
        Ok(other)
    }

    fn operands(&self, spec: &Spec, attribute: &Attribute) -> Result<Vec<FilterOperand>, FilterError> {
        let texts = self.operand_texts(spec)?;
        let operands = texts.into_iter().enumerate().map(|(index, (element, offset, text))| {
            let operand = match spec.arity {
                Arity::Pattern => operand::pattern(text),
                Arity::Number(highest) => operand::number(text, highest),
                Arity::PeriodAndYear => operand::number(text, if index == 0 { COUNT_MAX } else { FISCAL_YEAR_MAX }),
                Arity::Day => operand::day(text, attribute.kind),
                Arity::Two if index == 1 => operand::upper_bound(text, attribute, self.schema),
                Arity::None | Arity::One | Arity::Two | Arity::Several | Arity::Row => {
                    operand::of_attribute(text, attribute, self.schema)
                }
            };
            let place = || Place::locate(self.fetch_xml, element, offset);
            operand.map_err(|problem| FilterError::OperandInvalid { place: place(), problem })
        });
        let operands = operands.collect::<Result<Vec<_>, _>>()?;
        let is_one_set = spec.arity == Arity::Several && Family::from(attribute.kind) == Family::ChoiceSet;
        Ok(if is_one_set { vec![operand::union(operands)] } else { operands })
    }

    /// The operands' texts, as many as the operator takes.
    fn operand_texts(&self, spec: &Spec) -> Result<Vec<OperandText<'_>>, FilterError> {
        let values = self.condition.values.iter();
        let mut texts: Vec<_> = values.map(|(offset, text)| ("value", *offset, text.as_str())).collect();
        match (spec.arity, self.condition.value.as_deref()) {
            // FetchXML's writers leave an empty `value` beside the elements.
            (_, None) | (Arity::Two | Arity::Several | Arity::PeriodAndYear, Some("")) => {}
            (Arity::Two | Arity::Several | Arity::PeriodAndYear, Some(_)) => {
                return Err(self.operand_count(spec, "write each value as a <value> element"));
            }
            (_, Some(text)) => texts.push(("condition", self.condition.offset, text)),
        }
        let problem = match (spec.arity, texts.len()) {
            (Arity::None, 0) | (Arity::Two | Arity::PeriodAndYear, 2) | (Arity::Several, 1..) => return Ok(texts),
            (arity, 1) if arity.is_one() => return Ok(texts),
            (Arity::None, _) => "it takes no value; remove it".to_owned(),
            (Arity::Several, _) => "it takes at least one <value>; add one".to_owned(),
            (Arity::PeriodAndYear, count) => {
                format!("it takes two <value> elements, the period and the year, not {count}")
            }
            (Arity::Two, count) => format!("it takes two <value> elements, the lower and the upper one, not {count}"),
            (_, count) => format!("it takes one value, not {count}"),
        };
        Err(self.operand_count(spec, &problem))
    }

    fn mismatch(&self, spec: &Spec, attribute: &Attribute, applies_to: String) -> FilterError {
        FilterError::OperatorMismatch {
            place: self.place(),
            operator: spec.name().to_owned(),
            attribute: attribute.name.clone(),
            applies_to,
        }
    }

    fn operand_count(&self, spec: &Spec, problem: &str) -> FilterError {
        self.invalid(format!("operator \"{}\": {problem}", spec.name()))
    }

    fn invalid(&self, problem: String) -> FilterError {
        FilterError::OperandInvalid { place: self.place(), problem }
    }

    fn place(&self) -> Place {
        Place::locate(self.fetch_xml, "condition", self.condition.offset)
    }
}
