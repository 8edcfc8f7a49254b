//! What administrators want to know of views: how large they are, what a change does to them, why a row is on a device
//! or not, who has a row, and what smells in a profile.
//!
//! Every question is put to an [`Inquiry`]: the engine as it is, or what is only tried out on its rows. Whoever asks for
//! many users keeps an [`Estimator`], a [`Differ`] or a [`HolderSearch`] from one to the next: users whose inputs are equal
//! share one view, and it is worked out once. Between two users the engine may go on; what was known of views is
//! forgotten then.

mod diff;
mod estimate;
mod explain;
mod holders;
mod lint;
mod summary;
mod weigh;

use super::Engine;
use super::inputs::Standing;
use super::model::PreparedModel;
use super::situation::Situation;
use crate::ids::{EntityNumber, Instant, Lsn, Ordinal, Revision, RowKey};
use crate::schema::Schema;
use crate::view::Denial;

pub use diff::{Differ, EntityDiff, UserDiff};
pub use estimate::{EntityAmount, Estimator, UserEstimate};
pub use explain::{Join, Reason, ReasonKind};
pub use holders::HolderSearch;
pub use lint::{Finding, LINT_VIEWS_MAX, LintLimits, Linter, Smell, lint_model};
pub use summary::{EntitySummary, LARGEST_MAX, Percentiles, Summary, summarize};

/// Rows, and the bytes of their payloads as they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub rows: u64,
    /// Their size.
    pub bytes: u64,
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), |mut sum, amount| {
            sum += amount;
            sum
        })
    }
}

/// When an answer is exact: views do not change while this stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Position in the commit order.
    pub lsn: Lsn,
    /// Revision of the model that is asked about.
    pub revision: Revision,
    /// Instant that time windows are judged at.
    pub instant: Instant,
}

/// Where questions are asked: an engine as it is, or a model and a directory that are tried out on its rows.
#[derive(Clone, Copy)]
pub struct Inquiry<'e> {
    pub(super) situation: Situation<'e>,
}

impl Engine {
    /// Where questions can be asked about things as they are.
    pub fn inquire(&self) -> Inquiry<'_> {
        Inquiry { situation: self.situation() }
    }
}

impl<'e> Inquiry<'e> {
    /// When answers from here are exact.
    pub fn moment(&self) -> Moment {
        let Situation { model, head, instant, .. } = self.situation;
        Moment { lsn: head, revision: model.map_or(Revision(0), PreparedModel::revision), instant }
    }

    /// The metadata; `None` if nothing is published.
    pub fn schema(&self) -> Option<&'e Schema> {
        self.situation.model.map(|model| &**model.schema())
    }

    /// Names of the profiles, in the order of the model.
    pub fn profiles(&self) -> Vec<&'e str> {
        let profiles = self.situation.model.iter().flat_map(|model| model.profiles());
        profiles.map(|profile| profile.name.as_str()).collect()
    }

    /// The users that follow a profile (`None` for any), ascending. A user of several follows the first by rank alone.
    /// Users of whom the directory knows nothing are among them.
    pub fn users(&self, profile: Option<&str>) -> Vec<RowKey> {
        let Some(model) = self.situation.model else { return Vec::new() };
        let is_asked = |number: usize| profile.is_none_or(|name| model.profile(number).name == name);
        let mut users: Vec<RowKey> =
            model.followers().filter(|(_, number)| is_asked(*number)).map(|(user, _)| user).collect();
        users.sort_unstable();
        users
    }

    /// Why a user's view is empty, if it is for a reason that the user must be told.
    pub fn denial(&self, user: RowKey) -> Option<Denial> {
        match self.situation.standing(user) {
            Standing::Denied(denial) => Some(denial),
            Standing::Follows(_) => None,
        }
    }

    /// The ordinal of a row, deleted or not; `None` if there has never been one, or if no profile carries the entity.
    pub fn row(&self, entity: EntityNumber, key: RowKey) -> Option<Ordinal> {
        self.situation.index.table_of(entity)?.ids().find(key)
    }

    /// Whether a row is there and not deleted.
    pub fn is_alive(&self, entity: EntityNumber, row: Ordinal) -> bool {
        self.situation.index.table_of(entity).is_some_and(|table| table.alive().contains(row))
    }

    /// Up to `count` of these rows, by id.
    fn sample(&self, entity: EntityNumber, rows: &roaring::RoaringBitmap, count: usize) -> Vec<RowKey> {
        let table = self.situation.index.table_of(entity);
        table.map_or_else(Vec::new, |table| rows.iter().take(count).map(|row| table.ids().key(row)).collect())
    }
}
