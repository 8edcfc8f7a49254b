//! The words of access: privileges, depths, how rows are held, and what it all comes to.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ids::RowKey;
use crate::schema::Ownership;

/// Something that may be done with rows. Each is granted by itself, to a depth of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    /// To make a new row.
    Create,
    /// To see a row.
    Read,
    /// To change a row.
    Write,
    /// To delete a row.
    Delete,
    /// To give a row another owner.
    Assign,
    /// To share a row with others.
    Share,
    /// To attach a row to another.
    Append,
    /// To attach other rows to a row.
    AppendTo,
}

impl Privilege {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Create, Self::Read, Self::Write, Self::Delete, Self::Assign, Self::Share, Self::Append, Self::AppendTo];

    /// The privilege that `roleprivileges.accessright` states by this number.
    pub(super) fn from_number(number: i64) -> Option<Self> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        Self::ALL.get(place).copied()
    }

    /// Its bit in the masks of `principalobjectaccess`.
    fn bit(self) -> i64 {
        match self {
            Self::Read => 0x1,
            Self::Write => 0x2,
            Self::Append => 0x4,
            Self::AppendTo => 0x10,
            Self::Create => 0x20,
            Self::Delete => 0x1_0000,
            Self::Share => 0x4_0000,
            Self::Assign => 0x8_0000,
        }
    }
}

/// A set of privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights(u8);

impl Rights {
    /// The privileges of an access-rights mask.
    pub(super) fn from_mask(mask: i64) -> Self {
        Self::of(|privilege| mask & privilege.bit() != 0)
    }

    /// Whether a privilege is among them.
    pub fn has(self, privilege: Privilege) -> bool {
        self.0 & 1 << privilege as u8 != 0
    }

    /// Of all privileges, those that are as asked.
    pub fn of(asked: impl Fn(Privilege) -> bool) -> Self {
        let granted = Privilege::ALL.into_iter().filter(|privilege| asked(*privilege));
        Self(granted.fold(0, |rights, privilege| rights | 1 << privilege as u8))
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

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

/// Which rows of an entity a user has a privilege on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// None.
    None,
    /// Every row.
    All,
    /// Rows of these owners, rows of these business units, and rows that are shared with these.
    Some {
        /// Users and teams, ascending.
        owners: Vec<RowKey>,
        /// Business units, ascending.
        units: Vec<RowKey>,
        /// With whom rows of this entity are shared for this privilege; see [`super::Shares`].
        shared: Vec<Shared>,
    },
}

/// With whom a row is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// A user or a team.
    One(RowKey),
    /// The organization: every user.
    Everyone,
}

/// Rows that are shared with somebody for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shared {
    /// With whom.
    pub principal: Principal,
    /// For what.
    pub privilege: Privilege,
}

/// Who a user is, as far as filters and access ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    /// The user's id.
    pub user: RowKey,
    /// The user's business unit.
    pub unit: Option<RowKey>,
    /// The user's teams of every type, ascending.
    pub teams: Vec<RowKey>,
    /// The user and everybody below to the depth of the organization's hierarchy, ascending. Without a hierarchy model
    /// those are the reports by manager.
    pub hierarchy: Vec<RowKey>,
    /// The teams of all of those, ascending.
    pub hierarchy_teams: Vec<RowKey>,
    /// The language that the user has chosen, as a locale's number.
    pub language: Option<i64>,
    /// The time zone that the user has chosen: its name in the IANA database.
    pub zone: Option<String>,
    pub(super) reports: Reports,
}

/// Those whose rows hierarchy security opens to a manager, with their teams. Ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Reports {
    /// Direct reports and their teams.
    pub(super) direct: Vec<RowKey>,
    /// All reports and their teams.
    pub(super) all: Vec<RowKey>,
    /// Logical names of the entities that hierarchy security leaves out.
    pub(super) excluded: Arc<BTreeSet<String>>,
}

impl Reports {
    /// Those on whose rows of an entity a manager may have a privilege.
    pub(super) fn open_to(&self, entity: &str, privilege: Privilege) -> &[RowKey] {
        match privilege {
            _ if self.excluded.contains(entity) => &[],
            Privilege::Read => &self.all,
            Privilege::Write | Privilege::Append | Privilege::AppendTo => &self.direct,
            Privilege::Create | Privilege::Delete | Privilege::Assign | Privilege::Share => &[],
        }
    }
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
