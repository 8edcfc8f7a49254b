//! What happens in a world, drawn from its seed, and how it comes to rest.

mod administrators;
mod mishaps;
mod rest;
mod restores;
mod traffic;
mod writing_back;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use haversack_proto::sync::UploadRequest;
use haversack_staging::Origin;
use tempfile::TempDir;

use self::restores::Backup;
use crate::counters::Counters;
use crate::device::{Device, File};
use crate::ledger::Ledger;
use crate::server::{Server, SkewedClock, token};
use crate::stream::Stream;
use crate::truth::{KNOWN_USERS, Truth};
use crate::views::draw::{Draw, MINUTE};
use crate::views::organization::APPS;
use crate::withdrawn::Withdrawn;

/// Gateways on one staging database.
const SERVERS: usize = 3;

/// How many devices are in use at a time; the others lie in drawers.
const IN_USE: u64 = 16;

/// By how much servers' clocks differ from the world's: up to what is forgiven, and beyond.
const SKEWS: [i64; 8] = [0, 0, 0, -MINUTE, MINUTE, 4 * MINUTE, -9 * MINUTE, 9 * MINUTE];

/// An organization, its servers, its devices, and what is between them.
pub(crate) struct Simulation {
    pub(crate) counters: Counters,
    draw: Draw,
    folder: TempDir,
    truth: Truth,
    ledger: Ledger,
    time: Arc<AtomicI64>,
    servers: Vec<Option<Server>>,
    servers_started: u64,
    installs: u64,
    devices: Vec<Device>,
    /// Where in the list the devices are that are in use.
    in_use: u64,
    /// Streams that their devices have given up, and the server does not know.
    doubled: Vec<Stream>,
    /// Uploads that the network brings late.
    delayed: Vec<Delayed>,
    backup: Option<Backup>,
    /// Database files that were made.
    files: u64,
    /// Mutations that a source without keys did not know by their rows.
    asked_in_vain: BTreeSet<Origin>,
    withdrawn: Withdrawn,
    /// The epoch in which somebody put back a file by hand: devices do not know of it, and tell nothing again.
    put_back_by_hand: Option<[u8; 16]>,
    /// Whether nothing goes wrong any more.
    is_quiet: bool,
}

/// An upload that somebody has made, and nobody waits for.
struct Delayed {
    user: u32,
    token: Arc<str>,
    request: UploadRequest,
}

impl Simulation {
    /// The world of a seed with so many devices.
    pub(crate) async fn new(seed: u64, devices: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let truth = Truth::new(seed, folder.path().join("staging.db"));
        let time = Arc::new(AtomicI64::new(truth.world.instant));
        let mut simulation = Self {
            counters: Counters::default(),
            draw: Draw::new(!seed),
            folder,
            truth,
            ledger: Ledger::default(),
            time,
            servers: Vec::new(),
            servers_started: 0,
            installs: 0,
            devices: Vec::new(),
            in_use: 0,
            doubled: Vec::new(),
            delayed: Vec::new(),
            backup: None,
            files: 0,
            asked_in_vain: BTreeSet::new(),
            withdrawn: Withdrawn::default(),
            put_back_by_hand: None,
            is_quiet: false,
        };
        simulation.draw.now = simulation.truth.world.instant;
        for _ in 0..SERVERS {
            let server = simulation.new_server().await;
            simulation.servers.push(Some(server));
        }
        for _ in 0..devices {
            let device = simulation.new_device();
            simulation.devices.push(device);
        }
        simulation
    }

    /// Lets so many things happen, each of which is told to `at`, and then the world come to rest.
    pub(crate) async fn walk(&mut self, steps: u64, at: &Rc<Cell<u64>>) {
        for _ in 0..steps {
            at.set(at.get() + 1);
            self.step().await;
        }
        self.rest().await;
    }

    /// One thing happens.
    async fn step(&mut self) {
        match self.draw.below(1_000) {
            0..=209 => self.poll().await,
            210..=359 => self.apply(),
            360..=449 => self.open().await,
            450..=629 => self.write(),
            630..=769 => self.upload().await,
            770..=789 => self.bring_delayed().await,
            790..=809 => self.look_into_outbox(),
            810..=816 => self.look_into_refusals().await,
            817..=829 => self.poll_doubled().await,
            830..=904 => self.change_the_world(),
            905..=929 => self.follow(),
            930..=953 => self.write_back(),
            954 => self.turn_source(),
            955..=959 => self.order(),
            960..=964 => self.take_other_devices(),
            _ => self.mishap().await,
        }
    }

    /// The source, administrators or the clock do something.
    fn change_the_world(&mut self) {
        if self.draw.chance(25) {
            let user = self.draw.below(u64::from(KNOWN_USERS)) as u32;
            self.truth.admit(user, &mut self.counters);
            return self.counters.count("world: users let in again");
        }
        if self.draw.chance(30) {
            self.truth.catch_up(&mut self.counters);
        }
        let kind = self.draw.below(27) as u8;
        self.counters.count(match kind {
            0..=7 | 11 => "world: rows of the source",
            8..=10 | 13 | 14 => "world: users, roles, shares",
            12 => "world: models",
            15 => "world: zones and languages",
            _ => "world: time",
        });
        self.truth.step(kind, &mut self.counters);
        self.tell_time();
    }

    fn tell_time(&mut self) {
        self.time.store(self.truth.world.instant, Ordering::SeqCst);
        self.draw.now = self.truth.world.instant;
    }

    /// A server looks at the staging database and its clock.
    fn follow(&mut self) {
        let slot = self.draw.below(SERVERS as u64) as usize;
        if let Some(server) = &mut self.servers[slot] {
            server.follow();
            self.counters.count("servers follow");
        }
        let standings = self.servers.iter().flatten().filter_map(Server::standing);
        if let Some(oldest) = standings.map(|standing| standing.lsn).min() {
            self.truth.forget(oldest);
        }
    }

    fn take_other_devices(&mut self) {
        self.in_use = self.draw.below(self.devices.len() as u64);
    }

    /// A device that is in use, or now and then any other.
    fn some_device(&mut self) -> usize {
        let count = self.devices.len() as u64;
        let device = if self.draw.chance(92) {
            self.in_use + self.draw.below(IN_USE.min(count))
        } else {
            self.draw.below(count)
        };
        (device % count) as usize
    }

    /// The place of a server that runs.
    fn some_server(&mut self) -> Option<usize> {
        let running: Vec<usize> = (0..SERVERS).filter(|slot| self.servers[*slot].is_some()).collect();
        (!running.is_empty()).then(|| self.draw.of(&running))
    }

    async fn new_server(&mut self) -> Server {
        self.servers_started += 1;
        let skew = AtomicI64::new(self.draw.of(&SKEWS));
        let clock = SkewedClock { world: Arc::clone(&self.time), skew };
        Server::start(self.servers_started, (self.truth.handle(), self.truth.outside.is_some()), clock, &token(0)).await
    }

    fn new_device(&mut self) -> Device {
        // A few belong to users who may not be there yet.
        let users = if self.draw.chance(95) { KNOWN_USERS } else { KNOWN_USERS + 2 };
        let user = self.draw.below(u64::from(users)) as u32;
        let app = if self.draw.chance(75) { "" } else { self.draw.of(&APPS) };
        let file = self.new_file();
        Device { user, app, token: token(user), file, backup: None, stream: None, written: 0 }
    }

    fn new_file(&mut self) -> File {
        self.installs += 1;
        File::new(u128::from(self.installs).to_be_bytes())
    }
}
