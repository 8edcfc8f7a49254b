//! `SyncServer`: the gateway, started and stopped from Python.

use std::time::Duration;

use haversack_gateway::{Config, Gateway};
use pyo3::prelude::*;

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

    fn add_organization(&self, py: Python<'_>, name: &str, staging: &Staging) -> Result<(), Failure> {
        let staging = staging.opened()?;
        Ok(py.detach(|| self.gateway.add_organization(name, staging))?)
    }

    fn statistics(&self, py: Python<'_>) -> Result<String, Failure> {
        let statistics = py.detach(|| self.gateway.statistics());
        serde_json::to_string(&statistics).map_err(|error| Failure::internal(&error))
    }

    fn stop(&self, py: Python<'_>, grace_seconds: f64) -> Result<(), Failure> {
        let grace = Duration::try_from_secs_f64(grace_seconds)
            .map_err(|error| Failure::request(format!("grace_seconds: {error}")))?;
        py.detach(|| self.gateway.stop(grace));
        Ok(())
    }
}
