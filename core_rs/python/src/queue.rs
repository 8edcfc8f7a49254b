//! Mutations for a source outside, as JSON: what waits, and what became of it.

use std::collections::BTreeSet;

use haversack_engine::engine::mutation::Refusal;
use haversack_engine::ids::AttributeNumber;
use haversack_engine::row::{FieldType, RowError, Value, datetime_text, day_text, read, uuid_text};
use haversack_engine::schema::{Attribute, AttributeType, Entity, Schema};
use haversack_proto::error::ErrorReason;
use haversack_proto::model::ConflictPolicy;
use haversack_proto::sync::{Mutation, MutationKind, MutationOutcome};
use haversack_staging::queue::{Ready, Repeat, Settled, Settlement, ready, settle};
use haversack_staging::{LedgerPlace, RowId, Staging};
use prost::Message;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::errors::Failure;

/// Mutations that can be sent now, each with what a source needs to write it.
pub fn list(staging: &dyn Staging, schema: &Schema, except: Vec<u64>, at_most: usize) -> Result<Json, Failure> {
    let except: BTreeSet<LedgerPlace> = except.into_iter().map(LedgerPlace).collect();
    let found = ready(staging, schema, &except, at_most)?;
    let described = found.iter().map(|it| describe(schema, it));
    described.collect::<Result<Vec<_>, _>>().map(Json::Array)
}

/// How the queue stands.
pub fn standing(staging: &dyn Staging) -> Result<Json, Failure> {
    let standing = staging.snapshot()?.ledger().queue_standing()?;
    Ok(json!({"waiting": standing.waiting, "bytes": standing.bytes, "oldest_at_us": standing.oldest_at_us}))
}

/// What a worker says of a mutation, as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// Where the mutation is in the queue.
    place: u64,
    /// Name of its entity.
    entity: String,
    /// `APPLIED`, `OVERRULED`, `UNKNOWN`, or the name of a refusal's outcome.
    outcome: String,
    /// The source's row; none if it has none now.
    #[serde(default)]
    row: Option<String>,
    #[serde(default)]
    etag: Option<String>,
    /// Names of attributes that gave way to the source's.
    #[serde(default)]
    overruled: Vec<String>,
    /// Names of attributes that were refused.
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    message: String,
}

/// Settles mutations in one commit; null for one that was settled before.
pub fn settle_all(staging: &dyn Staging, schema: &Schema, said: &str) -> Result<Json, Failure> {
    let said: Vec<Said> =
        serde_json::from_str(said).map_err(|error| Failure::request(format!("settlements: {error}")))?;
    let overruled = said.iter().map(|it| numbers(schema, &it.entity, &it.overruled)).collect::<Result<Vec<_>, _>>()?;
    let settlements = said.iter().zip(&overruled).map(|(it, overruled)| settlement(schema, it, overruled));
    let settled = settle(staging, schema, &settlements.collect::<Result<Vec<_>, _>>()?)?;
    let answer = |it: Settled| {
        let outcome = it.outcome.as_str_name().trim_start_matches("MUTATION_OUTCOME_");
        json!({"outcome": outcome, "lsn": it.lsn.0, "blocked": it.blocked})
    };
    Ok(settled.into_iter().map(|it| it.map_or(Json::Null, answer)).collect())
}

/// What a worker says, as the queue takes it. `overruled` are the attributes that it names so.
fn settlement<'s>(
    schema: &Schema,
    said: &'s Said,
    overruled: &'s [AttributeNumber],
) -> Result<(LedgerPlace, Settlement<'s>), Failure> {
    let settlement = match (said.outcome.as_str(), &said.row) {
        ("APPLIED", Some(row)) => Settlement::Written { row: row.as_bytes(), etag: said.etag.as_deref(), overruled },
        ("APPLIED", None) => Settlement::Gone,
        ("UNKNOWN", _) => Settlement::Unknown,
        ("OVERRULED", _) => Settlement::Overruled { fields: overruled },
        (outcome, _) => {
            let (outcome, reason) = refusal(outcome)?;
            let fields = numbers(schema, &said.entity, &said.fields)?;
            Settlement::Refused(Refusal::new(outcome, reason, said.message.clone()).of_fields(fields))
        }
    };
    Ok((LedgerPlace(said.place), settlement))
}

/// The numbers of those of these attributes that an entity has.
fn numbers(schema: &Schema, entity: &str, names: &[String]) -> Result<Vec<AttributeNumber>, Failure> {
    let entity = crate::models::entity(schema, entity)?;
    Ok(names.iter().filter_map(|name| entity.attribute(name)).map(|attribute| attribute.number).collect())
}

/// The outcome of a refusal by its name, and the reason that goes with it.
fn refusal(name: &str) -> Result<(MutationOutcome, ErrorReason), Failure> {
    match name {
        "CONFLICT" => Ok((MutationOutcome::Conflict, ErrorReason::WriteConflict)),
        "FORBIDDEN" => Ok((MutationOutcome::Forbidden, ErrorReason::WriteForbidden)),
        "INVALID" => Ok((MutationOutcome::Invalid, ErrorReason::ValueInvalid)),
        "NOT_FOUND" => Ok((MutationOutcome::NotFound, ErrorReason::RowUnknown)),
        _ => Err(Failure::request(format!(
            "there is no outcome {name:?}; use APPLIED, OVERRULED, UNKNOWN, CONFLICT, FORBIDDEN, INVALID or NOT_FOUND"
        ))),
    }
}

fn describe(schema: &Schema, it: &Ready) -> Result<Json, Failure> {
    let damaged = |error: &dyn std::fmt::Display| {
        Failure::new(ErrorReason::StagingFailed, format!("a queued write is damaged: {error}; restore a backup"))
    };
    let entity = schema.entity_by_number(it.entry.entity);
    let entity = entity.ok_or_else(|| {
        let message = format!("the metadata has no entity number {} any more; import it", it.entry.entity.0);
        Failure::new(ErrorReason::EntityUnknown, message)
    })?;
    let mutation = Mutation::decode(&it.queued.mutation[..]).map_err(|error| damaged(&error))?;
    let fields = Fields { schema, entity, it, mutation: &mutation };
    let is_update = mutation.kind() == MutationKind::Update;
    // What was judged not to be has no effect; what it is looked for by is what the device wrote.
    let values = if it.queued.otherwise.is_some() { &mutation.values[..] } else { &it.queued.effect.values[..] };
    let values = fields.object(values).map_err(|error| damaged(&error))?;
    let old = if is_update { fields.object(&it.queued.old) } else { Ok(Map::new()) };
    let names = |numbers: &[AttributeNumber]| -> Vec<&str> {
        numbers.iter().filter_map(|number| entity.attribute_by_number(*number)).map(|it| it.name.as_str()).collect()
    };
    Ok(json!({
        "place": it.place.0,
        "source": it.queued.source,
        "key": key(it),
        "entity": entity.name,
        "id": match &it.entry.id {
            RowId::Uuid(uuid) => uuid_text(*uuid),
            RowId::Text(text) => text.to_string(),
        },
        "kind": match mutation.kind() {
            MutationKind::Create => "create",
            MutationKind::Delete => "delete",
            MutationKind::Update | MutationKind::Unspecified => "update",
        },
        "values": values,
        "old_values": old.map_err(|error| damaged(&error))?,
        "etag": it.row.as_ref().and_then(|row| row.etag.as_deref()),
        "user": uuid_text(it.entry.origin.user),
        "detect_conflicts": it.looks_for_conflicts(),
        "merges": it.queued.policy == ConflictPolicy::Merge as i32,
        "conflicts": names(&it.conflicts),
        "is_overtaken": it.is_overtaken,
        "repeat": match it.queued.repeat {
            Repeat::No => "",
            Repeat::Sent => "sent",
            Repeat::Taken => "taken",
        },
    }))
}

/// What a source knows a mutation by: stable, and of no other.
fn key(it: &Ready) -> String {
    let origin = it.entry.origin;
    let simple = |bytes| Uuid::from_bytes(bytes).simple().to_string();
    format!("{}-{}-{}", simple(origin.install), simple(origin.user), origin.number)
}

/// The fields of a mutation that are the source's to write.
struct Fields<'a> {
    schema: &'a Schema,
    entity: &'a Entity,
    it: &'a Ready,
    mutation: &'a Mutation,
}

impl Fields<'_> {
    /// Values of the fields that the device has set, by name: null where there is none. Of what the server sets for a new
    /// row the owner is among them; all else is the source's own business. What gives way to the source's is left out.
    fn object(&self, payload: &[u8]) -> Result<Map<String, Json>, RowError> {
        let named = self.named()?;
        let mut object = Map::new();
        for attribute in &self.entity.attributes {
            let gives_way = self.it.conflicts.contains(&attribute.number);
            if named.contains(&attribute.number.0) && !gives_way && attribute.number != self.entity.primary_id {
                self.put(attribute, payload, &mut object)?;
            }
        }
        Ok(object)
    }

    fn named(&self) -> Result<BTreeSet<u32>, RowError> {
        let effect: BTreeSet<u32> = self.it.queued.effect.changed.iter().copied().collect();
        let mut named: BTreeSet<u32> = self.mutation.changed.iter().copied().collect();
        if self.mutation.kind() == MutationKind::Create {
            for field in haversack_engine::row::fields(&self.mutation.values) {
                named.insert(field?.0.0);
            }
            if self.it.queued.otherwise.is_none() {
                named.extend(self.entity.attribute("ownerid").map(|owner| owner.number.0));
            }
        }
        // A lookup and its target are one value, of which a device may state one half.
        for attribute in &self.entity.attributes {
            if attribute.fields().any(|field| named.contains(&field.0)) {
                named.insert(attribute.number.0);
            }
        }
        Ok(if self.it.queued.otherwise.is_some() { named } else { named.intersection(&effect).copied().collect() })
    }

    fn put(&self, attribute: &Attribute, payload: &[u8], object: &mut Map<String, Json>) -> Result<(), RowError> {
        let value = read(payload, attribute.number, FieldType::from(attribute.kind))?;
        let target = match attribute.entity_field {
            Some(field) => match read(payload, field, FieldType::Entity)? {
                Some(Value::Entity(number)) => self.schema.entity_by_number(number).map(|entity| &entity.name),
                _ => None,
            },
            None => attribute.targets.first(),
        };
        let is_lookup =
            matches!(attribute.kind, AttributeType::Lookup | AttributeType::Owner | AttributeType::Customer);
        if is_lookup {
            let target = target.filter(|_| value.is_some());
            object.insert(format!("{}_type", attribute.name), target.map_or(Json::Null, |name| name.as_str().into()));
        }
        object.insert(attribute.name.clone(), value.map_or(Json::Null, |value| json_of(attribute.kind, &value)));
        Ok(())
    }
}

/// A value as an ingest would read it.
fn json_of(kind: AttributeType, value: &Value<'_>) -> Json {
    match (kind, value) {
        (AttributeType::Datetime | AttributeType::DatetimeIndependent, Value::Integer(micros)) => {
            datetime_text(*micros).into()
        }
        (AttributeType::DateOnly, Value::Integer(day)) => day_text(*day).into(),
        (_, Value::Integer(number)) => (*number).into(),
        (_, Value::Real(number)) => (*number).into(),
        (_, Value::Truth(truth)) => (*truth).into(),
        (_, Value::Text(text) | Value::IdText(text)) => (*text).into(),
        (_, Value::Id(uuid)) => uuid_text(*uuid).into(),
        (_, Value::Integers(numbers)) => {
            numbers.iter().map(|number| number.to_string()).collect::<Vec<_>>().join(",").into()
        }
        (_, Value::Entity(_)) => Json::Null,
    }
}
