//! A published model made ready, or everything that is wrong with it.

use std::collections::HashMap;
use std::sync::Arc;

use haversack_proto::model;
use jiff::tz::TimeZone;

use super::compile::ProfileCompiler;
use super::profile::Profile;
use crate::columns::Needs;
use crate::directory::Layout;
use crate::filter::{FilterRules, Plan, count_conditions};
use crate::ids::{EntityNumber, Revision, RowKey};
use crate::row::parse_uuid;
use crate::schema::{Entity, Schema};

/// Most criteria that an organization filter may have.
pub const ORGANIZATION_FILTER_CONDITIONS_MAX: usize = 3;

/// Every breach of the rules in a model, each a sentence for whoever wrote the profile or the metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model cannot be used: {}", .0.join("; "))]
pub struct ModelErrors(pub Vec<String>);

/// A model that an engine can follow: checked, and compiled against no particular engine.
#[derive(Debug)]
pub struct PreparedModel {
    revision: Revision,
    schema: Arc<Schema>,
    zone: TimeZone,
    pub(super) needs: Needs,
    pub(super) layout: Layout,
    profiles: Vec<Profile>,
    followers: HashMap<RowKey, usize>,
}

impl PreparedModel {
    /// Compiles a model.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(model: &model::Model) -> Result<Self, ModelErrors> {
        let mut breaches = Vec::new();
        let prepared = Self::read(model, &mut breaches);
        if breaches.is_empty() { Ok(prepared) } else { Err(ModelErrors(breaches)) }
    }

    /// Position in the organization's sequence of publishes.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The metadata.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The time zone that calendar operators use.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Which profile a user follows.
    pub(super) fn profile_of(&self, user: RowKey) -> Option<usize> {
        self.followers.get(&user).copied()
    }

    pub(super) fn profile(&self, number: usize) -> &Profile {
        &self.profiles[number]
    }

    pub(super) fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    fn read(model: &model::Model, breaches: &mut Vec<String>) -> Self {
        let mut contradictions = Vec::new();
        let schema = Schema::read(model, &mut contradictions);
        breaches.extend(contradictions.iter().map(ToString::to_string));
        let settings = model.settings.clone().unwrap_or_default();
        breaches.extend(FilterRules::breaches(&settings));
        let limits = limits(model, &schema, FilterRules::from_settings(&settings), breaches);
        let mut prepared = Self {
            revision: Revision(model.revision),
            zone: zone(&settings.time_zone, breaches),
            needs: Needs::default(),
            layout: Layout::find(&schema, breaches),
            schema: Arc::new(schema),
            profiles: Vec::new(),
            followers: HashMap::new(),
        };
        prepared.read_profiles(model, &limits, breaches);
        prepared
    }

    fn read_profiles(&mut self, model: &model::Model, limits: &Limits, breaches: &mut Vec<String>) {
        for profile in &model.profiles {
            if self.profiles.iter().any(|other| other.name == profile.name) {
                breaches.push(format!("there are two profiles \"{}\"; names must be unique", profile.name));
            }
            let schema = &self.schema;
            let compiled = ProfileCompiler { model, schema, limits, needs: &mut self.needs, breaches }.compile(profile);
            self.profiles.push(compiled);
            self.enlist(profile, breaches);
        }
    }

    /// Makes a profile's users follow it, unless they follow one that comes before it.
    fn enlist(&mut self, profile: &model::Profile, breaches: &mut Vec<String>) {
        let number = self.profiles.len() - 1;
        let rank = |number: usize| (self.profiles[number].priority, &self.profiles[number].name);
        for user in &profile.users {
            let Some(user) = parse_uuid(user).map(RowKey) else {
                breaches.push(format!("profile \"{}\" has a user \"{user}\", which is no UUID", profile.name));
                continue;
            };
            let followed = self.followers.entry(user).or_insert(number);
            if rank(number) < rank(*followed) {
                *followed = number;
            }
        }
    }
}

/// Organization filters by entity.
pub(super) type Limits = HashMap<EntityNumber, Plan>;

fn limits(model: &model::Model, schema: &Schema, rules: FilterRules, breaches: &mut Vec<String>) -> Limits {
    let mut limits = Limits::new();
    for entity in &model.entities {
        let (Some(filter), Some(found)) = (&entity.organization_filter, schema.entity(&entity.logical_name)) else {
            continue;
        };
        let conditions = filter.compiled.as_ref().map_or(0, count_conditions);
        if conditions > ORGANIZATION_FILTER_CONDITIONS_MAX {
            breaches.push(format!(
                "the organization filter of {} has {conditions} criteria; at most {ORGANIZATION_FILTER_CONDITIONS_MAX} \
                 are allowed",
                found.name
            ));
        }
        let place = format!("the organization filter of {}", found.name);
        if let Some(plan) = plan(filter, schema, found, rules, &place, breaches) {
            limits.insert(found.number, plan);
        }
    }
    limits
}

/// Loads a filter. `place` says whose it is, for the breach.
pub(super) fn plan(
    filter: &model::Filter,
    schema: &Schema,
    entity: &Entity,
    rules: FilterRules,
    place: &str,
    breaches: &mut Vec<String>,
) -> Option<Plan> {
    let Some(node) = &filter.compiled else {
        if !filter.fetch_xml.trim().is_empty() {
            breaches.push(format!("{place}: the filter has not been compiled; publish it again"));
        }
        return None;
    };
    match Plan::from_model(node, schema, entity, &rules) {
        Ok(plan) => Some(plan),
        Err(error) => {
            breaches.push(format!("{place}: {error}"));
            None
        }
    }
}

fn zone(name: &str, breaches: &mut Vec<String>) -> TimeZone {
    if name.is_empty() {
        return TimeZone::UTC;
    }
    TimeZone::get(name).unwrap_or_else(|_| {
        breaches.push(format!("\"{name}\" is no time zone of the IANA database"));
        TimeZone::UTC
    })
}
