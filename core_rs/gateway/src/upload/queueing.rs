//! What was judged and may be done, put into the queue for the organization's source: the row stays as it is. So is what may
//! not be done, but may be in the source already, because a database that knew of it was lost.

use haversack_engine::engine::mutation::{Verdict, Written};
use haversack_engine::ids::{AttributeNumber, EntityNumber, Lsn};
use haversack_engine::row::encoded;
use haversack_proto::model::ConflictPolicy;
use haversack_proto::sync::{MutationAnswer, MutationOutcome};
use haversack_staging::queue::{Queued, composed};
use haversack_staging::{Commit, Effect};

use super::batch::{Done, applied};
use super::call::Sent;
use crate::errors::SyncError;

/// Answers a mutation that the engine lets through: QUEUED, or APPLIED if nothing of it is left to be done.
pub(super) fn queue(
    commit: &mut dyn Commit,
    sent: &Sent,
    verdict: Verdict,
    policy: ConflictPolicy,
) -> Result<(MutationAnswer, Done), SyncError> {
    let entity = EntityNumber(sent.mutation.entity);
    let stored = commit.row(entity, &sent.id)?;
    let before = stored.as_ref().map_or(Lsn(0), |(lsn, _)| *lsn);
    let (effect, overruled) = match verdict {
        Verdict::Write(written) if written.changed.is_empty() => {
            let lsn = if before == Lsn(0) { commit.drawn() } else { before };
            return Ok((applied(sent.mutation.number, lsn, written.overruled), Done { before, ..Done::default() }));
        }
        Verdict::Write(written) => effect_of(sent, written),
        Verdict::Delete(_) | Verdict::Refuse(_) => (Effect { deleted: true, ..Effect::default() }, Vec::new()),
    };
    let waiting = commit.queue().queued_of(entity, &sent.id)?;
    let row = composed(stored.map(|(_, payload)| payload), &waiting)?;
    let old = fields_of(row.as_deref().unwrap_or_default(), &effect.changed)?;
    let etag = commit.etag(entity, &sent.id)?;
    let queued = Queued { effect, old, etag, ..waiting_for(sent, policy) };
    let answer = MutationAnswer {
        overruled: overruled.into_iter().map(|field| field.0).collect(),
        ..queued_answer(sent.mutation.number)
    };
    Ok((answer, Done { before, queued: Some(queued), ..Done::default() }))
}

/// Answers a mutation that is refused, and that the source may have nevertheless: QUEUED, until it has been asked.
/// `otherwise` is the serialized answer if it does not have it.
pub(super) fn ask(
    commit: &mut dyn Commit,
    sent: &Sent,
    otherwise: Vec<u8>,
    policy: ConflictPolicy,
) -> Result<(MutationAnswer, Done), SyncError> {
    let number = sent.mutation.number;
    let before = commit.row(EntityNumber(sent.mutation.entity), &sent.id)?.map_or(Lsn(0), |(lsn, _)| lsn);
    let queued = Queued { otherwise: Some(otherwise), ..waiting_for(sent, policy) };
    Ok((queued_answer(number), Done { before, queued: Some(queued), ..Done::default() }))
}

fn waiting_for(sent: &Sent, policy: ConflictPolicy) -> Queued {
    Queued { mutation: sent.bytes.to_vec(), policy: policy.into(), repeat: sent.repeat, ..Queued::default() }
}

fn queued_answer(number: u64) -> MutationAnswer {
    MutationAnswer { number, outcome: MutationOutcome::Queued.into(), ..MutationAnswer::default() }
}

fn effect_of(sent: &Sent, written: Written) -> (Effect, Vec<AttributeNumber>) {
    let created = sent.mutation.kind() == haversack_proto::sync::MutationKind::Create;
    let changed = written.changed.into_iter().map(|field| field.0).collect();
    (Effect { deleted: false, created, changed, values: written.values }, written.overruled)
}

/// Fields as they are in a payload.
fn fields_of(payload: &[u8], fields: &[u32]) -> Result<Vec<u8>, SyncError> {
    let mut found = Vec::new();
    for &field in fields {
        found.extend_from_slice(encoded(payload, AttributeNumber(field))?.unwrap_or_default());
    }
    Ok(found)
}
