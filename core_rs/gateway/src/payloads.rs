//! The rows of a batch: payloads spliced into a message body, cut to the carried columns, compressed if it pays.

use std::cell::RefCell;

use bytes::{BufMut, Bytes, BytesMut};
use haversack_engine::ids::{Lsn, Ordinal};
use haversack_engine::reconcile::Fetched;
use haversack_engine::row::{ColumnSelection, RowError, select};
use haversack_proto::sync::{Compression, RowBatch};
use prost::encoding::{encode_varint, encoded_len_varint};

use crate::errors::SyncError;
use crate::limits::{COMPRESS_BYTES_MIN, COMPRESS_LEVEL};

/// Key of the body's only field: number 1, length-delimited.
const ROW_KEY: u8 = 0x0a;

/// A batch's body under construction: `ROW_KEY length payload` for every row, in the order of the fetch.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: BytesMut,
    rows: Vec<Fetched>,
    /// Where each row ends within `bytes`.
    ends: Vec<usize>,
    /// Holds a row while it is cut to its columns.
    scratch: Vec<u8>,
}

impl Body {
    /// Makes room for this many rows.
    pub(crate) fn with_capacity(rows: usize, bytes: usize) -> Self {
        Self {
            bytes: BytesMut::with_capacity(bytes),
            rows: Vec::with_capacity(rows),
            ends: Vec::with_capacity(rows),
            scratch: Vec::new(),
        }
    }

    /// Appends a row, cut to `columns` if there are any. Fails if the payload is no message.
    pub(crate) fn push(
        &mut self,
        ordinal: Ordinal,
        lsn: Lsn,
        payload: &[u8],
        columns: Option<&ColumnSelection>,
    ) -> Result<(), RowError> {
        match columns {
            None => splice(&mut self.bytes, payload),
            Some(columns) => {
                self.scratch.clear();
                select(payload, columns, &mut self.scratch)?;
                splice(&mut self.bytes, &self.scratch);
            }
        }
        self.note(ordinal, lsn);
        Ok(())
    }

    /// The rows so far.
    pub(crate) fn rows(&self) -> &[Fetched] {
        &self.rows
    }

    /// The rows at these positions alone.
    ///
    /// Rows without bytes are never among them: the reconcile machine admits no row that is gone.
    pub(crate) fn keep(self, positions: &[usize]) -> Bytes {
        if positions.len() == self.rows.len() {
            return self.bytes.freeze();
        }
        let mut kept = BytesMut::new();
        for &position in positions {
            let start = position.checked_sub(1).map_or(0, |before| self.ends[before]);
            kept.extend_from_slice(&self.bytes[start..self.ends[position]]);
        }
        kept.freeze()
    }

    /// The same with an entry for each of `ordinals` that no row was appended for; those have this LSN and no bytes.
    pub(crate) fn with_absent(mut self, ordinals: &[Ordinal], lsn: Lsn) -> Self {
        let rows = std::mem::take(&mut self.rows);
        let ends = std::mem::take(&mut self.ends);
        let mut present = rows.into_iter().zip(ends).peekable();
        let mut end = 0;
        for &ordinal in ordinals {
            let found = present.next_if(|(row, _)| row.ordinal == ordinal);
            end = found.map_or(end, |(_, at)| at);
            self.rows.push(found.map_or(Fetched { ordinal, lsn }, |(row, _)| row));
            self.ends.push(end);
        }
        self
    }

    fn note(&mut self, ordinal: Ordinal, lsn: Lsn) {
        self.rows.push(Fetched { ordinal, lsn });
        self.ends.push(self.bytes.len());
    }
}

/// Puts the body into its batch, compressed if the device can undo that and if it pays.
pub(crate) fn fill(batch: &mut RowBatch, body: Bytes, zstd: bool) -> Result<(), SyncError> {
    batch.rows_size = body.len() as u32;
    let smaller = compressed(&body, zstd)?;
    batch.set_compression(if smaller.is_some() { Compression::Zstd } else { Compression::None });
    batch.rows = smaller.unwrap_or(body);
    Ok(())
}

/// The body as one zstd frame, if that saves at least an eighth.
fn compressed(body: &[u8], zstd: bool) -> Result<Option<Bytes>, SyncError> {
    thread_local! {
        /// A context is some hundred KiB, so a thread keeps its own.
        static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    }
    if !zstd || body.len() < COMPRESS_BYTES_MIN {
        return Ok(None);
    }
    let failed = |error| SyncError::Internal(format!("zstd: {error}"));
    let smaller = COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(zstd::bulk::Compressor::new(COMPRESS_LEVEL).map_err(failed)?),
        };
        compressor.compress(body).map_err(failed)
    })?;
    Ok((smaller.len() <= body.len() - body.len() / 8).then(|| smaller.into()))
}

fn splice(bytes: &mut BytesMut, payload: &[u8]) {
    let length = payload.len() as u64;
    bytes.reserve(1 + encoded_len_varint(length) + payload.len());
    bytes.put_u8(ROW_KEY);
    encode_varint(length, bytes);
    bytes.put_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(payloads: &[&[u8]]) -> Body {
        let mut body = Body::with_capacity(0, 0);
        for (ordinal, payload) in (0..).zip(payloads) {
            body.push(ordinal, Lsn(9), payload, None).unwrap();
        }
        body
    }

    #[test]
    fn rows_are_a_repeated_field() {
        let long = vec![b'x'; 300];
        let bytes = body(&[b"ab", b"", &long]).keep(&[0, 1, 2]);
        assert_eq!(&bytes[..6], b"\x0a\x02ab\x0a\x00");
        assert_eq!(&bytes[6..9], b"\x0a\xac\x02");
        assert_eq!(bytes.len(), 9 + 300);
    }

    #[test]
    fn only_the_admitted_rows_are_kept() {
        let bytes = body(&[b"a", b"b", b"c"]).keep(&[0, 2]);
        assert_eq!(&bytes[..], b"\x0a\x01a\x0a\x01c");
    }

    #[test]
    fn rows_that_are_gone_take_no_bytes() {
        let mut body = Body::with_capacity(0, 0);
        body.push(1, Lsn(4), b"a", None).unwrap();
        body.push(5, Lsn(4), b"b", None).unwrap();
        let body = body.with_absent(&[0, 1, 3, 5, 6], Lsn(9));
        let lsns: Vec<_> = body.rows().iter().map(|row| (row.ordinal, row.lsn.0)).collect();
        assert_eq!(lsns, [(0, 9), (1, 4), (3, 9), (5, 4), (6, 9)]);
        assert_eq!(&body.keep(&[1, 3])[..], b"\x0a\x01a\x0a\x01b");
    }

    #[test]
    fn compression_is_used_only_where_it_pays() {
        let mut batch = RowBatch::default();
        let dull = Bytes::from(vec![7; 10_000]);
        fill(&mut batch, dull.clone(), true).unwrap();
        assert_eq!((batch.compression(), batch.rows_size), (Compression::Zstd, 10_000));
        assert_eq!(zstd::bulk::decompress(&batch.rows, 10_000).unwrap(), dull);
        fill(&mut batch, dull.clone(), false).unwrap();
        assert_eq!((batch.compression(), &batch.rows), (Compression::None, &dull));
        let noise: Vec<u8> = (0..10_000_u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        fill(&mut batch, noise.clone().into(), true).unwrap();
        assert_eq!(batch.rows_size as usize, noise.len());
    }
}
