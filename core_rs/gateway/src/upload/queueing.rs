//! What was judged and may be done, put into the queue for the organization's source: the row stays as it is.

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
    let (mutation, policy) = (sent.bytes.to_vec(), policy.into());
    let queued = Queued { mutation, effect, old, etag, policy, source: Vec::new() };
    let answer = MutationAnswer {
        number: sent.mutation.number,
        outcome: MutationOutcome::Queued.into(),
        overruled: overruled.into_iter().map(|field| field.0).collect(),
        ..MutationAnswer::default()
    };
    Ok((answer, Done { before, queued: Some(queued), ..Done::default() }))
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
