//! Row messages as `.proto` text, for those who generate code.

use std::fmt::Write;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto};

use super::{ColumnSelection, descriptors};
use crate::schema::Entity;

/// The source of the file that [`super::descriptors`] describes.
pub fn proto_source(entities: &[(&Entity, Option<&ColumnSelection>)], package: &str) -> String {
    let file = descriptors::file(entities, package);
    let mut source = format!(
        "// Rows of an organization's entities. Made from its metadata; do not edit.\n\
         // An absent field is NULL. Field numbers are persisted and never reused.\n\
         syntax = \"proto3\";\n\npackage {package};\n"
    );
    file.message_type.iter().for_each(|message| write_message(message, &mut source));
    source
}

fn write_message(message: &DescriptorProto, source: &mut String) {
    let _ = write!(source, "\nmessage {} {{\n", message.name());
    for field in &message.field {
        let _ = writeln!(source, "  {} {} {} = {};", label(field), type_name(field), field.name(), field.number());
    }
    source.push_str("}\n");
}

fn label(field: &FieldDescriptorProto) -> &'static str {
    if field.label() == Label::Repeated { "repeated" } else { "optional" }
}

fn type_name(field: &FieldDescriptorProto) -> &str {
    match field.r#type() {
        Type::Double => "double",
        Type::String => "string",
        Type::Bool => "bool",
        Type::Bytes => "bytes",
        Type::Uint32 => "uint32",
        Type::Message => field.type_name().rsplit('.').next().unwrap_or_default(),
        _ => "sint64",
    }
}
