//! Random choices from a seed, and the random parts of an organization: rows, filters, profiles.

use std::collections::BTreeMap;

use haversack_engine::ids::RowKey;
use haversack_proto::model::RecordCriteria as Criteria;
use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::filter_operand::Value as Operand;
use haversack_proto::model::{
    self, AssociationDirection as Direction, FilterJoin, FilterOperator as Op, HierarchyModel as Hierarchy, Ownership,
};

use super::organization::*;

/// What a field of a row holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Integer(i64),
    Real(f64),
    Text(String),
    Truth(bool),
    Id([u8; 16]),
    Entity(u32),
}

pub(crate) type Cells = BTreeMap<u32, Cell>;

/// The base of all instants: 2026-03-28T12:00:00Z, the day before clocks change in Europe.
pub(crate) const START: i64 = 1_774_699_200_000_000;
pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const DAY_MICROS: i64 = 1_440 * MINUTE;

const WORDS: [&str; 4] = ["alpha", "Alpha", "beta ", "gamma"];
const AMOUNTS: [&str; 4] = ["-3", "1", "2.5", "10"];
const RATES: [f64; 4] = [-1.5, 0.0, 0.25, 1e9];
const DEPTHS: [i64; 5] = [1, 2, 4, 8, 8];
/// Where users own rows, most see little but what is theirs, shared with them or of those below them.
const OWNED_DEPTHS: [i64; 6] = [1, 1, 1, 1, 2, 8];
/// Entities whose rows are shared, the owned ones more often.
const SHARED_ENTITIES: [u32; 6] = [ACCOUNT, ACCOUNT, CONTACT, CONTACT, SITE, USER];
/// What rows are shared for, by the bits of privileges.
const MASKS: [i64; 6] = [0x1, 0x1, 0x3, 0x1_0007, 0xc_0034, 0x2];

/// The id of a row: entity and ordinal, so that tests read it at a glance.
pub(crate) fn key(entity: u32, ordinal: u32) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&entity.to_be_bytes());
    key[12..].copy_from_slice(&ordinal.to_be_bytes());
    key
}

/// A stream of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// The values of a row; lookups point at rows that may not be there yet.
    pub(crate) fn cells(&mut self, entity: u32, counts: &BTreeMap<u32, u32>) -> Cells {
        let mut cells = match entity {
            USER => self.user(counts),
            TEAM => Cells::from([(2, self.id(UNIT, counts)), (3, Cell::Integer(self.of(&[0, 0, 1, 2])))]),
            UNIT => Cells::from([(2, self.id(UNIT, counts))]),
            ROLE => Cells::from([(2, Cell::Integer(self.of(&[0, 1])))]),
            POSITION => Cells::from([(2, self.id(POSITION, counts))]),
            SHARE => self.share(counts),
            MEMBERSHIP => Cells::from([(2, self.id(TEAM, counts)), (3, self.id(USER, counts))]),
            USER_ROLE => Cells::from([(2, self.id(USER, counts)), (3, self.id(ROLE, counts))]),
            TEAM_ROLE => Cells::from([(2, self.id(TEAM, counts)), (3, self.id(ROLE, counts))]),
            PRIVILEGE => self.privilege(counts),
            _ => return self.business_cells(entity, counts),
        };
        if entity != PRIVILEGE && self.chance(5) {
            cells.pop_first();
        }
        cells
    }

    fn user(&mut self, counts: &BTreeMap<u32, u32>) -> Cells {
        let mut cells = Cells::from([
            (2, self.id(UNIT, counts)),
            (3, Cell::Truth(self.chance(5))),
            (4, self.id(USER, counts)),
            (5, self.id(POSITION, counts)),
        ]);
        cells.retain(|attribute, _| *attribute < 4 || !self.chance(25));
        cells
    }

    /// A row shared with a user, a team or everyone.
    fn share(&mut self, counts: &BTreeMap<u32, u32>) -> Cells {
        let (kind, entity) = (self.of(&[USER, USER, USER, TEAM, TEAM, ORGANIZATION]), self.of(&SHARED_ENTITIES));
        let mut cells = Cells::from([
            (2, self.id(kind, counts)),
            (3, Cell::Entity(kind)),
            (4, self.id(entity, counts)),
            (5, Cell::Entity(entity)),
            (6, Cell::Integer(self.of(&MASKS))),
        ]);
        if self.chance(20) {
            cells.insert(7, Cell::Integer(self.of(&MASKS)));
        }
        cells
    }

    /// What managers see of their reports' rows.
    pub(crate) fn hierarchy_security(&mut self) -> model::HierarchySecurity {
        let models = [Hierarchy::Unspecified, Hierarchy::Manager, Hierarchy::Manager, Hierarchy::Position];
        model::HierarchySecurity {
            model: self.of(&models) as i32,
            depth: self.below(4) as u32,
            excluded_entities: ITEM_ENTITIES
                .map(|entity| name(entity).to_owned())
                .into_iter()
                .filter(|_| self.chance(8))
                .collect(),
        }
    }

    fn privilege(&mut self, counts: &BTreeMap<u32, u32>) -> Cells {
        let (role, entity) = (self.id(ROLE, counts), self.of(&ITEM_ENTITIES));
        let mut cells = self.privilege_of(0, entity);
        cells.insert(2, role);
        if self.chance(30) {
            cells.insert(4, self.privilege_number());
        }
        cells
    }

    /// The number of some privilege, now and then of none.
    pub(crate) fn privilege_number(&mut self) -> Cell {
        Cell::Integer(1 + self.below(9) as i64)
    }

    /// Reading of an entity for a role, to some depth.
    pub(crate) fn privilege_of(&mut self, role: u32, entity: u32) -> Cells {
        Cells::from([
            (2, Cell::Id(key(ROLE, role))),
            (3, Cell::Text(name(entity).to_owned())),
            (4, Cell::Integer(2)),
            (
                5,
                Cell::Integer(if ownership(entity) == Ownership::User {
                    self.of(&OWNED_DEPTHS)
                } else {
                    self.of(&DEPTHS)
                }),
            ),
        ])
    }

    fn business_cells(&mut self, entity: u32, counts: &BTreeMap<u32, u32>) -> Cells {
        let mut cells = Cells::from([
            (NAME, Cell::Text(self.of(&WORDS).to_owned())),
            (SCORE, Cell::Integer(self.below(4) as i64 - 1)),
            (STATE, Cell::Integer(self.below(3) as i64)),
            (FLAG, Cell::Truth(self.chance(50))),
            (AMOUNT, Cell::Text(self.of(&AMOUNTS).to_owned())),
            (DUE, self.time()),
            (WALL, self.time()),
            (RATE, Cell::Real(self.of(&RATES))),
            (DAY, Cell::Integer(START.div_euclid(DAY_MICROS) + self.below(14) as i64 - 6)),
        ]);
        cells.retain(|_, _| !self.chance(15));
        if ownership(entity) == Ownership::User {
            self.insert_lookup(&mut cells, (entity, OWNER, 11, &[USER, TEAM]), counts);
        }
        if matches!(ownership(entity), Ownership::User | Ownership::Business) {
            cells.insert(OWNING_UNIT, self.id(UNIT, counts));
        }
        for lookup in LOOKUPS.iter().filter(|lookup| lookup.0 == entity && lookup.1 != OWNER) {
            if self.chance(80) {
                self.insert_lookup(&mut cells, *lookup, counts);
            }
        }
        cells
    }

    /// Some full hour from six days before to eight days after the start.
    fn time(&mut self) -> Cell {
        Cell::Integer(START + (self.below(14 * 24) as i64 - 6 * 24) * 60 * MINUTE)
    }

    fn insert_lookup(&mut self, cells: &mut Cells, lookup: LookupSpec, counts: &BTreeMap<u32, u32>) {
        let (_, attribute, companion, targets) = lookup;
        let target = self.of(targets);
        cells.insert(attribute, self.id(target, counts));
        if companion != 0 {
            cells.insert(companion, Cell::Entity(target));
        }
    }

    /// The id of some row, now and then of one that is yet to come.
    fn id(&mut self, entity: u32, counts: &BTreeMap<u32, u32>) -> Cell {
        let count = counts.get(&entity).copied().unwrap_or(0);
        Cell::Id(key(entity, self.below(u64::from(count) + 2) as u32))
    }

    /// A filter on an entity, of at most `size` conditions.
    pub(crate) fn filter(&mut self, entity: u32, size: u64, counts: &BTreeMap<u32, u32>) -> model::Filter {
        model::Filter { compiled: Some(self.node(entity, size, 2, counts)), ..model::Filter::default() }
    }

    fn node(&mut self, entity: u32, size: u64, levels: u32, counts: &BTreeMap<u32, u32>) -> model::FilterNode {
        if size < 2 || levels == 0 || self.chance(30) {
            return model::FilterNode { kind: Some(Kind::Condition(self.condition(entity, counts))) };
        }
        let parts = 2 + self.below(size.min(3) - 1);
        let join = if self.chance(50) { FilterJoin::And } else { FilterJoin::Or };
        let nodes = (0..parts).map(|_| self.node(entity, size / parts, levels - 1, counts)).collect();
        model::FilterNode { kind: Some(Kind::Group(model::FilterGroup { join: join as i32, nodes })) }
    }

    fn condition(&mut self, entity: u32, counts: &BTreeMap<u32, u32>) -> model::FilterCondition {
        let (attribute, operator, operands) = match (entity, self.below(12)) {
            (USER | UNIT, 0..=4) => (ID, Op::Eq, vec![self.operand_id(entity, counts)]),
            (USER | UNIT, 5..=8) => (2, self.of(&[Op::EqBusinessId, Op::NotNull]), vec![]),
            (USER | UNIT, _) => (ID, self.of(&[Op::EqUserId, Op::EqBusinessId]), vec![]),
            (_, 0) => (NAME, self.of(&[Op::Eq, Op::Ne, Op::Gt, Op::Le]), vec![self.operand_text(&WORDS)]),
            (_, 1) => {
                (NAME, self.of(&[Op::Like, Op::NotLike]), vec![self.operand_text(&["al%", "%a", "%t%", "_amm_"])])
            }
            (_, 2) => (SCORE, self.of(&[Op::Gt, Op::Ge, Op::Lt, Op::Le]), vec![self.operand_integer()]),
            (_, 3) => (SCORE, self.of(&[Op::In, Op::NotIn]), vec![self.operand_integer(), self.operand_integer()]),
            (_, 4) => (STATE, self.of(&[Op::Eq, Op::Ne]), vec![self.operand_integer()]),
            (_, 5) => (FLAG, self.of(&[Op::Eq, Op::Ne]), vec![Operand::Truth(self.chance(50))]),
            (_, 6) => (AMOUNT, self.of(&[Op::Eq, Op::Gt, Op::Le]), vec![self.operand_text(&AMOUNTS)]),
            (_, 10) => (RATE, self.of(&[Op::Eq, Op::Ne, Op::Lt, Op::Ge]), vec![Operand::Real(self.of(&RATES))]),
            (_, 7 | 8) => (self.of(&[DUE, DAY, WALL]), Op::LastXDays, vec![Operand::Integer(self.of(&[1, 2, 5]))]),
            (_, 9) => (self.of(&[NAME, DUE, SCORE]), self.of(&[Op::Null, Op::NotNull]), vec![]),
            _ => self.id_condition(entity, counts),
        };
        let operands = operands.into_iter().map(|value| model::FilterOperand { value: Some(value) }).collect();
        model::FilterCondition {
            attribute_number: attribute,
            operator: operator as i32,
            operands,
            ..Default::default()
        }
    }

    fn id_condition(&mut self, entity: u32, counts: &BTreeMap<u32, u32>) -> (u32, Op, Vec<Operand>) {
        match ownership(entity) {
            Ownership::User if self.chance(70) => {
                self.of(&[(OWNER, Op::EqUserId), (OWNER, Op::EqUserTeams), (OWNING_UNIT, Op::EqBusinessId)]).operands()
            }
            Ownership::Business => (OWNING_UNIT, Op::EqBusinessId, vec![]),
            Ownership::Organization => (STATE, Op::Ne, vec![self.operand_integer()]),
            _ => (20, self.of(&[Op::Eq, Op::Ne]), vec![self.operand_id(ACCOUNT, counts)]),
        }
    }

    fn operand_id(&mut self, entity: u32, counts: &BTreeMap<u32, u32>) -> Operand {
        let Cell::Id(id) = self.id(entity, counts) else { unreachable!("ids are ids") };
        Operand::Id(id.to_vec())
    }

    fn operand_text(&mut self, words: &[&str]) -> Operand {
        Operand::Text(self.of(words).to_owned())
    }

    fn operand_integer(&mut self) -> Operand {
        Operand::Integer(self.below(4) as i64 - 1)
    }

    /// A profile over a random choice of entities.
    pub(crate) fn profile(&mut self, number: u32, counts: &BTreeMap<u32, u32>) -> model::Profile {
        let mut chosen: Vec<u32> = ITEM_ENTITIES.into_iter().filter(|_| self.chance(70)).collect();
        if chosen.is_empty() {
            chosen.push(ACCOUNT);
        }
        let users = (0..counts.get(&USER).copied().unwrap_or(0)).filter(|_| self.chance(80));
        model::Profile {
            name: format!("profile {number}"),
            revision: 1,
            users: users.map(|user| uuid_text(key(USER, user))).collect(),
            items: chosen.iter().map(|&entity| self.item(entity, &chosen, counts)).collect(),
            priority: self.below(2) as u32,
        }
    }

    fn item(&mut self, entity: u32, chosen: &[u32], counts: &BTreeMap<u32, u32>) -> model::ProfileItem {
        let criteria = match ownership(entity) {
            Ownership::None => Criteria::RelatedOnly,
            Ownership::Organization => self.of(&[Criteria::RelatedOnly, Criteria::All, Criteria::Custom]),
            _ => self.of(&[Criteria::RelatedOnly, Criteria::All, Criteria::Other, Criteria::Custom]),
        };
        let other = criteria == Criteria::Other;
        let owned = other && ownership(entity) == Ownership::User;
        let (by_me, by_teams) = (owned && self.chance(60), owned && self.chance(40));
        let may_filter = ownership(entity) != Ownership::None && criteria != Criteria::All;
        let filtered = criteria == Criteria::Custom || (may_filter && self.chance(30));
        model::ProfileItem {
            entity: name(entity).to_owned(),
            criteria: criteria as i32,
            owned_by_me: by_me,
            owned_by_my_teams: by_teams,
            owned_by_my_business_unit: other && (!(by_me || by_teams) || self.chance(30)),
            filter: filtered.then(|| self.filter(entity, 6, counts)),
            associations: self.associations(entity, chosen, counts),
            columns: if self.chance(20) { vec![format!("{}id", name(entity))] } else { vec![] },
            mandatory: self.chance(30),
            priority: self.below(3) as u32,
            sync_interval_minutes: 0,
        }
    }

    fn associations(&mut self, entity: u32, chosen: &[u32], counts: &BTreeMap<u32, u32>) -> Vec<model::Association> {
        let mut found = Vec::new();
        for (referencing, attribute, _, targets) in LOOKUPS {
            for &target in targets.iter().filter(|target| chosen.contains(target) && chosen.contains(&referencing)) {
                let name = relationship_name(referencing, attribute, target);
                if entity == target {
                    found.push((name.clone(), Direction::ToMany, referencing));
                }
                if entity == referencing {
                    found.push((name, Direction::ToOne, target));
                }
            }
        }
        for (link, _, first, _, second) in LINKS {
            if (entity == first || entity == second) && chosen.contains(&first) && chosen.contains(&second) {
                let other = if entity == first { second } else { first };
                let ways = [Direction::Unspecified, Direction::ToMany, Direction::ToOne];
                let way = if first == second { self.of(&ways) } else { Direction::Unspecified };
                found.push((link_name(link), way, other));
            }
        }
        found.retain(|_| self.chance(60));
        let association = |(relationship, way, pulled): (String, Direction, u32)| model::Association {
            relationship,
            direction: way as i32,
            filter: self.chance(25).then(|| self.filter(pulled, 3, counts)),
        };
        found.into_iter().map(association).collect()
    }
}

trait WithoutOperands {
    fn operands(self) -> (u32, Op, Vec<Operand>);
}

impl WithoutOperands for (u32, Op) {
    fn operands(self) -> (u32, Op, Vec<Operand>) {
        (self.0, self.1, vec![])
    }
}

pub(crate) fn uuid_text(id: [u8; 16]) -> String {
    let hex = format!("{:?}", RowKey(id));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
