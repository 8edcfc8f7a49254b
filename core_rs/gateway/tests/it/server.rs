//! The endpoint itself: its beginning, its end, and what is served beside it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use haversack_gateway::{Config, Gateway};
use haversack_proto::error::ErrorReason;
use haversack_proto::error::ErrorReason::OrganizationNotProvisioned as NotProvisioned;
use haversack_proto::sync::SyncMode;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::device::{Stage, next, reason};
use crate::world::{ACCOUNT, ADA, World, all_accounts};

const SERVICE: &str = "haversack.sync.v1.SyncService";

#[test]
fn stopping_ends_streams_with_a_reason_and_waits_for_them() {
    let mut world = World::new();
    world.publish(all_accounts());
    let mut stage = Stage::new(world);
    let mut events = stage.run(async |_, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        events
    });
    let started = Instant::now();
    std::thread::scope(|threads| {
        let stopped = threads.spawn(|| stage.gateway.stop(Duration::from_secs(10)));
        let status = stage.clients_block_on(next(&mut events)).unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "SERVER_STOPPING"));
        drop(events);
        stopped.join().unwrap();
    });
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    stage.gateway.stop(Duration::ZERO);
    assert!(stage.gateway.start().is_err(), "a gateway that was stopped stays so");
}

#[test]
fn an_organization_without_a_model_says_so() {
    Stage::new(World::new()).run(async |world, door| {
        let mut device = door.device(ADA).await;
        let status = device.sync().await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "NOTHING_PUBLISHED"));
        world.publish(all_accounts());
        device.sync().await.unwrap();
    });
}

#[test]
fn health_and_reflection_are_served_beside_it() {
    Stage::new(World::published()).run(async |_, door| {
        let channel = door.channel().await;
        let mut health = HealthClient::new(channel.clone());
        let answer = health.check(HealthCheckRequest { service: SERVICE.into() }).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);

        let mut reflection = ServerReflectionClient::new(channel);
        let question = MessageRequest::FileContainingSymbol(SERVICE.into());
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        let mut answers = reflection.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap().message_response;
        assert!(matches!(answer, Some(MessageResponse::FileDescriptorResponse(_))), "{answer:?}");
    });
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let stage = Stage::new(World::published());
    let config = Config { listen: stage.address.to_string(), plain_text: true, ..Config::default() };
    let error = Gateway::new(config).unwrap().start().unwrap_err();
    assert!(error.to_string().contains(&stage.address.to_string()), "{error}");
}

#[test]
fn statistics_tell_of_streams_and_views() {
    let mut stage = Stage::new(World::published());
    let _events = stage.run(async |_, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        (events, device)
    });
    let statistics = stage.gateway.statistics();
    assert_eq!(statistics.streams, 1);
    let organization = &statistics.organizations[0];
    assert_eq!((organization.name.as_str(), organization.streams, organization.live_views), ("contoso", 1, 1));
    assert_eq!(organization.lsn, stage.world.staging_head());
}

#[test]
fn a_removed_organization_ends_its_streams_and_says_why_until_it_is_back() {
    let mut stage = Stage::new(World::published());
    let (mut events, mut device) = stage.run(async |_, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        (events, device)
    });
    let is_told = |status: Status| {
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(reason(&status), "ORGANIZATION_NOT_PROVISIONED");
    };
    stage.gateway.remove_organization("contoso");
    is_told(stage.clients_block_on(next(&mut events)).unwrap_err());
    is_told(stage.clients_block_on(device.sync()).unwrap_err());
    assert!(stage.gateway.statistics().organizations.is_empty());
    assert_eq!(stage.gateway.load_organization("contoso").unwrap_err().reason(), NotProvisioned);

    let mut again = World::published();
    again.publish(all_accounts());
    again.account(1, ADA, "Ribe");
    stage.gateway.add_organization("contoso", Arc::clone(&again.staging) as _, false).unwrap();
    stage.gateway.load_organization("contoso").unwrap();
    assert!(stage.gateway.statistics().organizations[0].loaded);
    let before = device.replica.epoch.clone();
    let status = stage.clients_block_on(device.sync()).unwrap_err();
    assert_eq!(reason(&status), "COOKIE_INVALID", "the new database has a key of its own");
    device.replica.cookie.clear();
    stage.clients_block_on(device.sync()).unwrap();
    assert_ne!(device.replica.epoch, before);
    assert_eq!((device.count(ACCOUNT), &device.replica.mismatches[..]), (1, &[][..]));
}

#[test]
fn a_name_may_be_removed_before_it_is_ever_added() {
    let mut stage = Stage::new(World::published());
    assert_eq!(stage.gateway.load_organization("fabrikam").unwrap_err().reason(), ErrorReason::OrganizationUnknown);
    stage.gateway.remove_organization("fabrikam");
    assert_eq!(stage.gateway.load_organization("fabrikam").unwrap_err().reason(), NotProvisioned);
    stage.gateway.remove_organization("contoso");
    let status = stage.run(async |_, door| door.device(ADA).await.sync().await.unwrap_err());
    assert_eq!(reason(&status), "ORGANIZATION_NOT_PROVISIONED");
}

#[test]
fn loading_says_that_nothing_is_published() {
    let stage = Stage::new(World::new());
    assert_eq!(stage.gateway.load_organization("contoso").unwrap_err().reason(), ErrorReason::NothingPublished);
}

#[test]
fn issuers_are_replaced_while_streams_go_on() {
    let mut stage = Stage::new(World::published());
    let (mut device, mut events) = stage.run(async |_, door| {
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        (device, events)
    });
    assert!(stage.gateway.set_issuers(r#"[{"issuer": "dev"}]"#).is_err(), "what cannot be used replaces nothing");
    let mut other = stage.clients_block_on(stage.door().device(ADA));
    stage.clients_block_on(other.sync()).unwrap();
    stage.gateway.set_issuers("[]").unwrap();
    let status = stage.clients_block_on(other.sync()).unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_INVALID"));
    stage.world.account(1, ADA, "Odense");
    stage.clients_block_on(device.reach(&mut events)).unwrap();
    assert_eq!(device.count(ACCOUNT), 1);
}
