//! The writer: the one thread that makes an organization's uploads true.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::Weak;
use std::thread::{Builder, JoinHandle};

use haversack_proto::sync::{MutationAnswer, UploadResponse};
use haversack_staging::LedgerPlace;
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc;

use super::batch::Batch;
use super::call::Call;
use super::queue::{Job, Reply};
use crate::errors::SyncError;
use crate::limits::{FREED_MAX, UPLOAD_BATCH_BYTES_MAX, UPLOAD_BATCH_MUTATIONS_MAX};
use crate::organization::Organization;

struct Writer {
    /// Weak, so that an organization that nobody serves goes away, and its writer with it.
    organization: Weak<Organization>,
    jobs: mpsc::Receiver<Job>,
    /// For nothing but waiting.
    runtime: Runtime,
}

/// A call that is being judged, with the answers so far.
struct Open {
    call: Call,
    answered: UploadResponse,
    reply: Reply<UploadResponse>,
}

/// What came of a transaction's share of a call.
enum Share {
    /// All of it is judged.
    Done(Open),
    /// It goes on in the next transaction.
    Part(Open),
}

/// Starts a writer. It ends when the sender of its jobs is gone.
pub(super) fn start(organization: &Arc<Organization>, jobs: mpsc::Receiver<Job>) -> Result<JoinHandle<()>, SyncError> {
    let failed = |error| SyncError::Internal(format!("starting a writer of uploads: {error}"));
    let runtime = runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
    let writer = Writer { organization: Arc::downgrade(organization), jobs, runtime };
    Builder::new().name("haversack-upload".into()).spawn(|| writer.run()).map_err(failed)
}

impl Writer {
    fn run(mut self) {
        while let Some(job) = self.jobs.blocking_recv() {
            let Some(organization) = self.organization.upgrade() else { return };
            match job {
                Job::Retry(place, forced, reply) => reply.send(self.retry(&organization, place, forced)),
                Job::Call(call, reply) => self.gather(&organization, Open::new(call, reply)),
            }
            organization.uploads().note();
        }
    }

    /// Adds to a call what waits behind it, within a transaction's bounds, and has all of it judged.
    fn gather(&mut self, organization: &Organization, first: Open) {
        let mut room = Room::default();
        room.take(&first.call);
        let mut open = VecDeque::from([first]);
        let mut retry = None;
        while !room.is_spent() {
            match self.jobs.try_recv() {
                Ok(Job::Call(call, reply)) => {
                    room.take(&call);
                    open.push_back(Open::new(call, reply));
                }
                Ok(Job::Retry(place, forced, reply)) => {
                    retry = Some((place, forced, reply));
                    break;
                }
                Err(_) => break,
            }
        }
        while !open.is_empty() {
            open = self.transaction(organization, open);
        }
        if let Some((place, forced, reply)) = retry {
            reply.send(self.retry(organization, place, forced));
        }
    }

    /// Judges calls in one transaction and answers those that are done; returns the others.
    fn transaction(&self, organization: &Organization, calls: VecDeque<Open>) -> VecDeque<Open> {
        let mut batch = match organization.begin_upload(&self.runtime) {
            Ok(batch) => batch,
            Err(error) => return fail(calls, &error),
        };
        let (mut done, mut rest) = (Vec::new(), calls);
        while let Some(mut open) = rest.pop_front() {
            match take(&mut batch, &mut open) {
                Ok(true) => done.push(Share::Done(open)),
                Ok(false) => {
                    done.push(Share::Part(open));
                    break;
                }
                Err(error) if is_the_callers(&error) => open.refuse(error),
                Err(error) => {
                    let judged = done.into_iter().map(Share::into_open);
                    return fail(judged.chain([open]).chain(rest), &error);
                }
            }
        }
        if let Err(error) = batch.finish() {
            return fail(done.into_iter().map(Share::into_open).chain(rest), &error);
        }
        for share in done {
            match share {
                Share::Done(open) => open.reply.send(Ok(open.answered)),
                Share::Part(open) => rest.push_front(open),
            }
        }
        rest
    }

    fn retry(
        &self,
        organization: &Organization,
        place: LedgerPlace,
        forced: bool,
    ) -> Result<MutationAnswer, SyncError> {
        let (answer, mut freed) = self.retry_one(organization, place, forced)?;
        for _ in 0..FREED_MAX {
            let Some(next) = freed.pop_first() else { break };
            match self.retry_one(organization, next, false) {
                Ok((_, more)) => freed.extend(more),
                // By another server, just now.
                Err(SyncError::WriteWithdrawn(_)) => {}
                // They stay in the log of sync errors, blocked.
                Err(error) => {
                    tracing::warn!(organization = organization.name(), %error, "writes that were blocked stay so");
                    break;
                }
            }
        }
        Ok(answer)
    }

    /// In a transaction of its own, since what it writes may be what the next is judged by. Returns what it has freed, too.
    fn retry_one(
        &self,
        organization: &Organization,
        place: LedgerPlace,
        forced: bool,
    ) -> Result<(MutationAnswer, BTreeSet<LedgerPlace>), SyncError> {
        let mut batch = organization.begin_upload(&self.runtime)?;
        let answer = batch.retry(place, forced)?;
        let freed = batch.freed_by(place)?;
        batch.finish()?;
        Ok((answer, freed))
    }
}

fn take(batch: &mut Batch<'_>, open: &mut Open) -> Result<bool, SyncError> {
    batch.take(&open.call, &mut open.answered)
}

/// Whether a failure is one call's alone, so that others in its transaction go on.
fn is_the_callers(error: &SyncError) -> bool {
    matches!(
        error,
        SyncError::RequestInvalid(_)
            | SyncError::NumberReused(_)
            | SyncError::UserUnknown { .. }
            | SyncError::UserReplaced
            | SyncError::StagingReplaced
            | SyncError::QueueFull(_)
            | SyncError::Denied(_)
            | SyncError::Refused(..)
    )
}

/// Tells every call that the transaction failed; none are left.
fn fail(calls: impl IntoIterator<Item = Open>, error: &SyncError) -> VecDeque<Open> {
    for open in calls {
        open.reply.send(Err(error.again()));
    }
    VecDeque::new()
}

impl Open {
    fn new(call: Call, reply: Reply<UploadResponse>) -> Self {
        let answers = Vec::with_capacity(call.mutations.len());
        Self { answered: UploadResponse { answers, ..UploadResponse::default() }, call, reply }
    }

    /// Refuses the call. Whoever has lost their rights by its own beginning is to ask again: a refusal says that nothing
    /// was done, which will be true then.
    fn refuse(self, error: SyncError) {
        let refusal = if self.answered.answers.is_empty() {
            error
        } else {
            SyncError::Internal(format!("a call has ended its own rights in its middle: {error}"))
        };
        self.reply.send(Err(refusal));
    }
}

impl Share {
    fn into_open(self) -> Open {
        match self {
            Self::Done(open) | Self::Part(open) => open,
        }
    }
}

/// What a transaction has taken.
#[derive(Default)]
struct Room {
    mutations: usize,
    bytes: usize,
}

impl Room {
    fn take(&mut self, call: &Call) {
        self.mutations += call.mutations.len() + call.withdrawn.len();
        self.bytes += call.bytes;
    }

    fn is_spent(&self) -> bool {
        self.mutations >= UPLOAD_BATCH_MUTATIONS_MAX || self.bytes >= UPLOAD_BATCH_BYTES_MAX
    }
}
