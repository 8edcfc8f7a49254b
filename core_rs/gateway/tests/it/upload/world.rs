//! The small organization with privileges to write and rules of what may be written.

use haversack_engine::ids::EntityNumber;
use haversack_engine::row::Value;
use haversack_proto::model::{
    AttributeType, ConflictPolicy, Model, Option as Choice, Ownership, ProfileItem, Settings,
};
use haversack_staging::{Commit, RowId};

use crate::world::{ACCOUNT, ADA, BOB, NORTH, With, World, all_accounts, entity, id, put, put_user, unit_id, user_id};

/// A user of Ada's unit who sees and changes only what is her own.
pub(crate) const CAROL: u32 = 3;

/// An entity whose rows belong to accounts.
pub(crate) const VISIT: EntityNumber = EntityNumber(12);

/// An entity whose keys are numbers.
pub(crate) const TICKET: EntityNumber = EntityNumber(13);

/// Fields of an account.
pub(crate) const NAME: u32 = 2;
pub(crate) const OWNER: u32 = 4;
pub(crate) const OWNER_ENTITY: u32 = 5;
pub(crate) const UNIT_OF_OWNER: u32 = 6;
pub(crate) const CITY: u32 = 7;
pub(crate) const CREATED_ON: u32 = 9;
pub(crate) const CREATED_BY: u32 = 10;
pub(crate) const MODIFIED_ON: u32 = 11;
pub(crate) const MODIFIED_BY: u32 = 12;
pub(crate) const SCORE: u32 = 13;
pub(crate) const RATING: u32 = 14;
pub(crate) const NOTE: u32 = 15;
pub(crate) const PARENT: u32 = 16;
pub(crate) const STATE: u32 = 17;
pub(crate) const FEE: u32 = 18;
pub(crate) const CODE: u32 = 19;

/// Privileges by their numbers in `roleprivileges`.
pub(crate) const CREATE: i64 = 1;
pub(crate) const READ: i64 = 2;
pub(crate) const WRITE: i64 = 3;
pub(crate) const DELETE: i64 = 4;
pub(crate) const ASSIGN: i64 = 5;
pub(crate) const APPEND: i64 = 7;
pub(crate) const APPEND_TO: i64 = 8;

/// Depths, likewise.
pub(crate) const BASIC: i64 = 1;
pub(crate) const GLOBAL: i64 = 8;

/// The role of Ada and Bob, and that of Carol.
pub(crate) const SALES: u32 = 1;
pub(crate) const HELPER: u32 = 2;

/// An organization where Ada and Bob may do everything with accounts and contacts, and Carol a few things with hers.
pub(crate) fn organization(policy: ConflictPolicy) -> World {
    let mut world = World::new();
    world.commit(|commit| {
        for entity in ["account", "contact"] {
            for privilege in [CREATE, WRITE, DELETE, ASSIGN, APPEND, APPEND_TO] {
                grant(commit, SALES, entity, privilege, GLOBAL);
            }
        }
        put_user(commit, CAROL, NORTH, false);
        let (role, link) = (id(5, HELPER), id(6, CAROL));
        put(commit, EntityNumber(5), role, &[(1, Value::Id(role)), (2, Value::Text("Helper"))]);
        let values = [(1, Value::Id(link)), (2, Value::Id(user_id(CAROL))), (3, Value::Id(role))];
        put(commit, EntityNumber(6), link, &values);
        grant(commit, HELPER, "mobileofflineprofile", READ, GLOBAL);
        for privilege in [CREATE, READ, WRITE] {
            grant(commit, HELPER, "account", privilege, BASIC);
        }
    });
    world.publish_changed(|model| rules(model, policy));
    world.publish_for(profile_items(), &[ADA, BOB, CAROL]);
    world
}

/// All accounts, contacts and visits.
pub(crate) fn profile_items() -> Vec<ProfileItem> {
    let all = |entity: &str| ProfileItem { entity: entity.into(), ..all_accounts().remove(0) };
    let association =
        haversack_proto::model::Association { relationship: "visit_account".into(), ..Default::default() };
    let account = ProfileItem { associations: vec![association], ..all("account") };
    let criteria = haversack_proto::model::RecordCriteria::RelatedOnly.into();
    vec![account, all("contact"), ProfileItem { criteria, ..all("visit") }, all("ticket")]
}

/// Grants a role a privilege on an entity.
pub(crate) fn grant(commit: &mut dyn Commit, role: u32, entity: &str, privilege: i64, depth: i64) {
    let row = grant_bytes(role, entity, privilege);
    let values = [
        (1, Value::Id(row)),
        (2, Value::Id(id(5, role))),
        (3, Value::Text(entity)),
        (4, Value::Integer(privilege)),
        (5, Value::Integer(depth)),
    ];
    put(commit, EntityNumber(8), row, &values);
}

/// The row of a grant.
pub(crate) fn grant_id(role: u32, entity: &str, privilege: i64) -> RowId {
    RowId::Uuid(grant_bytes(role, entity, privilege))
}

fn grant_bytes(role: u32, entity: &str, privilege: i64) -> [u8; 16] {
    let hash = entity.bytes().fold(0, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    id(8, 1_000 + (hash % 10_000) * 100 + role * 10 + privilege as u32)
}

/// Writes an account with a name and a score.
pub(crate) fn put_scored(commit: &mut dyn Commit, number: u32, owner: u32, name: &str, score: i64) {
    let account = crate::world::account_id(number);
    let values = [
        (1, Value::Id(account)),
        (NAME, Value::Text(name)),
        (OWNER, Value::Id(user_id(owner))),
        (OWNER_ENTITY, Value::Entity(crate::world::USER)),
        (UNIT_OF_OWNER, Value::Id(unit_id(if owner == BOB { 2 } else { 1 }))),
        (SCORE, Value::Integer(score)),
    ];
    put(commit, ACCOUNT, account, &values);
}

fn rules(model: &mut Model, policy: ConflictPolicy) {
    use AttributeType::{Datetime, Decimal, Integer, Lookup, Memo, Picklist, State, String, Uniqueidentifier};
    model.settings = Some(Settings { conflict_policy: policy.into(), ..Settings::default() });
    for account in model.entities.iter_mut().filter(|entity| entity.number == ACCOUNT.0) {
        *account = std::mem::take(account)
            .with(CREATED_ON, "createdon", Datetime, &[])
            .with(CREATED_BY, "createdby", Lookup, &["systemuser"])
            .with(MODIFIED_ON, "modifiedon", Datetime, &[])
            .with(MODIFIED_BY, "modifiedby", Lookup, &["systemuser"])
            .with(SCORE, "score", Integer, &[])
            .with(RATING, "rating", Picklist, &[])
            .with(NOTE, "note", Memo, &[])
            .with(PARENT, "parentaccountid", Lookup, &["account"])
            .with(STATE, "statecode", State, &[])
            .with(FEE, "fee", Decimal, &[])
            .with(CODE, "code", String, &[]);
        for attribute in &mut account.attributes {
            match attribute.number {
                NAME => attribute.required = true,
                RATING => attribute.options = [3, 1, 2].map(|value| Choice { value, ..Choice::default() }).to_vec(),
                NOTE => attribute.max_length = 10,
                CODE => attribute.update_forbidden = true,
                _ => {}
            }
        }
    }
    model.entities.push(
        entity("visit", VISIT.0, Ownership::None)
            .with(1, "visitid", Uniqueidentifier, &[])
            .with(2, "accountid", Lookup, &["account"])
            .with(3, "remark", String, &[]),
    );
    let ticket = entity("ticket", TICKET.0, Ownership::Organization);
    model.entities.push(ticket.with(1, "ticketnumber", Integer, &[]).with(2, "title", String, &[]));
    let mut relationship = model.relationships[0].clone();
    relationship.schema_name = "visit_account".into();
    if let Some(haversack_proto::model::relationship::Form::OneToMany(form)) = &mut relationship.form {
        form.referencing_entity = "visit".into();
        form.referencing_attribute = "accountid".into();
    }
    model.relationships.push(relationship);
}
