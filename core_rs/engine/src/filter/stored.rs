//! Operands of a compiled condition, read as the type that they have to be of.

use haversack_proto::model::FilterOperand;
use haversack_proto::model::filter_operand::Value as Typed;

use super::test::real_order;
use super::window::Moment;
use crate::ids::RowKey;
use crate::row::{Integers, decimal, parse_id, row_key};

/// Every operand, if all are of the type that `read` reads.
pub(super) fn all<'o, T>(operands: &'o [FilterOperand], read: impl Fn(&'o Typed) -> Option<T>) -> Option<Vec<T>> {
    operands.iter().map(|operand| read(operand.value.as_ref()?)).collect()
}

/// The operand, if there is one and no more.
pub(super) fn only<'o, T>(operands: &'o [FilterOperand], read: impl Fn(&'o Typed) -> Option<T>) -> Option<T> {
    let [operand] = operands else { return None };
    read(operand.value.as_ref()?)
}

/// The operands, if there are two and no more.
pub(super) fn pair<'o, T>(operands: &'o [FilterOperand], read: impl Fn(&'o Typed) -> Option<T>) -> Option<(T, T)> {
    let [first, second] = operands else { return None };
    Some((read(first.value.as_ref()?)?, read(second.value.as_ref()?)?))
}

/// A clock of the caller in microseconds.
pub(super) fn wall_clock(operand: &FilterOperand) -> Option<i64> {
    if let Some(Typed::WallClock(wall)) = operand.value { Some(wall) } else { None }
}

pub(super) fn moment(operand: &Typed) -> Option<Moment> {
    match operand {
        Typed::Integer(micros) => Some(Moment::Instant(*micros)),
        Typed::WallClock(wall) => Some(Moment::Clock(*wall)),
        _ => None,
    }
}

pub(super) fn text(operand: &Typed) -> Option<&str> {
    if let Typed::Text(text) = operand { Some(text) } else { None }
}

pub(super) fn canonical(operand: &Typed) -> Option<&str> {
    text(operand).filter(|text| decimal::is_canonical(text))
}

pub(super) fn integer(operand: &Typed) -> Option<i64> {
    if let Typed::Integer(integer) = operand { Some(*integer) } else { None }
}

pub(super) fn truth(operand: &Typed) -> Option<i64> {
    if let Typed::Truth(truth) = operand { Some(i64::from(*truth)) } else { None }
}

pub(super) fn real(operand: &Typed) -> Option<i64> {
    if let Typed::Real(real) = operand { real.is_finite().then(|| real_order(*real)) } else { None }
}

pub(super) fn id(operand: &Typed) -> Option<RowKey> {
    match operand {
        Typed::Id(id) => id[..].try_into().ok().map(RowKey),
        Typed::Text(text) => parse_id(text).and_then(|id| row_key(&id)),
        _ => None,
    }
}

/// The members of a set that has some, ascending.
pub(super) fn members(operand: &Typed) -> Option<Vec<i64>> {
    let Typed::Integers(set) = operand else { return None };
    let sound = !set.values.is_empty() && set.values.is_sorted_by(|left, right| left < right);
    sound.then(|| set.values.clone())
}

pub(super) fn packed(operand: &Typed) -> Option<Vec<u8>> {
    let mut packed = vec![];
    Integers::pack(&members(operand)?, &mut packed);
    Some(packed)
}
