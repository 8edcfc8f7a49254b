//! The SQLite file: its tables, and how a connection to it is opened.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::failed;
use super::tables::{ADDED, INDEXES, TABLES};
use crate::StagingError;

/// Marks the file as a staging database: "Hvsk" in ASCII.
const APPLICATION_ID: i64 = 0x4876_736b;

/// Version of the tables. A file of an earlier one is upgraded when it is opened, one of a later one is refused.
const SCHEMA_VERSION: i64 = ADDED[ADDED.len() - 1].0;

/// How long a commit waits for another process's commit.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements kept prepared on each connection; the code has fewer.
const STATEMENTS_MAX: usize = 96;

/// Page size: a row of a CRM costs a third less CPU to insert than with the default of 4,096.
const PAGE_BYTES: u32 = 8192;

/// Page cache of the writer, which holds the upper levels and hot leaves of the id index.
const WRITER_CACHE_KIB: u32 = 64 << 10;

/// Page cache of a reader; most of what it reads comes through the memory map.
const READER_CACHE_KIB: u32 = 2 << 10;

/// How much of the file readers see through a memory map. The writer has none: it would copy each page it changes.
const READER_MMAP_BYTES_MAX: u64 = 1 << 30;

/// A commit that leaves this many pages in the write-ahead log moves them into the file.
const CHECKPOINT_PAGES: u32 = 4000;

/// Rows that statistics are gathered from, of each index.
const ANALYSIS_ROWS_MAX: u32 = 1_000;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that commits.
    Writer,
    /// One of those that only read.
    Reader,
}

/// Makes the file. It appears under its name only when it is complete, so a crash leaves none or a good one.
pub(super) fn create(path: &Path) -> Result<(), StagingError> {
    if path.exists() {
        return Err(StagingError::Exists { path: path.to_owned() });
    }
    let unfinished = beside(path, ".unfinished");
    make_private_file(&unfinished).map_err(|error| StagingError::storage("creating the staging file", error))?;
    fill(&unfinished)?;
    settle(&unfinished, path).map_err(|error| StagingError::storage("naming the staging file", error))
}

/// Opens a connection to an existing file.
pub(super) fn connect(path: &Path, role: Role) -> Result<Connection, StagingError> {
    if !path.exists() {
        return Err(StagingError::Absent { path: path.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed("opening the staging file"))?;
    let version = check_version(&connection, path)?;
    tune(&connection, role).map_err(failed("setting up a connection"))?;
    if version < SCHEMA_VERSION && role == Role::Writer {
        upgrade(&connection).map_err(failed("upgrading the staging file"))?;
    }
    Ok(connection)
}

/// The path with something behind its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removes what a file that is gone has left. SQLite would take an old log for that of the new file.
fn remove_leftovers(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// An empty file that only its owner can read: it will hold the organization's data and a secret.
pub(super) fn make_private_file(path: &Path) -> std::io::Result<()> {
    remove_leftovers(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.sync_all()
}

fn fill(path: &Path) -> Result<(), StagingError> {
    let mut epoch = [0; 16];
    let mut secret = [0; 32];
    random(&mut epoch)?;
    random(&mut secret)?;
    let act = || -> rusqlite::Result<()> {
        let connection = Connection::open(path)?;
        connection.execute_batch(&format!("PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL;"))?;
        connection.execute_batch(&format!("BEGIN; PRAGMA application_id = {APPLICATION_ID}; {TABLES} {INDEXES}"))?;
        for (_, tables) in ADDED {
            connection.execute_batch(tables)?;
        }
        connection.execute("INSERT INTO meta VALUES (1, ?1, ?2, 0)", (epoch, secret))?;
        connection.execute_batch(&format!("PRAGMA user_version = {SCHEMA_VERSION}; COMMIT"))?;
        connection.close().map_err(|(_, error)| error)
    };
    act().map_err(failed("writing the staging file"))
}

/// Gives the finished file its name, durably.
fn settle(unfinished: &Path, path: &Path) -> std::io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    remove_leftovers(path)?;
    fs::rename(unfinished, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Fills a buffer from the operating system.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), StagingError> {
    getrandom::fill(bytes).map_err(|error| StagingError::storage("drawing random bytes", error))
}

/// Whose file it is, and of which version; fails if it is none that can be read.
fn check_version(connection: &Connection, path: &Path) -> Result<i64, StagingError> {
    let foreign = || StagingError::Foreign { path: path.to_owned() };
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    match pragma("application_id") {
        Ok(APPLICATION_ID) => {}
        Ok(_) => return Err(foreign()),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => return Err(foreign()),
        Err(error) => return Err(failed("reading the staging file")(error)),
    }
    match pragma("user_version").map_err(failed("reading the staging file"))? {
        known @ 1..=SCHEMA_VERSION => Ok(known),
        found => Err(StagingError::VersionUnknown { path: path.to_owned(), found, known: SCHEMA_VERSION }),
    }
}

/// Brings a file of an earlier version to this one, unless another process has done so meanwhile.
fn upgrade(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let act = || {
        let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
        for (since, tables) in ADDED {
            if version < since {
                connection.execute_batch(tables)?;
            }
        }
        connection.execute_batch(&format!("PRAGMA user_version = {}", version.max(SCHEMA_VERSION)))?;
        connection.execute_batch("COMMIT")
    };
    act().inspect_err(|_| {
        // Failing means that SQLite has rolled back by itself already.
        let _ = connection.execute_batch("ROLLBACK");
    })
}

/// Builds the indexes that are missing.
pub(super) fn build_indexes(connection: &Connection) -> Result<(), StagingError> {
    connection.execute_batch(INDEXES).map_err(failed("building indexes"))
}

/// Reads everything, and fails with the first thing that contradicts another.
pub(super) fn check(connection: &Connection) -> Result<(), StagingError> {
    let found = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
    match found.map_err(failed("checking the staging database"))?.as_str() {
        "ok" => Ok(()),
        problem => Err(StagingError::Damaged(problem.to_owned())),
    }
}

/// Gathers statistics for the planner, and moves the write-ahead log into the file as far as no reader needs it.
pub(super) fn settle_log(connection: &Connection) -> Result<(), StagingError> {
    let settle = || {
        connection.execute_batch(&format!("PRAGMA analysis_limit = {ANALYSIS_ROWS_MAX}; PRAGMA optimize"))?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    };
    settle().map_err(failed("settling the staging file"))
}

/// Sets what a connection does not remember. `synchronous` and `fullfsync` (for macOS) make a commit wait for the disk.
fn tune(connection: &Connection, role: Role) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let (cache_kib, mmap_bytes, query_only) = match role {
        Role::Writer => (WRITER_CACHE_KIB, 0, "OFF"),
        Role::Reader => (READER_CACHE_KIB, READER_MMAP_BYTES_MAX, "ON"),
    };
    connection.execute_batch(&format!(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA cache_size = -{cache_kib};
         PRAGMA mmap_size = {mmap_bytes};
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
         PRAGMA query_only = {query_only};"
    ))
}
