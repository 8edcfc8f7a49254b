//! Every outcome that a mutation can have, and what the server makes of those that it takes.

use haversack_engine::ids::{AttributeNumber, EntityNumber};
use haversack_engine::row::{FieldType, Value, read};
use haversack_proto::error::ErrorReason;
use haversack_proto::model::ConflictPolicy::ClientWins;
use haversack_proto::sync::MutationKind::{Create, Delete, Update};
use haversack_proto::sync::MutationOutcome::{Applied, Blocked, Conflict, Forbidden, Invalid, NotFound};
use haversack_proto::sync::UploadRequest;
use haversack_staging::{RowId, Staging};
use prost::Message;

use super::device::{Outbox, Setting};
use super::world::*;
use crate::device::{Door, Stage};
use crate::world::{ACCOUNT, ADA, BOB, CONTACT, USER, World, account_id, contact_id, put_user, unit_id, user_id};

/// Runs a test with a device of each user.
fn with_devices(test: impl AsyncFnOnce(&mut World, &Door, [Outbox; 3])) {
    Stage::new(organization(ClientWins)).run(async |world, door| {
        let devices = [Outbox::of(door, ADA).await, Outbox::of(door, BOB).await, Outbox::of(door, CAROL).await];
        test(world, door, devices).await;
    });
}

/// A row as it is now.
pub(crate) fn row(world: &World, entity: EntityNumber, id: [u8; 16]) -> Option<Vec<u8>> {
    world.staging.begin().unwrap().payload(entity, &RowId::Uuid(id)).unwrap()
}

/// A field of an account.
fn field<T>(world: &World, account: u32, number: u32, kind: FieldType, take: impl FnOnce(Option<Value<'_>>) -> T) -> T {
    let payload = row(world, ACCOUNT, account_id(account)).expect("the account is there");
    take(read(&payload, AttributeNumber(number), kind).unwrap())
}

fn id_field(world: &World, account: u32, number: u32) -> Option<[u8; 16]> {
    field(world, account, number, FieldType::Id, |value| match value {
        Some(Value::Id(id)) => Some(id),
        _ => None,
    })
}

fn integer(world: &World, account: u32, number: u32) -> Option<i64> {
    field(world, account, number, FieldType::Integer, |value| match value {
        Some(Value::Integer(value)) => Some(value),
        _ => None,
    })
}

#[test]
fn a_created_row_gets_an_owner_a_unit_a_state_and_its_times() {
    with_devices(async |world, _, [ada, ..]| {
        let before = world.staging_head();
        let answer = ada.apply(&ada.create(1, &[(NAME, Value::Text("Ribe")), (SCORE, Value::Integer(5))])).await;
        assert_eq!((answer.number, answer.lsn), (1, before + 1));
        assert_eq!(id_field(world, 1, 1), Some(account_id(1)));
        assert_eq!(id_field(world, 1, OWNER), Some(user_id(ADA)));
        assert_eq!(id_field(world, 1, UNIT_OF_OWNER), Some(unit_id(1)));
        assert_eq!(id_field(world, 1, CREATED_BY), Some(user_id(ADA)));
        assert_eq!((integer(world, 1, STATE), integer(world, 1, SCORE)), (Some(0), Some(5)));
        let created = integer(world, 1, CREATED_ON).unwrap();
        assert!(created > 1_700_000_000_000_000 && integer(world, 1, MODIFIED_ON) == Some(created));
    });
}

#[test]
fn an_update_changes_its_fields_and_no_others() {
    with_devices(async |world, _, [_, bob, _]| {
        world.commit(|commit| put_scored(commit, 1, ADA, "Ribe", 5));
        bob.apply(&bob.update(1, &[(CITY, Value::Text("Aarhus"))]).clearing(&[SCORE])).await;
        assert_eq!((integer(world, 1, SCORE), id_field(world, 1, OWNER)), (None, Some(user_id(ADA))));
        assert_eq!((id_field(world, 1, MODIFIED_BY), id_field(world, 1, CREATED_BY)), (Some(user_id(BOB)), None));
        let lsn = world.staging_head();
        let same = bob.apply(&bob.update(1, &[(CITY, Value::Text("Aarhus"))])).await;
        assert_eq!((same.lsn, world.staging_head()), (lsn, lsn), "what is so already draws no LSN");
        let answer = bob.apply(&bob.delete(1)).await;
        assert_eq!((answer.lsn, row(world, ACCOUNT, account_id(1))), (lsn + 1, None));
    });
}

#[test]
fn a_device_never_sets_what_the_server_sets() {
    with_devices(async |_, _, [ada, ..]| {
        let stamped =
            [(NAME, Value::Text("Ribe")), (UNIT_OF_OWNER, Value::Id(unit_id(2))), (CREATED_ON, Value::Integer(1))];
        let answer = ada.refused(&ada.create(1, &stamped), Invalid, ErrorReason::ValueInvalid).await;
        assert_eq!(answer.fields, [UNIT_OF_OWNER, CREATED_ON]);
        assert!(answer.message.contains("owningbusinessunit may not be set"), "{}", answer.message);
    });
}

#[test]
fn values_obey_the_model() {
    with_devices(async |world, _, [ada, ..]| {
        world.commit(|commit| put_scored(commit, 1, ADA, "Ribe", 5));
        let cases: [(u32, Value<'_>, &str); 8] = [
            (SCORE, Value::Integer(1 << 40), "whole number"),
            (RATING, Value::Integer(4), "no choice 4"),
            (NOTE, Value::Text("01234567890"), "may have 10"),
            (FEE, Value::Text("12,5"), "decimal"),
            (SCORE, Value::Text("five"), "value of its type"),
            (CODE, Value::Text("x"), "may not be changed"),
            (99, Value::Integer(1), "no field 99"),
            (1, Value::Id([7; 16]), "may not be changed"),
        ];
        for (number, value, text) in cases {
            let refused = ada.refused(&ada.update(1, &[(number, value)]), Invalid, ErrorReason::ValueInvalid).await;
            assert_eq!(refused.fields, [number], "{text}");
            assert!(refused.message.contains(text), "{}", refused.message);
        }
        let cleared = ada.next(Update, 1).clearing(&[NAME]);
        let refused = ada.refused(&cleared, Invalid, ErrorReason::ValueInvalid).await;
        assert!(refused.message.contains("name needs a value"), "{}", refused.message);
        let refused = ada.refused(&ada.create(2, &[]), Invalid, ErrorReason::ValueInvalid).await;
        assert_eq!(refused.fields, [NAME]);
        ada.apply(&ada.update(1, &[(NOTE, Value::Text("0123456789")), (FEE, Value::Text("12.50"))])).await;
        let fee = field(world, 1, FEE, FieldType::Text, |value| format!("{value:?}"));
        assert_eq!(fee, r#"Some(Text("12.5"))"#, "rows hold decimals in one form");
    });
}

#[test]
fn fields_and_entities_that_the_profile_lacks_are_refused() {
    with_devices(async |world, _, [ada, ..]| {
        let mut items = profile_items();
        items.truncate(1);
        items[0].columns = vec!["name".into()];
        items[0].associations.clear();
        world.publish_for(items, &[ADA]);
        let values = [(NAME, Value::Text("Ribe")), (SCORE, Value::Integer(1))];
        let refused = ada.refused(&ada.create(1, &values), Invalid, ErrorReason::ValueInvalid).await;
        assert_eq!(refused.fields, [SCORE]);
        let contact = ada.next_of(CONTACT, Create, contact_id(1));
        ada.refused(&contact, Invalid, ErrorReason::EntityUnknown).await;
        let nothing = ada.next_of(EntityNumber(999), Create, contact_id(1));
        ada.refused(&nothing, Invalid, ErrorReason::EntityUnknown).await;
        ada.apply(&ada.create(1, &[(NAME, Value::Text("Ribe"))])).await;
    });
}

#[test]
fn a_row_that_the_user_may_not_see_is_not_found_whatever_is_asked() {
    with_devices(async |world, _, [_, _, carol]| {
        world.commit(|commit| {
            put_scored(commit, 1, BOB, "Bob's", 1);
            put_scored(commit, 2, CAROL, "Carol's", 1);
        });
        let score = [(SCORE, Value::Integer(2))];
        let hidden = carol.refused(&carol.update(1, &score), NotFound, ErrorReason::RowUnknown).await;
        let absent = carol.refused(&carol.update(9, &score), NotFound, ErrorReason::RowUnknown).await;
        assert_eq!(hidden.message, absent.message, "nothing leaks");
        carol.refused(&carol.delete(1), NotFound, ErrorReason::RowUnknown).await;
        carol.refused(&carol.delete(9), NotFound, ErrorReason::RowUnknown).await;
        carol.apply(&carol.update(2, &score)).await;
        carol.refused(&carol.delete(2), Forbidden, ErrorReason::WriteForbidden).await;
    });
}

#[test]
fn privileges_of_the_moment_count() {
    with_devices(async |world, _, [ada, _, carol]| {
        world.commit(|commit| put_scored(commit, 1, CAROL, "Carol's", 1));
        world.commit(|commit| grant(commit, HELPER, "account", DELETE, BASIC));
        carol.apply(&carol.delete(1)).await;
        world.commit(|commit| {
            for privilege in [CREATE, WRITE] {
                commit.delete(EntityNumber(8), &grant_id(SALES, "account", privilege)).unwrap();
            }
        });
        let created = ada.create(2, &[(NAME, Value::Text("x"))]);
        let refused = ada.refused(&created, Forbidden, ErrorReason::WriteForbidden).await;
        assert!(refused.message.contains("may not create"), "{}", refused.message);
        world.commit(|commit| put_scored(commit, 3, ADA, "Ada's", 1));
        let update = ada.update(3, &[(SCORE, Value::Integer(2))]);
        let refused = ada.refused(&update, Forbidden, ErrorReason::WriteForbidden).await;
        assert!(refused.message.contains("may not change"));
    });
}

#[test]
fn an_owner_is_changed_by_who_may_assign_and_the_unit_follows() {
    with_devices(async |world, _, [ada, _, carol]| {
        world.commit(|commit| {
            put_scored(commit, 1, ADA, "Ada's", 1);
            put_scored(commit, 2, CAROL, "Carol's", 1);
        });
        let to_bob = [(OWNER, Value::Id(user_id(BOB))), (OWNER_ENTITY, Value::Entity(USER))];
        ada.apply(&ada.update(1, &to_bob)).await;
        assert_eq!(
            (id_field(world, 1, OWNER), id_field(world, 1, UNIT_OF_OWNER)),
            (Some(user_id(BOB)), Some(unit_id(2)))
        );
        let refused = carol.refused(&carol.update(2, &to_bob), Forbidden, ErrorReason::WriteForbidden).await;
        assert!(refused.message.contains("may not assign"), "{}", refused.message);
        let nobody = [(OWNER, Value::Id([9; 16])), (OWNER_ENTITY, Value::Entity(USER))];
        let refused = ada.refused(&ada.update(1, &nobody), Invalid, ErrorReason::ValueInvalid).await;
        assert_eq!(refused.fields, [OWNER]);
        let mut for_bob = vec![(NAME, Value::Text("x"))];
        for_bob.extend(to_bob);
        carol.refused(&carol.create(3, &for_bob), Forbidden, ErrorReason::WriteForbidden).await;
        ada.apply(&ada.create(3, &for_bob)).await;
        assert_eq!(id_field(world, 3, OWNER), Some(user_id(BOB)));
        let cleared = ada.next(Update, 1).clearing(&[OWNER]);
        ada.refused(&cleared, Invalid, ErrorReason::ValueInvalid).await;
    });
}

#[test]
fn a_lookup_points_at_rows_that_are_there_and_may_be_attached_to() {
    with_devices(async |world, _, [ada, _, carol]| {
        world.commit(|commit| {
            put_scored(commit, 1, BOB, "Bob's", 1);
            put_scored(commit, 2, CAROL, "Carol's", 1);
            put_scored(commit, 3, CAROL, "Carol's too", 1);
        });
        let parent = |number| [(PARENT, Value::Id(account_id(number)))];
        let hidden = carol.refused(&carol.update(2, &parent(1)), Invalid, ErrorReason::ValueInvalid).await;
        let absent = carol.refused(&carol.update(2, &parent(9)), Invalid, ErrorReason::ValueInvalid).await;
        assert_eq!((&hidden.message, &hidden.fields), (&absent.message, &vec![PARENT]), "nothing leaks");
        let refused = carol.refused(&carol.update(2, &parent(3)), Forbidden, ErrorReason::WriteForbidden).await;
        assert!(refused.message.contains("parentaccountid point from"), "{}", refused.message);
        world.commit(|commit| grant(commit, HELPER, "account", APPEND, BASIC));
        let refused = carol.refused(&carol.update(2, &parent(3)), Forbidden, ErrorReason::WriteForbidden).await;
        assert!(refused.message.contains("point at"), "{}", refused.message);
        world.commit(|commit| grant(commit, HELPER, "account", APPEND_TO, BASIC));
        carol.apply(&carol.update(2, &parent(3))).await;
        assert_eq!(id_field(world, 2, PARENT), Some(account_id(3)));
        let values =
            [(NAME, Value::Text("x")), (OWNER, Value::Id(user_id(ADA))), (OWNER_ENTITY, Value::Entity(ACCOUNT))];
        let refused = ada.refused(&ada.create(4, &values), Invalid, ErrorReason::ValueInvalid).await;
        assert!(refused.message.contains("systemuser, team"), "{}", refused.message);
    });
}

fn visit_id(number: u32) -> [u8; 16] {
    crate::world::id(VISIT.0, number)
}

#[test]
fn rows_that_belong_to_others_are_written_by_who_may_write_those() {
    with_devices(async |world, _, [ada, _, carol]| {
        world.commit(|commit| {
            put_scored(commit, 1, BOB, "Bob's", 1);
            put_scored(commit, 2, CAROL, "Carol's", 1);
        });
        let visit = |device: &Outbox, number, account| {
            let values = [(2, Value::Id(account_id(account))), (3, Value::Text("warm"))];
            device.next_of(VISIT, Create, visit_id(number)).setting(&values)
        };
        world.commit(|commit| grant(commit, HELPER, "account", APPEND_TO, BASIC));
        let mutation = visit(&carol, 1, 2);
        carol.apply(&mutation).await;
        let mutation = visit(&carol, 2, 1);
        carol.refused(&mutation, Forbidden, ErrorReason::WriteForbidden).await;
        let mutation = visit(&ada, 2, 1);
        ada.apply(&mutation).await;
        let hidden = carol.next_of(VISIT, Update, visit_id(2)).setting(&[(3, Value::Text("cold"))]);
        carol.refused(&hidden, NotFound, ErrorReason::RowUnknown).await;
        let orphan = ada.next_of(VISIT, Create, visit_id(3)).setting(&[(3, Value::Text("cold"))]);
        ada.refused(&orphan, Forbidden, ErrorReason::WriteForbidden).await;
        let gone = carol.next_of(VISIT, Delete, visit_id(1));
        carol.apply(&gone).await;
    });
}

#[test]
fn dependants_of_what_was_not_taken_are_blocked_and_others_are_not() {
    with_devices(async |_, _, [ada, ..]| {
        let refused = ada.create(1, &[]);
        let values = [(NAME, Value::Text("x"))];
        let dependant = ada.update(1, &values).after(1);
        let further = ada.create(2, &values).after(2);
        let independent = ada.create(3, &values);
        let taken = ada.update(3, &[(SCORE, Value::Integer(1))]).after(4);
        let on_nothing = ada.create(4, &values).after(3);
        let mutations = [refused, dependant, further, independent, taken, on_nothing];
        let answers = ada.send(&mutations).await.unwrap();
        let outcomes: Vec<_> = answers.iter().map(haversack_proto::sync::MutationAnswer::outcome).collect();
        assert_eq!(outcomes, [Invalid, Blocked, Blocked, Applied, Applied, Blocked]);
        assert!(answers[1].message.contains("mutation 1"), "{}", answers[1].message);
    });
}

#[test]
fn an_id_is_taken_once_and_free_when_its_row_is_gone() {
    with_devices(async |world, _, [ada, bob, _]| {
        let values = [(NAME, Value::Text("x"))];
        ada.apply(&ada.create(1, &values)).await;
        let refused = bob.refused(&bob.create(1, &values), Conflict, ErrorReason::RowExists).await;
        assert_eq!(refused.fields, [1]);
        ada.apply(&ada.delete(1)).await;
        bob.apply(&bob.create(1, &values)).await;
        assert_eq!(id_field(world, 1, OWNER), Some(user_id(BOB)));
    });
}

#[test]
fn keys_that_devices_cannot_choose_are_not_theirs_to_give() {
    with_devices(async |world, _, [ada, ..]| {
        world.commit(|commit| grant(commit, SALES, "ticket", CREATE, GLOBAL));
        let values = [(2, Value::Text("broken"))];
        let numbered = ada.next_of(TICKET, Create, *b"an id of a row..").setting(&values);
        let refused = ada.refused(&numbered, Invalid, ErrorReason::ValueInvalid).await;
        assert!(refused.message.contains("from their source"), "{}", refused.message);
    });
}

#[test]
fn a_device_may_write_a_row_out_of_its_own_view() {
    Stage::new(organization(ClientWins)).run(async |world, door| {
        world.commit(|commit| put_scored(commit, 1, ADA, "Ada's", 1));
        world.publish_for(crate::world::own_accounts(), &[ADA, BOB]);
        let mut device = door.device(ADA).await;
        device.sync().await.unwrap();
        assert_eq!(device.count(ACCOUNT), 1);
        let outbox = Outbox::of(door, ADA).await;
        let to_bob = [(OWNER, Value::Id(user_id(BOB))), (OWNER_ENTITY, Value::Entity(USER))];
        outbox.apply(&outbox.update(1, &to_bob)).await;
        device.sync().await.unwrap();
        assert_eq!(device.count(ACCOUNT), 0, "the write counts, and the row leaves the device");
        let mut device = door.device(BOB).await;
        device.sync().await.unwrap();
        assert_eq!(device.count(ACCOUNT), 1);
    });
}

#[test]
fn who_has_no_view_may_write_nothing_and_nothing_is_recorded() {
    with_devices(async |world, _, [ada, ..]| {
        let mutation = ada.create(1, &[(NAME, Value::Text("x"))]);
        world.commit(|commit| put_user(commit, ADA, 1, true));
        let status = ada.send(std::slice::from_ref(&mutation)).await.unwrap_err();
        assert_eq!(crate::device::reason(&status), "USER_DISABLED");
        world.commit(|commit| put_user(commit, ADA, 1, false));
        let request = UploadRequest {
            install_id: ada.install.to_vec().into(),
            mutations: vec![mutation.encode_to_vec().into()],
            app: "nothing".into(),
            ..UploadRequest::default()
        };
        assert_eq!(crate::device::reason(&ada.call(request).await.unwrap_err()), "APP_UNKNOWN");
        ada.apply(&mutation).await;
    });
}
