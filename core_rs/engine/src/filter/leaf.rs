//! From one compiled condition to its test.

use std::ops::Bound;

use haversack_proto::model::filter_operand::Value as Typed;
use haversack_proto::model::{Collation, FilterCondition, FilterOperand, FilterOperator};

use super::like::Pattern;
use super::operator::{Family, Spec};
use super::plan::{FilterRules, Holder, Leaf, LeafTest, UserTest};
use super::test::{Among, Test, comparable, real_order};
use super::window::{LAST_X_DAYS_MAX, WindowTest};
use crate::ids::{AttributeNumber, RowKey};
use crate::row::{Integers, decimal, parse_id, row_key};
use crate::schema::Entity;

/// Loads a condition. The error continues "the compiled filter …".
pub(super) fn leaf(condition: &FilterCondition, entity: &Entity, rules: FilterRules) -> Result<Leaf, String> {
    let number = AttributeNumber(condition.attribute_number);
    let attribute = entity
        .attribute_by_number(number)
        .ok_or_else(|| format!("tests attribute {}, which {} does not have", number.0, entity.name))?;
    let spec = Spec::of(condition.operator())
        .ok_or_else(|| format!("has operator {}, which this version does not know", condition.operator))?;
    let family = Family::from(attribute.kind);
    if !spec.families.contains(&family) {
        return Err(format!("tests \"{}\" with \"{}\", which does not apply to it", attribute.name, spec.name()));
    }
    let test = leaf_test(spec.operator, family, &condition.operands, rules)
        .ok_or_else(|| format!("tests \"{}\" with \"{}\" and unfit operands", attribute.name, spec.name()))?;
    Ok(Leaf { attribute: number, test })
}

fn leaf_test(
    operator: FilterOperator,
    family: Family,
    operands: &[FilterOperand],
    rules: FilterRules,
) -> Option<LeafTest> {
    let alone = |holder| {
        operands.is_empty().then_some(LeafTest::User(UserTest { holder, negated: false, matches_null: false }))
    };
    match operator {
        FilterOperator::EqUserId => alone(Holder::User),
        FilterOperator::EqUserTeams => alone(Holder::Teams),
        FilterOperator::EqBusinessId => alone(Holder::Unit),
        FilterOperator::LastXDays => {
            let days = u32::try_from(only(operands, integer)?).ok()?;
            (1..=LAST_X_DAYS_MAX).contains(&days).then_some(LeafTest::Window(WindowTest::LastDays(days)))
        }
        _ => shared(operator, family, operands, rules).map(LeafTest::Shared),
    }
}

fn shared(operator: FilterOperator, family: Family, operands: &[FilterOperand], rules: FilterRules) -> Option<Test> {
    let positive = |among| Test { matches_null: false, negated: false, among };
    let negative = |among| Test { matches_null: !rules.null_never_matches, negated: true, among };
    let equal = || among(family, operands, rules.collation);
    let one_equal = || equal().filter(|_| operands.len() == 1);
    let like = || {
        let pattern = Pattern::parse(only(operands, text)?, rules.collation).ok()?;
        Some(Among::Like(rules.collation, pattern))
    };
    match operator {
        FilterOperator::Null => {
            operands.is_empty().then_some(Test { matches_null: true, negated: true, among: Among::Anything })
        }
        FilterOperator::NotNull => operands.is_empty().then(|| positive(Among::Anything)),
        FilterOperator::Eq => one_equal().map(positive),
        FilterOperator::Ne => one_equal().map(negative),
        FilterOperator::In => equal().map(positive),
        FilterOperator::NotIn => equal().map(negative),
        FilterOperator::Like => like().map(positive),
        FilterOperator::NotLike => like().map(negative),
        _ => ordered(operator, family, operands, rules.collation).map(positive),
    }
}

/// The values that equal one of the operands, of which there must be at least one.
fn among(family: Family, operands: &[FilterOperand], collation: Collation) -> Option<Among> {
    if operands.is_empty() {
        return None;
    }
    Some(match family {
        Family::Text => Among::texts(collation, &all(operands, text)?),
        Family::Integer | Family::Date => Among::integers(all(operands, integer)?),
        Family::Truth => Among::integers(all(operands, truth)?),
        Family::Real => Among::integers(all(operands, real)?),
        Family::Decimal => Among::decimals(all(operands, |it| canonical(it).map(str::to_owned))?),
        Family::Id => Among::ids(all(operands, id)?),
        Family::Choices => Among::sets(all(operands, packed)?),
    })
}

/// The values above or below the only operand.
fn ordered(
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
        Family::Integer | Family::Date => {
            Some(integers_within(bounds(operator, only(operands, integer)?)?, i64::MIN, i64::MAX))
        }
        Family::Real => {
            let (lowest, highest) = (real_order(f64::NEG_INFINITY), real_order(f64::INFINITY));
            Some(integers_within(bounds(operator, only(operands, real)?)?, lowest, highest))
        }
        Family::Truth | Family::Choices | Family::Id => None,
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

/// Every operand, if all are of the type that `read` reads.
fn all<'o, T>(operands: &'o [FilterOperand], read: impl Fn(&'o Typed) -> Option<T>) -> Option<Vec<T>> {
    operands.iter().map(|operand| read(operand.value.as_ref()?)).collect()
}

/// The operand, if there is one and no more.
fn only<'o, T>(operands: &'o [FilterOperand], read: impl Fn(&'o Typed) -> Option<T>) -> Option<T> {
    let [operand] = operands else { return None };
    read(operand.value.as_ref()?)
}

fn text(operand: &Typed) -> Option<&str> {
    if let Typed::Text(text) = operand { Some(text) } else { None }
}

fn canonical(operand: &Typed) -> Option<&str> {
    text(operand).filter(|text| decimal::is_canonical(text))
}

fn integer(operand: &Typed) -> Option<i64> {
    if let Typed::Integer(integer) = operand { Some(*integer) } else { None }
}

fn truth(operand: &Typed) -> Option<i64> {
    if let Typed::Truth(truth) = operand { Some(i64::from(*truth)) } else { None }
}

fn real(operand: &Typed) -> Option<i64> {
    if let Typed::Real(real) = operand { real.is_finite().then(|| real_order(*real)) } else { None }
}

fn id(operand: &Typed) -> Option<RowKey> {
    match operand {
        Typed::Id(id) => id[..].try_into().ok().map(RowKey),
        Typed::Text(text) => parse_id(text).and_then(|id| row_key(&id)),
        _ => None,
    }
}

fn packed(operand: &Typed) -> Option<Vec<u8>> {
    let Typed::Integers(set) = operand else { return None };
    let mut packed = vec![];
    let sound = !set.values.is_empty() && set.values.is_sorted_by(|left, right| left < right);
    sound.then(|| Integers::pack(&set.values, &mut packed))?;
    Some(packed)
}
