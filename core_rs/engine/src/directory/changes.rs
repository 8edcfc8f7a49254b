//! Whose access or hierarchy a commit can have changed.

use std::collections::BTreeSet;

use super::facts::Facts;
use super::hierarchy::HierarchyRules;
use super::rights::Principal;
use crate::ids::RowKey;

/// What has changed, by whom it concerns.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// Something that all rest on.
    pub(super) everyone: bool,
    pub(super) users: BTreeSet<RowKey>,
    /// Teams of which something changed that their members have a part in.
    pub(super) teams: BTreeSet<RowKey>,
    /// Roles that give something else.
    pub(super) roles: BTreeSet<RowKey>,
    /// Business units that are somewhere else, and those that they were below.
    pub(super) units: BTreeSet<RowKey>,
    /// Positions that are somewhere else or that somebody has left, and those that they were below.
    pub(super) positions: BTreeSet<RowKey>,
}

/// Users who may be somebody else, to filters or access, than they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affected {
    /// Anybody.
    Everyone,
    /// These.
    Users(BTreeSet<RowKey>),
}

impl Affected {
    /// Whether a user is among them.
    pub fn contains(&self, user: RowKey) -> bool {
        match self {
            Self::Everyone => true,
            Self::Users(users) => users.contains(&user),
        }
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        *self == Self::Users(BTreeSet::new())
    }
}

impl Changes {
    /// Something changed for a user or a team: which of the two, the id does not say.
    pub(super) fn add(&mut self, principal: Principal) {
        match principal {
            Principal::One(key) => {
                self.users.insert(key);
                self.teams.insert(key);
            }
            Principal::Everyone => self.everyone = true,
        }
    }

    /// Whom it concerns: the users, the members of the teams, and everybody above one of them now or before. What has
    /// left a manager, a position or a unit is noted with that, so that walking up as things are now misses nobody.
    pub(super) fn affected(self, facts: &Facts, rules: &HierarchyRules) -> Affected {
        if self.everyone {
            return Affected::Everyone;
        }
        let (mut users, mut teams) = (self.users, self.teams);
        if !self.roles.is_empty() {
            users.extend(facts.user_roles.that_lead_to(&self.roles));
            teams.extend(facts.team_roles.that_lead_to(&self.roles));
        }
        if !self.units.is_empty() {
            let mut units = self.units;
            facts.units.add_above(&mut units, u32::MAX);
            let is_within = |unit: Option<RowKey>| unit.is_some_and(|unit| units.contains(&unit));
            users.extend(facts.users.iter().filter(|(_, user)| is_within(user.unit)).map(|(user, _)| *user));
            teams.extend(facts.teams.iter().filter(|(_, team)| is_within(team.unit)).map(|(team, _)| *team));
        }
        users.extend(teams.into_iter().flat_map(|team| facts.members_of(team)));
        rules.add_above(&mut users, &self.positions, facts);
        Affected::Users(users)
    }
}
