//! Staging, an engine that lags behind it, a stream and a device, moved one small step at a time.
//!
//! Every event is checked when the machine hands it out, against a shadow of the device that has applied everything
//! handed out so far. The device itself lags behind the shadow and loses what is in flight when the stream is cut.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use haversack_engine::ids::{EntityNumber, Lsn, Ordinal};
use haversack_engine::reconcile::{
    Cookie, Fetch, Fetched, Limits, Mode, Opened, Opening, ReconcileError, Session, Step,
};
use haversack_engine::view::{RowFacts, View};
use haversack_proto::sync::{self, sync_event::Event};

use super::device::{Copy, Device, unpack};
use super::world::World;

/// How many events wait between server and device.
const IN_FLIGHT_MAX: usize = 4;

/// How many small steps a quiet world may take to come to rest.
const STEPS_MAX: usize = 20_000;

/// Everything together.
pub(super) struct Simulation {
    pub(super) epoch: Vec<u8>,
    /// States that were committed to staging and not yet published, oldest first.
    commits: VecDeque<World>,
    published: World,
    view: View,
    pub(super) device: Device,
    pub(super) mode: Mode,
    pub(super) limits: Limits,
    stream: Option<Stream>,
}

struct Stream {
    session: Session,
    fetch: Option<Fetch>,
    answer: Option<Vec<Fetched>>,
    in_flight: VecDeque<(Event, Vec<u8>, u64)>,
    shadow: Device,
    opened: Opened_,
    /// What is left of the last plan: rows, bytes and removals of each entity.
    plan: BTreeMap<u32, (u64, u64, u64)>,
    /// Whether anything has changed since the last plan.
    disturbed: bool,
    /// The entities that the last checkpoint stated.
    checkpointed: Option<Vec<u32>>,
    ended: bool,
}

/// What a stream began with, to judge by what may be sent again.
struct Opened_ {
    cookie: Option<Cookie>,
    rows: BTreeMap<EntityNumber, BTreeMap<Ordinal, Copy>>,
    again: BTreeSet<(EntityNumber, Ordinal)>,
}

impl Simulation {
    pub(super) fn new(world: World, mode: Mode, limits: Limits) -> Self {
        let view = world.view(None);
        let (commits, device) = (VecDeque::new(), Device::default());
        Self { epoch: vec![1], commits, published: world, view, device, mode, limits, stream: None }
    }

    /// The head of staging.
    pub(super) fn staged(&self) -> &World {
        self.commits.back().unwrap_or(&self.published)
    }

    /// Commits a new state, which the engine has not published yet.
    pub(super) fn commit(&mut self, change: impl FnOnce(&mut World)) {
        let mut world = self.staged().clone();
        change(&mut world);
        self.commits.push_back(world);
        self.disturb();
    }

    /// The engine publishes the oldest state that it has not yet.
    pub(super) fn publish(&mut self) {
        if let Some(world) = self.commits.pop_front() {
            self.view = world.view(Some(&self.view));
            self.published = world;
            self.disturb();
        }
    }

    pub(super) fn publish_all(&mut self) {
        while !self.commits.is_empty() {
            self.publish();
        }
    }

    /// Staging is rebuilt: a new identity, and LSNs begin again.
    pub(super) fn renew(&mut self) {
        self.cut();
        self.publish_all();
        self.epoch[0] += 1;
        let mut lsn = 0;
        for row in self.published.tables.values_mut().flat_map(|table| table.rows.values_mut()) {
            lsn += 1;
            row.lsn = Lsn(lsn);
        }
        self.published.lsn = Lsn(lsn);
        self.view = self.published.view(None);
    }

    /// The stream breaks. What was in flight is lost.
    pub(super) fn cut(&mut self) {
        self.stream = None;
    }

    /// The device applies the oldest event in flight.
    pub(super) fn apply(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        if let Some((event, cookie, fingerprint)) = stream.in_flight.pop_front() {
            self.device.apply(&event, &cookie, fingerprint);
            assert!(!self.device.disagrees(), "the device found the checkpoint untrue: {event:?}");
        } else if stream.ended {
            self.stream = None;
        }
    }

    /// One small step: open, ask the machine, read from staging, or admit. True when there is nothing to do.
    pub(super) fn work(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            self.open();
            return false;
        };
        if stream.ended || stream.in_flight.len() >= IN_FLIGHT_MAX {
            self.apply();
            return false;
        }
        let Some(fetch) = stream.fetch.clone() else { return self.step() };
        if let Some(answer) = stream.answer.take() {
            stream.fetch = None;
            self.admit(fetch.entity, &answer);
        } else {
            let head = self.commits.back().unwrap_or(&self.published);
            let read = |&ordinal: &Ordinal| Fetched { ordinal, lsn: head.lsn(fetch.entity, ordinal) };
            stream.answer = Some(fetch.ordinals.iter().map(read).collect());
        }
        false
    }

    /// Lets the world rest and the device catch up, then checks that it holds exactly its view.
    pub(super) fn settle(&mut self) {
        self.publish_all();
        for _ in 0..STEPS_MAX {
            let sleeps = self.work();
            let is_idle = self.stream.as_ref().is_some_and(|stream| stream.in_flight.is_empty());
            let has_ended = self.stream.as_ref().is_some_and(|stream| stream.ended);
            if is_idle && (sleeps || has_ended) && self.is_exact() && self.is_told() {
                return;
            }
            if sleeps {
                self.apply();
            }
        }
        panic!("the device did not catch up: {:?} instead of {:?}", self.device.rows, self.view);
    }

    /// Whether the stream has told that the device equals its view, or why it has none.
    fn is_told(&self) -> bool {
        let told = self.stream.as_ref().and_then(|stream| stream.checkpointed.clone());
        let carried: Vec<_> = self.view.entities.iter().map(|part| part.entity.0).collect();
        self.view.denial.is_some() || told == Some(carried)
    }

    /// Whether the device holds exactly its view, in the newest versions with the newest columns.
    fn is_exact(&self) -> bool {
        let held = self.device.rows.iter().filter(|(_, rows)| !rows.is_empty());
        let held: BTreeMap<_, _> = held.map(|(&entity, rows)| (entity, rows.clone())).collect();
        let wanted = self.view.entities.iter().filter(|part| !part.rows.is_empty()).map(|part| {
            let copy = |lsn| Copy { lsn, fingerprint: part.fingerprint };
            let rows = part.rows.iter().map(|it| (it, copy(self.published.lsn(part.entity, it))));
            (part.entity, rows.collect::<BTreeMap<_, _>>())
        });
        held == wanted.collect()
    }

    fn disturb(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.disturbed = true;
        }
    }

    fn open(&mut self) {
        let request = self.device.request();
        let cookie = Some(&self.device.cookie).filter(|it| !it.is_empty());
        let cookie = cookie.map(|bytes| Cookie::decode(bytes).expect("cookies come back as they went"));
        let opening = Opening {
            epoch: &self.epoch,
            cookie: cookie.as_ref(),
            holdings: &request.holdings,
            inventories: &request.inventories,
            mismatches: &request.mismatches,
            mode: self.mode,
            limits: self.limits,
        };
        match Session::open(&opening, &self.view, &self.published) {
            Ok(Opened::Session(session)) => self.stream = Some(Stream::new(session, &self.device, cookie)),
            Ok(Opened::InventoryRequired(required)) => {
                let answered: BTreeSet<_> = request.inventories.iter().map(|it| (it.entity, it.block)).collect();
                assert!(required.blocks.iter().any(|it| !answered.contains(&(it.entity, it.block))));
                self.device.apply(&Event::InventoryRequired(required), &[], 0);
            }
            Err(ReconcileError::ServerBehind { needed, reached }) => {
                assert!(reached < needed && !self.commits.is_empty());
                self.publish();
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn step(&mut self) -> bool {
        let stream = self.stream.as_mut().expect("work opens a stream first");
        match stream.session.step(&self.view, &self.published) {
            Step::Send(event) => stream.check(event, &self.view, &self.published),
            Step::Fetch(fetch) => {
                assert!(!fetch.ordinals.is_empty() && fetch.ordinals.len() <= self.limits.batch_rows);
                let sizes = fetch.ordinals.iter().map(|&it| u64::from(self.published.size(fetch.entity, it)));
                assert!(fetch.ordinals.iter().all(|&it| self.published.row(fetch.entity, it).wanted));
                assert!(fetch.ordinals.len() == 1 || sizes.sum::<u64>() <= self.limits.batch_bytes);
                stream.fetch = Some(fetch);
            }
            Step::Sleep => return true,
            Step::Denied(denial) => {
                assert_eq!(Some(denial), self.view.denial);
                assert!(stream.shadow.rows.values().all(BTreeMap::is_empty));
                stream.ended = true;
            }
            Step::End => stream.ended = true,
        }
        false
    }

    fn admit(&mut self, entity: EntityNumber, answer: &[Fetched]) {
        let stream = self.stream.as_mut().expect("a stream waits for the answer");
        let admitted = stream.session.admit(entity, answer, &self.view, &self.published).expect("a right answer");
        let Some(admitted) = admitted else { return };
        let sent: Vec<_> = admitted.positions.iter().map(|&at| (answer[at].ordinal, answer[at].lsn)).collect();
        assert_eq!(sent, unpack(&admitted.batch));
        stream.check(Event::Rows(admitted.batch), &self.view, &self.published);
    }
}

impl Stream {
    fn new(session: Session, device: &Device, cookie: Option<Cookie>) -> Self {
        Self {
            session,
            fetch: None,
            answer: None,
            in_flight: VecDeque::new(),
            shadow: device.clone(),
            opened: Opened_ { cookie, rows: device.rows.clone(), again: BTreeSet::new() },
            plan: BTreeMap::new(),
            disturbed: true,
            checkpointed: None,
            ended: false,
        }
    }

    /// Checks an event and hands it to the transport.
    fn check(&mut self, event: Event, view: &View, world: &World) {
        let cookie = self.session.cookie();
        assert_eq!(Cookie::decode(&cookie.encode()).as_ref(), Ok(&cookie));
        let mut fingerprint = 0;
        match &event {
            Event::Plan(plan) => self.check_plan(plan),
            Event::Removals(removals) => self.check_removals(removals),
            Event::Rows(batch) => {
                let part = view.entities.iter().find(|part| part.entity.0 == batch.entity).expect("I1: in the view");
                fingerprint = part.fingerprint;
                self.check_rows(batch, fingerprint, view, world);
            }
            _ => self.check_plan_kept(),
        }
        self.shadow.apply(&event, &cookie.encode(), fingerprint);
        if let Event::Checkpoint(checkpoint) = &event {
            assert!(!self.shadow.disagrees(), "I2: {checkpoint:?} is not {:?}", self.shadow.rows);
            assert_eq!(checkpoint.lsn, view.lsn.0);
            self.checkpointed = Some(checkpoint.digests.iter().map(|it| it.entity).collect());
        }
        self.in_flight.push_back((event, cookie.encode(), fingerprint));
    }

    fn check_plan(&mut self, plan: &sync::Plan) {
        self.check_plan_kept();
        let entities = plan.entities.iter().map(|it| (it.entity, (it.rows, it.bytes, it.removals)));
        self.plan = entities.collect();
        self.disturbed = false;
    }

    /// If nothing changed since the plan, it was right to the byte.
    fn check_plan_kept(&self) {
        if !self.disturbed {
            for (entity, (rows, bytes, removals)) in &self.plan {
                assert_eq!((*rows, *bytes), (0, 0), "the plan of entity {entity} promised more");
                // Without a cookie the device may have dropped an older epoch's rows by itself.
                assert!(*removals == 0 || self.opened.cookie.is_none(), "the plan of {entity} promised removals");
            }
        }
    }

    fn check_removals(&mut self, removals: &sync::Removals) {
        let count = |device: &Device| device.rows.get(&EntityNumber(removals.entity)).map_or(0, BTreeMap::len) as u64;
        let mut after = self.shadow.clone();
        after.apply(&Event::Removals(removals.clone()), &[], 0);
        if let Some((_, _, planned)) = self.plan.get_mut(&removals.entity).filter(|_| !self.disturbed) {
            *planned -= count(&self.shadow) - count(&after);
        }
    }

    fn check_rows(&mut self, batch: &sync::RowBatch, fingerprint: u64, view: &View, world: &World) {
        let entity = EntityNumber(batch.entity);
        let rows = unpack(batch);
        for &(ordinal, lsn) in &rows {
            let row = world.row(entity, ordinal);
            assert!(row.wanted, "I1: row {ordinal} is not in the view");
            assert_eq!(row.lsn, lsn, "I1: the view was judged on another version");
            let held = self.shadow.rows.get(&entity).and_then(|rows| rows.get(&ordinal));
            if held == Some(&Copy { lsn, fingerprint }) {
                assert!(self.opened.may_come_again(entity, ordinal, lsn), "I4: row {ordinal} was sent in vain");
            }
        }
        for (entity, held) in &self.shadow.rows {
            let part = view.entities.iter().find(|part| part.entity == *entity);
            let stays = |ordinal: &Ordinal| part.is_some_and(|part| part.rows.contains(*ordinal));
            assert!(held.keys().all(stays), "removals go before rows");
        }
        if let Some((planned, bytes, _)) = self.plan.get_mut(&batch.entity).filter(|_| !self.disturbed) {
            *planned -= rows.len() as u64;
            *bytes -= batch.planned_bytes;
        }
    }
}

impl Opened_ {
    /// Whether a version that the device has may be sent again: once a stream, if it had it when the stream began,
    /// and its cookie could not tell so.
    fn may_come_again(&mut self, entity: EntityNumber, ordinal: Ordinal, lsn: Lsn) -> bool {
        let had = self.rows.get(&entity).and_then(|rows| rows.get(&ordinal)).is_some_and(|copy| copy.lsn == lsn);
        let Some(cookie) = &self.cookie else { return had };
        let marker = cookie.marker.filter(|it| it.entity == entity && ordinal <= it.last).map(|it| it.floor);
        let floor = marker.or_else(|| cookie.entity(entity).map(|it| it.floor)).unwrap_or_default();
        had && lsn > floor && self.again.insert((entity, ordinal))
    }
}
