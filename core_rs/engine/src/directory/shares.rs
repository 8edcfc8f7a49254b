//! Rows that are shared with users, teams or everyone: a set of rows for each of them and each privilege.
//!
//! A share counts from when the row that it names has an ordinal, whichever of the two comes first. Several shares of a
//! row with one principal add up.

use std::collections::{BTreeSet, HashMap};

use roaring::RoaringBitmap;

use super::changes::Changes;
use super::rights::{Principal, Privilege, Rights, Shared};
use crate::ids::{EntityNumber, Ordinal, RowKey};

/// Every share of rows of carried entities.
#[derive(Clone, Debug, Default)]
pub struct Shares {
    /// By the ordinal of the row that says it.
    rows: HashMap<Ordinal, Share>,
    objects: HashMap<(EntityNumber, RowKey), Object>,
    sets: HashMap<(EntityNumber, Shared), RoaringBitmap>,
    moved: HashMap<EntityNumber, RoaringBitmap>,
}

/// What a row of `principalobjectaccess` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) principal: Principal,
    pub(super) entity: EntityNumber,
    pub(super) object: RowKey,
    pub(super) rights: Rights,
}

/// A shared row.
#[derive(Clone, Debug, Default)]
struct Object {
    /// `None` until it has arrived.
    ordinal: Option<Ordinal>,
    /// The rows that share it.
    shares: Vec<Ordinal>,
}

impl Shares {
    /// The rows of an entity that are shared with somebody for something; dead ones may be among them. `None` if there
    /// are none.
    pub fn rows(&self, entity: EntityNumber, shared: Shared) -> Option<&RoaringBitmap> {
        self.sets.get(&(entity, shared))
    }

    /// Whether nothing that has arrived is shared.
    pub(super) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Takes what a row says, `None` if it is gone or says nothing. `find` tells the ordinals of rows.
    pub(super) fn set(
        &mut self,
        row: Ordinal,
        share: Option<Share>,
        find: impl FnOnce(EntityNumber, RowKey) -> Option<Ordinal>,
        changes: &mut Changes,
    ) {
        let old = self.rows.get(&row).copied();
        if old == share {
            return;
        }
        if let Some(old) = old {
            self.remove(row, &old, changes);
        }
        if let Some(share) = share {
            self.rows.insert(row, share);
            let object = self.objects.entry((share.entity, share.object)).or_default();
            object.shares.push(row);
            if object.ordinal.is_none() {
                object.ordinal = find(share.entity, share.object);
            }
            self.judge(share.entity, share.object, share.principal, changes);
        }
    }

    /// A row has an ordinal now.
    pub(super) fn arrived(&mut self, entity: EntityNumber, key: RowKey, ordinal: Ordinal, changes: &mut Changes) {
        if self.objects.is_empty() {
            return;
        }
        let Some(object) = self.objects.get_mut(&(entity, key)).filter(|object| object.ordinal.is_none()) else {
            return;
        };
        object.ordinal = Some(ordinal);
        let principals: BTreeSet<Principal> = object.shares.iter().map(|share| self.rows[share].principal).collect();
        for principal in principals {
            self.judge(entity, key, principal, changes);
        }
    }

    /// Forgets shares of other entities than these.
    pub(super) fn retain(&mut self, carried: &BTreeSet<EntityNumber>) {
        self.rows.retain(|_, share| carried.contains(&share.entity));
        self.objects.retain(|(entity, _), _| carried.contains(entity));
        self.sets.retain(|(entity, _), _| carried.contains(entity));
    }

    /// By entity, rows that are shared with others for reading than before. Tells them once.
    pub(super) fn take_moved(&mut self) -> HashMap<EntityNumber, RoaringBitmap> {
        std::mem::take(&mut self.moved)
    }

    fn remove(&mut self, row: Ordinal, share: &Share, changes: &mut Changes) {
        self.rows.remove(&row);
        let key = (share.entity, share.object);
        let object = self.objects.get_mut(&key).expect("every share is known to its object");
        object.shares.retain(|other| *other != row);
        self.judge(share.entity, share.object, share.principal, changes);
        if self.objects[&key].shares.is_empty() {
            self.objects.remove(&key);
        }
    }

    /// Brings the sets up to what a row's shares with a principal add up to.
    fn judge(&mut self, entity: EntityNumber, key: RowKey, principal: Principal, changes: &mut Changes) {
        let object = &self.objects[&(entity, key)];
        let Some(ordinal) = object.ordinal else { return };
        let shares = object.shares.iter().map(|share| &self.rows[share]).filter(|share| share.principal == principal);
        let rights = shares.fold(Rights::default(), |rights, share| rights.union(share.rights));
        for privilege in Privilege::ALL {
            self.put(entity, Shared { principal, privilege }, ordinal, rights.has(privilege), changes);
        }
    }

    fn put(&mut self, entity: EntityNumber, shared: Shared, row: Ordinal, is_shared: bool, changes: &mut Changes) {
        let count = self.sets.get(&(entity, shared)).map_or(0, RoaringBitmap::len);
        let moved = if is_shared {
            self.sets.entry((entity, shared)).or_default().insert(row)
        } else {
            self.sets.get_mut(&(entity, shared)).is_some_and(|rows| rows.remove(row))
        };
        let is_last = moved && !is_shared && count == 1;
        if is_last {
            self.sets.remove(&(entity, shared));
        }
        if moved && shared.privilege == Privilege::Read {
            self.moved.entry(entity).or_default().insert(row);
            if is_last || count == 0 {
                changes.add(shared.principal);
            }
        }
    }
}
