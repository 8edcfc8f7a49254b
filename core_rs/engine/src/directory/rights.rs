//! What a user may read, entity by entity.

use std::collections::BTreeSet;

use crate::ids::RowKey;
use crate::schema::Ownership;

/// How far a privilege reaches, seen from its holder. Wider ones include narrower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// The holder's own rows and those of the holder's teams.
    Basic,
    /// Rows of the holder's business unit.
    Local,
    /// Rows of the holder's business unit and those below it.
    Deep,
    /// Every row.
    Global,
}

impl Depth {
    /// The depth that `roleprivileges.depth` states by this number.
    pub(super) fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Basic),
            2 => Some(Self::Local),
            4 => Some(Self::Deep),
            8 => Some(Self::Global),
            _ => None,
        }
    }
}

/// Which rows of an entity a user may read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// None.
    None,
    /// Every row.
    All,
    /// Rows of these owners, and rows of these business units.
    Some {
        /// Users and teams, ascending.
        owners: Vec<RowKey>,
        /// Business units, ascending.
        units: Vec<RowKey>,
    },
}

/// Who a user is, as far as filters and ownership ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    /// The user's id.
    pub user: RowKey,
    /// The user's business unit.
    pub unit: Option<RowKey>,
    /// The user's teams, ascending.
    pub teams: Vec<RowKey>,
    /// The user and everybody below.
    pub hierarchy: Vec<RowKey>,
    /// The teams of all of those.
    pub hierarchy_teams: Vec<RowKey>,
    /// The number of the user's language.
    pub language: Option<i64>,
    /// The IANA name of the user's time zone.
    pub zone: Option<String>,
}

/// Whose rows an entity has, seen from the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Users and teams own rows, within business units.
    Owned,
    /// Rows belong to business units; users cannot own them.
    OfUnits,
    /// The rows are the users: each belongs to a unit and is its own owner.
    Users,
    /// Rows belong to the organization.
    OfOrganization,
    /// Rows belong to other rows, which decide.
    OfRows,
}

impl Holding {
    /// How rows of an entity are held.
    pub fn of(entity: &str, ownership: Ownership) -> Self {
        match ownership {
            Ownership::User => Self::Owned,
            Ownership::Business if entity == "systemuser" => Self::Users,
            Ownership::Business => Self::OfUnits,
            Ownership::Organization => Self::OfOrganization,
            Ownership::None | Ownership::Unspecified => Self::OfRows,
        }
    }
}

/// Adds up the privileges that a user has on one entity.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) any: bool,
    pub(super) everything: bool,
    pub(super) units: BTreeSet<RowKey>,
}

impl Reach {
    /// What it comes to for a person.
    pub(super) fn access(self, person: &Person, holding: Holding) -> Access {
        if holding == Holding::OfRows || (self.any && self.everything) {
            return Access::All;
        }
        let mut owners = match holding {
            Holding::Owned if self.any => person.teams.iter().copied().chain([person.user]).collect(),
            Holding::Users if self.any => vec![person.user],
            _ => Vec::new(),
        };
        owners.sort_unstable();
        let units = if holding == Holding::OfOrganization { Vec::new() } else { self.units.into_iter().collect() };
        if owners.is_empty() && units.is_empty() { Access::None } else { Access::Some { owners, units } }
    }
}
