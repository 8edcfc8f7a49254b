//! Every failure that crosses into Python, mapped in one place to `CoreError` with its `reason`.

use haversack_engine::filter::FilterError;
use haversack_gateway::{SyncError, reason_name};
use haversack_proto::error::ErrorReason;
use haversack_staging::StagingError;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

pyo3::create_exception!(haversack_server._core, CoreError, PyException, "A named failure; see the stub.");

/// A failure on its way to Python.
pub struct Failure {
    reason: ErrorReason,
    message: String,
}

impl Failure {
    /// A failure of this reason; the message says what to do next.
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// The caller broke the contract.
    pub fn request(message: impl Into<String>) -> Self {
        Self::new(ErrorReason::RequestInvalid, message)
    }

    /// A bug.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        Self::new(ErrorReason::Internal, cause.to_string())
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| {
            let error = CoreError::new_err(failure.message);
            match error.value(py).setattr("reason", reason_name(failure.reason)) {
                Ok(()) => error,
                Err(refused) => refused,
            }
        })
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}

impl From<StagingError> for Failure {
    fn from(error: StagingError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}
