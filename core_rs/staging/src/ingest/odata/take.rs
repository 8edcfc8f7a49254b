//! Writes a page.

use haversack_engine::ids::{EntityNumber, Lsn};

use super::super::writer::patch;
use super::page::{Entry, Page};
use crate::{Arrival, Commit, INTAKE_ROWS_MAX, Intake, ROW_BYTES_MAX, RowId, Staging, StagingError, Taken};

/// Where a reader is before and after a page.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The position under which the page was asked for. If it is another by now, somebody else has gone on.
    pub before: Option<&'a [u8]>,
    /// The position behind the page.
    pub after: Option<&'a [u8]>,
    /// Whether a full read begins with this page.
    pub begins_pass: bool,
    /// Whether rows that are older than what is here are left out; a full read takes what the service has.
    pub keeps_newer: bool,
    /// Whether the page has keys and versions alone: rows are met, and those that differ are told.
    pub keys_only: bool,
}

/// What a page has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Whether the position was another one than stated; then nothing was done.
    pub is_stale: bool,
    /// What became of its rows.
    pub taken: Taken,
    /// Of a page of keys: rows that are not here, or in another version.
    pub differing: Vec<RowId>,
    /// The staging database's head.
    pub lsn: Lsn,
}

/// What a part of a sweep has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Whether the position was another one than stated; then nothing was done.
    pub is_stale: bool,
    /// Rows that it deleted.
    pub deleted: u64,
    /// Rows that it has yet to look at.
    pub left: u64,
    /// The staging database's head.
    pub lsn: Lsn,
}

/// Writes a page's rows, and the position behind it with the last of them.
///
/// # Errors
/// If the database fails; then the position is as it was, and the page can be taken again.
pub fn take(staging: &dyn Staging, page: &Page, place: &Place<'_>) -> Result<Told, StagingError> {
    let mut told = Told::default();
    let mut rest = &page.entries[..];
    let mut is_first = true;
    loop {
        let mut commit = staging.begin()?;
        if commit.position(page.entity)?.as_deref() != place.before {
            return Ok(Told { is_stale: true, lsn: commit.drawn(), ..told });
        }
        let mut intake = Intake::new(&mut *commit);
        if is_first && place.begins_pass {
            intake.begin_pass(page.entity)?;
        }
        if is_first {
            meet(&mut intake, page.entity, &page.refused.iter().collect::<Vec<_>>())?;
        }
        let (part, later) = rest.split_at(rest.len().min(INTAKE_ROWS_MAX));
        let done = if place.keys_only {
            compare(&mut intake, page, part, &mut told.differing)?;
            part.len()
        } else {
            take_rows(&mut intake, page, part, place.keeps_newer)?
        };
        rest = if done < part.len() { &rest[done..] } else { later };
        told.taken += intake.taken();
        is_first = false;
        if rest.is_empty() {
            commit.set_position(page.entity, place.after)?;
            told.lsn = commit.finish()?;
            return Ok(told);
        }
        commit.finish()?;
    }
}

/// Sweeps at most `rows_max` rows; at the end of the pass the position becomes `after`.
///
/// # Errors
/// If the database fails; then nothing has changed.
pub fn sweep(
    staging: &dyn Staging,
    entity: EntityNumber,
    place: &Place<'_>,
    rows_max: usize,
) -> Result<Sweep, StagingError> {
    let mut commit = staging.begin()?;
    if commit.position(entity)?.as_deref() != place.before {
        return Ok(Sweep { is_stale: true, lsn: commit.drawn(), ..Sweep::default() });
    }
    let swept = Intake::new(&mut *commit).sweep(entity, rows_max)?;
    if swept.left == 0 {
        commit.set_position(entity, place.after)?;
    }
    Ok(Sweep { is_stale: false, deleted: swept.deleted, left: swept.left, lsn: commit.finish()? })
}

/// Takes rows until the commit is full; returns how many.
fn take_rows(intake: &mut Intake<'_>, page: &Page, part: &[Entry], keeps_newer: bool) -> Result<usize, StagingError> {
    let mut done = 0;
    for run in part.chunk_by(|one, other| one.is_whole() == other.is_whole()) {
        if run[0].is_whole() {
            let mut arrivals: Vec<_> = run.iter().map(|entry| page.arrival(entry)).collect();
            if keeps_newer {
                drop_older(intake.commit(), page.entity, &mut arrivals)?;
            }
            intake.take(page.entity, &arrivals)?;
        } else {
            for entry in run {
                take_partial(intake, page, entry)?;
            }
        }
        done += run.len();
        if intake.is_full() {
            break;
        }
    }
    Ok(done)
}

/// Takes a row that may lack columns: over the one that is here, if there is one.
fn take_partial(intake: &mut Intake<'_>, page: &Page, entry: &Entry) -> Result<(), StagingError> {
    let Entry::Row { at, etag, .. } = entry else { return Ok(()) };
    let row = page.row(*at);
    let etag = page.etag(etag.as_ref());
    let Some(stored) = intake.commit().payload(page.entity, &row.id)? else {
        intake.take(page.entity, &[page.arrival(entry)])?;
        return Ok(());
    };
    let mut arrivals = vec![Arrival::Row { id: &row.id, payload: &[], etag }];
    drop_older(intake.commit(), page.entity, &mut arrivals)?;
    if arrivals.is_empty() {
        return Ok(());
    }
    let patched = patch(&page.types, &stored, page.batch.named(row), page.batch.payload(row))
        .map_err(|error| StagingError::Damaged(error.to_string()))?;
    if patched.len() > ROW_BYTES_MAX {
        return Err(StagingError::RowTooLarge { bytes: patched.len(), limit: ROW_BYTES_MAX });
    }
    intake.take(page.entity, &[Arrival::Row { id: &row.id, payload: &patched, etag }])?;
    Ok(())
}

/// Leaves out rows that are older than what is here: what a write has brought meanwhile is not taken back.
///
/// Versions are compared only where both are Dataverse's `W/"number"`, which rises with each change of the organization.
fn drop_older(
    commit: &mut dyn Commit,
    entity: EntityNumber,
    arrivals: &mut Vec<Arrival<'_>>,
) -> Result<(), StagingError> {
    let mut failed = None;
    arrivals.retain(|arrival| {
        let Arrival::Row { id, etag: Some(etag), .. } = arrival else { return true };
        let Some(new) = version_number(etag) else { return true };
        match commit.etag(entity, id) {
            Ok(known) => known.as_deref().and_then(version_number).is_none_or(|old| new >= old),
            Err(error) => {
                failed.get_or_insert(error);
                true
            }
        }
    });
    failed.map_or(Ok(()), Err)
}

fn version_number(etag: &str) -> Option<u64> {
    etag.strip_prefix("W/\"")?.strip_suffix('"')?.parse().ok()
}

/// Meets rows of which only keys and versions are known; tells those that are not here, or in another version.
fn compare(
    intake: &mut Intake<'_>,
    page: &Page,
    part: &[Entry],
    differing: &mut Vec<RowId>,
) -> Result<(), StagingError> {
    let mut met = Vec::with_capacity(part.len());
    for entry in part {
        let Entry::Row { at, etag, .. } = entry else { continue };
        let id = &page.row(*at).id;
        met.push(id);
        let known = intake.commit().etag(page.entity, id)?;
        let is_known = match (page.etag(etag.as_ref()), &known) {
            (Some(etag), Some(known)) => etag == known,
            _ => intake.commit().row(page.entity, id)?.is_some(),
        };
        if !is_known {
            differing.push(id.clone());
        }
    }
    meet(intake, page.entity, &met)
}

fn meet(intake: &mut Intake<'_>, entity: EntityNumber, ids: &[&RowId]) -> Result<(), StagingError> {
    if let Some(pass) = intake.commit().passes().pass(entity)?
        && !ids.is_empty()
    {
        intake.commit().passes().meet(entity, pass, ids)?;
    }
    Ok(())
}

impl Entry {
    /// Whether it says all there is to say.
    const fn is_whole(&self) -> bool {
        match self {
            Self::Row { partial, .. } => !*partial,
            Self::Gone(_) => true,
        }
    }
}
