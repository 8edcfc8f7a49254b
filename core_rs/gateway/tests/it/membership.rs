//! Which profile a device follows, and whether it may: teams, applications, the privilege to read profiles.

use std::time::Duration;

use haversack_engine::ids::EntityNumber;
use haversack_proto::admin::{HoldersRequest, HoldersResponse};
use haversack_proto::model::{App, Profile, Settings};
use haversack_proto::sync::SyncMode;
use haversack_staging::RowId;
use prost::Message;
use tonic::{Code, Status};

use crate::device::{Device, Stage, next, reason};
use crate::tokens::token_named;
use crate::world::{
    ACCOUNT, ADA, BOB, CONTACT, World, account_id, all_accounts, join_team, name_user, own_accounts, profile,
    profile_privilege, put_account, put_contact, team_id, user_id, uuid_text,
};

const PRIVILEGES: EntityNumber = EntityNumber(8);

fn app(name: &str, offline: bool, profiles: &[&str]) -> App {
    let profiles = profiles.iter().map(|&name| name.to_owned()).collect();
    App { name: name.into(), offline, profiles, ..App::default() }
}

/// Own accounts with their contacts for Ada and Bob in "field"; every account in "office" for the team.
fn world() -> World {
    let mut world = World::published();
    world.commit(|commit| {
        for number in 0..10 {
            put_account(commit, number, if number % 2 == 0 { ADA } else { BOB }, "Aarhus");
            put_contact(commit, number, number);
        }
        join_team(commit, ADA);
    });
    world.publish_changed(|model| {
        let office = Profile {
            name: "office".into(),
            teams: vec![uuid_text(team_id())],
            ..profile(all_accounts(), &[], model.revision)
        };
        model.profiles.push(office);
        model.apps = vec![app("sales", true, &["field"]), app("office", true, &["office"]), app("paper", false, &[])];
    });
    world
}

fn held(device: &Device) -> (usize, usize) {
    (device.count(ACCOUNT), device.count(CONTACT))
}

fn told(status: &Status) -> (Code, String) {
    (status.code(), reason(status))
}

#[test]
fn a_device_follows_a_profile_of_its_application_and_copes_with_another() {
    let mut stage = Stage::new(world());
    stage.run(async |_, door| {
        let mut device = door.device(ADA).await;
        for (app, expected) in [("", (5, 5)), ("office", (10, 0)), ("sales", (5, 5)), ("", (5, 5)), ("office", (10, 0))]
        {
            device.app = app.into();
            device.sync().await.unwrap();
            // Of a view that moved while the device was away, the server may have to ask what the device has.
            device.sync().await.unwrap();
            assert_eq!((held(&device), &device.replica.mismatches[..]), (expected, &[][..]), "{app:?}");
        }
        let mut bob = door.device(BOB).await;
        bob.sync().await.unwrap();
        bob.app = "office".into();
        let status = bob.sync().await.unwrap_err();
        assert_eq!(told(&status), (Code::PermissionDenied, "PROFILE_MISSING".into()));
        assert_eq!(held(&bob), (0, 0), "removals come before the denial");
    });
    let request = HoldersRequest {
        organization: "contoso".into(),
        entity: "account".into(),
        row: uuid_text(account_id(1)),
        ..HoldersRequest::default()
    };
    let answer = stage.gateway.holders(&request.encode_to_vec()).unwrap();
    let holders = HoldersResponse::decode(answer.as_slice()).unwrap();
    assert_eq!(holders.devices.iter().map(|device| device.app.as_str()).collect::<Vec<_>>(), ["", "office"]);
    assert_eq!(holders.holder_count, 2, "Bob without an application, Ada in the office");
}

#[test]
fn an_application_that_may_not_work_offline_leaves_devices_their_rows() {
    Stage::new(world()).run(async |world, door| {
        let mut device = door.device(ADA).await;
        for (app, expected) in [
            ("paper", (Code::FailedPrecondition, "APP_NOT_ENABLED")),
            ("stray", (Code::NotFound, "APP_UNKNOWN")),
            (&*"x".repeat(200), (Code::InvalidArgument, "REQUEST_INVALID")),
        ] {
            device.app = app.into();
            assert_eq!(told(&device.sync().await.unwrap_err()), (expected.0, expected.1.into()));
        }
        device.app = "sales".into();
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        world.publish_changed(|model| model.apps = vec![app("sales", false, &["field"])]);
        let status = next(&mut events).await.unwrap_err();
        assert_eq!(told(&status), (Code::FailedPrecondition, "APP_NOT_ENABLED".into()));
        assert!(status.message().contains("sales"), "{}", status.message());
        assert_eq!(held(&device), (5, 5));
        world.publish_changed(|model| model.apps = vec![app("sales", true, &["field"])]);
        let before = device.replica.received.rows;
        device.sync().await.unwrap();
        assert_eq!(device.replica.received.rows, before, "what it kept is not sent again");
    });
}

#[test]
fn a_team_makes_its_members_follow_while_they_are_members() {
    let mut world = world();
    world.publish_changed(|model| model.profiles[0].users.clear());
    Stage::new(world).run(async |world, door| {
        let mut device = door.device(BOB).await;
        assert_eq!(told(&device.sync().await.unwrap_err()).1, "PROFILE_MISSING");
        world.commit(|commit| join_team(commit, BOB));
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        assert_eq!(held(&device), (10, 0));
        // Being named goes before being in a team, as soon as it is published.
        world.publish_changed(|model| model.profiles[0] = profile(own_accounts(), &[BOB], model.revision));
        while held(&device) != (5, 5) {
            device.reach(&mut events).await.unwrap();
        }
    });
}

#[test]
fn who_loses_the_privilege_to_read_profiles_loses_the_rows() {
    Stage::new(world()).run(async |world, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        assert_eq!(held(&device), (5, 5));
        world.commit(|commit| assert!(commit.delete(PRIVILEGES, &RowId::Uuid(profile_privilege())).is_ok()));
        let status = device.reach(&mut events).await.unwrap_err();
        assert_eq!(told(&status), (Code::PermissionDenied, "PROFILE_NOT_READABLE".into()));
        assert!(status.message().contains("mobileofflineprofile"), "{}", status.message());
        assert_eq!(held(&device), (0, 0));
    });
}

#[test]
fn a_token_names_its_user_by_the_attribute_that_is_settled() {
    let mut world = world();
    world.commit(|commit| {
        name_user(commit, ADA, "CONTOSO\\ada");
        name_user(commit, BOB, "CONTOSO\\bob");
    });
    let named = Settings { user_attribute: "domainname".into(), ..Settings::default() };
    world.publish_changed(|model| model.settings = Some(named));
    let hour = Duration::from_secs(3_600);
    Stage::new(world).run(async |world, door| {
        let mut device = door.device_with(token_named("contoso\\ADA ", "contoso", hour)).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        assert_eq!(held(&device), (5, 5));
        // The id names nobody any more, nor does what nobody is called.
        for name in [uuid_text(user_id(BOB)), "carl".into(), " ".into()] {
            let mut stranger = door.device_with(token_named(&name, "contoso", hour)).await;
            let status = stranger.sync().await.unwrap_err();
            assert_eq!(told(&status), (Code::PermissionDenied, "USER_UNKNOWN".into()));
            assert!(status.message().contains("domainname"), "{}", status.message());
        }
        // The name goes to somebody else: the stream ends, and the next one is the other user's.
        world.commit(|commit| {
            name_user(commit, ADA, "CONTOSO\\lovelace");
            name_user(commit, BOB, "contoso\\ada");
        });
        assert_eq!(told(&next(&mut events).await.unwrap_err()), (Code::Unavailable, "SERVER_BEHIND".into()));
        device.sync().await.unwrap();
        device.sync().await.unwrap();
        assert_eq!((held(&device), &device.replica.mismatches[..]), ((5, 5), &[][..]));
        assert!(
            device.contents.keys().filter(|(entity, _)| *entity == ACCOUNT.0).count() > 5,
            "Bob's came beside Ada's"
        );
        // Two of one name are nobody.
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        world.commit(|commit| name_user(commit, ADA, "contoso\\ada"));
        assert_eq!(told(&next(&mut events).await.unwrap_err()).0, Code::Unavailable);
        let status = device.sync().await.unwrap_err();
        assert_eq!(told(&status), (Code::PermissionDenied, "USER_UNKNOWN".into()));
        assert!(status.message().contains("several"), "{}", status.message());
        assert_eq!(held(&device), (0, 0));
    });
}
