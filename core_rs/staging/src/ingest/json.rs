//! JSON Lines: one object a line, as the Web API returns rows.
//!
//! `_<name>_value` is a lookup, `_<name>_value@Microsoft.Dynamics.CRM.lookuplogicalname` its target entity; every other
//! annotation (a name with an `@`) is passed over. Plain names, and `<name>_type` for targets, are understood too.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use haversack_engine::schema::{Entity, Schema};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Action;
use super::batch::{Batch, Fault};
use super::encoder::{Cell, CellText, CellValue, Encoder, Slot, too_large};
use super::parser::{Parse, ROW_TEXT_BYTES_MAX, Sink};
use crate::RowId;

/// Parses JSON Lines that come in pieces.
pub(super) struct JsonParser {
    encoder: Encoder,
    /// The beginning of a line whose end has not come yet.
    pending: Vec<u8>,
    /// Whether the pending line is above the limit; the rest of it is skipped.
    too_large: bool,
    /// The line that is read next.
    line: u64,
}

impl JsonParser {
    /// Starts before the first line.
    pub(super) fn new(encoder: Encoder) -> Self {
        Self { encoder, pending: Vec::new(), too_large: false, line: 1 }
    }

    fn keep(&mut self, piece: &[u8]) {
        if self.pending.len() + piece.len() > ROW_TEXT_BYTES_MAX {
            self.pending.clear();
            self.too_large = true;
        }
        if !self.too_large {
            self.pending.extend_from_slice(piece);
        }
    }

    /// Takes the end of a line; most lines lie whole in one chunk and are not copied.
    fn end_line(&mut self, piece: &[u8], sink: &mut Sink) {
        let whole = self.pending.is_empty() && piece.len() <= ROW_TEXT_BYTES_MAX && !self.too_large;
        if !whole {
            self.keep(piece);
        }
        let text = if whole { piece } else { &self.pending };
        if self.too_large || !text.trim_ascii().is_empty() {
            let line = self.line;
            let (encoder, too_large) = (&self.encoder, self.too_large);
            sink.row(line, |batch| encode_line(encoder, line, text, too_large, batch));
        }
        self.pending.clear();
        self.too_large = false;
        self.line += 1;
    }
}

impl Parse for JsonParser {
    fn feed(&mut self, bytes: &[u8], sink: &mut Sink) {
        let mut pieces = bytes.split(|&byte| byte == b'\n');
        let Some(mut piece) = pieces.next() else { return };
        for next in pieces {
            self.end_line(piece, sink);
            piece = next;
        }
        self.keep(piece);
    }

    fn end(&mut self, sink: &mut Sink) {
        self.end_line(&[], sink);
    }
}

/// One row of a source from one JSON object: its id and its payload. Fails with what is wrong, for people.
pub(crate) fn encode_row(schema: &Schema, entity: &Entity, json: &[u8]) -> Result<(RowId, Vec<u8>), String> {
    let mut batch = Batch::default();
    let told = |fault: Fault| match fault.attribute.as_str() {
        "" => fault.message,
        attribute => format!("{attribute}: {}", fault.message),
    };
    let is_too_large = json.len() > ROW_TEXT_BYTES_MAX;
    encode_line(&Encoder::lenient(schema, entity, Action::Upsert), 1, json, is_too_large, &mut batch).map_err(told)?;
    let row = batch.rows.pop().ok_or("there is none")?;
    Ok((row.id.clone(), batch.payload(&row).to_vec()))
}

fn encode_line(encoder: &Encoder, line: u64, text: &[u8], is_too_large: bool, batch: &mut Batch) -> Result<(), Fault> {
    if is_too_large {
        return Err(too_large(&format!("it has more than {ROW_TEXT_BYTES_MAX} bytes of text")));
    }
    let members: Members<'_> = serde_json::from_slice(text).map_err(|error| no_object(&error))?;
    let mut cells: BTreeMap<usize, Cell<'_>> = BTreeMap::new();
    for (name, value) in &members.0 {
        match encoder.slot(&name.0)? {
            Slot::Value(column) => {
                let read = read_value(&name.0, value);
                let value =
                    read.or_else(|fault| encoder.leave_out(fault, &mut batch.left_out).map(|()| CellValue::Null))?;
                cells.entry(column).or_default().value = value;
            }
            Slot::Target(column) => cells.entry(column).or_default().target = read_target(&name.0, value)?,
            Slot::Ignored => {}
        }
    }
    encoder.encode(line, cells.into_iter(), batch)
}

/// A scalar as text; bare numbers keep every digit.
pub(super) fn read_value<'a>(name: &str, value: &'a RawValue) -> Result<CellValue<'a>, Fault> {
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'n') => Ok(CellValue::Null),
        Some(b'"') => match serde_json::from_str(raw) {
            Ok(Text(text)) => Ok(CellValue::Text(CellText { text, quoted: true })),
            Err(error) => Err(Fault::of(name, format!("the text is not valid JSON: {error}"))),
        },
        Some(b'{' | b'[') => {
            Err(Fault::of(name, "the value is an object or a list; give a number, a text, true, false or null"))
        }
        _ => Ok(CellValue::Text(CellText { text: raw.into(), quoted: false })),
    }
}

fn read_target<'a>(name: &str, value: &'a RawValue) -> Result<Option<Cow<'a, str>>, Fault> {
    match read_value(name, value)? {
        CellValue::Text(text) => Ok(Some(text.text)),
        CellValue::Null | CellValue::Unnamed => Ok(None),
    }
}

fn no_object(error: &serde_json::Error) -> Fault {
    Fault::row(format!("the line is not one JSON object: {error}"))
}

/// A text that is borrowed where it has no escapes.
#[derive(serde::Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// The members of an object, in order, values unread.
struct Members<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of attributes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
