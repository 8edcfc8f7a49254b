//! The index as a whole: shape, feeding, edges, predicates.

use haversack_proto::model::{self, AttributeType, Ownership};

use super::*;
use crate::filter::{Leaf, LeafTest, Plan, Test};
use crate::ids::{AttributeNumber, EntityNumber, Instant, Lsn, Ordinal, RowKey};
use crate::row::{RowError, RowWriter, Value};
use crate::schema::{Entity, Lookup, Schema};

const PARENT: EntityNumber = EntityNumber(1);
const CHILD: EntityNumber = EntityNumber(2);
pub(super) const COLOR: AttributeNumber = AttributeNumber(2);
const RATE: AttributeNumber = AttributeNumber(3);
const REFERENCE: AttributeNumber = AttributeNumber(4);
const COMPANION: AttributeNumber = AttributeNumber(5);

/// An entity with a text, a double, and a lookup that may point at either entity.
fn entity(number: EntityNumber) -> Entity {
    let attribute = |number: AttributeNumber, kind: AttributeType| model::Attribute {
        number: number.0,
        logical_name: format!("a{}", number.0),
        r#type: kind as i32,
        entity_field_number: if number == REFERENCE { COMPANION.0 } else { 0 },
        ..model::Attribute::default()
    };
    let attributes = vec![
        attribute(AttributeNumber(1), AttributeType::Uniqueidentifier),
        attribute(COLOR, AttributeType::String),
        attribute(RATE, AttributeType::Double),
        attribute(REFERENCE, AttributeType::Lookup),
    ];
    let entity = model::Entity {
        number: number.0,
        logical_name: format!("e{}", number.0),
        primary_id_attribute: "a1".to_owned(),
        ownership: Ownership::Organization as i32,
        attributes,
        ..model::Entity::default()
    };
    Entity::from_model(&entity).expect("is sound")
}

/// A test of one operand.
pub(super) fn test(
    attribute: AttributeNumber,
    operator: model::FilterOperator,
    operand: model::filter_operand::Value,
) -> Test {
    let condition = model::FilterCondition {
        attribute_number: attribute.0,
        operator: operator as i32,
        operands: vec![model::FilterOperand { value: Some(operand) }],
        ..Default::default()
    };
    let node = model::FilterNode { kind: Some(model::filter_node::Kind::Condition(condition)) };
    let rules = crate::filter::FilterRules::from_settings(&model::Settings::default());
    match Plan::from_model(&node, &Schema::default(), &entity(CHILD), &rules) {
        Ok(Plan::Leaf(Leaf { test: LeafTest::Shared(test), .. })) => test,
        other => unreachable!("{other:?}"),
    }
}

fn is_red() -> SharedTest {
    SharedTest::Fixed(
        COLOR,
        test(COLOR, model::FilterOperator::Eq, model::filter_operand::Value::Text("red".to_owned())),
    )
}

fn key(entity: EntityNumber, ordinal: Ordinal) -> RowKey {
    RowKey([entity.0 as u8, ordinal as u8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
}

fn lookup(referenced: EntityNumber) -> Lookup {
    Lookup { referencing: CHILD, attribute: REFERENCE, referenced }
}

/// What a row holds: a color, and a reference to another row.
type Fields<'a> = (Option<&'a str>, Option<(EntityNumber, Ordinal)>);

fn feed(index: &mut Index, entity: EntityNumber, ordinal: Ordinal, lsn: u64, fields: Option<Fields<'_>>) {
    let mut payload = Vec::new();
    if let Some((color, reference)) = fields {
        let mut writer = RowWriter::new(&mut payload);
        if let Some(color) = color {
            writer.push(COLOR, &Value::Text(color));
        }
        if let Some((target, row)) = reference {
            writer.push(REFERENCE, &Value::Id(key(target, row).0));
            writer.push(COMPANION, &Value::Entity(target));
        }
        writer.finish();
    }
    let payload = fields.map(|_| payload.as_slice());
    let row = RowChange { entity, ordinal, key: key(entity, ordinal), lsn: Lsn(lsn), payload };
    index.feed(&row).expect("is sound");
}

fn settle(index: &mut Index) {
    index.settle(Instant(0));
}

fn bits(rows: &RoaringBitmap) -> Vec<Ordinal> {
    rows.iter().collect()
}

#[test]
fn a_reference_is_an_edge_to_the_entity_that_it_names() {
    let (mut needs, mut index) = (Needs::default(), Index::default());
    let to_parent = needs.lookup(&entity(CHILD), lookup(PARENT));
    let to_child = needs.lookup(&entity(CHILD), lookup(CHILD));
    index.install(&needs);
    feed(&mut index, CHILD, 0, 1, Some((None, Some((PARENT, 3)))));
    feed(&mut index, CHILD, 1, 2, Some((None, Some((CHILD, 0)))));
    feed(&mut index, PARENT, 3, 3, Some((None, None)));
    settle(&mut index);
    assert_eq!([0, 1].map(|row| index.edges(to_parent).parent(row)), [Some(3), None]);
    assert_eq!([0, 1].map(|row| index.edges(to_child).parent(row)), [None, Some(0)]);

    index.forget_changes();
    feed(&mut index, CHILD, 0, 4, None);
    settle(&mut index);
    assert_eq!(index.edges(to_parent).moves(), [Move { child: 0, from: Some(3), to: None }]);
    assert_eq!(bits(&index.table_of(CHILD).expect("is there").changes().moved), [0]);
}

#[test]
fn a_row_that_is_fed_twice_is_what_it_was_fed_last() {
    let (mut needs, mut index) = (Needs::default(), Index::default());
    let edges = needs.lookup(&entity(CHILD), lookup(PARENT));
    index.install(&needs);
    feed(&mut index, CHILD, 0, 1, Some((None, Some((PARENT, 8)))));
    feed(&mut index, PARENT, 2, 2, Some((None, None)));
    feed(&mut index, CHILD, 0, 3, Some((None, Some((PARENT, 2)))));
    feed(&mut index, PARENT, 8, 4, Some((None, None)));
    settle(&mut index);
    assert_eq!(index.edges(edges).parent(0), Some(2));
    assert_eq!(index.table_of(CHILD).map(|table| table.lsn(0)), Some(Lsn(3)));
}

#[test]
fn only_what_has_to_be_read_again_is_missing() {
    let (mut small, mut index) = (Needs::default(), Index::default());
    small.lookup(&entity(CHILD), lookup(PARENT));
    assert_eq!(index.missing(&small), [PARENT, CHILD]);
    index.install(&small);
    assert_eq!(index.missing(&small), []);

    let mut other_target = Needs::default();
    other_target.lookup(&entity(CHILD), lookup(CHILD));
    assert_eq!(index.missing(&other_target), [CHILD]);
    let mut other_column = Needs::default();
    other_column.table(CHILD);
    other_column.predicate(&entity(PARENT), is_red());
    assert_eq!(index.missing(&other_column), [PARENT]);
    index.install(&other_column);
    assert_eq!(index.missing(&small), [CHILD]);
}

#[test]
fn a_new_test_on_a_known_column_needs_no_rows() {
    let (mut needs, mut index) = (Needs::default(), Index::default());
    let red = needs.predicate(&entity(CHILD), is_red());
    index.install(&needs);
    for (row, color) in [Some("red"), Some("blue"), None, Some("RED ")].into_iter().enumerate() {
        feed(&mut index, CHILD, row as Ordinal, row as u64 + 1, Some((color, None)));
    }
    settle(&mut index);
    assert_eq!(bits(index.passing(red)), [0, 3]);

    let blue = test(COLOR, model::FilterOperator::Ne, model::filter_operand::Value::Text("red".to_owned()));
    let mut more = Needs::default();
    let not_red = more.predicate(&entity(CHILD), SharedTest::Fixed(COLOR, blue));
    let red = more.predicate(&entity(CHILD), is_red());
    assert_eq!(index.missing(&more), []);
    index.install(&more);
    settle(&mut index);
    assert_eq!((bits(index.passing(red)), bits(index.passing(not_red))), (vec![0, 3], vec![1, 2]));
}

#[test]
fn only_rows_with_another_outcome_have_moved() {
    let (mut needs, mut index) = (Needs::default(), Index::default());
    let red = needs.predicate(&entity(CHILD), is_red());
    index.install(&needs);
    (0..3).for_each(|row| feed(&mut index, CHILD, row, 1 + u64::from(row), Some((Some("red"), None))));
    settle(&mut index);
    index.forget_changes();
    feed(&mut index, CHILD, 0, 4, Some((Some("Red"), None)));
    feed(&mut index, CHILD, 1, 5, Some((Some("green"), None)));
    feed(&mut index, CHILD, 2, 6, None);
    settle(&mut index);
    let changes = index.table_of(CHILD).expect("is there").changes();
    assert_eq!((bits(&changes.moved), bits(index.passing(red))), (vec![1, 2], vec![0]));
    assert_eq!(changes.versions, [(0, Lsn(1)), (1, Lsn(2)), (2, Lsn(3))]);
}

#[test]
fn doubles_are_tested_as_numbers_of_their_order() {
    let above = test(RATE, model::FilterOperator::Gt, model::filter_operand::Value::Real(-0.5));
    let mut column = Column::new(AttributeType::Double);
    for (row, rate) in [-1.0, -0.5, 0.0, 3.25].into_iter().enumerate() {
        column.set(row as Ordinal, Some(&Value::Real(rate)));
    }
    let all = (0..5).collect();
    assert_eq!(bits(&column.passing(&above, &mut Verdicts::default(), &all)), [2, 3]);
    let other = test(RATE, model::FilterOperator::Ne, model::filter_operand::Value::Real(0.0));
    assert_eq!(bits(&column.passing(&other, &mut Verdicts::default(), &all)), [0, 1, 3, 4]);
}

#[test]
fn a_damaged_row_is_refused_and_a_foreign_one_passed_over() {
    let (mut needs, mut index) = (Needs::default(), Index::default());
    needs.predicate(&entity(CHILD), is_red());
    index.install(&needs);
    let row = |entity| RowChange { entity, ordinal: 0, key: key(entity, 0), lsn: Lsn(1), payload: Some(&[0xff]) };
    assert_eq!(index.feed(&row(PARENT)), Ok(()));
    assert_eq!(index.feed(&row(CHILD)), Err(RowError::Malformed { offset: 0 }));
}
