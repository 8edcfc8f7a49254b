//! Writes for a source outside: judged over what waits, changing no row, and told to their devices when they are settled.

use std::time::Duration;

use haversack_engine::engine::mutation::Refusal;
use haversack_engine::ids::{History, Lsn, Position, Revision};
use haversack_engine::row::{Value, uuid_text};
use haversack_engine::schema::Schema;
use haversack_gateway::Config;
use haversack_proto::error::ErrorReason;
use haversack_proto::model::ConflictPolicy::{self, ServerWins};
use haversack_proto::model::Model;
use haversack_proto::sync::MutationOutcome::{Applied, Blocked, Conflict, Forbidden, NotFound, Queued};
use haversack_proto::sync::sync_event::Event;
use haversack_proto::sync::{Answers, Mutation, MutationAnswer, SyncMode, SyncRequest};
use haversack_staging::queue::{Settlement, settle};
use haversack_staging::{LedgerPlace, Mark, Origin, Stage as MarkStage, Staging, replicate_no_more};
use prost::Message;
use tonic::Code;
use tonic_types::StatusExt;

use super::device::{Outbox, Setting};
use super::outcomes::row;
use super::world::*;
use crate::device::{Device, Door, Events, Stage, next, reason};
use crate::world::{ACCOUNT, ADA, BOB, World, account_id, user_id};

/// Runs a test where writes are queued; account 1 has score 5 and no city.
fn queueing(policy: ConflictPolicy, test: impl AsyncFnOnce(&World, &Door, Outbox, Outbox)) {
    Stage::queueing(organization(policy)).run(async |world, door| {
        world.commit(|commit| put_scored(commit, 1, ADA, "Ribe", 5));
        test(world, door, Outbox::of(door, ADA).await, Outbox::of(door, BOB).await).await;
    });
}

async fn queued(outbox: &Outbox, mutation: &Mutation) -> MutationAnswer {
    let answer = outbox.send_one(mutation).await;
    assert_eq!((answer.outcome(), answer.lsn), (Queued, 0), "{}", answer.message);
    answer
}

fn score(device: &Outbox, old: i64, new: i64) -> Mutation {
    device.update(1, &[(SCORE, Value::Integer(new))]).seeing(&[(SCORE, Value::Integer(old))])
}

fn origin(outbox: &Outbox, user: u32, number: u64) -> Origin {
    Origin { install: outbox.install, user: user_id(user), number }
}

fn place(world: &World, origin: &Origin) -> LedgerPlace {
    world.staging.snapshot().unwrap().ledger().find(origin).unwrap().unwrap().place
}

/// The source has had its say.
fn settled(world: &World, origin: &Origin, settlement: &Settlement<'_>) {
    let published = world.staging.snapshot().unwrap().model_after(Revision(0)).unwrap().unwrap();
    let schema = Schema::from_model(&Model::decode(&published.model[..]).unwrap()).unwrap();
    settle(&*world.staging, &schema, &[(place(world, origin), settlement.clone())]).unwrap().remove(0).unwrap();
}

fn refusal() -> Settlement<'static> {
    Settlement::Refused(Refusal::new(Forbidden, ErrorReason::WriteForbidden, "says the source"))
}

/// The account as the source has it.
fn account(number: u32, name: &str) -> Vec<u8> {
    let id = uuid_text(account_id(number));
    format!(r#"{{"accountid":"{id}","name":"{name}"}}"#).into_bytes()
}

/// A device's stream that asks about these writes.
async fn ask(device: &Device, outbox: &Outbox, mode: SyncMode, unanswered: &[u64]) -> Events {
    let request = SyncRequest {
        install_id: outbox.install.to_vec().into(),
        unanswered: unanswered.to_vec(),
        ..device.replica.request(mode, &[])
    };
    device.call_with(request).await.unwrap()
}

/// The next answers of a stream.
async fn answers(events: &mut Events) -> Answers {
    loop {
        let event = next(events).await.unwrap().expect("answers should have come");
        if let Some(Event::Answers(answers)) = event.event {
            assert!(event.cookie.is_empty());
            return answers;
        }
    }
}

#[test]
fn a_queued_write_changes_no_row_and_a_repeat_hears_the_last_word() {
    queueing(ServerWins, async |world, _, ada, _| {
        let (head, before) = (world.staging_head(), row(world, ACCOUNT, account_id(1)));
        let mutation = score(&ada, 5, 6);
        queued(&ada, &mutation).await;
        queued(&ada, &mutation).await;
        assert_eq!((world.staging_head(), row(world, ACCOUNT, account_id(1))), (head, before));
        let ours = origin(&ada, ADA, mutation.number);
        let written = account(1, "Fanø");
        settled(world, &ours, &Settlement::Written { row: &written, etag: Some("7"), overruled: &[] });
        let answer = ada.apply(&mutation).await;
        assert_eq!((answer.lsn, world.staging_head()), (head + 1, head + 1));
        let same = ada.update(1, &[(NAME, Value::Text("Fanø"))]);
        assert_eq!(ada.apply(&same).await.lsn, head + 1, "what changes nothing need not go to the source");
    });
}

#[test]
fn what_follows_the_record_database_is_written_here() {
    queueing(ServerWins, async |world, _, ada, _| {
        let at = Position { lsn: Lsn(0), history: History(0) };
        let mark = Mark { source: [1; 16], at, sweep_end: 0, stage: MarkStage::Following };
        world.commit(|commit| commit.set_mark(ACCOUNT, Some(mark)).unwrap());
        let head = world.staging_head();
        assert_eq!(ada.apply(&score(&ada, 5, 6)).await.lsn, head + 1);
        assert!(replicate_no_more(&*world.staging, ACCOUNT).unwrap());
        assert!(!replicate_no_more(&*world.staging, ACCOUNT).unwrap());
        queued(&ada, &score(&ada, 6, 7)).await;
    });
}

#[test]
fn what_comes_later_is_judged_over_what_waits() {
    queueing(ServerWins, async |world, _, ada, bob| {
        let base = world.staging_head();
        queued(&ada, &score(&ada, 5, 6)).await;
        queued(&ada, &score(&ada, 6, 7)).await;
        bob.refused(&score(&bob, 5, 8), Conflict, ErrorReason::WriteConflict).await;
        let delete = Mutation { base_lsn: base, ..bob.delete(1) };
        bob.refused(&delete, Conflict, ErrorReason::WriteConflict).await;
        // The same value as what waits may yet be the only one that is taken.
        queued(&bob, &score(&bob, 5, 7)).await;
        let (made, over) = (ada.create(2, &[(NAME, Value::Text("x"))]), ada.update(2, &[(SCORE, Value::Integer(1))]));
        queued(&ada, &made).await;
        queued(&ada, &over.after(made.number)).await;
        let pointing =
            ada.create(3, &[(NAME, Value::Text("y")), (PARENT, Value::Id(account_id(2)))]).after(made.number);
        queued(&ada, &pointing).await;
        let own = Mutation { base_lsn: base, ..ada.delete(2) };
        queued(&ada, &own).await;
        ada.refused(&ada.update(2, &[(SCORE, Value::Integer(2))]), NotFound, ErrorReason::RowUnknown).await;
        settled(world, &origin(&ada, ADA, made.number), &refusal());
        let late = ada.update(3, &[(SCORE, Value::Integer(2))]).after(made.number);
        ada.refused(&late, Blocked, ErrorReason::WriteBlocked).await;
    });
}

#[test]
fn a_stream_tells_what_was_settled_before_it_began_and_while_it_goes_on() {
    queueing(ServerWins, async |world, door, ada, _| {
        let (first, second) = (score(&ada, 5, 6), ada.create(2, &[(NAME, Value::Text("x"))]));
        queued(&ada, &first).await;
        queued(&ada, &second).await;
        settled(world, &origin(&ada, ADA, first.number), &refusal());
        let device = door.device(ADA).await;
        let mut events = ask(&device, &ada, SyncMode::Live, &[first.number, second.number, 77]).await;
        let told = answers(&mut events).await;
        assert_eq!((told.answers.len(), told.answers[0].message.as_str()), (1, "says the source"));
        assert_eq!(answers(&mut events).await.unknown, [77]);
        let written = account(2, "X");
        let settlement = Settlement::Written { row: &written, etag: None, overruled: &[] };
        settled(world, &origin(&ada, ADA, second.number), &settlement);
        let told = answers(&mut events).await.answers;
        assert_eq!((told.len(), told[0].number, told[0].outcome()), (1, second.number, Applied));
        assert_eq!(told[0].lsn, world.staging_head());
    });
}

#[test]
fn others_do_not_hear_of_it_and_nobody_asks_for_too_much() {
    queueing(ServerWins, async |world, door, ada, bob| {
        let mutation = score(&ada, 5, 6);
        queued(&ada, &mutation).await;
        settled(world, &origin(&ada, ADA, mutation.number), &refusal());
        let device = door.device(BOB).await;
        let mut events = ask(&device, &ada, SyncMode::Once, &[mutation.number]).await;
        assert_eq!(answers(&mut events).await, Answers { answers: vec![], unknown: vec![mutation.number] });
        for unanswered in [vec![2, 1], vec![1, 1], (0..10_001).collect()] {
            let install_id = bob.install.to_vec().into();
            let request = SyncRequest { install_id, unanswered, ..device.replica.request(SyncMode::Once, &[]) };
            let status = device.call_with(request).await.unwrap_err();
            assert_eq!(reason(&status), "REQUEST_INVALID");
        }
    });
}

#[test]
fn what_does_not_fit_into_the_queue_stays_with_its_device() {
    let config = Config { queued_writes_max: 3, ..Config::default() };
    Stage::queueing_with(organization(ServerWins), &config).run(async |world, door| {
        world.commit(|commit| put_scored(commit, 1, ADA, "Ribe", 5));
        let (ada, bob) = (Outbox::of(door, ADA).await, Outbox::of(door, BOB).await);
        let create = |outbox: &Outbox, number| outbox.create(number, &[(NAME, Value::Text("x"))]);
        // Where nothing waits, a call is taken whatever it has.
        let first: Vec<Mutation> = (10..14).map(|number| create(&ada, number)).collect();
        ada.send(&first).await.unwrap();
        let (late, refused) = (create(&bob, 20), bob.update(77, &[(SCORE, Value::Integer(1))]));
        let status = bob.send(&[late.clone(), refused.clone()]).await.unwrap_err();
        let retry = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
        assert_eq!((reason(&status), status.code()), ("WRITE_QUEUE_FULL".into(), Code::ResourceExhausted));
        assert_eq!(retry, Some(Duration::from_secs(60)));
        // Nothing of the call was judged; what was taken before is answered as before.
        let ledger = world.staging.snapshot().unwrap();
        assert!(
            [&late, &refused].iter().all(|it| ledger.ledger().find(&origin(&bob, BOB, it.number)).unwrap().is_none())
        );
        assert!(ada.send(&first).await.unwrap().iter().all(|it| it.outcome() == Queued));
        for mutation in &first[..2] {
            settled(world, &origin(&ada, ADA, mutation.number), &refusal());
        }
        assert_eq!(queued(&bob, &late).await.number, late.number);
    });
}

#[test]
fn so_does_what_is_too_heavy_and_what_is_too_much_for_one_row() {
    let config = Config { queued_bytes_max: 4_000, ..Config::default() };
    Stage::queueing_with(organization(ServerWins), &config).run(async |_, door| {
        let ada = Outbox::of(door, ADA).await;
        queued(&ada, &ada.create(2, &[(NAME, Value::Text("x"))])).await;
        let heavy = ada.create(3, &[(NAME, Value::Text(&"x".repeat(4_000)))]);
        assert_eq!(reason(&ada.send(&[heavy]).await.unwrap_err()), "WRITE_QUEUE_FULL");
        queued(&ada, &ada.create(4, &[(NAME, Value::Text("x"))])).await;
    });
    queueing(ServerWins, async |_, _, ada, bob| {
        let edits = (1..=500).map(|at| score(&ada, at + 4, at + 5)).collect::<Vec<_>>();
        assert!(ada.send(&edits).await.unwrap().iter().all(|it| it.outcome() == Queued));
        assert_eq!(reason(&ada.send(&[score(&ada, 505, 506)]).await.unwrap_err()), "WRITE_QUEUE_FULL");
        queued(&bob, &bob.create(2, &[(NAME, Value::Text("x"))])).await;
    });
}

#[test]
fn an_administrator_has_a_refused_write_queued_again_without_looking_for_conflicts() {
    let mut stage = Stage::queueing(organization(ServerWins));
    let ours = stage.run(async |world, door| {
        world.commit(|commit| put_scored(commit, 1, ADA, "Ribe", 5));
        let ada = Outbox::of(door, ADA).await;
        let mutation = score(&ada, 4, 6);
        ada.refused(&mutation, Conflict, ErrorReason::WriteConflict).await;
        origin(&ada, ADA, mutation.number)
    });
    let place = place(&stage.world, &ours);
    let answer = stage.gateway.retry_mutation("contoso", place, true).unwrap();
    assert_eq!(MutationAnswer::decode(&answer[..]).unwrap().outcome(), Queued);
    let waiting = stage.world.staging.begin().unwrap().queue().queued_at(place).unwrap().unwrap();
    assert_eq!(waiting.queued.policy, ConflictPolicy::ClientWins as i32);
    assert!(stage.gateway.retry_mutation("contoso", place, true).is_err(), "it is not open while it waits");
    settled(&stage.world, &ours, &refusal());
    assert!(stage.gateway.retry_mutation("contoso", place, false).is_ok(), "the source's refusal is open again");
}
