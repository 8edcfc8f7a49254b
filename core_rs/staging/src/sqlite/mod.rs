//! A staging database in one SQLite file: one writer behind a lock, readers beside it (write-ahead log).
//!
//! Other processes may use the same file: a commit takes SQLite's own write lock and reads the head anew.

mod commit;
mod copying;
mod devices;
mod histories;
mod intake;
mod ledger;
mod marks;
mod queue;
mod readers;
mod schema;
mod snapshot;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use haversack_engine::ids::{EntityNumber, History, Lsn, Ordinal, Revision};
use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, ErrorCode, Row};

use self::commit::SqliteCommit;
pub use self::copying::Copying;
use self::readers::Readers;
use self::schema::Role;
use self::snapshot::{SqliteSnapshot, visit_payloads};
use crate::{Commit, CommitListener, DeviceRegistry, Identity, Snapshot, Staging, StagingError};

/// An organization's staging database in a file. Dropping it closes the file.
pub struct SqliteStaging {
    writer: Mutex<Connection>,
    readers: Arc<Readers>,
    listeners: RwLock<Vec<CommitListener>>,
    /// What this handle's commits are the history of.
    history: History,
    /// Whether a commit of this handle has begun it.
    history_begun: AtomicBool,
}

impl SqliteStaging {
    /// Makes a new, empty database and opens it. The folder must exist.
    ///
    /// # Errors
    /// [`StagingError::Exists`] if there is a file; [`StagingError::Storage`] if it cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, StagingError> {
        schema::create(path.as_ref())?;
        Self::open(path)
    }

    /// Opens an existing database.
    ///
    /// # Errors
    /// [`StagingError::Absent`], [`StagingError::Foreign`] or [`StagingError::VersionUnknown`] if the file is not one
    /// that this version made; [`StagingError::Storage`] if it cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StagingError> {
        let path: PathBuf = path.as_ref().to_owned();
        let writer = Mutex::new(schema::connect(&path, Role::Writer)?);
        let (history, history_begun) = (histories::draw()?, AtomicBool::new(false));
        Ok(Self { writer, readers: Readers::new(path), listeners: RwLock::default(), history, history_begun })
    }

    /// Makes a database that was just filled ready to serve: builds indexes that are missing, checks it whole, gathers
    /// statistics for its queries, and moves the write-ahead log into the file. Idempotent.
    ///
    /// A database is made with all its indexes. To load it without that of LSNs and build it here was measured to save
    /// under a tenth of the CPU (a third for that of ids, which every upsert needs), so a bulk load keeps them too.
    ///
    /// # Errors
    /// [`StagingError::Damaged`] with the first contradiction; others as [`Staging::begin`].
    pub fn build_indexes(&self) -> Result<(), StagingError> {
        schema::build_indexes(&self.writer.lock())?;
        schema::check(&*self.readers.begin()?)?;
        schema::settle_log(&self.writer.lock())
    }

    fn tell(&self, head: Lsn) {
        self.listeners.read().iter().for_each(|listener| listener(head));
    }
}

impl Staging for SqliteStaging {
    fn identity(&self) -> Result<Identity, StagingError> {
        read_identity(&*self.readers.begin()?)
    }

    fn head(&self) -> Result<Lsn, StagingError> {
        read_head(&*self.readers.begin()?)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StagingError> {
        Ok(Box::new(SqliteSnapshot::new(self.readers.begin()?)?))
    }

    fn payloads(
        &self,
        entity: EntityNumber,
        ordinals: &[Ordinal],
        visit: &mut dyn FnMut(Ordinal, Lsn, &[u8]),
    ) -> Result<(), StagingError> {
        visit_payloads(&self.readers.begin()?, entity, ordinals, visit)
    }

    fn begin(&self) -> Result<Box<dyn Commit + '_>, StagingError> {
        Ok(Box::new(SqliteCommit::begin(self)?))
    }

    fn publish(&self, revision: Revision, model: &[u8]) -> Result<Lsn, StagingError> {
        let mut commit = Box::new(SqliteCommit::begin(self)?);
        commit.insert_model(revision, model)?;
        commit.finish()
    }

    fn mint_epoch(&self, lost: [u8; 16]) -> Result<Identity, StagingError> {
        let mut epoch = [0; 16];
        schema::random(&mut epoch)?;
        let writer = self.writer.lock();
        let mint = || {
            let commit = writer.unchecked_transaction()?;
            if commit.execute("UPDATE meta SET epoch = ?1 WHERE epoch = ?2", (epoch, lost))? > 0 {
                queue::doubt(&commit)?;
            }
            commit.commit()
        };
        mint().map_err(failed("minting an epoch"))?;
        read_identity(&writer)
    }

    fn on_commit(&self, listener: CommitListener) {
        self.listeners.write().push(listener);
    }

    fn devices(&self) -> &dyn DeviceRegistry {
        self
    }
}

/// Names what was being done when SQLite failed, and tells a lock and a damaged file from the rest.
fn failed(action: &'static str) -> impl FnOnce(rusqlite::Error) -> StagingError {
    move |error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StagingError::Busy,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StagingError::Damaged(error.to_string()),
        _ => StagingError::storage(action, error),
    }
}

fn read_identity(connection: &Connection) -> Result<Identity, StagingError> {
    let read = |row: &Row<'_>| Ok(Identity { epoch: row.get(0)?, secret: row.get(1)? });
    let identity =
        connection.prepare_cached("SELECT epoch, secret FROM meta").and_then(|mut select| select.query_row([], read));
    identity.map_err(failed("reading the identity"))
}

fn read_head(connection: &Connection) -> Result<Lsn, StagingError> {
    let head = connection
        .prepare_cached("SELECT head FROM meta")
        .and_then(|mut select| select.query_row([], |row| row.get::<_, i64>(0)));
    head.map(|head| Lsn(head as u64)).map_err(failed("reading the head"))
}

/// A row's key: the entity above, the ordinal below.
fn key_of(entity: EntityNumber, ordinal: Ordinal) -> i64 {
    (i64::from(entity.0) << 32) | i64::from(ordinal)
}

fn first_key(entity: EntityNumber) -> i64 {
    key_of(entity, 0)
}

fn last_key(entity: EntityNumber) -> i64 {
    key_of(entity, Ordinal::MAX)
}

fn split_key(row_key: i64) -> (EntityNumber, Ordinal) {
    (EntityNumber((row_key >> 32) as u32), row_key as u32)
}
