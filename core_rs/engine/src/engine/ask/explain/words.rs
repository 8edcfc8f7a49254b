//! Values, ids and operators as people read them.

use haversack_proto::model::filter_operand::Value as Operand;
use haversack_proto::model::{AttributeType, FilterCondition};

use crate::ids::{AttributeNumber, RowKey};
use crate::row::{MICROS_PER_DAY, Value, uuid_text};
use crate::schema::Entity;

/// What an id reads like. Ids that are no UUIDs are hashes here.
pub(super) fn id_text(key: RowKey) -> String {
    uuid_text(key.0)
}

/// A condition with its attributes, as a profile states it.
pub(crate) fn condition_text(condition: &FilterCondition, entity: &Entity) -> String {
    let named = |number| entity.attribute_by_number(AttributeNumber(number)).map(|it| (it.name.as_str(), it.kind));
    let (name, kind) = named(condition.attribute_number).unwrap_or_default();
    let other = named(condition.other_attribute_number).map_or(String::new(), |(name, _)| format!(" {name}"));
    format!("{name} {}{other}", test_text(condition, kind))
}

/// A condition without its attribute: operator and operands.
pub(super) fn test_text(condition: &FilterCondition, kind: AttributeType) -> String {
    let name = condition.operator().as_str_name();
    let operator = name.strip_prefix("FILTER_OPERATOR_").unwrap_or(name).to_lowercase().replace('_', "-");
    let operands: Vec<String> = condition.operands.iter().map(|operand| operand_text(&operand.value, kind)).collect();
    if operands.is_empty() { operator } else { format!("{operator} {}", operands.join(", ")) }
}

fn operand_text(operand: &Option<Operand>, kind: AttributeType) -> String {
    match operand {
        None => String::new(),
        Some(Operand::Text(text)) => format!("\"{text}\""),
        // A count is no date, and no date within what Dataverse stores is as small.
        Some(Operand::Integer(number)) if number.unsigned_abs() < 100_000 && is_instant(kind) => number.to_string(),
        Some(Operand::Integer(number)) => number_text(*number, kind),
        Some(Operand::Real(real)) => real.to_string(),
        Some(Operand::Truth(truth)) => truth.to_string(),
        Some(Operand::Id(id)) => <[u8; 16]>::try_from(&id[..]).map_or_else(|_| "?".to_owned(), uuid_text),
        Some(Operand::Integers(set)) => set_text(set.values.iter().copied()),
        Some(Operand::WallClock(micros)) => instant_text(*micros, ""),
    }
}

/// A value of an attribute as the index keeps it, or NULL.
pub(super) fn value_text(value: Option<&Value<'_>>, kind: AttributeType) -> String {
    match value {
        None => "NULL".to_owned(),
        Some(Value::Integer(number)) => number_text(*number, kind),
        Some(Value::Real(real)) => real.to_string(),
        Some(Value::Text(text)) => format!("\"{text}\""),
        Some(Value::Truth(truth)) => truth.to_string(),
        Some(Value::Id(id)) => uuid_text(*id),
        Some(Value::IdText(text)) => (*text).to_owned(),
        Some(Value::Integers(set)) => set_text(set.iter()),
        Some(Value::Entity(entity)) => entity.0.to_string(),
    }
}

fn is_instant(kind: AttributeType) -> bool {
    matches!(kind, AttributeType::Datetime | AttributeType::DatetimeIndependent)
}

fn number_text(number: i64, kind: AttributeType) -> String {
    match kind {
        AttributeType::Datetime => instant_text(number, "Z"),
        AttributeType::DatetimeIndependent => instant_text(number, ""),
        AttributeType::DateOnly => day_text(number),
        // A column holds doubles as the whole numbers that order as they do; the way back is the same.
        AttributeType::Double => f64::from_bits((number ^ ((number >> 63) as u64 >> 1) as i64) as u64).to_string(),
        _ => number.to_string(),
    }
}

fn day_text(day: i64) -> String {
    let (year, month, day) = crate::row::calendar::civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

fn instant_text(micros: i64, suffix: &str) -> String {
    let (day, within) = (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
    let (seconds, fraction) = (within / 1_000_000, within % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    format!("{}T{hours:02}:{minutes:02}:{seconds:02}{fraction}{suffix}", day_text(day))
}

fn set_text(numbers: impl Iterator<Item = i64>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("{{{}}}", numbers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::real_order;

    #[test]
    fn values_read_as_people_write_them() {
        let text = |number, kind| value_text(Some(&Value::Integer(number)), kind);
        assert_eq!(text(1_774_699_200_000_000, AttributeType::Datetime), "2026-03-28T12:00:00Z");
        assert_eq!(text(-1, AttributeType::DatetimeIndependent), "1969-12-31T23:59:59.999999");
        assert_eq!(text(-1, AttributeType::DateOnly), "1969-12-31");
        for real in [-1.5, 0.0, 0.25, 1e9] {
            assert_eq!(text(real_order(real), AttributeType::Double), real.to_string());
        }
        assert_eq!(value_text(None, AttributeType::Integer), "NULL");
        assert_eq!(value_text(Some(&Value::Text("a")), AttributeType::String), "\"a\"");
    }

    #[test]
    fn a_condition_reads_as_fetchxml_names_it() {
        let operand = |value| haversack_proto::model::FilterOperand { value: Some(value) };
        let condition = FilterCondition {
            operator: haversack_proto::model::FilterOperator::NotIn as i32,
            operands: vec![operand(Operand::Integer(3)), operand(Operand::Integer(4))],
            ..FilterCondition::default()
        };
        assert_eq!(test_text(&condition, AttributeType::Integer), "not-in 3, 4");
    }
}
