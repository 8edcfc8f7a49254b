//! Shares: with whom, of what, for what.

use super::*;

/// User 1 may read sites at the lowest depth, so that shares count.
fn world() -> World {
    let mut world = World::peopled();
    world.grant(1, 1, 1);
    world
}

fn moved(world: &mut World) -> Vec<Ordinal> {
    let moved = world.0.take_moved();
    moved.get(&EntityNumber(SITE + 1)).into_iter().flatten().collect()
}

#[test]
fn rows_are_shared_with_users_teams_and_everyone() {
    let mut world = world();
    world.put(TEAM, 2, &[id(UNIT, 1), ACCESS_TEAM]);
    world.put(MEMBERSHIP, 2, &[id(USER, 1), id(TEAM, 2)]);
    let principals = [(USER, 1), (TEAM, 1), (TEAM, 2), (ORGANIZATION, 1), (USER, 2), (TEAM, 3)];
    (1..).zip(principals).for_each(|(row, principal)| world.share(row, principal, row, MASK_READ));
    assert_eq!(world.shared_sites(1, Privilege::Read), [1, 2, 3, 4]);
    assert_eq!(moved(&mut world), [1, 2, 3, 4, 5, 6]);
    world.delete(MEMBERSHIP, 2);
    assert_eq!(world.shared_sites(1, Privilege::Read), [1, 2, 4]);
    assert_eq!(moved(&mut world), []);
}

#[test]
fn a_share_gives_nothing_without_the_privilege() {
    let mut world = World::peopled();
    world.share(1, (USER, 1), 4, MASK_READ | MASK_WRITE);
    assert_eq!(world.access(1, Holding::Owned), Access::None);
    world.grant(1, 2, 1);
    world.put(ROLE, 2, &[TEAM_ONLY]);
    assert_eq!(world.shared_sites(1, Privilege::Read), [4], "whatever role it is by");
    assert_eq!(world.shared_sites(1, Privilege::Write), []);
    assert_eq!(world.access(1, Holding::OfOrganization), Access::None);
    let Access::Some { owners, units, shared } = world.access(1, Holding::OfUnits) else { panic!("is shared") };
    assert_eq!((owners.len(), units.len(), shared.len()), (0, 0, 1));
}

#[test]
fn each_bit_of_the_mask_is_a_privilege() {
    let bits = [0x20, 0x1, 0x2, 0x1_0000, 0x8_0000, 0x4_0000, 0x4, 0x10];
    let mut world = World::peopled();
    for (number, bit) in (1..).zip(bits) {
        world.grant_right(number, 1, i64::from(number), 1);
        world.share(number, (USER, 1), number, bit);
    }
    let sites = Privilege::ALL.map(|privilege| world.shared_sites(1, privilege));
    assert_eq!(sites, [1, 2, 3, 4, 5, 6, 7, 8].map(|site| vec![site]));
}

#[test]
fn shares_of_a_row_add_up_and_are_counted() {
    let mut world = world();
    world.grant_right(2, 1, 3, 1);
    let both = |world: &World| [Privilege::Read, Privilege::Write].map(|it| world.shared_sites(1, it).len());
    world.share(1, (USER, 1), 4, MASK_READ);
    world.share(2, (USER, 1), 4, MASK_WRITE);
    world.share(3, (USER, 1), 4, MASK_READ | MASK_WRITE);
    assert_eq!((both(&world), moved(&mut world)), ([1, 1], vec![4]));
    world.delete(SHARE, 1);
    assert_eq!((both(&world), moved(&mut world)), ([1, 1], vec![]));
    world.share(3, (USER, 1), 5, MASK_READ);
    assert_eq!((both(&world), moved(&mut world)), ([1, 1], vec![4, 5]));
    assert_eq!(world.shared_sites(1, Privilege::Read), [5]);
    world.share(3, (USER, 1), 5, 0);
    world.delete(SHARE, 2);
    assert_eq!(both(&world), [0, 0]);
}

#[test]
fn inherited_rights_count_as_well() {
    let mut world = world();
    let companions = [
        (PRINCIPAL_ENTITY, Value::Entity(EntityNumber(USER + 1))),
        (OBJECT_ENTITY, Value::Entity(EntityNumber(SITE + 1))),
    ];
    let own = [(2, id(USER, 1)), (3, id(SITE, 4)), (4, Value::Integer(MASK_WRITE)), (5, Value::Integer(MASK_READ))];
    world.put_cells(SHARE, 1, &[&own[..], &companions].concat());
    assert_eq!(world.shared_sites(1, Privilege::Read), [4]);
    world.put_cells(SHARE, 1, &[&own[..3], &companions].concat());
    assert_eq!(world.shared_sites(1, Privilege::Read), []);
}

#[test]
fn a_share_waits_for_its_row() {
    let mut world = world();
    world.share(1, (USER, 1), 40, MASK_READ);
    world.share(2, (TEAM, 1), 40, MASK_READ);
    world.share(3, (USER, 1), 41, MASK_READ);
    assert_eq!((world.shared_sites(1, Privilege::Read), moved(&mut world)), (vec![], vec![]));
    world.delete(SHARE, 2);
    world.0.arrived(EntityNumber(SITE + 1), key(SITE, 40), 77);
    world.0.arrived(EntityNumber(SITE + 1), key(SITE, 42), 79);
    assert_eq!((world.shared_sites(1, Privilege::Read), moved(&mut world)), (vec![77], vec![77]));
}

#[test]
fn rows_of_entities_that_are_not_carried_are_not_kept() {
    let mut world = world();
    let cells = [
        (2, id(USER, 1)),
        (3, id(TEAM, 1)),
        (4, Value::Integer(MASK_READ)),
        (OBJECT_ENTITY, Value::Entity(EntityNumber(TEAM + 1))),
    ];
    world.put_cells(SHARE, 1, &cells);
    world.0.arrived(EntityNumber(TEAM + 1), key(TEAM, 1), 1);
    assert_eq!(moved(&mut world), []);

    let mut wider = layout(&metadata());
    wider.carry([EntityNumber(TEAM + 1)]);
    assert_eq!(world.0.missing(&wider), [EntityNumber(SHARE + 1)], "they have to be read now");
    let mut narrower = layout(&metadata());
    narrower.carried.clear();
    assert_eq!(world.0.missing(&narrower), []);
    world.share(2, (USER, 1), 4, MASK_READ);
    world.0.install(&narrower);
    assert_eq!(world.shared_sites(1, Privilege::Read), []);
}

/// The metadata with other targets and type codes of shares than usual.
fn metadata_of_shares(targets: &[&str], has_codes: bool) -> model::Model {
    let mut model = metadata();
    let share = &mut model.entities[SHARE as usize];
    share.attributes.iter_mut().for_each(|attribute| attribute.entity_field_number = 0);
    share.attributes[2].targets = targets.iter().map(|&target| target.to_owned()).collect();
    for (number, name) in [(30, "principaltypecode"), (31, "objecttypecode")].into_iter().filter(|_| has_codes) {
        share.attributes.push(model::Attribute {
            number,
            logical_name: name.to_owned(),
            r#type: AttributeType::EntityName as i32,
            ..model::Attribute::default()
        });
    }
    model
}

#[test]
fn the_entity_of_a_shared_row_may_be_told_by_its_name_or_be_the_only_one() {
    let cells = [(2, id(ORGANIZATION, 1)), (3, id(SITE, 4)), (4, Value::Integer(MASK_READ))];
    let codes = [(30, Value::Text("organization")), (31, Value::Text("site"))];
    let named = [&cells[..], &codes].concat();
    let cases = [
        (&["site", "team"][..], true, named.as_slice(), vec![4]),
        (&["site", "team"], true, &cells, vec![]),
        (&["site", "team"], false, &named, vec![]),
        (&["site"], true, &named, vec![4]),
        (&["team"], false, &cells, vec![]),
    ];
    for (targets, has_codes, cells, expected) in cases {
        let mut world = World::peopled_by(&metadata_of_shares(targets, has_codes));
        world.grant(1, 1, 1);
        world.put_cells(SHARE, 1, cells);
        assert_eq!(world.shared_sites(1, Privilege::Read), expected, "targets {targets:?}, codes {has_codes}");
    }
    let mut sole = World::peopled_by(&metadata_of_shares(&["site"], false));
    sole.grant(1, 1, 1);
    sole.put_cells(SHARE, 1, &[(2, id(USER, 1)), cells[1], cells[2]]);
    assert_eq!(sole.shared_sites(1, Privilege::Read), [4]);
}
