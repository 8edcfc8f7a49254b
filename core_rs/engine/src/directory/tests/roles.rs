//! What roles give: depths, holders, ownership, inheritance.

use super::*;

#[test]
fn depths_reach_from_the_holders_unit() {
    let mine = [key(USER, 1), key(TEAM, 1)];
    let cases = [
        (1, 1, some(&mine, &[])),
        (1, 2, some(&mine, &[2])),
        (1, 4, some(&mine, &[2, 3])),
        (1, 8, Access::All),
        (1, 3, Access::None),
        (2, 1, some(&mine, &[])),
        (2, 2, some(&mine, &[3])),
        (2, 4, some(&mine, &[3])),
    ];
    for (role, depth, expected) in cases {
        let mut world = World::peopled();
        assert_eq!(world.access(1, Holding::Owned), Access::None);
        world.grant(1, role, depth);
        assert_eq!(world.access(1, Holding::Owned), expected, "role {role}, depth {depth}");
    }
}

#[test]
fn ownership_decides_what_a_depth_is_worth() {
    let mut world = World::peopled();
    world.grant(1, 1, 1);
    let holdings = [Holding::OfUnits, Holding::Users, Holding::OfOrganization, Holding::OfRows];
    let access = holdings.map(|holding| world.access(1, holding));
    assert_eq!(access, [Access::None, some(&[key(USER, 1)], &[]), Access::None, Access::All]);
    world.grant(2, 1, 2);
    let access = holdings.map(|holding| world.access(1, holding));
    assert_eq!(access, [some(&[], &[2]), some(&[key(USER, 1)], &[2]), Access::None, Access::All]);
    world.grant(3, 2, 8);
    assert!(holdings.iter().all(|&holding| world.access(1, holding) == Access::All));
}

#[test]
fn rights_end_with_what_they_rest_on() {
    for (kind, number) in [(ROLE, 1), (USER_ROLE, 1), (PRIVILEGE, 1)] {
        let mut world = World::peopled();
        world.grant(1, 1, 8);
        assert_eq!(world.access(1, Holding::Owned), Access::All);
        world.delete(kind, number);
        assert_eq!(world.access(1, Holding::Owned), Access::None, "without {}", ENTITIES[kind as usize].0);
    }
    for (kind, number) in [(TEAM, 1), (MEMBERSHIP, 1), (TEAM_ROLE, 1)] {
        let mut world = World::peopled();
        world.grant(1, 2, 8);
        assert_eq!(world.access(1, Holding::Owned), Access::All);
        world.delete(kind, number);
        assert_eq!(world.access(1, Holding::Owned), Access::None, "without {}", ENTITIES[kind as usize].0);
    }
}

#[test]
fn a_privilege_to_write_reads_nothing() {
    let mut world = World::peopled();
    world.grant_right(1, 1, 3, 8);
    assert_eq!(world.access(1, Holding::Owned), Access::None);
}

#[test]
fn each_privilege_is_granted_by_itself() {
    for (number, granted) in (1..).zip(Privilege::ALL) {
        let mut world = World::peopled();
        world.grant_right(1, 1, number, 8);
        for privilege in Privilege::ALL {
            let expected = if privilege == granted { Access::All } else { Access::None };
            assert_eq!(world.access_for(1, Holding::Owned, privilege), expected, "{granted:?} as {privilege:?}");
        }
    }
    let mut world = World::peopled();
    [0, 9, -1].into_iter().zip(1..).for_each(|(right, row)| world.grant_right(row, 1, right, 8));
    assert!(Privilege::ALL.iter().all(|it| world.access_for(1, Holding::Owned, *it) == Access::None));
}

#[test]
fn a_role_for_the_team_alone_opens_the_rows_of_that_team() {
    let mut world = World::peopled();
    world.put(TEAM, 2, &[id(UNIT, 1)]);
    world.put(MEMBERSHIP, 2, &[id(USER, 1), id(TEAM, 2)]);
    let mine = [key(USER, 1), key(TEAM, 1), key(TEAM, 2)];
    let handed_on = [(1, some(&mine, &[])), (2, some(&mine, &[3])), (8, Access::All)];
    let kept = [(1, some(&mine[1..2], &[])), (2, some(&mine[1..2], &[3])), (8, Access::All)];
    let unknown = handed_on.clone();
    for (inherited, cases) in [(&[TEAM_ONLY][..], kept), (&[Value::Integer(1)], handed_on), (&[], unknown)] {
        world.put(ROLE, 2, inherited);
        for (depth, expected) in cases {
            world.grant(1, 2, depth);
            assert_eq!(world.access(1, Holding::Owned), expected, "inherited {inherited:?}, depth {depth}");
        }
    }
    world.put(ROLE, 1, &[TEAM_ONLY]);
    world.grant(1, 1, 1);
    assert_eq!(world.access(1, Holding::Owned), some(&mine, &[]), "it is the user's own");
}

#[test]
fn a_role_for_the_team_alone_does_not_open_the_users_row() {
    let mut world = World::peopled();
    world.grant(1, 2, 1);
    assert_eq!(world.access(1, Holding::Users), some(&[key(USER, 1)], &[]));
    world.put(ROLE, 2, &[TEAM_ONLY]);
    assert_eq!(world.access(1, Holding::Users), Access::None);
}

#[test]
fn access_teams_have_no_roles_and_own_nothing() {
    let mut world = World::peopled();
    world.put(TEAM, 1, &[id(UNIT, 3), ACCESS_TEAM]);
    world.grant(1, 2, 8);
    assert_eq!(world.access(1, Holding::Owned), Access::None);
    world.grant(2, 1, 1);
    assert_eq!(world.access(1, Holding::Owned), some(&[key(USER, 1)], &[]));
    for directory_group in [2, 3] {
        world.put(TEAM, 1, &[id(UNIT, 3), Value::Integer(directory_group)]);
        assert_eq!(world.access(1, Holding::Owned), Access::All);
    }
}

#[test]
fn the_unit_tree_moves_what_is_below() {
    let mut world = World::peopled();
    world.grant(1, 1, 4);
    let mine = [key(USER, 1), key(TEAM, 1)];
    assert_eq!(world.access(1, Holding::Owned), some(&mine, &[2, 3]));
    world.put(UNIT, 3, &[id(UNIT, 1)]);
    assert_eq!(world.access(1, Holding::Owned), some(&mine, &[2]));
    world.put(USER, 1, &[id(UNIT, 1)]);
    assert_eq!(world.access(1, Holding::Owned), some(&mine, &[1, 2, 3]));
    world.put(USER, 1, &[]);
    assert_eq!(world.access(1, Holding::Owned), some(&mine, &[]), "nowhere");
}

/// Whether user 1 may make a site that belongs to somebody.
fn may_create(world: &World, holding: Holding, owner: RowKey, unit: Option<u8>) -> bool {
    world.0.may_create(&world.person(1), "site", holding, owner, unit.map(|unit| key(UNIT, unit)))
}

#[test]
fn rows_may_be_made_where_the_privilege_reaches() {
    let (me, team, other) = (key(USER, 1), key(TEAM, 1), key(USER, 2));
    let cases = [
        (1, 1, [true, true, false]),
        (1, 2, [true, true, false]),
        (1, 8, [true, true, true]),
        (2, 1, [true, true, false]),
        (2, 4, [true, true, true]),
    ];
    for (role, depth, expected) in cases {
        let mut world = World::peopled();
        world.put(USER, 2, &[id(UNIT, 3)]);
        let may = |world: &World| [me, team, other].map(|owner| may_create(world, Holding::Owned, owner, None));
        assert_eq!(may(&world), [false; 3]);
        world.grant_right(1, role, 1, depth);
        assert_eq!(may(&world), expected, "role {role}, depth {depth}");
    }
}

#[test]
fn a_role_for_the_team_alone_makes_rows_of_the_team() {
    let mut world = World::peopled();
    world.put(ROLE, 2, &[TEAM_ONLY]);
    world.grant_right(1, 2, 1, 1);
    let may = |world: &World| [key(USER, 1), key(TEAM, 1)].map(|owner| may_create(world, Holding::Owned, owner, None));
    assert_eq!(may(&world), [false, true]);
    world.grant_right(1, 2, 1, 2);
    assert_eq!(may(&world), [false, true], "the user's unit is another");
    assert!(may_create(&world, Holding::Owned, key(USER, 1), Some(3)), "a stated unit counts");
    world.put(USER, 1, &[id(UNIT, 3)]);
    assert_eq!(may(&world), [true, true]);
    world.put(TEAM, 1, &[id(UNIT, 3), ACCESS_TEAM]);
    world.grant_right(2, 1, 1, 8);
    assert_eq!(may(&world), [true, false], "an access team owns nothing");
}

#[test]
fn ownership_decides_what_may_be_made() {
    let holdings = [Holding::OfUnits, Holding::Users, Holding::OfOrganization, Holding::OfRows];
    let mut world = World::peopled();
    for (depth, expected) in
        [(1, [false, false, false, true]), (2, [true, true, false, true]), (8, [true, true, true, true])]
    {
        world.grant_right(1, 1, 1, depth);
        let may = holdings.map(|holding| may_create(&world, holding, key(USER, 1), Some(2)));
        assert_eq!(may, expected, "depth {depth}");
    }
}
