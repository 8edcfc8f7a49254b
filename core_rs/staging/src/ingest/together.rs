//! Changes of several entities that become true together: what an ingest does, for a few rows and in one commit.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use haversack_engine::ids::{EntityNumber, Lsn};
use haversack_engine::schema::Schema;

use super::batch::Batch;
use super::encoder::Encoder;
use super::parser::{self, Chunk};
use super::writer::{Delivery, Writer, Written};
use super::{Action, BATCHES_MAX, Format, Options, RowError};
use crate::{Staging, StagingError};

/// Rows of one entity and what to do with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The entity's logical name.
    pub entity: String,
    /// What to do with the rows.
    pub action: Action,
    /// One JSON object a line.
    pub json_lines: Vec<u8>,
}

/// What the changes rest on: what was read up to an LSN, of some entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// Up to where it was read.
    pub seen: Lsn,
    /// The entities that it was read of.
    pub entities: Vec<EntityNumber>,
}

/// What became of the changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All are true; this is the head after them.
    Written(Lsn),
    /// None is: these rows are bad. At most [`super::ERRORS_MAX`] of each part; their `file_name` is the entity.
    Refused(Vec<RowError>),
    /// None is: a row that they rest on has changed since. Read again.
    Stale,
}

/// Makes the changes of all parts, in order, in one commit; or none.
///
/// # Errors
/// [`StagingError::EntityUnknown`] if the schema lacks an entity; whatever a commit fails with.
pub fn write_together(
    staging: &Arc<dyn Staging>,
    schema: &Schema,
    parts: &[Part],
    basis: &Basis,
) -> Result<Outcome, StagingError> {
    let read: Vec<_> = parts.iter().map(|part| Encoded::read(staging, schema, part)).collect::<Result<_, _>>()?;
    let refused: Vec<_> = read.iter().flat_map(|part| &part.errors).cloned().collect();
    if !refused.is_empty() {
        return Ok(Outcome::Refused(refused));
    }
    let mut commit = staging.begin()?;
    if has_changed(staging.as_ref(), basis)? {
        return Ok(Outcome::Stale);
    }
    let mut refused = Vec::new();
    for Encoded { entity, writer, batches, .. } in &read {
        let mut written = Written::default();
        for batch in batches {
            writer.write(&mut *commit, batch, &mut written)?;
        }
        refused.extend(written.refusals.first.into_iter().map(|refusal| refusal.into_error(entity)));
    }
    if refused.is_empty() { commit.finish().map(Outcome::Written) } else { Ok(Outcome::Refused(refused)) }
}

/// Whether somebody has changed a row of the entities. To be asked with the write lock held: then it stays true.
fn has_changed(staging: &dyn Staging, basis: &Basis) -> Result<bool, StagingError> {
    let mut changed = false;
    staging.snapshot()?.changes_after(basis.seen, &mut |row| changed |= basis.entities.contains(&row.entity))?;
    Ok(changed)
}

/// A part, ready to be written.
struct Encoded<'p> {
    entity: &'p str,
    writer: Writer,
    batches: Vec<Batch>,
    errors: Vec<RowError>,
}

impl<'p> Encoded<'p> {
    fn read(staging: &Arc<dyn Staging>, schema: &Schema, part: &'p Part) -> Result<Self, StagingError> {
        let unknown = || StagingError::EntityUnknown(part.entity.clone());
        let entity = schema.entity(&part.entity).ok_or_else(unknown)?;
        let options =
            Options { format: Format::JsonLines, action: part.action, atomic: true, file_name: part.entity.clone() };
        let encoder = Encoder::new(schema, entity, part.action);
        let writer = Writer::new(Arc::clone(staging), entity, &options);
        let (chunks, chunks_in) = sync_channel(2);
        let (batches, batches_in) = sync_channel(BATCHES_MAX);
        let file = [Chunk::Data(part.json_lines.clone()), Chunk::End];
        file.into_iter().try_for_each(|chunk| chunks.send(chunk)).map_err(|_| StagingError::IngestStopped)?;
        let mut gathered = Vec::new();
        let parsed = std::thread::scope(|scope| {
            let parsing = scope.spawn(move || parser::run(Format::JsonLines, encoder, &chunks_in, batches));
            while let Ok(Delivery::Batch(batch)) = batches_in.recv() {
                gathered.push(batch);
            }
            parsing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let errors = parsed.refusals.first.into_iter().map(|refusal| refusal.into_error(&part.entity)).collect();
        Ok(Self { entity: &part.entity, writer, batches: gathered, errors })
    }
}
