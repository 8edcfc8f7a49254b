//! The registry of devices as rows of a table.

use std::fmt::Write;

use haversack_engine::ids::Lsn;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params, params};

use super::{SqliteStaging, failed, read_head};
use crate::{
    About, Contact, DEVICES_KEPT_MAX, DEVICES_PAGE_MAX, DEVICES_PER_USER_MAX, DeviceCounts, DeviceFilter, DeviceKey,
    DevicePlace, DeviceRegistry, KnownDevice, Order, Orders, StagingError,
};

const READING: &str = "reading the registry of devices";
const WRITING: &str = "writing the registry of devices";

const HOUR_US: i64 = 3_600 * 1_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// In the order of [`device_of`] and [`orders_of`].
const DEVICE: &str = "SELECT block_reason, blocked_at_us, wipe_reason, wipe_ordered_us, offers_outbox, wiped_at_us,
    check_ordered_us, checked_at_us, install, user, name, app, client, report, stage, failed, first_seen_us,
    last_seen_us, checkpoint_lsn, checkpoint_at_us, full_syncs FROM devices";

const ORDERED: &str = "SELECT install, user FROM devices INDEXED BY devices_ordered
    WHERE standing > 1 OR checked_at_us < check_ordered_us";

const INSERT: &str = "INSERT INTO devices (block_reason, blocked_at_us, wipe_reason, wipe_ordered_us, offers_outbox,
        wiped_at_us, check_ordered_us, checked_at_us, install, user, name, app, client, report, stage, failed,
        first_seen_us, last_seen_us, checkpoint_lsn, checkpoint_at_us, full_syncs)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
    ON CONFLICT (install, user) DO NOTHING";

const NOTE: &str = "UPDATE devices SET name = :name, app = :app, client = :client,
        report = coalesce(:report, report), stage = coalesce(:stage, stage), failed = coalesce(:failed, failed),
        last_seen_us = max(last_seen_us, :seen_us), checkpoint_lsn = coalesce(:lsn, checkpoint_lsn),
        checkpoint_at_us = coalesce(:at_us, checkpoint_at_us), full_syncs = full_syncs + :full_syncs
    WHERE install = :install AND user = :user";

const SET_ORDERS: &str = "UPDATE devices SET block_reason = ?1, blocked_at_us = ?2, wipe_reason = ?3,
        wipe_ordered_us = ?4, offers_outbox = ?5, wiped_at_us = ?6, check_ordered_us = ?7, checked_at_us = ?8
    WHERE install = ?9 AND user = ?10";

/// The devices of a user without an order that have not called for longest, as many as there are too many.
const MAKE_ROOM_OF_USER: &str = "DELETE FROM devices WHERE rowid IN (
        SELECT rowid FROM devices WHERE user = ?1 AND standing = 1 ORDER BY last_seen_us
        LIMIT max(0, (SELECT count(*) FROM devices WHERE user = ?1) + 1 - ?2))";

/// Likewise among all.
const MAKE_ROOM: &str = "DELETE FROM devices WHERE rowid IN (
        SELECT rowid FROM devices WHERE standing = 1 ORDER BY last_seen_us
        LIMIT max(0, (SELECT count(*) FROM devices) - ?1))";

const COUNT: &str =
    "SELECT count(*), count(*) FILTER (WHERE last_seen_us > ?1), count(*) FILTER (WHERE last_seen_us > ?2),
        count(*) FILTER (WHERE failed), count(*) FILTER (WHERE standing = 2), count(*) FILTER (WHERE standing = 3),
        count(*) FILTER (WHERE standing = 4) FROM devices";

impl DeviceRegistry for SqliteStaging {
    fn orders(&self, key: &DeviceKey) -> Result<Orders, StagingError> {
        let reader = self.readers.begin()?;
        let sql = "SELECT block_reason, blocked_at_us, wipe_reason, wipe_ordered_us, offers_outbox, wiped_at_us,
            check_ordered_us, checked_at_us FROM devices WHERE install = ?1 AND user = ?2";
        let found = reader
            .prepare_cached(sql)
            .and_then(|mut select| select.query_row((key.install, key.user), orders_of).optional());
        Ok(found.map_err(failed(READING))?.unwrap_or_default())
    }

    fn ordered_since(&self, version: u64) -> Result<Option<(u64, Vec<DeviceKey>)>, StagingError> {
        let reader = self.readers.begin()?;
        let read = || {
            let mut select = reader.prepare_cached("SELECT version FROM device_orders")?;
            let now: i64 = select.query_row([], |row| row.get(0))?;
            if now as u64 == version {
                return Ok(None);
            }
            let mut select = reader.prepare_cached(ORDERED)?;
            let keys = select.query_map([], |row| Ok(DeviceKey { install: row.get(0)?, user: row.get(1)? }))?;
            Ok(Some((now as u64, keys.collect::<rusqlite::Result<_>>()?)))
        };
        read().map_err(failed(READING))
    }

    fn note(&self, contacts: &[Contact]) -> Result<(), StagingError> {
        self.register(|connection| {
            let mut is_any_new = false;
            for contact in contacts {
                is_any_new |= !note_known(connection, contact)? && enter(connection, contact)?;
            }
            if is_any_new {
                connection.prepare_cached(MAKE_ROOM)?.execute([DEVICES_KEPT_MAX as i64])?;
            }
            Ok(())
        })
    }

    fn order(
        &self,
        install: [u8; 16],
        user: Option<[u8; 16]>,
        order: &Order,
        now_us: i64,
    ) -> Result<Vec<KnownDevice>, StagingError> {
        let filter = DeviceFilter { install: Some(install), user, ..DeviceFilter::default() };
        let ordered = self.register(|connection| {
            if connection.query_row("SELECT EXISTS (SELECT 1 FROM ledger_end)", [], |row| row.get(0))? {
                return Ok(Err(StagingError::Closed));
            }
            let known = select(connection, &filter, None, DEVICES_PAGE_MAX)?;
            if known.is_empty() {
                return Ok(Err(StagingError::DeviceUnknown(hexadecimal(&install))));
            }
            let mut ordered = Vec::new();
            for KnownDevice { key, mut about } in known {
                let Some(orders) = about.orders.after(order, now_us) else { continue };
                about.orders = orders;
                carry_out(connection, &key, order, &about.orders)?;
                ordered.push(KnownDevice { key, about });
            }
            if ordered.is_empty() {
                return Ok(Err(StagingError::OrderImpossible(order.needs())));
            }
            connection.execute("UPDATE device_orders SET version = version + 1", [])?;
            Ok(Ok(ordered))
        })??;
        self.tell(read_head(&*self.readers.begin()?)?);
        Ok(ordered)
    }

    fn list(
        &self,
        filter: &DeviceFilter,
        behind: Option<DevicePlace>,
        at_most: usize,
    ) -> Result<Vec<KnownDevice>, StagingError> {
        let reader = self.readers.begin()?;
        select(&reader, filter, behind, at_most.min(DEVICES_PAGE_MAX)).map_err(failed(READING))
    }

    fn page(&self, behind: Option<DeviceKey>) -> Result<Vec<KnownDevice>, StagingError> {
        let reader = self.readers.begin()?;
        let read = || {
            let condition = if behind.is_some() { "(install, user) > (?2, ?3)" } else { "?2 IS ?3" };
            let sql = format!("{DEVICE} WHERE {condition} ORDER BY install, user LIMIT ?1");
            let (install, user) = behind.map(|key| (key.install, key.user)).unzip();
            let mut select = reader.prepare(&sql)?;
            let devices = select.query_map(params![DEVICES_PAGE_MAX as i64, install, user], device_of)?;
            devices.collect()
        };
        let devices: rusqlite::Result<_> = read();
        devices.map_err(failed(READING))
    }

    fn counts(&self, now_us: i64) -> Result<DeviceCounts, StagingError> {
        let reader = self.readers.begin()?;
        let read = |row: &Row<'_>| {
            let number = |column: usize| row.get::<_, i64>(column).map(|number| number as u64);
            Ok(DeviceCounts {
                known: number(0)?,
                seen_hour: number(1)?,
                seen_day: number(2)?,
                failed: number(3)?,
                blocked: number(4)?,
                wipe_pending: number(5)?,
                wiped: number(6)?,
            })
        };
        let since = (now_us - HOUR_US, now_us - DAY_US);
        let counts = reader.prepare_cached(COUNT).and_then(|mut select| select.query_row(since, read));
        counts.map_err(failed(READING))
    }

    fn forget_unseen(&self, since_us: i64) -> Result<u64, StagingError> {
        let delete = "DELETE FROM devices WHERE last_seen_us < ?1 AND standing = 1";
        self.register(|connection| connection.execute(delete, [since_us])).map(|forgotten| forgotten as u64)
    }

    fn adopt(&self, devices: &[KnownDevice]) -> Result<u64, StagingError> {
        self.register(|connection| {
            let mut adopted = 0;
            for device in devices {
                adopted += insert(connection, device)? as u64;
            }
            connection.execute("UPDATE device_orders SET version = version + 1", [])?;
            Ok(adopted)
        })
    }
}

impl SqliteStaging {
    /// Changes the registry in a transaction of its own.
    fn register<T>(&self, change: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StagingError> {
        let writer = self.writer.lock();
        writer.execute_batch("BEGIN IMMEDIATE").map_err(failed(WRITING))?;
        let changed = change(&writer).and_then(|changed| writer.execute_batch("COMMIT").map(|()| changed));
        changed.map_err(|error| {
            // Failing means that SQLite has rolled back by itself already.
            let _ = writer.execute_batch("ROLLBACK");
            failed(WRITING)(error)
        })
    }
}

/// Notes a call of a device that is known; returns whether it is.
fn note_known(connection: &Connection, contact: &Contact) -> rusqlite::Result<bool> {
    let said = contact.said.as_ref();
    let noted = connection.prepare_cached(NOTE)?.execute(named_params! {
        ":install": contact.key.install,
        ":user": contact.key.user,
        ":name": contact.name,
        ":app": contact.app,
        ":client": contact.client,
        ":report": said.map(|said| &said.report),
        ":stage": said.map(|said| said.stage),
        ":failed": said.map(|said| said.failed),
        ":seen_us": contact.seen_us,
        ":lsn": contact.checkpoint.map(|(lsn, _)| lsn.0 as i64),
        ":at_us": contact.checkpoint.map(|(_, at_us)| at_us),
        ":full_syncs": contact.full_syncs,
    })?;
    Ok(noted > 0)
}

/// Enters a device that is new, if its user's others leave room for it; returns whether they do.
fn enter(connection: &Connection, contact: &Contact) -> rusqlite::Result<bool> {
    let user = contact.key.user;
    connection.prepare_cached(MAKE_ROOM_OF_USER)?.execute((user, DEVICES_PER_USER_MAX as i64))?;
    let mut count = connection.prepare_cached("SELECT count(*) FROM devices WHERE user = ?1")?;
    if count.query_row([user], |row| row.get::<_, i64>(0))? >= DEVICES_PER_USER_MAX as i64 {
        return Ok(false);
    }
    let Contact { key, name, app, client, said, first_us, seen_us, checkpoint, full_syncs } = contact.clone();
    let (report, stage, failed) = said.map_or_else(Default::default, |said| (said.report, said.stage, said.failed));
    let (Lsn(checkpoint_lsn), checkpoint_at_us) = checkpoint.unwrap_or((Lsn(0), 0));
    let about = About {
        name,
        app,
        client,
        report,
        stage,
        failed,
        first_seen_us: first_us,
        last_seen_us: seen_us,
        checkpoint_lsn,
        checkpoint_at_us,
        full_syncs,
        orders: Orders::default(),
    };
    Ok(insert(connection, &KnownDevice { key, about })? > 0)
}

fn insert(connection: &Connection, KnownDevice { key, about }: &KnownDevice) -> rusqlite::Result<usize> {
    let orders = &about.orders;
    connection.prepare_cached(INSERT)?.execute(params![
        orders.block_reason,
        orders.blocked_at_us,
        orders.wipe_reason,
        orders.wipe_ordered_us,
        orders.offers_outbox,
        orders.wiped_at_us,
        orders.check_ordered_us,
        orders.checked_at_us,
        key.install,
        key.user,
        about.name,
        about.app,
        about.client,
        about.report,
        about.stage,
        about.failed,
        about.first_seen_us,
        about.last_seen_us,
        about.checkpoint_lsn as i64,
        about.checkpoint_at_us,
        about.full_syncs,
    ])
}

fn carry_out(connection: &Connection, key: &DeviceKey, order: &Order, orders: &Orders) -> rusqlite::Result<()> {
    if *order == Order::Forget {
        let delete = "DELETE FROM devices WHERE install = ?1 AND user = ?2";
        return connection.execute(delete, (key.install, key.user)).map(drop);
    }
    let set = connection.prepare_cached(SET_ORDERS)?.execute(params![
        orders.block_reason,
        orders.blocked_at_us,
        orders.wipe_reason,
        orders.wipe_ordered_us,
        orders.offers_outbox,
        orders.wiped_at_us,
        orders.check_ordered_us,
        orders.checked_at_us,
        key.install,
        key.user,
    ]);
    set.map(drop)
}

fn select(
    connection: &Connection,
    filter: &DeviceFilter,
    behind: Option<DevicePlace>,
    at_most: usize,
) -> rusqlite::Result<Vec<KnownDevice>> {
    let at_most = at_most as i64;
    let standing = filter.standing.map(crate::Standing::number);
    let behind = behind.map(|DevicePlace { seen_us, key }| (seen_us, key.install, key.user));
    let place = behind.as_ref();
    let wanted: [(&str, &str, Option<&dyn ToSql>); 10] = [
        ("install = :install", ":install", filter.install.as_ref().map(|it| it as _)),
        ("user = :user", ":user", filter.user.as_ref().map(|it| it as _)),
        ("app = :app", ":app", filter.app.as_ref().map(|it| it as _)),
        ("stage = :stage", ":stage", filter.stage.as_ref().map(|it| it as _)),
        ("failed = :failed", ":failed", filter.failed.then_some(&filter.failed as _)),
        ("standing = :standing", ":standing", standing.as_ref().map(|it| it as _)),
        ("last_seen_us < :unseen", ":unseen", filter.unseen_since_us.as_ref().map(|it| it as _)),
        ("last_seen_us <= :seen", ":seen", place.map(|(seen_us, _, _)| seen_us as _)),
        (
            "(last_seen_us, install, user) < (:seen, :its_install, :its_user)",
            ":its_install",
            place.map(|it| &it.1 as _),
        ),
        ("TRUE", ":its_user", place.map(|it| &it.2 as _)),
    ];
    let wanted: Vec<_> =
        wanted.into_iter().filter_map(|(condition, name, value)| Some((condition, name, value?))).collect();
    let conditions: Vec<_> = wanted.iter().map(|&(condition, _, _)| condition).chain(["TRUE"]).collect();
    let mut values: Vec<(&str, &dyn ToSql)> = wanted.iter().map(|&(_, name, value)| (name, value)).collect();
    values.push((":at_most", &at_most));
    let sql = format!(
        "{DEVICE} WHERE {} ORDER BY last_seen_us DESC, install DESC, user DESC LIMIT :at_most",
        conditions.join(" AND ")
    );
    let mut select = connection.prepare(&sql)?;
    let devices = select.query_map(&values[..], device_of)?;
    devices.collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn device_of(row: &Row<'_>) -> rusqlite::Result<KnownDevice> {
    let about = About {
        name: row.get(10)?,
        app: row.get(11)?,
        client: row.get(12)?,
        report: row.get(13)?,
        stage: row.get(14)?,
        failed: row.get(15)?,
        first_seen_us: row.get(16)?,
        last_seen_us: row.get(17)?,
        checkpoint_lsn: row.get::<_, i64>(18)? as u64,
        checkpoint_at_us: row.get(19)?,
        full_syncs: row.get(20)?,
        orders: orders_of(row)?,
    };
    Ok(KnownDevice { key: DeviceKey { install: row.get(8)?, user: row.get(9)? }, about })
}

fn orders_of(row: &Row<'_>) -> rusqlite::Result<Orders> {
    Ok(Orders {
        block_reason: row.get(0)?,
        blocked_at_us: row.get(1)?,
        wipe_reason: row.get(2)?,
        wipe_ordered_us: row.get(3)?,
        offers_outbox: row.get(4)?,
        wiped_at_us: row.get(5)?,
        check_ordered_us: row.get(6)?,
        checked_at_us: row.get(7)?,
    })
}
