//! The floor under reading rows: SELECT of all payloads of an entity, by SQLite alone, into one buffer.
//!
//! ```text
//! bench_select STAGING_FILE ENTITY_NUMBER
//! ```
//!
//! Does one SELECT for every line of standard input, and prints a JSON line for each.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

/// What the staging database reads through a memory map, in bytes; the same here.
const MMAP_BYTES_MAX: i64 = 1 << 30;

const SELECT: &str = "SELECT row_key, lsn, payload FROM rows WHERE row_key BETWEEN ?1 AND ?2 AND deleted = 0";

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(file), Some(entity)) = (words.next(), words.next()) else {
        return Err("say which staging file and which entity number".into());
    };
    let entity: i64 = entity.parse()?;
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "mmap_size", MMAP_BYTES_MAX)?;
    let mut select = connection.prepare(SELECT)?;
    let mut payloads: Vec<u8> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        line?;
        payloads.clear();
        let started = Instant::now();
        let (mut rows, mut lsns) = (0_u64, 0_i64);
        let mut found = select.query((entity << 32, (entity << 32) | i64::from(u32::MAX)))?;
        while let Some(row) = found.next()? {
            rows += 1;
            lsns = lsns.max(row.get::<_, i64>(1)?);
            payloads.extend_from_slice(row.get_ref(2)?.as_blob()?);
        }
        let seconds = started.elapsed().as_secs_f64();
        let mut out = std::io::stdout().lock();
        let report = json!({"rows": rows, "bytes": payloads.len(), "newest": lsns, "seconds": seconds});
        writeln!(out, "{report}")?;
        out.flush()?;
    }
    Ok(())
}
