//! The machine itself: what to do next for one device. The module's page tells how and why.

use std::collections::VecDeque;

use haversack_proto::sync::{self, sync_event::Event};
use prost::bytes::Bytes;
use roaring::RoaringBitmap;

use super::held::{self, Held};
use super::sent_ahead::SentAhead;
use super::{Admitted, Cookie, Fetch, Fetched, KnownEntity, Limits, Marker, Mode, Opening, ReconcileError, Step};
use crate::ids::{EntityNumber, History, Instant, Lsn, Ordinal, Revision};
use crate::view::{EntityView, RowFacts, View};

/// One stream's walk towards a view.
#[derive(Debug)]
pub struct Session {
    epoch: Bytes,
    mode: Mode,
    limits: Limits,
    phase: Phase,
    tells_epoch: bool,
    model_version: u64,
    /// The newest view seen.
    lsn: Lsn,
    revision: Revision,
    instant: Instant,
    /// Highest LSN seen on a payload; above `lsn` while the engine lags behind staging.
    staged: Lsn,
    /// In the order of the newest view's entities.
    held: Vec<Held>,
    dropped: VecDeque<Dropped>,
    /// Floor of the current pass, except where the marker has one that is older.
    pass_floor: Lsn,
    passes: u32,
    marker: Option<Marker>,
    fetching: Option<Fetching>,
    sent_ahead: SentAhead,
    /// The revision of the last checkpoint, as long as nothing was sent since.
    rests_at: Option<Revision>,
    reached: Lsn,
}

/// Where a session is between two events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No pass is under way.
    Between,
    /// A pass was planned and goes on.
    Passing,
    /// Nothing will follow.
    Ended,
}

/// An entity whose every row must be removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropped {
    pub(super) entity: EntityNumber,
    /// How many rows the device holds, for the plan.
    pub(super) rows: u64,
}

/// What the last fetch asked for, to know its answer by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fetching {
    entity: EntityNumber,
    rows: usize,
    last: Ordinal,
}

impl Session {
    pub(super) fn new(
        opening: &Opening<'_>,
        cookie: Cookie,
        tells_epoch: bool,
        held: Vec<Held>,
        dropped: VecDeque<Dropped>,
        marker: Option<Marker>,
    ) -> Self {
        Self {
            epoch: cookie.epoch,
            mode: opening.mode,
            limits: opening.limits,
            phase: Phase::Between,
            tells_epoch,
            model_version: cookie.model_version,
            lsn: cookie.lsn,
            revision: cookie.revision,
            instant: cookie.instant,
            staged: cookie.lsn,
            held,
            dropped,
            pass_floor: Lsn(0),
            passes: 0,
            marker,
            fetching: None,
            sent_ahead: SentAhead::default(),
            rests_at: None,
            reached: Lsn(0),
        }
    }

    /// Says what to do next. `view` is the user's newest view, `facts` is the engine's state that it was judged on.
    ///
    /// Cheap while nothing has changed: a few comparisons for each entity, and no allocation. A view older than one
    /// seen before is not acted on.
    pub fn step(&mut self, view: &View, facts: &dyn RowFacts) -> Step {
        if self.phase == Phase::Ended {
            return Step::End;
        }
        if !self.follow(view) {
            return Step::Sleep;
        }
        if self.phase == Phase::Passing {
            if let Some(step) = self.removals().or_else(|| self.next_fetch(facts)) {
                return step;
            }
            self.phase = Phase::Between;
        }
        self.begin_pass(view, facts)
    }

    /// Takes the answer to the last [`Step::Fetch`]: one entry for each of its rows, in its order. Returns what may
    /// be sent, to be sent at once with [`Session::cookie`], or `None`. Call [`Session::step`] afterwards either way.
    ///
    /// `view` and `facts` may be newer than those of the fetch.
    ///
    /// # Errors
    /// If these are other rows than were asked for, or if engine and staging cannot both be right.
    pub fn admit(
        &mut self,
        entity: EntityNumber,
        fetched: &[Fetched],
        view: &View,
        facts: &dyn RowFacts,
    ) -> Result<Option<Admitted>, ReconcileError> {
        let answered = fetched.last().map(|row| Fetching { entity, rows: fetched.len(), last: row.ordinal });
        if answered.is_none() || self.fetching.take() != answered {
            return Err(ReconcileError::FetchUnanswered { entity });
        }
        if !self.follow(view) || self.phase != Phase::Passing || self.owes_removals() {
            return Ok(None);
        }
        let index = self.index(entity).ok_or(ReconcileError::FetchUnanswered { entity })?;
        let mut positions = Vec::with_capacity(fetched.len());
        for (position, row) in fetched.iter().enumerate() {
            if self.may_send(&self.held[index], *row, facts)? {
                positions.push(position);
            }
        }
        self.staged = fetched.iter().map(|row| row.lsn).fold(self.staged, Lsn::max);
        let sent: Vec<Fetched> = positions.iter().map(|&position| fetched[position]).collect();
        self.advance(index, &sent, fetched[fetched.len() - 1].ordinal);
        Ok((!sent.is_empty()).then(|| Admitted { batch: batch(entity, &sent, facts), positions }))
    }

    /// What the device is to present next time, once it has applied what was handed out last.
    pub fn cookie(&self) -> Cookie {
        let known = |held: &Held| KnownEntity { entity: held.entity, floor: held.floor, fingerprint: held.fingerprint };
        Cookie {
            // Until a Plan has told it, a stream that breaks must not have the next one take it for known.
            epoch: if self.tells_epoch { Bytes::new() } else { self.epoch.clone() },
            lsn: self.seen(),
            history: History(0),
            revision: self.revision,
            instant: self.instant,
            model_version: self.model_version,
            entities: self.held.iter().map(known).collect(),
            marker: self.marker,
        }
    }

    /// The highest LSN that the device has seen once it has applied what was handed out last, in a view or on a row.
    pub fn seen(&self) -> Lsn {
        self.lsn.max(self.staged)
    }

    /// Version of the model that the device was told of; 0 before the first.
    pub fn model_version(&self) -> u64 {
        self.model_version
    }

    /// The shell hands the device this model. It must do so before the first [`Session::step`] with a view of it.
    pub fn model_sent(&mut self, version: u64) {
        self.model_version = version;
    }

    /// The LSN at which the device last equalled its view, as far as this stream told it; 0 before.
    pub fn reached(&self) -> Lsn {
        self.reached
    }

    /// Takes over the newest view. False if it is an older one.
    fn follow(&mut self, view: &View) -> bool {
        if view.lsn < self.lsn {
            return false;
        }
        self.lsn = view.lsn;
        self.revision = view.revision;
        self.instant = self.instant.max(view.instant);
        let same =
            |(held, part): (&Held, &EntityView)| held.entity == part.entity && held.fingerprint == part.fingerprint;
        if self.held.len() != view.entities.len() || !self.held.iter().zip(&view.entities).all(same) {
            self.restructure(view);
        }
        self.held.iter_mut().zip(&view.entities).for_each(|(held, part)| held.follow(part));
        true
    }

    /// Entities came or went, or have other columns or another order: the pass ends here, and a new one is planned.
    fn restructure(&mut self, view: &View) {
        let mut before = std::mem::take(&mut self.held);
        for part in &view.entities {
            let found = before.iter().position(|held| held.entity == part.entity);
            let mut held = found.map_or_else(|| Held::nothing(part), |index| before.swap_remove(index));
            if held.fingerprint != part.fingerprint {
                held.reset(part.fingerprint);
                self.forget(part.entity);
            }
            self.held.push(held);
        }
        for gone in before {
            self.forget(gone.entity);
            if gone.count() > 0 {
                self.dropped.push_back(Dropped { entity: gone.entity, rows: gone.count() });
            }
        }
        self.rests_at = None;
        self.phase = Phase::Between;
    }

    /// What was known of an entity's versions no longer counts.
    fn forget(&mut self, entity: EntityNumber) {
        self.sent_ahead.forget(entity);
        self.marker = self.marker.filter(|marker| marker.entity != entity);
    }

    fn begin_pass(&mut self, view: &View, facts: &dyn RowFacts) -> Step {
        if view.lsn < self.staged {
            return self.removals().unwrap_or(Step::Sleep);
        }
        self.find_todo(view, facts);
        let has_work = self.owes_removals() || self.held.iter().any(Held::has_todo);
        if !has_work && !self.tells_epoch {
            return self.rest(view);
        }
        if self.mode == Mode::Once && self.passes == self.limits.passes {
            return self.removals().unwrap_or_else(|| self.give_up());
        }
        self.tells_epoch = false;
        self.passes = self.passes.saturating_add(1);
        self.phase = Phase::Passing;
        self.send(Event::Plan(self.plan(facts)))
    }

    fn find_todo(&mut self, view: &View, facts: &dyn RowFacts) {
        self.pass_floor = view.lsn;
        let owes_removals = self.owes_removals();
        let Self { held, sent_ahead, marker, .. } = self;
        sent_ahead.prune(|entity| held.iter().find(|held| held.entity == entity).map(|held| held.floor));
        for (held, part) in held.iter_mut().zip(&view.entities) {
            let here = marker.filter(|marker| marker.entity == part.entity);
            held.find_todo(part, view.lsn, here.map(|marker| marker.last), sent_ahead, facts);
            let Some(passed) = here.filter(|_| !owes_removals && !held.has_todo()) else { continue };
            // The pass that the marker belongs to has nothing left here: it is done, the next one can begin.
            held.finish(passed.floor);
            *marker = None;
            held.find_todo(part, view.lsn, None, sent_ahead, facts);
        }
    }

    fn plan(&self, facts: &dyn RowFacts) -> sync::Plan {
        let dropped = self.dropped.iter().map(|it| sync::EntityPlan {
            entity: it.entity.0,
            rows: 0,
            bytes: 0,
            removals: it.rows,
        });
        let mut entities: Vec<_> = self.held.iter().filter_map(|held| held.plan(facts)).collect();
        for gone in dropped {
            match entities.iter_mut().find(|plan| plan.entity == gone.entity) {
                Some(plan) => plan.removals += gone.removals,
                None => entities.push(gone),
            }
        }
        sync::Plan { epoch: self.epoch.clone(), entities }
    }

    /// There is nothing to do: tells it once, then sleeps.
    fn rest(&mut self, view: &View) -> Step {
        if let Some(denial) = view.denial {
            self.phase = Phase::Ended;
            return Step::Denied(denial);
        }
        self.held.iter_mut().zip(&view.entities).for_each(|(held, part)| held.prove(part, view.lsn));
        self.sent_ahead.clear();
        self.reached = view.lsn;
        if self.rests_at == Some(view.revision) {
            return Step::Sleep;
        }
        self.rests_at = Some(view.revision);
        if self.mode == Mode::Once {
            self.phase = Phase::Ended;
        }
        Step::Send(Event::Checkpoint(checkpoint(view)))
    }

    /// The view moves faster than this stream may follow.
    fn give_up(&mut self) -> Step {
        self.phase = Phase::Ended;
        let floor = self.held.iter().map(|held| held.floor).min().unwrap_or(self.lsn);
        Step::Send(Event::PassComplete(sync::PassComplete { floor: floor.0 }))
    }

    fn owes_removals(&self) -> bool {
        !self.dropped.is_empty() || self.held.iter().any(Held::owes_removals)
    }

    fn removals(&mut self) -> Option<Step> {
        let removals = match self.dropped.pop_front() {
            Some(dropped) => held::remove_all(dropped.entity),
            None => self.held.iter_mut().find_map(Held::take_removals)?,
        };
        Some(self.send(Event::Removals(removals)))
    }

    fn send(&mut self, event: Event) -> Step {
        self.rests_at = None;
        Step::Send(event)
    }

    /// The next rows to read; entities that have none left are finished on the way.
    fn next_fetch(&mut self, facts: &dyn RowFacts) -> Option<Step> {
        while let Some(index) = self.turn() {
            let entity = self.held[index].entity;
            let ordinals = self.held[index].next_batch(&self.limits, facts);
            if let Some(&last) = ordinals.last() {
                self.fetching = Some(Fetching { entity, rows: ordinals.len(), last });
                return Some(Step::Fetch(Fetch { entity, ordinals }));
            }
            self.finish(index);
        }
        None
    }

    /// Whose turn it is in the pass: the entity in the middle of which it stands, else the first unfinished one.
    fn turn(&self) -> Option<usize> {
        match &self.marker {
            Some(marker) => self.index(marker.entity),
            None => self.held.iter().position(Held::is_unfinished),
        }
    }

    fn index(&self, entity: EntityNumber) -> Option<usize> {
        self.held.iter().position(|held| held.entity == entity)
    }

    /// The floor that the rows which the pass now comes by will have. Only valid for the entity in turn.
    fn floor(&self) -> Lsn {
        self.marker.map_or(self.pass_floor, |marker| marker.floor)
    }

    fn finish(&mut self, index: usize) {
        let floor = self.floor();
        self.marker = None;
        self.held[index].finish(floor);
    }

    /// Whether a fetched row may be sent. Fails if engine and staging cannot both be right.
    fn may_send(&self, held: &Held, row: Fetched, facts: &dyn RowFacts) -> Result<bool, ReconcileError> {
        if !held.wants(row.ordinal) {
            return Ok(false);
        }
        let engine = facts.lsn(held.entity, row.ordinal);
        let staging_is_ahead = row.lsn > self.lsn;
        let engine_went_on = row.lsn < engine && engine > self.floor();
        match row.lsn == engine {
            true => Ok(true),
            false if staging_is_ahead || engine_went_on => Ok(false),
            false => Err(ReconcileError::Disagreement {
                entity: held.entity,
                ordinal: row.ordinal,
                engine,
                staging: row.lsn,
            }),
        }
    }

    /// The pass sends `sent` and has come to `last`.
    fn advance(&mut self, index: usize, sent: &[Fetched], last: Ordinal) {
        let floor = self.floor();
        let entity = self.held[index].entity;
        for row in sent.iter().filter(|row| row.lsn > floor) {
            self.sent_ahead.note(entity, row.ordinal, row.lsn);
        }
        let ordinals: RoaringBitmap = sent.iter().map(|row| row.ordinal).collect();
        self.held[index].advance(&ordinals, last);
        self.marker = Some(Marker { entity, floor, last });
        if !self.held[index].has_todo() {
            self.finish(index);
        }
        self.rests_at = None;
    }
}

fn checkpoint(view: &View) -> sync::Checkpoint {
    let digest =
        |part: &EntityView| sync::EntityDigest { entity: part.entity.0, count: part.rows.len(), digest: part.digest };
    sync::Checkpoint {
        lsn: view.lsn.0,
        revision: view.revision.0,
        instant_us: view.instant.0,
        digests: view.entities.iter().map(digest).collect(),
    }
}

fn batch(entity: EntityNumber, rows: &[Fetched], facts: &dyn RowFacts) -> sync::RowBatch {
    let mut batch = sync::RowBatch { entity: entity.0, ..sync::RowBatch::default() };
    let (mut ordinal, mut lsn) = (0, 0);
    for row in rows {
        batch.ordinal_deltas.push(row.ordinal - ordinal);
        batch.lsn_deltas.push(row.lsn.0.wrapping_sub(lsn) as i64);
        batch.planned_bytes += u64::from(facts.size(entity, row.ordinal));
        (ordinal, lsn) = (row.ordinal, row.lsn.0);
    }
    batch
}
