//! The extension module `haversack_server._core`: conversion between Python and the Rust crates, nothing else.
//!
//! What Python sees is documented in `_core.pyi`. Whatever can block runs detached from the interpreter, and no Rust
//! thread ever calls into Python.

mod devices;
mod errors;
mod functions;
mod logging;
mod models;
mod odata;
mod postgres;
mod queue;
mod refusals;
mod rows;
mod server;
mod staging;
mod trial;
mod verifier;

#[pyo3::pymodule]
mod _core {
    #[pymodule_export]
    use crate::errors::CoreError;
    #[pymodule_export]
    use crate::functions::{check_model, compile_filter, describe_filter, row_json, schema_proto};
    #[pymodule_export]
    use crate::odata::{OdataPage, odata_sweep};
    #[pymodule_export]
    use crate::postgres::PostgresFeed;
    #[pymodule_export]
    use crate::server::SyncServer;
    #[pymodule_export]
    use crate::staging::{Copying, Ingest, Staging};
    #[pymodule_export]
    use crate::trial::Trial;
    #[pymodule_export]
    use crate::verifier::Verifier;

    #[pymodule_init]
    #[expect(clippy::unnecessary_wraps, reason = "PyO3 asks for a result")]
    fn start_logging(_module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::logging::start();
        Ok(())
    }
}
