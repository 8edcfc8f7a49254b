//! The world comes to rest: servers run, nothing fails, nobody writes. Then everything must be right, soon.

use std::sync::atomic::Ordering;

use haversack_proto::sync::SyncMode;
use haversack_staging::Staging;
use tonic::Status;

use super::{SERVERS, Simulation};
use crate::outbox::State;
use crate::server::{Server, Standing, reason};
use crate::stream::{Polled, check_exact};
use crate::views::draw::MINUTE;
use crate::views::organization::{UNIT, USER};

/// How often a device calls until it is what it should be: its cookie may be void, blocks be asked for, passes not end.
const CALLS_MAX: usize = 12;

/// How often devices sync and send: a proof that history was lost may come with the last sync.
const ROUNDS: usize = 2;

/// How many events a call may bring.
const EVENTS_MAX: usize = 2_000;

/// How often a device sends until nothing waits.
const UPLOADS_MAX: usize = 400;

/// Looks after which a server is where the staging database is.
const LOOKS_MAX: usize = 4;

/// Longer than servers' clocks are ahead, in microseconds.
const SKEW_OVER: i64 = 20 * MINUTE;

/// Reasons for which a device gets nothing, and nothing of what it wrote is taken.
const OUTCASTS: [&str; 7] = [
    "USER_UNKNOWN",
    "USER_DISABLED",
    "PROFILE_MISSING",
    "PROFILE_NOT_READABLE",
    "APP_UNKNOWN",
    "APP_NOT_ENABLED",
    "DEVICE_BLOCKED",
];

impl Simulation {
    /// Comes to rest, and checks everything.
    pub(super) async fn rest(&mut self) {
        self.is_quiet = true;
        self.be_quiet().await;
        self.devices.iter_mut().for_each(crate::device::Device::crash);
        // Whoever proves that history was lost has all others begin anew, and send what is lost.
        let mut epoch = self.epoch();
        for _ in 0..ROUNDS {
            for device in 0..self.devices.len() {
                self.sync(device).await;
                if std::mem::replace(&mut epoch, self.epoch()) != epoch {
                    self.follow_all();
                }
            }
            for device in 0..self.devices.len() {
                self.send_everything(device).await;
            }
            self.write_everything_back();
            self.follow_all();
        }
        for device in 0..self.devices.len() {
            self.come_to_rest(device).await;
        }
        self.check_brought_back();
        self.check_withdrawn();
        let sent = self.counters.of("rows sent");
        for device in 0..self.devices.len() {
            self.sync(device).await;
        }
        assert_eq!(self.counters.of("rows sent"), sent, "I4: who is at rest is sent nothing");
        self.ledger.check_kept(&self.truth);
        self.is_quiet = false;
        self.counters.count("times at rest");
    }

    /// Everybody runs, and clocks agree. Half of what the network holds comes, half never does.
    async fn be_quiet(&mut self) {
        self.doubled.clear();
        for slot in 0..SERVERS {
            if self.servers[slot].is_none() {
                self.servers[slot] = Some(self.new_server().await);
            }
        }
        for server in self.servers.iter().flatten() {
            server.mend();
            server.clock.skew.store(0, Ordering::SeqCst);
        }
        self.truth.world.instant += SKEW_OVER;
        self.tell_time();
        self.truth.ship(&mut self.counters);
        self.follow_all();
        for _ in 0..self.delayed.len() {
            if self.draw.chance(50) {
                self.bring_delayed().await;
            }
        }
        self.delayed.clear();
        self.follow_all();
    }

    fn epoch(&self) -> [u8; 16] {
        self.truth.staging().identity().unwrap().epoch
    }

    fn follow_all(&mut self) {
        let head = self.truth.head();
        for server in self.servers.iter_mut().flatten() {
            let arrives = (0..LOOKS_MAX).any(|_| {
                server.follow();
                server.standing().is_some_and(|standing| standing.lsn == head)
            });
            assert!(arrives, "a server does not come to the head");
        }
        self.truth.forget(head);
    }

    /// Sends a device's outbox until nothing waits in it that can be sent.
    async fn send_everything(&mut self, device: usize) {
        for _ in 0..UPLOADS_MAX {
            let Some(request) = self.upload_request(device, 500) else { return };
            let slot = self.draw.below(SERVERS as u64) as usize;
            let entries = &self.devices[device].file.outbox.entries;
            let writes_directory = entries.iter().any(|entry| [USER, UNIT].contains(&entry.row.0));
            let first = request.mutations.first().cloned();
            let Some(status) = self.upload_at(device, slot, request).await else {
                // An epoch that the device has not come to: it sends the same again once it has.
                let is_answered = self.devices[device]
                    .file
                    .outbox
                    .sendable(1)
                    .first()
                    .is_none_or(|it| Some(&it.bytes) != first.as_ref());
                if is_answered {
                    continue;
                }
                return self.counters.count("answers of an epoch that the device does not know");
            };
            let reason = reason(&status);
            if reason == "DEVICE_WIPED" {
                return;
            }
            if reason == "INTERNAL" && writes_directory {
                // A call that has ended its own rights; the next one hears so.
                self.counters.count("upload calls that locked their user out");
                continue;
            }
            assert!(OUTCASTS.contains(&reason.as_str()), "nothing fails any more: {status:?}");
            return self.counters.count("outboxes that wait for an administrator");
        }
        panic!("I3: what waits on a device is never taken");
    }

    /// Syncs a device until it is what it should be, and checks that.
    async fn come_to_rest(&mut self, device: usize) {
        let ending = self.sync(device).await;
        let at = self.now();
        let device = &self.devices[device];
        if let Some(status) = ending {
            // Why, was checked when it came.
            let reason = reason(&status);
            assert!(OUTCASTS.contains(&reason.as_str()), "nothing fails any more: {status:?}");
            return self.counters.count("devices at rest that get nothing");
        }
        check_exact(&device.file, &device.asker(), &mut self.truth, at);
        let past = self.truth.past(at.lsn);
        for entity in device.file.entities() {
            let fields = device.file.fields(entity);
            for (ordinal, _) in device.file.held(entity) {
                let row = self.truth.row(entity, ordinal);
                let mut cells = past.rows[&entity][row.1 as usize].cells.clone().expect("it is in a view");
                cells.retain(|field, _| fields.contains(field));
                assert_eq!(device.file.contents(entity, ordinal), &cells, "I2: {row:?}");
            }
        }
        let outbox = &device.file.outbox;
        assert!(outbox.sendable(1).is_empty(), "what could be sent was sent: {:?}", outbox.sendable(1));
        let here = outbox.entries.iter().find(|entry| matches!(entry.state, State::Applied(_)));
        assert!(here.is_none(), "the device has come to what it wrote: {here:?}");
        let open = outbox.entries.iter().find(|it| matches!(it.state, State::Queued | State::Asked | State::Doubtful));
        assert!(open.is_none(), "every write has its last word: {open:?}");
        for entry in outbox.entries.iter().filter(|entry| entry.state == State::Refused) {
            let outcome = self.ledger.outcome((device.file.install, device.user, entry.number()));
            let is_lost = self.ledger.lost((device.file.install, device.user, entry.number())).is_some();
            assert!(outcome.is_some() || is_lost, "I3: what is refused here was refused by a server: {entry:?}");
        }
        self.counters.add("rows at rest", device.file.replica.len() as u64);
        self.counters.count("devices at rest");
    }

    /// Calls until a checkpoint, or a reason for which there will be none.
    async fn sync(&mut self, device: usize) -> Option<Status> {
        for _ in 0..CALLS_MAX {
            let slot = self.draw.below(SERVERS as u64) as usize;
            let before = self.devices[device].file.replica.received.events;
            let failed = match self.open_at(device, slot, SyncMode::Once).await {
                None => self.drain(device).await.err(),
                failed => failed,
            };
            if let Some(status) = failed {
                if OUTCASTS.contains(&reason(&status).as_str()) {
                    return Some(status);
                }
                match reason(&status).as_str() {
                    // The device has seen a later moment on another server; the follower was told so.
                    "SERVER_BEHIND" => self.servers[slot].as_mut().expect("all servers run").follow(),
                    "COOKIE_INVALID" | "DEVICE_WIPED" | "STAGING_REPLACED" => {}
                    _ => panic!("nothing fails any more: {status:?}"),
                }
                continue;
            }
            let file = &self.devices[device].file;
            if file.replica.received.events > before && file.position == Some(self.now().lsn) {
                return None;
            }
        }
        panic!("a device does not come to rest: {:?}", self.devices[device].asker());
    }

    /// Takes in a stream to its end.
    async fn drain(&mut self, device: usize) -> Result<(), Status> {
        for _ in 0..EVENTS_MAX {
            match self.poll_of(device).await {
                Some(Polled::Ended(ending)) => return ending,
                Some(Polled::Idle) => panic!("a stream of one pass is silent"),
                Some(Polled::Sent) => {}
                None => {
                    let device = &mut self.devices[device];
                    let event = device.stream.as_mut().and_then(crate::stream::Stream::arrive);
                    device.file.apply(&event.expect("a stream that is full has an event"));
                }
            }
        }
        panic!("a stream does not end");
    }

    /// What a view is to be exact at, whichever server gives it: the last commit, and now.
    fn now(&self) -> Standing {
        let Standing { lsn, revision, .. } = self.servers[0].as_ref().and_then(Server::standing).expect("it runs");
        Standing { lsn, revision, instant: self.truth.world.instant }
    }
}
