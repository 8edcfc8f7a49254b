//! How large views are.

use std::collections::HashMap;
use std::sync::Arc;

use super::weigh::Scale;
use super::{Amount, Inquiry, Moment};
use crate::engine::inputs::{Inputs, Standing};
use crate::ids::{EntityNumber, RowKey};
use crate::view::Denial;

/// How much of an entity a view has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityAmount {
    /// The entity.
    pub entity: EntityNumber,
    /// How much.
    pub amount: Amount,
}

/// How large a user's view is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEstimate {
    /// The user.
    pub user: RowKey,
    /// Why there is nothing, if the user must be told.
    pub denial: Option<Denial>,
    /// Carried entities in download order; shared by users whose views are one.
    pub entities: Arc<[EntityAmount]>,
}

impl UserEstimate {
    /// All of it.
    pub fn total(&self) -> Amount {
        self.entities.iter().map(|entity| entity.amount).sum()
    }
}

/// Estimates one user after the other.
#[derive(Debug, Default)]
pub struct Estimator {
    moment: Option<Moment>,
    scale: Scale,
    known: HashMap<Standing, Arc<[EntityAmount]>>,
}

impl Estimator {
    /// How large a user's view is. An estimator is for one model and one profile: ask it at
    /// other moments, but of no other.
    pub fn estimate(&mut self, inquiry: &Inquiry<'_>, user: RowKey) -> UserEstimate {
        if self.moment != Some(inquiry.moment()) {
            *self = Self { moment: Some(inquiry.moment()), ..Self::default() };
        }
        let standing = inquiry.standing(user);
        let denial = standing.denial();
        let entities = match (self.known.get(&standing), standing.inputs()) {
            (Some(entities), _) => Arc::clone(entities),
            (None, None) => Arc::default(),
            (None, Some(inputs)) => self.amounts(inquiry, inputs),
        };
        self.known.entry(standing).or_insert_with(|| Arc::clone(&entities));
        UserEstimate { user, denial, entities }
    }

    /// How many different views there are among those that were estimated at this moment.
    pub fn views(&self) -> usize {
        self.known.len()
    }

    fn amounts(&mut self, inquiry: &Inquiry<'_>, inputs: &Inputs) -> Arc<[EntityAmount]> {
        let solver = inquiry.situation.solver(inputs);
        let views = inquiry.situation.rows(inputs).into_iter().enumerate();
        let amount = |(node, view): (usize, crate::view::EntityView)| EntityAmount {
            entity: view.entity,
            amount: Amount { rows: view.rows.len(), bytes: self.scale.bytes(solver.table(node), &view.rows) },
        };
        views.map(amount).collect()
    }
}
