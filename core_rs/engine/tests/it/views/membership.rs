//! Who follows which profile: named or by a team, in an application or in none, with the privilege or without.

use haversack_engine::engine::ask::{Reason, ReasonKind};
use haversack_engine::engine::{Admission, Asker, Subscriber};
use haversack_engine::ids::{EntityNumber, RowKey};
use haversack_engine::view::{Denial, Refusal};
use haversack_proto::model::{self, RecordCriteria as Criteria};

use super::draw::{key, uuid_text};
use super::organization::*;
use super::scenarios::{GLOBAL, Scene, id, item};

fn profile(name: &str, priority: u32, entity: u32, members: (&[u32], &[u32])) -> model::Profile {
    let ids = |entity, rows: &[u32]| rows.iter().map(|row| uuid_text(key(entity, *row))).collect();
    model::Profile {
        name: name.to_owned(),
        priority,
        items: vec![item(entity, Criteria::All)],
        users: ids(USER, members.0),
        teams: ids(TEAM, members.1),
        ..model::Profile::default()
    }
}

fn app(name: &str, offline: bool, profiles: &[&str]) -> model::App {
    let profiles = profiles.iter().map(|&name| name.to_owned()).collect();
    model::App { name: name.to_owned(), offline, profiles, ..model::App::default() }
}

/// Accounts for the team, contacts for whoever is named, sites for both in an application.
fn scene(admission: Admission) -> Scene {
    let mut scene = Scene::admitting(admission, GLOBAL, vec![]);
    scene.put(TEAM, 0, &[(2, id(UNIT, 0))]);
    scene.world.republish(|model| {
        model.profiles = vec![
            profile("team", 1, ACCOUNT, (&[], &[0])),
            profile("named", 9, CONTACT, (&[1], &[])),
            profile("sites", 3, SITE, (&[0, 1], &[0])),
        ];
        model.apps = vec![app("sales", true, &["team", "named"]), app("service", true, &["sites"])];
    });
    scene.feed();
    scene
}

fn asker(user: u32, app: &str) -> Asker {
    Asker { user: RowKey(key(USER, user)), app: app.into() }
}

/// The entity that is carried, of profiles that carry one.
fn carried(scene: &Scene, subscriber: Subscriber) -> Result<u32, Option<Denial>> {
    let view = scene.engine.view(subscriber).ok_or(None)?;
    view.entities.first().map(|part| part.entity.0).ok_or(view.denial)
}

#[test]
fn a_user_follows_a_profile_by_name_before_one_by_team_at_once() {
    let mut scene = scene(Admission::Members);
    let sales = [0, 1].map(|user| scene.engine.subscribe(asker(user, "sales")));
    assert_eq!(sales.map(|it| carried(&scene, it)), [Err(Some(Denial::ProfileMissing)), Ok(CONTACT)]);
    for user in 0..2 {
        scene.put(MEMBERSHIP, user, &[(2, id(TEAM, 0)), (3, id(USER, user))]);
    }
    assert_eq!(scene.feed().touched, [sales[0]], "who is named does not follow the team's profile");
    assert_eq!(sales.map(|it| carried(&scene, it)), [Ok(ACCOUNT), Ok(CONTACT)]);
    let anything = [0, 1].map(|user| scene.engine.subscribe(asker(user, "")));
    assert_eq!(anything.map(|it| carried(&scene, it)), [Ok(SITE), Ok(SITE)]);
    scene.world.write(MEMBERSHIP, 0, None);
    assert_eq!(scene.feed().touched, [sales[0]]);
    assert_eq!(carried(&scene, sales[0]), Err(Some(Denial::ProfileMissing)));
}

#[test]
fn views_of_equal_inputs_are_shared_whatever_the_application() {
    let mut scene = scene(Admission::Members);
    let [one, other] = ["", "service"].map(|app| scene.engine.subscribe(asker(0, app)));
    assert_eq!(scene.engine.statistics().views, 1);
    assert_eq!(scene.view(one), scene.view(other));
}

#[test]
fn an_application_is_refused_and_let_in_at_a_publish() {
    let mut scene = scene(Admission::Members);
    let [service, stray] = ["service", "stray"].map(|app| scene.engine.subscribe(asker(0, app)));
    assert_eq!(scene.engine.refusal(service), None);
    assert_eq!((scene.engine.refusal(stray), scene.engine.view(stray)), (Some(Refusal::AppUnknown), None));
    scene.world.republish(|model| model.apps = vec![app("service", false, &["sites"]), app("stray", true, &["sites"])]);
    assert_eq!(scene.feed().touched, [service, stray]);
    assert_eq!((scene.engine.refusal(service), scene.engine.view(service)), (Some(Refusal::AppNotEnabled), None));
    assert_eq!(carried(&scene, stray), Ok(SITE));
}

#[test]
fn who_may_not_read_profiles_is_denied_and_told_why() {
    let mut scene = scene(Admission::ProfileReaders);
    let subscriber = scene.engine.subscribe(asker(0, ""));
    assert_eq!(carried(&scene, subscriber), Ok(SITE));
    let of_profiles = ITEM_ENTITIES.len() as u32;
    let privilege = scene.world.rows[&PRIVILEGE][of_profiles as usize].cells.clone();
    scene.world.write(PRIVILEGE, of_profiles, None);
    assert_eq!(scene.feed().touched, [subscriber]);
    assert_eq!(carried(&scene, subscriber), Err(Some(Denial::ProfileNotReadable)));
    let told = |scene: &Scene| -> Vec<(String, bool)> {
        let reason = scene.engine.inquire().explain(RowKey(key(USER, 0)), EntityNumber(SITE), RowKey(key(SITE, 0)));
        let of_user = reason.children.iter().filter(|child| child.kind == ReasonKind::User);
        of_user.map(|Reason { sentence, holds, .. }| (sentence.clone(), *holds)).collect()
    };
    let clause = "a role of the user or of a team lets read offline profiles".to_owned();
    assert_eq!(told(&scene), [(clause.clone(), false)]);
    // A team's role does as well, and so does the least depth.
    scene.put(MEMBERSHIP, 0, &[(2, id(TEAM, 0)), (3, id(USER, 0))]);
    scene.put(TEAM_ROLE, 0, &[(2, id(TEAM, 0)), (3, id(ROLE, 1))]);
    scene.put(ROLE, 1, &[]);
    let cells = privilege.expect("was granted").into_iter().filter(|(attribute, _)| ![ID, 2, 5].contains(attribute));
    let cells: Vec<_> = cells.chain([(2, id(ROLE, 1)), (5, super::draw::Cell::Integer(1))]).collect();
    scene.put(PRIVILEGE, of_profiles, &cells);
    assert_eq!(scene.feed().touched, [subscriber]);
    assert_eq!(carried(&scene, subscriber), Ok(SITE));
    assert_eq!(told(&scene), [("the user follows the profile \"sites\"".to_owned(), true), (clause, true)]);
}
