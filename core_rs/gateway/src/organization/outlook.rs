//! The engine as questions see it.

use haversack_engine::engine::{Engine, PreparedModel};
use haversack_engine::ids::Instant;
use parking_lot::Mutex;

use super::Organization;
use super::follower::read_engine;
use crate::errors::SyncError;

impl Organization {
    /// Looks at the engine. The follower waits meanwhile, and streams with it: be quick. May be called within itself.
    pub(crate) fn with_engine<T>(&self, look: impl FnOnce(&Engine) -> T) -> Result<T, SyncError> {
        let state = self.state.read_recursive();
        state.loaded().map(|loaded| look(&loaded.engine)).ok_or_else(|| self.loading())
    }

    /// Taken by whoever reads an engine of its own, so that memory has one more at most.
    pub(crate) fn apart(&self) -> &Mutex<()> {
        &self.apart
    }

    /// Reads an engine of its own from staging, for another model than the one that is followed. Nobody waits for it but
    /// the caller.
    pub(crate) fn read_apart(&self, model: PreparedModel) -> Result<Engine, SyncError> {
        let instant: Instant = self.with_engine(Engine::instant)?;
        read_engine(self.staging.snapshot()?.as_ref(), model, instant)
    }
}
