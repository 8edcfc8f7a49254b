//! Whom a change of the directory concerns: nobody is forgotten, and others are left alone.

use super::*;

/// User 1 of unit 2 and team 1; user 2 is the manager of user 1, user 3 of user 2; user 9 is alone.
fn world() -> World {
    let mut world = World::peopled();
    world.put(USER, 3, &[id(UNIT, 1)]);
    world.put(USER, 2, &[id(UNIT, 2), Value::Truth(false), id(USER, 3)]);
    world.put(USER, 1, &[id(UNIT, 2), Value::Truth(false), id(USER, 2)]);
    world.put(USER, 9, &[id(UNIT, 2)]);
    assert_eq!(world.affected(), Affected::Everyone);
    assert!(world.affected().is_empty());
    world
}

fn users(numbers: &[u8]) -> Affected {
    Affected::Users(numbers.iter().map(|&number| key(USER, number)).collect())
}

#[test]
fn only_facts_count_as_changes() {
    let mut world = world();
    world.put(USER, 9, &[id(UNIT, 2), Value::Truth(false)]);
    world.put(TEAM, 1, &[id(UNIT, 3)]);
    world.put(ROLE, 1, &[]);
    world.put(MEMBERSHIP, 1, &[id(USER, 1), id(TEAM, 1)]);
    world.put(POSITION, 1, &[]);
    world.delete(SETTINGS, 3);
    assert!(world.affected().is_empty());
    world.put(USER, 9, &[id(UNIT, 2), Value::Truth(true)]);
    assert_eq!(world.affected(), users(&[9]));
}

#[test]
fn a_change_concerns_those_above_as_well() {
    let mut world = world();
    world.put(MEMBERSHIP, 2, &[id(USER, 1), id(TEAM, 2)]);
    assert_eq!(world.affected(), users(&[1, 2, 3]));
    world.put(TEAM, 1, &[id(UNIT, 3), ACCESS_TEAM]);
    assert_eq!(world.affected(), Affected::Users([key(USER, 1), key(USER, 2), key(USER, 3)].into()));
    world.put(USER_ROLE, 7, &[id(USER, 9), id(ROLE, 1)]);
    assert_eq!(world.affected(), users(&[9]));
    world.put(USER_ROLE, 7, &[id(USER, 2), id(ROLE, 1)]);
    assert_eq!(world.affected(), users(&[2, 3, 9]));
    world.delete(USER, 2);
    assert_eq!(world.affected(), users(&[2, 3]));
}

#[test]
fn who_leaves_a_manager_concerns_both() {
    let mut world = world();
    world.put(USER, 1, &[id(UNIT, 2), Value::Truth(false), id(USER, 9)]);
    world.put(USER, 2, &[id(UNIT, 2)]);
    assert_eq!(world.affected(), users(&[1, 2, 3, 9]));
}

#[test]
fn who_leaves_a_position_concerns_those_above_both() {
    let mut model = metadata();
    let security = model::HierarchySecurity { model: model::HierarchyModel::Position as i32, ..Default::default() };
    model.settings = Some(model::Settings { hierarchy_security: Some(security), ..Default::default() });
    let mut world = World::new(&model);
    let at = |position| [id(UNIT, 1), Value::Truth(false), id(USER, 8), id(POSITION, position)];
    world.put(POSITION, 3, &[id(POSITION, 1)]);
    world.put(POSITION, 4, &[id(POSITION, 2)]);
    (1..=4).for_each(|number| world.put(USER, number, &at(number)));
    assert_eq!(world.affected(), Affected::Everyone);
    world.put(USER, 3, &at(4));
    let affected = world.affected();
    assert!([1, 2, 3].iter().all(|&user| affected.contains(key(USER, user))), "{affected:?}");
    world.put(POSITION, 4, &[id(POSITION, 1)]);
    let affected = world.affected();
    assert!([1, 2].iter().all(|&user| affected.contains(key(USER, user))), "{affected:?}");
    assert!(!affected.contains(key(USER, 9)));
}

#[test]
fn a_unit_that_moves_concerns_those_above_it() {
    let mut world = world();
    world.put(UNIT, 4, &[id(UNIT, 1)]);
    assert_eq!(world.affected(), users(&[3]), "the unit of user 3");
    world.put(USER, 8, &[id(UNIT, 4)]);
    world.put(TEAM, 2, &[id(UNIT, 1)]);
    world.put(MEMBERSHIP, 2, &[id(USER, 9), id(TEAM, 2)]);
    world.affected();
    world.put(UNIT, 4, &[id(UNIT, 5)]);
    assert_eq!(world.affected(), users(&[3, 8, 9]));
    world.put(UNIT, 3, &[]);
    assert_eq!(world.affected(), users(&[1, 2, 3, 9]), "those of team 1, of unit 2, and of all above");
}

#[test]
fn a_role_concerns_those_who_hold_it() {
    let mut world = world();
    world.put(USER_ROLE, 7, &[id(USER, 9), id(ROLE, 3)]);
    world.affected();
    world.put(ROLE, 3, &[]);
    assert_eq!(world.affected(), users(&[9]));
    world.grant(1, 3, 8);
    assert_eq!(world.affected(), users(&[9]));
    world.grant(1, 3, 8);
    assert!(world.affected().is_empty());
    world.grant(1, 2, 8);
    assert_eq!(world.affected(), users(&[1, 2, 3, 9]), "by a team, and the role that no longer grants it");
    world.delete(ROLE, 2);
    assert_eq!(world.affected(), users(&[1, 2, 3]));
    world.put(ROLE, 4, &[]);
    assert!(world.affected().is_empty(), "nobody has it");
}

#[test]
fn the_first_and_the_last_share_concern_whom_rows_are_shared_with() {
    let mut world = world();
    world.share(1, (USER, 9), 4, MASK_READ);
    assert_eq!(world.affected(), Affected::Users([key(USER, 9)].into()));
    world.share(2, (USER, 9), 5, MASK_READ);
    world.share(3, (USER, 9), 6, MASK_WRITE);
    world.delete(SHARE, 1);
    assert!(world.affected().is_empty(), "the set was there before and is there still");
    world.delete(SHARE, 2);
    assert_eq!(world.affected(), Affected::Users([key(USER, 9)].into()));
    world.share(4, (TEAM, 1), 4, MASK_READ);
    let affected = world.affected();
    assert!([1, 2, 3].iter().all(|&user| affected.contains(key(USER, user))) && !affected.contains(key(USER, 9)));
    world.share(5, (ORGANIZATION, 1), 4, MASK_READ);
    assert_eq!(world.affected(), Affected::Everyone);
}
