//! Small organizations in which somebody's access changes while views are followed.

use haversack_engine::directory::Privilege;
use haversack_engine::engine::Subscriber;
use haversack_engine::ids::{EntityNumber, RowKey};
use haversack_engine::view::Denial;
use haversack_proto::model::{self, HierarchyModel, RecordCriteria as Criteria};

use super::draw::{Cell, key};
use super::organization::*;
use super::scenarios::{BASIC, GLOBAL, Scene, id, item};

const READ: i64 = 0x1;
const WRITE: i64 = 0x2;

/// Users 0 and 1 read their own accounts; accounts 0 to 3 are those of user 2, and account 4 is that of user 1.
fn scene() -> (Scene, [Subscriber; 2]) {
    let mut scene = Scene::new(BASIC, vec![item(ACCOUNT, Criteria::All)]);
    let subscribers = [scene.subscribe(0), scene.subscribe(1)];
    (0..4).for_each(|account| scene.own(ACCOUNT, account, 2, &[]));
    scene.own(ACCOUNT, 4, 1, &[]);
    assert_eq!(scene.feed().touched, [subscribers[1]]);
    (scene, subscribers)
}

fn share(scene: &mut Scene, number: u32, (kind, principal): (u32, u32), account: u32, mask: i64) {
    let cells = [
        (2, id(kind, principal)),
        (3, Cell::Entity(kind)),
        (4, id(ACCOUNT, account)),
        (5, Cell::Entity(ACCOUNT)),
        (6, Cell::Integer(mask)),
    ];
    scene.put(SHARE, number, &cells);
}

/// Feeds what was written: subscribers of whom the view changed, and the accounts of both.
fn outcome(scene: &mut Scene, subscribers: [Subscriber; 2]) -> (Vec<usize>, [Vec<u32>; 2]) {
    let touched = scene.feed().touched;
    let rows = subscribers.map(|subscriber| scene.rows(subscriber, ACCOUNT));
    for (user, rows) in (0..).zip(&rows) {
        let user = RowKey(key(USER, user));
        assert!(scene.engine.from_scratch(user).entities[0].rows.iter().eq(rows.iter().copied()));
        let readable = scene.engine.accessible(user, EntityNumber(ACCOUNT), Privilege::Read).expect("is somebody");
        assert!(readable.iter().eq(rows.iter().copied()));
    }
    ((0..2).filter(|&number| touched.contains(&subscribers[number])).collect(), rows)
}

/// A change, the users whose views it changes, and the accounts of user 0 after it.
type Step<'a> = (&'a dyn Fn(&mut Scene), &'a [usize], &'a [u32]);

#[test]
fn shares_come_change_and_go() {
    let (mut scene, subscribers) = scene();
    let steps: [Step; 8] = [
        (&|scene| share(scene, 0, (USER, 0), 0, READ), &[0], &[0]),
        (&|scene| share(scene, 1, (USER, 0), 1, READ | WRITE), &[0], &[0, 1]),
        (&|scene| share(scene, 1, (USER, 0), 1, WRITE), &[0], &[0]),
        (&|scene| share(scene, 1, (USER, 0), 9, READ), &[], &[0]),
        (&|scene| scene.own(ACCOUNT, 9, 2, &[]), &[0], &[0, 9]),
        (&|scene| share(scene, 1, (USER, 0), 3, READ), &[0], &[0, 3]),
        (&|scene| scene.world.write(SHARE, 0, None), &[0], &[3]),
        (&|scene| scene.world.write(SHARE, 1, None), &[0], &[]),
    ];
    for (number, (change, touched, rows)) in steps.into_iter().enumerate() {
        change(&mut scene);
        let expected = (touched.to_vec(), [rows.to_vec(), vec![4]]);
        assert_eq!(outcome(&mut scene, subscribers), expected, "step {number}");
    }
}

#[test]
fn shares_with_teams_follow_their_members_and_those_with_everyone_all() {
    let (mut scene, subscribers) = scene();
    scene.put(TEAM, 0, &[(2, id(UNIT, 0)), (3, Cell::Integer(1))]);
    share(&mut scene, 0, (TEAM, 0), 0, READ);
    assert_eq!(outcome(&mut scene, subscribers), (vec![], [vec![], vec![4]]));
    scene.put(MEMBERSHIP, 0, &[(2, id(TEAM, 0)), (3, id(USER, 0))]);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![0], vec![4]]));
    share(&mut scene, 1, (ORGANIZATION, 0), 1, READ);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0, 1], [vec![0, 1], vec![1, 4]]));
    share(&mut scene, 2, (ORGANIZATION, 0), 2, READ);
    share(&mut scene, 3, (TEAM, 0), 3, READ);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0, 1], [vec![0, 1, 2, 3], vec![1, 2, 4]]));
    scene.world.write(TEAM, 0, None);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![1, 2], vec![1, 2, 4]]));
    scene.world.write(USER_ROLE, 0, None);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![], vec![1, 2, 4]]), "without the privilege");
}

/// Settings with hierarchy security.
fn settings(hierarchy: HierarchyModel) -> model::Settings {
    let security = model::HierarchySecurity { model: hierarchy as i32, depth: 2, excluded_entities: vec![] };
    model::Settings { hierarchy_security: Some(security), ..Default::default() }
}

/// Switches hierarchy security on.
fn with_hierarchy(scene: &mut Scene, hierarchy: HierarchyModel) {
    scene.world.republish(|model| model.settings = Some(settings(hierarchy)));
    scene.feed();
}

fn employ(scene: &mut Scene, user: u32, manager: u32) {
    scene.put(USER, user, &[(2, id(UNIT, 0)), (4, id(USER, manager)), (5, id(POSITION, user))]);
}

#[test]
fn managers_follow_those_who_report_to_them() {
    let (mut scene, subscribers) = scene();
    with_hierarchy(&mut scene, HierarchyModel::Manager);
    employ(&mut scene, 1, 0);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![4], vec![4]]));
    employ(&mut scene, 2, 1);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0, 1], [vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3, 4]]));
    employ(&mut scene, 1, 7);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![], vec![0, 1, 2, 3, 4]]));
    employ(&mut scene, 2, 3);
    employ(&mut scene, 3, 0);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0, 1], [vec![0, 1, 2, 3], vec![4]]));
    scene.put(UNIT, 1, &[]);
    scene.put(USER, 2, &[(2, id(UNIT, 1)), (4, id(USER, 3))]);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![], vec![4]]), "the unit of user 2 is another");
    scene.put(UNIT, 1, &[(2, id(UNIT, 0))]);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![0, 1, 2, 3], vec![4]]), "and is below now");
}

#[test]
fn managers_follow_the_teams_of_those_who_report_to_them() {
    let (mut scene, subscribers) = scene();
    with_hierarchy(&mut scene, HierarchyModel::Manager);
    employ(&mut scene, 5, 0);
    scene.put(TEAM, 0, &[(2, id(UNIT, 0))]);
    scene.put(ACCOUNT, 5, &[(OWNER, id(TEAM, 0)), (11, Cell::Entity(TEAM)), (OWNING_UNIT, id(UNIT, 0))]);
    share(&mut scene, 0, (TEAM, 0), 0, READ);
    scene.feed();
    scene.put(MEMBERSHIP, 0, &[(2, id(TEAM, 0)), (3, id(USER, 5))]);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![0, 5], vec![4]]));
    share(&mut scene, 1, (USER, 5), 1, READ);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![0, 1, 5], vec![4]]));
    scene.put(TEAM, 0, &[(2, id(UNIT, 0)), (3, Cell::Integer(1))]);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![0, 1], vec![4]]), "an access team owns nothing");
    scene.world.write(USER, 5, None);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![], vec![4]]));
}

#[test]
fn positions_are_followed_as_users_change_them() {
    let (mut scene, subscribers) = scene();
    with_hierarchy(&mut scene, HierarchyModel::Position);
    for user in 0..3 {
        employ(&mut scene, user, 9);
    }
    scene.put(POSITION, 2, &[(2, id(POSITION, 0))]);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![0, 1, 2, 3], vec![4]]));
    scene.put(USER, 2, &[(2, id(UNIT, 7)), (5, id(POSITION, 3))]);
    assert_eq!(outcome(&mut scene, subscribers), (vec![0], [vec![], vec![4]]));
    scene.put(POSITION, 3, &[(2, id(POSITION, 1))]);
    assert_eq!(outcome(&mut scene, subscribers), (vec![1], [vec![], vec![0, 1, 2, 3, 4]]));
}

#[test]
fn a_role_that_is_handed_on_no_longer_takes_its_rows_along() {
    let (mut scene, subscribers) = scene();
    scene.put(TEAM, 0, &[(2, id(UNIT, 0))]);
    scene.put(ACCOUNT, 5, &[(OWNER, id(TEAM, 0)), (11, Cell::Entity(TEAM)), (OWNING_UNIT, id(UNIT, 0))]);
    scene.put(MEMBERSHIP, 0, &[(2, id(TEAM, 0)), (3, id(USER, 1))]);
    scene.put(TEAM_ROLE, 0, &[(2, id(TEAM, 0)), (3, id(ROLE, 0))]);
    scene.world.write(USER_ROLE, 1, None);
    assert_eq!(outcome(&mut scene, subscribers), (vec![1], [vec![], vec![4, 5]]));
    scene.put(ROLE, 0, &[(2, Cell::Integer(0))]);
    assert_eq!(outcome(&mut scene, subscribers), (vec![1], [vec![], vec![5]]));
    scene.put(TEAM, 0, &[(2, id(UNIT, 0)), (3, Cell::Integer(1))]);
    assert_eq!(outcome(&mut scene, subscribers), (vec![1], [vec![], vec![]]));
}

#[test]
fn rights_are_told_of_carried_entities_and_known_users() {
    let mut scene = Scene::new(GLOBAL, vec![item(ACCOUNT, Criteria::RelatedOnly)]);
    scene.own(ACCOUNT, 0, 1, &[]);
    scene.own(CONTACT, 0, 1, &[]);
    scene.put(USER, 3, &[(3, Cell::Truth(true))]);
    scene.feed();
    let [user, disabled, stranger] = [0, 3, 9].map(|user| RowKey(key(USER, user)));
    let rows = |user, entity, privilege| {
        scene.engine.accessible(user, EntityNumber(entity), privilege).map(|rows| rows.iter().collect::<Vec<u32>>())
    };
    assert_eq!(rows(user, ACCOUNT, Privilege::Read), Ok(vec![0]), "although no view takes it");
    assert_eq!(rows(user, ACCOUNT, Privilege::Write), Ok(vec![]));
    assert_eq!(rows(user, CONTACT, Privilege::Read), Ok(vec![]), "no profile carries it");
    assert_eq!(rows(disabled, ACCOUNT, Privilege::Read), Err(Denial::UserDisabled));
    assert_eq!(rows(stranger, ACCOUNT, Privilege::Read), Err(Denial::UserUnknown));

    for (row, entity) in [(90, ACCOUNT), (91, CONTACT)] {
        let mut cells = scene.world.draw.privilege_of(0, entity);
        cells.extend([(4, Cell::Integer(1)), (5, Cell::Integer(BASIC))]);
        scene.world.write(PRIVILEGE, row, Some(cells));
    }
    scene.feed();
    let may = |user, entity| scene.engine.may_create(user, EntityNumber(entity), user, None);
    assert!(may(user, ACCOUNT) && may(user, CONTACT), "carried or not");
    assert!(!may(user, PRODUCT) && !may(user, 999) && !may(disabled, ACCOUNT) && !may(stranger, ACCOUNT));
}

#[test]
fn hierarchy_security_can_be_tried_out() {
    let (mut scene, [manager, _]) = scene();
    employ(&mut scene, 1, 0);
    scene.feed();
    assert_eq!(scene.rows(manager, ACCOUNT), [] as [u32; 0]);
    let mut model = scene.world.model.clone();
    model.settings = Some(settings(HierarchyModel::Manager));
    let rehearsed = |scene: &Scene| {
        let view = scene.engine.rehearse(&model).expect("is right").view(RowKey(key(USER, 0)));
        view.entities[0].rows.iter().collect::<Vec<u32>>()
    };
    assert_eq!(rehearsed(&scene), [4]);
    with_hierarchy(&mut scene, HierarchyModel::Manager);
    assert_eq!(scene.rows(manager, ACCOUNT), rehearsed(&scene));
}
