//! What smells in a profile, measured on the rows that there are.

mod look;
mod members;

use haversack_proto::model;

use self::look::{Look, associations, views};
use super::{Inquiry, UserEstimate};
use crate::engine::model::PreparedModel;

/// How many different views of a profile are looked at for what holds in none of them.
pub const LINT_VIEWS_MAX: usize = 32;

/// What may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Smell {
    /// An entity of the profile is not enabled for offline use: the profile cannot be published.
    NotEnabled,
    /// An item takes related rows only, and no association leads to it.
    RelatedOnlyUnreached,
    /// Entities pull each other in a circle. That is legal, but a device may get more than was meant.
    Cycle,
    /// A clause of a filter takes every row.
    ClauseTakesAll,
    /// A clause of a filter takes no row.
    ClauseTakesNothing,
    /// No device would lack a row without an association.
    AssociationAddsNothing,
    /// One row pulls very many.
    FanOut,
    /// An item is larger than a limit on some device.
    ItemTooLarge,
    /// Members have no role that lets them read profiles, and so get nothing.
    MemberWithoutPrivilege,
    /// Members are in other profiles as well.
    MemberOfSeveral,
}

/// One thing that smells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What may be wrong.
    pub smell: Smell,
    /// The profile.
    pub profile: String,
    /// Logical name of the entity whose item it is about; empty if it is about the members.
    pub entity: String,
    /// The association or the filter that it is about, if it is about one.
    pub subject: String,
    /// What was found, for people.
    pub sentence: String,
    /// What was measured: rows that a clause takes, rows that one row pulls, rows of the largest device. 0 if nothing
    /// was.
    pub rows: u64,
    /// In how many views it was measured, or how many members it is about; 0 if no view was looked at.
    pub views: usize,
}

/// From where on sizes smell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LintLimits {
    /// Most rows that an item may bring to a device; `None` for no limit.
    pub item_rows_max: Option<u64>,
    /// Most bytes that an item may bring to a device; `None` for no limit.
    pub item_bytes_max: Option<u64>,
    /// Most rows that one row may pull by one association.
    pub fan_out_max: u64,
}

/// Looks at one profile, a step at a time: each is short enough to be taken while others wait.
#[derive(Debug)]
pub struct Linter {
    profile: String,
    limits: LintLimits,
    steps: usize,
}

/// Entities of a model's profile (`None` for any) that are not enabled; and the model as it would be if they were, which
/// can be looked at further.
pub fn lint_model(model: &model::Model, profile: Option<&str>) -> (Vec<Finding>, model::Model) {
    let (mut findings, mut mended) = (Vec::new(), model.clone());
    for asked in model.profiles.iter().filter(|it| profile.is_none_or(|name| it.name == name)) {
        for item in &asked.items {
            let entity = mended.entities.iter_mut().find(|entity| entity.logical_name == item.entity);
            let Some(entity) = entity.filter(|entity| !entity.offline) else { continue };
            entity.offline = true;
            let sentence = format!("{} is not enabled for offline use; enable it or remove its item", item.entity);
            findings.push(Finding::new(Smell::NotEnabled, &asked.name, &item.entity, "", sentence));
        }
    }
    (findings, mended)
}

impl Finding {
    fn new(smell: Smell, profile: &str, entity: &str, subject: &str, sentence: String) -> Self {
        let (profile, entity, subject) = (profile.to_owned(), entity.to_owned(), subject.to_owned());
        Self { smell, profile, entity, subject, sentence, rows: 0, views: 0 }
    }

    fn measured(self, rows: u64, views: usize) -> Self {
        Self { rows, views, ..self }
    }
}

impl Linter {
    /// Looks at the profile of this name.
    pub fn new(profile: &str, limits: LintLimits) -> Self {
        Self { profile: profile.to_owned(), limits, steps: 0 }
    }

    /// The next findings; `None` when everything has been looked at, or if there is no such profile.
    pub fn step(&mut self, inquiry: &Inquiry<'_>) -> Option<Vec<Finding>> {
        let profile = inquiry.situation.model?.profiles().iter().find(|profile| profile.name == self.profile)?;
        let inquiry = inquiry.about(&self.profile)?;
        let look = Look { situation: inquiry.situation, profile, views: views(&inquiry) };
        let findings = match self.steps {
            0 => [members::look(&inquiry, profile), look.unreached(), look.cycles(), look.clauses()].concat(),
            step => {
                let (source, association) = associations(profile).nth(step - 1)?;
                [look.useless(source, association), look.fan_out(source, association, self.limits.fan_out_max)].concat()
            }
        };
        self.steps += 1;
        Some(findings)
    }

    /// Items that are larger than a limit on some of these devices. The estimates are of users of this profile.
    pub fn too_large(&self, inquiry: &Inquiry<'_>, estimates: &[UserEstimate]) -> Vec<Finding> {
        let Some(profiles) = inquiry.situation.model.map(PreparedModel::profiles) else { return Vec::new() };
        let nodes = profiles.iter().filter(|profile| profile.name == self.profile).flat_map(|profile| {
            profile.carried.iter().zip(&profile.nodes).map(|(carried, node)| (carried.entity, &node.name))
        });
        let largest = |(entity, name): (_, &String)| {
            let amounts =
                estimates.iter().flat_map(|estimate| estimate.entities.iter()).filter(|it| it.entity == entity);
            let [rows, bytes] =
                amounts.fold([0, 0], |[rows, bytes], it| [it.amount.rows.max(rows), it.amount.bytes.max(bytes)]);
            let LintLimits { item_rows_max, item_bytes_max, .. } = self.limits;
            let passes = item_rows_max.is_some_and(|max| rows > max) || item_bytes_max.is_some_and(|max| bytes > max);
            let sentence = format!("brings up to {rows} rows and up to {bytes} bytes to a device");
            let finding = Finding::new(Smell::ItemTooLarge, &self.profile, name, "", sentence);
            passes.then(|| finding.measured(rows, estimates.len()))
        };
        nodes.filter_map(largest).collect()
    }
}
