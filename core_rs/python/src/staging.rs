//! `Staging` and `Ingest`: an organization's staging database, and rows on their way into it.

use std::path::Path;
use std::sync::Arc;

use haversack_engine::ids::{EntityNumber, Lsn, Revision};
use haversack_engine::row::{self, parse_id, parse_uuid};
use haversack_engine::schema::Schema;
use haversack_proto::error::ErrorReason;
use haversack_proto::model::Model;
use haversack_staging::ingest::{self, Action, Basis, Format, Options, Outcome, Part, Report, RowError};
use haversack_staging::queue::{bind, refuse_replaced};
use haversack_staging::{
    Copying as CopyUnderWay, DevicePlace, LedgerPlace, Replicated, RowId, SqliteStaging, Staging as _, close_ledger,
    discard_refusal, export_devices, export_ledger, import_ledger, replicate, replicate_anew, replicate_no_more,
    write_back,
};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::{Value, json};

use crate::errors::Failure;
use crate::rows::Reading;
use crate::{devices, models, queue, refusals};

/// See the stub.
#[pyclass(module = "haversack_server._core", frozen)]
pub struct Staging {
    opened: Mutex<Option<Arc<SqliteStaging>>>,
    /// The metadata of the last call, as bytes and made ready: it seldom differs from that of the next one.
    known: Mutex<Option<(Vec<u8>, Arc<Schema>)>>,
}

impl Staging {
    /// The database, unless it was closed.
    pub fn opened(&self) -> Result<Arc<SqliteStaging>, Failure> {
        let closed = || Failure::new(ErrorReason::StagingFailed, "the staging database was closed; open it again");
        self.opened.lock().clone().ok_or_else(closed)
    }

    /// The metadata of a serialized model.
    pub fn schema(&self, model: &[u8]) -> Result<Arc<Schema>, Failure> {
        if let Some((_, schema)) = self.known.lock().as_ref().filter(|(bytes, _)| bytes == model) {
            return Ok(Arc::clone(schema));
        }
        let schema = Arc::new(models::schema(&models::decode(model)?)?);
        *self.known.lock() = Some((model.to_vec(), Arc::clone(&schema)));
        Ok(schema)
    }

    fn new(staging: SqliteStaging) -> Self {
        Self { opened: Mutex::new(Some(Arc::new(staging))), known: Mutex::default() }
    }
}

#[pymethods]
impl Staging {
    #[staticmethod]
    fn create(py: Python<'_>, path: &str) -> Result<Self, Failure> {
        Ok(Self::new(py.detach(|| SqliteStaging::create(Path::new(path)))?))
    }

    #[staticmethod]
    fn open(py: Python<'_>, path: &str) -> Result<Self, Failure> {
        Ok(Self::new(py.detach(|| SqliteStaging::open(Path::new(path)))?))
    }

    #[getter]
    fn epoch<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>, Failure> {
        let staging = self.opened()?;
        let identity = py.detach(|| staging.identity())?;
        Ok(PyBytes::new(py, &identity.epoch))
    }

    fn head(&self, py: Python<'_>) -> Result<u64, Failure> {
        let staging = self.opened()?;
        Ok(py.detach(|| staging.head())?.0)
    }

    fn publish(&self, py: Python<'_>, model: &[u8]) -> Result<u64, Failure> {
        let staging = self.opened()?;
        py.detach(|| publish(&staging, model)).map(|lsn| lsn.0)
    }

    fn statistics(&self, py: Python<'_>) -> Result<Vec<(u32, u64, u64)>, Failure> {
        let staging = self.opened()?;
        let entities = py.detach(|| staging.snapshot()?.statistics())?;
        Ok(entities.iter().filter(|it| it.rows > 0).map(|it| (it.entity.0, it.rows, it.bytes)).collect())
    }

    #[pyo3(signature = (model, entity, *, format, action, atomic, file_name))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn ingest(
        &self,
        py: Python<'_>,
        model: &[u8],
        entity: &str,
        format: &str,
        action: &str,
        atomic: bool,
        file_name: String,
    ) -> Result<Ingest, Failure> {
        let staging = self.opened()?;
        let options = Options { format: read_format(format)?, action: read_action(action)?, atomic, file_name };
        let schema = self.schema(model)?;
        let started = py.detach(|| ingest::Ingest::start(staging, &schema, entity, options))?;
        Ok(Ingest { running: Mutex::new(Some(started)) })
    }

    #[pyo3(signature = (source, entity, *, rows_max))]
    fn replicate<'py>(
        &self,
        py: Python<'py>,
        source: &Self,
        entity: u32,
        rows_max: usize,
    ) -> Result<Bound<'py, PyBytes>, Failure> {
        let (staging, source) = (self.opened()?, source.opened()?);
        let done = py.detach(|| replicate(&*staging, &*source, EntityNumber(entity), rows_max))?;
        Ok(PyBytes::new(py, describe_replicated(&done).to_string().as_bytes()))
    }

    #[pyo3(signature = (record, *, rows_max))]
    fn write_back<'py>(&self, py: Python<'py>, record: &Self, rows_max: usize) -> Result<Bound<'py, PyBytes>, Failure> {
        let (staging, record) = (self.opened()?, record.opened()?);
        let done = py.detach(|| write_back(&*staging, &*record, rows_max))?;
        let answer = json!({"written": done.written, "is_last": done.is_last});
        Ok(PyBytes::new(py, answer.to_string().as_bytes()))
    }

    #[pyo3(signature = (after, *, entries_max))]
    fn export_ledger<'py>(
        &self,
        py: Python<'py>,
        after: u64,
        entries_max: usize,
    ) -> Result<(Bound<'py, PyBytes>, u64), Failure> {
        let staging = self.opened()?;
        let (page, last) =
            py.detach(|| export_ledger(staging.snapshot()?.as_ref(), LedgerPlace(after), entries_max))?;
        Ok((PyBytes::new(py, &page), last.0))
    }

    fn import_ledger(&self, py: Python<'_>, page: &[u8]) -> Result<u64, Failure> {
        let staging = self.opened()?;
        Ok(py.detach(|| import_ledger(&*staging, page))?)
    }

    #[pyo3(signature = (after, *, entries_max))]
    fn refusals<'py>(&self, py: Python<'py>, after: u64, entries_max: usize) -> Result<Bound<'py, PyBytes>, Failure> {
        let staging = self.opened()?;
        let answer = py.detach(|| refusals::list(&*staging, after, entries_max))?;
        Ok(PyBytes::new(py, answer.to_string().as_bytes()))
    }

    fn list_devices<'py>(&self, py: Python<'py>, request: &[u8]) -> Result<Bound<'py, PyBytes>, Failure> {
        let staging = self.opened()?;
        Ok(PyBytes::new(py, &py.detach(|| devices::list(&*staging, request))?))
    }

    fn get_device<'py>(&self, py: Python<'py>, install: &str, user: &str) -> Result<Bound<'py, PyBytes>, Failure> {
        let staging = self.opened()?;
        Ok(PyBytes::new(py, &py.detach(|| devices::get(&*staging, install, user))?))
    }

    #[pyo3(signature = (order, install, user, *, reason, offers_outbox, at_us))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn order_device<'py>(
        &self,
        py: Python<'py>,
        order: &str,
        install: &str,
        user: &str,
        reason: String,
        offers_outbox: bool,
        at_us: i64,
    ) -> Result<Bound<'py, PyBytes>, Failure> {
        let staging = self.opened()?;
        let order = devices::read_order(order, reason, offers_outbox)?;
        Ok(PyBytes::new(py, &py.detach(|| devices::order(&*staging, install, user, &order, at_us))?))
    }

    fn forget_devices(&self, py: Python<'_>, since_us: i64) -> Result<u64, Failure> {
        let staging = self.opened()?;
        Ok(py.detach(|| staging.devices().forget_unseen(since_us))?)
    }

    fn export_devices<'py>(&self, py: Python<'py>, behind: &str) -> Result<(Bound<'py, PyBytes>, String), Failure> {
        let staging = self.opened()?;
        let behind = devices::read_place(behind)?.map(|place| place.key);
        let page = py.detach(|| export_devices(&*staging, behind))?;
        let place = |key| devices::write_place(DevicePlace { seen_us: 0, key });
        let (page, last) = page.map_or_else(Default::default, |(page, last)| (page, place(last)));
        Ok((PyBytes::new(py, &page), last))
    }

    #[pyo3(signature = (model, *, except_places = Vec::new(), writes_max))]
    fn queued_writes<'py>(
        &self,
        py: Python<'py>,
        model: &[u8],
        except_places: Vec<u64>,
        writes_max: usize,
    ) -> Result<Bound<'py, PyBytes>, Failure> {
        let staging = self.opened()?;
        let schema = self.schema(model)?;
        let answer = py.detach(|| queue::list(&*staging, &schema, except_places, writes_max))?;
        Ok(PyBytes::new(py, answer.to_string().as_bytes()))
    }

    fn settle_writes<'py>(
        &self,
        py: Python<'py>,
        model: &[u8],
        settlements: &str,
    ) -> Result<Bound<'py, PyBytes>, Failure> {
        let staging = self.opened()?;
        let schema = self.schema(model)?;
        let answer = py.detach(|| queue::settle_all(&*staging, &schema, settlements))?;
        Ok(PyBytes::new(py, answer.to_string().as_bytes()))
    }

    fn queue_standing<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>, Failure> {
        let staging = self.opened()?;
        let answer = py.detach(|| queue::standing(&*staging))?;
        Ok(PyBytes::new(py, answer.to_string().as_bytes()))
    }

    fn bind_queue(&self, py: Python<'_>, source: &[u8]) -> Result<(), Failure> {
        let staging = self.opened()?;
        Ok(py.detach(|| bind(&*staging, source))?)
    }

    fn queue_source<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>, Failure> {
        let staging = self.opened()?;
        let source = py.detach(|| staging.snapshot()?.ledger().queue_source())?;
        Ok(PyBytes::new(py, &source))
    }

    #[pyo3(signature = (*, every = false))]
    fn refuse_replaced(&self, py: Python<'_>, every: bool) -> Result<u64, Failure> {
        let staging = self.opened()?;
        Ok(py.detach(|| refuse_replaced(&*staging, every))?)
    }

    fn close_ledger(&self, py: Python<'_>) -> Result<(), Failure> {
        let staging = self.opened()?;
        Ok(py.detach(|| close_ledger(&*staging))?)
    }

    fn discard_refusal(&self, py: Python<'_>, place: u64) -> Result<(), Failure> {
        let staging = self.opened()?;
        Ok(py.detach(|| discard_refusal(&*staging, LedgerPlace(place)))?)
    }

    fn build_indexes(&self, py: Python<'_>) -> Result<(), Failure> {
        let staging = self.opened()?;
        Ok(py.detach(|| staging.build_indexes())?)
    }

    #[pyo3(signature = (model, entity, *, attributes, attribute = "", values = Vec::new(), after = None, rows_max))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn rows<'py>(
        &self,
        py: Python<'py>,
        model: &[u8],
        entity: &str,
        attributes: Vec<String>,
        attribute: &str,
        values: Vec<String>,
        after: Option<u32>,
        rows_max: usize,
    ) -> Result<(u64, Option<u32>, Bound<'py, PyBytes>), Failure> {
        let staging = self.opened()?;
        let schema = self.schema(model)?;
        let reading = Reading::new(&schema, entity, attributes, attribute, values)?;
        let page = py.detach(|| reading.page(&*staging, after, rows_max))?;
        Ok((page.lsn.0, page.next, PyBytes::new(py, &page.json_lines)))
    }

    fn has_row(&self, py: Python<'_>, model: &[u8], entity: &str, id: &str) -> Result<bool, Failure> {
        let staging = self.opened()?;
        let schema = self.schema(model)?;
        let entity = models::entity(&schema, entity)?;
        let uuid = match parse_id(id) {
            _ if entity.has_uuids() => parse_uuid(id),
            Some(row::Value::Id(uuid)) => Some(uuid),
            _ => None,
        };
        let id = uuid.map_or_else(|| RowId::Text(id.into()), RowId::Uuid);
        py.detach(|| Ok(staging.begin()?.payload(entity.number, &id)?.is_some()))
    }

    #[pyo3(signature = (model, parts, *, seen, basis))]
    fn write_together<'py>(
        &self,
        py: Python<'py>,
        model: &[u8],
        parts: Vec<(String, String, Vec<u8>)>,
        seen: u64,
        basis: Vec<String>,
    ) -> Result<Bound<'py, PyBytes>, Failure> {
        let staging: Arc<dyn haversack_staging::Staging> = self.opened()?;
        let schema = self.schema(model)?;
        let read = |(entity, action, json_lines): (String, String, _)| {
            Ok(Part { entity, action: read_action(&action)?, json_lines })
        };
        let parts: Vec<_> = parts.into_iter().map(read).collect::<Result<_, Failure>>()?;
        let entities = basis.into_iter().map(|name| Ok(models::entity(&schema, &name)?.number));
        let basis = Basis { seen: Lsn(seen), entities: entities.collect::<Result<_, Failure>>()? };
        let outcome = py.detach(|| ingest::write_together(&staging, &schema, &parts, &basis))?;
        Ok(PyBytes::new(py, describe_outcome(&outcome).to_string().as_bytes()))
    }

    fn begin_epoch<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>, Failure> {
        let staging = self.opened()?;
        let identity = py.detach(|| staging.mint_epoch(staging.identity()?.epoch))?;
        Ok(PyBytes::new(py, &identity.epoch))
    }

    fn copy_to(&self, py: Python<'_>, path: &str) -> Result<Copying, Failure> {
        let staging = self.opened()?;
        let begun = py.detach(|| staging.copy_to(Path::new(path)))?;
        Ok(Copying { under_way: Mutex::new(Some(begun)) })
    }

    fn replicate_anew(&self, py: Python<'_>, entity: u32) -> Result<(), Failure> {
        let staging = self.opened()?;
        Ok(py.detach(|| replicate_anew(&*staging, EntityNumber(entity)))?)
    }

    fn replicate_no_more(&self, py: Python<'_>, entity: u32) -> Result<bool, Failure> {
        let staging = self.opened()?;
        Ok(py.detach(|| replicate_no_more(&*staging, EntityNumber(entity)))?)
    }

    fn position<'py>(&self, py: Python<'py>, entity: u32) -> Result<Option<Bound<'py, PyBytes>>, Failure> {
        let staging = self.opened()?;
        let position = py.detach(|| staging.snapshot()?.position(EntityNumber(entity)))?;
        Ok(position.map(|position| PyBytes::new(py, &position)))
    }

    fn set_position(&self, py: Python<'_>, entity: u32, position: Option<&[u8]>) -> Result<(), Failure> {
        let staging = self.opened()?;
        let set = || {
            let mut commit = staging.begin()?;
            commit.set_position(EntityNumber(entity), position)?;
            commit.finish()
        };
        py.detach(set)?;
        Ok(())
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.opened.lock().take()));
    }
}

/// See the stub.
#[pyclass(module = "haversack_server._core", frozen)]
pub struct Copying {
    under_way: Mutex<Option<CopyUnderWay>>,
}

#[pymethods]
impl Copying {
    fn progress(&self) -> Option<(u64, u64)> {
        self.under_way.lock().as_ref().filter(|it| !it.is_over()).map(CopyUnderWay::progress)
    }

    fn finish(&self, py: Python<'_>) -> Result<u64, Failure> {
        let begun = self.under_way.lock().take();
        let begun = begun.ok_or_else(|| Failure::request("this copy has ended; begin a new one"))?;
        let head = begun.head();
        py.detach(|| begun.finish())?;
        Ok(head.0)
    }

    fn abort(&self, py: Python<'_>) {
        py.detach(|| drop(self.under_way.lock().take()));
    }
}

/// See the stub.
#[pyclass(module = "haversack_server._core", frozen)]
pub struct Ingest {
    running: Mutex<Option<ingest::Ingest>>,
}

impl Ingest {
    fn take(&self) -> Result<ingest::Ingest, Failure> {
        self.running.lock().take().ok_or_else(ended)
    }
}

#[pymethods]
impl Ingest {
    fn feed(&self, py: Python<'_>, data: &[u8]) -> Result<(), Failure> {
        py.detach(|| Ok(self.running.lock().as_mut().ok_or_else(ended)?.feed(data)?))
    }

    fn finish<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>, Failure> {
        let report = py.detach(|| Ok::<_, Failure>(self.take()?.finish()?))?;
        Ok(PyBytes::new(py, describe(&report).to_string().as_bytes()))
    }

    fn abort(&self, py: Python<'_>) -> Result<(), Failure> {
        py.detach(|| self.take().map(ingest::Ingest::abort))
    }
}

fn ended() -> Failure {
    Failure::request("this ingest has ended; start a new one")
}

fn publish(staging: &SqliteStaging, bytes: &[u8]) -> Result<Lsn, Failure> {
    let model: Model = models::decode(bytes)?;
    let breaches = models::breaches(&model);
    if !breaches.is_empty() {
        return Err(Failure::new(ErrorReason::ProfileInvalid, breaches.join("\n")));
    }
    Ok(staging.publish(Revision(model.revision), bytes)?)
}

fn read_format(name: &str) -> Result<Format, Failure> {
    match name {
        "csv" => Ok(Format::Csv),
        "json-lines" => Ok(Format::JsonLines),
        _ => Err(Failure::request(format!("there is no format {name:?}; use \"csv\" or \"json-lines\""))),
    }
}

fn read_action(name: &str) -> Result<Action, Failure> {
    match name {
        "upsert" => Ok(Action::Upsert),
        "patch" => Ok(Action::Patch),
        "delete" => Ok(Action::Delete),
        _ => Err(Failure::request(format!("there is no action {name:?}; use \"upsert\", \"patch\" or \"delete\""))),
    }
}

fn describe_outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Written(lsn) => json!({ "lsn": lsn.0 }),
        Outcome::Refused(errors) => json!({ "errors": errors.iter().map(describe_error).collect::<Vec<_>>() }),
        Outcome::Stale => json!({ "stale": true }),
    }
}

/// The report with the names of `haversack.admin.v1.IngestResponse`.
fn describe(report: &Report) -> Value {
    json!({
        "read": report.read,
        "inserted": report.inserted,
        "updated": report.updated,
        "deleted": report.deleted,
        "unchanged": report.unchanged,
        "rejected": report.rejected,
        "errors": report.errors.iter().map(describe_error).collect::<Vec<_>>(),
        "lsn": report.lsn.0,
        "bytes": report.bytes,
    })
}

fn describe_replicated(done: &Replicated) -> Value {
    json!({
        "read": done.read,
        "inserted": done.inserted,
        "updated": done.updated,
        "deleted": done.deleted,
        "unchanged": done.unchanged,
        "bytes": done.bytes,
        "left": done.left,
        "lsn": done.lsn.0,
    })
}

/// An error with the names of `haversack.admin.v1.RowError`.
pub fn describe_error(error: &RowError) -> Value {
    json!({
        "file_name": error.file_name,
        "line": error.line,
        "attribute": error.attribute,
        "message": error.message,
        "reason": haversack_gateway::reason_name(error.reason),
    })
}
