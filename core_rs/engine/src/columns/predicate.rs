//! The rows that pass one test: one bitmap, shared by every profile and user that states the test.

use std::collections::BTreeSet;
use std::mem::replace;
use std::ops::Range;

use hashbrown::HashMap;
use jiff::tz::TimeZone;
use roaring::RoaringBitmap;

use super::column::{Column, Verdicts};
use crate::filter::{Moving, Test, WindowTest};
use crate::ids::{AttributeNumber, EntityNumber, Instant, Ordinal};
use crate::schema::AttributeType;

/// What a predicate is known by: equal tests of one attribute are one predicate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PredicateKey {
    /// The entity.
    pub entity: EntityNumber,
    /// The attribute.
    pub attribute: AttributeNumber,
    /// The test.
    pub test: SharedTest,
}

/// A test that does not depend on who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SharedTest {
    /// Depends on the row alone.
    Fixed(Test),
    /// Depends on the row and the instant.
    Window(WindowTest),
}

/// The rows that pass a test, kept as rows and time change.
#[derive(Debug)]
pub struct Predicate {
    key: PredicateKey,
    rows: RoaringBitmap,
    /// False until every row has been judged once.
    complete: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Fixed(Verdicts),
    Window(Window),
}

/// Where a window stands, and the rows that it has yet to reach.
#[derive(Debug)]
struct Window {
    range: Range<i64>,
    ahead: BTreeSet<(i64, Ordinal)>,
    numbers: HashMap<Ordinal, i64>,
}

impl Predicate {
    /// A predicate that has judged no row yet.
    pub fn new(key: PredicateKey) -> Self {
        let state = match key.test {
            SharedTest::Fixed(_) => State::Fixed(Verdicts::default()),
            SharedTest::Window(_) => {
                State::Window(Window { range: 0..0, ahead: BTreeSet::new(), numbers: HashMap::new() })
            }
        };
        Self { key, rows: RoaringBitmap::new(), complete: false, state }
    }

    /// What it is known by.
    pub fn key(&self) -> &PredicateKey {
        &self.key
    }

    /// The rows that pass. Dead rows never do.
    pub fn rows(&self) -> &RoaringBitmap {
        &self.rows
    }

    /// Whether every row has been judged; if not, the next [`Self::update`] judges all.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Judges the `changed` rows again, of which those among `alive` can pass. Returns the rows that came or went.
    pub fn update(&mut self, column: &Column, changed: &RoaringBitmap, alive: &RoaringBitmap) -> RoaringBitmap {
        let everything = !replace(&mut self.complete, true);
        let (changed, judged) = if everything { (alive, alive.clone()) } else { (changed, changed & alive) };
        let passing = match (&mut self.state, &self.key.test) {
            (State::Fixed(verdicts), SharedTest::Fixed(test)) => column.passing(test, verdicts, &judged),
            (State::Window(window), _) => {
                window.forget(changed);
                window.await_rows(column.from(window.range.end, &judged));
                column.within(&window.range, &judged)
            }
            (State::Fixed(_), SharedTest::Window(_)) => unreachable!("the state is made from the test"),
        };
        let flips = (&self.rows & changed) ^ passing;
        self.rows ^= &flips;
        flips
    }

    /// Moves a window to `instant`. Returns the rows that came or went; none for a test without a window.
    pub fn advance(
        &mut self,
        column: &Column,
        alive: &RoaringBitmap,
        kind: AttributeType,
        instant: Instant,
        zone: &TimeZone,
    ) -> RoaringBitmap {
        let (State::Window(window), SharedTest::Window(test)) = (&mut self.state, &self.key.test) else {
            return RoaringBitmap::new();
        };
        let range = range(test, kind, instant, zone);
        if range == window.range || !self.complete {
            window.range = range;
            return RoaringBitmap::new();
        }
        let flips = window.advance(range, &self.rows, column, alive);
        self.rows ^= &flips;
        flips
    }

    /// The next instant at which other rows may pass, if nothing but time changes.
    pub fn next_change(&self, kind: AttributeType, instant: Instant, zone: &TimeZone) -> Option<Instant> {
        let (State::Window(window), SharedTest::Window(test)) = (&self.state, &self.key.test) else { return None };
        let next = window.ahead.first().map(|&(number, _)| number);
        (next.is_some() || !self.rows.is_empty()).then(|| next_change(test, kind, instant, zone, next))
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let state = match &self.state {
            State::Fixed(verdicts) => verdicts.bytes(),
            State::Window(window) => window.ahead.len() * 3 * size_of::<(i64, Ordinal)>(),
        };
        super::bitmap_bytes(&self.rows) + state
    }
}

/// The values that pass.
fn range(test: &WindowTest, kind: AttributeType, instant: Instant, zone: &TimeZone) -> Range<i64> {
    test.ranges(kind, instant, zone).into_iter().next().unwrap_or(0..0)
}

/// The next instant at which other values may pass, if `next_value` is the smallest value of the column that is not
/// below the end of the window.
fn next_change(
    test: &WindowTest,
    kind: AttributeType,
    instant: Instant,
    zone: &TimeZone,
    next_value: Option<i64>,
) -> Instant {
    let end = range(test, kind, instant, zone).end;
    let entry = next_value
        .filter(|_| test.moving(kind) == Moving::End)
        .map(|value| Instant(instant.0.saturating_add(value.saturating_sub(end)).saturating_add(1)));
    let step = test.next_step(kind, instant, zone);
    [entry, step].into_iter().flatten().min().unwrap_or(Instant(i64::MAX))
}

impl Window {
    /// Moves to `range` and returns the rows that come or go. The ends of a window move back only where a wall clock
    /// is set back or the organization's time zone changes.
    fn advance(
        &mut self,
        range: Range<i64>,
        rows: &RoaringBitmap,
        column: &Column,
        alive: &RoaringBitmap,
    ) -> RoaringBitmap {
        let old = replace(&mut self.range, range);
        if self.range.start < old.start || self.range.end < old.end {
            (self.ahead, self.numbers) = (BTreeSet::new(), HashMap::new());
            self.await_rows(column.from(self.range.end, alive));
            return rows ^ column.within(&self.range, alive);
        }
        let mut flips = RoaringBitmap::new();
        if self.range.start > old.start {
            flips = column.within(&(i64::MIN..self.range.start), rows);
        }
        while let Some(&(number, row)) = self.ahead.first().filter(|(number, _)| *number < self.range.end) {
            self.ahead.pop_first();
            self.numbers.remove(&row);
            if number >= self.range.start {
                flips.insert(row);
            }
        }
        flips
    }

    fn forget(&mut self, rows: &RoaringBitmap) {
        if self.numbers.is_empty() {
            return;
        }
        for row in rows {
            if let Some(number) = self.numbers.remove(&row) {
                self.ahead.remove(&(number, row));
            }
        }
    }

    fn await_rows(&mut self, rows: BTreeSet<(i64, Ordinal)>) {
        self.numbers.extend(rows.iter().map(|&(number, row)| (row, number)));
        self.ahead.extend(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Value;

    const HOUR: i64 = 3_600_000_000;

    /// Rows 0, 1, 2, ... at these hours of the wall clock, and a window of one day over them.
    fn wall_clock(hours: &[i64]) -> (Column, RoaringBitmap, Predicate) {
        let mut column = Column::new(AttributeType::DatetimeIndependent);
        for (row, hour) in hours.iter().enumerate() {
            column.set(row as Ordinal, Some(&Value::Integer(hour * HOUR)));
        }
        let key = PredicateKey {
            entity: EntityNumber(1),
            attribute: AttributeNumber(2),
            test: SharedTest::Window(WindowTest::last_days(1)),
        };
        (column, (0..hours.len() as Ordinal).collect(), Predicate::new(key))
    }

    fn rows(predicate: &Predicate) -> Vec<Ordinal> {
        predicate.rows().iter().collect()
    }

    #[test]
    fn rows_enter_and_leave_a_window_when_it_reaches_them() {
        let (column, alive, mut predicate) = wall_clock(&[30, 50, 52, 90]);
        let kind = AttributeType::DatetimeIndependent;
        let at = |hours: i64| Instant(hours * HOUR);
        predicate.advance(&column, &alive, kind, at(51), &TimeZone::UTC);
        predicate.update(&column, &RoaringBitmap::new(), &alive);
        assert_eq!(rows(&predicate), [0, 1]);
        assert_eq!(predicate.next_change(kind, at(51), &TimeZone::UTC), Some(Instant(52 * HOUR + 1)));

        let flips = predicate.advance(&column, &alive, kind, Instant(52 * HOUR + 1), &TimeZone::UTC);
        assert_eq!(flips.iter().collect::<Vec<_>>(), [2]);
        assert_eq!(predicate.next_change(kind, at(53), &TimeZone::UTC), Some(at(72)));
        predicate.advance(&column, &alive, kind, at(72), &TimeZone::UTC);
        assert_eq!(rows(&predicate), [1, 2]);
        predicate.advance(&column, &alive, kind, at(200), &TimeZone::UTC);
        assert!(predicate.rows().is_empty());
        assert_eq!(predicate.next_change(kind, at(200), &TimeZone::UTC), None);
    }

    #[test]
    fn a_wall_clock_that_is_set_back_reaches_its_rows_again() {
        let (column, alive, mut predicate) = wall_clock(&[50, 55, 60]);
        let kind = AttributeType::DatetimeIndependent;
        let east = TimeZone::get("Asia/Tokyo").expect("is a zone");
        predicate.advance(&column, &alive, kind, Instant(52 * HOUR), &east);
        predicate.update(&column, &RoaringBitmap::new(), &alive);
        assert_eq!(rows(&predicate), [0, 1, 2]);

        let flips = predicate.advance(&column, &alive, kind, Instant(52 * HOUR), &TimeZone::UTC);
        assert_eq!((flips.iter().collect(), rows(&predicate)), (vec![1, 2], vec![0]));
        predicate.advance(&column, &alive, kind, Instant(56 * HOUR), &TimeZone::UTC);
        assert_eq!(rows(&predicate), [0, 1]);
    }

    #[test]
    fn a_changed_row_is_no_longer_awaited_where_it_was() {
        let (mut column, alive, mut predicate) = wall_clock(&[60]);
        let kind = AttributeType::DatetimeIndependent;
        predicate.advance(&column, &alive, kind, Instant(52 * HOUR), &TimeZone::UTC);
        predicate.update(&column, &RoaringBitmap::new(), &alive);
        column.set(0, Some(&Value::Integer(70 * HOUR)));
        predicate.update(&column, &RoaringBitmap::from([0]), &alive);
        predicate.advance(&column, &alive, kind, Instant(65 * HOUR), &TimeZone::UTC);
        assert!(predicate.rows().is_empty());
        column.set(0, None);
        predicate.update(&column, &RoaringBitmap::from([0]), &alive);
        assert_eq!(predicate.next_change(kind, Instant(65 * HOUR), &TimeZone::UTC), None);
    }
}
