//! Filters, clause by clause.

use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::{FilterCondition, FilterGroup, FilterJoin, FilterLink, FilterNode};

use super::words::{id_text, value_text};
use super::{Explainer, Reason, ReasonKind};
use crate::columns::Table;
use crate::engine::rule::{Question, Rule, keys};
use crate::filter::{Plan, describe};
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
                let sentence = self.sentence(node, entity) + &values(condition, entity, question, row);
                Reason::new(ReasonKind::Condition, sentence, holds())
            }
            Kind::Link(link) => {
                let linked = self.linked(link, entity, question, row);
                let sentence = format!("{} ({} rows are linked)", self.sentence(node, entity), linked.len());
                let shown = linked.into_iter().take(LINKED_ROWS_MAX);
                let shown = shown.map(|row| self.linked_row(link, question, row)).collect();
                Reason::new(ReasonKind::Link, sentence, holds()).with(shown)
            }
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

    /// What a clause asks.
    fn sentence(&self, node: &FilterNode, entity: &Entity) -> String {
        describe(node, self.filters.schema, entity).into_iter().next().map_or_else(String::new, |(_, line)| line)
    }

    /// The live rows that are equal to a row in the attributes of a link.
    fn linked(&self, link: &FilterLink, entity: &Entity, question: Question<'a>, row: Ordinal) -> Vec<Ordinal> {
        let other = self.filters.entity(EntityNumber(link.entity_number));
        let keys_of = |entity, number| keys(entity, AttributeNumber(number), &mut self.needs.borrow_mut());
        let (from, to) = (keys_of(other, link.from_attribute_number), keys_of(entity, link.to_attribute_number));
        let table = self.linked_table(link);
        let mut linked = Vec::new();
        if let Some(key) = to.of(question.table, row) {
            from.each(table, key, |other| linked.extend(table.alive().contains(other).then_some(other)));
        }
        linked
    }

    fn linked_row(&self, link: &FilterLink, question: Question<'a>, row: Ordinal) -> Reason {
        let (entity, table) = (self.filters.entity(EntityNumber(link.entity_number)), self.linked_table(link));
        let inner = link.node.as_deref().map(|node| self.clause(node, entity, Question { table, ..question }, row));
        let sentence = format!("{} {} matches", entity.name, id_text(table.ids().key(row)));
        Reason::all(ReasonKind::LinkedRow, sentence, inner.into_iter().collect())
    }

    fn linked_table(&self, link: &FilterLink) -> &'a Table {
        self.situation.index.table_of(EntityNumber(link.entity_number)).expect("linked rows are kept")
    }
}

/// The value of an attribute, as far as it is kept in memory.
fn value(number: AttributeNumber, entity: &Entity, question: Question<'_>, row: Ordinal) -> Option<String> {
    let attribute = entity.attribute_by_number(number)?;
    let value = if number == entity.primary_id {
        Some(Value::Id(question.table.ids().key(row).0))
    } else {
        question.table.value(number, row)?
    };
    Some(value_text(value.as_ref(), attribute.kind))
}

/// The values of the attributes that a condition is about.
fn values(condition: &FilterCondition, entity: &Entity, question: Question<'_>, row: Ordinal) -> String {
    let told = |number: u32| {
        let value = value(AttributeNumber(number), entity, question, row);
        value.map_or(String::new(), |value| format!(" (it is {value})"))
    };
    let (one, other) = (condition.attribute_number, condition.other_attribute_number);
    if other == 0 { told(one) } else { told(one) + &told(other) }
}
