//! Rows at rest and on the wire: the protobuf message of an entity, written, read, cut and described.
//!
//! Attribute k is field k, in the encoding that `model.proto` states for its type; an absent field is NULL; fields
//! ascend by number, so equal rows have equal bytes. Values arrive as text ([`parse_text`]), become a payload
//! ([`RowWriter`]), are read back one by one or in one pass ([`read`], [`extract`]), and are cut down to what a device
//! may carry ([`select`]) or changed in part ([`splice`]). [`descriptors`] and [`proto_source`] tell other protobuf runtimes what the fields mean.

pub(crate) mod calendar;
pub mod decimal;
mod descriptors;
mod fields;
mod id;
mod proto_source;
#[cfg(test)]
pub(crate) mod sample;
mod selection;
mod splice;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod varint;
mod writer;

pub use calendar::{
    DATETIME_MICROS_MAX, DATETIME_MICROS_MIN, DAY_MAX, DAY_MIN, MICROS_PER_DAY, datetime_text, day_text,
};
pub use descriptors::{descriptors, message_name};
pub use fields::{Fields, RawField, RowError, extract, fields, read};
pub use id::{ID_TEXT_BYTES_MAX, parse_uuid, row_key, row_key_of_text, uuid_text};
pub use proto_source::proto_source;
pub use selection::{ColumnSelection, ColumnUnknown, select};
pub use splice::{encoded, splice};
pub use text::{CHOICES_MAX, ParsedValue, ValueError, parse_id, parse_text};
pub use value::{FieldType, Integers, Value};
pub use writer::RowWriter;
