//! Who a user is: teams, language, zone; and where the directory is read from.

use super::*;

#[test]
fn a_directory_without_its_facts_is_a_breach() {
    let mut model = metadata();
    model.entities[TEAM as usize].attributes.retain(|attribute| attribute.logical_name != "businessunitid");
    model.entities[ROLE as usize].attributes[1].r#type = AttributeType::Boolean as i32;
    let mut breaches = Vec::new();
    Layout::find(&Schema::from_model(&model).expect("is sound"), HierarchyRules::default(), &mut breaches);
    assert_eq!(
        breaches,
        [
            "team needs an attribute \"businessunitid\" of field type Id: the directory is read from it",
            "role needs an attribute \"isinherited\" of field type Integer: the directory is read from it",
        ]
    );
}

#[test]
fn a_schema_without_the_newer_facts_still_works() {
    let newer = [
        "parentsystemuserid",
        "positionid",
        "teamtype",
        "isinherited",
        "inheritedaccessrightsmask",
        "systemuserid",
        "uilanguageid",
        "timezonename",
    ];
    let mut model = metadata();
    for (kind, entity) in (0..).zip(&mut model.entities).filter(|(kind, _)| ![MEMBERSHIP, USER_ROLE].contains(kind)) {
        entity.attributes.retain(|attribute| kind == TEAM_ROLE || !newer.contains(&attribute.logical_name.as_str()));
    }
    model.entities.retain(|entity| entity.logical_name != "position");
    let mut world = World::peopled_by(&model);
    world.grant(1, 1, 1);
    world.share(1, (USER, 1), 4, MASK_READ);
    world.put(SETTINGS, 1, &[]);
    assert_eq!(world.shared_sites(1, Privilege::Read), [4]);
    assert_eq!((world.person(1).language, world.person(1).zone), (None, None));
}

#[test]
fn a_user_is_unknown_or_disabled_or_somebody() {
    let mut world = World::peopled();
    world.put(USER, 1, &[id(UNIT, 2), Value::Truth(true)]);
    assert_eq!(world.0.person(key(USER, 1), &HierarchyRules::default()), Err(Denial::UserDisabled));
    world.delete(USER, 1);
    assert_eq!(world.0.person(key(USER, 1), &HierarchyRules::default()), Err(Denial::UserUnknown));
    world.put(USER, 1, &[id(UNIT, 2), Value::Truth(false)]);
    assert_eq!(world.person(1).teams, [key(TEAM, 1)]);
}

#[test]
fn settings_tell_the_language_and_the_zone() {
    let mut world = World::peopled();
    let said = |world: &World| (world.person(1).language, world.person(1).zone);
    assert_eq!(said(&world), (None, None));
    world.put(SETTINGS, 5, &[id(USER, 1), Value::Integer(1_033), Value::Text("europe/berlin")]);
    assert_eq!(said(&world), (Some(1_033), Some("Europe/Berlin".to_owned())));
    world.put(SETTINGS, 5, &[id(USER, 1), Value::Integer(1_031), Value::Text("Middle-earth/Shire")]);
    assert_eq!(said(&world), (Some(1_031), None));
    world.put(SETTINGS, 5, &[id(USER, 2), Value::Integer(1_031)]);
    assert_eq!(said(&world), (None, None));
    world.put(SETTINGS, 5, &[id(USER, 1), Value::Integer(1_036)]);
    world.delete(SETTINGS, 5);
    assert_eq!(said(&world), (None, None));
}

#[test]
fn a_row_of_settings_that_names_nobody_is_that_of_the_user_with_its_id() {
    let mut world = World::peopled();
    let row = RowChange {
        entity: EntityNumber(SETTINGS + 1),
        ordinal: 0,
        key: key(USER, 1),
        lsn: Lsn(1),
        payload: Some(&[0x18, 0x04]),
    };
    world.0.feed(&row, |_, _| None).expect("is sound");
    assert_eq!(world.person(1).language, Some(2));
}
