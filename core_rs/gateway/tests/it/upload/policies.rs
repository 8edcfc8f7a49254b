//! Two devices, an administrator and a network that loses answers, in random order, against a model in memory.
//!
//! A device's own copy is the server's rows as of its last sync, under what it has written since. Each policy is run with
//! the same histories; after each upload the answers, and at the end all rows, must be the model's.

use std::cell::Cell;
use std::collections::BTreeMap;

use haversack_engine::ids::AttributeNumber;
use haversack_engine::row::{FieldType, Value, read};
use haversack_proto::model::ConflictPolicy::{self, ClientWins, Merge, ServerWins};
use haversack_proto::sync::MutationOutcome::{Applied, Conflict, Invalid, NotFound};
use haversack_proto::sync::{Mutation, MutationKind, MutationOutcome};
use haversack_staging::{RowId, Staging};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::device::{Outbox, Setting};
use super::outcomes::row;
use super::world::*;
use crate::device::Stage;
use crate::world::{ACCOUNT, ADA, BOB, World, account_id};

const HISTORIES: u32 = 32;
const STEPS_MAX: usize = 28;
const ROWS: u32 = 2;

/// The fields that are written. One has three choices, so that some mutations are refused.
const FIELDS: [u32; 2] = [SCORE, RATING];

/// A row's fields; absent is NULL.
type Fields = BTreeMap<u32, i64>;

#[derive(Clone, Debug)]
enum Step {
    /// A device changes fields of a row to these values.
    Update(usize, u32, Vec<(u32, Option<i64>)>),
    Delete(usize, u32),
    Create(usize, u32, i64),
    /// A device sends some of its outbox. If the answers are lost it will send the same again.
    Upload(usize, usize, bool),
    Sync(usize),
    /// Somebody else changes a field.
    Other(u32, i64),
}

fn step() -> impl Strategy<Value = Step> {
    let (device, row) = (0usize..2, 0..ROWS);
    let value = prop_oneof![4 => (1i64..5).prop_map(Some), 1 => Just(None)];
    let change = (0..FIELDS.len()).prop_flat_map(move |at| value.clone().prop_map(move |value| (FIELDS[at], value)));
    prop_oneof![
        6 => (device.clone(), row.clone(), proptest::collection::vec(change, 1..3))
            .prop_map(|(device, row, changes)| Step::Update(device, row, changes)),
        1 => (device.clone(), row.clone()).prop_map(|(device, row)| Step::Delete(device, row)),
        1 => (device.clone(), row.clone(), 1i64..4).prop_map(|(device, row, score)| Step::Create(device, row, score)),
        4 => (device.clone(), 1usize..4, any::<bool>()).prop_map(|(device, most, lost)| Step::Upload(device, most, lost)),
        3 => device.prop_map(Step::Sync),
        1 => (row, 1i64..5).prop_map(|(row, score)| Step::Other(row, score)),
    ]
}

/// A row of the model's server.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    fields: Fields,
    /// When it was changed, and by whom: a device, or somebody else.
    changes: Vec<(usize, Option<usize>)>,
}

/// A mutation as the model knows it.
#[derive(Clone, Debug)]
struct Written {
    row: u32,
    kind: MutationKind,
    new: Vec<(u32, Option<i64>)>,
    old: Fields,
    /// The last change of the row that the device had seen.
    seen: usize,
    sent: Mutation,
}

#[derive(Default)]
struct ModelDevice {
    base: BTreeMap<u32, Row>,
    waiting: Vec<Written>,
    /// Answers that were lost: what the device will send first, and must hear again.
    lost: Vec<(Written, Verdict)>,
    refused: Vec<Written>,
}

#[derive(Clone, Debug, PartialEq)]
struct Verdict {
    outcome: MutationOutcome,
    fields: Vec<u32>,
    overruled: Vec<u32>,
}

/// The whole world in memory.
struct Model {
    policy: ConflictPolicy,
    rows: BTreeMap<u32, Row>,
    devices: [ModelDevice; 2],
    /// How many changes there have been.
    now: usize,
}

impl ModelDevice {
    /// What the device shows: the server's row under its own writes.
    fn shown(&self, row: u32) -> Option<(Fields, usize)> {
        let base = self.base.get(&row);
        let mut shown = base.map(|base| base.fields.clone());
        if let Some(fields) = &mut shown {
            fields.remove(&LSN);
        }
        let seen = base.and_then(|base| base.changes.last()).map_or(0, |(when, _)| *when);
        for written in self.lost.iter().map(|(written, _)| written).chain(&self.waiting).filter(|it| it.row == row) {
            match written.kind {
                MutationKind::Delete => shown = None,
                MutationKind::Create => shown = Some(Fields::new()),
                _ => {}
            }
            if let Some(fields) = &mut shown {
                set(fields, &written.new);
            }
        }
        Some((shown?, seen))
    }
}

fn set(fields: &mut Fields, new: &[(u32, Option<i64>)]) {
    for &(field, value) in new {
        match value {
            Some(value) => drop(fields.insert(field, value)),
            None => drop(fields.remove(&field)),
        }
    }
}

impl Model {
    /// What becomes of a mutation, and its work.
    fn judge(&mut self, device: usize, written: &Written) -> Verdict {
        let verdict = |outcome, fields, overruled| Verdict { outcome, fields, overruled };
        let refused = self.devices[device].refused.clone();
        self.now += 1;
        let Some(row) = self.rows.get_mut(&written.row) else {
            if written.kind != MutationKind::Create {
                return verdict(NotFound, vec![], vec![]);
            }
            let fields = written.new.iter().filter_map(|&(field, value)| Some((field, value?))).collect();
            self.rows.insert(written.row, Row { fields, changes: vec![(self.now, Some(device))] });
            return verdict(Applied, vec![], vec![]);
        };
        match written.kind {
            MutationKind::Create => return verdict(Conflict, vec![1], vec![]),
            MutationKind::Delete => {
                let others = row.changes.iter().any(|(when, who)| *when > written.seen && *who != Some(device));
                if self.policy != ClientWins && others {
                    return verdict(Conflict, vec![], vec![]);
                }
                self.rows.remove(&written.row);
                return verdict(Applied, vec![], vec![]);
            }
            _ => {}
        }
        if written.new.iter().any(|&(field, value)| field == RATING && value == Some(4)) {
            return verdict(Invalid, vec![RATING], vec![]);
        }
        let mut conflicts = vec![];
        for &(field, new) in written.new.iter().filter(|_| self.policy != ClientWins) {
            let current = row.fields.get(&field).copied();
            let mut old = written.old.get(&field).copied();
            for earlier in refused.iter().rev().filter(|it| it.row == written.row) {
                let wanted = earlier.new.iter().find(|(other, _)| *other == field);
                if current != old && wanted.is_some_and(|(_, wanted)| *wanted == old) {
                    old = earlier.old.get(&field).copied();
                }
            }
            if current != old && current != new {
                conflicts.push(field);
            }
        }
        if !conflicts.is_empty() && self.policy == ServerWins {
            return verdict(Conflict, conflicts, vec![]);
        }
        let new: Vec<_> = written.new.iter().copied().filter(|(field, _)| !conflicts.contains(field)).collect();
        let before = row.fields.clone();
        set(&mut row.fields, &new);
        if row.fields != before {
            row.changes.push((self.now, Some(device)));
        }
        verdict(Applied, vec![], conflicts)
    }
}

/// A whole number that a payload holds.
pub(crate) fn integer(payload: &[u8], field: u32) -> Option<i64> {
    match read(payload, AttributeNumber(field), FieldType::Integer).unwrap() {
        Some(Value::Integer(value)) => Some(value),
        _ => None,
    }
}

/// One history on a stage that others have used: `first` is the number of its first account.
struct Run<'a> {
    world: &'a World,
    outboxes: &'a [Outbox; 2],
    first: u32,
    model: Model,
}

impl Run<'_> {
    async fn take(&mut self, step: &Step) {
        match step {
            Step::Update(device, row, changes) => {
                let Some((old, seen)) = self.model.devices[*device].shown(*row) else { return };
                let new: BTreeMap<u32, Option<i64>> = changes.iter().copied().collect();
                let values: Vec<_> =
                    new.iter().filter_map(|(&field, value)| Some((field, Value::Integer((*value)?)))).collect();
                let before: Vec<_> = old.iter().map(|(&field, &value)| (field, Value::Integer(value))).collect();
                let mut sent = self.outboxes[*device].update(self.first + row, &values).seeing(&before);
                sent.changed = new.keys().copied().collect();
                self.write(
                    *device,
                    Written { row: *row, kind: MutationKind::Update, new: new.into_iter().collect(), old, seen, sent },
                );
            }
            Step::Delete(device, row) => {
                let Some((old, seen)) = self.model.devices[*device].shown(*row) else { return };
                let base = self.lsn_seen(*device, *row);
                let sent = self.outboxes[*device].delete(self.first + row).based_on(base, self.world.position());
                self.write(*device, Written { row: *row, kind: MutationKind::Delete, new: vec![], old, seen, sent });
            }
            Step::Create(device, row, score) => {
                if self.model.devices[*device].shown(*row).is_some() {
                    return;
                }
                let values = [(NAME, Value::Text("made")), (SCORE, Value::Integer(*score))];
                let sent = self.outboxes[*device].create(self.first + row, &values);
                let new = vec![(SCORE, Some(*score))];
                self.write(
                    *device,
                    Written { row: *row, kind: MutationKind::Create, new, old: Fields::new(), seen: 0, sent },
                );
            }
            Step::Upload(device, most, lost) => self.upload(*device, *most, *lost).await,
            Step::Sync(device) => self.sync(*device),
            Step::Other(row, score) => self.change(*row, *score),
        }
    }

    fn write(&mut self, device: usize, written: Written) {
        self.model.devices[device].waiting.push(written);
    }

    /// The LSN of the row that a device has seen: each of its changes has drawn one.
    fn lsn_seen(&self, device: usize, row: u32) -> u64 {
        let base = self.model.devices[device].base.get(&row);
        base.and_then(|base| base.fields.get(&LSN)).map_or(0, |lsn| *lsn as u64)
    }

    async fn upload(&mut self, device: usize, most: usize, lost: bool) {
        let again = std::mem::take(&mut self.model.devices[device].lost);
        let waiting = &mut self.model.devices[device].waiting;
        let fresh: Vec<Written> = waiting.drain(..most.min(waiting.len())).collect();
        let mut expected = again;
        for written in fresh {
            let verdict = self.model.judge(device, &written);
            if verdict.outcome != Applied {
                self.model.devices[device].refused.push(written.clone());
            }
            expected.push((written, verdict));
        }
        if expected.is_empty() {
            return;
        }
        let mutations: Vec<Mutation> = expected.iter().map(|(written, _)| written.sent.clone()).collect();
        let answers = self.outboxes[device].send(&mutations).await.unwrap();
        assert_eq!(answers.len(), expected.len());
        for (answer, (written, verdict)) in answers.iter().zip(&expected) {
            let (fields, overruled) = (answer.fields.clone(), answer.overruled.clone());
            let got = Verdict { outcome: answer.outcome(), fields, overruled };
            assert_eq!(got, *verdict, "{}: {written:?}", answer.message);
            assert_eq!(answer.number, written.sent.number);
        }
        if lost {
            self.model.devices[device].lost = expected;
        } else {
            self.sync(device);
        }
    }

    /// The device gets the server's rows, each with its LSN.
    fn sync(&mut self, device: usize) {
        let mut base = self.model.rows.clone();
        for (row, known) in &mut base {
            let id = RowId::Uuid(account_id(self.first + row));
            let (lsn, _) = self.world.staging.begin().unwrap().row(ACCOUNT, &id).unwrap().expect("the model has it");
            known.fields.insert(LSN, lsn.0 as i64);
        }
        self.model.devices[device].base = base;
    }

    fn change(&mut self, row: u32, score: i64) {
        let Some(known) = self.model.rows.get_mut(&row) else { return };
        if known.fields.insert(SCORE, score) != Some(score) {
            self.model.now += 1;
            known.changes.push((self.model.now, None));
        }
        let known = known.clone();
        self.put(row, &known.fields);
    }

    fn put(&self, row: u32, fields: &Fields) {
        let before = super::outcomes::row(self.world, ACCOUNT, account_id(self.first + row));
        let values: Vec<_> = fields.iter().map(|(&field, &value)| (field, Value::Integer(value))).collect();
        let changed = FIELDS.map(AttributeNumber);
        let payload =
            haversack_engine::row::splice(&before.unwrap(), &changed, &super::device::payload(&values)).unwrap();
        let id = RowId::Uuid(account_id(self.first + row));
        self.world.commit(|commit| assert!(commit.upsert(ACCOUNT, &id, &payload).is_ok()));
    }

    fn check(&self) {
        for number in 0..ROWS {
            let stored = row(self.world, ACCOUNT, account_id(self.first + number));
            let stored: Option<Fields> = stored
                .map(|payload| FIELDS.iter().filter_map(|&field| Some((field, integer(&payload, field)?))).collect());
            assert_eq!(stored, self.model.rows.get(&number).map(|row| row.fields.clone()), "row {number}");
        }
    }
}

/// Stands for the LSN of a device's copy among its fields; no attribute has this number.
const LSN: u32 = 0;

async fn run(world: &World, outboxes: &[Outbox; 2], first: u32, policy: ConflictPolicy, steps: &[Step]) {
    world.commit(|commit| (0..ROWS).for_each(|row| put_scored(commit, first + row, ADA, "Ribe", 1)));
    let begun = |_| (Fields::from([(SCORE, 1)]), vec![(0, None)]);
    let rows = (0..ROWS).map(|row| (row, begun(row))).map(|(row, (fields, changes))| (row, Row { fields, changes }));
    let model = Model { policy, rows: rows.collect(), devices: Default::default(), now: 0 };
    let mut run = Run { world, outboxes, first, model };
    (0..2).for_each(|device| run.sync(device));
    for step in steps {
        run.take(step).await;
    }
    for device in 0..2 {
        run.upload(device, usize::MAX, false).await;
    }
    run.check();
}

#[test]
fn random_histories_end_as_the_model_says_under_every_policy() {
    for policy in [ClientWins, ServerWins, Merge] {
        Stage::new(organization(policy)).run(async |world, door| {
            let outboxes = [Outbox::of(door, ADA).await, Outbox::of(door, BOB).await];
            let handle = tokio::runtime::Handle::current();
            let first = Cell::new(1_000);
            let config = Config { cases: HISTORIES, failure_persistence: None, ..Config::default() };
            let mut runner = TestRunner::new(config);
            let outcome = tokio::task::block_in_place(|| {
                runner.run(&proptest::collection::vec(step(), 1..STEPS_MAX), |steps| {
                    first.set(first.get() + ROWS);
                    handle.block_on(run(world, &outboxes, first.get(), policy, &steps));
                    Ok(())
                })
            });
            outcome.unwrap();
        });
    }
}
