//! What a device's user has given up, or written anew: nobody has it judged again.

use bytes::Bytes;
use haversack_engine::ids::EntityNumber;
use haversack_engine::row::Value;
use haversack_proto::error::ErrorReason;
use haversack_proto::model::ConflictPolicy::ClientWins;
use haversack_proto::sync::MutationOutcome::{Applied, Blocked, Conflict, Forbidden};
use haversack_proto::sync::{Mutation, UploadRequest};
use haversack_staging::{Entry, LedgerPlace, Resolution, RowId, Staging};
use prost::Message;

use super::device::{Outbox, Setting};
use super::outcomes::row;
use super::policies::integer;
use super::world::*;
use crate::device::{Door, Stage, reason};
use crate::world::{ACCOUNT, ADA, BOB, World, account_id, profile_privilege};

const PRIVILEGES: EntityNumber = EntityNumber(8);

/// A call that withdraws, with mutations behind it.
fn withdrawing(outbox: &Outbox, withdrawn: &[u64], mutations: &[&Mutation]) -> UploadRequest {
    UploadRequest {
        install_id: Bytes::copy_from_slice(&outbox.install),
        mutations: mutations.iter().map(|it| it.encode_to_vec().into()).collect(),
        withdrawn: withdrawn.to_vec(),
        ..UploadRequest::default()
    }
}

fn log(world: &World) -> Vec<(LedgerPlace, Entry)> {
    world.staging.snapshot().unwrap().ledger().refused(LedgerPlace(0), 99).unwrap()
}

fn made(world: &World) -> Vec<Resolution> {
    log(world).into_iter().map(|(_, entry)| entry.resolution).collect()
}

fn score(world: &World, account: u32) -> Option<i64> {
    row(world, ACCOUNT, account_id(account)).and_then(|payload| integer(&payload, SCORE))
}

/// Ada may not delete; account 1 is hers, with score 5.
async fn forbidden(world: &World, door: &Door) -> (Outbox, Mutation) {
    let ada = Outbox::of(door, ADA).await;
    world.commit(|commit| {
        put_scored(commit, 1, ADA, "x", 5);
        commit.delete(PRIVILEGES, &grant_id(SALES, "account", DELETE)).unwrap();
    });
    let refused = ada.delete(1);
    ada.refused(&refused, Forbidden, ErrorReason::WriteForbidden).await;
    (ada, refused)
}

#[test]
fn an_administrator_does_not_bring_back_what_was_given_up() {
    let mut stage = Stage::new(organization(ClientWins));
    stage.run(async |world, door| {
        let (ada, refused) = forbidden(world, door).await;
        let head = world.staging_head();
        let instead = ada.update(1, &[(SCORE, Value::Integer(9))]);
        for _ in 0..2 {
            assert!(ada.call(withdrawing(&ada, &[refused.number], &[])).await.unwrap().is_empty());
        }
        assert_eq!((made(world), world.staging_head()), (vec![Resolution::Withdrawn], head), "it draws no LSN");
        let answers = ada.call(withdrawing(&ada, &[refused.number], &[&instead])).await.unwrap();
        assert_eq!((answers.len(), answers[0].outcome()), (1, Applied));
        let again = ada.send_one(&refused).await;
        assert_eq!(again.reason(), ErrorReason::WriteForbidden, "a copy of the device hears what it heard");
        world.commit(|commit| grant(commit, SALES, "account", DELETE, GLOBAL));
    });
    for forced in [false, true] {
        let error = stage.gateway.retry_mutation("contoso", log(&stage.world)[0].0, forced).unwrap_err();
        assert_eq!(error.reason(), ErrorReason::WriteWithdrawn, "{error}");
    }
    assert_eq!(score(&stage.world, 1), Some(9));
}

#[test]
fn what_is_not_refused_and_open_stays_as_it_is() {
    let mut stage = Stage::new(organization(ClientWins));
    let (ada, refused) = stage.run(async |world, door| {
        let (ada, refused) = forbidden(world, door).await;
        world.commit(|commit| grant(commit, SALES, "account", DELETE, GLOBAL));
        (ada, refused)
    });
    stage.gateway.retry_mutation("contoso", log(&stage.world)[0].0, false).unwrap();
    stage.clients_block_on(async {
        let made = ada.create(2, &[(NAME, Value::Text("mine"))]);
        ada.apply(&made).await;
        ada.call(withdrawing(&ada, &[refused.number, made.number, 77], &[])).await.unwrap();
        for mutation in [&refused, &made] {
            assert_eq!(ada.send_one(mutation).await.outcome(), Applied, "the device hears what became of it");
        }
    });
    assert_eq!(made(&stage.world), [Resolution::Retried]);
}

#[test]
fn what_a_creation_had_blocked_stays_withdrawn_when_that_is_judged_again() {
    let mut stage = Stage::new(organization(ClientWins));
    stage.run(async |world, door| {
        let ada = Outbox::of(door, ADA).await;
        world.commit(|commit| put_scored(commit, 1, ADA, "in the way", 5));
        let made = ada.create(1, &[(NAME, Value::Text("mine"))]);
        let edited = ada.update(1, &[(SCORE, Value::Integer(7))]).after(made.number);
        let kept = ada.update(1, &[(NAME, Value::Text("kept"))]).after(made.number);
        ada.refused(&made, Conflict, ErrorReason::RowExists).await;
        for mutation in [&edited, &kept] {
            assert_eq!(ada.send_one(mutation).await.outcome(), Blocked);
        }
        ada.call(withdrawing(&ada, &[edited.number], &[])).await.unwrap();
        world.commit(|commit| {
            commit.delete(ACCOUNT, &RowId::Uuid(account_id(1))).unwrap();
        });
    });
    stage.gateway.retry_mutation("contoso", log(&stage.world)[0].0, false).unwrap();
    assert_eq!(made(&stage.world), [Resolution::Retried, Resolution::Withdrawn, Resolution::Retried]);
    assert_eq!(score(&stage.world, 1), None, "its user has written another score, under another number");
}

#[test]
fn it_is_heeded_for_its_own_user_and_whatever_becomes_of_the_call() {
    Stage::new(organization(ClientWins)).run(async |world, door| {
        let (ada, refused) = forbidden(world, door).await;
        let bob = Outbox::of(door, BOB).await;
        let theirs = UploadRequest {
            install_id: Bytes::copy_from_slice(&ada.install),
            ..withdrawing(&bob, &[refused.number], &[])
        };
        bob.call(theirs).await.unwrap();
        assert_eq!(made(world), [Resolution::Open]);
        world.commit(|commit| {
            commit.delete(PRIVILEGES, &RowId::Uuid(profile_privilege())).unwrap();
        });
        let more = ada.update(1, &[(SCORE, Value::Integer(9))]);
        let status = ada.call(withdrawing(&ada, &[refused.number], &[&more])).await.unwrap_err();
        assert_eq!(reason(&status), "PROFILE_NOT_READABLE");
        // A refusal is told before its transaction ends; the next one begins after that.
        bob.call(withdrawing(&bob, &[1], &[])).await.unwrap();
        assert_eq!(made(world), [Resolution::Withdrawn]);
    });
}
