//! The queue of mutations for a source, and settlements, as rows of tables.

use std::ops::ControlFlow;

use haversack_engine::ids::{EntityNumber, Lsn};
use haversack_proto::sync::{Mutation, MutationKind};
use prost::Message;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::failed;
use super::ledger;
use super::snapshot::row_id;
use crate::queue::{Dependant, InTurn, Passing, QueueStanding, Queued, Repeat, Turn};
use crate::{Effect, Entry, LedgerPlace, Origin, Recorded, Resolution, RowId, Settlements, StagingError};

const READING: &str = "reading the queue for the source";
const WRITING: &str = "writing the queue for the source";

const ENQUEUE: &str = "INSERT INTO queue (place, install, user, number, entity, id, kind, judged_at_us, depends_on,
        mutation, effect, old, etag, policy, repeat, otherwise, source)
    SELECT place, install, user, number, entity, id, kind, received_at_us, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
        CASE WHEN ?12 = x'' THEN (SELECT source FROM queue_state) ELSE ?12 END
    FROM mutations WHERE install = ?1 AND user = ?2 AND number = ?3";

/// In the order of [`in_turn`].
const IN_TURN: &str = "SELECT turn, place, install, user, number, mutation, effect, old, etag, policy, repeat, otherwise, source FROM queue";

/// Puts what waits for an entry at the end.
pub(super) fn enqueue(connection: &Connection, origin: &Origin, queued: &Queued) -> Result<(), StagingError> {
    let mutation = Mutation::decode(&queued.mutation[..])
        .map_err(|error| StagingError::Damaged(format!("a mutation that is to be queued: {error}")))?;
    let depends_on: Vec<u8> = mutation.depends_on.iter().flat_map(|number| number.to_be_bytes()).collect();
    let values = rusqlite::params![
        origin.install,
        origin.user,
        origin.number as i64,
        depends_on,
        queued.mutation,
        queued.effect.encode_to_vec(),
        queued.old,
        queued.etag,
        queued.policy,
        queued.repeat.number(),
        queued.otherwise,
        queued.source,
    ];
    let written = connection.prepare_cached(ENQUEUE).and_then(|mut insert| insert.execute(values));
    written.map(drop).map_err(failed(WRITING))
}

/// What waits for a row.
pub(super) fn of_row(connection: &Connection, entity: EntityNumber, id: &RowId) -> Result<Vec<InTurn>, StagingError> {
    all(connection, &format!("{IN_TURN} WHERE entity = ?1 AND id = ?2 ORDER BY turn"), (entity.0, id))
}

/// What waits under a place of the ledger.
pub(super) fn at(connection: &Connection, place: LedgerPlace) -> Result<Option<InTurn>, StagingError> {
    Ok(all(connection, &format!("{IN_TURN} WHERE place = ?1"), [place.0 as i64])?.pop())
}

/// What waits of an install and user and depends on others.
pub(super) fn dependants(connection: &Connection, origin: &Origin) -> Result<Vec<Dependant>, StagingError> {
    let sql = "SELECT place, depends_on FROM queue
        WHERE install = ?1 AND user = ?2 AND length(depends_on) > 0 ORDER BY turn";
    let read = |row: &Row<'_>| {
        Ok(Dependant {
            place: LedgerPlace(row.get::<_, i64>(0)? as u64),
            depends_on: numbers(&row.get::<_, Vec<u8>>(1)?),
        })
    };
    let act = || -> rusqlite::Result<Vec<Dependant>> {
        connection.prepare_cached(sql)?.query_map((origin.install, origin.user), read)?.collect()
    };
    act().map_err(failed(READING))
}

/// How many wait for a row.
pub(super) fn count(connection: &Connection, entity: EntityNumber, id: &RowId) -> Result<u64, StagingError> {
    let sql = "SELECT count(*) FROM queue WHERE entity = ?1 AND id = ?2";
    let act = || connection.prepare_cached(sql)?.query_row((entity.0, id), |row| row.get::<_, i64>(0));
    act().map(|count| count as u64).map_err(failed(READING))
}

/// Whose mutation waits for a row at a turn, and the turn before it.
pub(super) fn turn(
    connection: &Connection,
    entity: EntityNumber,
    id: &RowId,
    turn: Turn,
) -> Result<Option<(Origin, Option<Turn>)>, StagingError> {
    let sql = "SELECT install, user, number,
            (SELECT max(turn) FROM queue WHERE entity = ?1 AND id = ?2 AND turn < ?3)
        FROM queue WHERE turn = ?3 AND entity = ?1 AND id = ?2";
    let read = |row: &Row<'_>| Ok((origin(row, 0)?, row.get::<_, Option<i64>>(3)?.map(|turn| Turn(turn as u64))));
    let act = || connection.prepare_cached(sql)?.query_row((entity.0, id, turn.0 as i64), read).optional();
    act().map_err(failed(READING))
}

/// Looks at entries in turn.
pub(super) fn pass(
    connection: &Connection,
    visit: &mut dyn FnMut(Passing) -> ControlFlow<()>,
) -> Result<(), StagingError> {
    let sql = "SELECT turn, place, install, user, number, entity, id, kind, depends_on FROM queue ORDER BY turn";
    let mut select = connection.prepare_cached(sql).map_err(failed(READING))?;
    let mut rows = select.query([]).map_err(failed(READING))?;
    while let Some(row) = rows.next().map_err(failed(READING))? {
        let id = row_id(row.get_ref(6).map_err(failed(READING))?)?;
        if visit(passing(row, id).map_err(failed(READING))?).is_break() {
            break;
        }
    }
    Ok(())
}

/// Replaces what an entry was judged by.
pub(super) fn judged_by(connection: &Connection, turn: Turn, old: &[u8]) -> Result<(), StagingError> {
    let sql = "UPDATE queue SET old = ?2 WHERE turn = ?1";
    let written = connection.prepare_cached(sql).and_then(|mut update| update.execute((turn.0 as i64, old)));
    written.map(drop).map_err(failed(WRITING))
}

/// Says anew whether the source may have an entry.
pub(super) fn is_repeat(connection: &Connection, turn: Turn, repeat: Repeat) -> Result<(), StagingError> {
    let sql = "UPDATE queue SET repeat = ?2 WHERE turn = ?1";
    let values = (turn.0 as i64, repeat.number());
    let written = connection.prepare_cached(sql).and_then(|mut update| update.execute(values));
    written.map(drop).map_err(failed(WRITING))
}

/// The source may have whatever waits, and whatever was refused: the database is an earlier one.
pub(super) fn doubt(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE queue SET repeat = ?1 WHERE repeat < ?1", [Repeat::Sent.number()])?;
    connection.execute("UPDATE queue_state SET doubted = (SELECT ifnull(max(place), 0) FROM mutations)", []).map(drop)
}

/// Whether the ledger had a place when the epoch began.
pub(super) fn is_doubted(connection: &Connection, place: LedgerPlace) -> Result<bool, StagingError> {
    let sql = "SELECT doubted >= ?1 FROM queue_state";
    let found =
        connection.prepare_cached(sql).and_then(|mut select| select.query_row([place.0 as i64], |row| row.get(0)));
    found.map_err(failed(READING))
}

/// Takes back what an entry is to do, and says what it is answered if the source has not done it.
pub(super) fn refuse_unless_made(connection: &Connection, turn: Turn, answer: &[u8]) -> Result<(), StagingError> {
    let sql = "UPDATE queue SET otherwise = ?2, effect = x'', old = x'' WHERE turn = ?1";
    let written = connection.prepare_cached(sql).and_then(|mut update| update.execute((turn.0 as i64, answer)));
    written.map(drop).map_err(failed(WRITING))
}

/// Makes an entry of the ledger final.
pub(super) fn settle(connection: &Connection, place: LedgerPlace, entry: &Entry) -> Result<(), StagingError> {
    ledger::amend(connection, place, entry)?;
    let act = || -> rusqlite::Result<()> {
        connection.prepare_cached("DELETE FROM queue WHERE place = ?1")?.execute([place.0 as i64])?;
        let draw = "UPDATE mutations SET settled =
            (SELECT ifnull(max(settled), 0) + 1 FROM mutations WHERE settled IS NOT NULL) WHERE place = ?1";
        connection.prepare_cached(draw)?.execute([place.0 as i64]).map(drop)
    };
    act().map_err(failed(WRITING))
}

/// Whether some entry's change drew an LSN.
pub(super) fn has_drawn(connection: &Connection, lsn: Lsn) -> Result<bool, StagingError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM mutations WHERE lsn = ?1 AND lsn > 0)";
    let found =
        connection.prepare_cached(sql).and_then(|mut select| select.query_row([lsn.0 as i64], |row| row.get(0)));
    found.map_err(failed(READING))
}

/// Places of what was accepted for another source.
pub(super) fn replaced(connection: &Connection, every: bool, at_most: usize) -> Result<Vec<LedgerPlace>, StagingError> {
    let sql = "SELECT place FROM queue
        WHERE ?1 OR source NOT IN (x'', (SELECT source FROM queue_state)) ORDER BY turn LIMIT ?2";
    let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
    let read = |row: &Row<'_>| row.get::<_, i64>(0).map(|place| LedgerPlace(place as u64));
    let act = || -> rusqlite::Result<Vec<LedgerPlace>> {
        connection.prepare_cached(sql)?.query_map((every, limit), read)?.collect()
    };
    act().map_err(failed(READING))
}

/// The source that mutations are accepted for.
pub(super) fn source(connection: &Connection) -> Result<Vec<u8>, StagingError> {
    let sql = "SELECT source FROM queue_state";
    let found = connection.prepare_cached(sql).and_then(|mut select| select.query_row([], |row| row.get(0)));
    found.map_err(failed(READING))
}

/// Accepts mutations for another source.
pub(super) fn bind(connection: &Connection, source: &[u8]) -> Result<(), StagingError> {
    let sql = "UPDATE queue_state SET source = ?1";
    let written = connection.prepare_cached(sql).and_then(|mut update| update.execute([source]));
    written.map(drop).map_err(failed(WRITING))
}

/// How the queue stands.
pub(super) fn standing(connection: &Connection) -> Result<QueueStanding, StagingError> {
    let sql = "SELECT writes, bytes, (SELECT ifnull(min(judged_at_us), 0) FROM queue) FROM queue_state";
    let read = |row: &Row<'_>| {
        let (waiting, bytes) = (row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64);
        Ok(QueueStanding { waiting, bytes, oldest_at_us: row.get(2)? })
    };
    let found = connection.prepare_cached(sql).and_then(|mut select| select.query_row([], read));
    found.map_err(failed(READING))
}

/// The last settlement; 0 if there was none.
pub(super) fn last_settlement(connection: &Connection) -> Result<u64, StagingError> {
    let sql = "SELECT ifnull(max(settled), 0) FROM mutations WHERE settled IS NOT NULL";
    let found = connection.prepare_cached(sql).and_then(|mut select| select.query_row([], |row| row.get::<_, i64>(0)));
    found.map(|last| last as u64).map_err(failed(READING))
}

/// Whose mutations were settled after a settlement, and the last settlement among them.
pub(super) fn settled_after(
    connection: &Connection,
    after: u64,
    at_most: usize,
) -> Result<(Vec<Origin>, u64), StagingError> {
    let sql = "SELECT settled, install, user, number FROM mutations WHERE settled > ?1 ORDER BY settled LIMIT ?2";
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)? as u64, origin(row, 1)?));
    let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(sql).map_err(failed(READING))?;
    let rows = select.query_map((after as i64, limit), read).map_err(failed(READING))?;
    let found: Vec<(u64, Origin)> = rows.collect::<Result<_, _>>().map_err(failed(READING))?;
    let last = found.last().map_or(after, |(settled, _)| *settled);
    Ok((found.into_iter().map(|(_, origin)| origin).collect(), last))
}

/// What was settled of an install and user after a settlement, in order, but for what is withdrawn: nobody waits for it.
pub(super) fn settlements(
    connection: &Connection,
    of: &Origin,
    after: u64,
    at_most: usize,
) -> Result<Settlements, StagingError> {
    let sql = "SELECT settled, place, hash, outcome, lsn, answer FROM mutations
        WHERE install = ?1 AND user = ?2 AND settled > ?3 AND resolution <> ?5 ORDER BY settled LIMIT ?4";
    let read = |row: &Row<'_>| {
        let recorded = Recorded {
            place: LedgerPlace(row.get::<_, i64>(1)? as u64),
            hash: row.get(2)?,
            outcome: row.get(3)?,
            lsn: Lsn(row.get::<_, i64>(4)? as u64),
            answer: row.get(5)?,
        };
        Ok((row.get::<_, i64>(0)? as u64, recorded))
    };
    let (limit, withdrawn) = (i64::try_from(at_most).unwrap_or(i64::MAX), Resolution::Withdrawn.number());
    let mut select = connection.prepare_cached(sql).map_err(failed(READING))?;
    let rows =
        select.query_map((of.install, of.user, after as i64, limit, withdrawn), read).map_err(failed(READING))?;
    let found: Vec<(u64, Recorded)> = rows.collect::<Result<_, _>>().map_err(failed(READING))?;
    let last = found.last().map_or(after, |(settled, _)| *settled);
    Ok(Settlements { recorded: found.into_iter().map(|(_, recorded)| recorded).collect(), last })
}

fn all(connection: &Connection, sql: &str, values: impl Params) -> Result<Vec<InTurn>, StagingError> {
    let mut select = connection.prepare_cached(sql).map_err(failed(READING))?;
    let mut rows = select.query(values).map_err(failed(READING))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed(READING))? {
        let (it, effect, repeat) = in_turn(row).map_err(failed(READING))?;
        let effect = Effect::decode(&effect[..])
            .map_err(|error| StagingError::Damaged(format!("a queued effect cannot be read: {error}")))?;
        found.push(InTurn { queued: Queued { effect, repeat: Repeat::of(repeat)?, ..it.queued }, ..it });
    }
    Ok(found)
}

/// An entry without its effect and whether it is a repeat, the bytes of the one and the number of the other.
fn in_turn(row: &Row<'_>) -> rusqlite::Result<(InTurn, Vec<u8>, i32)> {
    let queued = Queued {
        mutation: row.get(5)?,
        effect: Effect::default(),
        old: row.get(7)?,
        etag: row.get(8)?,
        policy: row.get(9)?,
        repeat: Repeat::No,
        otherwise: row.get(11)?,
        source: row.get(12)?,
    };
    let (turn, place) = (Turn(row.get::<_, i64>(0)? as u64), LedgerPlace(row.get::<_, i64>(1)? as u64));
    Ok((InTurn { turn, place, origin: origin(row, 2)?, queued }, row.get(6)?, row.get(10)?))
}

fn passing(row: &Row<'_>, id: RowId) -> rusqlite::Result<Passing> {
    let depends_on: Vec<u8> = row.get(8)?;
    Ok(Passing {
        turn: Turn(row.get::<_, i64>(0)? as u64),
        place: LedgerPlace(row.get::<_, i64>(1)? as u64),
        origin: origin(row, 2)?,
        entity: EntityNumber(row.get(5)?),
        id,
        deletes: row.get::<_, i32>(7)? == MutationKind::Delete as i32,
        depends_on: numbers(&depends_on),
    })
}

/// Numbers of eight bytes each.
fn numbers(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect()
}

/// The origin in three columns from `first` on.
fn origin(row: &Row<'_>, first: usize) -> rusqlite::Result<Origin> {
    let number = row.get::<_, i64>(first + 2)? as u64;
    Ok(Origin { install: row.get(first)?, user: row.get(first + 1)?, number })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failure of the database fails the test")]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::tables::{ADDED, INDEXES, TABLES};
    use super::*;

    const DEVICES: i64 = 20;

    /// A queue of this many mutations of as many rows, but for one row that ten of them are of.
    fn filled(writes: i64) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&format!("{TABLES} {INDEXES}")).unwrap();
        for (_, tables) in ADDED {
            connection.execute_batch(tables).unwrap();
        }
        let fill = format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {writes})
            INSERT INTO queue (place, install, user, number, entity, id, kind, judged_at_us, depends_on,
                mutation, effect, old, policy)
            SELECT n, unhex(printf('%032x', n % {DEVICES})), zeroblob(16), n, 1,
                unhex(printf('%032x', CASE WHEN n % ({writes} / 10) = 0 THEN 0 ELSE n END)), 2, n,
                CASE n WHEN 1 THEN x'0000000000000007' ELSE x'' END, x'01', x'', x'', 1 FROM n"
        );
        connection.execute_batch(&fill).unwrap();
        connection.execute_batch("ANALYZE").unwrap();
        connection
    }

    /// Instructions of SQLite that each look takes.
    fn steps(writes: i64) -> Vec<u64> {
        let mut connection = filled(writes);
        let taken = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&taken);
        let step = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            false
        };
        connection.progress_handler(1, Some(step)).unwrap();
        let row = RowId::Uuid([0; 16]);
        let origin = |device: u8| {
            let mut install = [0; 16];
            install[15] = device;
            Origin { install, user: [0; 16], number: 0 }
        };
        let looks: [&dyn Fn() -> u64; 7] = [
            &|| standing(&connection).unwrap().waiting.min(1),
            &|| of_row(&connection, EntityNumber(1), &row).unwrap().len() as u64,
            &|| count(&connection, EntityNumber(1), &row).unwrap(),
            &|| u64::from(turn(&connection, EntityNumber(1), &row, Turn(writes as u64)).unwrap().unwrap().1.is_some()),
            &|| dependants(&connection, &origin(1)).unwrap().len() as u64,
            &|| dependants(&connection, &origin(2)).unwrap().len() as u64 + 1,
            &|| u64::from(at(&connection, LedgerPlace(7)).unwrap().is_some()),
        ];
        let expected = [1, 10, 10, 1, 1, 1, 1];
        let found = looks.iter().zip(expected).map(|(look, expected)| {
            assert_eq!(look(), expected);
            taken.store(0, Ordering::Relaxed);
            look();
            taken.load(Ordering::Relaxed)
        });
        found.collect()
    }

    #[test]
    fn a_look_costs_the_same_however_much_waits() {
        let (few, many) = (steps(100), steps(100_000));
        for (at, (few, many)) in few.iter().zip(&many).enumerate() {
            assert!(*many <= few * 2 + 20, "look {at} took {many} instructions, and {few} where little waited");
        }
    }
}
