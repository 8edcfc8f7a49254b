//! Random filters: every operator on every kind of attribute, and links.

use std::collections::BTreeMap;

use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::filter_operand::Value as Operand;
use haversack_proto::model::{self, FilterJoin, FilterOperator as Op, Ownership};

use super::draw::{AMOUNTS, Cell, DAY_MICROS, Draw, RATES, WORDS};
use super::organization::*;

/// Rows by entity.
type Counts = BTreeMap<u32, u32>;

const PATTERNS: [&str; 7] = ["al%", "%a", "%t%", "_amm_", "caf[e-é]", "[^a-b]%", "%"];
const AFFIXES: [&str; 6] = ["a", "AL", "é", "_a", "", "a "];

/// Operators of dates that take nothing.
const CALENDAR: [Op; 20] = [
    Op::Yesterday,
    Op::Today,
    Op::Tomorrow,
    Op::LastSevenDays,
    Op::NextSevenDays,
    Op::LastWeek,
    Op::ThisWeek,
    Op::NextWeek,
    Op::LastMonth,
    Op::ThisMonth,
    Op::NextMonth,
    Op::LastYear,
    Op::ThisYear,
    Op::NextYear,
    Op::LastFiscalYear,
    Op::ThisFiscalYear,
    Op::NextFiscalYear,
    Op::LastFiscalPeriod,
    Op::ThisFiscalPeriod,
    Op::NextFiscalPeriod,
];
/// Operators of dates that take a count of days or more.
const COUNTED: [Op; 16] = [
    Op::LastXDays,
    Op::NextXDays,
    Op::LastXWeeks,
    Op::NextXWeeks,
    Op::LastXMonths,
    Op::NextXMonths,
    Op::LastXYears,
    Op::NextXYears,
    Op::OlderThanXDays,
    Op::OlderThanXWeeks,
    Op::OlderThanXMonths,
    Op::OlderThanXYears,
    Op::LastXFiscalYears,
    Op::NextXFiscalYears,
    Op::LastXFiscalPeriods,
    Op::NextXFiscalPeriods,
];
/// Operators that take a fiscal period and its year.
const PERIODS: [Op; 3] =
    [Op::InFiscalPeriodAndYear, Op::InOrBeforeFiscalPeriodAndYear, Op::InOrAfterFiscalPeriodAndYear];
const ORDERS: [Op; 6] = [Op::Eq, Op::Ne, Op::Gt, Op::Ge, Op::Lt, Op::Le];
const HIERARCHY: [Op; 6] = [Op::Above, Op::EqOrAbove, Op::Under, Op::EqOrUnder, Op::NotUnder, Op::NotUnder];
/// Operators on the ids of users and teams.
const OF_USER: [Op; 6] = [
    Op::EqUserId,
    Op::NeUserId,
    Op::EqUserTeams,
    Op::EqUserOrUserTeams,
    Op::EqUserOrUserHierarchy,
    Op::EqUserOrUserHierarchyAndTeams,
];
const OF_UNIT: [Op; 2] = [Op::EqBusinessId, Op::NeBusinessId];

pub(crate) fn condition(attribute_number: u32, operator: Op, operands: Vec<Operand>) -> model::FilterCondition {
    let operands = operands.into_iter().map(|value| model::FilterOperand { value: Some(value) }).collect();
    model::FilterCondition { attribute_number, operator: operator as i32, operands, other_attribute_number: 0 }
}

impl Draw {
    /// A filter on an entity, of at most `size` conditions and links.
    pub(crate) fn filter(&mut self, entity: u32, size: u64, counts: &Counts) -> model::Filter {
        model::Filter { compiled: Some(self.node(entity, size, (2, 2), counts)), ..model::Filter::default() }
    }

    /// At most so many groups, and so many links, lie within each other.
    fn node(&mut self, entity: u32, size: u64, (groups, links): (u32, u32), counts: &Counts) -> model::FilterNode {
        let kind = if links > 0 && self.chance(25) {
            self.link(entity, size, links - 1, counts).map(|link| Kind::Link(Box::new(link)))
        } else if size >= 2 && groups > 0 && self.chance(70) {
            let parts = 2 + self.below(size.min(3) - 1);
            let join = if self.chance(50) { FilterJoin::And } else { FilterJoin::Or };
            let nodes = (0..parts).map(|_| self.node(entity, size / parts, (groups - 1, links), counts)).collect();
            Some(Kind::Group(model::FilterGroup { join: join as i32, nodes }))
        } else {
            None
        };
        model::FilterNode { kind: Some(kind.unwrap_or_else(|| Kind::Condition(self.condition(entity, counts)))) }
    }

    /// A link to other rows, if the entity has any.
    fn link(&mut self, entity: u32, size: u64, links: u32, counts: &Counts) -> Option<model::FilterLink> {
        let lookups = LOOKUPS.into_iter().flat_map(|(referencing, attribute, _, targets)| {
            let both = targets
                .iter()
                .map(move |&target| [(referencing, attribute, target, ID), (target, ID, referencing, attribute)]);
            both.flatten()
        });
        let found: Vec<_> = lookups.chain(MEETINGS).filter(|meeting| meeting.0 == entity).collect();
        let (_, to, linked, from) = if found.is_empty() { return None } else { self.of(&found) };
        let inner = size > 1 && (self.chance(85) || linked == MEMBERSHIP);
        Some(model::FilterLink {
            entity_number: linked,
            from_attribute_number: from,
            to_attribute_number: to,
            negated: self.chance(40),
            node: inner.then(|| Box::new(self.node(linked, size - 1, (2, links), counts))),
        })
    }

    fn condition(&mut self, entity: u32, counts: &Counts) -> model::FilterCondition {
        let in_hierarchy = if self.chance(20) { self.in_hierarchy(entity, counts) } else { None };
        if let Some(condition) = in_hierarchy {
            return condition;
        }
        if DIRECTORY_ENTITIES.contains(&entity) {
            return self.on_directory(entity, counts);
        }
        match self.below(13) {
            0..=2 => self.on_text(),
            3 => self.on_number(),
            4 => self.on_choices(),
            5 => {
                let attribute = self.of(&[NAME, DUE, SCORE, CHOICES, DAY]);
                condition(attribute, self.of(&[Op::Null, Op::NotNull]), vec![])
            }
            6 => self.on_two_attributes(),
            7..=10 => self.on_dates(),
            _ => self.on_ids(entity, counts),
        }
    }

    fn on_text(&mut self) -> model::FilterCondition {
        let attribute = self.of(&[NAME, LABEL]);
        let (operator, choices): (Op, &[&str]) = match self.below(4) {
            0 => (self.of(&[Op::Like, Op::NotLike]), &PATTERNS),
            1 => (self.of(&[Op::BeginsWith, Op::NotBeginWith, Op::EndsWith, Op::NotEndWith]), &AFFIXES),
            2 => {
                let operator = self.of(&[Op::In, Op::NotIn, Op::Between, Op::NotBetween]);
                return condition(attribute, operator, vec![self.text(&WORDS), self.text(&WORDS)]);
            }
            _ => (self.of(&ORDERS), &WORDS),
        };
        condition(attribute, operator, vec![self.text(choices)])
    }

    fn on_number(&mut self) -> model::FilterCondition {
        let lists = [Op::In, Op::NotIn, Op::Between, Op::NotBetween];
        let twice = self.chance(40);
        let operator = if twice { self.of(&lists) } else { self.of(&ORDERS) };
        let attribute = self.of(&[SCORE, RANK, AMOUNT, RATE]);
        let mut operand = || match attribute {
            AMOUNT => self.text(&AMOUNTS),
            RATE => Operand::Real(self.of(&RATES)),
            _ => self.integer(),
        };
        let operands = if twice { vec![operand(), operand()] } else { vec![operand()] };
        condition(attribute, operator, operands)
    }

    fn on_choices(&mut self) -> model::FilterCondition {
        match self.below(5) {
            0 => condition(STATE, self.of(&[Op::Eq, Op::Ne, Op::Gt, Op::Le]), vec![self.integer()]),
            1 => condition(FLAG, self.of(&[Op::Eq, Op::Ne]), vec![Operand::Truth(self.chance(50))]),
            2 => condition(SCORE, Op::EqUserLanguage, vec![]),
            _ => {
                let operators = [Op::ContainValues, Op::NotContainValues, Op::Eq, Op::Ne, Op::In, Op::NotIn];
                let set = Operand::Integers(model::IntegerSet { values: self.set() });
                condition(CHOICES, self.of(&operators), vec![set])
            }
        }
    }

    fn on_two_attributes(&mut self) -> model::FilterCondition {
        let ordered = [(NAME, LABEL), (SCORE, RANK), (AMOUNT, FEE), (DUE, UNTIL), (RATE, RATE), (DAY, DAY)];
        let equal = [(FLAG, FLAG), (CHOICES, CHOICES), (ID, 20)];
        let ((left, right), operator) = if self.chance(80) {
            (self.of(&ordered), self.of(&ORDERS))
        } else {
            (self.of(&equal), self.of(&[Op::Eq, Op::Ne]))
        };
        // Entities without lookups have no attribute 20.
        let right = if right == 20 { ID } else { right };
        model::FilterCondition { other_attribute_number: right, ..condition(left, operator, vec![]) }
    }

    fn on_dates(&mut self) -> model::FilterCondition {
        let attribute = self.of(&[DUE, DUE, UNTIL, WALL, DAY]);
        let count = |draw: &mut Self, choices: &[i64]| vec![Operand::Integer(draw.of(choices))];
        match self.below(17) {
            16 if attribute != DAY => condition(attribute, Op::NextXHours, count(self, &[20, 70, 140])),
            0..=3 => condition(attribute, self.of(&CALENDAR), vec![]),
            4..=7 => condition(attribute, self.of(&COUNTED), count(self, &[1, 1, 2, 5])),
            8 | 9 if attribute != DAY => {
                let operators = [Op::LastXHours, Op::NextXHours, Op::OlderThanXHours];
                condition(attribute, self.of(&operators), count(self, &[1, 3, 20, 70]))
            }
            10 if attribute != DAY => condition(attribute, Op::OlderThanXMinutes, count(self, &[1, 50, 2000])),
            11 => {
                let day = self.on_day(attribute);
                condition(attribute, self.of(&[Op::On, Op::OnOrBefore, Op::OnOrAfter]), vec![day])
            }
            12 => condition(attribute, Op::InFiscalYear, count(self, &[2023, 2025, 2026])),
            13 => condition(attribute, Op::InFiscalPeriod, count(self, &[1, 2, 3, 4, 11, 14])),
            14 => {
                let (period, year) = (self.of(&[1, 2, 4, 9, 13]), self.of(&[2024, 2025, 2026]));
                condition(attribute, self.of(&PERIODS), vec![Operand::Integer(period), Operand::Integer(year)])
            }
            _ => self.on_moments(attribute),
        }
    }

    fn on_day(&mut self, attribute: u32) -> Operand {
        let time = self.time();
        match attribute {
            DAY => Operand::Integer(time.div_euclid(DAY_MICROS)),
            WALL => Operand::Integer(time),
            _ => Operand::WallClock(time),
        }
    }

    /// A comparison with fixed dates, many of which are clocks of the user.
    fn on_moments(&mut self, attribute: u32) -> model::FilterCondition {
        let mut moment = || match (self.on_day(attribute), self.below(3)) {
            (Operand::WallClock(wall), 0) => Operand::Integer(wall),
            (Operand::WallClock(wall), 1) => Operand::WallClock((wall.div_euclid(DAY_MICROS) + 1) * DAY_MICROS - 1),
            (operand, _) => operand,
        };
        let operands = [moment(), moment()];
        if self.chance(50) {
            return condition(attribute, self.of(&[Op::Between, Op::NotBetween]), operands.to_vec());
        }
        condition(attribute, self.of(&ORDERS), operands[..1].to_vec())
    }

    /// A test of a place in a hierarchy, if the entity has ids of one.
    fn in_hierarchy(&mut self, entity: u32, counts: &Counts) -> Option<model::FilterCondition> {
        let found: Vec<_> = KIN.into_iter().filter(|kin| kin.0 == entity).collect();
        if found.is_empty() {
            return None;
        }
        let (_, attribute, hierarchy) = self.of(&found);
        Some(condition(attribute, self.of(&HIERARCHY), vec![self.operand_id(hierarchy, counts)]))
    }

    fn on_directory(&mut self, entity: u32, counts: &Counts) -> model::FilterCondition {
        match (entity, self.below(3)) {
            (USER, 0) => condition(ID, self.of(&OF_USER), vec![]),
            (USER | UNIT | TEAM, 1) => condition(2, self.of(&OF_UNIT), vec![]),
            (UNIT, 2) => condition(ID, self.of(&OF_UNIT), vec![]),
            (MEMBERSHIP, 0) => condition(2, self.of(&[Op::EqUserTeams, Op::NotNull]), vec![]),
            (MEMBERSHIP, _) => condition(3, self.of(&OF_USER), vec![]),
            (TEAM, 2) => condition(ID, self.of(&[Op::EqUserTeams, Op::EqUserOrUserHierarchyAndTeams]), vec![]),
            (_, 2) => condition(2, self.of(&[Op::Null, Op::NotNull]), vec![]),
            _ => condition(ID, self.of(&[Op::Eq, Op::Ne]), vec![self.operand_id(entity, counts)]),
        }
    }

    fn on_ids(&mut self, entity: u32, counts: &Counts) -> model::FilterCondition {
        match ownership(entity) {
            Ownership::User if self.chance(50) => condition(OWNER, self.of(&OF_USER), vec![]),
            Ownership::User if self.chance(50) => condition(OWNING_UNIT, self.of(&OF_UNIT), vec![]),
            Ownership::Business => condition(OWNING_UNIT, self.of(&OF_UNIT), vec![]),
            Ownership::Organization => condition(STATE, Op::Ne, vec![self.integer()]),
            _ => {
                let (_, _, _, targets) =
                    LOOKUPS.into_iter().find(|lookup| lookup.0 == entity && lookup.1 == 20).expect("has a lookup");
                let operands = vec![self.operand_id(targets[0], counts)];
                condition(20, self.of(&[Op::Eq, Op::Ne, Op::In, Op::NotIn]), operands)
            }
        }
    }

    fn operand_id(&mut self, entity: u32, counts: &Counts) -> Operand {
        let Cell::Id(id) = self.id(entity, counts) else { unreachable!("ids are ids") };
        Operand::Id(id.to_vec())
    }

    fn text(&mut self, words: &[&str]) -> Operand {
        Operand::Text(self.of(words).to_owned())
    }

    fn integer(&mut self) -> Operand {
        Operand::Integer(self.below(4) as i64 - 1)
    }
}
