//! What administrators ask of devices, answered from the engine that streams are served from.
//!
//! Streams and the follower must not wait for a question. So it takes the read lock for [`PIECE_TIME`] at most, works
//! through users, and lets go; an answer tells from which LSN to which it was worked out. A draft that asks for columns
//! which the engine has not read gets an engine of its own, read from staging: one at a time for each organization.

mod answers;
mod asked;
mod difference;
mod estimate;
mod explanation;
mod holders;
mod lint;
mod pieces;
mod side;

use std::sync::Arc;

use crate::errors::SyncError;
use crate::gateway::Gateway;
use crate::organization::Organization;

#[cfg(doc)]
use crate::limits::PIECE_TIME;

/// Questions. Requests and answers are serialized messages of `haversack.admin.v1`; a model is a serialized
/// `haversack.model.v1.Model`, or what is published if it is `None`. What requests say of states is the caller's to look
/// up. They block, at most for [`crate::limits::QUESTION_TIME_MAX`] beside loading.
impl Gateway {
    /// Answers an `EstimateRequest` with an `EstimateResponse`.
    ///
    /// # Errors
    /// As the contract says of its service.
    pub fn estimate(&self, request: &[u8], model: Option<&[u8]>) -> Result<Vec<u8>, SyncError> {
        let request: haversack_proto::admin::EstimateRequest = asked::decode(request)?;
        answered(&estimate::estimate(&self.asked(&request.organization)?, &request, model)?)
    }

    /// Answers a `DiffRequest` with a `DiffResponse`.
    ///
    /// # Errors
    /// As the contract says of its service.
    pub fn diff(&self, request: &[u8], before: Option<&[u8]>, after: Option<&[u8]>) -> Result<Vec<u8>, SyncError> {
        let request: haversack_proto::admin::DiffRequest = asked::decode(request)?;
        answered(&difference::diff(&self.asked(&request.organization)?, &request, [before, after])?)
    }

    /// Answers an `ExplainRequest` with an `ExplainResponse`.
    ///
    /// # Errors
    /// As the contract says of its service.
    pub fn explain(&self, request: &[u8], model: Option<&[u8]>) -> Result<Vec<u8>, SyncError> {
        let request: haversack_proto::admin::ExplainRequest = asked::decode(request)?;
        answered(&explanation::explain(&self.asked(&request.organization)?, &request, model)?)
    }

    /// Answers a `HoldersRequest` with a `HoldersResponse`.
    ///
    /// # Errors
    /// As the contract says of its service.
    pub fn holders(&self, request: &[u8]) -> Result<Vec<u8>, SyncError> {
        let request: haversack_proto::admin::HoldersRequest = asked::decode(request)?;
        answered(&holders::holders(&self.asked(&request.organization)?, &request)?)
    }

    /// Answers a `LintRequest` with a `LintResponse`.
    ///
    /// # Errors
    /// As the contract says of its service.
    pub fn lint(&self, request: &[u8], model: Option<&[u8]>) -> Result<Vec<u8>, SyncError> {
        let request: haversack_proto::admin::LintRequest = asked::decode(request)?;
        answered(&lint::lint(&self.asked(&request.organization)?, &request, model)?)
    }

    /// An organization that is being followed.
    fn asked(&self, organization: &str) -> Result<Arc<Organization>, SyncError> {
        let organization = self.organization(organization)?;
        self.wait_for(organization.ready())?;
        Ok(organization)
    }
}

fn answered(answer: &impl prost::Message) -> Result<Vec<u8>, SyncError> {
    let bytes = answer.encode_to_vec();
    if bytes.len() > crate::limits::MESSAGE_BYTES_MAX {
        return Err(SyncError::LimitReached(format!(
            "the answer has {} bytes, more than a message may; ask for fewer users at once",
            bytes.len()
        )));
    }
    Ok(bytes)
}
