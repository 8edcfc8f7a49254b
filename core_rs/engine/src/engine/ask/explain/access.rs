//! Access, ground by ground.

use super::words::id_text;
use super::{Explainer, Reason, ReasonKind};
use crate::directory::{Depth, Ground, GroundKind, Holding, Principal, Privilege};
use crate::engine::access::Gate;
use crate::ids::RowKey;

impl Explainer<'_> {
    /// Whether the user may read the row, and by what.
    pub(super) fn access(&self) -> Reason {
        let node = &self.profile.nodes[self.node];
        let grounds = self.situation.directory.grounds(&self.person, &node.name, node.holding, Privilege::Read);
        let children: Vec<Reason> = grounds.iter().map(|ground| self.ground(ground)).collect();
        let sentence = match self.row_holder() {
            Some(holder) => format!("the user may read the row, which {holder}"),
            None => "the user may read the row".to_owned(),
        };
        Reason::any(ReasonKind::Access, sentence, children)
    }

    fn ground(&self, ground: &Ground) -> Reason {
        let keys = self.profile.nodes[self.node].access_keys;
        let (table, shares) = (self.solver.table(self.node), self.situation.directory.shares());
        let holds = Gate { keys, access: &ground.access, table, shares }.allows(self.row);
        let (kind, sentence) = match ground.kind {
            GroundKind::Rows => (ReasonKind::Role, "rows of this entity belong to other rows, which decide".to_owned()),
            GroundKind::Role { role, team, depth, unit } => (ReasonKind::Role, role_text(role, team, depth, unit)),
            GroundKind::Share(Principal::Everyone) => (ReasonKind::Share, "the row is shared with everyone".to_owned()),
            GroundKind::Share(Principal::One(key)) if key == self.person.user => {
                (ReasonKind::Share, "the row is shared with the user".to_owned())
            }
            GroundKind::Share(Principal::One(key)) => {
                (ReasonKind::Share, format!("the row is shared with {}", id_text(key)))
            }
            GroundKind::Hierarchy => (
                ReasonKind::Hierarchy,
                "the row belongs to somebody who reports to the user, or to a team of theirs".to_owned(),
            ),
        };
        Reason::new(kind, sentence, holds)
    }

    /// Whose the row is.
    fn row_holder(&self) -> Option<String> {
        let (node, table) = (&self.profile.nodes[self.node], self.solver.table(self.node));
        let [owner, unit] =
            [node.access_keys.owner, node.access_keys.unit].map(|keys| keys.and_then(|keys| keys.of(table, self.row)));
        let unit_text = unit.map_or("no business unit".to_owned(), |unit| format!("business unit {}", id_text(unit)));
        match node.holding {
            Holding::Owned => {
                let owner = owner.map_or("nobody".to_owned(), id_text);
                Some(format!("belongs to {owner} in {unit_text}"))
            }
            Holding::OfUnits | Holding::Users => Some(format!("belongs to {unit_text}")),
            Holding::OfOrganization => Some("belongs to the organization".to_owned()),
            Holding::OfRows => None,
        }
    }
}

fn role_text(role: RowKey, team: Option<RowKey>, depth: Option<Depth>, unit: Option<RowKey>) -> String {
    let holder = team.map_or("the user".to_owned(), |team| format!("team {}", id_text(team)));
    let unit = unit.map_or("no business unit".to_owned(), |unit| format!("business unit {}", id_text(unit)));
    let reach = match depth {
        None => "does not let read this entity".to_owned(),
        Some(Depth::Basic) => "reaches own rows and those of teams".to_owned(),
        Some(Depth::Local) => format!("reaches rows of {unit}"),
        Some(Depth::Deep) => format!("reaches rows of {unit} and those below it"),
        Some(Depth::Global) => "reaches every row".to_owned(),
    };
    format!("role {} of {holder} {reach}", id_text(role))
}
