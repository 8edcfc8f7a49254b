//! What is wrong with a model is told in sentences, all at once.

use haversack_engine::engine::PreparedModel;
use haversack_proto::model::{
    self, AssociationDirection as Direction, FilterJoin, FilterOperator as Op, Ownership, RecordCriteria as Criteria,
};

use super::organization::*;

fn published(items: Vec<model::ProfileItem>) -> model::Model {
    let profile = model::Profile { name: "p".to_owned(), items, ..model::Profile::default() };
    model::Model {
        revision: 1,
        entities: entities(),
        relationships: relationships(),
        profiles: vec![profile],
        ..model::Model::default()
    }
}

fn breaches(model: &model::Model) -> Vec<String> {
    PreparedModel::compile(model).err().map_or(Vec::new(), |errors| errors.0)
}

fn item(entity: &str, criteria: Criteria) -> model::ProfileItem {
    model::ProfileItem { entity: entity.to_owned(), criteria: criteria as i32, ..model::ProfileItem::default() }
}

fn is_known(attribute_number: u32) -> model::FilterNode {
    let condition = model::FilterCondition {
        attribute_number,
        operator: Op::NotNull as i32,
        operands: vec![],
        ..Default::default()
    };
    model::FilterNode { kind: Some(model::filter_node::Kind::Condition(condition)) }
}

fn filter(node: model::FilterNode) -> model::Filter {
    model::Filter { compiled: Some(node), ..model::Filter::default() }
}

/// What is wrong with a profile of these items.
fn wrong(items: Vec<model::ProfileItem>) -> Vec<String> {
    breaches(&published(items))
}

#[test]
fn a_right_model_has_no_breach() {
    assert_eq!(wrong(vec![item("account", Criteria::All), item("contact", Criteria::RelatedOnly)]), [] as [&str; 0]);
}

#[test]
fn criteria_have_to_fit_the_ownership() {
    let other = |entity: &str| item(entity, Criteria::Other);
    let by_me = |entity: &str| model::ProfileItem { owned_by_me: true, ..other(entity) };
    let filtered = |item| model::ProfileItem { filter: Some(filter(is_known(NAME))), ..item };
    let cases = [
        (item("account", Criteria::Unspecified), "states no criteria"),
        (item("account", Criteria::Custom), "has the criteria CUSTOM, which needs a filter"),
        (other("account"), "has the criteria OTHER, which needs one of its owned_by choices"),
        (filtered(item("account", Criteria::All)), "takes ALL rows; use CUSTOM to take those of a filter"),
        (by_me("product"), "belongs to the organization; its criteria cannot be OTHER"),
        (by_me("site"), "belongs to business units; of the OTHER choices only owned_by_my_business_unit applies"),
        (item("note", Criteria::All), "has rows without an owner; its criteria can only be RELATED_ONLY"),
        (
            filtered(item("note", Criteria::RelatedOnly)),
            "has rows without an owner; it cannot have a filter of its own",
        ),
        (
            model::ProfileItem { sync_interval_minutes: 4, ..item("account", Criteria::All) },
            "syncs every 4 minutes; it can be 5 to 1,440",
        ),
        (
            model::ProfileItem { columns: vec!["color".to_owned()], ..item("account", Criteria::All) },
            "account has no attribute \"color\"",
        ),
    ];
    for (item, sentence) in cases {
        let expected = format!("profile \"p\", {}: {sentence}", item.entity);
        assert_eq!(wrong(vec![item]), [expected]);
    }
}

#[test]
fn items_are_one_for_each_entity_that_is_enabled() {
    let items = ["lead", "account", "account", "accountaccount"].map(|entity| item(entity, Criteria::RelatedOnly));
    let expected = [
        "profile \"p\", lead: is not in the metadata",
        "profile \"p\", account: has two items; there can be one for each entity",
        "profile \"p\", accountaccount: is not enabled for offline use",
    ];
    assert_eq!(wrong(items.to_vec()), expected);
}

#[test]
fn associations_lead_from_their_item_to_another() {
    let association = |relationship: &str, direction: Direction| {
        let association =
            model::Association { relationship: relationship.to_owned(), direction: direction as i32, filter: None };
        let account = model::ProfileItem { associations: vec![association], ..item("account", Criteria::All) };
        wrong(vec![account, item("contact", Criteria::All)])
    };
    let place = "profile \"p\", account, association";
    let cases = [
        ("contact_20_account", Direction::Unspecified, None),
        ("accountaccount_link", Direction::Unspecified, None),
        ("account_20_account", Direction::ToOne, None),
        ("nothing", Direction::Unspecified, Some("is no relationship between two entities of the metadata")),
        ("note_20_contact", Direction::Unspecified, Some("is not a relationship of this entity")),
        ("contactproduct_link", Direction::Unspecified, Some("is not a relationship of this entity")),
        ("site_20_account", Direction::Unspecified, Some("pulls site, which has no item in the profile")),
        (
            "account_20_account",
            Direction::Unspecified,
            Some("links the entity with itself; its direction has to be stated"),
        ),
        ("contact_20_account", Direction::ToOne, Some("cannot be followed in the stated direction from this entity")),
    ];
    for (name, direction, sentence) in cases {
        let expected: Vec<String> = sentence.iter().map(|sentence| format!("{place} {name}: {sentence}")).collect();
        assert_eq!(association(name, direction), expected);
    }
}

#[test]
fn organization_filters_have_at_most_three_criteria() {
    let nodes = vec![is_known(NAME); 4];
    let group = model::FilterGroup { join: FilterJoin::Or as i32, nodes };
    let mut model = published(vec![]);
    let node = model::FilterNode { kind: Some(model::filter_node::Kind::Group(group)) };
    model.entities[0].organization_filter = Some(filter(node));
    assert_eq!(breaches(&model), ["the organization filter of account has 4 criteria; at most 3 are allowed"]);
}

#[test]
fn a_filter_has_to_be_compiled_and_to_fit_the_metadata() {
    let custom = |filter| model::ProfileItem { filter: Some(filter), ..item("account", Criteria::Custom) };
    let written = model::Filter { fetch_xml: "<filter/>".to_owned(), compiled: None };
    let found = wrong(vec![custom(written)]);
    assert_eq!(found[0], "profile \"p\", account: the filter has not been compiled; publish it again");
    let found = wrong(vec![custom(filter(is_known(99)))]);
    assert!(found[0].starts_with("profile \"p\", account: ") && found[0].contains("99"), "{found:?}");
}

#[test]
fn every_breach_of_a_model_is_told() {
    let mut model = published(vec![item("lead", Criteria::All), item("note", Criteria::All)]);
    model.settings = Some(model::Settings {
        time_zone: "Mars/Olympus".to_owned(),
        user_attribute: "isdisabled".to_owned(),
        ..model::Settings::default()
    });
    model.profiles[0].users = vec!["ann".to_owned()];
    model.profiles[0].teams = vec!["north".to_owned()];
    let app = |name: &str| model::App { name: name.to_owned(), ..model::App::default() };
    model.apps = vec![app("sales"), app(""), app("sales")];
    model.profiles.push(model::Profile { name: "p".to_owned(), ..model::Profile::default() });
    let account = model.entities.iter_mut().find(|entity| entity.number == ACCOUNT).expect("is there");
    account.ownership = Ownership::Unspecified as i32;
    let role = model.entities.iter_mut().find(|entity| entity.number == USER_ROLE).expect("is there");
    role.attributes.retain(|attribute| attribute.logical_name != "roleid");
    let expected = [
        "entity account needs an ownership and a number above 0",
        "\"Mars/Olympus\" is no time zone of the IANA database",
        "systemuserroles needs an attribute \"roleid\" of field type Id: the directory is read from it",
        "users are to be named by \"isdisabled\", which is no text or id attribute of systemuser",
        "profile \"p\", lead: is not in the metadata",
        "profile \"p\", note: has rows without an owner; its criteria can only be RELATED_ONLY",
        "there are two profiles \"p\"; names must be unique",
        "profile \"p\" has a user \"ann\", which is no UUID",
        "profile \"p\" has a team \"north\", which is no UUID",
        "an application has no name; devices could not ask for it",
        "there are two applications \"sales\"; names must be unique",
    ];
    assert_eq!(breaches(&model), expected);
}

#[test]
fn a_profile_carries_no_more_entities_than_a_device_can_hold() {
    let account = entities().into_iter().find(|entity| entity.number == ACCOUNT).expect("is there");
    let copy = |number: u32| model::Entity {
        number: 1_000 + number,
        logical_name: format!("copy{number}"),
        ownership: Ownership::Organization as i32,
        hierarchy_attribute: String::new(),
        ..account.clone()
    };
    let carrying = |count: u32| {
        let mut model = published((0..count).map(|number| item(&format!("copy{number}"), Criteria::All)).collect());
        model.entities.extend((0..count).map(copy));
        breaches(&model)
    };
    assert_eq!(carrying(512), [] as [&str; 0]);
    assert_eq!(carrying(513), ["profile \"p\": carries 513 entities; a device can hold 512"]);
}
