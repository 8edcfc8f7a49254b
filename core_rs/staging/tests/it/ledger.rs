//! The ledger: entered once, carried from one database to the next, and open to administrators.

use haversack_engine::ids::Lsn;
use haversack_staging::{
    Effect, Entry, LedgerPlace, Origin, Resolution, Staging, StagingError, discard_refusal, export_ledger,
    import_ledger,
};

use crate::world::{ACCOUNT, SqliteWorld, World, id, put};

/// An entry of one install and user.
pub(crate) fn entry(number: u64, row: u8) -> Entry {
    Entry {
        origin: Origin { install: [1; 16], user: [2; 16], number },
        hash: [number as u8; 16],
        entity: ACCOUNT,
        id: id(row),
        kind: 2,
        outcome: 1,
        before: Lsn(0),
        lsn: Lsn(0),
        answer: vec![7, number as u8],
        written_at_us: -5,
        received_at_us: 5,
        resolution: Resolution::Open,
        mutation: None,
        effect: None,
    }
}

fn refused(number: u64, row: u8) -> Entry {
    Entry { outcome: 3, mutation: Some(vec![number as u8; 3]), ..entry(number, row) }
}

fn record(staging: &dyn Staging, entries: &[Entry]) -> Vec<bool> {
    let mut commit = staging.begin().unwrap();
    let entered = entries.iter().map(|entry| commit.ledger().record(entry).unwrap()).collect();
    commit.finish().unwrap();
    entered
}

#[test]
fn an_entry_is_there_with_its_rows_or_not_at_all() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let mut commit = staging.begin().unwrap();
    commit.upsert(ACCOUNT, &id(1), b"").unwrap();
    let entry = Entry { lsn: commit.drawn(), ..entry(1, 1) };
    assert!(commit.ledger().record(&entry).unwrap());
    assert_eq!(commit.ledger().find(&entry.origin).unwrap().unwrap().answer, entry.answer);
    drop(commit);
    assert_eq!(staging.begin().unwrap().ledger().find(&entry.origin).unwrap(), None);
    assert_eq!(record(&*staging, std::slice::from_ref(&entry)), [true], "an entry alone is a commit too");
    let found = world.open().begin().unwrap().ledger().find(&entry.origin).unwrap().unwrap();
    assert_eq!((found.hash, found.outcome, found.lsn), (entry.hash, entry.outcome, entry.lsn));
    assert_eq!(staging.head().unwrap(), Lsn(0), "which draws no LSN");
}

#[test]
fn numbers_count_for_each_install_and_user() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let other_user = Origin { user: [9; 16], ..entry(1, 1).origin };
    let other_install = Origin { install: [9; 16], ..entry(1, 1).origin };
    let others = [other_user, other_install].map(|origin| Entry { origin, ..entry(1, 1) });
    assert_eq!(
        record(&*staging, &[entry(1, 1), entry(1, 2), others[0].clone(), others[1].clone()]),
        [true, false, true, true]
    );
}

#[test]
fn refusals_are_listed_and_settled() {
    let world = SqliteWorld::new();
    let staging = world.open();
    record(&*staging, &[entry(1, 1), refused(2, 1), refused(3, 2), refused(4, 1)]);
    let list = |after, at_most| staging.snapshot().unwrap().ledger().refused(LedgerPlace(after), at_most).unwrap();
    assert_eq!(list(0, 2).iter().map(|(place, _)| place.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(list(3, 9), [(LedgerPlace(4), refused(4, 1))]);

    let mut commit = staging.begin().unwrap();
    let earlier = commit.ledger().refused_before(&entry(4, 1).origin, ACCOUNT, &id(1), 9).unwrap();
    assert_eq!(earlier.iter().map(|it| (it.number, it.mutation.len())).collect::<Vec<_>>(), [(2, 3)]);
    drop(commit);
    discard_refusal(&*staging, LedgerPlace(4)).unwrap();
    assert_eq!(list(3, 9), [(LedgerPlace(4), Entry { resolution: Resolution::Discarded, ..refused(4, 1) })]);
    for place in [4, 1, 9] {
        let error = discard_refusal(&*staging, LedgerPlace(place)).unwrap_err();
        assert!(matches!(error, StagingError::RefusalUnknown(unknown) if unknown == place), "{error}");
    }
}

#[test]
fn what_is_withdrawn_is_settled_for_good_in_whatever_database() {
    let (old, new) = (SqliteWorld::new(), SqliteWorld::new());
    let (staging, next) = (old.open(), new.open());
    let blocked = Entry { outcome: 6, ..refused(3, 1) };
    record(&*staging, &[entry(1, 1), refused(2, 1), blocked, refused(4, 1)]);
    discard_refusal(&*staging, LedgerPlace(4)).unwrap();
    let withdraw = |staging: &dyn Staging, origin: Origin| {
        let mut commit = staging.begin().unwrap();
        let is_new = commit.ledger().withdraw(&origin).unwrap();
        commit.finish().unwrap();
        is_new
    };
    let mut of = |number| withdraw(&*staging, entry(number, 1).origin);
    assert_eq!([1, 2, 2, 3, 4, 5].map(&mut of), [false, true, false, true, false, false]);
    assert!(!withdraw(&*staging, Origin { user: [9; 16], ..entry(2, 1).origin }), "numbers are each user's own");

    let (page, _) = export_ledger(&*staging.snapshot().unwrap(), LedgerPlace(0), 9).unwrap();
    import_ledger(&*next, &page).unwrap();
    for staging in [&*old.open(), &*next] {
        let mut commit = staging.begin().unwrap();
        assert!(commit.ledger().blocked_of(&entry(2, 1).origin, 9).unwrap().is_empty());
        let earlier = commit.ledger().refused_before(&entry(9, 1).origin, ACCOUNT, &id(1), 9).unwrap();
        assert_eq!(earlier.len(), 3, "it still tells what its device saw");
        drop(commit);
        let error = discard_refusal(staging, LedgerPlace(2)).unwrap_err();
        assert!(matches!(error, StagingError::RefusalWithdrawn(2)), "{error}");
        let log = staging.snapshot().unwrap().ledger().refused(LedgerPlace(0), 9).unwrap();
        let made: Vec<Resolution> = log.iter().map(|(_, entry)| entry.resolution).collect();
        assert_eq!(made, [Resolution::Withdrawn, Resolution::Withdrawn, Resolution::Discarded]);
    }
}

#[test]
fn own_changes_are_told_from_others() {
    let world = SqliteWorld::new();
    let staging = world.open();
    record(&*staging, &[Entry { before: Lsn(3), lsn: Lsn(5), ..entry(1, 1) }]);
    let mut commit = staging.begin().unwrap();
    let mut before = |origin, lsn| commit.ledger().own_change(&origin, Lsn(lsn)).unwrap();
    assert_eq!(before(entry(2, 1).origin, 5), Some(Lsn(3)));
    assert_eq!(before(entry(2, 1).origin, 3), None);
    assert_eq!(before(Origin { install: [9; 16], ..entry(2, 1).origin }, 5), None);
}

#[test]
fn a_ledger_is_carried_to_the_next_database() {
    let (old, new) = (SqliteWorld::new(), SqliteWorld::new());
    let (staging, next) = (old.open(), new.open());
    let effect = Effect { created: true, ..Effect::default() };
    let applied = Entry { before: Lsn(1), lsn: Lsn(2), effect: Some(effect), ..entry(1, 1) };
    record(&*staging, &[applied.clone(), refused(2, 1), entry(3, 2)]);
    record(&*next, &[entry(3, 2)]);
    let mut after = LedgerPlace(0);
    let mut entered = 0;
    loop {
        let (page, last) = export_ledger(&*staging.snapshot().unwrap(), after, 2).unwrap();
        if page.is_empty() {
            break;
        }
        assert!(last > after);
        for _ in 0..2 {
            entered += import_ledger(&*next, &page).unwrap();
        }
        after = last;
    }
    assert_eq!((after, entered), (LedgerPlace(3), 2), "what is there already stays");
    let mut entries: Vec<Entry> = Vec::new();
    let snapshot = next.snapshot().unwrap();
    entries.extend(snapshot.ledger().page(LedgerPlace(0), 9).unwrap().into_iter().map(|(_, entry)| entry));
    entries.sort_by_key(|entry| entry.origin.number);
    assert_eq!(entries, [applied.elsewhere(), refused(2, 1), entry(3, 2)], "LSNs and effects stay behind");
}

#[test]
fn other_bytes_are_not_taken_for_a_ledger() {
    let world = SqliteWorld::new();
    let error = import_ledger(&*world.open(), b"\x0a\x02\x0a\x00").unwrap_err();
    assert!(matches!(error, StagingError::LedgerPageInvalid), "{error}");
    put(&*world.open(), &[]);
}
