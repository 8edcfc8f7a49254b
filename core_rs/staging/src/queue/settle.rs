//! The last word on a queued mutation.

use std::collections::HashMap;
use std::collections::hash_map::Entry::Vacant;

use haversack_engine::engine::mutation::Refusal;
use haversack_engine::ids::{AttributeNumber, Lsn};
use haversack_engine::row::splice;
use haversack_engine::schema::Schema;
use haversack_proto::error::ErrorReason;
use haversack_proto::sync::{MutationAnswer, MutationOutcome};
use prost::Message;

use super::ready::field_of;
use super::{InTurn, Repeat};
use crate::ingest::encode_row;
use crate::{Arrival, Commit, Entry, INSTALL_ID_BYTES, Intake, LedgerPlace, Resolution, Staging, StagingError};

/// Mutations for a source of before that are refused in one commit.
pub const REPLACED_MAX: usize = 1_000;

/// What a source made of a mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement<'a> {
    /// It took it, and this is its row now.
    Written {
        /// One JSON object, as in an ingest.
        row: &'a [u8],
        /// What it calls the row's version.
        etag: Option<&'a str>,
        /// Attributes of the device's that gave way to the source's.
        overruled: &'a [AttributeNumber],
    },
    /// It took it, and has no such row now.
    Gone,
    /// Nothing was left to write: every field of the device's gave way to the source's.
    Overruled {
        /// These attributes.
        fields: &'a [AttributeNumber],
    },
    /// It refused it.
    Refused(Refusal),
    /// Of a repeat: it does not have it. It is refused, if that was the judgement, and is an ordinary mutation if not.
    Unknown,
}

/// What settling did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The final outcome; QUEUED if it goes on waiting.
    pub outcome: MutationOutcome,
    /// LSN of the row afterwards, if it was applied.
    pub lsn: Lsn,
    /// Mutations that were blocked with it.
    pub blocked: u64,
}

/// Makes the last words on the queued mutations at some places true, all of them in one commit, in this order; `None` for
/// one that was settled before.
///
/// # Errors
/// [`StagingError::SourceRowInvalid`] if a row is not one of the entity, or not that of its mutation;
/// others as [`Staging::begin`]. Then all of these mutations stay queued.
pub fn settle(
    staging: &dyn Staging,
    schema: &Schema,
    settlements: &[(LedgerPlace, Settlement<'_>)],
) -> Result<Vec<Option<Settled>>, StagingError> {
    let mut commit = staging.begin()?;
    let mut settled = Vec::with_capacity(settlements.len());
    for (place, settlement) in settlements {
        settled.push(settle_one(&mut *commit, schema, *place, settlement)?);
    }
    if settled.iter().any(Option::is_some) {
        commit.finish()?;
    }
    Ok(settled)
}

fn settle_one(
    commit: &mut dyn Commit,
    schema: &Schema,
    place: LedgerPlace,
    settlement: &Settlement<'_>,
) -> Result<Option<Settled>, StagingError> {
    let (Some(entry), Some(waiting)) = (commit.ledger().entry(place)?, commit.queue().queued_at(place)?) else {
        return Ok(None);
    };
    let settled = match settlement {
        Settlement::Written { row, etag, overruled } => {
            let payload = row_of(schema, &entry, row)?;
            let arrival = Arrival::Row { id: &entry.id, payload: &payload, etag: *etag };
            apply(commit, &entry, &waiting, Some(&arrival), overruled)?
        }
        Settlement::Gone => apply(commit, &entry, &waiting, Some(&Arrival::Gone { id: &entry.id }), &[])?,
        Settlement::Overruled { fields } => apply(commit, &entry, &waiting, None, fields)?,
        Settlement::Refused(refusal) => refuse(commit, &entry, &waiting, &refusal_answer(&entry, refusal))?,
        Settlement::Unknown => unknown(commit, &entry, &waiting)?,
    };
    Ok(Some(settled))
}

/// Refuses what was accepted for another source than that of now ([`super::bind`]), so that people decide on it; with
/// `every`, all that waits. At most [`REPLACED_MAX`] in one commit; returns how many were refused, with what is blocked.
///
/// # Errors
/// As [`Staging::begin`].
pub fn refuse_replaced(staging: &dyn Staging, every: bool) -> Result<u64, StagingError> {
    let mut commit = staging.begin()?;
    let places = commit.queue().replaced(every, REPLACED_MAX)?;
    let message = "it was accepted for another system of record than the organization has now; an administrator sends it \
        there or gives it up";
    let mut refused = 0;
    for place in places {
        // What an earlier one of these has blocked waits no longer.
        if let (Some(entry), Some(waiting)) = (commit.ledger().entry(place)?, commit.queue().queued_at(place)?) {
            let refusal = Refusal::new(MutationOutcome::Invalid, ErrorReason::SourceReplaced, message);
            refused += 1 + refuse(&mut *commit, &entry, &waiting, &refusal_answer(&entry, &refusal))?.blocked;
        }
    }
    if refused > 0 {
        commit.finish()?;
    }
    Ok(refused)
}

/// The source's row, encoded; it must be that of the mutation.
fn row_of(schema: &Schema, entry: &Entry, json: &[u8]) -> Result<Vec<u8>, StagingError> {
    let unknown = || StagingError::EntityUnknown(format!("number {}", entry.entity.0));
    let entity = schema.entity_by_number(entry.entity).ok_or_else(unknown)?;
    let (id, payload) = encode_row(schema, entity, json).map_err(StagingError::SourceRowInvalid)?;
    if id == entry.id {
        return Ok(payload);
    }
    Err(StagingError::SourceRowInvalid("it has another id than the row that was written".into()))
}

/// The source has the mutation; puts its row into staging, unless nothing was written.
fn apply(
    commit: &mut dyn Commit,
    entry: &Entry,
    waiting: &InTurn,
    arrival: Option<&Arrival<'_>>,
    overruled: &[AttributeNumber],
) -> Result<Settled, StagingError> {
    let before = commit.row(entry.entity, &entry.id)?.map_or(Lsn(0), |(lsn, _)| lsn);
    let changed = match arrival {
        Some(arrival) => {
            let taken = Intake::new(commit).take(entry.entity, std::slice::from_ref(arrival))?;
            taken.unchanged == 0
        }
        None => false,
    };
    let resolution = entry.resolution.once_taken(entry.mutation.is_some());
    let mut done = Entry { outcome: MutationOutcome::Applied.into(), resolution, effect: None, ..entry.clone() };
    let lsn = if changed { commit.drawn() } else { before };
    if waiting.queued.repeat != Repeat::No {
        // Others may have changed the row since, so nothing that it is now is this one's work alone.
    } else if changed {
        (done.before, done.lsn) = (before, lsn);
    } else if arrival.is_some() && lsn > entry.before && !commit.queue().has_drawn(lsn)? {
        // Replication was faster: the row's last change is what the source made of this one.
        done.lsn = lsn;
    }
    let answered = answer_of(entry)?;
    let overruled = answered.overruled.iter().copied().chain(overruled.iter().map(|field| field.0));
    let lsn = if lsn == Lsn(0) { commit.drawn() } else { lsn };
    done.answer = MutationAnswer {
        number: entry.origin.number,
        outcome: done.outcome,
        lsn: lsn.0,
        overruled: overruled.collect(),
        ..MutationAnswer::default()
    }
    .encode_to_vec();
    commit.queue().settle(waiting.place, &done)?;
    if let Some((_, row)) = commit.row(entry.entity, &entry.id)? {
        rebase(commit, entry, waiting, &row, |_| true)?;
    }
    Ok(Settled { outcome: MutationOutcome::Applied, lsn, blocked: 0 })
}

/// The source has refused the mutation; what cannot be without it is blocked.
fn refuse(
    commit: &mut dyn Commit,
    entry: &Entry,
    waiting: &InTurn,
    answer: &MutationAnswer,
) -> Result<Settled, StagingError> {
    let outcome = answer.outcome();
    settle_refused(commit, entry, waiting, answer)?;
    let blocked = if waiting.queued.effect.created || waiting.queued.otherwise.is_some() {
        block_without(commit, entry, waiting)?
    } else {
        rebase(commit, entry, waiting, &waiting.queued.old, |it| {
            (it.origin.install, it.origin.user) == (entry.origin.install, entry.origin.user)
        })?;
        0
    };
    Ok(Settled { outcome, lsn: Lsn(0), blocked })
}

/// The source does not have what might have been a repeat.
fn unknown(commit: &mut dyn Commit, entry: &Entry, waiting: &InTurn) -> Result<Settled, StagingError> {
    if let Some(answer) = &waiting.queued.otherwise {
        let answer = MutationAnswer::decode(&answer[..]).map_err(|error| damaged(&error))?;
        return refuse(commit, entry, waiting, &answer);
    }
    if entry.resolution == Resolution::Withdrawn {
        let message = "its user has given it up, or written it anew, before the source had it";
        let refusal = Refusal::new(MutationOutcome::Invalid, ErrorReason::WriteWithdrawn, message);
        return refuse(commit, entry, waiting, &refusal_answer(entry, &refusal));
    }
    commit.queue().is_repeat(waiting.turn, Repeat::No)?;
    Ok(Settled { outcome: MutationOutcome::Queued, lsn: Lsn(0), blocked: 0 })
}

fn refusal_answer(entry: &Entry, refusal: &Refusal) -> MutationAnswer {
    MutationAnswer {
        number: entry.origin.number,
        outcome: refusal.outcome.into(),
        reason: refusal.reason.into(),
        message: refusal.message.clone(),
        fields: refusal.fields.iter().map(|field| field.0).collect(),
        ..MutationAnswer::default()
    }
}

fn settle_refused(
    commit: &mut dyn Commit,
    entry: &Entry,
    waiting: &InTurn,
    answer: &MutationAnswer,
) -> Result<(), StagingError> {
    let refused = Entry {
        outcome: answer.outcome,
        answer: answer.encode_to_vec(),
        lsn: Lsn(0),
        resolution: entry.resolution.once_refused(),
        mutation: Some(waiting.queued.mutation.clone()),
        effect: None,
        ..entry.clone()
    };
    commit.queue().settle(waiting.place, &refused)
}

/// Blocks what is queued for the row of a refused creation or depends on it, and what depends on that in turn. What the
/// source may have is blocked when it has been asked for, and what depends on it goes on waiting for that.
fn block_without(commit: &mut dyn Commit, refused: &Entry, waiting: &InTurn) -> Result<u64, StagingError> {
    let mut known = Dependants::default();
    let (mut blocked, mut open) = (0, vec![(refused.clone(), waiting.queued.effect.created)]);
    while let Some((entry, makes_row)) = open.pop() {
        for waiting in dependants(commit, &entry, makes_row, &mut known)? {
            let Some(dependant) = commit.ledger().entry(waiting.place)? else { continue };
            let message = format!(
                "it depends on mutation {}, which was not taken; mend or discard that one, and send both anew",
                entry.origin.number
            );
            let refusal = Refusal::new(MutationOutcome::Blocked, ErrorReason::WriteBlocked, message);
            let answer = refusal_answer(&dependant, &refusal);
            if waiting.queued.repeat != Repeat::No {
                if waiting.queued.otherwise.is_none() {
                    commit.queue().refuse_unless_made(waiting.turn, &answer.encode_to_vec())?;
                }
                continue;
            }
            settle_refused(commit, &dependant, &waiting, &answer)?;
            blocked += 1;
            open.push((dependant, waiting.queued.effect.created));
        }
    }
    Ok(blocked)
}

/// What depends on what, read once for each device: by install and user, places by the number that they depend on.
type Dependants = HashMap<([u8; INSTALL_ID_BYTES], [u8; 16]), HashMap<u64, Vec<LedgerPlace>>>;

/// What is queued and cannot be without an entry that was not taken, and that was to make its row if `makes_row`.
fn dependants(
    commit: &mut dyn Commit,
    entry: &Entry,
    makes_row: bool,
    known: &mut Dependants,
) -> Result<Vec<InTurn>, StagingError> {
    let mut found = if makes_row { commit.queue().queued_of(entry.entity, &entry.id)? } else { Vec::new() };
    let device = (entry.origin.install, entry.origin.user);
    if let Vacant(unread) = known.entry(device) {
        let mut by_number: HashMap<u64, Vec<LedgerPlace>> = HashMap::new();
        for dependant in commit.queue().dependants_of(&entry.origin)? {
            for number in dependant.depends_on {
                by_number.entry(number).or_default().push(dependant.place);
            }
        }
        unread.insert(by_number);
    }
    for place in known.get_mut(&device).and_then(|it| it.remove(&entry.origin.number)).unwrap_or_default() {
        if !found.iter().any(|it| it.place == place) {
            // What was blocked before waits no longer.
            found.extend(commit.queue().queued_at(place)?);
        }
    }
    Ok(found)
}

/// Replaces what later mutations of the row were judged by, where that was what this one wanted, by what is in `instead`.
fn rebase(
    commit: &mut dyn Commit,
    entry: &Entry,
    settled: &InTurn,
    instead: &[u8],
    concerns: impl Fn(&InTurn) -> bool,
) -> Result<(), StagingError> {
    let mut open: Vec<AttributeNumber> = settled.queued.effect.changed.iter().copied().map(AttributeNumber).collect();
    for later in commit.queue().queued_of(entry.entity, &entry.id)?.into_iter().filter(|it| concerns(it)) {
        let mut replaced = Vec::new();
        for &field in &open {
            let wanted = field_of(&settled.queued.effect.values, field)?;
            let is_written = later.queued.effect.changed.contains(&field.0);
            if is_written && field_of(&later.queued.old, field)? == wanted {
                replaced.push(field);
            }
        }
        open.retain(|field| !later.queued.effect.changed.contains(&field.0));
        if replaced.is_empty() {
            continue;
        }
        let values = replaced.iter().map(|&field| Ok(field_of(instead, field)?.unwrap_or_default().to_vec()));
        let values: Vec<u8> = values.collect::<Result<Vec<_>, StagingError>>()?.concat();
        let old = splice(&later.queued.old, &replaced, &values)
            .map_err(|error| StagingError::Damaged(format!("a queued mutation: {error}")))?;
        commit.queue().judged_by(later.turn, &old)?;
    }
    Ok(())
}

fn answer_of(entry: &Entry) -> Result<MutationAnswer, StagingError> {
    MutationAnswer::decode(&entry.answer[..]).map_err(|error| damaged(&error))
}

fn damaged(error: &prost::DecodeError) -> StagingError {
    StagingError::Damaged(format!("an answer in the ledger: {error}"))
}
