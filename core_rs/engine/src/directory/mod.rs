//! Who is who: users, teams, business units, roles, and what follows from them.
//!
//! The directory is rows of system entities like any others, and they are fed like any others. It keeps the facts
//! alone, and says what a user may read: by every role of the user and of the user's teams, seen from the business
//! unit of whoever holds the role.

mod layout;
mod links;
mod rights;
#[cfg(test)]
mod tests;
mod units;

use std::collections::{HashMap, HashSet};

use self::layout::Source;
use self::links::Links;
use self::rights::Reach;
use self::units::Units;
use crate::columns::RowChange;
use crate::ids::{EntityNumber, RowKey};
use crate::row::{RowError, Value, read, row_key};
use crate::view::Denial;

pub use layout::{Kind, Layout};
pub use rights::{Access, Depth, Holding, Person};

/// `roleprivileges.accessright` of reading.
const RIGHT_READ: i64 = 2;

/// The users, teams, business units and roles of an organization.
#[derive(Debug, Default)]
pub struct Directory {
    layout: Layout,
    users: HashMap<RowKey, User>,
    teams: HashMap<RowKey, Option<RowKey>>,
    units: Units,
    roles: HashSet<RowKey>,
    memberships: Links<RowKey>,
    user_roles: Links<RowKey>,
    team_roles: Links<RowKey>,
    grants: Links<Grant>,
    /// Logical names that privileges are about, each under a number.
    names: HashMap<Box<str>, u32>,
    changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct User {
    unit: Option<RowKey>,
    disabled: bool,
}

/// Reading of an entity (by its number among `names`), to a depth.
type Grant = (u32, Depth);

impl Directory {
    /// Directory entities of a layout whose rows have not been read as it says: all of them have to be fed after
    /// [`Self::install`].
    pub fn missing(&self, layout: &Layout) -> Vec<EntityNumber> {
        let known = |(entity, source): &(&EntityNumber, &Source)| self.layout.entities.get(entity) == Some(source);
        layout.entities.iter().filter(|entry| !known(entry)).map(|(&entity, _)| entity).collect()
    }

    /// Takes a model's layout. Facts that were read otherwise are forgotten.
    pub fn install(&mut self, layout: &Layout) {
        let old = std::mem::replace(&mut self.layout, layout.clone());
        for (entity, source) in old.entities {
            if self.layout.entities.get(&entity) != Some(&source) {
                self.forget(source.kind);
            }
        }
    }

    /// Takes a row; rows of other entities are passed over.
    ///
    /// # Errors
    /// The payload is damaged.
    pub fn feed(&mut self, row: &RowChange<'_>) -> Result<(), RowError> {
        let Some(source) = self.layout.entities.get(&row.entity) else { return Ok(()) };
        let kind = source.kind;
        let Some(payload) = row.payload else {
            self.changed |= self.remove(kind, row.key);
            return Ok(());
        };
        let values = source.attributes.iter().map(|&(attribute, kind)| read(payload, attribute, kind));
        let values: Vec<Option<Value<'_>>> = values.collect::<Result<_, _>>()?;
        self.changed |= self.put(kind, row.key, &values);
        Ok(())
    }

    /// Whether facts have changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Who a user is.
    ///
    /// # Errors
    /// The user is unknown, or the account is disabled.
    pub fn person(&self, user: RowKey) -> Result<Person, Denial> {
        let facts = self.users.get(&user).ok_or(Denial::UserUnknown)?;
        if facts.disabled {
            return Err(Denial::UserDisabled);
        }
        let teams = self.memberships.of(user).filter(|team| self.teams.contains_key(team)).collect();
        Ok(Person {
            user,
            unit: facts.unit,
            teams,
            hierarchy: vec![user],
            hierarchy_teams: vec![],
            language: None,
            zone: None,
        })
    }

    /// Which rows of an entity a person may read.
    pub fn access(&self, person: &Person, entity: &str, holding: Holding) -> Access {
        let mut reach = Reach::default();
        if let Some(&name) = self.names.get(entity) {
            self.reach(self.user_roles.of(person.user), person.unit, name, &mut reach);
            for &team in &person.teams {
                self.reach(self.team_roles.of(team), self.teams[&team], name, &mut reach);
            }
        }
        reach.access(person, holding)
    }

    fn reach(&self, roles: impl Iterator<Item = RowKey>, unit: Option<RowKey>, name: u32, reach: &mut Reach) {
        for role in roles.filter(|role| self.roles.contains(role)) {
            for (_, depth) in self.grants.among(role, (name, Depth::Basic)..=(name, Depth::Global)) {
                reach.any = true;
                match (depth, unit) {
                    (Depth::Global, _) => reach.everything = true,
                    (Depth::Deep, Some(unit)) => self.units.add_with_descendants(unit, &mut reach.units),
                    (Depth::Local, Some(unit)) => drop(reach.units.insert(unit)),
                    (Depth::Basic, _) | (_, None) => {}
                }
            }
        }
    }

    fn put(&mut self, kind: Kind, row: RowKey, values: &[Option<Value<'_>>]) -> bool {
        let key = |place: usize| values[place].as_ref().and_then(row_key);
        match kind {
            Kind::User => {
                let user = User { unit: key(0), disabled: values[1] == Some(Value::Truth(true)) };
                self.users.insert(row, user) != Some(user)
            }
            Kind::Team => self.teams.insert(row, key(0)) != Some(key(0)),
            Kind::Unit => self.units.set(row, key(0)),
            Kind::Role => self.roles.insert(row),
            Kind::Membership => self.memberships.set(row, key(0).zip(key(1))),
            Kind::UserRole => self.user_roles.set(row, key(0).zip(key(1))),
            Kind::TeamRole => self.team_roles.set(row, key(0).zip(key(1))),
            Kind::Privilege => {
                let grant = self.grant(values);
                self.grants.set(row, key(0).zip(grant))
            }
        }
    }

    /// What a privilege row grants, if it is reading.
    fn grant(&mut self, values: &[Option<Value<'_>>]) -> Option<Grant> {
        let [_, Some(Value::Text(name)), Some(Value::Integer(RIGHT_READ)), Some(Value::Integer(depth))] = *values
        else {
            return None;
        };
        let depth = Depth::from_number(depth)?;
        let next = self.names.len() as u32;
        Some((*self.names.entry(name.into()).or_insert(next), depth))
    }

    fn remove(&mut self, kind: Kind, row: RowKey) -> bool {
        match kind {
            Kind::User => self.users.remove(&row).is_some(),
            Kind::Team => self.teams.remove(&row).is_some(),
            Kind::Unit => self.units.set(row, None),
            Kind::Role => self.roles.remove(&row),
            Kind::Membership => self.memberships.set(row, None),
            Kind::UserRole => self.user_roles.set(row, None),
            Kind::TeamRole => self.team_roles.set(row, None),
            Kind::Privilege => self.grants.set(row, None),
        }
    }

    fn forget(&mut self, kind: Kind) {
        self.changed = true;
        match kind {
            Kind::User => self.users.clear(),
            Kind::Team => self.teams.clear(),
            Kind::Unit => self.units = Units::default(),
            Kind::Role => self.roles.clear(),
            Kind::Membership => self.memberships = Links::default(),
            Kind::UserRole => self.user_roles = Links::default(),
            Kind::TeamRole => self.team_roles = Links::default(),
            Kind::Privilege => self.grants = Links::default(),
        }
    }
}
