//! The values of a mutation, read and checked against the model, in the encoding of rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use haversack_proto::sync::{Mutation, MutationKind};

use super::refusal::Refusal;
use crate::engine::profile::Carried;
use crate::ids::{AttributeNumber, EntityNumber};
use crate::row::{
    DATETIME_MICROS_MAX, DATETIME_MICROS_MIN, DAY_MAX, DAY_MIN, FieldType, Integers, RawField, RowWriter, Value,
    decimal, fields, parse_id, parse_uuid,
};
use crate::schema::{Attribute, AttributeType, Entity, Schema};

/// Fields to write: each as it lies in a payload, None for NULL.
pub(super) type Changes = BTreeMap<AttributeNumber, Option<Vec<u8>>>;

/// A lookup that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) attribute: AttributeNumber,
    pub(super) target: EntityNumber,
    id: Pointer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pointer {
    Uuid([u8; 16]),
    Text(String),
}

/// What a mutation writes.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) changes: Changes,
    pub(super) references: Vec<Reference>,
}

/// Reads values and finds everything that is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) schema: &'a Schema,
    pub(super) entity: &'a Entity,
    pub(super) carried: &'a Carried,
    breaches: Vec<(AttributeNumber, String)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(schema: &'a Schema, entity: &'a Entity, carried: &'a Carried) -> Self {
        Self { schema, entity, carried, breaches: Vec::new() }
    }

    /// What a create or an update writes, or everything that is wrong with it.
    pub(super) fn read(mut self, mutation: &Mutation, id: &Value<'_>) -> Result<Values, Refusal> {
        let raw = self.raw(&mutation.values)?;
        let mut named: BTreeMap<AttributeNumber, Option<RawField<'_>>> =
            mutation.changed.iter().map(|&number| (AttributeNumber(number), None)).collect();
        let is_create = mutation.kind() == MutationKind::Create;
        for (number, field) in raw {
            if !is_create && !named.contains_key(&number) {
                self.breach(number, format!("field {} has a value and is not said to be changed", number.0));
            }
            named.insert(number, Some(field));
        }
        if is_create && let Some(Some(field)) = named.remove(&self.entity.primary_id) {
            self.check_id(field, id);
        }
        let mut values = Values::default();
        for attribute in self.attributes_of(&named) {
            self.check_writable(attribute, is_create);
            self.take(attribute, &named, &mut values);
        }
        if self.breaches.is_empty() { Ok(values) } else { Err(Refusal::invalid(self.breaches)) }
    }

    /// Fields as they were written once, without asking whether they may be: what cannot be read is left out.
    pub(super) fn read_old(&self, payload: &[u8]) -> Changes {
        let kind_of = |number: AttributeNumber| {
            let attribute = self.entity.attributes.iter().find(|it| it.fields().any(|field| field == number))?;
            let is_companion = attribute.number != number;
            let field_type = if is_companion { FieldType::Entity } else { attribute.kind.into() };
            Some((attribute.kind, !self.schema.points_at_other_ids(attribute), field_type))
        };
        let read = |(number, field): (AttributeNumber, RawField<'_>)| {
            let (kind, has_uuids, field_type) = kind_of(number)?;
            let value = field.value(field_type)?;
            let written = canonical(kind, has_uuids, &value);
            Some((number, encode(number, &written.as_value(value))))
        };
        fields(payload).map_while(Result::ok).filter_map(read).collect()
    }

    fn raw<'p>(&self, payload: &'p [u8]) -> Result<Vec<(AttributeNumber, RawField<'p>)>, Refusal> {
        let damaged =
            |error| Refusal::invalid(vec![(self.entity.primary_id, format!("the values are damaged: {error}"))]);
        fields(payload).collect::<Result<_, _>>().map_err(damaged)
    }

    /// The attributes whose fields are named, each once. Fields that devices do not carry are breaches.
    fn attributes_of(&mut self, named: &BTreeMap<AttributeNumber, Option<RawField<'_>>>) -> Vec<&'a Attribute> {
        let mut attributes: Vec<&'a Attribute> = Vec::new();
        for &number in named.keys() {
            let is_carried = self.carried.columns.as_ref().is_none_or(|columns| columns.contains(number));
            let of_number = |attribute: &&Attribute| attribute.fields().any(|field| field == number);
            match self.entity.attributes.iter().find(of_number).filter(|_| is_carried) {
                Some(attribute) if attributes.iter().any(|other| other.number == attribute.number) => {}
                Some(attribute) => attributes.push(attribute),
                None => self.breach(number, format!("{} has no field {} on this device", self.entity.name, number.0)),
            }
        }
        attributes
    }

    fn check_id(&mut self, field: RawField<'_>, id: &Value<'_>) {
        let primary = self.entity.primary_id;
        let kind = self.entity.attribute_by_number(primary).map_or(FieldType::Id, |it| it.kind.into());
        if field.value(kind).as_ref().and_then(crate::row::row_key) != crate::row::row_key(id) {
            self.breach(primary, "the row's id and its primary key differ".into());
        }
    }

    fn check_writable(&mut self, attribute: &Attribute, is_create: bool) {
        let rules = &attribute.rules;
        let forbidden = if is_create { rules.create_forbidden } else { rules.update_forbidden };
        if forbidden || attribute.number == self.entity.primary_id {
            let when = if is_create { "set when a row is made" } else { "changed" };
            self.breach(attribute.number, format!("{} may not be {when} by a device", attribute.name));
        }
    }

    /// Adds an attribute's fields to `values`, in the encoding of rows.
    fn take(
        &mut self,
        attribute: &Attribute,
        named: &BTreeMap<AttributeNumber, Option<RawField<'_>>>,
        values: &mut Values,
    ) {
        for field in attribute.fields() {
            values.changes.insert(field, None);
        }
        let Some(field) = named.get(&attribute.number).copied().flatten() else {
            if attribute.rules.required {
                self.breach(attribute.number, format!("{} needs a value", attribute.name));
            }
            return;
        };
        let Some(value) = field.value(attribute.kind.into()) else {
            self.breach(attribute.number, format!("{} does not hold a value of its type", attribute.name));
            return;
        };
        if let Some(breach) = breach_of(attribute, &value) {
            self.breach(attribute.number, format!("{} {breach}", attribute.name));
            return;
        }
        let written = canonical(attribute.kind, !self.schema.points_at_other_ids(attribute), &value);
        values.changes.insert(attribute.number, encode(attribute.number, &written.as_value(value)));
        if is_lookup(attribute.kind) {
            self.take_target(attribute, &written.as_value(value), named, values);
        }
    }

    /// Adds what a lookup points at.
    fn take_target(
        &mut self,
        attribute: &Attribute,
        id: &Value<'_>,
        named: &BTreeMap<AttributeNumber, Option<RawField<'_>>>,
        values: &mut Values,
    ) {
        let stated = attribute.entity_field.and_then(|field| named.get(&field).copied().flatten());
        let stated = stated.and_then(|field| field.value(FieldType::Entity));
        let target = match (attribute.entity_field, stated) {
            (Some(_), Some(Value::Entity(number))) => self.schema.entity_by_number(number),
            (Some(_), _) => None,
            (None, _) => attribute.targets.first().and_then(|name| self.schema.entity(name)),
        };
        let Some(target) = target.filter(|target| attribute.targets.contains(&target.name)) else {
            let targets = attribute.targets.join(", ");
            self.breach(attribute.number, format!("{} must say which of {targets} it points at", attribute.name));
            return;
        };
        if let Some(field) = attribute.entity_field {
            values.changes.insert(field, encode(field, &Value::Entity(target.number)));
        }
        values.references.push(Reference::new(attribute.number, target.number, id));
    }

    fn breach(&mut self, field: AttributeNumber, text: String) {
        self.breaches.push((field, text));
    }
}

impl Reference {
    /// A lookup of `attribute` that points at the row `id` of `target`.
    pub(super) fn new(attribute: AttributeNumber, target: EntityNumber, id: &Value<'_>) -> Self {
        let id = match *id {
            Value::IdText(text) => Pointer::Text(text.into()),
            Value::Id(uuid) => Pointer::Uuid(uuid),
            _ => Pointer::Text(String::new()),
        };
        Self { attribute, target, id }
    }

    /// The row that it points at.
    pub(super) fn row(&self) -> Value<'_> {
        match &self.id {
            Pointer::Uuid(uuid) => Value::Id(*uuid),
            Pointer::Text(text) => Value::IdText(text),
        }
    }
}

/// A field as it lies in a payload.
pub(super) fn encode(number: AttributeNumber, value: &Value<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut writer = RowWriter::new(&mut out);
    writer.push(number, value);
    writer.finish();
    Some(out).filter(|bytes| !bytes.is_empty())
}

/// Whether values of a type point at rows.
pub(super) fn is_lookup(kind: AttributeType) -> bool {
    matches!(kind, AttributeType::Lookup | AttributeType::Owner | AttributeType::Customer)
}

/// A value in the one form in which rows hold it.
enum Canonical<'v> {
    AsItIs,
    Decimal(Cow<'v, str>),
    Id(Value<'v>),
}

impl Canonical<'_> {
    fn as_value<'s>(&'s self, value: Value<'s>) -> Value<'s> {
        match self {
            Self::AsItIs => value,
            Self::Decimal(text) => Value::Text(text),
            Self::Id(id) => *id,
        }
    }
}

fn canonical<'v>(kind: AttributeType, has_uuids: bool, value: &Value<'v>) -> Canonical<'v> {
    match *value {
        Value::Text(text) if is_decimal(kind) => decimal::canonical(text).map_or(Canonical::AsItIs, Canonical::Decimal),
        Value::IdText(text) => {
            // Where all ids are UUIDs each spelling is the same id; else texts that differ are different ids.
            let uuid = if has_uuids { parse_uuid(text).map(Value::Id) } else { None };
            uuid.or_else(|| parse_id(text)).map_or(Canonical::AsItIs, Canonical::Id)
        }
        _ => Canonical::AsItIs,
    }
}

fn is_decimal(kind: AttributeType) -> bool {
    matches!(kind, AttributeType::Decimal | AttributeType::Money)
}

/// What is wrong with a value; reads on after the attribute's name.
fn breach_of(attribute: &Attribute, value: &Value<'_>) -> Option<String> {
    use AttributeType as Kind;
    let rules = &attribute.rules;
    match (attribute.kind, *value) {
        (Kind::Integer | Kind::Picklist | Kind::State | Kind::Status, Value::Integer(number)) => {
            if i32::try_from(number).is_err() {
                return Some(format!("must be a whole number from {} to {}", i32::MIN, i32::MAX));
            }
            breach_of_choice(&rules.options, number)
        }
        (Kind::Datetime | Kind::DatetimeIndependent, Value::Integer(micros)) => {
            let in_range = (DATETIME_MICROS_MIN..=DATETIME_MICROS_MAX).contains(&micros);
            (!in_range).then(|| "must be a date from 1753-01-01 to 9999-12-31".into())
        }
        (Kind::DateOnly, Value::Integer(day)) => {
            let in_range = (DAY_MIN..=DAY_MAX).contains(&day);
            (!in_range).then(|| "must be a day from 1753-01-01 to 9999-12-31".into())
        }
        (_, Value::Real(real)) => (!real.is_finite()).then(|| "must be a finite number".into()),
        (kind, Value::Text(text)) if is_decimal(kind) => decimal::canonical(text)
            .is_none()
            .then(|| format!("must be a decimal of at most {} digits", decimal::DECIMAL_DIGITS_MAX)),
        (_, Value::Text(text)) => {
            let length = text.encode_utf16().count();
            let too_long = rules.length_max > 0 && length > rules.length_max as usize;
            too_long.then(|| format!("has {length} characters, and may have {}", rules.length_max))
        }
        (_, Value::Integers(set)) => breach_of_set(&rules.options, set),
        _ => None,
    }
}

fn breach_of_set(options: &[i64], set: Integers<'_>) -> Option<String> {
    set.iter().find_map(|choice| breach_of_choice(options, choice))
}

fn breach_of_choice(options: &[i64], choice: i64) -> Option<String> {
    let is_open = options.is_empty() || options.binary_search(&choice).is_ok();
    (!is_open).then(|| format!("has no choice {choice}"))
}
