//! Cut streams, lost cookies, lost history, slow readers: slower at most, never wrong.

use std::time::{Duration, Instant};

use haversack_proto::sync::sync_event::Event;
use haversack_proto::sync::{BlockDigest, DigestMismatch, EntityBlocks, SyncMode};
use tonic::Code;

use crate::device::{Stage, next, reason};
use crate::replica::Replica;
use crate::tokens::token;
use haversack_staging::Staging;

use crate::world::{ACCOUNT, ADA, BOB, LONG_CITY_BYTES, World, all_accounts, own_accounts, put_account};

/// Accounts that take several batches to send.
fn many(world: &World, count: u32) {
    let city = "x".repeat(LONG_CITY_BYTES);
    world.commit(|commit| (0..count).for_each(|number| put_account(commit, number, ADA, &city)));
}

#[test]
fn a_cut_stream_goes_on_where_it_was() {
    let mut world = World::new();
    world.publish(all_accounts());
    many(&world, 500);
    Stage::new(world).run(async |_, door| {
        let mut device = door.device(ADA).await;
        let mut calls = 0;
        loop {
            calls += 1;
            let mut events = device.call(SyncMode::Once).await.unwrap();
            let mut batches = 0;
            while let Some(event) = next(&mut events).await.unwrap() {
                batches += u32::from(matches!(event.event, Some(Event::Rows(_))));
                if batches == 2 {
                    break;
                }
                device.apply(&event);
            }
            if batches < 2 {
                break;
            }
        }
        assert!(calls > 3, "{calls} calls");
        assert_eq!(device.replica.mismatches, []);
        assert_eq!(device.count(ACCOUNT), 500);
        assert_eq!(device.replica.received.rows, 500, "no row came twice");
    });
}

#[test]
fn rows_that_a_device_lost_are_found_by_inventory() {
    let mut world = World::new();
    world.publish(all_accounts());
    world.commit(|commit| (0..100).for_each(|number| put_account(commit, number, ADA, "Aarhus")));
    Stage::new(world).run(async |_, door| {
        let mut device = door.device(ADA).await;
        device.sync().await.unwrap();
        let lost = haversack_proto::sync::Removals { entity: ACCOUNT.0, ordinals: bitmap(&[3, 50]), all: false };
        device.apply(&haversack_proto::sync::SyncEvent { event: Some(Event::Removals(lost)), ..Default::default() });
        let mut events = device.call(SyncMode::Once).await.unwrap();
        let first = next(&mut events).await.unwrap().unwrap();
        assert!(matches!(first.event, Some(Event::InventoryRequired(_))), "{first:?}");
        device.apply(&first);
        assert!(next(&mut events).await.unwrap().is_none());
        device.sync().await.unwrap();
        assert_eq!(device.replica.mismatches, []);
        assert_eq!((device.count(ACCOUNT), device.replica.received.rows), (100, 102));
    });
}

fn bitmap(ordinals: &[u32]) -> bytes::Bytes {
    let mut bytes = Vec::new();
    ordinals.iter().copied().collect::<roaring::RoaringBitmap>().serialize_into(&mut bytes).unwrap();
    bytes.into()
}

#[test]
fn a_digest_that_never_agrees_is_reported_as_a_bug() {
    let mut world = World::new();
    world.publish(all_accounts());
    Stage::new(world).run(async |_, door| {
        let mut device = door.device(ADA).await;
        device.sync().await.unwrap();
        device.replica.mismatches = vec![DigestMismatch { entity: ACCOUNT.0, attempt: 3 }];
        let status = device.sync().await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::DataLoss, "DIGEST_MISMATCH"));
    });
}

#[test]
fn holdings_that_contradict_themselves_are_refused() {
    let mut world = World::new();
    world.publish(all_accounts());
    Stage::new(world).run(async |_, door| {
        let mut device = door.device(ADA).await;
        device.sync().await.unwrap();
        let mut request = device.replica.request(SyncMode::Once, &[]);
        let block = BlockDigest { block: 0, count: 0, membership: 0 };
        request.holdings = vec![EntityBlocks { entity: ACCOUNT.0, blocks: vec![block] }];
        let status = device.call_with(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "REQUEST_INVALID"));
    });
}

#[test]
fn a_slow_reader_costs_little_and_delays_nobody() {
    let mut world = World::new();
    world.publish(all_accounts());
    many(&world, 20_000);
    let mut stage = Stage::new(world);
    stage.run(async |_, door| door.device(ADA).await.sync().await.unwrap());
    let before = resident_bytes();
    stage.run(async |world, door| {
        let slow_ones: Vec<_> = (0..20).map(|_| door.device(ADA)).collect();
        let mut unread = Vec::new();
        for slow in slow_ones {
            let slow = slow.await;
            unread.push((slow.call(SyncMode::Live).await.unwrap(), slow));
        }
        let mut quick = door.device(ADA).await;
        let mut events = quick.call(SyncMode::Live).await.unwrap();
        quick.reach(&mut events).await.unwrap();
        let started = Instant::now();
        world.account(1, ADA, "Ribe");
        quick.reach(&mut events).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        // 80 MiB wait for each slow reader. Server and clients together must hold little of it.
        let grown = resident_bytes().saturating_sub(before) >> 20;
        assert!(grown < 400, "20 slow readers took {grown} MiB");
    });
}

/// Memory of this process that is in RAM.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_cookie_beyond_the_head_begins_a_new_epoch() {
    let mut world = World::new();
    world.publish(all_accounts());
    world.commit(|commit| (0..10).for_each(|number| put_account(commit, number, ADA, "Aarhus")));
    let backup = tempfile::tempdir().unwrap();
    let copy = backup.path().join("staging.db");
    back_up(&world, &copy);
    world.commit(|commit| (10..20).for_each(|number| put_account(commit, number, ADA, "Ribe")));
    let mut stage = Stage::new(world);
    let (replica, epoch) = stage.run(async |_, door| {
        let mut device = door.device(ADA).await;
        device.sync().await.unwrap();
        assert_eq!(device.count(ACCOUNT), 20);
        (std::mem::replace(&mut device.replica, Replica::new([0; 16])), device.replica.epoch.clone())
    });
    drop(stage);
    let restored = World::restored(&copy);
    Stage::new(restored).run(async |_, door| {
        let mut device = door.device_with(token(ADA)).await;
        device.replica = replica;
        device.sync().await.unwrap();
        assert_eq!(device.replica.mismatches, []);
        assert_ne!(device.replica.epoch, epoch);
        assert_eq!(device.count(ACCOUNT), 10);
    });
}

#[test]
fn a_cookie_of_a_past_that_was_lost_begins_a_new_epoch_however_far_the_database_has_grown_since() {
    let mut world = World::new();
    world.publish(all_accounts());
    world.commit(|commit| (0..10).for_each(|number| put_account(commit, number, ADA, "Aarhus")));
    let backup = tempfile::tempdir().unwrap();
    let copy = backup.path().join("staging.db");
    back_up(&world, &copy);
    let mut stage = Stage::new(world);
    let keep = async |world: &mut World, door: &crate::device::Door| {
        let mut devices = [door.device(ADA).await, door.device(ADA).await];
        devices[0].sync().await.unwrap();
        world.commit(|commit| (5..20).for_each(|number| put_account(commit, number, ADA, "Ribe")));
        devices[1].sync().await.unwrap();
        devices.map(|mut device| std::mem::replace(&mut device.replica, Replica::new([0; 16])))
    };
    let [before, behind] = stage.run(keep);
    drop(stage);
    let restored = World::restored(&copy);
    restored.commit(|commit| (15..40).for_each(|number| put_account(commit, number, ADA, "Skagen")));
    assert!(restored.staging_head() > behind.position.lsn, "LSNs alone would not tell");
    Stage::new(restored).run(async |world, door| {
        let begun = before.epoch.clone();
        let mut unhurt = door.device_with(token(ADA)).await;
        unhurt.replica = before;
        unhurt.sync().await.unwrap();
        assert_eq!((unhurt.count(ACCOUNT), &unhurt.replica.epoch), (35, &begun), "its past is that of the copy");
        let mut device = door.device_with(token(ADA)).await;
        device.replica = behind;
        device.sync().await.unwrap();
        assert_eq!((device.count(ACCOUNT), &device.replica.mismatches[..]), (35, &[][..]));
        assert_ne!(device.replica.epoch, begun);
        assert_eq!(device.replica.epoch[..], world.staging.identity().unwrap().epoch);
        unhurt.sync().await.unwrap();
        assert_eq!((unhurt.count(ACCOUNT), &unhurt.replica.epoch), (35, &device.replica.epoch));
    });
}

#[test]
fn a_stream_that_breaks_before_its_plan_hides_no_new_epoch() {
    let mut world = World::new();
    world.publish(own_accounts());
    world.commit(|commit| put_account(commit, 1, BOB, "Ribe"));
    Stage::new(world).run(async |world, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        world.staging.mint_epoch(world.staging.identity().unwrap().epoch).unwrap();
        world.commit(|commit| put_account(commit, 2, BOB, "Ribe"));
        while matches!(next(&mut events).await, Ok(Some(_))) {}
        let mut events = device.call(SyncMode::Once).await.unwrap();
        let first = next(&mut events).await.unwrap().unwrap();
        assert!(matches!(first.event, Some(Event::Model(_))), "{first:?}");
        device.apply(&first);
        drop(events);
        device.sync().await.unwrap();
        assert_eq!(device.replica.epoch[..], world.staging.identity().unwrap().epoch);
    });
}

/// Copies a database that nobody writes at the moment.
fn back_up(world: &World, to: &std::path::Path) {
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", world.path().display());
        if std::path::Path::new(&from).exists() {
            std::fs::copy(&from, format!("{}{suffix}", to.display())).unwrap();
        }
    }
}
