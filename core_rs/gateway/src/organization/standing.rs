//! An organization's devices: what is noted of them, and what they were ordered.

use std::sync::Arc;

use haversack_engine::ids::RowKey;
use haversack_staging::{Contact, DEVICES_PAGE_MAX, DeviceFilter, Order, Orders, Standing};

use super::{NOBODY, Organization, unknown_user};
use crate::contacts::{Visitor, key_of};
use crate::errors::SyncError;
use crate::limits::{CONTACTS_BEAT, CONTACTS_COMMIT_MAX};
use crate::signal::Device;
use crate::statistics::OrganizationStatistics;

impl Organization {
    /// Takes note of a call, sooner or later. Nobody, whom tokens name that name no user, has no devices.
    pub(crate) fn note(self: &Arc<Self>, contact: Contact) {
        if contact.key.user == NOBODY.0 || !self.contacts.gather(contact) {
            return;
        }
        // Without a runtime the server is stopping, and whoever closes the organization writes what is gathered.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let organization = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep(CONTACTS_BEAT).await;
            if let Some(organization) = organization.upgrade() {
                // It ends with the runtime, and is answered to nobody.
                drop(tokio::task::spawn_blocking(move || organization.write_contacts()));
            }
        });
    }

    /// Writes what is gathered into the registry. What cannot be written is lost: the devices will call again.
    pub(super) fn write_contacts(&self) {
        for contacts in self.contacts.take().chunks(CONTACTS_COMMIT_MAX) {
            if let Err(error) = self.staging.devices().note(contacts) {
                let (organization, devices) = (&self.name, contacts.len());
                tracing::warn!(organization, devices, %error, "calls of devices were not noted");
            }
        }
    }

    /// Lets a device's call in, unless it was ordered otherwise. Returns the number of the check that it must make first.
    ///
    /// # Errors
    /// [`SyncError::DeviceBlocked`], [`SyncError::DeviceWiped`].
    pub(crate) fn admit(&self, device: Device) -> Result<Option<i64>, SyncError> {
        admitted(&self.staging.devices().orders(&key_of(device))?)
    }

    /// A device says that it has carried out a check.
    pub(crate) fn checked(&self, device: Device, number: i64) -> Result<(), SyncError> {
        self.settle(device, &Order::Checked { number })
    }

    /// A device says that it has wiped itself. It may say so again, or when the registry knows nothing of it.
    ///
    /// Whoever the token names may have left the directory since the wipe was ordered: then the device is the one that
    /// called under that name.
    ///
    /// # Errors
    /// If the token names nobody, and no device of this install has called under its name: the order is still open.
    pub(crate) fn wiped(&self, device: Device, name: &str) -> Result<(), SyncError> {
        if device.user != NOBODY {
            return self.settle(device, &Order::Wiped);
        }
        let filter = DeviceFilter { install: Some(device.install), ..DeviceFilter::default() };
        let known = self.staging.devices().list(&filter, None, DEVICES_PAGE_MAX)?;
        let named = known.iter().find(|known| known.about.name == name);
        let user = named.map(|known| RowKey(known.key.user)).ok_or_else(|| self.nobody(name))?;
        self.settle(Device { user, ..device }, &Order::Wiped)
    }

    /// Why there is nobody of a name.
    fn nobody(&self, name: &str) -> SyncError {
        let state = self.state.read();
        state.loaded().map_or_else(|| self.loading(), |loaded| unknown_user(&loaded.engine, name))
    }

    /// How many devices there are of each sort; none, if that cannot be read now.
    pub(super) fn count_devices(&self) -> OrganizationStatistics {
        let counts = self.staging.devices().counts(self.clock.instant().0).unwrap_or_default();
        OrganizationStatistics {
            devices: counts.known,
            devices_seen_hour: counts.seen_hour,
            devices_seen_day: counts.seen_day,
            devices_failing: counts.failed,
            devices_blocked: counts.blocked,
            devices_wipe_pending: counts.wipe_pending,
            devices_wiped: counts.wiped,
            ..OrganizationStatistics::default()
        }
    }

    fn settle(&self, device: Device, order: &Order) -> Result<(), SyncError> {
        use haversack_staging::StagingError::{Closed, DeviceUnknown, OrderImpossible};
        let key = key_of(device);
        match self.staging.devices().order(key.install, Some(key.user), order, self.clock.instant().0) {
            Ok(_) | Err(DeviceUnknown(_) | OrderImpossible(_)) => Ok(()),
            Err(Closed) => Err(SyncError::NotProvisioned(self.name.clone())),
            Err(error) => Err(error.into()),
        }
    }

    /// A device was sent a checkpoint.
    pub(super) fn note_checkpoint(self: &Arc<Self>, visitor: &Visitor, lsn: haversack_engine::ids::Lsn) {
        self.note(visitor.checkpoint(self.clock.instant(), lsn));
    }
}

fn admitted(orders: &Orders) -> Result<Option<i64>, SyncError> {
    let wiped = |offers_outbox| {
        let reason = orders.wipe_reason.clone().unwrap_or_default();
        Err(SyncError::DeviceWiped { reason, offers_outbox })
    };
    match orders.standing() {
        Standing::Admitted => Ok(orders.pending_check()),
        Standing::Blocked => Err(SyncError::DeviceBlocked(orders.block_reason.clone().unwrap_or_default())),
        Standing::WipePending => wiped(orders.offers_outbox),
        Standing::Wiped => wiped(false),
    }
}
