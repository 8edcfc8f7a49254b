//! What the estimates of many users come to.

use super::{Amount, UserEstimate};
use crate::ids::{EntityNumber, RowKey};

/// How many of the largest devices are named.
pub const LARGEST_MAX: usize = 10;

/// How a number is spread over users: the least that at least so many percent of them do not exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Half of the users.
    pub p50: u64,
    /// 90 of 100 users.
    pub p90: u64,
    /// 99 of 100 users.
    pub p99: u64,
    /// Every user.
    pub max: u64,
}

/// What one entity takes on all devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntitySummary {
    /// The entity.
    pub entity: EntityNumber,
    /// Over all users.
    pub total: Amount,
    /// Rows by user.
    pub rows: Percentiles,
    /// Bytes by user.
    pub bytes: Percentiles,
}

/// What the estimates of some users come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Over all users.
    pub total: Amount,
    /// Rows by user.
    pub rows: Percentiles,
    /// Bytes by user.
    pub bytes: Percentiles,
    /// Carried entities in download order.
    pub entities: Vec<EntitySummary>,
    /// Places of the users with the most bytes, then rows, the largest first; at most [`LARGEST_MAX`].
    pub largest: Vec<usize>,
    /// Users who would pass the limit, in the order of the estimates.
    pub beyond: Vec<RowKey>,
}

/// Sums up estimates. A limit is passed by a view with more rows or more bytes than it; `None` is no limit. A user
/// without an entity counts as one with no rows of it.
pub fn summarize(estimates: &[UserEstimate], rows_max: Option<u64>, bytes_max: Option<u64>) -> Summary {
    let totals: Vec<Amount> = estimates.iter().map(UserEstimate::total).collect();
    let passes = |amount: &Amount| {
        rows_max.is_some_and(|max| amount.rows > max) || bytes_max.is_some_and(|max| amount.bytes > max)
    };
    let beyond = estimates.iter().zip(&totals).filter(|(_, total)| passes(total)).map(|(it, _)| it.user);
    let mut largest: Vec<usize> = (0..totals.len()).collect();
    largest.sort_by_key(|&place| std::cmp::Reverse((totals[place].bytes, totals[place].rows)));
    largest.truncate(LARGEST_MAX);
    Summary {
        total: totals.iter().copied().sum(),
        rows: percentiles(totals.iter().map(|total| total.rows)),
        bytes: percentiles(totals.iter().map(|total| total.bytes)),
        entities: entities(estimates),
        largest,
        beyond: beyond.collect(),
    }
}

fn entities(estimates: &[UserEstimate]) -> Vec<EntitySummary> {
    let mut numbers: Vec<EntityNumber> = Vec::new();
    for amount in estimates.iter().flat_map(|estimate| estimate.entities.iter()) {
        if !numbers.contains(&amount.entity) {
            numbers.push(amount.entity);
        }
    }
    let of = |entity: EntityNumber| {
        let find =
            |estimate: &UserEstimate| estimate.entities.iter().find(|it| it.entity == entity).map(|it| it.amount);
        let amounts: Vec<Amount> = estimates.iter().map(|estimate| find(estimate).unwrap_or_default()).collect();
        EntitySummary {
            entity,
            total: amounts.iter().copied().sum(),
            rows: percentiles(amounts.iter().map(|amount| amount.rows)),
            bytes: percentiles(amounts.iter().map(|amount| amount.bytes)),
        }
    };
    numbers.into_iter().map(of).collect()
}

fn percentiles(numbers: impl Iterator<Item = u64>) -> Percentiles {
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    let of = |percent: usize| match (numbers.len() * percent).div_ceil(100) {
        0 => 0,
        rank => numbers[rank - 1],
    };
    Percentiles { p50: of(50), p90: of(90), p99: of(99), max: of(100) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numbers_that_were_measured() {
        let spread = |numbers: &[u64]| {
            let Percentiles { p50, p90, p99, max } = percentiles(numbers.iter().copied());
            [p50, p90, p99, max]
        };
        assert_eq!(spread(&[]), [0; 4]);
        assert_eq!(spread(&[7]), [7; 4]);
        assert_eq!(spread(&[4, 1, 3, 2]), [2, 4, 4, 4]);
        assert_eq!(spread(&(1..=1_000).collect::<Vec<_>>()), [500, 900, 990, 1_000]);
    }
}
