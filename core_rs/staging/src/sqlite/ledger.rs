//! The ledger as rows of a table.

use haversack_engine::ids::{EntityNumber, Lsn};
use haversack_proto::sync::MutationOutcome;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::failed;
use super::snapshot::row_id;
use crate::{Earlier, Effect, Entry, LedgerPlace, Origin, Recorded, Resolution, RowId, StagingError, Unwritten};

const READING: &str = "reading the ledger";
const WRITING: &str = "writing the ledger";

/// Bytes of mutations and effects after which a read ends, with fewer entries than it may have.
const READ_BYTES_MAX: usize = 4 << 20;

const FIND: &str = "SELECT place, hash, outcome, lsn, answer FROM mutations
    WHERE install = ?1 AND user = ?2 AND number = ?3";

const INSERT: &str =
    "INSERT INTO mutations (install, user, number, hash, entity, id, kind, outcome, before, lsn, answer,
        written_at_us, received_at_us, resolution, mutation, effect)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
    ON CONFLICT (install, user, number) DO NOTHING";

const AMEND: &str = "UPDATE mutations SET outcome = ?2, before = ?3, lsn = ?4, answer = ?5, resolution = ?6,
    mutation = ?7, effect = ?8 WHERE place = ?1";

/// A queued one may have been refused before, and retried.
const WITHDRAW: &str = "UPDATE mutations SET resolution = ?4 WHERE install = ?1 AND user = ?2 AND number = ?3
    AND resolution <> ?4 AND (outcome = ?5 OR (mutation IS NOT NULL AND resolution = 0))";

const OWN_CHANGE: &str = "SELECT before FROM mutations WHERE lsn = ?3 AND install = ?1 AND user = ?2";

const REFUSED_BEFORE: &str = "SELECT number, mutation FROM mutations
    WHERE install = ?1 AND user = ?2 AND entity = ?3 AND id = ?4 AND number < ?5 AND mutation IS NOT NULL
        AND resolution <> 1
    ORDER BY number DESC LIMIT ?6";

/// In the order of [`entry_of`].
const ENTRY: &str = "SELECT place, install, user, number, hash, entity, id, kind, outcome, before, lsn, answer,
    written_at_us, received_at_us, resolution, mutation, effect FROM mutations";

/// What became of a mutation.
pub(super) fn find(connection: &Connection, origin: &Origin) -> Result<Option<Recorded>, StagingError> {
    let read = |row: &Row<'_>| {
        Ok(Recorded {
            place: LedgerPlace(row.get::<_, i64>(0)? as u64),
            hash: row.get(1)?,
            outcome: row.get(2)?,
            lsn: Lsn(row.get::<_, i64>(3)? as u64),
            answer: row.get(4)?,
        })
    };
    let values = (origin.install, origin.user, origin.number as i64);
    let found = connection.prepare_cached(FIND).and_then(|mut select| select.query_row(values, read).optional());
    found.map_err(failed(READING))
}

/// Enters an entry, unless there is one of its origin; returns whether it did.
pub(super) fn insert(connection: &Connection, entry: &Entry) -> Result<bool, StagingError> {
    let Origin { install, user, number } = entry.origin;
    let effect = entry.effect.as_ref().map(Message::encode_to_vec);
    let values = rusqlite::params![
        install,
        user,
        number as i64,
        entry.hash,
        entry.entity.0,
        entry.id,
        entry.kind,
        entry.outcome,
        entry.before.0 as i64,
        entry.lsn.0 as i64,
        entry.answer,
        entry.written_at_us,
        entry.received_at_us,
        entry.resolution.number(),
        entry.mutation,
        effect,
    ];
    let inserted = connection.prepare_cached(INSERT).and_then(|mut insert| insert.execute(values));
    Ok(inserted.map_err(failed(WRITING))? > 0)
}

/// Replaces what became of a mutation.
pub(super) fn amend(connection: &Connection, place: LedgerPlace, entry: &Entry) -> Result<(), StagingError> {
    let effect = entry.effect.as_ref().map(Message::encode_to_vec);
    let values = rusqlite::params![
        place.0 as i64,
        entry.outcome,
        entry.before.0 as i64,
        entry.lsn.0 as i64,
        entry.answer,
        entry.resolution.number(),
        entry.mutation,
        effect,
    ];
    let amended = connection.prepare_cached(AMEND).and_then(|mut update| update.execute(values));
    amended.map(drop).map_err(failed(WRITING))
}

/// Says that a mutation was given up by its user, if it is refused and open, or queued; returns whether that is new.
pub(super) fn withdraw(connection: &Connection, origin: &Origin) -> Result<bool, StagingError> {
    let Origin { install, user, number } = origin;
    let (withdrawn, queued) = (Resolution::Withdrawn.number(), MutationOutcome::Queued as i32);
    let values = (install, user, *number as i64, withdrawn, queued);
    let updated = connection.prepare_cached(WITHDRAW).and_then(|mut update| update.execute(values));
    Ok(updated.map_err(failed(WRITING))? > 0)
}

/// The LSN before a change, if it was made by the install and user of `origin`.
pub(super) fn own_change(connection: &Connection, origin: &Origin, lsn: Lsn) -> Result<Option<Lsn>, StagingError> {
    let values = (origin.install, origin.user, lsn.0 as i64);
    let read = |row: &Row<'_>| Ok(Lsn(row.get::<_, i64>(0)? as u64));
    let found = connection.prepare_cached(OWN_CHANGE).and_then(|mut select| select.query_row(values, read).optional());
    found.map_err(failed(READING))
}

/// Refused mutations of a row, of lower numbers than that of `origin`.
pub(super) fn refused_before(
    connection: &Connection,
    origin: &Origin,
    entity: EntityNumber,
    id: &RowId,
    at_most: usize,
) -> Result<Vec<Earlier>, StagingError> {
    let values = (origin.install, origin.user, entity.0, id, origin.number as i64, limit(at_most));
    let read = |row: &Row<'_>| Ok(Earlier { number: row.get::<_, i64>(0)? as u64, mutation: row.get(1)? });
    let mut select = connection.prepare_cached(REFUSED_BEFORE).map_err(failed(READING))?;
    let rows = select.query_map(values, read).map_err(failed(READING))?;
    rows.collect::<Result<_, _>>().map_err(failed(READING))
}

/// Open entries of an install and user that are blocked.
pub(super) fn blocked_of(
    connection: &Connection,
    origin: &Origin,
    at_most: usize,
) -> Result<Vec<(LedgerPlace, Entry)>, StagingError> {
    let sql = format!(
        "{ENTRY} INDEXED BY mutations_refused_by_row WHERE install = ?1 AND user = ?2 AND mutation IS NOT NULL
            AND outcome = ?3 AND resolution = 0 ORDER BY place LIMIT ?4"
    );
    let values = (origin.install, origin.user, MutationOutcome::Blocked as i32, limit(at_most));
    entries(connection, &sql, values, READ_BYTES_MAX)
}

/// Whether any entry has an effect.
pub(super) fn any_unwritten(connection: &Connection) -> Result<bool, StagingError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM mutations INDEXED BY mutations_unwritten WHERE effect IS NOT NULL)";
    let any = connection.prepare_cached(sql).and_then(|mut select| select.query_row([], |row| row.get(0)));
    any.map_err(failed(READING))
}

/// Whether no more mutations are taken.
pub(super) fn is_closed(connection: &Connection) -> Result<bool, StagingError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM ledger_end)";
    let closed = connection.prepare_cached(sql).and_then(|mut select| select.query_row([], |row| row.get(0)));
    closed.map_err(failed(READING))
}

/// Takes no more mutations from now on.
pub(super) fn close(connection: &Connection) -> Result<(), StagingError> {
    let close = "INSERT INTO ledger_end VALUES (1) ON CONFLICT DO NOTHING";
    connection.execute(close, []).map(drop).map_err(failed("closing the ledger"))
}

/// The entries of a row that have effects.
pub(super) fn unwritten_of(
    connection: &Connection,
    entity: EntityNumber,
    id: &RowId,
) -> Result<Vec<Entry>, StagingError> {
    let sql = format!(
        "{ENTRY} INDEXED BY mutations_unwritten_by_row
         WHERE effect IS NOT NULL AND entity = ?1 AND id = ?2 ORDER BY place"
    );
    let entries = entries(connection, &sql, (entity.0, id), usize::MAX)?;
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

/// The first entries with effects.
pub(super) fn unwritten(connection: &Connection, at_most: usize) -> Result<Vec<Unwritten>, StagingError> {
    let sql = format!("{ENTRY} INDEXED BY mutations_unwritten WHERE effect IS NOT NULL ORDER BY place LIMIT ?1");
    let entries = entries(connection, &sql, [limit(at_most)], READ_BYTES_MAX)?;
    Ok(entries.into_iter().map(|(place, entry)| Unwritten { place, entry }).collect())
}

/// Entries of refused mutations behind a place.
pub(super) fn refused(
    connection: &Connection,
    after: LedgerPlace,
    at_most: usize,
) -> Result<Vec<(LedgerPlace, Entry)>, StagingError> {
    let sql = format!(
        "{ENTRY} INDEXED BY mutations_refused WHERE mutation IS NOT NULL AND place > ?1 ORDER BY place LIMIT ?2"
    );
    entries(connection, &sql, (after.0 as i64, limit(at_most)), READ_BYTES_MAX)
}

/// Entries behind a place.
pub(super) fn page(
    connection: &Connection,
    after: LedgerPlace,
    at_most: usize,
) -> Result<Vec<(LedgerPlace, Entry)>, StagingError> {
    let sql = format!("{ENTRY} WHERE place > ?1 ORDER BY place LIMIT ?2");
    entries(connection, &sql, (after.0 as i64, limit(at_most)), READ_BYTES_MAX)
}

/// One entry.
pub(super) fn entry(connection: &Connection, place: LedgerPlace) -> Result<Option<Entry>, StagingError> {
    let found = entries(connection, &format!("{ENTRY} WHERE place = ?1"), [place.0 as i64], READ_BYTES_MAX)?;
    Ok(found.into_iter().next().map(|(_, entry)| entry))
}

/// Forgets the effects of entries.
pub(super) fn forget_effects(connection: &Connection, places: &[LedgerPlace]) -> Result<(), StagingError> {
    let sql = "UPDATE mutations SET effect = NULL WHERE place = ?1";
    let mut update = connection.prepare_cached(sql).map_err(failed(WRITING))?;
    for place in places {
        update.execute([place.0 as i64]).map_err(failed(WRITING))?;
    }
    Ok(())
}

fn limit(at_most: usize) -> i64 {
    i64::try_from(at_most).unwrap_or(i64::MAX)
}

fn entries(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    bytes_max: usize,
) -> Result<Vec<(LedgerPlace, Entry)>, StagingError> {
    let mut select = connection.prepare_cached(sql).map_err(failed(READING))?;
    let mut rows = select.query(values).map_err(failed(READING))?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(failed(READING))? {
        let id = row_id(row.get_ref(6).map_err(failed(READING))?)?;
        let (place, entry, resolution) = entry_of(row, id).map_err(failed(READING))?;
        let effect: Option<Vec<u8>> = row.get(16).map_err(failed(READING))?;
        bytes += effect.as_ref().map_or(0, Vec::len) + entry.mutation.as_ref().map_or(0, Vec::len);
        let effect = effect.map(|bytes| Effect::decode(&bytes[..])).transpose();
        let effect = effect.map_err(|error| StagingError::Damaged(format!("an effect cannot be read: {error}")))?;
        found.push((place, Entry { effect, resolution: Resolution::of(resolution)?, ..entry }));
        if bytes >= bytes_max {
            break;
        }
    }
    Ok(found)
}

/// An entry without its effect and resolution, and the number of the latter.
fn entry_of(row: &Row<'_>, id: RowId) -> rusqlite::Result<(LedgerPlace, Entry, i32)> {
    let number = |column: usize| row.get::<_, i64>(column).map(|number| number as u64);
    let entry = Entry {
        origin: Origin { install: row.get(1)?, user: row.get(2)?, number: number(3)? },
        hash: row.get(4)?,
        entity: EntityNumber(row.get(5)?),
        id,
        kind: row.get(7)?,
        outcome: row.get(8)?,
        before: Lsn(number(9)?),
        lsn: Lsn(number(10)?),
        answer: row.get(11)?,
        written_at_us: row.get(12)?,
        received_at_us: row.get(13)?,
        resolution: Resolution::Open,
        mutation: row.get(15)?,
        effect: None,
    };
    Ok((LedgerPlace(number(0)?), entry, row.get(14)?))
}
