//! A small organization: a directory, accounts with their contacts, and a profile over them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use haversack_engine::ids::{AttributeNumber, EntityNumber, Lsn, Revision};
use haversack_engine::row::{RowWriter, Value};
use haversack_proto::model::{
    Association, Attribute, AttributeType, Entity, Filter, FilterCondition, FilterNode, FilterOperand, FilterOperator,
    Model, OneToMany, Ownership, Profile, ProfileItem, RecordCriteria, Relationship, filter_node, filter_operand,
    relationship,
};
use haversack_proto::sync::Position;
use haversack_staging::{Commit, RowId, SqliteStaging, Staging};
use prost::Message;
use tempfile::TempDir;

pub(crate) const USER: EntityNumber = EntityNumber(1);
pub(crate) const UNIT: EntityNumber = EntityNumber(4);
pub(crate) const ACCOUNT: EntityNumber = EntityNumber(10);
pub(crate) const CONTACT: EntityNumber = EntityNumber(11);

/// The account's city.
pub(crate) const CITY: AttributeNumber = AttributeNumber(7);

/// When the account was last visited.
pub(crate) const VISITED: AttributeNumber = AttributeNumber(8);

/// Two users of two business units.
pub(crate) const ADA: u32 = 1;
pub(crate) const BOB: u32 = 2;
pub(crate) const NORTH: u32 = 1;
pub(crate) const SOUTH: u32 = 2;

/// A city longer than any message buffer on the way, for tests of flow control.
pub(crate) const LONG_CITY_BYTES: usize = 4_096;

/// An organization with its staging database.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) staging: Arc<SqliteStaging>,
    model: Model,
}

impl World {
    /// A directory of two users who may read everything, and no rows.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let staging = Arc::new(SqliteStaging::create(folder.path().join("staging.db")).unwrap());
        let world = Self { folder, staging, model: metadata() };
        world.commit(directory);
        world
    }

    /// The same with Ada's and Bob's own accounts and their contacts published.
    pub(crate) fn published() -> Self {
        let mut world = Self::new();
        world.publish(own_accounts());
        world
    }

    /// The world of a database that was copied; what is published in it stays.
    pub(crate) fn restored(path: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let staging = Arc::new(SqliteStaging::open(path).unwrap());
        Self { folder, staging, model: metadata() }
    }

    /// LSN of the last commit.
    pub(crate) fn staging_head(&self) -> u64 {
        self.staging.head().unwrap().0
    }

    /// Where a device is that has seen everything.
    pub(crate) fn position(&self) -> Position {
        let lsn = self.staging.head().unwrap();
        Position { lsn: lsn.0, history: self.staging.history_at(lsn).unwrap().unwrap().0 }
    }

    /// The database's file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("staging.db")
    }

    /// Publishes a profile of both users, in place of the one before.
    pub(crate) fn publish(&mut self, items: Vec<ProfileItem>) -> Lsn {
        self.publish_for(items, &[ADA, BOB])
    }

    /// A serialized model with a profile of both users, that nobody publishes.
    pub(crate) fn draft(&self, items: Vec<ProfileItem>) -> Vec<u8> {
        let mut model = self.model.clone();
        model.revision += 1;
        model.profiles = vec![profile(items, &[ADA, BOB], model.revision)];
        model.encode_to_vec()
    }

    /// Publishes a profile of these users.
    pub(crate) fn publish_for(&mut self, items: Vec<ProfileItem>, users: &[u32]) -> Lsn {
        self.publish_changed(|model| model.profiles = vec![profile(items, users, model.revision)])
    }

    /// Publishes what was published before, with a change.
    pub(crate) fn publish_changed(&mut self, change: impl FnOnce(&mut Model)) -> Lsn {
        self.model.revision += 1;
        change(&mut self.model);
        self.staging.publish(Revision(self.model.revision), &self.model.encode_to_vec()).unwrap()
    }

    /// Makes changes that become true together.
    pub(crate) fn commit(&self, change: impl FnOnce(&mut dyn Commit)) -> Lsn {
        let mut commit = self.staging.begin().unwrap();
        change(commit.as_mut());
        commit.finish().unwrap()
    }

    /// Writes an account of a user.
    pub(crate) fn account(&self, number: u32, owner: u32, city: &str) -> Lsn {
        self.commit(|commit| put_account(commit, number, owner, city))
    }
}

/// A profile "field" of these users.
pub(crate) fn profile(items: Vec<ProfileItem>, users: &[u32], revision: u64) -> Profile {
    let users = users.iter().map(|&user| uuid_text(user_id(user))).collect();
    Profile { name: "field".into(), revision, items, users, ..Profile::default() }
}

/// Accounts that a user owns, with their contacts.
pub(crate) fn own_accounts() -> Vec<ProfileItem> {
    let association = Association { relationship: "contact_customer_accounts".into(), ..Association::default() };
    vec![
        ProfileItem {
            entity: "account".into(),
            criteria: RecordCriteria::Other.into(),
            owned_by_me: true,
            associations: vec![association],
            mandatory: true,
            ..ProfileItem::default()
        },
        ProfileItem {
            entity: "contact".into(),
            criteria: RecordCriteria::RelatedOnly.into(),
            ..ProfileItem::default()
        },
    ]
}

/// Every account of the user's business unit.
pub(crate) fn unit_accounts() -> Vec<ProfileItem> {
    vec![ProfileItem {
        entity: "account".into(),
        criteria: RecordCriteria::Other.into(),
        owned_by_my_business_unit: true,
        ..ProfileItem::default()
    }]
}

/// Every account, whosever it is.
pub(crate) fn all_accounts() -> Vec<ProfileItem> {
    vec![ProfileItem { entity: "account".into(), criteria: RecordCriteria::All.into(), ..ProfileItem::default() }]
}

/// Accounts in one city.
pub(crate) fn accounts_in(city: &str) -> Vec<ProfileItem> {
    accounts_where(CITY, FilterOperator::Eq, filter_operand::Value::Text(city.into()))
}

/// Accounts that were visited today or on some days before.
pub(crate) fn accounts_visited(days: i64) -> Vec<ProfileItem> {
    accounts_where(VISITED, FilterOperator::LastXDays, filter_operand::Value::Integer(days))
}

fn accounts_where(
    attribute: AttributeNumber,
    operator: FilterOperator,
    operand: filter_operand::Value,
) -> Vec<ProfileItem> {
    let condition = FilterCondition {
        attribute_number: attribute.0,
        operator: operator.into(),
        operands: vec![FilterOperand { value: Some(operand) }],
        ..Default::default()
    };
    let compiled = FilterNode { kind: Some(filter_node::Kind::Condition(condition)) };
    vec![ProfileItem {
        entity: "account".into(),
        criteria: RecordCriteria::Custom.into(),
        filter: Some(Filter { fetch_xml: String::new(), compiled: Some(compiled) }),
        ..ProfileItem::default()
    }]
}

/// Inserts or replaces an account. Its business unit is that of the owner's number.
pub(crate) fn put_account(commit: &mut dyn Commit, number: u32, owner: u32, city: &str) {
    let name = format!("Account {number}");
    let values = [
        (1, Value::Id(account_id(number))),
        (2, Value::Text(&name)),
        (4, Value::Id(user_id(owner))),
        (5, Value::Entity(USER)),
        (6, Value::Id(unit_id(owner))),
        (CITY.0, Value::Text(city)),
    ];
    put(commit, ACCOUNT, account_id(number), &values);
}

/// Inserts or replaces an account of Ada's that was visited at a moment, microseconds since the Unix epoch.
pub(crate) fn put_visited(commit: &mut dyn Commit, number: u32, visited: i64) {
    let values = [
        (1, Value::Id(account_id(number))),
        (4, Value::Id(user_id(ADA))),
        (5, Value::Entity(USER)),
        (6, Value::Id(unit_id(ADA))),
        (VISITED.0, Value::Integer(visited)),
    ];
    put(commit, ACCOUNT, account_id(number), &values);
}

/// Inserts or replaces a contact of an account; its owner is Bob.
pub(crate) fn put_contact(commit: &mut dyn Commit, number: u32, account: u32) {
    let name = format!("Contact {number}");
    let values = [
        (1, Value::Id(contact_id(number))),
        (2, Value::Text(&name)),
        (3, Value::Id(account_id(account))),
        (4, Value::Id(user_id(BOB))),
        (5, Value::Entity(USER)),
        (6, Value::Id(unit_id(BOB))),
    ];
    put(commit, CONTACT, contact_id(number), &values);
}

/// The row by which the users' role may read profiles.
pub(crate) fn profile_privilege() -> [u8; 16] {
    id(8, 4)
}

/// Makes a user a member of the team.
pub(crate) fn join_team(commit: &mut dyn Commit, user: u32) {
    put(commit, EntityNumber(2), team_id(), &[(1, Value::Id(team_id())), (2, Value::Id(unit_id(NORTH)))]);
    let link = id(3, user);
    let values = [(1, Value::Id(link)), (2, Value::Id(team_id())), (3, Value::Id(user_id(user)))];
    put(commit, EntityNumber(3), link, &values);
}

/// The one team.
pub(crate) fn team_id() -> [u8; 16] {
    id(2, 1)
}

/// Inserts or replaces a user.
pub(crate) fn put_user(commit: &mut dyn Commit, number: u32, unit: u32, disabled: bool) {
    let values = [(1, Value::Id(user_id(number))), (2, Value::Id(unit_id(unit))), (3, Value::Truth(disabled))];
    put(commit, USER, user_id(number), &values);
}

/// Gives a user of the unit with the same number a name.
pub(crate) fn name_user(commit: &mut dyn Commit, number: u32, name: &str) {
    let values = [(1, Value::Id(user_id(number))), (2, Value::Id(unit_id(number))), (4, Value::Text(name))];
    put(commit, USER, user_id(number), &values);
}

/// Inserts or replaces a row.
pub(crate) fn put(commit: &mut dyn Commit, entity: EntityNumber, id: [u8; 16], values: &[(u32, Value<'_>)]) {
    let mut payload = Vec::new();
    let mut writer = RowWriter::new(&mut payload);
    for (number, value) in values {
        writer.push(AttributeNumber(*number), value);
    }
    writer.finish();
    commit.upsert(entity, &RowId::Uuid(id), &payload).unwrap();
}

pub(crate) fn user_id(number: u32) -> [u8; 16] {
    id(USER.0, number)
}

pub(crate) fn unit_id(number: u32) -> [u8; 16] {
    id(UNIT.0, number)
}

pub(crate) fn account_id(number: u32) -> [u8; 16] {
    id(ACCOUNT.0, number)
}

pub(crate) fn contact_id(number: u32) -> [u8; 16] {
    id(CONTACT.0, number)
}

/// An id as UUID text.
pub(crate) fn uuid_text(id: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(id).to_string()
}

pub(crate) fn id(kind: u32, number: u32) -> [u8; 16] {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&kind.to_be_bytes());
    id[12..].copy_from_slice(&number.to_be_bytes());
    id
}

fn directory(commit: &mut dyn Commit) {
    let role = id(5, 1);
    put(commit, EntityNumber(5), role, &[(1, Value::Id(role)), (2, Value::Text("Salesperson"))]);
    for (number, entity) in [(1, "account"), (2, "contact"), (3, "systemuser"), (4, "mobileofflineprofile")] {
        let values = [
            (1, Value::Id(id(8, number))),
            (2, Value::Id(role)),
            (3, Value::Text(entity)),
            (4, Value::Integer(2)),
            (5, Value::Integer(8)),
        ];
        put(commit, EntityNumber(8), id(8, number), &values);
    }
    for unit in [NORTH, SOUTH] {
        put(commit, UNIT, unit_id(unit), &[(1, Value::Id(unit_id(unit)))]);
    }
    for (user, unit) in [(ADA, NORTH), (BOB, SOUTH)] {
        put_user(commit, user, unit, false);
        let link = id(6, user);
        put(
            commit,
            EntityNumber(6),
            link,
            &[(1, Value::Id(link)), (2, Value::Id(user_id(user))), (3, Value::Id(role))],
        );
    }
}

fn metadata() -> Model {
    use AttributeType::{Boolean, Datetime, Lookup, Owner, Picklist, String, Uniqueidentifier};
    let owned = |name, number| entity(name, number, Ownership::User);
    let ours = |name, number| entity(name, number, Ownership::Organization);
    Model {
        organization: "contoso".into(),
        entities: vec![
            entity("systemuser", USER.0, Ownership::Business)
                .with(1, "systemuserid", Uniqueidentifier, &[])
                .with(2, "businessunitid", Lookup, &["businessunit"])
                .with(3, "isdisabled", Boolean, &[])
                .with(4, "domainname", String, &[]),
            entity("team", 2, Ownership::Business).with(1, "teamid", Uniqueidentifier, &[]).with(
                2,
                "businessunitid",
                Lookup,
                &["businessunit"],
            ),
            ours("teammembership", 3)
                .with(1, "teammembershipid", Uniqueidentifier, &[])
                .with(2, "teamid", Lookup, &["team"])
                .with(3, "systemuserid", Lookup, &["systemuser"]),
            entity("businessunit", UNIT.0, Ownership::Business).with(1, "businessunitid", Uniqueidentifier, &[]).with(
                2,
                "parentbusinessunitid",
                Lookup,
                &["businessunit"],
            ),
            ours("role", 5).with(1, "roleid", Uniqueidentifier, &[]).with(2, "name", String, &[]),
            ours("systemuserroles", 6)
                .with(1, "systemuserroleid", Uniqueidentifier, &[])
                .with(2, "systemuserid", Lookup, &["systemuser"])
                .with(3, "roleid", Lookup, &["role"]),
            ours("teamroles", 7)
                .with(1, "teamroleid", Uniqueidentifier, &[])
                .with(2, "teamid", Lookup, &["team"])
                .with(3, "roleid", Lookup, &["role"]),
            ours("roleprivileges", 8)
                .with(1, "roleprivilegeid", Uniqueidentifier, &[])
                .with(2, "roleid", Lookup, &["role"])
                .with(3, "entityname", String, &[])
                .with(4, "accessright", Picklist, &[])
                .with(5, "depth", Picklist, &[]),
            owned("account", ACCOUNT.0)
                .with(1, "accountid", Uniqueidentifier, &[])
                .with(2, "name", String, &[])
                .with(4, "ownerid", Owner, &["systemuser", "team"])
                .with(6, "owningbusinessunit", Lookup, &["businessunit"])
                .with(CITY.0, "city", String, &[])
                .with(VISITED.0, "visitedon", Datetime, &[]),
            owned("contact", CONTACT.0)
                .with(1, "contactid", Uniqueidentifier, &[])
                .with(2, "fullname", String, &[])
                .with(3, "parentcustomerid", Lookup, &["account"])
                .with(4, "ownerid", Owner, &["systemuser", "team"])
                .with(6, "owningbusinessunit", Lookup, &["businessunit"]),
        ],
        relationships: vec![Relationship {
            schema_name: "contact_customer_accounts".into(),
            form: Some(relationship::Form::OneToMany(OneToMany {
                referenced_entity: "account".into(),
                referencing_entity: "contact".into(),
                referencing_attribute: "parentcustomerid".into(),
            })),
        }],
        ..Model::default()
    }
}

pub(crate) fn entity(name: &str, number: u32, ownership: Ownership) -> Entity {
    Entity { number, logical_name: name.into(), ownership: ownership.into(), offline: true, ..Entity::default() }
}

/// Adds attributes to an entity; the first one is its primary id.
pub(crate) trait With: Sized {
    fn with(self, number: u32, name: &str, kind: AttributeType, targets: &[&str]) -> Self;
}

impl With for Entity {
    fn with(mut self, number: u32, name: &str, kind: AttributeType, targets: &[&str]) -> Self {
        if self.attributes.is_empty() {
            self.primary_id_attribute = name.into();
        }
        self.attributes.push(Attribute {
            number,
            logical_name: name.into(),
            r#type: kind.into(),
            targets: targets.iter().map(|&target| target.into()).collect(),
            entity_field_number: if targets.len() > 1 { number + 1 } else { 0 },
            ..Attribute::default()
        });
        self
    }
}
