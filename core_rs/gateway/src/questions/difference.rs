//! What a change does to devices.

use std::sync::Arc;

use haversack_engine::engine::ask::{Amount, Differ, EntityDiff, UserDiff};
use haversack_engine::ids::RowKey;
use haversack_proto::admin;
use haversack_proto::admin::{DiffRequest, DiffResponse};

use super::answers::{Names, amount, denial, id};
use super::asked;
use super::pieces::Pieces;
use super::side::Side;
use crate::errors::SyncError;
use crate::limits::{DIFF_SAMPLE_MAX, DIFFERING_USERS_DEFAULT, DIFFERING_USERS_MAX};
use crate::organization::Organization;

/// Answers.
pub(super) fn diff(
    organization: &Arc<Organization>,
    request: &DiffRequest,
    [before, after]: [Option<&[u8]>; 2],
) -> Result<DiffResponse, SyncError> {
    let changes = asked::changes(&request.changes)?;
    let supposed: Vec<RowKey> = changes.iter().map(|(user, _)| *user).collect();
    let before = Side::new(organization, before, Vec::new())?;
    let after = Side::new(organization, after, changes)?;
    let (names_before, users_before) = before.look(|it| (Names::of(it.schema()), it.users()))?;
    let (names_after, users_after) = after.look(|it| (Names::of(it.schema()), it.users()))?;
    let names = names_before.and(names_after);
    let mut users = [users_before, users_after, supposed].concat();
    users.sort_unstable();
    users.dedup();
    let (diffs, moments) = differences(&before, &after, &users, request.sample_max)?;
    let (gained, lost) = (diffs.iter().map(UserDiff::gained).sum::<Amount>(), diffs.iter().map(UserDiff::lost).sum());
    let page =
        asked::page(&diffs, request.users_offset, request.users_max, DIFFERING_USERS_DEFAULT, DIFFERING_USERS_MAX);
    let [before, after] = moments.map(|pieces| Some(pieces.moment()));
    Ok(DiffResponse {
        before,
        after,
        user_count: users.len() as u32,
        changed_count: diffs.len() as u32,
        gained: Some(amount(gained)),
        lost: Some(amount(lost)),
        users: page.iter().map(|diff| user_diff(diff, &names)).collect(),
    })
}

/// What is different, of users for whom something is; and when each side was looked at.
fn differences(
    before: &Side<'_>,
    after: &Side<'_>,
    users: &[RowKey],
    sample_max: u32,
) -> Result<(Vec<UserDiff>, [Pieces; 2]), SyncError> {
    let [mut pieces, mut pieces_before] = [Pieces::new(), Pieces::new()];
    let mut differ = Differ::new((sample_max as usize).min(DIFF_SAMPLE_MAX));
    let mut diffs = Vec::new();
    pieces.run(users, |next| {
        before.look(|before| {
            pieces_before.see(before.moment());
            after.look(|after| {
                while let Some(user) = next() {
                    let diff = differ.diff(before, after, user);
                    diffs.extend((!diff.is_empty()).then_some(diff));
                }
                after.moment()
            })
        })?
    })?;
    Ok((diffs, [pieces_before, pieces]))
}

fn user_diff(diff: &UserDiff, names: &Names) -> admin::UserDiff {
    let ids = |keys: &[RowKey]| keys.iter().map(|&key| id(key)).collect();
    let entity = |it: &EntityDiff| admin::EntityDiff {
        entity: names.name(it.entity),
        gained: Some(amount(it.gained)),
        lost: Some(amount(it.lost)),
        gained_sample: ids(&it.gained_sample),
        lost_sample: ids(&it.lost_sample),
    };
    admin::UserDiff {
        user: id(diff.user),
        denial_before: denial(diff.denial_before),
        denial_after: denial(diff.denial_after),
        gained: Some(amount(diff.gained())),
        lost: Some(amount(diff.lost())),
        entities: diff.entities.iter().map(entity).collect(),
    }
}
