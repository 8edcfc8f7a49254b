//! What goes between devices and servers: streams and uploads.

use haversack_proto::sync::{Mutation, SyncMode, UploadRequest, UploadResponse};
use haversack_staging::Standing;
use prost::Message;
use tonic::Status;

use super::{Delayed, Simulation};
use crate::device::Device;
use crate::ledger::Call;
use crate::outbox::reused;
use crate::server::{Server, reason};
use crate::stream::{IN_FLIGHT_MAX, Polled, Stream, check_ending};

/// Most mutations of a call: few, so that there are many calls.
const CALL_MUTATIONS_MAX: u64 = 12;

impl Simulation {
    /// A device calls a server, whether it has a stream or not.
    pub(super) async fn open(&mut self) {
        let device = self.some_device();
        let Some(slot) = self.some_server() else { return self.counters.count("calls that no server heard") };
        if let Some(older) = self.devices[device].stream.take().filter(|_| self.draw.chance(50)) {
            self.counters.count("streams doubled");
            self.doubled.push(older);
        }
        let mode = if self.draw.chance(60) { SyncMode::Live } else { SyncMode::Once };
        self.open_at(device, slot, mode).await;
    }

    /// Opens a stream of a device. Returns why the call failed, if it did.
    pub(super) async fn open_at(&mut self, index: usize, slot: usize, mode: SyncMode) -> Option<Status> {
        let standing = self.orders_of(&self.devices[index]).standing();
        let Self { devices, servers, truth, counters, .. } = self;
        let (device, server) = (&mut devices[index], servers[slot].as_mut().expect("the server runs"));
        counters.count("streams opened");
        let call = server.sync(&device.token, device.request(mode)).await;
        server.look();
        match call {
            Ok(events) => {
                assert_eq!(standing, Standing::Admitted, "an order holds from the next call on");
                device.stream = Some(Stream::new(server.id, device.asker(), events, &device.file));
                None
            }
            Err(status) => {
                counters.count(&format!("calls refused: {}", reason(&status)));
                check_ending(&status, &device.asker(), truth, server.standing(), None);
                device.obey(&status);
                let is_blocked = reason(&status) == "DEVICE_BLOCKED";
                assert!(!is_blocked || standing == Standing::Blocked, "nobody ordered that: {status:?}");
                if reason(&status) == "DEVICE_WIPED" {
                    self.wipe(index, slot).await;
                }
                Some(status)
            }
        }
    }

    /// A server is asked for the next events of a stream.
    pub(super) async fn poll(&mut self) {
        let device = self.some_device();
        for _ in 0..=self.draw.below(IN_FLIGHT_MAX as u64) {
            if !matches!(self.poll_of(device).await, Some(Polled::Sent)) {
                return;
            }
        }
    }

    /// A server is asked for the next event of a device's stream, if there is one and it has room for an event.
    pub(super) async fn poll_of(&mut self, device: usize) -> Option<Polled> {
        let Self { devices, servers, truth, counters, .. } = self;
        let device = &mut devices[device];
        let stream = device.stream.as_mut()?;
        let Some(server) = running(servers, stream.server) else {
            counters.count("streams cut: their server has died");
            device.stream = None;
            return None;
        };
        if stream.is_full() {
            return None;
        }
        let polled = stream.poll(truth, server.standing(), counters).await;
        if let Polled::Ended(ending) = &polled {
            device.apply_all();
            device.stream = None;
            ending.as_ref().err().into_iter().for_each(|status| device.obey(status));
        }
        Some(polled)
    }

    /// A device takes in some of what is under way.
    pub(super) fn apply(&mut self) {
        let device = self.some_device();
        let Device { stream, file, .. } = &mut self.devices[device];
        for _ in 0..=self.draw.below(IN_FLIGHT_MAX as u64) {
            let Some(event) = stream.as_mut().and_then(Stream::arrive) else { return };
            file.apply(&event);
            self.counters.count("events applied");
        }
    }

    /// A server sends to somebody who listens no more.
    pub(super) async fn poll_doubled(&mut self) {
        let Self { doubled, servers, truth, counters, draw, .. } = self;
        if doubled.is_empty() {
            return;
        }
        let at = draw.below(doubled.len() as u64) as usize;
        let mut stream = doubled.swap_remove(at);
        let Some(server) = running(servers, stream.server) else { return };
        stream.arrive();
        if !matches!(stream.poll(truth, server.standing(), counters).await, Polled::Ended(_)) {
            doubled.push(stream);
        }
    }

    /// A user writes.
    pub(super) fn write(&mut self) {
        let device = self.some_device();
        for _ in 0..=self.draw.below(3) {
            if self.devices[device].write(&mut self.draw, &mut self.truth) {
                self.counters.count("written on devices");
            }
        }
    }

    /// A user mends, or gives up, what was refused.
    pub(super) fn look_into_outbox(&mut self) {
        let device = self.some_device();
        let outbox = &mut self.devices[device].file.outbox;
        let refused = outbox.refused();
        if refused.is_empty() {
            return;
        }
        let number = self.draw.of(&refused);
        if self.draw.chance(50) {
            outbox.retry(number, self.truth.world.instant + 1);
            self.counters.count("refused, and written anew");
        } else {
            let discarded = outbox.discard(number);
            self.counters.add("refused, and discarded", discarded as u64);
        }
    }

    /// A device sends what waits. The call may be lost, before or behind the server, be made twice, or come late.
    pub(super) async fn upload(&mut self) {
        let device = self.some_device();
        let Some(slot) = self.some_server() else { return };
        let at_most = 1 + self.draw.below(CALL_MUTATIONS_MAX);
        let Some(request) = self.upload_request(device, at_most as usize) else { return };
        let (user, token) = (self.devices[device].user, self.devices[device].token.clone());
        match self.draw.below(100) {
            0..=7 => self.counters.count("uploads lost on the way there"),
            8..=15 => {
                self.call(slot, user, &token, &request).await.ok();
                self.counters.count("uploads lost on the way back");
            }
            16..=23 => {
                self.delayed.push(Delayed { user, token, request });
                self.counters.count("uploads delayed");
            }
            24..=31 => {
                self.call(slot, user, &token, &request).await.ok();
                self.counters.count("uploads doubled");
                self.upload_at(device, slot, request).await;
            }
            _ => drop(self.upload_at(device, slot, request).await),
        }
    }

    /// The network brings an upload late.
    pub(super) async fn bring_delayed(&mut self) {
        if self.delayed.is_empty() {
            return;
        }
        let Some(slot) = self.some_server() else { return };
        let at = self.draw.below(self.delayed.len() as u64) as usize;
        let Delayed { user, token, request } = self.delayed.swap_remove(at);
        self.call(slot, user, &token, &request).await.ok();
    }

    /// What a device sends next, if anything can be sent.
    pub(super) fn upload_request(&mut self, device: usize, at_most: usize) -> Option<UploadRequest> {
        let device = &mut self.devices[device];
        let (install_id, app) = (device.file.install.to_vec().into(), device.app.to_owned());
        let request = device.file.outbox.request(at_most);
        let says_something = !(request.mutations.is_empty() && request.withdrawn.is_empty());
        says_something.then(|| UploadRequest { install_id, app, ..request })
    }

    /// Makes a call and takes in the answers; where a number was used before, each mutation is sent alone. Returns why it failed.
    pub(super) async fn upload_at(&mut self, device: usize, slot: usize, request: UploadRequest) -> Option<Status> {
        let (user, token) = (self.devices[device].user, self.devices[device].token.clone());
        let result = self.call(slot, user, &token, &request).await;
        match result {
            Ok(response) => {
                self.devices[device].file.outbox.told(&request.withdrawn);
                self.devices[device].file.answer(&response);
            }
            Err(status) if reason(&status) == "DEVICE_WIPED" => {
                Box::pin(self.wipe(device, slot)).await;
                return Some(status);
            }
            Err(status) if reason(&status) != "NUMBER_REUSED" => return Some(status),
            Err(_) if request.mutations.len() == 1 => {
                let file = &mut self.devices[device].file;
                let number = Mutation::decode(request.mutations[0].clone()).unwrap().number;
                file.outbox.answer(&[reused(number)], file.position, true);
                self.counters.count("written under a number that was used before");
            }
            Err(_) => {
                for mutation in &request.mutations {
                    let alone = alone(&request, mutation);
                    if let Ok(response) = self.call(slot, user, &token, &alone).await {
                        self.devices[device].file.answer(&response);
                    } else {
                        return Box::pin(self.upload_at(device, slot, alone)).await;
                    }
                }
            }
        }
        None
    }

    /// Makes an upload call, and checks what it did.
    pub(super) async fn call(
        &mut self,
        slot: usize,
        user: u32,
        token: &str,
        request: &UploadRequest,
    ) -> Result<UploadResponse, Status> {
        let before = self.truth.head();
        let server = self.servers[slot].as_mut().expect("the server runs");
        let result = server.upload(token, request.clone()).await;
        let changed = self.truth.read_back();
        let call = Call { user, request, before, result: &result, changed: &changed };
        self.ledger.check(&call, &self.truth, &mut self.counters);
        self.withdrawn.heed(user, request, result.is_ok(), &self.truth, &mut self.counters);
        if let Ok(response) = &result {
            self.check_refusals(user, request, response);
        }
        result
    }
}

impl Device {
    /// Does what the protocol says of a failed call.
    fn obey(&mut self, status: &Status) {
        if reason(status) == "COOKIE_INVALID" {
            self.file.replica.cookie.clear();
        }
    }

    /// Takes in everything that is under way.
    fn apply_all(&mut self) {
        let Self { stream, file, .. } = self;
        while let Some(event) = stream.as_mut().and_then(Stream::arrive) {
            file.apply(&event);
        }
    }
}

/// A call with one of a call's mutations.
fn alone(request: &UploadRequest, mutation: &bytes::Bytes) -> UploadRequest {
    let number = Mutation::decode(mutation.clone()).unwrap().number;
    let only = |numbers: &[u64]| numbers.iter().copied().filter(|it| *it == number).collect();
    let (sent_before, taken_before) = (only(&request.sent_before), only(&request.taken_before));
    UploadRequest { mutations: vec![mutation.clone()], sent_before, taken_before, ..request.clone() }
}

/// A server that has not died.
fn running(servers: &[Option<Server>], id: u64) -> Option<&Server> {
    servers.iter().flatten().find(|server| server.id == id)
}
