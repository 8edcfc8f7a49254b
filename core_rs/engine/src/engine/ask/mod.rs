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
use super::membership::Scope;
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
///
/// Users are asked about as if their devices named no application, unless it is about one profile.
#[derive(Clone, Copy)]
pub struct Inquiry<'e> {
    pub(super) situation: Situation<'e>,
    /// The profile that it is about.
    profile: Option<usize>,
}

impl Engine {
    /// Where questions can be asked about things as they are.
    pub fn inquire(&self) -> Inquiry<'_> {
        Inquiry::of(self.situation())
    }
}

impl<'e> Inquiry<'e> {
    pub(super) fn of(situation: Situation<'e>) -> Self {
        Self { situation, profile: None }
    }

    /// The same about one profile alone: users who follow it, in some application or in none, are asked about as its
    /// users, and it is missing to others. `None` if there is no such profile.
    pub fn about(self, profile: &str) -> Option<Self> {
        let number = self.situation.model?.profiles().iter().position(|it| it.name == profile)?;
        Some(Self { profile: Some(number), ..self })
    }

    /// Where a user stands, as far as this is about.
    pub(super) fn standing(&self, user: RowKey) -> Standing {
        self.situation.standing_in(user, self.profile.map_or(Scope::Everything, Scope::Profile))
    }

    /// Where a user stands in every profile that this is about and that the user follows in some application or in none,
    /// the latter first.
    fn standings(&self, user: RowKey) -> Vec<Standing> {
        let followed = match (self.profile, self.situation.model) {
            (None, Some(model)) => model.membership.profiles_of(user, &self.situation.directory.teams_of(user)),
            _ => Vec::new(),
        };
        match followed.len() {
            0 | 1 => vec![self.standing(user)],
            _ => followed.into_iter().map(|it| self.situation.standing_in(user, Scope::Profile(it))).collect(),
        }
    }

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

    /// The users that follow the profile that this is about, or else any, ascending: those that it names, of whom the
    /// directory may know nothing, and the members of its teams. Of several profiles a user follows one in each
    /// application, and one in none.
    pub fn users(&self) -> Vec<RowKey> {
        let Some(model) = self.situation.model else { return Vec::new() };
        let (membership, directory) = (&model.membership, self.situation.directory);
        let mut users: Vec<RowKey> =
            membership.users().chain(membership.teams().flat_map(|team| directory.members_of(team))).collect();
        users.sort_unstable();
        users.dedup();
        if let Some(number) = self.profile {
            let scope = Scope::Profile(number);
            users.retain(|user| membership.profile_of(*user, &directory.teams_of(*user), scope).is_some());
        }
        users
    }

    /// Why a user's view is empty, if it is for a reason that the user must be told.
    pub fn denial(&self, user: RowKey) -> Option<Denial> {
        self.standing(user).denial()
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
