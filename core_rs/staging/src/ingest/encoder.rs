//! Encodes rows of one entity: names to attributes, texts to typed fields.

use std::borrow::Cow;
use std::collections::HashMap;

use haversack_engine::ids::{AttributeNumber, EntityNumber};
use haversack_engine::row::{RowWriter, Value, parse_id, parse_text};
use haversack_engine::schema::{Attribute, AttributeType, Entity, Schema};
use haversack_proto::error::ErrorReason;

use super::Action;
use super::batch::{Batch, Fault};
use super::nearest::nearest;
use crate::{ROW_BYTES_MAX, RowId};

/// The annotation that tells a lookup's target entity in the Web API.
const TARGET_ANNOTATION: &str = "Microsoft.Dynamics.CRM.lookuplogicalname";

/// Characters of a bad value that a message quotes.
const QUOTED_CHARS_MAX: usize = 64;

/// What a name in a file stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// The value of the column with this index.
    Value(usize),
    /// The target entity of the lookup with this index.
    Target(usize),
    /// Something that is not read.
    Ignored,
}

/// What a file says of one column of a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell<'a> {
    /// The value.
    pub(super) value: CellValue<'a>,
    /// Logical name of the lookup's target entity.
    pub(super) target: Option<Cow<'a, str>>,
}

/// What a file says of a column's value.
#[derive(Clone, Debug, Default)]
pub(super) enum CellValue<'a> {
    /// Nothing: a patch leaves it as it is.
    #[default]
    Unnamed,
    /// It is NULL.
    Null,
    /// It is this.
    Text(CellText<'a>),
}

/// A value's text.
#[derive(Clone, Debug)]
pub(super) struct CellText<'a> {
    /// The text, unescaped.
    pub(super) text: Cow<'a, str>,
    /// Whether it was written as text: a bare JSON number is no value of a text attribute.
    pub(super) quoted: bool,
}

/// A column that rows may have.
#[derive(Debug)]
struct Column {
    name: String,
    number: AttributeNumber,
    kind: AttributeType,
    /// Whether values are ids of rows that need not have a UUID.
    any_id: bool,
    /// Field of the target entity.
    entity_field: Option<AttributeNumber>,
    targets: Vec<String>,
}

/// Turns rows of one entity into their canonical bytes.
#[derive(Debug)]
pub(super) struct Encoder {
    action: Action,
    /// Whether rows are taken as they are, since they are a source's: a lookup may leave untold which entity it points at,
    /// and a value that its attribute cannot hold is left out of its row.
    lenient: bool,
    entity: String,
    /// In order of number.
    columns: Vec<Column>,
    primary: usize,
    /// Columns by logical name, and by `_<name>_value` for lookups.
    values: HashMap<String, usize>,
    /// Every entity of the schema.
    entities: HashMap<String, EntityNumber>,
}

impl Encoder {
    /// Prepares for an entity of the schema.
    pub(super) fn new(schema: &Schema, entity: &Entity, action: Action) -> Self {
        let mut columns: Vec<_> = entity.attributes.iter().map(|attribute| Column::new(schema, attribute)).collect();
        columns.sort_by_key(|column| column.number);
        let mut values = HashMap::new();
        for (index, column) in columns.iter().enumerate() {
            values.insert(column.name.clone(), index);
            if column.is_lookup() {
                values.entry(format!("_{}_value", column.name)).or_insert(index);
            }
        }
        let primary = columns.iter().position(|column| column.number == entity.primary_id);
        Self {
            action,
            lenient: false,
            entity: entity.name.clone(),
            columns,
            primary: primary.expect("the schema has checked that the primary id is an attribute"),
            values,
            entities: schema.entities().iter().map(|entity| (entity.name.clone(), entity.number)).collect(),
        }
    }

    /// Prepares for rows of a source outside, which are taken with what they do not tell, and without what no device could
    /// hold: nobody can mend them here.
    pub(super) fn lenient(schema: &Schema, entity: &Entity, action: Action) -> Self {
        Self { lenient: true, ..Self::new(schema, entity, action) }
    }

    /// What a name on the wire of a source stands for. Beside names as they are, `_x_value` is `x`, and case is the
    /// source's own; what the metadata does not have is passed over.
    pub(super) fn wire_slot(&self, name: &str) -> Slot {
        let (base, annotation) = name.split_once('@').map_or((name, None), |(base, rest)| (base, Some(rest)));
        let column = self.values.get(base).copied().or_else(|| {
            let plain = base.strip_prefix('_').and_then(|rest| rest.strip_suffix("_value")).unwrap_or(base);
            self.values.get(&plain.to_ascii_lowercase()).copied()
        });
        match (column, annotation) {
            (Some(column), None) => Slot::Value(column),
            (Some(column), Some(TARGET_ANNOTATION)) => Slot::Target(column),
            _ => Slot::Ignored,
        }
    }

    /// How many columns rows may have.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The row id in a text, if it can be one.
    pub(super) fn id_of(&self, text: &str) -> Option<RowId> {
        let cell = CellText { text: text.into(), quoted: true };
        self.columns[self.primary].row_id(&cell).ok()
    }

    /// What a name stands for. Fails, with the nearest known names, if it stands for nothing.
    pub(super) fn slot(&self, name: &str) -> Result<Slot, Fault> {
        let slot = match name.split_once('@') {
            Some((base, TARGET_ANNOTATION)) => self.values.get(base).map(|&index| Slot::Target(index)),
            Some(_) => Some(Slot::Ignored),
            None => self.value_slot(name).or_else(|| self.target_slot(name.strip_suffix("_type")?)),
        };
        match (self.action, slot) {
            (Action::Delete, Some(Slot::Value(index))) if index == self.primary => Ok(Slot::Value(index)),
            (Action::Delete, _) => Ok(Slot::Ignored),
            (_, Some(slot)) => Ok(slot),
            (_, None) if self.lenient => Ok(Slot::Ignored),
            (_, None) => Err(self.unknown(name)),
        }
    }

    /// Whether rows may change places: a patch keeps the order of the file, so that its first refusals are the first.
    pub(super) fn any_order(&self) -> bool {
        self.action != Action::Patch
    }

    /// Index of the column that holds the row's id.
    pub(super) fn primary(&self) -> usize {
        self.primary
    }

    /// Logical name of a column.
    pub(super) fn name(&self, column: usize) -> &str {
        &self.columns[column].name
    }

    /// Adds a row to a batch. `cells` are those of the columns that the row names, ascending.
    pub(super) fn encode<'a>(
        &self,
        line: u64,
        cells: impl Iterator<Item = (usize, Cell<'a>)>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let place = batch.place();
        match self.encode_fields(cells, batch) {
            Ok(id) => {
                batch.push(line, id, place);
                Ok(())
            }
            Err(fault) => {
                batch.undo(place);
                Err(fault)
            }
        }
    }

    fn encode_fields<'a>(
        &self,
        cells: impl Iterator<Item = (usize, Cell<'a>)>,
        batch: &mut Batch,
    ) -> Result<RowId, Fault> {
        let mut id = None;
        let mut row = RowWriter::new(&mut batch.payloads);
        for (index, cell) in cells {
            let column = &self.columns[index];
            if self.action == Action::Patch && !matches!(cell.value, CellValue::Unnamed) {
                batch.named.extend([column.number].into_iter().chain(column.entity_field));
            }
            let CellValue::Text(text) = cell.value else { continue };
            if index == self.primary {
                id = Some(column.row_id(&text)?);
            }
            if self.action != Action::Delete {
                let encoded = self.encode_field(column, &text, cell.target.as_deref(), &mut row);
                encoded.or_else(|fault| self.leave_out(fault, &mut batch.left_out))?;
            }
        }
        let bytes = row.finish();
        if bytes > ROW_BYTES_MAX {
            return Err(too_large(&format!("its encoding has {bytes} bytes, and the limit is {ROW_BYTES_MAX}")));
        }
        id.ok_or_else(|| Fault::of(self.name(self.primary), "the row has no id; give every row its primary id"))
    }

    /// Passes over a value that cannot be read, if rows are a source's.
    pub(super) fn leave_out(&self, fault: Fault, left_out: &mut Vec<Fault>) -> Result<(), Fault> {
        if !self.lenient {
            return Err(fault);
        }
        left_out.push(Fault { message: format!("{}; the value is left out", fault.message), ..fault });
        Ok(())
    }

    fn encode_field(
        &self,
        column: &Column,
        text: &CellText<'_>,
        target: Option<&str>,
        row: &mut RowWriter<'_>,
    ) -> Result<(), Fault> {
        column.with_value(text, |value| row.push(column.number, value))?;
        if let Some(field) = column.entity_field
            && let Some(entity) = self.target(column, target)?
        {
            row.push(field, &Value::Entity(entity));
        }
        Ok(())
    }

    /// The entity that a lookup points at; `None` if the metadata does not have it, so that no device can either.
    ///
    /// Owners and customers are of few entities, always; any other lookup may point further than the metadata goes.
    fn target(&self, column: &Column, target: Option<&str>) -> Result<Option<EntityNumber>, Fault> {
        let name = &column.name;
        let Some(target) = target.filter(|target| !target.is_empty()) else {
            if self.lenient {
                return Ok(None);
            }
            let targets = column.targets.join(", ");
            let message = format!(
                "the lookup can point at several entities; say which in {name}_type or _{name}_value@{TARGET_ANNOTATION}, as {targets}"
            );
            return Err(Fault::of(name, message));
        };
        if !self.lenient && column.kind != AttributeType::Lookup && !column.targets.iter().any(|known| known == target)
        {
            let message = format!("it cannot point at {}, only at {}", quote(target), column.targets.join(", "));
            return Err(Fault::of(name, message));
        }
        Ok(self.entities.get(target).copied())
    }

    fn value_slot(&self, name: &str) -> Option<Slot> {
        self.values.get(name).map(|&index| Slot::Value(index))
    }

    fn target_slot(&self, name: &str) -> Option<Slot> {
        self.values.get(name).filter(|&&index| self.columns[index].is_lookup()).map(|&index| Slot::Target(index))
    }

    fn unknown(&self, name: &str) -> Fault {
        let near = nearest(name, self.columns.iter().map(|column| column.name.as_str()));
        let hint = match &near[..] {
            [] => "import its metadata or leave it out".to_owned(),
            near => format!("did you mean {}?", near.join(" or ")),
        };
        let message = format!("{} has no attribute {}; {hint}", self.entity, quote(name));
        Fault { attribute: shorten(name).into_owned(), message, reason: ErrorReason::AttributeUnknown }
    }
}

impl Column {
    fn new(schema: &Schema, attribute: &Attribute) -> Self {
        Self {
            name: attribute.name.clone(),
            number: attribute.number,
            kind: attribute.kind,
            any_id: schema.points_at_other_ids(attribute),
            entity_field: attribute.entity_field,
            targets: attribute.targets.clone(),
        }
    }

    fn is_lookup(&self) -> bool {
        matches!(self.kind, AttributeType::Lookup | AttributeType::Owner | AttributeType::Customer)
    }

    fn is_text(&self) -> bool {
        matches!(self.kind, AttributeType::String | AttributeType::Memo | AttributeType::EntityName)
    }

    /// Reads a value and lends it to `take`.
    fn with_value<T>(&self, cell: &CellText<'_>, take: impl FnOnce(&Value<'_>) -> T) -> Result<T, Fault> {
        let text = &*cell.text;
        if self.is_text() && !cell.quoted {
            return Err(Fault::of(&self.name, format!("{} is not text; put it in quotes", quote(text))));
        }
        if self.any_id
            && let Some(id) = parse_id(text)
        {
            return Ok(take(&id));
        }
        match parse_text(self.kind, text) {
            Ok(parsed) => Ok(take(&parsed.as_value())),
            Err(error) => Err(Fault::of(&self.name, format!("{} {error}", quote(text)))),
        }
    }

    /// Reads the value of a primary id.
    fn row_id(&self, text: &CellText<'_>) -> Result<RowId, Fault> {
        let invalid =
            || Fault::of(&self.name, format!("{} cannot be an id; give a UUID or a short text", quote(&text.text)));
        self.with_value(text, row_id_of)?.ok_or_else(invalid)
    }
}

/// The id in a value; text is that text, as it is in every lookup.
fn row_id_of(value: &Value<'_>) -> Option<RowId> {
    match value {
        Value::Id(uuid) => Some(RowId::Uuid(*uuid)),
        Value::Integer(number) => Some(RowId::Text(number.to_string().into())),
        Value::Text(text) | Value::IdText(text) => match parse_id(text)? {
            Value::Id(uuid) => Some(RowId::Uuid(uuid)),
            _ => Some(RowId::Text((*text).into())),
        },
        Value::Real(_) | Value::Truth(_) | Value::Integers(_) | Value::Entity(_) => None,
    }
}

/// A row above a limit.
pub(super) fn too_large(message: &str) -> Fault {
    Fault {
        reason: ErrorReason::RowTooLarge,
        ..Fault::row(format!("the row is too large: {message}; shorten its values"))
    }
}

/// A value as messages show it.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", shorten(text))
}

fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}
