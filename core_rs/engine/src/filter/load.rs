//! From the compiled form of a filter to its plan.

use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::{FilterGroup, FilterJoin, FilterLink, FilterNode};

use super::document::{FILTER_LEVELS_MAX, LINK_LEVELS_MAX};
use super::leaf;
use super::operator::Family;
use super::{FilterError, FilterRules, Link, Plan};
use crate::ids::EntityNumber;
use crate::schema::{Entity, Schema};

impl Plan {
    /// Loads a compiled filter on `entity` of `schema`.
    ///
    /// # Errors
    /// `PlanInvalid` if it contradicts the metadata or the contract, which only a damaged or hand-written model does.
    pub fn from_model(
        node: &FilterNode,
        schema: &Schema,
        entity: &Entity,
        rules: &FilterRules,
    ) -> Result<Self, FilterError> {
        let loader = Loader { schema, entity, rules, links: 0 };
        loader.node(node, 0).map_err(|problem| FilterError::PlanInvalid { problem })
    }
}

/// Loads nodes on one entity. Errors continue "the compiled filter …".
struct Loader<'a> {
    schema: &'a Schema,
    entity: &'a Entity,
    rules: &'a FilterRules,
    /// How many links lie around the nodes.
    links: usize,
}

impl Loader<'_> {
    /// Loads a node that lies within `level` groups.
    fn node(&self, node: &FilterNode, level: usize) -> Result<Plan, String> {
        match &node.kind {
            None => Ok(Plan::All),
            Some(Kind::Condition(condition)) => leaf::load(condition, self.schema, self.entity, self.rules),
            Some(Kind::Group(_)) if level == FILTER_LEVELS_MAX => {
                Err(format!("has more than {FILTER_LEVELS_MAX} groups within each other"))
            }
            Some(Kind::Group(group)) => self.group(group, level + 1),
            Some(Kind::Link(link)) => self.link(link).map(|link| Plan::Link(Box::new(link))),
        }
    }

    fn group(&self, group: &FilterGroup, level: usize) -> Result<Plan, String> {
        let parts = group.nodes.iter().map(|node| self.node(node, level)).collect::<Result<Vec<_>, _>>()?;
        match group.join() {
            _ if parts.is_empty() => Err("has an empty group".to_owned()),
            FilterJoin::And => Ok(all_of(parts)),
            FilterJoin::Or => Ok(some_of(parts)),
            FilterJoin::Unspecified => Err("has a group without a join".to_owned()),
        }
    }

    fn link(&self, link: &FilterLink) -> Result<Link, String> {
        if self.links == LINK_LEVELS_MAX {
            return Err(format!("has more than {LINK_LEVELS_MAX} links within each other"));
        }
        let entity = EntityNumber(link.entity_number);
        let linked = self.schema.entity_by_number(entity);
        let linked = linked.ok_or_else(|| format!("links entity {}, which does not exist", entity.0))?;
        let from = leaf::attribute(linked, link.from_attribute_number)?;
        let to = leaf::attribute(self.entity, link.to_attribute_number)?;
        if !Family::can_link((linked, from), (self.entity, to)) {
            return Err(format!("links {}.{} to \"{}\" of another type", linked.name, from.name, to.name));
        }
        let within = Loader { entity: linked, links: self.links + 1, ..*self };
        let plan = link.node.as_deref().map_or(Ok(Plan::All), |node| within.node(node, 0))?;
        Ok(Link { entity, from: from.number, to: to.number, negated: link.negated, plan })
    }
}

fn all_of(mut parts: Vec<Plan>) -> Plan {
    parts.retain(|part| *part != Plan::All);
    match parts.len() {
        0 => Plan::All,
        1 => parts.remove(0),
        _ => Plan::And(parts),
    }
}

fn some_of(mut parts: Vec<Plan>) -> Plan {
    match parts.len() {
        _ if parts.contains(&Plan::All) => Plan::All,
        1 => parts.remove(0),
        _ => Plan::Or(parts),
    }
}
