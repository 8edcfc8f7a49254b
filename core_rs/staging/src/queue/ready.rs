//! What can be sent to the source now.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;

use haversack_engine::ids::{AttributeNumber, EntityNumber, Lsn};
use haversack_engine::row::encoded;
use haversack_engine::schema::{Attribute, Schema};
use haversack_proto::model::ConflictPolicy;
use haversack_proto::sync::Mutation;
use prost::Message;

use super::{Passing, QUEUE_SCAN_MAX, Queued, Repeat, WAITING_BYTES_MAX};
use crate::{Commit, Entry, INSTALL_ID_BYTES, LedgerPlace, Origin, RowId, Staging, StagingError};

/// Steps back through a device's own changes of a row.
const OWN_CHANGES_MAX: usize = 1_000;

/// A mutation that nothing before it keeps from being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Its place in the ledger.
    pub place: LedgerPlace,
    /// Its entry.
    pub entry: Entry,
    /// What waits.
    pub queued: Queued,
    /// The row as staging has it.
    pub row: Option<ReadyRow>,
    /// Under a policy that looks for them, once it is known to be no repeat: attributes that have been changed since by others, and to something else.
    pub conflicts: Vec<AttributeNumber>,
    /// Likewise, for a deletion: whether others have changed the row since.
    pub is_overtaken: bool,
}

/// The row of a mutation that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyRow {
    /// LSN of its last change.
    pub lsn: Lsn,
    /// Its values.
    pub payload: Vec<u8>,
    /// What the source calls its version.
    pub etag: Option<String>,
}

/// The first mutations that can be sent, at most `at_most`, and no more when they come to [`WAITING_BYTES_MAX`]; without
/// those at the places `except`.
///
/// Holds the write lock for as long as it looks, which is shorter than a commit.
///
/// # Errors
/// As [`Staging::begin`], and if an entry is damaged.
pub fn ready(
    staging: &dyn Staging,
    schema: &Schema,
    except: &BTreeSet<LedgerPlace>,
    at_most: usize,
) -> Result<Vec<Ready>, StagingError> {
    let mut commit = staging.begin()?;
    let (mut scan, mut passed, mut places) = (Scan::default(), 0, Vec::new());
    commit.queue().pass(&mut |it| {
        passed += 1;
        if scan.lets_by(&it) && !except.contains(&it.place) {
            places.push(it.place);
        }
        scan.met(it);
        let enough = places.len() == at_most.max(1) || passed == QUEUE_SCAN_MAX;
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let (mut found, mut bytes) = (Vec::with_capacity(places.len()), 0);
    for place in places {
        if bytes >= WAITING_BYTES_MAX {
            break;
        }
        if let Some(ready) = look(&mut *commit, schema, place)? {
            bytes += ready.queued.bytes() + ready.row.as_ref().map_or(0, |row| row.payload.len());
            found.push(ready);
        }
    }
    Ok(found)
}

/// What lies before an entry in the queue.
#[derive(Default)]
struct Scan {
    rows: HashSet<(EntityNumber, RowId)>,
    devices: HashSet<([u8; INSTALL_ID_BYTES], [u8; 16])>,
    origins: HashSet<Origin>,
}

impl Scan {
    /// Whether nothing before an entry keeps it.
    fn lets_by(&self, it: &Passing) -> bool {
        let is_queued = |&number: &u64| self.origins.contains(&Origin { number, ..it.origin });
        let is_behind = it.deletes && self.devices.contains(&(it.origin.install, it.origin.user));
        !is_behind && !self.rows.contains(&(it.entity, it.id.clone())) && !it.depends_on.iter().any(is_queued)
    }

    /// An entry lies before those that come.
    fn met(&mut self, it: Passing) {
        self.origins.insert(it.origin);
        self.devices.insert((it.origin.install, it.origin.user));
        self.rows.insert((it.entity, it.id));
    }
}

/// An entry with its row, and what is in conflict.
fn look(commit: &mut dyn Commit, schema: &Schema, place: LedgerPlace) -> Result<Option<Ready>, StagingError> {
    let (Some(entry), Some(waiting)) = (commit.ledger().entry(place)?, commit.queue().queued_at(place)?) else {
        return Ok(None);
    };
    let mutation = decode(&waiting.queued)?;
    let row = match commit.row(entry.entity, &entry.id)? {
        Some((lsn, payload)) => Some(ReadyRow { lsn, payload, etag: commit.etag(entry.entity, &entry.id)? }),
        None => None,
    };
    let mut found = Ready { place, entry, queued: waiting.queued, row, conflicts: Vec::new(), is_overtaken: false };
    if found.looks_for_conflicts() && found.queued.repeat == Repeat::No {
        found.conflicts = found.conflicts(schema, &mutation)?;
        found.is_overtaken = found.queued.effect.deleted && found.is_overtaken(commit)?;
    }
    Ok(Some(found))
}

/// The mutation of an entry.
fn decode(queued: &Queued) -> Result<Mutation, StagingError> {
    Mutation::decode(&queued.mutation[..])
        .map_err(|error| StagingError::Damaged(format!("a queued mutation cannot be read: {error}")))
}

impl Ready {
    /// Whether the policy that it was judged under looks for conflicts.
    pub fn looks_for_conflicts(&self) -> bool {
        ![ConflictPolicy::ClientWins, ConflictPolicy::Unspecified].map(|it| it as i32).contains(&self.queued.policy)
    }

    /// Attributes that the device changes and that are neither what it was judged by nor what it wants.
    fn conflicts(&self, schema: &Schema, mutation: &Mutation) -> Result<Vec<AttributeNumber>, StagingError> {
        let (Some(row), Some(entity)) = (&self.row, schema.entity_by_number(self.entry.entity)) else {
            return Ok(Vec::new());
        };
        if self.queued.effect.created || self.queued.effect.deleted {
            return Ok(Vec::new());
        }
        let is_written = |it: &&Attribute| it.fields().any(|field| mutation.changed.contains(&field.0));
        let mut found = Vec::new();
        for attribute in entity.attributes.iter().filter(is_written) {
            let is_same = |other: &[u8]| -> Result<bool, StagingError> {
                let mut fields = attribute.fields();
                fields
                    .try_fold(true, |same, field| Ok(same && field_of(&row.payload, field)? == field_of(other, field)?))
            };
            let is_effect = attribute.fields().any(|field| self.queued.effect.changed.contains(&field.0));
            if is_effect && !is_same(&self.queued.old)? && !is_same(&self.queued.effect.values)? {
                found.push(attribute.number);
            }
        }
        Ok(found)
    }

    /// Whether others have changed the row since the deletion was judged.
    fn is_overtaken(&self, commit: &mut dyn Commit) -> Result<bool, StagingError> {
        let Some(row) = &self.row else { return Ok(false) };
        if row.etag.is_some() && row.etag == self.queued.etag {
            return Ok(false);
        }
        let mut lsn = row.lsn;
        for _ in 0..OWN_CHANGES_MAX {
            if lsn <= self.entry.before {
                return Ok(false);
            }
            match commit.ledger().own_change(&self.entry.origin, lsn)? {
                Some(before) => lsn = before,
                None => return Ok(true),
            }
        }
        Ok(true)
    }
}

/// A field as it lies in a payload.
pub(super) fn field_of(payload: &[u8], field: AttributeNumber) -> Result<Option<&[u8]>, StagingError> {
    encoded(payload, field).map_err(|error| StagingError::Damaged(format!("a queued mutation: {error}")))
}
