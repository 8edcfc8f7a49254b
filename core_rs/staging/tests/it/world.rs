//! What the tests share: a database to test, and short ways to write and read it.

use std::sync::Arc;

use haversack_engine::ids::{EntityNumber, Lsn, Ordinal};
use haversack_staging::{Change, RowId, Snapshot, SqliteStaging, Staging};
use tempfile::TempDir;

/// Two entities.
pub(crate) const ACCOUNT: EntityNumber = EntityNumber(1);
/// See [`ACCOUNT`].
pub(crate) const CONTACT: EntityNumber = EntityNumber(7);

/// A database of one implementation, and a way to open it a second time.
pub(crate) trait World {
    /// A handle of its own to the same database, as another process would have.
    fn open(&self) -> Arc<dyn Staging>;
    /// Another world, with a new database.
    fn another(&self) -> Box<dyn World>;
}

/// A SQLite file in a folder that goes away with it.
pub(crate) struct SqliteWorld {
    folder: TempDir,
}

impl SqliteWorld {
    pub(crate) fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        drop(SqliteStaging::create(world.path()).unwrap());
        world
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("staging.db")
    }
}

impl World for SqliteWorld {
    fn open(&self) -> Arc<dyn Staging> {
        Arc::new(SqliteStaging::open(self.path()).unwrap())
    }

    fn another(&self) -> Box<dyn World> {
        Box::new(Self::new())
    }
}

/// The id of this number.
pub(crate) fn id(number: u8) -> RowId {
    RowId::Uuid([number; 16])
}

/// Puts rows in one commit; returns what happened to each, and the head.
pub(crate) fn put(staging: &dyn Staging, rows: &[(EntityNumber, u8, &[u8])]) -> (Vec<Change>, Lsn) {
    let mut commit = staging.begin().unwrap();
    let changes = rows.iter().map(|&(entity, number, payload)| commit.upsert(entity, &id(number), payload).unwrap());
    let changes = changes.collect();
    (changes, commit.finish().unwrap())
}

/// Deletes a row in a commit of its own.
pub(crate) fn delete(staging: &dyn Staging, entity: EntityNumber, number: u8) -> (Change, Lsn) {
    let mut commit = staging.begin().unwrap();
    let change = commit.delete(entity, &id(number)).unwrap();
    (change, commit.finish().unwrap())
}

/// A row as a reader sees it: entity, ordinal, first byte of the key, LSN, payload.
pub(crate) type Seen = (EntityNumber, Ordinal, u8, u64, Option<Vec<u8>>);

/// The rows after `floor`, in the order they come in.
pub(crate) fn changes(snapshot: &dyn Snapshot, floor: u64) -> Vec<Seen> {
    let mut rows = Vec::new();
    let mut visit = |row: haversack_staging::StoredRow<'_>| {
        rows.push((row.entity, row.ordinal, row.key.0[0], row.lsn.0, row.payload.map(<[u8]>::to_vec)));
    };
    snapshot.changes_after(Lsn(floor), &mut visit).unwrap();
    rows
}

/// `(ordinal, lsn, payload)` of some rows of an entity.
pub(crate) fn payloads(
    staging: &dyn Staging,
    entity: EntityNumber,
    ordinals: &[Ordinal],
) -> Vec<(Ordinal, u64, Vec<u8>)> {
    let mut rows = Vec::new();
    staging
        .payloads(entity, ordinals, &mut |ordinal, lsn, payload| rows.push((ordinal, lsn.0, payload.to_vec())))
        .unwrap();
    rows
}
