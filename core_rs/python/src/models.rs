//! Serialized models, made ready.

use haversack_engine::engine::PreparedModel;
use haversack_engine::row;
use haversack_engine::schema::{Entity, Schema};
use haversack_gateway::ROWS_PACKAGE;
use haversack_proto::error::ErrorReason;
use haversack_proto::model::Model;
use prost::Message;

use crate::errors::Failure;

/// Reads a serialized model.
pub fn decode(bytes: &[u8]) -> Result<Model, Failure> {
    Model::decode(bytes).map_err(|error| Failure::request(format!("these bytes are no model: {error}")))
}

/// The metadata of a model. Fails on contradictions.
pub fn schema(model: &Model) -> Result<Schema, Failure> {
    Schema::from_model(model).map_err(|error| Failure::new(ErrorReason::MetadataInvalid, error.to_string()))
}

/// An entity by name.
pub fn entity<'s>(schema: &'s Schema, name: &str) -> Result<&'s Entity, Failure> {
    let unknown =
        || Failure::new(ErrorReason::EntityUnknown, format!("the metadata has no entity {name:?}; import it"));
    schema.entity(name).ok_or_else(unknown)
}

/// Everything that keeps the engine from following a model, each as a sentence.
pub fn breaches(model: &Model) -> Vec<String> {
    PreparedModel::compile(model).err().map_or_else(Vec::new, |errors| errors.0)
}

/// The source of the row messages of these entities; of all that are enabled for offline use, if none are named.
pub fn proto_source(model: &Model, names: &[String]) -> Result<String, Failure> {
    let schema = schema(model)?;
    let offline = model.entities.iter().filter(|entity| entity.offline).map(|entity| &entity.logical_name);
    let names: Vec<&String> = if names.is_empty() { offline.collect() } else { names.iter().collect() };
    let entities: Vec<_> =
        names.into_iter().map(|name| Ok((entity(&schema, name)?, None))).collect::<Result<_, Failure>>()?;
    Ok(row::proto_source(&entities, ROWS_PACKAGE))
}
