//! A published model made ready, or everything that is wrong with it.

use std::collections::HashMap;
use std::sync::Arc;

use haversack_proto::model;
use haversack_proto::model::{Collation, ConflictPolicy};

use super::compile::ProfileCompiler;
use super::membership::Membership;
use super::profile::Profile;
use crate::columns::Needs;
use crate::directory::{HierarchyRules, Layout};
use crate::filter::{FilterRules, Plan, count_conditions};
use crate::ids::{EntityNumber, Revision};
use crate::schema::{Entity, Schema};
use crate::zone::Zone;

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
    zone: Zone,
    pub(super) needs: Needs,
    pub(super) layout: Layout,
    profiles: Vec<Profile>,
    pub(super) membership: Membership,
    /// Organization filters as they were stated.
    limits: HashMap<EntityNumber, model::FilterNode>,
    rules: FilterRules,
    policy: ConflictPolicy,
}

impl PreparedModel {
    /// Compiles a model.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(model: &model::Model) -> Result<Self, ModelErrors> {
        Self::checked(model, None)
    }

    /// Compiles a model that is only tried out, so that its needs go on where those of `base` end: an engine that follows
    /// `base` and has the columns can answer for it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn compile_beyond(model: &model::Model, base: &Self) -> Result<Self, ModelErrors> {
        Self::checked(model, Some(base))
    }

    fn checked(model: &model::Model, base: Option<&Self>) -> Result<Self, ModelErrors> {
        let mut breaches = Vec::new();
        let prepared = Self::read(model, base, &mut breaches);
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
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// What happens to a device's write when the row has changed meanwhile.
    pub fn conflict_policy(&self) -> ConflictPolicy {
        self.policy
    }

    pub(super) fn profile(&self, number: usize) -> &Profile {
        &self.profiles[number]
    }

    pub(super) fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// The organization filter of an entity as it was stated.
    pub(super) fn limit(&self, entity: EntityNumber) -> Option<&model::FilterNode> {
        self.limits.get(&entity)
    }

    /// What filters are loaded by.
    pub(super) fn filters(&self) -> Filters<'_> {
        Filters { schema: &self.schema, rules: self.rules }
    }

    fn read(model: &model::Model, base: Option<&Self>, breaches: &mut Vec<String>) -> Self {
        let mut contradictions = Vec::new();
        let schema = Schema::read(model, &mut contradictions);
        breaches.extend(contradictions.iter().map(ToString::to_string));
        let settings = model.settings.clone().unwrap_or_default();
        breaches.extend(FilterRules::breaches(&settings));
        let rules = FilterRules::from_settings(&settings);
        let filters = Filters { schema: &schema, rules };
        let limits = limits(model, &filters, breaches);
        // What is not stated is CI_AI: stating it changes nothing that was read.
        let collation = if settings.collation() == Collation::CiAs { Collation::CiAs } else { Collation::CiAi };
        let mut prepared = Self {
            revision: Revision(model.revision),
            zone: zone(&settings.time_zone, breaches),
            needs: base.map_or_else(|| Needs::new(collation), |base| base.needs.going_on(collation)),
            layout: Layout::find(&schema, HierarchyRules::from_settings(&settings), breaches),
            schema: Arc::default(),
            profiles: Vec::new(),
            membership: Membership::default(),
            limits: stated_limits(model),
            rules,
            policy: settings.conflict_policy(),
        };
        prepared.layout.name_users(&schema, &settings, breaches);
        prepared.read_profiles(model, &filters, &limits, breaches);
        prepared.membership = Membership::read(model, &prepared.profiles, breaches);
        let carried = prepared.profiles.iter().flat_map(|profile| profile.carried.iter());
        prepared.layout.carry(carried.map(|carried| carried.entity));
        prepared.schema = Arc::new(schema);
        prepared
    }

    fn read_profiles(
        &mut self,
        model: &model::Model,
        filters: &Filters<'_>,
        limits: &Limits,
        breaches: &mut Vec<String>,
    ) {
        for profile in &model.profiles {
            if self.profiles.iter().any(|other| other.name == profile.name) {
                breaches.push(format!("there are two profiles \"{}\"; names must be unique", profile.name));
            }
            let compiler = ProfileCompiler { model, filters, limits, needs: &mut self.needs, breaches };
            self.profiles.push(compiler.compile(profile));
        }
    }
}

fn stated_limits(model: &model::Model) -> HashMap<EntityNumber, model::FilterNode> {
    let stated = |entity: &model::Entity| {
        let node = entity.organization_filter.as_ref()?.compiled.clone()?;
        Some((EntityNumber(entity.number), node))
    };
    model.entities.iter().filter_map(stated).collect()
}

/// Organization filters by entity.
pub(super) type Limits = HashMap<EntityNumber, Plan>;

/// What filters are loaded by.
pub(super) struct Filters<'a> {
    pub(super) schema: &'a Schema,
    pub(super) rules: FilterRules,
}

impl Filters<'_> {
    /// An entity that a plan mentions.
    pub(super) fn entity(&self, number: EntityNumber) -> &Entity {
        self.schema.entity_by_number(number).expect("plans were checked against the schema")
    }
}

fn limits(model: &model::Model, filters: &Filters<'_>, breaches: &mut Vec<String>) -> Limits {
    let mut limits = Limits::new();
    for entity in &model.entities {
        let found = filters.schema.entity(&entity.logical_name);
        let (Some(filter), Some(found)) = (&entity.organization_filter, found) else { continue };
        let conditions = filter.compiled.as_ref().map_or(0, count_conditions);
        if conditions > ORGANIZATION_FILTER_CONDITIONS_MAX {
            breaches.push(format!(
                "the organization filter of {} has {conditions} criteria; at most {ORGANIZATION_FILTER_CONDITIONS_MAX} \
                 are allowed",
                found.name
            ));
        }
        let place = format!("the organization filter of {}", found.name);
        if let Some(plan) = plan(filter, found, filters, &place, breaches) {
            limits.insert(found.number, plan);
        }
    }
    limits
}

/// Loads a filter. `place` says whose it is, for the breach.
pub(super) fn plan(
    filter: &model::Filter,
    entity: &Entity,
    filters: &Filters<'_>,
    place: &str,
    breaches: &mut Vec<String>,
) -> Option<Plan> {
    let Some(node) = &filter.compiled else {
        if !filter.fetch_xml.trim().is_empty() {
            breaches.push(format!("{place}: the filter has not been compiled; publish it again"));
        }
        return None;
    };
    match Plan::from_model(node, filters.schema, entity, &filters.rules) {
        Ok(plan) => Some(plan),
        Err(error) => {
            breaches.push(format!("{place}: {error}"));
            None
        }
    }
}

fn zone(name: &str, breaches: &mut Vec<String>) -> Zone {
    Zone::named(name).unwrap_or_else(|| {
        breaches.push(format!("\"{name}\" is no time zone of the IANA database"));
        Zone::default()
    })
}
