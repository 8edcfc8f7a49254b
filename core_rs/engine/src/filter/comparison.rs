//! Tests of two values of one row against each other.

use std::cmp::Ordering;

use haversack_proto::model::{Collation, FilterOperator};

use super::FilterRules;
use super::operator::Family;
use super::test::{as_integer, comparable};
use crate::row::{Value, decimal, row_key};

/// What has to hold between two values of one family. No order holds, and no equality, where one of them is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ComparisonTest {
    pub(super) family: Family,
    pub(super) collation: Collation,
    /// How the left value may stand to the right one.
    pub(super) accepted: &'static [Ordering],
    /// Whether the test holds where the left value is NULL.
    pub(super) matches_null: bool,
}

impl ComparisonTest {
    /// The test of an operator; None if it does not compare two values of this family.
    pub(super) fn new(operator: FilterOperator, family: Family, rules: &FilterRules) -> Option<Self> {
        use FilterOperator as Op;
        let accepted: &[Ordering] = match operator {
            Op::Eq => &[Ordering::Equal],
            Op::Ne => &[Ordering::Less, Ordering::Greater],
            Op::Gt => &[Ordering::Greater],
            Op::Ge => &[Ordering::Greater, Ordering::Equal],
            Op::Lt => &[Ordering::Less],
            Op::Le => &[Ordering::Less, Ordering::Equal],
            _ => return None,
        };
        let is_known = matches!(operator, Op::Eq | Op::Ne) || family.is_ordered();
        let matches_null = operator == Op::Ne && !rules.null_never_matches;
        is_known.then_some(Self { family, collation: rules.collation, accepted, matches_null })
    }

    /// Whether the test holds between two values.
    pub fn matches(&self, left: Option<&Value<'_>>, right: Option<&Value<'_>>) -> bool {
        let Some(left) = left else { return self.matches_null };
        right.and_then(|right| self.order(left, right)).is_some_and(|order| self.accepted.contains(&order))
    }

    /// Families without an order have one here that says whether values are equal, and nothing else. Values of other
    /// types have none; rows are typed, so none arrives.
    fn order(&self, left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
        match (self.family, left, right) {
            (Family::Decimal, Value::Text(left), Value::Text(right)) => Some(decimal::compare(left, right)),
            (_, Value::Text(left), Value::Text(right)) => {
                Some(comparable(left, self.collation).cmp(&comparable(right, self.collation)))
            }
            (Family::Id, left, right) => Some(row_key(left)?.cmp(&row_key(right)?)),
            (_, Value::Integers(left), Value::Integers(right)) => Some(left.cmp(right)),
            _ => Some(as_integer(left)?.cmp(&as_integer(right)?)),
        }
    }
}
