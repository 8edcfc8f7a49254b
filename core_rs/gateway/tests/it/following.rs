//! A device becomes its user's view and stays it, whatever moves.

use haversack_engine::ids::AttributeNumber;
use haversack_engine::row::{Value, read};
use haversack_proto::model::{AttributeType, FiscalCalendar};
use haversack_proto::sync::sync_event::Event;
use haversack_proto::sync::{Compression, SyncMode, User};
use haversack_staging::RowId;
use tonic::Code;

use crate::device::{Device, Events, Stage, next, reason};
use crate::world::{
    ACCOUNT, ADA, BOB, CITY, CONTACT, NORTH, SOUTH, World, account_id, accounts_in, all_accounts, own_accounts,
    put_account, put_contact, put_user, unit_accounts, unit_id, user_id,
};

/// Cities of the accounts that a device holds, sorted.
fn cities(device: &Device) -> Vec<String> {
    let city = |(ordinal, _)| match read(&device.contents[&(ACCOUNT.0, ordinal)], CITY, AttributeType::String) {
        Ok(Some(Value::Text(city))) => city.to_owned(),
        other => panic!("no city: {other:?}"),
    };
    let mut cities: Vec<_> = device.replica.rows(ACCOUNT.0).map(city).collect();
    cities.sort();
    cities
}

fn fill(world: &World) {
    world.commit(|commit| {
        for number in 0..30 {
            put_account(commit, number, if number % 3 == 0 { BOB } else { ADA }, "Aarhus");
            put_contact(commit, number, number);
        }
    });
}

#[test]
fn a_first_sync_brings_exactly_the_users_view() {
    let world = World::published();
    fill(&world);
    Stage::new(world).run(async |_, door| {
        for (user, accounts) in [(ADA, 20), (BOB, 10)] {
            let mut device = door.device(user).await;
            device.sync().await.unwrap();
            assert_eq!(device.replica.mismatches, []);
            assert_eq!((device.count(ACCOUNT), device.count(CONTACT)), (accounts, accounts));
            let model = device.replica.model.as_ref().unwrap();
            assert_eq!(
                model.entities.iter().map(|it| it.logical_name.as_str()).collect::<Vec<_>>(),
                ["account", "contact"]
            );
            assert_eq!(model.entities[0].message_name, "haversack.rows.Account");
        }
    });
}

#[test]
fn a_second_sync_sends_nothing_again() {
    let world = World::published();
    fill(&world);
    Stage::new(world).run(async |world, door| {
        let mut device = door.device(ADA).await;
        device.sync().await.unwrap();
        let before = device.replica.received;
        device.sync().await.unwrap();
        assert_eq!(device.replica.received.rows, before.rows);
        world.account(1, ADA, "Odense");
        device.sync().await.unwrap();
        assert_eq!(device.replica.received.rows, before.rows + 1);
    });
}

#[test]
fn a_change_reaches_a_live_device() {
    let world = World::published();
    fill(&world);
    Stage::new(world).run(async |world, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        let before = device.replica.received.rows;
        for (round, city) in (1..).zip(["Odense", "Ribe", "Skagen"]) {
            world.account(1, ADA, city);
            device.reach(&mut events).await.unwrap();
            assert!(cities(&device).contains(&city.to_owned()));
            assert_eq!(device.replica.received.rows, before + round);
        }
        world.commit(|commit| {
            commit.delete(ACCOUNT, &RowId::Uuid(account_id(1))).unwrap();
        });
        device.reach(&mut events).await.unwrap();
        assert_eq!((device.count(ACCOUNT), device.count(CONTACT)), (19, 19), "the contact goes with its account");
    });
}

#[test]
fn a_publish_moves_only_the_difference() {
    let mut world = World::new();
    world.publish(accounts_in("Aarhus"));
    world.commit(|commit| {
        for number in 0..40 {
            put_account(commit, number, BOB, if number < 30 { "Aarhus" } else { "Ribe" });
        }
    });
    Stage::new(world).run(async |world, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        assert_eq!(device.replica.received.rows, 30);
        world.publish(accounts_in("Ribe"));
        device.reach(&mut events).await.unwrap();
        assert_eq!(cities(&device), ["Ribe"; 10]);
        assert_eq!((device.replica.received.rows, device.replica.received.removals), (40, 30));
    });
}

#[test]
fn a_publish_that_asks_more_of_rows_is_followed_without_a_break() {
    let mut world = World::new();
    world.publish(all_accounts());
    world.commit(|commit| {
        for number in 0..40 {
            put_account(commit, number, BOB, if number < 30 { "Aarhus" } else { "Ribe" });
        }
    });
    Stage::new(world).run(async |world, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        world.publish(accounts_in("Ribe"));
        device.reach(&mut events).await.unwrap();
        assert_eq!(cities(&device), ["Ribe"; 10]);
        assert_eq!(device.replica.received.rows, 40, "what stays is not sent again");
        world.account(0, BOB, "Ribe");
        device.reach(&mut events).await.unwrap();
        assert_eq!(device.count(ACCOUNT), 11);
    });
}

#[test]
fn commits_of_another_process_are_followed() {
    let mut world = World::new();
    world.publish(all_accounts());
    Stage::new(world).run(async |world, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        World::restored(&world.path()).account(1, ADA, "Aarhus");
        device.reach(&mut events).await.unwrap();
        assert_eq!(device.count(ACCOUNT), 1);
    });
}

#[test]
fn other_columns_come_as_a_new_model_with_all_rows() {
    let mut world = World::new();
    world.publish(all_accounts());
    world.commit(|commit| (0..5).for_each(|number| put_account(commit, number, ADA, "Aarhus")));
    Stage::new(world).run(async |world, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        let first = device.replica.model.as_ref().unwrap().version;
        let mut narrow = all_accounts();
        narrow[0].columns = vec!["name".into()];
        world.publish(narrow);
        device.reach(&mut events).await.unwrap();
        assert_ne!(device.replica.model.as_ref().unwrap().version, first);
        let numbers: Vec<_> = device.replica.model.as_ref().unwrap().entities[0]
            .attributes
            .iter()
            .map(|attribute| attribute.number)
            .collect();
        assert_eq!(numbers, [1, 2]);
        for payload in device.contents.values() {
            assert_eq!(read(payload, CITY, AttributeType::String), Ok(None));
            assert!(matches!(read(payload, AttributeNumber(2), AttributeType::String), Ok(Some(Value::Text(_)))));
        }
        assert_eq!(device.replica.received.rows, 10);
    });
}

#[test]
fn a_new_owner_moves_an_account_with_its_contacts() {
    let world = World::published();
    fill(&world);
    Stage::new(world).run(async |world, door| {
        let (mut ada, mut bob) = (door.device(ADA).await, door.device(BOB).await);
        let mut adas = ada.call(SyncMode::Live).await.unwrap();
        let mut bobs = bob.call(SyncMode::Live).await.unwrap();
        ada.reach(&mut adas).await.unwrap();
        bob.reach(&mut bobs).await.unwrap();
        world.account(1, BOB, "Aarhus");
        ada.reach(&mut adas).await.unwrap();
        bob.reach(&mut bobs).await.unwrap();
        assert_eq!((ada.count(ACCOUNT), ada.count(CONTACT)), (19, 19));
        assert_eq!((bob.count(ACCOUNT), bob.count(CONTACT)), (11, 11));
    });
}

#[test]
fn another_business_unit_brings_other_rows() {
    let mut world = World::new();
    world.publish(unit_accounts());
    fill(&world);
    Stage::new(world).run(async |world, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        assert_eq!(device.count(ACCOUNT), 20);
        world.commit(|commit| put_user(commit, ADA, SOUTH, false));
        device.reach(&mut events).await.unwrap();
        assert_eq!(device.count(ACCOUNT), 10);
    });
}

#[test]
fn a_disabled_user_is_told_to_wipe_and_why() {
    let world = World::published();
    fill(&world);
    Stage::new(world).run(async |world, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        world.commit(|commit| put_user(commit, ADA, NORTH, true));
        let status = device.reach(&mut events).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "USER_DISABLED"));
        assert_eq!(device.replica.len(), 0);
    });
}

#[test]
fn a_user_without_a_profile_is_denied() {
    let mut world = World::new();
    world.publish_for(own_accounts(), &[ADA]);
    Stage::new(world).run(async |_, door| {
        for (user, expected) in [(BOB, "PROFILE_MISSING"), (99, "USER_UNKNOWN")] {
            let status = door.device(user).await.sync().await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, expected));
        }
    });
}

#[test]
fn zstd_is_used_for_devices_that_can_undo_it() {
    let world = World::published();
    world.commit(|commit| (0..2_000).for_each(|number| put_account(commit, number, ADA, "Aarhus")));
    Stage::new(world).run(async |_, door| {
        let mut plain = door.device(ADA).await;
        plain.sync().await.unwrap();
        let mut packed = door.device(ADA).await;
        packed.accept = vec![Compression::Zstd];
        packed.sync().await.unwrap();
        assert_eq!(packed.contents, plain.contents);
        assert_eq!(plain.replica.received.bytes, plain.replica.received.bytes_raw);
        assert!(packed.replica.received.bytes * 2 < packed.replica.received.bytes_raw);
    });
}

#[test]
fn the_plan_says_what_will_come() {
    let world = World::published();
    fill(&world);
    Stage::new(world).run(async |_, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Once).await.unwrap();
        let (mut planned, mut came) = ((0, 0), 0);
        while let Some(event) = next(&mut events).await.unwrap() {
            match &event.event {
                Some(Event::Plan(plan)) => {
                    planned = plan.entities.iter().fold(planned, |sum, it| (sum.0 + it.rows, sum.1 + it.bytes));
                }
                Some(Event::Rows(batch)) => came += batch.planned_bytes,
                _ => {}
            }
            device.apply(&event);
        }
        assert_eq!(planned, (40, came));
        assert_eq!(device.replica.received.rows, 40);
    });
}

/// The next event, which is a model, and whom it tells of.
async fn told(device: &mut Device, events: &mut Events) -> User {
    let event = next(events).await.unwrap().expect("a live stream does not end well");
    device.apply(&event);
    let Some(Event::Model(model)) = event.event else { panic!("another event than a model: {event:?}") };
    model.user.expect("a model tells of its user")
}

#[test]
fn a_device_is_told_whose_it_is_and_other_teams_come_at_once_without_rows() {
    let world = World::published();
    fill(&world);
    Stage::new(world).run(async |world, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        let user = told(&mut device, &mut events).await;
        assert_eq!((&user.id[..], &user.business_unit[..]), (&user_id(ADA)[..], &unit_id(NORTH)[..]));
        assert_eq!((user.name_attribute.as_str(), user.time_zone.as_str()), ("systemuserid", "UTC"));
        assert_eq!(user.fiscal, Some(FiscalCalendar { start_month: 1, start_day: 1, period: 3 }));
        device.reach(&mut events).await.unwrap();
        let before = device.replica.model.clone().unwrap();

        world.commit(|commit| put_user(commit, ADA, SOUTH, false));
        let user = told(&mut device, &mut events).await;
        assert_eq!(&user.business_unit[..], &unit_id(SOUTH)[..]);
        let after = device.replica.model.clone().unwrap();
        assert_ne!(after.version, before.version);
        assert_eq!(after.entities, before.entities, "its tables are as they were");
        let rows = device.replica.received.rows;
        drop(events);
        device.sync().await.unwrap();
        assert_eq!(device.replica.received.rows, rows, "no row comes again");
    });
}
