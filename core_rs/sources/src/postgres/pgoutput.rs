//! Messages of PostgreSQL's logical replication, protocol version 1, as `protocol-logicalrep-message-formats` in its
//! manual describes them. Begin and commit are read by the library that carries the stream.

use std::str::from_utf8;

use super::value::Cell;

/// A change within a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// What the rows of a table look like from here on.
    Relation(Relation<'a>),
    /// A new row.
    Insert { relation: u32, new: Tuple<'a> },
    /// A row has other values. `old` is there if its key changed, or if the table tells all old values.
    Update { relation: u32, old: Option<Tuple<'a>>, new: Tuple<'a> },
    /// A row is gone; `old` has at least the key.
    Delete { relation: u32, old: Tuple<'a> },
    /// Tables are empty.
    Truncate { relations: Vec<u32> },
    /// What rows do not depend on: names of types, origins.
    Other,
}

/// A table as a relation message describes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Relation<'a> {
    pub(super) id: u32,
    pub(super) schema: &'a str,
    pub(super) table: &'a str,
    /// Whether changes tell all that a row was (REPLICA IDENTITY FULL).
    pub(super) is_full: bool,
    /// Names and types.
    pub(super) columns: Vec<(&'a str, u32)>,
}

/// The columns of a row.
pub(super) type Tuple<'a> = Vec<Cell<'a>>;

/// A message that is cut off or has bytes of no known meaning.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Whether a message is a change: the stream repeats those of a transaction in the same order, so they can be counted.
pub(super) fn is_change(message: &[u8]) -> bool {
    matches!(message.first(), Some(b'I' | b'U' | b'D' | b'T'))
}

/// Reads a message.
pub(super) fn read(message: &[u8]) -> Result<Message<'_>, Malformed> {
    let mut reader = Reader(message);
    match reader.byte()? {
        b'R' => reader.relation().map(Message::Relation),
        b'I' => reader.insert(),
        b'U' => reader.update(),
        b'D' => {
            let relation = reader.number()?;
            let (b'K' | b'O') = reader.byte()? else { return Err(Malformed) };
            Ok(Message::Delete { relation, old: reader.tuple()? })
        }
        b'T' => {
            let count = reader.number()?;
            let _options = reader.byte()?;
            let relations = (0..count).map(|_| reader.number()).collect::<Result<_, _>>()?;
            Ok(Message::Truncate { relations })
        }
        _ => Ok(Message::Other),
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.bytes(1)?[0])
    }

    fn short(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.bytes(2)?.try_into().map_err(|_| Malformed)?))
    }

    fn number(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.bytes(4)?.try_into().map_err(|_| Malformed)?))
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        let end = self.0.iter().position(|&byte| byte == 0).ok_or(Malformed)?;
        let text = self.bytes(end)?;
        self.byte()?;
        from_utf8(text).map_err(|_| Malformed)
    }

    fn relation(&mut self) -> Result<Relation<'a>, Malformed> {
        let (id, schema, table) = (self.number()?, self.text()?, self.text()?);
        let is_full = self.byte()? == b'f';
        let count = self.short()?;
        let mut columns = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let _is_key = self.byte()?;
            columns.push((self.text()?, self.number()?));
            let _modifier = self.number()?;
        }
        // `pg_catalog` is told as the empty name.
        Ok(Relation { id, schema: if schema.is_empty() { "pg_catalog" } else { schema }, table, is_full, columns })
    }

    fn insert(&mut self) -> Result<Message<'a>, Malformed> {
        let relation = self.number()?;
        let b'N' = self.byte()? else { return Err(Malformed) };
        Ok(Message::Insert { relation, new: self.tuple()? })
    }

    fn update(&mut self) -> Result<Message<'a>, Malformed> {
        let relation = self.number()?;
        let (old, marker) = match self.byte()? {
            b'K' | b'O' => (Some(self.tuple()?), self.byte()?),
            marker => (None, marker),
        };
        if marker != b'N' {
            return Err(Malformed);
        }
        Ok(Message::Update { relation, old, new: self.tuple()? })
    }

    fn tuple(&mut self) -> Result<Tuple<'a>, Malformed> {
        let count = self.short()?;
        (0..count).map(|_| self.cell()).collect()
    }

    fn cell(&mut self) -> Result<Cell<'a>, Malformed> {
        match self.byte()? {
            b'n' => Ok(Cell::Null),
            b'u' => Ok(Cell::Unchanged),
            b't' => {
                let length = self.number()?;
                Ok(Cell::Text(self.bytes(length as usize)?))
            }
            _ => Err(Malformed),
        }
    }
}
