//! Values and ids as people read them.

use crate::filter::{clock, day};
use crate::ids::RowKey;
use crate::row::{Value, uuid_text};
use crate::schema::AttributeType;

/// What an id reads like. Ids that are no UUIDs are hashes here.
pub(super) fn id_text(key: RowKey) -> String {
    uuid_text(key.0)
}

/// A value of an attribute as the index keeps it.
pub(super) fn value_text(value: Option<&Value<'_>>, kind: AttributeType) -> String {
    match value {
        None => "empty".to_owned(),
        Some(Value::Integer(number)) => number_text(*number, kind),
        Some(Value::Real(real)) => real.to_string(),
        Some(Value::Text(text)) => format!("\"{text}\""),
        Some(Value::Truth(truth)) => truth.to_string(),
        Some(Value::Id(id)) => uuid_text(*id),
        Some(Value::IdText(text)) => (*text).to_owned(),
        Some(Value::Integers(set)) => set.iter().map(|number| number.to_string()).collect::<Vec<_>>().join(", "),
        Some(Value::Entity(entity)) => entity.0.to_string(),
    }
}

fn number_text(number: i64, kind: AttributeType) -> String {
    match kind {
        AttributeType::Datetime => format!("{}Z", clock(number)),
        AttributeType::DatetimeIndependent => clock(number),
        AttributeType::DateOnly => day(number),
        // A column holds doubles as the whole numbers that order as they do; the way back is the same.
        AttributeType::Double => f64::from_bits((number ^ ((number >> 63) as u64 >> 1) as i64) as u64).to_string(),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::real_order;

    #[test]
    fn values_read_as_people_write_them() {
        let text = |number, kind| value_text(Some(&Value::Integer(number)), kind);
        assert_eq!(text(1_774_699_200_000_000, AttributeType::Datetime), "2026-03-28T12:00Z");
        assert_eq!(text(-1, AttributeType::DateOnly), "1969-12-31");
        for real in [-1.5, 0.0, 0.25, 1e9] {
            assert_eq!(text(real_order(real), AttributeType::Double), real.to_string());
        }
        assert_eq!(value_text(None, AttributeType::Integer), "empty");
        assert_eq!(value_text(Some(&Value::Text("a")), AttributeType::String), "\"a\"");
    }
}
