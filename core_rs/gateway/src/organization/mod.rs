//! One organization as streams see it: views that are always exact, and rows read from staging.
//!
//! One follower (a thread) is the only one that changes the engine. Streams take the read lock for the time of a
//! decision, never across a wait and never while payloads are read.

mod bell;
mod follower;
mod histories;
mod models;
mod outlook;
mod progress;
mod registry;
mod standing;
mod state;
mod uploading;

use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use haversack_engine::engine::{Asker, Engine, Subscriber};
use haversack_engine::ids::{History, Instant, Lsn, Ordinal, Position, Revision, RowKey};
use haversack_engine::reconcile::Fetch;
use haversack_engine::row::ColumnSelection;
use haversack_engine::view::{Denial, RowFacts, View};
use haversack_proto::sync::Model;
use haversack_staging::{Identity, Snapshot, Staging};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use self::bell::Bell;
use self::models::{Models, Told};
use self::progress::{Progress, Standing, tell, wait};
use self::state::{Loaded, State, SubscriptionId, user_named};
pub(crate) use self::state::{NOBODY, unknown_user};
use crate::clock::Clock;
use crate::contacts::{Contacts, Visitor};
use crate::devices::Devices;
use crate::errors::SyncError;
use crate::limits::{
    BATCH_BYTES_TARGET, CATCH_UP_WAIT_MAX, FRESH_WAIT_MAX, INDEX_WAIT_MAX, INLINE_ROWS_MAX, LOAD_WAIT_MAX,
    RECENT_BYTES_MAX,
};
use crate::payloads::Body;
use crate::recent::RecentRows;
use crate::signal::{Signal, Streams};
use crate::statistics::OrganizationStatistics;
use crate::upload::{Bounds, Uploads};

pub use models::ROWS_PACKAGE;
pub(crate) use registry::Organizations;

/// An organization that is served.
pub(crate) struct Organization {
    name: String,
    staging: Arc<dyn Staging>,
    clock: Arc<dyn Clock>,
    state: RwLock<State>,
    progress: watch::Sender<Progress>,
    bell: Arc<Bell>,
    follower: Mutex<Option<JoinHandle<()>>>,
    streams: Arc<Streams>,
    recent: RecentRows,
    models: Models,
    devices: Devices,
    contacts: Contacts,
    /// Whoever reads an engine of its own from staging.
    apart: Mutex<()>,
    uploads: Uploads,
    /// How much may wait for a source outside, if devices' writes do so.
    queue: Option<Bounds>,
}

/// Keeps a user's view alive and exact until it is dropped.
pub(crate) struct Subscription {
    organization: Arc<Organization>,
    asker: Asker,
    /// What the token names the user by.
    name: Arc<str>,
    id: SubscriptionId,
}

/// A view and everything that belongs to it, at one moment.
pub(crate) struct Moment<'a> {
    /// What the device should hold.
    pub view: &'a View,
    /// LSNs and sizes of rows as the view was judged on.
    pub facts: &'a dyn RowFacts,
    engine: &'a Engine,
    subscriber: Subscriber,
    /// What the token names the user by.
    name: &'a str,
    models: &'a Models,
    loaded: &'a Loaded,
    organization: &'a Organization,
}

impl Moment<'_> {
    /// What the device is to be told of its tables and of its user.
    pub(crate) fn model(&self) -> Result<Told, SyncError> {
        let unpublished = || SyncError::Internal("there is a view without a model".into());
        let schema = self.engine.schema().ok_or_else(unpublished)?;
        let (carried, rights) = (self.engine.carried(self.subscriber), self.engine.rights(self.subscriber));
        let tables = self.models.of(self.view.revision, schema, &carried, &rights)?;
        Ok(Told { tables, user: self.engine.device_user(self.subscriber) })
    }

    /// A model as a message.
    pub(crate) fn message(&self, told: &Told) -> Model {
        told.message(self.name)
    }

    /// An LSN that a device has seen, with its history. Staging is asked if it is that of a row which was committed since
    /// the engine looked.
    pub(crate) fn position(&self, lsn: Lsn) -> Result<Position, SyncError> {
        let known = self.loaded.history_at(lsn).map_or_else(|| self.organization.history_at(lsn), |it| Ok(Some(it)))?;
        Ok(Position { lsn, history: known.ok_or(SyncError::StagingReplaced)? })
    }

    /// Whether a position is in the past of the engine, or ahead of it as far as that can be told; if not, the database
    /// was put back from a copy meanwhile.
    pub(crate) fn has_been(&self, position: Position) -> bool {
        self.loaded.history_at(position.lsn).is_none_or(|history| history == position.history)
    }
}

impl Organization {
    /// Reads nothing yet: the index is built when [`Self::ready`] is first awaited.
    pub(crate) fn new(
        name: &str,
        staging: Arc<dyn Staging>,
        queue: Option<Bounds>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let bell = Arc::<Bell>::default();
        let rung = Arc::clone(&bell);
        staging.on_commit(Box::new(move |_| rung.ring()));
        Arc::new(Self {
            name: name.to_owned(),
            staging,
            devices: Devices::new(clock.instant()),
            contacts: Contacts::default(),
            apart: Mutex::new(()),
            uploads: Uploads::default(),
            queue,
            clock,
            state: RwLock::default(),
            progress: watch::Sender::new(Progress::default()),
            bell,
            follower: Mutex::new(None),
            streams: Arc::default(),
            recent: RecentRows::new(RECENT_BYTES_MAX),
            models: Models::default(),
        })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its open streams.
    pub(crate) fn streams(&self) -> &Arc<Streams> {
        &self.streams
    }

    /// What is known of its devices.
    pub(crate) fn devices(&self) -> &Devices {
        &self.devices
    }

    /// A device was sent a checkpoint of its view.
    pub(crate) fn checkpoint_sent(self: &Arc<Self>, visitor: &Visitor, view: &View) {
        self.devices.reached(visitor.device, &visitor.app, view, self.clock.instant());
        self.note_checkpoint(visitor, view.lsn);
    }

    /// Staging as it is now.
    pub(crate) fn snapshot(&self) -> Result<Box<dyn Snapshot>, SyncError> {
        Ok(self.staging.snapshot()?)
    }

    /// LSN of the last commit.
    pub(crate) fn head(&self) -> Result<Lsn, SyncError> {
        Ok(self.staging.head()?)
    }

    /// The history at an LSN; none if the database has not come to it.
    pub(crate) fn history_at(&self, lsn: Lsn) -> Result<Option<History>, SyncError> {
        Ok(self.staging.history_at(lsn)?)
    }

    /// Waits until views are being followed, if possible up to the commits that were made before this call.
    pub(crate) async fn ready(self: &Arc<Self>) -> Result<(), SyncError> {
        self.start()?;
        let head = self.head()?;
        if self.progress.borrow().lsn < head {
            self.bell.ring();
        }
        let settled = |progress: &Progress| progress.standing != Standing::Loading;
        wait(&self.progress, LOAD_WAIT_MAX, settled).await;
        let (progress, _) = wait(&self.progress, FRESH_WAIT_MAX, |progress| progress.lsn >= head).await;
        progress.check(&self.name)?;
        self.let_time_pass();
        Ok(())
    }

    /// Waits until the index is built, however large it is.
    pub(crate) async fn loaded(self: &Arc<Self>) -> Result<(), SyncError> {
        self.start()?;
        let settled = |progress: &Progress| progress.standing != Standing::Loading;
        let (progress, _) = wait(&self.progress, INDEX_WAIT_MAX, settled).await;
        progress.check(&self.name)
    }

    /// Waits until views have come as far as a device has seen.
    pub(crate) async fn reach(&self, lsn: Lsn, revision: Revision, instant: Instant) -> Result<(), SyncError> {
        let reached = |it: &Progress| it.lsn >= lsn && it.revision >= revision && it.instant >= instant;
        if reached(&self.progress.borrow()) {
            return Ok(());
        }
        self.bell.ring_for(instant);
        let (progress, in_time) = wait(&self.progress, CATCH_UP_WAIT_MAX, reached).await;
        progress.check(&self.name)?;
        if in_time { Ok(()) } else { Err(SyncError::ServerBehind { reached: progress.lsn, wanted: lsn }) }
    }

    /// Replaces the epoch, because a device has proved that history was lost, and waits until it is followed.
    pub(crate) async fn begin_anew(&self, lost: Identity) -> Result<Identity, SyncError> {
        let identity = self.staging.mint_epoch(lost.epoch)?;
        tracing::error!(
            organization = self.name,
            "staging has lost commits that a device had seen; a new epoch begins"
        );
        self.bell.ring();
        let renewed = |progress: &Progress| progress.epoch == identity.epoch;
        let (progress, in_time) = wait(&self.progress, LOAD_WAIT_MAX, renewed).await;
        progress.check(&self.name)?;
        if in_time { Ok(identity) } else { Err(SyncError::Loading(self.name.clone())) }
    }

    /// Who the staging database is that views are made from.
    pub(crate) fn identity(&self) -> Result<Identity, SyncError> {
        let state = self.state.read();
        state.loaded().map(|loaded| loaded.identity).ok_or_else(|| self.loading())
    }

    /// Follows somebody's view from now on. Works the view out if nobody follows it yet.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        asker: Asker,
        name: &Arc<str>,
        signal: Arc<Signal>,
    ) -> Result<Subscription, SyncError> {
        let (organization, name) = (Arc::clone(self), Arc::clone(name));
        let id = self.state.write().subscribe(asker.clone(), Arc::clone(&name), signal);
        // The view may look at windows in a time zone that nobody had followed, as of when time last changed something.
        self.let_time_pass();
        Ok(Subscription { organization, asker, name, id: id.ok_or_else(|| self.loading())? })
    }

    /// Lets time go on to now, if that may change what whoever asks next is to see: the follower wakes for views that
    /// are followed, and for no others.
    fn let_time_pass(&self) {
        let now = self.clock.instant();
        let state = self.state.read();
        let lags = state.is_asleep(now) || state.is_due(now);
        drop(state);
        if !lags {
            return;
        }
        let touched = self.state.write().advance(now);
        tell(&self.progress, |progress| progress.instant = progress.instant.max(now));
        Signal::touch_all(&touched);
    }

    /// Whom a token names; who stands for nobody, if that is nobody or several.
    pub(crate) fn user_named(&self, name: &str) -> Result<RowKey, SyncError> {
        let state = self.state.read();
        state.loaded().map(|loaded| user_named(&loaded.engine, name)).ok_or_else(|| self.loading())
    }

    /// Why a view is empty, as its device is to be told.
    pub(crate) fn denied(&self, subscription: &Subscription, denial: Denial) -> SyncError {
        let state = self.state.read();
        match (denial, state.loaded()) {
            (Denial::UserUnknown, Some(loaded)) => unknown_user(&loaded.engine, &subscription.name),
            _ => SyncError::Denied(denial),
        }
    }

    /// Looks at a view. Fails if there is none for the application, if the token's user has become another one, or if
    /// the engine had to be given up.
    pub(crate) fn with_view<T>(
        &self,
        subscription: &Subscription,
        look: impl FnOnce(&Moment<'_>) -> T,
    ) -> Result<T, SyncError> {
        let state = self.state.read();
        let (loaded, subscriber) = state.followed(subscription.id).ok_or_else(|| self.loading())?;
        let engine = &loaded.engine;
        if let Some(refusal) = engine.refusal(subscriber) {
            return Err(SyncError::Refused(refusal, subscription.asker.app.to_string()));
        }
        if user_named(engine, &subscription.name) != subscription.asker.user {
            return Err(SyncError::UserReplaced);
        }
        let view = engine.view(subscriber).ok_or_else(|| self.loading())?;
        let name = &subscription.name;
        Ok(look(&Moment {
            view,
            facts: engine,
            engine,
            subscriber,
            name,
            models: &self.models,
            loaded,
            organization: self,
        }))
    }

    /// Reads the rows of a fetch, cut to the columns that the device carries.
    pub(crate) async fn read(self: &Arc<Self>, subscription: &Subscription, fetch: Fetch) -> Result<Body, SyncError> {
        let columns = self.columns(subscription, &fetch)?;
        if let Some(body) = self.read_recent(subscription, &fetch, columns.as_ref())? {
            return Ok(body);
        }
        if fetch.ordinals.len() <= INLINE_ROWS_MAX {
            return self.read_staging(&fetch, columns.as_ref());
        }
        let organization = Arc::clone(self);
        blocking(move || organization.read_staging(&fetch, columns.as_ref())).await
    }

    /// What is going on.
    pub(crate) fn statistics(&self) -> OrganizationStatistics {
        let mut statistics =
            OrganizationStatistics { name: self.name.clone(), streams: self.streams.len(), ..self.count_devices() };
        let state = self.state.read();
        if let Some(loaded) = state.loaded() {
            let engine = loaded.engine.statistics();
            statistics.loaded = true;
            statistics.lsn = loaded.engine.head().0;
            statistics.instant_us = loaded.engine.instant().0;
            statistics.revision = loaded.engine.revision().0;
            statistics.rows = engine.rows;
            statistics.index_bytes = engine.index.total() as u64;
            statistics.live_views = engine.views;
        }
        statistics
    }

    /// Ends every stream, and whoever waits for the index, because the server stops.
    pub(crate) fn stop(&self) {
        self.streams.stop();
        tell(&self.progress, |progress| progress.standing = Standing::Stopping);
    }

    /// Ends every stream, because the organization is served no longer, and gives its index up.
    pub(crate) fn withdraw(&self) {
        tell(&self.progress, |progress| progress.standing = Standing::Withdrawn);
        self.streams.withdraw();
        self.close();
        self.state.write().unload();
    }

    /// Stops writing and following, and waits until both have ended.
    pub(crate) fn close(&self) {
        self.uploads.close();
        self.write_contacts();
        self.bell.stop();
        let follower = self.follower.lock().take();
        if follower.is_some_and(|follower| follower.join().is_err()) {
            tracing::error!(organization = self.name, "the follower had panicked");
        }
    }

    /// Why there is no engine at the moment.
    fn loading(&self) -> SyncError {
        let loading = || SyncError::Loading(self.name.clone());
        let standing = self.progress.borrow().standing.clone();
        if standing == Standing::Withdrawn { SyncError::NotProvisioned(self.name.clone()) } else { loading() }
    }

    /// The columns that the device carries of the entity; none if all.
    fn columns(&self, subscription: &Subscription, fetch: &Fetch) -> Result<Option<ColumnSelection>, SyncError> {
        self.with_view(subscription, |moment| {
            let carried = moment.engine.carried(moment.subscriber);
            carried.iter().find(|it| it.entity == fetch.entity).and_then(|it| it.columns.clone())
        })
    }

    /// The rows of a small fetch, if all of them changed a moment ago.
    fn read_recent(
        &self,
        subscription: &Subscription,
        fetch: &Fetch,
        columns: Option<&ColumnSelection>,
    ) -> Result<Option<Body>, SyncError> {
        if fetch.ordinals.len() > INLINE_ROWS_MAX {
            return Ok(None);
        }
        let versions = |moment: &Moment<'_>| -> Vec<Lsn> {
            fetch.ordinals.iter().map(|&ordinal| moment.facts.lsn(fetch.entity, ordinal)).collect()
        };
        let versions = self.with_view(subscription, versions)?;
        let rows: Option<Vec<(Ordinal, Lsn, Bytes)>> = fetch
            .ordinals
            .iter()
            .zip(versions)
            .map(|(&ordinal, lsn)| Some((ordinal, lsn, self.recent.get(fetch.entity, ordinal, lsn)?)))
            .collect();
        let Some(rows) = rows else { return Ok(None) };
        let mut body = Body::with_capacity(rows.len(), 0);
        for (ordinal, lsn, payload) in rows {
            body.push(ordinal, lsn, &payload, columns)?;
        }
        Ok(Some(body))
    }

    /// Rows that staging no longer has are told with the head's LSN: they were deleted at or before it.
    fn read_staging(&self, fetch: &Fetch, columns: Option<&ColumnSelection>) -> Result<Body, SyncError> {
        let bytes = if fetch.ordinals.len() > INLINE_ROWS_MAX { BATCH_BYTES_TARGET } else { 0 };
        let mut body = Body::with_capacity(fetch.ordinals.len(), bytes);
        let mut damaged = None;
        self.staging.payloads(fetch.entity, &fetch.ordinals, &mut |ordinal, lsn, payload| {
            if let Err(error) = body.push(ordinal, lsn, payload, columns) {
                damaged = Some(error);
            }
        })?;
        match damaged {
            Some(error) => Err(error.into()),
            None if body.rows().len() == fetch.ordinals.len() => Ok(body),
            None => Ok(body.with_absent(&fetch.ordinals, self.staging.head()?)),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.organization.state.write().unsubscribe(self.id);
    }
}

/// Does what waits for the disk away from the threads that streams are served on.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SyncError> + Send + 'static,
) -> Result<T, SyncError> {
    let failed = |error| SyncError::Internal(format!("waiting for the disk: {error}"));
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}
