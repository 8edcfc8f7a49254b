//! CSV: a header of logical names, then rows. An empty cell is NULL.

use csv_core::{ReadRecordResult, Reader};
use memchr::memchr_iter;

use super::batch::Fault;
use super::encoder::{Cell, CellText, CellValue, Encoder, Slot, quote, too_large};
use super::parser::{Parse, ROW_TEXT_BYTES_MAX, Sink};

/// Most cells of a row: every attribute an entity can have, each with its target.
const CELLS_MAX: usize = 40_000;

/// Parses CSV that comes in pieces.
pub(super) struct CsvParser {
    encoder: Encoder,
    reader: Reader,
    record: Record,
    header: Header,
    /// Line of the next byte.
    line: u64,
}

/// A record as far as it has come: its cells one behind the other, and where each ends.
struct Record {
    /// Line on which it begins; `None` between records.
    line: Option<u64>,
    text: Vec<u8>,
    text_used: usize,
    ends: Vec<usize>,
    ends_used: usize,
    /// Whether it is above a limit; the rest of it is skipped.
    too_large: bool,
}

/// What the first record says.
enum Header {
    /// Not read yet.
    Awaited,
    /// The file is refused; rows are only counted.
    Refused,
    /// Where the columns are, ascending by column, and how many cells a row has.
    Read(Vec<Placed>, usize),
}

/// The cells of a column.
struct Placed {
    column: usize,
    value: usize,
    target: Option<usize>,
}

impl CsvParser {
    /// Starts before the header.
    pub(super) fn new(encoder: Encoder) -> Self {
        Self { encoder, reader: Reader::new(), record: Record::new(), header: Header::Awaited, line: 1 }
    }

    /// Skips what lies between records, so that the line of the next one is known.
    fn skip_line_ends<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let length = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.line += count_line_feeds(&bytes[..length]);
        if length < bytes.len() {
            self.record.line = Some(self.line);
        }
        &bytes[length..]
    }

    /// Lets the reader go on; returns how many bytes it took.
    fn step(&mut self, bytes: &[u8], sink: &mut Sink) -> usize {
        let record = &mut self.record;
        let (text, ends) = (&mut record.text[record.text_used..], &mut record.ends[record.ends_used..]);
        let (result, taken, texts, cells) = self.reader.read_record(bytes, text, ends);
        self.line += count_line_feeds(&bytes[..taken]);
        record.text_used += texts;
        record.ends_used += cells;
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull => record.grow_text(),
            ReadRecordResult::OutputEndsFull => record.grow_ends(),
            ReadRecordResult::Record => {
                self.take_record(sink);
                self.record.clear();
            }
            ReadRecordResult::End => self.record.clear(),
        }
        taken
    }

    fn take_record(&mut self, sink: &mut Sink) {
        let line = self.record.line.unwrap_or(self.line);
        match &self.header {
            Header::Refused => sink.refused_row(),
            Header::Read(placed, cells) => {
                sink.row(line, |batch| {
                    let row = self.record.row(*cells, |cell| name_of_cell(&self.encoder, placed, cell))?;
                    self.encoder.encode(line, placed.iter().map(|placed| row.cell(placed)), batch)
                });
            }
            Header::Awaited => {
                self.header = read_header(&self.record, &self.encoder).unwrap_or_else(|fault| {
                    sink.refuse_header(line, fault);
                    Header::Refused
                });
            }
        }
    }
}

impl Parse for CsvParser {
    fn feed(&mut self, mut bytes: &[u8], sink: &mut Sink) {
        while !bytes.is_empty() {
            if self.record.line.is_none() {
                bytes = self.skip_line_ends(bytes);
            }
            if !bytes.is_empty() {
                bytes = &bytes[self.step(bytes, sink)..];
            }
        }
    }

    fn end(&mut self, sink: &mut Sink) {
        // An empty input is how the reader is told of the end; it may first ask for more room.
        while self.record.line.is_some() {
            self.step(&[], sink);
        }
        if matches!(self.header, Header::Awaited) {
            sink.refuse_header(1, Fault::row("the file is empty; the first line must name the columns"));
        }
    }
}

impl Record {
    fn new() -> Self {
        Self { line: None, text: vec![0; 4096], text_used: 0, ends: vec![0; 64], ends_used: 0, too_large: false }
    }

    fn clear(&mut self) {
        (self.line, self.text_used, self.ends_used, self.too_large) = (None, 0, 0, false);
    }

    fn grow_text(&mut self) {
        if self.text.len() >= ROW_TEXT_BYTES_MAX {
            (self.text_used, self.too_large) = (0, true);
        } else {
            self.text.resize((self.text.len() * 2).min(ROW_TEXT_BYTES_MAX), 0);
        }
    }

    fn grow_ends(&mut self) {
        if self.ends.len() >= CELLS_MAX {
            (self.ends_used, self.too_large) = (0, true);
        } else {
            self.ends.resize((self.ends.len() * 2).min(CELLS_MAX), 0);
        }
    }

    /// The record's cells, if there are as many as there should be. `name` tells the column of a cell.
    fn row<'n>(&self, cells: usize, name: impl Fn(usize) -> &'n str) -> Result<Row<'_>, Fault> {
        if self.too_large {
            return Err(too_large(&format!(
                "it has more than {ROW_TEXT_BYTES_MAX} bytes of text or {CELLS_MAX} cells"
            )));
        }
        if self.ends_used != cells {
            let hint = "quote values with commas, quotes or line ends";
            let message = format!("the row has {} cells, and the header names {cells}; {hint}", self.ends_used);
            return Err(Fault::row(message));
        }
        self.utf8().ok_or_else(|| self.encoding_fault(name))
    }

    /// `None` if a cell is not UTF-8: what lies across two cells may be, but neither is.
    fn utf8(&self) -> Option<Row<'_>> {
        let (bytes, ends) = (&self.text[..self.text_used], &self.ends[..self.ends_used]);
        let text = std::str::from_utf8(bytes).ok()?;
        ends.iter().all(|&end| text.is_char_boundary(end)).then_some(Row { text, ends })
    }

    fn encoding_fault<'n>(&self, name: impl Fn(usize) -> &'n str) -> Fault {
        let start = |cell: usize| if cell == 0 { 0 } else { self.ends[cell - 1] };
        let broken = |&cell: &usize| std::str::from_utf8(&self.text[start(cell)..self.ends[cell]]).is_err();
        let cell = (0..self.ends_used).find(broken).unwrap_or(0);
        Fault::of(name(cell), "the value is not UTF-8; save the file in that encoding")
    }
}

/// The cells of a record.
#[derive(Clone, Copy)]
struct Row<'r> {
    text: &'r str,
    ends: &'r [usize],
}

impl<'r> Row<'r> {
    fn text(&self, cell: usize) -> &'r str {
        let start = if cell == 0 { 0 } else { self.ends[cell - 1] };
        &self.text[start..self.ends[cell]]
    }

    fn cell(&self, placed: &Placed) -> (usize, Cell<'r>) {
        let text = self.text(placed.value);
        let value = match text {
            "" => CellValue::Null,
            text => CellValue::Text(CellText { text: text.into(), quoted: true }),
        };
        (placed.column, Cell { value, target: placed.target.map(|cell| self.text(cell).into()) })
    }
}

fn count_line_feeds(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

fn name_of_cell<'n>(encoder: &'n Encoder, placed: &[Placed], cell: usize) -> &'n str {
    let column = placed.iter().find(|placed| placed.value == cell || placed.target == Some(cell));
    column.map_or("", |placed| encoder.name(placed.column))
}

fn read_header(record: &Record, encoder: &Encoder) -> Result<Header, Fault> {
    let row = record.row(record.ends_used, |_| "")?;
    let mut placed: Vec<Placed> = Vec::new();
    let mut targets: Vec<(usize, usize)> = Vec::new();
    for cell in 0..record.ends_used {
        let repeated = match encoder.slot(row.text(cell))? {
            Slot::Value(column) if placed.iter().all(|placed| placed.column != column) => {
                placed.push(Placed { column, value: cell, target: None });
                false
            }
            Slot::Target(column) if targets.iter().all(|target| target.0 != column) => {
                targets.push((column, cell));
                false
            }
            Slot::Value(_) | Slot::Target(_) => true,
            Slot::Ignored => false,
        };
        if repeated {
            return Err(Fault::of(row.text(cell), format!("column {} appears twice", quote(row.text(cell)))));
        }
    }
    for column in &mut placed {
        column.target = targets.iter().find(|target| target.0 == column.column).map(|target| target.1);
    }
    if placed.iter().all(|placed| placed.column != encoder.primary()) {
        let name = encoder.name(encoder.primary());
        return Err(Fault::of(name, format!("the header lacks {name}; every row needs its primary id")));
    }
    placed.sort_by_key(|placed| placed.column);
    Ok(Header::Read(placed, record.ends_used))
}
