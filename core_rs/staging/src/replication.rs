//! Replication: one entity of a staging database follows the same entity of another database.
//!
//! A [`Mark`] says how far it has come. It is read under the staging database's write lock and written in the commit
//! that applies what lies behind it, and the source is read after the lock was taken. So a crash repeats nothing and
//! loses nothing, and two callers, of whatever processes, can never put an older version over a newer one.
//!
//! A first pass copies every row in order of ordinal, which reads the source as it lies on disk; then, if the entity
//! had rows before the pass, it sweeps those away that the source does not have; then it follows what has changed since
//! the pass began, in order of LSN. Rows that change during a pass may be read twice, and are unchanged at one of them.
//!
//! What devices have changed here and the source does not have yet is put over the rows that it brings; see
//! [`crate::write_back`].

use std::ops::ControlFlow;

use haversack_engine::ids::{EntityNumber, Lsn, Ordinal, Position};

use crate::write_back::after;
use crate::{Change, Commit, Place, RowId, Snapshot, Staging, StagingError, StoredRow};

/// Bytes of payloads that a commit reads, unless its first row alone is larger: uploads must not wait long for it.
pub const COMMIT_BYTES_MAX: usize = 4 << 20;

/// Changes of other entities that a mark may lag behind: stepping over them again costs less than a commit.
const STEPPED_OVER_MAX: u64 = 10_000;

/// How far an entity follows another database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Epoch of the other database. Another one means from the beginning.
    pub source: [u8; 16],
    /// Changes up to here in the source are here, once the first pass is over. Another history than the source has there
    /// means from the beginning too: the source was put back from a copy.
    pub at: Position,
    /// Rows below this ordinal were here before the pass began.
    pub sweep_end: Ordinal,
    /// What comes next.
    pub stage: Stage,
}

/// What a follower does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Copies the source's rows.
    Copying {
        /// The source's ordinal at which it goes on.
        next: Ordinal,
    },
    /// Deletes rows that the source does not have.
    Sweeping {
        /// Its own ordinal at which it goes on.
        next: Ordinal,
    },
    /// Applies what changes.
    Following,
}

/// What one commit of a replication did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replicated {
    /// Rows of the source that were looked at, deleted ones among them.
    pub read: u64,
    /// Rows that are new here.
    pub inserted: u64,
    /// Rows that have other values.
    pub updated: u64,
    /// Rows that are gone.
    pub deleted: u64,
    /// Rows that were already so.
    pub unchanged: u64,
    /// Bytes of the rows that are new or have other values.
    pub bytes: u64,
    /// Rows still to look at. 0 exactly when there are none; otherwise an upper bound, as far as is known by now.
    pub left: u64,
    /// The staging database's head.
    pub lsn: Lsn,
}

/// Takes what has changed of one entity in `source` since the entity's mark, at most `rows_max` rows (at least one) and
/// [`COMMIT_BYTES_MAX`], in one commit that also moves the mark.
///
/// Rows are found by their ids; their ordinals here are their own. A row that is already so draws no LSN.
///
/// # Errors
/// [`StagingError::SourceIsSelf`]; [`StagingError::Busy`] if another process held the lock for too long; others, if a
/// database fails. Then nothing has changed.
pub fn replicate(
    staging: &dyn Staging,
    source: &dyn Staging,
    entity: EntityNumber,
    rows_max: usize,
) -> Result<Replicated, StagingError> {
    let epoch = source.identity()?.epoch;
    if epoch == staging.identity()?.epoch {
        return Err(StagingError::SourceIsSelf);
    }
    let mut commit = staging.begin()?;
    let before = commit.mark(entity)?;
    let snapshot = source.snapshot()?;
    let mark = match before {
        Some(mark) if mark.source == epoch && is_of_its_past(&*snapshot, mark.at)? => mark,
        _ => Mark::begin(epoch, position(&*snapshot, snapshot.head())?, allocated(&*staging.snapshot()?, entity)?),
    };
    let budget = Budget { rows: rows_max.max(1), bytes: COMMIT_BYTES_MAX };
    let overlaid = commit.ledger().any_unwritten()?;
    let done = Replicated::default();
    let mut run = Run { commit: &mut *commit, source: &*snapshot, entity, mark, budget, overlaid, done };
    let finished = run.go(staging)?;
    let Run { mark, mut done, .. } = run;
    if !finished {
        done.left = mark.left(snapshot.head(), allocated(&*snapshot, entity)?);
    }
    if mark.is_worth_writing(before, done.read) {
        commit.set_mark(entity, Some(mark))?;
    }
    done.lsn = commit.finish()?;
    Ok(done)
}

/// Whether a database has been where a mark says, and come from there.
fn is_of_its_past(snapshot: &dyn Snapshot, at: Position) -> Result<bool, StagingError> {
    Ok(snapshot.history_at(at.lsn)? == Some(at.history))
}

/// An LSN of a database, with its history.
fn position(snapshot: &dyn Snapshot, lsn: Lsn) -> Result<Position, StagingError> {
    Ok(Position { lsn, history: snapshot.history_at(lsn)?.unwrap_or_default() })
}

/// Has the next [`replicate`] of an entity read the source from the beginning: a pass, at whose end rows are gone that the
/// source does not have. Does nothing before the first.
///
/// # Errors
/// As [`replicate`].
pub fn replicate_anew(staging: &dyn Staging, entity: EntityNumber) -> Result<(), StagingError> {
    let mut commit = staging.begin()?;
    if let Some(mark) = commit.mark(entity)? {
        // No database has this epoch.
        commit.set_mark(entity, Some(Mark { source: [0; 16], ..mark }))?;
    }
    commit.finish().map(drop)
}

/// Has an entity follow the record database no more, since its rows are a source's outside from now on; returns whether
/// it did. What devices write to it then waits for that source. The rows stay, until that source's reader sweeps them.
///
/// # Errors
/// As [`replicate`].
pub fn replicate_no_more(staging: &dyn Staging, entity: EntityNumber) -> Result<bool, StagingError> {
    let mut commit = staging.begin()?;
    if commit.mark(entity)?.is_none() {
        return Ok(false);
    }
    commit.set_mark(entity, None)?;
    commit.finish().map(|_| true)
}

/// Ordinals that an entity has given out.
fn allocated(snapshot: &dyn Snapshot, entity: EntityNumber) -> Result<Ordinal, StagingError> {
    let statistics = snapshot.statistics()?;
    Ok(statistics.iter().find(|it| it.entity == entity).map_or(0, |it| it.allocated))
}

impl Mark {
    const fn begin(source: [u8; 16], at: Position, sweep_end: Ordinal) -> Self {
        Self { source, at, sweep_end, stage: Stage::Copying { next: 0 } }
    }

    /// A pass's end, or the next part of it.
    const fn after_copying(self) -> Stage {
        if self.sweep_end > 0 { Stage::Sweeping { next: 0 } } else { Stage::Following }
    }

    /// Rows that are still to look at where there are some.
    fn left(&self, head: Lsn, allocated: Ordinal) -> u64 {
        let left = match self.stage {
            Stage::Copying { next } => u64::from(allocated.saturating_sub(next)) + u64::from(self.sweep_end),
            Stage::Sweeping { next } => u64::from(self.sweep_end.saturating_sub(next)),
            // Every change drew an LSN, and no row is told of twice.
            Stage::Following => head.0.saturating_sub(self.at.lsn.0).min(u64::from(allocated)),
        };
        left.max(1)
    }

    /// Whether this mark saves enough to be worth a commit of its own, or comes with one anyway.
    fn is_worth_writing(&self, before: Option<Self>, read: u64) -> bool {
        let Some(before) = before else { return true };
        let only_ahead = Self { at: before.at, ..*self } == before;
        !only_ahead || read > 0 || self.at.lsn.0.saturating_sub(before.at.lsn.0) > STEPPED_OVER_MAX
    }
}

/// What a commit may still read.
struct Budget {
    rows: usize,
    bytes: usize,
}

impl Budget {
    const fn is_spent(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }

    fn spend(&mut self, bytes: usize) {
        self.rows -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// One commit under way.
struct Run<'a> {
    commit: &'a mut (dyn Commit + 'a),
    source: &'a dyn Snapshot,
    entity: EntityNumber,
    mark: Mark,
    budget: Budget,
    /// Whether changes of devices may have to be put over rows.
    overlaid: bool,
    done: Replicated,
}

impl Run<'_> {
    /// Goes on until the budget is spent; returns whether nothing is left.
    fn go(&mut self, staging: &dyn Staging) -> Result<bool, StagingError> {
        loop {
            let ended = match self.mark.stage {
                Stage::Copying { next } => self.copy(next)?,
                Stage::Sweeping { next } => self.sweep(staging, next)?,
                Stage::Following => return self.follow(),
            };
            if !ended {
                return Ok(false);
            }
        }
    }

    /// Copies rows in order of ordinal; returns whether there are no more.
    fn copy(&mut self, next: Ordinal) -> Result<bool, StagingError> {
        let mut next = next;
        let ended = self.walk(Place::Ordinal(next), |row| next = row.ordinal.saturating_add(1))?;
        self.mark.stage = if ended { self.mark.after_copying() } else { Stage::Copying { next } };
        Ok(ended)
    }

    /// Applies changes in order of LSN; returns whether there are no more.
    fn follow(&mut self) -> Result<bool, StagingError> {
        let mut lsn = self.mark.at.lsn;
        let ended = self.walk(Place::After(lsn), |row| lsn = row.lsn)?;
        self.mark.at = position(self.source, if ended { self.source.head() } else { lsn })?;
        Ok(ended)
    }

    /// Deletes rows from before the pass that the source does not have; returns whether there are no more.
    fn sweep(&mut self, staging: &dyn Staging, next: Ordinal) -> Result<bool, StagingError> {
        let (mut next, end) = (next, self.mark.sweep_end);
        let Self { commit, source, entity, budget, overlaid, done, .. } = self;
        let ended = until_failure(|failed| {
            let mut ended = true;
            staging.snapshot()?.walk(*entity, Place::Ordinal(next), &mut |row| {
                if row.ordinal >= end {
                    return ControlFlow::Break(());
                }
                if budget.is_spent() {
                    ended = false;
                    return ControlFlow::Break(());
                }
                budget.spend(0);
                next = row.ordinal + 1;
                let swept = sweep_away(*commit, *source, *overlaid, &row).map(|swept| done.deleted += u64::from(swept));
                failed.note(swept)
            })?;
            Ok(ended)
        })?;
        self.mark.stage = if ended { Stage::Following } else { Stage::Sweeping { next } };
        Ok(ended)
    }

    /// Applies rows of the source from a place on, telling of each; returns whether there are no more.
    fn walk(&mut self, from: Place, mut tell: impl FnMut(&StoredRow<'_>)) -> Result<bool, StagingError> {
        let Self { commit, source, entity, budget, overlaid, done, .. } = self;
        until_failure(|failed| {
            let mut ended = true;
            source.walk(*entity, from, &mut |row| {
                if budget.is_spent() {
                    ended = false;
                    return ControlFlow::Break(());
                }
                budget.spend(row.payload.map_or(0, <[u8]>::len));
                tell(&row);
                failed.note(apply(*commit, *source, *overlaid, &row).map(|change| done.count(change, row.payload)))
            })?;
            Ok(ended)
        })
    }
}

/// Makes a row here what it is in the source, under what devices have changed of it.
fn apply(
    commit: &mut dyn Commit,
    source: &dyn Snapshot,
    overlaid: bool,
    row: &StoredRow<'_>,
) -> Result<Change, StagingError> {
    if overlaid && !commit.ledger().unwritten_of(row.entity, row.id)?.is_empty() {
        let payload = overlay(commit, source, row.entity, row.id, row.payload.map(<[u8]>::to_vec))?;
        return put(commit, row.entity, row.id, payload.as_deref());
    }
    put(commit, row.entity, row.id, row.payload)
}

fn put(
    commit: &mut dyn Commit,
    entity: EntityNumber,
    id: &RowId,
    payload: Option<&[u8]>,
) -> Result<Change, StagingError> {
    match payload {
        Some(payload) => commit.upsert(entity, id, payload),
        None => commit.delete(entity, id),
    }
}

/// A row of the source with the changes of devices that the source does not have yet.
fn overlay(
    commit: &mut dyn Commit,
    source: &dyn Snapshot,
    entity: EntityNumber,
    id: &RowId,
    payload: Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>, StagingError> {
    let mut payload = payload;
    for entry in commit.ledger().unwritten_of(entity, id)? {
        let Some(effect) = &entry.effect else { continue };
        if !source.ledger().contains(&entry.origin)? {
            payload = after(payload, effect)?;
        }
    }
    Ok(payload)
}

/// Deletes a row that neither the source has nor a device has just made; returns whether it did.
fn sweep_away(
    commit: &mut dyn Commit,
    source: &dyn Snapshot,
    overlaid: bool,
    row: &StoredRow<'_>,
) -> Result<bool, StagingError> {
    let mut stays = row.payload.is_none() || source.has(row.entity, row.id)?;
    if !stays && overlaid {
        stays = overlay(commit, source, row.entity, row.id, None)?.is_some();
    }
    Ok(!stays && commit.delete(row.entity, row.id)? == Change::Deleted)
}

impl Replicated {
    fn count(&mut self, change: Change, payload: Option<&[u8]>) {
        self.read += 1;
        match change {
            Change::Inserted => self.inserted += 1,
            Change::Updated => self.updated += 1,
            Change::Deleted => self.deleted += 1,
            Change::Unchanged => self.unchanged += 1,
        }
        if matches!(change, Change::Inserted | Change::Updated) {
            self.bytes += payload.map_or(0, <[u8]>::len) as u64;
        }
    }
}

/// What failed inside of a visitor, which itself can only stop.
#[derive(Default)]
struct Failed(Option<StagingError>);

impl Failed {
    fn note(&mut self, outcome: Result<(), StagingError>) -> ControlFlow<()> {
        match outcome {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.0 = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// Walks, and fails as the walk or its visitor did.
fn until_failure<T>(walk: impl FnOnce(&mut Failed) -> Result<T, StagingError>) -> Result<T, StagingError> {
    let mut failed = Failed::default();
    let walked = walk(&mut failed)?;
    failed.0.map_or(Ok(walked), Err)
}
