//! The engine of one organization: which rows belong on every live user's device, exact as everything changes.
//!
//! It is fed commits ([`Engine::begin`]): rows, and now and then a model. What a commit changed becomes visible all at
//! once when it is finished, and [`Applied`] names the subscribers whose view is another. Time is a change as well
//! ([`Engine::advance`]); [`Engine::next_boundary`] says when it next matters.
//!
//! Inside: a `model` compiles to `profile`s, graphs of `rule`s over the columns; `inputs` are what a view depends on
//! beside rows; `solver` computes a view from nothing and `upkeep` keeps one exact; `live` shares them. [`ask`] answers
//! what administrators want to know.

mod access;
pub mod ask;
mod asker;
mod commit;
mod compile;
mod components;
mod device_user;
mod fingerprint;
mod inputs;
mod live;
mod membership;
mod model;
pub mod mutation;
mod profile;
mod rehearsal;
mod rule;
mod situation;
mod solver;
mod statistics;
mod upkeep;

use std::sync::Arc;

use roaring::RoaringBitmap;

use self::inputs::Standing;
use self::live::Live;
use self::situation::Situation;
use self::solver::Solver;
use self::upkeep::Upkeep;
use crate::columns::{Index, Reading};
use crate::directory::{Affected, Directory, Rights};
use crate::ids::{EntityNumber, Instant, Lsn, Ordinal, Revision, RowKey};
use crate::schema::Schema;
use crate::view::{Refusal, RowFacts, View};

pub use crate::columns::{IndexBytes, RowChange};
pub use asker::{Admission, Asker};
pub use commit::{Commit, RowUnreadable};
pub use device_user::DeviceUser;
pub use live::Subscriber;
pub use model::{ModelErrors, ORGANIZATION_FILTER_CONDITIONS_MAX, PreparedModel};
pub use profile::Carried;
pub use rehearsal::{Rehearsal, RehearsalError};
pub use statistics::Statistics;

/// One organization's rows, directory, model and live views.
#[derive(Debug, Default)]
pub struct Engine {
    model: Option<PreparedModel>,
    index: Index,
    directory: Directory,
    live: Live,
    upkeep: Upkeep,
    head: Lsn,
    instant: Instant,
    admission: Admission,
}

/// What came of a commit, or of time going on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Subscribers whose view has other rows, rows in other versions, or another denial than before, ascending; after
    /// a publish, all of them.
    pub touched: Vec<Subscriber>,
    /// Subscribers whose user has other rights or stands elsewhere, whatever became of the view, ascending.
    pub retold: Vec<Subscriber>,
    /// Whether [`Engine::users_named`] may answer otherwise than before.
    pub renamed: bool,
}

/// A subscriber between two views.
struct Moved {
    subscriber: Subscriber,
    asker: Asker,
    /// Where it stands now.
    standing: Standing,
    /// Whose device it is now.
    user: Option<Arc<DeviceUser>>,
    /// What the subscriber has seen last.
    seen: View,
}

impl Engine {
    /// An engine that knows nothing yet. Every member of a profile has a view.
    pub fn new() -> Self {
        Self::default()
    }

    /// An engine that knows nothing yet and lets these have views.
    pub fn admitting(admission: Admission) -> Self {
        Self { admission, ..Self::default() }
    }

    /// Position in the commit order up to which everything has been fed.
    pub fn head(&self) -> Lsn {
        self.head
    }

    /// The instant that time windows are judged at.
    pub fn instant(&self) -> Instant {
        self.instant
    }

    /// The revision that is followed; 0 before the first.
    pub fn revision(&self) -> Revision {
        self.model.as_ref().map_or(Revision(0), PreparedModel::revision)
    }

    /// The metadata of the revision that is followed.
    pub fn schema(&self) -> Option<&Arc<Schema>> {
        self.model.as_ref().map(PreparedModel::schema)
    }

    /// Entities whose rows have to be fed anew if this model is to be followed, since it asks more of them.
    pub fn reload_needed(&self, model: &PreparedModel) -> Vec<EntityNumber> {
        let mut entities = self.index.missing(&model.needs);
        entities.extend(self.directory.missing(&model.layout));
        entities.sort_unstable();
        entities.dedup();
        entities
    }

    /// The users whom a token's claim names: nobody, one, or several of whom none can be meant.
    pub fn users_named(&self, claim: &str) -> Vec<RowKey> {
        self.directory.users_named(claim)
    }

    /// Logical name of the attribute of users that tokens name them by.
    pub fn user_attribute(&self) -> &str {
        self.directory.user_attribute()
    }

    /// Begins to feed what changed up to `head`.
    pub fn begin(&mut self, head: Lsn) -> Commit<'_> {
        Commit::new(self, head)
    }

    /// Lets time go on to `instant`; it never goes back.
    pub fn advance(&mut self, instant: Instant) -> Applied {
        self.apply(instant, false)
    }

    /// The next instant at which a live view may change by itself.
    pub fn next_boundary(&self) -> Option<Instant> {
        self.live.views().next()?;
        self.index.next_change(self.instant)
    }

    /// Follows somebody's view from now on.
    pub fn subscribe(&mut self, asker: impl Into<Asker>) -> Subscriber {
        let (subscriber, asker) = (self.live.new_subscriber(), asker.into());
        let (standing, user) = self.stand(&asker);
        self.attach(subscriber, asker, standing, user, None);
        subscriber
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, subscriber: Subscriber) {
        self.live.detach(subscriber);
    }

    /// The view of a subscriber; `None` if it is refused one, or if the subscription has ended.
    pub fn view(&self, subscriber: Subscriber) -> Option<&View> {
        let live = self.live.of(subscriber)?;
        if matches!(live.standing, Standing::Refused(_)) { None } else { Some(&live.view) }
    }

    /// Why a subscriber has no view, if it is refused one. Only a publish changes that.
    pub fn refusal(&self, subscriber: Subscriber) -> Option<Refusal> {
        match self.live.of(subscriber)?.standing {
            Standing::Refused(refusal) => Some(refusal),
            Standing::Follows(_) | Standing::Denied(_) => None,
        }
    }

    /// What a subscriber's device carries, in the order of its view's entities; empty if the view is denied.
    pub fn carried(&self, subscriber: Subscriber) -> Arc<[Carried]> {
        let inputs = self.live.of(subscriber).and_then(|live| live.standing.inputs());
        inputs.map_or_else(Arc::default, |inputs| Arc::clone(&self.situation().profile(inputs).carried))
    }

    /// What a subscriber may do to rows, by the entities of [`Self::carried`].
    pub fn rights(&self, subscriber: Subscriber) -> Arc<[Rights]> {
        let inputs = self.live.of(subscriber).and_then(|live| live.standing.inputs());
        inputs.map_or_else(Arc::default, |inputs| Arc::clone(&inputs.rights))
    }

    /// Whose device a subscriber is; `None` if the view is denied.
    pub fn device_user(&self, subscriber: Subscriber) -> Option<Arc<DeviceUser>> {
        self.live.user_of(subscriber).cloned()
    }

    /// Somebody's view as it is computed from nothing. It is what a subscriber of that asker sees; without rows for who
    /// is refused.
    pub fn from_scratch(&self, asker: impl Into<Asker>) -> View {
        self.situation().view(&self.standing(&asker.into()))
    }

    fn standing(&self, asker: &Asker) -> Standing {
        self.situation().standing(asker)
    }

    /// Where somebody stands, and whose device that is.
    fn stand(&self, asker: &Asker) -> (Standing, Option<Arc<DeviceUser>>) {
        let standing = self.standing(asker);
        let user = self.situation().device_user(asker, &standing);
        (standing, user.map(Arc::new))
    }

    fn situation(&self) -> Situation<'_> {
        Situation {
            model: self.model.as_ref(),
            directory: &self.directory,
            index: Reading::new(&self.index, self.instant),
            head: self.head,
            instant: self.instant,
            admission: self.admission,
        }
    }

    /// Attaches a subscriber to the view of a standing. A new view shares what it can with `old`.
    fn attach(
        &mut self,
        subscriber: Subscriber,
        asker: Asker,
        standing: Standing,
        user: Option<Arc<DeviceUser>>,
        old: Option<&View>,
    ) {
        if let Standing::Follows(inputs) = &standing
            && let Some(zone) = inputs.followed_zone()
        {
            self.index.follow(zone, self.instant);
        }
        let mut live = std::mem::take(&mut self.live);
        live.attach(subscriber, asker, standing, user, |standing| {
            let mut view = self.situation().view(standing);
            for entity in &mut view.entities {
                let same = old.and_then(|old| old.entities.iter().find(|other| other.entity == entity.entity));
                if let Some(same) = same.filter(|same| same.rows == entity.rows) {
                    entity.rows = Arc::clone(&same.rows);
                }
            }
            view
        });
        self.live = live;
    }

    /// Makes true what was fed, at `instant`.
    fn apply(&mut self, instant: Instant, has_model: bool) -> Applied {
        self.instant = self.instant.max(instant);
        self.index.settle(self.instant);
        for (entity, rows) in self.directory.take_moved() {
            self.index.move_rows(entity, &rows);
        }
        let affected = self.directory.take_affected();
        let mut retold = Vec::new();
        let mut touched = if has_model {
            self.follow_model()
        } else {
            let moved = if affected.is_empty() { Vec::new() } else { self.detach_moved(&affected, &mut retold) };
            let mut touched = self.keep_up();
            touched.extend(self.reattach(moved));
            touched
        };
        self.index.forget_changes();
        self.index.follow_only(|zone| self.live.views().any(|live| live.standing.follows(zone)));
        touched.sort_unstable();
        retold.sort_unstable();
        Applied { touched, retold, renamed: self.directory.take_renamed() }
    }

    /// Gives every subscriber the view that the new model says.
    fn follow_model(&mut self) -> Vec<Subscriber> {
        let old = std::mem::take(&mut self.live);
        self.live.continue_after(&old);
        let subscribers = old.subscribers_of(|_| true);
        for of_asker in subscribers.chunk_by(|one, other| one.0 == other.0) {
            let (standing, user) = self.stand(&of_asker[0].0);
            for (asker, subscriber) in of_asker {
                let view = old.of(*subscriber).map(|live| &live.view);
                self.attach(*subscriber, asker.clone(), standing.clone(), user.clone(), view);
            }
        }
        subscribers.into_iter().map(|(_, subscriber)| subscriber).collect()
    }

    /// Takes subscribers of affected users off views that are no longer theirs. Notes those who have to be told of it.
    fn detach_moved(&mut self, affected: &Affected, retold: &mut Vec<Subscriber>) -> Vec<Moved> {
        let mut moved = Vec::new();
        let subscribers = self.live.subscribers_of(|asker| affected.contains(asker.user));
        for of_asker in subscribers.chunk_by(|one, other| one.0 == other.0) {
            let (standing, user) = self.stand(&of_asker[0].0);
            for (asker, subscriber) in of_asker {
                let live = self.live.of(*subscriber).expect("every subscriber has a view");
                if live.standing != standing {
                    let (subscriber, asker, seen) = (*subscriber, asker.clone(), live.view.clone());
                    let (standing, user) = (standing.clone(), user.clone());
                    moved.push(Moved { subscriber, asker, standing, user, seen });
                    self.live.detach(subscriber);
                    retold.push(subscriber);
                } else if self.live.set_user(*subscriber, user.as_ref()) {
                    retold.push(*subscriber);
                }
            }
        }
        moved
    }

    /// Attaches subscribers to the views that are theirs now. Returns those who see something else than before.
    fn reattach(&mut self, moved: Vec<Moved>) -> Vec<Subscriber> {
        let mut touched = Vec::new();
        for Moved { subscriber, asker, standing, user, seen } in moved {
            self.attach(subscriber, asker, standing, user, Some(&seen));
            let new = &self.live.of(subscriber).expect("was attached").view;
            if (&new.entities, new.denial) != (&seen.entities, seen.denial) {
                touched.push(subscriber);
            }
        }
        touched
    }

    /// Brings every live view up to what was fed. Returns the subscribers of those that changed.
    fn keep_up(&mut self) -> Vec<Subscriber> {
        let profiles = self.model.as_ref().map_or(&[][..], PreparedModel::profiles);
        let affected: Vec<bool> = profiles.iter().map(|profile| profile.is_affected(&self.index)).collect();
        let mut touched = Vec::new();
        for live in self.live.views_mut() {
            (live.view.lsn, live.view.instant) = (self.head, self.instant);
            let Standing::Follows(inputs) = &live.standing else { continue };
            if !affected[inputs.profile] {
                continue;
            }
            let (index, profile) = (Reading::new(&self.index, self.instant), &profiles[inputs.profile]);
            let solver = Solver { index, shares: self.directory.shares(), profile, inputs };
            if self.upkeep.keep_up(&solver, &mut live.view.entities) {
                touched.extend(&live.subscribers);
            }
        }
        touched
    }
}

impl RowFacts for Engine {
    fn lsn(&self, entity: EntityNumber, ordinal: Ordinal) -> Lsn {
        self.index.table_of(entity).map_or(Lsn(0), |table| table.lsn(ordinal))
    }

    fn size(&self, entity: EntityNumber, ordinal: Ordinal) -> u32 {
        self.index.table_of(entity).map_or(0, |table| table.size(ordinal))
    }

    fn changed_since(&self, entity: EntityNumber, rows: &RoaringBitmap, floor: Lsn) -> RoaringBitmap {
        let Some(table) = self.index.table_of(entity) else { return RoaringBitmap::new() };
        match table.log().since(floor) {
            _ if floor == Lsn(0) => rows.clone(),
            Some(changed) => changed.filter(|row| rows.contains(*row)).collect(),
            None => rows.iter().filter(|row| table.lsn(*row) > floor).collect(),
        }
    }

    fn allocated(&self, entity: EntityNumber) -> Ordinal {
        self.index.table_of(entity).map_or(0, |table| table.ids().allocated())
    }
}
