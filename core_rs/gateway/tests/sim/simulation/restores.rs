//! Backups of the staging database, and restored ones: what came after the backup is lost, and devices bring it again.

use std::path::PathBuf;

use haversack_staging::{LedgerPlace, Origin, Staging};

use super::Simulation;
use crate::outbox::State;
use crate::views::draw::key;
use crate::views::organization::USER;
use crate::withdrawn::entry;

/// A copy of the staging database as it was at some moment.
pub(super) struct Backup {
    path: PathBuf,
}

impl Simulation {
    /// Somebody makes a backup, while everything goes on.
    pub(super) fn back_up(&mut self) {
        let path = self.new_path("backup");
        self.truth.staging().copy_to(&path).unwrap().finish().unwrap();
        self.backup = Some(Backup { path });
        self.counters.count("backups made");
    }

    /// The organization is put back to its backup: by `haversack restore`, which begins a new epoch; or by hand, and a
    /// device has to prove that something was lost.
    pub(super) async fn restore(&mut self) {
        let Some(Backup { path, .. }) = &self.backup else { return };
        let path = path.clone();
        let restored = self.new_path("staging");
        std::fs::copy(&path, &restored).unwrap();
        self.servers.iter_mut().for_each(|server| *server = None);
        self.truth.restore(restored);
        if self.draw.chance(60) {
            let staging = self.truth.staging();
            staging.mint_epoch(staging.identity().unwrap().epoch).unwrap();
            self.counters.count("backups restored");
        } else {
            self.counters.count("backups put back by hand");
            self.put_back_by_hand = Some(self.truth.staging().identity().unwrap().epoch);
            let snapshot = self.truth.staging().snapshot().unwrap();
            for (place, entry) in snapshot.ledger().page(LedgerPlace(0), usize::MAX).unwrap() {
                if snapshot.ledger().queued_at(place).unwrap().is_some() {
                    self.asked_in_vain.insert(entry.origin);
                }
            }
        }
        // A call that was made before and comes after it says nothing of that; only keys can tell.
        if self.truth.outside.as_ref().is_some_and(|outside| !outside.keeps_keys()) {
            self.delayed.clear();
        }
        self.withdrawn.lose(&self.truth);
        let lost = self.ledger.lose(&self.truth);
        self.counters.add("judged, and lost with a backup", lost);
        let server = self.new_server().await;
        self.servers[0] = Some(server);
    }

    /// Whether what devices were told to be taken has come back, where there is a device that could bring it.
    pub(super) fn check_brought_back(&mut self) {
        let epoch = self.truth.staging().identity().unwrap().epoch;
        let mut found = 0;
        for device in self.devices.iter().filter(|device| device.file.replica.epoch[..] == epoch) {
            for entry in device.file.outbox.entries.iter().filter(|entry| entry.taken) {
                let name = (device.file.install, device.user, entry.number());
                let Some(lost_in) = self.ledger.lost(name) else { continue };
                // A file that was put back by hand, and nobody who could prove it.
                let is_unproven = lost_in == epoch;
                assert!(is_unproven || entry.state != State::Kept, "I3: {name:?} was taken, and is lost: {entry:?}");
                found += 1;
            }
        }
        self.counters.add("lost, and nobody could prove it", found);
    }

    /// Nothing that was given up is made, or open for an administrator who could have it made.
    pub(super) fn check_withdrawn(&mut self) {
        self.withdrawn.check(&self.truth);
        let epoch = self.truth.staging().identity().unwrap().epoch;
        if self.put_back_by_hand == Some(epoch) {
            return;
        }
        for device in self.devices.iter().filter(|device| device.file.replica.epoch[..] == epoch) {
            let told = device.file.outbox.withdrawn.iter().filter(|(_, told)| **told);
            for (&number, _) in told {
                let origin = Origin { install: device.file.install, user: key(USER, device.user), number };
                let entry = entry(&self.truth, &origin);
                assert!(!entry.is_some_and(|it| it.is_open_refusal()), "{origin:?} was given up, and is open");
                self.counters.count("given up, and settled");
            }
        }
    }

    pub(super) fn new_path(&mut self, what: &str) -> PathBuf {
        self.files += 1;
        self.folder.path().join(format!("{what}-{}.db", self.files))
    }
}
