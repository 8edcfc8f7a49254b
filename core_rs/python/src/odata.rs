//! [`OdataPage`]: an answer of an `OData` service on its way into a staging database.

use haversack_engine::ids::EntityNumber;
use haversack_engine::row::uuid_text;
use haversack_staging::RowId;
use haversack_staging::ingest::odata::{self, Page, Place, Reading};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::json;

use crate::errors::Failure;
use crate::staging::{Staging, describe_error};

/// See the stub.
#[pyclass(module = "haversack_server._core", frozen)]
pub struct OdataPage {
    page: Page,
}

#[pymethods]
impl OdataPage {
    #[staticmethod]
    #[pyo3(signature = (staging, model, entity, body, *, partial_below = None, watermark = None))]
    fn read(
        py: Python<'_>,
        staging: &Staging,
        model: &[u8],
        entity: &str,
        body: &[u8],
        partial_below: Option<usize>,
        watermark: Option<String>,
    ) -> Result<Self, Failure> {
        let schema = staging.schema(model)?;
        let reading = Reading { partial_below, watermark };
        Ok(Self { page: py.detach(|| Page::read(&schema, entity, body, &reading))? })
    }

    #[getter]
    fn next_link(&self) -> Option<&str> {
        self.page.next_link.as_deref()
    }

    #[getter]
    fn delta_link(&self) -> Option<&str> {
        self.page.delta_link.as_deref()
    }

    #[getter]
    fn watermark_us(&self) -> Option<i64> {
        self.page.watermark
    }

    #[getter]
    fn has_versions(&self) -> bool {
        self.page.has_versions()
    }

    #[getter]
    fn rows(&self) -> u64 {
        self.page.read
    }

    fn errors<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let (rejected, errors) = self.page.errors();
        let answer = json!({"rejected": rejected, "errors": errors.iter().map(describe_error).collect::<Vec<_>>()});
        PyBytes::new(py, answer.to_string().as_bytes())
    }

    #[pyo3(signature = (staging, *, before, after, begins_pass = false, keeps_newer = false, keys_only = false))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn take<'py>(
        &self,
        py: Python<'py>,
        staging: &Staging,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        begins_pass: bool,
        keeps_newer: bool,
        keys_only: bool,
    ) -> Result<Bound<'py, PyBytes>, Failure> {
        let staging = staging.opened()?;
        let place = Place { before, after, begins_pass, keeps_newer, keys_only };
        let told = py.detach(|| odata::take(&*staging, &self.page, &place))?;
        let answer = json!({
            "is_stale": told.is_stale,
            "read": told.taken.read,
            "inserted": told.taken.inserted,
            "updated": told.taken.updated,
            "deleted": told.taken.deleted,
            "unchanged": told.taken.unchanged,
            "bytes": told.taken.bytes,
            "differing": told.differing.iter().map(id_text).collect::<Vec<_>>(),
            "lsn": told.lsn.0,
        });
        Ok(PyBytes::new(py, answer.to_string().as_bytes()))
    }
}

/// See the stub.
#[pyfunction]
#[pyo3(signature = (staging, entity, *, before, after, rows_max))]
pub fn odata_sweep<'py>(
    py: Python<'py>,
    staging: &Staging,
    entity: u32,
    before: Option<&[u8]>,
    after: Option<&[u8]>,
    rows_max: usize,
) -> Result<Bound<'py, PyBytes>, Failure> {
    let staging = staging.opened()?;
    let place = Place { before, after, begins_pass: false, keeps_newer: false, keys_only: false };
    let swept = py.detach(|| odata::sweep(&*staging, EntityNumber(entity), &place, rows_max))?;
    let answer = json!({"is_stale": swept.is_stale, "deleted": swept.deleted, "left": swept.left, "lsn": swept.lsn.0});
    Ok(PyBytes::new(py, answer.to_string().as_bytes()))
}

fn id_text(id: &RowId) -> String {
    match id {
        RowId::Text(text) => text.to_string(),
        RowId::Uuid(bytes) => uuid_text(*bytes),
    }
}
