//! Operands: from a condition's text to typed values of the compiled form.

use haversack_proto::model::filter_operand::Value as Typed;
use haversack_proto::model::{AttributeType, Collation, FilterOperand, IntegerSet};

use super::error::excerpt;
use super::like::{Pattern, Span};
use crate::row::{
    DATETIME_MICROS_MAX, DATETIME_MICROS_MIN, DAY_MAX, DAY_MIN, MICROS_PER_DAY, Value, ValueError, calendar, decimal,
    parse_id, parse_text,
};
use crate::schema::{Attribute, Schema};

/// Reads one operand of an attribute's type. The error is what a message says.
pub(super) fn of_attribute(text: &str, attribute: &Attribute, schema: &Schema) -> Result<FilterOperand, String> {
    if schema.points_at_other_ids(attribute)
        && let Some(Value::IdText(id)) = parse_id(text)
    {
        return Ok(operand(Typed::Text(id.to_owned())));
    }
    let value = typed(text, attribute.kind);
    value.map(operand).map_err(|error| format!("value \"{}\" of \"{}\" {error}", excerpt(text), attribute.name))
}

/// Reads the upper one of two bounds. A day alone takes in all of it.
pub(super) fn upper_bound(text: &str, attribute: &Attribute, schema: &Schema) -> Result<FilterOperand, String> {
    let mut bound = of_attribute(text, attribute, schema)?;
    if text.len() == DAY_BYTES
        && let (AttributeType::Datetime | AttributeType::DatetimeIndependent, Some(value)) =
            (attribute.kind, &mut bound.value)
        && let Typed::Integer(micros) | Typed::WallClock(micros) = value
    {
        *micros += MICROS_PER_DAY - 1;
    }
    Ok(bound)
}

/// Bytes of a day's text.
const DAY_BYTES: usize = "2024-05-31".len();

/// Checks a pattern, which is kept as written.
pub(super) fn pattern(text: &str) -> Result<FilterOperand, String> {
    // Whether it is sound depends neither on the collation nor on what it spans.
    Pattern::parse(text, Span::Whole, Collation::CiAi)
        .map_err(|error| format!("the pattern \"{}\" {error}", excerpt(text)))?;
    Ok(operand(Typed::Text(text.to_owned())))
}

/// Reads a number from 1 to `highest`.
pub(super) fn number(text: &str, highest: u32) -> Result<FilterOperand, String> {
    match text.parse::<u32>() {
        Ok(number) if (1..=highest).contains(&number) => Ok(operand(Typed::Integer(i64::from(number)))),
        _ => Err(format!("value \"{}\" is not a whole number from 1 to {highest}", excerpt(text))),
    }
}

/// Reads a day for an attribute of some kind of dates: its midnight on the clock of whoever asks, the same without a
/// zone, or the day. The time and the offset of the text do not count.
pub(super) fn day(text: &str, kind: AttributeType) -> Result<FilterOperand, String> {
    let day = calendar::parse_timestamp(text).map(|stamp| stamp.wall_micros.div_euclid(MICROS_PER_DAY));
    let day = day.filter(|day| (DAY_MIN..=DAY_MAX).contains(day));
    let day = day.ok_or_else(|| format!("value \"{}\" {}", excerpt(text), ValueError(AttributeType::DateOnly)))?;
    Ok(operand(match kind {
        AttributeType::Datetime => Typed::WallClock(day * MICROS_PER_DAY),
        AttributeType::DatetimeIndependent => Typed::Integer(day * MICROS_PER_DAY),
        _ => Typed::Integer(day),
    }))
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

fn typed(text: &str, kind: AttributeType) -> Result<Typed, ValueError> {
    if kind == AttributeType::Datetime {
        return instant(text).ok_or(ValueError(kind));
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
fn is_whole(kind: AttributeType) -> bool {
    use AttributeType as Kind;
    matches!(kind, Kind::Integer | Kind::Bigint | Kind::Picklist | Kind::State | Kind::Status)
}

/// An instant; without an offset the text is a clock of whoever asks.
fn instant(text: &str) -> Option<Typed> {
    let stamp = calendar::parse_timestamp(text)?;
    let micros = stamp.utc_micros();
    let typed = if stamp.offset_minutes.is_some() { Typed::Integer } else { Typed::WallClock };
    (DATETIME_MICROS_MIN..=DATETIME_MICROS_MAX).contains(&micros).then(|| typed(micros))
}
