//! Operands: from a condition's text to typed values of the compiled form.

use haversack_proto::model::filter_operand::Value as Typed;
use haversack_proto::model::{AttributeType, Collation, FilterOperand, IntegerSet};
use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::error::excerpt;
use super::like::Pattern;
use super::window::LAST_X_DAYS_MAX;
use crate::row::{
    DATETIME_MICROS_MAX, DATETIME_MICROS_MIN, Value, ValueError, calendar, decimal, parse_id, parse_text,
};
use crate::schema::{Attribute, Schema};

/// Reads one operand of an attribute's type. Dates without an offset are of `zone`. The error is what a message says.
pub(super) fn of_attribute(
    text: &str,
    attribute: &Attribute,
    schema: &Schema,
    zone: &TimeZone,
) -> Result<FilterOperand, String> {
    if points_at_other_ids(attribute, schema)
        && let Some(Value::IdText(id)) = parse_id(text)
    {
        return Ok(operand(Typed::Text(id.to_owned())));
    }
    let value = typed(text, attribute.kind, zone);
    value.map(operand).map_err(|error| format!("value \"{}\" of \"{}\" {error}", excerpt(text), attribute.name))
}

/// Checks a pattern, which is kept as written.
pub(super) fn pattern(text: &str) -> Result<FilterOperand, String> {
    // Whether it is sound does not depend on the collation.
    Pattern::parse(text, Collation::CiAi).map_err(|error| format!("the pattern \"{}\" {error}", excerpt(text)))?;
    Ok(operand(Typed::Text(text.to_owned())))
}

/// Reads a number of days.
pub(super) fn days(text: &str) -> Result<FilterOperand, String> {
    match text.parse::<u32>() {
        Ok(days) if (1..=LAST_X_DAYS_MAX).contains(&days) => Ok(operand(Typed::Integer(i64::from(days)))),
        _ => Err(format!("value \"{}\" is not a whole number from 1 to {LAST_X_DAYS_MAX}", excerpt(text))),
    }
}

/// Joins the members of a set of choices that were written one by one.
pub(super) fn union(operands: Vec<FilterOperand>) -> FilterOperand {
    let mut values: Vec<i64> = operands
        .into_iter()
        .flat_map(|operand| match operand.value {
            Some(Typed::Integers(set)) => set.values,
            _ => vec![],
        })
        .collect();
    values.sort_unstable();
    values.dedup();
    operand(Typed::Integers(IntegerSet { values }))
}

fn operand(value: Typed) -> FilterOperand {
    FilterOperand { value: Some(value) }
}

fn typed(text: &str, kind: AttributeType, zone: &TimeZone) -> Result<Typed, ValueError> {
    if kind == AttributeType::Datetime {
        return instant(text, zone).map(Typed::Integer).ok_or(ValueError(kind));
    }
    // "10.00" is a whole number too.
    let whole = decimal::canonical(text).filter(|_| is_whole(kind));
    match parse_text(kind, whole.as_deref().unwrap_or(text))?.as_value() {
        Value::Integer(integer) => Ok(Typed::Integer(integer)),
        Value::Real(real) => Ok(Typed::Real(real)),
        Value::Text(text) => Ok(Typed::Text(text.to_owned())),
        Value::Truth(truth) => Ok(Typed::Truth(truth)),
        Value::Id(id) => Ok(Typed::Id(id.to_vec())),
        Value::Integers(set) if !set.is_empty() => Ok(Typed::Integers(IntegerSet { values: set.iter().collect() })),
        Value::Integers(_) | Value::IdText(_) | Value::Entity(_) => Err(ValueError(kind)),
    }
}

/// Whether a lookup may hold ids that are not UUIDs: those of an entity with keys of its source's own.
fn points_at_other_ids(attribute: &Attribute, schema: &Schema) -> bool {
    attribute.targets.iter().filter_map(|target| schema.entity(target)).any(|target| {
        let primary_id = target.attribute_by_number(target.primary_id);
        primary_id.is_some_and(|primary_id| primary_id.kind != AttributeType::Uniqueidentifier)
    })
}

fn is_whole(kind: AttributeType) -> bool {
    use AttributeType as Kind;
    matches!(kind, Kind::Integer | Kind::Bigint | Kind::Picklist | Kind::State | Kind::Status)
}

/// An instant in microseconds; without an offset the text is a clock of `zone`.
fn instant(text: &str, zone: &TimeZone) -> Option<i64> {
    let stamp = calendar::parse_timestamp(text)?;
    let micros = match stamp.offset_minutes {
        Some(_) => stamp.utc_micros(),
        None => local(stamp.wall_micros, zone)?,
    };
    (DATETIME_MICROS_MIN..=DATETIME_MICROS_MAX).contains(&micros).then_some(micros)
}

/// The instant at which clocks of `zone` show this wall clock: a clock that the zone skips is read with the offset before
/// it, of one that it repeats the first time counts. The last day of 9999 has the offset of the day before.
fn local(wall_micros: i64, zone: &TimeZone) -> Option<i64> {
    let clock = date(1970, 1, 1).at(0, 0, 0, 0).checked_add(SignedDuration::from_micros(wall_micros)).ok()?;
    let last_offset = || i64::from(zone.to_offset(Timestamp::MAX).seconds());
    let instant = zone.to_timestamp(clock).map(Timestamp::as_microsecond);
    Some(instant.unwrap_or_else(|_| wall_micros - last_offset() * 1_000_000))
}
