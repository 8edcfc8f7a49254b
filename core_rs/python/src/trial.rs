//! `Trial`: one organization in memory, to try filters, profiles and rights out on.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use haversack_engine::directory::Privilege;
use haversack_engine::engine::{Engine, PreparedModel, RowChange};
use haversack_engine::ids::{EntityNumber, Instant, Lsn, Ordinal, RowKey};
use haversack_engine::row::row_key_of_text;
use haversack_engine::schema::Schema;
use haversack_engine::view::Denial;
use haversack_proto::error::ErrorReason;
use haversack_staging::RowId;
use haversack_staging::ingest::{Format, RowError, SheetRow, read_sheet};
use parking_lot::Mutex;
use pyo3::prelude::*;
use roaring::RoaringBitmap;
use uuid::Uuid;

use crate::errors::Failure;
use crate::models;

/// See the stub.
#[pyclass(module = "haversack_server._core", frozen)]
pub struct Trial {
    schema: Arc<Schema>,
    world: Mutex<World>,
}

/// The rows so far, and the engine that has them.
struct World {
    engine: Engine,
    lsn: Lsn,
    entities: HashMap<EntityNumber, Rows>,
}

/// The rows of one entity.
#[derive(Default)]
struct Rows {
    /// By ordinal.
    ids: Vec<String>,
    ordinals: HashMap<RowKey, Ordinal>,
}

#[pymethods]
impl Trial {
    #[new]
    fn new(py: Python<'_>, model: &[u8]) -> Result<Self, Failure> {
        py.detach(|| {
            let model = models::decode(model)?;
            let invalid = |breaches: Vec<String>| Failure::new(ErrorReason::ProfileInvalid, breaches.join("\n"));
            let prepared = PreparedModel::compile(&model).map_err(|errors| invalid(errors.0))?;
            let schema = Arc::clone(prepared.schema());
            let mut engine = Engine::new();
            let mut commit = engine.begin(Lsn(0));
            commit.model(prepared);
            commit.finish(Instant(0));
            let world = World { engine, lsn: Lsn(0), entities: HashMap::new() };
            Ok(Self { schema, world: Mutex::new(world) })
        })
    }

    fn load(&self, py: Python<'_>, entity: &str, json_lines: &[u8]) -> Result<(), Failure> {
        py.detach(|| {
            let rows =
                read_sheet(&self.schema, entity, Format::JsonLines, json_lines)?.map_err(|errors| refused(&errors))?;
            let number = models::entity(&self.schema, entity)?.number;
            self.world.lock().feed(number, &rows)
        })
    }

    fn view(&self, py: Python<'_>, user: &str, instant_micros: i64) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        py.detach(|| {
            let mut world = self.world.lock();
            world.engine.advance(Instant(instant_micros));
            let subscriber = world.engine.subscribe(row_key_of_text(user));
            let view = world.engine.view(subscriber).cloned().unwrap_or_default();
            world.engine.unsubscribe(subscriber);
            view.denial.map_or(Ok(()), |denial| Err(denied(denial, user)))?;
            let named = view.entities.iter().map(|part| {
                let entity = self.schema.entity_by_number(part.entity).map_or("", |entity| &entity.name);
                (entity.to_owned(), world.ids(part.entity, &part.rows))
            });
            Ok(named.collect())
        })
    }

    fn accessible(&self, py: Python<'_>, user: &str, entity: &str, privilege: &str) -> Result<Vec<String>, Failure> {
        py.detach(|| {
            let (number, privilege) = (models::entity(&self.schema, entity)?.number, read_privilege(privilege)?);
            let world = self.world.lock();
            let rows = world.engine.accessible(row_key_of_text(user), number, privilege);
            Ok(world.ids(number, &rows.map_err(|denial| denied(denial, user))?))
        })
    }

    fn may_create(&self, py: Python<'_>, user: &str, entity: &str) -> Result<bool, Failure> {
        py.detach(|| {
            let number = models::entity(&self.schema, entity)?.number;
            let user = row_key_of_text(user);
            Ok(self.world.lock().engine.may_create(user, number, user, None))
        })
    }
}

impl World {
    /// Takes rows in one commit at the instant reached so far.
    fn feed(&mut self, entity: EntityNumber, rows: &[SheetRow]) -> Result<(), Failure> {
        let known = self.entities.entry(entity).or_default();
        let mut commit = self.engine.begin(Lsn(self.lsn.0 + rows.len() as u64));
        for row in rows {
            self.lsn.0 += 1;
            let (key, payload) = (row.id.key(), Some(row.payload.as_slice()));
            let change = RowChange { entity, ordinal: known.ordinal(&row.id), key, lsn: self.lsn, payload };
            commit.row(&change).map_err(|error| Failure::internal(&error))?;
        }
        commit.finish(Instant(i64::MIN));
        Ok(())
    }

    fn ids(&self, entity: EntityNumber, rows: &RoaringBitmap) -> Vec<String> {
        let known = self.entities.get(&entity);
        rows.iter().filter_map(|row| known?.ids.get(row as usize).cloned()).collect()
    }
}

impl Rows {
    fn ordinal(&mut self, id: &RowId) -> Ordinal {
        // As many rows as ordinals do not fit into memory.
        let next = Ordinal::try_from(self.ids.len()).expect("a trial is small");
        *self.ordinals.entry(id.key()).or_insert_with(|| {
            self.ids.push(match id {
                RowId::Uuid(bytes) => Uuid::from_bytes(*bytes).to_string(),
                RowId::Text(text) => text.to_string(),
            });
            next
        })
    }
}

fn refused(errors: &[RowError]) -> Failure {
    let told =
        errors.iter().map(|error| format!("{}:{}: {} {}", error.file_name, error.line, error.attribute, error.message));
    Failure::new(ErrorReason::RowsInvalid, told.collect::<Vec<_>>().join("\n"))
}

fn denied(denial: Denial, user: &str) -> Failure {
    match denial {
        Denial::UserUnknown => Failure::new(ErrorReason::UserUnknown, format!("no systemuser has the id {user}")),
        Denial::UserDisabled => Failure::new(ErrorReason::UserDisabled, format!("the account of {user} is disabled")),
        Denial::ProfileNotReadable => {
            Failure::new(ErrorReason::ProfileNotReadable, format!("no role of {user} lets read offline profiles"))
        }
        Denial::ProfileMissing => Failure::new(ErrorReason::ProfileMissing, format!("no profile has the user {user}")),
    }
}

fn read_privilege(name: &str) -> Result<Privilege, Failure> {
    Ok(match name {
        "create" => Privilege::Create,
        "read" => Privilege::Read,
        "write" => Privilege::Write,
        "delete" => Privilege::Delete,
        "assign" => Privilege::Assign,
        "share" => Privilege::Share,
        "append" => Privilege::Append,
        "appendto" => Privilege::AppendTo,
        _ => return Err(Failure::request(format!("there is no privilege {name:?}"))),
    })
}
