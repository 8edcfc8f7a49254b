//! What is under way to a device: events are checked when the server hands them out, against a shadow of the device
//! that has applied every one of them. The device itself lags behind, and loses what is under way when the stream is cut.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use haversack_engine::engine::Asker;
use haversack_engine::ids::{EntityNumber, Lsn, Ordinal};
use haversack_engine::reconcile::Cookie;
use haversack_proto::sync::sync_event::Event;
use haversack_proto::sync::{Checkpoint, RowBatch, SyncEvent};
use tonic::{Status, Streaming};

use crate::counters::Counters;
use crate::device::File;
use crate::server::{Standing, in_time, reason};
use crate::truth::Truth;
use crate::views::oracle::Answer;

/// Bytes of a cookie's seal.
const SEAL_BYTES: usize = 16;

/// How many events are under way at once.
pub(crate) const IN_FLIGHT_MAX: usize = 6;

/// A stream of a device.
pub(crate) struct Stream {
    /// The server's.
    pub(crate) server: u64,
    asker: Asker,
    events: Streaming<SyncEvent>,
    in_flight: VecDeque<SyncEvent>,
    shadow: File,
    opened: Opened,
}

/// What a stream began with, to judge by what may be sent again.
struct Opened {
    cookie: Option<Cookie>,
    versions: BTreeMap<(u32, Ordinal), u64>,
    again: BTreeSet<(u32, Ordinal)>,
}

/// What came of asking a server for the next event.
#[derive(Debug)]
pub(crate) enum Polled {
    /// An event is under way.
    Sent,
    /// There is nothing to send.
    Idle,
    /// The stream has ended.
    Ended(Result<(), Status>),
}

impl Stream {
    pub(crate) fn new(server: u64, asker: Asker, events: Streaming<SyncEvent>, file: &File) -> Self {
        let sealed = file.replica.cookie.get(SEAL_BYTES..);
        let cookie = sealed.map(|bytes| Cookie::decode(bytes).expect("cookies come back as they went"));
        let entities = file.entities();
        let rows = entities.iter().flat_map(|entity| file.held(*entity).map(|(ordinal, _)| (*entity, ordinal)));
        let versions = rows.filter_map(|row| Some((row, file.version(row.0, row.1)?))).collect();
        let opened = Opened { cookie, versions, again: BTreeSet::new() };
        Self { server, asker, events, in_flight: VecDeque::new(), shadow: file.clone(), opened }
    }

    /// The oldest event under way.
    pub(crate) fn arrive(&mut self) -> Option<SyncEvent> {
        self.in_flight.pop_front()
    }

    /// Whether the device has yet to read so much that the server sends no more.
    pub(crate) fn is_full(&self) -> bool {
        self.in_flight.len() >= IN_FLIGHT_MAX
    }

    /// Asks the server for the next event, and checks it.
    pub(crate) async fn poll(&mut self, truth: &mut Truth, at: Option<Standing>, counters: &mut Counters) -> Polled {
        let event = match in_time(self.events.message()).await {
            Ok(Some(event)) => event,
            Ok(None) => return Polled::Ended(Ok(())),
            Err(status) => {
                counters.count(&format!("streams ended: {}", reason(&status)));
                check_ending(&status, &self.asker, truth, at, Some(&self.shadow));
                return Polled::Ended(Err(status));
            }
        };
        let at = at.expect("a server without an index sends nothing");
        counters.count(match event.event.as_ref().expect("an event has content") {
            Event::Heartbeat(_) => return Polled::Idle,
            Event::Model(_) => "models sent",
            Event::Plan(_) => "plans sent",
            Event::Removals(_) => "removals sent",
            Event::Rows(_) => "batches sent",
            Event::Checkpoint(_) => "checkpoints sent",
            Event::PassComplete(_) => "passes ended without a checkpoint",
            Event::InventoryRequired(_) => "inventories asked for",
            Event::FullCheckRequired(_) => "full checks asked for",
            Event::Answers(_) => "answers told late",
        });
        if let Some(Event::Rows(batch)) = &event.event {
            counters.add("rows sent", batch.ordinal_deltas.len() as u64);
            self.check_rows(batch, &event, truth, at, counters);
        } else {
            self.shadow.apply(&event);
        }
        if let Some(Event::Checkpoint(checkpoint)) = &event.event {
            self.check_checkpoint(checkpoint, truth, at);
        }
        self.in_flight.push_back(event);
        Polled::Sent
    }

    fn check_rows(
        &mut self,
        batch: &RowBatch,
        event: &SyncEvent,
        truth: &mut Truth,
        at: Standing,
        counters: &mut Counters,
    ) {
        let entity = batch.entity;
        let before: BTreeMap<Ordinal, u64> = self.shadow.held(entity).collect();
        let rows = unpack(batch);
        for &(ordinal, lsn) in &rows {
            if before.get(&ordinal) == Some(&lsn) && self.shadow.version(entity, ordinal) == Some(lsn) {
                let allowed = self.opened.may_come_again((entity, ordinal), lsn);
                assert!(allowed, "I4: row {ordinal} of {entity} was sent in vain at {at:?}");
                counters.count("rows sent again, as they may be");
            }
        }
        self.shadow.apply(event);
        let visible = truth.visible(&self.asker, at.lsn, at.instant);
        let numbers = visible.as_ref().as_ref().ok().and_then(|view| view.get(&entity));
        let past = truth.past(at.lsn);
        let fields = self.shadow.fields(entity);
        for &(ordinal, lsn) in &rows {
            let row = truth.row(entity, ordinal);
            let sees = numbers.is_some_and(|numbers| numbers.contains(&row.1));
            assert!(sees, "I1: {row:?} is not in the view of {:?} at {at:?}: {:?}", self.asker, visible.as_ref());
            let is = &past.rows[&entity][row.1 as usize];
            assert_eq!(is.lsn, lsn, "I1: {row:?} was judged in another version");
            let mut cells = is.cells.clone().expect("I1: a deleted row was sent");
            cells.retain(|field, _| fields.contains(field));
            assert_eq!(self.shadow.contents(entity, ordinal), &cells, "{row:?} was sent as it is, in its columns");
        }
    }

    fn check_checkpoint(&self, checkpoint: &Checkpoint, truth: &mut Truth, at: Standing) {
        assert_eq!(self.shadow.replica.mismatches, [], "I2: the digests are not those of what was sent");
        assert_eq!(checkpoint.lsn, at.lsn, "a checkpoint is of the moment");
        assert_eq!(checkpoint.instant_us, at.instant, "a checkpoint is of the moment");
        check_exact(&self.shadow, &self.asker, truth, at);
    }
}

/// Whether a device that was told that it is equal to its view is.
pub(crate) fn check_exact(file: &File, asker: &Asker, truth: &mut Truth, at: Standing) {
    let visible = truth.visible(asker, at.lsn, at.instant);
    let view = visible.as_ref().as_ref().expect("I2: there is a view to be equal to");
    let past = truth.past(at.lsn);
    let entities: BTreeSet<u32> = file.entities().into_iter().chain(view.keys().copied()).collect();
    for entity in entities {
        let held: BTreeMap<u32, u64> =
            file.held(entity).map(|(ordinal, lsn)| (truth.row(entity, ordinal).1, lsn)).collect();
        let lsn = |row: &u32| (*row, past.rows[&entity][*row as usize].lsn);
        let wanted: BTreeMap<u32, u64> = view.get(&entity).into_iter().flatten().map(lsn).collect();
        assert_eq!(held, wanted, "I2: rows of {entity} of {asker:?} at {at:?}");
    }
}

/// Whether a call ended for a reason that there is. `file` is what the device holds, once a stream has begun.
pub(crate) fn check_ending(
    status: &Status,
    asker: &Asker,
    truth: &mut Truth,
    at: Option<Standing>,
    file: Option<&File>,
) {
    let reason = reason(status);
    let mut visible = || {
        let at = at.expect("a server without an index judges nobody");
        truth.visible(asker, at.lsn, at.instant)
    };
    match reason.as_str() {
        "USER_UNKNOWN" | "USER_DISABLED" | "PROFILE_MISSING" | "PROFILE_NOT_READABLE" => {
            assert!(matches!(visible().as_ref(), Err(Answer::Denied(_))), "{status:?}");
            let held = file.map_or(0, |file| file.replica.len());
            assert_eq!(held, 0, "whoever is denied everything is left with nothing");
        }
        "APP_UNKNOWN" | "APP_NOT_ENABLED" => {
            assert!(matches!(visible().as_ref(), Err(Answer::Refused(_))), "{status:?}");
        }
        "DEVICE_BLOCKED" | "DEVICE_WIPED" | "STAGING_REPLACED" | "COOKIE_INVALID" | "SERVER_BEHIND"
        | "SERVER_STOPPING" | "STAGING_FAILED" | "STREAM_SUPERSEDED" => {}
        _ => panic!("a call failed in a way that no device expects: {status:?}"),
    }
}

impl Opened {
    /// Whether a version that the device has may be sent again: once a stream, if it had it when the stream began,
    /// and its cookie could not tell so.
    fn may_come_again(&mut self, row: (u32, Ordinal), lsn: u64) -> bool {
        let had = self.versions.get(&row) == Some(&lsn) && self.again.insert(row);
        let Some(cookie) = &self.cookie else { return had };
        let entity = EntityNumber(row.0);
        let marker = cookie.marker.filter(|it| it.entity == entity && row.1 <= it.last).map(|it| it.floor);
        let floor = marker.or_else(|| cookie.entity(entity).map(|it| it.floor)).unwrap_or_default();
        had && Lsn(lsn) > floor
    }
}

/// Ordinals and LSNs of a batch.
fn unpack(batch: &RowBatch) -> Vec<(Ordinal, u64)> {
    let (mut ordinal, mut lsn) = (0, 0_i64);
    let deltas = batch.ordinal_deltas.iter().zip(&batch.lsn_deltas);
    let rows = deltas.map(|(ordinal_delta, lsn_delta)| {
        ordinal += ordinal_delta;
        lsn += lsn_delta;
        (ordinal, lsn as u64)
    });
    rows.collect()
}
