//! `SyncServer`: the gateway, started and stopped from Python.

use std::time::Duration;

use haversack_gateway::{Config, Gateway, SyncError};
use haversack_staging::LedgerPlace;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::Failure;
use crate::staging::Staging;

/// See the stub.
#[pyclass(module = "haversack_server._core", frozen)]
pub struct SyncServer {
    gateway: Gateway,
}

#[pymethods]
impl SyncServer {
    #[new]
    fn new(config: &str) -> Result<Self, Failure> {
        Ok(Self { gateway: Gateway::new(Config::from_json(config)?)? })
    }

    fn start(&self, py: Python<'_>) -> Result<String, Failure> {
        Ok(py.detach(|| self.gateway.start())?.to_string())
    }

    #[pyo3(signature = (name, staging, *, queues_writes = false))]
    fn add_organization(
        &self,
        py: Python<'_>,
        name: &str,
        staging: &Staging,
        queues_writes: bool,
    ) -> Result<(), Failure> {
        let staging = staging.opened()?;
        Ok(py.detach(|| self.gateway.add_organization(name, staging, queues_writes))?)
    }

    fn remove_organization(&self, py: Python<'_>, name: &str) {
        py.detach(|| self.gateway.remove_organization(name));
    }

    fn load_organization(&self, py: Python<'_>, name: &str) -> Result<(), Failure> {
        Ok(py.detach(|| self.gateway.load_organization(name))?)
    }

    fn set_issuers(&self, py: Python<'_>, issuers: &str) -> Result<(), Failure> {
        Ok(py.detach(|| self.gateway.set_issuers(issuers))?)
    }

    fn set_tls(&self, py: Python<'_>, certificate_chain_pem: &str, private_key_pem: &str) -> Result<(), Failure> {
        Ok(py.detach(|| self.gateway.set_tls(certificate_chain_pem, private_key_pem))?)
    }

    fn statistics(&self, py: Python<'_>) -> Result<String, Failure> {
        let statistics = py.detach(|| self.gateway.statistics());
        serde_json::to_string(&statistics).map_err(|error| Failure::internal(&error))
    }

    fn take_written(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| self.gateway.take_written())
    }

    fn estimate<'py>(&self, py: Python<'py>, request: &[u8], model: Option<&[u8]>) -> Answer<'py> {
        answer(py, || self.gateway.estimate(request, model))
    }

    fn diff<'py>(&self, py: Python<'py>, request: &[u8], before: Option<&[u8]>, after: Option<&[u8]>) -> Answer<'py> {
        answer(py, || self.gateway.diff(request, before, after))
    }

    fn explain<'py>(&self, py: Python<'py>, request: &[u8], model: Option<&[u8]>) -> Answer<'py> {
        answer(py, || self.gateway.explain(request, model))
    }

    fn holders<'py>(&self, py: Python<'py>, request: &[u8]) -> Answer<'py> {
        answer(py, || self.gateway.holders(request))
    }

    fn lint<'py>(&self, py: Python<'py>, request: &[u8], model: Option<&[u8]>) -> Answer<'py> {
        answer(py, || self.gateway.lint(request, model))
    }

    #[pyo3(signature = (name, place, *, force))]
    fn retry_mutation<'py>(&self, py: Python<'py>, name: &str, place: u64, force: bool) -> Answer<'py> {
        answer(py, || self.gateway.retry_mutation(name, LedgerPlace(place), force))
    }

    fn stop(&self, py: Python<'_>, grace_seconds: f64) -> Result<(), Failure> {
        let grace = Duration::try_from_secs_f64(grace_seconds)
            .map_err(|error| Failure::request(format!("grace_seconds: {error}")))?;
        py.detach(|| self.gateway.stop(grace));
        Ok(())
    }
}

/// A serialized answer to a question.
type Answer<'py> = Result<Bound<'py, PyBytes>, Failure>;

/// Works an answer out, detached from the interpreter.
fn answer(py: Python<'_>, work: impl FnOnce() -> Result<Vec<u8>, SyncError> + Send) -> Answer<'_> {
    Ok(PyBytes::new(py, &py.detach(work)?))
}
