//! Adds up the privileges that a user has on one entity, by every role of the user and of the user's teams.

use std::collections::BTreeSet;

use super::facts::Facts;
use super::rights::{Depth, Person, Privilege};
use crate::ids::RowKey;

/// How far a privilege of a user's reaches.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Whether the user has the privilege at all.
    pub(super) any: bool,
    /// Whether it is the user's own: by a role of the user, or by one that a team hands on.
    pub(super) direct: bool,
    pub(super) everything: bool,
    pub(super) units: BTreeSet<RowKey>,
    /// Teams that have the privilege for themselves.
    pub(super) teams: BTreeSet<RowKey>,
}

impl Reach {
    /// How far a privilege reaches for a person.
    pub(super) fn of(person: &Person, entity: &str, privilege: Privilege, facts: &Facts) -> Self {
        let mut reach = Self::default();
        for role in facts.user_roles.of(person.user) {
            if facts.roles.contains_key(&role) {
                reach.direct |= reach.add(facts.depths(role, entity, privilege), person.unit, facts);
            }
        }
        for &team in &person.teams {
            let Some(holder) = facts.teams.get(&team).filter(|team| team.can_own) else { continue };
            for role in facts.team_roles.of(team) {
                let Some(&role_facts) = facts.roles.get(&role) else { continue };
                if reach.add(facts.depths(role, entity, privilege), holder.unit, facts) {
                    reach.direct |= role_facts.direct;
                    reach.teams.insert(team);
                }
            }
        }
        reach
    }

    /// The owners whose rows it reaches, ascending, whatever the depth.
    pub(super) fn owners(&self, person: &Person, facts: &Facts) -> BTreeSet<RowKey> {
        let mut owners = self.teams.clone();
        if self.direct {
            owners.extend(facts.owners(&person.teams));
            owners.insert(person.user);
        }
        owners
    }

    /// Adds what one role grants to a holder of this unit. Tells whether it grants anything.
    pub(super) fn add(&mut self, depths: impl Iterator<Item = Depth>, unit: Option<RowKey>, facts: &Facts) -> bool {
        let mut grants = false;
        for depth in depths {
            grants = true;
            match (depth, unit) {
                (Depth::Global, _) => self.everything = true,
                (Depth::Deep, Some(unit)) => facts.units.add_with_descendants(unit, &mut self.units),
                (Depth::Local, Some(unit)) => drop(self.units.insert(unit)),
                (Depth::Basic, _) | (_, None) => {}
            }
        }
        self.any |= grants;
        grants
    }
}
