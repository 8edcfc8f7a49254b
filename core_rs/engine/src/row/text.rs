//! From text (CSV, JSON, FetchXML operands) to values, per attribute type.

use std::borrow::Cow;
use std::fmt;

use haversack_proto::model::AttributeType;

use super::{Integers, Value, calendar, decimal, id};

/// Most numbers in the text of one set of choices, repeats included.
pub const CHOICES_MAX: usize = 1_000;

/// A value read from text; borrows from the text whatever is there in its final form.
#[derive(Clone, Debug, PartialEq)]
pub enum ParsedValue<'t> {
    /// A value that needed no memory.
    Ready(Value<'t>),
    /// A decimal that had to be rewritten.
    Text(String),
    /// A set of choices, packed.
    Integers(Vec<u8>),
}

impl ParsedValue<'_> {
    /// The value.
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Self::Ready(value) => *value,
            Self::Text(text) => Value::Text(text),
            Self::Integers(packed) => Value::Integers(Integers(packed)),
        }
    }
}

/// Why a text is no value of its attribute's type; reads on after the quoted text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueError(pub(crate) AttributeType);

impl std::error::Error for ValueError {}

impl fmt::Display for ValueError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        use AttributeType as Kind;
        match self.0 {
            Kind::Integer | Kind::Picklist | Kind::State | Kind::Status => {
                write!(out, "is not a whole number from {} to {}", i32::MIN, i32::MAX)
            }
            Kind::Bigint => write!(out, "is not a whole number from {} to {}", i64::MIN, i64::MAX),
            Kind::Decimal | Kind::Money => {
                write!(out, "is not a decimal of at most {} digits, as in -12.50", decimal::DECIMAL_DIGITS_MAX)
            }
            Kind::Double => out.write_str("is not a finite number, as in -12.5 or 1e-3"),
            Kind::Boolean => out.write_str("is not one of 0, 1, true, false"),
            Kind::MultiSelectPicklist => {
                write!(out, "is not a list of at most {CHOICES_MAX} whole 32-bit numbers, as in 1,2,3")
            }
            Kind::Datetime => {
                out.write_str("is not a date from 1753-01-01 to 9999-12-31, as in 2024-05-31T10:00:00Z or 2024-05-31")
            }
            Kind::DatetimeIndependent => out.write_str(
                "is not a wall clock from 1753-01-01 to 9999-12-31, as in 2024-05-31T10:00:00 (no offset but Z)",
            ),
            Kind::DateOnly => out.write_str("is not a day from 1753-01-01 to 9999-12-31, as in 2024-05-31"),
            Kind::Uniqueidentifier | Kind::Lookup | Kind::Owner | Kind::Customer => {
                out.write_str("is not a UUID, as in 01234567-89ab-cdef-0123-456789abcdef")
            }
            Kind::Unspecified | Kind::String | Kind::Memo | Kind::EntityName => out.write_str("is not text"),
        }
    }
}

/// Reads a value of an attribute's type. NULL is the caller's business: an empty text is a value of a text attribute
/// and an empty set of choices (which a row keeps as NULL), and an error for all other types.
///
/// - whole numbers and choices: decimal digits with a sign or not, in the type's range
/// - decimals: see [`decimal::canonical`]
/// - booleans: 0, 1, true, false in any case
/// - sets of choices: numbers between commas, in any order, repeats allowed
/// - dates: RFC 3339 from the year 1753; without an offset UTC is meant; a day alone means its midnight; a day's time,
///   if given, must be midnight, and its offset does not count
/// - ids: UUIDs in any case, with braces or without (for other ids: [`parse_id`])
///
/// # Errors
/// If the text is none of these; the error says what would be right.
pub fn parse_text(kind: AttributeType, text: &str) -> Result<ParsedValue<'_>, ValueError> {
    use AttributeType as Kind;
    let value = match kind {
        Kind::Unspecified | Kind::String | Kind::Memo | Kind::EntityName => Some(Value::Text(text)),
        Kind::Integer | Kind::Picklist | Kind::State | Kind::Status => parse_i32(text).map(Value::Integer),
        Kind::Bigint => text.parse().ok().map(Value::Integer),
        Kind::Double => parse_real(text).map(Value::Real),
        Kind::Boolean => parse_truth(text).map(Value::Truth),
        Kind::Datetime => parse_instant(text).map(Value::Integer),
        Kind::DatetimeIndependent => parse_wall_clock(text).map(Value::Integer),
        Kind::DateOnly => parse_day(text).map(Value::Integer),
        Kind::Uniqueidentifier | Kind::Lookup | Kind::Owner | Kind::Customer => id::parse_uuid(text).map(Value::Id),
        Kind::Decimal | Kind::Money => return parse_decimal(text).ok_or(ValueError(kind)),
        Kind::MultiSelectPicklist => return parse_choices(text).ok_or(ValueError(kind)),
    };
    value.map(ParsedValue::Ready).ok_or(ValueError(kind))
}

/// Reads an id of an entity that has keys of its own: a UUID if the text is one in its usual form, else the text as it is,
/// since a source that keeps ids as texts knows a row by no other spelling. None if it is empty, has a zero byte or more
/// than [`id::ID_TEXT_BYTES_MAX`] bytes.
pub fn parse_id(text: &str) -> Option<Value<'_>> {
    id::parse_canonical_uuid(text).map(Value::Id).or_else(|| id::is_id_text(text).then_some(Value::IdText(text)))
}

fn parse_i32(text: &str) -> Option<i64> {
    text.parse::<i32>().ok().map(i64::from)
}

fn parse_real(text: &str) -> Option<f64> {
    // Adding zero turns minus zero into zero.
    text.parse::<f64>().ok().filter(|real| real.is_finite()).map(|real| real + 0.0)
}

fn parse_truth(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn parse_decimal(text: &str) -> Option<ParsedValue<'_>> {
    Some(match decimal::canonical(text)? {
        Cow::Borrowed(text) => ParsedValue::Ready(Value::Text(text)),
        Cow::Owned(text) => ParsedValue::Text(text),
    })
}

fn parse_choices(text: &str) -> Option<ParsedValue<'static>> {
    let mut choices = Vec::new();
    if !text.is_empty() {
        for choice in text.split(',').take(CHOICES_MAX + 1) {
            choices.push(parse_i32(choice.trim())?);
        }
    }
    if choices.len() > CHOICES_MAX {
        return None;
    }
    choices.sort_unstable();
    choices.dedup();
    let mut packed = Vec::with_capacity(choices.len() * 2);
    Integers::pack(&choices, &mut packed);
    Some(ParsedValue::Integers(packed))
}

fn parse_instant(text: &str) -> Option<i64> {
    in_range(calendar::parse_timestamp(text)?.utc_micros())
}

fn parse_wall_clock(text: &str) -> Option<i64> {
    let stamp = calendar::parse_timestamp(text)?;
    in_range(stamp.wall_micros).filter(|_| stamp.offset_minutes.unwrap_or(0) == 0)
}

fn parse_day(text: &str) -> Option<i64> {
    let day = if text.len() == 10 {
        calendar::parse_day(text.as_bytes())?
    } else {
        let wall = calendar::parse_timestamp(text)?.wall_micros;
        (wall % calendar::MICROS_PER_DAY == 0).then_some(wall / calendar::MICROS_PER_DAY)?
    };
    (calendar::DAY_MIN..=calendar::DAY_MAX).contains(&day).then_some(day)
}

fn in_range(micros: i64) -> Option<i64> {
    (calendar::DATETIME_MICROS_MIN..=calendar::DATETIME_MICROS_MAX).contains(&micros).then_some(micros)
}
