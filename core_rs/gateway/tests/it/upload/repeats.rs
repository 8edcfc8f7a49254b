//! Exactly once: whatever breaks, and however often a device sends the same.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haversack_engine::row::Value;
use haversack_proto::error::ErrorReason;
use haversack_proto::model::ConflictPolicy::{ClientWins, ServerWins};
use haversack_proto::sync::MutationOutcome::{Applied, Blocked, Forbidden, Invalid};
use haversack_proto::sync::{Mutation, MutationAnswer, SyncMode, UploadRequest};
use haversack_staging::{LedgerPlace, Staging, close_ledger};
use prost::Message;
use tonic::Code;

use super::device::{Outbox, Setting};
use super::failing::Failing;
use super::outcomes::row;
use super::policies::integer;
use super::world::*;
use crate::device::{Stage, metadata, next, reason};
use crate::tokens::token_for;
use crate::world::{ACCOUNT, ADA, BOB, World, account_id, profile_privilege, user_id};

const LIFETIME: Duration = Duration::from_secs(3_600);

fn named(name: &str) -> [(u32, Value<'_>); 1] {
    [(NAME, Value::Text(name))]
}

fn outcomes(answers: &[MutationAnswer]) -> Vec<haversack_proto::sync::MutationOutcome> {
    answers.iter().map(MutationAnswer::outcome).collect()
}

#[test]
fn a_repeat_gets_the_recorded_answers_and_does_nothing() {
    Stage::new(organization(ClientWins)).run(async |world, door| {
        let ada = Outbox::of(door, ADA).await;
        let mutations =
            [ada.create(1, &named("x")), ada.create(2, &[]), ada.update(2, &named("y")).after(2), ada.delete(1)];
        let first = ada.send(&mutations).await.unwrap();
        assert_eq!(outcomes(&first), [Applied, Invalid, Blocked, Applied]);
        let head = world.staging_head();
        world.commit(|commit| put_scored(commit, 2, ADA, "there now", 1));
        assert_eq!(ada.send(&mutations).await.unwrap(), first, "what was refused stays so");
        assert_eq!(ada.send(&mutations[2..]).await.unwrap(), first[2..]);
        assert_eq!(world.staging_head(), head + 1);
    });
}

#[test]
fn a_database_that_is_given_up_takes_no_more() {
    Stage::new(organization(ClientWins)).run(async |world, door| {
        let ada = Outbox::of(door, ADA).await;
        ada.apply(&ada.create(1, &named("x"))).await;
        let head = world.staging_head();
        close_ledger(&*world.staging).unwrap();
        close_ledger(&*world.staging).unwrap();
        let status = ada.send(&[ada.create(2, &named("y"))]).await.unwrap_err();
        assert_eq!(reason(&status).as_str(), "ORGANIZATION_NOT_PROVISIONED");
        assert_eq!(world.staging_head(), head);
    });
}

#[test]
fn a_number_that_comes_again_with_other_bytes_costs_the_call_and_nothing_else() {
    Stage::new(organization(ClientWins)).run(async |world, door| {
        let ada = Outbox::of(door, ADA).await;
        let first = ada.create(1, &named("x"));
        ada.apply(&first).await;
        let other = Mutation { written_at_us: 1, ..first.clone() };
        let fresh = ada.create(2, &named("y"));
        let head = world.staging_head();
        let status = ada.send(&[other.clone(), fresh.clone()]).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "NUMBER_REUSED"));
        assert_eq!(metadata(&status), [("mutation".to_owned(), "1".to_owned())]);
        assert!(status.message().contains("mutation 1 was sent before"), "{}", status.message());
        assert_eq!(world.staging_head(), head);
        let install = Bytes::copy_from_slice(&ada.install);
        let encode = |mutations: &[&Mutation]| mutations.iter().map(|it| it.encode_to_vec().into()).collect();
        let known = |mutations| UploadRequest {
            known_only: true,
            mutations,
            install_id: install.clone(),
            ..UploadRequest::default()
        };
        assert_eq!(ada.call(known(encode(&[&other, &fresh]))).await.unwrap(), []);
        let told = ada.call(known(encode(&[&first, &fresh]))).await.unwrap();
        assert_eq!(told.iter().map(|it| (it.number, it.outcome())).collect::<Vec<_>>(), [(1, Applied)]);
        assert_eq!(world.staging_head(), head, "who asks what is known has nothing taken");
        ada.apply(&fresh).await;
    });
}

#[test]
fn numbers_are_each_users_own() {
    Stage::new(organization(ClientWins)).run(async |_, door| {
        let (ada, mut bob) = (Outbox::of(door, ADA).await, Outbox::of(door, BOB).await);
        bob.install = ada.install;
        let answer = ada.apply(&ada.create(1, &named("x"))).await;
        let other = bob.apply(&bob.create(2, &named("y"))).await;
        assert!(answer.number == other.number && answer.lsn != other.lsn);
    });
}

#[test]
fn calls_at_once_are_each_done_once() {
    let mut stage = Stage::new(organization(ClientWins));
    stage.run(async |world, door| {
        let head = world.staging_head();
        let devices: Vec<Outbox> = futures_of(40, async |_| Outbox::of(door, ADA).await).await;
        let calls: Vec<(Outbox, Mutation)> = devices
            .into_iter()
            .enumerate()
            .map(|(number, device)| {
                let mutation = device.create(number as u32, &named("x"));
                (device, mutation)
            })
            .collect();
        let calls = Arc::new(calls);
        let sent: Vec<_> = (0..120)
            .map(|turn| {
                let calls = Arc::clone(&calls);
                tokio::spawn(async move {
                    let (device, mutation) = &calls[turn % 40];
                    (turn % 40, device.apply(mutation).await)
                })
            })
            .collect();
        let mut answers = vec![Vec::new(); 40];
        for task in sent {
            let (number, answer) = task.await.unwrap();
            answers[number].push(answer);
        }
        assert!(answers.iter().all(|of_one| of_one.len() == 3 && of_one.iter().all(|it| *it == of_one[0])));
        assert_eq!(world.staging_head(), head + 40);
    });
}

async fn futures_of<T>(count: usize, make: impl AsyncFn(usize) -> T) -> Vec<T> {
    let mut all = Vec::new();
    for number in 0..count {
        all.push(make(number).await);
    }
    all
}

#[test]
fn a_transaction_that_fails_anywhere_is_whole_or_not_there_and_a_repeat_completes_it() {
    let world = organization(ServerWins);
    let failing = Failing::new(Arc::clone(&world.staging));
    let mut stage = Stage::new(world);
    stage.gateway.add_organization("fabrikam", Arc::clone(&failing) as _, false).unwrap();
    stage.run(async |world, door| {
        let mut ada = Outbox::of(door, ADA).await;
        ada.token = token_for(ADA, "fabrikam", LIFETIME);
        let mut step = 0;
        loop {
            let account = 100 + step as u32;
            let created = ada.create(account, &[(NAME, Value::Text("x")), (SCORE, Value::Integer(1))]);
            let changed = ada
                .update(account, &[(SCORE, Value::Integer(2))])
                .seeing(&[(SCORE, Value::Integer(1))])
                .after(created.number);
            let refused = ada.create(account, &[]);
            let mutations = [created, changed, refused];
            let head = world.staging_head();
            failing.fail_after(step);
            let first = ada.send(&mutations).await;
            let survived = failing.has_survived();
            if survived {
                assert_eq!(
                    outcomes(&first.unwrap()),
                    [Applied, Applied, haversack_proto::sync::MutationOutcome::Conflict]
                );
                break;
            }
            let status = first.unwrap_err();
            assert_eq!(reason(&status), "STAGING_FAILED");
            assert!([head, head + 2].contains(&world.staging_head()), "all of it, or nothing");
            let answers = ada.send(&mutations).await.unwrap();
            assert_eq!(answers.iter().map(|it| it.lsn).collect::<Vec<_>>(), [head + 1, head + 2, 0], "step {step}");
            let payload = row(world, ACCOUNT, account_id(account)).unwrap();
            assert_eq!((integer(&payload, SCORE), world.staging_head()), (Some(2), head + 2));
            step += 1;
        }
        assert!(step > 10, "only {step} steps");
    });
}

#[test]
fn an_outbox_is_its_users_alone() {
    Stage::new(organization(ClientWins)).run(async |world, door| {
        let (ada, bob) = (Outbox::of(door, ADA).await, Outbox::of(door, BOB).await);
        let mutation = ada.create(1, &named("x"));
        let of = |user: u32, outbox: &Outbox| UploadRequest {
            install_id: Bytes::copy_from_slice(&outbox.install),
            mutations: vec![mutation.encode_to_vec().into()],
            user: Bytes::copy_from_slice(&user_id(user)),
            ..UploadRequest::default()
        };
        let head = world.staging_head();
        let status = bob.call(of(ADA, &ada)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "USER_CHANGED"));
        assert_eq!(world.staging_head(), head);
        assert!(world.staging.snapshot().unwrap().ledger().page(LedgerPlace(0), 9).unwrap().is_empty());
        assert_eq!(outcomes(&ada.call(of(ADA, &ada)).await.unwrap()), [Applied]);
        let short = UploadRequest { user: Bytes::from_static(b"short"), ..of(ADA, &ada) };
        assert_eq!(reason(&ada.call(short).await.unwrap_err()), "REQUEST_INVALID");
    });
}

#[test]
fn the_first_event_of_a_stream_says_whose_rows_these_are() {
    Stage::new(organization(ClientWins)).run(async |world, door| {
        world.commit(|commit| put_scored(commit, 1, ADA, "x", 1));
        let device = door.device(BOB).await;
        let request = device.replica.request(SyncMode::Once, &[]);
        let mut events = device.call_with(request).await.unwrap();
        let mut users = Vec::new();
        while let Some(event) = next(&mut events).await.unwrap() {
            users.push(event.user.to_vec());
        }
        assert_eq!(users.remove(0), user_id(BOB));
        assert!(users.iter().all(Vec::is_empty) && !users.is_empty());
    });
}

#[test]
fn calls_that_break_the_contract_are_refused_whole() {
    Stage::new(organization(ClientWins)).run(async |world, door| {
        let ada = Outbox::of(door, ADA).await;
        let sound = ada.create(1, &named("x"));
        let encoded = |mutation: &Mutation| Bytes::from(mutation.encode_to_vec());
        let zero = encoded(&Mutation { number: 0, ..sound.clone() });
        let aimless = encoded(&Mutation { kind: 9, ..sound.clone() });
        let unordered = encoded(&Mutation { changed: vec![2, 1], ..sound.clone() });
        let ahead = encoded(&sound.clone().after(sound.number));
        let nobodys = encoded(&Mutation { id: Bytes::new(), ..sound.clone() });
        let many = vec![encoded(&sound); 501];
        let cases: [(Vec<Bytes>, &str, Option<&str>); 9] = [
            (vec![], "has to have mutations", None),
            (many, "takes 500", None),
            (vec![encoded(&sound), encoded(&sound)], "ascend by number", None),
            (vec![encoded(&sound), Bytes::from_static(b"\xff")], "cannot be read", Some("index 1")),
            (vec![zero], "needs a number", Some("index 0")),
            (vec![aimless], "does not say what it does", Some("mutation 1")),
            (vec![unordered], "must ascend", Some("mutation 1")),
            (vec![ahead], "of lower numbers", Some("mutation 1")),
            (vec![nobodys], "neither 16 bytes", Some("mutation 1")),
        ];
        for (mutations, text, blamed) in cases {
            let status = ada.send_bytes(mutations).await.unwrap_err();
            assert_eq!(reason(&status), "REQUEST_INVALID", "{text}");
            let named = metadata(&status).pop().map(|(key, value)| format!("{key} {value}"));
            assert_eq!(named.as_deref(), blamed, "{text}");
            assert!(status.message().contains(text), "{}", status.message());
        }
        for (withdrawn, text) in [
            (vec![2, 1], "must ascend"),
            (vec![0], "must ascend"),
            (vec![u64::MAX], "must ascend"),
            ((1..=1_001).collect(), "at most 1000"),
            (vec![sound.number], "sent and withdrawn at once"),
        ] {
            let install_id = Bytes::copy_from_slice(&ada.install);
            let mutations = vec![encoded(&sound)];
            let request = UploadRequest { install_id, mutations, withdrawn, ..UploadRequest::default() };
            let status = ada.call(request).await.unwrap_err();
            assert!(status.message().contains(text), "{}", status.message());
        }
        let request = UploadRequest { mutations: vec![encoded(&sound)], ..UploadRequest::default() };
        assert!(ada.call(request).await.unwrap_err().message().contains("install_id"));
        let snapshot = world.staging.snapshot().unwrap();
        assert!(snapshot.ledger().page(LedgerPlace(0), 9).unwrap().is_empty());
    });
}

#[test]
fn an_administrator_has_a_refused_mutation_judged_again() {
    let mut stage = Stage::new(organization(ServerWins));
    let (ada, refused, outdated) = stage.run(async |world, door| {
        let ada = Outbox::of(door, ADA).await;
        world.commit(|commit| {
            put_scored(commit, 1, ADA, "x", 5);
            commit.delete(haversack_engine::ids::EntityNumber(8), &grant_id(SALES, "account", DELETE)).unwrap();
        });
        let refused = ada.delete(1);
        ada.refused(&refused, Forbidden, ErrorReason::WriteForbidden).await;
        let outdated = ada.update(1, &[(SCORE, Value::Integer(7))]).seeing(&[(SCORE, Value::Integer(4))]);
        assert_eq!(ada.send_one(&outdated).await.reason(), ErrorReason::WriteConflict);
        (ada, refused, outdated)
    });
    let log = |world: &World| world.staging.snapshot().unwrap().ledger().refused(LedgerPlace(0), 9).unwrap();
    let places: Vec<LedgerPlace> = log(&stage.world).iter().map(|(place, _)| *place).collect();
    let retry = |stage: &Stage, place, forced| {
        let answer = stage.gateway.retry_mutation("contoso", place, forced).unwrap();
        MutationAnswer::decode(&answer[..]).unwrap()
    };
    assert_eq!(retry(&stage, places[1], false).reason(), ErrorReason::WriteConflict, "it is as it was");
    let forced = retry(&stage, places[1], true);
    assert_eq!(forced.outcome(), Applied);
    stage.world.commit(|commit| grant(commit, SALES, "account", DELETE, GLOBAL));
    assert_eq!(retry(&stage, places[0], true).outcome(), Applied);
    assert_eq!(row(&stage.world, ACCOUNT, account_id(1)), None);
    let again = stage.gateway.retry_mutation("contoso", places[0], false).unwrap_err();
    assert_eq!(again.reason(), ErrorReason::RequestInvalid, "{again}");
    let heard = stage.clients_block_on(ada.send(&[refused, outdated])).unwrap();
    assert_eq!((outcomes(&heard), heard[1].lsn), (vec![Applied, Applied], forced.lsn));
}

#[test]
fn a_write_that_moves_the_directory_counts_for_the_next_of_the_same_call() {
    Stage::new(organization(ClientWins)).run(async |world, door| {
        carry_privileges(world);
        let ada = Outbox::of(door, ADA).await;
        let haversack_staging::RowId::Uuid(row) = grant_id(SALES, "account", CREATE) else { unreachable!() };
        let before = ada.create(1, &named("x"));
        let gone = ada.next_of(PRIVILEGES, haversack_proto::sync::MutationKind::Delete, row);
        let after = ada.create(2, &named("y"));
        let answers = ada.send(&[before, gone, after]).await.unwrap();
        assert_eq!(outcomes(&answers), [Applied, Applied, Forbidden]);
    });
}

#[test]
fn who_ends_their_own_rights_in_a_call_is_refused_when_nothing_is_left_to_be_done() {
    Stage::new(organization(ClientWins)).run(async |world, door| {
        carry_privileges(world);
        let ada = Outbox::of(door, ADA).await;
        let made = ada.create(1, &named("x"));
        let gone = ada.next_of(PRIVILEGES, haversack_proto::sync::MutationKind::Delete, profile_privilege());
        let call = [made, gone, ada.create(2, &named("y"))];
        let begun = ada.send(&call).await.unwrap_err();
        assert_eq!(reason(&begun), "INTERNAL", "the beginning is done, so what became of the call is not known");
        assert!(row(world, ACCOUNT, account_id(1)).is_some());
        let head = world.staging_head();
        let refused = ada.send(&call).await.unwrap_err();
        assert_eq!((reason(&refused).as_str(), world.staging_head()), ("PROFILE_NOT_READABLE", head));
    });
}

/// What roles may do.
const PRIVILEGES: haversack_engine::ids::EntityNumber = haversack_engine::ids::EntityNumber(8);

/// Lets devices carry, and change, what their users' roles may do.
fn carry_privileges(world: &mut World) {
    let mut items = profile_items();
    items.push(haversack_proto::model::ProfileItem { entity: "roleprivileges".into(), ..items[1].clone() });
    world.publish_for(items, &[ADA, CAROL]);
    world.commit(|commit| {
        for privilege in [READ, WRITE, DELETE] {
            grant(commit, SALES, "roleprivileges", privilege, GLOBAL);
        }
    });
}
