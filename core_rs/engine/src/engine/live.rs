//! Views that somebody follows, each kept once for all whose inputs are equal.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::asker::Asker;
use super::device_user::DeviceUser;
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
    subscribers: HashMap<Subscriber, Following>,
    last_subscriber: u64,
    last_view: u64,
}

/// What is known of a subscriber.
#[derive(Debug)]
struct Following {
    asker: Asker,
    view: ViewNumber,
    /// Whose device it is, if the user has a view: views are shared, this is not.
    user: Option<Arc<DeviceUser>>,
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
        user: Option<Arc<DeviceUser>>,
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
        self.subscribers.insert(subscriber, Following { asker, view: number, user });
    }

    /// Ends a subscription; a view that nobody follows any more is given up.
    pub(super) fn detach(&mut self, subscriber: Subscriber) {
        let Some(Following { view: number, .. }) = self.subscribers.remove(&subscriber) else { return };
        let live = self.views.get_mut(&number).expect("every subscriber has a view");
        live.subscribers.remove(&subscriber);
        if live.subscribers.is_empty() {
            self.by_standing.remove(&live.standing);
            self.views.remove(&number);
        }
    }

    /// The subscribers of those who are `wanted`, those of one asker side by side.
    pub(super) fn subscribers_of(&self, wanted: impl Fn(&Asker) -> bool) -> Vec<(Asker, Subscriber)> {
        let all = self.subscribers.iter().filter(|(_, following)| wanted(&following.asker));
        let mut found: Vec<_> = all.map(|(&subscriber, following)| (following.asker.clone(), subscriber)).collect();
        found.sort_unstable();
        found
    }

    /// How many subscribers there are.
    pub(super) fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// The view that a subscriber follows.
    pub(super) fn of(&self, subscriber: Subscriber) -> Option<&LiveView> {
        self.subscribers.get(&subscriber).map(|following| &self.views[&following.view])
    }

    /// Whose device a subscriber is.
    pub(super) fn user_of(&self, subscriber: Subscriber) -> Option<&Arc<DeviceUser>> {
        self.subscribers.get(&subscriber)?.user.as_ref()
    }

    /// A subscriber's user is another one, or stands elsewhere. Tells whether that is a change.
    pub(super) fn set_user(&mut self, subscriber: Subscriber, user: Option<&Arc<DeviceUser>>) -> bool {
        let Some(following) = self.subscribers.get_mut(&subscriber) else { return false };
        let is_change = following.user.as_ref() != user;
        if is_change {
            following.user = user.cloned();
        }
        is_change
    }

    /// Every view that is followed.
    pub(super) fn views_mut(&mut self) -> impl Iterator<Item = &mut LiveView> {
        self.views.values_mut()
    }

    pub(super) fn views(&self) -> impl Iterator<Item = &LiveView> {
        self.views.values()
    }
}
