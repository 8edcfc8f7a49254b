//! The operators: their names, what they take, and which attributes they apply to.

use haversack_proto::model::{AttributeType, FilterOperator};

use crate::schema::{Attribute, Entity};

/// Attribute types that compare alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Family {
    Text,
    Integer,
    /// Single choices.
    Choice,
    Decimal,
    Real,
    Truth,
    /// Sets of choices.
    ChoiceSet,
    /// Dates and times that are instants.
    Instant,
    /// Dates and times without a zone.
    WallClock,
    Day,
    Id,
}

impl From<AttributeType> for Family {
    /// `Unspecified` never gets here: the schema refuses it.
    fn from(kind: AttributeType) -> Self {
        match kind {
            AttributeType::Unspecified | AttributeType::String | AttributeType::Memo | AttributeType::EntityName => {
                Self::Text
            }
            AttributeType::Integer | AttributeType::Bigint => Self::Integer,
            AttributeType::Picklist | AttributeType::State | AttributeType::Status => Self::Choice,
            AttributeType::Decimal | AttributeType::Money => Self::Decimal,
            AttributeType::Double => Self::Real,
            AttributeType::Boolean => Self::Truth,
            AttributeType::MultiSelectPicklist => Self::ChoiceSet,
            AttributeType::Datetime => Self::Instant,
            AttributeType::DatetimeIndependent => Self::WallClock,
            AttributeType::DateOnly => Self::Day,
            AttributeType::Uniqueidentifier
            | AttributeType::Lookup
            | AttributeType::Owner
            | AttributeType::Customer => Self::Id,
        }
    }
}

impl Family {
    /// What people call the attributes, for messages.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "whole numbers",
            Self::Choice => "choices",
            Self::Decimal => "decimals and money",
            Self::Real => "doubles",
            Self::Truth => "booleans",
            Self::ChoiceSet => "sets of choices",
            Self::Instant => "dates and times",
            Self::WallClock => "dates and times without a zone",
            Self::Day => "days",
            Self::Id => "ids and lookups",
        }
    }

    /// Whether an attribute can be compared with another one of the row (`valueof`): texts with each other, and ids,
    /// and whatever else is of one and the same type.
    pub(super) fn can_compare(left: AttributeType, right: AttributeType) -> bool {
        let family = Self::from(left);
        left == right || (family == Self::from(right) && matches!(family, Self::Text | Self::Id))
    }

    /// What a link compares in an attribute: a primary id is an id whatever its type. None of doubles, booleans and sets,
    /// by which nobody links rows.
    pub(super) fn linking(entity: &Entity, attribute: &Attribute) -> Option<Self> {
        if attribute.number == entity.primary_id {
            return Some(Self::Id);
        }
        let family = Self::from(attribute.kind);
        (!matches!(family, Self::Real | Self::Truth | Self::ChoiceSet)).then_some(family)
    }

    /// Whether a link may compare two attributes.
    pub(super) fn can_link((one, from): (&Entity, &Attribute), (other, to): (&Entity, &Attribute)) -> bool {
        Self::linking(one, from).is_some_and(|family| Self::linking(other, to) == Some(family))
    }

    /// Whether the values have an order that filters may ask for.
    pub(super) fn is_ordered(self) -> bool {
        ORDERED.contains(&self)
    }
}

/// What an operator takes beside its attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arity {
    /// Nothing.
    None,
    /// One value of the attribute's type.
    One,
    /// Two of them: a lower and an upper bound.
    Two,
    /// At least one value of the attribute's type; for sets of choices, the members of one set.
    Several,
    /// A pattern.
    Pattern,
    /// A whole number from 1 to this.
    Number(u32),
    /// A day, whose time of day does not count.
    Day,
    /// The numbers of a fiscal period and of its year.
    PeriodAndYear,
    /// The id of a row of a hierarchy.
    Row,
}

impl Arity {
    /// Whether the operands are written as one `value`, be it an XML attribute or an element.
    pub(super) fn is_one(self) -> bool {
        matches!(self, Self::One | Self::Pattern | Self::Number(_) | Self::Day | Self::Row)
    }
}

/// Most days, weeks, months, years or fiscal periods that an operator counts, and the highest number of a period.
pub const COUNT_MAX: u32 = 100_000;

/// Most hours or minutes that an operator counts.
pub const HOURS_MAX: u32 = 100_000_000;

/// The latest fiscal year that an operator names.
pub const FISCAL_YEAR_MAX: u32 = 9_999;

const COUNT: Arity = Arity::Number(COUNT_MAX);
const SHORT_COUNT: Arity = Arity::Number(HOURS_MAX);
const YEAR: Arity = Arity::Number(FISCAL_YEAR_MAX);

/// An operator.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) operator: FilterOperator,
    /// FetchXML's names, synonyms last.
    pub(super) names: &'static [&'static str],
    pub(super) arity: Arity,
    pub(super) families: &'static [Family],
}

const ALL: &[Family] = &[
    Family::Text,
    Family::Integer,
    Family::Choice,
    Family::Decimal,
    Family::Real,
    Family::Truth,
    Family::ChoiceSet,
    Family::Instant,
    Family::WallClock,
    Family::Day,
    Family::Id,
];
const ORDERED: &[Family] = &[
    Family::Text,
    Family::Integer,
    Family::Choice,
    Family::Decimal,
    Family::Real,
    Family::Instant,
    Family::WallClock,
    Family::Day,
];
const SPANNED: &[Family] =
    &[Family::Text, Family::Integer, Family::Decimal, Family::Real, Family::Instant, Family::WallClock, Family::Day];
const LISTED: &[Family] = &[
    Family::Text,
    Family::Integer,
    Family::Choice,
    Family::Decimal,
    Family::Real,
    Family::Truth,
    Family::ChoiceSet,
    Family::Id,
];
const TEXT: &[Family] = &[Family::Text];
const INTEGER: &[Family] = &[Family::Integer];
const CHOICES: &[Family] = &[Family::ChoiceSet];
const DATE: &[Family] = &[Family::Instant, Family::WallClock, Family::Day];
const CLOCK: &[Family] = &[Family::Instant, Family::WallClock];
const ID: &[Family] = &[Family::Id];

const fn spec(
    operator: FilterOperator,
    names: &'static [&'static str],
    arity: Arity,
    families: &'static [Family],
) -> Spec {
    Spec { operator, names, arity, families }
}

/// FetchXML's operators.
pub(super) const SPECS: &[Spec] = &[
    spec(FilterOperator::Eq, &["eq"], Arity::One, ALL),
    spec(FilterOperator::Ne, &["ne", "neq"], Arity::One, ALL),
    spec(FilterOperator::Gt, &["gt"], Arity::One, ORDERED),
    spec(FilterOperator::Ge, &["ge"], Arity::One, ORDERED),
    spec(FilterOperator::Lt, &["lt"], Arity::One, ORDERED),
    spec(FilterOperator::Le, &["le"], Arity::One, ORDERED),
    spec(FilterOperator::In, &["in"], Arity::Several, LISTED),
    spec(FilterOperator::NotIn, &["not-in"], Arity::Several, LISTED),
    spec(FilterOperator::Null, &["null"], Arity::None, ALL),
    spec(FilterOperator::NotNull, &["not-null"], Arity::None, ALL),
    spec(FilterOperator::Like, &["like"], Arity::Pattern, TEXT),
    spec(FilterOperator::NotLike, &["not-like"], Arity::Pattern, TEXT),
    spec(FilterOperator::BeginsWith, &["begins-with"], Arity::Pattern, TEXT),
    spec(FilterOperator::NotBeginWith, &["not-begin-with"], Arity::Pattern, TEXT),
    spec(FilterOperator::EndsWith, &["ends-with"], Arity::Pattern, TEXT),
    spec(FilterOperator::NotEndWith, &["not-end-with"], Arity::Pattern, TEXT),
    spec(FilterOperator::Between, &["between"], Arity::Two, SPANNED),
    spec(FilterOperator::NotBetween, &["not-between"], Arity::Two, SPANNED),
    spec(FilterOperator::ContainValues, &["contain-values"], Arity::Several, CHOICES),
    spec(FilterOperator::NotContainValues, &["not-contain-values"], Arity::Several, CHOICES),
    spec(FilterOperator::EqUserId, &["eq-userid"], Arity::None, ID),
    spec(FilterOperator::NeUserId, &["ne-userid"], Arity::None, ID),
    spec(FilterOperator::EqUserTeams, &["eq-userteams"], Arity::None, ID),
    spec(FilterOperator::EqUserOrUserTeams, &["eq-useroruserteams"], Arity::None, ID),
    spec(FilterOperator::EqUserOrUserHierarchy, &["eq-useroruserhierarchy"], Arity::None, ID),
    spec(FilterOperator::EqUserOrUserHierarchyAndTeams, &["eq-useroruserhierarchyandteams"], Arity::None, ID),
    spec(FilterOperator::EqBusinessId, &["eq-businessid"], Arity::None, ID),
    spec(FilterOperator::NeBusinessId, &["ne-businessid"], Arity::None, ID),
    spec(FilterOperator::EqUserLanguage, &["eq-userlanguage"], Arity::None, INTEGER),
    spec(FilterOperator::Yesterday, &["yesterday"], Arity::None, DATE),
    spec(FilterOperator::Today, &["today"], Arity::None, DATE),
    spec(FilterOperator::Tomorrow, &["tomorrow"], Arity::None, DATE),
    spec(FilterOperator::LastSevenDays, &["last-seven-days"], Arity::None, DATE),
    spec(FilterOperator::NextSevenDays, &["next-seven-days"], Arity::None, DATE),
    spec(FilterOperator::LastWeek, &["last-week"], Arity::None, DATE),
    spec(FilterOperator::ThisWeek, &["this-week"], Arity::None, DATE),
    spec(FilterOperator::NextWeek, &["next-week"], Arity::None, DATE),
    spec(FilterOperator::LastMonth, &["last-month"], Arity::None, DATE),
    spec(FilterOperator::ThisMonth, &["this-month"], Arity::None, DATE),
    spec(FilterOperator::NextMonth, &["next-month"], Arity::None, DATE),
    spec(FilterOperator::LastYear, &["last-year"], Arity::None, DATE),
    spec(FilterOperator::ThisYear, &["this-year"], Arity::None, DATE),
    spec(FilterOperator::NextYear, &["next-year"], Arity::None, DATE),
    spec(FilterOperator::On, &["on"], Arity::Day, DATE),
    spec(FilterOperator::OnOrBefore, &["on-or-before"], Arity::Day, DATE),
    spec(FilterOperator::OnOrAfter, &["on-or-after"], Arity::Day, DATE),
    spec(FilterOperator::LastXDays, &["last-x-days"], COUNT, DATE),
    spec(FilterOperator::NextXDays, &["next-x-days"], COUNT, DATE),
    spec(FilterOperator::LastXHours, &["last-x-hours"], SHORT_COUNT, CLOCK),
    spec(FilterOperator::NextXHours, &["next-x-hours"], SHORT_COUNT, CLOCK),
    spec(FilterOperator::LastXWeeks, &["last-x-weeks"], COUNT, DATE),
    spec(FilterOperator::NextXWeeks, &["next-x-weeks"], COUNT, DATE),
    spec(FilterOperator::LastXMonths, &["last-x-months"], COUNT, DATE),
    spec(FilterOperator::NextXMonths, &["next-x-months"], COUNT, DATE),
    spec(FilterOperator::LastXYears, &["last-x-years"], COUNT, DATE),
    spec(FilterOperator::NextXYears, &["next-x-years"], COUNT, DATE),
    spec(FilterOperator::OlderThanXMinutes, &["olderthan-x-minutes"], SHORT_COUNT, CLOCK),
    spec(FilterOperator::OlderThanXHours, &["olderthan-x-hours"], SHORT_COUNT, CLOCK),
    spec(FilterOperator::OlderThanXDays, &["olderthan-x-days"], COUNT, DATE),
    spec(FilterOperator::OlderThanXWeeks, &["olderthan-x-weeks"], COUNT, DATE),
    spec(FilterOperator::OlderThanXMonths, &["olderthan-x-months"], COUNT, DATE),
    spec(FilterOperator::OlderThanXYears, &["olderthan-x-years"], COUNT, DATE),
    spec(FilterOperator::ThisFiscalYear, &["this-fiscal-year"], Arity::None, DATE),
    spec(FilterOperator::LastFiscalYear, &["last-fiscal-year"], Arity::None, DATE),
    spec(FilterOperator::NextFiscalYear, &["next-fiscal-year"], Arity::None, DATE),
    spec(FilterOperator::ThisFiscalPeriod, &["this-fiscal-period"], Arity::None, DATE),
    spec(FilterOperator::LastFiscalPeriod, &["last-fiscal-period"], Arity::None, DATE),
    spec(FilterOperator::NextFiscalPeriod, &["next-fiscal-period"], Arity::None, DATE),
    spec(FilterOperator::LastXFiscalYears, &["last-x-fiscal-years"], COUNT, DATE),
    spec(FilterOperator::LastXFiscalPeriods, &["last-x-fiscal-periods"], COUNT, DATE),
    spec(FilterOperator::NextXFiscalYears, &["next-x-fiscal-years"], COUNT, DATE),
    spec(FilterOperator::NextXFiscalPeriods, &["next-x-fiscal-periods"], COUNT, DATE),
    spec(FilterOperator::InFiscalYear, &["in-fiscal-year"], YEAR, DATE),
    spec(FilterOperator::InFiscalPeriod, &["in-fiscal-period"], COUNT, DATE),
    spec(FilterOperator::InFiscalPeriodAndYear, &["in-fiscal-period-and-year"], Arity::PeriodAndYear, DATE),
    spec(
        FilterOperator::InOrBeforeFiscalPeriodAndYear,
        &["in-or-before-fiscal-period-and-year"],
        Arity::PeriodAndYear,
        DATE,
    ),
    spec(
        FilterOperator::InOrAfterFiscalPeriodAndYear,
        &["in-or-after-fiscal-period-and-year"],
        Arity::PeriodAndYear,
        DATE,
    ),
    spec(FilterOperator::Above, &["above"], Arity::Row, ID),
    spec(FilterOperator::EqOrAbove, &["eq-or-above"], Arity::Row, ID),
    spec(FilterOperator::Under, &["under"], Arity::Row, ID),
    spec(FilterOperator::EqOrUnder, &["eq-or-under"], Arity::Row, ID),
    spec(FilterOperator::NotUnder, &["not-under"], Arity::Row, ID),
];

impl Spec {
    /// The operator of a FetchXML name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        SPECS.iter().find(|spec| spec.names.contains(&name))
    }

    /// The operator of a compiled condition; None for the unspecified one.
    pub(super) fn of(operator: FilterOperator) -> Option<&'static Self> {
        SPECS.iter().find(|spec| spec.operator == operator)
    }

    /// The name by which messages know the operator.
    pub(super) fn name(&self) -> &'static str {
        self.names[0]
    }

    /// Whether the operator can compare an attribute with another one of the row.
    pub(super) fn takes_attribute(&self) -> bool {
        use FilterOperator as Op;
        matches!(self.operator, Op::Eq | Op::Ne | Op::Gt | Op::Ge | Op::Lt | Op::Le)
    }

    /// The attributes that the operator applies to, for messages.
    pub(super) fn applies_to(&self) -> String {
        self.families.iter().map(|family| family.plural()).collect::<Vec<_>>().join(", ")
    }
}

/// How many names a message suggests in place of one that does not exist.
const SUGGESTIONS: usize = 4;

/// The operators whose names are most like this one, for messages.
pub(super) fn suggestions(name: &str) -> String {
    let name = name.to_lowercase();
    let mut names: Vec<&str> = SPECS.iter().flat_map(|spec| spec.names).copied().collect();
    names.sort_by_cached_key(|known| distance(known, &name));
    names[..SUGGESTIONS].join(", ")
}

/// How many letters have to be added, removed or replaced to get from one name to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for letter in from.chars() {
        let mut diagonal = row[0];
        row[0] += 1;
        for (at, other) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_they_are_fetchxml_s_83_operators() {
        let names: std::collections::BTreeSet<_> = SPECS.iter().flat_map(|spec| spec.names).copied().collect();
        assert_eq!(names.len(), 83);
        assert_eq!(names.len(), SPECS.iter().map(|spec| spec.names.len()).sum::<usize>());
    }

    #[test]
    fn every_operator_of_the_contract_has_a_spec() {
        for number in 1..=82 {
            let operator = FilterOperator::try_from(number).expect("in the contract");
            assert_eq!(Spec::of(operator).map(|spec| spec.operator), Some(operator));
        }
        assert!(FilterOperator::try_from(83).is_err(), "a new operator needs a spec, and this test its number");
        assert!(Spec::of(FilterOperator::Unspecified).is_none());
    }

    #[test]
    fn the_most_similar_names_are_suggested() {
        for (name, first) in
            [("EQ", "eq"), ("not_in", "not-in"), ("last-x-day", "last-x-days"), ("beginswith", "begins-with")]
        {
            assert!(suggestions(name).starts_with(&format!("{first}, ")), "{name}: {}", suggestions(name));
        }
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("kitten", "sitting")), (3, 3, 3));
    }
}
