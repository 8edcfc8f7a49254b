//! What users may read, by every depth, holder and ownership.

use haversack_proto::model::{self, AttributeType, Ownership};

use super::*;
use crate::ids::{AttributeNumber, Lsn};
use crate::row::RowWriter;
use crate::schema::Schema;

const NAMES: [&str; 8] =
    ["systemuser", "team", "teammembership", "businessunit", "role", "systemuserroles", "teamroles", "roleprivileges"];
const USER: u32 = 0;
const TEAM: u32 = 1;
const MEMBERSHIP: u32 = 2;
const UNIT: u32 = 3;
const ROLE: u32 = 4;
const USER_ROLE: u32 = 5;
const TEAM_ROLE: u32 = 6;
const PRIVILEGE: u32 = 7;

/// Names and types.
type Attributes = &'static [(&'static str, AttributeType)];

fn schema() -> Schema {
    let attributes: [Attributes; 8] = [
        &[("businessunitid", AttributeType::Lookup), ("isdisabled", AttributeType::Boolean)],
        &[("businessunitid", AttributeType::Lookup)],
        &[("systemuserid", AttributeType::Lookup), ("teamid", AttributeType::Lookup)],
        &[("parentbusinessunitid", AttributeType::Lookup)],
        &[],
        &[("systemuserid", AttributeType::Lookup), ("roleid", AttributeType::Lookup)],
        &[("teamid", AttributeType::Lookup), ("roleid", AttributeType::Lookup)],
        &[
            ("roleid", AttributeType::Lookup),
            ("entityname", AttributeType::String),
            ("accessright", AttributeType::Picklist),
            ("depth", AttributeType::Picklist),
        ],
    ];
    let entity = |(number, (name, attributes)): (usize, (&str, Attributes))| model::Entity {
        number: number as u32 + 1,
        logical_name: name.to_owned(),
        primary_id_attribute: "id".to_owned(),
        ownership: Ownership::None as i32,
        attributes: [("id", AttributeType::Uniqueidentifier)]
            .iter()
            .chain(attributes)
            .zip(1..)
            .map(|(&(name, kind), number)| model::Attribute {
                number,
                logical_name: name.to_owned(),
                r#type: kind as i32,
                ..model::Attribute::default()
            })
            .collect(),
        ..model::Entity::default()
    };
    let entities = NAMES.into_iter().zip(attributes).enumerate().map(entity).collect();
    Schema::from_model(&model::Model { entities, ..model::Model::default() }).expect("is sound")
}

fn key(kind: u32, number: u8) -> RowKey {
    RowKey([kind as u8, number, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
}

struct Facts(Directory);

impl Facts {
    fn new() -> Self {
        let mut directory = Directory::default();
        let layout = Layout::find(&schema(), &mut Vec::new());
        assert_eq!(directory.missing(&layout).len(), NAMES.len());
        directory.install(&layout);
        assert_eq!(directory.missing(&layout), []);
        Self(directory)
    }

    fn put(&mut self, kind: u32, number: u8, values: &[Value<'_>]) {
        let mut payload = Vec::new();
        let mut writer = RowWriter::new(&mut payload);
        values.iter().zip(2..).for_each(|(value, number)| writer.push(AttributeNumber(number), value));
        writer.finish();
        self.feed(kind, number, Some(&payload));
    }

    fn feed(&mut self, kind: u32, number: u8, payload: Option<&[u8]>) {
        let entity = EntityNumber(kind + 1);
        let row = RowChange { entity, ordinal: u32::from(number), key: key(kind, number), lsn: Lsn(1), payload };
        self.0.feed(&row).expect("is sound");
    }

    fn grant(&mut self, number: u8, role: u8, depth: i64) {
        let values = [id(ROLE, role), Value::Text("site"), Value::Integer(RIGHT_READ), Value::Integer(depth)];
        self.put(PRIVILEGE, number, &values);
    }

    fn access(&self, user: u8, holding: Holding) -> Access {
        self.0.access(&self.0.person(key(USER, user)).expect("is somebody"), "site", holding)
    }
}

fn id(kind: u32, number: u8) -> Value<'static> {
    Value::Id(key(kind, number).0)
}

/// Unit 1 above 2 above 3; user 1 in unit 2, in team 1 of unit 3; role 1 of the user, role 2 of the team.
fn facts() -> Facts {
    let mut facts = Facts::new();
    facts.put(UNIT, 1, &[]);
    facts.put(UNIT, 2, &[id(UNIT, 1)]);
    facts.put(UNIT, 3, &[id(UNIT, 2)]);
    facts.put(USER, 1, &[id(UNIT, 2)]);
    facts.put(TEAM, 1, &[id(UNIT, 3)]);
    facts.put(MEMBERSHIP, 1, &[id(USER, 1), id(TEAM, 1)]);
    facts.put(ROLE, 1, &[]);
    facts.put(ROLE, 2, &[]);
    facts.put(USER_ROLE, 1, &[id(USER, 1), id(ROLE, 1)]);
    facts.put(TEAM_ROLE, 1, &[id(TEAM, 1), id(ROLE, 2)]);
    facts
}

fn some(owners: &[RowKey], units: &[u8]) -> Access {
    Access::Some { owners: owners.to_vec(), units: units.iter().map(|&unit| key(UNIT, unit)).collect() }
}

#[test]
fn depths_reach_from_the_holders_unit() {
    let mine = [key(USER, 1), key(TEAM, 1)];
    let cases = [
        (1, 1, some(&mine, &[])),
        (1, 2, some(&mine, &[2])),
        (1, 4, some(&mine, &[2, 3])),
        (1, 8, Access::All),
        (1, 3, Access::None),
        (2, 1, some(&mine, &[])),
        (2, 2, some(&mine, &[3])),
        (2, 4, some(&mine, &[3])),
    ];
    for (role, depth, expected) in cases {
        let mut facts = facts();
        assert_eq!(facts.access(1, Holding::Owned), Access::None);
        facts.grant(1, role, depth);
        assert_eq!(facts.access(1, Holding::Owned), expected, "role {role}, depth {depth}");
    }
}

#[test]
fn ownership_decides_what_a_depth_is_worth() {
    let mut facts = facts();
    facts.grant(1, 1, 1);
    let holdings = [Holding::OfUnits, Holding::Users, Holding::OfOrganization, Holding::OfRows];
    let access = holdings.map(|holding| facts.access(1, holding));
    assert_eq!(access, [Access::None, some(&[key(USER, 1)], &[]), Access::None, Access::All]);
    facts.grant(2, 1, 2);
    let access = holdings.map(|holding| facts.access(1, holding));
    assert_eq!(access, [some(&[], &[2]), some(&[key(USER, 1)], &[2]), Access::None, Access::All]);
    facts.grant(3, 2, 8);
    assert!(holdings.iter().all(|&holding| facts.access(1, holding) == Access::All));
}

#[test]
fn rights_end_with_what_they_rest_on() {
    for (kind, number) in [(ROLE, 1), (USER_ROLE, 1), (PRIVILEGE, 1)] {
        let mut facts = facts();
        facts.grant(1, 1, 8);
        assert_eq!(facts.access(1, Holding::Owned), Access::All);
        facts.feed(kind, number, None);
        assert_eq!(facts.access(1, Holding::Owned), Access::None, "without {}", NAMES[kind as usize]);
    }
    for (kind, number) in [(TEAM, 1), (MEMBERSHIP, 1), (TEAM_ROLE, 1)] {
        let mut facts = facts();
        facts.grant(1, 2, 8);
        assert_eq!(facts.access(1, Holding::Owned), Access::All);
        facts.feed(kind, number, None);
        assert_eq!(facts.access(1, Holding::Owned), Access::None, "without {}", NAMES[kind as usize]);
    }
}

#[test]
fn only_facts_count_as_changes() {
    let mut facts = facts();
    assert!(facts.0.take_changed());
    facts.put(USER, 1, &[id(UNIT, 2), Value::Truth(false)]);
    assert!(!facts.0.take_changed());
    facts.put(USER, 1, &[id(UNIT, 2), Value::Truth(true)]);
    assert!(facts.0.take_changed());
    assert_eq!(facts.0.person(key(USER, 1)), Err(Denial::UserDisabled));
    facts.feed(USER, 1, None);
    assert_eq!(facts.0.person(key(USER, 1)), Err(Denial::UserUnknown));
}

#[test]
fn a_privilege_to_write_reads_nothing() {
    let mut facts = facts();
    let values = [id(ROLE, 1), Value::Text("site"), Value::Integer(3), Value::Integer(8)];
    facts.put(PRIVILEGE, 1, &values);
    assert_eq!(facts.access(1, Holding::Owned), Access::None);
}

#[test]
fn a_directory_without_its_facts_is_a_breach() {
    let mut model = model::Model::default();
    model.entities.push(model::Entity {
        number: 1,
        logical_name: "team".to_owned(),
        primary_id_attribute: "teamid".to_owned(),
        ownership: Ownership::Business as i32,
        attributes: vec![model::Attribute {
            number: 1,
            logical_name: "teamid".to_owned(),
            r#type: AttributeType::Uniqueidentifier as i32,
            ..model::Attribute::default()
        }],
        ..model::Entity::default()
    });
    let mut breaches = Vec::new();
    Layout::find(&Schema::from_model(&model).expect("is sound"), &mut breaches);
    assert_eq!(
        breaches,
        ["team needs an attribute \"businessunitid\" of field type Id: the directory is read from it"]
    );
}
