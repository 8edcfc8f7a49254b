//! Row messages described for other protobuf runtimes: one message per entity, made from the metadata.

use std::collections::HashSet;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, OneofDescriptorProto,
};

use super::{ColumnSelection, FieldType};
use crate::ids::AttributeNumber;
use crate::schema::Entity;

/// The name of an entity's row message: its logical name with every word's first letter in upper case
/// ("opportunityproduct" is `Opportunityproduct`, "new_site" is `New_Site`). Underscores stay, so that different
/// entities have different messages. A name that is no identifier gives way to the entity's number.
///
/// The message of several rows, as in a batch, is this name with `Rows` behind it and has them in field 1.
pub fn message_name(entity: &Entity) -> String {
    if !is_identifier(&entity.name) {
        return format!("Entity{}_", entity.number.0);
    }
    let words = entity.name.split('_').map(|word| match word.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => String::new(),
    });
    words.collect::<Vec<_>>().join("_")
}

/// A serialized `google.protobuf.FileDescriptorSet` of one file: for every entity its row message, with the selected
/// fields or all, and its `Rows` message. Fields are `optional`: absence is NULL.
pub fn descriptors(entities: &[(&Entity, Option<&ColumnSelection>)], package: &str) -> Vec<u8> {
    FileDescriptorSet { file: vec![file(entities, package)] }.encode_to_vec()
}

/// The file that [`descriptors`] serializes.
pub(super) fn file(entities: &[(&Entity, Option<&ColumnSelection>)], package: &str) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(format!("{}.proto", package.replace('.', "/"))),
        package: Some(package.to_owned()),
        message_type: entities
            .iter()
            .flat_map(|&(entity, columns)| [row_message(entity, columns), rows_message(entity, package)])
            .collect(),
        syntax: Some("proto3".to_owned()),
        ..Default::default()
    }
}

fn row_message(entity: &Entity, columns: Option<&ColumnSelection>) -> DescriptorProto {
    let mut fields: Vec<_> = entity
        .attributes
        .iter()
        .flat_map(|attribute| {
            let companion = attribute.entity_field.map(|number| {
                let name = format!("{}_entity", attribute.name);
                field(number, &name, FieldType::Entity)
            });
            [Some(field(attribute.number, &attribute.name, attribute.kind.into())), companion]
        })
        .flatten()
        .filter(|field| columns.is_none_or(|columns| columns.contains(AttributeNumber(field.number() as u32))))
        .collect();
    fields.sort_by_key(|field| field.number);
    give_unique_names(&mut fields);
    let oneof_decl = add_presence(&mut fields);
    DescriptorProto { name: Some(message_name(entity)), field: fields, oneof_decl, ..Default::default() }
}

fn rows_message(entity: &Entity, package: &str) -> DescriptorProto {
    let name = message_name(entity);
    let rows = FieldDescriptorProto {
        name: Some("rows".to_owned()),
        number: Some(1),
        label: Some(Label::Repeated.into()),
        r#type: Some(Type::Message.into()),
        type_name: Some(format!(".{package}.{name}")),
        ..Default::default()
    };
    DescriptorProto { name: Some(name + "Rows"), field: vec![rows], ..Default::default() }
}

fn field(number: AttributeNumber, name: &str, field_type: FieldType) -> FieldDescriptorProto {
    let (label, encoding) = match field_type {
        FieldType::Integer => (Label::Optional, Type::Sint64),
        FieldType::Real => (Label::Optional, Type::Double),
        FieldType::Text => (Label::Optional, Type::String),
        FieldType::Truth => (Label::Optional, Type::Bool),
        FieldType::Id => (Label::Optional, Type::Bytes),
        FieldType::Entity => (Label::Optional, Type::Uint32),
        FieldType::Integers => (Label::Repeated, Type::Sint64),
    };
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number.0 as i32),
        label: Some(label.into()),
        r#type: Some(encoding.into()),
        ..Default::default()
    }
}

/// Gives a name of its own to every field whose name is no identifier, or is that of an earlier field: runtimes refuse
/// a file with such names, and they refuse names that only differ in what JSON drops from them.
fn give_unique_names(fields: &mut [FieldDescriptorProto]) {
    let mut taken = HashSet::new();
    for field in fields {
        if !is_identifier(field.name()) || !taken.insert(json_name(field.name())) {
            let mut name = format!("attribute_{}", field.number());
            while !taken.insert(json_name(&name)) {
                name.insert(0, 'X');
            }
            field.name = Some(name);
        }
    }
}

/// Marks fields that are not repeated as `optional`, which in a descriptor is a oneof for each. Returns the oneofs.
fn add_presence(fields: &mut [FieldDescriptorProto]) -> Vec<OneofDescriptorProto> {
    let mut names: HashSet<String> = fields.iter().map(|field| field.name().to_owned()).collect();
    let mut oneofs = Vec::new();
    for field in fields.iter_mut().filter(|field| field.label() == Label::Optional) {
        // As protoc names them.
        let mut name = format!("_{}", field.name().strip_prefix('_').unwrap_or(field.name()));
        while !names.insert(name.clone()) {
            name.insert(0, 'X');
        }
        field.proto3_optional = Some(true);
        field.oneof_index = Some(oneofs.len() as i32);
        oneofs.push(OneofDescriptorProto { name: Some(name), options: None });
    }
    oneofs
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// The name by which protobuf's JSON form knows a field: without underscores, a letter behind one in upper case.
fn json_name(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |json, word| match word.split_at_checked(1) {
        Some((first, rest)) => json + &first.to_ascii_uppercase() + rest,
        None => json,
    })
}

#[cfg(test)]
mod tests {
    use haversack_proto::model;

    use super::super::{proto_source, sample};
    use super::*;

    fn read_back(entities: &[(&Entity, Option<&ColumnSelection>)]) -> FileDescriptorProto {
        let set = FileDescriptorSet::decode(&*descriptors(entities, "rows.v1")).expect("serialized");
        set.file.into_iter().next().expect("one file")
    }

    #[test]
    fn a_message_has_every_field_in_its_type_and_optional() {
        let thing = sample::thing();
        let file = read_back(&[(&thing, None)]);
        assert_eq!((file.name(), file.package(), file.syntax()), ("rows/v1.proto", "rows.v1", "proto3"));
        let [row, rows] = &file.message_type[..] else { panic!("two messages") };
        assert_eq!((row.name(), rows.name()), ("Thing", "ThingRows"));
        assert_eq!(row.field.len(), 21);
        for field in &row.field {
            let is_set = field.name() == "multiselectpicklist";
            assert_eq!(field.proto3_optional(), !is_set, "{}", field.name());
            let oneof = field.oneof_index.map(|index| row.oneof_decl[index as usize].name().to_owned());
            assert_eq!(oneof, (!is_set).then(|| format!("_{}", field.name())));
        }
        let companion = row.field.last().expect("fields");
        assert_eq!((companion.name(), companion.number(), companion.r#type()), ("customer_entity", 30, Type::Uint32));
        assert_eq!(rows.field[0].type_name(), ".rows.v1.Thing");
    }

    #[test]
    fn only_selected_fields_are_described() {
        let thing = sample::thing();
        let columns = ColumnSelection::of_names(&thing, &["string", "customer"]).expect("columns");
        let file = read_back(&[(&thing, Some(&columns))]);
        let names: Vec<_> = file.message_type[0].field.iter().map(FieldDescriptorProto::name).collect();
        assert_eq!(names, ["string", "uniqueidentifier", "customer", "customer_entity"]);
    }

    #[test]
    fn names_become_unique_identifiers() {
        let attributes = ["id", "_id", "a_b", "a__b", "attribute_6", "größe", "x_entity", "x"];
        let attributes = attributes.iter().zip(1..).map(|(name, number)| model::Attribute {
            number,
            logical_name: (*name).to_owned(),
            r#type: model::AttributeType::Lookup.into(),
            entity_field_number: if *name == "x" { 9 } else { 0 },
            ..Default::default()
        });
        let odd = sample::entity("new_site_2", attributes.collect(), "id");
        let file = read_back(&[(&odd, None)]);
        let message = &file.message_type[0];
        assert_eq!(message.name(), "New_Site_2");
        let names: Vec<_> = message.field.iter().map(FieldDescriptorProto::name).collect();
        let expected =
            ["id", "_id", "a_b", "attribute_4", "attribute_6", "Xattribute_6", "x_entity", "x", "attribute_9"];
        assert_eq!(names, expected);
        assert_eq!((message.oneof_decl[0].name(), message.oneof_decl[1].name()), ("X_id", "XX_id"));
        assert_eq!(message_name(&sample::entity("größe", vec![id()], "id")), "Entity7_");
    }

    #[test]
    fn the_source_says_the_same() {
        let columns = ["string", "integer", "double", "boolean", "multiselectpicklist", "customer"];
        let thing = sample::thing();
        let columns = ColumnSelection::of_names(&thing, &columns).expect("columns");
        let source = proto_source(&[(&thing, Some(&columns))], "rows.v1");
        let (_, body) = source.split_once("syntax").expect("a header");
        let expected = r#" = "proto3";

package rows.v1;

message Thing {
  optional string string = 1;
  optional sint64 integer = 3;
  optional double double = 7;
  optional bool boolean = 8;
  repeated sint64 multiselectpicklist = 12;
  optional bytes uniqueidentifier = 16;
  optional bytes customer = 19;
  optional uint32 customer_entity = 30;
}

message ThingRows {
  repeated Thing rows = 1;
}
"#;
        assert_eq!(body, expected);
    }

    fn id() -> model::Attribute {
        model::Attribute {
            number: 1,
            logical_name: "id".to_owned(),
            r#type: model::AttributeType::Uniqueidentifier.into(),
            ..Default::default()
        }
    }
}
