//! Equality, lists and order: from operands of a family to the values that they take in.

use std::ops::Bound;

use haversack_proto::model::{Collation, FilterOperand, FilterOperator};

use super::operator::Family;
use super::stored::{all, canonical, id, integer, only, packed, pair, real, text, truth};
use super::test::{Among, comparable, real_order};

/// The values that equal one of the operands, of which there must be at least one.
pub(super) fn among(family: Family, operands: &[FilterOperand], collation: Collation) -> Option<Among> {
    if operands.is_empty() {
        return None;
    }
    Some(match family {
        Family::Text => Among::texts(collation, &all(operands, text)?),
        Family::Integer | Family::Choice | Family::Instant | Family::WallClock | Family::Day => {
            Among::integers(all(operands, integer)?)
        }
        Family::Truth => Among::integers(all(operands, truth)?),
        Family::Real => Among::integers(all(operands, real)?),
        Family::Decimal => Among::decimals(all(operands, |it| canonical(it).map(str::to_owned))?),
        Family::Id => Among::ids(all(operands, id)?),
        Family::ChoiceSet => Among::sets(all(operands, packed)?),
    })
}

/// The values above or below the only operand.
pub(super) fn ordered(
    operator: FilterOperator,
    family: Family,
    operands: &[FilterOperand],
    collation: Collation,
) -> Option<Among> {
    match family {
        Family::Text => {
            let limit = comparable(only(operands, text)?, collation).into_owned();
            Some(Among::TextRange(collation, bounds(operator, limit)?))
        }
        Family::Decimal => {
            let limit = only(operands, canonical)?.to_owned();
            Some(Among::DecimalRange(bounds(operator, limit)?))
        }
        Family::Integer | Family::Choice | Family::Instant | Family::WallClock | Family::Day => {
            Some(integers_within(bounds(operator, only(operands, integer)?)?, i64::MIN, i64::MAX))
        }
        Family::Real => {
            let (lowest, highest) = (real_order(f64::NEG_INFINITY), real_order(f64::INFINITY));
            Some(integers_within(bounds(operator, only(operands, real)?)?, lowest, highest))
        }
        Family::Truth | Family::ChoiceSet | Family::Id => None,
    }
}

/// The values from the first operand to the second, both included; none if they are the wrong way round.
pub(super) fn between(family: Family, operands: &[FilterOperand], collation: Collation) -> Option<Among> {
    let integers = |(low, high)| Among::integers_between(low, high);
    match family {
        Family::Text => {
            let (low, high) = pair(operands, text)?;
            let limit = |text| Bound::Included(comparable(text, collation).into_owned());
            Some(Among::TextRange(collation, (limit(low), limit(high))))
        }
        Family::Decimal => {
            let (low, high) = pair(operands, canonical)?;
            Some(Among::DecimalRange((Bound::Included(low.to_owned()), Bound::Included(high.to_owned()))))
        }
        Family::Integer | Family::Instant | Family::WallClock | Family::Day => pair(operands, integer).map(integers),
        Family::Real => pair(operands, real).map(integers),
        Family::Choice | Family::Truth | Family::ChoiceSet | Family::Id => None,
    }
}

fn bounds<T>(operator: FilterOperator, limit: T) -> Option<(Bound<T>, Bound<T>)> {
    match operator {
        FilterOperator::Gt => Some((Bound::Excluded(limit), Bound::Unbounded)),
        FilterOperator::Ge => Some((Bound::Included(limit), Bound::Unbounded)),
        FilterOperator::Lt => Some((Bound::Unbounded, Bound::Excluded(limit))),
        FilterOperator::Le => Some((Bound::Unbounded, Bound::Included(limit))),
        _ => None,
    }
}

fn integers_within((low, high): (Bound<i64>, Bound<i64>), lowest: i64, highest: i64) -> Among {
    let low = match low {
        Bound::Included(low) => Some(low),
        Bound::Excluded(low) => low.checked_add(1),
        Bound::Unbounded => Some(lowest),
    };
    let high = match high {
        Bound::Included(high) => Some(high),
        Bound::Excluded(high) => high.checked_sub(1),
        Bound::Unbounded => Some(highest),
    };
    match (low, high) {
        (Some(low), Some(high)) => Among::integers_between(low, high),
        _ => Among::integers(vec![]),
    }
}
