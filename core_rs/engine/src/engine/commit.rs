//! Feeding an engine the changes of one commit.

use super::model::PreparedModel;
use super::{Applied, Engine};
use crate::columns::RowChange;
use crate::ids::{EntityNumber, Instant, Lsn, Ordinal};
use crate::row::RowError;

/// A row in staging is damaged, or of another type than the metadata says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {ordinal} of entity {} cannot be read; provision the organization again", entity.0)]
pub struct RowUnreadable {
    /// Its entity.
    pub entity: EntityNumber,
    /// Its ordinal.
    pub ordinal: Ordinal,
    /// What is wrong with it.
    pub source: RowError,
}

/// What an engine is told between one head of staging and the next, while nobody can see it.
///
/// An engine whose commit failed or was dropped before [`Commit::finish`] is of no more use: load another.
#[derive(Debug)]
#[must_use = "nothing that was fed is seen before `finish`"]
pub struct Commit<'e> {
    engine: &'e mut Engine,
    head: Lsn,
    has_model: bool,
}

impl<'e> Commit<'e> {
    pub(super) fn new(engine: &'e mut Engine, head: Lsn) -> Self {
        Self { engine, head, has_model: false }
    }

    /// Follows a new model, before any row is fed. Every row (deleted ones too) of the entities that are returned has to
    /// be fed, as of the same head; they are those that [`Engine::reload_needed`] tells.
    pub fn model(&mut self, model: PreparedModel) -> Vec<EntityNumber> {
        let reload = self.engine.reload_needed(&model);
        self.engine.index.install(&model.needs);
        self.engine.directory.install(&model.layout);
        self.engine.model = Some(model);
        self.has_model = true;
        reload
    }

    /// Feeds a row that has changed, or that has to be read again. Rows that no profile carries are passed over.
    ///
    /// # Errors
    /// The payload is damaged. The engine is then of no more use.
    pub fn row(&mut self, row: &RowChange<'_>) -> Result<(), RowUnreadable> {
        let unreadable = |source| RowUnreadable { entity: row.entity, ordinal: row.ordinal, source };
        let Engine { directory, index, .. } = &mut *self.engine;
        let find = |entity, key| index.table_of(entity).and_then(|table| table.ids().find(key));
        directory.feed(row, find).map_err(unreadable)?;
        index.feed(row).map_err(unreadable)?;
        directory.arrived(row.entity, row.key, row.ordinal);
        Ok(())
    }

    /// Makes everything that was fed true at once, at `instant` or the latest one before, whichever is later.
    pub fn finish(self, instant: Instant) -> Applied {
        self.engine.head = self.engine.head.max(self.head);
        self.engine.apply(instant, self.has_model)
    }
}
