//! Write-back: what devices have changed in a staging database, taken to the record database that it follows.
//!
//! Changes are taken in the order in which they were made, a field at a time: of a field that the record database has got
//! another value for meanwhile, the value that arrives there last stays. The record database enters each of them into a
//! ledger of its own, in the commit that makes the change. So two callers, of whatever processes, and a crash between the
//! two databases, write nothing twice: a change is either in the record's ledger or still to be written.
//!
//! Between a device's write and its arrival there, the record's row is older than that of staging. [`crate::replicate`]
//! therefore puts what has yet to be written over every row that it brings, and sweeps away none that it would bring back.
//! It asks the record's ledger, in the snapshot that it reads rows from, so that neither a change is missed nor one put
//! over a later value:
//!
//! - the change is not in that ledger: the record's row lacks it, and it is put over the row;
//! - it is in it: the record's row has it, or something that arrived later;
//! - its effect is forgotten already: it was in the ledger before that.
//!
//! A row that the record database has deleted meanwhile stays deleted when it was only to be changed, as if it had been
//! changed first. A row that it has got meanwhile under the id of one that a device made gets the device's fields.

use haversack_engine::ids::{AttributeNumber, EntityNumber};
use haversack_engine::row::splice;

use crate::{Commit, Effect, LedgerPlace, RowId, Staging, StagingError};

/// Most changes that are written back at once, so that neither database waits long.
pub const WRITE_BACK_ENTRIES_MAX: usize = 5_000;

/// What was written back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WrittenBack {
    /// Changes that the record database has now, and that staging has forgotten.
    pub written: u64,
    /// Whether none were left to write when this began to.
    pub is_last: bool,
}

/// Takes the next changes of devices to the record database, at most `at_most` (at least one) and
/// [`WRITE_BACK_ENTRIES_MAX`].
///
/// # Errors
/// [`StagingError::SourceIsSelf`]; [`StagingError::Busy`] if another process held a lock for too long; others, if a
/// database fails. Whatever was written by then is not written again.
pub fn write_back(staging: &dyn Staging, record: &dyn Staging, at_most: usize) -> Result<WrittenBack, StagingError> {
    if staging.identity()?.epoch == record.identity()?.epoch {
        return Err(StagingError::SourceIsSelf);
    }
    let at_most = at_most.clamp(1, WRITE_BACK_ENTRIES_MAX);
    let unwritten = staging.snapshot()?.ledger().unwritten(at_most)?;
    if unwritten.is_empty() {
        return Ok(WrittenBack { written: 0, is_last: true });
    }
    let places: Vec<LedgerPlace> = unwritten.iter().map(|it| it.place).collect();
    let mut commit = record.begin()?;
    for it in unwritten {
        let Some(effect) = it.entry.effect.clone() else { continue };
        let entry = it.entry.elsewhere();
        if commit.ledger().record(&entry)? {
            write(&mut *commit, entry.entity, &entry.id, &effect)?;
        }
    }
    commit.finish()?;
    let mut commit = staging.begin()?;
    commit.ledger().written(&places)?;
    commit.finish()?;
    Ok(WrittenBack { written: places.len() as u64, is_last: false })
}

fn write(commit: &mut dyn Commit, entity: EntityNumber, id: &RowId, effect: &Effect) -> Result<(), StagingError> {
    let before = commit.payload(entity, id)?;
    match after(before.clone(), effect)? {
        Some(payload) => commit.upsert(entity, id, &payload).map(drop),
        None if before.is_some() => commit.delete(entity, id).map(drop),
        None => Ok(()),
    }
}

/// A row after a change; `None` if there is none.
pub(crate) fn after(before: Option<Vec<u8>>, effect: &Effect) -> Result<Option<Vec<u8>>, StagingError> {
    if effect.deleted || (before.is_none() && !effect.created) {
        return Ok(None);
    }
    let changed: Vec<AttributeNumber> = effect.changed.iter().copied().map(AttributeNumber).collect();
    let after = splice(&before.unwrap_or_default(), &changed, &effect.values);
    after.map(Some).map_err(|error| StagingError::Damaged(format!("a change of a device: {error}")))
}
