//! Random histories of devices, a worker and a source, against what the source has and has answered.

use std::collections::{BTreeMap, HashSet};

use haversack_proto::sync::{MutationKind, MutationOutcome};
use haversack_staging::queue::{Ready, Settlement, composed, settle};
use haversack_staging::{Origin, RowId, Staging};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{
    Fields, NAME, Wish, answer, json, numbers, payload, queue, ready_now, refused, row, schema, text, written,
};
use crate::world::{ACCOUNT, SqliteWorld, World, id};

const HISTORIES: u32 = 24;
const STEPS: usize = 40;

#[derive(Clone, Debug)]
enum Step {
    /// A device of two writes a row of three: makes it, changes it, or deletes it, as it can.
    Write(u8, u8, bool),
    /// The worker takes so many writes to the source, which refuses those that this says; the last answer may be lost.
    Send(usize, Vec<bool>, bool),
    /// Somebody changes the source's row, or deletes it.
    Other(u8, bool),
    /// Replication brings a row.
    Replicate(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let refusals = proptest::collection::vec(proptest::bool::weighted(0.2), 4);
    prop_oneof![
        6 => (1u8..3, 1u8..4, proptest::bool::weighted(0.2)).prop_map(|(device, row, delete)| Step::Write(device, row, delete)),
        4 => (1usize..4, refusals, any::<bool>()).prop_map(|(most, refused, lost)| Step::Send(most, refused, lost)),
        1 => (1u8..4, proptest::bool::weighted(0.2)).prop_map(|(row, delete)| Step::Other(row, delete)),
        3 => (1u8..4).prop_map(Step::Replicate),
    ]
}

/// A source: its rows, and what it has made of each write, by key.
#[derive(Default)]
struct Source {
    rows: BTreeMap<u8, String>,
    journal: BTreeMap<Origin, bool>,
    /// Writes of each row in the order in which they were done.
    done: BTreeMap<u8, Vec<Origin>>,
}

impl Source {
    /// Does a write once, and says whether it took it.
    fn write(&mut self, it: &Ready, refuse: bool) -> bool {
        if let Some(&taken) = self.journal.get(&it.entry.origin) {
            return taken;
        }
        let RowId::Uuid([row, ..]) = it.entry.id else { panic!() };
        let effect = &it.queued.effect;
        let taken = !refuse && effect.created != self.rows.contains_key(&row);
        if taken {
            self.done.entry(row).or_default().push(it.entry.origin);
            if effect.deleted {
                self.rows.remove(&row);
            } else {
                self.rows.insert(row, text(&effect.values, NAME));
            }
        }
        // A refusal leaves no trace, as in a transaction that was taken back.
        if taken {
            self.journal.insert(it.entry.origin, taken);
        }
        taken
    }

    /// Settles writes in one commit.
    fn settle(&self, staging: &dyn Staging, done: &[(&Ready, bool)]) {
        let state = |it: &Ready| {
            let RowId::Uuid([row, ..]) = it.entry.id else { panic!() };
            self.rows.get(&row).map(|name| json(row, &[(NAME, name)]))
        };
        let states: Vec<_> = done.iter().map(|(it, _)| state(it)).collect();
        let settlements: Vec<_> = done
            .iter()
            .zip(&states)
            .map(|((it, taken), state)| match (state, taken) {
                (_, false) => (it.place, refused()),
                (Some(state), true) => (it.place, written(state, "1")),
                (None, true) => (it.place, Settlement::Gone),
            })
            .collect();
        let settled = settle(staging, &schema(), &settlements).unwrap();
        assert!(settled.iter().all(Option::is_some), "nobody else settles");
    }

    fn replicate(&self, staging: &dyn Staging, row: u8) {
        let mut commit = staging.begin().unwrap();
        match self.rows.get(&row) {
            Some(name) => commit.upsert(ACCOUNT, &id(row), &payload(Some(row), &[(NAME, name)])).unwrap(),
            None => commit.delete(ACCOUNT, &id(row)).unwrap(),
        };
        commit.finish().unwrap();
    }

    fn send(&mut self, staging: &dyn Staging, most: usize, refusals: &[bool], lost: bool) {
        let found = ready_now(staging, most);
        let rows: HashSet<&RowId> = found.iter().map(|it| &it.entry.id).collect();
        assert_eq!(rows.len(), found.len(), "one of each row at most");
        let refusals = refusals.iter().copied().chain(std::iter::repeat(false));
        let mut done: Vec<_> = found.iter().zip(refusals).map(|(it, refuse)| (it, self.write(it, refuse))).collect();
        if lost {
            done.pop();
        }
        self.settle(staging, &done);
    }
}

fn write(staging: &dyn Staging, number: u64, device: u8, row: u8, delete: bool) -> Origin {
    let name = format!("{device}.{number}");
    let fields = [(NAME, name.as_str())];
    let mut commit = staging.begin().unwrap();
    let waiting = commit.queue().queued_of(ACCOUNT, &id(row)).unwrap();
    let stored = commit.payload(ACCOUNT, &id(row)).unwrap();
    let is_there = composed(stored, &waiting).unwrap().is_some();
    drop(commit);
    let kind = match (is_there, delete) {
        (true, true) => MutationKind::Delete,
        (true, false) => MutationKind::Update,
        (false, _) => MutationKind::Create,
    };
    let fields: &Fields<'_> = if kind == MutationKind::Delete { &[] } else { &fields };
    queue(staging, &Wish { install: device, ..Wish::new(number, row, kind, fields) })
}

#[test]
fn whatever_happens_each_write_is_settled_once_and_staging_is_the_sources() {
    let mut runner = TestRunner::new(Config { cases: HISTORIES, failure_persistence: None, ..Config::default() });
    runner
        .run(&proptest::collection::vec(step(), 1..STEPS), |steps| {
            let world = SqliteWorld::new();
            let (mut source, mut origins) = (Source::default(), Vec::new());
            for step in steps {
                // Each step is another process's.
                let staging = world.open();
                match step {
                    Step::Write(device, row, delete) => {
                        origins.push(write(&*staging, origins.len() as u64 + 1, device, row, delete));
                    }
                    Step::Send(most, refusals, lost) => source.send(&*staging, most, &refusals, lost),
                    Step::Other(row, true) => drop(source.rows.remove(&row)),
                    Step::Other(row, false) => drop(source.rows.insert(row, "other".into())),
                    Step::Replicate(row) => source.replicate(&*staging, row),
                }
            }
            let staging = world.open();
            while !numbers(&*staging).is_empty() {
                source.send(&*staging, 9, &[], false);
            }
            (1..4).for_each(|row| source.replicate(&*staging, row));
            let rows: BTreeMap<u8, String> = (1..4).filter_map(|it| Some((it, row(&*staging, it)?.0))).collect();
            prop_assert_eq!(&rows, &source.rows);
            for origin in &origins {
                let outcome = answer(&*staging, origin).outcome();
                prop_assert_ne!(outcome, MutationOutcome::Queued);
                prop_assert_eq!(outcome == MutationOutcome::Applied, source.journal.contains_key(origin));
            }
            prop_assert_eq!(staging.snapshot().unwrap().ledger().last_settlement().unwrap(), origins.len() as u64);
            for done in source.done.values() {
                prop_assert!(done.is_sorted_by_key(|origin| origin.number), "a row's writes go in order");
            }
            Ok(())
        })
        .unwrap();
}
