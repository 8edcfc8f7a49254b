//! What one user's view depends on, beside the rows: users of whom it is equal share one view.

use std::sync::Arc;

use super::asker::{Admission, OFFLINE_PROFILE};
use super::membership::Scope;
use super::model::PreparedModel;
use super::profile::{Node, Profile};
use crate::directory::{Access, Directory, Person, Privilege, Rights};
use crate::filter::Holder;
use crate::ids::RowKey;
use crate::row::{Value, row_key};
use crate::view::{Denial, Refusal};
use crate::zone::Zone;

/// Stands for every language where a row states one (`eq-userlanguage`, filters.md section 9).
const LANGUAGE_ANY: i64 = -1;

/// Where a user stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// There is nothing for this user.
    Denied(Denial),
    /// There is no view to speak of.
    Refused(Refusal),
    /// There is a view for these inputs.
    Follows(Inputs),
}

/// Everything of a user that a view can depend on; what the profile does not mention is left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Inputs {
    /// Which of the model's profiles.
    pub(super) profile: usize,
    /// The ids of whom the profile mentions, ascending.
    holders: Vec<(Holder, Vec<RowKey>)>,
    /// The time zone, if the profile mentions time.
    zone: Option<Zone>,
    /// What the user may read, by node of the profile.
    pub(super) access: Vec<Access>,
    /// What the user may do at all, likewise: no view depends on it, and devices are told of it with their model.
    pub(super) rights: Arc<[Rights]>,
}

impl Inputs {
    fn new(number: usize, profile: &Profile, person: &Person, model: &PreparedModel, directory: &Directory) -> Self {
        let holders = profile.mentions.iter().map(|&holder| (holder, ids_of(person, holder)));
        let zone = || person.zone.as_deref().and_then(Zone::named).unwrap_or_else(|| model.zone().clone());
        let reads = |node: &Node| directory.access(person, &node.name, node.holding, Privilege::Read);
        Self {
            profile: number,
            holders: holders.collect(),
            zone: profile.mentions_time.then(zone),
            access: profile.nodes.iter().map(reads).collect(),
            rights: profile.nodes.iter().map(|node| directory.rights(person, &node.name, node.holding)).collect(),
        }
    }

    /// The ids of a holder, ascending.
    pub(super) fn keys(&self, holder: Holder) -> &[RowKey] {
        self.holders.iter().find(|(mentioned, _)| *mentioned == holder).map_or(&[], |(_, ids)| ids)
    }

    /// The time zone that calendars are read in.
    pub(super) fn zone(&self) -> &Zone {
        self.zone.as_ref().expect("a profile with windows mentions time")
    }

    /// The time zone, if the profile mentions time.
    pub(super) fn followed_zone(&self) -> Option<&Zone> {
        self.zone.as_ref()
    }
}

/// The ids of a holder, ascending.
fn ids_of(person: &Person, holder: Holder) -> Vec<RowKey> {
    let mut ids: Vec<RowKey> = match holder {
        Holder::User => vec![person.user],
        Holder::Teams => person.teams.clone(),
        Holder::UserOrTeams => person.teams.iter().copied().chain([person.user]).collect(),
        Holder::Hierarchy => person.hierarchy.clone(),
        Holder::HierarchyAndTeams => person.hierarchy.iter().chain(&person.hierarchy_teams).copied().collect(),
        Holder::Unit => person.unit.into_iter().collect(),
        Holder::Language => {
            let number = |language| row_key(&Value::Integer(language));
            person.language.into_iter().chain([LANGUAGE_ANY]).filter_map(number).collect()
        }
    };
    ids.sort_unstable();
    ids.dedup();
    ids
}

impl Standing {
    /// Whether the view reads calendars in this zone.
    pub(super) fn follows(&self, zone: &Zone) -> bool {
        matches!(self, Self::Follows(inputs) if inputs.zone.as_ref() == Some(zone))
    }

    /// Why there is nothing, if the user must be told.
    pub(super) fn denial(&self) -> Option<Denial> {
        if let Self::Denied(denial) = self { Some(*denial) } else { None }
    }

    /// What a view is worked out from, if there is one.
    pub(super) fn inputs(&self) -> Option<&Inputs> {
        if let Self::Follows(inputs) = self { Some(inputs) } else { None }
    }

    /// Where a user stands under a model, as to a profile of this scope.
    pub(super) fn of(
        user: RowKey,
        scope: Scope<'_>,
        model: &PreparedModel,
        directory: &Directory,
        admission: Admission,
    ) -> Self {
        let person = match directory.person(user, &model.layout.hierarchy) {
            Ok(person) => person,
            Err(denial) => return Self::Denied(denial),
        };
        let Some(number) = model.membership.profile_of(user, &person.teams, scope) else {
            return Self::Denied(Denial::ProfileMissing);
        };
        if admission == Admission::ProfileReaders && !directory.has(&person, OFFLINE_PROFILE, Privilege::Read) {
            return Self::Denied(Denial::ProfileNotReadable);
        }
        Self::Follows(Inputs::new(number, model.profile(number), &person, model, directory))
    }
}
