//! Which entities are the directory, and where its facts are in their rows.

use std::collections::{BTreeSet, HashMap};

use super::hierarchy::HierarchyRules;
use super::naming::Naming;
use crate::ids::{AttributeNumber, EntityNumber};
use crate::row::FieldType;
use crate::schema::{Attribute, Entity, Schema};

/// What the rows of a directory entity say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A user: `businessunitid`, `isdisabled`, `parentsystemuserid`, `positionid`.
    User,
    /// A team: `businessunitid`, `teamtype`.
    Team,
    /// A user in a team: `systemuserid`, `teamid`.
    Membership,
    /// A business unit: `parentbusinessunitid`.
    Unit,
    /// A role: `isinherited`.
    Role,
    /// A role of a user: `systemuserid`, `roleid`.
    UserRole,
    /// A role of a team: `teamid`, `roleid`.
    TeamRole,
    /// What a role grants: `roleid`, `entityname`, `accessright`, `depth`.
    Privilege,
    /// A position: `parentpositionid`.
    Position,
    /// What a user has chosen: `systemuserid` (the row's own id if there is no such attribute), `uilanguageid`,
    /// `timezonename`.
    Settings,
    /// A row shared with somebody: `principalid`, `objectid`, `accessrightsmask`, `inheritedaccessrightsmask`, then
    /// the entities of the two ids as numbers and, where the ids do not tell, as logical names.
    Share,
}

/// An attribute's logical name, the type of its field, and what it is to the directory.
type Fact = (&'static str, FieldType, Role);

/// What an attribute is to the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nothing can be said without it.
    Required,
    /// It may be missing, and is then NULL.
    Optional,
    /// It counts if it is of the type; it is NULL if it is of another.
    Hint,
    /// The field beside a lookup that tells the target's entity.
    Companion,
}

use Role::{Companion, Hint, Optional, Required};

/// Logical name, meaning, and the attributes that tell it, in the order of [`Kind`]'s words.
const ENTITIES: [(&str, Kind, &[Fact]); 11] = [
    (
        "systemuser",
        Kind::User,
        &[
            ("businessunitid", FieldType::Id, Required),
            ("isdisabled", FieldType::Truth, Required),
            ("parentsystemuserid", FieldType::Id, Optional),
            ("positionid", FieldType::Id, Optional),
        ],
    ),
    ("team", Kind::Team, &[("businessunitid", FieldType::Id, Required), ("teamtype", FieldType::Integer, Optional)]),
    (
        "teammembership",
        Kind::Membership,
        &[("systemuserid", FieldType::Id, Required), ("teamid", FieldType::Id, Required)],
    ),
    ("businessunit", Kind::Unit, &[("parentbusinessunitid", FieldType::Id, Required)]),
    ("role", Kind::Role, &[("isinherited", FieldType::Integer, Optional)]),
    (
        "systemuserroles",
        Kind::UserRole,
        &[("systemuserid", FieldType::Id, Required), ("roleid", FieldType::Id, Required)],
    ),
    ("teamroles", Kind::TeamRole, &[("teamid", FieldType::Id, Required), ("roleid", FieldType::Id, Required)]),
    (
        "roleprivileges",
        Kind::Privilege,
        &[
            ("roleid", FieldType::Id, Required),
            ("entityname", FieldType::Text, Required),
            ("accessright", FieldType::Integer, Required),
            ("depth", FieldType::Integer, Required),
        ],
    ),
    ("position", Kind::Position, &[("parentpositionid", FieldType::Id, Required)]),
    (
        "usersettings",
        Kind::Settings,
        &[
            ("systemuserid", FieldType::Id, Optional),
            ("uilanguageid", FieldType::Integer, Optional),
            ("timezonename", FieldType::Text, Optional),
        ],
    ),
    (
        "principalobjectaccess",
        Kind::Share,
        &[
            ("principalid", FieldType::Id, Required),
            ("objectid", FieldType::Id, Required),
            ("accessrightsmask", FieldType::Integer, Required),
            ("inheritedaccessrightsmask", FieldType::Integer, Optional),
            ("principalid", FieldType::Entity, Companion),
            ("objectid", FieldType::Entity, Companion),
            ("principaltypecode", FieldType::Text, Hint),
            ("objecttypecode", FieldType::Text, Hint),
        ],
    ),
];

/// The directory entities of a schema, and what the organization has settled about them.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub(super) entities: HashMap<EntityNumber, Source>,
    /// Every entity by its logical name.
    numbers: HashMap<Box<str>, EntityNumber>,
    /// Entities whose rows are kept, so that they can be shared.
    pub(super) carried: BTreeSet<EntityNumber>,
    /// Who reports to whom.
    pub(crate) hierarchy: HierarchyRules,
    /// What users are named by, if not by their ids.
    pub(super) naming: Option<Naming>,
}

/// One directory entity of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) kind: Kind,
    /// In the order of [`ENTITIES`]; `None` for those that the schema lacks.
    pub(super) attributes: Vec<Option<(AttributeNumber, FieldType)>>,
    /// The entity that a share's `objectid` points at, if there is only one.
    pub(super) sole_object: Option<EntityNumber>,
    /// What users are named by, if these are the users and not named by their ids.
    pub(super) naming: Option<Naming>,
}

impl Layout {
    /// Finds the directory in a schema. A directory entity that lacks a fact is left out and told as a breach.
    pub fn find(schema: &Schema, hierarchy: HierarchyRules, breaches: &mut Vec<String>) -> Self {
        let numbers = schema.entities().iter().map(|entity| (entity.name.as_str().into(), entity.number)).collect();
        let mut layout = Self { numbers, hierarchy, ..Self::default() };
        for (name, kind, facts) in ENTITIES {
            let Some(entity) = schema.entity(name) else { continue };
            match facts.iter().map(|fact| attribute_of(entity, *fact)).collect() {
                Ok(attributes) => {
                    let sole_object = entity.attribute("objectid").and_then(|object| sole_target(object, &layout));
                    layout.entities.insert(entity.number, Source { kind, attributes, sole_object, naming: None });
                }
                Err(breach) => breaches.push(breach),
            }
        }
        layout
    }

    /// Adds entities whose rows are kept.
    pub fn carry(&mut self, entities: impl IntoIterator<Item = EntityNumber>) {
        self.carried.extend(entities);
    }

    /// Whether rows of this entity tell something of the directory.
    pub fn contains(&self, entity: EntityNumber) -> bool {
        self.entities.contains_key(&entity)
    }

    /// The number of an entity.
    pub(super) fn number(&self, entity: &str) -> Option<EntityNumber> {
        self.numbers.get(entity).copied()
    }
}

fn sole_target(attribute: &Attribute, layout: &Layout) -> Option<EntityNumber> {
    match attribute.targets.as_slice() {
        [target] => layout.number(target),
        _ => None,
    }
}

fn attribute_of(entity: &Entity, (name, field, role): Fact) -> Result<Option<(AttributeNumber, FieldType)>, String> {
    let attribute = entity.attribute(name);
    if role == Companion {
        return Ok(attribute.and_then(|attribute| attribute.entity_field).map(|number| (number, field)));
    }
    let found = attribute.filter(|attribute| FieldType::from(attribute.kind) == field);
    if found.is_some() || role == Hint || (role == Optional && attribute.is_none()) {
        return Ok(found.map(|attribute| (attribute.number, field)));
    }
    Err(format!("{} needs an attribute \"{name}\" of field type {field:?}: the directory is read from it", entity.name))
}
