//! What a device is told of its tables: made once for every shape, shared by all devices of that shape.

use std::sync::Arc;

use haversack_engine::directory::{Privilege, Rights};
use haversack_engine::engine::{Carried, DeviceUser};
use haversack_engine::ids::Revision;
use haversack_engine::row::{descriptors, message_name};
use haversack_engine::schema::{Attribute, Entity, Schema};
use haversack_proto::sync::{CarriedAttribute, CarriedEntity, Model, RowRight, User};
use parking_lot::Mutex;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::errors::SyncError;
use crate::limits::MODELS_MAX;

/// Protobuf package of row messages.
pub const ROWS_PACKAGE: &str = "haversack.rows";

/// What devices are told of, of all privileges.
const RIGHTS: [(Privilege, RowRight); 6] = [
    (Privilege::Create, RowRight::Create),
    (Privilege::Write, RowRight::Write),
    (Privilege::Delete, RowRight::Delete),
    (Privilege::Assign, RowRight::Assign),
    (Privilege::Append, RowRight::Append),
    (Privilege::AppendTo, RowRight::AppendTo),
];

/// The models that devices were told of last. A cache: what is not here is made again, and is the same.
#[derive(Debug, Default)]
pub(super) struct Models {
    made: Mutex<Vec<Made>>,
}

#[derive(Debug)]
struct Made {
    revision: Revision,
    carried: Arc<[Carried]>,
    rights: Arc<[Rights]>,
    model: Arc<Model>,
}

/// A device's model: its tables, as all devices of that shape have them, and whose device it is.
#[derive(Debug)]
pub(crate) struct Told {
    pub(super) tables: Arc<Model>,
    /// Nobody's if the view is denied.
    pub(super) user: Option<Arc<DeviceUser>>,
}

impl Told {
    /// Its version. What is no part of it is the revision, and the user's name, which a cookie is sealed to.
    pub(crate) fn version(&self) -> u64 {
        let user = self.user.as_ref().map_or(0, |user| user.fingerprint());
        // 0 stands for "no model yet".
        (self.tables.version ^ user).max(1)
    }

    /// The message to the device of a user of this name.
    pub(super) fn message(&self, name: &str) -> Model {
        let user = self.user.as_ref().map(|user| User { name: name.to_owned(), ..user.user().clone() });
        Model { version: self.version(), user, ..self.tables.as_ref().clone() }
    }
}

impl Models {
    /// The model of what a view carries at a revision, with its user's rights.
    pub(super) fn of(
        &self,
        revision: Revision,
        schema: &Schema,
        carried: &Arc<[Carried]>,
        rights: &Arc<[Rights]>,
    ) -> Result<Arc<Model>, SyncError> {
        let mut made = self.made.lock();
        let is_it = |it: &&Made| it.revision == revision && Arc::ptr_eq(&it.carried, carried) && it.rights == *rights;
        let found = made.iter().find(is_it);
        if let Some(found) = found {
            return Ok(Arc::clone(&found.model));
        }
        let model = Arc::new(describe(revision, schema, carried, rights)?);
        made.retain(|it| it.revision == revision);
        made.truncate(MODELS_MAX - 1);
        made.push(Made {
            revision,
            carried: Arc::clone(carried),
            rights: Arc::clone(rights),
            model: Arc::clone(&model),
        });
        Ok(model)
    }
}

fn describe(revision: Revision, schema: &Schema, carried: &[Carried], rights: &[Rights]) -> Result<Model, SyncError> {
    let entities: Vec<(&Entity, &Carried)> =
        carried.iter().map(|it| Ok((entity(schema, it)?, it))).collect::<Result<_, SyncError>>()?;
    let columns: Vec<_> = entities.iter().map(|&(entity, it)| (entity, it.columns.as_ref())).collect();
    let mut model = Model {
        version: 0,
        revision: 0,
        descriptors: descriptors(&columns, ROWS_PACKAGE).into(),
        entities: entities
            .iter()
            .zip(rights)
            .map(|((entity, it), rights)| carried_entity(entity, it, *rights))
            .collect(),
        user: None,
    };
    model.version = hash(&model);
    model.revision = revision.0;
    Ok(model)
}

/// Hash of everything but the revision: a publish that leaves a device's tables and its user's rights alone brings it no
/// model. A device whose user got other rights hears of them at once, and finds its tables' fingerprints unchanged.
fn hash(model: &Model) -> u64 {
    let digest = Sha256::digest(model.encode_to_vec());
    let (first, _) = digest.split_first_chunk().expect("a SHA-256 digest has 32 bytes");
    u64::from_be_bytes(*first)
}

fn entity<'s>(schema: &'s Schema, carried: &Carried) -> Result<&'s Entity, SyncError> {
    let missing = || SyncError::Internal(format!("a view carries entity {}, which has no metadata", carried.entity.0));
    schema.entity_by_number(carried.entity).ok_or_else(missing)
}

fn carried_entity(entity: &Entity, carried: &Carried, rights: Rights) -> CarriedEntity {
    let columns = carried.columns.as_ref();
    let is_carried = |attribute: &&Attribute| columns.is_none_or(|columns| columns.contains(attribute.number));
    let mut attributes: Vec<_> =
        entity.attributes.iter().filter(is_carried).map(|it| carried_attribute(entity, it)).collect();
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
        rights: RIGHTS.iter().filter(|(privilege, _)| rights.has(*privilege)).map(|&(_, right)| right.into()).collect(),
        sync_interval_minutes: carried.sync_interval_minutes,
    }
}

fn carried_attribute(entity: &Entity, attribute: &Attribute) -> CarriedAttribute {
    let is_primary_id = attribute.number == entity.primary_id;
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
        required: attribute.rules.required,
        max_length: attribute.rules.length_max,
        options: attribute.rules.options.clone(),
        creatable: is_primary_id || !attribute.rules.create_forbidden,
        updatable: !is_primary_id && !attribute.rules.update_forbidden,
    }
}
