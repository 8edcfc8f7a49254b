//! What users may do, by every depth, holder, ownership, share and hierarchy.

mod changes;
mod hierarchy;
mod people;
mod roles;
mod shares;

use haversack_proto::model::{self, AttributeType, Ownership};

use super::*;
use crate::ids::{AttributeNumber, Lsn};
use crate::row::RowWriter;
use crate::schema::Schema;

const USER: u32 = 0;
const TEAM: u32 = 1;
const MEMBERSHIP: u32 = 2;
const UNIT: u32 = 3;
const ROLE: u32 = 4;
const USER_ROLE: u32 = 5;
const TEAM_ROLE: u32 = 6;
const PRIVILEGE: u32 = 7;
const POSITION: u32 = 8;
const SETTINGS: u32 = 9;
const SHARE: u32 = 10;
const SITE: u32 = 11;
const ORGANIZATION: u32 = 12;

/// `roleprivileges.accessright` of reading.
const RIGHT_READ: i64 = 2;
/// Bits of `accessrightsmask`.
const MASK_READ: i64 = 1;
const MASK_WRITE: i64 = 2;
/// `team.teamtype` of an access team.
const ACCESS_TEAM: Value<'_> = Value::Integer(1);
/// `role.isinherited` of a role that is for teams alone.
const TEAM_ONLY: Value<'_> = Value::Integer(0);

/// Names and types.
type Attributes = &'static [(&'static str, AttributeType)];

/// In the order of the numbers above; every entity has an id as its first attribute.
const ENTITIES: [(&str, Attributes); 13] = [
    (
        "systemuser",
        &[
            ("businessunitid", AttributeType::Lookup),
            ("isdisabled", AttributeType::Boolean),
            ("parentsystemuserid", AttributeType::Lookup),
            ("positionid", AttributeType::Lookup),
        ],
    ),
    ("team", &[("businessunitid", AttributeType::Lookup), ("teamtype", AttributeType::Picklist)]),
    ("teammembership", &[("systemuserid", AttributeType::Lookup), ("teamid", AttributeType::Lookup)]),
    ("businessunit", &[("parentbusinessunitid", AttributeType::Lookup)]),
    ("role", &[("isinherited", AttributeType::Picklist)]),
    ("systemuserroles", &[("systemuserid", AttributeType::Lookup), ("roleid", AttributeType::Lookup)]),
    ("teamroles", &[("teamid", AttributeType::Lookup), ("roleid", AttributeType::Lookup)]),
    (
        "roleprivileges",
        &[
            ("roleid", AttributeType::Lookup),
            ("entityname", AttributeType::String),
            ("accessright", AttributeType::Picklist),
            ("depth", AttributeType::Picklist),
        ],
    ),
    ("position", &[("parentpositionid", AttributeType::Lookup)]),
    (
        "usersettings",
        &[
            ("systemuserid", AttributeType::Lookup),
            ("uilanguageid", AttributeType::Integer),
            ("timezonename", AttributeType::String),
        ],
    ),
    (
        "principalobjectaccess",
        &[
            ("principalid", AttributeType::Lookup),
            ("objectid", AttributeType::Lookup),
            ("accessrightsmask", AttributeType::Integer),
            ("inheritedaccessrightsmask", AttributeType::Integer),
        ],
    ),
    ("site", &[]),
    ("organization", &[]),
];
/// Fields beside the two lookups of a share that tell the target's entity.
const PRINCIPAL_ENTITY: u32 = 20;
const OBJECT_ENTITY: u32 = 21;

fn metadata() -> model::Model {
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
                entity_field_number: match name {
                    "principalid" => PRINCIPAL_ENTITY,
                    "objectid" => OBJECT_ENTITY,
                    _ => 0,
                },
                ..model::Attribute::default()
            })
            .collect(),
        ..model::Entity::default()
    };
    model::Model { entities: ENTITIES.into_iter().enumerate().map(entity).collect(), ..model::Model::default() }
}

fn layout(model: &model::Model) -> Layout {
    let mut breaches = Vec::new();
    let rules = HierarchyRules::from_settings(&model.settings.clone().unwrap_or_default());
    let mut layout = Layout::find(&Schema::from_model(model).expect("is sound"), rules, &mut breaches);
    assert_eq!(breaches, [] as [&str; 0]);
    layout.carry([EntityNumber(SITE + 1)]);
    layout
}

fn key(kind: u32, number: u8) -> RowKey {
    RowKey([kind as u8, number, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
}

fn id(kind: u32, number: u8) -> Value<'static> {
    Value::Id(key(kind, number).0)
}

struct World(Directory);

impl World {
    fn new(model: &model::Model) -> Self {
        let (mut directory, layout) = (Directory::default(), layout(model));
        assert_eq!(directory.missing(&layout).len(), layout.entities.len());
        directory.install(&layout);
        assert_eq!(directory.missing(&layout), []);
        Self(directory)
    }

    /// Unit 1 above 2 above 3; user 1 in unit 2, in team 1 of unit 3; role 1 of the user, role 2 of the team. Sites 0 to
    /// 9 are there.
    fn peopled() -> Self {
        Self::peopled_by(&metadata())
    }

    fn peopled_by(model: &model::Model) -> Self {
        let mut world = Self::new(model);
        world.put(UNIT, 1, &[]);
        world.put(UNIT, 2, &[id(UNIT, 1)]);
        world.put(UNIT, 3, &[id(UNIT, 2)]);
        world.put(USER, 1, &[id(UNIT, 2)]);
        world.put(TEAM, 1, &[id(UNIT, 3)]);
        world.put(MEMBERSHIP, 1, &[id(USER, 1), id(TEAM, 1)]);
        world.put(ROLE, 1, &[]);
        world.put(ROLE, 2, &[]);
        world.put(USER_ROLE, 1, &[id(USER, 1), id(ROLE, 1)]);
        world.put(TEAM_ROLE, 1, &[id(TEAM, 1), id(ROLE, 2)]);
        world
    }

    fn put(&mut self, kind: u32, number: u8, values: &[Value<'_>]) {
        let cells: Vec<(u32, Value<'_>)> = (2..).zip(values.iter().copied()).collect();
        self.put_cells(kind, number, &cells);
    }

    /// Puts a row of which only some attributes are known, by their numbers.
    fn put_cells(&mut self, kind: u32, number: u8, cells: &[(u32, Value<'_>)]) {
        let mut payload = Vec::new();
        let mut writer = RowWriter::new(&mut payload);
        for (number, value) in cells {
            writer.push(AttributeNumber(*number), value);
        }
        writer.finish();
        self.feed(kind, number, Some(&payload));
    }

    fn delete(&mut self, kind: u32, number: u8) {
        self.feed(kind, number, None);
    }

    fn feed(&mut self, kind: u32, number: u8, payload: Option<&[u8]>) {
        let entity = EntityNumber(kind + 1);
        let row = RowChange { entity, ordinal: u32::from(number), key: key(kind, number), lsn: Lsn(1), payload };
        let find = |entity, key: RowKey| {
            (entity == EntityNumber(SITE + 1) && key.0[1] < 10).then_some(Ordinal::from(key.0[1]))
        };
        self.0.feed(&row, find).expect("is sound");
    }

    /// Lets a role read sites to a depth.
    fn grant(&mut self, number: u8, role: u8, depth: i64) {
        self.grant_right(number, role, RIGHT_READ, depth);
    }

    fn grant_right(&mut self, number: u8, role: u8, right: i64, depth: i64) {
        let values = [id(ROLE, role), Value::Text("site"), Value::Integer(right), Value::Integer(depth)];
        self.put(PRIVILEGE, number, &values);
    }

    /// Shares a site with a principal of some kind.
    fn share(&mut self, number: u8, (kind, principal): (u32, u8), site: u8, mask: i64) {
        let cells = [
            (2, id(kind, principal)),
            (3, id(SITE, site)),
            (4, Value::Integer(mask)),
            (PRINCIPAL_ENTITY, Value::Entity(EntityNumber(kind + 1))),
            (OBJECT_ENTITY, Value::Entity(EntityNumber(SITE + 1))),
        ];
        self.put_cells(SHARE, number, &cells);
    }

    fn person(&self, user: u8) -> Person {
        self.0.person(key(USER, user), &self.0.layout.hierarchy).expect("is somebody")
    }

    fn access(&self, user: u8, holding: Holding) -> Access {
        self.access_for(user, holding, Privilege::Read)
    }

    fn access_for(&self, user: u8, holding: Holding, privilege: Privilege) -> Access {
        self.0.access(&self.person(user), "site", holding, privilege)
    }

    /// The sites that are shared with a user or the user's.
    fn shared_sites(&self, user: u8, privilege: Privilege) -> Vec<Ordinal> {
        let Access::Some { shared, .. } = self.access_for(user, Holding::Owned, privilege) else { return Vec::new() };
        let sets = shared.iter().map(|it| self.0.shares().rows(EntityNumber(SITE + 1), *it).expect("is a set"));
        let rows: BTreeSet<Ordinal> = sets.flatten().collect();
        rows.into_iter().collect()
    }

    fn affected(&mut self) -> Affected {
        self.0.take_affected()
    }
}

fn some(owners: &[RowKey], units: &[u8]) -> Access {
    let mut owners = owners.to_vec();
    owners.sort_unstable();
    Access::Some { owners, units: units.iter().map(|&unit| key(UNIT, unit)).collect(), shared: vec![] }
}
