//! A staging database that fails when a test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use haversack_engine::ids::{EntityNumber, History, Lsn, Ordinal, Revision};
use haversack_staging::queue::Queue;
use haversack_staging::{
    Change, Commit, CommitListener, DeviceRegistry, Earlier, Entry, Identity, Ledger, LedgerPlace, Mark, Origin,
    Passes, Recorded, RowId, Snapshot, SqliteStaging, Staging, StagingError,
};

/// Fails once, at the n-th step of its commits from now; a finish is two steps, before and after it became true.
pub(crate) struct Failing {
    inner: Arc<SqliteStaging>,
    /// Below zero: never.
    steps_left: AtomicI64,
}

impl Failing {
    pub(crate) fn new(inner: Arc<SqliteStaging>) -> Arc<Self> {
        Arc::new(Self { inner, steps_left: AtomicI64::new(-1) })
    }

    /// Makes the step behind `steps` others fail.
    pub(crate) fn fail_after(&self, steps: i64) {
        self.steps_left.store(steps, Ordering::SeqCst);
    }

    /// Whether it has not failed since it was told to; it never will then.
    pub(crate) fn has_survived(&self) -> bool {
        self.steps_left.swap(-1, Ordering::SeqCst) >= 0
    }

    fn step(&self) -> Result<(), StagingError> {
        match self.steps_left.fetch_sub(1, Ordering::SeqCst) {
            0 => Err(StagingError::Damaged("on purpose".into())),
            _ => Ok(()),
        }
    }
}

impl Staging for Failing {
    fn identity(&self) -> Result<Identity, StagingError> {
        self.inner.identity()
    }

    fn head(&self) -> Result<Lsn, StagingError> {
        self.inner.head()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StagingError> {
        self.inner.snapshot()
    }

    fn payloads(
        &self,
        entity: EntityNumber,
        ordinals: &[Ordinal],
        visit: &mut dyn FnMut(Ordinal, Lsn, &[u8]),
    ) -> Result<(), StagingError> {
        self.inner.payloads(entity, ordinals, visit)
    }

    fn begin(&self) -> Result<Box<dyn Commit + '_>, StagingError> {
        Ok(Box::new(FailingCommit { staging: self, inner: self.inner.begin()? }))
    }

    fn publish(&self, revision: Revision, model: &[u8]) -> Result<Lsn, StagingError> {
        self.inner.publish(revision, model)
    }

    fn mint_epoch(&self, lost: [u8; 16]) -> Result<Identity, StagingError> {
        self.inner.mint_epoch(lost)
    }

    fn on_commit(&self, listener: CommitListener) {
        self.inner.on_commit(listener);
    }

    fn devices(&self) -> &dyn DeviceRegistry {
        self.inner.devices()
    }
}

struct FailingCommit<'a> {
    staging: &'a Failing,
    inner: Box<dyn Commit + 'a>,
}

impl Commit for FailingCommit<'_> {
    fn upsert_all(
        &mut self,
        entity: EntityNumber,
        rows: &[(&RowId, &[u8])],
        tell: &mut dyn FnMut(usize, Change),
    ) -> Result<(), StagingError> {
        self.staging.step()?;
        self.inner.upsert_all(entity, rows, tell)
    }

    fn upsert_versions(
        &mut self,
        entity: EntityNumber,
        rows: &[(&RowId, &[u8], Option<&str>)],
        tell: &mut dyn FnMut(usize, Change),
    ) -> Result<(), StagingError> {
        self.staging.step()?;
        self.inner.upsert_versions(entity, rows, tell)
    }

    fn delete(&mut self, entity: EntityNumber, id: &RowId) -> Result<Change, StagingError> {
        self.staging.step()?;
        self.inner.delete(entity, id)
    }

    fn row(&mut self, entity: EntityNumber, id: &RowId) -> Result<Option<(Lsn, Vec<u8>)>, StagingError> {
        self.staging.step()?;
        self.inner.row(entity, id)
    }

    fn drawn(&self) -> Lsn {
        self.inner.drawn()
    }

    fn epoch(&mut self) -> Result<[u8; 16], StagingError> {
        self.inner.epoch()
    }

    fn history_at(&mut self, lsn: Lsn) -> Result<Option<History>, StagingError> {
        self.inner.history_at(lsn)
    }

    fn ledger(&mut self) -> &mut dyn Ledger {
        self
    }

    fn mark(&mut self, entity: EntityNumber) -> Result<Option<Mark>, StagingError> {
        self.inner.mark(entity)
    }

    fn set_mark(&mut self, entity: EntityNumber, mark: Option<Mark>) -> Result<(), StagingError> {
        self.inner.set_mark(entity, mark)
    }

    fn position(&mut self, entity: EntityNumber) -> Result<Option<Vec<u8>>, StagingError> {
        self.inner.position(entity)
    }

    fn set_position(&mut self, entity: EntityNumber, position: Option<&[u8]>) -> Result<(), StagingError> {
        self.staging.step()?;
        self.inner.set_position(entity, position)
    }

    fn etag(&mut self, entity: EntityNumber, id: &RowId) -> Result<Option<String>, StagingError> {
        self.staging.step()?;
        self.inner.etag(entity, id)
    }

    fn passes(&mut self) -> &mut dyn Passes {
        self.inner.passes()
    }

    fn queue(&mut self) -> &mut dyn Queue {
        self.inner.queue()
    }

    fn finish(self: Box<Self>) -> Result<Lsn, StagingError> {
        self.staging.step()?;
        let head = self.inner.finish()?;
        self.staging.step()?;
        Ok(head)
    }
}

impl Ledger for FailingCommit<'_> {
    fn find(&mut self, origin: &Origin) -> Result<Option<Recorded>, StagingError> {
        self.staging.step()?;
        self.inner.ledger().find(origin)
    }

    fn record(&mut self, entry: &Entry) -> Result<bool, StagingError> {
        self.staging.step()?;
        self.inner.ledger().record(entry)
    }

    fn entry(&mut self, place: LedgerPlace) -> Result<Option<Entry>, StagingError> {
        self.inner.ledger().entry(place)
    }

    fn amend(&mut self, place: LedgerPlace, entry: &Entry) -> Result<(), StagingError> {
        self.inner.ledger().amend(place, entry)
    }

    fn withdraw(&mut self, origin: &Origin) -> Result<bool, StagingError> {
        self.staging.step()?;
        self.inner.ledger().withdraw(origin)
    }

    fn own_change(&mut self, origin: &Origin, lsn: Lsn) -> Result<Option<Lsn>, StagingError> {
        self.inner.ledger().own_change(origin, lsn)
    }

    fn refused_before(
        &mut self,
        origin: &Origin,
        entity: EntityNumber,
        id: &RowId,
        at_most: usize,
    ) -> Result<Vec<Earlier>, StagingError> {
        self.inner.ledger().refused_before(origin, entity, id, at_most)
    }

    fn is_closed(&mut self) -> Result<bool, StagingError> {
        self.inner.ledger().is_closed()
    }

    fn close(&mut self) -> Result<(), StagingError> {
        self.inner.ledger().close()
    }

    fn blocked_of(&mut self, origin: &Origin, at_most: usize) -> Result<Vec<(LedgerPlace, Entry)>, StagingError> {
        self.inner.ledger().blocked_of(origin, at_most)
    }

    fn any_unwritten(&mut self) -> Result<bool, StagingError> {
        self.inner.ledger().any_unwritten()
    }

    fn unwritten_of(&mut self, entity: EntityNumber, id: &RowId) -> Result<Vec<Entry>, StagingError> {
        self.inner.ledger().unwritten_of(entity, id)
    }

    fn written(&mut self, places: &[LedgerPlace]) -> Result<(), StagingError> {
        self.inner.ledger().written(places)
    }
}
