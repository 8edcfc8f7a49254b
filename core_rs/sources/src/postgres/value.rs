//! Values of columns, as COPY and pgoutput bring them, to values of fields.
//!
//! pgoutput brings texts, as the types' output functions write them under the settings in `dial.rs`. COPY brings the
//! binary form of the types that are quickest that way, and the same texts of all others.

use std::str::from_utf8;

use haversack_engine::row::{
    DATETIME_MICROS_MAX, DATETIME_MICROS_MIN, DAY_MAX, DAY_MIN, MICROS_PER_DAY, Value, parse_id, parse_text,
};
use haversack_engine::schema::AttributeType as Kind;

use super::layout::Field;

/// PostgreSQL counts days and microseconds from 2000-01-01: this many days after 1970-01-01.
const EPOCH_DAYS: i64 = 10_957;

/// The value of one column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    /// NULL.
    Null,
    /// It was not sent, since it is large and was not changed.
    Unchanged,
    /// As its type writes it.
    Text(&'a [u8]),
    /// As its type sends it.
    Binary(Form, &'a [u8]),
}

/// The binary forms that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Truth,
    /// Of 2, 4 or 8 bytes.
    Integer,
    Real,
    Uuid,
    Day,
    Instant,
}

impl Form {
    /// The form in which COPY brings a column of this type as values of this kind; texts of all others.
    pub(super) fn of(type_oid: u32, kind: Kind) -> Option<Self> {
        match (type_oid, kind) {
            (16, Kind::Boolean) => Some(Self::Truth),
            (20 | 21 | 23, Kind::Integer | Kind::Bigint | Kind::Picklist | Kind::State | Kind::Status) => {
                Some(Self::Integer)
            }
            (701, Kind::Double) => Some(Self::Real),
            (2950, Kind::Uniqueidentifier | Kind::Lookup | Kind::Owner | Kind::Customer) => Some(Self::Uuid),
            (1082, Kind::DateOnly) => Some(Self::Day),
            (1114 | 1184, Kind::Datetime | Kind::DatetimeIndependent) => Some(Self::Instant),
            _ => None,
        }
    }
}

/// A value that the attribute cannot hold: not a number, an instant out of range, a choice that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit;

/// Reads a cell that is neither NULL nor unchanged, and lends its value to `take`.
pub(super) fn with_value<T>(field: &Field, cell: Cell<'_>, take: impl FnOnce(&Value<'_>) -> T) -> Result<T, Unfit> {
    match cell {
        Cell::Binary(form, bytes) => Ok(take(&binary(field.kind, form, bytes)?)),
        Cell::Text(bytes) => with_text(field, from_utf8(bytes).map_err(|_| Unfit)?, take),
        Cell::Null | Cell::Unchanged => Err(Unfit),
    }
}

/// Whether a column says that its row is deleted: true, or anything at all where it is no boolean. What is too large to be
/// sent again is neither a boolean nor NULL.
pub(super) fn is_mark(cell: Cell<'_>) -> bool {
    !matches!(cell, Cell::Null | Cell::Text(b"f" | b"false") | Cell::Binary(Form::Truth, [0]))
}

fn binary(kind: Kind, form: Form, bytes: &[u8]) -> Result<Value<'static>, Unfit> {
    let value = match form {
        Form::Truth => Value::Truth(bytes == [1]),
        Form::Integer => Value::Integer(in_range(kind, integer(bytes)?)?),
        Form::Real => {
            let real = f64::from_bits(integer(bytes)? as u64);
            Value::Real(if real.is_finite() { real + 0.0 } else { return Err(Unfit) })
        }
        Form::Uuid => Value::Id(bytes.try_into().map_err(|_| Unfit)?),
        Form::Day => Value::Integer(within(integer(bytes)?, EPOCH_DAYS, DAY_MIN, DAY_MAX)?),
        Form::Instant => {
            let epoch = EPOCH_DAYS * MICROS_PER_DAY;
            Value::Integer(within(integer(bytes)?, epoch, DATETIME_MICROS_MIN, DATETIME_MICROS_MAX)?)
        }
    };
    Ok(value)
}

fn integer(bytes: &[u8]) -> Result<i64, Unfit> {
    match *bytes {
        [a, b] => Ok(i64::from(i16::from_be_bytes([a, b]))),
        [a, b, c, d] => Ok(i64::from(i32::from_be_bytes([a, b, c, d]))),
        _ => bytes.try_into().map(i64::from_be_bytes).map_err(|_| Unfit),
    }
}

fn in_range(kind: Kind, integer: i64) -> Result<i64, Unfit> {
    let fits = kind == Kind::Bigint || i32::try_from(integer).is_ok();
    fits.then_some(integer).ok_or(Unfit)
}

/// A count from PostgreSQL's epoch as one from ours. Infinity is out of range.
fn within(count: i64, epoch: i64, least: i64, most: i64) -> Result<i64, Unfit> {
    count.checked_add(epoch).filter(|count| (least..=most).contains(count)).ok_or(Unfit)
}

fn with_text<T>(field: &Field, text: &str, take: impl FnOnce(&Value<'_>) -> T) -> Result<T, Unfit> {
    if field.kind == Kind::MultiSelectPicklist {
        let choices = choices(field, text).ok_or(Unfit)?;
        return parse_text(field.kind, &choices).map(|parsed| take(&parsed.as_value())).map_err(|_| Unfit);
    }
    if !field.choices.is_empty() {
        return field.choices.get(text).map(|choice| take(&Value::Integer(*choice))).ok_or(Unfit);
    }
    if field.any_id
        && let Some(id) = parse_id(text)
    {
        return Ok(take(&id));
    }
    let text = match field.kind {
        // Under the UTC that is set, this is the only offset there is.
        Kind::Datetime | Kind::DatetimeIndependent => text.strip_suffix("+00").unwrap_or(text),
        Kind::Boolean if text == "t" => "true",
        Kind::Boolean if text == "f" => "false",
        _ => text,
    };
    parse_text(field.kind, text).map(|parsed| take(&parsed.as_value())).map_err(|_| Unfit)
}

/// An array of numbers or labels, `{a,"b c"}`, as numbers between commas. NULLs in it are passed over.
fn choices(field: &Field, array: &str) -> Option<String> {
    let inner = array.strip_prefix('{')?.strip_suffix('}')?;
    let mut numbers = Vec::new();
    for element in elements(inner)? {
        match field.choices.get(&element) {
            Some(choice) => numbers.push(choice.to_string()),
            None if field.choices.is_empty() => numbers.push(element),
            None => return None,
        }
    }
    Some(numbers.join(","))
}

/// The elements of a one-dimensional array's text, without those that are NULL. None if it has more dimensions.
fn elements(inner: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = inner.chars().peekable();
    while rest.peek().is_some() {
        let (mut element, mut is_quoted, mut within) = (String::new(), false, false);
        while let Some(next) = rest.next() {
            match next {
                '"' => (is_quoted, within) = (true, !within),
                '\\' => element.extend(rest.next()),
                ',' if !within => break,
                '{' if !within => return None,
                other => element.push(other),
            }
        }
        if is_quoted || !element.eq_ignore_ascii_case("null") {
            found.push(element);
        }
    }
    Some(found)
}
