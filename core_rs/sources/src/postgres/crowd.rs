//! Rows that have the same key for a while within a transaction.
//!
//! A DEFERRABLE key is looked at when the transaction ends: `UPDATE line SET number = number + 1` moves each row onto the
//! number of the next one before that has moved on. Such a table has REPLICA IDENTITY FULL, or PostgreSQL would not
//! publish its updates: the old values tell which of the rows of a key has left.

use std::collections::{BTreeSet, HashMap};

use haversack_engine::ids::EntityNumber;
use haversack_staging::RowId;

use super::batch::Batch;

/// The keys that more than one row has now.
#[derive(Default)]
pub(super) struct Crowd(HashMap<(EntityNumber, RowId), Vec<Tenant>>);

/// One of several rows of a key.
pub(super) struct Tenant {
    pub(super) payload: Vec<u8>,
    /// What the table calls this version of it, if the mapping says where.
    pub(super) version: Option<Box<str>>,
    /// Whether `version` is known here.
    pub(super) is_whole: bool,
}

/// Whose a key is after a row has left it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nobody's.
    Empty,
    /// Another row's, which the batch has now.
    Taken,
    /// That of a row of which not everything is known here.
    Unknown,
}

impl Crowd {
    /// Whether more than one row has this id.
    pub(super) fn is_in(&self, entity: EntityNumber, id: &RowId) -> bool {
        !self.0.is_empty() && self.0.contains_key(&(entity, id.clone()))
    }

    /// A row takes an id that these rows have, if any do; the batch has the row already.
    pub(super) fn join(&mut self, entity: EntityNumber, id: &RowId, before: Option<Tenant>, tenant: Tenant) {
        let key = (entity, id.clone());
        if let Some(tenants) = self.0.get_mut(&key) {
            tenants.push(tenant);
        } else if let Some(before) = before {
            self.0.insert(key, vec![before, tenant]);
        }
    }

    /// The row with these bytes leaves an id: it is removed from the batch, or makes room for one that stays.
    pub(super) fn leave(&mut self, batch: &mut Batch, entity: EntityNumber, id: RowId, payload: &[u8]) -> Left {
        let key = (entity, id);
        let Some(mut tenants) = self.0.remove(&key) else {
            batch.remove(key.0, key.1);
            return Left::Empty;
        };
        let leaving = tenants.iter().position(|tenant| tenant.payload == payload).unwrap_or(0);
        tenants.remove(leaving);
        let Some(Tenant { payload, version, is_whole: true }) = tenants.last() else { return Left::Unknown };
        let start = batch.payloads.len();
        batch.payloads.extend_from_slice(payload);
        batch.put(entity, key.1.clone(), start, version.clone());
        if tenants.len() > 1 {
            self.0.insert(key, tenants);
        }
        Left::Taken
    }

    /// All rows of an entity are gone.
    pub(super) fn empty(&mut self, entity: EntityNumber) {
        self.0.retain(|(of, _), _| *of != entity);
    }

    /// Forgets everything; returns the entities that had such keys.
    pub(super) fn end(&mut self) -> BTreeSet<u32> {
        self.0.drain().map(|((entity, _), _)| entity.0).collect()
    }
}
