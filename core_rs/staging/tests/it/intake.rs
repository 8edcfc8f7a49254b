//! Rows of a source outside: passes that sweep, positions that are committed with rows, versions beside them.

use std::collections::BTreeMap;

use haversack_engine::ids::{EntityNumber, Lsn};
use haversack_staging::{Arrival, INTAKE_ROWS_MAX, Intake, RowId, Staging, Swept, Taken, WHOLE_ORGANIZATION};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::world::{ACCOUNT, CONTACT, SqliteWorld, World, changes, delete, id, put};

const HISTORIES: u32 = 96;

/// Takes rows of ACCOUNT in a commit of its own.
fn take(staging: &dyn Staging, rows: &[(u8, &[u8], Option<&str>)]) -> Taken {
    let ids: Vec<_> = rows.iter().map(|row| id(row.0)).collect();
    let arrivals: Vec<_> =
        rows.iter().zip(&ids).map(|(&(_, payload, etag), id)| Arrival::Row { id, payload, etag }).collect();
    let mut commit = staging.begin().unwrap();
    let taken = Intake::new(&mut *commit).take(ACCOUNT, &arrivals).unwrap();
    commit.finish().unwrap();
    taken
}

fn begin_pass(staging: &dyn Staging) {
    let mut commit = staging.begin().unwrap();
    Intake::new(&mut *commit).begin_pass(ACCOUNT).unwrap();
    commit.finish().unwrap();
}

fn sweep(staging: &dyn Staging, rows_max: usize) -> Swept {
    let mut commit = staging.begin().unwrap();
    let swept = Intake::new(&mut *commit).sweep(ACCOUNT, rows_max).unwrap();
    commit.finish().unwrap();
    swept
}

fn rows(staging: &dyn Staging, entity: EntityNumber) -> BTreeMap<u8, Vec<u8>> {
    let all = changes(&*staging.snapshot().unwrap(), 0);
    all.into_iter().filter(|row| row.0 == entity).filter_map(|row| Some((row.2, row.4?))).collect()
}

#[test]
fn pass_sweeps_away_what_it_has_not_met() {
    let world = SqliteWorld::new();
    let staging = world.open();
    put(&*staging, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b"), (ACCOUNT, 3, b"c"), (CONTACT, 1, b"other")]);
    begin_pass(&*staging);
    take(&*staging, &[(2, b"b", None), (4, b"new", None)]);
    assert_eq!(sweep(&*staging, 2), Swept { deleted: 1, left: 1 });
    assert_eq!(sweep(&*staging, 2), Swept { deleted: 1, left: 0 });
    assert_eq!(rows(&*staging, ACCOUNT), [(2, b"b".to_vec()), (4, b"new".to_vec())].into());
    assert_eq!(rows(&*staging, CONTACT), [(1, b"other".to_vec())].into(), "another entity is left alone");
    assert_eq!(sweep(&*staging, 2), Swept::default(), "the pass is over");
}

#[test]
fn pass_that_begins_again_forgets_what_it_had_met() {
    let world = SqliteWorld::new();
    let staging = world.open();
    put(&*staging, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b")]);
    begin_pass(&*staging);
    take(&*staging, &[(1, b"a", None)]);
    begin_pass(&*staging);
    take(&*staging, &[(2, b"b", None)]);
    assert_eq!(sweep(&*staging, 10), Swept { deleted: 1, left: 0 });
    assert_eq!(rows(&*staging, ACCOUNT), [(2, b"b".to_vec())].into());
}

#[test]
fn row_that_comes_while_the_sweep_goes_on_stays() {
    let world = SqliteWorld::new();
    let staging = world.open();
    put(&*staging, &[(ACCOUNT, 1, b"a"), (ACCOUNT, 2, b"b"), (ACCOUNT, 3, b"c")]);
    begin_pass(&*staging);
    assert_eq!(sweep(&*staging, 1), Swept { deleted: 1, left: 2 });
    take(&*staging, &[(1, b"back", None), (3, b"c", None)]);
    assert_eq!(sweep(&*staging, 9), Swept { deleted: 1, left: 0 });
    assert_eq!(rows(&*staging, ACCOUNT), [(1, b"back".to_vec()), (3, b"c".to_vec())].into());
}

#[test]
fn first_pass_tracks_nothing_and_sweeps_nothing() {
    let world = SqliteWorld::new();
    let staging = world.open();
    begin_pass(&*staging);
    let taken = take(&*staging, &[(1, b"a", None), (2, b"bb", None)]);
    assert_eq!(taken, Taken { read: 2, inserted: 2, bytes: 3, ..Taken::default() });
    assert_eq!(sweep(&*staging, 1), Swept::default());
    delete(&*staging, ACCOUNT, 1);
    delete(&*staging, ACCOUNT, 2);
    begin_pass(&*staging);
    assert!(staging.begin().unwrap().passes().pass(ACCOUNT).unwrap().is_none(), "nobody is left to be gone");
}

#[test]
fn unchanged_row_draws_no_lsn_but_keeps_its_new_version() {
    let world = SqliteWorld::new();
    let staging = world.open();
    take(&*staging, &[(1, b"a", Some("W/\"1\""))]);
    let head = staging.head().unwrap();
    let taken = take(&*staging, &[(1, b"a", Some("W/\"2\""))]);
    assert_eq!((taken.unchanged, staging.head().unwrap()), (1, head));
    assert_eq!(staging.begin().unwrap().etag(ACCOUNT, &id(1)).unwrap().as_deref(), Some("W/\"2\""));
    take(&*staging, &[(1, b"b", None)]);
    assert_eq!(staging.begin().unwrap().etag(ACCOUNT, &id(1)).unwrap(), None, "it is of the version before");
    assert_eq!(staging.begin().unwrap().etag(ACCOUNT, &id(9)).unwrap(), None);
}

#[test]
fn deletion_forgets_the_version() {
    let world = SqliteWorld::new();
    let staging = world.open();
    take(&*staging, &[(1, b"a", Some("1"))]);
    delete(&*staging, ACCOUNT, 1);
    assert_eq!(staging.begin().unwrap().etag(ACCOUNT, &id(1)).unwrap(), None);
    assert_eq!(take(&*staging, &[(1, b"a", Some("2"))]).inserted, 1);
    assert_eq!(staging.begin().unwrap().etag(ACCOUNT, &id(1)).unwrap().as_deref(), Some("2"));
}

#[test]
fn arrivals_count_in_their_order() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let (one, two) = (id(1), id(2));
    let row = |id, payload| Arrival::Row { id, payload, etag: None };
    let mut commit = staging.begin().unwrap();
    let mut intake = Intake::new(&mut *commit);
    let arrivals =
        [row(&one, b"a"), Arrival::Gone { id: &one }, row(&two, b"b"), row(&two, b"c"), Arrival::Gone { id: &one }];
    let taken = intake.take(ACCOUNT, &arrivals).unwrap();
    assert_eq!((taken.read, taken.inserted, taken.updated, taken.deleted, taken.unchanged), (5, 2, 1, 1, 1));
    assert_eq!(intake.taken(), taken);
    commit.finish().unwrap();
    assert_eq!(rows(&*staging, ACCOUNT), [(2, b"c".to_vec())].into());
}

#[test]
fn position_is_true_with_its_commit_and_draws_no_lsn() {
    let world = SqliteWorld::new();
    let (staging, other) = (world.open(), world.open());
    let mut dropped = staging.begin().unwrap();
    dropped.set_position(ACCOUNT, Some(b"never")).unwrap();
    drop(dropped);
    let mut commit = staging.begin().unwrap();
    commit.set_position(ACCOUNT, Some(b"token")).unwrap();
    commit.set_position(WHOLE_ORGANIZATION, Some(b"0/16B3748")).unwrap();
    assert_eq!(commit.finish().unwrap(), Lsn(0));
    let mut commit = other.begin().unwrap();
    assert_eq!(commit.position(ACCOUNT).unwrap().as_deref(), Some(&b"token"[..]));
    assert_eq!(commit.position(WHOLE_ORGANIZATION).unwrap().as_deref(), Some(&b"0/16B3748"[..]));
    assert_eq!(commit.position(CONTACT).unwrap(), None);
    commit.set_position(ACCOUNT, None).unwrap();
    commit.finish().unwrap();
    assert_eq!(staging.begin().unwrap().position(ACCOUNT).unwrap(), None);
}

#[test]
fn commit_is_full_by_rows_or_by_bytes() {
    let world = SqliteWorld::new();
    let staging = world.open();
    let mut commit = staging.begin().unwrap();
    let mut intake = Intake::new(&mut *commit);
    let one = id(1);
    let gone = vec![Arrival::Gone { id: &one }; INTAKE_ROWS_MAX - 1];
    intake.take(ACCOUNT, &gone).unwrap();
    assert!(!intake.is_full());
    intake.take(ACCOUNT, &gone[..1]).unwrap();
    assert!(intake.is_full());
    let mut intake = Intake::new(&mut *commit);
    intake.take(ACCOUNT, &[Arrival::Row { id: &one, payload: &vec![0; 4 << 20], etag: None }]).unwrap();
    assert!(intake.is_full());
}

/// A source: rows, and what happened to them in order.
#[derive(Default)]
struct Source {
    rows: BTreeMap<u8, u8>,
    log: Vec<u8>,
}

/// How far a reader of it has come.
#[derive(Clone, Copy)]
enum Position {
    /// The next row of a full read that began at a place of the log.
    Reading { next: u16, log: usize },
    /// What the full read has not met.
    Sweeping { log: usize },
    /// The log.
    Following { log: usize },
}

impl Position {
    fn encode(self) -> Vec<u8> {
        let (stage, next, log) = match self {
            Self::Reading { next, log } => (0, next, log),
            Self::Sweeping { log } => (1, 0, log),
            Self::Following { log } => (2, 0, log),
        };
        [&[stage][..], &next.to_be_bytes(), &(log as u32).to_be_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Self {
        let next = u16::from_be_bytes(bytes[1..3].try_into().unwrap());
        let log = u32::from_be_bytes(bytes[3..7].try_into().unwrap()) as usize;
        match bytes[0] {
            0 => Self::Reading { next, log },
            1 => Self::Sweeping { log },
            _ => Self::Following { log },
        }
    }
}

impl Source {
    fn change(&mut self, number: u8, value: Option<u8>) {
        match value {
            Some(value) => drop(self.rows.insert(number, value)),
            None => drop(self.rows.remove(&number)),
        }
        self.log.push(number);
    }

    /// One commit of a reader; `crash` drops it.
    fn read(&self, staging: &dyn Staging, rows_max: usize, crash: bool) {
        let mut commit = staging.begin().unwrap();
        let before = commit.position(ACCOUNT).unwrap();
        let mut intake = Intake::new(&mut *commit);
        let position = match before.as_deref().map(Position::decode) {
            None => {
                intake.begin_pass(ACCOUNT).unwrap();
                Position::Reading { next: 0, log: self.log.len() }
            }
            Some(position) => position,
        };
        let position = match position {
            Position::Reading { next, log } => {
                let page: Vec<u8> =
                    self.rows.keys().copied().filter(|&key| u16::from(key) >= next).take(rows_max).collect();
                self.take(&mut intake, &page);
                match page.last() {
                    Some(&last) if page.len() == rows_max => Position::Reading { next: u16::from(last) + 1, log },
                    _ => Position::Sweeping { log },
                }
            }
            Position::Sweeping { log } => match intake.sweep(ACCOUNT, rows_max).unwrap().left {
                0 => Position::Following { log },
                _ => position,
            },
            Position::Following { log } => {
                let end = self.log.len().min(log + rows_max);
                self.take(&mut intake, &self.log[log..end]);
                Position::Following { log: end }
            }
        };
        commit.set_position(ACCOUNT, Some(&position.encode())).unwrap();
        if !crash {
            commit.finish().unwrap();
        }
    }

    /// Hands rows over as they are now.
    fn take(&self, intake: &mut Intake<'_>, numbers: &[u8]) {
        let ids: Vec<RowId> = numbers.iter().map(|&number| id(number)).collect();
        let arrivals: Vec<_> = numbers
            .iter()
            .zip(&ids)
            .map(|(number, id)| match self.rows.get(number) {
                Some(value) => Arrival::Row { id, payload: std::slice::from_ref(value), etag: None },
                None => Arrival::Gone { id },
            })
            .collect();
        intake.take(ACCOUNT, &arrivals).unwrap();
    }

    fn is_followed(&self, staging: &dyn Staging) -> bool {
        let position = staging.begin().unwrap().position(ACCOUNT).unwrap();
        matches!(position.as_deref().map(Position::decode), Some(Position::Following { log }) if log == self.log.len())
    }
}

/// What happens in a history.
#[derive(Clone, Debug)]
enum Event {
    /// A row of the source changes or goes.
    Change(u8, Option<u8>),
    /// One of two handles makes one commit, or dies before its end.
    Read { handle: usize, rows_max: usize, crash: bool },
    /// The source no longer knows the position: everything has to be read again.
    Expire,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..14u8, prop::option::weighted(0.7, 0..3u8)).prop_map(|(number, value)| Event::Change(number, value)),
        8 => (0..2usize, 1..5usize, prop::bool::weighted(0.25))
            .prop_map(|(handle, rows_max, crash)| Event::Read { handle, rows_max, crash }),
        1 => Just(Event::Expire),
    ]
}

#[test]
fn random_passes_changes_and_crashes_end_equal() {
    let mut runner = TestRunner::new(Config { cases: HISTORIES, failure_persistence: None, ..Config::default() });
    let case = |(here, events): (Vec<u8>, Vec<Event>)| {
        run(&here, &events);
        Ok(())
    };
    runner.run(&(prop::collection::vec(0..14u8, 0..8), prop::collection::vec(event(), 1..60)), case).unwrap();
}

fn run(here: &[u8], events: &[Event]) {
    let world = SqliteWorld::new();
    let handles = [world.open(), world.open()];
    put(&*handles[0], &here.iter().map(|&number| (ACCOUNT, number, &[1][..])).collect::<Vec<_>>());
    let mut source = Source::default();
    for event in events {
        match event {
            Event::Change(number, value) => source.change(*number, *value),
            Event::Read { handle, rows_max, crash } => read(&source, &*handles[*handle], *rows_max, *crash),
            Event::Expire => {
                let mut commit = handles[0].begin().unwrap();
                commit.set_position(ACCOUNT, None).unwrap();
                commit.finish().unwrap();
            }
        }
    }
    while !source.is_followed(&*handles[0]) {
        read(&source, &*handles[0], 3, false);
    }
    let expected: BTreeMap<u8, Vec<u8>> = source.rows.iter().map(|(&number, &value)| (number, vec![value])).collect();
    assert_eq!(rows(&*handles[1], ACCOUNT), expected);
    assert!(handles[1].begin().unwrap().passes().pass(ACCOUNT).unwrap().is_none());
}

/// One commit, after which every row that drew an LSN is another one than before.
fn read(source: &Source, staging: &dyn Staging, rows_max: usize, crash: bool) {
    let (head, before) = (staging.head().unwrap(), rows(staging, ACCOUNT));
    source.read(staging, rows_max, crash);
    for row in changes(&*staging.snapshot().unwrap(), head.0).iter().filter(|row| row.3 > head.0) {
        assert!(!crash, "a commit that was dropped has left a row");
        // A row may come twice in one commit, changed and changed back.
        let is_other = before.get(&row.2) != row.4.as_ref();
        let of_row = |number: &u8| *number == row.2;
        let twice = source.log.iter().position(of_row) != source.log.iter().rposition(of_row);
        assert!(is_other || twice, "an unchanged row drew an LSN: {row:?}");
    }
}
