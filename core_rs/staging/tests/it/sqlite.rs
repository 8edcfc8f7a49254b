//! The contract on SQLite files, and what is particular to them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use haversack_engine::ids::Lsn;
use haversack_proto::error::ErrorReason;
use haversack_staging::{SqliteStaging, Staging, StagingError};

use crate::contract::contract_tests;
use crate::world::{ACCOUNT, SqliteWorld, World, changes, put};

contract_tests!(contract, crate::world::SqliteWorld::new());

#[test]
fn existing_file_is_not_overwritten() {
    let world = SqliteWorld::new();
    let identity = world.open().identity().unwrap();
    let error = SqliteStaging::create(world.path()).err().unwrap();
    assert!(matches!(error, StagingError::Exists { .. }), "{error}");
    assert_eq!(world.open().identity().unwrap(), identity);
}

#[test]
fn missing_file_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let error = SqliteStaging::open(folder.path().join("none.db")).err().unwrap();
    assert!(matches!(error, StagingError::Absent { .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn leftovers_of_a_lost_file_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("staging.db");
    let old = SqliteStaging::create(&path).unwrap();
    put(&old, &[(ACCOUNT, 1, b"old")]);
    let log = fs::read(folder.path().join("staging.db-wal")).unwrap();
    drop(old);
    fs::remove_file(&path).unwrap();
    for name in ["staging.db-wal", "staging.db.unfinished", "staging.db.unfinished-wal"] {
        fs::write(folder.path().join(name), &log).unwrap();
    }
    let staging = SqliteStaging::create(&path).unwrap();
    assert_eq!(staging.head().unwrap(), Lsn(0));
    drop(staging);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["staging.db"], "closed, it is one file");
}

#[test]
fn only_the_owner_can_read_the_file() {
    let world = SqliteWorld::new();
    let _staging = world.open();
    for file in fs::read_dir(world.path().parent().unwrap()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
}

#[test]
fn foreign_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    fs::write(&text, "not a database, although it is longer than the header of one ".repeat(10)).unwrap();
    let other = folder.path().join("other.db");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE rows (x)").unwrap();
    for path in [text, other] {
        let error = SqliteStaging::open(&path).err().unwrap();
        assert!(matches!(error, StagingError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn other_schema_versions_are_refused_by_name() {
    let world = SqliteWorld::new();
    for version in [0, 11] {
        rusqlite::Connection::open(world.path()).unwrap().pragma_update(None, "user_version", version).unwrap();
        let error = SqliteStaging::open(world.path()).err().unwrap();
        assert!(matches!(error, StagingError::VersionUnknown { found, .. } if found == version), "{error}");
        assert_eq!(error.reason(), ErrorReason::StagingFailed);
    }
}

#[test]
fn foreign_lock_is_reported_as_busy() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let other = rusqlite::Connection::open(world.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = staging.begin().err().unwrap();
    assert!(error.is_transient(), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(staging.begin().is_ok());
}

#[test]
fn files_of_earlier_versions_are_upgraded_where_they_lie() {
    let later = [
        "DROP TRIGGER queue_changes; ALTER TABLE queue_state DROP COLUMN doubted;
         CREATE TRIGGER queue_changes AFTER UPDATE OF old ON queue BEGIN SELECT 1; END; PRAGMA user_version = 9",
        "ALTER TABLE queue DROP COLUMN repeat; ALTER TABLE queue DROP COLUMN otherwise; PRAGMA user_version = 8",
        "DROP TRIGGER queue_grows; DROP TRIGGER queue_shrinks; DROP TRIGGER queue_changes; DROP TABLE queue_state;
         DROP INDEX queue_by_age; DROP INDEX queue_dependants; ALTER TABLE queue DROP COLUMN source;
         CREATE INDEX queue_by_device ON queue (install, user, turn); PRAGMA user_version = 7",
        "DROP TABLE histories; ALTER TABLE marks DROP COLUMN history; PRAGMA user_version = 6",
        "DROP TABLE queue; DROP INDEX mutations_settled; DROP INDEX mutations_settled_by_device;
         ALTER TABLE mutations DROP COLUMN settled; PRAGMA user_version = 5",
        "DROP TABLE positions; DROP TABLE passes; DROP TABLE seen; PRAGMA user_version = 4",
        "DROP TABLE devices; DROP TABLE device_orders; PRAGMA user_version = 3",
        "DROP TABLE mutations; DROP TABLE ledger_end; PRAGMA user_version = 2",
        "DROP TABLE marks; PRAGMA user_version = 1",
    ];
    for steps_back in 1..=later.len() {
        let world = SqliteWorld::new();
        put(&*world.open(), &[(ACCOUNT, 1, b"a")]);
        let first = rusqlite::Connection::open(world.path()).unwrap();
        first.execute_batch(&later[..steps_back].join(";")).unwrap();
        drop(first);
        let (staging, other) = (world.open(), world.open());
        assert_eq!(staging.head().unwrap(), Lsn(1));
        assert_eq!(other.begin().unwrap().mark(ACCOUNT).unwrap(), None);
        assert!(!staging.begin().unwrap().ledger().any_unwritten().unwrap());
        assert_eq!(staging.devices().counts(0).unwrap().known, 0);
    }
}

#[test]
fn readied_database_is_whole_and_in_one_file() {
    let world = SqliteWorld::new();
    let staging = SqliteStaging::open(world.path()).unwrap();
    put(&staging, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b")]);
    rusqlite::Connection::open(world.path()).unwrap().execute_batch("DROP INDEX rows_by_lsn").unwrap();
    for _ in 0..2 {
        staging.build_indexes().unwrap();
    }
    assert_eq!(changes(&*staging.snapshot().unwrap(), 1).len(), 1, "the lost index is back");
    let log = world.path().with_file_name("staging.db-wal");
    assert_eq!(fs::metadata(log).unwrap().len(), 0);
}

#[test]
fn contradictions_are_found_before_a_database_serves() {
    let world = SqliteWorld::new();
    let staging = SqliteStaging::open(world.path()).unwrap();
    put(&staging, &[(ACCOUNT, 1, b"a")]);
    drop(staging);
    let act = |sql: &str| rusqlite::Connection::open(world.path()).unwrap().execute_batch(sql).unwrap();
    // A row that slips into the table while the index is out of sight.
    let index = "sqlite_schema WHERE name = 'rows_by_lsn'";
    act(&format!("PRAGMA writable_schema = ON; CREATE TABLE kept AS SELECT * FROM {index}; DELETE FROM {index}"));
    act("INSERT INTO rows (row_key, id, lsn, deleted) VALUES (99, 'x', 2, 1)");
    act("PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM kept");
    let error = SqliteStaging::open(world.path()).unwrap().build_indexes().unwrap_err();
    assert!(matches!(error, StagingError::Damaged(_)), "{error}");
    assert!(error.to_string().contains("rows_by_lsn"), "{error}");
}
