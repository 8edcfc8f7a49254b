//! Rows read into memory alone: what an ingest would write, for those who only try something out.

use std::sync::mpsc::sync_channel;

use haversack_engine::schema::Schema;

use super::encoder::Encoder;
use super::parser::{self, Chunk};
use super::writer::Delivery;
use super::{Action, BATCHES_MAX, Format, RowError};
use crate::{RowId, StagingError};

/// A row as an ingest encodes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetRow {
    /// Its id.
    pub id: RowId,
    /// The encoded row.
    pub payload: Vec<u8>,
}

/// Reads and encodes a whole file, its rows in no order.
///
/// # Errors
/// [`StagingError::EntityUnknown`] if the schema lacks the entity. The inner errors are those of bad rows, in order of
/// line, at most [`super::ERRORS_MAX`].
pub fn read_sheet(
    schema: &Schema,
    entity: &str,
    format: Format,
    bytes: &[u8],
) -> Result<Result<Vec<SheetRow>, Vec<RowError>>, StagingError> {
    let found = schema.entity(entity).ok_or_else(|| StagingError::EntityUnknown(entity.to_owned()))?;
    let encoder = Encoder::new(schema, found, Action::Upsert);
    let (chunks, chunks_in) = sync_channel(2);
    let (batches, batches_in) = sync_channel(BATCHES_MAX);
    let file = [Chunk::Data(bytes.to_vec()), Chunk::End];
    file.into_iter().try_for_each(|chunk| chunks.send(chunk)).map_err(|_| StagingError::IngestStopped)?;
    let mut rows = Vec::new();
    let parsed = std::thread::scope(|scope| {
        let parsing = scope.spawn(move || parser::run(format, encoder, &chunks_in, batches));
        while let Ok(Delivery::Batch(batch)) = batches_in.recv() {
            let row = |row| (batch.payload(row).to_vec(), row.id.clone());
            rows.extend(batch.rows.iter().map(row).map(|(payload, id)| SheetRow { id, payload }));
        }
        parsing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let errors: Vec<RowError> = parsed.refusals.first.into_iter().map(|refusal| refusal.into_error(entity)).collect();
    Ok(if errors.is_empty() { Ok(rows) } else { Err(errors) })
}

#[cfg(test)]
mod tests {
    use haversack_proto::model;

    use super::*;

    #[test]
    fn rows_are_encoded_or_all_that_is_wrong_is_told() {
        let attribute = |number, name: &str, kind: model::AttributeType| model::Attribute {
            number,
            logical_name: name.into(),
            r#type: kind.into(),
            ..model::Attribute::default()
        };
        let entity = model::Entity {
            number: 1,
            logical_name: "note".into(),
            primary_id_attribute: "noteid".into(),
            ownership: model::Ownership::Organization.into(),
            attributes: vec![
                attribute(1, "noteid", model::AttributeType::String),
                attribute(2, "pages", model::AttributeType::Integer),
            ],
            ..model::Entity::default()
        };
        let schema = Schema::from_model(&model::Model { entities: vec![entity], ..Default::default() }).expect("sound");
        let read = |text: &str| read_sheet(&schema, "note", Format::JsonLines, text.as_bytes()).expect("is known");
        let rows = read("{\"noteid\": \"a\", \"pages\": 3}\n{\"noteid\": \"b\"}\n").expect("are sound");
        assert_eq!(
            rows.iter().map(|row| &row.id).collect::<Vec<_>>(),
            [&RowId::Text("a".into()), &RowId::Text("b".into())]
        );
        assert!(rows[0].payload.len() > rows[1].payload.len());
        let errors = read("{\"noteid\": \"a\", \"pages\": \"x\"}\n{\"pages\": 1}\n").expect_err("both are bad");
        assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [1, 2]);
        assert!(read_sheet(&schema, "letter", Format::Csv, b"").is_err());
    }
}
