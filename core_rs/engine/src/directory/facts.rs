//! What the rows of the directory say, and whom a change of it concerns.

use std::collections::{BTreeSet, HashMap};

use jiff::tz::TimeZone;

use super::changes::Changes;
use super::layout::Kind;
use super::links::Links;
use super::rights::{Depth, Privilege};
use super::tree::Tree;
use crate::ids::RowKey;
use crate::row::{Value, row_key};

/// `team.teamtype` of a team that has no roles and owns nothing.
const TEAM_TYPE_ACCESS: i64 = 1;
/// `role.isinherited` of a role that gives the members of a team nothing of their own.
const TEAM_PRIVILEGES_ONLY: i64 = 0;

/// Everything that the directory knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) users: HashMap<RowKey, User>,
    /// From users to their managers.
    pub(super) managers: Tree,
    /// From positions to those above.
    pub(super) positions: Tree,
    /// From users to their positions.
    pub(super) holders: Tree,
    pub(super) teams: HashMap<RowKey, Team>,
    pub(super) units: Tree,
    pub(super) roles: HashMap<RowKey, Role>,
    pub(super) memberships: Links<RowKey>,
    /// The same, from teams to users.
    members: Links<RowKey>,
    pub(super) user_roles: Links<RowKey>,
    pub(super) team_roles: Links<RowKey>,
    pub(super) grants: Links<Grant>,
    /// Logical names that privileges are about, each under a number.
    entity_names: HashMap<Box<str>, u32>,
    /// From what stands for a name to the users who have it.
    pub(super) names: Links<RowKey>,
    settings: HashMap<RowKey, Settings>,
    /// From rows of settings to users.
    settings_of: Tree,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) unit: Option<RowKey>,
    pub(super) disabled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Team {
    pub(super) unit: Option<RowKey>,
    /// Whether it can have roles and own rows. If not, rows can be shared with it all the same.
    pub(super) can_own: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Role {
    /// Whether members of a team that has it have it as if it were their own.
    pub(super) direct: bool,
}

/// What a user has chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) language: Option<i64>,
    pub(super) zone: Option<String>,
}

/// A privilege on an entity (by its number among `entity_names`), to a depth.
pub(super) type Grant = (u32, Privilege, Depth);

/// The values of a row in the order of its layout; none if the row is gone.
type Values<'a> = &'a [Option<Value<'a>>];

fn key(values: Values<'_>, place: usize) -> Option<RowKey> {
    values.get(place)?.as_ref().and_then(row_key)
}

fn integer(values: Values<'_>, place: usize) -> Option<i64> {
    match values.get(place)? {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    }
}

/// Puts what a row says in its place. Tells whether that is a change.
fn replace<T: PartialEq>(map: &mut HashMap<RowKey, T>, row: RowKey, said: Option<T>) -> bool {
    match said {
        None => map.remove(&row).is_some(),
        Some(said) => match map.get_mut(&row) {
            Some(old) if *old == said => false,
            Some(old) => {
                *old = said;
                true
            }
            None => {
                map.insert(row, said);
                true
            }
        },
    }
}

/// Gives an id another place in a tree. If it is another, notes the id and what it was below.
fn move_within(tree: &mut Tree, row: RowKey, parent: Option<RowKey>, moved: &mut BTreeSet<RowKey>) {
    let old = tree.parent(row);
    if tree.set(row, parent) {
        moved.extend(old.into_iter().chain([row]));
    }
}

impl Facts {
    /// The live teams of a user, ascending.
    pub(super) fn teams_of(&self, user: RowKey) -> impl Iterator<Item = RowKey> {
        self.memberships.of(user).filter(|team| self.teams.contains_key(team))
    }

    /// The members of a team, ascending.
    pub(super) fn members_of(&self, team: RowKey) -> impl Iterator<Item = RowKey> {
        self.members.of(team)
    }

    /// What a user has chosen. Of several rows the first counts.
    pub(super) fn settings_of(&self, user: RowKey) -> Option<&Settings> {
        self.settings_of.children(user).next().and_then(|row| self.settings.get(&row))
    }

    /// How deep a role grants a privilege on an entity; no more than once each.
    pub(super) fn depths(&self, role: RowKey, entity: &str, privilege: Privilege) -> impl Iterator<Item = Depth> {
        let name = self.entity_names.get(entity).copied();
        name.into_iter().flat_map(move |name| {
            let range = (name, privilege, Depth::Basic)..=(name, privilege, Depth::Global);
            self.grants.among(role, range).map(|(_, _, depth)| depth)
        })
    }

    /// Takes what a row says; no values if it is gone. Shares are kept elsewhere.
    pub(super) fn set(&mut self, kind: Kind, row: RowKey, alive: bool, values: Values<'_>, changes: &mut Changes) {
        match kind {
            Kind::User => self.set_user(row, alive, values, changes),
            Kind::Team => {
                let can_own = integer(values, 1) != Some(TEAM_TYPE_ACCESS);
                let team = alive.then(|| Team { unit: key(values, 0), can_own });
                if replace(&mut self.teams, row, team) {
                    changes.teams.insert(row);
                }
            }
            Kind::Unit => move_within(&mut self.units, row, key(values, 0), &mut changes.units),
            Kind::Role => {
                let direct = integer(values, 0) != Some(TEAM_PRIVILEGES_ONLY);
                if replace(&mut self.roles, row, alive.then_some(Role { direct })) {
                    changes.roles.insert(row);
                }
            }
            Kind::Membership => self.set_membership(row, key(values, 0).zip(key(values, 1)), changes),
            Kind::UserRole => {
                let moved = self.user_roles.set(row, key(values, 0).zip(key(values, 1)));
                changes.users.extend(moved.ends().map(|(user, _)| user));
            }
            Kind::TeamRole => {
                let moved = self.team_roles.set(row, key(values, 0).zip(key(values, 1)));
                changes.teams.extend(moved.ends().map(|(team, _)| team));
            }
            Kind::Privilege => {
                let grant = self.grant(values);
                let moved = self.grants.set(row, key(values, 0).zip(grant));
                changes.roles.extend(moved.ends().map(|(role, _)| role));
            }
            Kind::Position => move_within(&mut self.positions, row, key(values, 0), &mut changes.positions),
            Kind::Settings => self.set_settings(row, alive, values, changes),
            Kind::Share => {}
        }
    }

    fn set_user(&mut self, row: RowKey, alive: bool, values: Values<'_>, changes: &mut Changes) {
        let disabled = values.get(1) == Some(&Some(Value::Truth(true)));
        let user = alive.then(|| User { unit: key(values, 0), disabled });
        let (manager, position) = (self.managers.parent(row), self.holders.parent(row));
        let is_other = replace(&mut self.users, row, user);
        let has_moved = self.managers.set(row, key(values, 2)) | self.holders.set(row, key(values, 3));
        if is_other || has_moved {
            changes.users.insert(row);
            changes.users.extend(manager);
            changes.positions.extend(position);
        }
    }

    pub(super) fn set_membership(&mut self, row: RowKey, membership: Option<(RowKey, RowKey)>, changes: &mut Changes) {
        let moved = self.memberships.set(row, membership);
        changes.users.extend(moved.ends().map(|(user, _)| user));
        self.members.set(row, membership.map(|(user, team)| (team, user)));
    }

    fn set_settings(&mut self, row: RowKey, alive: bool, values: Values<'_>, changes: &mut Changes) {
        let user = alive.then(|| key(values, 0).unwrap_or(row));
        let zone = match values.get(2) {
            Some(Some(Value::Text(name))) => TimeZone::get(name).ok(),
            _ => None,
        };
        let zone = zone.and_then(|zone| zone.iana_name().map(str::to_owned));
        let settings = alive.then(|| Settings { language: integer(values, 1), zone });
        let old = self.settings_of.parent(row);
        if self.settings_of.set(row, user) | replace(&mut self.settings, row, settings) {
            changes.users.extend(old.into_iter().chain(user));
        }
    }

    /// What a privilege row grants.
    fn grant(&mut self, values: Values<'_>) -> Option<Grant> {
        let Some(Some(Value::Text(name))) = values.get(1) else { return None };
        let privilege = Privilege::from_number(integer(values, 2)?)?;
        let depth = Depth::from_number(integer(values, 3)?)?;
        let next = self.entity_names.len() as u32;
        Some((*self.entity_names.entry((*name).into()).or_insert(next), privilege, depth))
    }

    /// Forgets all rows of a kind.
    pub(super) fn forget(&mut self, kind: Kind) {
        match kind {
            Kind::User => {
                self.users.clear();
                (self.managers, self.holders) = (Tree::default(), Tree::default());
                self.names = Links::default();
            }
            Kind::Team => self.teams.clear(),
            Kind::Unit => self.units = Tree::default(),
            Kind::Role => self.roles.clear(),
            Kind::Membership => (self.memberships, self.members) = (Links::default(), Links::default()),
            Kind::UserRole => self.user_roles = Links::default(),
            Kind::TeamRole => self.team_roles = Links::default(),
            Kind::Privilege => self.grants = Links::default(),
            Kind::Position => self.positions = Tree::default(),
            Kind::Settings => {
                self.settings.clear();
                self.settings_of = Tree::default();
            }
            Kind::Share => {}
        }
    }

    /// Which of `keys` can own rows, if they are teams.
    pub(super) fn owners(&self, keys: &[RowKey]) -> BTreeSet<RowKey> {
        keys.iter().copied().filter(|key| self.can_own(*key)).collect()
    }

    /// Whether rows can belong to a user or team.
    pub(super) fn can_own(&self, owner: RowKey) -> bool {
        self.teams.get(&owner).is_none_or(|team| team.can_own)
    }

    /// The business unit of a user or team.
    pub(super) fn unit_of(&self, owner: RowKey) -> Option<RowKey> {
        let team = || self.teams.get(&owner).and_then(|team| team.unit);
        self.users.get(&owner).and_then(|user| user.unit).or_else(team)
    }
}
