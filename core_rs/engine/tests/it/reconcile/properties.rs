//! Whatever happens in whatever order, a device ends with exactly its view, and nothing is sent in vain.

use haversack_engine::ids::{EntityNumber, Lsn, Ordinal};
use haversack_engine::reconcile::{Limits, Mode};
use haversack_engine::view::Denial;
use proptest::prelude::*;

use super::simulation::Simulation;
use super::world::{Row, Table, World};

/// Rows lie this far apart, so that a handful of them spans several blocks.
const STRIDE: Ordinal = 21_001;

const ENTITIES: u32 = 3;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Insert {
        entity: u32,
        wanted: bool,
        size: u32,
    },
    Change {
        entity: u32,
        row: usize,
        change: Change,
    },
    /// Every row of an entity leaves or comes at once.
    Turn {
        entity: u32,
        wanted: bool,
    },
    Columns(u32),
    Carry(u32),
    Reorder,
    Deny,
    Publish(usize),
    Work(usize),
    Apply(usize),
    Cut,
    LoseCookie,
    Renew,
    SwitchMode,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    /// New values.
    Update,
    /// New values, which make it leave or come.
    UpdateAndToggle,
    /// Leaves or comes because of another row's change.
    ToggleByOther,
    /// Leaves or comes because time went on.
    ToggleByTime,
}

fn happening() -> impl Strategy<Value = Happening> {
    let entity = 1..=ENTITIES;
    // A few rows change often, so that they leave and come back at awkward moments.
    let row = prop_oneof![3 => 0..2_usize, 2 => any::<usize>()];
    let change = prop_oneof![
        3 => Just(Change::Update),
        2 => Just(Change::UpdateAndToggle),
        3 => Just(Change::ToggleByOther),
        1 => Just(Change::ToggleByTime),
    ];
    prop_oneof![
        8 => (entity.clone(), any::<bool>(), 0..90_u32)
            .prop_map(|(entity, wanted, size)| Happening::Insert { entity, wanted, size }),
        20 => (entity.clone(), row, change)
            .prop_map(|(entity, row, change)| Happening::Change { entity, row, change }),
        1 => (entity.clone(), any::<bool>()).prop_map(|(entity, wanted)| Happening::Turn { entity, wanted }),
        1 => entity.clone().prop_map(Happening::Columns),
        1 => entity.prop_map(Happening::Carry),
        1 => Just(Happening::Reorder),
        1 => Just(Happening::Deny),
        20 => (1..4_usize).prop_map(Happening::Publish),
        40 => (1..12_usize).prop_map(Happening::Work),
        15 => (1..4_usize).prop_map(Happening::Apply),
        8 => Just(Happening::Cut),
        1 => Just(Happening::LoseCookie),
        1 => Just(Happening::Renew),
        1 => Just(Happening::SwitchMode),
    ]
}

fn start() -> World {
    let mut world = World::default();
    for number in 1..=ENTITIES {
        let entity = EntityNumber(number);
        world.tables.insert(entity, Table { fingerprint: 1, ..Table::default() });
        world.carried.push(entity);
        (0..7).for_each(|index| insert(&mut world, entity, index % 3 != 0, 20 + index));
    }
    world
}

fn insert(world: &mut World, entity: EntityNumber, wanted: bool, size: u32) {
    world.lsn.0 += 1;
    let table = world.tables.get_mut(&entity).expect("all entities exist");
    table.rows.insert(table.rows.len() as Ordinal * STRIDE, Row { lsn: world.lsn, size, wanted });
}

fn change(world: &mut World, entity: u32, row: usize, change: Change) {
    let lsn = Lsn(world.lsn.0 + 1);
    let rows = &mut world.tables.get_mut(&EntityNumber(entity)).expect("all entities exist").rows;
    let index = row % rows.len();
    let row = rows.values_mut().nth(index).expect("every entity begins with rows");
    match change {
        Change::Update | Change::UpdateAndToggle => (world.lsn, row.lsn) = (lsn, lsn),
        Change::ToggleByOther => world.lsn = lsn,
        Change::ToggleByTime => world.instant.0 += 1,
    }
    row.wanted ^= !matches!(change, Change::Update);
}

fn turn(world: &mut World, entity: u32, wanted: bool) {
    world.lsn.0 += 1;
    let table = world.tables.get_mut(&EntityNumber(entity)).expect("all entities exist");
    table.rows.values_mut().for_each(|row| row.wanted = wanted);
}

/// A revision is published.
fn publish_revision(world: &mut World) {
    world.lsn.0 += 1;
    world.revision.0 += 1;
}

fn columns(world: &mut World, entity: u32) {
    publish_revision(world);
    world.tables.get_mut(&EntityNumber(entity)).expect("all entities exist").fingerprint += 1;
}

/// The user moves to another profile.
fn carry(world: &mut World, entity: u32) {
    world.lsn.0 += 1;
    world.denial = None;
    let entity = EntityNumber(entity);
    match world.carried.iter().position(|carried| *carried == entity) {
        Some(index) => _ = world.carried.remove(index),
        None => world.carried.push(entity),
    }
}

fn deny(world: &mut World) {
    world.lsn.0 += 1;
    world.carried.clear();
    world.denial = Some(Denial::UserDisabled);
}

fn happen(simulation: &mut Simulation, happening: Happening) {
    match happening {
        Happening::Insert { entity, wanted, size } => {
            simulation.commit(|world| insert(world, EntityNumber(entity), wanted, size));
        }
        Happening::Change { entity, row, change: it } => simulation.commit(|world| change(world, entity, row, it)),
        Happening::Turn { entity, wanted } => simulation.commit(|world| turn(world, entity, wanted)),
        Happening::Columns(entity) => simulation.commit(|world| columns(world, entity)),
        Happening::Carry(entity) => simulation.commit(|world| carry(world, entity)),
        Happening::Reorder => simulation.commit(|world| {
            publish_revision(world);
            world.carried.reverse();
        }),
        Happening::Deny => simulation.commit(deny),
        Happening::Publish(times) => (0..times).for_each(|_| simulation.publish()),
        Happening::Work(times) => (0..times).for_each(|_| _ = simulation.work()),
        Happening::Apply(times) => (0..times).for_each(|_| simulation.apply()),
        Happening::Cut => simulation.cut(),
        Happening::LoseCookie => {
            simulation.cut();
            simulation.device.cookie.clear();
        }
        Happening::Renew => simulation.renew(),
        Happening::SwitchMode => {
            simulation.mode = if simulation.mode == Mode::Once { Mode::Live } else { Mode::Once };
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_device_ends_with_exactly_its_view(
        happenings in prop::collection::vec(happening(), 1..160),
        mode in prop_oneof![Just(Mode::Once), Just(Mode::Live)],
        batch_rows in 1..5_usize,
        passes in 1..4_u32,
    ) {
        let limits = Limits { batch_bytes: 100, batch_rows, passes };
        let mut simulation = Simulation::new(start(), mode, limits);
        for it in happenings {
            happen(&mut simulation, it);
        }
        simulation.settle();
        simulation.cut();
        simulation.settle();
    }
}
