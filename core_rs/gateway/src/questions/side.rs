//! The state of an organization that a question is about, looked at again and again while the engine goes on.

use std::sync::Arc;

use haversack_engine::directory::DirectoryChange;
use haversack_engine::engine::ask::Inquiry;
use haversack_engine::engine::{Engine, PreparedModel, RehearsalError};
use haversack_engine::ids::RowKey;
use haversack_proto::model::Model;
use parking_lot::MutexGuard;
use prost::Message;

use crate::errors::SyncError;
use crate::organization::Organization;

/// A state of an organization.
pub(super) struct Side<'o> {
    organization: &'o Organization,
    /// `None`: the one that is followed.
    model: Option<Model>,
    changes: Vec<(RowKey, DirectoryChange)>,
    apart: Option<Apart<'o>>,
}

/// An engine for a model that asks for more than the live one has read.
struct Apart<'o> {
    engine: Engine,
    #[expect(dead_code, reason = "it is held, not read: there is one such engine at a time")]
    turn: MutexGuard<'o, ()>,
}

impl<'o> Side<'o> {
    /// The state of a serialized model (what is published, if `None`), after these changes of the directory. Reads staging
    /// if it must.
    pub(super) fn new(
        organization: &'o Arc<Organization>,
        model: Option<&[u8]>,
        changes: Vec<(RowKey, DirectoryChange)>,
    ) -> Result<Self, SyncError> {
        let model = model.map(decode).transpose()?;
        Self::of(organization, model, changes)
    }

    /// As [`Self::new`].
    pub(super) fn of(
        organization: &'o Arc<Organization>,
        model: Option<Model>,
        changes: Vec<(RowKey, DirectoryChange)>,
    ) -> Result<Self, SyncError> {
        let mut side = Self { organization, model, changes, apart: None };
        let probe = organization.with_engine(|engine| side.ask(engine, |_| ()))?;
        match probe {
            Err(RehearsalError::Unread(_)) => side.apart = Some(side.load()?),
            probe => probe.map_err(|error| refused(&error))?,
        }
        Ok(side)
    }

    /// Looks at the state as it is now.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Inquiry<'_>) -> T) -> Result<T, SyncError> {
        let looked = match &self.apart {
            Some(Apart { engine, .. }) if self.changes.is_empty() => Ok(look(&engine.inquire())),
            Some(Apart { engine, .. }) => engine.suppose(None, &self.changes).map(|it| look(&it.inquire())),
            None => self.organization.with_engine(|engine| self.ask(engine, look))?,
        };
        looked.map_err(|error| match error {
            // The engine was replaced by one that has read less.
            RehearsalError::Unread(_) => SyncError::Loading(self.organization.name().to_owned()),
            error => refused(&error),
        })
    }

    fn ask<T>(&self, engine: &Engine, look: impl FnOnce(&Inquiry<'_>) -> T) -> Result<T, RehearsalError> {
        if self.model.is_none() && self.changes.is_empty() {
            return Ok(look(&engine.inquire()));
        }
        engine.suppose(self.model.as_ref(), &self.changes).map(|supposed| look(&supposed.inquire()))
    }

    /// Reads an engine for the model from staging.
    fn load(&self) -> Result<Apart<'o>, SyncError> {
        let Some(turn) = self.organization.apart().try_lock() else {
            let busy = "another draft is being read from staging, and one is the limit";
            return Err(SyncError::LimitReached(busy.into()));
        };
        let model = self.model.as_ref().expect("what is followed has been read");
        let prepared = PreparedModel::compile(model).map_err(SyncError::ModelInvalid)?;
        Ok(Apart { engine: self.organization.read_apart(prepared)?, turn })
    }
}

/// Reads a model.
pub(super) fn decode(bytes: &[u8]) -> Result<Model, SyncError> {
    Model::decode(bytes).map_err(|error| SyncError::RequestInvalid(format!("the model cannot be read: {error}")))
}

fn refused(error: &RehearsalError) -> SyncError {
    match error {
        RehearsalError::Invalid(errors) => SyncError::ModelInvalid(errors.clone()),
        error => SyncError::RequestInvalid(error.to_string()),
    }
}
