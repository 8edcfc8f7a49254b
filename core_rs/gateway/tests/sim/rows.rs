//! Rows as bytes and as cells, and the ids that the organization's rows have.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use haversack_engine::ids::AttributeNumber;
use haversack_engine::row::{FieldType, Value, extract};
use haversack_proto::model::Attribute;

use crate::views::draw::{Cell, Cells};
use crate::views::organization::{LOOKUPS, OWNER, entities};
use crate::views::world::encode;

/// A row by entity and number; see [`crate::views::draw::key`].
pub(crate) type Row = (u32, u32);

/// Every field of every entity with its type, ascending.
static FIELDS: LazyLock<BTreeMap<u32, Vec<(AttributeNumber, FieldType)>>> =
    LazyLock::new(|| entities().iter().map(|entity| (entity.number, fields(&entity.attributes))).collect());

fn fields(attributes: &[Attribute]) -> Vec<(AttributeNumber, FieldType)> {
    let own = attributes.iter().map(|it| (AttributeNumber(it.number), FieldType::from(it.r#type())));
    let companions = attributes.iter().filter(|it| it.entity_field_number > 0);
    let companions = companions.map(|it| (AttributeNumber(it.entity_field_number), FieldType::Entity));
    let mut fields: Vec<_> = own.chain(companions).collect();
    fields.sort_by_key(|field| field.0);
    fields
}

/// What the bytes of a row say.
pub(crate) fn decoded(entity: u32, payload: &[u8]) -> Cells {
    let (fields, mut cells) = (&FIELDS[&entity], Cells::new());
    let take = |at: usize, value: Option<Value<'_>>| {
        let number = fields[at].0.0;
        cells.extend(value.map(|value| (number, cell(value))));
    };
    extract(payload, fields, take).expect("rows are sound");
    cells
}

/// The bytes of a row.
pub(crate) fn encoded(cells: &Cells) -> Vec<u8> {
    let mut payload = Vec::new();
    encode(cells, &mut payload);
    payload
}

fn cell(value: Value<'_>) -> Cell {
    match value {
        Value::Integer(number) => Cell::Integer(number),
        Value::Real(number) => Cell::Real(number),
        Value::Text(text) => Cell::Text(text.to_owned()),
        Value::Truth(truth) => Cell::Truth(truth),
        Value::Id(id) => Cell::Id(id),
        Value::Entity(entity) => Cell::Entity(entity.0),
        Value::Integers(set) => Cell::Set(set.iter().collect()),
        Value::IdText(text) => unreachable!("every id here is a UUID: {text:?}"),
    }
}

/// Which row an id names.
pub(crate) fn row_of(id: &[u8]) -> Row {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
    (number(&id[..4]), number(&id[12..]))
}

/// The field that tells of which entity an owner is.
pub(crate) const OWNER_ENTITY: u32 = 11;

/// The field that tells a lookup's target, if the lookup has one.
pub(crate) fn companion_of(entity: u32, field: u32) -> Option<u32> {
    lookups(entity).find(|lookup| lookup.0 == field && lookup.1 > 0).map(|lookup| lookup.1)
}

/// Whether a field tells the target of a lookup.
pub(crate) fn is_companion(entity: u32, field: u32) -> bool {
    lookups(entity).any(|lookup| lookup.1 == field)
}

/// Lookups of an entity, each with the field that tells its target.
fn lookups(entity: u32) -> impl Iterator<Item = (u32, u32)> {
    let own = LOOKUPS.into_iter().filter(move |it| it.0 == entity).map(|it| (it.1, it.2));
    own.chain([(OWNER, OWNER_ENTITY)])
}
