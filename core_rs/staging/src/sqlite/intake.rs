//! Positions in sources outside, versions of rows, and full reads under way, as rows of tables.

use haversack_engine::ids::{EntityNumber, Ordinal};
use rusqlite::{Connection, OptionalExtension, Row};

use super::snapshot::row_id;
use super::{failed, first_key, key_of, split_key};
use crate::{Pass, RowId, StagingError};

const POSITIONS: &str = "keeping a source's position";
const PASSES: &str = "keeping a full read of a source";
const SWEEPING: &str = "looking for rows that a source no longer has";

const SET_POSITION: &str = "INSERT INTO positions (entity, position) VALUES (?1, ?2)
    ON CONFLICT (entity) DO UPDATE SET position = excluded.position WHERE position <> excluded.position";

const MEET: &str = "INSERT INTO seen (row_key)
    SELECT row_key FROM rows WHERE entity = ?1 AND id = ?2 AND row_key >= ?3 AND row_key < ?4
    ON CONFLICT DO NOTHING";

/// Goes through the rows as they lie; a row that was met is found in `seen` at the same place.
const WALK: &str = "SELECT row_key, id, deleted, EXISTS (SELECT 1 FROM seen WHERE seen.row_key = rows.row_key)
    FROM rows NOT INDEXED WHERE row_key >= ?1 AND row_key < ?2 ORDER BY row_key LIMIT ?3";

/// How far an entity follows its source.
pub(super) fn position(connection: &Connection, entity: EntityNumber) -> Result<Option<Vec<u8>>, StagingError> {
    let sql = "SELECT position FROM positions WHERE entity = ?1";
    let found =
        connection.prepare_cached(sql).and_then(|mut select| select.query_row([entity.0], |row| row.get(0)).optional());
    found.map_err(failed(POSITIONS))
}

/// Replaces or forgets a position; returns whether it was another one.
pub(super) fn set_position(
    connection: &Connection,
    entity: EntityNumber,
    position: Option<&[u8]>,
) -> Result<bool, StagingError> {
    let changed = match position {
        Some(position) => connection.prepare_cached(SET_POSITION).and_then(|mut set| set.execute((entity.0, position))),
        None => connection
            .prepare_cached("DELETE FROM positions WHERE entity = ?1")
            .and_then(|mut delete| delete.execute([entity.0])),
    };
    Ok(changed.map_err(failed(POSITIONS))? > 0)
}

/// What its source calls the version of a row.
pub(super) fn etag(connection: &Connection, entity: EntityNumber, id: &RowId) -> Result<Option<String>, StagingError> {
    let sql = "SELECT etag FROM rows WHERE entity = ?1 AND id = ?2 AND deleted = 0";
    let found = connection
        .prepare_cached(sql)
        .and_then(|mut select| select.query_row((entity.0, id), |row| row.get::<_, Option<String>>(0)).optional());
    Ok(found.map_err(failed("reading a row's version"))?.flatten())
}

/// Gives a row another version and leaves the rest of it.
pub(super) fn set_etag(connection: &Connection, row_key: i64, etag: Option<&str>) -> Result<(), StagingError> {
    let sql = "UPDATE rows SET etag = ?2 WHERE row_key = ?1";
    let written = connection.prepare_cached(sql).and_then(|mut update| update.execute((row_key, etag)));
    written.map(drop).map_err(failed("writing a row's version"))
}

/// An entity's pass under way.
pub(super) fn pass(connection: &Connection, entity: EntityNumber) -> Result<Option<Pass>, StagingError> {
    let sql = "SELECT sweep_end, next FROM passes WHERE entity = ?1";
    let read = |row: &Row<'_>| Ok(Pass { sweep_end: row.get(0)?, next: row.get(1)? });
    let found = connection.prepare_cached(sql).and_then(|mut select| select.query_row([entity.0], read).optional());
    found.map_err(failed(PASSES))
}

/// Replaces or ends an entity's pass.
pub(super) fn set_pass(connection: &Connection, entity: EntityNumber, pass: Option<Pass>) -> Result<(), StagingError> {
    let written = match pass {
        Some(pass) => connection
            .prepare_cached("INSERT OR REPLACE INTO passes (entity, sweep_end, next) VALUES (?1, ?2, ?3)")
            .and_then(|mut replace| replace.execute((entity.0, pass.sweep_end, pass.next))),
        None => connection
            .prepare_cached("DELETE FROM passes WHERE entity = ?1")
            .and_then(|mut delete| delete.execute([entity.0])),
    };
    written.map(drop).map_err(failed(PASSES))
}

/// Marks those of the rows as met that the sweep has yet to pass.
pub(super) fn meet(
    connection: &Connection,
    entity: EntityNumber,
    pass: Pass,
    ids: &[&RowId],
) -> Result<(), StagingError> {
    let (first, end) = (key_of(entity, pass.next), key_of(entity, pass.sweep_end));
    let mut insert = connection.prepare_cached(MEET).map_err(failed(PASSES))?;
    for id in ids {
        insert.execute((entity.0, id, first, end)).map_err(failed(PASSES))?;
    }
    Ok(())
}

/// Rows alive among the next ones that were not met, and where the sweep goes on; `None` at its end.
pub(super) fn unmet(
    connection: &Connection,
    entity: EntityNumber,
    pass: Pass,
    rows_max: usize,
) -> Result<(Vec<RowId>, Option<Ordinal>), StagingError> {
    let (first, end) = (key_of(entity, pass.next), key_of(entity, pass.sweep_end));
    let limit = i64::try_from(rows_max).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(WALK).map_err(failed(SWEEPING))?;
    let mut rows = select.query((first, end, limit)).map_err(failed(SWEEPING))?;
    let (mut unmet, mut walked, mut last) = (Vec::new(), 0, first);
    while let Some(row) = rows.next().map_err(failed(SWEEPING))? {
        walked += 1;
        last = row.get(0).map_err(failed(SWEEPING))?;
        let (deleted, met): (bool, bool) =
            row.get(2).and_then(|deleted| Ok((deleted, row.get(3)?))).map_err(failed(SWEEPING))?;
        if !deleted && !met {
            unmet.push(row_id(row.get_ref(1).map_err(failed(SWEEPING))?)?);
        }
    }
    let next = split_key(last).1.saturating_add(1);
    Ok((unmet, (walked == rows_max && next < pass.sweep_end).then_some(next)))
}

/// Forgets which rows below an ordinal were met.
pub(super) fn forget_met(connection: &Connection, entity: EntityNumber, end: Ordinal) -> Result<(), StagingError> {
    let sql = "DELETE FROM seen WHERE row_key >= ?1 AND row_key < ?2";
    let range = (first_key(entity), key_of(entity, end));
    let deleted = connection.prepare_cached(sql).and_then(|mut delete| delete.execute(range));
    deleted.map(drop).map_err(failed(PASSES))
}
