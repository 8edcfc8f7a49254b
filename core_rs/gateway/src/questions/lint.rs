//! What smells in a profile.

use std::sync::Arc;

use haversack_engine::engine::ask::{self, LintLimits, Linter, lint_model};
use haversack_proto::admin::{Finding, LintRequest, LintResponse};

use super::answers::smell;
use super::asked;
use super::estimate::estimates;
use super::pieces::Pieces;
use super::side::{Side, decode};
use crate::errors::SyncError;
use crate::limits::{LINT_FAN_OUT_DEFAULT, LINT_ITEM_BYTES_DEFAULT, LINT_ITEM_ROWS_DEFAULT};
use crate::organization::Organization;

/// Answers.
pub(super) fn lint(
    organization: &Arc<Organization>,
    request: &LintRequest,
    model: Option<&[u8]>,
) -> Result<LintResponse, SyncError> {
    let profile = request.profile.as_str();
    let stated = model.map(|model| Ok::<_, SyncError>(lint_model(&decode(model)?, Some(profile)))).transpose()?;
    let (mut findings, mended) = stated.map_or_else(Default::default, |(findings, mended)| (findings, Some(mended)));
    let side = Side::of(organization, mended, Vec::new())?;
    side.look(|inquiry| asked::about(inquiry, profile).map(|_| ()))??;
    let (mut pieces, mut linter) = (Pieces::new(), Linter::new(profile, limits(request)));
    loop {
        pieces.check_time()?;
        let found = side.look(|inquiry| {
            pieces.see(inquiry.moment());
            linter.step(inquiry)
        })?;
        match found {
            Some(found) => findings.extend(found),
            None => break,
        }
    }
    let (estimates, _) = estimates(&side, profile, &mut pieces)?;
    findings.extend(side.look(|inquiry| linter.too_large(inquiry, &estimates))?);
    Ok(LintResponse { moment: Some(pieces.moment()), findings: findings.into_iter().map(finding).collect() })
}

fn limits(request: &LintRequest) -> LintLimits {
    let or = |limit: u64, default: u64| if limit == 0 { default } else { limit };
    LintLimits {
        item_rows_max: Some(or(request.item_rows_max, LINT_ITEM_ROWS_DEFAULT)),
        item_bytes_max: Some(or(request.item_bytes_max, LINT_ITEM_BYTES_DEFAULT)),
        fan_out_max: or(request.fan_out_max, LINT_FAN_OUT_DEFAULT),
    }
}

fn finding(found: ask::Finding) -> Finding {
    Finding {
        smell: smell(found.smell) as i32,
        entity: found.entity,
        subject: found.subject,
        sentence: found.sentence,
        rows: found.rows,
        views: found.views as u32,
    }
}
