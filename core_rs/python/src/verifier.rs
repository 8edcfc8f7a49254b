//! `Verifier`: tokens checked by the gateway's rules, for whoever else has to check them.

use haversack_gateway as gateway;
use pyo3::prelude::*;

use crate::errors::Failure;

/// See the stub.
#[pyclass(module = "haversack_server._core", frozen)]
pub struct Verifier {
    verifier: gateway::Verifier,
}

#[pymethods]
impl Verifier {
    #[new]
    fn new(issuers: &str) -> Result<Self, Failure> {
        Ok(Self { verifier: gateway::Verifier::from_json(issuers)? })
    }

    fn verify(&self, py: Python<'_>, token: &str, audience: &str, now_seconds: u64) -> Result<String, Failure> {
        Ok(py.detach(|| self.verifier.verify(token, Some(audience), now_seconds))?.to_json())
    }
}
