//! The loaded form of a compiled filter: what the engine evaluates.

use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::{Collation, FilterJoin, FilterNode, Settings};

use super::document::FILTER_LEVELS_MAX;
use super::leaf::leaf;
use super::{FilterError, Test, WindowTest};
use crate::ids::AttributeNumber;
use crate::schema::Entity;

/// Which rows of an entity a filter takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Plan {
    /// Every row.
    All,
    /// Rows that every part takes; at least two parts.
    And(Vec<Plan>),
    /// Rows that some part takes; at least two parts.
    Or(Vec<Plan>),
    /// Rows whose attribute passes a test.
    Leaf(Leaf),
}

/// A test of one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// The attribute.
    pub attribute: AttributeNumber,
    /// The test.
    pub test: LeafTest,
}

/// Tests by what their answer depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LeafTest {
    /// The row alone.
    Shared(Test),
    /// The row and the user.
    User(UserTest),
    /// The row and the instant.
    Window(WindowTest),
}

/// Tests against the user; all are on id attributes, and NULL passes none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserTest {
    /// The id is the user's own.
    EqUserId,
    /// The id is that of a team of the user.
    EqUserTeams,
    /// The id is that of the user's business unit.
    EqBusinessId,
}

/// What an organization has chosen about comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterRules {
    /// Whether accents count in text.
    pub collation: Collation,
    /// Whether NULL fails negative operators too.
    pub null_never_matches: bool,
}

impl FilterRules {
    /// The rules of a model's settings.
    pub fn from_settings(settings: &Settings) -> Self {
        Self { collation: settings.collation(), null_never_matches: settings.null_never_matches }
    }
}

impl Plan {
    /// Loads a compiled filter on `entity`.
    ///
    /// # Errors
    /// `PlanInvalid` if it contradicts the metadata or the contract, which only a damaged or hand-written model does.
    pub fn from_model(node: &FilterNode, entity: &Entity, rules: &FilterRules) -> Result<Self, FilterError> {
        load(node, entity, *rules, 0).map_err(|problem| FilterError::PlanInvalid { problem })
    }
}

/// Loads a node that lies within `level` groups. The error continues "the compiled filter …".
fn load(node: &FilterNode, entity: &Entity, rules: FilterRules, level: usize) -> Result<Plan, String> {
    let group = match &node.kind {
        None => return Ok(Plan::All),
        Some(Kind::Condition(condition)) => return leaf(condition, entity, rules).map(Plan::Leaf),
        Some(Kind::Group(_)) if level == FILTER_LEVELS_MAX => {
            return Err(format!("has more than {FILTER_LEVELS_MAX} groups within each other"));
        }
        Some(Kind::Group(group)) => group,
    };
    let parts = group.nodes.iter().map(|node| load(node, entity, rules, level + 1)).collect::<Result<Vec<_>, _>>()?;
    match group.join() {
        _ if parts.is_empty() => Err("has an empty group".to_owned()),
        FilterJoin::And => Ok(all_of(parts)),
        FilterJoin::Or => Ok(some_of(parts)),
        FilterJoin::Unspecified => Err("has a group without a join".to_owned()),
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
