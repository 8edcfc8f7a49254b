//! What goes wrong: servers and devices die, disks fail, files are copied back, databases are exchanged.

use haversack_staging::Staging;

use super::{SERVERS, Simulation};
use crate::gate::Failure;

impl Simulation {
    /// Something goes wrong.
    pub(super) async fn mishap(&mut self) {
        match self.draw.below(100) {
            0..=19 => self.cut(),
            20..=34 => self.kill_device(),
            35..=49 => self.kill_or_start_server().await,
            50..=69 => self.fail_disk(),
            70..=75 => self.copy_device_file(),
            76..=81 => self.restore_device_file(),
            82..=83 => self.lose_cookie(),
            84 => self.replace_device_file(),
            85..=87 => self.back_up(),
            88..=91 => self.restore().await,
            92..=93 => self.change_app(),
            94..=95 => self.begin_epoch(),
            96 => self.provision_again().await,
            _ => self.stop_server().await,
        }
    }

    fn cut(&mut self) {
        let device = self.some_device();
        if self.devices[device].stream.take().is_some() {
            self.counters.count("streams cut");
        }
    }

    fn kill_device(&mut self) {
        let device = self.some_device();
        self.devices[device].crash();
        self.counters.count("devices killed");
    }

    async fn kill_or_start_server(&mut self) {
        let slot = self.draw.below(SERVERS as u64) as usize;
        if self.servers[slot].take().is_some() {
            self.counters.count("servers killed");
        } else {
            self.servers[slot] = Some(self.new_server().await);
            self.counters.count("servers started again");
        }
    }

    /// A server ends, and tells its streams so.
    async fn stop_server(&mut self) {
        let slot = self.draw.below(SERVERS as u64) as usize;
        let Some(server) = &mut self.servers[slot] else { return };
        server.stop();
        let id = server.id;
        for device in 0..self.devices.len() {
            if self.devices[device].stream.as_ref().is_some_and(|stream| stream.server == id) {
                self.poll_of(device).await;
            }
        }
        self.servers[slot] = None;
        self.counters.count("servers stopped");
    }

    fn fail_disk(&mut self) {
        let failures = [Failure::Read, Failure::Follow, Failure::Begin, Failure::Undone, Failure::Unheard];
        let (slot, failure) = (self.draw.below(SERVERS as u64) as usize, self.draw.of(&failures));
        if let Some(server) = &self.servers[slot] {
            server.fail_once(failure);
            self.counters.count(&format!("disks told to fail: {failure:?}").to_lowercase());
        }
    }

    fn copy_device_file(&mut self) {
        let device = self.some_device();
        let device = &mut self.devices[device];
        device.backup = Some(device.file.clone());
        self.counters.count("device files copied");
    }

    /// The user's machine is restored: the database is an older one of the same install.
    fn restore_device_file(&mut self) {
        let device = self.some_device();
        let device = &mut self.devices[device];
        if let Some(older) = device.backup.take() {
            device.crash();
            device.file = older;
            self.counters.count("device files restored");
        }
    }

    fn lose_cookie(&mut self) {
        let device = self.some_device();
        let device = &mut self.devices[device];
        device.crash();
        device.file.replica.cookie.clear();
        self.counters.count("cookies lost");
    }

    /// The device is a new one, with nothing on it.
    fn replace_device_file(&mut self) {
        let (device, file) = (self.some_device(), self.new_file());
        let device = &mut self.devices[device];
        device.crash();
        (device.file, device.backup) = (file, None);
        self.counters.count("devices replaced");
    }

    fn change_app(&mut self) {
        let device = self.some_device();
        let device = &mut self.devices[device];
        device.crash();
        device.app = self.draw.of(&["", "sales", "service"]);
        self.counters.count("applications changed");
    }

    fn begin_epoch(&mut self) {
        let staging = self.truth.staging();
        staging.mint_epoch(staging.identity().unwrap().epoch).unwrap();
        self.counters.count("epochs begun");
    }

    /// The organization is taken out of service, and put into service again.
    async fn provision_again(&mut self) {
        self.servers.iter_mut().for_each(|server| *server = None);
        let path = self.new_path("staging");
        self.truth.provision_again(path);
        // A backup is of a database that nobody goes back to.
        self.backup = None;
        self.ledger.begin_generation();
        let server = self.new_server().await;
        self.servers[0] = Some(server);
        self.counters.count("provisioned again");
    }
}
