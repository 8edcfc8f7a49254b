//! Who has a row.

use std::collections::HashMap;

use super::{Inquiry, Moment};
use crate::engine::inputs::{Inputs, Standing};
use crate::ids::{EntityNumber, Ordinal, RowKey};

/// Looks for a row in the views of one user after the other.
#[derive(Debug)]
pub struct HolderSearch {
    entity: EntityNumber,
    row: RowKey,
    moment: Option<Moment>,
    known: HashMap<Standing, bool>,
}

impl HolderSearch {
    /// Looks for the row with this id.
    pub fn new(entity: EntityNumber, row: RowKey) -> Self {
        Self { entity, row, moment: None, known: HashMap::new() }
    }

    /// Whether a user's view has the row, in some application or in none. A search is for one model, and may ask at other
    /// moments.
    pub fn has(&mut self, inquiry: &Inquiry<'_>, user: RowKey) -> bool {
        if self.moment != Some(inquiry.moment()) {
            self.moment = Some(inquiry.moment());
            self.known.clear();
        }
        let Some(row) = inquiry.row(self.entity, self.row) else { return false };
        inquiry.standings(user).into_iter().any(|standing| self.holds(inquiry, standing, row))
    }

    fn holds(&mut self, inquiry: &Inquiry<'_>, standing: Standing, row: Ordinal) -> bool {
        let Some(inputs) = standing.inputs() else { return false };
        if let Some(&known) = self.known.get(&standing) {
            return known;
        }
        let has = has(inquiry, inputs, self.entity, row);
        self.known.insert(standing, has);
        has
    }
}

/// Whether a view has a row. It is worked out only where the row itself does not tell, and no further than to the row.
pub(super) fn has(inquiry: &Inquiry<'_>, inputs: &Inputs, entity: EntityNumber, row: Ordinal) -> bool {
    let (solver, profile) = (inquiry.situation.solver(inputs), inquiry.situation.profile(inputs));
    let Some(node) = profile.carried.iter().position(|carried| carried.entity == entity) else { return false };
    let of_node = &profile.nodes[node];
    if !solver.admits(node, row) {
        return false;
    }
    if solver.owns(node, row) || (of_node.pulls_in.is_empty() && of_node.bonds_in.is_empty()) {
        return solver.owns(node, row);
    }
    let mut entities = inquiry.situation.empty(inputs);
    for component in &profile.components[..=of_node.component] {
        solver.solve_component(component, &mut entities);
    }
    entities[node].rows.contains(row)
}
