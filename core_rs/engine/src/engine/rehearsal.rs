//! A model or a directory that is only tried out: the views that they would give, on the rows that the engine has.

use haversack_proto::model;

use super::Engine;
use super::ask::Inquiry;
use super::asker::Asker;
use super::model::{ModelErrors, PreparedModel};
use super::situation::Situation;
use crate::columns::Beyond;
use crate::directory::{Directory, DirectoryChange, DirectoryChangeError};
use crate::ids::{EntityNumber, RowKey};
use crate::view::View;

/// Another model, or another directory, on the rows of an engine that goes on as it is. It holds nothing of the engine's
/// but what it has worked out beyond it: tests that no profile has stated yet.
#[derive(Debug)]
pub struct Rehearsal<'e> {
    engine: &'e Engine,
    /// `None` if it is the engine's.
    model: Option<PreparedModel>,
    /// `None` if it is the engine's.
    directory: Option<Directory>,
    beyond: Beyond,
}

/// Why something cannot be tried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RehearsalError {
    /// The model breaks rules.
    #[error(transparent)]
    Invalid(#[from] ModelErrors),
    /// The engine has not read all that the model asks for: it takes an engine of its own, fed anew.
    #[error("{} entities have to be read anew for this model", .0.len())]
    Unread(Vec<EntityNumber>),
    /// The changes of the directory name what is not there.
    #[error(transparent)]
    Change(#[from] DirectoryChangeError),
}

impl Engine {
    /// Tries a model out.
    ///
    /// # Errors
    /// Everything that is wrong with the model, or the entities of which it asks more than the engine has read.
    pub fn rehearse(&self, model: &model::Model) -> Result<Rehearsal<'_>, RehearsalError> {
        self.suppose(Some(model), &[])
    }

    /// Tries out a model (`None` for the one that is followed) and changes of users, in this order. The directory is
    /// copied for the changes; that takes as long as it is large.
    ///
    /// # Errors
    /// As [`Self::rehearse`]; and a user, role or team of the changes is unknown.
    pub fn suppose(
        &self,
        model: Option<&model::Model>,
        changes: &[(RowKey, DirectoryChange)],
    ) -> Result<Rehearsal<'_>, RehearsalError> {
        let model = model.map(|model| self.readable(model)).transpose()?;
        let directory = if changes.is_empty() { None } else { Some(self.directory.after(changes)?) };
        let beyond = model.as_ref().map_or_else(Beyond::default, |model| Beyond::of(&self.index, &model.needs));
        Ok(Rehearsal { engine: self, model, directory, beyond })
    }

    /// A model made ready to be asked for on the rows of this engine.
    fn readable(&self, model: &model::Model) -> Result<PreparedModel, RehearsalError> {
        let prepared = match &self.model {
            Some(base) => PreparedModel::compile_beyond(model, base)?,
            None => PreparedModel::compile(model)?,
        };
        let unread = self.reload_needed(&prepared);
        if unread.is_empty() { Ok(prepared) } else { Err(RehearsalError::Unread(unread)) }
    }
}

impl Rehearsal<'_> {
    /// The view that would be somebody's who asks.
    pub fn view(&self, asker: impl Into<Asker>) -> View {
        let situation = self.situation();
        situation.view(&situation.standing(&asker.into()))
    }

    /// Where questions can be asked about it.
    pub fn inquire(&self) -> Inquiry<'_> {
        Inquiry::of(self.situation())
    }

    fn situation(&self) -> Situation<'_> {
        let engine = self.engine.situation();
        Situation {
            model: self.model.as_ref().or(engine.model),
            directory: self.directory.as_ref().unwrap_or(engine.directory),
            index: engine.index.with(&self.beyond),
            ..engine
        }
    }
}
