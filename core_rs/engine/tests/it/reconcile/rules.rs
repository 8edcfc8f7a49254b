//! Single rules of the reconcile machine, each in the smallest world that shows it.

use std::sync::Arc;

use haversack_engine::digest::membership_hash;
use haversack_engine::ids::{EntityNumber, Lsn, Ordinal, Revision};
use haversack_engine::reconcile::{
    BLOCKS_MAX, Cookie, Fetch, Fetched, INVENTORY_BYTES_MAX, Limits, Mode, Opened, Opening, REMOVAL_BLOCKS_MAX,
    ReconcileError, Session, Step,
};
use haversack_engine::view::{Denial, RowFacts, View};
use haversack_proto::sync::{self, sync_event::Event};
use roaring::RoaringBitmap;

use super::device::{Device, Request, unpack};
use super::world::{Row, Table, World};

const ONE: EntityNumber = EntityNumber(1);
const TWO: EntityNumber = EntityNumber(2);
const EPOCH: &[u8] = b"epoch";

/// A machine that sends more events than this in one of these worlds never sleeps.
const EVENTS_MAX: usize = 100;

/// A world of one entity, whose rows have the LSNs 1, 2, 3 … in the order of these ordinals.
fn world(ordinals: impl IntoIterator<Item = Ordinal>) -> World {
    let mut world = World { revision: Revision(1), carried: vec![ONE], ..World::default() };
    world.tables.insert(ONE, Table::default());
    ordinals.into_iter().for_each(|ordinal| put(&mut world, ordinal, true));
    world
}

/// Inserts or updates a row.
fn put(world: &mut World, ordinal: Ordinal, wanted: bool) {
    world.lsn.0 += 1;
    let row = Row { lsn: world.lsn, size: 10, wanted };
    world.tables.get_mut(&ONE).unwrap().rows.insert(ordinal, row);
}

/// A row leaves or comes because of something else.
fn want(world: &mut World, ordinal: Ordinal, wanted: bool) {
    world.lsn.0 += 1;
    world.tables.get_mut(&ONE).unwrap().rows.get_mut(&ordinal).unwrap().wanted = wanted;
}

fn limits(batch_rows: usize) -> Limits {
    Limits { batch_rows, ..Limits::default() }
}

fn try_open(device: &Device, world: &World, mode: Mode, limits: Limits) -> Result<Opened, ReconcileError> {
    let request = device.request();
    open_with(&request, device, world, mode, limits)
}

fn open_with(
    request: &Request,
    device: &Device,
    world: &World,
    mode: Mode,
    limits: Limits,
) -> Result<Opened, ReconcileError> {
    let cookie = (!device.cookie.is_empty()).then(|| Cookie::decode(&device.cookie).unwrap());
    let opening = Opening {
        epoch: EPOCH,
        cookie: cookie.as_ref(),
        holdings: &request.holdings,
        inventories: &request.inventories,
        mismatches: &request.mismatches,
        mode,
        limits,
    };
    Session::open(&opening, &world.view(None), world)
}

fn open(device: &Device, world: &World, mode: Mode, limits: Limits) -> Session {
    match try_open(device, world, mode, limits).unwrap() {
        Opened::Session(session) => session,
        Opened::InventoryRequired(required) => panic!("asked for {required:?}"),
    }
}

/// The next event, payloads read from the same world; `None` when the machine sleeps or has ended.
fn next(session: &mut Session, world: &World, view: &View) -> Option<Event> {
    loop {
        match session.step(view, world) {
            Step::Send(event) => return Some(event),
            Step::Fetch(fetch) => {
                if let Some(admitted) = session.admit(fetch.entity, &read(&fetch, world), view, world).unwrap() {
                    return Some(Event::Rows(admitted.batch));
                }
            }
            Step::Sleep | Step::Denied(_) | Step::End => return None,
        }
    }
}

fn read(fetch: &Fetch, world: &World) -> Vec<Fetched> {
    fetch.ordinals.iter().map(|&ordinal| Fetched { ordinal, lsn: world.lsn(fetch.entity, ordinal) }).collect()
}

/// Lets the device apply at most this many events of a stream; returns their kinds.
fn run(session: &mut Session, world: &World, device: &mut Device, events: usize) -> Vec<&'static str> {
    let view = world.view(None);
    let mut kinds = Vec::new();
    while kinds.len() < events {
        let Some(event) = next(session, world, &view) else { break };
        kinds.push(kind(&event));
        assert!(kinds.len() < EVENTS_MAX, "the machine does not come to rest");
        device.apply(&event, &session.cookie().encode(), 0);
    }
    kinds
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::Plan(_) => "plan",
        Event::Removals(_) => "removals",
        Event::Rows(_) => "rows",
        Event::Checkpoint(_) => "checkpoint",
        Event::PassComplete(_) => "pass complete",
        _ => "other",
    }
}

/// A device that equals this world.
fn synced(world: &World) -> Device {
    let mut device = Device::default();
    run(&mut open(&device, world, Mode::Once, limits(100)), world, &mut device, usize::MAX);
    assert!(!device.disagrees());
    device
}

/// Facts that nobody may ask about changes.
struct Unasked<'a>(&'a World);

impl RowFacts for Unasked<'_> {
    fn lsn(&self, entity: EntityNumber, ordinal: Ordinal) -> Lsn {
        self.0.lsn(entity, ordinal)
    }

    fn size(&self, entity: EntityNumber, ordinal: Ordinal) -> u32 {
        self.0.size(entity, ordinal)
    }

    fn changed_since(&self, entity: EntityNumber, _: &RoaringBitmap, floor: Lsn) -> RoaringBitmap {
        panic!("asked what changed in {entity:?} since {floor:?}");
    }

    fn allocated(&self, entity: EntityNumber) -> Ordinal {
        self.0.allocated(entity)
    }
}

#[test]
fn a_resting_session_shares_the_views_set_and_asks_nothing() {
    let mut world = world(0..50);
    let mut device = Device::default();
    let mut session = open(&device, &world, Mode::Live, limits(100));
    run(&mut session, &world, &mut device, usize::MAX);
    let view = world.view(None);
    assert_eq!(session.step(&view, &world), Step::Sleep);
    assert_eq!(Arc::strong_count(&view.entities[0].rows), 2);
    // A commit elsewhere moves the LSN and nothing else.
    world.lsn.0 += 7;
    let later = world.view(Some(&view));
    assert_eq!(session.step(&later, &Unasked(&world)), Step::Sleep);
    assert_eq!(session.reached(), world.lsn);
    assert_eq!(session.cookie().entities[0].floor, world.lsn);
}

#[test]
fn an_older_view_is_not_acted_on() {
    let world = world(0..3);
    let older = World { lsn: Lsn(2), ..world.clone() };
    let mut session = open(&Device::default(), &world, Mode::Live, limits(1));
    let view = world.view(None);
    assert!(matches!(session.step(&view, &world), Step::Send(Event::Plan(_))));
    let before = session.cookie();
    assert_eq!(session.step(&older.view(None), &older), Step::Sleep);
    let Step::Fetch(fetch) = session.step(&view, &world) else { panic!("no fetch") };
    assert_eq!(session.admit(ONE, &read(&fetch, &world), &older.view(None), &older), Ok(None));
    assert_eq!(session.cookie(), before);
}

#[test]
fn a_server_that_has_read_less_than_the_device_refuses() {
    let world = world(0..3);
    let device = synced(&world);
    let behind = World { lsn: Lsn(2), ..world };
    let error = try_open(&device, &behind, Mode::Once, limits(9)).unwrap_err();
    assert_eq!(error, ReconcileError::ServerBehind { needed: Lsn(3), reached: Lsn(2) });
}

/// A row that changed while it was not looked at must not be taken for new when it comes back.
#[test]
fn floors_do_not_rise_while_a_removal_is_owed() {
    let mut world = world(0..4);
    let mut device = synced(&world);
    put(&mut world, 0, true);
    put(&mut world, 3, true);
    let mut session = open(&device, &world, Mode::Once, limits(1));
    assert_eq!(run(&mut session, &world, &mut device, 2), ["plan", "rows"]);
    assert!(session.cookie().marker.is_some(), "the pass stands before row 3");
    want(&mut world, 3, false);
    device_answers_inventory(&mut device, &world, 1);
    want(&mut world, 3, true);
    let mut session = open(&device, &world, Mode::Once, limits(1));
    assert_eq!(run(&mut session, &world, &mut device, usize::MAX), ["plan", "rows", "checkpoint"]);
    assert!(!device.disagrees());
}

/// Opens a stream that asks for an inventory first, and lets the device apply some events of it.
fn device_answers_inventory(device: &mut Device, world: &World, events: usize) {
    let Opened::InventoryRequired(required) = try_open(device, world, Mode::Once, limits(1)).unwrap() else {
        panic!("no inventory was asked for");
    };
    device.apply(&Event::InventoryRequired(required), &[], 0);
    let mut session = open(device, world, Mode::Once, limits(1));
    run(&mut session, world, device, events);
}

#[test]
fn rows_created_while_away_need_no_inventory() {
    let mut world = world((0..3).chain(70_000..70_003));
    let mut device = synced(&world);
    put(&mut world, 3, true);
    put(&mut world, 70_003, true);
    let mut session = open(&device, &world, Mode::Once, limits(9));
    assert_eq!(run(&mut session, &world, &mut device, usize::MAX), ["plan", "rows", "checkpoint"]);
    assert!(!device.disagrees());
}

#[test]
fn rows_created_on_both_sides_of_a_marker_need_no_inventory() {
    let mut world = world([0, 2, 4, 6]);
    let mut device = Device::default();
    let mut session = open(&device, &world, Mode::Once, limits(2));
    assert_eq!(run(&mut session, &world, &mut device, 2), ["plan", "rows"]);
    put(&mut world, 1, true);
    put(&mut world, 7, true);
    let mut session = open(&device, &world, Mode::Once, limits(2));
    let events = ["plan", "rows", "rows", "plan", "rows", "checkpoint"];
    assert_eq!(run(&mut session, &world, &mut device, usize::MAX), events);
    assert!(!device.disagrees());
}

#[test]
fn the_last_batch_of_an_entity_ends_its_part_of_the_pass() {
    let world = world(0..4);
    let mut device = Device::default();
    let mut session = open(&device, &world, Mode::Once, limits(2));
    run(&mut session, &world, &mut device, 2);
    assert_eq!(session.cookie().marker.map(|marker| (marker.last, marker.floor)), Some((1, Lsn(4))));
    assert_eq!(session.cookie().entities[0].floor, Lsn(0));
    run(&mut session, &world, &mut device, 1);
    assert_eq!((session.cookie().marker, session.cookie().entities[0].floor), (None, Lsn(4)));
}

#[test]
fn a_large_row_travels_alone() {
    let mut world = world(0..5);
    world.tables.get_mut(&ONE).unwrap().rows.get_mut(&2).unwrap().size = 1_000;
    let limits = Limits { batch_bytes: 25, ..Limits::default() };
    let mut session = open(&Device::default(), &world, Mode::Once, limits);
    let view = world.view(None);
    let mut batches = Vec::new();
    while let Some(event) = next(&mut session, &world, &view) {
        if let Event::Rows(batch) = event {
            let ordinals: Vec<_> = unpack(&batch).into_iter().map(|(ordinal, _)| ordinal).collect();
            batches.push((ordinals, batch.planned_bytes));
        }
    }
    assert_eq!(batches, [(vec![0, 1], 20), (vec![2], 1_000), (vec![3, 4], 20)]);
}

#[test]
fn removals_are_split_by_blocks() {
    let ordinals = |range: std::ops::Range<u32>| range.map(|block| block << 16);
    let mut world = world(ordinals(0..REMOVAL_BLOCKS_MAX + 3));
    let mut device = Device::default();
    let mut session = open(&device, &world, Mode::Live, Limits::default());
    run(&mut session, &world, &mut device, usize::MAX);
    ordinals(1..REMOVAL_BLOCKS_MAX + 3).for_each(|ordinal| want(&mut world, ordinal, false));
    assert_eq!(run(&mut session, &world, &mut device, usize::MAX), ["plan", "removals", "removals", "checkpoint"]);
    assert!(!device.disagrees());
}

#[test]
fn an_entity_without_rows_is_removed_whole() {
    let mut world = world(0..3);
    let device = synced(&world);
    (0..3).for_each(|ordinal| want(&mut world, ordinal, false));
    let mut session = open(&device, &world, Mode::Once, limits(9));
    let view = world.view(None);
    let Some(Event::Plan(plan)) = next(&mut session, &world, &view) else { panic!("no plan") };
    assert_eq!(plan.entities, [sync::EntityPlan { entity: 1, rows: 0, bytes: 0, removals: 3 }]);
    let Some(Event::Removals(removals)) = next(&mut session, &world, &view) else { panic!("no removals") };
    assert!(removals.all && removals.ordinals.is_empty());
}

#[test]
fn an_entity_that_empties_under_way_is_removed_whole_too() {
    let mut world = world(0..3);
    let mut session = open(&Device::default(), &world, Mode::Live, limits(9));
    run(&mut session, &world, &mut Device::default(), usize::MAX);
    (0..3).for_each(|ordinal| want(&mut world, ordinal, false));
    let view = world.view(None);
    assert!(matches!(next(&mut session, &world, &view), Some(Event::Plan(_))));
    let Some(Event::Removals(removals)) = next(&mut session, &world, &view) else { panic!("no removals") };
    assert!(removals.all && removals.ordinals.is_empty());
}

#[test]
fn a_view_that_keeps_moving_ends_with_pass_complete() {
    let mut world = world(0..2);
    let mut device = Device::default();
    let mut session = open(&device, &world, Mode::Once, Limits { passes: 2, ..limits(9) });
    let mut kinds = Vec::new();
    for _ in 0..2 {
        kinds.extend(run(&mut session, &world, &mut device, 2));
        put(&mut world, 0, true);
    }
    want(&mut world, 1, false);
    let view = world.view(None);
    let last: Vec<_> = std::iter::from_fn(|| next(&mut session, &world, &view)).collect();
    assert_eq!(kinds, ["plan", "rows", "plan", "rows"]);
    assert!(matches!(last[0], Event::Removals(_)), "removals do not wait for the next stream");
    assert_eq!(last[1..], [Event::PassComplete(sync::PassComplete { floor: 3 })]);
    assert_eq!(session.step(&view, &world), Step::End);
}

#[test]
fn a_denied_user_is_told_after_the_removals() {
    let mut world = world(0..3);
    let mut device = synced(&world);
    world.carried.clear();
    world.denial = Some(Denial::ProfileMissing);
    let mut session = open(&device, &world, Mode::Live, limits(9));
    assert_eq!(run(&mut session, &world, &mut device, 2), ["plan", "removals"]);
    assert_eq!(session.step(&world.view(None), &world), Step::Denied(Denial::ProfileMissing));
    assert_eq!(session.step(&world.view(None), &world), Step::End);
    let mut again = open(&device, &world, Mode::Live, limits(9));
    assert_eq!(again.step(&world.view(None), &world), Step::Denied(Denial::ProfileMissing));
}

#[test]
fn staging_that_is_ahead_leaks_nothing_and_delays_the_checkpoint() {
    let world = world(0..3);
    let mut ahead = world.clone();
    put(&mut ahead, 1, false);
    let mut session = open(&Device::default(), &world, Mode::Once, limits(9));
    let view = world.view(None);
    assert!(matches!(session.step(&view, &world), Step::Send(Event::Plan(_))));
    let Step::Fetch(fetch) = session.step(&view, &world) else { panic!("no fetch") };
    let admitted = session.admit(ONE, &read(&fetch, &ahead), &view, &world).unwrap().unwrap();
    assert_eq!(admitted.positions, [0, 2]);
    assert_eq!(session.step(&view, &world), Step::Sleep);
    assert_eq!(session.cookie().lsn, Lsn(4), "no server that has not read it may say that the device is exact");
    assert!(matches!(session.step(&ahead.view(None), &ahead), Step::Send(Event::Checkpoint(_))));
}

#[test]
fn a_payload_that_the_engine_has_left_behind_is_not_sent() {
    let world = world(0..2);
    let mut later = world.clone();
    put(&mut later, 0, true);
    let mut session = open(&Device::default(), &world, Mode::Once, limits(9));
    session.step(&world.view(None), &world);
    let Step::Fetch(fetch) = session.step(&world.view(None), &world) else { panic!("no fetch") };
    let admitted = session.admit(ONE, &read(&fetch, &world), &later.view(None), &later).unwrap().unwrap();
    assert_eq!(unpack(&admitted.batch), [(1, Lsn(2))]);
    let mut device = Device::default();
    assert_eq!(run(&mut session, &later, &mut device, usize::MAX), ["plan", "rows", "checkpoint"]);
    assert_eq!(device.rows[&ONE].keys().collect::<Vec<_>>(), [&0]);
}

#[test]
fn a_shell_that_errs_is_told() {
    let world = world(0..2);
    let view = world.view(None);
    let mut session = open(&Device::default(), &world, Mode::Once, limits(9));
    session.step(&view, &world);
    let unanswered = Err(ReconcileError::FetchUnanswered { entity: ONE });
    assert_eq!(session.admit(ONE, &[Fetched { ordinal: 0, lsn: Lsn(1) }], &view, &world), unanswered);
    let Step::Fetch(fetch) = session.step(&view, &world) else { panic!("no fetch") };
    assert_eq!(session.admit(ONE, &read(&fetch, &world)[1..], &view, &world), unanswered);
    session.step(&view, &world);
    let lagging: Vec<_> = fetch.ordinals.iter().map(|&ordinal| Fetched { ordinal, lsn: Lsn(0) }).collect();
    let disagreement = ReconcileError::Disagreement { entity: ONE, ordinal: 0, engine: Lsn(1), staging: Lsn(0) };
    assert_eq!(session.admit(ONE, &lagging, &view, &world), Err(disagreement));
}

#[test]
fn an_inventory_is_clipped_to_its_block_and_to_what_was_given_out() {
    let mut world = world((0..3).chain([70_000, 70_001]));
    want(&mut world, 70_001, false);
    let device = synced(&world);
    want(&mut world, 2, false);
    let inventory = |block, held: &[Ordinal]| {
        let mut ordinals = Vec::new();
        held.iter().copied().collect::<RoaringBitmap>().serialize_into(&mut ordinals).unwrap();
        sync::Inventory { entity: 1, block, ordinals: ordinals.into() }
    };
    let digest = |block, count| sync::BlockDigest { block, count, membership: 1 };
    let request = Request {
        holdings: vec![sync::EntityBlocks { entity: 1, blocks: vec![digest(0, 4), digest(1, 3)] }],
        inventories: vec![inventory(0, &[0, 1, 2, 70_001]), inventory(1, &[70_000, 70_002, 80_000])],
        ..Request::default()
    };
    let opened = open_with(&request, &device, &world, Mode::Once, limits(9)).unwrap();
    let Opened::Session(mut session) = opened else { panic!("the inventories tell all") };
    let Some(Event::Plan(plan)) = next(&mut session, &world, &world.view(None)) else { panic!("no plan") };
    // Row 2 left. Row 70,001 is named in another block's inventory, the rows above it were never given out.
    assert_eq!(plan.entities, [sync::EntityPlan { entity: 1, rows: 0, bytes: 0, removals: 1 }]);
}

#[test]
fn every_block_that_cannot_be_guessed_is_asked_for_at_once() {
    let mut world = world((0..3).chain(70_000..70_003));
    let mut device = synced(&world);
    want(&mut world, 1, false);
    let first = try_open(&device, &world, Mode::Once, limits(9)).unwrap();
    let Opened::InventoryRequired(first) = first else { panic!("block 0 is not what it was") };
    assert_eq!(first.blocks, [sync::BlockRef { entity: 1, block: 0 }]);
    device.apply(&Event::InventoryRequired(first), &[], 0);
    want(&mut world, 70_001, false);
    let second = try_open(&device, &world, Mode::Once, limits(9)).unwrap();
    let Opened::InventoryRequired(second) = second else { panic!("block 1 is not what it was") };
    assert_eq!(second.blocks.len(), 2, "an answer is good for one request, so both are asked for");
}

#[test]
fn requests_that_break_the_protocol_are_refused() {
    let world = world(0..3);
    let digest = |block, count| sync::BlockDigest { block, count, membership: 7 };
    let holds = |entity, blocks: &[sync::BlockDigest]| sync::EntityBlocks { entity, blocks: blocks.to_vec() };
    let inventory = |bytes: Vec<u8>| sync::Inventory { entity: 1, block: 0, ordinals: bytes.into() };
    let mismatch = |attempt| vec![sync::DigestMismatch { entity: 1, attempt }];
    let one = || vec![holds(1, &[digest(0, 9)])];
    let invalid = [
        Request { holdings: vec![holds(1, &[digest(0, 0)])], ..Request::default() },
        Request { holdings: vec![holds(1, &[digest(0, 65_537)])], ..Request::default() },
        Request { holdings: vec![holds(1, &[digest(65_536, 1)])], ..Request::default() },
        Request { holdings: vec![holds(1, &[digest(1, 1), digest(0, 1)])], ..Request::default() },
        Request { holdings: [one(), one()].concat(), ..Request::default() },
        Request { holdings: one(), inventories: vec![inventory(vec![1, 2, 3])], ..Request::default() },
        Request { inventories: vec![inventory(vec![]), inventory(vec![])], ..Request::default() },
        Request { mismatches: mismatch(0), ..Request::default() },
        Request { holdings: one(), mismatches: mismatch(2), ..Request::default() },
    ];
    let outcome =
        |request: &Request| open_with(request, &Device::default(), &world, Mode::Once, limits(9)).unwrap_err();
    for request in &invalid {
        assert!(matches!(outcome(request), ReconcileError::RequestInvalid(_)), "{request:?}");
    }
    let too_many = vec![inventory(vec![]); BLOCKS_MAX + 1];
    let limited = [
        Request { inventories: too_many, ..Request::default() },
        Request { inventories: vec![inventory(vec![0; INVENTORY_BYTES_MAX + 1])], ..Request::default() },
    ];
    for request in &limited {
        assert!(matches!(outcome(request), ReconcileError::LimitReached { .. }));
    }
    let third = Request { mismatches: mismatch(3), ..Request::default() };
    assert_eq!(outcome(&third), ReconcileError::DigestMismatch { entity: ONE });
}

#[test]
fn a_digest_that_disagreed_brings_every_row_again() {
    let mut world = world(0..3);
    let mut device = synced(&world);
    device.rows.get_mut(&ONE).unwrap().get_mut(&1).unwrap().lsn = Lsn(99);
    let mut session = open(&device, &world, Mode::Once, limits(9));
    assert_eq!(run(&mut session, &world, &mut device, usize::MAX), ["checkpoint"]);
    assert!(device.disagrees());
    put(&mut world, 1, true);
    let mut session = open(&device, &world, Mode::Once, limits(9));
    let Some(Event::Plan(plan)) = next(&mut session, &world, &world.view(None)) else { panic!("no plan") };
    assert_eq!(plan.entities[0].rows, 3);
    run(&mut session, &world, &mut device, usize::MAX);
    assert!(!device.disagrees());
}

/// The digest of a block is checked, not only its count.
#[test]
fn a_block_of_equal_count_is_not_taken_for_the_wanted_one() {
    let mut world = world(0..4);
    want(&mut world, 3, false);
    let mut device = synced(&world);
    want(&mut world, 3, true);
    want(&mut world, 0, false);
    let stated = &device.request().holdings[0].blocks[0];
    let wanted = (1..4).map(|ordinal| membership_hash(ONE, ordinal)).fold(0, u64::wrapping_add);
    assert_eq!(stated.count, 3);
    assert_ne!(stated.membership, wanted);
    device_answers_inventory(&mut device, &world, usize::MAX);
    assert!(!device.disagrees());
    assert_eq!(device.digest(ONE).0, 3);
}

#[test]
fn an_entity_that_comes_late_is_sent_in_a_pass_of_its_own() {
    let mut world = world(0..2);
    let rows = [(5, Row { lsn: Lsn(1), size: 4, wanted: true })];
    world.tables.insert(TWO, Table { rows: rows.into(), fingerprint: 9 });
    let mut device = Device::default();
    let mut session = open(&device, &world, Mode::Live, limits(9));
    run(&mut session, &world, &mut device, usize::MAX);
    world.carried = vec![TWO, ONE];
    let events = ["plan", "rows", "checkpoint"];
    assert_eq!(run(&mut session, &world, &mut device, usize::MAX), events);
    assert_eq!(device.digest(TWO).0, 1);
    world.carried = vec![ONE];
    assert_eq!(run(&mut session, &world, &mut device, usize::MAX), ["plan", "removals", "checkpoint"]);
    assert_eq!(device.digest(TWO).0, 0);
}

#[test]
fn an_entity_that_goes_without_rows_is_told_by_a_checkpoint() {
    let mut world = world(0..2);
    world.tables.insert(TWO, Table::default());
    world.carried = vec![ONE, TWO];
    let mut device = Device::default();
    let mut session = open(&device, &world, Mode::Live, limits(9));
    run(&mut session, &world, &mut device, usize::MAX);
    world.carried = vec![ONE];
    assert_eq!(run(&mut session, &world, &mut device, usize::MAX), ["checkpoint"]);
}
