//! Adjacency: one lookup attribute as edges between rows, followed both ways.

use super::id_map::IdMap;
use super::packed::{cell, grow};
use super::postings::Postings;
use crate::ids::{Ordinal, RowKey};
use crate::schema::Lookup;

/// Stands for "no row" in edges.
const NIL: Ordinal = Ordinal::MAX;

/// The edges of one lookup from its referencing rows ("children") to the rows that they refer to ("parents").
///
/// A reference to an id that no row has yet waits here until the row arrives. Parents may be dead: the edge stays.
#[derive(Debug)]
pub struct Edges {
    lookup: Lookup,
    links: Vec<Link>,
    first_child: Vec<Child>,
    /// Children by the id that no row has yet.
    waiting: Postings,
    unsettled: Vec<(Ordinal, RowKey)>,
    moves: Vec<Move>,
}

/// What a child knows: its parent, and its neighbours in the list of that parent's children.
#[derive(Clone, Copy, Debug)]
struct Link {
    parent: Ordinal,
    next: Ordinal,
    previous: Ordinal,
}

/// Head of a list of children.
#[derive(Clone, Copy, Debug)]
struct Child(Ordinal);

impl Default for Child {
    fn default() -> Self {
        Self(NIL)
    }
}

const UNLINKED: Link = Link { parent: NIL, next: NIL, previous: NIL };

/// A child that refers to another parent than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The referencing row.
    pub child: Ordinal,
    /// The row that it referred to.
    pub from: Option<Ordinal>,
    /// The row that it refers to now.
    pub to: Option<Ordinal>,
}

impl Edges {
    /// No edges yet.
    pub fn new(lookup: Lookup) -> Self {
        Self {
            lookup,
            links: Vec::new(),
            first_child: Vec::new(),
            waiting: Postings::default(),
            unsettled: Vec::new(),
            moves: Vec::new(),
        }
    }

    /// The lookup whose edges these are.
    pub fn lookup(&self) -> Lookup {
        self.lookup
    }

    /// The row that `child` refers to.
    pub fn parent(&self, child: Ordinal) -> Option<Ordinal> {
        self.links.get(child as usize).and_then(|link| present(link.parent))
    }

    /// The rows that refer to `parent`, in no order.
    pub fn children(&self, parent: Ordinal) -> Children<'_> {
        Children { links: &self.links, next: self.first_child.get(parent as usize).map_or(NIL, |head| head.0) }
    }

    /// Points `child` at the row of `target`, or at none. A target that `parents` does not have is looked for again
    /// in [`Self::settle`], which must come before the same child is pointed anew.
    pub fn point(&mut self, child: Ordinal, target: Option<RowKey>, parents: &IdMap) {
        self.waiting.set(child, None);
        let parent = target.and_then(|key| parents.find(key));
        if let (Some(key), None) = (target, parent) {
            self.unsettled.push((child, key));
        }
        self.link(child, parent);
    }

    /// Resolves references whose target arrived later in the same commit; the others wait.
    pub fn settle(&mut self, parents: &IdMap) {
        for (child, key) in std::mem::take(&mut self.unsettled) {
            if let Some(parent) = parents.find(key) {
                self.link(child, Some(parent));
            } else {
                self.waiting.set(child, Some(key));
            }
        }
    }

    /// A row with the id `key` has arrived: those that wait for it are linked.
    pub fn arrived(&mut self, key: RowKey, parent: Ordinal) {
        for child in self.waiting.rows(key).cloned().unwrap_or_default() {
            self.waiting.set(child, None);
            self.link(child, Some(parent));
        }
    }

    /// Children that were moved since [`Self::forget_moves`]; one may appear several times.
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }

    /// Ends a commit.
    pub fn forget_moves(&mut self) {
        self.moves = Vec::new();
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.links.capacity() * size_of::<Link>()
            + self.first_child.capacity() * size_of::<Child>()
            + self.waiting.bytes()
    }

    fn link(&mut self, child: Ordinal, parent: Option<Ordinal>) {
        let from = self.parent(child);
        if from == parent {
            return;
        }
        self.unlink(child);
        if let Some(parent) = parent {
            grow(&mut self.links, child as usize, UNLINKED);
            let head = std::mem::replace(&mut cell(&mut self.first_child, parent as usize).0, child);
            self.links[child as usize] = Link { parent, next: head, previous: NIL };
            if head != NIL {
                self.links[head as usize].previous = child;
            }
        }
        self.moves.push(Move { child, from, to: parent });
    }

    fn unlink(&mut self, child: Ordinal) {
        let Some(&Link { parent, next, previous }) = self.links.get(child as usize) else { return };
        if parent == NIL {
            return;
        }
        match present(previous) {
            Some(previous) => self.links[previous as usize].next = next,
            None => self.first_child[parent as usize].0 = next,
        }
        if next != NIL {
            self.links[next as usize].previous = previous;
        }
        self.links[child as usize] = UNLINKED;
    }
}

fn present(ordinal: Ordinal) -> Option<Ordinal> {
    (ordinal != NIL).then_some(ordinal)
}

/// Iterator over the children of one parent.
#[derive(Debug)]
pub struct Children<'a> {
    links: &'a [Link],
    next: Ordinal,
}

impl Iterator for Children<'_> {
    type Item = Ordinal;

    fn next(&mut self) -> Option<Ordinal> {
        let child = present(self.next)?;
        self.next = self.links[child as usize].next;
        Some(child)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AttributeNumber, EntityNumber};

    fn edges() -> Edges {
        Edges::new(Lookup { referencing: EntityNumber(1), attribute: AttributeNumber(2), referenced: EntityNumber(3) })
    }

    fn key(number: u8) -> RowKey {
        RowKey([number; 16])
    }

    fn children(edges: &Edges, parent: Ordinal) -> Vec<Ordinal> {
        let mut found: Vec<Ordinal> = edges.children(parent).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn children_move_between_parents_from_any_place_in_the_list() {
        let (mut edges, mut parents) = (edges(), IdMap::default());
        parents.insert(0, key(10));
        parents.insert(1, key(11));
        (0..5).for_each(|child| edges.point(child, Some(key(10)), &parents));
        for child in [2, 0, 4] {
            edges.point(child, Some(key(11)), &parents);
        }
        edges.point(3, None, &parents);
        assert_eq!((children(&edges, 0), children(&edges, 1)), (vec![1], vec![0, 2, 4]));
        assert_eq!((edges.parent(2), edges.parent(3), edges.parent(77)), (Some(1), None, None));
    }

    #[test]
    fn a_reference_waits_for_its_row_within_a_commit_and_beyond() {
        let (mut edges, mut parents) = (edges(), IdMap::default());
        edges.point(0, Some(key(1)), &parents);
        edges.point(1, Some(key(2)), &parents);
        edges.point(2, Some(key(2)), &parents);
        parents.insert(7, key(1));
        edges.settle(&parents);
        assert_eq!((edges.parent(0), edges.parent(1)), (Some(7), None));

        edges.point(2, None, &parents);
        parents.insert(8, key(2));
        edges.arrived(key(2), 8);
        assert_eq!((edges.parent(1), edges.parent(2)), (Some(8), None));
    }

    #[test]
    fn moves_tell_both_parents() {
        let (mut edges, mut parents) = (edges(), IdMap::default());
        parents.insert(0, key(10));
        parents.insert(1, key(11));
        edges.point(5, Some(key(10)), &parents);
        edges.forget_moves();
        edges.point(5, Some(key(10)), &parents);
        assert_eq!(edges.moves(), []);
        edges.point(5, Some(key(11)), &parents);
        assert_eq!(edges.moves(), [Move { child: 5, from: Some(0), to: Some(1) }]);
    }
}
