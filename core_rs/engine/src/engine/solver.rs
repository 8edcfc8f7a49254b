//! The view's definition, as it is computed: own rows by bitmap algebra, then what associations pull from them.
//!
//! Works on the entities of a view in place, so that upkeep can work out a part anew and leave the rest shared.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::access::Gate;
use super::components::Component;
use super::inputs::Inputs;
use super::profile::{Bond, Node, Path, Profile, Pull};
use super::rule::Question;
use crate::columns::{EdgesNumber, Reading, Table};
use crate::directory::Shares;
use crate::ids::Ordinal;
use crate::view::EntityView;

/// Computes views of one profile for one set of inputs.
#[derive(Clone, Copy)]
pub(super) struct Solver<'a> {
    pub(super) index: Reading<'a>,
    pub(super) shares: &'a Shares,
    pub(super) profile: &'a Profile,
    pub(super) inputs: &'a Inputs,
}

/// A row of a node.
pub(super) type Place = (usize, Ordinal);

impl<'a> Solver<'a> {
    pub(super) fn table(&self, node: usize) -> &'a Table {
        self.index.table(self.profile.nodes[node].table)
    }

    pub(super) fn question(&self, node: usize) -> Question<'a> {
        Question { index: self.index, inputs: self.inputs, table: self.table(node) }
    }

    pub(super) fn gate(&self, node: usize) -> Gate<'a> {
        let (keys, access) = (self.profile.nodes[node].access_keys, &self.inputs.access[node]);
        Gate { keys, access, table: self.table(node), shares: self.shares }
    }

    /// The rows of every entity, from nothing.
    pub(super) fn solve(&self, entities: &mut [EntityView]) {
        self.profile.components.iter().for_each(|component| self.solve_component(component, entities));
    }

    /// The rows of the entities of one component, from nothing. The components before it are right already.
    pub(super) fn solve_component(&self, component: &Component, entities: &mut [EntityView]) {
        for &node in &component.nodes {
            entities[node].rows = Arc::new(self.chosen(node, self.table(node).alive()));
        }
        let mut grown: Vec<Place> = Vec::new();
        for &node in &component.nodes {
            self.enter_from_outside(node, entities, &mut grown);
        }
        if component.cyclic {
            grown = rows_of(&component.nodes, entities);
            self.grow(component, entities, &mut grown);
        }
    }

    /// Adds what rows of earlier components pull into a node.
    fn enter_from_outside(&self, node: usize, entities: &mut [EntityView], grown: &mut Vec<Place>) {
        let Node { pulls_in, bonds_in, component, .. } = &self.profile.nodes[node];
        let is_outside = |other: usize| self.profile.nodes[other].component != *component;
        for pull in pulls_in.iter().map(|&pull| &self.profile.pulls[pull]).filter(|pull| is_outside(pull.source)) {
            let sources = Arc::clone(&entities[pull.source].rows);
            sources.iter().for_each(|row| self.follow(pull, row, entities, grown));
        }
        for bond in bonds_in.iter().map(|&bond| &self.profile.bonds[bond]) {
            let [first, second] = bond.ends.map(|end| &entities[end.node].rows);
            let side = usize::from(second.len() < first.len());
            let sources = Arc::clone(&entities[bond.ends[side].node].rows);
            sources.iter().for_each(|row| self.tie(bond, side, row, entities, grown));
        }
    }

    /// Adds what the newly added rows `grown` of a component pull within it, until nothing more comes. Everything that
    /// is added is appended to `grown`.
    pub(super) fn grow(&self, component: &Component, entities: &mut [EntityView], grown: &mut Vec<Place>) {
        let mut next = 0;
        while let Some(&(node, row)) = grown.get(next) {
            next += 1;
            let Node { pulls_out, bonds_out, .. } = &self.profile.nodes[node];
            for pull in pulls_out.iter().map(|&pull| &self.profile.pulls[pull]) {
                if component.nodes.contains(&pull.target) {
                    self.follow(pull, row, entities, grown);
                }
            }
            for bond in bonds_out.iter().map(|&bond| &self.profile.bonds[bond]) {
                let sides = (0..2).filter(|&side| bond.ends[side].node == node && component.nodes.contains(&bond.link));
                sides.for_each(|side| self.tie(bond, side, row, entities, grown));
            }
        }
    }

    fn follow(&self, pull: &Pull, source: Ordinal, entities: &mut [EntityView], grown: &mut Vec<Place>) {
        self.targets(pull.path, source, |row| {
            if !entities[pull.target].rows.contains(row) && self.admits(pull.target, row) && self.narrows(pull, row) {
                Arc::make_mut(&mut entities[pull.target].rows).insert(row);
                grown.push((pull.target, row));
            }
        });
    }

    fn tie(&self, bond: &Bond, side: usize, end: Ordinal, entities: &mut [EntityView], grown: &mut Vec<Place>) {
        for row in self.index.edges(bond.ends[side].edges).children(end) {
            if !entities[bond.link].rows.contains(row)
                && self.is_tied(bond, row, entities)
                && self.admits(bond.link, row)
            {
                Arc::make_mut(&mut entities[bond.link].rows).insert(row);
                grown.push((bond.link, row));
            }
        }
    }

    /// The rows that a pull reaches from `source`, whatever they are.
    pub(super) fn targets(&self, path: Path, source: Ordinal, mut visit: impl FnMut(Ordinal)) {
        match path {
            Path::ToMany(edges) => self.index.edges(edges).children(source).for_each(visit),
            Path::ToOne(edges) => self.index.edges(edges).parent(source).into_iter().for_each(visit),
            Path::Through { link, near, far } => {
                for link_row in self.index.edges(near).children(source).filter(|&row| self.admits(link, row)) {
                    self.index.edges(far).parent(link_row).into_iter().for_each(&mut visit);
                }
            }
        }
    }

    /// Those of `within` that a node takes for their own sake. `within` are live rows.
    pub(super) fn chosen(&self, node: usize, within: &RoaringBitmap) -> RoaringBitmap {
        let (gate, question) = (self.gate(node), self.question(node));
        let Node { own, limit, .. } = &self.profile.nodes[node];
        let own_is_smaller = question.at_most(own) <= gate.at_most();
        let readable_own = if own_is_smaller {
            gate.select(&question.select(own, within))
        } else {
            question.select(own, &gate.select(within))
        };
        question.select(limit, &readable_own)
    }

    /// Whether a row may be in the view at all: it lives, may be offered to devices, and may be read by the user.
    pub(super) fn admits(&self, node: usize, row: Ordinal) -> bool {
        let question = self.question(node);
        question.table.alive().contains(row)
            && self.gate(node).allows(row)
            && question.holds(&self.profile.nodes[node].limit, row)
    }

    /// Whether a node takes a row for its own sake, if it is admitted.
    pub(super) fn owns(&self, node: usize, row: Ordinal) -> bool {
        self.question(node).holds(&self.profile.nodes[node].own, row)
    }

    pub(super) fn narrows(&self, pull: &Pull, row: Ordinal) -> bool {
        self.question(pull.target).holds(&pull.filter, row)
    }

    /// Whether some row of the view pulls an admitted row; only sources outside the row's own component count if
    /// `outside` is set.
    pub(super) fn is_pulled(&self, node: usize, row: Ordinal, entities: &[EntityView], outside: bool) -> bool {
        let Node { pulls_in, bonds_in, component, .. } = &self.profile.nodes[node];
        let counts = |source: usize| !outside || self.profile.nodes[source].component != *component;
        let mut pulls = pulls_in.iter().map(|&pull| &self.profile.pulls[pull]).filter(|pull| counts(pull.source));
        let mut bonds = bonds_in.iter().map(|&bond| &self.profile.bonds[bond]);
        pulls.any(|pull| self.narrows(pull, row) && self.is_reached(pull.path, row, &entities[pull.source].rows))
            || bonds.any(|bond| bond.ends.iter().all(|end| counts(end.node)) && self.is_tied(bond, row, entities))
    }

    pub(super) fn is_tied(&self, bond: &Bond, row: Ordinal, entities: &[EntityView]) -> bool {
        bond.ends.iter().all(|end| {
            self.index.edges(end.edges).parent(row).is_some_and(|parent| entities[end.node].rows.contains(parent))
        })
    }

    /// Whether a pull gets from one of `sources` to `row`. Looks at the rows that refer to it, but if very many do, at
    /// the sources instead.
    fn is_reached(&self, path: Path, row: Ordinal, sources: &RoaringBitmap) -> bool {
        let leads_here = |source| {
            let mut found = false;
            self.targets(path, source, |target| found |= target == row);
            found
        };
        let (edges, leads_back): (EdgesNumber, &dyn Fn(Ordinal) -> bool) = match path {
            Path::ToMany(edges) => {
                return self.index.edges(edges).parent(row).is_some_and(|parent| sources.contains(parent));
            }
            Path::ToOne(edges) => (edges, &|child| sources.contains(child)),
            Path::Through { link, near, far } => (far, &move |link_row| {
                let source = self.index.edges(near).parent(link_row);
                source.is_some_and(|source| sources.contains(source)) && self.admits(link, link_row)
            }),
        };
        let mut referring = self.index.edges(edges).children(row);
        referring.by_ref().take(sources.len() as usize).any(leads_back)
            || (referring.next().is_some() && sources.iter().any(leads_here))
    }
}

/// Every row of some nodes.
fn rows_of(nodes: &[usize], entities: &[EntityView]) -> Vec<Place> {
    nodes.iter().flat_map(|&node| entities[node].rows.iter().map(move |row| (node, row))).collect()
}
