//! Intake: rows of a source outside of Haversack, as its reader hands them over.
//!
//! A reader parses what the source sends, and within one [`crate::Commit`] takes rows in, notes by
//! [`crate::Commit::set_position`] how far it has come, and finishes. So no crash can part rows and position: what was
//! committed is never asked for again, what was not is.
//!
//! A source that cannot say what is gone is read in full from time to time, in a *pass*: rows from before the pass that
//! are not met until its end are swept away. A pass spans many commits. Those that read again draw no LSN for rows that
//! are as they were, so that devices hear of nothing.

use std::ops::AddAssign;

use haversack_engine::ids::{EntityNumber, Ordinal};

use crate::replication::COMMIT_BYTES_MAX;
use crate::{Change, Commit, RowId, StagingError};

/// Rows of a commit: as many as a bulk ingest commits at once. Uploads wait no longer than that takes.
pub const INTAKE_ROWS_MAX: usize = 16_384;

/// Stands for all entities where a source is followed as a whole; no entity has this number.
pub const WHOLE_ORGANIZATION: EntityNumber = EntityNumber(0);

/// What a source tells of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival<'a> {
    /// It is there.
    Row {
        /// Its id.
        id: &'a RowId,
        /// The row, encoded.
        payload: &'a [u8],
        /// What the source calls this version of it, if it does: what a write must name to replace no other.
        etag: Option<&'a str>,
    },
    /// It is gone.
    Gone {
        /// Its id.
        id: &'a RowId,
    },
}

/// What became of what was taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Arrivals that were looked at.
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
}

/// What a part of a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Rows that it deleted.
    pub deleted: u64,
    /// Rows that it has yet to look at; 0 exactly when the pass is over.
    pub left: u64,
}

/// A full read of an entity under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Rows below this ordinal were here before it began.
    pub sweep_end: Ordinal,
    /// Rows below this ordinal have been swept.
    pub next: Ordinal,
}

/// Passes as a staging database keeps them; for [`Intake`] alone.
pub trait Passes {
    /// Rows of an entity that are not deleted, and ordinals that it has given out.
    ///
    /// # Errors
    /// If the database fails, as for the others.
    fn living(&mut self, entity: EntityNumber) -> Result<(u64, Ordinal), StagingError>;

    /// An entity's pass, if one is under way that has something to sweep.
    ///
    /// # Errors
    /// If the database fails.
    fn pass(&mut self, entity: EntityNumber) -> Result<Option<Pass>, StagingError>;

    /// Replaces an entity's pass, or ends it.
    ///
    /// # Errors
    /// If the database fails.
    fn set_pass(&mut self, entity: EntityNumber, pass: Option<Pass>) -> Result<(), StagingError>;

    /// Marks those of these rows as met that the sweep of the pass has yet to look at.
    ///
    /// # Errors
    /// If the database fails.
    fn meet(&mut self, entity: EntityNumber, pass: Pass, ids: &[&RowId]) -> Result<(), StagingError>;

    /// Looks at the next rows of a sweep, at most `rows_max`: those that were not met, and the ordinal at which it goes on.
    ///
    /// # Errors
    /// If the database fails.
    fn unmet(
        &mut self,
        entity: EntityNumber,
        pass: Pass,
        rows_max: usize,
    ) -> Result<(Vec<RowId>, Option<Ordinal>), StagingError>;

    /// Forgets which rows below an ordinal were met.
    ///
    /// # Errors
    /// If the database fails.
    fn forget_met(&mut self, entity: EntityNumber, end: Ordinal) -> Result<(), StagingError>;
}

/// Takes rows of a source within a commit.
pub struct Intake<'c> {
    commit: &'c mut dyn Commit,
    taken: Taken,
    bytes: usize,
}

impl<'c> Intake<'c> {
    /// Begins; what is taken becomes true when the commit is finished.
    pub fn new(commit: &'c mut dyn Commit) -> Self {
        Self { commit, taken: Taken::default(), bytes: 0 }
    }

    /// The commit, for positions and versions.
    pub fn commit(&mut self) -> &mut dyn Commit {
        &mut *self.commit
    }

    /// What was taken so far.
    pub const fn taken(&self) -> Taken {
        self.taken
    }

    /// Whether the commit has taken as much as one should: [`INTAKE_ROWS_MAX`] rows or [`COMMIT_BYTES_MAX`].
    pub const fn is_full(&self) -> bool {
        self.taken.read >= INTAKE_ROWS_MAX as u64 || self.bytes >= COMMIT_BYTES_MAX
    }

    /// A full read of an entity begins: rows that are here now and are not met until [`Self::sweep`] are gone at the source.
    ///
    /// A pass under way ends without a sweep. Nothing is tracked if there are no rows yet, which keeps a first read fast.
    ///
    /// # Errors
    /// If the database fails.
    pub fn begin_pass(&mut self, entity: EntityNumber) -> Result<(), StagingError> {
        let passes = self.commit.passes();
        if passes.pass(entity)?.is_some() {
            // As much at once as the entity has rows, but only integers: a tenth of a second for a million.
            passes.forget_met(entity, Ordinal::MAX)?;
            passes.set_pass(entity, None)?;
        }
        match passes.living(entity)? {
            (0, _) => Ok(()),
            (_, sweep_end) => passes.set_pass(entity, Some(Pass { sweep_end, next: 0 })),
        }
    }

    /// Takes rows of one entity, in order: of several arrivals of a row the last one counts. Within a pass they are met.
    ///
    /// A row that is already so draws no LSN, though its version is kept.
    ///
    /// # Errors
    /// See [`Commit::upsert_all`].
    pub fn take(&mut self, entity: EntityNumber, arrivals: &[Arrival<'_>]) -> Result<Taken, StagingError> {
        let pass = self.commit.passes().pass(entity)?;
        let mut taken = Taken::default();
        for run in arrivals.chunk_by(|one, other| one.is_row() == other.is_row()) {
            let rows: Vec<_> = run.iter().filter_map(Arrival::row).collect();
            if rows.is_empty() {
                for arrival in run {
                    taken.count(self.commit.delete(entity, arrival.id())?, 0);
                }
                continue;
            }
            self.commit.upsert_versions(entity, &rows, &mut |index, change| {
                taken.count(change, rows[index].1.len());
            })?;
            if let Some(pass) = pass {
                let ids: Vec<_> = rows.iter().map(|row| row.0).collect();
                self.commit.passes().meet(entity, pass, &ids)?;
            }
            self.bytes += rows.iter().map(|row| row.1.len()).sum::<usize>();
        }
        self.taken += taken;
        Ok(taken)
    }

    /// Sweeps: looks at no more than `rows_max` rows (at least one) and deletes those that the pass has not met.
    ///
    /// # Errors
    /// If the database fails.
    pub fn sweep(&mut self, entity: EntityNumber, rows_max: usize) -> Result<Swept, StagingError> {
        let Some(pass) = self.commit.passes().pass(entity)? else { return Ok(Swept::default()) };
        let (unmet, next) = self.commit.passes().unmet(entity, pass, rows_max.max(1))?;
        for id in &unmet {
            self.commit.delete(entity, id)?;
        }
        let passes = self.commit.passes();
        passes.forget_met(entity, next.unwrap_or(pass.sweep_end))?;
        passes.set_pass(entity, next.map(|next| Pass { next, ..pass }))?;
        let deleted = unmet.len() as u64;
        self.taken.deleted += deleted;
        Ok(Swept { deleted, left: next.map_or(0, |next| u64::from(pass.sweep_end - next)) })
    }
}

impl<'a> Arrival<'a> {
    /// The row's id.
    pub const fn id(&self) -> &'a RowId {
        match self {
            Self::Row { id, .. } | Self::Gone { id } => id,
        }
    }

    const fn is_row(&self) -> bool {
        matches!(self, Self::Row { .. })
    }

    const fn row(&self) -> Option<(&'a RowId, &'a [u8], Option<&'a str>)> {
        match *self {
            Self::Row { id, payload, etag } => Some((id, payload, etag)),
            Self::Gone { .. } => None,
        }
    }
}

impl Taken {
    fn count(&mut self, change: Change, bytes: usize) {
        self.read += 1;
        match change {
            Change::Inserted => self.inserted += 1,
            Change::Updated => self.updated += 1,
            Change::Deleted => self.deleted += 1,
            Change::Unchanged => self.unchanged += 1,
        }
        if matches!(change, Change::Inserted | Change::Updated) {
            self.bytes += bytes as u64;
        }
    }
}

impl AddAssign for Taken {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.unchanged += other.unchanged;
        self.bytes += other.bytes;
    }
}
