//! A database that was put back from a copy is not mistaken for the one that it was copied from.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use haversack_engine::ids::{Lsn, Position};
use haversack_staging::{SqliteStaging, Staging, StagingError, replicate};

use crate::world::{ACCOUNT, SqliteWorld, World, changes, delete, put};

/// The database's head, with its history.
fn position(staging: &dyn Staging) -> Position {
    let lsn = staging.head().unwrap();
    Position { lsn, history: staging.history_at(lsn).unwrap().unwrap() }
}

fn is_of_its_past(staging: &dyn Staging, position: Position) -> bool {
    staging.history_at(position.lsn).unwrap() == Some(position.history)
}

fn copy(staging: &SqliteStaging, path: &Path) {
    staging.copy_to(path).unwrap().finish().unwrap();
}

/// Puts a copy in the place of a database that is closed.
fn put_back(copy: &Path, path: &Path) {
    for suffix in ["-wal", "-shm"] {
        assert!(!path.with_file_name(format!("staging.db{suffix}")).exists(), "it is closed");
    }
    fs::copy(copy, path).unwrap();
}

#[test]
fn positions_up_to_a_copy_stay_and_those_behind_it_are_of_another_past() {
    let world = SqliteWorld::new();
    let kept = world.path().with_file_name("kept.db");
    let staging = SqliteStaging::open(world.path()).unwrap();
    let nothing = position(&staging);
    put(&staging, &[(ACCOUNT, 1, b"a")]);
    let before = position(&staging);
    copy(&staging, &kept);
    put(&staging, &[(ACCOUNT, 1, b"b"), (ACCOUNT, 2, b"b")]);
    let lost = position(&staging);
    assert!([nothing, before, lost].into_iter().all(|it| is_of_its_past(&staging, it)));
    drop(staging);
    put_back(&kept, &world.path());
    let staging = world.open();
    assert!(is_of_its_past(&*staging, before) && is_of_its_past(&*staging, nothing));
    assert!(!is_of_its_past(&*staging, lost), "it is behind the head");
    for number in 3..6 {
        put(&*staging, &[(ACCOUNT, number, b"c")]);
        assert!(!is_of_its_past(&*staging, lost), "LSNs are drawn again, histories are not");
        assert!(is_of_its_past(&*staging, before));
    }
    assert!(staging.head().unwrap() > lost.lsn);
}

#[test]
fn each_handle_begins_one_history_and_only_by_changing_something() {
    let world = SqliteWorld::new();
    let (one, other) = (world.open(), world.open());
    for _ in 0..2 {
        delete(&*one, ACCOUNT, 1);
        assert_eq!(one.snapshot().unwrap().histories_after(Lsn(0)).unwrap(), [], "nothing was changed");
    }
    put(&*one, &[(ACCOUNT, 1, b"a")]);
    put(&*other, &[(ACCOUNT, 2, b"a"), (ACCOUNT, 3, b"a")]);
    put(&*one, &[(ACCOUNT, 4, b"a")]);
    let histories = one.snapshot().unwrap().histories_after(Lsn(0)).unwrap();
    assert_eq!(histories.iter().map(|it| it.lsn.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(one.snapshot().unwrap().histories_after(Lsn(1)).unwrap(), histories[1..]);
    assert_eq!(one.history_at(Lsn(4)).unwrap(), Some(histories[1].history));
    assert_eq!(one.history_at(Lsn(5)).unwrap(), None);
}

#[test]
fn a_follower_notices_a_source_that_was_put_back_and_has_grown_past_its_mark() {
    let (target, source) = (SqliteWorld::new(), SqliteWorld::new());
    let kept = source.path().with_file_name("kept.db");
    let (staging, record) = (target.open(), SqliteStaging::open(source.path()).unwrap());
    put(&record, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"a")]);
    copy(&record, &kept);
    put(&record, &[(ACCOUNT, 1, b"lost"), (ACCOUNT, 3, b"lost")]);
    while replicate(&*staging, &record, ACCOUNT, 10).unwrap().left > 0 {}
    drop(record);
    put_back(&kept, &source.path());
    let record: Arc<dyn Staging> = source.open();
    put(&*record, &[(ACCOUNT, 4, b"c"), (ACCOUNT, 5, b"c"), (ACCOUNT, 6, b"c")]);
    while replicate(&*staging, &*record, ACCOUNT, 10).unwrap().left > 0 {}
    let rows = |database: &dyn Staging| {
        let rows = changes(&*database.snapshot().unwrap(), 0);
        rows.into_iter().filter_map(|(_, _, id, _, payload)| Some((id, payload?))).collect::<Vec<_>>()
    };
    let (mut here, mut there) = (rows(&*staging), rows(&*record));
    here.sort();
    there.sort();
    assert_eq!(here, there);
    assert_eq!(replicate(&*staging, &*record, ACCOUNT, 10).unwrap().read, 0, "once is enough");
}

#[test]
fn a_copy_is_of_the_moment_at_which_it_began() {
    let world = SqliteWorld::new();
    let kept = world.path().with_file_name("kept.db");
    let staging = SqliteStaging::open(world.path()).unwrap();
    for number in 0..200 {
        put(&staging, &[(ACCOUNT, number, &vec![number; 60_000])]);
    }
    let copying = staging.copy_to(&kept).unwrap();
    while !copying.is_over() {
        put(&staging, &[(ACCOUNT, 1, &staging.head().unwrap().0.to_be_bytes())]);
    }
    let (head, (done, total)) = (copying.head(), copying.progress());
    copying.finish().unwrap();
    assert_eq!((done, fs::metadata(&kept).unwrap().len()), (total, total));
    assert!(total > 200 * 60_000 && !world.path().with_file_name("kept.db-wal").exists());
    let copied = SqliteStaging::open(&kept).unwrap();
    copied.build_indexes().unwrap();
    assert_eq!((head, copied.head().unwrap()), (Lsn(200), Lsn(200)));
    assert_eq!(copied.identity().unwrap(), staging.identity().unwrap());
    let again = staging.copy_to(&kept).err().unwrap();
    assert!(matches!(again, StagingError::Exists { .. }), "{again}");
}

#[test]
fn a_copy_that_nobody_waits_for_stops() {
    let world = SqliteWorld::new();
    let kept = world.path().with_file_name("kept.db");
    let staging = SqliteStaging::open(world.path()).unwrap();
    put(&staging, &[(ACCOUNT, 1, b"a")]);
    drop(staging.copy_to(&kept).unwrap());
    put(&staging, &[(ACCOUNT, 1, b"b")]);
}
