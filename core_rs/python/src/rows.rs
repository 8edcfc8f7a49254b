//! Rows of one entity on their way to Python: JSON objects by logical name, page by page.

use std::collections::HashSet;

use haversack_engine::ids::{AttributeNumber, EntityNumber, Lsn, Ordinal};
use haversack_engine::row::{FieldType, RowError, Value, extract, uuid_text};
use haversack_engine::schema::{Attribute, Schema};
use haversack_proto::error::ErrorReason;
use haversack_staging::{Staging, StoredRow};
use serde_json::{Map, Value as Json};

use crate::errors::Failure;
use crate::models;

/// What is read of which rows.
pub struct Reading<'s> {
    schema: &'s Schema,
    entity: EntityNumber,
    /// Ascending by field number, as `extract` wants them.
    fields: Vec<(AttributeNumber, FieldType)>,
    /// The JSON names of `fields`.
    names: Vec<String>,
    /// The place of the attribute that chooses rows.
    chooser: Option<usize>,
    chosen: HashSet<String>,
}

/// Some rows, in order of their ordinals.
pub struct Page {
    /// Everything up to here is in it.
    pub lsn: Lsn,
    /// The ordinal after which the next page begins, if there is one.
    pub next: Option<Ordinal>,
    /// One JSON object a line.
    pub json_lines: Vec<u8>,
}

impl<'s> Reading<'s> {
    /// Prepares to read attributes of the rows whose `attribute` is one of `values`; of all rows if it is empty.
    pub fn new(
        schema: &'s Schema,
        entity: &str,
        attributes: Vec<String>,
        attribute: &str,
        values: Vec<String>,
    ) -> Result<Self, Failure> {
        let entity = models::entity(schema, entity)?;
        let chooser = (!attribute.is_empty()).then_some(attribute);
        let wanted: HashSet<String> = attributes.into_iter().chain(chooser.map(str::to_owned)).collect();
        if let Some(unknown) = wanted.iter().find(|name| entity.attribute(name).is_none()) {
            let message = format!("{} has no attribute {unknown:?}; import its metadata", entity.name);
            return Err(Failure::new(ErrorReason::AttributeUnknown, message));
        }
        let found = entity.attributes.iter().filter(|attribute| wanted.contains(&attribute.name));
        let mut fields: Vec<_> = found.flat_map(fields_of).collect();
        fields.sort_by_key(|(number, ..)| *number);
        let chooser = fields.iter().position(|(.., name)| Some(name.as_str()) == chooser);
        let (fields, names) = fields.into_iter().map(|(number, kind, name)| ((number, kind), name)).unzip();
        Ok(Self { schema, entity: entity.number, fields, names, chooser, chosen: values.into_iter().collect() })
    }

    /// Reads at most `rows_max` rows whose ordinals are above `after`, as of one moment.
    pub fn page(&self, staging: &dyn Staging, after: Option<Ordinal>, rows_max: usize) -> Result<Page, Failure> {
        let snapshot = staging.snapshot()?;
        let mut page = Page { lsn: snapshot.head(), next: None, json_lines: Vec::new() };
        let (mut count, mut last, mut damaged) = (0, None, None);
        snapshot.rows(self.entity, &mut |row| {
            if page.next.is_some() || damaged.is_some() || after.is_some_and(|after| row.ordinal <= after) {
                return;
            }
            match self.object(row) {
                Ok(Some(_)) if count == rows_max => page.next = last,
                Ok(Some(object)) => {
                    page.json_lines.extend_from_slice(Json::Object(object).to_string().as_bytes());
                    page.json_lines.push(b'\n');
                    (count, last) = (count + 1, Some(row.ordinal));
                }
                Ok(None) => {}
                Err(error) => damaged = Some(error),
            }
        })?;
        match damaged {
            Some(error) => Err(Failure::new(ErrorReason::StagingFailed, format!("{error}; restore a backup"))),
            None => Ok(page),
        }
    }

    /// Prepares to read every attribute.
    pub fn whole(schema: &'s Schema, entity: &str) -> Result<Self, Failure> {
        let attributes = &models::entity(schema, entity)?.attributes;
        let names = attributes.iter().map(|attribute| attribute.name.clone()).collect();
        Self::new(schema, entity, names, "", Vec::new())
    }

    /// A row's message as an object without what is NULL.
    pub fn message(&self, payload: &[u8]) -> Result<Map<String, Json>, RowError> {
        self.read(payload).map(Option::unwrap_or_default)
    }

    /// The row as an object without what is NULL; none if it is deleted or not chosen.
    fn object(&self, row: StoredRow<'_>) -> Result<Option<Map<String, Json>>, RowError> {
        row.payload.map_or(Ok(None), |payload| self.read(payload))
    }

    fn read(&self, payload: &[u8]) -> Result<Option<Map<String, Json>>, RowError> {
        let mut object = Map::new();
        let mut is_chosen = self.chooser.is_none();
        extract(payload, &self.fields, |place, value| {
            let Some(value) = value.map(|value| self.json(&value)) else { return };
            if self.chooser == Some(place) {
                is_chosen = value.as_str().is_some_and(|text| self.chosen.contains(text));
            }
            object.insert(self.names[place].clone(), value);
        })?;
        Ok(is_chosen.then_some(object))
    }

    fn json(&self, value: &Value<'_>) -> Json {
        match value {
            Value::Integer(number) => (*number).into(),
            Value::Real(number) => (*number).into(),
            Value::Truth(truth) => (*truth).into(),
            Value::Text(text) | Value::IdText(text) => (*text).into(),
            Value::Id(uuid) => uuid_text(*uuid).into(),
            Value::Integers(numbers) => numbers.iter().collect(),
            Value::Entity(number) => {
                let entity = self.schema.entities().iter().find(|entity| entity.number == *number);
                entity.map_or(Json::Null, |entity| entity.name.as_str().into())
            }
        }
    }
}

/// The fields of an attribute: its own, and the one that tells a lookup's target entity.
fn fields_of(attribute: &Attribute) -> impl Iterator<Item = (AttributeNumber, FieldType, String)> {
    let own = (attribute.number, attribute.kind.into(), attribute.name.clone());
    let target = attribute.entity_field.map(|number| (number, FieldType::Entity, format!("{}_type", attribute.name)));
    [own].into_iter().chain(target)
}
