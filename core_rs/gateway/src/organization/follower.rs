//! The follower: the one thread that keeps an organization's engine up with its staging database and the clock.
//!
//! It wakes at every commit of this process, looks for those of others now and then, and wakes when time alone changes
//! a view. Whatever it finds, it reads in one snapshot, up to that snapshot's head. Where an engine cannot go on (other
//! columns are needed, another epoch, a failure in the middle of a commit) it builds another one beside it and puts
//! that in place: streams see one engine or the other.

use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use bytes::Bytes;
use haversack_engine::engine::{Admission, Applied, Commit, Engine, PreparedModel, RowChange, RowUnreadable};
use haversack_engine::ids::{EntityNumber, Instant, Lsn, Ordinal, Position, Revision, RowKey};
use haversack_proto::model;
use haversack_staging::{DeviceKey, Identity, Origin, Snapshot, StoredRow};
use prost::Message;

use super::bell::Heard;
use super::histories::Histories;
use super::progress::{Progress, Standing, tell};
use super::state::Loaded;
use super::{Organization, Signal};
use crate::errors::SyncError;
use crate::limits::{FOLLOWER_RETRY_DELAY_MAX, FOLLOWER_RETRY_DELAY_MIN, POLL_INTERVAL, SETTLEMENTS_MAX};
use crate::signal::Device;

/// A row that was just read, for streams that want it in a moment.
type Recent = (EntityNumber, Ordinal, Lsn, Bytes);

/// What the follower remembers between two looks.
struct Follower {
    organization: Arc<Organization>,
    /// A revision that cannot be followed; the one before it stays.
    refused: Revision,
    /// The orders for devices that streams have been told of; none yet.
    orders: u64,
    retry_delay: Duration,
    /// The last settlement whose device was told.
    settled: u64,
}

impl Organization {
    /// Starts the follower, unless it runs.
    pub(super) fn start(self: &Arc<Self>) -> Result<(), SyncError> {
        let mut running = self.follower.lock();
        if running.is_some() {
            return Ok(());
        }
        let organization = Arc::clone(self);
        let follower = Follower {
            organization,
            refused: Revision(0),
            orders: u64::MAX,
            settled: 0,
            retry_delay: FOLLOWER_RETRY_DELAY_MIN,
        };
        let started = Builder::new().name("haversack-follow".into()).spawn(|| follower.run());
        *running = Some(started.map_err(|error| SyncError::Internal(format!("starting a follower: {error}")))?);
        Ok(())
    }
}

impl Follower {
    fn run(mut self) {
        let mut at_most = Duration::ZERO;
        // Before any stream can begin: those look up what was settled by then.
        self.settled = self.last_settlement().unwrap_or_default();
        while let Heard::Follow(floor) = self.organization.bell.wait(at_most) {
            let instant = self.organization.clock.instant().max(floor);
            let looked = self.look(instant).and_then(|()| self.tell_settled());
            at_most = match looked {
                Ok(()) => {
                    self.retry_delay = FOLLOWER_RETRY_DELAY_MIN;
                    self.until_boundary().min(POLL_INTERVAL)
                }
                Err(error) => self.give_up(&error),
            };
        }
    }

    /// Brings the engine to the head of staging and to `instant`.
    fn look(&mut self, instant: Instant) -> Result<(), SyncError> {
        let organization = Arc::clone(&self.organization);
        self.tell_orders()?;
        let identity = organization.staging.identity()?;
        let Some((head, known)) = self.position().filter(|(_, known)| *known == identity) else {
            return self.rebuild(organization.staging.snapshot()?.as_ref(), identity, instant);
        };
        let staged = organization.staging.head()?;
        if staged == head.lsn {
            self.advance(instant);
            return Ok(());
        }
        let snapshot = organization.staging.snapshot()?;
        if snapshot.history_at(head.lsn)? != Some(head.history) {
            tracing::error!(
                organization = organization.name,
                "the staging database went back in time; reading it anew"
            );
            return self.rebuild(snapshot.as_ref(), known, instant);
        }
        self.follow(snapshot.as_ref(), identity, instant)
    }

    /// Has streams look at what their devices were ordered, by whatever process.
    fn tell_orders(&mut self) -> Result<(), SyncError> {
        let Some((version, devices)) = self.organization.staging.devices().ordered_since(self.orders)? else {
            return Ok(());
        };
        let device = |key: DeviceKey| Device { user: RowKey(key.user), install: key.install };
        self.organization.streams.order(devices.into_iter().map(device));
        self.orders = version;
        Ok(())
    }

    fn last_settlement(&self) -> Result<u64, SyncError> {
        Ok(self.organization.staging.snapshot()?.ledger().last_settlement()?)
    }

    /// Wakes the streams of devices whose mutations were settled meanwhile.
    fn tell_settled(&mut self) -> Result<(), SyncError> {
        let snapshot = self.organization.staging.snapshot()?;
        loop {
            let (origins, last) = snapshot.ledger().settled_after(self.settled, SETTLEMENTS_MAX)?;
            if origins.is_empty() {
                return Ok(());
            }
            self.settled = last;
            for Origin { install, user, .. } in origins {
                self.organization.streams.answered(&Device { user: RowKey(user), install });
            }
        }
    }

    /// Where the engine is, and whose rows it has.
    fn position(&self) -> Option<(Position, Identity)> {
        let state = self.organization.state.read();
        let loaded = state.loaded()?;
        let lsn = loaded.engine.head();
        Some((Position { lsn, history: loaded.histories.at(lsn) }, loaded.identity))
    }

    /// Feeds the engine what a snapshot has beyond it.
    fn follow(&mut self, snapshot: &dyn Snapshot, identity: Identity, instant: Instant) -> Result<(), SyncError> {
        let model = self.new_model(snapshot)?;
        let needs_more = |loaded: &Loaded, model: &PreparedModel| !loaded.engine.reload_needed(model).is_empty();
        let state = self.organization.state.read();
        let rebuild = matches!((state.loaded(), &model), (Some(loaded), Some(model)) if needs_more(loaded, model));
        drop(state);
        if rebuild {
            return self.rebuild(snapshot, identity, instant);
        }
        let touched = self.commit(snapshot, model, instant)?;
        self.tell(Standing::Following);
        Signal::touch_all(&touched);
        Ok(())
    }

    /// Makes a commit of what a snapshot has beyond the engine. Whatever fails in the middle costs the engine.
    fn commit(
        &self,
        snapshot: &dyn Snapshot,
        model: Option<PreparedModel>,
        instant: Instant,
    ) -> Result<Vec<Arc<Signal>>, SyncError> {
        let mut state = self.organization.state.write();
        let keep_recent = state.followers() > 0;
        let Some(loaded) = state.loaded_mut() else { return Ok(Vec::new()) };
        let floor = loaded.engine.head();
        loaded.histories.extend(snapshot.histories_after(loaded.histories.last())?);
        let fed = feed_changes(&mut loaded.engine, snapshot, floor, model, instant, keep_recent);
        match fed {
            Ok((applied, recent)) => {
                self.organization.recent.extend(recent);
                Ok(state.touched(&applied))
            }
            Err(error) => {
                state.unload().iter().for_each(|signal| signal.restart());
                Err(error)
            }
        }
    }

    /// Lets time go on, if that changes a view or if a device has seen a later instant elsewhere.
    fn advance(&self, instant: Instant) {
        let state = self.organization.state.read();
        let due = state.is_due(instant) || self.owes(instant);
        drop(state);
        if !due {
            return;
        }
        let touched = self.organization.state.write().advance(instant);
        self.tell(Standing::Following);
        Signal::touch_all(&touched);
    }

    /// Whether a device has seen a later instant than it was told that views are judged at.
    fn owes(&self, instant: Instant) -> bool {
        let floor = self.organization.bell.instant_floor();
        floor > self.organization.progress.borrow().instant && instant >= floor
    }

    /// Builds an engine from all of a snapshot and puts it in place.
    fn rebuild(&mut self, snapshot: &dyn Snapshot, identity: Identity, instant: Instant) -> Result<(), SyncError> {
        let Some(engine) = self.build(snapshot, instant)? else {
            tell(&self.organization.progress, |progress| {
                progress.standing = Standing::NothingPublished;
                progress.lsn = snapshot.head();
            });
            return Ok(());
        };
        let settled = snapshot.ledger().last_settlement()?;
        let organization = &self.organization;
        let mut state = organization.state.write();
        let mut histories = Histories::default();
        histories.extend(snapshot.histories_after(Lsn(0))?);
        let loaded = Loaded { engine, identity, histories };
        let goes_on = state.loaded().is_none_or(|before| {
            let head = before.engine.head();
            before.identity == identity && loaded.history_at(head) == Some(before.histories.at(head))
        });
        let signals = state.replace(loaded);
        drop(state);
        if !goes_on {
            // Another database counts orders and settlements anew; streams that begin on it look at both themselves.
            (self.orders, self.settled) = (u64::MAX, settled);
        }
        self.tell(Standing::Following);
        for signal in signals {
            if goes_on { signal.touch() } else { signal.restart() }
        }
        Ok(())
    }

    /// An engine with all of a snapshot and, already worked out, the views that are followed; none without a model.
    fn build(&mut self, snapshot: &dyn Snapshot, instant: Instant) -> Result<Option<Engine>, SyncError> {
        let Some(published) = snapshot.model_after(Revision(0))? else { return Ok(None) };
        let mut engine = read_engine(snapshot, prepare(&published.model)?, instant)?;
        for asker in self.organization.state.read().askers() {
            engine.subscribe(asker);
        }
        Ok(Some(engine))
    }

    /// The model that a snapshot has beyond the engine's, if it can be followed.
    fn new_model(&mut self, snapshot: &dyn Snapshot) -> Result<Option<PreparedModel>, SyncError> {
        let followed = self.organization.progress.borrow().revision;
        let Some(published) = snapshot.model_after(followed.max(self.refused))? else { return Ok(None) };
        match prepare(&published.model) {
            Ok(model) => Ok(Some(model)),
            Err(error) => {
                let organization = &self.organization.name;
                tracing::error!(organization, revision = published.revision.0, %error, "a revision cannot be followed");
                self.refused = published.revision;
                Ok(None)
            }
        }
    }

    /// Says how far the engine is.
    fn tell(&self, standing: Standing) {
        let state = self.organization.state.read();
        let Some(loaded) = state.loaded() else { return };
        let reached = Progress {
            standing,
            epoch: loaded.identity.epoch,
            lsn: loaded.engine.head(),
            revision: loaded.engine.revision(),
            instant: loaded.engine.instant(),
        };
        tell(&self.organization.progress, |progress| *progress = reached);
    }

    /// Says why there is nothing to follow, and when to try again.
    fn give_up(&mut self, error: &SyncError) -> Duration {
        let organization = &self.organization;
        tracing::error!(organization = organization.name, %error, "following staging failed; trying again");
        if organization.state.read().loaded().is_none() {
            let standing = Standing::Failed(error.to_string().into());
            tell(&organization.progress, |progress| progress.standing = standing);
        }
        let delay = self.retry_delay;
        self.retry_delay = (delay * 2).min(FOLLOWER_RETRY_DELAY_MAX);
        delay
    }

    /// How long it is until time alone changes a view.
    fn until_boundary(&self) -> Duration {
        let state = self.organization.state.read();
        let boundary = state.loaded().and_then(|loaded| loaded.engine.next_boundary());
        boundary.map_or(Duration::MAX, |boundary| {
            let micros = boundary.0.saturating_sub(self.organization.clock.instant().0);
            Duration::from_micros(u64::try_from(micros).unwrap_or(0))
        })
    }
}

/// An engine for a model with all of a snapshot.
pub(super) fn read_engine(
    snapshot: &dyn Snapshot,
    model: PreparedModel,
    instant: Instant,
) -> Result<Engine, SyncError> {
    let mut engine = Engine::admitting(Admission::ProfileReaders);
    let mut commit = engine.begin(snapshot.head());
    for entity in commit.model(model) {
        let mut failed = None;
        snapshot.rows(entity, &mut |row| feed(&mut commit, row, &mut failed))?;
        failed.map_or(Ok(()), Err)?;
    }
    commit.finish(instant);
    Ok(engine)
}

fn prepare(bytes: &[u8]) -> Result<PreparedModel, SyncError> {
    let damaged = |error: &dyn std::fmt::Display| SyncError::StagingFailed(format!("the published model: {error}"));
    let model = model::Model::decode(bytes).map_err(|error| damaged(&error))?;
    PreparedModel::compile(&model).map_err(|error| damaged(&error))
}

/// Feeds an engine a model and every change after `floor`, and makes them true.
fn feed_changes(
    engine: &mut Engine,
    snapshot: &dyn Snapshot,
    floor: Lsn,
    model: Option<PreparedModel>,
    instant: Instant,
    keep_recent: bool,
) -> Result<(Applied, Vec<Recent>), SyncError> {
    let mut commit = engine.begin(snapshot.head());
    if let Some(model) = model {
        commit.model(model);
    }
    let (mut recent, mut failed) = (Vec::new(), None);
    snapshot.changes_after(floor, &mut |row| {
        feed(&mut commit, row, &mut failed);
        if let Some(payload) = row.payload.filter(|_| keep_recent) {
            recent.push((row.entity, row.ordinal, row.lsn, Bytes::copy_from_slice(payload)));
        }
    })?;
    failed.map_or(Ok(()), Err)?;
    Ok((commit.finish(instant), recent))
}

/// Feeds one row, unless one before it could not be read.
fn feed(commit: &mut Commit<'_>, row: StoredRow<'_>, failed: &mut Option<RowUnreadable>) {
    if failed.is_some() {
        return;
    }
    let StoredRow { entity, ordinal, key, lsn, payload, .. } = row;
    *failed = commit.row(&RowChange { entity, ordinal, key, lsn, payload }).err();
}
