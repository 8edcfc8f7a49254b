//! A staging database as one gateway has it: its follower looks when it is told to, and its disk fails when it is told
//! to.

use std::sync::Arc;
use std::time::Duration;

use haversack_engine::ids::{EntityNumber, History, Lsn, Ordinal, Revision};
use haversack_staging::queue::Queue;
use haversack_staging::{
    Change, Commit, CommitListener, DeviceRegistry, Identity, Ledger, Mark, Passes, RowId, Snapshot, SqliteStaging,
    Staging, StagingError,
};
use parking_lot::{Condvar, Mutex};

/// How long a thread of a gateway may take to do what it was told, in real time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A real staging database behind a gate.
pub(crate) struct Gate {
    inner: SqliteStaging,
    state: Mutex<State>,
    changed: Condvar,
    rung: Mutex<Vec<Arc<CommitListener>>>,
}

#[derive(Default)]
struct State {
    looks: Looks,
    /// Whether the follower stands before the gate.
    waits: bool,
    failure: Option<Failure>,
}

/// How often the follower may look yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looks {
    Some(u32),
    Any,
}

impl Default for Looks {
    fn default() -> Self {
        Self::Some(0)
    }
}

/// What the disk does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Rows cannot be read once.
    Read,
    /// What is new cannot be read once.
    Follow,
    /// A transaction of uploads cannot begin.
    Begin,
    /// A transaction of uploads is undone at its end: a server was killed before.
    Undone,
    /// A transaction of uploads is true, but nobody hears of it: a server was killed behind.
    Unheard,
}

impl Gate {
    pub(crate) fn new(inner: SqliteStaging) -> Arc<Self> {
        Arc::new(Self { inner, state: Mutex::default(), changed: Condvar::new(), rung: Mutex::default() })
    }

    /// Lets the follower look once, and waits until it has done so.
    pub(crate) fn look_once(&self) {
        self.state.lock().looks = Looks::Some(1);
        self.come(|state| state.looks == Looks::Some(0));
        self.come(|state| state.waits);
    }

    /// Lets the follower look as it likes, until [`Self::close`].
    pub(crate) fn open(&self) {
        self.state.lock().looks = Looks::Any;
        self.changed.notify_all();
    }

    /// Lets the follower look no more, and waits until it stands still.
    pub(crate) fn close(&self) {
        self.state.lock().looks = Looks::Some(0);
        self.come(|state| state.waits);
    }

    /// Has the disk fail once.
    pub(crate) fn fail_once(&self, failure: Failure) {
        self.state.lock().failure = Some(failure);
    }

    /// Has nothing fail any more.
    pub(crate) fn mend(&self) {
        self.state.lock().failure = None;
    }

    /// Wakes the follower and waits until it is somewhere.
    fn come(&self, is_there: impl Fn(&State) -> bool) {
        self.ring();
        let mut state = self.state.lock();
        self.changed.notify_all();
        while !is_there(&state) {
            let late = self.changed.wait_for(&mut state, PATIENCE).timed_out();
            assert!(!late, "the follower hangs");
        }
    }

    fn ring(&self) {
        self.rung.lock().iter().for_each(|listener| listener(Lsn(0)));
    }

    /// The follower asks who the database is whenever it begins to look, and nobody else does.
    fn pass(&self) {
        let mut state = self.state.lock();
        while state.looks == Looks::Some(0) {
            state.waits = true;
            self.changed.notify_all();
            self.changed.wait(&mut state);
        }
        state.waits = false;
        if let Looks::Some(looks) = &mut state.looks {
            *looks -= 1;
        }
        self.changed.notify_all();
    }

    fn fails(&self, failure: Failure) -> Result<(), StagingError> {
        let mut state = self.state.lock();
        let fails = state.failure == Some(failure);
        if fails {
            state.failure = None;
        }
        if fails { Err(StagingError::Damaged(format!("{failure:?} was told to fail"))) } else { Ok(()) }
    }
}

impl Staging for Gate {
    fn identity(&self) -> Result<Identity, StagingError> {
        self.pass();
        self.inner.identity()
    }

    fn head(&self) -> Result<Lsn, StagingError> {
        self.inner.head()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StagingError> {
        self.fails(Failure::Follow)?;
        self.inner.snapshot()
    }

    fn payloads(
        &self,
        entity: EntityNumber,
        ordinals: &[Ordinal],
        visit: &mut dyn FnMut(Ordinal, Lsn, &[u8]),
    ) -> Result<(), StagingError> {
        self.fails(Failure::Read)?;
        self.inner.payloads(entity, ordinals, visit)
    }

    fn begin(&self) -> Result<Box<dyn Commit + '_>, StagingError> {
        self.fails(Failure::Begin)?;
        Ok(Box::new(Transaction { inner: self.inner.begin()?, gate: self }))
    }

    fn publish(&self, revision: Revision, model: &[u8]) -> Result<Lsn, StagingError> {
        self.inner.publish(revision, model)
    }

    fn mint_epoch(&self, lost: [u8; 16]) -> Result<Identity, StagingError> {
        self.inner.mint_epoch(lost)
    }

    fn on_commit(&self, listener: CommitListener) {
        let listener = Arc::new(listener);
        self.rung.lock().push(Arc::clone(&listener));
        self.inner.on_commit(Box::new(move |lsn| listener(lsn)));
    }

    fn devices(&self) -> &dyn DeviceRegistry {
        self.inner.devices()
    }
}

/// A transaction whose end may fail.
struct Transaction<'a> {
    inner: Box<dyn Commit + 'a>,
    gate: &'a Gate,
}

impl Commit for Transaction<'_> {
    fn upsert_all(
        &mut self,
        entity: EntityNumber,
        rows: &[(&RowId, &[u8])],
        tell: &mut dyn FnMut(usize, Change),
    ) -> Result<(), StagingError> {
        self.inner.upsert_all(entity, rows, tell)
    }

    fn upsert_versions(
        &mut self,
        entity: EntityNumber,
        rows: &[(&RowId, &[u8], Option<&str>)],
        tell: &mut dyn FnMut(usize, Change),
    ) -> Result<(), StagingError> {
        self.inner.upsert_versions(entity, rows, tell)
    }

    fn delete(&mut self, entity: EntityNumber, id: &RowId) -> Result<Change, StagingError> {
        self.inner.delete(entity, id)
    }

    fn row(&mut self, entity: EntityNumber, id: &RowId) -> Result<Option<(Lsn, Vec<u8>)>, StagingError> {
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
        self.inner.ledger()
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
        self.inner.set_position(entity, position)
    }

    fn etag(&mut self, entity: EntityNumber, id: &RowId) -> Result<Option<String>, StagingError> {
        self.inner.etag(entity, id)
    }

    fn passes(&mut self) -> &mut dyn Passes {
        self.inner.passes()
    }

    fn queue(&mut self) -> &mut dyn Queue {
        self.inner.queue()
    }

    fn finish(self: Box<Self>) -> Result<Lsn, StagingError> {
        self.gate.fails(Failure::Undone)?;
        let head = self.inner.finish()?;
        self.gate.fails(Failure::Unheard)?;
        Ok(head)
    }
}
