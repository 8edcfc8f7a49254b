//! A small organization to ingest into: one entity with an attribute of every kind, and what it points at.

use std::fmt::Write;
use std::sync::Arc;

use haversack_engine::row::{FieldType, Value, fields};
use haversack_engine::schema::{Entity, Schema};
use haversack_proto::model::{self, AttributeType, Ownership};
use haversack_staging::Staging;
use haversack_staging::ingest::{Action, Format, Ingest, Options, Report, RowError};

use crate::world::{SqliteWorld, World};

/// An id for tests: this digit 32 times.
pub(crate) fn uuid(digit: char) -> String {
    "dddddddd-dddd-dddd-dddd-dddddddddddd".replace('d', &digit.to_string())
}

/// A staging database and the schema of what is ingested into it.
pub(crate) struct Organization {
    pub(crate) staging: Arc<dyn Staging>,
    pub(crate) schema: Schema,
    _world: SqliteWorld,
}

impl Organization {
    pub(crate) fn new() -> Self {
        let world = SqliteWorld::new();
        let model = model::Model { entities: entities(), ..model::Model::default() };
        Self { staging: world.open(), schema: Schema::from_model(&model).unwrap(), _world: world }
    }

    pub(crate) fn start(&self, entity: &str, options: Options) -> Ingest {
        Ingest::start(Arc::clone(&self.staging), &self.schema, entity, options).unwrap()
    }

    /// Ingests a whole file into `account`.
    pub(crate) fn ingest(&self, options: Options, file: impl AsRef<[u8]>) -> Report {
        let mut ingest = self.start("account", options);
        ingest.feed(file.as_ref()).unwrap();
        ingest.finish().unwrap()
    }

    /// The rows of an entity, one a line: ordinal, LSN, and the fields by name.
    pub(crate) fn table(&self, entity: &str) -> String {
        let entity = self.schema.entity(entity).unwrap();
        let mut lines = String::new();
        let snapshot = self.staging.snapshot().unwrap();
        let write = &mut |row: haversack_staging::StoredRow<'_>| {
            let row_fields = row.payload.map_or("deleted".into(), |payload| render(entity, payload));
            writeln!(lines, "{} {} {row_fields}", row.ordinal, row.lsn.0).unwrap();
        };
        snapshot.rows(entity.number, write).unwrap();
        lines
    }

    pub(crate) fn head(&self) -> u64 {
        self.staging.head().unwrap().0
    }
}

/// Options with a file name and nothing special.
pub(crate) fn options(format: Format, action: Action) -> Options {
    Options { format, action, atomic: false, file_name: "accounts".into() }
}

pub(crate) fn csv() -> Options {
    options(Format::Csv, Action::Upsert)
}

pub(crate) fn json() -> Options {
    options(Format::JsonLines, Action::Upsert)
}

/// Errors as `line attribute: message`, one a line.
pub(crate) fn errors(errors: &[RowError]) -> String {
    let mut lines = String::new();
    for error in errors {
        assert_eq!(error.file_name, "accounts");
        writeln!(lines, "{} {}: {}", error.line, error.attribute, error.message).unwrap();
    }
    lines
}

fn render(entity: &Entity, payload: &[u8]) -> String {
    let mut last = 0;
    let fields = fields(payload).map(|field| {
        let (number, raw) = field.unwrap();
        assert!(number.0 > last, "fields ascend");
        last = number.0;
        match entity.attribute_by_number(number) {
            Some(attribute) => format!("{}={}", attribute.name, show(raw.value(attribute.kind.into()).unwrap())),
            None => format!("#{}={}", number.0, show(raw.value(FieldType::Entity).unwrap())),
        }
    });
    fields.collect::<Vec<_>>().join(" ")
}

fn show(value: Value<'_>) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => format!("{text:?}"),
        Value::IdText(text) => format!("id {text:?}"),
        Value::Truth(truth) => truth.to_string(),
        Value::Id(id) => format!("{:02x}..{:02x}", id[0], id[15]),
        Value::Integers(set) => format!("{:?}", set.iter().collect::<Vec<_>>()),
        Value::Entity(entity) => format!("entity {}", entity.0),
    }
}

fn entities() -> Vec<model::Entity> {
    use AttributeType as Kind;
    let account = [
        attribute(1, "accountid", Kind::Uniqueidentifier, &[]),
        attribute(2, "name", Kind::String, &[]),
        attribute(3, "revenue", Kind::Money, &[]),
        attribute(4, "numberofemployees", Kind::Integer, &[]),
        attribute(5, "creditonhold", Kind::Boolean, &[]),
        attribute(6, "interests", Kind::MultiSelectPicklist, &[]),
        attribute(7, "createdon", Kind::Datetime, &[]),
        model::Attribute { entity_field_number: 20, ..attribute(8, "ownerid", Kind::Owner, &["systemuser", "team"]) },
        attribute(9, "parentaccountid", Kind::Lookup, &["account"]),
        attribute(10, "foundedon", Kind::DateOnly, &[]),
        attribute(11, "latitude", Kind::Double, &[]),
        attribute(12, "description", Kind::Memo, &[]),
        attribute(13, "currency", Kind::Lookup, &["currency"]),
        attribute(14, "versionnumber", Kind::Bigint, &[]),
        model::Attribute { entity_field_number: 21, ..attribute(15, "regarding", Kind::Lookup, &["account", "team"]) },
    ];
    vec![
        entity(1, "account", &account),
        entity(2, "systemuser", &[attribute(1, "systemuserid", Kind::Uniqueidentifier, &[])]),
        entity(3, "team", &[attribute(1, "teamid", Kind::Uniqueidentifier, &[])]),
        entity(4, "currency", &[attribute(1, "code", Kind::String, &[]), attribute(2, "rate", Kind::Decimal, &[])]),
        entity(1 << 31, "unnumbered", &[attribute(1, "id", Kind::Integer, &[])]),
    ]
}

/// An entity whose first attribute is its primary id.
fn entity(number: u32, name: &str, attributes: &[model::Attribute]) -> model::Entity {
    model::Entity {
        number,
        logical_name: name.into(),
        primary_id_attribute: attributes[0].logical_name.clone(),
        ownership: Ownership::User.into(),
        attributes: attributes.to_vec(),
        ..model::Entity::default()
    }
}

fn attribute(number: u32, name: &str, kind: AttributeType, targets: &[&str]) -> model::Attribute {
    model::Attribute {
        number,
        logical_name: name.into(),
        r#type: kind.into(),
        targets: targets.iter().map(|&target| target.into()).collect(),
        ..model::Attribute::default()
    }
}
