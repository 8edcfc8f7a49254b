//! The floor under every way into staging: rusqlite inserting the same blobs, with the same indexes and durability.
//!
//! Benchmarks of this crate and of `sources` share this file.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use haversack_engine::ids::EntityNumber;
use haversack_staging::{SqliteStaging, Staging};

/// What a benchmark's step gives.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Rows of a raw commit: as many as an ingest or a copy commits at once.
pub(crate) const COMMIT_ROWS: usize = 16_384;

/// A row as it lies in staging.
pub(crate) struct Blob {
    id: [u8; 16],
    /// Its encoding.
    pub(crate) payload: Vec<u8>,
}

/// The rows of an entity as they lie in a staging database, in the order in which they came.
pub(crate) fn blobs(staging: &dyn Staging, entity: EntityNumber) -> Outcome<Vec<Blob>> {
    let mut blobs = Vec::new();
    staging.snapshot()?.rows(entity, &mut |row| {
        blobs.push(Blob { id: row.key.0, payload: row.payload.unwrap_or_default().to_vec() });
    })?;
    Ok(blobs)
}

/// A new database, which takes as long whatever fills it.
pub(crate) fn create(path: &Path) -> Outcome<Arc<dyn Staging>> {
    Ok(Arc::new(SqliteStaging::create(path)?))
}

/// The yardstick: nothing but the rows, their indexes, and commits that are as durable, into a database that nobody has
/// open.
pub(crate) fn insert(path: &Path, entity: EntityNumber, blobs: &[Blob], commit_rows: usize) -> Outcome<()> {
    let connection = rusqlite::Connection::open(path)?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4000")?;
    let mut insert =
        connection.prepare("INSERT INTO rows (row_key, id, lsn, deleted, payload) VALUES (?1, ?2, ?3, 0, ?4)")?;
    let (mut row_key, mut lsn) = (i64::from(entity.0) << 32, 1i64);
    for commit in blobs.chunks(commit_rows) {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for blob in commit {
            insert.execute((row_key, blob.id, lsn, &blob.payload))?;
            (row_key, lsn) = (row_key + 1, lsn + 1);
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(())
}

/// What the rounds of one way took: seconds by the clock and of CPU, a row.
#[derive(Default)]
pub(crate) struct Rates {
    clock: Vec<f64>,
    cpu: Vec<f64>,
}

impl Rates {
    /// Runs one round, of so many rows.
    pub(crate) fn measure(&mut self, rows: usize, run: impl FnOnce() -> Outcome<()>) -> Outcome<()> {
        let (start, cpu_start) = (Instant::now(), cpu_seconds());
        run()?;
        self.clock.push(start.elapsed().as_secs_f64() / rows as f64);
        self.cpu.push((cpu_seconds() - cpu_start) / rows as f64);
        Ok(())
    }

    /// The rate as a part of another's, round by round, and of these the median: rounds of one number ran beside each
    /// other.
    pub(crate) fn of(&self, other: &Self) -> f64 {
        median(&self.clock.iter().zip(&other.clock).map(|(own, other)| other / own).collect::<Vec<_>>())
    }

    /// By the clock, in the median.
    pub(crate) fn rows_per_second(&self) -> f64 {
        1.0 / median(&self.clock)
    }

    /// CPU time of all threads, in the median.
    pub(crate) fn cpu_micros_a_row(&self) -> f64 {
        median(&self.cpu) * 1e6
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU time of the process so far; not a number where the system does not tell as Linux does.
fn cpu_seconds() -> f64 {
    /// Of a second, on Linux.
    const TICKS: f64 = 100.0;
    let read = || {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // Behind the name, which may have blanks: user and system time are the 12th and 13th field.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<f64>().ok();
        Some((ticks()? + ticks()?) / TICKS)
    };
    read().unwrap_or(f64::NAN)
}
