//! Filters, clause by clause.

use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::{FilterCondition, FilterGroup, FilterJoin, FilterLink, FilterNode};

use super::words::{condition_text, id_text, value_text};
use super::{Explainer, Join, Reason, ReasonKind};
use crate::engine::rule::{Question, Rule, keys};
use crate::filter::Plan;
use crate::ids::{AttributeNumber, EntityNumber, Ordinal};
use crate::row::Value;
use crate::schema::Entity;

/// How many linked rows are shown for a clause about them.
const LINKED_ROWS_MAX: usize = 5;

impl<'a> Explainer<'a> {
    /// Why a filter that is stated on an entity takes a row, or why not.
    pub(super) fn clause(&self, node: &FilterNode, entity: &Entity, question: Question<'a>, row: Ordinal) -> Reason {
        let plan = Plan::from_model(node, self.filters.schema, entity, &self.filters.rules);
        let plan = plan.expect("the model was compiled");
        if plan == Plan::All {
            return Reason::new(ReasonKind::Group, "every row", true);
        }
        let holds = || {
            let rule = Rule::from_plan(&plan, entity, &self.filters, &mut self.needs.borrow_mut());
            question.holds(&rule, row)
        };
        match node.kind.as_ref().expect("a node that says nothing takes every row") {
            Kind::Group(group) => self.group(group, entity, question, row),
            Kind::Condition(condition) => {
                let sentence = self.condition(condition, entity, question, row);
                Reason::new(ReasonKind::Condition, sentence, holds())
            }
            Kind::Link(link) => self.link(link, entity, question, row, holds()),
        }
    }

    fn group(&self, group: &FilterGroup, entity: &Entity, question: Question<'a>, row: Ordinal) -> Reason {
        let parts = group.nodes.iter().map(|node| self.clause(node, entity, question, row)).collect();
        if group.join() == FilterJoin::And {
            Reason::all(ReasonKind::Group, "all of these hold", parts)
        } else {
            Reason::any(ReasonKind::Group, "one of these holds", parts)
        }
    }

    fn condition(&self, condition: &FilterCondition, entity: &Entity, question: Question<'a>, row: Ordinal) -> String {
        let it_is = |number: u32| {
            let value = self.value(AttributeNumber(number), entity, question, row);
            value.map_or(String::new(), |value| format!(" (it is {value})"))
        };
        let (one, other) = (condition.attribute_number, condition.other_attribute_number);
        let values = if other == 0 { it_is(one) } else { it_is(one) + &it_is(other) };
        format!("{}{values}", condition_text(condition, entity))
    }

    /// The value of an attribute, as far as it is kept in memory.
    fn value(&self, number: AttributeNumber, entity: &Entity, question: Question<'a>, row: Ordinal) -> Option<String> {
        let attribute = entity.attribute_by_number(number)?;
        let value = if number == entity.primary_id {
            Some(Value::Id(question.table.ids().key(row).0))
        } else {
            question.table.value(number, row)?
        };
        Some(value_text(value.as_ref(), attribute.kind))
    }

    fn link(&self, link: &FilterLink, entity: &Entity, question: Question<'a>, row: Ordinal, holds: bool) -> Reason {
        let other = self.filters.entity(EntityNumber(link.entity_number));
        let [from, to] =
            [(other, link.from_attribute_number), (entity, link.to_attribute_number)].map(|(entity, number)| {
                entity.attribute_by_number(AttributeNumber(number)).expect("the model was compiled")
            });
        let [from_keys, to_keys] =
            [(other, from), (entity, to)].map(|(entity, it)| keys(entity, it.number, &mut self.needs.borrow_mut()));
        let table = self.situation.index.table_of(other.number).expect("linked rows are kept");
        let mut linked: Vec<Ordinal> = Vec::new();
        if let Some(key) = to_keys.of(question.table, row) {
            from_keys.each(table, key, |other| linked.extend(table.alive().contains(other).then_some(other)));
        }
        let others = Question { table, ..question };
        let shown = linked.iter().take(LINKED_ROWS_MAX).map(|&row| {
            let inner = link.node.as_deref().map(|node| self.clause(node, other, others, row));
            Reason::all(
                ReasonKind::LinkedRow,
                format!("{} {} matches", other.name, id_text(table.ids().key(row))),
                inner.into_iter().collect(),
            )
        });
        let quantity = if link.negated { "no" } else { "some" };
        let sentence = format!(
            "{quantity} {} whose {} is this row's {} matches ({} of them there are)",
            other.name,
            from.name,
            to.name,
            linked.len()
        );
        Reason { join: Join::Itself, ..Reason::new(ReasonKind::Link, sentence, holds) }.with(shown.collect())
    }
}
