//! An engine and those who follow its views.

use std::collections::HashMap;
use std::sync::Arc;

use haversack_engine::engine::{Applied, Asker, Engine, Subscriber};
use haversack_engine::ids::{History, Instant, Lsn, RowKey};
use haversack_staging::Identity;

use super::histories::Histories;
use crate::errors::SyncError;
use crate::signal::Signal;

/// What an organization has in memory. The follower alone changes the engine; streams come and go.
#[derive(Default)]
pub(super) struct State {
    loaded: Option<Loaded>,
    followers: HashMap<SubscriptionId, Follower>,
    last_id: u64,
}

/// An engine and the staging database that it was read from.
pub(super) struct Loaded {
    /// Every row, view and model.
    pub engine: Engine,
    /// Whose rows they are.
    pub identity: Identity,
    /// What past they have, up to the engine's head.
    pub histories: Histories,
}

impl Loaded {
    /// The history at an LSN; none if the engine has not come to it.
    pub(super) fn history_at(&self, lsn: Lsn) -> Option<History> {
        (lsn <= self.engine.head()).then(|| self.histories.at(lsn))
    }
}

/// A subscription's number. Unlike the engine's, it outlives the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SubscriptionId(u64);

struct Follower {
    asker: Asker,
    /// What the user's token names the user by.
    name: Arc<str>,
    signal: Arc<Signal>,
    subscriber: Subscriber,
}

/// Stands for the user of a token that names nobody, or several. It is nobody's id: no UUID and no hash is known to be.
pub(crate) const NOBODY: RowKey = RowKey(*b"nobody or more..");

/// Whom a token names.
pub(super) fn user_named(engine: &Engine, name: &str) -> RowKey {
    match engine.users_named(name)[..] {
        [user] => user,
        _ => NOBODY,
    }
}

/// What to tell whom a name stands for nobody, or for several.
pub(crate) fn unknown_user(engine: &Engine, name: &str) -> SyncError {
    SyncError::UserUnknown {
        name: name.to_owned(),
        attribute: engine.user_attribute().to_owned(),
        several: engine.users_named(name).len() > 1,
    }
}

impl State {
    /// The engine, if there is one.
    pub(super) fn loaded(&self) -> Option<&Loaded> {
        self.loaded.as_ref()
    }

    /// The engine, to change it.
    pub(super) fn loaded_mut(&mut self) -> Option<&mut Loaded> {
        self.loaded.as_mut()
    }

    /// How many streams follow views.
    pub(super) fn followers(&self) -> usize {
        self.followers.len()
    }

    /// Subscribes to the view of somebody whom a token has this name for; none without an engine.
    pub(super) fn subscribe(&mut self, asker: Asker, name: Arc<str>, signal: Arc<Signal>) -> Option<SubscriptionId> {
        let subscriber = self.loaded.as_mut()?.engine.subscribe(asker.clone());
        self.last_id += 1;
        let id = SubscriptionId(self.last_id);
        self.followers.insert(id, Follower { asker, name, signal, subscriber });
        Some(id)
    }

    /// Whether a view that is followed changes by itself at or before this instant.
    pub(super) fn is_due(&self, instant: Instant) -> bool {
        let boundary = self.loaded.as_ref().and_then(|loaded| loaded.engine.next_boundary());
        boundary.is_some_and(|boundary| boundary <= instant)
    }

    /// Whether views that nobody follows would be judged at an earlier instant than this.
    pub(super) fn is_asleep(&self, instant: Instant) -> bool {
        self.followers.is_empty() && self.loaded.as_ref().is_some_and(|loaded| loaded.engine.instant() < instant)
    }

    /// Lets time go on. Returns whom to wake.
    pub(super) fn advance(&mut self, instant: Instant) -> Vec<Arc<Signal>> {
        let Some(loaded) = &mut self.loaded else { return Vec::new() };
        let applied = loaded.engine.advance(instant);
        self.touched(&applied)
    }

    /// Ends a subscription.
    pub(super) fn unsubscribe(&mut self, id: SubscriptionId) {
        let gone = self.followers.remove(&id);
        if let (Some(gone), Some(loaded)) = (gone, &mut self.loaded) {
            loaded.engine.unsubscribe(gone.subscriber);
        }
    }

    /// The engine with its past, and what it calls a subscription.
    pub(super) fn followed(&self, id: SubscriptionId) -> Option<(&Loaded, Subscriber)> {
        Some((self.loaded.as_ref()?, self.followers.get(&id)?.subscriber))
    }

    /// Whose views are followed, maybe repeated.
    pub(super) fn askers(&self) -> Vec<Asker> {
        self.followers.values().map(|follower| follower.asker.clone()).collect()
    }

    /// Puts another engine in place; every stream follows its view there. Returns whom to wake.
    pub(super) fn replace(&mut self, mut loaded: Loaded) -> Vec<Arc<Signal>> {
        for follower in self.followers.values_mut() {
            follower.subscriber = loaded.engine.subscribe(follower.asker.clone());
        }
        self.loaded = Some(loaded);
        self.signals()
    }

    /// Gives the engine up. Streams must end, for there is no view to follow.
    pub(super) fn unload(&mut self) -> Vec<Arc<Signal>> {
        self.loaded = None;
        self.signals()
    }

    /// Whom to wake after something was applied: whoever sees something else, or is somebody else.
    pub(super) fn touched(&self, applied: &Applied) -> Vec<Arc<Signal>> {
        let is_other =
            |it: &Follower| self.loaded().is_some_and(|to| user_named(&to.engine, &it.name) != it.asker.user);
        let is_touched = |follower: &&Follower| {
            let among = |subscribers: &[Subscriber]| subscribers.binary_search(&follower.subscriber).is_ok();
            among(&applied.touched) || among(&applied.retold) || (applied.renamed && is_other(follower))
        };
        self.followers.values().filter(is_touched).map(|follower| Arc::clone(&follower.signal)).collect()
    }

    fn signals(&self) -> Vec<Arc<Signal>> {
        self.followers.values().map(|follower| Arc::clone(&follower.signal)).collect()
    }
}
