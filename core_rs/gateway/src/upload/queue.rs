//! What waits for an organization's writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use haversack_proto::sync::{MutationAnswer, UploadResponse};
use haversack_staging::LedgerPlace;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::call::Call;
use super::writer;
use crate::errors::SyncError;
use crate::limits::{UPLOAD_QUEUE_BYTES_MAX, UPLOAD_QUEUE_CALLS_MAX};
use crate::organization::Organization;

/// An organization's queue of uploads, and its writer, which starts with the first.
pub(crate) struct Uploads {
    state: Mutex<State>,
    room: Arc<Semaphore>,
    /// Whether the ledger may have something to be written back that nobody was told of yet.
    written: AtomicBool,
}

enum State {
    Idle,
    Running(mpsc::Sender<Job>, JoinHandle<()>),
    Closed,
}

/// Something for the writer to do.
pub(super) enum Job {
    /// A device's call.
    Call(Call, Reply<UploadResponse>),
    /// An administrator's retry of a refused mutation; by force, if true.
    Retry(LedgerPlace, bool, Reply<MutationAnswer>),
}

/// Where an answer goes. Holds its place in the queue until then.
pub(super) struct Reply<T> {
    sender: oneshot::Sender<Result<T, SyncError>>,
    _room: Option<OwnedSemaphorePermit>,
}

impl<T> Reply<T> {
    /// Answers. Who has gone meanwhile asks again, and hears the same.
    pub(super) fn send(self, answer: Result<T, SyncError>) {
        drop(self.sender.send(answer));
    }
}

impl Default for Uploads {
    fn default() -> Self {
        let room = Arc::new(Semaphore::new(UPLOAD_QUEUE_BYTES_MAX));
        // What a process has left that was killed is still to be written back.
        Self { state: Mutex::new(State::Idle), room, written: AtomicBool::new(true) }
    }
}

impl Uploads {
    /// Something was judged.
    pub(super) fn note(&self) {
        self.written.store(true, Ordering::Release);
    }

    /// Whether anything was judged since this was asked last, or could have been before that.
    pub(crate) fn take_note(&self) -> bool {
        self.written.swap(false, Ordering::AcqRel)
    }

    /// Has a call's mutations judged, and waits for the answers.
    pub(super) async fn call(&self, organization: &Arc<Organization>, call: Call) -> Result<UploadResponse, SyncError> {
        let room = Arc::clone(&self.room).try_acquire_many_owned(call.bytes as u32).map_err(|_| busy())?;
        let (sender, answer) = oneshot::channel();
        self.put(organization, Job::Call(call, Reply { sender, _room: Some(room) }))?;
        answer.await.unwrap_or(Err(SyncError::ServerStopping))
    }

    /// Has a refused mutation judged again.
    pub(crate) async fn retry(
        &self,
        organization: &Arc<Organization>,
        place: LedgerPlace,
        forced: bool,
    ) -> Result<MutationAnswer, SyncError> {
        let (sender, answer) = oneshot::channel();
        self.put(organization, Job::Retry(place, forced, Reply { sender, _room: None }))?;
        answer.await.unwrap_or(Err(SyncError::ServerStopping))
    }

    /// Ends the writer, after what it is doing.
    pub(crate) fn close(&self) {
        let state = std::mem::replace(&mut *self.state.lock(), State::Closed);
        if let State::Running(sender, writer) = state {
            drop(sender);
            if writer.join().is_err() {
                tracing::error!("a writer of uploads had panicked");
            }
        }
    }

    fn put(&self, organization: &Arc<Organization>, job: Job) -> Result<(), SyncError> {
        let mut state = self.state.lock();
        if matches!(*state, State::Idle) {
            let (sender, jobs) = mpsc::channel(UPLOAD_QUEUE_CALLS_MAX);
            *state = State::Running(sender, writer::start(organization, jobs)?);
        }
        match &*state {
            State::Running(sender, _) => sender.try_send(job).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => busy(),
                mpsc::error::TrySendError::Closed(_) => SyncError::Internal("the writer of uploads has ended".into()),
            }),
            State::Idle | State::Closed => Err(SyncError::ServerStopping),
        }
    }
}

fn busy() -> SyncError {
    SyncError::LimitReached("too many uploads wait for this organization".into())
}
