//! What tokens name users by: an attribute of theirs, compared as the operator `eq` of filters compares.

use haversack_proto::model::{Collation, Settings};
use sha2::{Digest, Sha256};

use super::facts::Facts;
use super::{Directory, Layout};
use crate::filter::comparable;
use crate::ids::{AttributeNumber, RowKey};
use crate::row::{FieldType, Value, parse_uuid, row_key, row_key_of_text};
use crate::schema::Schema;

/// Logical name of the entity whose rows are the users.
const USERS: &str = "systemuser";

/// What users are named by if nothing else is settled.
const USUAL_ATTRIBUTE: &str = "systemuserid";

/// An attribute that names users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Naming {
    attribute: String,
    number: AttributeNumber,
    field: FieldType,
    /// How texts compare; ids compare as they are.
    collation: Option<Collation>,
}

impl Naming {
    /// The field that tells a user's name.
    pub(super) fn field(&self) -> (AttributeNumber, FieldType) {
        (self.number, self.field)
    }

    /// What stands for the name that a row states.
    pub(super) fn key(&self, value: &Value<'_>) -> Option<RowKey> {
        match (self.collation, value) {
            (Some(collation), Value::Text(text)) => text_key(text, collation),
            (None, id) => row_key(id),
            (Some(_), _) => None,
        }
    }

    /// What stands for the name that a token states.
    fn key_of_claim(&self, claim: &str) -> Option<RowKey> {
        self.collation.map_or_else(|| Some(row_key_of_text(claim)), |collation| text_key(claim, collation))
    }
}

/// A hash of what `eq` sees of a text; nothing of a text that it sees nothing of.
fn text_key(text: &str, collation: Collation) -> Option<RowKey> {
    let text = comparable(text, collation);
    let mut key = [0; 16];
    key.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
    (!text.is_empty()).then_some(RowKey(key))
}

impl Layout {
    /// Has users named by the attribute that settings name, if they do. If there is none such, it is told as a breach.
    pub fn name_users(&mut self, schema: &Schema, settings: &Settings, breaches: &mut Vec<String>) {
        let name = settings.user_attribute.as_str();
        if name.is_empty() || name == USUAL_ATTRIBUTE {
            return;
        }
        let entity = schema.entity(USERS);
        let attribute = entity.and_then(|entity| entity.attribute(name));
        let found = attribute.map(|attribute| (attribute.number, FieldType::from(attribute.kind)));
        let (Some(entity), Some((number, field @ (FieldType::Text | FieldType::Id)))) = (entity, found) else {
            breaches.push(format!("users are to be named by \"{name}\", which is no text or id attribute of {USERS}"));
            return;
        };
        // What is not stated is CI_AI: stating it changes no name.
        let stated = if settings.collation() == Collation::CiAs { Collation::CiAs } else { Collation::CiAi };
        let collation = (field == FieldType::Text).then_some(stated);
        let naming = Naming { attribute: name.to_owned(), number, field, collation };
        if let Some(source) = self.entities.get_mut(&entity.number) {
            source.naming = Some(naming.clone());
        }
        self.naming = Some(naming);
    }
}

impl Facts {
    /// Takes the name of a user; `None` if the user has none. Tells whether that is a change.
    pub(super) fn name_user(&mut self, user: RowKey, name: Option<RowKey>) -> bool {
        self.names.set(user, name.map(|name| (name, user))).ends().next().is_some()
    }
}

impl Directory {
    /// Logical name of the attribute of users that tokens name them by.
    pub fn user_attribute(&self) -> &str {
        self.layout.naming.as_ref().map_or(USUAL_ATTRIBUTE, |naming| &naming.attribute)
    }

    /// The users whom a token's claim names: nobody, one, or several of whom none can be meant. Named by their ids, they
    /// need not be in the directory.
    pub fn users_named(&self, claim: &str) -> Vec<RowKey> {
        match &self.layout.naming {
            None => parse_uuid(claim).map(RowKey).into_iter().collect(),
            Some(naming) => {
                naming.key_of_claim(claim).map_or_else(Vec::new, |name| self.facts.names.of(name).collect())
            }
        }
    }

    /// Whether a claim may name somebody else since the last call.
    pub fn take_renamed(&mut self) -> bool {
        std::mem::take(&mut self.renamed)
    }
}
