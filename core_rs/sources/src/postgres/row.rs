//! Rows: cells to an id and canonical bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use haversack_engine::row::{FieldType, RowWriter, Value, fields, parse_id, uuid_text};
use haversack_staging::{ROW_BYTES_MAX, RowId};

use super::layout::{EntityLayout, Field, From};
use super::value::{Cell, Form, Unfit, is_mark, with_value};

/// Different notes that are kept; further ones are only counted with the last.
const NOTES_MAX: usize = 100;

/// What could not be carried, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes(pub(super) BTreeMap<String, u64>);

impl Notes {
    /// Counts one more.
    pub(super) fn add(&mut self, note: String) {
        self.count(note, 1);
    }

    /// Counts others too.
    pub(super) fn append(&mut self, others: Self) {
        for (note, count) in others.0 {
            self.count(note, count);
        }
    }

    fn count(&mut self, note: String, count: u64) {
        let is_room = self.0.len() < NOTES_MAX || self.0.contains_key(&note);
        *self.0.entry(if is_room { note } else { "and others".to_owned() }).or_default() += count;
    }
}

/// What the cells of a row make of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Encoded {
    /// It is there; its bytes were appended.
    Row,
    /// It is marked as deleted, or above the limit of rows: no device can have it.
    Gone,
}

/// The id that a row's key makes; `None` if a part of it is NULL or not there, or the id would be too long.
pub(super) fn row_id(layout: &EntityLayout, cells: &[Cell<'_>]) -> Option<RowId> {
    if let [only] = layout.key[..] {
        return match cells[only] {
            Cell::Binary(Form::Uuid, bytes) => bytes.try_into().ok().map(RowId::Uuid),
            cell => text_id(&key_text(cell)?),
        };
    }
    let mut id = String::new();
    for (place, &part) in layout.key.iter().enumerate() {
        let text = key_text(cells[part])?;
        let separator = if place == 0 { "" } else { "~" };
        let _ = write!(id, "{separator}{}", text.replace('%', "%25").replace('~', "%7E"));
    }
    text_id(&id)
}

/// What the table calls this version of a row, if the mapping says where.
pub(super) fn version(layout: &EntityLayout, cells: &[Cell<'_>]) -> Option<Box<str>> {
    key_text(cells[layout.version?]).map(Into::into)
}

/// Texts are compared as they are at the source: a UUID in capitals or braces is another one than in its usual form.
fn text_id(text: &str) -> Option<RowId> {
    match parse_id(text)? {
        Value::Id(uuid) => Some(RowId::Uuid(uuid)),
        _ => Some(RowId::Text(text.into())),
    }
}

fn key_text(cell: Cell<'_>) -> Option<String> {
    match cell {
        Cell::Text(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Cell::Binary(Form::Uuid, bytes) => bytes.try_into().ok().map(uuid_text),
        Cell::Binary(..) | Cell::Null | Cell::Unchanged => None,
    }
}

/// The texts of a row's key, in the order of its columns.
pub(super) fn key_texts(layout: &EntityLayout, cells: &[Cell<'_>]) -> Vec<String> {
    layout.key.iter().filter_map(|&part| key_text(cells[part])).collect()
}

/// Whether a row is marked as deleted.
pub(super) fn is_deleted(layout: &EntityLayout, cells: &[Cell<'_>]) -> bool {
    layout.deleted.is_some_and(|place| is_mark(cells[place]))
}

/// Appends a row's bytes to `out`. `stored` is the row as staging has it, of which unchanged values are taken.
pub(super) fn encode(
    layout: &EntityLayout,
    id: &RowId,
    cells: &[Cell<'_>],
    stored: Option<&[u8]>,
    out: &mut Vec<u8>,
    notes: &mut Notes,
) -> Encoded {
    if is_deleted(layout, cells) {
        return Encoded::Gone;
    }
    let start = out.len();
    let mut row = RowWriter::new(out);
    for field in &layout.fields {
        if push(field, id, cells, stored, &mut row) == Err(Unfit) {
            notes.add(format!("{}.{}: values that it cannot hold are left out", layout.name, field.name));
        }
    }
    let bytes = row.finish();
    if bytes > ROW_BYTES_MAX {
        out.truncate(start);
        notes.add(format!("{}: rows above {ROW_BYTES_MAX} bytes are left out; map fewer columns", layout.name));
        return Encoded::Gone;
    }
    Encoded::Row
}

fn push(
    field: &Field,
    id: &RowId,
    cells: &[Cell<'_>],
    stored: Option<&[u8]>,
    row: &mut RowWriter<'_>,
) -> Result<(), Unfit> {
    let cell = match &field.from {
        From::Id => return push_id(field, id, row),
        From::Constant(text) => Cell::Text(text.as_bytes()),
        From::Column(place) => cells[*place],
    };
    match cell {
        Cell::Null => return Ok(()),
        Cell::Unchanged => return push_stored(field, stored, row),
        _ => with_value(field, cell, |value| row.push(field.number, value))?,
    }
    if let Some((companion, target)) = field.companion {
        row.push(companion, &Value::Entity(target));
    }
    Ok(())
}

fn push_id(field: &Field, id: &RowId, row: &mut RowWriter<'_>) -> Result<(), Unfit> {
    match (id, FieldType::from(field.kind)) {
        (RowId::Uuid(uuid), FieldType::Id) => row.push(field.number, &Value::Id(*uuid)),
        (RowId::Text(text), FieldType::Id) => row.push(field.number, &Value::IdText(text)),
        (RowId::Uuid(uuid), FieldType::Text) => row.push(field.number, &Value::Text(&uuid_text(*uuid))),
        (RowId::Text(text), FieldType::Text) => row.push(field.number, &Value::Text(text)),
        _ => return Err(Unfit),
    }
    Ok(())
}

/// Takes over what staging has. Whoever has nothing there cannot encode the row.
fn push_stored(field: &Field, stored: Option<&[u8]>, row: &mut RowWriter<'_>) -> Result<(), Unfit> {
    for found in fields(stored.ok_or(Unfit)?) {
        let (number, raw) = found.map_err(|_| Unfit)?;
        if number == field.number {
            row.push(number, &raw.value(field.kind.into()).ok_or(Unfit)?);
        }
    }
    Ok(())
}
