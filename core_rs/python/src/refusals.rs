//! The log of refused mutations as JSON.

use haversack_proto::error::ErrorReason;
use haversack_proto::sync::{MutationAnswer, MutationKind, MutationOutcome};
use haversack_staging::{Entry, LedgerPlace, Resolution, RowId, Staging};
use prost::Message;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::errors::Failure;

/// Refused mutations behind a place.
pub fn list(staging: &dyn Staging, after: u64, entries_max: usize) -> Result<Value, Failure> {
    let snapshot = staging.snapshot()?;
    let refused = snapshot.ledger().refused(LedgerPlace(after), entries_max.max(1))?;
    let last = refused.last().map_or(after, |(place, _)| place.0);
    let entries: Vec<Value> = refused.iter().map(|(place, entry)| describe(*place, entry)).collect::<Result<_, _>>()?;
    Ok(json!({"entries": entries, "last": last}))
}

fn describe(place: LedgerPlace, entry: &Entry) -> Result<Value, Failure> {
    let answer = MutationAnswer::decode(&entry.answer[..]).map_err(|error| Failure::internal(&error))?;
    let id = match &entry.id {
        RowId::Uuid(uuid) => Uuid::from_bytes(*uuid).to_string(),
        RowId::Text(text) => text.to_string(),
    };
    let kind = MutationKind::try_from(entry.kind).unwrap_or_default();
    let outcome = MutationOutcome::try_from(entry.outcome).unwrap_or_default();
    let reason = ErrorReason::try_from(answer.reason).unwrap_or_default();
    Ok(json!({
        "place": place.0,
        "install": Uuid::from_bytes(entry.origin.install).to_string(),
        "user": Uuid::from_bytes(entry.origin.user).to_string(),
        "number": entry.origin.number,
        "entity": entry.entity.0,
        "id": id,
        "kind": bare(kind.as_str_name(), "MUTATION_KIND_"),
        "outcome": bare(outcome.as_str_name(), "MUTATION_OUTCOME_"),
        "reason": haversack_gateway::reason_name(reason),
        "message": answer.message,
        "fields": answer.fields,
        "written_at_us": entry.written_at_us,
        "received_at_us": entry.received_at_us,
        "resolution": match entry.resolution {
            Resolution::Open => "OPEN",
            Resolution::Retried => "RETRIED",
            Resolution::Discarded => "DISCARDED",
            Resolution::Withdrawn => "WITHDRAWN",
        },
        "mutation": hexadecimal(entry.mutation.as_deref().unwrap_or_default()),
    }))
}

/// A name of the contract without its prefix.
fn bare<'n>(name: &'n str, prefix: &str) -> &'n str {
    name.strip_prefix(prefix).unwrap_or(name)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
}
