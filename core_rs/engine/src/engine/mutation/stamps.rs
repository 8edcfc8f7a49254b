//! What the server itself sets when a device writes a row.

use super::author::Author;
use super::values::{Changes, encode};
use crate::directory::{Directory, Holding};
use crate::ids::{EntityNumber, Instant, RowKey};
use crate::row::{FieldType, Value, encoded, read};
use crate::schema::{Attribute, AttributeType, Entity, Schema};

/// Sets fields of one row.
pub(super) struct Stamps<'a> {
    pub(super) schema: &'a Schema,
    pub(super) entity: &'a Entity,
    pub(super) directory: &'a Directory,
    pub(super) author: &'a Author,
    pub(super) now: Instant,
}

impl Stamps<'_> {
    /// What a new row gets: its id; an owner, if it has none; state and status, if it has none; who made it and when.
    pub(super) fn create(&self, id: &Value<'_>, owner: RowKey, changes: &mut Changes) {
        let primary = self.entity.primary_id;
        let kind = self.entity.attribute_by_number(primary).map(|attribute| attribute.kind.into());
        let text;
        let id = match (kind, id) {
            (Some(FieldType::Text), Value::IdText(text)) => Value::Text(text),
            (Some(FieldType::Text), Value::Id(uuid)) => {
                text = crate::row::uuid_text(*uuid);
                Value::Text(&text)
            }
            (_, id) => *id,
        };
        changes.insert(primary, encode(primary, &id));
        self.own(owner, changes);
        choose(self.entity.state(), self.entity.default_state(), changes);
        choose(self.entity.status(), self.entity.default_status(self.state(changes)), changes);
        self.touch("createdon", "createdby", changes);
        self.touch("modifiedon", "modifiedby", changes);
    }

    /// What a changed row gets: with another state a status of that, unless one is set; who changed it and when.
    pub(super) fn update(&self, changes: &mut Changes) {
        if let Some(state) = self.state(changes) {
            choose(self.entity.status(), self.entity.default_status(Some(state)), changes);
        }
        self.touch("modifiedon", "modifiedby", changes);
    }

    /// Makes a user or team the owner, with all that follows.
    pub(super) fn own(&self, owner: RowKey, changes: &mut Changes) {
        if Holding::of(&self.entity.name, self.entity.ownership) != Holding::Owned {
            return;
        }
        let is_team = self.directory.is_team(owner);
        self.point("ownerid", if is_team { "team" } else { "systemuser" }, Some(owner), changes);
        self.point("owningbusinessunit", "businessunit", self.directory.unit_of(owner), changes);
        self.point("owninguser", "systemuser", (!is_team).then_some(owner), changes);
        self.point("owningteam", "team", is_team.then_some(owner), changes);
    }

    fn touch(&self, when: &str, who: &str, changes: &mut Changes) {
        let is_moment = |attribute: &&Attribute| attribute.kind == AttributeType::Datetime;
        if let Some(attribute) = self.entity.attribute(when).filter(is_moment) {
            changes.insert(attribute.number, encode(attribute.number, &Value::Integer(self.now.0)));
        }
        self.point(who, "systemuser", Some(self.author.person.user), changes);
    }

    /// The state that changes bring.
    fn state(&self, changes: &Changes) -> Option<i64> {
        let attribute = self.entity.state()?;
        let field = changes.get(&attribute.number)?.as_deref()?;
        match read(field, attribute.number, attribute.kind) {
            Ok(Some(Value::Integer(state))) => Some(state),
            _ => None,
        }
    }

    /// Sets a lookup, if the entity has it as one of that target.
    fn point(&self, name: &str, target: &str, key: Option<RowKey>, changes: &mut Changes) {
        let points_there = |it: &&Attribute| it.targets.iter().any(|known| known == target);
        let Some(attribute) = self.entity.attribute(name).filter(points_there) else { return };
        changes.insert(attribute.number, key.and_then(|key| encode(attribute.number, &Value::Id(key.0))));
        if let Some(field) = attribute.entity_field {
            let number: Option<EntityNumber> = self.schema.entity(target).map(|entity| entity.number);
            let number = number.filter(|_| key.is_some());
            changes.insert(field, number.and_then(|number| encode(field, &Value::Entity(number))));
        }
    }
}

/// Sets a choice that is not set.
fn choose(attribute: Option<&Attribute>, choice: Option<i64>, changes: &mut Changes) {
    let (Some(attribute), Some(choice)) = (attribute, choice) else { return };
    let number = attribute.number;
    changes
        .entry(number)
        .or_insert(None)
        .get_or_insert_with(|| encode(number, &Value::Integer(choice)).expect("a number is no empty set"));
}

/// Leaves changes out that change nothing. Damaged payloads differ in everything.
pub(super) fn forget_unchanged(changes: &mut Changes, payload: &[u8]) {
    changes.retain(|&number, value| encoded(payload, number).ok() != Some(value.as_deref()));
}
