//! Keeping a view exact: only rows that a commit can have moved are judged again.
//!
//! The components of the profile are gone through in order. In each, rows become *suspect* because they changed, or
//! an edge that could pull them did, or a row that could pull them came or went earlier in the walk. A suspect in the view
//! may have to go, one outside of it may come. Within a circle, rows must not keep each other alive: if one of its
//! rows has lost what it stood on, the whole circle is worked out anew from nothing.

use std::sync::Arc;

use super::components::Component;
use super::profile::{Node, Path, Pull};
use super::solver::{Place, Solver};
use crate::digest::version_hash;
use crate::ids::Ordinal;
use crate::view::{Delta, EntityView};

/// Up to so many changed rows are judged one by one; more are judged as a set.
const ONE_BY_ONE_MAX: u64 = 32;

/// Brings views up to date, one after the other. Keeps its memory between them.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    nodes: Vec<Suspects>,
    grown: Vec<Place>,
}

/// What is known of one node in one walk.
#[derive(Debug, Default)]
struct Suspects {
    /// Rows in the view that may have to go.
    inside: Vec<Ordinal>,
    /// Rows outside of the view that may come.
    outside: Vec<Ordinal>,
    came: Vec<Ordinal>,
    went: Vec<Ordinal>,
}

impl Suspects {
    fn clear(&mut self) {
        [&mut self.inside, &mut self.outside, &mut self.came, &mut self.went].into_iter().for_each(Vec::clear);
    }

    fn add(&mut self, row: Ordinal, view: &EntityView) {
        if view.rows.contains(row) { self.inside.push(row) } else { self.outside.push(row) }
    }
}

impl Upkeep {
    /// Makes `entities` what they should be after what the index says has changed. Tells whether they are different.
    pub(super) fn keep_up(&mut self, solver: &Solver<'_>, entities: &mut [EntityView]) -> bool {
        self.nodes.resize_with(entities.len().max(self.nodes.len()), Suspects::default);
        self.nodes.iter_mut().for_each(Suspects::clear);
        let mut changed = false;
        for (node, view) in entities.iter_mut().enumerate() {
            changed |= renew_versions(solver, node, view);
        }
        for component in &solver.profile.components {
            for &node in &component.nodes {
                self.suspect(solver, node, entities);
            }
            match component.nodes.as_slice() {
                &[node] if !component.cyclic => self.judge(solver, node, entities),
                _ => self.judge_circle(solver, component, entities),
            }
            for &node in &component.nodes {
                changed |= self.settle(solver, node, &mut entities[node]);
            }
        }
        changed
    }

    fn suspect(&mut self, solver: &Solver<'_>, node: usize, entities: &[EntityView]) {
        let Node { pulls_in, bonds_in, .. } = &solver.profile.nodes[node];
        self.suspect_changed(solver, node, &entities[node]);
        for pull in pulls_in.iter().map(|&pull| &solver.profile.pulls[pull]) {
            self.suspect_relinked(solver, pull, &entities[node]);
            self.suspect_pulled(solver, pull, &entities[node]);
        }
        for bond in bonds_in.iter().map(|&bond| &solver.profile.bonds[bond]) {
            for end in bond.ends {
                let edges = solver.index.edges(end.edges);
                edges.moves().iter().for_each(|moved| self.nodes[node].add(moved.child, &entities[node]));
                self.suspect_reached(end.node, node, &entities[node], |row, visit| edges.children(row).for_each(visit));
            }
        }
    }

    /// Rows of which something changed that their own judgement depends on.
    fn suspect_changed(&mut self, solver: &Solver<'_>, node: usize, view: &EntityView) {
        let (moved, suspects) = (&solver.table(node).changes().moved, &mut self.nodes[node]);
        if moved.len() <= ONE_BY_ONE_MAX {
            moved.iter().for_each(|row| suspects.add(row, view));
            return;
        }
        let chosen = solver.chosen(node, &(moved & solver.table(node).alive()));
        suspects.inside.extend((moved & &*view.rows) - &chosen);
        let Node { pulls_in, bonds_in, .. } = &solver.profile.nodes[node];
        let can_be_pulled = !pulls_in.is_empty() || !bonds_in.is_empty();
        suspects.outside.extend(if can_be_pulled { moved - &*view.rows } else { chosen - &*view.rows });
    }

    /// Rows that a pull reaches by another edge than before, or no longer.
    fn suspect_relinked(&mut self, solver: &Solver<'_>, pull: &Pull, view: &EntityView) {
        let suspects = &mut self.nodes[pull.target];
        match pull.path {
            Path::ToMany(edges) => {
                solver.index.edges(edges).moves().iter().for_each(|moved| suspects.add(moved.child, view));
            }
            Path::ToOne(edges) => {
                let moves = solver.index.edges(edges).moves().iter();
                moves.flat_map(|moved| [moved.from, moved.to]).flatten().for_each(|row| suspects.add(row, view));
            }
            Path::Through { link, near, far } => {
                let far = solver.index.edges(far);
                let relinked = far.moves().iter().flat_map(|moved| [moved.from, moved.to]);
                let links = solver.index.edges(near).moves().iter().map(|moved| moved.child);
                let links = links.chain(&solver.table(link).changes().moved);
                relinked.chain(links.map(|row| far.parent(row))).flatten().for_each(|row| suspects.add(row, view));
            }
        }
    }

    /// Rows that a pull reaches from rows that came or went.
    fn suspect_pulled(&mut self, solver: &Solver<'_>, pull: &Pull, view: &EntityView) {
        self.suspect_reached(pull.source, pull.target, view, |row, visit| solver.targets(pull.path, row, visit));
    }

    /// Rows of `target` that are reached from rows of `source` that came or went. In a circle none has, yet.
    fn suspect_reached(
        &mut self,
        source: usize,
        target: usize,
        view: &EntityView,
        reach: impl Fn(Ordinal, &mut dyn FnMut(Ordinal)),
    ) {
        if source == target {
            return;
        }
        let [source, suspects] = self.nodes.get_disjoint_mut([source, target]).expect("two nodes");
        for &row in &source.came {
            reach(row, &mut |reached| {
                if !view.rows.contains(reached) {
                    suspects.outside.push(reached);
                }
            });
        }
        for &row in &source.went {
            reach(row, &mut |reached| {
                if view.rows.contains(reached) {
                    suspects.inside.push(reached);
                }
            });
        }
    }

    /// Judges the suspects of a node that is in no circle.
    fn judge(&mut self, solver: &Solver<'_>, node: usize, entities: &mut [EntityView]) {
        let Suspects { inside, outside, came, went } = &mut self.nodes[node];
        let belongs = |row: Ordinal| {
            solver.admits(node, row) && (solver.owns(node, row) || solver.is_pulled(node, row, entities, false))
        };
        for rows in [&mut *inside, &mut *outside] {
            rows.sort_unstable();
            rows.dedup();
        }
        went.extend(inside.iter().copied().filter(|&row| !belongs(row)));
        came.extend(outside.iter().copied().filter(|&row| belongs(row)));
        if came.is_empty() && went.is_empty() {
            return;
        }
        let view = &mut entities[node];
        view.delta = Some(Arc::new(Delta::new(Arc::downgrade(&view.rows), came, went)));
        let rows = Arc::make_mut(&mut view.rows);
        for &row in &*went {
            rows.remove(row);
        }
        rows.extend(&*came);
    }

    fn judge_circle(&mut self, solver: &Solver<'_>, component: &Component, entities: &mut [EntityView]) {
        let stands = |node: usize, row: Ordinal| {
            solver.admits(node, row) && (solver.owns(node, row) || solver.is_pulled(node, row, entities, true))
        };
        if component.nodes.iter().all(|&node| self.nodes[node].inside.iter().all(|&row| stands(node, row))) {
            self.extend_circle(solver, component, entities);
        } else {
            self.renew_circle(solver, component, entities);
        }
    }

    /// Nothing has to go: lets come what may, and what that pulls in turn.
    fn extend_circle(&mut self, solver: &Solver<'_>, component: &Component, entities: &mut [EntityView]) {
        self.grown.clear();
        let before: Vec<_> = component.nodes.iter().map(|&node| Arc::downgrade(&entities[node].rows)).collect();
        for &node in &component.nodes {
            for &row in &self.nodes[node].outside {
                let belongs = !entities[node].rows.contains(row)
                    && solver.admits(node, row)
                    && (solver.owns(node, row) || solver.is_pulled(node, row, entities, false));
                if belongs {
                    Arc::make_mut(&mut entities[node].rows).insert(row);
                    self.grown.push((node, row));
                }
            }
        }
        solver.grow(component, entities, &mut self.grown);
        for &(node, row) in &self.grown {
            self.nodes[node].came.push(row);
        }
        for (&node, before) in component.nodes.iter().zip(before) {
            let Suspects { came, went, .. } = &self.nodes[node];
            if !came.is_empty() {
                entities[node].delta = Some(Arc::new(Delta::new(before, came, went)));
            }
        }
    }

    /// Works a circle out from nothing.
    fn renew_circle(&mut self, solver: &Solver<'_>, component: &Component, entities: &mut [EntityView]) {
        let old: Vec<_> = component.nodes.iter().map(|&node| std::mem::take(&mut entities[node].rows)).collect();
        solver.solve_component(component, entities);
        for (&node, old) in component.nodes.iter().zip(old) {
            let Suspects { came, went, .. } = &mut self.nodes[node];
            let view = &mut entities[node];
            came.extend(&*view.rows - &*old);
            went.extend(&*old - &*view.rows);
            if came.is_empty() && went.is_empty() {
                view.rows = old;
            } else {
                view.delta = Some(Arc::new(Delta::new(Arc::downgrade(&old), came, went)));
            }
        }
    }

    /// Brings the digest up to the rows that came and went. Tells whether there are any.
    fn settle(&self, solver: &Solver<'_>, node: usize, view: &mut EntityView) -> bool {
        let Suspects { came, went, .. } = &self.nodes[node];
        let hash = |row: Ordinal| version_hash(view.entity, row, solver.table(node).lsn(row));
        let gained = came.iter().fold(0, |sum: u64, &row| sum.wrapping_add(hash(row)));
        let lost = went.iter().fold(0, |sum: u64, &row| sum.wrapping_add(hash(row)));
        view.digest = view.digest.wrapping_add(gained).wrapping_sub(lost);
        !came.is_empty() || !went.is_empty()
    }
}

/// Brings the digest up to the new LSNs of rows that are in the view. Tells whether there are any.
fn renew_versions(solver: &Solver<'_>, node: usize, view: &mut EntityView) -> bool {
    let table = solver.table(node);
    let mut changed = false;
    for &(row, old) in table.changes().versions.iter().filter(|(row, _)| view.rows.contains(*row)) {
        let (before, after) = (version_hash(view.entity, row, old), version_hash(view.entity, row, table.lsn(row)));
        view.digest = view.digest.wrapping_sub(before).wrapping_add(after);
        changed = true;
    }
    changed
}
