//! Who has a row.

use std::sync::Arc;

use haversack_engine::engine::ask::HolderSearch;
use haversack_engine::ids::RowKey;
use haversack_proto::admin::{DeviceHolding, HoldersRequest, HoldersResponse};

use super::answers::id;
use super::asked;
use super::pieces::Pieces;
use super::side::Side;
use crate::errors::SyncError;
use crate::limits::{HOLDERS_DEFAULT, HOLDERS_MAX, HOLDING_DEVICES_MAX};
use crate::organization::Organization;

/// Answers.
pub(super) fn holders(
    organization: &Arc<Organization>,
    request: &HoldersRequest,
) -> Result<HoldersResponse, SyncError> {
    let key = asked::row(&request.row)?;
    let (side, mut pieces) = (Side::of(organization, None, Vec::new())?, Pieces::new());
    let (entity, row, alive, users) = side.look(|inquiry| {
        pieces.see(inquiry.moment());
        let entity = asked::entity(inquiry, &request.entity)?;
        let row = inquiry.row(entity, key);
        let alive = row.is_some_and(|row| inquiry.is_alive(entity, row));
        Ok::<_, SyncError>((entity, row, alive, inquiry.users()))
    })??;
    let (mut search, mut holders) = (HolderSearch::new(entity, key), Vec::<RowKey>::new());
    pieces.run(&users, |next| {
        side.look(|inquiry| {
            while let Some(user) = next() {
                holders.extend(search.has(inquiry, user).then_some(user));
            }
            inquiry.moment()
        })
    })?;
    let seen = organization.devices();
    let devices = row.map_or_else(Vec::new, |row| seen.holding(entity, row, HOLDING_DEVICES_MAX));
    let page = asked::page(&holders, request.users_offset, request.users_max, HOLDERS_DEFAULT, HOLDERS_MAX);
    let device = |it: crate::devices::Held| DeviceHolding {
        install_id: it.device.install.to_vec(),
        user: id(it.device.user),
        connected: organization.streams().has(&it.device),
        checkpoint_lsn: it.lsn.0,
        checkpoint_at_us: it.at.0,
        confirmed: it.confirmed,
        in_view: holders.binary_search(&it.device.user).is_ok(),
        app: it.app.to_string(),
    };
    Ok(HoldersResponse {
        moment: Some(pieces.moment()),
        alive,
        user_count: users.len() as u32,
        holder_count: holders.len() as u32,
        users: page.iter().map(|&user| id(user)).collect(),
        devices: devices.into_iter().map(device).collect(),
        devices_since_us: seen.since().0,
        devices_forgotten: seen.forgotten(),
    })
}
