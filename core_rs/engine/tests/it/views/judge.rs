//! What filters mean, read literally on the cells of rows: every row is looked at for every question.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::filter_operand::Value as Operand;
use haversack_proto::model::{self, Collation, FilterJoin, FilterOperator as Op};
use jiff::tz::TimeZone;

use super::access::{Access, below, teams_of};
use super::calendar::{Calendar, DateKind};
use super::draw::{Cell, Cells, DAY_MICROS, uuid_text};
use super::oracle::{Id, alive, id, parent};
use super::organization::*;
use super::world::World;

/// Answers filters for one user.
#[derive(Debug)]
pub(crate) struct Judge<'w> {
    world: &'w World,
    settings: model::Settings,
    user: Id,
    unit: Option<Id>,
    teams: Vec<Id>,
    /// The user and everybody below.
    staff: Vec<Id>,
    /// The teams of all of them.
    staff_teams: Vec<Id>,
    language: Option<i64>,
    calendar: Calendar,
}

impl<'w> Judge<'w> {
    pub(crate) fn new(world: &'w World, access: &Access<'w>) -> Self {
        let (user, settings) = (access.user, world.model.settings.clone().unwrap_or_default());
        let mut staff: Vec<Id> = below(world, user).into_iter().map(|(report, _)| report).collect();
        staff.push(user);
        let chosen = alive(world, SETTINGS).map(|(_, cells)| cells).find(|cells| id(cells, 2) == Some(user));
        let language = match chosen.and_then(|cells| cells.get(&3)) {
            Some(Cell::Integer(language)) => Some(*language),
            _ => None,
        };
        let zone = match chosen.and_then(|cells| cells.get(&4)) {
            Some(Cell::Text(name)) => TimeZone::get(name).ok(),
            _ => None,
        };
        let usual = || match settings.time_zone.as_str() {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).expect("is a zone"),
        };
        Self {
            calendar: Calendar::new(zone.unwrap_or_else(usual), world.instant, &settings),
            world,
            settings,
            user,
            unit: access.unit,
            teams: access.teams.clone(),
            staff_teams: staff.iter().flat_map(|person| teams_of(world, *person)).collect(),
            staff,
            language,
        }
    }

    pub(crate) fn matches(&self, filter: &model::Filter, cells: &Cells) -> bool {
        self.node(filter.compiled.as_ref().expect("test filters are compiled"), cells)
    }

    /// Whether a part of a filter takes a row.
    pub(crate) fn node(&self, node: &model::FilterNode, cells: &Cells) -> bool {
        match node.kind.as_ref().expect("test filters have no empty nodes") {
            Kind::Condition(condition) => self.condition(condition, cells),
            Kind::Group(group) if group.join() == FilterJoin::And => {
                group.nodes.iter().all(|node| self.node(node, cells))
            }
            Kind::Group(group) => group.nodes.iter().any(|node| self.node(node, cells)),
            Kind::Link(link) => self.is_linked(link, cells) != link.negated,
        }
    }

    /// Whether there is a row that is equal in the link's attributes and matches, whoever may read it.
    fn is_linked(&self, link: &model::FilterLink, cells: &Cells) -> bool {
        let Some(wanted) = cells.get(&link.to_attribute_number) else { return false };
        alive(self.world, link.entity_number).any(|(_, other)| {
            let met = other.get(&link.from_attribute_number);
            met.is_some_and(|met| self.order(link.from_attribute_number, met, wanted).is_eq())
                && link.node.as_ref().is_none_or(|node| self.node(node, other))
        })
    }

    fn condition(&self, condition: &model::FilterCondition, cells: &Cells) -> bool {
        let (attribute, operator) = (condition.attribute_number, condition.operator());
        let cell = cells.get(&attribute);
        match operator {
            Op::Null => return cell.is_none(),
            Op::NotNull => return cell.is_some(),
            _ => {}
        }
        let Some(cell) = cell else { return is_negative(operator) && !self.settings.null_never_matches };
        if condition.other_attribute_number != 0 {
            let other = cells.get(&condition.other_attribute_number);
            return other.is_some_and(|other| is_so(operator, self.order(attribute, cell, other)));
        }
        let operands: Vec<&Operand> = condition.operands.iter().filter_map(|operand| operand.value.as_ref()).collect();
        match (kind_of(attribute), cell) {
            (Some(kind), Cell::Integer(value)) => self.date(operator, kind, *value, &operands),
            _ => self.value(operator, attribute, cell, &operands),
        }
    }

    /// Tests of anything but dates; the cell is not NULL.
    fn value(&self, operator: Op, attribute: u32, cell: &Cell, operands: &[&Operand]) -> bool {
        let is_any = |ids: &[Id]| matches!(cell, Cell::Id(id) if ids.contains(id));
        let others: Vec<Cell> = operands.iter().map(|operand| as_cell(operand)).collect();
        let order = |other: &Cell| self.order(attribute, cell, other);
        let equals_any = || others.iter().any(|other| order(other).is_eq());
        let is_like = |before: &str, after: &str| self.is_like(cell, operands, before, after);
        let is_between = || order(&others[0]).is_ge() && order(&others[1]).is_le();
        match operator {
            Op::EqUserId => is_any(&[self.user]),
            Op::NeUserId => !is_any(&[self.user]),
            Op::EqUserTeams => is_any(&self.teams),
            Op::EqUserOrUserTeams => is_any(&[self.user]) || is_any(&self.teams),
            Op::EqUserOrUserHierarchy => is_any(&self.staff),
            Op::EqUserOrUserHierarchyAndTeams => is_any(&self.staff) || is_any(&self.staff_teams),
            Op::EqBusinessId => self.unit.is_some_and(|unit| is_any(&[unit])),
            Op::NeBusinessId => !self.unit.is_some_and(|unit| is_any(&[unit])),
            Op::EqUserLanguage => matches!(cell, Cell::Integer(it) if *it == -1 || Some(*it) == self.language),
            Op::Above | Op::EqOrAbove | Op::Under | Op::EqOrUnder | Op::NotUnder => {
                self.is_kin(operator, cell, &others[0])
            }
            Op::In => equals_any(),
            Op::NotIn => !equals_any(),
            Op::Between => is_between(),
            Op::NotBetween => !is_between(),
            Op::Like => is_like("", ""),
            Op::NotLike => !is_like("", ""),
            Op::BeginsWith => is_like("", "%"),
            Op::NotBeginWith => !is_like("", "%"),
            Op::EndsWith => is_like("%", ""),
            Op::NotEndWith => !is_like("%", ""),
            Op::ContainValues => overlap(cell, &others[0]),
            Op::NotContainValues => !overlap(cell, &others[0]),
            _ => is_so(operator, order(&others[0])),
        }
    }

    /// Tests of dates; the value is not NULL.
    fn date(&self, operator: Op, kind: DateKind, value: i64, operands: &[&Operand]) -> bool {
        let day = |operand: &Operand| match operand {
            Operand::WallClock(wall) => self.calendar.day(DateKind::WallClock, *wall),
            Operand::Integer(value) => self.calendar.day(kind, *value),
            other => unreachable!("{other:?} is no date"),
        };
        let moment = |operand: &Operand| match operand {
            Operand::WallClock(wall) => self.calendar.instant_of(*wall),
            Operand::Integer(value) => *value,
            other => unreachable!("{other:?} is no date"),
        };
        // A span that ends with a day's last microsecond takes in the day, whatever clocks do then.
        let is_up_to = |operand: &Operand| match operand {
            Operand::WallClock(wall) if (wall + 1) % DAY_MICROS == 0 => self.calendar.day(kind, value) <= day(operand),
            _ => value <= moment(operand),
        };
        let local = self.calendar.day(kind, value);
        match (operator, operands) {
            (Op::On, [it]) => local == day(it),
            (Op::OnOrBefore, [it]) => local <= day(it),
            (Op::OnOrAfter, [it]) => local >= day(it),
            (Op::Eq | Op::Ne | Op::Gt | Op::Ge | Op::Lt | Op::Le, [it]) => is_so(operator, value.cmp(&moment(it))),
            (Op::Between, [low, high]) => value >= moment(low) && is_up_to(high),
            (Op::NotBetween, [low, high]) => !(value >= moment(low) && is_up_to(high)),
            (_, []) => self.calendar.is_in_unit(operator, kind, value),
            (_, [Operand::Integer(count)]) => self.calendar.is_counted(operator, kind, value, *count),
            (_, [Operand::Integer(period), Operand::Integer(year)]) => {
                self.calendar.is_in_period(operator, kind, value, *period, *year)
            }
            other => unreachable!("{other:?} is no test of dates"),
        }
    }

    /// Whether the row that an id names is above or below another.
    fn is_kin(&self, operator: Op, cell: &Cell, other: &Cell) -> bool {
        let (Cell::Id(named), Cell::Id(other)) = (cell, other) else { unreachable!("ids are compared") };
        let [named, other] = [named, other].map(|id| self.row(*id));
        let (Some(named), Some(other)) = (named, other) else { return operator == Op::NotUnder };
        if named.0 != other.0 {
            return operator == Op::NotUnder;
        }
        let is_same = named == other;
        match operator {
            Op::Above => !is_same && self.chain(other).contains(&named.1),
            Op::EqOrAbove => is_same || self.chain(other).contains(&named.1),
            Op::Under => !is_same && self.chain(named).contains(&other.1),
            Op::EqOrUnder => is_same || self.chain(named).contains(&other.1),
            _ => !is_same && !self.chain(named).contains(&other.1),
        }
    }

    /// The hierarchical row of an id, if there ever was one.
    fn row(&self, id: Id) -> Option<(u32, u32)> {
        let entity = u32::from_be_bytes(id[..4].try_into().expect("four bytes"));
        let ordinal = u32::from_be_bytes(id[12..].try_into().expect("four bytes"));
        let row = self.world.rows.get(&entity).and_then(|rows| rows.get(ordinal as usize));
        (row.is_some_and(|row| row.lsn > 0) && HIERARCHIES.iter().any(|hierarchy| hierarchy.0 == entity))
            .then_some((entity, ordinal))
    }

    /// Everything above a row of a hierarchy.
    fn chain(&self, (entity, row): (u32, u32)) -> BTreeSet<u32> {
        let (_, attribute) = HIERARCHIES.into_iter().find(|hierarchy| hierarchy.0 == entity).expect("is one");
        let mut chain = BTreeSet::new();
        let mut next = parent(self.world, (entity, attribute, entity), row);
        while let Some(row) = next.filter(|row| chain.insert(*row)) {
            next = parent(self.world, (entity, attribute, entity), row);
        }
        chain
    }

    fn order(&self, attribute: u32, left: &Cell, right: &Cell) -> Ordering {
        let real = |text: &str| text.parse::<f64>().expect("is a number");
        match (left, right) {
            (Cell::Text(left), Cell::Text(right)) if [AMOUNT, FEE].contains(&attribute) => {
                real(left).total_cmp(&real(right))
            }
            (Cell::Text(left), Cell::Text(right)) => {
                self.folded(left).trim_end_matches(' ').cmp(self.folded(right).trim_end_matches(' '))
            }
            (Cell::Integer(left), Cell::Integer(right)) => left.cmp(right),
            (Cell::Real(left), Cell::Real(right)) => left.total_cmp(right),
            (Cell::Truth(left), Cell::Truth(right)) => left.cmp(right),
            (Cell::Id(left), Cell::Id(right)) => left.cmp(right),
            (Cell::Set(left), Cell::Set(right)) => left.cmp(right),
            other => unreachable!("{other:?} are of two types"),
        }
    }

    fn folded(&self, text: &str) -> String {
        folded(&self.settings, text)
    }

    fn is_like(&self, cell: &Cell, operands: &[&Operand], before: &str, after: &str) -> bool {
        let (Cell::Text(text), [Operand::Text(pattern)]) = (cell, operands) else { unreachable!("texts are like") };
        let chars = |text: String| text.chars().collect::<Vec<_>>();
        let pattern = format!("{before}{}{after}", self.folded(pattern));
        fits(&chars(pattern), &chars(self.folded(text)))
    }
}

fn folded(settings: &model::Settings, text: &str) -> String {
    let lower = text.to_lowercase();
    if settings.collation() == Collation::CiAs { lower } else { lower.replace('é', "e") }
}

/// Whether a token's claim is equal to a user's cell. Blanks name nobody.
pub(crate) fn names(settings: &model::Settings, cell: &Cell, claim: &str) -> bool {
    let comparable = |text: &str| folded(settings, text).trim_end_matches(' ').to_owned();
    match cell {
        Cell::Text(text) => !comparable(claim).is_empty() && comparable(text) == comparable(claim),
        Cell::Id(id) => uuid_text(*id) == claim.to_lowercase(),
        other => unreachable!("{other:?} names nobody"),
    }
}

fn kind_of(attribute: u32) -> Option<DateKind> {
    match attribute {
        DUE | UNTIL => Some(DateKind::Instant),
        WALL => Some(DateKind::WallClock),
        DAY => Some(DateKind::Day),
        _ => None,
    }
}

/// Whether NULL passes an operator by default.
fn is_negative(operator: Op) -> bool {
    matches!(
        operator,
        Op::Ne
            | Op::NotIn
            | Op::NotLike
            | Op::NotBeginWith
            | Op::NotEndWith
            | Op::NotBetween
            | Op::NotContainValues
            | Op::NeUserId
            | Op::NeBusinessId
            | Op::NotUnder
    )
}

fn is_so(operator: Op, order: Ordering) -> bool {
    match operator {
        Op::Eq => order.is_eq(),
        Op::Ne => order.is_ne(),
        Op::Gt => order.is_gt(),
        Op::Ge => order.is_ge(),
        Op::Lt => order.is_lt(),
        Op::Le => order.is_le(),
        other => unreachable!("{other:?} is no order"),
    }
}

fn as_cell(operand: &Operand) -> Cell {
    match operand {
        Operand::Text(text) => Cell::Text(text.clone()),
        Operand::Integer(number) => Cell::Integer(*number),
        Operand::Real(number) => Cell::Real(*number),
        Operand::Truth(truth) => Cell::Truth(*truth),
        Operand::Id(id) => Cell::Id(id.as_slice().try_into().expect("sixteen bytes")),
        Operand::Integers(set) => Cell::Set(set.values.clone()),
        Operand::WallClock(_) => unreachable!("dates have a reading of their own"),
    }
}

fn overlap(left: &Cell, right: &Cell) -> bool {
    let (Cell::Set(left), Cell::Set(right)) = (left, right) else { unreachable!("sets overlap") };
    left.iter().any(|number| right.contains(number))
}

/// Whether a text fits a pattern, by trying every way.
fn fits(pattern: &[char], text: &[char]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else { return text.is_empty() };
    match first {
        '%' => (0..=text.len()).any(|at| fits(rest, &text[at..])),
        '[' => {
            let close = rest.iter().position(|&it| it == ']').expect("test patterns are closed");
            let (negated, set) = if rest[0] == '^' { (true, &rest[1..close]) } else { (false, &rest[..close]) };
            let [from, '-', to] = set else { unreachable!("test patterns have ranges") };
            text.first().is_some_and(|it| (from..=to).contains(&it) != negated) && fits(&rest[close + 1..], &text[1..])
        }
        _ => text.first().is_some_and(|&it| first == '_' || first == it) && fits(rest, &text[1..]),
    }
}
