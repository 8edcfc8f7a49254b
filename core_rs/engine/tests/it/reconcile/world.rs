//! A world small enough to hold in the hand: rows with LSNs and sizes, and which of them a view has.

use std::collections::BTreeMap;
use std::sync::Arc;

use haversack_engine::digest::version_hash;
use haversack_engine::ids::{EntityNumber, Instant, Lsn, Ordinal, Revision};
use haversack_engine::view::{Denial, EntityView, RowFacts, View};
use roaring::RoaringBitmap;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) lsn: Lsn,
    pub(super) size: u32,
    /// Whether the view has it.
    pub(super) wanted: bool,
}

/// One entity.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) rows: BTreeMap<Ordinal, Row>,
    pub(super) fingerprint: u64,
}

/// The state of an organization at one LSN, as one user sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) lsn: Lsn,
    pub(super) revision: Revision,
    pub(super) instant: Instant,
    pub(super) tables: BTreeMap<EntityNumber, Table>,
    /// Entities of the view, in its order.
    pub(super) carried: Vec<EntityNumber>,
    pub(super) denial: Option<Denial>,
}

impl World {
    /// The view at this state. Sets that are those of `before` are shared with it, as the engine shares them.
    pub(super) fn view(&self, before: Option<&View>) -> View {
        let part = |entity: &EntityNumber| {
            let table = &self.tables[entity];
            let wanted = || table.rows.iter().filter(|(_, row)| row.wanted);
            let rows: RoaringBitmap = wanted().map(|(&ordinal, _)| ordinal).collect();
            let digest = wanted().map(|(&ordinal, row)| version_hash(*entity, ordinal, row.lsn));
            let same = before.iter().flat_map(|view| &view.entities);
            let same = same.filter(|part| part.entity == *entity && *part.rows == rows);
            EntityView {
                delta: None,
                entity: *entity,
                digest: digest.fold(0, u64::wrapping_add),
                fingerprint: table.fingerprint,
                rows: same.map(|part| Arc::clone(&part.rows)).next().unwrap_or_else(|| Arc::new(rows)),
            }
        };
        View {
            lsn: self.lsn,
            revision: self.revision,
            instant: self.instant,
            entities: self.carried.iter().map(part).collect(),
            denial: self.denial,
        }
    }

    pub(super) fn row(&self, entity: EntityNumber, ordinal: Ordinal) -> &Row {
        &self.tables[&entity].rows[&ordinal]
    }
}

impl RowFacts for World {
    fn lsn(&self, entity: EntityNumber, ordinal: Ordinal) -> Lsn {
        self.row(entity, ordinal).lsn
    }

    fn size(&self, entity: EntityNumber, ordinal: Ordinal) -> u32 {
        self.row(entity, ordinal).size
    }

    fn changed_since(&self, entity: EntityNumber, rows: &RoaringBitmap, floor: Lsn) -> RoaringBitmap {
        rows.iter().filter(|&ordinal| self.lsn(entity, ordinal) > floor).collect()
    }

    fn allocated(&self, entity: EntityNumber) -> Ordinal {
        self.tables[&entity].rows.keys().last().map_or(0, |last| last + 1)
    }
}
