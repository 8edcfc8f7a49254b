//! The parser thread: chunks of bytes to batches of encoded rows.

use std::mem;
use std::sync::mpsc::{Receiver, SyncSender};

use super::Format;
use super::batch::{Batch, Fault, Refusals};
use super::csv::CsvParser;
use super::encoder::Encoder;
use super::json::JsonParser;
use super::writer::Delivery;
use crate::ROW_BYTES_MAX;

/// Longest row as text, in bytes: room for every escape that a row within the limit may need.
pub(super) const ROW_TEXT_BYTES_MAX: usize = 4 * ROW_BYTES_MAX;

/// What a UTF-8 file may begin with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What the parser is given.
pub(super) enum Chunk {
    /// The next bytes.
    Data(Vec<u8>),
    /// There are no more. Hanging up without this aborts.
    End,
}

/// What the parser found.
#[derive(Default)]
pub(super) struct Parsed {
    /// Rows read.
    pub(super) read: u64,
    /// Rows refused.
    pub(super) refusals: Refusals,
}

/// Parses one form of bytes that come in pieces.
pub(super) trait Parse {
    /// Takes the next bytes.
    fn feed(&mut self, bytes: &[u8], sink: &mut Sink);
    /// Takes the last row, which need not end in a line end.
    fn end(&mut self, sink: &mut Sink);
}

/// Where parsed rows go. Counts them, and hands batches on as they fill.
pub(super) struct Sink {
    batch: Batch,
    parsed: Parsed,
    batches: SyncSender<Delivery>,
    /// Whether the rows of a batch may change places.
    any_order: bool,
    /// Whether the writer has stopped, so that going on is in vain.
    closed: bool,
}

impl Sink {
    /// Takes a row that `encode` adds to the batch it is given, or a refusal.
    pub(super) fn row(&mut self, line: u64, encode: impl FnOnce(&mut Batch) -> Result<(), Fault>) {
        self.parsed.read += 1;
        if let Err(fault) = encode(&mut self.batch) {
            self.parsed.refusals.add(line, fault);
        }
        if self.batch.is_full() {
            self.flush();
        }
    }

    /// Counts a row of a file whose header was refused.
    pub(super) fn refused_row(&mut self) {
        self.parsed.read += 1;
        self.parsed.refusals.count += 1;
    }

    /// Keeps the fault of a header.
    pub(super) fn refuse_header(&mut self, line: u64, fault: Fault) {
        self.parsed.refusals.note(line, fault);
    }

    fn flush(&mut self) {
        let mut batch = mem::take(&mut self.batch);
        if self.any_order {
            batch.sort();
        }
        if !batch.rows.is_empty() {
            self.closed |= self.batches.send(Delivery::Batch(batch)).is_err();
        }
    }

    fn end(mut self) -> Parsed {
        self.flush();
        let clean = self.parsed.refusals.first.is_empty();
        // The writer tells itself why it has stopped.
        let _ = self.batches.send(Delivery::End { clean });
        self.parsed
    }
}

/// Parses until the end of the file, the abort of the ingest, or the end of the writer.
pub(super) fn run(format: Format, encoder: Encoder, chunks: &Receiver<Chunk>, batches: SyncSender<Delivery>) -> Parsed {
    let any_order = encoder.any_order();
    let mut sink = Sink { batch: Batch::default(), parsed: Parsed::default(), batches, any_order, closed: false };
    let mut parser: Box<dyn Parse> = match format {
        Format::Csv => Box::new(CsvParser::new(encoder)),
        Format::JsonLines => Box::new(JsonParser::new(encoder)),
    };
    let mut start = Some(Vec::new());
    while let Ok(chunk) = chunks.recv() {
        match chunk {
            Chunk::Data(bytes) => feed(&bytes, &mut start, &mut *parser, &mut sink),
            Chunk::End => {
                feed(&[], &mut start, &mut *parser, &mut sink);
                parser.feed(&start.take().unwrap_or_default(), &mut sink);
                parser.end(&mut sink);
                return sink.end();
            }
        }
        if sink.closed {
            break;
        }
    }
    sink.parsed
}

/// Feeds a parser all bytes but a byte order mark. `start` gathers the first bytes until they tell.
fn feed(bytes: &[u8], start: &mut Option<Vec<u8>>, parser: &mut dyn Parse, sink: &mut Sink) {
    let Some(first) = start else {
        return parser.feed(bytes, sink);
    };
    first.extend_from_slice(bytes);
    if first.len() >= BYTE_ORDER_MARK.len() || !BYTE_ORDER_MARK.starts_with(first) {
        let first = start.take().unwrap_or_default();
        parser.feed(first.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&first), sink);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use haversack_engine::schema::Schema;
    use haversack_proto::model;

    use super::super::{Action, RowError};
    use super::*;

    /// Everything that comes out of a file: rows by line, counts, errors.
    #[derive(Debug, PartialEq)]
    struct Outcome {
        rows: Vec<(u64, crate::RowId, Vec<u8>)>,
        counts: (u64, u64),
        errors: Vec<RowError>,
    }

    fn schema() -> Schema {
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
            ownership: model::Ownership::User.into(),
            attributes: vec![
                attribute(1, "noteid", model::AttributeType::String),
                attribute(2, "text", model::AttributeType::String),
                attribute(3, "pages", model::AttributeType::Integer),
            ],
            ..model::Entity::default()
        };
        Schema::from_model(&model::Model { entities: vec![entity], ..model::Model::default() }).expect("it is sound")
    }

    fn parse<'p>(format: Format, pieces: impl Iterator<Item = &'p [u8]>) -> Outcome {
        let schema = schema();
        let encoder = Encoder::new(&schema, &schema.entities()[0], Action::Upsert);
        let pieces: Vec<_> = pieces.map(|piece| Chunk::Data(piece.to_vec())).chain([Chunk::End]).collect();
        let (chunks, chunks_in) = sync_channel(pieces.len());
        let (batches, batches_in) = sync_channel(2);
        for piece in pieces {
            chunks.send(piece).expect("there is room");
        }
        let parsed = run(format, encoder, &chunks_in, batches);
        let mut rows = Vec::new();
        for delivery in batches_in {
            if let Delivery::Batch(batch) = delivery {
                rows.extend(batch.rows.iter().map(|row| (row.line, row.id.clone(), batch.payload(row).to_vec())));
            }
        }
        let counts = (parsed.read, parsed.refusals.count);
        let errors = parsed.refusals.first.into_iter().map(|refusal| refusal.into_error("notes")).collect();
        Outcome { rows, counts, errors }
    }

    /// Cuts a file at every byte, and into single bytes: what comes out never changes.
    fn cut_anywhere(format: Format, file: &[u8], lines: &[u64], bad_lines: &[u64]) {
        let whole = parse(format, [file].into_iter());
        assert_eq!(whole.rows.iter().map(|row| row.0).collect::<Vec<_>>(), lines);
        assert_eq!(whole.errors.iter().map(|error| error.line).collect::<Vec<_>>(), bad_lines);
        for cut in 0..=file.len() {
            let (head, tail) = file.split_at(cut);
            assert_eq!(parse(format, [head, tail].into_iter()), whole, "cut at {cut}");
        }
        assert_eq!(parse(format, file.chunks(1)), whole);
    }

    #[test]
    fn csv_may_be_cut_anywhere() {
        let file = "\u{feff}noteid,text,pages\r\n1,\"a \"\"quoted\"\"\r\ntext, é\n\n\",1\r\n\r\n\n2,,\n3,x,many\n4\n5,\"y\"\"\",7\r6,z,";
        cut_anywhere(Format::Csv, file.as_bytes(), &[2, 8, 11, 11], &[9, 10]);
    }

    #[test]
    fn json_lines_may_be_cut_anywhere() {
        let file = "\u{feff}{\"noteid\":\"1\",\"text\":\"\\u00e9é\\n\"}\r\n\n{\"noteid\":\"2\",\"pages\":5}\n{\"noteid\":\n{\"noteid\":\"3\",\
                    \"no\":1}\n{\"noteid\":\"4\",\"@odata.etag\":{\"x\":[1]}}";
        cut_anywhere(Format::JsonLines, file.as_bytes(), &[1, 3, 6], &[4, 5]);
    }

    #[test]
    fn refused_header_may_be_cut_anywhere() {
        let file = b"noteid,pagse\n1,2\n\"3\n\",4\n";
        cut_anywhere(Format::Csv, file, &[], &[1]);
        assert_eq!(parse(Format::Csv, [&file[..]].into_iter()).counts, (2, 2));
    }

    #[test]
    fn hanging_up_is_no_end() {
        let (chunks, chunks_in) = sync_channel(2);
        let (batches, batches_in) = sync_channel(2);
        chunks.send(Chunk::Data(b"{\"noteid\":\"1\"}\n".to_vec())).expect("there is room");
        drop(chunks);
        let schema = schema();
        let encoder = Encoder::new(&schema, &schema.entities()[0], Action::Upsert);
        assert_eq!(run(Format::JsonLines, encoder, &chunks_in, batches).read, 1);
        assert_eq!(batches_in.into_iter().count(), 0);
    }
}
