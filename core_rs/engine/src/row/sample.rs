//! An entity with an attribute of every type, for tests.

use haversack_proto::model;

use crate::schema::{AttributeType, Entity, Ownership};

/// Every attribute type, in the contract's order.
pub(crate) fn kinds() -> impl Iterator<Item = AttributeType> {
    (1..=20).map(|number| AttributeType::try_from(number).expect("in the contract"))
}

/// The name of the sample's attribute of a type: that of the type, as in "multiselectpicklist".
pub(crate) fn attribute_name(kind: AttributeType) -> String {
    format!("{kind:?}").to_lowercase()
}

/// The entity "thing": attribute n has type n; the customer has a companion, field 30.
pub(crate) fn thing() -> Entity {
    let attributes = kinds().map(|kind| model::Attribute {
        number: kind as u32,
        logical_name: attribute_name(kind),
        r#type: kind.into(),
        entity_field_number: if kind == AttributeType::Customer { 30 } else { 0 },
        ..Default::default()
    });
    entity("thing", attributes.collect(), "uniqueidentifier")
}

/// An entity of these attributes.
pub(crate) fn entity(name: &str, attributes: Vec<model::Attribute>, primary_id: &str) -> Entity {
    let entity = model::Entity {
        number: 7,
        logical_name: name.to_owned(),
        ownership: Ownership::User.into(),
        attributes,
        primary_id_attribute: primary_id.to_owned(),
        ..Default::default()
    };
    Entity::from_model(&entity).expect("sound metadata")
}
