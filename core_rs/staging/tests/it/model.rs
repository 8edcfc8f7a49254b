//! Random histories, beside a model of them in memory.

use std::collections::{BTreeMap, BTreeSet};

use haversack_engine::ids::{EntityNumber, Lsn, Ordinal};
use haversack_staging::{Change, EntityStatistics, Snapshot, Staging};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::world::{ACCOUNT, CONTACT, Seen, World, changes, id, payloads};

const HISTORIES: u32 = 48;

/// A change of one row: the new payload, or none to delete it.
type Step = (EntityNumber, u8, Option<Vec<u8>>);

/// Changes and whether their commit is finished or dropped.
type Attempt = (Vec<Step>, bool);

#[derive(Clone, Debug, PartialEq)]
struct ModelRow {
    ordinal: Ordinal,
    lsn: u64,
    payload: Option<Vec<u8>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    head: u64,
    rows: BTreeMap<(EntityNumber, u8), ModelRow>,
}

impl Model {
    fn apply(&mut self, (entity, number, payload): &Step) -> Change {
        let allocated = self.allocated(*entity);
        let row = self.rows.get(&(*entity, *number));
        let before = row.and_then(|row| row.payload.clone());
        if before == *payload {
            return Change::Unchanged;
        }
        self.head += 1;
        let ordinal = row.map_or(allocated, |row| row.ordinal);
        let change = match (&before, payload) {
            (_, None) => Change::Deleted,
            (None, _) => Change::Inserted,
            (Some(_), _) => Change::Updated,
        };
        self.rows.insert((*entity, *number), ModelRow { ordinal, lsn: self.head, payload: payload.clone() });
        change
    }

    fn allocated(&self, entity: EntityNumber) -> Ordinal {
        self.rows.keys().filter(|key| key.0 == entity).count() as Ordinal
    }

    /// What `changes` returns, in LSN order.
    fn changes(&self, floor: u64) -> Vec<Seen> {
        let mut rows: Vec<_> = self
            .rows
            .iter()
            .filter(|(_, row)| row.lsn > floor)
            .map(|(&(entity, number), row)| (entity, row.ordinal, number, row.lsn, row.payload.clone()))
            .collect();
        rows.sort_by_key(|row| row.3);
        rows
    }

    fn payloads(&self, entity: EntityNumber, ordinals: &[Ordinal]) -> Vec<(Ordinal, u64, Vec<u8>)> {
        let mut rows: Vec<_> = self
            .rows
            .iter()
            .filter(|(key, row)| key.0 == entity && ordinals.contains(&row.ordinal))
            .filter_map(|(_, row)| Some((row.ordinal, row.lsn, row.payload.clone()?)))
            .collect();
        rows.sort();
        rows
    }

    fn statistics(&self) -> Vec<EntityStatistics> {
        let of = |entity| {
            let alive = self.rows.iter().filter(|(key, _)| key.0 == entity).filter_map(|(_, row)| row.payload.as_ref());
            let (rows, bytes) = alive.fold((0, 0), |(rows, bytes), payload| (rows + 1, bytes + payload.len() as u64));
            EntityStatistics { entity, rows, bytes, allocated: self.allocated(entity) }
        };
        [ACCOUNT, CONTACT].map(of).into_iter().filter(|entity| entity.allocated > 0).collect()
    }
}

fn history() -> impl Strategy<Value = Vec<Attempt>> {
    let entity = prop_oneof![Just(ACCOUNT), Just(CONTACT)];
    let payload =
        prop_oneof![3 => (0..4u8, 0..3usize).prop_map(|(byte, length)| Some(vec![byte; length])), 1 => Just(None)];
    let commit = prop::collection::vec((entity, 0..12u8, payload), 0..12);
    prop::collection::vec((commit, prop::bool::weighted(0.8)), 1..12)
}

/// Runs random histories, each in a world of its own.
pub(crate) fn check(world: &dyn World) {
    let mut runner = TestRunner::new(Config { cases: HISTORIES, failure_persistence: None, ..Config::default() });
    let inputs = (history(), prop::collection::btree_set(0..16u32, 0..10));
    let case = |(history, asked): (Vec<Attempt>, BTreeSet<u32>)| {
        run(&*world.another().open(), &history, &asked.into_iter().collect::<Vec<_>>());
        Ok(())
    };
    runner.run(&inputs, case).unwrap();
}

fn run(staging: &dyn Staging, history: &[Attempt], asked: &[Ordinal]) {
    let mut model = Model::default();
    let mut past: Vec<(Box<dyn Snapshot>, Model)> = Vec::new();
    for (steps, finished) in history {
        let after = attempt(staging, &model, steps, *finished);
        check_changes(staging, &after, model.head);
        for entity in [ACCOUNT, CONTACT] {
            assert_eq!(payloads(staging, entity, asked), after.payloads(entity, asked));
        }
        model = after;
        past.push((staging.snapshot().unwrap(), model.clone()));
    }
    for (snapshot, model) in past {
        assert_eq!(snapshot.head(), Lsn(model.head));
        assert_eq!(snapshot.statistics().unwrap(), model.statistics());
        let mut rows = changes(&*snapshot, 0);
        rows.sort_by_key(|row| row.3);
        assert_eq!(rows, model.changes(0));
    }
}

/// Makes one commit on both sides and returns the model after it.
fn attempt(staging: &dyn Staging, model: &Model, steps: &[Step], finished: bool) -> Model {
    let mut after = model.clone();
    let mut commit = staging.begin().unwrap();
    for step in steps {
        let (entity, number, payload) = step;
        let change = match payload {
            Some(payload) => commit.upsert(*entity, &id(*number), payload),
            None => commit.delete(*entity, &id(*number)),
        };
        assert_eq!(change.unwrap(), after.apply(step));
    }
    if !finished {
        return model.clone();
    }
    assert_eq!(commit.finish().unwrap(), Lsn(after.head));
    after
}

fn check_changes(staging: &dyn Staging, model: &Model, floor: u64) {
    let snapshot = staging.snapshot().unwrap();
    assert_eq!(staging.head().unwrap(), Lsn(model.head));
    if floor > 0 {
        assert_eq!(changes(&*snapshot, floor), model.changes(floor));
    }
}
