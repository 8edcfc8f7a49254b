//! Marks as rows of a table.

use haversack_engine::ids::{EntityNumber, History, Lsn, Position};
use rusqlite::{Connection, OptionalExtension, Row};

use super::failed;
use crate::{Mark, Stage, StagingError};

const COPYING: i64 = 1;
const SWEEPING: i64 = 2;
const FOLLOWING: i64 = 3;

/// An entity's mark, if it has one.
pub(super) fn read(connection: &Connection, entity: EntityNumber) -> Result<Option<Mark>, StagingError> {
    let sql = "SELECT source, lsn, sweep_end, stage, next, history FROM marks WHERE entity = ?1";
    let read = |row: &Row<'_>| {
        let mark = Mark {
            source: row.get(0)?,
            at: Position { lsn: Lsn(row.get::<_, i64>(1)? as u64), history: History(row.get::<_, i64>(5)? as u64) },
            sweep_end: row.get(2)?,
            stage: Stage::Following,
        };
        Ok((mark, row.get::<_, i64>(3)?, row.get(4)?))
    };
    let found = connection.prepare_cached(sql).and_then(|mut select| select.query_row([entity.0], read).optional());
    let Some((mark, stage, next)) = found.map_err(failed("reading a mark"))? else { return Ok(None) };
    let stage = match stage {
        COPYING => Stage::Copying { next },
        SWEEPING => Stage::Sweeping { next },
        FOLLOWING => Stage::Following,
        other => return Err(StagingError::Damaged(format!("a mark is in stage {other}"))),
    };
    Ok(Some(Mark { stage, ..mark }))
}

/// Replaces an entity's mark, or takes it away.
pub(super) fn write(connection: &Connection, entity: EntityNumber, mark: Option<Mark>) -> Result<(), StagingError> {
    let Some(mark) = mark else {
        let delete = connection.prepare_cached("DELETE FROM marks WHERE entity = ?1");
        return delete.and_then(|mut delete| delete.execute([entity.0])).map(drop).map_err(failed("deleting a mark"));
    };
    let sql = "INSERT OR REPLACE INTO marks (entity, source, lsn, sweep_end, stage, next, history)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (stage, next) = match mark.stage {
        Stage::Copying { next } => (COPYING, next),
        Stage::Sweeping { next } => (SWEEPING, next),
        Stage::Following => (FOLLOWING, 0),
    };
    let Position { lsn, history } = mark.at;
    let values = (entity.0, mark.source, lsn.0 as i64, mark.sweep_end, stage, next, history.0 as i64);
    let written = connection.prepare_cached(sql).and_then(|mut replace| replace.execute(values));
    written.map(drop).map_err(failed("writing a mark"))
}
