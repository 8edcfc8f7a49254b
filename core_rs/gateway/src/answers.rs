//! Final answers on a device's stream: what became of mutations that were queued for a source, or refused and judged again.
//!
//! Answers that become final are counted in staging as *settlements*. A stream remembers the last one that its device was
//! told of; at its beginning that is the newest, and what the device asks about was looked up in the same snapshot. Then
//! the follower, which looks for settlements whenever it looks for rows, wakes the streams whose devices have one.

use std::collections::VecDeque;
use std::sync::Arc;

use haversack_proto::sync::{self, MutationAnswer, MutationOutcome};
use haversack_staging::{Origin, Recorded, Snapshot};
use prost::Message;

use crate::errors::SyncError;
use crate::limits::{ANSWERS_BYTES_TARGET, SETTLEMENTS_MAX, UNANSWERED_MAX};
use crate::organization::{Organization, blocking};
use crate::signal::Device;

/// What a stream's device has yet to hear.
#[derive(Debug)]
pub(crate) struct Answering {
    device: Device,
    /// The last settlement that was looked at.
    settled: u64,
    events: VecDeque<sync::Answers>,
}

impl Answering {
    /// Looks up what a device asks about.
    ///
    /// # Errors
    /// [`SyncError::RequestInvalid`] if it asks for too much; others, if staging cannot be read.
    pub(crate) fn begin(organization: &Organization, device: Device, unanswered: &[u64]) -> Result<Self, SyncError> {
        if unanswered.len() > UNANSWERED_MAX || !unanswered.is_sorted_by(|one, next| one < next) {
            let message = format!("unanswered must be at most {UNANSWERED_MAX} numbers, ascending, each once");
            return Err(SyncError::RequestInvalid(message));
        }
        let snapshot = organization.snapshot()?;
        let settled = snapshot.ledger().last_settlement()?;
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for &number in unanswered {
            match snapshot.ledger().find(&origin(device, number))? {
                Some(recorded) => found.extend(answer(&*snapshot, &recorded)?),
                None => unknown.push(number),
            }
        }
        let mut answering = Self { device, settled, events: VecDeque::new() };
        answering.put(found);
        if !unknown.is_empty() {
            answering.events.push_back(sync::Answers { answers: Vec::new(), unknown });
        }
        Ok(answering)
    }

    /// Looks up what has been settled since.
    pub(crate) async fn look(&mut self, organization: &Arc<Organization>) -> Result<(), SyncError> {
        let (organization, device, settled) = (Arc::clone(organization), self.device, self.settled);
        let (settled, found) = blocking(move || settled_since(&organization, device, settled)).await?;
        self.settled = settled;
        self.put(found);
        Ok(())
    }

    /// The next event, if there is one.
    pub(crate) fn next(&mut self) -> Option<sync::Answers> {
        self.events.pop_front()
    }

    fn put(&mut self, mut answers: Vec<MutationAnswer>) {
        answers.sort_by_key(|answer| answer.number);
        let mut bytes = usize::MAX;
        for answer in answers {
            let size = answer.encoded_len();
            if bytes.saturating_add(size) > ANSWERS_BYTES_TARGET {
                self.events.push_back(sync::Answers::default());
                bytes = 0;
            }
            bytes += size;
            if let Some(event) = self.events.back_mut() {
                event.answers.push(answer);
            }
        }
    }
}

/// What was settled of a device's after a settlement, and the last settlement among it.
fn settled_since(
    organization: &Organization,
    device: Device,
    mut settled: u64,
) -> Result<(u64, Vec<MutationAnswer>), SyncError> {
    let (snapshot, mut found) = (organization.snapshot()?, Vec::new());
    loop {
        let since = snapshot.ledger().settlements(&origin(device, 0), settled, SETTLEMENTS_MAX)?;
        if since.recorded.is_empty() {
            return Ok((settled, found));
        }
        settled = since.last;
        for recorded in &since.recorded {
            found.extend(answer(&*snapshot, recorded)?);
        }
    }
}

fn origin(device: Device, number: u64) -> Origin {
    Origin { install: device.install, user: device.user.0, number }
}

/// What a device is told of an entry; nothing while it is queued.
fn answer(snapshot: &dyn Snapshot, recorded: &Recorded) -> Result<Option<MutationAnswer>, SyncError> {
    if recorded.outcome == MutationOutcome::Queued as i32 {
        return Ok(None);
    }
    recorded_answer(recorded, || snapshot.head()).map(Some)
}

/// The answer that was given; where the row's LSN is not one of this database's commits, the head stands for it.
pub(crate) fn recorded_answer(
    recorded: &Recorded,
    head: impl FnOnce() -> haversack_engine::ids::Lsn,
) -> Result<MutationAnswer, SyncError> {
    let damaged = |error| SyncError::StagingFailed(format!("an answer in the ledger: {error}"));
    let mut answer = MutationAnswer::decode(&recorded.answer[..]).map_err(damaged)?;
    if answer.lsn > 0 && recorded.lsn.0 == 0 {
        answer.lsn = head().0;
    }
    Ok(answer)
}
