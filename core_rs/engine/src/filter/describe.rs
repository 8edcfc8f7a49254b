//! A compiled filter in words, for people who want to know what it asks.

use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::filter_operand::Value as Typed;
use haversack_proto::model::{
    AttributeType, FilterCondition, FilterJoin, FilterLink, FilterNode, FilterOperand, FilterOperator,
};

use super::error::excerpt;
use super::operator::{Arity, Family, Spec};
use crate::ids::{AttributeNumber, EntityNumber};
use crate::row::MICROS_PER_DAY;
use crate::row::calendar::civil;
use crate::schema::{Entity, Schema};

/// Most operands that a sentence names.
const OPERANDS_MAX: usize = 20;

/// Says what a compiled filter on `entity` asks: a sentence for each clause, with how deep it lies. The clauses of an
/// `and`, an `or` or a link lie one deeper, right behind it.
pub fn describe(node: &FilterNode, schema: &Schema, entity: &Entity) -> Vec<(usize, String)> {
    let mut lines = vec![];
    Describer { schema, entity }.node(node, 0, &mut lines);
    lines
}

/// Describes nodes on one entity.
struct Describer<'a> {
    schema: &'a Schema,
    entity: &'a Entity,
}

impl Describer<'_> {
    fn node(&self, node: &FilterNode, depth: usize, lines: &mut Vec<(usize, String)>) {
        match &node.kind {
            None => lines.push((depth, "every row".to_owned())),
            Some(Kind::Condition(condition)) => lines.push((depth, self.condition(condition))),
            Some(Kind::Group(group)) => {
                let join = if group.join() == FilterJoin::Or { "or" } else { "and" };
                lines.push((depth, join.to_owned()));
                group.nodes.iter().for_each(|node| self.node(node, depth + 1, lines));
            }
            Some(Kind::Link(link)) => self.link(link, depth, lines),
        }
    }

    fn link(&self, link: &FilterLink, depth: usize, lines: &mut Vec<(usize, String)>) {
        let linked = self.schema.entity_by_number(EntityNumber(link.entity_number));
        let name = linked.map_or_else(|| format!("entity {}", link.entity_number), |linked| linked.name.clone());
        let from = linked.map_or_else(
            || format!("attribute {}", link.from_attribute_number),
            |linked| name_of(linked, link.from_attribute_number),
        );
        let inner = link.node.as_deref().filter(|node| node.kind.is_some());
        let quantity = if link.negated { "no" } else { "some" };
        let to = name_of(self.entity, link.to_attribute_number);
        let ending = if inner.is_some() { " where" } else { "" };
        lines.push((depth, format!("{quantity} {name} ({from} = {to}){ending}")));
        if let (Some(entity), Some(node)) = (linked, inner) {
            Describer { entity, ..*self }.node(node, depth + 1, lines);
        }
    }

    fn condition(&self, condition: &FilterCondition) -> String {
        let name = name_of(self.entity, condition.attribute_number);
        let attribute = self.entity.attribute_by_number(AttributeNumber(condition.attribute_number));
        let kind = attribute.map_or(AttributeType::Unspecified, |attribute| attribute.kind);
        let operator = condition.operator();
        let operands = if condition.other_attribute_number == 0 {
            condition.operands.iter().map(|operand| value(operand, kind, operator)).collect()
        } else {
            vec![name_of(self.entity, condition.other_attribute_number)]
        };
        format!("{name} {}", sentence(operator, kind, &operands))
    }
}

fn name_of(entity: &Entity, number: u32) -> String {
    let attribute = entity.attribute_by_number(AttributeNumber(number));
    attribute.map_or_else(|| format!("attribute {number}"), |attribute| attribute.name.clone())
}

/// The sentence of an operator with its operands. All of them take the only gap, or one each.
fn sentence(operator: FilterOperator, kind: AttributeType, operands: &[String]) -> String {
    let parts: Vec<&str> = phrase(operator, kind).split("{}").collect();
    if let [before, behind] = parts[..] {
        return format!("{before}{}{behind}", listed(operands));
    }
    let gaps = operands.iter().map(String::as_str).chain(std::iter::repeat(""));
    parts.iter().zip(std::iter::once("").chain(gaps)).flat_map(|(part, gap)| [gap, *part]).collect()
}

fn listed(operands: &[String]) -> String {
    let named = &operands[..operands.len().min(OPERANDS_MAX)];
    let more = operands.len() - named.len();
    let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
    named.join(", ") + &rest
}

/// An operand as its operator reads it.
fn value(operand: &FilterOperand, kind: AttributeType, operator: FilterOperator) -> String {
    let arity = Spec::of(operator).map(|spec| spec.arity);
    let is_count = matches!(arity, Some(Arity::Number(_) | Arity::PeriodAndYear));
    match &operand.value {
        Some(Typed::Text(text)) if Family::from(kind) == Family::Decimal => text.clone(),
        Some(Typed::Text(text)) if excerpt(text).len() < text.len() => format!("\"{}…\"", excerpt(text)),
        Some(Typed::Text(text)) => format!("\"{text}\""),
        Some(Typed::WallClock(wall)) if arity == Some(Arity::Day) => day(wall.div_euclid(MICROS_PER_DAY)),
        Some(Typed::WallClock(wall)) => format!("{} on the user's clock", clock(*wall)),
        Some(Typed::Integer(number)) if is_count => number.to_string(),
        Some(Typed::Integer(number)) => match kind {
            AttributeType::DateOnly => day(*number),
            AttributeType::DatetimeIndependent if arity == Some(Arity::Day) => day(number.div_euclid(MICROS_PER_DAY)),
            AttributeType::DatetimeIndependent => clock(*number),
            AttributeType::Datetime => format!("{}Z", clock(*number)),
            _ => number.to_string(),
        },
        Some(Typed::Real(real)) => real.to_string(),
        Some(Typed::Truth(truth)) => truth.to_string(),
        Some(Typed::Id(id)) => id_text(id),
        Some(Typed::Integers(set)) => listed(&set.values.iter().map(ToString::to_string).collect::<Vec<_>>()),
        None => "nothing".to_owned(),
    }
}

/// A UUID as it is written.
fn id_text(id: &[u8]) -> String {
    let Ok(id) = id.try_into().map(u128::from_be_bytes) else { return "a damaged id".to_owned() };
    let hex = format!("{id:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Days since 1970 as a date.
pub(crate) fn day(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Microseconds since 1970 as a date and a time; what is zero behind the minutes is left out.
pub(crate) fn clock(micros: i64) -> String {
    let (date, time) = (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
    let (seconds, fraction) = (time / 1_000_000, time % 1_000_000);
    let minutes = format!("{}T{:02}:{:02}", day(date), seconds / 3_600, seconds / 60 % 60);
    match (seconds % 60, fraction) {
        (0, 0) => minutes,
        (seconds, 0) => format!("{minutes}:{seconds:02}"),
        (seconds, fraction) => format!("{minutes}:{seconds:02}.{fraction:06}"),
    }
}

/// What an operator says of an attribute of some type, with gaps for its operands.
fn phrase(operator: FilterOperator, kind: AttributeType) -> &'static str {
    let is_set = kind == AttributeType::MultiSelectPicklist;
    match operator {
        FilterOperator::Unspecified => "is tested in a way that this version does not know",
        FilterOperator::Eq => "equals {}",
        FilterOperator::Ne => "does not equal {}",
        FilterOperator::Gt => "is above {}",
        FilterOperator::Ge => "is at least {}",
        FilterOperator::Lt => "is below {}",
        FilterOperator::Le => "is at most {}",
        FilterOperator::In if is_set => "has exactly {}",
        FilterOperator::NotIn if is_set => "has not exactly {}",
        FilterOperator::In => "is one of {}",
        FilterOperator::NotIn => "is none of {}",
        FilterOperator::Null => "is empty",
        FilterOperator::NotNull => "is not empty",
        FilterOperator::Like => "is like {}",
        FilterOperator::NotLike => "is not like {}",
        FilterOperator::BeginsWith => "begins with {}",
        FilterOperator::NotBeginWith => "does not begin with {}",
        FilterOperator::EndsWith => "ends with {}",
        FilterOperator::NotEndWith => "does not end with {}",
        FilterOperator::Between => "is from {} to {}",
        FilterOperator::NotBetween => "is not from {} to {}",
        FilterOperator::ContainValues => "has one of {}",
        FilterOperator::NotContainValues => "has none of {}",
        FilterOperator::EqUserId => "is the user",
        FilterOperator::NeUserId => "is not the user",
        FilterOperator::EqUserTeams => "is a team of the user",
        FilterOperator::EqUserOrUserTeams => "is the user or a team of the user",
        FilterOperator::EqUserOrUserHierarchy => "is the user or somebody below the user",
        FilterOperator::EqUserOrUserHierarchyAndTeams => {
            "is the user, somebody below the user, or a team of one of them"
        }
        FilterOperator::EqBusinessId => "is the user's business unit",
        FilterOperator::NeBusinessId => "is not the user's business unit",
        FilterOperator::EqUserLanguage => "is the user's language",
        FilterOperator::Above => "is somewhere above {}",
        FilterOperator::EqOrAbove => "is {} or above it",
        FilterOperator::Under => "is somewhere below {}",
        FilterOperator::EqOrUnder => "is {} or below it",
        FilterOperator::NotUnder => "is nowhere below {}",
        _ => window_phrase(operator),
    }
}

/// The phrases of operators on dates.
fn window_phrase(operator: FilterOperator) -> &'static str {
    match operator {
        FilterOperator::Yesterday => "is yesterday",
        FilterOperator::Today => "is today",
        FilterOperator::Tomorrow => "is tomorrow",
        FilterOperator::LastSevenDays => "is within the last 7 days",
        FilterOperator::NextSevenDays => "is within the next 7 days",
        FilterOperator::LastWeek => "is in last week",
        FilterOperator::ThisWeek => "is in this week",
        FilterOperator::NextWeek => "is in next week",
        FilterOperator::LastMonth => "is in last month",
        FilterOperator::ThisMonth => "is in this month",
        FilterOperator::NextMonth => "is in next month",
        FilterOperator::LastYear => "is in last year",
        FilterOperator::ThisYear => "is in this year",
        FilterOperator::NextYear => "is in next year",
        FilterOperator::On => "is on {}",
        FilterOperator::OnOrBefore => "is on or before {}",
        FilterOperator::OnOrAfter => "is on or after {}",
        FilterOperator::LastXDays => "is within the last {} days",
        FilterOperator::NextXDays => "is within the next {} days",
        FilterOperator::LastXHours => "is within the last {} hours",
        FilterOperator::NextXHours => "is within the next {} hours",
        FilterOperator::LastXWeeks => "is within the last {} weeks",
        FilterOperator::NextXWeeks => "is within the next {} weeks",
        FilterOperator::LastXMonths => "is within the last {} months",
        FilterOperator::NextXMonths => "is within the next {} months",
        FilterOperator::LastXYears => "is within the last {} years",
        FilterOperator::NextXYears => "is within the next {} years",
        FilterOperator::OlderThanXMinutes => "is more than {} minutes ago",
        FilterOperator::OlderThanXHours => "is more than {} hours ago",
        FilterOperator::OlderThanXDays => "is more than {} days ago",
        FilterOperator::OlderThanXWeeks => "is more than {} weeks ago",
        FilterOperator::OlderThanXMonths => "is more than {} months ago",
        FilterOperator::OlderThanXYears => "is more than {} years ago",
        FilterOperator::ThisFiscalYear => "is in this fiscal year",
        FilterOperator::LastFiscalYear => "is in last fiscal year",
        FilterOperator::NextFiscalYear => "is in next fiscal year",
        FilterOperator::ThisFiscalPeriod => "is in this fiscal period",
        FilterOperator::LastFiscalPeriod => "is in last fiscal period",
        FilterOperator::NextFiscalPeriod => "is in next fiscal period",
        FilterOperator::LastXFiscalYears => "is within the last {} fiscal years",
        FilterOperator::LastXFiscalPeriods => "is within the last {} fiscal periods",
        FilterOperator::NextXFiscalYears => "is within the next {} fiscal years",
        FilterOperator::NextXFiscalPeriods => "is within the next {} fiscal periods",
        FilterOperator::InFiscalYear => "is in fiscal year {}",
        FilterOperator::InFiscalPeriod => "is in fiscal period {} of any year",
        FilterOperator::InFiscalPeriodAndYear => "is in fiscal period {} of {}",
        FilterOperator::InOrBeforeFiscalPeriodAndYear => "is in or before fiscal period {} of {}",
        FilterOperator::InOrAfterFiscalPeriodAndYear => "is in or after fiscal period {} of {}",
        _ => phrase(FilterOperator::Unspecified, AttributeType::Unspecified),
    }
}
