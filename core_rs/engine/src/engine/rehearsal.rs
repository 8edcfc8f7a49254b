//! A model that is only tried out: the views that it would give, on the rows that the engine has.

use haversack_proto::model;

use super::Engine;
use super::model::{ModelErrors, PreparedModel};
use super::situation::Situation;
use crate::columns::Beyond;
use crate::ids::{EntityNumber, RowKey};
use crate::view::View;

/// A model on the rows of an engine that goes on following another. It holds nothing of the engine's but what it has
/// worked out beyond it: tests that no profile has stated yet.
#[derive(Debug)]
pub struct Rehearsal<'e> {
    engine: &'e Engine,
    model: PreparedModel,
    beyond: Beyond,
}

/// Why a model cannot be tried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RehearsalError {
    /// The model breaks rules.
    #[error(transparent)]
    Invalid(#[from] ModelErrors),
    /// The engine has not read all that the model asks for: it takes an engine of its own, fed anew.
    #[error("{} entities have to be read anew for this model", .0.len())]
    Unread(Vec<EntityNumber>),
}

impl Engine {
    /// Tries a model out.
    ///
    /// # Errors
    /// Everything that is wrong with the model, or the entities of which it asks more than the engine has read.
    pub fn rehearse(&self, model: &model::Model) -> Result<Rehearsal<'_>, RehearsalError> {
        let prepared = match &self.model {
            Some(base) => PreparedModel::compile_beyond(model, base)?,
            None => PreparedModel::compile(model)?,
        };
        let unread = self.reload_needed(&prepared);
        if !unread.is_empty() {
            return Err(RehearsalError::Unread(unread));
        }
        let beyond = Beyond::of(&self.index, &prepared.needs);
        Ok(Rehearsal { engine: self, model: prepared, beyond })
    }
}

impl Rehearsal<'_> {
    /// The view that a user would have.
    pub fn view(&self, user: RowKey) -> View {
        let situation = self.situation();
        situation.view(&situation.standing(user))
    }

    fn situation(&self) -> Situation<'_> {
        let engine = self.engine.situation();
        Situation { model: Some(&self.model), index: engine.index.with(&self.beyond), ..engine }
    }
}
