//! Administrators' questions about random organizations, answered and then counted by hand.

use std::collections::BTreeSet;
use std::sync::Arc;

use haversack_engine::directory::DirectoryChange;
use haversack_engine::engine::ask::{
    Amount, Differ, Estimator, HolderSearch, Inquiry, Join, Reason, ReasonKind, UserDiff, summarize,
};
use haversack_engine::engine::{Asker, Engine, RehearsalError};
use haversack_engine::ids::{EntityNumber, RowKey};
use haversack_engine::view::{RowFacts, View};
use haversack_proto::model;
use haversack_proto::model::filter_node::Kind;
use haversack_proto::model::filter_operand::Value as Operand;
use haversack_proto::model::{FilterOperator, RecordCriteria as Criteria};
use proptest::prelude::*;
use roaring::RoaringBitmap;

use super::USERS;
use super::draw::{Cell, key};
use super::oracle::Oracle;
use super::organization::*;
use super::scenarios::{GLOBAL, Scene, filter, id, item};
use super::world::{Row, World};

/// Rows that are named for each entity of a difference.
const SAMPLE_MAX: usize = 3;

fn user(number: u32) -> RowKey {
    RowKey(key(USER, number))
}

/// What an engine measures of rows one by one.
fn measure(engine: &Engine, entity: EntityNumber, rows: &RoaringBitmap) -> Amount {
    let bytes = rows.iter().map(|row| u64::from(engine.size(entity, row))).sum();
    Amount { rows: rows.len(), bytes }
}

fn rows_of(view: &View, entity: EntityNumber) -> RoaringBitmap {
    let part = view.entities.iter().find(|part| part.entity == entity);
    part.map(|part| (*part.rows).clone()).unwrap_or_default()
}

/// What a user's devices hold together, whichever application they are of.
fn together(engine: &Engine, user: RowKey) -> View {
    let mut together = engine.from_scratch(user);
    for app in APPS {
        for part in engine.from_scratch(Asker { user, app: app.into() }).entities {
            match together.entities.iter_mut().find(|it| it.entity == part.entity) {
                Some(known) => known.rows = Arc::new(&*known.rows | &*part.rows),
                None => together.entities.push(part),
            }
        }
    }
    together
}

/// Everybody's size in every profile, against the sizes of the rows of the views of whoever follows it. Everybody is all
/// users of the world, who may have become more than it began with, and one who is yet to come.
fn check_estimates_by_profile(world: &World, engine: &Engine) {
    let users = 0..=world.counts()[&USER];
    for profile in &world.model.profiles {
        let (inquiry, mut estimator) =
            (engine.inquire().about(&profile.name).expect("is published"), Estimator::default());
        let mut followers = BTreeSet::new();
        for (number, app) in users.clone().flat_map(|number| ["", "sales", "service"].map(|app| (number, app))) {
            let asker = Asker { user: user(number), app: app.into() };
            if Oracle::new(world, &asker).is_ok_and(|oracle| oracle.profile_name() == profile.name) {
                let view = engine.from_scratch(asker);
                let measured: Vec<_> =
                    view.entities.iter().map(|part| (part.entity, measure(engine, part.entity, &part.rows))).collect();
                let estimate = estimator.estimate(&inquiry, user(number));
                assert_eq!(estimate.entities.iter().map(|it| (it.entity, it.amount)).collect::<Vec<_>>(), measured);
                followers.insert(user(number));
            }
        }
        let asked: BTreeSet<RowKey> =
            inquiry.users().into_iter().filter(|user| inquiry.denial(*user).is_none()).collect();
        assert_eq!(asked, followers, "users of {}", profile.name);
    }
}

/// Everybody's size, against the sizes of the rows of everybody's view.
fn check_estimates(engine: &Engine, estimator: &mut Estimator) {
    let inquiry = engine.inquire();
    let estimates: Vec<_> = (0..USERS).map(|number| estimator.estimate(&inquiry, user(number))).collect();
    for estimate in &estimates {
        let view = engine.from_scratch(estimate.user);
        let measured: Vec<_> =
            view.entities.iter().map(|part| (part.entity, measure(engine, part.entity, &part.rows))).collect();
        let told: Vec<_> = estimate.entities.iter().map(|it| (it.entity, it.amount)).collect();
        assert_eq!((told, estimate.denial), (measured, view.denial));
    }
    let mut sizes: Vec<u64> = estimates.iter().map(|estimate| estimate.total().bytes).collect();
    sizes.sort_unstable();
    let limit = sizes[sizes.len() / 2];
    let summary = summarize(&estimates, None, Some(limit));
    assert_eq!(summary.beyond.len(), sizes.iter().filter(|size| **size > limit).count());
    assert_eq!(summary.total.bytes, sizes.iter().sum::<u64>());
    assert_eq!(summary.entities.iter().map(|entity| entity.total).sum::<Amount>(), summary.total);
    let largest: Vec<u64> = summary.largest.iter().map(|&place| estimates[place].total().bytes).collect();
    assert!(largest.iter().eq(sizes.iter().rev()));
}

/// What a difference says, against the views on both sides.
fn check_difference(engine: &Engine, diff: &UserDiff, before: &View, after: &View) {
    assert_eq!((diff.denial_before, diff.denial_after), (before.denial, after.denial));
    let entities: BTreeSet<EntityNumber> =
        before.entities.iter().chain(&after.entities).map(|part| part.entity).collect();
    for entity in entities {
        let [before, after] = [before, after].map(|view| rows_of(view, entity));
        let (gained, lost) = (&after - &before, &before - &after);
        let told = diff.entities.iter().find(|it| it.entity == entity);
        let amounts = told.map(|it| (it.gained, it.lost)).unwrap_or_default();
        assert_eq!(amounts, (measure(engine, entity, &gained), measure(engine, entity, &lost)));
        let sample = |rows: &RoaringBitmap| -> Vec<RowKey> {
            rows.iter().take(SAMPLE_MAX).map(|row| RowKey(key(entity.0, row))).collect()
        };
        let samples = told.map(|it| (it.gained_sample.clone(), it.lost_sample.clone())).unwrap_or_default();
        assert_eq!(samples, (sample(&gained), sample(&lost)));
    }
}

/// A draft: against the views that users would have if it were published, and have then.
fn check_draft(world: &mut World, engine: &mut Engine) {
    let draft = varied(world);
    let before: Vec<View> = (0..USERS).map(|number| together(engine, user(number))).collect();
    let rehearsal = engine.rehearse(&draft).expect("asks for no more columns");
    let mut differ = Differ::new(SAMPLE_MAX);
    let diffs: Vec<UserDiff> =
        (0..USERS).map(|it| differ.diff(&engine.inquire(), &rehearsal.inquire(), user(it))).collect();
    world.republish(|model| *model = draft);
    world.feed(engine);
    for (diff, before) in diffs.iter().zip(&before) {
        check_difference(engine, diff, before, &together(engine, diff.user));
    }
}

/// Changes of the directory: against the views that users have when they have been made.
fn check_what_if(world: &mut World, engine: &mut Engine) {
    if looks_at_other_rows(&world.model) {
        return;
    }
    let (number, other) = (world.draw.below(4) as u32, world.draw.below(3) as u32);
    let mut items = world.model.profiles.iter().flat_map(|profile| &profile.items);
    // The user's own row is a row like any other where devices carry it, and rows are not supposed to be others.
    let kinds: &[u8] = if items.any(|item| item.entity == name(USER)) { &[2, 3, 4, 5] } else { &[0, 1, 2, 3, 4, 5] };
    let kind = world.draw.of(kinds);
    let change = match kind {
        0 => DirectoryChange::Unit(RowKey(key(UNIT, other))),
        1 => DirectoryChange::Manager((other != number).then(|| user(other))),
        2 => DirectoryChange::RoleGiven(RowKey(key(ROLE, other))),
        3 => DirectoryChange::RoleTaken(RowKey(key(ROLE, other))),
        4 => DirectoryChange::TeamJoined(RowKey(key(TEAM, other))),
        _ => DirectoryChange::TeamLeft(RowKey(key(TEAM, other))),
    };
    let before: Vec<View> = (0..USERS).map(|number| together(engine, user(number))).collect();
    let supposed = match engine.suppose(None, &[(user(number), change)]) {
        Ok(supposed) => supposed,
        Err(RehearsalError::Change(_)) => return,
        Err(error) => panic!("{error}"),
    };
    let mut differ = Differ::new(SAMPLE_MAX);
    let diffs: Vec<UserDiff> =
        (0..USERS).map(|it| differ.diff(&engine.inquire(), &supposed.inquire(), user(it))).collect();
    make(world, number, change);
    world.feed(engine);
    for (diff, before) in diffs.iter().zip(&before) {
        let after = together(engine, diff.user);
        let [told, made] = [diff.gained().rows + diff.lost().rows, moved(before, &after)];
        assert_eq!((told, diff.denial_after), (made, after.denial), "{change:?}");
    }
}

/// Whether some filter looks at other rows, which may be those of the directory: only facts are supposed, not rows.
fn looks_at_other_rows(model: &model::Model) -> bool {
    fn looks(node: &model::FilterNode) -> bool {
        match &node.kind {
            Some(Kind::Group(group)) => group.nodes.iter().any(looks),
            Some(Kind::Condition(condition)) => {
                let kin = [
                    FilterOperator::Above,
                    FilterOperator::EqOrAbove,
                    FilterOperator::Under,
                    FilterOperator::EqOrUnder,
                    FilterOperator::NotUnder,
                ];
                kin.contains(&condition.operator())
            }
            Some(Kind::Link(_)) => true,
            None => false,
        }
    }
    let items = model.profiles.iter().flat_map(|profile| &profile.items);
    let of_items =
        items.flat_map(|item| item.filter.iter().chain(item.associations.iter().filter_map(|it| it.filter.as_ref())));
    let limits = model.entities.iter().filter_map(|entity| entity.organization_filter.as_ref());
    of_items.chain(limits).filter_map(|filter| filter.compiled.as_ref()).any(looks)
}

/// Makes a change of a user.
fn make(world: &mut World, number: u32, change: DirectoryChange) {
    let id_of = |id: RowKey| Cell::Id(id.0);
    let (entity, link) = match change {
        DirectoryChange::Unit(unit) => return set(world, number, 2, Some(id_of(unit))),
        DirectoryChange::Manager(manager) => return set(world, number, 4, manager.map(id_of)),
        DirectoryChange::RoleGiven(role) | DirectoryChange::RoleTaken(role) => {
            (USER_ROLE, [(2, id_of(user(number))), (3, id_of(role))])
        }
        DirectoryChange::TeamJoined(team) | DirectoryChange::TeamLeft(team) => {
            (MEMBERSHIP, [(2, id_of(team)), (3, id_of(user(number)))])
        }
    };
    if matches!(change, DirectoryChange::RoleGiven(_) | DirectoryChange::TeamJoined(_)) {
        let ordinal = world.counts().get(&entity).copied().unwrap_or(0);
        let id = (ID, Cell::Id(key(entity, ordinal)));
        return world.write(entity, ordinal, Some(link.into_iter().chain([id]).collect()));
    }
    let says_so = |row: &Row| row.cells.as_ref().is_some_and(|cells| link.iter().all(|(k, v)| cells.get(k) == Some(v)));
    let rows = (0..).zip(world.rows.get(&entity).into_iter().flatten());
    let links: Vec<u32> = rows.filter(|(_, row)| says_so(row)).map(|(ordinal, _)| ordinal).collect();
    for ordinal in links {
        world.write(entity, ordinal, None);
    }
}

/// Gives a user another value, or none.
fn set(world: &mut World, number: u32, attribute: u32, value: Option<Cell>) {
    let mut cells = world.rows[&USER][number as usize].cells.clone().expect("a user who can be supposed lives");
    cells.remove(&attribute);
    cells.extend(value.map(|value| (attribute, value)));
    world.write(USER, number, Some(cells));
}

/// How many rows two views do not share.
fn moved(before: &View, after: &View) -> u64 {
    let entities: BTreeSet<EntityNumber> =
        before.entities.iter().chain(&after.entities).map(|part| part.entity).collect();
    entities.into_iter().map(|entity| (rows_of(before, entity) ^ rows_of(after, entity)).len()).sum()
}

/// A draft that differs from what is published, but asks for no attribute that it does not: other users, other operands,
/// fewer associations, criteria that take all.
fn varied(world: &mut World) -> model::Model {
    let mut draft = world.model.clone();
    draft.profiles.reverse();
    draft.apps.iter_mut().for_each(|app| app.offline ^= world.draw.chance(20));
    for profile in &mut draft.profiles {
        profile.users.retain(|_| world.draw.chance(80));
        profile.teams.retain(|_| world.draw.chance(80));
        for item in &mut profile.items {
            let is_owned = item.filter.is_none() && item.criteria() != Criteria::RelatedOnly;
            if is_owned && world.draw.chance(30) {
                item.criteria = Criteria::All as i32;
            }
            item.associations.retain(|_| world.draw.chance(70));
            item.filter.iter_mut().flat_map(|filter| &mut filter.compiled).for_each(raise);
        }
    }
    draft
}

/// Adds one to every whole number that a filter names.
fn raise(node: &mut model::FilterNode) {
    match &mut node.kind {
        Some(Kind::Group(group)) => group.nodes.iter_mut().for_each(raise),
        Some(Kind::Condition(condition)) => {
            for operand in &mut condition.operands {
                if let Some(Operand::Integer(number)) = &mut operand.value {
                    *number += 1;
                }
            }
        }
        Some(Kind::Link(_)) | None => {}
    }
}

/// Who has a row: against everybody's view.
fn check_holders(world: &World, engine: &Engine) {
    let views: Vec<View> = (0..USERS).map(|number| together(engine, user(number))).collect();
    for (entity, count) in world.counts() {
        for ordinal in 0..=count {
            let (number, row) = (EntityNumber(entity), RowKey(key(entity, ordinal)));
            let mut search = HolderSearch::new(number, row);
            for (holder, view) in (0..).zip(&views) {
                let has = search.has(&engine.inquire(), user(holder));
                assert_eq!(has, rows_of(view, number).contains(ordinal), "user {holder}, {} {ordinal}", name(entity));
            }
        }
    }
}

/// Why a row is on a device: against membership, and every sentence against the definition of a view.
fn check_explanations(world: &World, engine: &Engine) {
    for number in 0..USERS {
        let (asker, oracle) = (user(number), Oracle::new(world, &user(number).into()));
        let view = oracle.as_ref().map(Oracle::view).unwrap_or_default();
        for (entity, count) in world.counts() {
            let rows = view.iter().find(|part| part.0 == entity).map(|part| &part.1);
            for ordinal in 0..count {
                let reason = engine.inquire().explain(asker, EntityNumber(entity), RowKey(key(entity, ordinal)));
                assert_eq!(reason.holds, rows.is_some_and(|rows| rows.contains(&ordinal)), "{reason:#?}");
                check_joins(&reason);
                if let (Ok(oracle), Some(_)) = (&oracle, find(&reason, ReasonKind::Choice)) {
                    check_parts(world, oracle, &view, &reason, (entity, ordinal));
                }
            }
        }
    }
}

fn check_joins(reason: &Reason) {
    let mut children = reason.children.iter().map(|child| child.holds);
    match reason.join {
        Join::Itself => {}
        Join::All => assert_eq!(reason.holds, children.all(|holds| holds), "{reason:#?}"),
        Join::Any => assert_eq!(reason.holds, children.any(|holds| holds), "{reason:#?}"),
    }
    reason.children.iter().for_each(check_joins);
}

fn find(reason: &Reason, kind: ReasonKind) -> Option<&Reason> {
    if reason.kind == kind { Some(reason) } else { reason.children.iter().find_map(|child| find(child, kind)) }
}

fn check_parts(
    world: &World,
    oracle: &Oracle<'_>,
    view: &[(u32, BTreeSet<u32>)],
    reason: &Reason,
    (entity, row): (u32, u32),
) {
    let part = |kind| find(reason, kind).expect("is explained");
    let (limit, access) = (part(ReasonKind::OrganizationFilter), part(ReasonKind::Access));
    assert_eq!(limit.holds && access.holds, oracle.admits(entity, row), "{reason:#?}");
    let metadata = world.model.entities.iter().find(|other| other.number == entity).expect("is in the model");
    if let Some(filter) = metadata.organization_filter.as_ref().and_then(|filter| filter.compiled.as_ref()) {
        check_clause(oracle, &limit.children[0], filter, (entity, row));
    }
    let choice = part(ReasonKind::Choice);
    let (own, pulled): (Vec<&Reason>, Vec<&Reason>) =
        choice.children.iter().partition(|child| child.kind == ReasonKind::Criteria);
    assert_eq!(own.iter().any(|own| own.holds), oracle.takes(entity, row), "{reason:#?}");
    assert_eq!(pulled.iter().any(|pull| pull.holds), oracle.pulls(entity, row, view), "{reason:#?}");
    let filter = oracle.item(entity).and_then(|item| item.filter.as_ref()).and_then(|filter| filter.compiled.as_ref());
    if let (Some(filter), Some(own)) = (filter, own.first()) {
        let told = own.children.iter().find(|child| child.kind == ReasonKind::Filter).expect("the filter is explained");
        check_clause(oracle, &told.children[0], filter, (entity, row));
    }
}

fn check_clause(oracle: &Oracle<'_>, told: &Reason, node: &model::FilterNode, (entity, row): (u32, u32)) {
    assert_eq!(told.holds, oracle.passes(node, entity, row), "{told:#?}");
    if let Some(Kind::Group(group)) = &node.kind {
        assert_eq!(told.children.len(), group.nodes.len());
        told.children.iter().zip(&group.nodes).for_each(|(told, node)| check_clause(oracle, told, node, (entity, row)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn answers_are_what_counting_by_hand_says(
        seed in any::<u64>(),
        steps in prop::collection::vec(0_u8..16, 0..6),
    ) {
        let mut world = World::new(seed);
        let mut engine = world.engine();
        world.feed(&mut engine);
        let mut estimator = Estimator::default();
        check_estimates(&engine, &mut estimator);
        for kind in steps {
            world.step(kind, engine.next_boundary());
            world.feed(&mut engine);
            check_estimates(&engine, &mut estimator);
        }
        check_estimates_by_profile(&world, &engine);
        check_holders(&world, &engine);
        check_explanations(&world, &engine);
        check_what_if(&mut world, &mut engine);
        check_draft(&mut world, &mut engine);
    }
}

#[test]
fn a_clause_that_is_only_drafted_is_explained_too() {
    let mut world = World::new(7);
    let mut engine = world.engine();
    world.feed(&mut engine);
    for _ in 0..4 {
        let draft = varied(&mut world);
        let rehearsal = engine.rehearse(&draft).expect("asks for no more columns");
        let mut published = world.published_as(draft.clone());
        let mut fresh = published.engine();
        published.feed(&mut fresh);
        for (entity, count) in world.counts() {
            for row in 0..count {
                let asked =
                    |inquiry: Inquiry<'_>| inquiry.explain(user(1), EntityNumber(entity), RowKey(key(entity, row)));
                assert_eq!(asked(rehearsal.inquire()), asked(fresh.inquire()));
            }
        }
    }
}

#[test]
fn changes_that_name_nobody_are_refused() {
    let mut world = World::new(3);
    let mut engine = world.engine();
    world.feed(&mut engine);
    let nobody = RowKey([9; 16]);
    for (who, change) in [
        (nobody, DirectoryChange::Manager(None)),
        (user(0), DirectoryChange::Manager(Some(nobody))),
        (user(0), DirectoryChange::RoleGiven(nobody)),
        (user(0), DirectoryChange::TeamJoined(nobody)),
    ] {
        let refused = engine.suppose(None, &[(who, change)]);
        assert!(matches!(refused, Err(RehearsalError::Change(_))), "{change:?}");
    }
}

#[test]
fn a_clause_about_linked_rows_shows_them() {
    let named = filter(NAME, FilterOperator::Eq, Operand::Text("x".to_owned()));
    let link = |negated| {
        let link = model::FilterLink {
            entity_number: CONTACT,
            from_attribute_number: 20,
            to_attribute_number: ID,
            negated,
            node: named.compiled.clone().map(Box::new),
        };
        let compiled = model::FilterNode { kind: Some(Kind::Link(Box::new(link))) };
        model::Filter { compiled: Some(compiled), ..model::Filter::default() }
    };
    for negated in [false, true] {
        let account = model::ProfileItem { filter: Some(link(negated)), ..item(ACCOUNT, Criteria::Custom) };
        let mut scene = Scene::new(GLOBAL, vec![account]);
        scene.own(ACCOUNT, 0, 0, &[]);
        scene.own(ACCOUNT, 1, 0, &[]);
        for (contact, text) in [(0, "x"), (1, "y")] {
            scene.own(CONTACT, contact, 0, &[(20, id(ACCOUNT, 0)), (NAME, Cell::Text(text.to_owned()))]);
        }
        scene.feed();
        let explained = |row| {
            let inquiry = scene.engine.inquire();
            let reason = inquiry.explain(user(0), EntityNumber(ACCOUNT), RowKey(key(ACCOUNT, row)));
            let link = find(&reason, ReasonKind::Link).expect("is explained").clone();
            assert_eq!(reason.holds, link.holds);
            link
        };
        let mut shown: Vec<_> =
            explained(0).children.iter().map(|row| (row.children[0].sentence.clone(), row.holds)).collect();
        shown.sort();
        let sentence = |text: &str| format!("name equals \"x\" (it is \"{text}\")");
        assert_eq!(shown, [(sentence("x"), true), (sentence("y"), false)]);
        assert_eq!((explained(0).holds, explained(1).holds), (!negated, negated));
        assert!(explained(1).children.is_empty());
    }
}
