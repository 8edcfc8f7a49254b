//! Why a person has a privilege on rows: what [`Directory::access`] adds up, one by one.

use std::collections::BTreeSet;

use super::Directory;
use super::reach::Reach;
use super::rights::{Access, Depth, Holding, Person, Principal, Privilege, Shared};
use crate::ids::RowKey;

/// One thing that may give access, and to which rows it does by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// What it is.
    pub kind: GroundKind,
    /// Where it leads.
    pub access: Access,
}

/// What may give access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroundKind {
    /// Rows belong to other rows, which decide.
    Rows,
    /// A role, to one of the depths that it grants; `None` if it does not grant the privilege.
    Role {
        /// The role.
        role: RowKey,
        /// Who has it, if that is a team of the person's.
        team: Option<RowKey>,
        /// How far it reaches.
        depth: Option<Depth>,
        /// The business unit that it is seen from.
        unit: Option<RowKey>,
    },
    /// Rows that are shared with somebody: the person, a team, everyone, or one who reports to the person.
    Share(Principal),
    /// Rows of those who report to the person.
    Hierarchy,
}

impl Directory {
    /// Every ground that a person's access to an entity rests on, and roles that give none. A row is accessible if
    /// some ground leads to it.
    pub fn grounds(&self, person: &Person, entity: &str, holding: Holding, privilege: Privilege) -> Vec<Ground> {
        if holding == Holding::OfRows {
            return vec![Ground { kind: GroundKind::Rows, access: Access::All }];
        }
        let mut grounds = self.grounds_of_roles(person, entity, holding, privilege);
        let has_privilege = grounds.iter().any(|ground| matches!(ground.kind, GroundKind::Role { depth: Some(_), .. }));
        if has_privilege && holding != Holding::OfOrganization {
            grounds.extend(self.grounds_beside_roles(person, entity, holding, privilege));
        }
        grounds
    }

    fn grounds_of_roles(&self, person: &Person, entity: &str, holding: Holding, privilege: Privilege) -> Vec<Ground> {
        let facts = &self.facts;
        let own = facts.user_roles.of(person.user).map(|role| (role, None, person.unit));
        let teams = person.teams.iter().filter_map(|&key| Some((key, facts.teams.get(&key).filter(|it| it.can_own)?)));
        let of_teams =
            teams.flat_map(|(key, team)| facts.team_roles.of(key).map(move |role| (role, Some(key), team.unit)));
        let mut grounds = Vec::new();
        for (role, team, unit) in own.chain(of_teams) {
            let Some(&of_role) = facts.roles.get(&role) else { continue };
            let mut ground = |depth, access| {
                grounds.push(Ground { kind: GroundKind::Role { role, team, depth, unit }, access });
            };
            let mut grants = false;
            for depth in facts.depths(role, entity, privilege) {
                grants = true;
                let direct = team.is_none() || of_role.direct;
                let mut reach = Reach { direct, teams: team.into_iter().collect(), ..Reach::default() };
                reach.add([depth].into_iter(), unit, facts);
                ground(Some(depth), self.access_of(&reach, person, holding));
            }
            if !grants {
                ground(None, Access::None);
            }
        }
        grounds
    }

    /// What one role comes to.
    fn access_of(&self, reach: &Reach, person: &Person, holding: Holding) -> Access {
        let owners = match holding {
            _ if reach.everything => return Access::All,
            Holding::OfOrganization => return Access::None,
            Holding::Owned => reach.owners(person, &self.facts),
            Holding::Users if reach.direct => BTreeSet::from([person.user]),
            _ => BTreeSet::new(),
        };
        let units = reach.units.iter().copied().collect();
        Access::Some { owners: owners.into_iter().collect(), units, shared: Vec::new() }
    }

    fn grounds_beside_roles(
        &self,
        person: &Person,
        entity: &str,
        holding: Holding,
        privilege: Privilege,
    ) -> Vec<Ground> {
        let reports = person.reports.open_to(entity, privilege);
        let shared = self.shared(person, entity, reports, privilege).into_iter();
        let only = |owners: Vec<RowKey>, shared: Vec<Shared>| Access::Some { owners, units: Vec::new(), shared };
        let mut grounds: Vec<Ground> = shared
            .map(|shared| Ground { kind: GroundKind::Share(shared.principal), access: only(vec![], vec![shared]) })
            .collect();
        if holding == Holding::Owned && !reports.is_empty() {
            let owners = self.facts.owners(reports).into_iter().collect();
            grounds.push(Ground { kind: GroundKind::Hierarchy, access: only(owners, vec![]) });
        }
        grounds
    }
}
