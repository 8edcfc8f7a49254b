//! Administrators' questions, asked while devices sync.

use haversack_gateway::{Gateway, SyncError};
use haversack_proto::admin::directory_change::Change;
use haversack_proto::admin::{
    DiffRequest, DiffResponse, DirectoryChange, EstimateRequest, EstimateResponse, ExplainRequest, ExplainResponse,
    HoldersRequest, HoldersResponse, LintRequest, LintResponse, Smell,
};
use haversack_proto::sync::SyncMode;
use prost::Message;

use crate::device::Stage;
use crate::world::{
    ADA, BOB, SOUTH, World, account_id, accounts_in, all_accounts, own_accounts, put_account, put_contact,
    unit_accounts, unit_id, user_id, uuid_text,
};

const ORGANIZATION: &str = "contoso";

fn fill(world: &World) {
    world.commit(|commit| {
        for number in 0..30 {
            put_account(commit, number, if number % 3 == 0 { BOB } else { ADA }, "Aarhus");
            put_contact(commit, number, number);
        }
    });
}

fn user(number: u32) -> String {
    uuid_text(user_id(number))
}

fn account(number: u32) -> String {
    uuid_text(account_id(number))
}

fn estimate(gateway: &Gateway, model: Option<&[u8]>) -> Result<EstimateResponse, SyncError> {
    let request = EstimateRequest {
        organization: ORGANIZATION.into(),
        profile: "field".into(),
        rows_max: 30,
        ..EstimateRequest::default()
    };
    let answer = gateway.estimate(&request.encode_to_vec(), model)?;
    Ok(EstimateResponse::decode(answer.as_slice()).unwrap())
}

fn holders(gateway: &Gateway, row: u32) -> HoldersResponse {
    let request = HoldersRequest {
        organization: ORGANIZATION.into(),
        entity: "account".into(),
        row: account(row),
        ..HoldersRequest::default()
    };
    HoldersResponse::decode(gateway.holders(&request.encode_to_vec()).unwrap().as_slice()).unwrap()
}

/// Users in order of id, each with rows.
fn rows(answer: &EstimateResponse) -> Vec<(String, u64)> {
    answer.users.iter().map(|it| (it.user.clone(), it.total.unwrap().rows)).collect()
}

#[test]
fn every_user_is_estimated_and_a_draft_is_read_from_staging_if_it_must_be() {
    let world = World::published();
    fill(&world);
    let asks_for_more = world.draft(accounts_in("Aarhus"));
    let asks_for_less = world.draft(all_accounts());
    let stage = Stage::new(world);
    let answer = estimate(&stage.gateway, None).unwrap();
    assert_eq!(rows(&answer), [(user(ADA), 40), (user(BOB), 20)]);
    assert_eq!((answer.user_count, answer.view_count, answer.beyond_count), (2, 2, 1));
    assert_eq!(answer.beyond, [user(ADA)]);
    assert_eq!(answer.total.unwrap().rows, 60);
    assert_eq!(answer.rows.unwrap().p50, 20);
    assert_eq!(answer.largest[0].user, user(ADA));
    assert_eq!(answer.entities.iter().map(|it| it.entity.as_str()).collect::<Vec<_>>(), ["account", "contact"]);
    let moment = answer.moment.unwrap();
    assert_eq!((moment.lsn_first, moment.revision), (moment.lsn_last, 1));
    for draft in [asks_for_more, asks_for_less] {
        let answer = estimate(&stage.gateway, Some(&draft)).unwrap();
        assert_eq!(rows(&answer), [(user(ADA), 30), (user(BOB), 30)]);
        assert_eq!((answer.view_count, answer.moment.unwrap().revision), (1, 2));
    }
}

#[test]
fn what_cannot_be_asked_is_refused_with_a_reason() {
    let world = World::published();
    let mut broken = accounts_in("Aarhus");
    broken[0].filter = None;
    let broken = world.draft(broken);
    let stage = Stage::new(world);
    assert!(matches!(estimate(&stage.gateway, Some(&broken)), Err(SyncError::ModelInvalid(_))));
    let request =
        EstimateRequest { organization: ORGANIZATION.into(), profile: "office".into(), ..EstimateRequest::default() };
    let refused = stage.gateway.estimate(&request.encode_to_vec(), None);
    assert!(matches!(refused, Err(SyncError::ProfileUnknown(_))), "{refused:?}");
    let request =
        ExplainRequest { organization: ORGANIZATION.into(), user: user(ADA), row: account(1), ..Default::default() };
    let refused = stage.gateway.explain(&request.encode_to_vec(), None);
    assert!(matches!(refused, Err(SyncError::EntityUnknown(_))), "{refused:?}");
    let request = ExplainRequest { organization: ORGANIZATION.into(), user: "ada".into(), ..Default::default() };
    let refused = stage.gateway.explain(&request.encode_to_vec(), None);
    assert!(matches!(refused, Err(SyncError::RequestInvalid(_))), "{refused:?}");
    let unpublished = Stage::new(World::new());
    assert!(matches!(estimate(&unpublished.gateway, None), Err(SyncError::NothingPublished(_))));
}

#[test]
fn a_difference_tells_what_a_move_to_another_unit_would_bring_and_take() {
    let mut world = World::new();
    world.publish(unit_accounts());
    fill(&world);
    let draft = world.draft(own_accounts());
    let stage = Stage::new(world);
    let diff = |changes: Vec<DirectoryChange>, after: Option<&[u8]>| {
        let request =
            DiffRequest { organization: ORGANIZATION.into(), changes, sample_max: 2, ..DiffRequest::default() };
        let answer = stage.gateway.diff(&request.encode_to_vec(), None, after).unwrap();
        DiffResponse::decode(answer.as_slice()).unwrap()
    };
    let change = Some(Change::BusinessUnit(uuid_text(unit_id(SOUTH))));
    let answer = diff(vec![DirectoryChange { user: user(ADA), change }], None);
    assert_eq!((answer.user_count, answer.changed_count), (2, 1));
    assert_eq!((answer.gained.unwrap().rows, answer.lost.unwrap().rows), (10, 20));
    let of_accounts = &answer.users[0].entities[0];
    assert_eq!((answer.users[0].user.as_str(), of_accounts.entity.as_str()), (user(ADA).as_str(), "account"));
    assert_eq!(of_accounts.gained_sample, [account(0), account(3)]);
    assert_eq!(of_accounts.lost_sample, [account(1), account(2)]);
    let answer = diff(vec![], Some(&draft));
    assert_eq!((answer.changed_count, answer.gained.unwrap().rows, answer.lost.unwrap().rows), (2, 30, 0));
    assert_eq!(answer.users[1].entities[0].entity, "contact");
}

#[test]
fn an_explanation_says_what_the_device_has() {
    let world = World::published();
    fill(&world);
    let stage = Stage::new(world);
    for (row, holds) in [(0, false), (1, true)] {
        let request = ExplainRequest {
            organization: ORGANIZATION.into(),
            user: user(ADA),
            entity: "account".into(),
            row: account(row),
            state: None,
            profile: String::new(),
        };
        let answer = stage.gateway.explain(&request.encode_to_vec(), None).unwrap();
        let reason = ExplainResponse::decode(answer.as_slice()).unwrap().reason.unwrap();
        assert_eq!(reason.holds, holds);
        assert_eq!(reason.children.iter().all(|child| child.holds), holds);
    }
}

#[test]
fn holders_are_users_now_and_devices_as_they_were_last_seen() {
    let world = World::published();
    fill(&world);
    let mut stage = Stage::new(world);
    let mut events = stage.run(async |_, door| {
        let mut away = door.device(BOB).await;
        away.sync().await.unwrap();
        let mut device = door.device(ADA).await;
        let mut events = device.call(SyncMode::Live).await.unwrap();
        device.reach(&mut events).await.unwrap();
        (events, away)
    });
    let mine = holders(&stage.gateway, 1);
    assert!(mine.alive && mine.devices_since_us > 0);
    assert_eq!((mine.user_count, mine.holder_count, mine.users), (2, 1, vec![user(ADA)]));
    assert_eq!(mine.devices.len(), 1);
    let device = &mine.devices[0];
    assert_eq!((device.user.as_str(), device.connected, device.in_view), (user(ADA).as_str(), true, true));
    assert!(!device.confirmed && device.checkpoint_at_us > 0);
    stage.run(async |world, _| {
        world.account(0, ADA, "Odense");
    });
    let his = holders(&stage.gateway, 0);
    assert_eq!(his.users, [user(ADA)]);
    let was = his.devices.iter().find(|device| device.user == user(BOB)).unwrap();
    assert!(!was.connected && !was.in_view, "his device will lose it when it syncs");
    stage.run(async |_, _| events.1.sync().await.unwrap());
    let asked = holders(&stage.gateway, 0);
    let was = asked.devices.iter().find(|device| device.user == user(BOB)).unwrap();
    assert!(was.confirmed, "his cookie proves that he has applied the checkpoint");
    stage.run(async |_, _| events.1.sync().await.unwrap());
    let his = holders(&stage.gateway, 0);
    assert!(his.devices.iter().all(|device| device.user == user(ADA)), "{his:?}");
    let kept = holders(&stage.gateway, 3).devices;
    assert_eq!(kept.iter().map(|device| device.user.as_str()).collect::<Vec<_>>(), [user(BOB)]);
    assert!(!holders(&stage.gateway, 99).alive);
    drop(events);
}

#[test]
fn a_draft_that_smells_is_told_of() {
    let world = World::published();
    fill(&world);
    let mut items = accounts_in("Nowhere");
    items.push(own_accounts().remove(1));
    let draft = world.draft(items);
    let stage = Stage::new(world);
    let request = LintRequest { organization: ORGANIZATION.into(), profile: "field".into(), ..LintRequest::default() };
    let lint = |model: Option<&[u8]>| {
        let answer = stage.gateway.lint(&request.encode_to_vec(), model).unwrap();
        let answer = LintResponse::decode(answer.as_slice()).unwrap();
        answer.findings.iter().map(|it| (it.smell(), it.entity.clone())).collect::<Vec<_>>()
    };
    assert_eq!(lint(None), []);
    let expected =
        [(Smell::RelatedOnlyUnreached, "contact".to_owned()), (Smell::ClauseTakesNothing, "account".to_owned())];
    assert_eq!(lint(Some(&draft)), expected);
}
