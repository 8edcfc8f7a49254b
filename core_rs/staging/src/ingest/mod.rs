//! Ingest: rows from the bytes of a CSV or JSON Lines file, in chunks cut anywhere.
//!
//! Two threads behind bounded channels, so that reading, encoding and writing overlap:
//!
//! ```text
//! feed() --chunks--> parser: rows to canonical bytes --batches--> writer: one commit a batch
//! ```
//!
//! A batch is small enough that uploads, which wait for the write lock, never wait long, and no commit is open while
//! the writer waits for input. With `atomic` the writer gathers everything first and then makes a single commit.
//!
//! Bad rows are counted and the first of them kept; they never end an ingest.

mod batch;
mod csv;
mod encoder;
mod json;
mod nearest;
mod parser;
mod sheet;
mod together;
mod writer;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use haversack_engine::ids::Lsn;
use haversack_engine::schema::Schema;
use haversack_proto::error::ErrorReason;

use self::encoder::Encoder;
use self::parser::{Chunk, Parsed};
use self::writer::{Writer, Written};
use crate::{Staging, StagingError};

pub(crate) use json::encode_row;
pub use sheet::{SheetRow, read_sheet};
pub use together::{Basis, Outcome, Part, write_together};

/// Most refusals that a report keeps; all are counted.
pub const ERRORS_MAX: usize = 100;

/// Bytes of input handed over at once.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Chunks that wait for the parser before [`Ingest::feed`] blocks.
const CHUNKS_MAX: usize = 4;

/// Batches that wait for the writer before the parser blocks.
const BATCHES_MAX: usize = 2;

/// How an ingest reads and what it does with the rows.
#[derive(Clone, Debug)]
pub struct Options {
    /// Form of the bytes.
    pub format: Format,
    /// What to do with the rows.
    pub action: Action,
    /// Take all rows in one commit, or none if one is bad.
    pub atomic: bool,
    /// Name of the file, for reports.
    pub file_name: String,
}

/// The form of ingested bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 with a header of logical names; an empty cell is NULL; a lookup's target entity is in `<name>_type`.
    Csv,
    /// One JSON object a line, as the Web API returns rows, or with plain names.
    JsonLines,
}

/// What an ingest does with the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Inserts a row, or replaces the one with its id.
    Upsert,
    /// Changes only the attributes that are named; a row that does not exist is a bad row.
    Patch,
    /// Deletes the row with the id; only the primary id is read. Deleting nothing is no change.
    Delete,
}

/// What an ingest did. The fields are those of `haversack.admin.v1.IngestResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows read.
    pub read: u64,
    /// Rows that are new.
    pub inserted: u64,
    /// Rows that changed.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Rows that were already so, and drew no LSN.
    pub unchanged: u64,
    /// Rows refused. If a CSV file's header is refused, every row is, for the one error at line 1.
    pub rejected: u64,
    /// The first refusals, at most [`ERRORS_MAX`], in order of line.
    pub errors: Vec<RowError>,
    /// Head of the commit order after the last commit.
    pub lsn: Lsn,
    /// Bytes of encoded rows written.
    pub bytes: u64,
}

/// Why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// Name of the file, as in [`Options`].
    pub file_name: String,
    /// Line on which the row begins; from 1.
    pub line: u64,
    /// Logical name of the attribute; empty if it is about the whole row.
    pub attribute: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// Why, for programs.
    pub reason: ErrorReason,
}

/// An ingest under way. Dropped without [`Self::finish`], it is aborted.
pub struct Ingest {
    file_name: String,
    /// The three are present until the threads are joined.
    chunks: Option<SyncSender<Chunk>>,
    parser: Option<JoinHandle<Parsed>>,
    writer: Option<JoinHandle<Result<Written, StagingError>>>,
}

impl Ingest {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`StagingError::EntityUnknown`] if the schema lacks the entity.
    pub fn start(
        staging: Arc<dyn Staging>,
        schema: &Schema,
        entity: &str,
        options: Options,
    ) -> Result<Self, StagingError> {
        let unknown = || StagingError::EntityUnknown(entity.to_owned());
        let entity = schema.entity(entity).ok_or_else(unknown)?;
        let (chunks, chunks_in) = sync_channel(CHUNKS_MAX);
        let (batches, batches_in) = sync_channel(BATCHES_MAX);
        let encoder = Encoder::new(schema, entity, options.action);
        let writer = Writer::new(staging, entity, &options);
        let format = options.format;
        let parser = spawn("ingest-parser", move || parser::run(format, encoder, &chunks_in, batches))?;
        let writer = spawn("ingest-writer", move || writer.run(&batches_in))?;
        Ok(Self { file_name: options.file_name, chunks: Some(chunks), parser: Some(parser), writer: Some(writer) })
    }

    /// Takes the next bytes of the file. Blocks while the threads are busy with those before.
    ///
    /// # Errors
    /// [`StagingError::IngestStopped`] if a commit has failed; [`Self::finish`] tells why.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), StagingError> {
        bytes.chunks(CHUNK_BYTES_MAX).try_for_each(|chunk| self.send(Chunk::Data(chunk.to_vec())))
    }

    /// Ends the file, waits for the last commit and tells what was done. Bad rows are no error.
    ///
    /// # Errors
    /// [`StagingError::AtomicTooLarge`], and whatever a commit fails with; commits before that one stay.
    pub fn finish(mut self) -> Result<Report, StagingError> {
        // If the threads have stopped already, joining them tells why.
        let _ = self.send(Chunk::End);
        let (parsed, written) = self.join().ok_or(StagingError::IngestStopped)?;
        Ok(report(&self.file_name, parsed, written?))
    }

    /// Stops. Commits already made stay; an atomic ingest leaves nothing.
    pub fn abort(self) {
        drop(self);
    }

    fn send(&self, chunk: Chunk) -> Result<(), StagingError> {
        let chunks = self.chunks.as_ref().ok_or(StagingError::IngestStopped)?;
        chunks.send(chunk).map_err(|_| StagingError::IngestStopped)
    }

    /// Hangs up and waits for the threads; a panic of theirs goes on here.
    fn join(&mut self) -> Option<(Parsed, Result<Written, StagingError>)> {
        self.chunks = None;
        let parsed = self.parser.take()?.join();
        let written = self.writer.take()?.join();
        Some((
            parsed.unwrap_or_else(|panic| resume_unwind(panic)),
            written.unwrap_or_else(|panic| resume_unwind(panic)),
        ))
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.join();
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, StagingError> {
    Builder::new().name(name.into()).spawn(run).map_err(|error| StagingError::storage("starting an ingest", error))
}

fn report(file_name: &str, parsed: Parsed, written: Written) -> Report {
    let mut errors: Vec<_> = parsed.refusals.first.into_iter().chain(written.refusals.first).collect();
    errors.sort_by_key(|refusal| refusal.line);
    errors.truncate(ERRORS_MAX);
    Report {
        read: parsed.read,
        inserted: written.inserted,
        updated: written.updated,
        deleted: written.deleted,
        unchanged: written.unchanged,
        rejected: parsed.refusals.count + written.refusals.count,
        errors: errors.into_iter().map(|refusal| refusal.into_error(file_name)).collect(),
        lsn: written.lsn,
        bytes: written.bytes,
    }
}
