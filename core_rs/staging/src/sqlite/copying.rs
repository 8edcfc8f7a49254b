//! A copy of the file as it is at one moment, made while it is being written to.
//!
//! The copy is of the snapshot of one read transaction, which begins before [`SqliteStaging::copy_to`] returns. It keeps
//! nobody waiting; the write-ahead log grows meanwhile by what is committed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use haversack_engine::ids::Lsn;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::readers::Reader;
use super::{SqliteStaging, failed, read_head, schema};
use crate::StagingError;

/// Pages copied between two looks at whether to go on: 2 MiB.
const STEP_PAGES: i32 = 256;

/// How long to wait where the copy's own file is locked, by a virus scanner perhaps.
const LOCKED_WAIT: Duration = Duration::from_millis(20);

const COPYING: &str = "copying the staging file";

/// A copy under way. Dropped before [`Self::finish`], it stops, and what it has made is for the caller to delete.
pub struct Copying {
    head: Lsn,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), StagingError>>>,
}

/// What the thread that copies tells, and is told.
#[derive(Default)]
struct Shared {
    bytes_done: AtomicU64,
    bytes_total: AtomicU64,
    is_given_up: AtomicBool,
}

impl SqliteStaging {
    /// Begins to copy the database, as it is now, to a new file. See [`Copying`].
    ///
    /// # Errors
    /// [`StagingError::Exists`] if there is a file; [`StagingError::Storage`] if it cannot be made.
    pub fn copy_to(&self, path: impl AsRef<Path>) -> Result<Copying, StagingError> {
        let path = path.as_ref().to_owned();
        if path.exists() {
            return Err(StagingError::Exists { path });
        }
        let source = self.readers.begin()?;
        let head = read_head(&source)?;
        let shared = Arc::<Shared>::default();
        let (told, begun) = (Arc::clone(&shared), Builder::new().name("haversack-copy".into()));
        let thread = begun.spawn(move || copy(&source, &path, &told));
        let thread = thread.map_err(|error| StagingError::storage(COPYING, error))?;
        Ok(Copying { head, shared, thread: Some(thread) })
    }
}

impl Copying {
    /// The head of the database as it is copied.
    pub fn head(&self) -> Lsn {
        self.head
    }

    /// Bytes that are copied, and bytes in all; 0 in all until that is known.
    pub fn progress(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.shared.bytes_done), read(&self.shared.bytes_total))
    }

    /// Whether there is nothing left to wait for.
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until the copy is whole and on disk.
    ///
    /// # Errors
    /// If it could not be made.
    pub fn finish(mut self) -> Result<(), StagingError> {
        let thread = self.thread.take().expect("a copy is finished once");
        thread.join().unwrap_or_else(|_| Err(StagingError::Damaged("the copying thread has panicked".into())))
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        self.shared.is_given_up.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn copy(source: &Reader, path: &PathBuf, shared: &Shared) -> Result<(), StagingError> {
    schema::make_private_file(path).map_err(|error| StagingError::storage(COPYING, error))?;
    let mut target = Connection::open(path).map_err(failed(COPYING))?;
    // What is left of a crash is not used, so only the end needs to wait for the disk.
    target.execute_batch("PRAGMA synchronous = OFF").map_err(failed(COPYING))?;
    copy_pages(source, &mut target, shared)?;
    target.execute_batch("PRAGMA journal_mode = WAL").map_err(failed(COPYING))?;
    target.close().map_err(|(_, error)| failed(COPYING)(error))?;
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| StagingError::storage(COPYING, error))
}

fn copy_pages(source: &Connection, target: &mut Connection, shared: &Shared) -> Result<(), StagingError> {
    let page_bytes: u32 = source.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(failed(COPYING))?;
    let backup = Backup::new(source, target).map_err(failed(COPYING))?;
    loop {
        if shared.is_given_up.load(Ordering::Relaxed) {
            return Err(StagingError::CopyGivenUp);
        }
        let step = backup.step(STEP_PAGES).map_err(failed(COPYING))?;
        let progress = backup.progress();
        let bytes = |pages: i32| u64::from(pages.unsigned_abs()) * u64::from(page_bytes);
        shared.bytes_total.store(bytes(progress.pagecount), Ordering::Relaxed);
        shared.bytes_done.store(bytes(progress.pagecount - progress.remaining), Ordering::Relaxed);
        match step {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked => std::thread::sleep(LOCKED_WAIT),
            _ => {}
        }
    }
}
