//! A published profile made ready: a graph whose nodes are the carried entities and whose edges say what pulls what.

use std::sync::Arc;

use super::access::AccessKeys;
use super::components::Component;
use super::rule::Rule;
use crate::columns::{EdgesNumber, Index, TableNumber};
use crate::directory::Holding;
use crate::filter::Holder;
use crate::ids::EntityNumber;
use crate::row::ColumnSelection;

/// A profile at one revision. Its nodes are in download order, and so are a view's entities.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) priority: u32,
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
#[derive(Debug)]
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
#[derive(Debug)]
pub(super) struct Pull {
    pub(super) source: usize,
    pub(super) target: usize,
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
#[derive(Debug)]
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
