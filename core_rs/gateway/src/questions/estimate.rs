//! How large devices are.

use std::sync::Arc;

use haversack_engine::engine::ask::{EntitySummary, Estimator, Summary, UserEstimate, summarize};
use haversack_proto::admin::{EntityEstimate, EstimateRequest, EstimateResponse};

use super::answers::{Names, amount, id, percentiles, user_estimate};
use super::asked;
use super::pieces::Pieces;
use super::side::Side;
use crate::errors::SyncError;
use crate::limits::{BEYOND_MAX, ESTIMATED_USERS_DEFAULT, ESTIMATED_USERS_MAX};
use crate::organization::Organization;

/// Answers.
pub(super) fn estimate(
    organization: &Arc<Organization>,
    request: &EstimateRequest,
    model: Option<&[u8]>,
) -> Result<EstimateResponse, SyncError> {
    let side = Side::new(organization, model, Vec::new())?;
    let names = side.look(|inquiry| {
        asked::about(inquiry, &request.profile)?;
        Ok::<_, SyncError>(Names::of(inquiry.schema()))
    })??;
    let mut pieces = Pieces::new();
    let (estimates, view_count) = estimates(&side, &request.profile, &mut pieces)?;
    let limit = |limit: u64| (limit > 0).then_some(limit);
    let summary = summarize(&estimates, limit(request.rows_max), limit(request.bytes_max));
    let page =
        asked::page(&estimates, request.users_offset, request.users_max, ESTIMATED_USERS_DEFAULT, ESTIMATED_USERS_MAX);
    let users = page.iter().map(|estimate| user_estimate(estimate, &names)).collect();
    let answer = told(&summary, &estimates, &names);
    Ok(EstimateResponse { moment: Some(pieces.moment()), view_count: view_count as u32, users, ..answer })
}

/// Estimates every user of a profile; tells how many different views there are.
pub(super) fn estimates(
    side: &Side<'_>,
    profile: &str,
    pieces: &mut Pieces,
) -> Result<(Vec<UserEstimate>, usize), SyncError> {
    let users = side.look(|inquiry| {
        pieces.see(inquiry.moment());
        Ok::<_, SyncError>(asked::about(inquiry, profile)?.users())
    })??;
    let (mut estimator, mut estimates) = (Estimator::default(), Vec::with_capacity(users.len()));
    pieces.run(&users, |next| {
        side.look(|inquiry| {
            let inquiry = asked::about(inquiry, profile)?;
            while let Some(user) = next() {
                estimates.push(estimator.estimate(&inquiry, user));
            }
            Ok(inquiry.moment())
        })?
    })?;
    Ok((estimates, estimator.views()))
}

fn told(summary: &Summary, estimates: &[UserEstimate], names: &Names) -> EstimateResponse {
    let entity = |it: &EntitySummary| EntityEstimate {
        entity: names.name(it.entity),
        total: Some(amount(it.total)),
        rows: Some(percentiles(it.rows)),
        bytes: Some(percentiles(it.bytes)),
    };
    EstimateResponse {
        user_count: estimates.len() as u32,
        total: Some(amount(summary.total)),
        rows: Some(percentiles(summary.rows)),
        bytes: Some(percentiles(summary.bytes)),
        entities: summary.entities.iter().map(entity).collect(),
        largest: summary.largest.iter().map(|&place| user_estimate(&estimates[place], names)).collect(),
        beyond: summary.beyond.iter().take(BEYOND_MAX).map(|&user| id(user)).collect(),
        beyond_count: summary.beyond.len() as u32,
        ..EstimateResponse::default()
    }
}
