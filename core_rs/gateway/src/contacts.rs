//! What calls tell of devices, gathered until it is written into the registry with that of others.
//!
//! A call costs the registry no commit. Whatever is gathered in a beat is one transaction; what a crash takes with it is
//! a beat of what administrators look at, never an order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use haversack_engine::ids::{Instant, Lsn};
use haversack_proto::error::ErrorReason;
use haversack_proto::sync::DeviceReport;
use haversack_staging::{Contact, DeviceKey, Said};
use parking_lot::Mutex;
use prost::Message;

use crate::errors::SyncError;
use crate::limits::{
    APP_VERSION_BYTES_MAX, CONTACTS_MAX, ERROR_MESSAGE_BYTES_MAX, PLATFORM_BYTES_MAX, STAGE_MAX, USER_NAME_CHARS_MAX,
};
use crate::signal::Device;

/// Who calls, as the registry is told.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// Which device it is.
    pub device: Device,
    /// What the token names its user by.
    pub name: Arc<str>,
    /// The application that it names.
    pub app: Arc<str>,
    /// Name and version of its client library.
    pub client: Arc<str>,
}

/// Calls that have yet to be written, one for each device.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    gathered: Mutex<Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    waiting: HashMap<DeviceKey, Contact>,
    /// Whether somebody will take them.
    awaited: bool,
}

impl Visitor {
    /// A call of it at this moment, of which nothing else is known.
    pub(crate) fn contact(&self, now: Instant) -> Contact {
        Contact {
            key: key_of(self.device),
            name: printable(&self.name).chars().take(USER_NAME_CHARS_MAX).collect(),
            app: printable(&self.app),
            client: printable(&self.client),
            said: None,
            first_us: now.0,
            seen_us: now.0,
            checkpoint: None,
            full_syncs: 0,
        }
    }

    /// The same, with a checkpoint that it was sent.
    pub(crate) fn checkpoint(&self, now: Instant, lsn: Lsn) -> Contact {
        Contact { checkpoint: Some((lsn, now.0)), ..self.contact(now) }
    }
}

impl Contacts {
    /// Gathers a call. Returns whether somebody has to take what is gathered, a beat later. When there is no more room the
    /// call is not noted; the device's next will be.
    pub(crate) fn gather(&self, contact: Contact) -> bool {
        let mut gathered = self.gathered.lock();
        let room = gathered.waiting.len() < CONTACTS_MAX;
        match gathered.waiting.entry(contact.key) {
            Entry::Occupied(mut known) => known.get_mut().then(contact),
            Entry::Vacant(unknown) if room => drop(unknown.insert(contact)),
            Entry::Vacant(_) => {}
        }
        !std::mem::replace(&mut gathered.awaited, true)
    }

    /// Takes what is gathered.
    pub(crate) fn take(&self) -> Vec<Contact> {
        let mut gathered = self.gathered.lock();
        gathered.awaited = false;
        std::mem::take(&mut gathered.waiting).into_values().collect()
    }
}

/// The device as the registry names it.
pub(crate) fn key_of(device: Device) -> DeviceKey {
    DeviceKey { install: device.install, user: device.user.0 }
}

/// Reads what a device says of itself. People look at it, so nothing in it can move their terminal's cursor.
///
/// # Errors
/// [`SyncError::RequestInvalid`] if it breaks its limits.
pub(crate) fn said(report: Option<&DeviceReport>) -> Result<Option<Said>, SyncError> {
    let Some(report) = report else { return Ok(None) };
    for (name, text, most) in [
        ("app_version", &report.app_version, APP_VERSION_BYTES_MAX),
        ("platform", &report.platform, PLATFORM_BYTES_MAX),
        ("error_message", &report.error_message, ERROR_MESSAGE_BYTES_MAX),
    ] {
        if text.len() > most {
            return Err(SyncError::RequestInvalid(format!("the report's {name} is longer than {most} bytes")));
        }
    }
    if report.stage > STAGE_MAX {
        return Err(SyncError::RequestInvalid(format!(
            "the report's stage is {}; there are {STAGE_MAX}",
            report.stage
        )));
    }
    let shown = DeviceReport {
        app_version: printable(&report.app_version),
        platform: printable(&report.platform),
        error_message: printable(&report.error_message),
        // An unknown number would be kept as it came, and mean something in a later version.
        error_reason: report.error_reason().into(),
        ..report.clone()
    };
    let failed = report.error_reason() != ErrorReason::Unspecified || !report.error_message.is_empty();
    Ok(Some(Said { report: shown.encode_to_vec(), stage: report.stage, failed }))
}

fn printable(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

#[cfg(test)]
mod tests {
    use haversack_engine::ids::RowKey;

    use super::*;

    fn visitor(number: u32) -> Visitor {
        let mut install = [0; 16];
        install[..4].copy_from_slice(&number.to_be_bytes());
        let device = Device { user: RowKey([1; 16]), install };
        Visitor { device, name: "ada".into(), app: "".into(), client: "a\u{1b}[2Jb".into() }
    }

    #[test]
    fn calls_of_one_device_are_one_contact() {
        let contacts = Contacts::default();
        assert!(contacts.gather(visitor(1).checkpoint(Instant(5), Lsn(9))));
        assert!(!contacts.gather(Contact { full_syncs: 1, ..visitor(1).contact(Instant(7)) }));
        assert!(!contacts.gather(visitor(2).contact(Instant(6))));
        let mut taken = contacts.take();
        taken.sort_by_key(|it| it.key);
        assert_eq!(taken.len(), 2);
        assert_eq!((taken[0].seen_us, taken[0].checkpoint, taken[0].full_syncs), (7, Some((Lsn(9), 5)), 1));
        assert_eq!(taken[0].client, "a [2Jb");
        assert!(contacts.gather(visitor(1).contact(Instant(8))), "what comes now waits for another beat");
    }

    #[test]
    fn there_is_room_for_so_many_devices() {
        let contacts = Contacts::default();
        (0..CONTACTS_MAX as u32 + 5).for_each(|number| drop(contacts.gather(visitor(number).contact(Instant(1)))));
        assert_eq!(contacts.take().len(), CONTACTS_MAX);
    }

    #[test]
    fn a_report_has_limits_and_no_control_characters() {
        let report = DeviceReport { error_message: "line\nline\u{7}".into(), stage: 7, ..DeviceReport::default() };
        let kept = said(Some(&report)).unwrap().unwrap();
        assert_eq!((kept.stage, kept.failed), (7, true));
        assert_eq!(DeviceReport::decode(&kept.report[..]).unwrap().error_message, "line line ");
        assert!(said(None).unwrap().is_none());
        let too_long = |most: usize| "x".repeat(most + 1);
        for broken in [
            DeviceReport { app_version: too_long(APP_VERSION_BYTES_MAX), ..DeviceReport::default() },
            DeviceReport { platform: too_long(PLATFORM_BYTES_MAX), ..DeviceReport::default() },
            DeviceReport { error_message: too_long(ERROR_MESSAGE_BYTES_MAX), ..DeviceReport::default() },
            DeviceReport { stage: 8, ..DeviceReport::default() },
        ] {
            assert!(said(Some(&broken)).is_err());
        }
    }
}
