//! Who reports to whom, by manager or by position.

use std::collections::BTreeSet;
use std::sync::Arc;

use haversack_proto::model;

use super::facts::Facts;
use super::rights::Reports;
use crate::ids::RowKey;

/// How many levels down hierarchies reach if the organization does not say.
const DEPTH_DEFAULT: u32 = 3;

/// Who reports to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Model {
    /// Hierarchy security is off; filters go by manager.
    #[default]
    None,
    /// Users to their manager.
    Manager,
    /// Users of a position to those of the positions above it.
    Position,
}

/// What an organization has settled about its hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HierarchyRules {
    model: Model,
    depth: u32,
    excluded: Arc<BTreeSet<String>>,
}

impl Default for HierarchyRules {
    fn default() -> Self {
        Self { model: Model::None, depth: DEPTH_DEFAULT, excluded: Arc::default() }
    }
}

impl HierarchyRules {
    /// Reads the settings of a model.
    pub fn from_settings(settings: &model::Settings) -> Self {
        let Some(security) = &settings.hierarchy_security else { return Self::default() };
        Self {
            model: match security.model() {
                model::HierarchyModel::Unspecified => Model::None,
                model::HierarchyModel::Manager => Model::Manager,
                model::HierarchyModel::Position => Model::Position,
            },
            depth: if security.depth == 0 { DEPTH_DEFAULT } else { security.depth },
            excluded: Arc::new(security.excluded_entities.iter().cloned().collect()),
        }
    }

    /// Everybody below a user, each with the level; direct reports are at level 1.
    pub(super) fn below(&self, user: RowKey, facts: &Facts) -> Vec<(RowKey, u32)> {
        if self.model != Model::Position {
            return facts.managers.below(user, self.depth);
        }
        let Some(position) = facts.holders.parent(user) else { return Vec::new() };
        let positions = facts.positions.below(position, self.depth);
        positions
            .into_iter()
            .flat_map(|(below, level)| facts.holders.children(below).map(move |it| (it, level)))
            .collect()
    }

    /// Adds to `users` everybody above them, and everybody above one of `positions`.
    pub(super) fn add_above(&self, users: &mut BTreeSet<RowKey>, positions: &BTreeSet<RowKey>, facts: &Facts) {
        if self.model != Model::Position {
            facts.managers.add_above(users, self.depth);
            return;
        }
        let mut above: BTreeSet<RowKey> = users.iter().filter_map(|user| facts.holders.parent(*user)).collect();
        above.extend(positions);
        facts.positions.add_above(&mut above, self.depth);
        users.extend(above.into_iter().flat_map(|position| facts.holders.children(position)));
    }

    /// Those of the users below somebody of the unit `unit` whose rows are open to that somebody, with their teams.
    pub(super) fn reports(&self, below: &[(RowKey, u32)], unit: Option<RowKey>, facts: &Facts) -> Reports {
        if self.model == Model::None {
            return Reports::default();
        }
        let open = || below.iter().filter(|(report, _)| self.model == Model::Position || is_near(unit, *report, facts));
        let with_teams = |reports: &mut dyn Iterator<Item = RowKey>| -> Vec<RowKey> {
            let found: BTreeSet<RowKey> = reports.flat_map(|report| facts.teams_of(report).chain([report])).collect();
            found.into_iter().collect()
        };
        Reports {
            direct: with_teams(&mut open().filter(|(_, level)| *level == 1).map(|(report, _)| *report)),
            all: with_teams(&mut open().map(|(report, _)| *report)),
            excluded: Arc::clone(&self.excluded),
        }
    }
}

/// Whether a manager's unit is that of a report, or directly above it.
fn is_near(unit: Option<RowKey>, report: RowKey, facts: &Facts) -> bool {
    let reports_unit = facts.users.get(&report).and_then(|facts| facts.unit);
    reports_unit.is_some()
        && (unit == reports_unit || unit.is_some() && unit == reports_unit.and_then(|unit| facts.units.parent(unit)))
}
