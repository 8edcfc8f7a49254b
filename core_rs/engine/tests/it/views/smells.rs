//! Profiles that smell, each of one thing.

use haversack_engine::engine::ask::{Estimator, Finding, LintLimits, Linter, Smell, lint_model};
use haversack_engine::engine::{Admission, Engine};
use haversack_proto::model::filter_operand::Value as Operand;
use haversack_proto::model::{
    self, AssociationDirection as Direction, FilterOperator as Op, RecordCriteria as Criteria,
};

use super::draw::{Cell, key, uuid_text};
use super::organization::*;
use super::scenarios::{GLOBAL, Scene, filter, id, item, mine, with};

const LIMITS: LintLimits = LintLimits { item_rows_max: Some(5), item_bytes_max: None, fan_out_max: 3 };

/// Everything that smells, in the order in which it is found.
fn lint(engine: &Engine) -> Vec<Finding> {
    let (inquiry, mut linter, mut findings) = (engine.inquire(), Linter::new("field", LIMITS), Vec::new());
    while let Some(found) = linter.step(&inquiry) {
        findings.extend(found);
    }
    let mut estimator = Estimator::default();
    let inquiry = inquiry.about("field").expect("is published");
    let estimates: Vec<_> = inquiry.users().into_iter().map(|user| estimator.estimate(&inquiry, user)).collect();
    findings.extend(linter.too_large(&inquiry, &estimates));
    findings
}

/// What smells where, and how many rows were measured.
fn smells(engine: &Engine) -> Vec<(Smell, String, u64)> {
    lint(engine).into_iter().map(|it| (it.smell, it.entity, it.rows)).collect()
}

fn custom(entity: u32, filter: model::Filter) -> model::ProfileItem {
    model::ProfileItem { filter: Some(filter), ..item(entity, Criteria::Custom) }
}

fn found(smell: Smell, entity: u32, rows: u64) -> (Smell, String, u64) {
    (smell, name(entity).to_owned(), rows)
}

#[test]
fn a_profile_without_smells_has_no_findings() {
    let open = filter(STATE, Op::Eq, Operand::Integer(0));
    let contacts = relationship_name(CONTACT, 20, ACCOUNT);
    let account = with(custom(ACCOUNT, open), contacts, Direction::Unspecified);
    let mut scene = Scene::new(GLOBAL, vec![account, item(CONTACT, Criteria::RelatedOnly)]);
    for row in 0..2 {
        scene.own(ACCOUNT, row, 0, &[(STATE, Cell::Integer(i64::from(row)))]);
        scene.own(CONTACT, row, 0, &[(20, id(ACCOUNT, row))]);
    }
    scene.feed();
    assert_eq!(smells(&scene.engine), []);
}

#[test]
fn clauses_that_take_all_rows_or_none_are_named() {
    let all = filter(STATE, Op::Ge, Operand::Integer(0));
    let none = filter(STATE, Op::Eq, Operand::Integer(9));
    let mut scene = Scene::new(GLOBAL, vec![custom(ACCOUNT, all), custom(CONTACT, none)]);
    for row in 0..3 {
        scene.own(ACCOUNT, row, 0, &[(STATE, Cell::Integer(i64::from(row)))]);
        scene.own(CONTACT, row, 0, &[(STATE, Cell::Integer(0))]);
    }
    scene.feed();
    let expected = [found(Smell::ClauseTakesAll, ACCOUNT, 3), found(Smell::ClauseTakesNothing, CONTACT, 0)];
    assert_eq!(smells(&scene.engine), expected);
    let findings = lint(&scene.engine);
    assert_eq!(findings[0].sentence, "the clause \"statecode is at least 0\" takes every one of 3 rows");
    assert_eq!((findings[0].subject.as_str(), findings[0].profile.as_str()), ("the item's filter", "field"));
}

#[test]
fn a_clause_that_takes_all_rows_for_one_user_alone_does_not_smell() {
    let by_me = model::Filter {
        compiled: Some(model::FilterNode {
            kind: Some(model::filter_node::Kind::Condition(model::FilterCondition {
                attribute_number: OWNER,
                operator: Op::EqUserId as i32,
                ..Default::default()
            })),
        }),
        ..model::Filter::default()
    };
    let mut scene = Scene::new(GLOBAL, vec![custom(ACCOUNT, by_me)]);
    scene.own(ACCOUNT, 0, 0, &[]);
    scene.feed();
    assert_eq!(smells(&scene.engine), []);
}

#[test]
fn associations_that_add_nothing_and_circles_are_named() {
    let (contacts, parent) = (relationship_name(CONTACT, 20, ACCOUNT), relationship_name(ACCOUNT, 20, ACCOUNT));
    let account = with(with(mine(ACCOUNT), contacts, Direction::Unspecified), parent, Direction::ToOne);
    let mut scene = Scene::new(GLOBAL, vec![account, item(CONTACT, Criteria::All)]);
    scene.own(ACCOUNT, 0, 0, &[(20, id(ACCOUNT, 1))]);
    scene.own(ACCOUNT, 1, 1, &[]);
    scene.own(CONTACT, 0, 0, &[(20, id(ACCOUNT, 0))]);
    scene.feed();
    let expected = [found(Smell::Cycle, ACCOUNT, 0), found(Smell::AssociationAddsNothing, ACCOUNT, 0)];
    assert_eq!(smells(&scene.engine), expected);
    let findings = lint(&scene.engine);
    assert_eq!((findings[1].subject.as_str(), findings[1].views), ("contact_20_account", 2));
}

#[test]
fn members_who_get_nothing_or_are_in_several_profiles_are_named() {
    let mut scene = Scene::admitting(Admission::ProfileReaders, GLOBAL, vec![mine(ACCOUNT)]);
    scene.own(ACCOUNT, 0, 0, &[]);
    scene.put(ROLE, 1, &[]);
    scene.put(USER_ROLE, 1, &[(2, id(USER, 1)), (3, id(ROLE, 1))]);
    scene.put(TEAM, 0, &[(2, id(UNIT, 0))]);
    scene.put(MEMBERSHIP, 0, &[(2, id(TEAM, 0)), (3, id(USER, 0))]);
    scene.put(MEMBERSHIP, 1, &[(2, id(TEAM, 0)), (3, id(USER, 9))]);
    let office = model::Profile {
        name: "office".to_owned(),
        teams: vec![uuid_text(key(TEAM, 0))],
        ..scene.world.model.profiles[0].clone()
    };
    let office = model::Profile { users: Vec::new(), ..office };
    scene.world.republish(|model| model.profiles.push(office));
    scene.feed();
    let told: Vec<_> = lint(&scene.engine).into_iter().map(|it| (it.smell, it.views, it.sentence)).collect();
    let [first, second] = [0, 1].map(|user| uuid_text(key(USER, user)));
    let barred = format!("members get nothing, since no role of theirs has read on mobileofflineprofile: {second}");
    let shared = format!("members are in several profiles, and follow the first of them: {first} (field, office)");
    assert_eq!(told, [(Smell::MemberWithoutPrivilege, 1, barred), (Smell::MemberOfSeveral, 1, shared)]);
}

#[test]
fn an_item_that_nothing_leads_to_is_named() {
    let scene = Scene::new(GLOBAL, vec![mine(ACCOUNT), item(CONTACT, Criteria::RelatedOnly)]);
    assert_eq!(smells(&scene.engine), [found(Smell::RelatedOnlyUnreached, CONTACT, 0)]);
}

#[test]
fn large_items_and_rows_that_pull_very_many_are_named() {
    let contacts = relationship_name(CONTACT, 20, ACCOUNT);
    let items = vec![with(mine(ACCOUNT), contacts, Direction::Unspecified), item(CONTACT, Criteria::RelatedOnly)];
    let mut scene = Scene::new(GLOBAL, items);
    scene.own(ACCOUNT, 0, 0, &[]);
    scene.own(ACCOUNT, 1, 1, &[]);
    for row in 0..6 {
        scene.own(CONTACT, row, 0, &[(20, id(ACCOUNT, 0))]);
    }
    scene.feed();
    let expected = [found(Smell::FanOut, ACCOUNT, 6), found(Smell::ItemTooLarge, CONTACT, 6)];
    assert_eq!(smells(&scene.engine), expected);
}

#[test]
fn an_entity_that_is_not_enabled_is_named_and_the_rest_is_looked_at_all_the_same() {
    let mut scene = Scene::new(GLOBAL, vec![mine(ACCOUNT)]);
    scene.own(ACCOUNT, 0, 0, &[]);
    scene.feed();
    let mut draft = scene.world.model.clone();
    draft.profiles[0].items.push(item(CONTACT, Criteria::RelatedOnly));
    let contact = draft.entities.iter_mut().find(|entity| entity.number == CONTACT).expect("is in the model");
    contact.offline = false;
    let (findings, mended) = lint_model(&draft, Some("field"));
    assert_eq!(
        findings.iter().map(|it| (it.smell, it.entity.as_str())).collect::<Vec<_>>(),
        [(Smell::NotEnabled, "contact")]
    );
    assert!(lint_model(&mended, None).0.is_empty());
    assert!(lint_model(&draft, Some("office")).0.is_empty());
}
