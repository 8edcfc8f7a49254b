//! Metadata made ready: entities, attributes and relationships of a published model, found by name or number.

use std::collections::HashMap;

use haversack_proto::model;

use crate::ids::{AttributeNumber, EntityNumber};
use crate::row::FieldType;

pub use model::{AttributeType, Ownership};

/// Attributes that the server sets when a device writes a row, and that no device sets.
pub const STAMPED: [&str; 8] = [
    "createdby",
    "createdon",
    "modifiedby",
    "modifiedon",
    "owningbusinessunit",
    "owningteam",
    "owninguser",
    "versionnumber",
];

/// The metadata of one organization at one revision. Immutable and shared.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    entities: Vec<Entity>,
    by_name: HashMap<String, usize>,
    by_number: HashMap<EntityNumber, usize>,
    relationships: HashMap<String, Relationship>,
}

/// An entity.
#[derive(Clone, Debug)]
pub struct Entity {
    /// Persisted number.
    pub number: EntityNumber,
    /// Logical name.
    pub name: String,
    /// Who owns its rows.
    pub ownership: Ownership,
    /// Field number of the primary id.
    pub primary_id: AttributeNumber,
    /// Field number of the lookup that points at a row's parent of the same entity, where rows form a hierarchy.
    pub hierarchy: Option<AttributeNumber>,
    /// Columns in order of number.
    pub attributes: Vec<Attribute>,
    by_name: HashMap<String, usize>,
    by_number: HashMap<AttributeNumber, usize>,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Field number.
    pub number: AttributeNumber,
    /// Logical name.
    pub name: String,
    /// Kind of values.
    pub kind: AttributeType,
    /// Entities that a lookup may point at and that the schema knows.
    pub targets: Vec<String>,
    /// Field that tells a lookup's target entity, where there are several.
    pub entity_field: Option<AttributeNumber>,
    /// What devices may write into it.
    pub rules: WriteRules,
}

/// What devices may write into an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteRules {
    /// Whether a row must have a value.
    pub required: bool,
    /// Whether it may not be set when a row is made.
    pub create_forbidden: bool,
    /// Whether it may not be changed.
    pub update_forbidden: bool,
    /// Longest text in UTF-16 code units; 0: any.
    pub length_max: u32,
    /// The values of a choice, ascending; empty: any.
    pub options: Vec<i64>,
    /// Of a status: the states that its options are of, where that is said, by option ascending.
    pub states: Vec<(i64, i64)>,
    /// Of a state: the statuses that rows get with its options, where that is said, by option ascending.
    pub default_statuses: Vec<(i64, i64)>,
}

/// A link between entities, with numbers in place of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relationship {
    /// A lookup attribute.
    OneToMany(Lookup),
    /// Two lookups of an intersect entity, in the order of the metadata.
    ManyToMany {
        /// From the link row to the first linked entity.
        first: Lookup,
        /// From the link row to the second linked entity.
        second: Lookup,
    },
}

/// A lookup attribute seen as an edge from `referencing` rows to `referenced` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lookup {
    /// The entity that has the attribute.
    pub referencing: EntityNumber,
    /// The attribute.
    pub attribute: AttributeNumber,
    /// The entity that it points at.
    pub referenced: EntityNumber,
}

/// A contradiction in metadata: a bug of the control plane, or of a hand-written model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Two entities or attributes have one name or number.
    #[error("{0} appears twice; names and numbers must be unique")]
    Duplicate(String),
    /// Something is referred to that is not there.
    #[error("{referrer} refers to {missing}, which is not in the metadata")]
    Missing {
        /// Who refers.
        referrer: String,
        /// To what.
        missing: String,
    },
    /// An enum has no value, or a number is out of range.
    #[error("{0}")]
    Invalid(String),
}

impl Schema {
    /// Whether an entity that a lookup may point at has ids that are no UUIDs.
    pub fn points_at_other_ids(&self, attribute: &Attribute) -> bool {
        let mut targets = attribute.targets.iter().filter_map(|target| self.entity(target));
        targets.any(|target| !target.has_uuids())
    }

    /// Reads the metadata of a model. Relationships to unknown entities are left out.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn from_model(model: &model::Model) -> Result<Self, SchemaError> {
        let mut breaches = Vec::new();
        let schema = Self::read(model, &mut breaches);
        breaches.into_iter().next().map_or(Ok(schema), Err)
    }

    /// Reads the metadata of a model and adds every contradiction to `breaches`. What contradicts is left out.
    pub fn read(model: &model::Model, breaches: &mut Vec<SchemaError>) -> Self {
        let mut schema = Self::default();
        for entity in &model.entities {
            let added = Entity::from_model(entity).and_then(|entity| schema.add(entity));
            breaches.extend(added.err());
        }
        for relationship in &model.relationships {
            match schema.resolve(relationship) {
                Ok(Some(resolved)) => {
                    let name = &relationship.schema_name;
                    if schema.relationships.insert(name.clone(), resolved).is_some() {
                        breaches.push(SchemaError::Duplicate(format!("relationship {name}")));
                    }
                }
                Ok(None) => {}
                Err(breach) => breaches.push(breach),
            }
        }
        schema
    }

    /// All entities, in the model's order.
    pub fn entities(&self) -> &[Entity] {
        &self.entities
    }

    /// The entity of this logical name.
    pub fn entity(&self, name: &str) -> Option<&Entity> {
        self.by_name.get(name).map(|&index| &self.entities[index])
    }

    /// The entity of this number.
    pub fn entity_by_number(&self, number: EntityNumber) -> Option<&Entity> {
        self.by_number.get(&number).map(|&index| &self.entities[index])
    }

    /// The relationship of this schema name.
    pub fn relationship(&self, name: &str) -> Option<&Relationship> {
        self.relationships.get(name)
    }

    /// Every relationship with its schema name, in no order.
    pub fn relationships(&self) -> impl Iterator<Item = (&str, &Relationship)> {
        self.relationships.iter().map(|(name, relationship)| (name.as_str(), relationship))
    }

    fn add(&mut self, entity: Entity) -> Result<(), SchemaError> {
        if self.by_name.contains_key(&entity.name) || self.by_number.contains_key(&entity.number) {
            return Err(SchemaError::Duplicate(format!("entity {}", entity.name)));
        }
        self.by_name.insert(entity.name.clone(), self.entities.len());
        self.by_number.insert(entity.number, self.entities.len());
        self.entities.push(entity);
        Ok(())
    }

    fn resolve(&self, relationship: &model::Relationship) -> Result<Option<Relationship>, SchemaError> {
        use model::relationship::Form;
        let name = &relationship.schema_name;
        match &relationship.form {
            Some(Form::OneToMany(it)) => {
                let edge =
                    self.lookup(name, &it.referencing_entity, &it.referencing_attribute, &it.referenced_entity)?;
                Ok(edge.map(Relationship::OneToMany))
            }
            Some(Form::ManyToMany(it)) => {
                let first = self.lookup(name, &it.intersect_entity, &it.attribute1, &it.entity1)?;
                let second = self.lookup(name, &it.intersect_entity, &it.attribute2, &it.entity2)?;
                Ok(first.zip(second).map(|(first, second)| Relationship::ManyToMany { first, second }))
            }
            None => Err(SchemaError::Invalid(format!("relationship {name} has no form"))),
        }
    }

    fn lookup(&self, name: &str, from: &str, attribute: &str, to: &str) -> Result<Option<Lookup>, SchemaError> {
        let (Some(referencing), Some(referenced)) = (self.entity(from), self.entity(to)) else {
            return Ok(None);
        };
        let attribute = referencing.attribute(attribute).ok_or_else(|| SchemaError::Missing {
            referrer: format!("relationship {name}"),
            missing: format!("attribute {from}.{attribute}"),
        })?;
        if FieldType::from(attribute.kind) != FieldType::Id {
            let attribute = &attribute.name;
            return Err(SchemaError::Invalid(format!("relationship {name} needs {from}.{attribute} to be a lookup")));
        }
        Ok(Some(Lookup { referencing: referencing.number, attribute: attribute.number, referenced: referenced.number }))
    }
}

/// Logical name of the attribute that tells a row's state.
pub const STATE: &str = "statecode";

/// Logical name of the attribute that tells a row's status within its state.
pub const STATUS: &str = "statuscode";

impl Entity {
    /// Whether ids are UUIDs, as they are in Dataverse; else they are texts of the source's own.
    pub fn has_uuids(&self) -> bool {
        let primary = self.attribute_by_number(self.primary_id);
        primary.is_some_and(|primary| primary.kind == AttributeType::Uniqueidentifier)
    }

    /// The state of rows, if the entity has one.
    pub fn state(&self) -> Option<&Attribute> {
        self.attribute(STATE).filter(|attribute| attribute.kind == AttributeType::State)
    }

    /// The status of rows, if the entity has one.
    pub fn status(&self) -> Option<&Attribute> {
        self.attribute(STATUS).filter(|attribute| attribute.kind == AttributeType::Status)
    }

    /// The state of a row that is made without one: the first choice, or 0 if there are none.
    pub fn default_state(&self) -> Option<i64> {
        self.state().map(|state| state.rules.options.first().copied().unwrap_or_default())
    }

    /// The status of a row that comes into a state without one: what the state says, or the first choice of that state;
    /// where choices do not tell their states, the first of all.
    pub fn default_status(&self, state: Option<i64>) -> Option<i64> {
        let status = &self.status()?.rules;
        let of_state = state.and_then(|state| {
            let stated = self.state().into_iter().flat_map(|it| &it.rules.default_statuses);
            let stated = stated.filter(|(it, _)| *it == state).map(|&(_, status)| status);
            let first = status.states.iter().filter(|(_, it)| *it == state).map(|&(status, _)| status);
            stated.filter(|it| status.options.binary_search(it).is_ok()).chain(first).next()
        });
        of_state.or_else(|| status.options.first().copied())
    }

    /// Reads one entity of a model.
    ///
    /// # Errors
    /// The first contradiction within it.
    pub fn from_model(entity: &model::Entity) -> Result<Self, SchemaError> {
        let mut read = Self {
            number: EntityNumber(entity.number),
            name: entity.logical_name.clone(),
            ownership: entity.ownership(),
            primary_id: AttributeNumber(0),
            hierarchy: None,
            attributes: Vec::with_capacity(entity.attributes.len()),
            by_name: HashMap::new(),
            by_number: HashMap::new(),
        };
        if read.ownership == Ownership::Unspecified || entity.number == 0 {
            return Err(SchemaError::Invalid(format!("entity {} needs an ownership and a number above 0", read.name)));
        }
        for attribute in &entity.attributes {
            read.add(Attribute::from_model(&read.name, attribute)?)?;
        }
        read.primary_id = read
            .attribute(&entity.primary_id_attribute)
            .ok_or_else(|| SchemaError::Missing {
                referrer: format!("entity {}", read.name),
                missing: format!("its primary id attribute \"{}\"", entity.primary_id_attribute),
            })?
            .number;
        read.hierarchy = read.parent_lookup(&entity.hierarchy_attribute)?;
        Ok(read)
    }

    /// The lookup of this name, by which rows point at their parents; None for no name.
    fn parent_lookup(&self, name: &str) -> Result<Option<AttributeNumber>, SchemaError> {
        if name.is_empty() {
            return Ok(None);
        }
        let attribute = self.attribute(name).ok_or_else(|| SchemaError::Missing {
            referrer: format!("entity {}", self.name),
            missing: format!("its hierarchy attribute \"{name}\""),
        })?;
        if FieldType::from(attribute.kind) != FieldType::Id || !attribute.targets.contains(&self.name) {
            let entity = &self.name;
            return Err(SchemaError::Invalid(format!(
                "entity {entity} needs {entity}.{name} to be a lookup of itself"
            )));
        }
        Ok(Some(attribute.number))
    }

    /// The attribute of this logical name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.by_name.get(name).map(|&index| &self.attributes[index])
    }

    /// The attribute of this field number.
    pub fn attribute_by_number(&self, number: AttributeNumber) -> Option<&Attribute> {
        self.by_number.get(&number).map(|&index| &self.attributes[index])
    }

    fn add(&mut self, attribute: Attribute) -> Result<(), SchemaError> {
        let index = self.attributes.len();
        let fields = attribute.entity_field.iter().chain([&attribute.number]);
        let is_taken = fields.into_iter().any(|field| {
            let is_companion = |other: &Attribute| other.entity_field == Some(*field);
            self.by_number.contains_key(field) || self.attributes.iter().any(is_companion)
        });
        if is_taken || self.by_name.contains_key(&attribute.name) {
            return Err(SchemaError::Duplicate(format!("attribute {}.{}", self.name, attribute.name)));
        }
        self.by_name.insert(attribute.name.clone(), index);
        self.by_number.insert(attribute.number, index);
        self.attributes.push(attribute);
        Ok(())
    }
}

impl Attribute {
    fn from_model(entity: &str, attribute: &model::Attribute) -> Result<Self, SchemaError> {
        if attribute.number == 0 || attribute.r#type() == AttributeType::Unspecified {
            let name = &attribute.logical_name;
            return Err(SchemaError::Invalid(format!("attribute {entity}.{name} needs a type and a number above 0")));
        }
        Ok(Self {
            number: AttributeNumber(attribute.number),
            name: attribute.logical_name.clone(),
            kind: attribute.r#type(),
            targets: attribute.targets.clone(),
            entity_field: (attribute.entity_field_number != 0)
                .then_some(AttributeNumber(attribute.entity_field_number)),
            rules: WriteRules::from_model(attribute),
        })
    }

    /// The fields that hold its value: its own, and its companion's.
    pub fn fields(&self) -> impl Iterator<Item = AttributeNumber> {
        std::iter::once(self.number).chain(self.entity_field)
    }
}

impl WriteRules {
    fn from_model(attribute: &model::Attribute) -> Self {
        let mut options: Vec<i64> = attribute.options.iter().map(|option| option.value).collect();
        options.sort_unstable();
        let pairs = |of: fn(&model::Option) -> Option<i64>| {
            let mut pairs: Vec<_> = attribute.options.iter().filter_map(|it| Some((it.value, of(it)?))).collect();
            pairs.sort_unstable();
            pairs
        };
        Self {
            required: attribute.required,
            create_forbidden: attribute.create_forbidden || is_stamped(&attribute.logical_name),
            update_forbidden: attribute.update_forbidden || is_stamped(&attribute.logical_name),
            length_max: attribute.max_length,
            options,
            states: pairs(|option| option.state),
            default_statuses: pairs(|option| option.default_status),
        }
    }
}

/// Whether the server alone sets an attribute, whatever the metadata says.
fn is_stamped(name: &str) -> bool {
    STAMPED.contains(&name)
}
