//! Reads a page.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use haversack_engine::ids::{AttributeNumber, EntityNumber};
use haversack_engine::row::{FieldType, Value, parse_text};
use haversack_engine::schema::Schema;
use haversack_proto::model::AttributeType;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::batch::{Batch, EncodedRow, Fault, Refusals};
use super::super::encoder::{Cell, CellText, CellValue, Encoder, Slot};
use super::super::json::{self, Text};
use super::super::writer::field_types;
use super::super::{Action, RowError};
use super::address::key_in;
use crate::{Arrival, RowId, StagingError};

/// Bytes of an etag that is kept; a longer one cannot be sent back in a header with any confidence.
const ETAG_BYTES_MAX: usize = 512;

/// How a page is to be read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Columns that were asked for, where a row may lack some that stay as they are (a delta may tell only what
    /// changed); otherwise what a row lacks is NULL.
    pub partial_below: Option<usize>,
    /// Logical name of the column whose latest instant is told, if any.
    pub watermark: Option<String>,
}

/// A page that was read.
pub struct Page {
    pub(super) entity: EntityNumber,
    /// Type of every field, ascending.
    pub(super) types: Vec<(AttributeNumber, FieldType)>,
    pub(super) batch: Batch,
    /// What the batch's rows are, in the order of the page.
    pub(super) entries: Vec<Entry>,
    /// Text of the rows' versions, one behind the other.
    etags: String,
    /// Ids of rows that were refused, as far as they can be read: the rows are there, and stay as they were.
    pub(super) refused: Vec<RowId>,
    refusals: Refusals,
    /// The page's `nextLink`.
    pub next_link: Option<String>,
    /// The page's `deltaLink`.
    pub delta_link: Option<String>,
    /// Latest instant of the watermark's column, in microseconds since the Unix epoch.
    pub watermark: Option<i64>,
    /// Rows of the page, refused ones and deletions among them.
    pub read: u64,
}

/// What the page says of one row.
pub(super) enum Entry {
    /// It is there.
    Row {
        /// Its place in the batch.
        at: usize,
        /// Where its version lies.
        etag: Option<Range<usize>>,
        /// Whether columns that it does not name stay as they are.
        partial: bool,
    },
    /// It is gone.
    Gone(RowId),
}

impl Page {
    /// Reads an answer's body.
    ///
    /// # Errors
    /// [`StagingError::EntityUnknown`]; [`StagingError::AnswerInvalid`] if the body is no page. What cannot be taken of it
    /// is told by [`Self::errors`].
    pub fn read(schema: &Schema, entity: &str, body: &[u8], reading: &Reading) -> Result<Self, StagingError> {
        let known = schema.entity(entity).ok_or_else(|| StagingError::EntityUnknown(entity.to_owned()))?;
        let action = if reading.partial_below.is_some() { Action::Patch } else { Action::Upsert };
        let encoder = Encoder::lenient(schema, known, action);
        let watermark = reading.watermark.as_deref().and_then(|name| match encoder.wire_slot(name) {
            Slot::Value(column) => Some(column),
            _ => None,
        });
        let page = Self {
            entity: known.number,
            types: field_types(known),
            batch: Batch::default(),
            entries: Vec::new(),
            etags: String::new(),
            refused: Vec::new(),
            refusals: Refusals::default(),
            next_link: None,
            delta_link: None,
            watermark: None,
            read: 0,
        };
        let mut reader =
            Reader { encoder, partial_below: reading.partial_below.unwrap_or(0), watermark, names: Vec::new(), page };
        let mut body = serde_json::Deserializer::from_slice(body);
        let read = (&mut reader).deserialize(&mut body).and_then(|()| body.end());
        read.map_err(|error| StagingError::AnswerInvalid(error.to_string()))?;
        Ok(reader.page)
    }

    /// Rows that were refused and values that were left out, and how many there are; the first of them in detail.
    pub fn errors(&self) -> (u64, Vec<RowError>) {
        let told = self.refusals.first.iter().map(|refusal| refusal.to_error(""));
        (self.refusals.count, told.collect())
    }

    /// Whether rows say which version of them this is.
    pub fn has_versions(&self) -> bool {
        !self.etags.is_empty()
    }

    /// A row of the batch, as it arrives.
    pub(super) fn arrival<'a>(&'a self, entry: &'a Entry) -> Arrival<'a> {
        match entry {
            Entry::Gone(id) => Arrival::Gone { id },
            Entry::Row { at, etag, .. } => {
                let row = &self.batch.rows[*at];
                Arrival::Row { id: &row.id, payload: self.batch.payload(row), etag: self.etag(etag.as_ref()) }
            }
        }
    }

    /// A row of the batch.
    pub(super) fn row(&self, at: usize) -> &EncodedRow {
        &self.batch.rows[at]
    }

    /// The text of a version.
    pub(super) fn etag(&self, at: Option<&Range<usize>>) -> Option<&str> {
        at.map(|at| &self.etags[at.clone()])
    }
}

/// A page under way.
struct Reader {
    encoder: Encoder,
    /// A row that names fewer columns than this says only what changed.
    partial_below: usize,
    watermark: Option<usize>,
    /// Names of the last row's members and what they stand for: the rows of a page have the same ones in the same order.
    names: Vec<(String, Slot)>,
    page: Page,
}

impl Reader {
    /// Takes one member of `value`.
    fn take(&mut self, row: &Row<'_>) {
        self.page.read += 1;
        let line = self.page.read;
        match row.about() {
            About::Row => {
                let encoded = self.encode(line, row);
                for fault in self.page.batch.left_out.drain(..) {
                    self.page.refusals.add(line, fault);
                }
                if let Err(fault) = encoded {
                    self.page.refusals.add(line, fault);
                    self.page.refused.extend(self.id_in(row));
                }
            }
            About::Gone(id) => match self.encoder.id_of(&id) {
                Some(id) => self.page.entries.push(Entry::Gone(id)),
                None => self.page.refusals.add(line, Fault::row("a row was deleted whose id cannot be read")),
            },
            About::Link => {}
        }
    }

    fn encode(&mut self, line: u64, row: &Row<'_>) -> Result<(), Fault> {
        let mut cells: Vec<Option<Cell<'_>>> = vec![None; self.encoder.width()];
        let mut named = 0;
        for (place, (name, value)) in row.members.iter().enumerate() {
            match self.slot(place, name) {
                Slot::Value(column) => {
                    let left_out = &mut self.page.batch.left_out;
                    let value = read_value(name, value);
                    let value =
                        value.or_else(|fault| self.encoder.leave_out(fault, left_out).map(|()| CellValue::Null))?;
                    cells[column].get_or_insert_default().value = value;
                    named += 1;
                }
                Slot::Target(column) => cells[column].get_or_insert_default().target = read_text(value),
                Slot::Ignored => {}
            }
        }
        self.note_watermark(&cells);
        let at = self.page.batch.rows.len();
        let present = cells.into_iter().enumerate().filter_map(|(column, cell)| Some((column, cell?)));
        self.encoder.encode(line, present, &mut self.page.batch)?;
        let etag = row.etag().filter(|etag| etag.len() <= ETAG_BYTES_MAX).map(|etag| {
            let start = self.page.etags.len();
            self.page.etags.push_str(&etag);
            start..self.page.etags.len()
        });
        let partial = named < self.partial_below;
        self.page.entries.push(Entry::Row { at, etag, partial });
        Ok(())
    }

    /// What the member at a place stands for.
    fn slot(&mut self, place: usize, name: &str) -> Slot {
        if let Some((known, slot)) = self.names.get(place)
            && known == name
        {
            return *slot;
        }
        let slot = self.encoder.wire_slot(name);
        self.names.truncate(place);
        if self.names.len() == place {
            self.names.push((name.to_owned(), slot));
        }
        slot
    }

    fn note_watermark(&mut self, cells: &[Option<Cell<'_>>]) {
        let Some(Some(Cell { value: CellValue::Text(text), .. })) = self.watermark.map(|column| &cells[column]) else {
            return;
        };
        if let Ok(parsed) = parse_text(AttributeType::Datetime, &text.text)
            && let Value::Integer(instant) = parsed.as_value()
        {
            self.page.watermark = self.page.watermark.max(Some(instant));
        }
    }

    /// The id of a row that was refused, if that is not what is wrong with it.
    fn id_in(&self, row: &Row<'_>) -> Option<RowId> {
        let primary = Slot::Value(self.encoder.primary());
        let (_, value) = row.members.iter().find(|(name, _)| self.encoder.wire_slot(name) == primary)?;
        self.encoder.id_of(&read_text(value)?)
    }
}

/// The answer's object.
impl<'de> DeserializeSeed<'de> for &mut Reader {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Reader {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an answer of an OData service")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut has_rows = false;
        while let Some(Text(name)) = object.next_key()? {
            match &*name {
                "value" => {
                    object.next_value_seed(Rows(self))?;
                    has_rows = true;
                }
                "@odata.nextLink" | "@nextLink" => self.page.next_link = object.next_value::<Option<String>>()?,
                "@odata.deltaLink" | "@deltaLink" => self.page.delta_link = object.next_value::<Option<String>>()?,
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        if has_rows { Ok(()) } else { Err(serde::de::Error::custom("it has no `value`, so it is no list of rows")) }
    }
}

/// The list of rows.
struct Rows<'r>(&'r mut Reader);

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let mut row = Row::default();
        while let Some(()) = rows.next_element_seed(&mut row)? {
            self.0.take(&row);
        }
        Ok(())
    }
}

/// One member of `value`, its values unread. Used again for the next.
#[derive(Default)]
struct Row<'de> {
    members: Vec<(Cow<'de, str>, &'de RawValue)>,
}

impl<'de> DeserializeSeed<'de> for &mut Row<'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Row<'de> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        self.members.clear();
        while let Some((Text(name), value)) = object.next_entry()? {
            self.members.push((name, value));
        }
        Ok(())
    }
}

/// What a member of `value` is about.
enum About<'a> {
    /// A row that is there.
    Row,
    /// A row that is gone: its id, empty if it is not told.
    Gone(Cow<'a, str>),
    /// A link of a relationship, which comes as a row of its own entity if it has one.
    Link,
}

impl<'de> Row<'de> {
    fn member(&self, names: [&str; 2]) -> Option<&'de RawValue> {
        self.members.iter().find(|(name, _)| names.contains(&&**name)).map(|(_, value)| *value)
    }

    /// What the service calls this version of the row.
    fn etag(&self) -> Option<Cow<'de, str>> {
        read_text(self.member(["@odata.etag", "@etag"])?)
    }

    /// What this is about.
    fn about(&self) -> About<'de> {
        // Rows begin with their version; only what is none has one of these two.
        let removed = self.member(["@odata.removed", "@removed"]).is_some();
        let context = self.member(["@odata.context", "@context"]).and_then(read_text);
        let about = context.as_deref().and_then(|context| context.rsplit_once("/$")).map_or("", |(_, about)| about);
        match about {
            "deletedEntity" => {}
            "link" | "deletedLink" => return About::Link,
            _ if removed => {}
            _ => return About::Row,
        }
        let id = self.member(["@odata.id", "@id"]).or_else(|| self.member(["id", "id"])).and_then(read_text);
        let key = id.and_then(|id| match id {
            Cow::Borrowed(id) => key_in(id),
            Cow::Owned(id) => key_in(&id).map(|key| Cow::Owned(key.into_owned())),
        });
        About::Gone(key.unwrap_or_default())
    }
}

/// A scalar as text. A service's own types are believed: a number may be the value of a text (a key, for one).
fn read_value<'a>(name: &str, value: &'a RawValue) -> Result<CellValue<'a>, Fault> {
    Ok(match json::read_value(name, value)? {
        CellValue::Text(cell) => CellValue::Text(CellText { quoted: true, ..cell }),
        other => other,
    })
}

fn read_text(value: &RawValue) -> Option<Cow<'_, str>> {
    match read_value("", value) {
        Ok(CellValue::Text(text)) => Some(text.text),
        _ => None,
    }
}
