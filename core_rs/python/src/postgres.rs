//! `PostgresFeed`: a database of rows on its way into a staging database.

use std::time::Duration;

use haversack_sources::SourceError;
use haversack_sources::postgres::{Feed, Settings, Taken};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::{Value, json};

use crate::errors::Failure;
use crate::models;
use crate::staging::Staging;

/// See the stub.
#[pyclass(module = "haversack_server._core", frozen)]
pub struct PostgresFeed {
    feed: Mutex<Option<Feed>>,
}

#[pymethods]
impl PostgresFeed {
    #[new]
    fn new(py: Python<'_>, settings: &str, staging: &Staging, model: &[u8]) -> Result<Self, Failure> {
        let staging = staging.opened()?;
        let make = || {
            let schema = models::schema(&models::decode(model)?)?;
            let feed = Feed::new(Settings::read(settings)?, &schema, staging)?;
            Ok::<_, Failure>(Self { feed: Mutex::new(Some(feed)) })
        };
        py.detach(make)
    }

    #[pyo3(signature = (*, rows_max, wait_ms))]
    fn take<'py>(&self, py: Python<'py>, rows_max: usize, wait_ms: u64) -> Result<Bound<'py, PyBytes>, Failure> {
        let taken = py.detach(|| {
            let mut feed = self.feed.lock();
            let feed = feed.as_mut().ok_or_else(|| Failure::request("this feed was closed; open another one"))?;
            Ok::<_, Failure>(feed.take(rows_max, Duration::from_millis(wait_ms))?)
        })?;
        Ok(PyBytes::new(py, describe(&taken).to_string().as_bytes()))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.feed.lock().take()));
    }
}

fn describe(taken: &Taken) -> Value {
    let counts = &taken.counts;
    json!({
        "read": counts.read,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "deleted": counts.deleted,
        "unchanged": counts.unchanged,
        "bytes": counts.bytes,
        "left": taken.left,
        "lsn": taken.lsn,
        "stage": taken.stage.name(),
        "position": taken.position,
        "lag_seconds": taken.lag_seconds,
        "copied": taken.copied,
        "notes": taken.notes,
        "reason": taken.reason,
    })
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}
