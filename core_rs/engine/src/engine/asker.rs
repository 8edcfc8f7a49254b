//! Who asks for a view, and who is let in.

use std::sync::Arc;

use crate::ids::RowKey;

/// Logical name of the entity on which a user needs read to sync: profiles themselves, as roles speak of them.
pub(super) const OFFLINE_PROFILE: &str = "mobileofflineprofile";

/// Whose view is asked for: a user's, in an application or in none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asker {
    /// The user's `systemuserid`.
    pub user: RowKey,
    /// The application's name; empty for none: whichever profile has the user is followed.
    pub app: Arc<str>,
}

impl From<RowKey> for Asker {
    fn from(user: RowKey) -> Self {
        Self { user, app: Arc::default() }
    }
}

/// Whom an engine lets have a view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// Whoever a profile has: what views are by definition.
    #[default]
    Members,
    /// Of them, whoever may read profiles: what devices get.
    ProfileReaders,
}
