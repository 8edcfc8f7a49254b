//! Views that somebody follows, each kept once for all whose inputs are equal.

use std::collections::{BTreeSet, HashMap};

use super::asker::Asker;
use super::inputs::Standing;
use crate::view::View;

/// A follower of one user's view: a handle to ask for it by. It stays valid until it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subscriber(u64);

/// Every view that is followed.
#[derive(Debug, Default)]
pub(super) struct Live {
    views: HashMap<ViewNumber, LiveView>,
    by_standing: HashMap<Standing, ViewNumber>,
    subscribers: HashMap<Subscriber, (Asker, ViewNumber)>,
    last_subscriber: u64,
    last_view: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ViewNumber(u64);

#[derive(Debug)]
pub(super) struct LiveView {
    pub(super) standing: Standing,
    pub(super) view: View,
    pub(super) subscribers: BTreeSet<Subscriber>,
}

impl Live {
    /// Goes on counting where `other` stopped, so that no number is given twice.
    pub(super) fn continue_after(&mut self, other: &Self) {
        (self.last_subscriber, self.last_view) = (other.last_subscriber, other.last_view);
    }

    /// A new subscriber, not yet attached to a view.
    pub(super) fn new_subscriber(&mut self) -> Subscriber {
        self.last_subscriber += 1;
        Subscriber(self.last_subscriber)
    }

    /// Lets a subscriber follow the view of a standing, which is made if nobody follows it yet.
    pub(super) fn attach(
        &mut self,
        subscriber: Subscriber,
        asker: Asker,
        standing: Standing,
        make: impl FnOnce(&Standing) -> View,
    ) {
        let number = if let Some(&number) = self.by_standing.get(&standing) {
            number
        } else {
            self.last_view += 1;
            let number = ViewNumber(self.last_view);
            let view = make(&standing);
            self.by_standing.insert(standing.clone(), number);
            self.views.insert(number, LiveView { standing, view, subscribers: BTreeSet::new() });
            number
        };
        self.views.get_mut(&number).expect("every number has its view").subscribers.insert(subscriber);
        self.subscribers.insert(subscriber, (asker, number));
    }

    /// Ends a subscription; a view that nobody follows any more is given up.
    pub(super) fn detach(&mut self, subscriber: Subscriber) {
        let Some((_, number)) = self.subscribers.remove(&subscriber) else { return };
        let live = self.views.get_mut(&number).expect("every subscriber has a view");
        live.subscribers.remove(&subscriber);
        if live.subscribers.is_empty() {
            self.by_standing.remove(&live.standing);
            self.views.remove(&number);
        }
    }

    /// The subscribers of those who are `wanted`, those of one asker side by side.
    pub(super) fn subscribers_of(&self, wanted: impl Fn(&Asker) -> bool) -> Vec<(Asker, Subscriber)> {
        let all = self.subscribers.iter().filter(|(_, (asker, _))| wanted(asker));
        let mut found: Vec<_> = all.map(|(&subscriber, (asker, _))| (asker.clone(), subscriber)).collect();
        found.sort_unstable();
        found
    }

    /// How many subscribers there are.
    pub(super) fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// The view that a subscriber follows.
    pub(super) fn of(&self, subscriber: Subscriber) -> Option<&LiveView> {
        self.subscribers.get(&subscriber).map(|(_, number)| &self.views[number])
    }

    /// Every view that is followed.
    pub(super) fn views_mut(&mut self) -> impl Iterator<Item = &mut LiveView> {
        self.views.values_mut()
    }

    pub(super) fn views(&self) -> impl Iterator<Item = &LiveView> {
        self.views.values()
    }
}
