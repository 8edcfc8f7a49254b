//! The registry of devices in the messages of `haversack.admin.v1`.

use haversack_engine::row::parse_uuid;
use haversack_proto::admin::{Device, GetDeviceResponse, ListDevicesRequest, ListDevicesResponse};
use haversack_proto::sync::DeviceReport;
use haversack_staging::{DeviceFilter, DeviceKey, DevicePlace, KnownDevice, Order, Staging, Standing};
use prost::Message;
use uuid::Uuid;

use crate::errors::Failure;

/// Devices of a page, if the request does not say.
const COUNT_DEFAULT: usize = 200;

/// A page of the list that a serialized `ListDevicesRequest` asks for, as a `ListDevicesResponse`.
pub fn list(staging: &dyn Staging, request: &[u8]) -> Result<Vec<u8>, Failure> {
    let request = ListDevicesRequest::decode(request).map_err(|error| Failure::request(error.to_string()))?;
    let behind = read_place(&request.page_token)?;
    let count = if request.count == 0 { COUNT_DEFAULT } else { request.count as usize };
    let filter = DeviceFilter {
        install: None,
        user: read_uuid("user", &request.user)?,
        app: (!request.app.is_empty()).then_some(request.app),
        stage: (request.stage > 0).then_some(request.stage),
        failed: request.with_error,
        standing: read_standing(request.standing)?,
        unseen_since_us: (request.not_seen_since_us != 0).then_some(request.not_seen_since_us),
    };
    let found = staging.devices().list(&filter, behind, count)?;
    let next_page_token =
        found.last().filter(|_| found.len() == count).map_or_else(String::new, |it| write_place(it.place()));
    Ok(ListDevicesResponse { devices: shown(found)?, next_page_token }.encode_to_vec())
}

/// The devices of an install, as a `GetDeviceResponse`.
pub fn get(staging: &dyn Staging, install: &str, user: &str) -> Result<Vec<u8>, Failure> {
    let filter = DeviceFilter {
        install: Some(read_install(install)?),
        user: read_uuid("user", user)?,
        ..DeviceFilter::default()
    };
    let found = staging.devices().list(&filter, None, haversack_staging::DEVICES_PAGE_MAX)?;
    if found.is_empty() {
        return Err(haversack_staging::StagingError::DeviceUnknown(install.to_owned()).into());
    }
    Ok(GetDeviceResponse { devices: shown(found)? }.encode_to_vec())
}

/// Gives an order, and returns what it was possible for as a `GetDeviceResponse`.
pub fn order(staging: &dyn Staging, install: &str, user: &str, order: &Order, now_us: i64) -> Result<Vec<u8>, Failure> {
    let (install, user) = (read_install(install)?, read_uuid("user", user)?);
    let ordered = staging.devices().order(install, user, order, now_us)?;
    Ok(GetDeviceResponse { devices: shown(ordered)? }.encode_to_vec())
}

/// An order by its name.
pub fn read_order(name: &str, reason: String, offers_outbox: bool) -> Result<Order, Failure> {
    match name {
        "check" => Ok(Order::Check),
        "block" => Ok(Order::Block { reason }),
        "unblock" => Ok(Order::Unblock),
        "wipe" => Ok(Order::Wipe { reason, offers_outbox }),
        "cancel-wipe" => Ok(Order::CancelWipe),
        "forget" => Ok(Order::Forget),
        _ => Err(Failure::request(format!("there is no order {name:?}"))),
    }
}

/// A place in the list, as text that means nothing to whoever has it; empty begins.
pub fn read_place(text: &str) -> Result<Option<DevicePlace>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut parts = text.split('.');
    let place = (|| {
        let seen_us = parts.next()?.parse().ok()?;
        let key = DeviceKey { install: parse_uuid(parts.next()?)?, user: parse_uuid(parts.next()?)? };
        parts.next().is_none().then_some(DevicePlace { seen_us, key })
    })();
    place
        .map(Some)
        .ok_or_else(|| Failure::request("this is no page of the list; use `next_page_token` as it was answered"))
}

/// See [`read_place`].
pub fn write_place(DevicePlace { seen_us, key }: DevicePlace) -> String {
    format!("{seen_us}.{}.{}", Uuid::from_bytes(key.install), Uuid::from_bytes(key.user))
}

fn read_install(text: &str) -> Result<[u8; 16], Failure> {
    read_uuid("install", text)?.ok_or_else(|| Failure::request("name the device by its install id, a UUID"))
}

fn read_uuid(name: &str, text: &str) -> Result<Option<[u8; 16]>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Failure::request(format!("{name} {text:?} is no UUID; `haversack device list` shows them"));
    parse_uuid(text).map(Some).ok_or_else(wrong)
}

fn read_standing(number: i32) -> Result<Option<Standing>, Failure> {
    let all = [Standing::Admitted, Standing::Blocked, Standing::WipePending, Standing::Wiped];
    match all.into_iter().find(|it| it.number() == number) {
        None if number != 0 => Err(Failure::request(format!("there is no standing {number}"))),
        found => Ok(found),
    }
}

fn shown(devices: Vec<KnownDevice>) -> Result<Vec<Device>, Failure> {
    devices.into_iter().map(show).collect()
}

fn show(KnownDevice { key, about }: KnownDevice) -> Result<Device, Failure> {
    let report = DeviceReport::decode(&about.report[..]).map_err(|error| Failure::internal(&error))?;
    let orders = about.orders;
    let standing = orders.standing();
    let (reason, ordered_at_us) = match standing {
        Standing::Admitted => (None, 0),
        Standing::Blocked => (orders.block_reason, orders.blocked_at_us),
        Standing::WipePending | Standing::Wiped => (orders.wipe_reason, orders.wipe_ordered_us),
    };
    Ok(Device {
        install: Uuid::from_bytes(key.install).to_string(),
        user: Uuid::from_bytes(key.user).to_string(),
        user_name: about.name,
        app: about.app,
        client: about.client,
        report: (!about.report.is_empty()).then_some(report),
        first_seen_us: about.first_seen_us,
        last_seen_us: about.last_seen_us,
        checkpoint_lsn: about.checkpoint_lsn,
        checkpoint_at_us: about.checkpoint_at_us,
        full_syncs: about.full_syncs,
        standing: standing.number(),
        reason: reason.unwrap_or_default(),
        ordered_at_us,
        wiped_at_us: orders.wiped_at_us,
        offers_outbox: orders.offers_outbox,
        check_ordered_at_us: orders.check_ordered_us,
        checked_at_us: orders.checked_at_us,
    })
}
