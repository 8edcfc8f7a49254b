//! Connections that only read, kept for the next reader.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::failed;
use super::schema::{self, Role};
use crate::StagingError;

/// Idle connections kept. More readers than this at once open and close connections of their own.
const IDLE_MAX: usize = 16;

/// Where readers come from.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// A connection on loan, within a read transaction of its own.
pub(super) struct Reader {
    /// Present until the loan ends.
    connection: Option<Connection>,
    readers: Arc<Readers>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self { path, idle: Mutex::default() })
    }

    /// Lends a connection. What it reads stays as it is at its first query.
    pub(super) fn begin(self: &Arc<Self>) -> Result<Reader, StagingError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::connect(&self.path, Role::Reader)?,
        };
        let begun = connection.prepare_cached("BEGIN").and_then(|mut begin| begin.execute([]));
        begun.map_err(failed("beginning a read"))?;
        Ok(Reader { connection: Some(connection), readers: Arc::clone(self) })
    }

    fn take_back(&self, connection: Connection) {
        let ended = connection.prepare_cached("ROLLBACK").and_then(|mut rollback| rollback.execute([]));
        let mut idle = self.idle.lock();
        // A connection that cannot end its transaction would pin the write-ahead log: it is closed instead.
        if ended.is_ok() && idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a reader has its connection until it is dropped")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.take_back(connection);
        }
    }
}
