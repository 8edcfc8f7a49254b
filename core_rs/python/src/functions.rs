//! Functions without state: filters, models, schemas.

use haversack_engine::filter;
use haversack_proto::error::ErrorReason;
use haversack_proto::model::FilterNode;
use prost::Message;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::PyBytes;
use serde_json::Value as Json;

use crate::errors::Failure;
use crate::models;
use crate::rows::Reading;

/// See the stub.
#[pyfunction]
#[pyo3(signature = (model, entity, fetch_xml, criteria_max = 0))]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 extracts it anew")]
pub fn compile_filter<'py>(
    py: Python<'py>,
    model: &[u8],
    entity: &str,
    fetch_xml: FetchXml,
    criteria_max: usize,
) -> Result<Bound<'py, PyBytes>, Failure> {
    let compiled = py.detach(|| compile(model, entity, fetch_xml.bytes(), criteria_max))?;
    Ok(PyBytes::new(py, &compiled))
}

/// See the stub.
#[pyfunction]
pub fn describe_filter(py: Python<'_>, model: &[u8], entity: &str, compiled: &[u8]) -> Result<Vec<String>, Failure> {
    py.detach(|| {
        let schema = models::schema(&models::decode(model)?)?;
        let entity = models::entity(&schema, entity)?;
        let node = FilterNode::decode(compiled)
            .map_err(|error| Failure::request(format!("these bytes are no compiled filter: {error}")))?;
        let lines = filter::describe(&node, &schema, entity).into_iter();
        Ok(lines.map(|(depth, sentence)| format!("{:1$}{sentence}", "", 2 * depth)).collect())
    })
}

/// See the stub.
#[pyfunction]
pub fn check_model(py: Python<'_>, model: &[u8]) -> Result<Vec<String>, Failure> {
    py.detach(|| Ok(models::breaches(&models::decode(model)?)))
}

/// See the stub.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 makes the list anew")]
pub fn schema_proto(py: Python<'_>, model: &[u8], entities: Vec<String>) -> Result<String, Failure> {
    py.detach(|| models::proto_source(&models::decode(model)?, &entities))
}

/// See the stub.
#[pyfunction]
pub fn row_json(py: Python<'_>, model: &[u8], entity: &str, row: &[u8]) -> Result<String, Failure> {
    py.detach(|| {
        let schema = models::schema(&models::decode(model)?)?;
        let read = Reading::whole(&schema, entity)?.message(row);
        let object = read.map_err(|error| Failure::request(format!("these bytes are no row of {entity}: {error}")))?;
        Ok(Json::Object(object).to_string())
    })
}

/// A filter as text, or as bytes of which nobody knows yet whether they are text.
#[derive(FromPyObject)]
pub enum FetchXml {
    Text(PyBackedStr),
    Bytes(PyBackedBytes),
}

impl FetchXml {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

fn compile(model: &[u8], entity: &str, fetch_xml: &[u8], criteria_max: usize) -> Result<Vec<u8>, Failure> {
    let model = models::decode(model)?;
    let schema = models::schema(&model)?;
    let entity = models::entity(&schema, entity)?;
    let compiled = filter::compile_bytes(&schema, entity, fetch_xml)?;
    let conditions = filter::count_conditions(&compiled);
    if criteria_max > 0 && conditions > criteria_max {
        let message = format!("the filter has {conditions} conditions; at most {criteria_max} are allowed here");
        return Err(Failure::new(ErrorReason::FilterTooLarge, message));
    }
    Ok(compiled.encode_to_vec())
}
