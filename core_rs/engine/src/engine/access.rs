//! Access: what roles, shares and hierarchies come to, as sets of rows.

use roaring::RoaringBitmap;

use super::Engine;
use super::model::PreparedModel;
use crate::columns::{Keys, Table};
use crate::directory::{Access, Holding, Person, Privilege, Shared, Shares};
use crate::ids::{EntityNumber, Ordinal, RowKey};
use crate::view::Denial;

/// Where the ids are that access to a table's rows is decided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccessKeys {
    pub(super) owner: Option<Keys>,
    pub(super) unit: Option<Keys>,
}

/// Answers what access means on one table.
#[derive(Clone, Copy)]
pub(super) struct Gate<'a> {
    pub(super) keys: AccessKeys,
    pub(super) access: &'a Access,
    pub(super) table: &'a Table,
    pub(super) shares: &'a Shares,
}

impl<'a> Gate<'a> {
    /// Whether access is given to a row.
    pub(super) fn allows(self, row: Ordinal) -> bool {
        match self.access {
            Access::All => true,
            Access::None => false,
            Access::Some { owners, units, shared } => {
                self.lists(owners, units).any(|(keys, list)| {
                    !list.is_empty() && keys.of(self.table, row).is_some_and(|key| list.binary_search(&key).is_ok())
                }) || self.shared(shared).any(|rows| rows.contains(row))
            }
        }
    }

    /// Those of `within` that access is given to.
    pub(super) fn select(self, within: &RoaringBitmap) -> RoaringBitmap {
        match self.access {
            Access::All => within.clone(),
            Access::None => RoaringBitmap::new(),
            Access::Some { owners, units, shared } => {
                let held = self.lists(owners, units).map(|(keys, list)| keys.select(self.table, list, within));
                let shared = self.shared(shared).map(|rows| rows & within);
                held.chain(shared).fold(RoaringBitmap::new(), |found, rows| found | rows)
            }
        }
    }

    /// Access is given to no more rows than this.
    pub(super) fn at_most(self) -> u64 {
        match self.access {
            Access::All => u64::MAX,
            Access::None => 0,
            Access::Some { owners, units, shared } => {
                let held: u64 = self.lists(owners, units).map(|(keys, list)| keys.at_most(self.table, list)).sum();
                held + self.shared(shared).map(RoaringBitmap::len).sum::<u64>()
            }
        }
    }

    fn lists(self, owners: &'a [RowKey], units: &'a [RowKey]) -> impl Iterator<Item = (Keys, &'a [RowKey])> {
        let AccessKeys { owner, unit } = self.keys;
        [(owner, owners), (unit, units)].into_iter().filter_map(|(keys, list)| Some((keys?, list)))
    }

    fn shared(self, shared: &'a [Shared]) -> impl Iterator<Item = &'a RoaringBitmap> {
        shared.iter().filter_map(move |shared| self.shares.rows(self.table.entity(), *shared))
    }
}

impl Engine {
    /// The live rows of an entity that a user has a privilege on: the sets that views are made with. Of an entity that
    /// no profile carries nothing is known, and there are none. Rows that belong to other rows are all among them:
    /// those decide.
    ///
    /// # Errors
    /// The user is unknown, or the account is disabled.
    pub fn accessible(
        &self,
        user: RowKey,
        entity: EntityNumber,
        privilege: Privilege,
    ) -> Result<RoaringBitmap, Denial> {
        let person = self.person(user)?;
        let profiles = self.model.iter().flat_map(PreparedModel::profiles);
        let mut nodes = profiles.flat_map(|profile| &profile.nodes);
        let Some(node) = nodes.find(|node| self.index.table(node.table).entity() == entity) else {
            return Ok(RoaringBitmap::new());
        };
        let (table, shares) = (self.index.table(node.table), self.directory.shares());
        let access = self.directory.access(&person, &node.name, node.holding, privilege);
        Ok(Gate { keys: node.access_keys, access: &access, table, shares }.select(table.alive()))
    }

    /// Whether a user may make a row of an entity that belongs to `owner`, a user or a team. The row lies in `unit`, or
    /// else in the owner's business unit. An unknown or disabled user may make nothing, and nobody may make rows of an
    /// entity that the metadata lacks; rows that belong to other rows may be made if those allow it.
    pub fn may_create(&self, user: RowKey, entity: EntityNumber, owner: RowKey, unit: Option<RowKey>) -> bool {
        let Some(entity) = self.schema().and_then(|schema| schema.entity_by_number(entity)) else { return false };
        let holding = Holding::of(&entity.name, entity.ownership);
        let may = |person| self.directory.may_create(&person, &entity.name, holding, owner, unit);
        self.person(user).is_ok_and(may)
    }

    pub(super) fn person(&self, user: RowKey) -> Result<Person, Denial> {
        let rules = self.model.as_ref().map(|model| model.layout.hierarchy.clone()).unwrap_or_default();
        self.directory.person(user, &rules)
    }
}
