//! What every implementation of `Staging` promises, tested through the interface alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc;

use haversack_engine::ids::{EntityNumber, Lsn, Revision};
use haversack_proto::error::ErrorReason;
use haversack_staging::{Change, EntityStatistics, ROW_BYTES_MAX, RowId, StagingError};

use crate::world::{ACCOUNT, CONTACT, World, changes, delete, id, payloads, put};

/// Runs the whole suite on the implementation whose worlds `$world` makes.
macro_rules! contract_tests {
    ($name:ident, $world:expr) => {
        mod $name {
            crate::contract::contract_tests!(@tests $world,
                new_database_is_empty, every_change_draws_one_lsn, equal_rows_draw_nothing, deleted_row_comes_back,
                dropped_commit_leaves_nothing, commit_sees_its_own_changes, snapshot_stands_still,
                changes_come_in_lsn_order, all_rows_come_in_order_of_ordinal, payloads_are_those_asked_for,
                publishes_ascend, publish_takes_its_place_among_commits, epoch_is_minted_once,
                listeners_hear_of_commits, statistics_follow_changes, text_and_uuid_are_different_ids,
                rows_have_limits, everything_survives_reopening, handles_share_one_commit_order,
                concurrent_commits_draw_distinct_lsns, random_histories_match_a_model);
        }
    };
    (@tests $world:expr, $($test:ident),+) => {
        $(#[test]
        fn $test() {
            crate::contract::$test(&$world);
        })+
    };
}
pub(crate) use contract_tests;

pub(crate) fn new_database_is_empty(world: &dyn World) {
    let staging = world.open();
    let snapshot = staging.snapshot().unwrap();
    assert_eq!((staging.head().unwrap(), snapshot.head()), (Lsn(0), Lsn(0)));
    assert_eq!(changes(&*snapshot, 0), []);
    assert_eq!(snapshot.model_after(Revision(0)).unwrap(), None);
    assert_eq!(snapshot.statistics().unwrap(), []);
    assert_eq!(payloads(&*staging, ACCOUNT, &[0, 1, u32::MAX]), []);
}

pub(crate) fn every_change_draws_one_lsn(world: &dyn World) {
    let staging = world.open();
    let (changed, head) = put(&*staging, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b"), (ACCOUNT, 1, b"A")]);
    assert_eq!(changed, [Change::Inserted, Change::Inserted, Change::Updated]);
    assert_eq!((head, staging.head().unwrap()), (Lsn(3), Lsn(3)));
    assert_eq!(payloads(&*staging, ACCOUNT, &[0, 1]), [(0, 3, b"A".to_vec()), (1, 2, b"b".to_vec())]);
}

pub(crate) fn equal_rows_draw_nothing(world: &dyn World) {
    let staging = world.open();
    put(&*staging, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b")]);
    let (changed, head) = put(&*staging, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"B"), (ACCOUNT, 2, b"B")]);
    assert_eq!(changed, [Change::Unchanged, Change::Updated, Change::Unchanged]);
    assert_eq!(head, Lsn(3));
    assert_eq!(put(&*staging, &[(ACCOUNT, 1, b"a")]), (vec![Change::Unchanged], Lsn(3)));
    assert_eq!(delete(&*staging, ACCOUNT, 9), (Change::Unchanged, Lsn(3)));
}

pub(crate) fn deleted_row_comes_back(world: &dyn World) {
    let staging = world.open();
    put(&*staging, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b")]);
    assert_eq!(delete(&*staging, ACCOUNT, 1), (Change::Deleted, Lsn(3)));
    assert_eq!(delete(&*staging, ACCOUNT, 1), (Change::Unchanged, Lsn(3)));
    assert_eq!(payloads(&*staging, ACCOUNT, &[0, 1]), [(1, 2, b"b".to_vec())]);
    let gone = changes(&*staging.snapshot().unwrap(), 2);
    assert_eq!(gone, [(ACCOUNT, 0, 1, 3, None)], "followers hear of a deletion, key and all");

    put(&*staging, &[(ACCOUNT, 3, b"c")]);
    assert_eq!(put(&*staging, &[(ACCOUNT, 1, b"a")]), (vec![Change::Inserted], Lsn(5)));
    assert_eq!(payloads(&*staging, ACCOUNT, &[0, 2]), [(0, 5, b"a".to_vec()), (2, 4, b"c".to_vec())]);
}

pub(crate) fn dropped_commit_leaves_nothing(world: &dyn World) {
    let staging = world.open();
    put(&*staging, &[(ACCOUNT, 1, b"a")]);
    let before = changes(&*staging.snapshot().unwrap(), 0);
    let mut commit = staging.begin().unwrap();
    commit.upsert(ACCOUNT, &id(1), b"x").unwrap();
    commit.upsert(ACCOUNT, &id(2), b"y").unwrap();
    commit.upsert(CONTACT, &id(2), b"z").unwrap();
    drop(commit);
    assert_eq!(changes(&*staging.snapshot().unwrap(), 0), before);
    assert_eq!(put(&*staging, &[(ACCOUNT, 3, b"c")]).1, Lsn(2), "its LSNs were never acknowledged");
    assert_eq!(payloads(&*staging, ACCOUNT, &[1]), [(1, 2, b"c".to_vec())], "nor were its ordinals");
}

pub(crate) fn commit_sees_its_own_changes(world: &dyn World) {
    let staging = world.open();
    put(&*staging, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b")]);
    let mut commit = staging.begin().unwrap();
    commit.upsert(ACCOUNT, &id(1), b"A").unwrap();
    commit.delete(ACCOUNT, &id(2)).unwrap();
    assert_eq!(commit.payload(ACCOUNT, &id(1)).unwrap(), Some(b"A".to_vec()));
    assert_eq!(commit.payload(ACCOUNT, &id(2)).unwrap(), None);
    assert_eq!(commit.payload(CONTACT, &id(1)).unwrap(), None);
    assert_eq!(commit.finish().unwrap(), Lsn(4));
}

pub(crate) fn snapshot_stands_still(world: &dyn World) {
    let staging = world.open();
    put(&*staging, &[(ACCOUNT, 1, b"a"), (CONTACT, 1, b"c")]);
    let snapshot = staging.snapshot().unwrap();
    put(&*staging, &[(ACCOUNT, 1, b"A"), (ACCOUNT, 2, b"b")]);
    delete(&*staging, CONTACT, 1);
    staging.publish(Revision(1), b"model").unwrap();

    let rows = [(ACCOUNT, 0, 1, 1, Some(b"a".to_vec())), (CONTACT, 0, 1, 2, Some(b"c".to_vec()))];
    assert_eq!(changes(&*snapshot, 0), rows);
    assert_eq!(snapshot.head(), Lsn(2));
    assert_eq!(snapshot.model_after(Revision(0)).unwrap(), None);
    assert_eq!(snapshot.statistics().unwrap()[0].rows, 1);
    assert_eq!(staging.snapshot().unwrap().head(), Lsn(6));
}

pub(crate) fn changes_come_in_lsn_order(world: &dyn World) {
    let staging = world.open();
    put(&*staging, &[(CONTACT, 1, b"c"), (ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b"), (CONTACT, 1, b"C")]);
    delete(&*staging, ACCOUNT, 1);
    let snapshot = staging.snapshot().unwrap();
    let order = |floor| changes(&*snapshot, floor).iter().map(|row| row.3).collect::<Vec<_>>();
    assert_eq!(order(1), [3, 4, 5]);
    assert_eq!(order(4), [5]);
    assert_eq!(order(5), [0; 0]);
    assert_eq!(order(99), [0; 0]);
}

pub(crate) fn all_rows_come_in_order_of_ordinal(world: &dyn World) {
    let staging = world.open();
    put(&*staging, &[(CONTACT, 1, b"c"), (ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b"), (ACCOUNT, 1, b"A")]);
    delete(&*staging, ACCOUNT, 2);
    let snapshot = staging.snapshot().unwrap();
    let keys: Vec<_> = changes(&*snapshot, 0).iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(keys, [(ACCOUNT, 0), (ACCOUNT, 1), (CONTACT, 0)], "deleted rows among them");

    let mut accounts = Vec::new();
    snapshot.rows(ACCOUNT, &mut |row| accounts.push((row.ordinal, row.payload.is_some()))).unwrap();
    assert_eq!(accounts, [(0, true), (1, false)]);
    snapshot.rows(EntityNumber(99), &mut |_| panic!("an entity without rows has none")).unwrap();
}

pub(crate) fn payloads_are_those_asked_for(world: &dyn World) {
    let staging = world.open();
    let all: Vec<_> = (0..200).map(|number| (ACCOUNT, number, &b"row"[..])).collect();
    put(&*staging, &all);
    put(&*staging, &[(CONTACT, 1, b"other entity")]);
    delete(&*staging, ACCOUNT, 50);
    let asked: Vec<u32> = [0, 1, 2, 3, 9, 12, 13, 49, 50, 51, 100, 199, 200, u32::MAX].to_vec();
    let got: Vec<u32> = payloads(&*staging, ACCOUNT, &asked).iter().map(|row| row.0).collect();
    assert_eq!(got, [0, 1, 2, 3, 9, 12, 13, 49, 51, 100, 199]);
    assert_eq!(payloads(&*staging, ACCOUNT, &[]), []);
}

pub(crate) fn publishes_ascend(world: &dyn World) {
    let staging = world.open();
    assert_eq!(staging.publish(Revision(1), b"one").unwrap(), Lsn(1));
    assert_eq!(staging.publish(Revision(3), b"three").unwrap(), Lsn(2));
    for stale in [0, 2, 3] {
        let error = staging.publish(Revision(stale), b"stale").unwrap_err();
        assert!(matches!(error, StagingError::RevisionStale { newest: Revision(3), .. }), "{error}");
    }
    let snapshot = staging.snapshot().unwrap();
    let model = snapshot.model_after(Revision(0)).unwrap().unwrap();
    assert_eq!((model.revision, model.lsn, &model.model[..]), (Revision(3), Lsn(2), &b"three"[..]));
    assert_eq!(snapshot.model_after(Revision(2)).unwrap(), Some(model));
    assert_eq!(snapshot.model_after(Revision(3)).unwrap(), None);
}

pub(crate) fn publish_takes_its_place_among_commits(world: &dyn World) {
    let staging = world.open();
    put(&*staging, &[(ACCOUNT, 1, b"a")]);
    assert_eq!(staging.publish(Revision(1), b"model").unwrap(), Lsn(2));
    assert_eq!(put(&*staging, &[(ACCOUNT, 2, b"b")]).1, Lsn(3));
    assert!(staging.publish(Revision(1), b"again").is_err());
    assert_eq!(put(&*staging, &[(ACCOUNT, 3, b"c")]).1, Lsn(4), "a refused publish draws nothing");
}

pub(crate) fn epoch_is_minted_once(world: &dyn World) {
    let (staging, other) = (world.open(), world.open());
    let first = staging.identity().unwrap();
    assert_ne!((first.epoch, first.secret), ([0; 16], [0; 32]));
    let second = staging.mint_epoch(first.epoch).unwrap();
    assert_ne!(second.epoch, first.epoch);
    assert_eq!(second.secret, first.secret);
    assert_eq!(other.mint_epoch(first.epoch).unwrap(), second, "who finds out later gets the epoch of the first");
    assert_eq!((staging.identity().unwrap(), other.identity().unwrap()), (second, second));
}

pub(crate) fn listeners_hear_of_commits(world: &dyn World) {
    let staging = world.open();
    let (told, heads) = mpsc::channel();
    let reader = Arc::downgrade(&staging);
    staging.on_commit(Box::new(move |head| {
        let seen = reader.upgrade().unwrap().snapshot().unwrap().head();
        told.send((head, seen)).unwrap();
    }));
    put(&*staging, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b")]);
    put(&*staging, &[(ACCOUNT, 1, b"a")]);
    staging.publish(Revision(1), b"model").unwrap();
    drop(staging.begin().unwrap());
    let heads: Vec<_> = heads.try_iter().collect();
    assert_eq!(heads, [(Lsn(2), Lsn(2)), (Lsn(3), Lsn(3))], "after the commit is visible, and not for nothing");
}

pub(crate) fn statistics_follow_changes(world: &dyn World) {
    let staging = world.open();
    let statistics = |rows, bytes, allocated| EntityStatistics { entity: ACCOUNT, rows, bytes, allocated };
    let now = || staging.snapshot().unwrap().statistics().unwrap();
    put(&*staging, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"bbbb"), (ACCOUNT, 1, b"aaa")]);
    assert_eq!(now(), [statistics(2, 7, 2)]);
    delete(&*staging, ACCOUNT, 2);
    assert_eq!(now(), [statistics(1, 3, 2)]);
    put(&*staging, &[(ACCOUNT, 2, b"bb"), (CONTACT, 1, b"")]);
    let contacts = EntityStatistics { entity: CONTACT, rows: 1, bytes: 0, allocated: 1 };
    assert_eq!(now(), [statistics(2, 5, 2), contacts]);
}

pub(crate) fn text_and_uuid_are_different_ids(world: &dyn World) {
    let staging = world.open();
    let ids = [RowId::Uuid(*b"0123456789abcdef"), RowId::Text("0123456789abcdef".into()), RowId::Text("K-1 é".into())];
    let mut commit = staging.begin().unwrap();
    for id in &ids {
        assert_eq!(commit.upsert(ACCOUNT, id, b"row").unwrap(), Change::Inserted);
        assert_eq!(commit.upsert(ACCOUNT, id, b"row").unwrap(), Change::Unchanged);
    }
    commit.finish().unwrap();
    let mut keys = Vec::new();
    staging.snapshot().unwrap().rows(ACCOUNT, &mut |row| keys.push(row.key)).unwrap();
    assert_eq!(keys, ids.iter().map(RowId::key).collect::<Vec<_>>());
}

pub(crate) fn rows_have_limits(world: &dyn World) {
    let staging = world.open();
    let mut commit = staging.begin().unwrap();
    let largest = vec![1; ROW_BYTES_MAX];
    assert_eq!(commit.upsert(ACCOUNT, &id(1), &largest).unwrap(), Change::Inserted);
    let error = commit.upsert(ACCOUNT, &id(2), &vec![1; ROW_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(error.reason(), ErrorReason::RowTooLarge);
    let error = commit.upsert(EntityNumber(1 << 31), &id(2), b"row").unwrap_err();
    assert!(matches!(error, StagingError::EntityNumberInvalid(_)), "{error}");
    assert_eq!(commit.upsert(EntityNumber((1 << 31) - 1), &id(2), b"row").unwrap(), Change::Inserted);
    assert_eq!(commit.finish().unwrap(), Lsn(2), "a refused row does not harm its commit");
}

pub(crate) fn everything_survives_reopening(world: &dyn World) {
    let staging = world.open();
    put(&*staging, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b")]);
    delete(&*staging, ACCOUNT, 2);
    staging.publish(Revision(1), b"model").unwrap();
    let (identity, rows) = (staging.identity().unwrap(), changes(&*staging.snapshot().unwrap(), 0));
    drop(staging);

    let staging = world.open();
    assert_eq!(staging.identity().unwrap(), identity);
    assert_eq!(changes(&*staging.snapshot().unwrap(), 0), rows);
    assert_eq!(staging.snapshot().unwrap().model_after(Revision(0)).unwrap().unwrap().model, b"model");
    assert_eq!(put(&*staging, &[(ACCOUNT, 3, b"c")]).1, Lsn(5));
    assert_eq!(payloads(&*staging, ACCOUNT, &[2]), [(2, 5, b"c".to_vec())]);
}

pub(crate) fn handles_share_one_commit_order(world: &dyn World) {
    let (one, other) = (world.open(), world.open());
    for round in 0..5u8 {
        let lsn = u64::from(round) * 2;
        assert_eq!(put(&*one, &[(ACCOUNT, round, b"one")]).1, Lsn(lsn + 1));
        assert_eq!(put(&*other, &[(ACCOUNT, 100 + round, b"other")]).1, Lsn(lsn + 2));
        assert_eq!(one.head().unwrap(), Lsn(lsn + 2));
    }
    let ordinals: Vec<_> = changes(&*one.snapshot().unwrap(), 0).iter().map(|row| row.1).collect();
    assert_eq!(ordinals, (0..10).collect::<Vec<_>>());
}

pub(crate) fn concurrent_commits_draw_distinct_lsns(world: &dyn World) {
    const THREADS: u8 = 4;
    const COMMITS: u8 = 20;
    let shared = world.open();
    let heads: Vec<Lsn> = std::thread::scope(|scope| {
        let start = |thread: u8| {
            let staging = if thread.is_multiple_of(2) { Arc::clone(&shared) } else { world.open() };
            let number = move |commit| thread * COMMITS + commit;
            scope.spawn(move || {
                (0..COMMITS).map(|commit| put(&*staging, &[(ACCOUNT, number(commit), b"row")]).1).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = (0..THREADS).map(start).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let total = u64::from(THREADS) * u64::from(COMMITS);
    assert_eq!(heads.iter().collect::<HashSet<_>>().len() as u64, total);
    assert_eq!(shared.head().unwrap(), Lsn(total));
}

pub(crate) fn random_histories_match_a_model(world: &dyn World) {
    crate::model::check(world);
}
