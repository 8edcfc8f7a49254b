//! A published profile made ready: a graph whose nodes are the carried entities and whose edges say what pulls what.

use std::sync::Arc;

use haversack_proto::model;

use super::access::AccessKeys;
use super::components::Component;
use super::rule::Rule;
use crate::columns::{EdgesNumber, Index, TableNumber};
use crate::directory::Holding;
use crate::filter::Holder;
use crate::ids::EntityNumber;
use crate::row::ColumnSelection;

/// A profile at one revision. Its nodes are in download order, and so are a view's entities.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) priority: u32,
    /// Items as they were stated.
    pub(super) items: Vec<model::ProfileItem>,
    pub(super) nodes: Vec<Node>,
    pub(super) pulls: Vec<Pull>,
    pub(super) bonds: Vec<Bond>,
    /// In the order in which they are worked out.
    pub(super) components: Vec<Component>,
    /// Whom filters and criteria ask for.
    pub(super) mentions: Vec<Holder>,
    /// Whether filters ask for the user's time zone.
    pub(super) mentions_time: bool,
    /// By node.
    pub(super) carried: Arc<[Carried]>,
}

/// A carried entity.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) table: TableNumber,
    pub(super) holding: Holding,
    /// Rows taken for their own sake.
    pub(super) own: Rule,
    /// Rows that may be offered to any device at all.
    pub(super) limit: Rule,
    pub(super) access_keys: AccessKeys,
    /// Which of the profile's components it is in.
    pub(super) component: usize,
    /// Pulls and bonds that rows of this node can be there by.
    pub(super) pulls_in: Vec<usize>,
    pub(super) bonds_in: Vec<usize>,
    /// Pulls and bonds that rows of this node take part in.
    pub(super) pulls_out: Vec<usize>,
    pub(super) bonds_out: Vec<usize>,
}

/// An association: rows of `source` that are in a view pull rows of `target`.
#[derive(Clone, Debug)]
pub(super) struct Pull {
    pub(super) source: usize,
    pub(super) target: usize,
    /// Which of the associations of the source's item it is.
    pub(super) association: usize,
    pub(super) path: Path,
    /// Narrows the rows that are pulled.
    pub(super) filter: Rule,
}

/// How a pull gets from a row to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// To the rows that refer to it.
    ToMany(EdgesNumber),
    /// To the row that it refers to.
    ToOne(EdgesNumber),
    /// By link rows that may be offered and read.
    Through {
        /// The node of the link rows.
        link: usize,
        /// From link rows to the source.
        near: EdgesNumber,
        /// From link rows to the target.
        far: EdgesNumber,
    },
}

/// Link rows (of the node `link`) are in a view when both of the rows that they link are.
#[derive(Clone, Debug)]
pub(super) struct Bond {
    pub(super) link: usize,
    pub(super) ends: [End; 2],
}

/// One side of a bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// From link rows to linked rows.
    pub(super) edges: EdgesNumber,
    /// The node of the linked rows.
    pub(super) node: usize,
}

/// What devices carry of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The entity.
    pub entity: EntityNumber,
    /// The columns; `None` means all, those to come included.
    pub columns: Option<ColumnSelection>,
    /// Hash of the columns carried, as in [`crate::view::EntityView`].
    pub fingerprint: u64,
    /// Whether it is among those that a user waits for before starting to work.
    pub mandatory: bool,
    /// How often a device that is not live should sync, in minutes.
    pub sync_interval_minutes: u32,
}

impl Profile {
    /// The item of a node as it was stated; none for link rows that no item asks for.
    pub(super) fn item(&self, node: usize) -> Option<&model::ProfileItem> {
        self.items.iter().find(|item| item.entity == self.nodes[node].name)
    }

    /// The association that a pull comes of.
    pub(super) fn association(&self, pull: &Pull) -> &model::Association {
        let item = self.item(pull.source).expect("a pull comes of an item");
        &item.associations[pull.association]
    }

    /// The profile without one association.
    pub(super) fn without(&self, source: usize, association: usize) -> Self {
        let mut profile = self.clone();
        let is_other = |pull: &usize| {
            let pull = &self.pulls[*pull];
            (pull.source, pull.association) != (source, association)
        };
        for node in &mut profile.nodes {
            node.pulls_in.retain(is_other);
            node.pulls_out.retain(is_other);
        }
        profile
    }

    /// Whether what the index says has changed can matter to a view of this profile.
    pub(super) fn is_affected(&self, index: &Index) -> bool {
        let has_moves = |edges: EdgesNumber| !index.edges(edges).moves().is_empty();
        let node_is = |node: &Node| index.table(node.table).changes().any();
        let pull_is = |pull: &Pull| match pull.path {
            Path::ToMany(edges) | Path::ToOne(edges) => has_moves(edges),
            Path::Through { near, far, .. } => has_moves(near) || has_moves(far),
        };
        let bond_is = |bond: &Bond| bond.ends.iter().any(|end| has_moves(end.edges));
        self.nodes.iter().any(node_is) || self.pulls.iter().any(pull_is) || self.bonds.iter().any(bond_is)
    }
}
