//! The rows whose date lies within a window of the clock, in each time zone that somebody follows it in.

use std::collections::BTreeSet;
use std::mem::replace;
use std::ops::Range;

use hashbrown::HashMap;
use roaring::RoaringBitmap;

use super::column::Column;
use super::plain::is_within;
use super::table::Table;
use crate::filter::{Moving, WindowTest};
use crate::ids::{AttributeNumber, EntityNumber, Instant, Ordinal};
use crate::zone::Zone;

/// What a window is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowKey {
    /// The entity.
    pub entity: EntityNumber,
    /// The attribute.
    pub attribute: AttributeNumber,
    /// The test.
    pub test: WindowTest,
}

impl WindowKey {
    /// The rows that pass at an instant, worked out from nothing.
    pub fn passing(&self, table: &Table, instant: Instant, zone: &Zone) -> RoaringBitmap {
        let (kind, column) = table.column(self.attribute);
        let ranges = self.test.ranges(kind, instant, zone.rules());
        self.within(&ranges, column, table.alive())
    }

    /// Whether one row passes at an instant.
    pub fn holds(&self, table: &Table, row: Ordinal, instant: Instant, zone: &Zone) -> bool {
        let (kind, column) = table.column(self.attribute);
        match column.number(row) {
            None => self.test.matches_null(),
            Some(number) => is_within(&self.test.ranges(kind, instant, zone.rules()), number),
        }
    }

    fn within(&self, ranges: &[Range<i64>], column: &Column, rows: &RoaringBitmap) -> RoaringBitmap {
        let known = column.within(ranges, rows);
        if self.test.matches_null() { known | column.unknown(rows) } else { known }
    }
}

/// The rows that pass a window's test in one zone, kept as rows and time change.
#[derive(Debug, Default)]
pub(super) struct WindowRows {
    rows: RoaringBitmap,
    ranges: Vec<Range<i64>>,
    /// False until every row has been judged once.
    complete: bool,
    /// When the ranges next change other than by steady motion.
    until: Option<Instant>,
    /// Rows that a moving end of the window has yet to pass, by their number.
    ahead: BTreeSet<(i64, Ordinal)>,
    numbers: HashMap<Ordinal, i64>,
}

impl WindowRows {
    /// The rows that pass. Dead rows never do.
    pub(super) fn rows(&self) -> &RoaringBitmap {
        &self.rows
    }

    /// Moves to `instant` and judges the rows that were fed again. Returns the rows that came or went.
    pub(super) fn update(&mut self, key: &WindowKey, table: &Table, instant: Instant, zone: &Zone) -> RoaringBitmap {
        let (kind, column) = table.column(key.attribute);
        let moving = key.test.moving(kind);
        let mut flips = RoaringBitmap::new();
        if !self.stays(moving, instant) {
            let ranges = key.test.ranges(kind, instant, zone.rules());
            self.until = key.test.next_step(kind, instant, zone.rules());
            if !replace(&mut self.complete, true) {
                flips = self.renew(key, ranges, column, table.alive(), moving);
            } else if ranges != self.ranges {
                flips = self.advance(key, ranges, column, table.alive(), moving);
            }
        }
        self.rows ^= &flips;
        let fed = &table.changes().fed;
        if !fed.is_empty() {
            let judged = fed & table.alive();
            self.forget(fed);
            self.look_ahead(column, &judged, moving);
            let changed = (&self.rows & fed) ^ key.within(&self.ranges, column, &judged);
            self.rows ^= &changed;
            flips |= changed;
        }
        flips
    }

    /// The next instant at which other rows may pass, if nothing but time changes.
    pub(super) fn next_change(&self, key: &WindowKey, table: &Table, instant: Instant) -> Option<Instant> {
        let (kind, column) = table.column(key.attribute);
        if !column.any_number() {
            return None;
        }
        [self.next_passed(key.test.moving(kind), instant), self.until].into_iter().flatten().min()
    }

    /// When a moving end passes the next number, if nothing steps before. Ends and time advance together; a number is
    /// passed when the end is just above it.
    fn next_passed(&self, moving: Moving, instant: Instant) -> Option<Instant> {
        let range = self.ranges.first()?;
        let ends = match moving {
            Moving::No => [None, None],
            Moving::Start => [Some(range.start), None],
            Moving::End => [None, Some(range.end)],
            Moving::Both => [Some(range.start), Some(range.end)],
        };
        let passed = |end: i64| {
            let &(number, _) = self.ahead.range((end, 0)..).next()?;
            Some(Instant(instant.0.saturating_add(number.saturating_sub(end)).saturating_add(1)))
        };
        ends.into_iter().flatten().filter_map(passed).min()
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        super::bitmap_bytes(&self.rows) + self.ahead.len() * 3 * size_of::<(i64, Ordinal)>()
    }

    /// Whether the ranges are still right: to work those of every fiscal year out takes milliseconds.
    fn stays(&self, moving: Moving, instant: Instant) -> bool {
        self.complete && moving == Moving::No && self.until.is_none_or(|until| instant < until)
    }

    /// Where the rows begin that a moving end has yet to pass.
    fn ahead_from(&self, moving: Moving) -> Option<i64> {
        let range = self.ranges.first()?;
        match moving {
            Moving::No => None,
            Moving::Start | Moving::Both => Some(range.start),
            Moving::End => Some(range.end),
        }
    }

    /// Judges every row. Returns those that come or go.
    fn renew(
        &mut self,
        key: &WindowKey,
        ranges: Vec<Range<i64>>,
        column: &Column,
        alive: &RoaringBitmap,
        moving: Moving,
    ) -> RoaringBitmap {
        self.ranges = ranges;
        (self.ahead, self.numbers) = (BTreeSet::new(), HashMap::new());
        self.look_ahead(column, alive, moving);
        &self.rows ^ key.within(&self.ranges, column, alive)
    }

    /// Moves to `ranges` and returns the rows that come or go. Ends of a window move back only where a wall clock is
    /// set back; that, and a window without a moving end, is worked out anew.
    fn advance(
        &mut self,
        key: &WindowKey,
        ranges: Vec<Range<i64>>,
        column: &Column,
        alive: &RoaringBitmap,
        moving: Moving,
    ) -> RoaringBitmap {
        let ([old], [new]) = (&self.ranges[..], &ranges[..]) else {
            return self.renew(key, ranges, column, alive, moving);
        };
        if moving == Moving::No || new.start < old.start || new.end < old.end {
            return self.renew(key, ranges, column, alive, moving);
        }
        let (old, new) = (old.clone(), new.clone());
        let mut flips = RoaringBitmap::new();
        match moving {
            Moving::Start | Moving::Both => {
                let entered = self.ahead.range((old.end, 0)..(new.end, 0)).map(|&(_, row)| row);
                flips.extend(entered);
                flips ^= self.passed(new.start).into_iter().map(|(_, row)| row).collect::<RoaringBitmap>();
            }
            Moving::End | Moving::No => {
                if new.start > old.start {
                    flips = column.within(std::slice::from_ref(&(i64::MIN..new.start)), &self.rows);
                }
                flips.extend(
                    self.passed(new.end).into_iter().filter(|(number, _)| *number >= new.start).map(|(_, row)| row),
                );
            }
        }
        self.ranges = ranges;
        flips
    }

    /// Takes the rows off that lie below `end`, which the moving end has reached.
    fn passed(&mut self, end: i64) -> Vec<(i64, Ordinal)> {
        let mut passed = Vec::new();
        while let Some(&(number, row)) = self.ahead.first().filter(|(number, _)| *number < end) {
            self.ahead.pop_first();
            self.numbers.remove(&row);
            passed.push((number, row));
        }
        passed
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

    fn look_ahead(&mut self, column: &Column, rows: &RoaringBitmap, moving: Moving) {
        if let Some(start) = self.ahead_from(moving) {
            let rows = column.from(start, rows);
            self.numbers.extend(rows.iter().map(|&(number, row)| (row, number)));
            self.ahead.extend(rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use haversack_proto::model::{self, AttributeType, FilterOperator, Ownership};

    use super::super::{Index, Needs, RowChange, WindowNumber};
    use super::*;
    use crate::filter::{FilterRules, Leaf, LeafTest, Plan};
    use crate::ids::{Lsn, RowKey};
    use crate::row::{RowWriter, Value};
    use crate::schema::{Entity, Schema};

    const HOUR: i64 = 3_600_000_000;
    const WALL: AttributeNumber = AttributeNumber(2);

    fn entity() -> Entity {
        let attribute = |number: u32, name: &str, kind: AttributeType| model::Attribute {
            number,
            logical_name: name.to_owned(),
            r#type: kind as i32,
            ..model::Attribute::default()
        };
        let attributes = vec![
            attribute(1, "id", AttributeType::Uniqueidentifier),
            attribute(WALL.0, "wall", AttributeType::DatetimeIndependent),
        ];
        let entity = model::Entity {
            number: 1,
            logical_name: "thing".to_owned(),
            primary_id_attribute: "id".to_owned(),
            ownership: Ownership::Organization as i32,
            attributes,
            ..model::Entity::default()
        };
        Entity::from_model(&entity).expect("is sound")
    }

    fn window(operator: FilterOperator, count: Option<i64>) -> WindowTest {
        let operand = |count| model::FilterOperand { value: Some(model::filter_operand::Value::Integer(count)) };
        let condition = model::FilterCondition {
            attribute_number: WALL.0,
            operator: operator as i32,
            operands: count.into_iter().map(operand).collect(),
            ..Default::default()
        };
        let node = model::FilterNode { kind: Some(model::filter_node::Kind::Condition(condition)) };
        let rules = FilterRules::from_settings(&model::Settings::default());
        match Plan::from_model(&node, &Schema::default(), &entity(), &rules) {
            Ok(Plan::Leaf(Leaf { test: LeafTest::Window(test), .. })) => test,
            other => unreachable!("{other:?}"),
        }
    }

    /// Rows with wall clocks, and a window over them.
    struct Scene {
        index: Index,
        number: WindowNumber,
        lsn: u64,
    }

    impl Scene {
        /// Rows 0, 1, 2, ... at these hours of the wall clock.
        fn new(test: WindowTest, hours: &[i64]) -> Self {
            let (mut needs, mut index) = (Needs::default(), Index::default());
            let number = needs.window(&entity(), WALL, test);
            index.install(&needs);
            let mut scene = Self { index, number, lsn: 0 };
            hours.iter().enumerate().for_each(|(row, &hour)| scene.set(row as Ordinal, Some(hour)));
            scene
        }

        fn set(&mut self, row: Ordinal, hour: Option<i64>) {
            let mut payload = Vec::new();
            let mut writer = RowWriter::new(&mut payload);
            if let Some(hour) = hour {
                writer.push(WALL, &Value::Integer(hour * HOUR));
            }
            writer.finish();
            self.lsn += 1;
            let key = RowKey([row as u8 + 1; 16]);
            let change = RowChange {
                entity: EntityNumber(1),
                ordinal: row,
                key,
                lsn: Lsn(self.lsn),
                payload: Some(payload.as_slice()),
            };
            self.index.feed(&change).expect("is well-formed");
        }

        /// Lets time go on to an hour and a few microseconds. Returns the rows of the window and when it next changes.
        fn at(&mut self, hour: i64, micros: i64, zone: &Zone) -> (Vec<Ordinal>, Option<i64>) {
            let instant = Instant(hour * HOUR + micros);
            self.index.settle(instant);
            self.index.follow(zone, instant);
            self.index.forget_changes();
            let rows = self.index.within(self.number, zone).expect("is followed").clone();
            let table = self.index.table_of(EntityNumber(1)).expect("is needed");
            let anew = self.index.window(self.number).passing(table, instant, zone);
            assert_eq!(rows, anew, "kept and worked out anew at {instant:?}");
            (rows.iter().collect(), self.index.next_change(instant).map(|instant| instant.0))
        }
    }

    #[test]
    fn rows_enter_and_leave_a_window_that_ends_now() {
        let mut scene = Scene::new(window(FilterOperator::LastXDays, Some(1)), &[30, 50, 52, 90]);
        let utc = Zone::default();
        assert_eq!(scene.at(51, 0, &utc), (vec![0, 1], Some(52 * HOUR + 1)));
        assert_eq!(scene.at(52, 1, &utc), (vec![0, 1, 2], Some(72 * HOUR)));
        assert_eq!(scene.at(72, 0, &utc).0, [1, 2]);
        assert_eq!(scene.at(200, 0, &utc).0, []);
    }

    #[test]
    fn rows_enter_and_leave_a_window_that_begins_now() {
        let mut scene = Scene::new(window(FilterOperator::NextXDays, Some(1)), &[30, 50, 52, 97]);
        let utc = Zone::default();
        assert_eq!(scene.at(49, 0, &utc), (vec![1, 2], Some(50 * HOUR + 1)));
        assert_eq!(scene.at(50, 1, &utc).0, [2]);
        assert_eq!(scene.at(72, 0, &utc).0, [3], "one is reached at midnight, one is over");
        scene.set(0, Some(80));
        assert_eq!(scene.at(73, 0, &utc).0, [0, 3]);
    }

    #[test]
    fn a_wall_clock_that_is_set_back_reaches_its_rows_again() {
        let mut scene = Scene::new(window(FilterOperator::LastXDays, Some(1)), &[50, 55, 60]);
        let east = Zone::named("Asia/Tokyo").expect("is a zone");
        assert_eq!(scene.at(52, 0, &east).0, [0, 1, 2]);
        assert_eq!(scene.at(52, 0, &Zone::default()).0, [0]);
        assert_eq!(scene.at(56, 0, &Zone::default()).0, [0, 1]);
        scene.index.follow_only(|zone| *zone == east);
        assert!(scene.index.within(scene.number, &Zone::default()).is_none());
    }

    #[test]
    fn a_changed_row_is_no_longer_awaited_where_it_was() {
        let mut scene = Scene::new(window(FilterOperator::LastXDays, Some(1)), &[60]);
        let utc = Zone::default();
        assert_eq!(scene.at(52, 0, &utc), (vec![], Some(60 * HOUR + 1)));
        scene.set(0, Some(70));
        assert_eq!(scene.at(65, 0, &utc), (vec![], Some(70 * HOUR + 1)));
        scene.set(0, None);
        assert_eq!(scene.at(71, 0, &utc), (vec![], None));
    }
}
