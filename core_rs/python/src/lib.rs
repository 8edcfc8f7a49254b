//! The extension module `haversack_server._core`.

use pyo3::pymodule;

#[pymodule]
mod _core {}
