//! The operators: their names, what they take, and which attributes they apply to.

use haversack_proto::model::{AttributeType, FilterOperator};

/// Attribute types that compare alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Text,
    /// Whole numbers and single choices.
    Integer,
    Decimal,
    Real,
    Truth,
    /// Sets of choices.
    Choices,
    Date,
    Id,
}

impl From<AttributeType> for Family {
    /// `Unspecified` never gets here: the schema refuses it.
    fn from(kind: AttributeType) -> Self {
        match kind {
            AttributeType::Unspecified | AttributeType::String | AttributeType::Memo | AttributeType::EntityName => {
                Self::Text
            }
            AttributeType::Integer
            | AttributeType::Bigint
            | AttributeType::Picklist
            | AttributeType::State
            | AttributeType::Status => Self::Integer,
            AttributeType::Decimal | AttributeType::Money => Self::Decimal,
            AttributeType::Double => Self::Real,
            AttributeType::Boolean => Self::Truth,
            AttributeType::MultiSelectPicklist => Self::Choices,
            AttributeType::Datetime | AttributeType::DatetimeIndependent | AttributeType::DateOnly => Self::Date,
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
            Self::Integer => "whole numbers and choices",
            Self::Decimal => "decimals and money",
            Self::Real => "doubles",
            Self::Truth => "booleans",
            Self::Choices => "sets of choices",
            Self::Date => "dates",
            Self::Id => "ids and lookups",
        }
    }
}

/// What an operator takes beside its attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arity {
    /// Nothing.
    None,
    /// One value of the attribute's type.
    One,
    /// At least one value of the attribute's type; for sets of choices, the members of one set.
    Several,
    /// A pattern.
    Pattern,
    /// A positive number of days.
    Days,
}

/// An operator that this version evaluates.
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
    Family::Decimal,
    Family::Real,
    Family::Truth,
    Family::Choices,
    Family::Date,
    Family::Id,
];
const ORDERED: &[Family] = &[Family::Text, Family::Integer, Family::Decimal, Family::Real, Family::Date];
const LISTED: &[Family] =
    &[Family::Text, Family::Integer, Family::Decimal, Family::Real, Family::Truth, Family::Choices, Family::Id];
const TEXT: &[Family] = &[Family::Text];
const DATE: &[Family] = &[Family::Date];
const ID: &[Family] = &[Family::Id];

const fn spec(
    operator: FilterOperator,
    names: &'static [&'static str],
    arity: Arity,
    families: &'static [Family],
) -> Spec {
    Spec { operator, names, arity, families }
}

const SPECS: &[Spec] = &[
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
    spec(FilterOperator::EqUserId, &["eq-userid"], Arity::None, ID),
    spec(FilterOperator::EqUserTeams, &["eq-userteams"], Arity::None, ID),
    spec(FilterOperator::EqBusinessId, &["eq-businessid"], Arity::None, ID),
    spec(FilterOperator::LastXDays, &["last-x-days"], Arity::Days, DATE),
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

    /// The attributes that the operator applies to, for messages.
    pub(super) fn applies_to(&self) -> String {
        self.families.iter().map(|family| family.plural()).collect::<Vec<_>>().join(", ")
    }
}

/// The names of the operators above, for messages.
pub(super) fn supported_names() -> String {
    SPECS.iter().flat_map(|spec| spec.names).copied().collect::<Vec<_>>().join(", ")
}

/// Whether FetchXML has an operator that this version does not evaluate.
pub(super) fn is_known_elsewhere(name: &str) -> bool {
    LATER.contains(&name)
}

/// FetchXML's other operators.
const LATER: &[&str] = &[
    "between",
    "not-between",
    "begins-with",
    "not-begin-with",
    "ends-with",
    "not-end-with",
    "ne-userid",
    "eq-useroruserteams",
    "eq-useroruserhierarchy",
    "eq-useroruserhierarchyandteams",
    "ne-businessid",
    "eq-userlanguage",
    "yesterday",
    "today",
    "tomorrow",
    "last-seven-days",
    "next-seven-days",
    "last-week",
    "this-week",
    "next-week",
    "last-month",
    "this-month",
    "next-month",
    "last-year",
    "this-year",
    "next-year",
    "on",
    "on-or-before",
    "on-or-after",
    "next-x-days",
    "last-x-hours",
    "next-x-hours",
    "last-x-weeks",
    "next-x-weeks",
    "last-x-months",
    "next-x-months",
    "last-x-years",
    "next-x-years",
    "olderthan-x-minutes",
    "olderthan-x-hours",
    "olderthan-x-days",
    "olderthan-x-weeks",
    "olderthan-x-months",
    "olderthan-x-years",
    "this-fiscal-year",
    "last-fiscal-year",
    "next-fiscal-year",
    "this-fiscal-period",
    "last-fiscal-period",
    "next-fiscal-period",
    "last-x-fiscal-years",
    "last-x-fiscal-periods",
    "next-x-fiscal-years",
    "next-x-fiscal-periods",
    "in-fiscal-year",
    "in-fiscal-period",
    "in-fiscal-period-and-year",
    "in-or-before-fiscal-period-and-year",
    "in-or-after-fiscal-period-and-year",
    "above",
    "eq-or-above",
    "under",
    "eq-or-under",
    "not-under",
    "contain-values",
    "not-contain-values",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_they_are_fetchxml_s_83_operators() {
        let names: std::collections::BTreeSet<_> =
            SPECS.iter().flat_map(|spec| spec.names).chain(LATER).copied().collect();
        assert_eq!(names.len(), 83);
        assert_eq!(names.len(), SPECS.iter().map(|spec| spec.names.len()).sum::<usize>() + LATER.len());
    }

    #[test]
    fn every_operator_of_the_contract_has_a_spec() {
        for number in 1..=16 {
            let operator = FilterOperator::try_from(number).expect("in the contract");
            assert_eq!(Spec::of(operator).map(|spec| spec.operator), Some(operator));
        }
        assert!(FilterOperator::try_from(17).is_err(), "a new operator needs a spec, and this test its number");
        assert!(Spec::of(FilterOperator::Unspecified).is_none());
    }
}
