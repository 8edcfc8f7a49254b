//! Why a row is on a device.

use std::sync::Arc;

use haversack_proto::admin::{ExplainRequest, ExplainResponse};

use super::answers::reason;
use super::asked;
use super::pieces::Pieces;
use super::side::Side;
use crate::errors::SyncError;
use crate::organization::Organization;

/// Answers.
pub(super) fn explain(
    organization: &Arc<Organization>,
    request: &ExplainRequest,
    model: Option<&[u8]>,
) -> Result<ExplainResponse, SyncError> {
    let (user, row) = (asked::uuid(&request.user, "the user")?, asked::row(&request.row)?);
    let side = Side::new(organization, model, Vec::new())?;
    let mut pieces = Pieces::new();
    let told = side.look(|inquiry| {
        pieces.see(inquiry.moment());
        let entity = asked::entity(inquiry, &request.entity)?;
        let profile = request.profile.as_str();
        let inquiry = if profile.is_empty() { *inquiry } else { asked::about(inquiry, profile)? };
        Ok::<_, SyncError>(inquiry.explain(user, entity, row))
    })??;
    Ok(ExplainResponse { moment: Some(pieces.moment()), reason: Some(reason(told)) })
}
