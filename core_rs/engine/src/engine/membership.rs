//! Who follows which profile: whoever it names, then the members of its teams; within an application, if one is asked
//! for.

use std::collections::HashMap;

use haversack_proto::model;

use super::profile::Profile;
use crate::ids::RowKey;
use crate::row::parse_uuid;

/// The members of every profile, and what applications have of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Membership {
    /// Profiles that name a user, the one that is followed first.
    users: HashMap<RowKey, Vec<usize>>,
    /// Profiles that name a team, likewise.
    teams: HashMap<RowKey, Vec<usize>>,
    apps: HashMap<Box<str>, App>,
    /// By profile: its place among all, by priority and then by name.
    ranks: Vec<usize>,
}

/// An application.
#[derive(Clone, Debug)]
pub(super) struct App {
    /// Whether it may work offline.
    pub(super) offline: bool,
    profiles: Vec<usize>,
}

/// What a user is asked about in: profiles of which the user follows one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'m> {
    /// All profiles.
    Everything,
    /// Those of an application.
    App(&'m App),
    /// One, if the user follows it at all: in some application or in none.
    Profile(usize),
}

impl Membership {
    /// Reads who is in the profiles of a model, which are compiled already.
    pub(super) fn read(model: &model::Model, profiles: &[Profile], breaches: &mut Vec<String>) -> Self {
        let mut by_rank: Vec<usize> = (0..profiles.len()).collect();
        by_rank.sort_by_key(|&number| (profiles[number].priority, &profiles[number].name, number));
        let mut membership = Self { ranks: vec![0; profiles.len()], ..Self::default() };
        for (rank, number) in by_rank.into_iter().enumerate() {
            membership.ranks[number] = rank;
            let profile = &model.profiles[number];
            enlist(number, &profile.users, &mut membership.users, ("user", profile), breaches);
            enlist(number, &profile.teams, &mut membership.teams, ("team", profile), breaches);
        }
        membership.read_apps(model, profiles, breaches);
        membership
    }

    fn read_apps(&mut self, model: &model::Model, profiles: &[Profile], breaches: &mut Vec<String>) {
        for app in &model.apps {
            if app.name.is_empty() {
                breaches.push("an application has no name; devices could not ask for it".to_owned());
            }
            // Of profiles that are not published nobody can follow one.
            let number = |name: &String| profiles.iter().position(|profile| profile.name == *name);
            let read = App { offline: app.offline, profiles: app.profiles.iter().filter_map(number).collect() };
            if self.apps.insert(app.name.as_str().into(), read).is_some() {
                breaches.push(format!("there are two applications \"{}\"; names must be unique", app.name));
            }
        }
    }

    /// An application by name.
    pub(super) fn app(&self, name: &str) -> Option<&App> {
        self.apps.get(name)
    }

    /// Which profile a user of these teams follows.
    pub(super) fn profile_of(&self, user: RowKey, teams: &[RowKey], scope: Scope<'_>) -> Option<usize> {
        match scope {
            Scope::Everything => self.first(user, teams, |_| true),
            Scope::App(app) => self.first(user, teams, |number| app.profiles.contains(&number)),
            Scope::Profile(number) => self.profiles_of(user, teams).contains(&number).then_some(number),
        }
    }

    /// Every profile that a user of these teams follows in some application or in none, the latter first.
    pub(super) fn profiles_of(&self, user: RowKey, teams: &[RowKey]) -> Vec<usize> {
        let mut found: Vec<usize> = self.first(user, teams, |_| true).into_iter().collect();
        for app in self.apps.values().filter(|app| app.offline) {
            let number = self.profile_of(user, teams, Scope::App(app));
            found.extend(number.filter(|number| !found.contains(number)));
        }
        found
    }

    /// Every profile that a user of these teams is in, by rank: those that name the user, then those of the teams.
    pub(super) fn all_of(&self, user: RowKey, teams: &[RowKey]) -> Vec<usize> {
        let mut of_teams: Vec<usize> = teams.iter().flat_map(|team| list(&self.teams, *team)).copied().collect();
        of_teams.sort_unstable_by_key(|&number| self.ranks[number]);
        of_teams.dedup();
        let mut all = list(&self.users, user).to_vec();
        of_teams.retain(|number| !all.contains(number));
        all.extend(of_teams);
        all
    }

    /// The users that profiles name, in no order.
    pub(super) fn users(&self) -> impl Iterator<Item = RowKey> {
        self.users.keys().copied()
    }

    /// The teams that profiles name, in no order.
    pub(super) fn teams(&self) -> impl Iterator<Item = RowKey> {
        self.teams.keys().copied()
    }

    fn first(&self, user: RowKey, teams: &[RowKey], counts: impl Fn(usize) -> bool) -> Option<usize> {
        let own = list(&self.users, user).iter().copied().find(|&number| counts(number));
        let first_of = |team: &RowKey| list(&self.teams, *team).iter().copied().find(|&number| counts(number));
        own.or_else(|| teams.iter().filter_map(first_of).min_by_key(|&number| self.ranks[number]))
    }
}

fn list(members: &HashMap<RowKey, Vec<usize>>, key: RowKey) -> &[usize] {
    members.get(&key).map_or(&[], Vec::as_slice)
}

/// Notes the members that a profile names. `whose` is for breaches: what the members are, and the profile.
fn enlist(
    number: usize,
    ids: &[String],
    members: &mut HashMap<RowKey, Vec<usize>>,
    whose: (&str, &model::Profile),
    breaches: &mut Vec<String>,
) {
    for id in ids {
        let Some(key) = parse_uuid(id).map(RowKey) else {
            let (kind, profile) = whose;
            breaches.push(format!("profile \"{}\" has a {kind} \"{id}\", which is no UUID", profile.name));
            continue;
        };
        let profiles = members.entry(key).or_default();
        if profiles.last() != Some(&number) {
            profiles.push(number);
        }
    }
}
