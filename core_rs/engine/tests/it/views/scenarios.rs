//! Small organizations in which one thing happens.

use std::sync::Arc;

use haversack_engine::engine::{Admission, Applied, Engine, PreparedModel, RowChange, Subscriber};
use haversack_engine::ids::{EntityNumber, Instant, Lsn, Revision, RowKey};
use haversack_engine::row::RowError;
use haversack_engine::view::{Denial, EntityView, View};
use haversack_proto::model::filter_operand::Value as Operand;
use haversack_proto::model::{
    self, AssociationDirection as Direction, FilterOperator as Op, RecordCriteria as Criteria,
};

use super::draw::{Cell, Cells, DAY_MICROS, START, key, uuid_text};
use super::organization::*;
use super::world::World;

pub(super) const GLOBAL: i64 = 8;
pub(super) const BASIC: i64 = 1;

/// Users 0 and 1 follow the profile and read every entity to one depth; rows come as tests write them.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) engine: Engine,
}

impl Scene {
    pub(super) fn new(depth: i64, items: Vec<model::ProfileItem>) -> Self {
        Self::admitting(Admission::Members, depth, items)
    }

    pub(super) fn admitting(admission: Admission, depth: i64, items: Vec<model::ProfileItem>) -> Self {
        let users = (0..2).map(|user| uuid_text(key(USER, user))).collect();
        let profile = model::Profile {
            name: "field".to_owned(),
            revision: 1,
            items,
            users,
            priority: 5,
            ..model::Profile::default()
        };
        let model = model::Model {
            revision: 1,
            entities: entities(),
            relationships: relationships(),
            profiles: vec![profile],
            ..model::Model::default()
        };
        let mut scene = Self { world: World::empty(0, model), engine: Engine::admitting(admission) };
        scene.put(UNIT, 0, &[]);
        scene.put(ROLE, 0, &[]);
        for user in 0..2 {
            scene.put(USER, user, &[(2, id(UNIT, 0))]);
            scene.put(USER_ROLE, user, &[(2, id(USER, user)), (3, id(ROLE, 0))]);
        }
        for (number, entity) in (0..).zip(ITEM_ENTITIES.into_iter().chain([OFFLINE_PROFILE])) {
            let cells = scene.world.draw.privilege_of(0, entity);
            scene.world.write(PRIVILEGE, number, Some(cells));
            scene.world.rows.get_mut(&PRIVILEGE).expect("was written")[number as usize]
                .cells
                .as_mut()
                .expect("is alive")
                .insert(5, Cell::Integer(depth));
        }
        scene.feed();
        scene
    }

    pub(super) fn put(&mut self, entity: u32, ordinal: u32, cells: &[(u32, Cell)]) {
        let mut row: Cells = cells.iter().cloned().collect();
        row.insert(ID, id(entity, ordinal));
        self.world.write(entity, ordinal, Some(row));
    }

    /// A row of an owned entity.
    pub(super) fn own(&mut self, entity: u32, ordinal: u32, owner: u32, cells: &[(u32, Cell)]) {
        let ownership = [(OWNER, id(USER, owner)), (11, Cell::Entity(USER)), (OWNING_UNIT, id(UNIT, 0))];
        self.put(entity, ordinal, &[&ownership, cells].concat());
    }

    pub(super) fn feed(&mut self) -> Applied {
        self.world.feed(&mut self.engine)
    }

    pub(super) fn subscribe(&mut self, user: u32) -> Subscriber {
        self.engine.subscribe(RowKey(key(USER, user)))
    }

    pub(super) fn view(&self, subscriber: Subscriber) -> &View {
        self.engine.view(subscriber).expect("is subscribed")
    }

    fn part(&self, subscriber: Subscriber, entity: u32) -> &EntityView {
        let parts = &self.view(subscriber).entities;
        parts.iter().find(|part| part.entity == EntityNumber(entity)).expect("is carried")
    }

    pub(super) fn rows(&self, subscriber: Subscriber, entity: u32) -> Vec<u32> {
        self.part(subscriber, entity).rows.iter().collect()
    }
}

pub(super) fn id(entity: u32, ordinal: u32) -> Cell {
    Cell::Id(key(entity, ordinal))
}

pub(super) fn item(entity: u32, criteria: Criteria) -> model::ProfileItem {
    model::ProfileItem { entity: name(entity).to_owned(), criteria: criteria as i32, ..model::ProfileItem::default() }
}

pub(super) fn mine(entity: u32) -> model::ProfileItem {
    model::ProfileItem { owned_by_me: true, ..item(entity, Criteria::Other) }
}

pub(super) fn with(mut item: model::ProfileItem, relationship: String, direction: Direction) -> model::ProfileItem {
    item.associations.push(model::Association { relationship, direction: direction as i32, filter: None });
    item
}

pub(super) fn filter(attribute_number: u32, operator: Op, operand: Operand) -> model::Filter {
    let operands = vec![model::FilterOperand { value: Some(operand) }];
    let condition =
        model::FilterCondition { attribute_number, operator: operator as i32, operands, ..Default::default() };
    let node = model::FilterNode { kind: Some(model::filter_node::Kind::Condition(condition)) };
    model::Filter { compiled: Some(node), ..model::Filter::default() }
}

#[test]
fn rows_of_a_circle_do_not_keep_each_other() {
    let parent = relationship_name(ACCOUNT, 20, ACCOUNT);
    let account = with(with(mine(ACCOUNT), parent.clone(), Direction::ToMany), parent, Direction::ToOne);
    let mut scene = Scene::new(GLOBAL, vec![account]);
    let subscriber = scene.subscribe(0);
    scene.own(ACCOUNT, 0, 0, &[(20, id(ACCOUNT, 2))]);
    scene.own(ACCOUNT, 1, 1, &[(20, id(ACCOUNT, 0))]);
    scene.own(ACCOUNT, 2, 1, &[(20, id(ACCOUNT, 1))]);
    assert_eq!(scene.feed().touched, [subscriber]);
    assert_eq!(scene.rows(subscriber, ACCOUNT), [0, 1, 2]);

    scene.own(ACCOUNT, 0, 1, &[(20, id(ACCOUNT, 2))]);
    scene.feed();
    assert_eq!(scene.rows(subscriber, ACCOUNT), [] as [u32; 0]);
    assert_eq!(scene.part(subscriber, ACCOUNT).digest, 0);
}

#[test]
fn a_row_is_pulled_when_the_row_that_it_refers_to_arrives() {
    let contacts = relationship_name(CONTACT, 20, ACCOUNT);
    let items = vec![with(mine(ACCOUNT), contacts, Direction::Unspecified), item(CONTACT, Criteria::RelatedOnly)];
    let mut scene = Scene::new(GLOBAL, items);
    let subscriber = scene.subscribe(0);
    scene.own(CONTACT, 0, 1, &[(20, id(ACCOUNT, 0))]);
    assert_eq!(scene.feed().touched, []);
    scene.own(ACCOUNT, 0, 0, &[]);
    assert_eq!(scene.feed().touched, [subscriber]);
    assert_eq!(scene.rows(subscriber, CONTACT), [0]);
    scene.own(ACCOUNT, 0, 1, &[]);
    scene.feed();
    assert_eq!(scene.rows(subscriber, CONTACT), [] as [u32; 0]);
}

#[test]
fn link_rows_travel_when_both_of_their_ends_do() {
    let contact = with(mine(CONTACT), link_name(CONTACT_PRODUCT), Direction::Unspecified);
    let mut scene = Scene::new(GLOBAL, vec![contact, item(PRODUCT, Criteria::RelatedOnly)]);
    let subscriber = scene.subscribe(0);
    for contact in 0..2 {
        scene.own(CONTACT, contact, contact, &[]);
        scene.put(PRODUCT, contact, &[]);
        scene.put(CONTACT_PRODUCT, contact, &[(20, id(CONTACT, contact)), (22, id(PRODUCT, contact))]);
    }
    scene.feed();
    assert_eq!([PRODUCT, CONTACT_PRODUCT].map(|entity| scene.rows(subscriber, entity)), [[0], [0]]);

    scene.put(CONTACT_PRODUCT, 1, &[(20, id(CONTACT, 0)), (22, id(PRODUCT, 1))]);
    scene.feed();
    assert_eq!([PRODUCT, CONTACT_PRODUCT].map(|entity| scene.rows(subscriber, entity)), [[0, 1], [0, 1]]);
    let limit = filter(NAME, Op::Eq, Operand::Text("offered".to_owned()));
    scene.world.republish(|model| {
        let link = model.entities.iter_mut().find(|entity| entity.number == CONTACT_PRODUCT);
        link.expect("is in the model").organization_filter = Some(limit);
    });
    scene.feed();
    assert_eq!([PRODUCT, CONTACT_PRODUCT].map(|entity| scene.rows(subscriber, entity).len()), [0, 0]);
}

#[test]
fn users_of_whom_all_that_matters_is_equal_share_a_view() {
    let mut scene = Scene::new(GLOBAL, vec![item(ACCOUNT, Criteria::All)]);
    let subscribers = [scene.subscribe(0), scene.subscribe(1)];
    assert_eq!((scene.engine.statistics().views, scene.engine.statistics().subscribers), (1, 2));
    scene.own(ACCOUNT, 0, 0, &[]);
    assert_eq!(scene.feed().touched, subscribers);

    scene.world.republish(|model| model.profiles[0].items = vec![mine(ACCOUNT)]);
    assert_eq!(scene.feed().touched, subscribers);
    assert_eq!(scene.engine.statistics().views, 2);
    scene.engine.unsubscribe(subscribers[0]);
    assert_eq!((scene.engine.statistics().views, scene.engine.view(subscribers[0])), (1, None));

    let mut basic = Scene::new(BASIC, vec![item(ACCOUNT, Criteria::All)]);
    for user in 0..2 {
        basic.subscribe(user);
    }
    assert_eq!(basic.engine.statistics().views, 2);
}

#[test]
fn what_a_change_does_not_reach_stays_shared_and_untouched() {
    let mut scene = Scene::new(GLOBAL, vec![item(ACCOUNT, Criteria::All), mine(CONTACT)]);
    let subscribers = [scene.subscribe(0), scene.subscribe(1)];
    scene.own(ACCOUNT, 0, 0, &[]);
    scene.own(CONTACT, 0, 0, &[]);
    scene.feed();
    let before = scene.view(subscribers[0]).clone();
    scene.own(CONTACT, 0, 0, &[(NAME, Cell::Text("new".to_owned()))]);
    assert_eq!(scene.feed().touched, [subscribers[0]]);
    let after = scene.view(subscribers[0]);
    assert!(after.entities.iter().zip(&before.entities).all(|(new, old)| Arc::ptr_eq(&new.rows, &old.rows)));
    assert_ne!(after.entities[1].digest, before.entities[1].digest);
    assert_eq!(after.lsn, Lsn(scene.world.head));

    scene.put(SITE, 0, &[]);
    assert_eq!(scene.feed().touched, []);
    scene.world.republish(|_| ());
    scene.feed();
    let published = scene.view(subscribers[0]);
    assert!(published.entities.iter().zip(&before.entities).all(|(new, old)| Arc::ptr_eq(&new.rows, &old.rows)));
    assert_eq!(published.revision, Revision(2));
}

#[test]
fn what_came_and_went_is_worked_out_once_for_all_who_follow() {
    let mut scene = Scene::new(GLOBAL, vec![mine(ACCOUNT)]);
    let subscriber = scene.subscribe(0);
    scene.own(ACCOUNT, 0, 0, &[]);
    scene.own(ACCOUNT, 1, 0, &[]);
    scene.feed();
    let before = Arc::clone(&scene.part(subscriber, ACCOUNT).rows);
    scene.own(ACCOUNT, 1, 1, &[]);
    scene.own(ACCOUNT, 2, 0, &[]);
    scene.feed();
    let delta = scene.part(subscriber, ACCOUNT).delta.as_ref().expect("the set was made from another");
    assert!(delta.begins_at(&before) && !delta.begins_at(&scene.part(subscriber, ACCOUNT).rows));
    assert_eq!((delta.came.iter().collect(), delta.went.iter().collect()), (vec![2], vec![1]));
}

#[test]
fn a_user_without_anything_is_told_why() {
    let mut scene = Scene::new(GLOBAL, vec![item(ACCOUNT, Criteria::All)]);
    scene.own(ACCOUNT, 0, 0, &[]);
    scene.feed();
    let [first, stranger] = [scene.subscribe(0), scene.subscribe(9)];
    assert_eq!([first, stranger].map(|it| scene.view(it).denial), [None, Some(Denial::UserUnknown)]);
    scene.put(USER, 0, &[(2, id(UNIT, 0)), (3, Cell::Truth(true))]);
    assert_eq!(scene.feed().touched, [first]);
    assert_eq!((scene.view(first).denial, scene.view(first).entities.len()), (Some(Denial::UserDisabled), 0));
    assert!(scene.engine.carried(first).is_empty());
    scene.put(USER, 9, &[]);
    assert_eq!(scene.feed().touched, [stranger]);
    assert_eq!(scene.view(stranger).denial, Some(Denial::ProfileMissing));

    scene.put(USER, 0, &[(2, id(UNIT, 0))]);
    assert_eq!(scene.feed().touched, [first]);
    assert_eq!(scene.rows(first, ACCOUNT), [0]);
    assert_eq!(Engine::new().from_scratch(RowKey([1; 16])).denial, Some(Denial::ProfileMissing));
}

#[test]
fn the_profile_with_the_lowest_priority_number_counts_then_the_name() {
    let mut scene = Scene::new(GLOBAL, vec![item(ACCOUNT, Criteria::All)]);
    let subscriber = scene.subscribe(0);
    let carries = |scene: &Scene| scene.view(subscriber).entities[0].entity.0;
    let other = |name: &str, priority, entity| model::Profile {
        name: name.to_owned(),
        priority,
        items: vec![item(entity, Criteria::All)],
        users: vec![uuid_text(key(USER, 0)).to_uppercase()],
        ..model::Profile::default()
    };
    assert_eq!(carries(&scene), ACCOUNT);
    for (name, priority, entity) in [("z", 5, ACCOUNT), ("a", 5, CONTACT), ("z", 4, CONTACT), ("a", 6, ACCOUNT)] {
        scene.world.republish(|model| {
            model.profiles.truncate(1);
            model.profiles.push(other(name, priority, CONTACT));
        });
        scene.feed();
        assert_eq!(carries(&scene), entity, "beside {name} of priority {priority}");
    }
}

#[test]
fn the_boundary_is_when_a_row_comes_of_age_or_the_day_ends() {
    let recent = filter(DUE, Op::LastXDays, Operand::Integer(1));
    let account = model::ProfileItem { filter: Some(recent), ..item(ACCOUNT, Criteria::Custom) };
    let mut scene = Scene::new(GLOBAL, vec![account]);
    scene.own(ACCOUNT, 0, 0, &[(DUE, Cell::Integer(START))]);
    scene.own(ACCOUNT, 1, 0, &[(DUE, Cell::Integer(START + 100))]);
    scene.feed();
    assert_eq!(scene.engine.next_boundary(), None, "nobody is there to see it");
    let subscriber = scene.subscribe(0);
    assert_eq!(scene.engine.next_boundary(), Some(Instant(START + 1)));
    assert_eq!(scene.engine.advance(Instant(START + 1)).touched, [subscriber]);
    assert_eq!(scene.engine.next_boundary(), Some(Instant(START + 101)));
    assert_eq!(scene.engine.advance(Instant(START + 100)).touched, []);
    assert_eq!(scene.engine.advance(Instant(START + 101)).touched, [subscriber]);
    assert_eq!(scene.rows(subscriber, ACCOUNT), [0, 1]);

    let midnight = START.div_euclid(DAY_MICROS) * DAY_MICROS + DAY_MICROS;
    assert_eq!(scene.engine.next_boundary(), Some(Instant(midnight)));
    assert_eq!(scene.engine.advance(Instant(midnight + DAY_MICROS)).touched, [subscriber]);
    assert_eq!(scene.rows(subscriber, ACCOUNT), [] as [u32; 0]);
    assert_eq!(scene.engine.advance(Instant(START)).touched, [], "time does not go back");
    assert_eq!(scene.view(subscriber).instant, Instant(midnight + DAY_MICROS));
}

#[test]
fn carried_entities_come_in_download_order_with_their_columns() {
    let account = model::ProfileItem { priority: 2, ..item(ACCOUNT, Criteria::All) };
    let contact = model::ProfileItem { priority: 1, columns: vec!["name".to_owned()], ..item(CONTACT, Criteria::All) };
    let product = model::ProfileItem { priority: 3, mandatory: true, ..item(PRODUCT, Criteria::All) };
    let mut scene = Scene::new(GLOBAL, vec![account, contact, product]);
    let subscriber = scene.subscribe(0);
    let carried = scene.engine.carried(subscriber);
    let order: Vec<u32> = carried.iter().map(|carried| carried.entity.0).collect();
    assert_eq!(order, [PRODUCT, CONTACT, ACCOUNT, CONTACT_PRODUCT, ACCOUNT_ACCOUNT]);
    assert_eq!(carried.iter().map(|carried| carried.mandatory).collect::<Vec<_>>(), [true, false, false, false, false]);
    let columns = carried[1].columns.as_ref().expect("are chosen");
    assert_eq!(columns.numbers().map(|number| number.0).collect::<Vec<_>>(), [ID, NAME]);
    assert_eq!((carried[1].fingerprint, carried[1].sync_interval_minutes), (0x6b4a_7e11_66e2_2807, 10));

    scene.world.republish(|model| model.profiles[0].items[1].columns.push("score".to_owned()));
    scene.feed();
    assert_ne!(scene.engine.carried(subscriber)[1].fingerprint, carried[1].fingerprint);
    assert_eq!(scene.part(subscriber, ACCOUNT).fingerprint, carried[2].fingerprint);
}

#[test]
fn a_damaged_row_is_named() {
    let mut scene = Scene::new(GLOBAL, vec![mine(ACCOUNT)]);
    let row = RowChange {
        entity: EntityNumber(ACCOUNT),
        ordinal: 7,
        key: RowKey([1; 16]),
        lsn: Lsn(99),
        payload: Some(&[0xff]),
    };
    let error = scene.engine.begin(Lsn(99)).row(&row).expect_err("is damaged");
    assert_eq!((error.entity, error.ordinal), (EntityNumber(ACCOUNT), 7));
    assert_eq!(error.source, RowError::Malformed { offset: 0 });
}

#[test]
fn only_entities_of_which_more_is_asked_are_read_again() {
    let mut scene = Scene::new(GLOBAL, vec![mine(ACCOUNT), mine(CONTACT)]);
    let mut model = scene.world.model.clone();
    let reload = |scene: &Scene, model: &model::Model| {
        scene.engine.reload_needed(&PreparedModel::compile(model).expect("is right"))
    };
    model.profiles[0].items[0].criteria = Criteria::All as i32;
    assert_eq!(reload(&scene, &model), []);
    model.profiles[0].items[0].filter = Some(filter(NAME, Op::Eq, Operand::Text("x".to_owned())));
    model.profiles[0].items[0].criteria = Criteria::Custom as i32;
    assert_eq!(reload(&scene, &model), [EntityNumber(ACCOUNT)]);
    model.profiles[0].items.push(item(PRODUCT, Criteria::All));
    let and_shares_of_products = [ACCOUNT, PRODUCT, CONTACT_PRODUCT, SHARE].map(EntityNumber);
    assert_eq!(reload(&scene, &model), and_shares_of_products);
    scene.world.republish(|published| *published = model);
    scene.feed();
    assert_eq!(reload(&scene, &scene.world.model), []);
}

#[test]
fn an_index_of_a_crm_profile_takes_less_than_64_bytes_a_row() {
    let contacts = relationship_name(CONTACT, 20, ACCOUNT);
    let open = filter(STATE, Op::Eq, Operand::Integer(0));
    let recent = filter(DUE, Op::LastXDays, Operand::Integer(5));
    let account = model::ProfileItem { filter: Some(open), ..mine(ACCOUNT) };
    let contact = model::ProfileItem { filter: Some(recent), ..mine(CONTACT) };
    let mut scene = Scene::new(GLOBAL, vec![with(account, contacts, Direction::Unspecified), contact]);
    for row in 0..50_000 {
        let due = START - i64::from(row) * DAY_MICROS / 64;
        scene.own(ACCOUNT, row, row % 100, &[(STATE, Cell::Integer(i64::from(row % 2)))]);
        scene.own(CONTACT, row, row % 90, &[(DUE, Cell::Integer(due)), (20, id(ACCOUNT, row / 3))]);
    }
    scene.feed();
    let statistics = scene.engine.statistics();
    assert_eq!(statistics.rows, 100_000);
    assert!(statistics.index_bytes_per_row() < 64.0, "{:.1}: {statistics:?}", statistics.index_bytes_per_row());
}
