//! The rules of access, read literally: every row of the directory is looked at for every question.

use std::collections::BTreeSet;

use haversack_engine::view::Denial;
use haversack_proto::model::{HierarchyModel, HierarchySecurity, Ownership};

use super::draw::{Cell, Cells, key};
use super::oracle::{Id, alive, id, unit_of};
use super::organization::*;
use super::world::World;

/// Numbers of privileges.
pub(crate) const CREATE: i64 = 1;
pub(crate) const READ: i64 = 2;
const WRITE: i64 = 3;
const APPEND: i64 = 7;
const APPEND_TO: i64 = 8;

/// What one user may do.
pub(crate) struct Access<'w> {
    world: &'w World,
    pub(crate) user: Id,
    pub(crate) unit: Option<Id>,
    pub(crate) teams: Vec<Id>,
}

/// A privilege to some depth.
struct Grant {
    depth: i64,
    /// That of the role's holder.
    unit: Option<Id>,
    /// The team whose privilege it is, if it is not the user's own.
    team: Option<Id>,
}

impl<'w> Access<'w> {
    /// Fails with the denial that the user should get.
    pub(crate) fn new(world: &'w World, user: Id) -> Result<Self, Denial> {
        let cells = row(world, USER, user).ok_or(Denial::UserUnknown)?;
        if cells.get(&3) == Some(&Cell::Truth(true)) {
            return Err(Denial::UserDisabled);
        }
        Ok(Self { world, user, unit: id(cells, 2), teams: teams_of(world, user) })
    }

    /// Whether some role has a privilege on an entity, to whatever depth.
    pub(crate) fn has(&self, entity: u32, privilege: i64) -> bool {
        !self.grants(entity, privilege).is_empty()
    }

    /// The live rows of an entity that the user has a privilege on.
    pub(crate) fn rows(&self, entity: u32, privilege: i64) -> BTreeSet<u32> {
        let grants = self.grants(entity, privilege);
        let covered = self.covered(entity, privilege);
        let sharing: Vec<Id> = covered.iter().chain(&self.teams).chain([&self.user]).copied().collect();
        let may = |(ordinal, cells): &(u32, &Cells)| match ownership(entity) {
            Ownership::None => true,
            Ownership::Organization => grants.iter().any(|grant| grant.depth == 8),
            _ => {
                grants.iter().any(|grant| self.reaches(grant, entity, *ordinal, cells))
                    || (!grants.is_empty() && self.is_shared(&sharing, entity, *ordinal, privilege))
                    || (!grants.is_empty() && covered.iter().any(|it| self.is_owner(*it, entity, cells)))
            }
        };
        alive(self.world, entity).filter(may).map(|(ordinal, _)| ordinal).collect()
    }

    /// Whether the user may make a row of somebody's.
    pub(crate) fn may_create(&self, entity: u32, owner: Id) -> bool {
        let home = row(self.world, USER, owner).or_else(|| row(self.world, TEAM, owner));
        let home = home.and_then(|cells| id(cells, 2));
        let grants = self.grants(entity, CREATE);
        let by_depth = |grant: &Grant| grant.depth == 8 || home.is_some_and(|home| self.is_within(grant, home));
        match ownership(entity) {
            Ownership::None => true,
            Ownership::Organization => grants.iter().any(|grant| grant.depth == 8),
            Ownership::User if is_access_team(self.world, owner) => false,
            Ownership::User => grants.iter().any(|grant| by_depth(grant) || self.is_basic(grant, owner)),
            _ => grants.iter().any(by_depth),
        }
    }

    fn reaches(&self, grant: &Grant, entity: u32, ordinal: u32, cells: &Cells) -> bool {
        let is_self = entity == USER && key(USER, ordinal) == self.user && grant.team.is_none();
        grant.depth == 8
            || is_self
            || unit_of(entity, ordinal, cells).is_some_and(|unit| self.is_within(grant, unit))
            || id(cells, OWNER).is_some_and(|owner| ownership(entity) == Ownership::User && self.is_basic(grant, owner))
    }

    /// Whether rows of an owner are reached at the lowest depth.
    fn is_basic(&self, grant: &Grant, owner: Id) -> bool {
        let of_team = |team: &Id| owner == *team && !is_access_team(self.world, owner);
        match &grant.team {
            Some(team) => of_team(team),
            None => owner == self.user || self.teams.iter().any(of_team),
        }
    }

    fn is_within(&self, grant: &Grant, unit: Id) -> bool {
        match (grant.depth, grant.unit) {
            (2, Some(home)) => unit == home,
            (4, Some(home)) => units_above(self.world, unit).contains(&home),
            _ => false,
        }
    }

    /// Everything that the user's roles and those of the user's teams say of a privilege on an entity.
    fn grants(&self, entity: u32, privilege: i64) -> Vec<Grant> {
        let world = self.world;
        let mut grants = Vec::new();
        for (_, cells) in alive(world, USER_ROLE).filter(|(_, cells)| id(cells, 2) == Some(self.user)) {
            for depth in depths(world, id(cells, 3), entity, privilege) {
                grants.push(Grant { depth, unit: self.unit, team: None });
            }
        }
        for (_, cells) in alive(world, TEAM_ROLE) {
            let Some(team) = id(cells, 2).filter(|it| self.teams.contains(it) && !is_access_team(world, *it)) else {
                continue;
            };
            let unit = row(world, TEAM, team).and_then(|cells| id(cells, 2));
            let role = id(cells, 3).and_then(|role| row(world, ROLE, role));
            let is_team_only = role.is_some_and(|cells| cells.get(&2) == Some(&Cell::Integer(0)));
            for depth in depths(world, id(cells, 3), entity, privilege) {
                grants.push(Grant { depth, unit, team: is_team_only.then_some(team) });
            }
        }
        grants
    }

    /// Reports whose rows are open to the user for a privilege, and their teams.
    fn covered(&self, entity: u32, privilege: i64) -> Vec<Id> {
        let security = hierarchy(self.world);
        if security.model() == HierarchyModel::Unspecified || security.excluded_entities.contains(&name(entity).into())
        {
            return Vec::new();
        }
        let levels = match privilege {
            READ => u32::MAX,
            WRITE | APPEND | APPEND_TO => 1,
            _ => 0,
        };
        let mut covered = Vec::new();
        for (report, level) in below(self.world, self.user) {
            let unit = row(self.world, USER, report).and_then(|cells| id(cells, 2));
            let above = unit.and_then(|unit| row(self.world, UNIT, unit)).and_then(|cells| id(cells, 2));
            let is_near = self.unit.is_some() && (self.unit == unit || self.unit == above);
            if level <= levels && (security.model() == HierarchyModel::Position || (unit.is_some() && is_near)) {
                covered.push(report);
                covered.extend(teams_of(self.world, report));
            }
        }
        covered
    }

    fn is_owner(&self, owner: Id, entity: u32, cells: &Cells) -> bool {
        ownership(entity) == Ownership::User && id(cells, OWNER) == Some(owner) && !is_access_team(self.world, owner)
    }

    fn is_shared(&self, principals: &[Id], entity: u32, ordinal: u32, privilege: i64) -> bool {
        let bit = [0x20, 0x1, 0x2, 0x1_0000, 0x8_0000, 0x4_0000, 0x4, 0x10][privilege as usize - 1];
        let has_bit = |cell: Option<&Cell>| matches!(cell, Some(Cell::Integer(mask)) if mask & bit != 0);
        alive(self.world, SHARE).any(|(_, cells)| {
            let is_everyone = cells.get(&3) == Some(&Cell::Entity(ORGANIZATION)) && cells.contains_key(&2);
            id(cells, 4) == Some(key(entity, ordinal))
                && (has_bit(cells.get(&6)) || has_bit(cells.get(&7)))
                && (is_everyone || id(cells, 2).is_some_and(|principal| principals.contains(&principal)))
        })
    }
}

/// The organization's hierarchy security.
fn hierarchy(world: &World) -> HierarchySecurity {
    let settings = world.model.settings.clone().unwrap_or_default();
    settings.hierarchy_security.unwrap_or_default()
}

/// Everybody below a user with the level, however often a circle leads there; the user is not below the user.
pub(crate) fn below(world: &World, user: Id) -> Vec<(Id, u32)> {
    let security = hierarchy(world);
    let by_position = security.model() == HierarchyModel::Position;
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let top = if by_position { row(world, USER, user).and_then(|cells| id(cells, 5)) } else { Some(user) };
    let mut level: Vec<Id> = top.into_iter().collect();
    seen.extend(level.iter().copied());
    for number in 1..=(if security.depth == 0 { 3 } else { security.depth }) {
        let link = if by_position { 2 } else { 4 };
        let is_next = |cells: &Cells| id(cells, link).is_some_and(|above| level.contains(&above));
        let entity = if by_position { POSITION } else { USER };
        let rows = alive(world, entity).filter(|(_, cells)| is_next(cells)).map(|(row, _)| key(entity, row));
        let next: Vec<Id> = rows.filter(|row| seen.insert(*row)).collect();
        if by_position {
            let holds = |cells: &Cells| id(cells, 5).is_some_and(|position| next.contains(&position));
            let holders = alive(world, USER).filter(|(_, cells)| holds(cells));
            found.extend(holders.map(|(row, _)| (key(USER, row), number)));
        } else {
            found.extend(next.iter().map(|row| (*row, number)));
        }
        level = next;
    }
    found
}

/// To what depths a role grants a privilege on an entity.
fn depths(world: &World, role: Option<Id>, entity: u32, privilege: i64) -> Vec<i64> {
    let Some(role) = role.filter(|role| row(world, ROLE, *role).is_some()) else { return Vec::new() };
    let is_meant = |cells: &Cells| {
        id(cells, 2) == Some(role)
            && cells.get(&3) == Some(&Cell::Text(name(entity).to_owned()))
            && cells.get(&4) == Some(&Cell::Integer(privilege))
    };
    let depth = |cells: &Cells| if let Some(Cell::Integer(depth)) = cells.get(&5) { Some(*depth) } else { None };
    alive(world, PRIVILEGE).filter(|(_, cells)| is_meant(cells)).filter_map(|(_, cells)| depth(cells)).collect()
}

/// The live teams of a user.
pub(crate) fn teams_of(world: &World, user: Id) -> Vec<Id> {
    let teams = alive(world, MEMBERSHIP).filter(|(_, cells)| id(cells, 3) == Some(user));
    teams.filter_map(|(_, cells)| id(cells, 2)).filter(|team| row(world, TEAM, *team).is_some()).collect()
}

fn is_access_team(world: &World, team: Id) -> bool {
    row(world, TEAM, team).is_some_and(|cells| cells.get(&3) == Some(&Cell::Integer(1)))
}

/// A unit and all above it.
fn units_above(world: &World, unit: Id) -> BTreeSet<Id> {
    let mut units = BTreeSet::new();
    let mut next = Some(unit);
    while let Some(unit) = next.filter(|unit| units.insert(*unit)) {
        next = row(world, UNIT, unit).and_then(|cells| id(cells, 2));
    }
    units
}

/// The values of a live row.
fn row(world: &World, entity: u32, wanted: Id) -> Option<&Cells> {
    alive(world, entity).find(|(ordinal, _)| key(entity, *ordinal) == wanted).map(|(_, cells)| cells)
}
