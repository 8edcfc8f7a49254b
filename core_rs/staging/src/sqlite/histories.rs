//! Histories as rows of a table: each begins with the first commit that a handle makes.

use haversack_engine::ids::{History, Lsn, Position};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{failed, read_head, schema};
use crate::StagingError;

const READING: &str = "reading histories";

/// Draws the number of a history.
pub(super) fn draw() -> Result<History, StagingError> {
    let mut bytes = [0; 8];
    schema::random(&mut bytes)?;
    Ok(History(u64::from_be_bytes(bytes).max(1)))
}

/// Begins a history with an LSN that the commit under way has drawn.
pub(super) fn begin(connection: &Connection, first: Position) -> rusqlite::Result<()> {
    let values = (first.lsn.0 as i64, first.history.0 as i64);
    connection.execute("INSERT INTO histories (lsn, history) VALUES (?1, ?2)", values).map(drop)
}

/// The history at an LSN, if the database has come to it.
pub(super) fn at(connection: &Connection, lsn: Lsn) -> Result<Option<History>, StagingError> {
    if lsn > read_head(connection)? {
        return Ok(None);
    }
    let sql = "SELECT history FROM histories WHERE lsn <= ?1 ORDER BY lsn DESC LIMIT 1";
    let read = |row: &Row<'_>| Ok(History(row.get::<_, i64>(0)? as u64));
    let found = connection.prepare_cached(sql).and_then(|mut select| select.query_row([lsn.0 as i64], read).optional());
    Ok(Some(found.map_err(failed(READING))?.unwrap_or_default()))
}

/// Where histories begin, behind an LSN.
pub(super) fn after(connection: &Connection, lsn: Lsn) -> Result<Vec<Position>, StagingError> {
    let sql = "SELECT lsn, history FROM histories WHERE lsn > ?1 ORDER BY lsn";
    let read = |row: &Row<'_>| {
        Ok(Position { lsn: Lsn(row.get::<_, i64>(0)? as u64), history: History(row.get::<_, i64>(1)? as u64) })
    };
    let mut select = connection.prepare_cached(sql).map_err(failed(READING))?;
    let rows = select.query_map([lsn.0 as i64], read).map_err(failed(READING))?;
    rows.collect::<Result<_, _>>().map_err(failed(READING))
}
