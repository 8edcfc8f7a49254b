//! What devices change reaches the record database once, and no replication undoes it.

use std::collections::BTreeMap;

use haversack_engine::ids::{AttributeNumber, Lsn};
use haversack_engine::row::{RowWriter, Value, fields};
use haversack_staging::{Effect, Entry, Staging, StagingError, replicate, write_back};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::ledger::entry;
use crate::world::{ACCOUNT, SqliteWorld, World, id};

/// Fields of a row by their numbers.
type Fields = BTreeMap<u32, i64>;

const HISTORIES: u32 = 20;
const STEPS: usize = 30;

fn payload(fields: &Fields) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = RowWriter::new(&mut out);
    for (&number, &value) in fields {
        writer.push(AttributeNumber(number), &Value::Integer(value));
    }
    writer.finish();
    out
}

fn fields_of(payload: &[u8]) -> Fields {
    let read = fields(payload).map(Result::unwrap).map(|(number, raw)| {
        match raw.value(haversack_engine::row::FieldType::Integer).unwrap() {
            Value::Integer(value) => (number.0, value),
            other => panic!("{other:?}"),
        }
    });
    read.collect()
}

/// Live rows by the first byte of their id.
fn rows(staging: &dyn Staging) -> BTreeMap<u8, Fields> {
    let mut rows = BTreeMap::new();
    let mut visit = |row: haversack_staging::StoredRow<'_>| {
        rows.extend(row.payload.map(|payload| (row.key.0[0], fields_of(payload))));
    };
    staging.snapshot().unwrap().rows(ACCOUNT, &mut visit).unwrap();
    rows
}

/// Does to staging what an upload does, with its entry in the same commit.
fn upload(staging: &dyn Staging, number: u64, row: u8, effect: Effect) {
    let mut commit = staging.begin().unwrap();
    let before = commit.payload(ACCOUNT, &id(row)).unwrap();
    if effect.deleted {
        commit.delete(ACCOUNT, &id(row)).unwrap();
    } else {
        let mut after = before.as_deref().map(fields_of).unwrap_or_default();
        after.retain(|number, _| !effect.changed.contains(number));
        after.extend(fields_of(&effect.values));
        commit.upsert(ACCOUNT, &id(row), &payload(&after)).unwrap();
    }
    let lsn = commit.drawn();
    commit.ledger().record(&Entry { lsn, effect: Some(effect), ..entry(number, row) }).unwrap();
    commit.finish().unwrap();
}

fn set(field: u32, value: i64) -> Effect {
    Effect { changed: vec![field], values: payload(&Fields::from([(field, value)])), ..Effect::default() }
}

fn ingest(record: &dyn Staging, row: u8, fields: Option<&Fields>) {
    let mut commit = record.begin().unwrap();
    match fields {
        Some(fields) => commit.upsert(ACCOUNT, &id(row), &payload(fields)).unwrap(),
        None => commit.delete(ACCOUNT, &id(row)).unwrap(),
    };
    commit.finish().unwrap();
}

fn catch_up(staging: &dyn Staging, record: &dyn Staging) {
    while !write_back(staging, record, 2).unwrap().is_last {}
    while replicate(staging, record, ACCOUNT, 2).unwrap().left > 0 {}
}

#[test]
fn a_change_is_written_over_what_the_record_has_got_meanwhile_field_by_field() {
    let worlds = [SqliteWorld::new(), SqliteWorld::new()];
    let (staging, record) = (worlds[0].open(), worlds[1].open());
    ingest(&*record, 1, Some(&Fields::from([(1, 10), (2, 20)])));
    catch_up(&*staging, &*record);
    upload(&*staging, 1, 1, set(1, 11));
    ingest(&*record, 1, Some(&Fields::from([(1, 10), (2, 22)])));

    replicate(&*staging, &*record, ACCOUNT, 9).unwrap();
    assert_eq!(rows(&*staging)[&1], Fields::from([(1, 11), (2, 22)]), "nothing acknowledged is undone");
    let before = write_back(&*staging, &*record, 9).unwrap();
    assert_eq!((before.written, before.is_last), (1, false));
    assert_eq!(rows(&*record)[&1], Fields::from([(1, 11), (2, 22)]));

    ingest(&*record, 1, Some(&Fields::from([(1, 12), (2, 22)])));
    catch_up(&*staging, &*record);
    assert_eq!(rows(&*staging)[&1], Fields::from([(1, 12), (2, 22)]), "what arrives later stays");
}

#[test]
fn a_crash_between_the_databases_writes_nothing_twice() {
    let worlds = [SqliteWorld::new(), SqliteWorld::new()];
    let (staging, record) = (worlds[0].open(), worlds[1].open());
    upload(&*staging, 1, 1, Effect { created: true, ..set(1, 11) });
    // The first half of a write-back: the record has the change, and staging has not heard of it.
    let unwritten = staging.snapshot().unwrap().ledger().unwritten(9).unwrap();
    let mut commit = record.begin().unwrap();
    commit.ledger().record(&unwritten[0].entry.clone().elsewhere()).unwrap();
    commit.upsert(ACCOUNT, &id(1), &payload(&Fields::from([(1, 11)]))).unwrap();
    commit.finish().unwrap();
    ingest(&*record, 1, Some(&Fields::from([(1, 12)])));

    replicate(&*staging, &*record, ACCOUNT, 9).unwrap();
    assert_eq!(rows(&*staging)[&1], Fields::from([(1, 12)]), "the change is in the record, under a later one");
    catch_up(&*staging, &*record);
    assert_eq!((rows(&*staging), rows(&*record)[&1].clone()), (rows(&*record), Fields::from([(1, 12)])));
}

#[test]
fn rows_that_devices_made_are_not_swept_away() {
    let worlds = [SqliteWorld::new(), SqliteWorld::new(), SqliteWorld::new()];
    let (staging, record, another) = (worlds[0].open(), worlds[1].open(), worlds[2].open());
    ingest(&*record, 1, Some(&Fields::from([(1, 1)])));
    catch_up(&*staging, &*record);
    upload(&*staging, 1, 2, Effect { created: true, ..set(1, 2) });
    upload(&*staging, 2, 1, Effect { deleted: true, ..Effect::default() });
    ingest(&*another, 1, Some(&Fields::from([(1, 5)])));
    while replicate(&*staging, &*another, ACCOUNT, 1).unwrap().left > 0 {}
    assert_eq!(rows(&*staging), BTreeMap::from([(2, Fields::from([(1, 2)]))]));
    catch_up(&*staging, &*another);
    assert_eq!(rows(&*another), rows(&*staging));
}

#[test]
fn a_row_that_the_record_has_deleted_stays_deleted() {
    let worlds = [SqliteWorld::new(), SqliteWorld::new()];
    let (staging, record) = (worlds[0].open(), worlds[1].open());
    ingest(&*record, 1, Some(&Fields::from([(1, 1)])));
    catch_up(&*staging, &*record);
    upload(&*staging, 1, 1, set(1, 2));
    ingest(&*record, 1, None);
    catch_up(&*staging, &*record);
    assert_eq!((rows(&*staging).len(), rows(&*record).len()), (0, 0));
}

#[test]
fn a_database_is_not_written_back_to_itself() {
    let world = SqliteWorld::new();
    let staging = world.open();
    assert!(matches!(write_back(&*staging, &*staging, 1), Err(StagingError::SourceIsSelf)));
    assert_eq!(staging.head().unwrap(), Lsn(0));
}

#[derive(Clone, Debug)]
enum Step {
    /// A device sets a field of a row, or makes the row.
    Set(u8, u32),
    /// A device deletes a row.
    Delete(u8),
    /// The record gets a value, or a whole row.
    Ingest(u8, u32),
    Replicate(usize),
    WriteBack(usize),
    /// The first half of a write-back, and then a crash.
    HalfWriteBack(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (row, field) = (1u8..4, 1u32..4);
    prop_oneof![
        4 => (row.clone(), field.clone()).prop_map(|(row, field)| Step::Set(row, field)),
        1 => row.clone().prop_map(Step::Delete),
        3 => (row, field).prop_map(|(row, field)| Step::Ingest(row, field)),
        3 => (1usize..4).prop_map(Step::Replicate),
        2 => (1usize..4).prop_map(Step::WriteBack),
        1 => (1usize..4).prop_map(Step::HalfWriteBack),
    ]
}

/// Which changes have not reached the record, and what it must hold: its fields are set in order of arrival.
#[derive(Default)]
struct Expected {
    waiting: Vec<(u8, Effect)>,
    record: BTreeMap<u8, Fields>,
}

impl Expected {
    fn arrive(&mut self, count: usize) {
        for (row, effect) in self.waiting.drain(..count.min(self.waiting.len())) {
            let before = self.record.remove(&row);
            if effect.deleted || (before.is_none() && !effect.created) {
                continue;
            }
            let mut after = before.unwrap_or_default();
            after.extend(fields_of(&effect.values));
            self.record.insert(row, after);
        }
    }
}

/// The record's half of a write-back, whose answer is lost.
fn half(staging: &dyn Staging, record: &dyn Staging, at_most: usize) {
    let worlds = SqliteWorld::new();
    let nobody = worlds.open();
    for it in staging.snapshot().unwrap().ledger().unwritten(at_most).unwrap() {
        // A staging database that has these changes alone, so that nothing of the real one is forgotten.
        let mut commit = nobody.begin().unwrap();
        commit.ledger().record(&Entry { lsn: Lsn(0), ..it.entry }).unwrap();
        commit.finish().unwrap();
    }
    while !write_back(&*nobody, record, 9).unwrap().is_last {}
}

fn check(steps: &[Step]) {
    let worlds = [SqliteWorld::new(), SqliteWorld::new()];
    let (staging, record) = (worlds[0].open(), worlds[1].open());
    let mut expected = Expected::default();
    // Changes at the beginning of `waiting` that are in the record, and that staging has not forgotten.
    let mut known = 0;
    for (index, step) in steps.iter().enumerate() {
        let value = index as i64;
        match *step {
            Step::Set(row, field) => {
                let created = !rows(&*staging).contains_key(&row);
                let effect = Effect { created, ..set(field, value) };
                upload(&*staging, index as u64 + 1, row, effect.clone());
                expected.waiting.push((row, effect));
            }
            Step::Delete(row) => {
                if !rows(&*staging).contains_key(&row) {
                    continue;
                }
                let effect = Effect { deleted: true, ..Effect::default() };
                upload(&*staging, index as u64 + 1, row, effect.clone());
                expected.waiting.push((row, effect));
            }
            Step::Ingest(row, field) => {
                let mut fields = expected.record.get(&row).cloned().unwrap_or_default();
                fields.insert(field, value);
                ingest(&*record, row, Some(&fields));
                expected.record.insert(row, fields);
            }
            Step::Replicate(rows_max) => drop(replicate(&*staging, &*record, ACCOUNT, rows_max).unwrap()),
            Step::WriteBack(at_most) => {
                let written = write_back(&*staging, &*record, at_most).unwrap().written as usize;
                expected.arrive(written.saturating_sub(known));
                known = known.saturating_sub(written);
            }
            Step::HalfWriteBack(at_most) => {
                half(&*staging, &*record, at_most);
                let reached = staging.snapshot().unwrap().ledger().unwritten(at_most).unwrap().len();
                expected.arrive(reached.saturating_sub(known));
                known = known.max(reached);
            }
        }
        assert_eq!(rows(&*record), expected.record, "after step {index}, {step:?}");
    }
    catch_up(&*staging, &*record);
    expected.arrive(usize::MAX);
    assert_eq!(rows(&*record), expected.record);
    assert_eq!(rows(&*staging), expected.record);
}

#[test]
fn whatever_comes_between_both_end_as_the_record_was_told_in_order() {
    let mut runner = TestRunner::new(Config { cases: HISTORIES, failure_persistence: None, ..Config::default() });
    runner
        .run(&proptest::collection::vec(step(), 1..STEPS), |steps| {
            check(&steps);
            Ok(())
        })
        .unwrap();
}
