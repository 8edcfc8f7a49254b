//! What a device sends that a database which was lost had taken, or may have.

use bytes::Bytes;
use haversack_engine::row::{Value, uuid_text};
use haversack_engine::schema::Schema;
use haversack_proto::error::ErrorReason::{RowExists, RowUnknown};
use haversack_proto::model::ConflictPolicy::{ClientWins, ServerWins};
use haversack_proto::model::Model;
use haversack_proto::sync::MutationOutcome::{Applied, Blocked, Conflict, NotFound, Queued};
use haversack_proto::sync::{Mutation, MutationAnswer, Shortened, UploadRequest};
use haversack_staging::queue::{InTurn, Repeat, Settlement, settle};
use haversack_staging::{LedgerPlace, Origin, Staging};
use prost::Message;
use sha2::{Digest, Sha256};

use super::device::{Outbox, Setting};
use super::outcomes::row;
use super::world::*;
use crate::device::{Door, Stage, reason};
use crate::world::{ACCOUNT, ADA, World, account_id, user_id};

/// A call of a mutation that was sent before, and maybe taken.
fn again(outbox: &Outbox, mutation: &Mutation, was_taken: bool) -> UploadRequest {
    UploadRequest {
        install_id: Bytes::copy_from_slice(&outbox.install),
        mutations: vec![mutation.encode_to_vec().into()],
        sent_before: vec![mutation.number],
        taken_before: if was_taken { vec![mutation.number] } else { Vec::new() },
        ..UploadRequest::default()
    }
}

async fn sent_again(outbox: &Outbox, mutation: &Mutation, was_taken: bool) -> MutationAnswer {
    outbox.call(again(outbox, mutation, was_taken)).await.unwrap().remove(0)
}

#[test]
fn what_was_taken_and_is_as_it_made_it_is_no_refusal() {
    Stage::new(organization(ServerWins)).run(async |world, door| {
        let ada = Outbox::of(door, ADA).await;
        world.commit(|commit| put_scored(commit, 1, ADA, "Ribe", 5));
        let head = world.staging_head();
        let (made, gone) = (ada.create(1, &[(NAME, Value::Text("mine"))]), ada.delete(9));
        for was_taken in [true, false] {
            let answers = [sent_again(&ada, &made, was_taken).await, sent_again(&ada, &gone, was_taken).await];
            assert_eq!(
                answers.map(|it| (it.outcome(), it.lsn)),
                [(Applied, head), (Applied, head)],
                "the ledger has it"
            );
        }
        assert_eq!(world.staging_head(), head, "nothing was done");
        let (made, gone) = (ada.create(1, &[(NAME, Value::Text("mine"))]), ada.delete(9));
        let refused = [sent_again(&ada, &made, false).await, sent_again(&ada, &gone, false).await];
        assert_eq!(refused.map(|it| (it.outcome(), it.reason())), [(Conflict, RowExists), (NotFound, RowUnknown)]);
    });
}

#[test]
fn a_mutation_without_old_values_is_known_by_its_first_bytes() {
    Stage::new(organization(ServerWins)).run(async |world, door| {
        let ada = Outbox::of(door, ADA).await;
        world.commit(|commit| put_scored(commit, 1, ADA, "Ribe", 5));
        let score = |value| (SCORE, Value::Integer(value));
        let mutation = ada.update(1, &[score(6)]).seeing(&[score(5)]);
        let first = ada.apply(&mutation).await;
        let shortened = Mutation { old_values: Bytes::new(), ..mutation.clone() };
        let status = ada.call(again(&ada, &shortened, true)).await.unwrap_err();
        assert_eq!(reason(&status), "NUMBER_REUSED");
        let hash = Bytes::copy_from_slice(&Sha256::digest(mutation.encode_to_vec())[..16]);
        let known = Shortened { number: mutation.number, hash };
        let request = UploadRequest { shortened: vec![known.clone()], ..again(&ada, &shortened, true) };
        assert_eq!(ada.call(request.clone()).await.unwrap(), [first]);
        let alone = UploadRequest { sent_before: Vec::new(), taken_before: Vec::new(), ..request };
        assert!(ada.call(alone).await.is_err(), "only what was sent before has other first bytes");
    });
}

/// Runs a test where writes are queued; account 1 has score 5.
fn queueing(test: impl AsyncFnOnce(&World, &Door, Outbox)) {
    Stage::queueing(organization(ClientWins)).run(async |world, door| {
        world.commit(|commit| put_scored(commit, 1, ADA, "Ribe", 5));
        test(world, door, Outbox::of(door, ADA).await).await;
    });
}

fn place(world: &World, outbox: &Outbox, number: u64) -> LedgerPlace {
    let origin = Origin { install: outbox.install, user: user_id(ADA), number };
    world.staging.snapshot().unwrap().ledger().find(&origin).unwrap().unwrap().place
}

fn waiting(world: &World, place: LedgerPlace) -> Option<InTurn> {
    world.staging.snapshot().unwrap().ledger().queued_at(place).unwrap()
}

fn settled(world: &World, place: LedgerPlace, settlement: &Settlement<'_>) -> haversack_staging::queue::Settled {
    let published = world.staging.snapshot().unwrap().model_after(haversack_engine::ids::Revision(0)).unwrap().unwrap();
    let schema = Schema::from_model(&Model::decode(&published.model[..]).unwrap()).unwrap();
    settle(&*world.staging, &schema, &[(place, settlement.clone())]).unwrap().remove(0).unwrap()
}

#[test]
fn a_source_is_asked_before_what_it_may_have_is_refused() {
    queueing(async |world, _, ada| {
        let (made, gone) = (ada.create(1, &[(NAME, Value::Text("mine"))]), ada.delete(9));
        let below = ada.update(1, &[(SCORE, Value::Integer(7))]).after(made.number);
        for mutation in [&made, &gone, &below] {
            assert_eq!(sent_again(&ada, mutation, true).await.outcome(), Queued);
        }
        let before = row(world, ACCOUNT, account_id(1));
        assert_eq!(row(world, ACCOUNT, account_id(1)), before, "what is asked for has no effect");
        let settlement = settled(world, place(world, &ada, gone.number), &Settlement::Gone);
        assert_eq!(settlement.outcome, Applied);
        let refused = settled(world, place(world, &ada, made.number), &Settlement::Unknown);
        assert_eq!((refused.outcome, refused.blocked), (Conflict, 0), "what depends on it may be there nevertheless");
        assert_eq!(ada.send_one(&made).await.reason(), RowExists);
        let below_it = settled(world, place(world, &ada, below.number), &Settlement::Unknown);
        assert_eq!(below_it.outcome, Blocked);
        assert_eq!(ada.send_one(&below).await.outcome(), Blocked);
    });
}

#[test]
fn what_the_source_does_not_have_is_written_as_any_other() {
    queueing(async |world, _, ada| {
        let mutation = ada.update(1, &[(SCORE, Value::Integer(7))]);
        assert_eq!(sent_again(&ada, &mutation, false).await.outcome(), Queued);
        let place = place(world, &ada, mutation.number);
        assert_eq!(waiting(world, place).unwrap().queued.repeat, Repeat::Sent);
        assert_eq!(sent_again(&ada, &mutation, true).await.outcome(), Queued);
        assert_eq!(waiting(world, place).unwrap().queued.repeat, Repeat::Taken, "the device knows better");
        assert_eq!(settled(world, place, &Settlement::Unknown).outcome, Queued);
        assert_eq!(waiting(world, place).unwrap().queued.repeat, Repeat::No);
        world.staging.mint_epoch(world.staging.identity().unwrap().epoch).unwrap();
        assert_eq!(waiting(world, place).unwrap().queued.repeat, Repeat::Sent, "a backup has what waited then");
        let id = uuid_text(account_id(1));
        let source = format!(r#"{{"accountid":"{id}","name":"Ribe"}}"#);
        let settlement = Settlement::Written { row: source.as_bytes(), etag: None, overruled: &[] };
        assert_eq!(settled(world, place, &settlement).outcome, Applied);
        assert!(waiting(world, place).is_none());
    });
}

#[test]
fn a_refusal_of_an_earlier_database_is_not_the_last_word() {
    queueing(async |world, _, ada| {
        let one = ada.create(1, &[(NAME, Value::Text("mine"))]);
        let first = ada.refused(&one, Conflict, RowExists).await;
        let place = place(world, &ada, one.number);
        assert_eq!(sent_again(&ada, &one, false).await, first, "nothing was lost");
        assert_eq!(sent_again(&ada, &one, true).await.outcome(), Queued, "an administrator had it judged again");
        assert_eq!(waiting(world, place).unwrap().queued.repeat, Repeat::Taken);
        assert_eq!(settled(world, place, &Settlement::Unknown).outcome, Conflict);
        assert_eq!(sent_again(&ada, &one, false).await, first, "it was put back as well");
        world.staging.mint_epoch(world.staging.identity().unwrap().epoch).unwrap();
        assert_eq!(sent_again(&ada, &one, false).await.outcome(), Queued, "nobody may have heard of that");
        assert_eq!(settled(world, place, &Settlement::Gone).outcome, Applied);
        assert_eq!(sent_again(&ada, &one, true).await.outcome(), Applied);
    });
}

#[test]
fn a_refusal_of_an_earlier_database_is_asked_for_before_it_is_written() {
    let mut stage = Stage::queueing(organization(ClientWins));
    let places = stage.run(async |world, door| {
        let ada = Outbox::of(door, ADA).await;
        let refused = |number| ada.update(number, &[(SCORE, Value::Integer(7))]);
        let (lost, new) = (refused(1), refused(2));
        ada.refused(&lost, NotFound, RowUnknown).await;
        world.staging.mint_epoch(world.staging.identity().unwrap().epoch).unwrap();
        ada.refused(&new, NotFound, RowUnknown).await;
        world.commit(|commit| put_scored(commit, 1, ADA, "Ribe", 5));
        world.commit(|commit| put_scored(commit, 2, ADA, "Ribe", 5));
        [&lost, &new].map(|it| place(world, &ada, it.number))
    });
    let repeats = places.map(|place| {
        stage.gateway.retry_mutation("contoso", place, false).unwrap();
        waiting(&stage.world, place).unwrap().queued.repeat
    });
    assert_eq!(repeats, [Repeat::Sent, Repeat::No]);
}

#[test]
fn what_a_refused_creation_had_blocked_is_judged_again_with_it() {
    let mut stage = Stage::new(organization(ClientWins));
    let places = stage.run(async |world, door| {
        let ada = Outbox::of(door, ADA).await;
        world.commit(|commit| put_scored(commit, 1, ADA, "in the way", 5));
        let made = ada.create(1, &[(NAME, Value::Text("mine"))]);
        let over = ada.update(1, &[(SCORE, Value::Integer(7))]).after(made.number);
        let last = ada.update(1, &[(SCORE, Value::Integer(8))]).after(over.number);
        ada.refused(&made, Conflict, RowExists).await;
        for mutation in [&over, &last] {
            assert_eq!(ada.send_one(mutation).await.outcome(), Blocked);
        }
        world.commit(|commit| {
            commit.delete(ACCOUNT, &haversack_staging::RowId::Uuid(account_id(1))).unwrap();
        });
        [&made, &over, &last].map(|it| place(world, &ada, it.number))
    });
    stage.gateway.retry_mutation("contoso", places[0], false).unwrap();
    let snapshot = stage.world.staging.snapshot().unwrap();
    let outcomes: Vec<i32> = snapshot
        .ledger()
        .page(LedgerPlace(0), 10)
        .unwrap()
        .into_iter()
        .filter(|(place, _)| places.contains(place))
        .map(|(_, entry)| entry.outcome)
        .collect();
    assert_eq!(outcomes, [Applied as i32; 3]);
}
