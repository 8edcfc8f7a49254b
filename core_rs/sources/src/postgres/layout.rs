//! The mapping made ready: which columns are read of which table, and which fields they become.

use std::collections::{BTreeMap, HashMap};

use haversack_engine::ids::{AttributeNumber, EntityNumber};
use haversack_engine::schema::{Attribute, AttributeType, Entity, Schema};
use sha2::{Digest, Sha256};

use super::settings::{AttributeMapping, EntityMapping, Settings, Table, quoted};
use crate::SourceError;

/// Every entity that the mapping and the metadata share, in the order of the mapping.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) entities: Vec<EntityLayout>,
}

/// An entity whose rows are a table's, or stand in the mapping.
#[derive(Debug)]
pub(super) struct EntityLayout {
    pub(super) entity: EntityNumber,
    /// Logical name.
    pub(super) name: String,
    pub(super) origin: Origin,
    /// What is read of each row: columns of the table, or attributes of the mapping's rows. Without repeats.
    pub(super) columns: Vec<String>,
    /// Places in `columns` of what makes the id.
    pub(super) key: Vec<usize>,
    /// Place of the column that marks deleted rows.
    pub(super) deleted: Option<usize>,
    /// Place of the column that tells a row's version.
    pub(super) version: Option<usize>,
    /// Ascending by number.
    pub(super) fields: Vec<Field>,
}

/// Where rows come from.
#[derive(Debug)]
pub(super) enum Origin {
    Table {
        schema: String,
        table: String,
    },
    /// Values of `columns`, row by row.
    Mapping(Vec<Vec<Option<String>>>),
}

/// A field of a row.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) number: AttributeNumber,
    pub(super) kind: AttributeType,
    /// Whether values may be ids that are no UUIDs.
    pub(super) any_id: bool,
    /// The field that tells the target's entity, and that entity.
    pub(super) companion: Option<(AttributeNumber, EntityNumber)>,
    pub(super) from: From,
    /// The choices that stand for texts, if any do.
    pub(super) choices: HashMap<String, i64>,
}

/// Where a field's value comes from.
#[derive(Debug)]
pub(super) enum From {
    /// A place in the entity's columns.
    Column(usize),
    /// The row's id.
    Id,
    /// It is the same in every row.
    Constant(String),
}

impl Layout {
    /// Joins mapping and metadata. Entities and attributes that the metadata does not have are passed over: the
    /// organization has not taken them.
    ///
    /// # Errors
    /// [`SourceError::MappingInvalid`] if they contradict each other.
    pub(super) fn new(settings: &Settings, schema: &Schema) -> Result<Self, SourceError> {
        let mapped = settings.entities.iter().filter_map(|mapping| Some((mapping, schema.entity(&mapping.entity)?)));
        let entities = mapped.map(|(mapping, entity)| EntityLayout::new(mapping, entity, schema));
        Ok(Self { entities: entities.collect::<Result<_, _>>()? })
    }

    /// Places of the entities that a table's rows become.
    pub(super) fn of_table(&self, schema: &str, table: &str) -> Vec<usize> {
        let is_it =
            |origin: &Origin| matches!(origin, Origin::Table { schema: s, table: t } if s == schema && t == table);
        (0..self.entities.len()).filter(|&place| is_it(&self.entities[place].origin)).collect()
    }
}

impl EntityLayout {
    fn new(mapping: &EntityMapping, entity: &Entity, schema: &Schema) -> Result<Self, SourceError> {
        let mut columns = Columns::default();
        let mut fields = Vec::new();
        let (key, deleted, version, origin) = if let Some(table) = &mapping.table {
            for it in &mapping.attributes {
                fields.extend(field_of_column(it, entity, schema, &mut columns)?);
            }
            let key = table.key.iter().map(|name| columns.place(name)).collect();
            let deleted = table.deleted.as_deref().map(|name| columns.place(name));
            let version = table.version.as_deref().map(|name| columns.place(name));
            (key, deleted, version, Origin::of(table))
        } else {
            for attribute in &entity.attributes {
                if mapping.rows.iter().any(|row| row.contains_key(&attribute.name)) {
                    let place = columns.place(&attribute.name);
                    fields.push(Field::new(attribute, From::Column(place), None, schema)?);
                }
            }
            let id = entity.attribute_by_number(entity.primary_id).map_or("", |it| it.name.as_str());
            let key = vec![columns.place(id)];
            let cells = |row: &BTreeMap<String, String>| columns.0.iter().map(|name| row.get(name).cloned()).collect();
            (key, None, None, Origin::Mapping(mapping.rows.iter().map(cells).collect()))
        };
        if key.is_empty() {
            return Err(SourceError::MappingInvalid(format!("{}: name the columns of its key", entity.name)));
        }
        fields.sort_by_key(|field| field.number);
        let (entity, name) = (entity.number, entity.name.clone());
        Ok(Self { entity, name, origin, columns: columns.0, key, deleted, version, fields })
    }

    /// What changes exactly when rows have to be read anew, for what is mapped or for what the table is.
    pub(super) fn fingerprint(&self, table: &impl std::fmt::Debug) -> Vec<u8> {
        // Choices are kept by hash, in no order: they are told in one.
        let mut choices: Vec<_> = self.fields.iter().flat_map(|field| &field.choices).collect();
        choices.sort_unstable();
        let fields: Vec<_> = self.fields.iter().map(|it| (it.number, it.kind, it.companion, &it.from)).collect();
        let told = (&self.origin, &self.columns, &self.key, self.deleted, self.version, fields, choices, table);
        Sha256::digest(format!("{told:?}")).to_vec()
    }

    /// The table's name in SQL; that of the entity if there is no table.
    pub(super) fn relation(&self) -> String {
        match &self.origin {
            Origin::Table { schema, table } => format!("{}.{}", quoted(schema), quoted(table)),
            Origin::Mapping(_) => self.name.clone(),
        }
    }
}

impl Origin {
    fn of(table: &Table) -> Self {
        Self::Table { schema: table.schema.clone(), table: table.name.clone() }
    }
}

fn field_of_column(
    mapping: &AttributeMapping,
    entity: &Entity,
    schema: &Schema,
    columns: &mut Columns,
) -> Result<Option<Field>, SourceError> {
    let Some(attribute) = entity.attribute(&mapping.attribute) else { return Ok(None) };
    let from = match (&mapping.column, &mapping.value) {
        (Some(column), _) => From::Column(columns.place(column)),
        (None, Some(value)) => From::Constant(value.clone()),
        (None, None) => From::Id,
    };
    let mut field = Field::new(attribute, from, mapping.target.as_deref(), schema)?;
    field.choices = mapping.choices.iter().map(|(text, choice)| (text.clone(), *choice)).collect();
    Ok(Some(field))
}

impl Field {
    fn new(attribute: &Attribute, from: From, target: Option<&str>, schema: &Schema) -> Result<Self, SourceError> {
        let any_id = schema.points_at_other_ids(attribute);
        let companion = match attribute.entity_field {
            None => None,
            Some(field) => {
                let name = target.or(attribute.targets.first().map(String::as_str)).unwrap_or_default();
                let unknown =
                    || format!("{}: the metadata has no entity {name:?}; name another target", attribute.name);
                let target = schema.entity(name).ok_or_else(|| SourceError::MappingInvalid(unknown()))?;
                Some((field, target.number))
            }
        };
        let (name, number, kind) = (attribute.name.clone(), attribute.number, attribute.kind);
        Ok(Self { name, number, kind, any_id, companion, from, choices: HashMap::new() })
    }
}

/// Columns in the order of their first use.
#[derive(Default)]
struct Columns(Vec<String>);

impl Columns {
    fn place(&mut self, name: &str) -> usize {
        self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        })
    }
}
