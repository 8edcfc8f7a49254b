//! What administrators do to devices, and to what was refused.

use haversack_proto::sync::UploadRequest;
use haversack_staging::{Contact, DeviceKey, LedgerPlace, Order, Orders, Staging, Standing, discard_refusal};

use super::Simulation;
use crate::device::Device;
use crate::server::reason;
use crate::views::draw::key;
use crate::views::organization::USER;
use crate::withdrawn::is_withdrawn;

/// Most mutations of a call that offers an outbox.
const OFFERED_MAX: usize = 12;

/// Entries of the log of refusals that an administrator looks through.
const LOG_MAX: usize = 1_000;

impl Simulation {
    /// An administrator gives a device an order.
    pub(super) fn order(&mut self) {
        let blocked = self.devices.iter().position(|device| self.orders_of(device).standing() == Standing::Blocked);
        let device = blocked.filter(|_| self.draw.chance(50)).unwrap_or_else(|| self.some_device());
        let (install, user) = (self.devices[device].file.install, key(USER, self.devices[device].user));
        let reason = "lost".to_owned();
        let order = match self.draw.below(10) {
            0..=2 => Order::Block { reason },
            3..=5 => Order::Unblock,
            6 | 7 => Order::Wipe { reason, offers_outbox: self.draw.chance(50) },
            8 => Order::CancelWipe,
            _ => Order::Check,
        };
        let registry = self.truth.staging().devices();
        let now = self.truth.world.instant;
        // It has called, or the administrator would not know of it.
        registry.note(&[contact(DeviceKey { install, user }, now)]).unwrap();
        if registry.order(install, Some(user), &order, now).is_ok() {
            let words = format!("{order:?}").to_lowercase();
            let name = words.split([' ', '{']).next().unwrap_or_default();
            self.counters.count(&format!("devices ordered: {name}"));
        }
    }

    /// An administrator looks into the log of refusals, and has one judged again or puts it aside; or tries to, if its user was
    /// first.
    pub(super) async fn look_into_refusals(&mut self) {
        let Some(slot) = self.some_server() else { return };
        let found: Vec<(LedgerPlace, bool)> = {
            let snapshot = self.truth.staging().snapshot().unwrap();
            let log = snapshot.ledger().refused(LedgerPlace(0), LOG_MAX).unwrap();
            let entries = log.into_iter().map(|(place, entry)| (place, entry.is_open_refusal(), is_withdrawn(&entry)));
            entries.filter(|(_, is_open, is_withdrawn)| *is_open || *is_withdrawn).map(|it| (it.0, it.2)).collect()
        };
        if found.is_empty() {
            return;
        }
        let (place, is_withdrawn) = self.draw.of(&found);
        if self.draw.chance(30) {
            let discarded = discard_refusal(self.truth.staging(), place);
            assert_eq!(discarded.is_err(), is_withdrawn, "{discarded:?}");
            return self.counters.count("refusals discarded by administrators");
        }
        let forced = self.draw.chance(30);
        let answer = self.servers[slot].as_mut().expect("the server runs").retry(place, forced).await;
        let changed = self.truth.read_back();
        self.ledger.check_retry(&self.truth, &changed, &mut self.counters);
        self.withdrawn.check(&self.truth);
        match answer {
            Some(answer) => {
                assert!(!is_withdrawn, "what its user has given up was judged again: {answer:?}");
                let outcome = answer.outcome().as_str_name().to_lowercase();
                self.counters.count(&format!("refusals judged again: {outcome}"));
            }
            None => self.counters.count("refusals that cannot be judged again now"),
        }
    }

    /// What a device was ordered.
    pub(super) fn orders_of(&self, device: &Device) -> Orders {
        let key = DeviceKey { install: device.file.install, user: key(USER, device.user) };
        self.truth.staging().devices().orders(&key).unwrap()
    }

    /// A device does as it was told: everything on it goes, and its user gets another one.
    pub(super) async fn wipe(&mut self, device: usize, slot: usize) {
        let orders = self.orders_of(&self.devices[device]);
        assert!(orders.standing() >= Standing::WipePending, "nobody ordered that: {orders:?}");
        self.counters.count("devices wiped");
        let (user, token) = (self.devices[device].user, self.devices[device].token.clone());
        let (install, app) = (self.devices[device].file.install, self.devices[device].app.to_owned());
        if orders.standing() == Standing::WipePending && orders.offers_outbox {
            let withdrawn = self.devices[device].file.outbox.request(0).withdrawn;
            if !withdrawn.is_empty() {
                let install_id = install.to_vec().into();
                let request = UploadRequest { install_id, withdrawn, app: app.clone(), ..UploadRequest::default() };
                drop(self.call(slot, user, &token, &request).await);
                self.counters.count("given up, and said by a device that is wiped");
            }
            let offers = self.devices[device].file.outbox.offers();
            for mutations in offers.chunks(OFFERED_MAX).map(<[_]>::to_vec) {
                let install_id = install.to_vec().into();
                let request = UploadRequest { install_id, mutations, app: app.clone(), ..UploadRequest::default() };
                drop(self.call(slot, user, &token, &request).await);
                self.counters.count("outboxes offered");
            }
        }
        let reported = self.servers[slot].as_mut().expect("the server runs").report_wiped(&token, install).await;
        let known = self.orders_of(&self.devices[device]);
        assert!(reported.is_err() || known.standing() == Standing::Wiped, "nobody noted that it was wiped: {known:?}");
        if let Err(status) = reported {
            self.counters.count(&format!("wipes that nobody heard of: {}", reason(&status)));
        }
        let file = self.new_file();
        let device = &mut self.devices[device];
        device.crash();
        // A copy of the old file may come back, and is not served.
        device.file = file;
    }
}

fn contact(key: DeviceKey, now: i64) -> Contact {
    Contact {
        key,
        name: "somebody".into(),
        app: String::new(),
        client: String::new(),
        said: None,
        first_us: now,
        seen_us: now,
        checkpoint: None,
        full_syncs: 0,
    }
}
