//! What a device is told of its tables: made once for every shape, shared by all devices of that shape.

use std::sync::Arc;

use haversack_engine::engine::Carried;
use haversack_engine::ids::Revision;
use haversack_engine::row::{descriptors, message_name};
use haversack_engine::schema::{Attribute, Entity, Schema};
use haversack_proto::sync::{CarriedAttribute, CarriedEntity, Model};
use parking_lot::Mutex;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::errors::SyncError;
use crate::limits::MODELS_MAX;

/// Protobuf package of row messages.
pub const ROWS_PACKAGE: &str = "haversack.rows";

/// The models that devices were told of last. A cache: what is not here is made again, and is the same.
#[derive(Debug, Default)]
pub(super) struct Models {
    made: Mutex<Vec<Made>>,
}

#[derive(Debug)]
struct Made {
    revision: Revision,
    carried: Arc<[Carried]>,
    model: Arc<Model>,
}

impl Models {
    /// The model of what a view carries at a revision.
    pub(super) fn of(
        &self,
        revision: Revision,
        schema: &Schema,
        carried: &Arc<[Carried]>,
    ) -> Result<Arc<Model>, SyncError> {
        let mut made = self.made.lock();
        let found = made.iter().find(|it| it.revision == revision && Arc::ptr_eq(&it.carried, carried));
        if let Some(found) = found {
            return Ok(Arc::clone(&found.model));
        }
        let model = Arc::new(describe(revision, schema, carried)?);
        made.retain(|it| it.revision == revision);
        made.truncate(MODELS_MAX - 1);
        made.push(Made { revision, carried: Arc::clone(carried), model: Arc::clone(&model) });
        Ok(model)
    }
}

fn describe(revision: Revision, schema: &Schema, carried: &[Carried]) -> Result<Model, SyncError> {
    let entities: Vec<(&Entity, &Carried)> =
        carried.iter().map(|it| Ok((entity(schema, it)?, it))).collect::<Result<_, SyncError>>()?;
    let columns: Vec<_> = entities.iter().map(|&(entity, it)| (entity, it.columns.as_ref())).collect();
    let mut model = Model {
        version: 0,
        revision: 0,
        descriptors: descriptors(&columns, ROWS_PACKAGE).into(),
        entities: entities.into_iter().map(|(entity, it)| carried_entity(entity, it)).collect(),
    };
    model.version = hash(&model);
    model.revision = revision.0;
    Ok(model)
}

/// Hash of everything but the revision: a publish that leaves a device's tables alone brings it no model.
fn hash(model: &Model) -> u64 {
    let digest = Sha256::digest(model.encode_to_vec());
    let (first, _) = digest.split_first_chunk().expect("a SHA-256 digest has 32 bytes");
    // 0 stands for "no model yet".
    u64::from_be_bytes(*first).max(1)
}

fn entity<'s>(schema: &'s Schema, carried: &Carried) -> Result<&'s Entity, SyncError> {
    let missing = || SyncError::Internal(format!("a view carries entity {}, which has no metadata", carried.entity.0));
    schema.entity_by_number(carried.entity).ok_or_else(missing)
}

fn carried_entity(entity: &Entity, carried: &Carried) -> CarriedEntity {
    let columns = carried.columns.as_ref();
    let is_carried = |attribute: &&Attribute| columns.is_none_or(|columns| columns.contains(attribute.number));
    let mut attributes: Vec<_> = entity.attributes.iter().filter(is_carried).map(carried_attribute).collect();
    attributes.sort_by_key(|attribute| attribute.number);
    let primary_id = entity.attribute_by_number(entity.primary_id).map(|attribute| attribute.name.clone());
    CarriedEntity {
        entity: entity.number.0,
        logical_name: entity.name.clone(),
        message_name: format!("{ROWS_PACKAGE}.{}", message_name(entity)),
        primary_id_attribute: primary_id.unwrap_or_default(),
        attributes,
        fingerprint: carried.fingerprint,
        mandatory: carried.mandatory,
        rights: Vec::new(),
        sync_interval_minutes: 0,
    }
}

fn carried_attribute(attribute: &Attribute) -> CarriedAttribute {
    let target = match attribute.targets.as_slice() {
        [only] => only.clone(),
        _ => String::new(),
    };
    CarriedAttribute {
        number: attribute.number.0,
        logical_name: attribute.name.clone(),
        r#type: attribute.kind.into(),
        entity_field_number: attribute.entity_field.map_or(0, |number| number.0),
        target,
        ..CarriedAttribute::default()
    }
}
