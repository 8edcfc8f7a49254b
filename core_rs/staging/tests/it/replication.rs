//! One database follows another: whole, in parts, from several sides, and through crashes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use haversack_engine::ids::{EntityNumber, Lsn};
use haversack_staging::{
    COMMIT_BYTES_MAX, Replicated, RowId, SqliteStaging, Stage, Staging, StagingError, replicate as one_commit,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::world::{ACCOUNT, CONTACT, SqliteWorld, World, changes, delete, id, put};

/// Tell the child of the crash test where its databases are.
const SOURCE_VARIABLE: &str = "HAVERSACK_TEST_SOURCE";
/// See [`SOURCE_VARIABLE`].
const TARGET_VARIABLE: &str = "HAVERSACK_TEST_TARGET";

const HISTORIES: u32 = 48;

fn replicate(staging: &dyn Staging, source: &dyn Staging, rows_max: usize) -> Replicated {
    one_commit(staging, source, ACCOUNT, rows_max).unwrap()
}

/// Replicates until nothing is left.
fn catch_up(staging: &dyn Staging, source: &dyn Staging, rows_max: usize) {
    for _ in 0..1_000 {
        if replicate(staging, source, rows_max).left == 0 {
            return;
        }
    }
    panic!("there is always something left");
}

/// Live rows of the entity: payload by the first byte of the id.
fn rows(staging: &dyn Staging) -> BTreeMap<u8, Vec<u8>> {
    let mut rows = BTreeMap::new();
    let mut visit = |row: haversack_staging::StoredRow<'_>| {
        rows.extend(row.payload.map(|payload| (row.key.0[0], payload.to_vec())));
    };
    staging.snapshot().unwrap().rows(ACCOUNT, &mut visit).unwrap();
    rows
}

fn pair() -> (Arc<dyn Staging>, Arc<dyn Staging>, [SqliteWorld; 2]) {
    let worlds = [SqliteWorld::new(), SqliteWorld::new()];
    (worlds[0].open(), worlds[1].open(), worlds)
}

#[test]
fn first_pass_takes_everything_and_then_only_what_changes() {
    let (staging, source, _worlds) = pair();
    put(&*source, &[(CONTACT, 9, b"of another entity"), (ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"bb"), (ACCOUNT, 3, b"c")]);
    delete(&*source, ACCOUNT, 3);
    let first = replicate(&*staging, &*source, 100);
    let all = Replicated { read: 3, inserted: 2, unchanged: 1, bytes: 3, lsn: Lsn(2), ..Replicated::default() };
    assert_eq!(first, all);

    put(&*source, &[(ACCOUNT, 1, b"A"), (ACCOUNT, 4, b"d"), (CONTACT, 9, b"changed")]);
    delete(&*source, ACCOUNT, 2);
    let second = replicate(&*staging, &*source, 100);
    let changed = Replicated { read: 3, inserted: 1, updated: 1, deleted: 1, bytes: 2, lsn: Lsn(5), ..first };
    assert_eq!(second, Replicated { unchanged: 0, ..changed });
    assert_eq!(rows(&*staging), rows(&*source));

    let nothing = Replicated { lsn: Lsn(5), ..Replicated::default() };
    assert_eq!(replicate(&*staging, &*source, 100), nothing);
}

#[test]
fn parts_say_how_much_is_left_and_go_on_where_they_were() {
    let (staging, source, _worlds) = pair();
    let all: Vec<_> = (1..=10).map(|number| (ACCOUNT, number, &b"row"[..])).collect();
    put(&*source, &all);
    let parts: Vec<_> = (0..4).map(|_| replicate(&*staging, &*source, 3)).map(|it| (it.read, it.left)).collect();
    assert_eq!(parts, [(3, 7), (3, 4), (3, 1), (1, 0)]);
    assert_eq!(staging.head().unwrap(), Lsn(10), "every row drew one LSN");

    put(&*source, &[(ACCOUNT, 1, b"A"), (ACCOUNT, 2, b"B"), (ACCOUNT, 3, b"C")]);
    let parts: Vec<_> = (0..2).map(|_| replicate(&*staging, &*source, 2)).map(|it| (it.read, it.left)).collect();
    assert_eq!(parts, [(2, 1), (1, 0)]);
}

#[test]
fn commits_are_bounded_in_bytes_but_a_large_row_passes() {
    let (staging, source, _worlds) = pair();
    let large = vec![7; COMMIT_BYTES_MAX + 1];
    put(&*source, &[(ACCOUNT, 1, &large), (ACCOUNT, 2, &large), (ACCOUNT, 3, b"small")]);
    let reads: Vec<_> = (0..3).map(|_| replicate(&*staging, &*source, 100)).map(|it| (it.read, it.left)).collect();
    assert_eq!(reads, [(1, 2), (1, 1), (1, 0)]);
}

#[test]
fn other_entities_changes_are_not_stepped_over_for_ever() {
    let (staging, source, _worlds) = pair();
    put(&*source, &[(ACCOUNT, 1, b"a")]);
    catch_up(&*staging, &*source, 10);
    let marked = || staging.begin().unwrap().mark(ACCOUNT).unwrap().unwrap().at.lsn;
    for change in 0..2u8 {
        let payloads: Vec<_> = (0..5_500u32).map(|number| [&number.to_be_bytes()[..], &[change]].concat()).collect();
        let mut commit = source.begin().unwrap();
        for (number, payload) in payloads.iter().enumerate() {
            commit.upsert(CONTACT, &RowId::Text(number.to_string().into()), payload).unwrap();
        }
        commit.finish().unwrap();
        assert_eq!(replicate(&*staging, &*source, 10).read, 0);
        assert_eq!(marked(), if change == 0 { Lsn(1) } else { Lsn(11_001) });
    }
    assert_eq!(staging.head().unwrap(), Lsn(1), "a mark draws no LSN");
}

#[test]
fn another_source_means_from_the_beginning_and_sweeps_the_rest_away() {
    let (staging, source, _worlds) = pair();
    put(&*source, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b"), (ACCOUNT, 3, b"c")]);
    catch_up(&*staging, &*source, 10);
    let other = SqliteWorld::new();
    let other = other.open();
    put(&*other, &[(ACCOUNT, 2, b"b"), (ACCOUNT, 4, b"d"), (CONTACT, 1, b"x")]);
    let done = replicate(&*staging, &*other, 100);
    assert_eq!((done.read, done.inserted, done.deleted, done.unchanged, done.left), (2, 1, 2, 1, 0));
    assert_eq!(rows(&*staging), rows(&*other));
}

#[test]
fn source_that_went_back_in_time_is_read_anew() {
    let (staging, source, worlds) = pair();
    put(&*source, &[(ACCOUNT, 1, b"a")]);
    let copy = worlds[1].path().with_file_name("backup.db");
    rusqlite::Connection::open(worlds[1].path()).unwrap().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    put(&*source, &[(ACCOUNT, 1, b"A"), (ACCOUNT, 2, b"b")]);
    catch_up(&*staging, &*source, 10);
    let restored = SqliteStaging::open(copy).unwrap();
    catch_up(&*staging, &restored, 10);
    assert_eq!(rows(&*staging), [(1, b"a".to_vec())].into());
}

#[test]
fn database_does_not_follow_itself() {
    let (staging, _, worlds) = pair();
    let error = one_commit(&*staging, &*worlds[0].open(), ACCOUNT, 10).unwrap_err();
    assert!(matches!(error, StagingError::SourceIsSelf), "{error}");
}

#[test]
fn two_who_replicate_at_once_take_turns() {
    let (staging, source, worlds) = pair();
    let other = worlds[0].open();
    std::thread::scope(|threads| {
        for target in [&staging, &other] {
            threads.spawn(|| (0..200).map(|_| replicate(&**target, &*source, 5).updated).sum::<u64>());
        }
        for version in 0..100u8 {
            put(&*source, &[(ACCOUNT, version % 20, &[version]), (ACCOUNT, 200, &[version])]);
        }
    });
    catch_up(&*staging, &*source, 5);
    assert_eq!(rows(&*staging), rows(&*source));
    assert_eq!(other.begin().unwrap().mark(ACCOUNT).unwrap().unwrap().stage, Stage::Following);
    assert!(staging.head().unwrap() <= source.head().unwrap(), "no version came twice");
}

#[test]
fn killed_replication_is_done_again_once() {
    const ROWS: u32 = 2_000;
    const KILLS: usize = 6;
    let (staging, source, worlds) = pair();
    let mut commit = source.begin().unwrap();
    for number in 0..ROWS {
        commit.upsert(ACCOUNT, &RowId::Text(number.to_string().into()), b"payload").unwrap();
    }
    commit.finish().unwrap();
    for _ in 0..KILLS {
        let before = staging.head().unwrap();
        let mut child = start_child(&worlds[1].path(), &worlds[0].path());
        while staging.head().unwrap().0 < (before.0 + 50).min(u64::from(ROWS)) {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let lsns: Vec<u64> = changes(&*staging.snapshot().unwrap(), 0).iter().map(|row| row.3).collect();
        assert_eq!(lsns, (1..=staging.head().unwrap().0).collect::<Vec<_>>(), "each row is there once, in order");
    }
    catch_up(&*staging, &*source, 500);
    assert_eq!(staging.head().unwrap(), Lsn(u64::from(ROWS)), "no row was written twice");
}

fn start_child(source: &Path, target: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "replication::replicate_until_killed", "--nocapture"])
        .envs([(SOURCE_VARIABLE, source), (TARGET_VARIABLE, target)])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The child of `killed_replication_is_done_again_once`. Without a parent it has nothing to do; with one it never ends.
#[test]
fn replicate_until_killed() {
    let Some(source) = std::env::var_os(SOURCE_VARIABLE) else { return };
    let source = SqliteStaging::open(source).unwrap();
    let staging = SqliteStaging::open(std::env::var_os(TARGET_VARIABLE).unwrap()).unwrap();
    loop {
        replicate(&staging, &source, 7);
    }
}

/// What happens in a history.
#[derive(Clone, Debug)]
enum Event {
    /// Rows of the source change: new payloads, or none to delete.
    Change(Vec<(EntityNumber, u8, Option<u8>)>),
    /// One of two handles makes one commit.
    Replicate { handle: usize, rows_max: usize },
    /// The other source takes over.
    Swap,
}

fn event() -> impl Strategy<Value = Event> {
    let entity = prop_oneof![4 => Just(ACCOUNT), 1 => Just(CONTACT)];
    let change = prop::collection::vec((entity, 0..12u8, prop::option::weighted(0.7, 0..3u8)), 1..8);
    prop_oneof![
        4 => change.prop_map(Event::Change),
        5 => (0..2usize, 1..6usize).prop_map(|(handle, rows_max)| Event::Replicate { handle, rows_max }),
        1 => Just(Event::Swap),
    ]
}

#[test]
fn random_histories_end_equal() {
    let mut runner = TestRunner::new(Config { cases: HISTORIES, failure_persistence: None, ..Config::default() });
    let history = (prop::collection::vec(0..12u8, 0..6), prop::collection::vec(event(), 1..30));
    let case = |(here, events): (Vec<u8>, Vec<Event>)| {
        run(&here, &events);
        Ok(())
    };
    runner.run(&history, case).unwrap();
}

fn run(here: &[u8], events: &[Event]) {
    let worlds = [SqliteWorld::new(), SqliteWorld::new(), SqliteWorld::new()];
    let handles = [worlds[0].open(), worlds[0].open()];
    let (mut source, mut other) = (worlds[1].open(), worlds[2].open());
    put(&*handles[0], &here.iter().map(|&number| (ACCOUNT, number, &b"from before"[..])).collect::<Vec<_>>());
    for event in events {
        match event {
            Event::Change(rows) => change(&*source, rows),
            Event::Replicate { handle, rows_max } => {
                let done = replicate(&*handles[*handle], &*source, *rows_max);
                assert!(done.read <= *rows_max as u64, "{done:?}");
                assert_eq!(done.left == 0, is_finished(&*handles[0], &*source), "{done:?}");
            }
            Event::Swap => std::mem::swap(&mut source, &mut other),
        }
    }
    catch_up(&*handles[0], &*source, 3);
    assert_eq!(rows(&*handles[0]), rows(&*source));
    let head = handles[0].head().unwrap();
    assert_eq!(replicate(&*handles[1], &*source, 3), Replicated { lsn: head, ..Replicated::default() });
}

fn change(source: &dyn Staging, rows: &[(EntityNumber, u8, Option<u8>)]) {
    let mut commit = source.begin().unwrap();
    for (entity, number, payload) in rows {
        match payload {
            Some(byte) => commit.upsert(*entity, &id(*number), &[*byte]).unwrap(),
            None => commit.delete(*entity, &id(*number)).unwrap(),
        };
    }
    commit.finish().unwrap();
}

/// Whether another commit would find nothing.
fn is_finished(staging: &dyn Staging, source: &dyn Staging) -> bool {
    let mark = staging.begin().unwrap().mark(ACCOUNT).unwrap().unwrap();
    let newest = changes(&*source.snapshot().unwrap(), 0).iter().filter(|row| row.0 == ACCOUNT).map(|row| row.3).max();
    mark.stage == Stage::Following && newest.unwrap_or(0) <= mark.at.lsn.0
}
