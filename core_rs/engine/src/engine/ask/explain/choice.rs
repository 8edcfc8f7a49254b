//! Criteria and associations: what takes a row into the profile's part of the data.

use haversack_proto::model::RecordCriteria as Criteria;

use super::words::id_text;
use super::{Explainer, Reason, ReasonKind};
use crate::engine::profile::{Bond, Path, Pull};
use crate::engine::rule::Rule;
use crate::filter::Holder;
use crate::ids::Ordinal;

impl Explainer<'_> {
    /// Whether the profile takes the row, for its own sake or because of other rows.
    pub(super) fn choice(&self) -> Reason {
        let node = &self.profile.nodes[self.node];
        let pulls = node.pulls_in.iter().map(|&pull| self.pull(&self.profile.pulls[pull]));
        let bonds = node.bonds_in.iter().map(|&bond| self.bond(&self.profile.bonds[bond]));
        let children = self.criteria().into_iter().chain(pulls).chain(bonds).collect();
        Reason::any(ReasonKind::Choice, "the profile takes the row", children)
    }

    /// What the item takes for its own sake; none for link rows that no item asks for.
    fn criteria(&self) -> Option<Reason> {
        let item = self.profile.item(self.node)?;
        let (criteria, keys) = (item.criteria(), self.profile.nodes[self.node].access_keys);
        let mut parts = Vec::new();
        if criteria == Criteria::All {
            parts.push(Reason::new(ReasonKind::Criterion, "the item takes all rows", true));
        }
        let held = [
            (item.owned_by_me, keys.owner, Holder::User, "the row belongs to the user"),
            (item.owned_by_my_teams, keys.owner, Holder::Teams, "the row belongs to a team of the user"),
            (item.owned_by_my_business_unit, keys.unit, Holder::Unit, "the row belongs to the user's business unit"),
        ];
        for (wanted, keys, holder, sentence) in held {
            if let Some(keys) = keys.filter(|_| wanted && criteria == Criteria::Other) {
                let holds = self.solver.question(self.node).holds(&Rule::Held(keys, holder), self.row);
                parts.push(Reason::new(ReasonKind::Criterion, sentence, holds));
            }
        }
        let filter = item.filter.as_ref().and_then(|filter| filter.compiled.as_ref());
        if let Some(filter) = filter.filter(|_| criteria != Criteria::All) {
            let clause = self.clause(filter, self.entity(self.node), self.solver.question(self.node), self.row);
            parts.push(Reason::all(ReasonKind::Filter, "the item's filter takes the row", vec![clause]));
        }
        let none = if parts.is_empty() { ": it takes related rows only" } else { "" };
        Some(Reason::any(ReasonKind::Criteria, format!("the item takes the row for its own sake{none}"), parts))
    }

    fn pull(&self, pull: &Pull) -> Reason {
        let association = self.profile.association(pull);
        let source = &self.profile.nodes[pull.source].name;
        let sentence = format!("{source} pulls the row by the association {}", association.relationship);
        let mut parts = vec![self.reached(pull)];
        if let Some(filter) = association.filter.as_ref().and_then(|filter| filter.compiled.as_ref()) {
            let clause = self.clause(filter, self.entity(self.node), self.solver.question(self.node), self.row);
            parts.push(Reason::all(ReasonKind::Filter, "the association's filter takes the row", vec![clause]));
        }
        Reason::all(ReasonKind::Association, sentence, parts)
    }

    /// The row of the device that pulls, or why there is none.
    fn reached(&self, pull: &Pull) -> Reason {
        let name = &self.profile.nodes[pull.source].name;
        let index = self.situation.index;
        let told = |sources: Vec<Ordinal>, how: &str| {
            let pulling = sources.iter().copied().find(|&row| self.is_included(pull.source, row));
            let sentence = match (pulling, sources.as_slice()) {
                (Some(row), _) => format!("{name} {} is on the device and {how}", self.id(pull.source, row)),
                (None, []) => format!("there is a {name} that {how}"),
                (None, [only]) => format!("{name} {}, which {how}, is on the device", self.id(pull.source, *only)),
                (None, many) => format!("one of {} rows of {name} that each {how} is on the device", many.len()),
            };
            Reason::new(ReasonKind::Association, sentence, pulling.is_some())
        };
        match pull.path {
            Path::ToMany(edges) => {
                told(index.edges(edges).parent(self.row).into_iter().collect(), "is what the row refers to")
            }
            Path::ToOne(edges) => told(index.edges(edges).children(self.row).collect(), "refers to the row"),
            Path::Through { link, near, far } => {
                let links = index.edges(far).children(self.row).filter(|&row| self.solver.admits(link, row));
                told(links.filter_map(|row| index.edges(near).parent(row)).collect(), "is linked to the row")
            }
        }
    }

    fn bond(&self, bond: &Bond) -> Reason {
        let ends = bond.ends.iter().map(|end| {
            let name = &self.profile.nodes[end.node].name;
            match self.situation.index.edges(end.edges).parent(self.row) {
                None => Reason::new(ReasonKind::Tie, format!("the {name} that it links is known"), false),
                Some(parent) => Reason::new(
                    ReasonKind::Tie,
                    format!("{name} {}, which it links, is on the device", self.id(end.node, parent)),
                    self.is_included(end.node, parent),
                ),
            }
        });
        Reason::all(ReasonKind::Tie, "the row links two rows that are on the device", ends.collect())
    }

    fn id(&self, node: usize, row: Ordinal) -> String {
        id_text(self.key(node, row))
    }
}
