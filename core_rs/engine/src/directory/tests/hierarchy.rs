//! Hierarchies: who is below whom, and which rows that opens.

use model::HierarchyModel as Model;

use super::*;

fn metadata_with(hierarchy: Model, depth: u32, excluded: &[&str]) -> model::Model {
    let excluded_entities = excluded.iter().map(|&entity| entity.to_owned()).collect();
    let security = model::HierarchySecurity { model: hierarchy as i32, depth, excluded_entities };
    let settings = model::Settings { hierarchy_security: Some(security), ..Default::default() };
    model::Model { settings: Some(settings), ..metadata() }
}

/// User n is the manager of user n + 1, and holds position n, which is above position n + 1. All are of unit 2 and may
/// read and write what they own; user 2 is in team 1.
fn world(hierarchy: Model, depth: u32, excluded: &[&str]) -> World {
    let mut world = World::new(&metadata_with(hierarchy, depth, excluded));
    world.put(UNIT, 2, &[id(UNIT, 1)]);
    world.put(ROLE, 1, &[]);
    world.put(TEAM, 1, &[id(UNIT, 2)]);
    world.put(MEMBERSHIP, 1, &[id(USER, 2), id(TEAM, 1)]);
    for user in 1..=6 {
        world.put(POSITION, user, &[id(POSITION, user - 1)]);
        world.put(USER_ROLE, user, &[id(USER, user), id(ROLE, 1)]);
        employ(&mut world, user, user - 1, 2);
    }
    (1..).zip(1..=8).for_each(|(row, right)| world.grant_right(row, 1, right, 1));
    world
}

/// Gives a user a manager and a unit; the position has the user's number.
fn employ(world: &mut World, user: u8, manager: u8, unit: u8) {
    let is_disabled = Value::Truth(false);
    world.put(USER, user, &[id(UNIT, unit), is_disabled, id(USER, manager), id(POSITION, user)]);
}

fn users(numbers: &[u8]) -> Vec<RowKey> {
    numbers.iter().map(|&number| key(USER, number)).collect()
}

/// Users whose rows user 1 has a privilege on.
fn opened(world: &World, privilege: Privilege) -> Vec<u8> {
    match world.access_for(1, Holding::Owned, privilege) {
        Access::Some { owners, .. } => owners.iter().filter(|owner| owner.0[0] == 0).map(|owner| owner.0[1]).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn direct_reports_can_be_edited_and_those_below_read() {
    for hierarchy in [Model::Manager, Model::Position] {
        let world = world(hierarchy, 0, &[]);
        for privilege in Privilege::ALL {
            let expected: &[u8] = match privilege {
                Privilege::Read => &[1, 2, 3, 4],
                Privilege::Write | Privilege::Append | Privilege::AppendTo => &[1, 2],
                _ => &[1],
            };
            assert_eq!(opened(&world, privilege), expected, "{hierarchy:?}, {privilege:?}");
        }
    }
}

#[test]
fn the_depth_and_the_entities_are_the_organizations_choice() {
    assert_eq!(opened(&world(Model::Manager, 1, &[]), Privilege::Read), [1, 2]);
    assert_eq!(opened(&world(Model::Position, 9, &["team"]), Privilege::Read), [1, 2, 3, 4, 5, 6]);
    assert_eq!(opened(&world(Model::Manager, 3, &["site"]), Privilege::Read), [1]);
    assert_eq!(opened(&world(Model::Unspecified, 3, &[]), Privilege::Read), [1]);
}

#[test]
fn the_privilege_itself_is_needed() {
    let mut world = world(Model::Manager, 3, &[]);
    world.delete(USER_ROLE, 1);
    assert_eq!(world.access(1, Holding::Owned), Access::None);
    world.put(USER_ROLE, 2, &[id(USER, 2), id(ROLE, 9)]);
    world.put(USER_ROLE, 1, &[id(USER, 1), id(ROLE, 1)]);
    assert_eq!(opened(&world, Privilege::Read), [1, 2, 3, 4], "the reports need none");
}

#[test]
fn teams_of_reports_and_shares_with_them_are_covered() {
    let mut world = world(Model::Manager, 3, &[]);
    assert_eq!(world.access(1, Holding::Owned), some(&[&users(&[1, 2, 3, 4])[..], &[key(TEAM, 1)]].concat(), &[]));
    world.put(TEAM, 1, &[id(UNIT, 2), ACCESS_TEAM]);
    assert_eq!(world.access(1, Holding::Owned), some(&users(&[1, 2, 3, 4]), &[]));
    let principals = [(USER, 2), (TEAM, 1), (USER, 3), (USER, 5)];
    (1..).zip(principals).for_each(|(row, principal)| world.share(row, principal, row, MASK_READ | MASK_WRITE));
    assert_eq!(world.shared_sites(1, Privilege::Read), [1, 2, 3]);
    assert_eq!(world.shared_sites(1, Privilege::Write), [1, 2]);
    let Access::Some { owners, .. } = world.access(1, Holding::OfUnits) else { panic!("is shared") };
    assert_eq!(owners, [], "what the reports own is no row of theirs");
}

#[test]
fn what_reports_reach_by_roles_is_not_covered() {
    let mut world = world(Model::Manager, 3, &[]);
    world.put(ROLE, 2, &[]);
    world.put(USER_ROLE, 9, &[id(USER, 2), id(ROLE, 2)]);
    world.grant(9, 2, 2);
    assert!(matches!(world.access(2, Holding::Owned), Access::Some { units, .. } if units.len() == 1));
    assert!(matches!(world.access(1, Holding::Owned), Access::Some { units, .. } if units.is_empty()));
}

#[test]
fn a_managers_unit_is_that_of_the_report_or_right_above() {
    let mut world = world(Model::Manager, 5, &[]);
    world.put(UNIT, 3, &[id(UNIT, 2)]);
    world.put(UNIT, 4, &[id(UNIT, 3)]);
    for (user, unit) in [(2, 3), (3, 4), (4, 1), (5, 2)] {
        employ(&mut world, user, user - 1, unit);
    }
    world.put(USER, 6, &[]);
    assert_eq!(opened(&world, Privilege::Read), [1, 2, 5], "below, two below, above, beside, nowhere");
    assert_eq!(world.person(1).hierarchy, users(&[1, 2, 3, 4, 5]), "filters ask for no unit");
    employ(&mut world, 1, 0, 3);
    assert_eq!(opened(&world, Privilege::Read), [1, 2, 3]);
}

#[test]
fn positions_cross_units() {
    let mut world = world(Model::Position, 3, &[]);
    employ(&mut world, 2, 0, 9);
    assert_eq!(opened(&world, Privilege::Read), [1, 2, 3, 4]);
    world.put(USER, 7, &[id(UNIT, 5), Value::Truth(false), id(USER, 1), id(POSITION, 1)]);
    assert_eq!(opened(&world, Privilege::Read), [1, 2, 3, 4], "equals are not below");
    world.put(POSITION, 3, &[]);
    assert_eq!(opened(&world, Privilege::Read), [1, 2]);
    world.put(USER, 1, &[id(UNIT, 2)]);
    assert_eq!(opened(&world, Privilege::Read), [1], "without a position");
}

#[test]
fn disabled_users_are_reports_and_deleted_ones_are_not() {
    let mut world = world(Model::Manager, 3, &[]);
    world.put(USER, 2, &[id(UNIT, 2), Value::Truth(true), id(USER, 1)]);
    assert_eq!(opened(&world, Privilege::Read), [1, 2, 3, 4]);
    world.delete(USER, 2);
    assert_eq!(opened(&world, Privilege::Read), [1]);
}

#[test]
fn circles_end() {
    for hierarchy in [Model::Manager, Model::Position] {
        let mut world = world(hierarchy, 9, &[]);
        world.put(POSITION, 1, &[id(POSITION, 6)]);
        employ(&mut world, 1, 6, 2);
        assert_eq!(opened(&world, Privilege::Write), [1, 2], "{hierarchy:?}");
        assert_eq!(world.person(1).hierarchy, users(&[1, 2, 3, 4, 5, 6]));
        employ(&mut world, 1, 1, 2);
        world.put(POSITION, 1, &[id(POSITION, 1)]);
        assert_eq!(opened(&world, Privilege::Read), [1, 2, 3, 4, 5, 6]);
    }
}

#[test]
fn filters_are_told_who_is_below_and_their_teams() {
    for (hierarchy, depth, expected) in
        [(Model::Unspecified, 0, &[1, 2, 3, 4][..]), (Model::Manager, 1, &[1, 2]), (Model::Position, 2, &[1, 2, 3])]
    {
        let mut world = world(hierarchy, depth, &["site"]);
        world.put(MEMBERSHIP, 2, &[id(USER, 1), id(TEAM, 2)]);
        world.put(TEAM, 2, &[id(UNIT, 1), ACCESS_TEAM]);
        let person = world.person(1);
        assert_eq!(person.hierarchy, users(expected), "{hierarchy:?}");
        assert_eq!(person.hierarchy_teams, [key(TEAM, 1), key(TEAM, 2)]);
    }
    let mut world = world(Model::Position, 3, &[]);
    world.put(USER, 1, &[id(UNIT, 2)]);
    assert_eq!(world.person(1).hierarchy, users(&[1]));
}
