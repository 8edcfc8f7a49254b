//! Which entities are the directory, and where its facts are in their rows.

use std::collections::HashMap;

use crate::ids::{AttributeNumber, EntityNumber};
use crate::row::FieldType;
use crate::schema::{Entity, Schema};

/// What the rows of a directory entity say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A user: `businessunitid`, `isdisabled`.
    User,
    /// A team: `businessunitid`.
    Team,
    /// A user in a team: `systemuserid`, `teamid`.
    Membership,
    /// A business unit: `parentbusinessunitid`.
    Unit,
    /// A role.
    Role,
    /// A role of a user: `systemuserid`, `roleid`.
    UserRole,
    /// A role of a team: `teamid`, `roleid`.
    TeamRole,
    /// What a role grants: `roleid`, `entityname`, `accessright`, `depth`.
    Privilege,
}

/// An attribute's logical name and the type of its field.
type Fact = (&'static str, FieldType);

/// Logical name, meaning, and the attributes that tell it, in the order of [`Kind`]'s words.
const ENTITIES: [(&str, Kind, &[Fact]); 8] = [
    ("systemuser", Kind::User, &[("businessunitid", FieldType::Id), ("isdisabled", FieldType::Truth)]),
    ("team", Kind::Team, &[("businessunitid", FieldType::Id)]),
    ("teammembership", Kind::Membership, &[("systemuserid", FieldType::Id), ("teamid", FieldType::Id)]),
    ("businessunit", Kind::Unit, &[("parentbusinessunitid", FieldType::Id)]),
    ("role", Kind::Role, &[]),
    ("systemuserroles", Kind::UserRole, &[("systemuserid", FieldType::Id), ("roleid", FieldType::Id)]),
    ("teamroles", Kind::TeamRole, &[("teamid", FieldType::Id), ("roleid", FieldType::Id)]),
    (
        "roleprivileges",
        Kind::Privilege,
        &[
            ("roleid", FieldType::Id),
            ("entityname", FieldType::Text),
            ("accessright", FieldType::Integer),
            ("depth", FieldType::Integer),
        ],
    ),
];

/// The directory entities of a schema.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub(super) entities: HashMap<EntityNumber, Source>,
}

/// One directory entity of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) kind: Kind,
    /// In the order of [`ENTITIES`].
    pub(super) attributes: Vec<(AttributeNumber, FieldType)>,
}

impl Layout {
    /// Finds the directory in a schema. A directory entity that lacks a fact is left out and told as a breach.
    pub fn find(schema: &Schema, breaches: &mut Vec<String>) -> Self {
        let mut layout = Self::default();
        for (name, kind, facts) in ENTITIES {
            let Some(entity) = schema.entity(name) else { continue };
            match facts.iter().map(|fact| attribute_of(entity, *fact)).collect() {
                Ok(attributes) => {
                    layout.entities.insert(entity.number, Source { kind, attributes });
                }
                Err(breach) => breaches.push(breach),
            }
        }
        layout
    }

    /// Whether rows of this entity tell something of the directory.
    pub fn contains(&self, entity: EntityNumber) -> bool {
        self.entities.contains_key(&entity)
    }
}

fn attribute_of(entity: &Entity, (name, field): Fact) -> Result<(AttributeNumber, FieldType), String> {
    let attribute =
        entity.attribute(name).filter(|attribute| FieldType::from(attribute.kind) == field).ok_or_else(|| {
            format!(
                "{} needs an attribute \"{name}\" of field type {field:?}: the directory is read from it",
                entity.name
            )
        })?;
    Ok((attribute.number, field))
}
