//! Each policy where two have written the same row.

use haversack_engine::row::Value;
use haversack_proto::error::ErrorReason;
use haversack_proto::model::ConflictPolicy::{self, ClientWins, Merge, ServerWins};
use haversack_proto::sync::MutationOutcome::{Applied, Conflict, Invalid, NotFound};
use haversack_proto::sync::{Mutation, Position};

use super::device::{Outbox, Setting};
use super::outcomes::row;
use super::world::*;
use crate::device::Stage;
use crate::world::{ACCOUNT, ADA, BOB, World, account_id};

/// Runs a test with devices of Ada's and Bob's; account 1 has score 5 and no city.
fn with_policy(policy: ConflictPolicy, test: impl AsyncFnOnce(&World, Outbox, Outbox)) {
    Stage::new(organization(policy)).run(async |world, door| {
        world.commit(|commit| put_scored(commit, 1, ADA, "Ribe", 5));
        test(world, Outbox::of(door, ADA).await, Outbox::of(door, BOB).await).await;
    });
}

fn score(device: &Outbox, old: i64, new: i64) -> Mutation {
    device.update(1, &[(SCORE, Value::Integer(new))]).seeing(&[(SCORE, Value::Integer(old))])
}

fn scores(world: &World) -> Option<i64> {
    let payload = row(world, ACCOUNT, account_id(1))?;
    super::policies::integer(&payload, SCORE)
}

#[test]
fn the_last_one_counts_where_no_conflict_is_looked_for() {
    with_policy(ClientWins, async |world, ada, bob| {
        let base = world.staging_head();
        ada.apply(&score(&ada, 5, 6)).await;
        bob.apply(&score(&bob, 5, 7)).await;
        assert_eq!(scores(world), Some(7));
        let delete = ada.delete(1).based_on(base, world.position());
        ada.apply(&delete).await;
        bob.refused(&score(&bob, 7, 8), NotFound, ErrorReason::RowUnknown).await;
    });
}

#[test]
fn the_servers_row_stays_where_the_server_wins() {
    with_policy(ServerWins, async |world, ada, bob| {
        let base = world.staging_head();
        ada.apply(&score(&ada, 5, 6)).await;
        let both = bob
            .update(1, &[(CITY, Value::Text("Ribe")), (SCORE, Value::Integer(7))])
            .seeing(&[(SCORE, Value::Integer(5))]);
        let refused = bob.refused(&both, Conflict, ErrorReason::WriteConflict).await;
        assert_eq!((refused.fields, scores(world)), (vec![SCORE], Some(6)));
        bob.apply(&bob.update(1, &[(CITY, Value::Text("Ribe"))])).await;
        bob.apply(&score(&bob, 5, 6)).await;
        let delete = ada.delete(1).based_on(base, world.position());
        ada.refused(&delete, Conflict, ErrorReason::WriteConflict).await;
        let delete = ada.delete(1).based_on(world.staging_head(), world.position());
        ada.apply(&delete).await;
    });
}

#[test]
fn both_changes_survive_a_merge_unless_they_are_of_one_field() {
    with_policy(Merge, async |world, ada, bob| {
        ada.apply(&score(&ada, 5, 6)).await;
        let both = bob
            .update(1, &[(CITY, Value::Text("Ribe")), (SCORE, Value::Integer(7))])
            .seeing(&[(SCORE, Value::Integer(5))]);
        let merged = bob.apply(&both).await;
        assert_eq!((merged.overruled, scores(world)), (vec![SCORE], Some(6)));
        let payload = row(world, ACCOUNT, account_id(1)).unwrap();
        assert!(String::from_utf8_lossy(&payload).contains("Ribe"));
        let head = world.staging_head();
        let overruled = bob.apply(&score(&bob, 7, 8)).await;
        assert_eq!((overruled.overruled, overruled.lsn, scores(world)), (vec![SCORE], head, Some(6)));
        assert_eq!(world.staging_head(), head);
        ada.refused(&ada.delete(1), Conflict, ErrorReason::WriteConflict).await;
    });
}

#[test]
fn a_device_is_in_no_conflict_with_itself() {
    with_policy(ServerWins, async |world, ada, bob| {
        let base = world.staging_head();
        ada.apply(&score(&ada, 5, 6)).await;
        ada.apply(&score(&ada, 6, 7)).await;
        let delete = |device: &Outbox| device.delete(1).based_on(base, world.position());
        bob.refused(&delete(&bob), Conflict, ErrorReason::WriteConflict).await;
        ada.apply(&delete(&ada)).await;

        let made = ada.create(2, &[(NAME, Value::Text("new"))]);
        let changed = ada.update(2, &[(NAME, Value::Text("newer"))]).seeing(&[(NAME, Value::Text("new"))]);
        let gone = ada.delete(2);
        let answers = ada.send(&[made, changed, gone]).await.unwrap();
        assert!(answers.iter().all(|answer| answer.outcome() == Applied), "{answers:?}");
    });
}

#[test]
fn what_a_device_saw_is_told_through_its_own_refused_mutations() {
    with_policy(ServerWins, async |world, ada, bob| {
        let first = ada
            .update(1, &[(SCORE, Value::Integer(6)), (RATING, Value::Integer(9))])
            .seeing(&[(SCORE, Value::Integer(5))]);
        ada.refused(&first, Invalid, ErrorReason::ValueInvalid).await;
        ada.apply(&score(&ada, 6, 7)).await;
        assert_eq!(scores(world), Some(7), "nobody else has touched it");

        let again = ada
            .update(1, &[(SCORE, Value::Integer(8)), (RATING, Value::Integer(9))])
            .seeing(&[(SCORE, Value::Integer(7))]);
        ada.refused(&again, Invalid, ErrorReason::ValueInvalid).await;
        bob.apply(&score(&bob, 7, 1)).await;
        ada.refused(&score(&ada, 8, 9), Conflict, ErrorReason::WriteConflict).await;
        bob.refused(&score(&bob, 8, 9), Conflict, ErrorReason::WriteConflict).await;
    });
}

#[test]
fn a_lookup_is_one_field_with_the_entity_that_it_points_at() {
    with_policy(ServerWins, async |_, ada, bob| {
        let owner = |user| {
            let id = Value::Id(crate::world::user_id(user));
            [(OWNER, id), (OWNER_ENTITY, Value::Entity(crate::world::USER))]
        };
        ada.apply(&ada.update(1, &owner(BOB)).seeing(&owner(ADA))).await;
        let refused = bob.update(1, &owner(CAROL)).seeing(&owner(ADA));
        let refused = bob.refused(&refused, Conflict, ErrorReason::WriteConflict).await;
        assert_eq!(refused.fields, [OWNER]);
        bob.apply(&bob.update(1, &owner(ADA)).seeing(&owner(BOB))).await;
    });
}

#[test]
fn a_delete_whose_lsn_is_of_another_past_is_judged_by_what_was_seen() {
    for policy in [ClientWins, ServerWins, Merge] {
        with_policy(policy, async |world, ada, bob| {
            let ribe = [(NAME, Value::Text("Ribe")), (OWNER, Value::Id(crate::world::user_id(ADA)))];
            let base = world.staging_head();
            bob.apply(&score(&bob, 5, 6)).await;
            // As far as LSNs go, both have seen Bob's change.
            let lost = Position { history: world.position().history ^ 1, ..world.position() };
            let beyond = Position { lsn: lost.lsn + 1_000, ..world.position() };
            for seen in [lost, beyond] {
                for old in [&[(SCORE, Value::Integer(5))][..], &ribe, &[]] {
                    let delete = ada.delete(1).seeing(old).based_on(lost.lsn, seen);
                    if policy != ClientWins {
                        ada.refused(&delete, Conflict, ErrorReason::WriteConflict).await;
                    }
                }
            }
            // A position that was never reached proves nothing of a row behind it.
            let delete = ada.delete(1).based_on(base + 1, Position { lsn: base, ..world.position() });
            if policy != ClientWins {
                ada.refused(&delete, Conflict, ErrorReason::WriteConflict).await;
            }
            let stored = row(world, ACCOUNT, account_id(1)).unwrap();
            let mut delete = ada.delete(1).based_on(lost.lsn, lost);
            delete.old_values = stored.into();
            ada.apply(&delete).await;
        });
    }
}
