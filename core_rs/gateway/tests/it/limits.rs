//! Who may call, how often, and for how long.

use std::time::Duration;

use haversack_gateway::Config;
use haversack_proto::sync::SyncMode;
use haversack_proto::sync::sync_event::Event;
use tonic::Code;

use crate::device::{Stage, next, reason};
use crate::tokens::{token, token_for};
use crate::world::{ADA, BOB, World, all_accounts, put_account};

fn stage() -> Stage {
    let mut world = World::new();
    world.publish(all_accounts());
    world.commit(|commit| (0..10).for_each(|number| put_account(commit, number, ADA, "Aarhus")));
    Stage::new(world)
}

#[test]
fn a_newer_stream_of_a_device_ends_the_older_one() {
    stage().run(async |_, door| {
        let mut device = door.device(ADA).await;
        let mut older = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut older).await.unwrap();
        let mut newer = device.call(SyncMode::Live).await.unwrap();
        let status = next(&mut older).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "STREAM_SUPERSEDED"));
        device.reach(&mut newer).await.unwrap();
    });
}

#[test]
fn a_stream_ends_with_its_token() {
    stage().run(async |_, door| {
        let mut device = door.device_with(token_for(ADA, "contoso", Duration::from_secs(2))).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        let status = next(&mut events).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_EXPIRED"));
        let status = device.sync().await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_EXPIRED"));
    });
}

#[test]
fn tokens_of_others_are_refused() {
    let cases = [
        (token_for(ADA, "fabrikam", Duration::from_secs(60)), Code::NotFound, "ORGANIZATION_UNKNOWN"),
        (token_for(ADA, "*", Duration::from_secs(60)), Code::PermissionDenied, "TOKEN_NOT_ALLOWED"),
        (format!("{}x", token(ADA)), Code::Unauthenticated, "TOKEN_INVALID"),
        (String::new(), Code::Unauthenticated, "TOKEN_INVALID"),
    ];
    stage().run(async |_, door| {
        for (token, code, expected) in cases {
            let status = door.device_with(token).await.sync().await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (code, expected));
        }
    });
}

#[test]
fn a_cookie_is_worth_nothing_to_another_user() {
    stage().run(async |_, door| {
        let mut device = door.device(ADA).await;
        device.sync().await.unwrap();
        device.token = token(BOB);
        let status = device.sync().await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "COOKIE_INVALID"));
    });
}

#[test]
fn a_request_that_breaks_the_contract_is_refused() {
    stage().run(async |_, door| {
        let device = door.device(ADA).await;
        let mut request = device.replica.request(SyncMode::Once, &[]);
        request.install_id = vec![1; 15].into();
        let status = device.call_with(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "REQUEST_INVALID"));
    });
}

#[test]
fn streams_beyond_the_limit_are_told_to_come_back() {
    let mut world = World::new();
    world.publish(all_accounts());
    let mut stage = Stage::with(world, &Config { streams_max: 2, ..Config::default() });
    stage.run(async |_, door| {
        let mut open = Vec::new();
        for _ in 0..2 {
            open.push(door.device(ADA).await.call(SyncMode::Live).await.unwrap());
        }
        let status = door.device(ADA).await.call(SyncMode::Live).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "LIMIT_REACHED"));
        drop(open);
        let mut device = door.device(ADA).await;
        while device.sync().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn a_silent_stream_gets_heartbeats() {
    let mut world = World::new();
    let published = world.publish(all_accounts());
    let mut stage = Stage::with(world, &Config { heartbeat_seconds: 1, ..Config::default() });
    stage.run(async |_, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        for _ in 0..2 {
            let event = next(&mut events).await.unwrap().unwrap();
            assert!(event.cookie.is_empty());
            let Some(Event::Heartbeat(heartbeat)) = event.event else { panic!("{event:?}") };
            assert_eq!(heartbeat.lsn, published.0);
            assert!(heartbeat.instant_us > 0);
        }
    });
}
