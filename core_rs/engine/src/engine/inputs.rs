//! What one user's view depends on, beside the rows: users of whom it is equal share one view.

use super::model::PreparedModel;
use super::profile::{Node, Profile};
use crate::directory::{Access, Directory, Person, Privilege};
use crate::filter::Holder;
use crate::ids::RowKey;
use crate::view::Denial;

/// Where a user stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// There is nothing for this user.
    Denied(Denial),
    /// There is a view for these inputs.
    Follows(Inputs),
}

/// Everything of a user that a view can depend on; what the profile does not mention is left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Inputs {
    /// Which of the model's profiles.
    pub(super) profile: usize,
    /// The user's id, if it is mentioned.
    user: Option<RowKey>,
    /// The user's teams, if they are mentioned.
    teams: Vec<RowKey>,
    /// The user's business unit, if it is mentioned.
    unit: Option<RowKey>,
    /// What the user may read, by node of the profile.
    pub(super) access: Vec<Access>,
}

impl Inputs {
    fn new(number: usize, profile: &Profile, person: &Person, directory: &Directory) -> Self {
        let mentions = |holder| profile.mentions.contains(&holder);
        let reads = |node: &Node| directory.access(person, &node.name, node.holding, Privilege::Read);
        Self {
            profile: number,
            user: Some(person.user).filter(|_| mentions(Holder::User)),
            teams: if mentions(Holder::Teams) { person.teams.clone() } else { Vec::new() },
            unit: person.unit.filter(|_| mentions(Holder::Unit)),
            access: profile.nodes.iter().map(reads).collect(),
        }
    }

    /// The ids of a holder.
    pub(super) fn keys(&self, holder: Holder) -> &[RowKey] {
        match holder {
            Holder::User => self.user.as_slice(),
            Holder::Teams => &self.teams,
            Holder::Unit => self.unit.as_slice(),
            Holder::UserOrTeams | Holder::Hierarchy | Holder::HierarchyAndTeams | Holder::Language => {
                unimplemented!("other holders")
            }
        }
    }
}

impl Standing {
    /// Where a user stands under a model.
    pub(super) fn of(user: RowKey, model: &PreparedModel, directory: &Directory) -> Self {
        let person = match directory.person(user) {
            Ok(person) => person,
            Err(denial) => return Self::Denied(denial),
        };
        match model.profile_of(user) {
            Some(number) => Self::Follows(Inputs::new(number, model.profile(number), &person, directory)),
            None => Self::Denied(Denial::ProfileMissing),
        }
    }
}
